/*
 * actors.h: the least a message between two actors of one thread can cost in plain C.
 *
 * What every local path must do and no more: look an id up and check its generation, copy a 64-byte cell into the ring
 * of the target, put the target on the run queue if it was not, take both out again, call the behavior by pointer. It
 * has bounds and says full; it has no limits on bytes, no counters, no clock, no links, no end.
 */
#ifndef RAW_ACTORS_H
#define RAW_ACTORS_H

#include "raw/cell.h"
#include "raw/run_queue.h"

#include <stdbool.h>
#include <stdint.h>

enum { RAW_BATCH = 64 }; /* messages an actor handles before the next one's turn, as in libjzx, unless set otherwise */

typedef struct raw_world raw_world;
typedef void (*raw_behavior_fn)(raw_world *world, void *state, const raw_cell *cell);

typedef struct raw_actor {
    uint32_t generation;
    uint32_t head;
    uint32_t tail;
    uint32_t batch; /* messages it handles before the next one's turn */
    bool queued;
    raw_behavior_fn behavior;
    void *state;
    raw_cell *ring;
} __attribute__((aligned(64))) raw_actor;

struct raw_world {
    raw_actor *actors;
    raw_cell *cells;
    raw_run_queue run_queue;
    uint32_t actor_count;
    uint32_t ring_mask; /* of each mailbox */
    bool stopped;
};

/* Makes `count` actors with rings of `ring_size` cells, a power of two. */
void raw_world_open(raw_world *world, uint32_t count, uint32_t ring_size);
void raw_world_close(raw_world *world);

/* Gives actor `index` its behavior and tells its id. */
uint64_t raw_actor_set(raw_world *world, uint32_t index, raw_behavior_fn behavior, void *state);

void raw_actor_set_batch(raw_world *world, uint32_t index, uint32_t batch);

bool raw_send(raw_world *world, uint64_t to, const raw_cell *cell);

/* Runs until a behavior sets `stopped`, or nothing is left to do. */
void raw_world_run(raw_world *world);

#endif
