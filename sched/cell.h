/*
 * cell: the one record a message or signal lies in, and the pool of them that each loop owns.
 *
 * A cell is one cache line. Between loops its content travels by value, so a cell never leaves its loop. Timers,
 * watches, sockets, monitors and resume notices embed one, so that what they report waits in the same lists as mail
 * and needs no room anywhere.
 *
 * Owner thread only, except `low`, which other threads read.
 *
 * Invariants
 *   C1  A cell is in one list at most: free, a mailbox, a slot's held cells, an overflow, or the ends.
 *   C2  Cells for what arrives from other loops and foreign threads are always found: `low` is set while the free cells
 *       are not more than all lanes and inboxes towards this loop can hold (`inbound_max`), senders that see it stop,
 *       and what this loop takes for itself leaves that many.
 *   C3  A token or request number is a cell's index with a count that grows with each use, so a stale one is found out.
 */
#ifndef JZX__CELL_H
#define JZX__CELL_H

#include "io/base.h"
#include "io/list.h"
#include <jzx/message.h>

typedef enum jzx__cell_kind {
    JZX__CELL_FREE = 0,
    JZX__CELL_MAIL,           /* a user's message, or a runtime's that is mail like any other */
    JZX__CELL_ANSWER,         /* in transit: target = token, sender = who answers */
    JZX__CELL_HIGH,           /* in transit: MAIL of high priority */
    JZX__CELL_CALL,           /* a call in transit: mail, and in the second cell a jzx__call_wire */
    JZX__CELL_END,            /* stop, drain, kill, fail: see jzx__end_cell */
    JZX__CELL_SPAWN,          /* two cells */
    JZX__CELL_MONITOR,        /* sender = watcher, words[0] = monitor */
    JZX__CELL_DEMONITOR,      /* words[0] = monitor */
    JZX__CELL_DOWN,           /* two cells: words[0] = monitor, then the exit info */
    JZX__CELL_DOWN_NONE,      /* words[0] = monitor, target, tag = exit kind: there is nobody to monitor */
    JZX__CELL_LINK,           /* words: its number, the other's, a record reserved there; 0: none */
    JZX__CELL_LINK_NONE,      /* the answer: tag = exit kind; 0: it only gives back the record reserved */
    JZX__CELL_LINK_EXIT,      /* two cells: words[0] = who is told, then the exit info */
    JZX__CELL_UNLINK,         /* words as of LINK */
    JZX__CELL_FLOW_OPEN,      /* words: 0, its number, first credits; tag = it receives */
    JZX__CELL_FLOW_ACCEPT,    /* words: the other's number, its own, credits */
    JZX__CELL_FLOW_GRANT,     /* words as of ACCEPT */
    JZX__CELL_FLOW_END,       /* words as of ACCEPT, with an exit kind in place of credits; tag = jzx_err */
    JZX__CELL_FLOW_LOST,      /* words[0] = the last of the flows that are refused */
    JZX__CELL_RESUME_ASK,     /* words[0] = resume record */
    JZX__CELL_RESUME,         /* words[0] = resume record */
    JZX__CELL_CHILD_SPAWN,    /* words: child, jzx__child_how, index and incarnation; tag = restarts */
    JZX__CELL_CHILD_END,      /* target, sender = supervisor, tag = exit kind */
    JZX__CELL_CHILD_STARTED,  /* words[0] = child, sender = its id */
    JZX__CELL_CHILD_READY,    /* words[0] = child */
    JZX__CELL_CHILD_FAILED,   /* words[0] = child, tag = jzx_err */
    JZX__CELL_CHILD_EXITED,   /* two cells: words[0] = child, then the exit info */
    JZX__CELL_CANCEL,         /* of a call: target = token, sender = asker */
    JZX__CELL_TRAIL_END,      /* of a call that was handed on, to where it was before: as of CANCEL */
    JZX__CELL_BROADCAST,      /* target = group, token or 0; fanned out where it is taken */
    JZX__CELL_BROADCAST_DONE, /* target = token, words: reached, missed, filtered */
    JZX__CELL_PROBE,          /* looks for a circle of waits, see sched/wait.h; two cells when it confirms one */
    JZX__CELL_SKIP,           /* nothing any more: its sender took it back while it waited in an overflow */
    JZX__CELL_BLOCK,          /* a lane's entry: words[0] = block, words[1] = count */
    /* The rest stay on their loop. */
    JZX__CELL_RESERVED, /* an asker's room for an answer */
    JZX__CELL_KEPT,     /* a request that its handler has not answered yet */
    JZX__CELL_TIMER,
    JZX__CELL_WATCH,
    JZX__CELL_SOCKET,
    JZX__CELL_CHILD,       /* news of a child, for its supervisor */
    JZX__CELL_SUPERVISOR,  /* a supervisor's notice to itself */
    JZX__CELL_ASKED,       /* the supervisor asks one that traps exits to stop */
    JZX__CELL_EXIT,        /* a linked actor has ended */
    JZX__CELL_MISSED,      /* a member was not reached by broadcasts */
    JZX__CELL_GROUP_WATCH, /* somebody has come to a group, or gone */
    JZX__CELL_HIGH_TURN,   /* high mail waits: see sched/annex.h */
    JZX__CELL_FLOW,        /* a flow was opened, or has ended */
    JZX__CELL_CREDIT,      /* a flow has credits again */
    /* Of calls, see sched/call.h. */
    JZX__CELL_CALLING,
    JZX__CELL_CALLED,
    JZX__CELL_OPENED,
    JZX__CELL_GATHER,
    JZX__CELL_TRAIL,
} jzx__cell_kind;

