/* world.c: see world.h. */
#include "support/world.h"

#include "support/affinity.h"

void world_need_cpus(jzx_bench *bench, int count)
{
    if (jzx_bench_cpus(bench) < count) {
        jzx_bench_skip(bench, "needs %d CPUs and has %d", count, jzx_bench_cpus(bench));
    }
}

void world_create(struct world *world, const jzx_config *config, int loops_max)
{
    jzx_config own;
    if (config == NULL) {
        jzx_config_init(&own);
    } else {
        own = *config;
    }
    own.loops_max = (uint32_t)loops_max;
    world->loop_count = 0;
    WORLD_CHECK(jzx_runtime_create(&own, &world->runtime));
}

void world_add_loop(struct world *world, jzx_bench *bench, uint64_t linger_ns)
{
    jzx_loop_config loop_config;
    jzx_loop_config_init(NULL, &loop_config);
    loop_config.cpu = jzx_bench_cpu(bench, world->loop_count);
    loop_config.linger_ns = linger_ns;
    BENCH_CHECK(world->loop_count < WORLD_LOOPS_MAX, "more than %d loops", WORLD_LOOPS_MAX);
    WORLD_CHECK(jzx_loop_create(world->runtime, &loop_config, &world->loops[world->loop_count++]));
}

void world_open(struct world *world, jzx_bench *bench, const jzx_config *config, int loop_count)
{
    world_create(world, config, loop_count);
    for (int i = 0; i < loop_count; i++) {
        world_add_loop(world, bench, config == NULL ? 0 : config->linger_ns);
    }
}

jzx_actor_id world_spawn(const struct world *world, int loop, jzx_behavior_fn behavior, void *state)
{
    return world_spawn_cap(world, loop, behavior, state, 0);
}

jzx_actor_id world_spawn_cap(const struct world *world, int loop, jzx_behavior_fn behavior, void *state, uint32_t cap)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.argument = state;
    options.mailbox_cap = cap;
    jzx_actor_id id = 0;
    WORLD_CHECK(jzx_spawn(jzx_loop_context(world->loops[loop]), &options, &id));
    return id;
}

void world_supervise(const struct world *world, jzx_strategy strategy, const jzx_child_spec *children, uint32_t count)
{
    jzx_supervisor_spec supervisor;
    jzx_supervisor_spec_init(&supervisor);
    supervisor.strategy = (uint8_t)strategy;
    supervisor.intensity = JZX_INTENSITY_UNLIMITED;
    supervisor.child_count = count;
    supervisor.children = children;
    WORLD_CHECK(jzx_supervisor_start(jzx_loop_context(world->loops[0]), &supervisor, NULL, NULL));
}

void world_tell(const struct world *world, jzx_actor_id to, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    jzx_loop *loop = world->loops[jzx_actor_loop(to)];
    WORLD_CHECK(jzx_send(jzx_loop_context(loop), to, &message));
}

uint16_t world_listen(jzx_context *context)
{
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    jzx_socket_id socket = 0;
    uint16_t port = 0;
    WORLD_CHECK(jzx_tcp_listen(context, &options, &socket));
    WORLD_CHECK(jzx_tcp_port(context, socket, &port));
    return port;
}

void world_run(const struct world *world)
{
    cpu_set_t kept = affinity_keep(); /* the first loop pins this thread */
    for (int i = 1; i < world->loop_count; i++) {
        WORLD_CHECK(jzx_loop_start(world->loops[i]));
    }
    WORLD_CHECK(jzx_loop_run(world->loops[0]));
    for (int i = 1; i < world->loop_count; i++) {
        jzx_err result = JZX_OK;
        WORLD_CHECK(jzx_loop_join(world->loops[i], &result));
        WORLD_CHECK(result);
    }
    affinity_restore(&kept);
}

void world_close(struct world *world)
{
    WORLD_CHECK(jzx_runtime_destroy(world->runtime));
    world->runtime = NULL;
}
