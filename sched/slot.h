/*
 * slot: where actors live, and the ids that name them.
 *
 * A slot has three parts: the public half in the shared segment (what tools see), the hot part that a message touches,
 * and the cold part. Hot and cold parts grow by chunks; the table of chunks is fixed. When an actor has ended, its hot
 * part becomes the exit record until every notice of it has left.
 *
 * Owner thread only, except `full`, one byte per slot that senders on other threads read, and id and length of a mailbox,
 * which routers there read (jzx__slot_length()).
 *
 * Invariants
 *   A1  An id is issued once: a slot whose generation is spent is retired, and an index never used takes its place.
 *   A2  State moves only forward: free, starting, running, draining, stopping, dying, free.
 *   A3  A slot is in the run queue at most once. QUEUED is set while it is there or being run; an actor ends only after
 *       it has come out, so a dying slot is never in the queue.
 *   A4  public->id is the actor's from starting to stopping, and 0 else, so a stale id finds nothing.
 *   A5  full[index] is set while the mailbox holds its high mark of messages or bytes or more, or has refused, from
 *       then until both have fallen to the low one; cleared when the slot is freed.
 */
#ifndef JZX__SLOT_H
#define JZX__SLOT_H

#include "sched/cell.h"
#include <jzx/actor.h>
#include <jzx/segment.h>

typedef enum jzx__state {
    JZX__FREE = 0,
    JZX__STARTING = 1,
    JZX__RUNNING = 2,
    JZX__DRAINING = 3,
    JZX__STOPPING = 4,
    JZX__DYING = 5,
    JZX__RETIRED = 6,
} jzx__state;

enum { JZX__EXIT_DRAIN = 255 }; /* asks for a drain, in the place of a jzx_exit_kind */

/* Why an actor ends. */
typedef struct jzx__cause {
    uint8_t kind; /* jzx_exit_kind, or JZX__EXIT_DRAIN */
    int32_t code;
    jzx_actor_id origin; /* who asked for it */
    const char *text;    /* NULL: none */
} jzx__cause;

enum {
    JZX__SLOT_CHUNK = 1024,
    JZX__SLOT_SPARE = 65536,   /* indexes beyond actors_max, for those that retire (A1) */
    JZX__SLOT_NONE = 0xFFFFFF, /* no such index is ever issued */
};

enum {
    JZX__SLOT_QUEUED = 1u << 0,      /* in the run queue, or being run (A3) */
    JZX__SLOT_MARKED = 1u << 1,      /* full[] is set (A5) */
    JZX__SLOT_FULL_SEEN = 1u << 2,   /* observers were told that it is full */
    JZX__SLOT_OWN_STATE = 1u << 3,   /* the state was allocated for state_size */
    JZX__SLOT_STILLBORN = 1u << 4,   /* its init failed */
    JZX__SLOT_END_CELL = 1u << 5,    /* stopping: `end` is a cell */
    JZX__SLOT_DROP_NEWEST = 1u << 6, /* what a full mailbox does; it refuses without either */
    JZX__SLOT_DROP_OLDEST = 1u << 7,
    JZX__SLOT_TRAP_EXIT = 1u << 8,   /* exits of linked actors come as messages */
    JZX__SLOT_MAIL_FIRST = 1u << 9,  /* its last turn ended with a signal, and mail waited (U2) */
    JZX__SLOT_SUPERVISOR = 1u << 10, /* its state begins with a jzx__supervisor */
    JZX__SLOT_SUPERVISED = 1u << 11, /* it has a jzx__bond */
    JZX__SLOT_HEIR = 1u << 12,       /* keeps the mail of a child that is down; marked as queued, so that it never is */
    JZX__SLOT_WAITING = 1u << 13,    /* for the end of an exclusive call: see sched/wait.h */
    JZX__SLOT_DROPS = JZX__SLOT_DROP_NEWEST | JZX__SLOT_DROP_OLDEST,
};

enum { JZX__STATE_PREFIX = 16 }; /* keeps the state aligned as malloc does */

typedef struct jzx__resource jzx__resource;
typedef struct jzx__suffered jzx__suffered;

