/*
 * call: requests with a context: a deadline, a chain and a scope, which go on with what is asked for their sake.
 *
 * All of a call are cells of the pool. The asker has two: the reserved one, which is the room for the answer (request.c),
 * and a calling one, which says how the asker goes on. The target's loop has two: the mail, later kept, and the called one,
 * by which a cancel finds it. In between the call travels as a pair of cells of a lane: the mail, and a jzx__call_wire.
 *
 * A scope is what calls are made in: a request that was called, one that its actor has opened, or a gathering. The calls
 * and opened scopes in it are its ring.
 *
 * Owner thread only.
 *
 * Invariants
 *   J1  Each end of a call is a cell that it has: the reserved one if an answer came, the calling one if this loop ends
 *       it. The reserved one is then the node of the CANCEL, so nothing here takes a cell at an end or an arrival.
 *   J2  A calling cell is in the ring of its scope until its end. It is freed when its continuation begins.
 *   J3  A called cell is its mail's, queued or kept, and in loop->called. Whoever ends the request takes it from there.
 *   J4  Scopes are named by number (C3): what names one that is gone is in none. One that an actor has opened stays until
 *       it is closed and no continuation in it is to come; what is in a closed one is in the next around it.
 *   J5  A cancelled scope is marked at once and takes nothing new; its ring goes into that of loop->cancelling, of which
 *       so many are cancelled in a turn (O2).
 *   J6  A call that is handed on to another loop leaves a trail: on each loop that it has left, its called cell, which says
 *       where it went. What follows it goes that way, behind it in each lane, so it is nowhere overtaken. Who ends it says
 *       so to the loop that it came from, and that to the one before: the trail is taken up from its end, and what a loop
 *       has added last of a call is where it went last.
 */
#ifndef JZX__CALL_H
#define JZX__CALL_H

#include "sched/loop.h"
#include <jzx/call.h>

/* How an open call goes on. When this loop ends it, it is mail: an answer with CALL and ENDED. */
typedef struct jzx__calling {
    uint32_t reserved; /* its index; ended: tag */
    uint8_t reason;    /* ended: jzx_drop_reason, or JZX__DECIDED */
    uint8_t kind;
    uint16_t flags;      /* JZX__CALL_*; ended: JZX__FLAG_* */
    jzx_actor_id target; /* ended */
    uint64_t token;      /* the reserved cell's; of a gathering: its number */
    uint64_t ring;       /* ended: next */
    jzx_answer_fn on_answer;
    void *argument;
    uint64_t chain;
    uint64_t scope; /* at the place of an opened scope's */
} jzx__calling;
_Static_assert(sizeof(jzx__calling) == sizeof(jzx__cell), "a calling cell is a cell");
_Static_assert(offsetof(jzx__calling, kind) == offsetof(jzx__cell, kind) &&
                   offsetof(jzx__calling, target) == offsetof(jzx__cell, sender) &&
                   offsetof(jzx__calling, token) == offsetof(jzx__cell, target) &&
                   offsetof(jzx__calling, ring) == offsetof(jzx__cell, ring) &&
                   offsetof(jzx__calling, scope) == offsetof(jzx__cell, words[3]),
               "it becomes mail in place");

/* What all scopes begin with. */
typedef struct jzx__scope {
    uint32_t first; /* of the ring: index + 1, 0: empty */
    uint8_t hops;   /* of a called one: how often it was delegated */
    uint8_t kind;
    uint8_t flags; /* JZX__CALL_* */
    uint8_t back;  /* of a called one: the loop that handed it on, + 1; 0: none (J6) */
    uint64_t number;
    uint64_t deadline_ns;
} jzx__scope;
_Static_assert(offsetof(jzx__scope, kind) == offsetof(jzx__cell, kind), "a scope is a cell");

/* A request of another, with its context. */
typedef struct jzx__called {
    jzx__scope scope;
    uint64_t chain;
    jzx__map_node by_token; /* key: the asker's loop and token mixed, so that each can be had from the other */
    uint64_t flow;          /* the receiver's number of the flow whose credit it has; 0: it came through none */
    uint32_t mail;          /* index of the cell that is queued or kept */
    uint32_t owner;         /* slot index: whose it is */
} jzx__called;
_Static_assert(sizeof(jzx__called) <= sizeof(jzx__cell), "a called one is a cell");

/* What a called one becomes when the call is handed on to another loop (J6). The node of a cancel that follows it there. */
typedef struct jzx__trail {
    uint8_t to;   /* loop */
    uint8_t back; /* as in jzx__scope */
    bool listed;  /* it stands in the overflow towards `to` */
    bool over;    /* the call has ended meanwhile */
    bool carries; /* `probe` stands there */
    uint8_t kind; /* JZX__CELL_TRAIL; listed: CANCEL */
    uint16_t flags;
    jzx_actor_id asker;
    uint64_t token;
    uint64_t next; /* in the overflow */
    jzx__map_node by_token;
    /* Indexes of two cells for a probe that follows the call (W6), of one for whose end its asker waits. */
    uint32_t probe; /* + 1; 0: none */
    uint32_t ids;
} jzx__trail;
_Static_assert(sizeof(jzx__trail) <= sizeof(jzx__cell), "a trail is a cell");
_Static_assert(offsetof(jzx__trail, kind) == offsetof(jzx__cell, kind) &&
                   offsetof(jzx__trail, asker) == offsetof(jzx__cell, sender) &&
                   offsetof(jzx__trail, token) == offsetof(jzx__cell, target) &&
                   offsetof(jzx__trail, next) == offsetof(jzx__cell, next) &&
                   offsetof(jzx__trail, by_token) == offsetof(jzx__called, by_token),
               "it is a signal, and found as a called one is");