enum {
    JZX__FLAG_POINTER = 1u << 0,  /* the payload is {data, drop, drop_context, size} */
    JZX__FLAG_REQUEST = 1u << 1,  /* `next` in transit, `target` after arrival, is the asker's token */
    JZX__FLAG_REPORT = 1u << 2,   /* tell the sender when it is dropped */
    JZX__FLAG_WIDE = 1u << 3,     /* the next cell belongs to it */
    JZX__FLAG_EMBEDDED = 1u << 4, /* part of a record, not of the pool */
    JZX__FLAG_LENT = 1u << 5,     /* the payload stays the record's */
    JZX__FLAG_OVERTIME = 1u << 6, /* the record is gone, but its cell still waits in a list */
    JZX__FLAG_LEND = 1u << 7,     /* the handler may only look at the payload: it is destroyed when that returns */
    JZX__FLAG_HIGH = 1u << 8,     /* mail of high priority */
    JZX__FLAG_CALL = 1u << 9,   /* a request: `target` is the index of its called cell; an answer: of its calling one */
    JZX__FLAG_ENDED = 1u << 12, /* an answer: a calling cell, of a call that its own loop has ended */
    JZX__FLAG_PROGRESS = 1u << 14, /* yielded mail that has its actor's progress word */
    JZX__FLAG_FLOW = 1u << 10,     /* through a flow: `token`, or `target` after arrival, is the receiver's number */
};
_Static_assert((unsigned)JZX_MESSAGE_LENT << 3 == JZX__FLAG_LEND, "JZX__LEND_SHIFT turns one into the other");
enum { JZX__LEND_SHIFT = 3 };
enum {
    JZX__FLAG_GROUP = 1u << 11, /* came by a broadcast: the target is the tag of the membership */
    JZX__GROUP_SHIFT = 5,
};
_Static_assert((unsigned)JZX_MESSAGE_GROUP << JZX__GROUP_SHIFT == JZX__FLAG_GROUP, "turns one into the other");
_Static_assert((unsigned)JZX_MESSAGE_FLOW << JZX__GROUP_SHIFT == JZX__FLAG_FLOW, "and this one with it");

/*
 * While mail's handler runs its cell is the message, in place: `head`, `target` and `next` then hold what the message has
 * there, and jzx__cell_open() says what must be put back if it returns to a list.
 */
