/*
 * loop: one scheduler, and the runtime that its kind makes up. The only file that knows all the others.
 *
 * Owner thread only, except the fields of the last groups.
 *
 * Invariants
 *   O1  A loop belongs to its creating thread until it first runs, then to that thread for good.
 *   O2  In a turn everything is bounded and counted; when it ends, what it wrote for other loops is published or in an
 *       overflow whose lane is dirty.
 *   O3  A loop does not sleep while it owes a doorbell (park.c).
 */
#ifndef JZX__LOOP_H
#define JZX__LOOP_H

#include "io/backend.h"
#include "io/sys.h"
#include "io/tcp.h"
#include "sched/asker.h"
#include "sched/cell.h"
#include "sched/child.h"
#include "sched/deadlines.h"
#include "sched/inbox.h"
#include "sched/lane.h"
#include "sched/map.h"
#include "sched/name.h"
#include "sched/resource.h"
#include "sched/runs.h"
#include "sched/slot.h"
#include "sched/space.h"
#include "sched/table.h"
#include <jzx/call.h>
#include <jzx/flow.h>
#include <jzx/io.h>
#include <jzx/net.h>
#include <jzx/observe.h>

typedef enum jzx__loop_state {
    JZX__LOOP_CREATED = 0,
    JZX__LOOP_RUNNING = 1,
    JZX__LOOP_LEFT = 2, /* its run has returned, or it never ran and the runtime stopped */
} jzx__loop_state;

/* Phases of a stop, which all running loops pass together (stop.c). */
typedef enum jzx__phase {
    JZX__PHASE_RUN = 0,
    JZX__PHASE_REFUSE = 1, /* outside work is refused */
    JZX__PHASE_TREES = 2,  /* supervisors stop their children and end */
    JZX__PHASE_END = 3,    /* the other actors end */
    JZX__PHASE_DRAIN = 4,  /* lanes and inboxes run empty */
    JZX__PHASE_REAP = 5,   /* operations end */
    JZX__PHASE_LEAVE = 6,
} jzx__phase;

typedef struct jzx__group_watch jzx__group_watch;

/* What other threads ask of a loop: bits. */
typedef enum jzx__asked {
    JZX__ASKED_STOP = 1u << 0,   /* jzx_loop_request_stop(); stays */
    JZX__ASKED_GROUPS = 1u << 1, /* to look after its watches of groups (GW2) */
} jzx__asked;

struct jzx_context {
    jzx_loop *loop;
    jzx_actor_id self;
    uint32_t slot;                   /* JZX__SLOT_NONE for the host */
    uint32_t depth;                  /* of nested inits */
    bool ending;                     /* in fini: no spawn, no new resource */
    uint64_t work;                   /* which handler runs: jzx__work_set() */
    bool special;                    /* the rest must be looked at when the handler returns */
    bool answered;                   /* the message has been answered */
    bool progress;                   /* the message has its actor's progress word (X6) */
    bool waited;                     /* the handler has made an exclusive call */
    jzx__cell *handling;             /* its cell, while kept for an answer */
    uint64_t scope;                  /* number of what calls are made in; 0: none (J4) */
    uint64_t chain;                  /* of the call that is handled, or gone on with; 0: none */
    const struct jzx__ending *ended; /* what a continuation is given */
    uint8_t end;                     /* exit kind or drain that the actor asked for itself, 0 none */
    int32_t code;
    jzx_actor_id origin;
    char text[JZX_EXIT_TEXT_MAX];
    uint32_t buffer; /* receive buffer being lent, or JZX__NO_BUFFER */
};
#define JZX__NO_BUFFER UINT32_MAX

/* A handler's kind and the tag it handles, in one word: to note a plain message is one store. Others read it, when it stalls. */
static inline void jzx__work_set(jzx_context *context, jzx_handler_kind kind, uint32_t tag)
{
    __atomic_store_n(&context->work, (uint64_t)kind << 32 | tag, __ATOMIC_RELAXED);
}

/* The kind is not told apart for each message, but for those that are slow. */
static inline uint32_t jzx__handler_kind(uint64_t work)
{
    bool system = work >> 32 == JZX_HANDLER_MESSAGE && (uint32_t)work >= JZX_TAG_RESERVED;
    return system ? JZX_HANDLER_NOTICE : (uint32_t)(work >> 32);
}

static inline uint32_t jzx__work_tag(const jzx_context *context)
{
    return (uint32_t)context->work;
}

/* The init or the fini that runs, or ran last. */
typedef struct jzx__aside {
    jzx_actor_id id;
    uint64_t now; /* jzx_handler_kind while it runs; JZX__ASIDE_OVER is added then. Others read it, when it stalls */
    uint64_t window_ns; /* window_began_ns when it ran, if it was not timed itself: it may be what was slow */
    uint64_t timed_ns;  /* sum of all that were timed */
} jzx__aside;
enum { JZX__ASIDE_OVER = 8 };

