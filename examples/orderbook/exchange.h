/*
 * exchange: a small market as actors on one loop, which may have a CPU for itself and never sleep.
 *
 *   gate           the way in. One actor for all clients, so that what trades with what depends on the order in which
 *                  commands came, and on nothing else. It has a flow to the engine for each session, whose credits bound
 *                  what the session can have in front of the engine
 *   engine         carries the commands out, each once, and keeps what came of them in a ring
 *   session-0 ...  a client each: hears the words of its commands, and its trades
 *   subscriber-0 ...  market data: what happens in some symbols, and how much stands at each price
 *
 * What happens is broadcast: to the group of the session that it concerns, and, what all may know, to that of the
 * subscribers, who filter it by symbol. The engine waits for nobody. Who has missed something (JZX_TAG_SYS_MISSED), or was
 * down, asks the engine for what is in the ring from there on, a page at a time; if the ring has it no more, for the state of
 * now: a subscriber for how each of its books stands, a session for its account. So sessions and subscribers read in one
 * way (reader.c), and each has everything once and in order, or knows what it does not have.
 *
 * All are children of one supervisor, which starts again the one that fails and no other. What must not be lost with it
 * lies here and not in its actor's state: an actor that is started again goes on from there. This works because a handler
 * changes it only when nothing can go wrong any more. A command may be lost with the gate when that fails, or be refused
 * by it: then its client sends it again, and those behind it (market.h).
 *
 * Nothing is allocated after the start but pages, and answers from the state of now.
 */
#ifndef ORDERBOOK_EXCHANGE_H
#define ORDERBOOK_EXCHANGE_H

#include <jzx/jzx.h>
#include <jzx/typed.h>
#include <stdatomic.h>

#include "market.h"

enum {
    SUBSCRIBERS_MAX = 16,
    EVENTS_MAX = 65536, /* in the ring */
    PAGE_EVENTS = 64,
    PAGE_LOOKS = 1024, /* events that are looked at for one page: an asker costs the engine no more at a time */
    /*
     * Commands of a session whose word it has not heard. Who keeps to it is not throttled: the window of its flow is twice
     * that, as credits come back in halves of a window.
     */
    IN_FLIGHT_MAX = 16,
    NO_SESSION = UINT32_MAX,
};

#define NO_SEQUENCE UINT64_MAX /* of a hint: an event in no ring */
#define AGAIN_NS 1000000u      /* how long anybody waits after a refusal before asking again */
_Static_assert(sizeof(struct event) <= JZX_INLINE_MAX, "events go by value");
_Static_assert(SYMBOLS_MAX <= 32, "sets of symbols are words");

/* What an actor of the exchange tells its user, on the loop's thread, with the context of the actor. */
struct exchange_user {
    void *argument;
    /* A session hears of an event. EVENT_LOST: some are gone for good; its account is of now, `number` is the last taken. */
    void (*report)(void *argument, jzx_context *context, uint32_t session, const struct event *event);
    /* A subscriber has an event. */
    void (*market)(void *argument, jzx_context *context, uint32_t subscriber, const struct event *event);
    /* The engine takes a command; it is carried out after this. */
    void (*journal)(void *argument, const struct command *command);
};

struct exchange_options {
    uint32_t symbols;          /* 1 to SYMBOLS_MAX */
    uint32_t sessions;         /* 1 to SESSIONS_MAX */
    uint32_t subscribers;      /* 1 to SUBSCRIBERS_MAX. The first has all symbols, the others one each */
    uint32_t events;           /* of the ring, a power of two up to EVENTS_MAX; 0: that */
    uint32_t mailbox;          /* of sessions and subscribers; 0: the runtime's default */
    uint16_t orders;           /* that rest in a book, up to BOOK_ORDERS_MAX; 0: that */
    int cpu;                   /* of the loop, or JZX_CPU_ANY */
    bool busy;                 /* the loop never sleeps */
    bool hosted;               /* the caller turns the loop: no thread is started */
    uint64_t seed;             /* of the runtime; 0: the kernel's */
    struct exchange_user user; /* each function may be NULL */
    bool planted_deaf; /* for the test of the test: a reader that is started again has missed nothing, it believes */
};

/* How a symbol stands, as a subscriber knows it. */
struct view {
    uint64_t volume;
    uint32_t trades;
    uint64_t levels[2][BOOK_PRICE_MAX + 1]; /* quantities */
};

/* How far a reader has come. */
struct place {
    uint64_t next;      /* sequence */
    uint64_t missed;    /* events, as the runtime counted them */
    uint64_t pages;     /* asked for */
    uint64_t snapshots; /* and states of now */
};