typedef struct jzx__hot {
    union {
        jzx_behavior_fn behavior;
        jzx_actor_id origin; /* stopping: who asked for it */
        jzx__cell *end;      /* stopping, with END_CELL: origin and text, in a jzx__end_cell */
    };
    void *state; /* with OWN_STATE, JZX__STATE_PREFIX bytes before it hold its size */
    jzx__queue mail;
    jzx__cell *urgent_last; /* circular: its next is the first */
    union {
        uint32_t high;      /* the mailbox length that marks it full (A5); marked: one over the cap; waiting: 0 (W2) */
        uint32_t next_free; /* free: the next free slot */
    };
    uint32_t cap;
    uint64_t bytes; /* of payloads by pointer in the mailbox */
    union {
        uint32_t bytes_cap;
        int32_t end_code; /* stopping */
    };
    union {
        uint16_t per_turn;
        uint16_t end_kind; /* stopping: jzx_exit_kind */
    };
    uint16_t flags; /* JZX__SLOT_* */
} jzx__hot;
_Static_assert(sizeof(jzx__hot) == JZX__CACHE_LINE, "what a message touches is one cache line");

typedef struct jzx__cold {
    union {
        jzx_fini_fn fini;
        uint64_t id; /* dying */
    };
    uint32_t held;           /* reserved and kept cells, doubly linked: index + 1 of the first, 0: none */
    uint32_t annex;          /* index + 1 of its jzx__annex, 0: none */
    jzx__resource *owned;    /* timers, watches, sockets, monitors, links, resume records */
    jzx__cell *waiters;      /* askers for a resume notice of this mailbox */
    jzx__suffered *suffered; /* monitors on this actor, and its links; dying: those not yet sent */
    uint64_t started_ns;
    uint32_t generation;
    uint32_t held_count; /* dying: notices not yet sent */
} jzx__cold;
_Static_assert(sizeof(jzx__cold) == 56, "an idle actor costs 64 + 64 + 56 bytes and one in full[]");

/*
 * Exit info in two lines: the record, which a dying slot holds and which goes as second cell, and what is in the first: id,
 * and who was the supervisor. words[0] of that is the notice's own.
 */
static inline const void *jzx__exit_record(const jzx_exit_info *exit)
{
    return &exit->uptime_ns;
}
_Static_assert(offsetof(jzx_exit_info, supervisor) - offsetof(jzx_exit_info, uptime_ns) == sizeof(jzx__hot),
               "a dying slot holds its exit record");

static inline void jzx__exit_pack(jzx__cell *cell, const jzx_exit_info *exit)
{
    cell->target = exit->id;
    cell->sender = exit->supervisor;
    cell->words[1] = (uint64_t)exit->restarts << 32 | exit->child_index;
    memcpy(&cell->words[2], exit->name, sizeof exit->name);
}

static inline jzx_exit_info jzx__exit_unpack(const jzx__cell *cell, const void *record)
{
    jzx_exit_info exit = {.id = cell->target, .supervisor = cell->sender};
    memcpy(&exit.uptime_ns, record, sizeof(jzx__hot));
    exit.child_index = (uint32_t)cell->words[1];
    exit.restarts = (uint32_t)(cell->words[1] >> 32);
    memcpy(exit.name, &cell->words[2], sizeof exit.name);
    return exit;
}

typedef struct jzx__slot_chunk {
    jzx__hot hot[JZX__SLOT_CHUNK];
    jzx__cold cold[JZX__SLOT_CHUNK];
} jzx__slot_chunk;

typedef struct jzx__slots {
    jzx_segment_slot *public; /* in the segment */
    jzx__slot_chunk **chunks;
    _Atomic(uint8_t) *full;
    uint32_t first; /* index 0 as an id has it: behind the number of the loop */
    uint32_t actors_max;
    uint32_t indexes_max; /* actors_max + JZX__SLOT_SPARE */
    uint32_t chunk_count;
    uint32_t fresh;      /* the next index never used */
    uint32_t live;       /* starting to dying */
    uint32_t free_first; /* JZX__SLOT_NONE: none */
    uint32_t free_last;
    const jzx_allocator *allocator;
} jzx__slots;