typedef struct jzx__cell jzx__cell;
struct jzx__cell {
    union {
        struct {
            uint32_t tag;
            union {
                struct {
                    uint8_t size; /* of a payload by value */
                    uint8_t kind;
                    uint16_t flags;
                };
                uint32_t head;
            };
            uint64_t sender;
            uint64_t target;
            union {
                struct jzx__cell *next;
                uint64_t token; /* of a request in transit */
                struct {
                    uint32_t before; /* indexes, in a ring (sched/call.h) */
                    uint32_t after;
                } ring;
            };
            union {
                uint8_t bytes[JZX_INLINE_MAX];
                uint64_t words[JZX_INLINE_MAX / 8];
                struct {
                    void *data;
                    jzx_drop_fn drop;
                    void *drop_context;
                    size_t size;
                } pointer;
            };
        };
        jzx_message message;
    };
};
_Static_assert(sizeof(jzx__cell) == JZX__CACHE_LINE, "a cell is one cache line");
_Static_assert(offsetof(jzx__cell, head) == offsetof(jzx_message, flags) &&
                   offsetof(jzx__cell, sender) == offsetof(jzx_message, sender) &&
                   offsetof(jzx__cell, target) == offsetof(jzx_message, ref) &&
                   offsetof(jzx__cell, bytes) == offsetof(jzx_message, bytes),
               "a cell becomes a message in place");

/* The same line when it asks an actor to end: its sender is the origin, its payload the text. */
typedef struct jzx__end_cell {
    int32_t code;
    uint8_t end; /* exit kind, or JZX__EXIT_DRAIN */
    uint8_t kind;
    uint16_t flags;
    uint64_t origin;
    uint64_t target;
    struct jzx__cell *next;
    char text[JZX_INLINE_MAX];
} jzx__end_cell;
_Static_assert(sizeof(jzx__end_cell) == sizeof(jzx__cell), "an end request is a cell");
_Static_assert(offsetof(jzx__end_cell, kind) == offsetof(jzx__cell, kind) &&
                   offsetof(jzx__end_cell, target) == offsetof(jzx__cell, target) &&
                   offsetof(jzx__end_cell, next) == offsetof(jzx__cell, next),
               "what lists and lanes read is in one place");

typedef struct jzx__pool {
    jzx__cell *cells;
    jzx__cell *free;
    uint32_t count;
    uint32_t free_count;
    uint32_t inbound_max;
    uint32_t scarce;                                /* free cells down to which they are low: inbound_max and one */
    uint32_t plenty;                                /* and from which on they are not any more, if not before */
    uint32_t settled;                               /* free cells when the last turn of a loop that is low was over */
    uint32_t touched;                               /* cells from here on have never been used */
    uint64_t uses;                                  /* C3 */
    jzx__list waiters;                              /* resume records that wait for free cells here */
    _Alignas(JZX__CACHE_LINE) _Atomic(uint8_t) low; /* C2: written here, read by senders elsewhere */
} jzx__pool;

void jzx__pool_init(jzx__pool *pool, jzx__cell *cells, uint32_t count, uint32_t inbound_max);

void jzx__pool_set_low(jzx__pool *pool, bool low);

static inline jzx__cell *jzx__pool_take_any(jzx__pool *pool)
{
    jzx__cell *cell = pool->free;
    if (cell != NULL) {
        pool->free = cell->next;
    } else {
        JZX_ASSERT(pool->touched < pool->count); /* C2 */
        cell = &pool->cells[pool->touched++];
    }
    pool->free_count--;
    return cell;
}

/* For what arrives. Never fails (C2). */
static inline jzx__cell *jzx__pool_take_inbound(jzx__pool *pool)
{
    if (jzx__unlikely(pool->free_count <= pool->scarce)) {
        jzx__pool_set_low(pool, true);
    }
    return jzx__pool_take_any(pool);
}

