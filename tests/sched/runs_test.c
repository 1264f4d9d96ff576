/* runs: the run queue is a ring that holds every actor there can be. */
#include <criterion/criterion.h>

#include "sched/runs.h"

/* D58: places are found by a mask, so the size is a power of two; D28: it is never too small. */
Test(runs, D58_the_size_is_a_power_of_two_that_holds_all, .timeout = 10)
{
    for (uint32_t actors = 1; actors < 70000; actors += actors < 300 ? 1 : 997) {
        uint32_t size = jzx__runs_size(actors);
        cr_assert_geq(size, actors);
        cr_assert_lt(size, 2 * actors + 1);
        cr_assert_eq(size & (size - 1), 0);
    }
    cr_assert_eq(jzx__runs_size(16000000), 1u << 24);
}

Test(runs, D28_full_and_wrapped_it_keeps_the_order, .timeout = 10)
{
    enum { ACTORS = 5 };
    uint32_t places[8];
    cr_assert_eq(jzx__runs_size(ACTORS), sizeof places / sizeof places[0]);
    /* The counts wrap, as they do after four thousand million turns. */
    jzx__runs runs = {.places = places, .mask = 7, .head = UINT32_MAX - 20, .tail = UINT32_MAX - 20};
    cr_assert(jzx__runs_empty(&runs));
    uint32_t next_in = 0;
    uint32_t next_out = 0;
    for (int round = 0; round < 20; round++) {
        while (next_in - next_out < ACTORS) {
            jzx__runs_push(&runs, next_in++);
        }
        for (int i = 0; i < 1 + round % ACTORS; i++) {
            cr_assert_eq(jzx__runs_pop(&runs), next_out++);
        }
        cr_assert_eq(jzx__runs_empty(&runs), next_in == next_out);
    }
}
