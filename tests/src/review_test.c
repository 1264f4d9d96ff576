/* review: corners where two rules of the core meet. Each test failed before the rule it names was kept. */
#include <poll.h>

#include "tests/support/support.h"

/* ---- a stop that has nothing to end for a while ---- */

/* Ends all but the last of `count` actors, so that the stop walks over empty slots. */
static void leave_one(test_world *world, test_actor *actors, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        test_spawn(world, 0, &actors[i]);
    }
    for (uint32_t i = 0; i + 1 < count; i++) {
        cr_assert_eq(jzx_stop(jzx_loop_context(world->loops[0]), actors[i].id), JZX_OK);
    }
    test_until(world, actors[count - 2].finis == 1);
    test_world_settle(world);
}

enum { MANY = 1000 };

Test(review, a_stop_of_a_hosted_loop_walks_over_empty_slots, .timeout = 30)
{
    static test_actor actors[MANY];
    test_world world;
    test_world_open(&world, 1, NULL);
    int fd = -1;
    cr_assert_eq(jzx_loop_poll_fd(world.loops[0], &fd), JZX_OK);
    leave_one(&world, actors, MANY);
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    while (!world.closed[0]) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        cr_assert_eq(poll(&poll_fd, 1, 5000), 1, "the host was not told that the stop goes on");
        test_world_step(&world);
    }
    cr_assert_eq(actors[MANY - 1].finis, 1);
    test_world_close(&world);
}

Test(review, a_stop_of_a_loop_run_once_walks_over_empty_slots, .timeout = 30)
{
    static test_actor actors[MANY];
    test_world world;
    test_world_open(&world, 1, NULL);
    leave_one(&world, actors, MANY);
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    jzx_err err;
    uint64_t began_ns = test_now_ns();
    while ((err = jzx_loop_run_once(world.loops[0], 3000000000u)) == JZX_OK) {
        cr_assert_lt(test_now_ns() - began_ns, 2000000000u, "it slept although the stop goes on");
    }
    cr_assert_eq(err, JZX_ERR_LOOP_CLOSED);
    world.closed[0] = true;
    cr_assert_eq(actors[MANY - 1].finis, 1);
    test_world_close(&world);
}

/* ---- threads that have begun and are not there yet ---- */

Test(review, a_started_loop_is_busy_until_it_is_stopped, .timeout = 60)
{
    for (uint32_t i = 0; i < 200; i++) {
        jzx_config config;
        test_config(&config);
        config.loops_max = 1;
        jzx_runtime *runtime;
        jzx_loop *loop;
        cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
        cr_assert_eq(jzx_loop_create(runtime, NULL, &loop), JZX_OK);
        cr_assert_eq(jzx_loop_start(loop), JZX_OK);
        cr_assert_eq(jzx_runtime_destroy(runtime), JZX_ERR_BUSY);
        cr_assert_eq(jzx_runtime_shutdown(runtime, 5000000000u, NULL), JZX_OK);
        cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
    }
}

Test(review, a_started_loop_is_no_longer_its_makers, .timeout = 60)
{
    for (uint32_t i = 0; i < 200; i++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_actor actor = {0};
        test_spawn(&world, 0, &actor);
        test_world_start(&world);
        jzx_message message = jzx_message_empty(1);
        cr_assert_eq(jzx_send(jzx_loop_context(world.loops[0]), actor.id, &message), JZX_ERR_WRONG_THREAD);
        test_world_close(&world);
    }
}

Test(review, a_shutdown_ends_loops_that_never_ran, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, 1000000000u, NULL), JZX_OK);
    cr_assert_eq(actor.finis, 1);
    test_world_close(&world);
}

/* ---- who holds up a shutdown ---- */

static void shut_down_in_vain(void *argument)
{
    uint32_t stuck = UINT32_MAX;
    cr_assert_eq(jzx_runtime_shutdown(argument, 200000000, &stuck), JZX_ERR_TIMEOUT);
    cr_assert_eq(stuck, 1);
}

Test(review, a_shutdown_names_the_loop_that_its_host_does_not_drive, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    cr_assert_eq(jzx_loop_start(world.loops[0]), JZX_OK);
    cr_assert_eq(jzx_loop_start(world.loops[2]), JZX_OK);
    cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK);
    jzx_counters counters;
    for (uint32_t i = 0; i < 3; i += 2) {
        do {
            cr_assert_eq(jzx_loop_stats(world.loops[i], &counters), JZX_OK);
        } while (counters.parks == 0);
    }
    test_on_thread(shut_down_in_vain, world.runtime);
    while (jzx_loop_run_once(world.loops[1], 1000000) == JZX_OK) {
    }
    world.started = true;
    test_world_close(&world);
}
