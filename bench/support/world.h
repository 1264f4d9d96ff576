/*
 * world.h: what every workload of libjzx needs around its actors: a runtime with loops, each pinned to a CPU of the run.
 *
 * The first loop runs on the calling thread, the others on threads the library starts.
 */
#ifndef BENCH_WORLD_H
#define BENCH_WORLD_H

#include "support/check.h"

#include <jzx/bench.h>
#include <jzx/jzx.h>

#define WORLD_CHECK(call)                                                             \
    do {                                                                              \
        jzx_err world_err_ = (call);                                                  \
        BENCH_CHECK(world_err_ == JZX_OK, "%s: %s", #call, jzx_strerror(world_err_)); \
    } while (0)

enum { WORLD_LOOPS_MAX = 64 };

struct world {
    jzx_runtime *runtime;
    jzx_loop *loops[WORLD_LOOPS_MAX];
    int loop_count;
};

/* Ends the run as one that cannot be done here if it has fewer CPUs. */
void world_need_cpus(jzx_bench *bench, int count);

/* `config` may be NULL; its loops_max is set here. Loop i is on the i-th CPU and lingers as the config says. */
void world_open(struct world *world, jzx_bench *bench, const jzx_config *config, int loop_count);

/* The same in two steps, for loops that differ: a runtime without loops, then each loop. */
void world_create(struct world *world, const jzx_config *config, int loops_max);
void world_add_loop(struct world *world, jzx_bench *bench, uint64_t linger_ns);

/* Spawns an actor before the loops run; its state is `state` itself. */
jzx_actor_id world_spawn(const struct world *world, int loop, jzx_behavior_fn behavior, void *state);

/* The same for one whose mailbox takes `cap` messages. */
jzx_actor_id world_spawn_cap(const struct world *world, int loop, jzx_behavior_fn behavior, void *state, uint32_t cap);

/* Starts a supervisor on the first loop, before the loops run, that restarts without a limit. */
void world_supervise(const struct world *world, jzx_strategy strategy, const jzx_child_spec *children, uint32_t count);

/* Sends a message without payload before the loops run. */
void world_tell(const struct world *world, jzx_actor_id to, uint32_t tag);

/* For a handler: listens on a free port of 127.0.0.1, and tells it. */
uint16_t world_listen(jzx_context *context);

/* Runs the loops until a handler asks the runtime to stop. */
void world_run(const struct world *world);

void world_close(struct world *world);

#endif
