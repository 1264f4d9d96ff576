/* actors.c: see actors.h. In a file of its own, as a library is: no call of it is inlined into a bench. */
#include "raw/actors.h"

#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

void raw_world_open(raw_world *world, uint32_t count, uint32_t ring_size)
{
    memset(world, 0, sizeof *world);
    world->actor_count = count;
    world->ring_mask = ring_size - 1;
    world->actors = bench_memory_take(count * sizeof *world->actors);
    world->cells = bench_memory_take((size_t)count * ring_size * sizeof *world->cells);
    raw_run_queue_open(&world->run_queue, count);
    for (uint32_t i = 0; i < count; i++) {
        world->actors[i].generation = 1;
        world->actors[i].batch = RAW_BATCH;
        world->actors[i].ring = &world->cells[(size_t)i * ring_size];
    }
}

void raw_world_close(raw_world *world)
{
    free(world->actors);
    free(world->cells);
    raw_run_queue_close(&world->run_queue);
}

uint64_t raw_actor_set(raw_world *world, uint32_t index, raw_behavior_fn behavior, void *state)
{
    raw_actor *actor = &world->actors[index];
    actor->behavior = behavior;
    actor->state = state;
    return (uint64_t)actor->generation << 32 | index;
}

void raw_actor_set_batch(raw_world *world, uint32_t index, uint32_t batch)
{
    world->actors[index].batch = batch;
}

bool raw_send(raw_world *world, uint64_t to, const raw_cell *cell)
{
    uint32_t index = (uint32_t)to;
    if (index >= world->actor_count) {
        return false;
    }
    raw_actor *actor = &world->actors[index];
    if (actor->generation != (uint32_t)(to >> 32) || actor->tail - actor->head > world->ring_mask) {
        return false;
    }
    raw_cell *place = &actor->ring[actor->tail++ & world->ring_mask];
    raw_cell_copy(place, cell);
    place->target = to;
    if (!actor->queued) {
        actor->queued = true;
        raw_run_queue_add(&world->run_queue, index);
    }
    return true;
}

static void run_actor(raw_world *world, uint32_t index)
{
    raw_actor *actor = &world->actors[index];
    for (uint32_t i = 0; i < actor->batch && actor->head != actor->tail; i++) {
        /* The behavior reads the cell in place, so its room is given back after the call. */
        actor->behavior(world, actor->state, &actor->ring[actor->head & world->ring_mask]);
        actor->head++;
    }
    if (actor->head != actor->tail) {
        raw_run_queue_add(&world->run_queue, index);
    } else {
        actor->queued = false;
    }
}

void raw_world_run(raw_world *world)
{
    while (!world->stopped && !raw_run_queue_empty(&world->run_queue)) {
        run_actor(world, raw_run_queue_take(&world->run_queue));
    }
}
