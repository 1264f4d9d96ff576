/* runtime_test: the runtime from creation to its end, on real rings. */
#include "tests/support/support.h"

Test(runtime, two_loops_pass_a_message_and_leave_nothing, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    test_send(&world, &actors[1], 7);
    test_until(&world, actors[1].received == 1);
    cr_assert_eq(test_tags(&actors[1], 7), 1);
    test_world_close(&world);
    cr_assert_eq(actors[0].finis, 1);
    cr_assert_eq(actors[1].finis, 1);
}

Test(runtime, started_loops_take_posts_and_leave_nothing, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    test_world_start(&world);
    test_send(&world, &actors[0], 7);
    test_send(&world, &actors[1], 7);
    test_until(&world, actors[0].received == 1 && actors[1].received == 1);
    test_world_close(&world);
    cr_assert_eq(actors[0].exit.kind, JZX_EXIT_SHUTDOWN);
    cr_assert_eq(actors[1].exit.kind, JZX_EXIT_SHUTDOWN);
}