struct session {
    struct place place;
    int64_t holds[SYMBOLS_MAX]; /* by what it heard */
};

struct subscriber {
    struct place place;
    uint32_t symbols;            /* a set */
    uint64_t known[SYMBOLS_MAX]; /* events before this are in the view: it came from a snapshot */
    bool closed;
    struct view views[SYMBOLS_MAX];
};

/* All of it is the loop's, once it runs, but for the atomic ones. */
struct exchange {
    struct exchange_options options;
    jzx_runtime *runtime;
    jzx_loop *loop;
    jzx_group market_group;
    jzx_group session_groups[SESSIONS_MAX];
    uint64_t next; /* sequence: the ring has those before it */
    struct session sessions[SESSIONS_MAX];
    jzx_child_ref engine; /* told by its init, good for all its incarnations */
    _Atomic jzx_child_ref gate;
    _Atomic jzx_child_ref session_refs[SESSIONS_MAX];
    atomic_bool open; /* the gate has had credits for all */
    /* Large; nothing is written beyond what the options ask for. */
    struct market market;
    struct subscriber subscribers[SUBSCRIBERS_MAX];
    struct event events[EVENTS_MAX];
};

/* Makes the runtime and starts all of it. On an error nothing is left, and *os_error is the system's, or 0. */
jzx_err exchange_start(struct exchange *exchange, const struct exchange_options *options, int *os_error);
/*
 * Sends a command to the gate. JZX_OK says no more than that: it is taken when its word is heard. With a poster from its
 * thread; without one from any that is no loop's, or from the caller's if it turns the loop.
 * Returns: as jzx_post() or jzx_send(); JZX_ERR_NOT_RUNNING: it is not open yet; JZX_ERR_INVALID_ARG: no such session
 */
jzx_err exchange_submit(struct exchange *exchange, jzx_poster *poster, const struct command *command);
/* Makes a session fail, as a mistake in it would. Thread: any that is no loop's. Returns: as jzx_post() */
jzx_err exchange_crash(struct exchange *exchange, uint32_t session);
/* No more is read or written by the loop after it. */
jzx_err exchange_stop(struct exchange *exchange);

/* ---- between its files ---- */

enum {
    TAG_CRASH = 100,
    TAG_AGAIN, /* a timer: ask for what was refused */
    TAG_PAGE,  /* answers to a struct ask: struct page in a buffer */
    TAG_BOOK,  /* struct view, behind its sequence */
    TAG_ACCOUNT,
    TAG_BUSY, /* no memory: again later */
};

enum ask_kind { ASK_PAGE = 0, ASK_BOOK, ASK_ACCOUNT };

/* What a reader wants of the engine: a request. */
struct ask {
    uint64_t from;    /* PAGE: sequence */
    uint32_t symbols; /* PAGE, BOOK: a set; the lowest of it */
    uint32_t session; /* PAGE, ACCOUNT; or NO_SESSION */
    uint32_t kind;    /* enum ask_kind */
};

struct page {
    uint64_t next; /* sequence: go on from there */
    bool past;     /* the ring has those from where was asked no more */
    bool last;     /* there is nothing behind it */
    uint32_t count;
    struct event events[PAGE_EVENTS];
};

struct book_state {
    uint64_t sequence; /* of the first event that is not in it */
    uint32_t symbol;
    bool closed;
    struct view view;
};

struct account_state {
    uint64_t sequence;
    uint32_t last; /* command that was taken */
    bool left;
    int64_t holds[SYMBOLS_MAX];
};

JZX_TYPED(command, 1, struct command)
JZX_TYPED(event, 2, struct event)
JZX_TYPED(ask, 3, struct ask)

/* Gives an event its sequence and its place in the ring, and broadcasts it. */
void feed_tell(struct exchange *exchange, jzx_context *context, const struct event *event);
/* Tells the session of a command that was not taken. May be missed. */
void feed_hint(struct exchange *exchange, jzx_context *context, const struct command *command,
               enum event_reason reason);
/* Fills a page. Returns its size. */
size_t feed_page(const struct exchange *exchange, const struct ask *ask, struct page *page);
bool feed_wanted(const struct event *event, uint32_t symbols, uint32_t session);

/* What an actor is: the argument of its init. */
struct part {
    struct exchange *exchange;
    uint32_t index; /* of a session or a subscriber */
};

void engine_spec(jzx_child_spec *spec);
void gate_spec(jzx_child_spec *spec);
void session_spec(jzx_child_spec *spec);
void subscriber_spec(jzx_child_spec *spec);

#endif
