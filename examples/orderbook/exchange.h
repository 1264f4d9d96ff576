/*
 * exchange: a small market as actors on two loops.
 *
 *   loop 0   session-0, session-1, ...   a client each: numbers its commands, reports what becomes of them
 *            positions                   who holds how much
 *   loop 1   engine-0, engine-1, ...     the book of an instrument each
 *            tape                        market data: everything that happens, in the order of each engine
 *
 * All are children of one supervisor, which starts again the one that fails and no other. What must not be lost with it
 * lies here and not in its actor's state: an actor that is started again goes on from there. This works because a handler
 * changes it only when nothing can go wrong any more, and because what is under way while somebody is down is repeated:
 *
 *   commands  a session sends one at a time, again and again until an engine says that it has it. An engine knows the number
 *             of the last one it took of each session, and takes none twice.
 *   events    an engine keeps what happened in a ring. Readers ask for the next one, from a number on; so each of them
 *             reads all that is for it, once and in order. An engine takes no command while the slowest leaves no room.
 *
 * Both are requests, so engines answer and never have to wait for room. Nothing is allocated after the start.
 */
#ifndef ORDERBOOK_EXCHANGE_H
#define ORDERBOOK_EXCHANGE_H

#include <jzx/jzx.h>
#include <stdatomic.h>

#include "book.h"

enum {
    SESSIONS_MAX = 8,
    INSTRUMENTS = 2,
    READERS = SESSIONS_MAX + 2, /* the sessions, then: */
    READER_POSITIONS = SESSIONS_MAX,
    READER_TAPE,
    /* So small that a test meets them. */
    QUEUE_SIZE = 8,                     /* commands of a session; a power of two */
    EVENTS_SIZE = BOOK_ORDERS_MAX + 16, /* of an engine: all that can come of one order, and a little */
};

/* How long a session waits for an engine's word, and how long anybody waits after a refusal, before asking again. */
#define DEADLINE_NS 10000000u
#define AGAIN_NS 1000000u

enum command_kind { COMMAND_LIMIT = 0, COMMAND_CANCEL = 1 };

struct command {
    uint32_t number; /* of the session, from 1; set by it */
    uint32_t target; /* CANCEL: the number of the order */
    int32_t price;
    uint32_t quantity;
    uint8_t kind; /* enum command_kind */
    uint8_t side; /* enum book_side */
    uint8_t instrument;
    uint8_t session;
};

enum event_kind {
    EVENT_ACCEPTED = 0, /* each command gets one of the first four; then an order may trade */
    EVENT_CANCELLED,    /* `other` with the quantity it had left */
    EVENT_REJECTED,     /* an order that the book cannot take, or a cancel of what does not rest */
    EVENT_THROTTLED,    /* by the session, which has too many under way; it has no sequence and no number */
    EVENT_TRADE,        /* of the order `number` with the older one `other`, at its price */
};

struct event {
    uint64_t sequence; /* of the instrument, from 0 */
    uint32_t number;   /* the command it comes of */
    uint32_t other;
    int32_t price;
    uint32_t quantity;
    uint8_t kind; /* enum event_kind */
    uint8_t side; /* of `number` */
    uint8_t instrument;
    uint8_t session;       /* of `number` */
    uint8_t other_session; /* of `other` */
};
_Static_assert(sizeof(struct event) <= JZX_INLINE_MAX, "events go by value");

struct exchange;

/* Of a session. Thread: loop 0's. */
struct session {
    struct command queue[QUEUE_SIZE]; /* from `first` on: what no engine has yet */
    uint32_t first;                   /* numbers; % QUEUE_SIZE: places */
    uint32_t next;
    uint64_t read[INSTRUMENTS]; /* the next event to read of each engine */
};

/* Of an engine. Thread: loop 1's. */
struct engine {
    struct book book;
    struct event events[EVENTS_SIZE];
    uint64_t next;               /* sequence */
    uint64_t read[READERS];      /* how far each reader has come, as it last said */
    uint32_t last[SESSIONS_MAX]; /* command of each session that was taken */
};

struct exchange_options {
    uint32_t sessions; /* 1 to SESSIONS_MAX */
    uint64_t seed;     /* 0: the kernel's */
    /* Called on loop 0 with what a session tells its client, and on loop 1 with what the tape carries; may be NULL. */
    void (*report)(void *user, uint32_t session, const struct event *event);
    void (*tape)(void *user, const struct event *event);
    void *user;
    bool planted_resend; /* for the test of the test: engines take a command as often as it is sent */
};

struct exchange {
    struct exchange_options options;
    jzx_runtime *runtime;
    struct session sessions[SESSIONS_MAX];
    struct engine engines[INSTRUMENTS];
    int64_t positions[SESSIONS_MAX][INSTRUMENTS]; /* of the actor `positions` */
    uint64_t positions_read[INSTRUMENTS];
    uint64_t tape_read[INSTRUMENTS];
    _Atomic jzx_child_ref engine_refs[INSTRUMENTS]; /* told by the children, good for all their incarnations */
    _Atomic jzx_child_ref session_refs[SESSIONS_MAX];
};

/* Makes the runtime and starts all of it. On an error nothing is left. */
jzx_err exchange_start(struct exchange *exchange, const struct exchange_options *options);
/* From any thread that is no loop's. Returns: as jzx_post(); JZX_ERR_NOT_RUNNING: not yet */
jzx_err exchange_submit(struct exchange *exchange, const struct command *command);
/* Makes a session fail, as a mistake in it would. */
jzx_err exchange_crash(struct exchange *exchange, uint32_t session);
/* No more is read or written by any loop after it. */
jzx_err exchange_stop(struct exchange *exchange);

/* ---- between its files ---- */

enum {
    TAG_COMMAND = 1, /* struct command: from a client to its session, and as a request to an engine */
    TAG_CRASH,
    TAG_TAKEN, /* answers to a command: it has been carried out, now or before */
    TAG_BUSY,  /* no room for what may come of it: again later */
    TAG_NEXT,  /* struct next, a request: answered when there is such an event */
    TAG_EVENT, /* struct event, the answer */
    TAG_AGAIN, /* a timer: ask for what was refused */
};

struct next {
    uint64_t from; /* sequence */
    uint64_t reader;
};

/* What an actor is: the argument of its init. */
struct part {
    struct exchange *exchange;
    uint32_t index; /* of an engine, or of a reader */
};

void engine_spec(jzx_child_spec *spec);
void session_spec(jzx_child_spec *spec);
void reader_spec(jzx_child_spec *spec); /* the positions, the tape */

#endif