/* How often jzx_should_yield() looks at the clock: at first each time, then less, if the calls come thick. */
typedef struct jzx__pace {
    uint32_t left;      /* calls until the next look */
    uint32_t every;     /* what it starts from */
    uint32_t check_in;  /* this and the next name the handler that asked last */
    uint64_t window_ns; /* since when the handlers run that the next check judges */
    uint64_t looked_ns;
} jzx__pace;

typedef struct jzx__observer_entry {
    jzx_observer observer;
    void *user;
} jzx__observer_entry;

struct jzx_loop {
    /* Set once. */
    jzx_runtime *runtime;
    uint32_t index;
    int cpu;
    uint64_t linger_ns;
    const jzx_config *config;
    jzx__backend *backend;
    jzx_segment_loop *segment;
    jzx_counters *counters;
    jzx__lane **lanes_out; /* by index of the other loop; own entry NULL */
    jzx__lane **lanes_in;

    /* Owner thread: hot. */
    uint64_t now_ns;
    uint64_t turn_end_ns;
    uint32_t run_end;     /* cells of the run being delivered; 0: a broadcast among them stays in hand */
    uint32_t check_in;    /* messages until the clock is looked at */
    uint32_t check_every; /* what it starts from */
    jzx__runs runs;
    bool host_asleep; /* a host sleeps on the poll fd */
    bool in_turn;
    uint32_t inits;          /* nested ones that run now; the host's may be outside of a turn */
    bool turn_over;          /* its time is used up */
    bool caught_up;          /* this turn brings nothing in, for the last one left work */
    bool doorbells;          /* queued in mid-turn: they wait for an enter */
    bool gave;               /* a lane in has its `gave` */
    bool clock_read;         /* while lingering, not long ago: the turn goes by it */
    jzx__list dirty_lanes;   /* lanes with cells to publish, or an overflow */
    jzx__list fanouts;       /* of broadcasts, under way (fanout.h) */
    bool measure;            /* the config's measure_handlers */
    jzx__cell *cell_waiters; /* others that wait until cells are plenty here */
    jzx__pool pool;
    jzx__slots slots;
    jzx__deadlines deadlines;
    uint32_t requests_timed; /* deadlines of requests in the heap */
    jzx_context host;
    jzx_context turn; /* of the behavior that runs; handlers never nest */
    uint64_t random[4];
    uint64_t window_began_ns; /* since when the handlers run that the next clock reading judges; 0: none ran */
    jzx__aside aside;
    uint64_t cancel_at_ns; /* when the running handler, which has a limit, is to stop; JZX_FOREVER: no matter */
    jzx__pace pace;

    /* Owner thread: warm. */
    jzx__table timers;
    jzx__table monitors;
    jzx__table suffered;
    jzx__table resumes;
    jzx__table resume_waits;
    jzx__table watches;
    jzx__table sockets;
    jzx__table names;
    jzx__table children;
    jzx__table bonds;
    jzx__list roots;          /* supervisors without one, in the order of their start */
    jzx__list guests;         /* those whose own is on another loop */
    uint32_t supervisors;     /* these and the others */
    jzx__list held_spawns;    /* of children, for loops that do not run yet */
    jzx__map children_by_key; /* their index, mixed with their supervisor's id */
    jzx__map children_by_name;
    jzx__table links;
    jzx__table annexes;
    jzx__table flows;
    jzx__table group_watches;
    jzx__list group_watching; /* all of these */
    uint64_t members_joined;  /* groups of this loop, so far (GS6) */
    jzx__table waiters;
    jzx_cycle cycle;     /* what the continuation is shown that runs now */
    uint64_t links_made; /* so many numbers are given out */
    jzx__map suffered_by_monitor;
    jzx__map resumes_by_pair;
    jzx__map links_by_pair;
    jzx__map sockets_held; /* by owner */
    uint32_t sockets_held_count;
    jzx__map called;     /* requests with a context (J3) */
    uint32_t cancelling; /* a ring of calls and scopes: index + 1 of the first (J5) */
    uint64_t chains;     /* so many were begun here */
    uint64_t deliverers; /* so many were made here */
    jzx__net net;
    bool net_ready;
    jzx__observer_entry *observers;
    uint32_t observer_count;
    bool telling_dead; /* observers are being shown a dead letter */
    uint8_t *owed;     /* by loop index: a doorbell to send (O3) */
    uint32_t owed_count;
    uint32_t posters_seen;
    bool hosted;  /* poll fd in use; read by all */
    bool running; /* inside run or run_once; read by all */
    bool enabled; /* the ring is the owner's */
    bool unseen;  /* completions may have come in outside of a turn: the next one is due now */
    bool leave;   /* the stop has come to its end */
    bool leaving; /* it has begun to stop alone */
    uint32_t phase_done;
    uint32_t phase_seen;
    uint32_t end_cursor; /* the next slot that the stop looks at */
    jzx_err failed;      /* of the last enter */
    jzx_err result;      /* what its run returns */
    int os_error;

