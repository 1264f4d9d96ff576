/*
 * world.h: what every bench of libjzx needs around its actors: a runtime with one or two pinned loops.
 *
 * The first loop runs on the calling thread, the second on a thread the library starts.
 */
#ifndef WORLD_H
#define WORLD_H

#include "bench.h"

#include <jzx/jzx.h>

#define WORLD_CHECK(call)                                                             \
    do {                                                                              \
        jzx_err world_err_ = (call);                                                  \
        BENCH_CHECK(world_err_ == JZX_OK, "%s: %s", #call, jzx_strerror(world_err_)); \
    } while (0)

enum { WORLD_LOOPS_MAX = 2 };

struct world {
    jzx_runtime *runtime;
    jzx_loop *loops[WORLD_LOOPS_MAX];
    int loop_count;
};

/* The CPUs and lingers of the loops. */
typedef struct world_shape {
    int loop_count;
    int cpus[WORLD_LOOPS_MAX];
    uint64_t linger_ns[WORLD_LOOPS_MAX];
} world_shape;

/* One loop on `cpu`. */
world_shape world_shape_one(int cpu);

/* Two loops on the CPUs 0 and 1. */
world_shape world_shape_two(uint64_t linger_0_ns, uint64_t linger_1_ns);

/* `config` may be NULL. Its loops_max is set here. */
void world_open(struct world *world, const jzx_config *config, const world_shape *shape);

/* Spawns an actor before the loops run; its state is `state` itself. */
jzx_actor_id world_spawn(const struct world *world, int loop, jzx_behavior_fn behavior, void *state);

/* Sends a message without payload before the loops run. */
void world_tell(const struct world *world, jzx_actor_id to, uint32_t tag);

/* Runs the loops until a handler asks the runtime to stop. */
void world_run(const struct world *world);

void world_close(struct world *world);

#endif
