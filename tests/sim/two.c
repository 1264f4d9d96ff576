#include "tests/sim/two.h"

#include <criterion/criterion.h>

void two_open(sim_two *two, uint64_t seed)
{
    memset(two, 0, sizeof *two);
    two->world = world_create(seed);
    two->kernel = fake_create(two->world, NULL, NULL);
    *fake_faults_of(two->kernel) = (fake_faults){.entries_max = 8};
    world_pace_of(two->world)->switches = 1024;
    world_pace_of(two->world)->freezes = 0;
    world_pace_of(two->world)->tick_max_ns = 200;
    jzx_config config;
    jzx_config_init(&config);
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.cells = 2048;
    config.mailbox_cap = 64;
    config.actors_max = 16;
    cr_assert_eq(fake_runtime_create(two->kernel, &config, &two->runtime), JZX_OK);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(jzx_loop_create(two->runtime, NULL, &two->loops[i]), JZX_OK);
    }
}

static void run_0(void *argument)
{
    sim_two *two = argument;
    two->results[0] = jzx_loop_run(two->loops[0]);
}

static void run_1(void *argument)
{
    sim_two *two = argument;
    two->results[1] = jzx_loop_run(two->loops[1]);
}

void two_run(sim_two *two, uint32_t loop)
{
    world_start(two->world, loop == 0 ? "loop 0" : "loop 1", loop == 0 ? run_0 : run_1, two);
}

jzx_actor_id two_spawn(sim_two *two, uint32_t loop, jzx_behavior_fn behavior, void *state)
{
    jzx_spawn_options options;
    jzx_actor_id id = 0;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.argument = state;
    cr_assert_eq(jzx_spawn(jzx_loop_context(two->loops[loop]), &options, &id), JZX_OK);
    return id;
}

void two_close(sim_two *two)
{
    bool well = world_run(two->world);
    cr_assert(well, "seed %llu: %s", (unsigned long long)world_seed(two->world), world_failure(two->world));
    cr_assert_eq(two->results[0], JZX_OK);
    cr_assert_eq(two->results[1], JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(two->runtime), JZX_OK);
    fake_destroy(two->kernel);
    world_destroy(two->world);
}