    /* A thread of jzx_loop_start(). */
    pthread_t thread;
    bool has_thread;
    bool entered; /* it has begun to run, or was torn down; taken by exchange */
    jzx_err thread_result;

    /* Shared with other threads. */
    jzx__inbox inbox;
    _Alignas(JZX__CACHE_LINE) _Atomic(uint32_t) parked; /* exchanged by all: 0 awake, 1 asleep, 2 and wants room */
    _Alignas(JZX__CACHE_LINE) _Atomic(uintptr_t) owner; /* thread word (O1) */
    _Atomic(uint32_t) state;                            /* jzx__loop_state */
    _Atomic(uint32_t) closed;                           /* takes no mail */
    _Atomic(uint32_t) asked;                            /* jzx__asked; looked at in each turn, and before sleep */
    _Atomic(uint32_t) phase_reached;
    _Atomic(uint32_t) holds;      /* held_spawns is not empty: a loop that begins to run wakes this one */
    _Atomic(uint32_t) coming;     /* actors that other loops have asked this one to spawn, and are not there yet */
    _Atomic(uint64_t) drain_sent; /* totals for the drain, of round drain_round */
    _Atomic(uint64_t) drain_received;
    _Atomic(uint32_t) drain_round;
};

struct jzx_poster {
    jzx_runtime *runtime;
    jzx__inbox *inboxes; /* one per loop */
    uint32_t loop_count;
};

struct jzx_runtime {
    /* Set once. */
    jzx_config config;
    int pid;
    uint32_t inbound_max; /* cells that can be on the way to one loop */
    int segment_fd;
    uint8_t *segment;
    size_t segment_size;

    /* The creating thread, before any loop runs; then nobody. */
    jzx_loop **loops;
    jzx__lane *lanes; /* loops_max * loops_max, [from * loops_max + to] */
    uint32_t loop_count;

    /* Shared. */
    _Alignas(JZX__CACHE_LINE) _Atomic(uint32_t) stop; /* asked to */
    _Atomic(uint32_t) phase;
    _Atomic(uint32_t) leader; /* taken by the loop that weighs a drain round */
    _Atomic(uint32_t) round;
    _Atomic(uint64_t) round_sent; /* total of the round before */
    _Atomic(uint32_t) ran;        /* a loop has run: no more loops */
    _Atomic(uint32_t) left;       /* loops that have left; a futex */
    _Atomic(uint32_t) live;       /* actors, with exit_when_idle */
    _Atomic(int) os_error;
    _Atomic(uint32_t) escalated; /* 1: a root supervisor gave up; 2: and the two below say how */
    jzx_exit_info escalation;
    jzx_start_failure escalation_failure;
    _Atomic(uint32_t) poster_count;
    jzx_poster **posters;          /* posters_max; published by poster_count (release) */
    _Atomic(uint32_t) poster_lock; /* makers of posters take turns */
    _Atomic(uint32_t) space_count;
    jzx_space **spaces;           /* spaces_max; published by space_count (release) */
    _Atomic(uint32_t) space_lock; /* makers of spaces take turns */
    jzx__names names;
    jzx__askers askers;
};

static inline void jzx__text_copy(char *to, size_t size, const char *from)
{
    size_t length = from == NULL ? 0 : strnlen(from, size - 1);
    if (length != 0) {
        memcpy(to, from, length);
    }
    memset(to + length, 0, size - length);
}

/* Whether it was kept in the handler that runs now: no two in a row have the same place in the same window. */
static inline bool jzx__pace_is_of(const jzx__pace *pace, const jzx_loop *loop)
{
    return pace->check_in == loop->check_in && pace->window_ns == loop->window_began_ns;
}

static inline bool jzx__loop_owned(const jzx_loop *loop)
{
    return atomic_load_explicit(&loop->owner, memory_order_relaxed) == jzx__thread_self();
}

/* Has it been told to empty itself? */
static inline bool jzx__loop_told_to_stop(const jzx_loop *loop)
{
    return (atomic_load_explicit(&loop->asked, memory_order_relaxed) & JZX__ASKED_STOP) != 0;
}

static inline jzx_segment_slot *jzx__public(const jzx_loop *loop, uint32_t index)
{
    return &loop->slots.public[index];
}

/* The context of an init or a fini. Only an init can be in a scope: see run_init(). */
static inline void jzx__context_init(jzx_context *context, jzx_loop *loop, uint32_t index)
{
    context->loop = loop;
    context->self = jzx__public(loop, index)->id;
    context->slot = index;
    context->depth = 0;
    context->ending = false;
    context->work = 0;
    context->special = false;
    context->answered = false;
    context->waited = false;
    context->handling = NULL;
    context->end = 0; /* code, origin and text are set with it */
    context->buffer = JZX__NO_BUFFER;
}

static inline void *jzx__allocate(const jzx_loop *loop, jzx_memory kind, size_t size, size_t align)
{
    return loop->config->allocators[kind].alloc(loop->config->allocators[kind].context, size, align);
}

