/*
 * life.h: the least the life of an actor can cost in plain C: a record of 128 bytes taken from a slab and given back, an
 * id with a generation, three callbacks, a cell pushed and popped, a run queue.
 */
#ifndef RAW_LIFE_H
#define RAW_LIFE_H

#include "raw/cell.h"

#include <stdbool.h>

typedef struct raw_behavior {
    void (*init)(void *argument, void **state);
    bool (*handle)(void *state, const raw_cell *cell); /* true: it ends */
    void (*fini)(void *state);
} raw_behavior;

typedef struct raw_slab raw_slab;

/* For so many at one time. */
raw_slab *raw_slab_open(uint32_t lives_max);
void raw_slab_close(raw_slab *slab);

uint64_t raw_slab_spawn(raw_slab *slab, const raw_behavior *behavior, void *argument);

/* False when the id is stale or no cell is free. One message at a time for each. */
bool raw_slab_tell(raw_slab *slab, uint64_t id, uint32_t tag, const uint64_t words[4]);

/* Ends one that has no message. */
void raw_slab_end(raw_slab *slab, uint64_t id);

/* Runs the first of the run queue; false when it is empty. */
bool raw_slab_run_one(raw_slab *slab);

#endif
