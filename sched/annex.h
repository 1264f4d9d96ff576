/*
 * annex: what only some actors have: high mail, a stash, behaviors put aside, the progress of a message, limits, shields, waits,
 * credits. A record of a table, made when an actor first needs it and given back at its end, so that the others cost nothing
 * more.
 *
 * Owner thread only.
 *
 * Invariants
 *   X1  An actor has one annex at most: cold->annex names it, and its `owner` names the slot.
 *   X2  It is empty when it is given back: whatever it held has been dropped, answered or undone before.
 *   X3  Mail in `high` and in `stash` is mail: it counts in mailbox_length and in hot->bytes. At the actor's end all of it
 *       goes in front of the mailbox, and meets the same fate: an heir, or its destructor.
 *   X4  `high_turn` is in the urgent list whenever `high` is not empty, once, and goes to its tail after each message. So
 *       high mail takes turns with the signals as these do with the mail (U2 of run.c), and nobody starves.
 *   X5  What stands in the mailbox and is no mail (a DOWN, an EXIT) comes after the high mail that was there before it.
 *   X6  `progress` belongs to one cell, `progress_of`, which is being handled or waits with JZX__FLAG_PROGRESS.
 */
#ifndef JZX__ANNEX_H
#define JZX__ANNEX_H

#include "sched/loop.h"
#include <jzx/order.h>

typedef struct jzx__annex {
    _Alignas(JZX__CACHE_LINE) uint64_t number;
    uint32_t owner;             /* slot index */
    struct jzx__waiter *waiter; /* wait.c; NULL: it has made no exclusive call */

    /* shield.c */
    uint8_t shields;
    jzx__cause deferred; /* an end that waits; kind 0: none */
    char deferred_text[JZX_EXIT_TEXT_MAX];
    jzx__deadline shield_deadline;

    /* order.c */
    uint32_t stashed; /* cells in `stash` */
    bool hoards;      /* it may fill the mailbox: what takes from it needs no room there */
    jzx__queue stash;
    jzx__queue high;
    uint32_t high_count;     /* cells in `high` */
    uint32_t high_before;    /* with `barred`: so many of them go before the signal in front of the mailbox (X5) */
    jzx__resource high_turn; /* of its fields only the cell, and `listed` (X4) */
    bool barred;
    bool high_was_before; /* the message taken last was one of those */

    uint8_t aside_count;
    uint8_t limit_action; /* jzx_limit_action */
    jzx_behavior_fn aside[JZX_BECOME_MAX];
    jzx_behavior_fn behavior; /* of a limited actor, whose hot->behavior is jzx__behave_limited() */
    uint64_t limit_ns;

    uint64_t progress;
    jzx__cell *progress_of; /* X6; NULL: of none */

    /* flow.c */
    uint32_t flow_credits; /* promised through flows to this actor (F7) */
} jzx__annex;

/* The annex of a slot, or NULL. */
static inline jzx__annex *jzx__annex_of(const jzx_loop *loop, uint32_t index)
{
    uint32_t place = jzx__slot_cold(&loop->slots, index)->annex;
    return place == 0 ? NULL : jzx__table_at(&loop->annexes, place - 1);
}

/* The same, made if there is none yet. LIMIT or NO_MEMORY. */
jzx_err jzx__annex_make(jzx_loop *loop, uint32_t index, jzx__annex **annex);
/* At the end of an actor that has one (X2). */
void jzx__annex_let_go(jzx_loop *loop, uint32_t index);

/* shield.c */
static inline bool jzx__shielded(const jzx_loop *loop, uint32_t index)
{
    const jzx__annex *annex = jzx__annex_of(loop, index);
    return annex != NULL && annex->shields != 0;
}
bool jzx__shield_defers(jzx_loop *loop, uint32_t index, const jzx__cause *cause); /* keeps the end for later */
void jzx__shield_let_go(jzx_loop *loop, jzx__annex *annex);
void jzx__shield_due(jzx_loop *loop, jzx__deadline *node);
jzx_err jzx__shield_enter(jzx_context *context);
jzx_err jzx__shield_leave(jzx_context *context);

/* order.c */
/* High mail comes, past nothing but normal mail: as normal mail when there is no annex to be had, or when a wait lets it in. */
void jzx__high_push(jzx_loop *loop, uint32_t index, jzx__cell *cell);
/* Moves the requests of a chain from high mail and the stash to the end of a queue, when a wait begins (sched/wait.h). */
void jzx__order_take(jzx_loop *loop, uint32_t index, uint64_t chain, jzx__queue *to);
/* The first of it, or NULL. It is out of the queue, and still counted as mail. */
jzx__cell *jzx__high_pop(jzx_loop *loop, jzx__annex *annex);
/* In front again. The caller counts it. */
void jzx__high_put_back(jzx_loop *loop, uint32_t index, jzx__cell *cell);
/* Whether a message of it must go before the signal in front of the mailbox (X5). */
bool jzx__high_before_signal(jzx__annex *annex);
bool jzx__high_waits(const jzx_loop *loop, uint32_t index);

/* Whether one more may be put aside. If not the actor fails, when its handler has returned. */
bool jzx__stash_fits(jzx_context *context);
void jzx__stash_push(jzx_loop *loop, uint32_t index, jzx__cell *cell);
void jzx__stash_return(jzx_loop *loop, uint32_t index, uint32_t count);
/*
 * Sends the first of the stash on through a flow, in the name of who sent it. A request is delegated. Returns: as
 * jzx__flow_send(): refused, it stays the first; JZX_ERR_NO_SUCH_REQUEST: it was not wanted any more, or delegated too often, and
 * has been answered.
 */
jzx_err jzx__stash_forward(jzx_context *context, uint64_t flow);
/* The actor ends: everything to the front of its mailbox (X3). */
void jzx__order_gather(jzx_loop *loop, uint32_t index);

uint64_t *jzx__progress(jzx_context *context, const jzx_message *message); /* NULL: there is none for it */
void jzx__progress_over(jzx_context *context); /* the message that has it is handled, or not to be handled again */

jzx_err jzx__become(jzx_loop *loop, uint32_t index, jzx_behavior_fn behavior);
jzx_err jzx__unbecome(jzx_loop *loop, uint32_t index);

/* Of an actor that is being spawned: its handlers have a limit. LIMIT or NO_MEMORY. */
jzx_err jzx__limit_set(jzx_loop *loop, uint32_t index, const jzx_spawn_options *options);
/* The behavior of such an actor. */
jzx_behavior_result jzx__behave_limited(jzx_context *context, void *state, const jzx_message *message);
/* Around what else of an actor runs as a handler, if its hot->behavior is jzx__behave_limited(). */
uint64_t jzx__limit_begin(jzx_context *context);
void jzx__limit_end(jzx_context *context, uint64_t began_ns);
/* The running handler has passed its limit, and was to be cancelled then. Reads the clock, if there is such a limit. */
bool jzx__limit_cancels(const jzx_loop *loop);
/* Whether the running handler has used up its share of the turn, or its limit. Reads the clock. */
bool jzx__order_over(jzx_loop *loop);

#endif
