/* world.c: see world.h. */
#include "world.h"

#include <sched.h>

world_shape world_shape_one(int cpu)
{
    world_shape shape = {.loop_count = 1, .cpus = {cpu, 0}, .linger_ns = {0, 0}};
    return shape;
}

world_shape world_shape_two(uint64_t linger_0_ns, uint64_t linger_1_ns)
{
    world_shape shape = {.loop_count = 2, .cpus = {0, 1}, .linger_ns = {linger_0_ns, linger_1_ns}};
    return shape;
}

void world_open(struct world *world, const jzx_config *config, const world_shape *shape)
{
    jzx_config own;
    if (config == NULL) {
        jzx_config_init(&own);
    } else {
        own = *config;
    }
    own.loops_max = (uint32_t)shape->loop_count;
    world->loop_count = shape->loop_count;
    WORLD_CHECK(jzx_runtime_create(&own, &world->runtime));
    for (int i = 0; i < shape->loop_count; i++) {
        jzx_loop_config loop_config;
        jzx_loop_config_init(&own, &loop_config);
        loop_config.cpu = shape->cpus[i];
        loop_config.linger_ns = shape->linger_ns[i];
        WORLD_CHECK(jzx_loop_create(world->runtime, &loop_config, &world->loops[i]));
    }
}

jzx_actor_id world_spawn(const struct world *world, int loop, jzx_behavior_fn behavior, void *state)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.argument = state;
    jzx_actor_id id = 0;
    WORLD_CHECK(jzx_spawn(jzx_loop_context(world->loops[loop]), &options, &id));
    return id;
}

void world_tell(const struct world *world, jzx_actor_id to, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    jzx_loop *loop = world->loops[jzx_actor_loop(to)];
    WORLD_CHECK(jzx_send(jzx_loop_context(loop), to, &message));
}

void world_run(const struct world *world)
{
    /* The first loop pins this thread; the next world must find it free again. */
    cpu_set_t set;
    BENCH_CHECK(sched_getaffinity(0, sizeof set, &set) == 0, "no affinity");
    for (int i = 1; i < world->loop_count; i++) {
        WORLD_CHECK(jzx_loop_start(world->loops[i]));
    }
    WORLD_CHECK(jzx_loop_run(world->loops[0]));
    for (int i = 1; i < world->loop_count; i++) {
        jzx_err result = JZX_OK;
        WORLD_CHECK(jzx_loop_join(world->loops[i], &result));
        WORLD_CHECK(result);
    }
    BENCH_CHECK(sched_setaffinity(0, sizeof set, &set) == 0, "the affinity cannot be set back");
}

void world_close(struct world *world)
{
    WORLD_CHECK(jzx_runtime_destroy(world->runtime));
    world->runtime = NULL;
}