/* For what this loop makes: NULL when only the cells kept for arrivals are left. */
static inline jzx__cell *jzx__pool_take(jzx__pool *pool, uint32_t wanted)
{
    if (JZX__SIM_FAULT(CELLS)) {
        return NULL;
    }
    if (jzx__unlikely(pool->free_count <= pool->inbound_max + wanted)) {
        jzx__pool_set_low(pool, true);
        return NULL;
    }
    return jzx__pool_take_any(pool);
}

static inline void jzx__pool_give(jzx__pool *pool, jzx__cell *cell)
{
    cell->kind = JZX__CELL_FREE;
    cell->next = pool->free;
    pool->free = cell;
    pool->free_count++;
}

/* Whether this loop may take none for itself now; then it is told when it may. */
static inline bool jzx__pool_scarce(jzx__pool *pool)
{
    if (pool->free_count > pool->scarce) {
        return false;
    }
    jzx__pool_set_low(pool, true);
    return true;
}

/* Whether cells are plenty again after they were low; the caller then tells who waits. */
static inline bool jzx__pool_recovered(const jzx__pool *pool)
{
    return atomic_load_explicit(&pool->low, memory_order_relaxed) != 0 && pool->free_count >= pool->plenty;
}

static inline jzx__cell *jzx__pool_at(const jzx__pool *pool, uint32_t index)
{
    return &pool->cells[index];
}

static inline uint32_t jzx__pool_index(const jzx__pool *pool, const jzx__cell *cell)
{
    return (uint32_t)(cell - pool->cells);
}

static inline uint64_t jzx__pool_number(jzx__pool *pool, const jzx__cell *cell)
{
    pool->uses = (pool->uses + 1) & 0xFFFFFFFFFFull;
    return (uint64_t)jzx__pool_index(pool, cell) << 40 | pool->uses;
}

/* The cell a number names, or NULL if the number cannot be of this pool. */
static inline jzx__cell *jzx__pool_find(jzx__pool *pool, uint64_t number)
{
    uint64_t index = number >> 40;
    return index < pool->touched ? &pool->cells[index] : NULL;
}

/* In a lane: mail of any kind, which is counted and has a payload. */
static inline bool jzx__cell_is_mail(const jzx__cell *cell)
{
    return cell->kind >= JZX__CELL_MAIL && cell->kind <= JZX__CELL_CALL;
}

/* Runs the destructor of a payload, if it has one. */
static inline void jzx__cell_drop_payload(const jzx__cell *cell)
{
    if ((cell->flags & (JZX__FLAG_POINTER | JZX__FLAG_LENT)) == JZX__FLAG_POINTER && cell->pointer.drop != NULL) {
        cell->pointer.drop(cell->pointer.drop_context, cell->pointer.data, cell->pointer.size);
    }
}

/*
 * Word by word, as senders write it: a load wider than the store it depends on waits until that store has left the core.
 * For the same reason the library is built without the pass that would join the words again (meson.build).
 */
static inline void jzx__words_copy(uint64_t to[4], const uint64_t from[4])
{
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
    to[3] = from[3];
}

/* The head as one word, since it is stored and read as one. */
static inline uint32_t jzx__head(uint32_t size, jzx__cell_kind kind, uint32_t flags)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return size | (uint32_t)kind << 8 | flags << 16;
#else
    return size << 24 | (uint32_t)kind << 16 | flags;
#endif
}

/* Fills tag, head and payload. */
static inline void jzx__cell_from_message(jzx__cell *cell, const jzx_message *message, jzx__cell_kind kind)
{
    cell->tag = message->tag;
    jzx__words_copy(cell->words, message->words);
    if (jzx__likely((message->flags & JZX_MESSAGE_POINTER) == 0)) {
        cell->head = jzx__head((uint8_t)message->size, kind, 0);
    } else {
        uint32_t lend = (message->flags & JZX_MESSAGE_LENT) << JZX__LEND_SHIFT;
        cell->head = jzx__head(0, kind, JZX__FLAG_POINTER | lend);
        cell->pointer.size = message->size;
    }
}