/* A scope that an actor has opened. In its actor's `held` list, and in the ring of the scope around it. */
typedef struct jzx__opened {
    jzx__scope scope;
    uint64_t ring;
    uint64_t held;
    uint32_t owner;  /* slot index */
    uint32_t inside; /* continuations and scopes in it that are still to come or to end (J4) */
    uint64_t unused;
    uint64_t around; /* number */
} jzx__opened;
_Static_assert(sizeof(jzx__opened) == sizeof(jzx__cell), "an opened scope is a cell");
_Static_assert(offsetof(jzx__opened, ring) == offsetof(jzx__cell, ring) &&
                   offsetof(jzx__opened, held) == offsetof(jzx__cell, words[0]) &&
                   offsetof(jzx__opened, around) == offsetof(jzx__cell, words[3]),
               "lists are in one place");

/*
 * Several calls whose ends are waited for together. Towards the scope around it a gathering is one call, without a target:
 * it has a reserved cell, for its deadline, and a calling one, by which it is cancelled and told.
 */
typedef struct jzx__gather {
    jzx__scope scope;
    jzx_gather_each_fn on_each;
    jzx_gather_done_fn on_done;
    uint32_t calling; /* index */
    uint32_t need;
    uint32_t calls;
    uint32_t answered;
    uint32_t failed;
    jzx_err err; /* of the last call that failed */
} jzx__gather;
_Static_assert(sizeof(jzx__gather) == sizeof(jzx__cell), "a gathering is a cell");

/* The second cell of a call in a lane. */
typedef struct jzx__call_wire {
    uint64_t deadline_ns;
    uint64_t chain;
    uint64_t flow; /* as in jzx__called */
    uint8_t hops;
    uint8_t back;  /* as in jzx__scope */
    uint8_t flags; /* JZX__CALL_HIGH, CALL, EXCLUSIVE: those of the called one */
    bool nested;   /* made for another call: see jzx__call_send() */
} jzx__call_wire;
_Static_assert(sizeof(jzx__call_wire) <= sizeof(jzx__cell), "the context of a call travels in a cell");

enum {
    JZX__CALL_CANCELLED = 1u << 0, /* scope (J5) */
    JZX__CALL_CLOSED = 1u << 1,    /* opened scope (J4) */
    JZX__CALL_COMPLETE = 1u << 2,  /* gathering: jzx_gather_end() was called */
    JZX__CALL_NESTED = 1u << 3,    /* calling: its chain is that of another call */
    JZX__CALL_BEGUN = 1u << 4,     /* called: its handler has seen it, and may have yielded it */
    JZX__CALL_HIGH = 1u << 5,      /* called: of high priority, also for the one to whom it is handed on */
    JZX__CALL_CALL = 1u << 6, /* called: it may be cancelled: not a plain request that was handed on, or has a credit */
    JZX__CALL_EXCLUSIVE = 1u << 7, /* called: its asker waits */
};

enum {
    JZX__CANCELS_PER_TURN = 256,
    JZX__HOPS_MAX = 255,
    JZX__DECIDED = UINT8_MAX, /* the reason of a gathering that is told in a later turn */
};

/* What a continuation is given, made when its cell comes out of the mailbox. */
typedef struct jzx__ending {
    jzx_answer_fn on_answer;
    void *argument;
    jzx_result result;
    jzx_no_answer none;
} jzx__ending;

/* ---- the asker ---- */

/* A call as the public functions ask for it. */
typedef struct jzx__call_order {
    uint64_t deadline_ns;
    jzx_answer_fn on_answer;
    void *argument;
    bool exclusive;   /* see sched/wait.h */
    bool high;        /* of its request: see sched/annex.h */
    jzx_cycle *cycle; /* of a DEADLOCK; may be NULL */
} jzx__call_order;

jzx_err jzx__call(jzx_context *context, jzx_actor_id to, const jzx_message *message, const jzx__call_order *order,
                  uint64_t *ref);
/* In a scope that is not the current one. Untimed: it ends with the scope. */
jzx_err jzx__call_in(jzx_context *context, jzx__scope *scope, bool timed, jzx_actor_id to, const jzx_message *message,
                     const jzx__call_order *order, uint64_t *ref);
jzx_err jzx__call_cancel(jzx_context *context, uint64_t ref);
/* The two cells of a call, or of a gathering (`to` 0), in `scope`, while `more` cells are left for the rest of it. */
jzx_err jzx__call_reserve(jzx_context *context, jzx__scope *scope, jzx_actor_id to, uint64_t due_ns, uint32_t more,
                          const jzx__call_order *order, jzx__calling **calling);
