/*
 * wait: exclusive calls. While an actor waits for the end of one it handles nothing but that end, requests of the same chain,
 * and its supervisor's word to stop. And actors that wait for each other in a circle are found.
 *
 * Each wait has one edge: from its actor to the one who has the request of the call, who may have been handed it. It blocks
 * while that one waits too, and would not take the request before its own wait has ended: because the request is of another
 * chain, or was taken already and is kept. A circle of such edges never opens by itself. On one loop it is seen before it is
 * closed, and the call is refused. Else a probe finds it: a signal that follows the edges from actor to actor.
 *
 * A probe carries a mark: a wait that it has passed. It sets the mark to where it is after 1, 2, 4, 8, ... hops (Brent, An
 * Improved Monte Carlo Factorization Algorithm, 1980, so it ends also in a circle that it was not begun in), and at every
 * actor with a larger id. So when it meets its mark again it has gone round a circle once, and the mark is the largest of it.
 * It goes round a second time, to see that all of the first round was there at one time; then the mark's call ends with
 * DEADLOCK. Probes keep nothing where they pass. (Chandy, Misra and Haas, Distributed Deadlock Detection, 1983; that the
 * largest is told is Mitchell and Merritt's rule, 1984. tests/sim/wait_model.c shows that no part of it can be left out.)
 *
 * Owner thread only.
 *
 * Invariants
 *   W1  The waits of an actor are of one chain and end last in, first out. The end of one that is covered by another is put
 *       aside until it is the innermost.
 *   W2  While an actor waits (JZX__SLOT_WAITING) its mailbox and its urgent list hold only what it may handle now. All else
 *       is the waiter's, in the order in which it came, and counts as mail. hot->high is 0, so that no send is a plain one.
 *   W3  A wait is over for others when its end arrives, not when that is handled.
 *   W4  A new edge that may close a circle sends a probe: when a request meets one that waits, sent or handed on, when a wait
 *       is the innermost again, and when a request of the chain is kept. To make a wait is no such event: its request is on
 *       the way to one.
 *   W5  A probe comes behind the request of each edge that it follows, for both go through one lane in order, and through
 *       the same lanes where the request was handed on (J6 of call.h).
 *   W6  A waiter's cell carries one probe at a time. One that finds it in use is not needed if that one follows the same
 *       wait; else it is made up for by a new one when the cell is free. On a loop that the request has left the trail has
 *       cells for a probe, and all that come there follow the same wait.
 */
#ifndef JZX__WAIT_H
#define JZX__WAIT_H

#include "sched/loop.h"
#include <jzx/call.h>

typedef struct jzx__wait {
    uint64_t token;   /* of the call */
    uint32_t at;      /* loop of its target: what follows the request begins there */
    jzx__cell *aside; /* its end, while it is covered (W1) */
    bool ended;       /* W3 */
    /* Its circle, when that is told: each has its own, for one may be put aside while the next is told. */
    uint32_t length;
    jzx_actor_id ids[JZX_CYCLE_MAX];
} jzx__wait;

/* Made at an actor's first exclusive call, and its until it ends. */
typedef struct jzx__waiter {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource;          /* its cell: a probe (W6) */
    _Alignas(JZX__CACHE_LINE) jzx_actor_id ids[JZX_CYCLE_MAX]; /* what goes with it when it confirms */
    uint64_t chain;
    jzx__queue mail; /* W2 */
    jzx__cell *urgent_last;
    uint8_t depth; /* of waits; 0: it does not wait */
    bool again;    /* W6 */
    bool looks;    /* an edge is new, and the handler still runs (W4) */
    jzx__wait waits[JZX_WAITS_MAX];
} jzx__waiter;
_Static_assert(sizeof(((jzx__waiter *)0)->ids) == sizeof(jzx__cell), "the ids are a probe's second cell");

/* May this actor make an exclusive call to `to`? Makes its waiter. DEADLOCK with *cycle, LIMIT, INVALID_ARG, NO_MEMORY. */
jzx_err jzx__wait_refusal(jzx_context *context, jzx_actor_id to, uint64_t chain, jzx_cycle *cycle);
/* The call was sent. */
void jzx__wait_begin(jzx_context *context, jzx_actor_id to, uint64_t token, uint64_t chain);
/* Whether the actor waits, and takes requests of this chain. */
bool jzx__wait_admits(const jzx_loop *loop, uint32_t index, uint64_t chain);
bool jzx__wait_lets_in(jzx_loop *loop, uint32_t index, const jzx__cell *cell);

/* Is it a request of this chain? */
bool jzx__wait_is_chained(jzx_loop *loop, const jzx__cell *cell, uint64_t chain);
/* What comes to one that waits: mail or the end of a call; a signal for the urgent list. */
void jzx__wait_push(jzx_loop *loop, uint32_t index, jzx__cell *cell);
void jzx__wait_push_urgent(jzx_loop *loop, uint32_t index, jzx__cell *cell);
/* The request of an exclusive call has come from another loop, or was handed on on this one (W4). */
void jzx__wait_met(jzx_loop *loop, uint32_t index, uint64_t chain);
jzx__queue *jzx__wait_mail(jzx_loop *loop, uint32_t index); /* the mail that waits with it */

/* The end of the innermost wait has come out of the mailbox. */
void jzx__wait_end(jzx_loop *loop, uint32_t index, const jzx__cell *cell);
/* The handler of one that waits has returned; `kept`: of a request that is kept. */
void jzx__wait_after(jzx_context *context, bool kept);
/* The actor ends: all that was held back is mail, and urgent, again. */
void jzx__wait_gather(jzx_loop *loop, uint32_t index);
void jzx__wait_let_go(jzx_loop *loop, jzx__waiter *waiter);

void jzx__probe_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second);
void jzx__probe_goes_on(jzx_loop *loop, jzx__cell *cell);   /* it has come out of the urgent list */
void jzx__probe_node_left(jzx_loop *loop, jzx__cell *cell); /* its overflow node has been copied out */
const void *jzx__probe_second(const jzx_loop *loop, const jzx__cell *cell);

#endif