jzx_err jzx__slots_init(jzx__slots *slots, jzx_segment_slot *public, uint32_t loop, uint32_t actors_max,
                        const jzx_allocator *allocator);
void jzx__slots_deinit(jzx__slots *slots);
size_t jzx__slots_size(uint32_t actors_max);

/* A slot in state starting, its parts zeroed and its id issued. MAX_ACTORS or NO_MEMORY. */
jzx_err jzx__slot_take(jzx__slots *slots, uint32_t *index);
/* Frees a dying or starting slot. */
void jzx__slot_give(jzx__slots *slots, uint32_t index);

static inline jzx__hot *jzx__slot_hot(const jzx__slots *slots, uint32_t index)
{
    return &slots->chunks[index / JZX__SLOT_CHUNK]->hot[index % JZX__SLOT_CHUNK];
}

static inline jzx__cold *jzx__slot_cold(const jzx__slots *slots, uint32_t index)
{
    return &slots->chunks[index / JZX__SLOT_CHUNK]->cold[index % JZX__SLOT_CHUNK];
}

static inline uint32_t jzx__id_loop(jzx_actor_id id)
{
    return (uint32_t)(id >> 56);
}

static inline uint32_t jzx__id_index(jzx_actor_id id)
{
    return (uint32_t)(id >> 32) & 0xFFFFFFu;
}

/* The index that an id of this loop names; beyond all indexes for an id of another one. */
static inline uint32_t jzx__slot_index(const jzx__slots *slots, jzx_actor_id id)
{
    return (uint32_t)(id >> 32) ^ slots->first;
}

/* The index of a live slot with this id, or JZX__SLOT_NONE. */
static inline uint32_t jzx__slot_find(const jzx__slots *slots, jzx_actor_id id)
{
    uint32_t index = jzx__slot_index(slots, id);
    if (jzx__unlikely(index >= slots->fresh || id == 0) || slots->public[index].id != id) {
        return JZX__SLOT_NONE;
    }
    return index; /* A4 */
}

/*
 * How many messages wait for an actor of any loop, read by any thread; UINT32_MAX when none has this id, or not any more. The
 * two words are read one after the other, so what is told may be another's: good enough to choose by.
 */
static inline uint32_t jzx__slot_length(const jzx__slots *slots, jzx_actor_id id)
{
    uint32_t index = jzx__id_index(id);
    if (index >= slots->indexes_max) {
        return UINT32_MAX;
    }
    const jzx_segment_slot *public = &slots->public[index];
    uint32_t length = __atomic_load_n(&public->mailbox_length, __ATOMIC_RELAXED);
    return __atomic_load_n(&public->id, __ATOMIC_RELAXED) == id ? length : UINT32_MAX; /* A4 */
}

static inline uint32_t jzx__slot_high_mark(uint32_t cap)
{
    return cap < 2 ? 1 : cap - cap / 4;
}

/* Below the high one, whatever the cap is. */
static inline uint32_t jzx__slot_low_mark(uint32_t cap)
{
    return cap / 2;
}

/* A circular list, named by its last. */
static inline void jzx__circle_push(jzx__cell **last, jzx__cell *cell)
{
    if (*last == NULL) {
        cell->next = cell;
    } else {
        cell->next = (*last)->next;
        (*last)->next = cell;
    }
    *last = cell;
}

static inline jzx__cell *jzx__circle_pop(jzx__cell **last)
{
    jzx__cell *first = (*last)->next;
    if (first == *last) {
        *last = NULL;
    } else {
        (*last)->next = first->next;
    }
    return first;
}

/* Appends to the urgent list: timers, readiness, sockets, resume notices. */
static inline void jzx__urgent_push(jzx__hot *hot, jzx__cell *cell)
{
    jzx__circle_push(&hot->urgent_last, cell);
}

static inline jzx__cell *jzx__urgent_pop(jzx__hot *hot)
{
    return jzx__circle_pop(&hot->urgent_last);
}

#endif
