/*
 * runs: the run queue of a loop, a ring of slot indexes.
 *
 * Owner thread only. It has a place for each actor that can live, and a slot is in it at most once (A3 of slot.h), so it
 * is never full.
 */
#ifndef JZX__RUNS_H
#define JZX__RUNS_H

#include "io/base.h"

typedef struct jzx__runs {
    uint32_t *places;
    uint32_t mask;
    uint32_t head; /* counts, not places */
    uint32_t tail;
} jzx__runs;

/* Places for `actors_max` actors. */
static inline uint32_t jzx__runs_size(uint32_t actors_max)
{
    return jzx__power_at_least(actors_max);
}

static inline bool jzx__runs_empty(const jzx__runs *runs)
{
    return runs->head == runs->tail;
}

static inline void jzx__runs_push(jzx__runs *runs, uint32_t index)
{
    runs->places[runs->tail++ & runs->mask] = index;
}

static inline uint32_t jzx__runs_pop(jzx__runs *runs)
{
    return runs->places[runs->head++ & runs->mask];
}

#endif
