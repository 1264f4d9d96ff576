/*
 * shutdown: the runtime is asked to stop at any moment, by any thread, once or more, before its loops run or long
 * after; single loops are stopped before. Every actor has its fini, every payload its fate, nothing stays allocated.
 */
#include <criterion/criterion.h>

#include "tests/sim/cast.h"
#include "tests/sim/seeds.h"

static const char *stops(uint64_t seed)
{
    static const cast_knobs knobs = {
        .loops_least = 1, .loops_most = 4, .players_least = 1, .players_most = 12,
        .ticks_most = 20, .actions_most = 12, .pause_max_ns = 200000,
        .spare_cells = 600,
        .strangers_most = 3, .posts_most = 20, .cap_most = 10, .hosts = 200, .lingers = 150, .watches = 300,
        .stop_alone = 200, .loses = 60, .stop_anytime = true,
        .say = 300, .ask = 100, .spawn = 50, .monitor = 80, .demonitor = 30, .end_other = 20, .end_self = 5,
        .timer = 60,
    };
    return cast_play(seed, &knobs, NULL);
}

Test(shutdown, P23_every_fini_runs_and_nothing_is_left_whenever_the_stop_comes, .timeout = 600)
{
    seeds_play("shutdown", stops);
}
