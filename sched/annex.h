/*
 * annex: what only some actors have: a stash, behaviors put aside, the progress of a message, limits, shields, waits. A record
 * of a table, made when an actor first needs it and given back at its end, so that the others cost nothing more.
 *
 * Owner thread only.
 *
 * Invariants
 *   X1  An actor has one annex at most: cold->annex names it, and its `owner` names the slot.
 *   X2  It is empty when it is given back: whatever it held has been dropped, answered or undone before.
 */
#ifndef JZX__ANNEX_H
#define JZX__ANNEX_H

#include "sched/loop.h"

typedef struct jzx__annex {
    _Alignas(JZX__CACHE_LINE) uint64_t number;
    uint32_t owner; /* slot index */

    /* shield.c */
    uint8_t shields;
    jzx__cause deferred; /* an end that waits; kind 0: none */
    char deferred_text[JZX_EXIT_TEXT_MAX];
    jzx__deadline shield_deadline;
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

#endif