static inline void jzx__release(const jzx_loop *loop, jzx_memory kind, void *memory, size_t size, size_t align)
{
    if (memory != NULL) {
        loop->config->allocators[kind].free(loop->config->allocators[kind].context, memory, size, align);
    }
}

/* loop.c: set-up, turn */
jzx_err jzx__loop_make(jzx_runtime *runtime, const jzx_loop_config *config, jzx_loop **out);
void jzx__loop_free(jzx_loop *loop);
size_t jzx__loop_size(const jzx_config *config);    /* metadata of one loop, lanes aside */
jzx_err jzx__loop_enter(jzx_loop *loop);            /* binds the loop to this thread at its first run */
bool jzx__loop_turn(jzx_loop *loop);                /* true when more is to be done at once */
void jzx__loop_check(jzx_loop *loop);               /* every few messages: the clock, aged lanes, slow handlers */
bool jzx__loop_incoming(const jzx_loop *loop);      /* anything to wake up for, completions aside */
bool jzx__loop_incoming_mail(const jzx_loop *loop); /* of that, lanes and inboxes */
uint64_t jzx__loop_clock(jzx_loop *loop);           /* reads the clock; what ran since the last reading is judged */
/* A failure of the backend, which it tells once: kept until the turn has ended. */
static inline void jzx__loop_note(jzx_loop *loop, jzx_err err)
{
    if (jzx__unlikely(err != JZX_OK)) {
        loop->failed = err;
    }
}
void jzx__loop_touch(jzx_loop *loop); /* work has come from outside a turn: a sleeping host must run it */
void jzx__loop_count(jzx_loop *loop); /* brings the counters up to date */
uint64_t jzx__loop_random(jzx_loop *loop);
void jzx__loop_teardown(jzx_loop *loop); /* of a loop that never ran, by the thread that has it */

static inline void jzx__schedule_hot(jzx_loop *loop, uint32_t index, jzx__hot *hot)
{
    if ((hot->flags & JZX__SLOT_QUEUED) != 0) {
        return; /* A3 */
    }
    hot->flags |= JZX__SLOT_QUEUED;
    JZX__SIM_EVENT(loop, QUEUE, jzx__public(loop, index)->id, 0, 0);
    jzx__runs_push(&loop->runs, index);
}

static inline void jzx__schedule(jzx_loop *loop, uint32_t index)
{
    jzx__schedule_hot(loop, index, jzx__slot_hot(&loop->slots, index));
}

/* route.c: from here to a loop, and what arrives */
jzx_err jzx__send_local(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint32_t flags,
                        uint64_t token); /* to this loop */
jzx_err jzx__send_remote(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint32_t flags,
                         uint64_t token); /* to another one */
static inline jzx_err jzx__send(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint32_t flags,
                                uint64_t token)
{
    if (jzx__id_loop(to) == context->loop->index) {
        return jzx__send_local(context, to, message, flags, token);
    }
    return jzx__send_remote(context, to, message, flags, token);
}
/* Through a flow, whose number the receiver has: a credit is room in its mailbox. */
jzx_err jzx__send_credited(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t flow);
jzx_err jzx__route_refusal(const jzx_runtime *runtime, jzx_actor_id to); /* may mail go there, as far as bytes tell */
/* Sends a signal or answer: `cell` (and `second` if wide) by value; `node` is queued instead if there is no room. */
void jzx__route_signal(jzx_loop *loop, uint32_t to_loop, jzx__cell *node, const void *second);
void jzx__route_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second);
void jzx__route_dead(jzx_loop *loop, jzx__cell *cell, jzx_actor_id target, jzx_drop_reason reason);
/* For a broadcast: room for one cell of mail in the lane to a loop, or NULL; it is filled or given back before anything
 * else is done. And whether that loop takes mail: LOOP_CLOSED, WOULD_BLOCK. */
jzx__cell *jzx__route_reserve(jzx_loop *loop, uint32_t to_loop);
void jzx__route_unreserve(jzx_loop *loop, uint32_t to_loop);
void jzx__route_fill(jzx_loop *loop, uint32_t to_loop, const jzx__cell *cell);
jzx_err jzx__route_takes(const jzx_loop *target);
void jzx__route_flush(jzx_loop *loop); /* publishes every dirty lane */
void jzx__route_flush_aged(jzx_loop *loop);
void jzx__ring_peer(jzx_loop *loop, uint32_t peer); /* after a publication (L5) */
void jzx__pool_freed(jzx_loop *loop);               /* cells were given back: tells who waits when they are plenty */
void jzx__pool_settle(jzx_loop *loop);              /* a turn is over: are they as plenty as they will be? */

static inline void jzx__cell_free(jzx_loop *loop, jzx__cell *cell)
{
    jzx__pool_give(&loop->pool, cell);
    if (jzx__unlikely(jzx__pool_recovered(&loop->pool))) {
        jzx__pool_freed(loop);
    }
}

