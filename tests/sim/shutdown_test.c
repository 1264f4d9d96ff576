/*
 * shutdown: the runtime is asked to stop at any moment, by any thread, once or more, before its loops run or long
 * after; single loops are stopped before. Every actor has its fini, every payload its fate, nothing stays allocated.
 */
#include <criterion/criterion.h>

#include "tests/sim/cast.h"
#include "tests/sim/seeds.h"
#include "tests/sim/two.h"

static void stops(jzx_sim *sim, void *argument)
{
    static const cast_knobs knobs = {
        .loops_least = 1,
        .loops_most = 4,
        .players_least = 1,
        .players_most = 12,
        .ticks_most = 20,
        .actions_most = 12,
        .pause_max_ns = 200000,
        .spare_cells = 600,
        .strangers_most = 3,
        .posts_most = 20,
        .cap_most = 10,
        .hosts = 200,
        .lingers = 150,
        .watches = 300,
        .stop_alone = 200,
        .loses = 60,
        .stop_anytime = true,
        .say = 300,
        .ask = 100,
        .spawn = 50,
        .monitor = 80,
        .demonitor = 30,
        .end_other = 20,
        .end_self = 5,
        .timer = 60,
        .name = 40,
    };
    static const cast_knobs poor = {
        /* in cells */
        .loops_least = 2,    .loops_most = 3,       .players_least = 8, .players_most = 20,  .ticks_most = 12,
        .actions_most = 150, .pause_max_ns = 20000, .spare_cells = 0,   .strangers_most = 2, .posts_most = 30,
        .cap_least = 33,     .cap_most = 47,        .hosts = 100,       .lingers = 100,      .stop_alone = 200,
        .loses = 60,         .stop_anytime = true,  .say = 800,         .ask = 60,           .spawn = 10,
        .monitor = 60,       .demonitor = 10,       .end_other = 20,    .end_self = 2,       .timer = 10,
    };
    (void)argument;
    cast_play(sim, jzx_sim_seed(sim) % 4 == 0 ? &poor : &knobs);
}

Test(shutdown, P23_every_fini_runs_and_nothing_is_left_whenever_the_stop_comes, .timeout = 600)
{
    seeds_play("shutdown", stops);
}

/* ---- a loop whose host does not drive it ---- */

/* Drives loop 1 once, leaves it alone until a shutdown has named it, then drives it to its end. */
static void careless_host(void *argument)
{
    sim_two *two = argument;
    int fd;
    uint32_t stuck = 99;
    JZX_SIM_REQUIRE(two->sim, jzx_loop_poll_fd(two->loops[1], &fd) == JZX_OK);
    JZX_SIM_REQUIRE(two->sim, jzx_loop_run_once(two->loops[1], 0) == JZX_OK);
    (void)jzx_sim_sleep(two->sim, 5000000);
    JZX_SIM_REQUIRE(two->sim, jzx_runtime_shutdown(two->runtime, 1000, &stuck) == JZX_ERR_WRONG_THREAD);
    JZX_SIM_REQUIRE(two->sim, stuck == 99);
    while (jzx_loop_run_once(two->loops[1], 0) == JZX_OK) {
        (void)jzx_sim_host_wait(two->sim, fd, JZX_FOREVER);
    }
}

static void impatient(void *argument)
{
    sim_two *two = argument;
    uint32_t stuck = 99;
    (void)jzx_sim_sleep(two->sim, 1000000);
    uint64_t began_ns = jzx_sim_now_ns(two->sim);
    JZX_SIM_REQUIRE(two->sim, jzx_runtime_shutdown(two->runtime, 1000000, &stuck) == JZX_ERR_TIMEOUT);
    JZX_SIM_REQUIRE(two->sim, stuck == 1);
    JZX_SIM_REQUIRE(two->sim, jzx_sim_now_ns(two->sim) - began_ns >= 1000000);
    JZX_SIM_REQUIRE(two->sim, jzx_runtime_destroy(two->runtime) == JZX_ERR_BUSY); /* nothing of it is freed */
    JZX_SIM_REQUIRE(two->sim, jzx_runtime_shutdown(two->runtime, JZX_FOREVER, &stuck) == JZX_OK);
}

Test(shutdown, a_loop_that_its_host_does_not_drive_is_named, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        sim_two two;
        two_open(&two, seed);
        two_run(&two, 0);
        (void)jzx_sim_thread(two.sim, "careless host", careless_host, &two);
        (void)jzx_sim_thread(two.sim, "impatient", impatient, &two);
        two_close(&two);
    }
}