void jzx__call_undo(jzx_loop *loop, jzx__calling *calling);                  /* it was refused */
void jzx__call_end(jzx_loop *loop, jzx__calling *calling, uint8_t reason);   /* by this loop: it becomes mail */
void jzx__call_answered(jzx_loop *loop, jzx__cell *answer, jzx__cell *cell); /* `cell` is its calling one */
/* Takes the continuation out of the mail `cell`, of which the head is returned as by jzx__cell_open(). */
uint32_t jzx__call_open(jzx_context *context, jzx__cell *cell, jzx__ending *end);
/* The asker ends. Open calls are cancelled, with `reserved` as node; ends that it will not see are forgotten. */
void jzx__call_abandon(jzx_loop *loop, jzx__cell *reserved, jzx__cell *calling, jzx_actor_id target);
void jzx__call_forget(jzx_loop *loop, jzx__cell *mail); /* the cell itself stays the caller's */
jzx_err jzx__call_err(uint32_t reason);                 /* what a jzx_drop_reason means in a result */

uint64_t jzx__call_token(const jzx_loop *loop, const jzx__cell *end); /* of which call this mail is the end */

/* ---- the target ---- */

const jzx__called *jzx__called_of(const jzx_loop *loop, const jzx__cell *mail); /* of a request with CALL */
/* What is here of a call: a called one, or the last of its trail. NULL: it was never here, or has ended. */
jzx__cell *jzx__called_find(const jzx_loop *loop, uint32_t asker_loop, uint64_t token);

void jzx__called_make(jzx_loop *loop, uint32_t owner, jzx__cell *mail, jzx__cell *cell, uint64_t token,
                      const jzx__call_wire *wire);
void jzx__called_move(jzx_loop *loop, const jzx__cell *mail, uint32_t owner); /* another has it now */
/* J3; returns the asker's token. A credit goes back to its flow. */
uint64_t jzx__called_end(jzx_loop *loop, jzx__cell *mail);
/* May its handler have it? One that it has yielded is its own to finish: it sees that it is not wanted any more. */
bool jzx__called_wanted(const jzx_loop *loop, const jzx__cell *mail, jzx_drop_reason *reason);
/* It was cancelled, or its deadline has passed, whether its handler has seen it or not. */
bool jzx__called_over(const jzx_loop *loop, const jzx__cell *mail, jzx_drop_reason *reason);
void jzx__called_enter(jzx_context *context, const jzx__cell *kept); /* its scope and chain become the current ones */
void jzx__cancel_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__trail_end_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__trail_left(jzx_loop *loop, jzx__cell *cell);         /* its overflow node has been copied out */
void jzx__trail_probe_left(jzx_loop *loop, jzx__trail *trail); /* that of its probe */
/* Through a flow to `to`, if `flow` is not 0. */
jzx_err jzx__call_delegate(jzx_context *context, uint64_t ref, jzx_actor_id to, uint64_t flow,
                           const jzx_message *message);

/* route.c: sends a call for `sender`. One that is nested passes the full mark of another loop: who waits for it may be why
 * the mailbox is full. If there is no room when it arrives it is answered. One through a flow has room. */
jzx_err jzx__call_send(jzx_context *context, jzx_actor_id sender, jzx_actor_id to, const jzx_message *message,
                       uint64_t token, const jzx__call_wire *wire);

/* ---- scopes ---- */

jzx__scope *jzx__scope_find(jzx_loop *loop, uint64_t number); /* NULL: gone (J4) */
jzx__scope *jzx__scope_current(const jzx_context *context);   /* NULL: none, or shielded */
uint64_t jzx__scope_around(jzx_loop *loop, uint64_t number);  /* itself, or if it is closed the next that is not */
jzx_err jzx__scope_refusal(const jzx_loop *loop, const jzx__scope *scope, uint64_t *deadline_ns); /* of a call in it */
jzx_err jzx__scope_open(jzx_context *context, uint64_t deadline_ns, uint64_t *number);
jzx_err jzx__scope_close(jzx_context *context, uint64_t number);
jzx_err jzx__scope_cancel(jzx_context *context, uint64_t number);
void jzx__scope_let_go(jzx_loop *loop, uint32_t index, jzx__cell *cell); /* its actor ends */
void jzx__scope_give_up(jzx_loop *loop, jzx__scope *scope);              /* J5 */
void jzx__scope_cancel_some(jzx_loop *loop);

/* ---- gatherings: gather.c ---- */

jzx_err jzx__gather_begin(jzx_context *context, const jzx_gather_options *options, uint64_t *number);
jzx_err jzx__gather_call(jzx_context *context, uint64_t number, jzx_actor_id to, const jzx_message *message,
                         uint32_t index);
jzx_err jzx__gather_end(jzx_context *context, uint64_t number);
jzx_err jzx__gather_cancel(jzx_context *context, uint64_t number);
jzx__gather *jzx__gather_of(jzx_loop *loop, const jzx__calling *calling); /* NULL: it is a call */

#endif