/* spawn.c */
/* Who spawns. */
typedef struct jzx__parent {
    jzx_actor_id id;
    uint32_t depth;    /* of nested inits, this one included */
    uint64_t token;    /* of a request, for its answer */
    uint64_t reserved; /* its side of the link to come, if that is on another loop */
} jzx__parent;
/* An incarnation, with its bond. JZX_ERR_INIT: its exit is told; other errors: there was no actor. */
jzx_err jzx__spawn_child(jzx_loop *loop, const jzx__birth *birth, jzx_actor_id *id);
jzx_err jzx__spawn(jzx_loop *loop, const jzx_spawn_options *options, const jzx__parent *parent, jzx_actor_id *id,
                   int32_t *code);
void jzx__spawn_request(jzx_loop *loop, const jzx_spawn_options *options, const jzx__parent *asker);
void jzx__spawn_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second);
void jzx__spawn_pack(const jzx_spawn_options *options, const jzx__parent *asker, jzx__cell cells[2]);
/*
 * Who looks for the least loaded loop counts what is on its way there too: else all that one handler asks for would go to
 * the loop that has the fewest actors now. Coming: by who asks. Came: by the loop itself, when it has spawned or refused.
 */
static inline void jzx__spawn_coming(jzx_loop *target)
{
    atomic_fetch_add_explicit(&target->coming, 1, memory_order_relaxed);
}
static inline void jzx__spawn_came(jzx_loop *loop)
{
    jzx__count_set(&loop->counters->actors, loop->slots.live);
    /* Release: pairs with the acquire in jzx__place(). Who misses it in one place sees it in the other. */
    atomic_fetch_sub_explicit(&loop->coming, 1, memory_order_release);
}

/* life.c: how an actor ends */
jzx_err jzx__life_end(jzx_loop *loop, jzx_actor_id id, const jzx__cause *cause);
void jzx__life_end_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__life_end_all(jzx_loop *loop, jzx_exit_kind kind, uint32_t max); /* of a stop: continues at end_cursor */
void jzx__life_exit(jzx_loop *loop, uint32_t index, const jzx__cause *cause, uint32_t tag);
void jzx__free_state(jzx_loop *loop, jzx__hot *hot);
void jzx__life_notice_left(jzx_loop *loop, uint32_t index); /* one notice of a dying slot is on its way */
void jzx__life_drain(jzx_loop *loop, uint32_t index);       /* from here on it only handles what it has */
void jzx__life_finish(jzx_loop *loop, uint32_t index); /* tears down a stopping one that came out of the run queue */

/* run.c */
void jzx__run_actors(jzx_loop *loop, uint32_t actors); /* gives at most so many their turn */

/* signal.c: monitors and resume notices */
jzx_err jzx__monitor_start(jzx_context *context, jzx_actor_id target, uint64_t *monitor);
jzx_err jzx__monitor_stop(jzx_context *context, uint64_t monitor);
void jzx__monitor_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__demonitor_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__down_arrived(jzx_loop *loop, uint64_t monitor, const jzx_exit_info *exit);
void jzx__down_none_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__down_send_all(jzx_loop *loop, uint32_t index, const jzx_exit_info *exit);
void jzx__down_node_left(jzx_loop *loop, jzx__suffered *suffered); /* its overflow node has been copied out */
void jzx__monitor_let_go(jzx_loop *loop, jzx__monitor *monitor);
jzx_err jzx__resume_ask(jzx_context *context, jzx_actor_id target);
void jzx__resume_ask_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__resume_arrived(jzx_loop *loop, uint64_t number);
void jzx__resume_wake_mailbox(jzx_loop *loop, uint32_t index);
void jzx__resume_wake_list(jzx_loop *loop, jzx__list *waiters);
void jzx__resume_let_go(jzx_loop *loop, jzx__resume *resume);

/* link.c */
jzx_err jzx__link_start(jzx_context *context, jzx_actor_id other);
void jzx__link_stop(jzx_loop *loop, jzx_actor_id owner, jzx_actor_id other);
jzx_err jzx__link_reserve(jzx_context *context, uint64_t *reserved); /* for one that is to be spawned elsewhere */
void jzx__link_release(jzx_loop *loop, uint64_t reserved);
/* Links a new actor to its parent, which has reserved its side if it lives elsewhere. */
jzx_err jzx__link_spawned(jzx_loop *loop, uint32_t index, jzx_actor_id parent, uint64_t reserved);
void jzx__link_not_spawned(jzx_loop *loop, jzx_actor_id parent, uint64_t reserved); /* tells the parent's loop */
void jzx__link_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__link_none_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__link_exit_arrived(jzx_loop *loop, jzx_actor_id owner, const jzx_exit_info *exit);
void jzx__unlink_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__link_exit_send(jzx_loop *loop, jzx__link *link, const jzx_exit_info *exit); /* the owner has ended */
void jzx__link_node_left(jzx_loop *loop, jzx__cell *node);
void jzx__link_let_go(jzx_loop *loop, jzx__link *link);
void jzx__link_handled(jzx_loop *loop, jzx__link *link); /* its notice comes out of the mailbox */
void jzx__link_expired(jzx_loop *loop, jzx__link *link); /* gives the record back once no list has its cells */