static inline void jzx__cell_to_message(const jzx__cell *cell, jzx_message *message)
{
    message->tag = cell->tag;
    message->sender = cell->sender;
    message->ref = 0;
    jzx__words_copy(message->words, cell->words);
    if ((cell->flags & JZX__FLAG_POINTER) != 0) {
        message->flags = JZX_MESSAGE_POINTER | (uint32_t)(cell->flags & JZX__FLAG_LEND) >> JZX__LEND_SHIFT;
        message->size = cell->pointer.size;
    } else {
        message->flags = 0;
        message->size = cell->size;
    }
}
_Static_assert(JZX__FLAG_POINTER == (unsigned)JZX_MESSAGE_POINTER, "one bit for both");

/*
 * A message by value that is mail and nothing else, with just these flags: none, GROUP or FLOW. One comparison: everything but
 * the size is a constant.
 */
static inline bool jzx__cell_is_value(const jzx__cell *cell, uint32_t flags)
{
    return (cell->head & ~jzx__head(UINT8_MAX, JZX__CELL_FREE, 0)) == jzx__head(0, JZX__CELL_MAIL, flags);
}

/* jzx__cell_open() of these, whose head needs no keeping: jzx__cell_value_head() knows it from the message. */
static inline void jzx__cell_open_value(jzx__cell *cell, uint32_t flags)
{
    cell->message.size = cell->size;
    cell->message.flags = flags >> JZX__GROUP_SHIFT;
    if (flags == 0) {
        cell->message.ref = 0;
    }
}

static inline uint32_t jzx__cell_value_head(const jzx__cell *cell, uint32_t flags)
{
    return jzx__head((uint8_t)cell->message.size, JZX__CELL_MAIL, flags);
}

/*
 * Makes the message of mail that is in no list, in place. Returns the head, which closes it again. The target of an answer,
 * and of what came by a broadcast, is its ref already.
 */
static inline uint32_t jzx__cell_open(jzx__cell *cell)
{
    uint32_t head = cell->head;
    bool pointer = (cell->flags & JZX__FLAG_POINTER) != 0;
    size_t size = pointer ? cell->pointer.size : cell->size;
    uint32_t flags = cell->flags & JZX__FLAG_POINTER;
    flags |= (uint32_t)(cell->flags & JZX__FLAG_LEND) >> JZX__LEND_SHIFT;
    flags |= (uint32_t)(cell->flags & (JZX__FLAG_GROUP | JZX__FLAG_FLOW)) >> JZX__GROUP_SHIFT;
    if (jzx__unlikely(cell->kind != JZX__CELL_MAIL)) {
        flags |= JZX_MESSAGE_ANSWER;
    } else if ((flags & (JZX_MESSAGE_GROUP | JZX_MESSAGE_FLOW)) == 0) {
        cell->message.ref = 0;
    }
    cell->message.flags = flags; /* in the place of the head */
    cell->message.size = size;
    return head;
}

/* First in, first out; empty when first is NULL. */
typedef struct jzx__queue {
    jzx__cell *first;
    jzx__cell *last;
} jzx__queue;

static inline void jzx__queue_push(jzx__queue *queue, jzx__cell *cell)
{
    cell->next = NULL;
    if (queue->first == NULL) {
        queue->first = cell;
    } else {
        queue->last->next = cell;
    }
    queue->last = cell;
}

static inline void jzx__queue_push_front(jzx__queue *queue, jzx__cell *cell)
{
    cell->next = queue->first;
    if (queue->first == NULL) {
        queue->last = cell;
    }
    queue->first = cell;
}

/* Puts all of `from` in front of what is in `queue`. */
static inline void jzx__queue_prepend(jzx__queue *queue, jzx__queue *from)
{
    if (from->first == NULL) {
        return;
    }
    from->last->next = queue->first;
    if (queue->first == NULL) {
        queue->last = from->last;
    }
    queue->first = from->first;
    from->first = NULL;
}

static inline jzx__cell *jzx__queue_pop(jzx__queue *queue)
{
    jzx__cell *cell = queue->first;
    if (cell != NULL) {
        queue->first = cell->next;
    }
    return cell;
}

#endif
