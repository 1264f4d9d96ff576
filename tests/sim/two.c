#include "tests/sim/two.h"

#include <criterion/criterion.h>

void two_open(sim_two *two, uint64_t seed)
{
    memset(two, 0, sizeof *two);
    two->sim = sim_open_calm(seed);
    jzx_config config;
    jzx_config_init(&config);
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.cells = 2048;
    config.mailbox_cap = 64;
    config.actors_max = 16;
    cr_assert_eq(jzx_runtime_create(&config, &two->runtime), JZX_OK);
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
    (void)jzx_sim_thread(two->sim, loop == 0 ? "loop 0" : "loop 1", loop == 0 ? run_0 : run_1, two);
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
    bool well = jzx_sim_run(two->sim) == JZX_OK;
    cr_assert(well, "seed %llu: %s", (unsigned long long)jzx_sim_seed(two->sim), jzx_sim_failure(two->sim));
    cr_assert_eq(two->results[0], JZX_OK);
    cr_assert_eq(two->results[1], JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(two->runtime), JZX_OK);
    cr_assert_eq(jzx_sim_check_end(two->sim), JZX_OK, "%s", jzx_sim_failure(two->sim));
    (void)jzx_sim_destroy(two->sim);
}