/* flow.c */
jzx_err jzx__flow_open(jzx_context *context, jzx_actor_id peer, bool receives, uint32_t credits, uint64_t *number);
/* To one that does not know of it, with a window (F8). The mark is the sender's to read in the record. As jzx__flow_open(); LIMIT also: of what that one may promise. */
jzx_err jzx__flow_serve(jzx_context *context, jzx_actor_id peer, uint32_t window, uint32_t mark, uint64_t *number);
/* jzx__flow_send() of what this actor was sent, in the name of its sender. */
jzx_err jzx__flow_forward(jzx_context *context, uint64_t number, const jzx_message *message);
jzx_err jzx__flow_grant(jzx_context *context, uint64_t number, uint32_t credits);
jzx_err jzx__flow_window(jzx_context *context, uint64_t number, uint32_t window);
jzx_err jzx__flow_send(jzx_context *context, uint64_t number, const jzx_message *message);
jzx_err jzx__flow_request(jzx_context *context, uint64_t number, const jzx_message *message, uint64_t timeout_ns,
                          uint64_t *ref);
jzx_err jzx__flow_delegate(jzx_context *context, uint64_t number, uint64_t request, const jzx_message *message);
jzx_err jzx__flow_credits(const jzx_context *context, uint64_t number, uint32_t *credits);
jzx_err jzx__flow_close(jzx_context *context, uint64_t number);
void jzx__flow_refuse(jzx_context *context, uint64_t number); /* its owner did not handle the notice of it */
void jzx__flow_handled(jzx_loop *loop, uint64_t number); /* a message that came through it, or a request has ended */
void jzx__flow_arrived(jzx_loop *loop, const jzx__cell *cell); /* a signal of the other side */
bool jzx__flow_news(jzx_loop *loop, jzx__flow *flow); /* its notice comes out of its list: is there something to say? */
void jzx__flow_notice(jzx_loop *loop, jzx__flow *flow, jzx_message *message);         /* which may be the last of it */
void jzx__flow_exit_send(jzx_loop *loop, jzx__flow *flow, const jzx_exit_info *exit); /* the owner has ended */
void jzx__flow_node_left(jzx_loop *loop, jzx__cell *node);
void jzx__flow_let_go(jzx_loop *loop, jzx__flow *flow);
void jzx__flow_expired(jzx_loop *loop, jzx__flow *flow); /* gives the record back once no list has its cells */

/* request.c: answer room */
jzx_err jzx__request_send(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                          uint64_t *ref);
/* Through a flow, whose number the receiver has. It has a deadline there, as a call. */
jzx_err jzx__request_credited(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                              uint64_t flow, uint64_t *ref);
/* The asker's cell, while `more` are left for the rest of it. */
jzx_err jzx__request_reserve(jzx_context *context, jzx_actor_id to, uint64_t due_ns, uint32_t more,
                             jzx__cell **reserved);
void jzx__request_for_call(jzx_loop *loop, jzx__cell *reserved, const jzx__cell *calling);
/* Takes a reserved cell out of its asker's hands; it is then an ordinary one. Returns its calling cell, or NULL. */
jzx__cell *jzx__request_unreserve(jzx_loop *loop, jzx__cell *reserved, jzx_actor_id *target);
jzx__cell *jzx__request_calling(jzx_loop *loop, uint64_t token, jzx_actor_id asker); /* of an open call, or NULL */
void jzx__request_cancel(jzx_loop *loop, jzx__cell *reserved);                       /* of a request that was refused */
/* The request was accepted, and its room may be an answer already; or it was refused. Returns `err`. */
static inline jzx_err jzx__request_sent(jzx_loop *loop, jzx__cell *reserved, uint64_t token, jzx_err err, uint64_t *ref)
{
    if (err != JZX_OK) {
        jzx__request_cancel(loop, reserved);
    } else if (ref != NULL) {
        *ref = token;
    }
    return err;
}
jzx_err jzx__request_answer(jzx_context *context, uint64_t ref, const jzx_message *message);
/* May so many cells more be held (Q3)? */
static inline bool jzx__held_fits(const jzx_loop *loop, uint32_t index, uint32_t more)
{
    return jzx__slot_cold(&loop->slots, index)->held_count + more <= loop->pool.count / 8;
}
void jzx__hold(jzx_loop *loop, uint32_t index, jzx__cell *cell);
void jzx__unhold(jzx_loop *loop, uint32_t index, jzx__cell *cell);
uint64_t jzx__request_keep(jzx_loop *loop, uint32_t index, jzx__cell *cell); /* the handler's ref */
void jzx__request_unkeep(jzx_loop *loop, uint32_t index, jzx__cell *cell);
jzx__cell *jzx__request_kept(const jzx_context *context, uint64_t ref); /* of this actor, or NULL */
void jzx__request_hand_on(jzx_context *context, jzx__cell *kept);       /* another answers it */
/* A kept one, and one that is not. The exit is that which ends it, or NULL. */
void jzx__request_give_up(jzx_loop *loop, uint32_t index, jzx__cell *cell, jzx_drop_reason reason,
                          const jzx_exit_info *exit);
void jzx__request_refuse(jzx_loop *loop, jzx__cell *cell, jzx_actor_id target, jzx_drop_reason reason,
                         const jzx_exit_info *exit); /* consumes cell */
void jzx__answer_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__request_due(jzx_loop *loop, jzx__deadline *node);
void jzx__request_cancel_all(jzx_loop *loop, uint32_t index); /* what an ending actor waits for */
void jzx__request_let_go(jzx_loop *loop, uint32_t index,
                         const jzx_exit_info *exit);                         /* what it was asked and did not answer */
void jzx__answer_route(jzx_loop *loop, jzx_actor_id asker, jzx__cell *cell); /* consumes cell */
/* jzx__broadcast() with an answer when all loops are done with it. */
jzx_err jzx__request_broadcast(jzx_context *context, const jzx_group *group, const jzx_message *message, bool others,
                               uint64_t timeout_ns, uint64_t *ref, uint32_t *busy);
void jzx__broadcast_done_arrived(jzx_loop *loop, const jzx__cell *cell);

/* timer.c */
jzx_err jzx__timer_start(jzx_context *context, uint64_t due_ns, uint64_t period_ns, jzx_missed_ticks missed,
                         const jzx_message *message, jzx_timer_id *timer);
jzx_err jzx__timer_cancel(jzx_context *context, jzx_timer_id timer, jzx_message *message);
void jzx__timer_due(jzx_loop *loop, jzx__deadline *node, uint64_t due_ns);
void jzx__timer_let_go(jzx_loop *loop, jzx__timer *timer);
/* Fills the message of a timer that is being handled; jzx__timer_handled() comes after the handler. */
void jzx__timer_message(jzx_loop *loop, jzx__timer *timer, jzx_message *message);
void jzx__timer_handled(jzx_loop *loop, uint32_t index, jzx__timer *timer);

/* name.c: names as resources */
jzx_err jzx__name_register(jzx_loop *loop, uint32_t index, const char *name); /* for an actor that starts, or runs */
jzx_err jzx__name_unregister(jzx_loop *loop, const char *name);
void jzx__name_let_go(jzx_loop *loop, jzx__name *name);
void jzx__name_let_go_all(jzx_loop *loop, uint32_t index); /* of an actor whose other resources stay a while */

/* space.c, group_watch.c: memberships and watches of groups as resources */
jzx_err jzx__group_join(jzx_context *context, const jzx_group *group, uint64_t tag, jzx_member_id *member,
                        jzx_filter_fn filter, void *filter_context);
jzx_err jzx__group_leave(jzx_context *context, jzx_member_id member);
void jzx__member_let_go(jzx_loop *loop, jzx__member *member);
void jzx__member_let_go_all(jzx_loop *loop, uint32_t index); /* of an actor that stays a while */
void jzx__member_give(jzx_loop *loop, jzx__member *member);  /* its record, once it is in no list (GS7) */
void jzx__group_watch_let_go(jzx_loop *loop, jzx__group_watch *watch);
void jzx__group_watches_look(jzx_loop *loop); /* all that are here */

/* socket.c: watches and sockets as resources */
extern const jzx__net_upcalls jzx__socket_upcalls;
void jzx__socket_cqe(void *loop, const jzx__cqe *cqe); /* a jzx__reap_fn */
void jzx__socket_due_node(jzx_loop *loop, jzx__deadline *node);
void jzx__watch_let_go(jzx_loop *loop, jzx__watch_record *record);
jzx_err jzx__watch_start(jzx_context *context, int fd, uint32_t events, jzx_watch_id *id);
jzx_err jzx__watch_stop(jzx_context *context, jzx_watch_id id);
/* A record and its socket for this actor; `begin` says how. */
typedef enum jzx__socket_begin { JZX__BEGIN_LISTEN, JZX__BEGIN_CONNECT, JZX__BEGIN_ADOPT } jzx__socket_begin;
jzx_err jzx__socket_start(jzx_context *context, jzx__socket_begin begin, int fd, const jzx__socket_options *options,
                          jzx_socket_id *id);
jzx__socket_record *jzx__socket_find(jzx_context *context, jzx_socket_id id); /* of this actor, or NULL */
void jzx__socket_give_away(jzx_loop *loop, jzx__socket_record *record, uint32_t to);
void jzx__socket_go_on(jzx_loop *loop, uint32_t owner); /* its mailbox is not marked full any more */
void jzx__socket_abandon_all(jzx_loop *loop); /* when the kernel has lost completions: before the memory goes */
void jzx__socket_let_go(jzx_loop *loop, jzx__socket_record *record);
bool jzx__socket_event_message(jzx_context *context, jzx__socket_record *record, jzx_message *message, void *event);
void jzx__socket_event_done(jzx_context *context, uint64_t number);
void jzx__watch_event_message(jzx_loop *loop, jzx__watch_record *record, jzx_message *message);
void jzx__watch_event_done(jzx_loop *loop, uint64_t number);

/* A resource's cell comes out of a list with OVERTIME: the record goes now. */
void jzx__resource_expired(jzx_loop *loop, jzx__cell *cell);
void jzx__resource_begin(jzx_loop *loop, jzx__resource *resource, jzx__resource_kind kind, uint64_t number,
                         uint32_t owner);
void jzx__resource_free(jzx_loop *loop, jzx__resource *resource); /* now, or when its cell comes out of its list (R2) */
void jzx__resource_notify(jzx_loop *loop, jzx__resource *resource); /* puts its cell into the owner's urgent list */
void jzx__resource_let_go(jzx_loop *loop, jzx__resource *resource); /* whatever its kind; its owner ends */

/* observe.c: each event to every observer */
static inline bool jzx__observed(const jzx_loop *loop)
{
    return jzx__unlikely(loop->observer_count != 0); /* asked first where it is hot */
}
void jzx__observe_loop(jzx_loop *loop, bool start);
void jzx__observe_start(jzx_loop *loop, jzx_actor_id id, const char *name);
void jzx__observe_stop(jzx_loop *loop, const jzx_exit_info *info, const char *name);
void jzx__observe_init_failed(jzx_loop *loop, const jzx_exit_info *info, const char *name);
void jzx__observe_full(jzx_loop *loop, uint32_t index);
void jzx__observe_dead(jzx_loop *loop, jzx_actor_id target, const jzx__cell *cell, jzx_drop_reason reason);
void jzx__observe_slow(jzx_loop *loop, jzx_actor_id id, uint64_t work, uint64_t took_ns); /* `work` as in jzx_context */
uint64_t jzx__aside_clock(const jzx_loop *loop); /* 0: nobody wants to know who is slow */
void jzx__aside_timed(jzx_loop *loop, uint64_t began_ns, jzx_handler_kind kind); /* and tells, if it was slow */

static inline void jzx__aside_now(jzx_loop *loop, jzx_actor_id id, uint64_t kind)
{
    jzx__count_set(&loop->aside.id, id);
    jzx__count_set(&loop->aside.now, kind);
}

/*
 * Before and after an init or a fini. They are timed by themselves where the clock is read after each handler anyway, and
 * where no handler is; elsewhere they are noted, for judge_window(). Begin returns when it began, or 0: not timed.
 */
static inline uint64_t jzx__aside_begin(jzx_loop *loop, jzx_actor_id id, uint64_t now)
{
    jzx__aside_now(loop, id, now);
    uint64_t window_ns = loop->window_began_ns;
    loop->aside.window_ns = window_ns;
    bool timed = loop->check_every == 1 || window_ns == 0 || loop->measure;
    return jzx__unlikely(timed) ? jzx__aside_clock(loop) : 0;
}

static inline void jzx__aside_end(jzx_loop *loop, uint64_t began_ns, jzx_handler_kind kind)
{
    jzx__count_set(&loop->aside.now, kind + JZX__ASIDE_OVER);
    if (jzx__unlikely(began_ns != 0)) {
        jzx__aside_timed(loop, began_ns, kind);
    }
}
void jzx__observe_supervision(jzx_loop *loop, const jzx_supervision_event *event);
void jzx__observe_accept_failed(jzx_loop *loop, jzx_actor_id owner, int os_error);

/* park.c */
jzx_err jzx__park(jzx_loop *loop, uint64_t deadline_ns);
void jzx__park_pay_owed(jzx_loop *loop);
void jzx__park_ring_failed(jzx_loop *loop); /* once `result` says so: no doorbell of it gets lost */
jzx_err jzx__park_pay(jzx_loop *loop);      /* sends every doorbell, before a loop leaves */
void jzx__park_host(jzx_loop *loop);        /* leaves a turn of a hosted loop */
void jzx__wake(jzx_loop *loop);             /* from any thread, after a post or a stop */
void jzx__park_gave(jzx_loop *loop);        /* once a turn: rings those that wait for room given back in it */

/* stop.c */
bool jzx__stop_step(jzx_loop *loop); /* one step of a stop, at the end of a turn; true when the loop may leave */
bool jzx__stop_pending(const jzx_loop *loop);
bool jzx__stop_more(const jzx_loop *loop);  /* the next step can be done at once */
void jzx__stop_begin(jzx_runtime *runtime); /* async-signal-safe */
jzx_err jzx__stop_close(jzx_loop *loop);
void jzx__stop_left(jzx_loop *loop);
bool jzx__loop_refuses(const jzx_loop *loop); /* spawns, because it stops */

#endif
