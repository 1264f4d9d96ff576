/*
 * park: loops that sleep all the time and are woken by messages, posts, timers and descriptors at any moment, by
 * doorbells that fail or find no submission entry. No wake-up is lost (also for hosts, level and edge), and nobody spins.
 */
#include <criterion/criterion.h>

#include "tests/sim/cast.h"
#include "tests/sim/seeds.h"

static const char *sleepers(uint64_t seed)
{
    static const cast_knobs knobs = {
        .loops_least = 1, .loops_most = 4, .players_least = 1, .players_most = 6,
        .ticks_most = 12, .actions_most = 2, .pause_max_ns = 300000,
        .spare_cells = 600,
        .strangers_most = 3, .posts_most = 12, .cap_most = 8, .hosts = 400, .lingers = 200, .watches = 300,
        .say = 800, .ask = 150, .timer = 100, .monitor = 20,
    };
    return cast_play(seed, &knobs, NULL);
}

Test(park, no_wake_up_is_lost_and_nobody_spins, .timeout = 600)
{
    seeds_play("park", sleepers);
}

static uint64_t digest_of(uint64_t seed)
{
    static const cast_knobs knobs = {
        .loops_least = 3, .loops_most = 3, .players_least = 4, .players_most = 6,
        .ticks_most = 8, .actions_most = 4, .pause_max_ns = 100000,
        .spare_cells = 600,
        .strangers_most = 3, .posts_most = 12, .cap_most = 8, .hosts = 400, .lingers = 200, .watches = 300,
        .say = 800, .ask = 150, .timer = 100, .monitor = 20,
    };
    uint64_t digest = 0;
    cr_assert_null(cast_play(seed, &knobs, &digest));
    return digest;
}

Test(park, a_seed_gives_the_same_run_each_time, .timeout = 60)
{
    uint64_t other = digest_of(1000);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t digest = digest_of(seed);
        cr_assert_eq(digest_of(seed), digest, "seed %llu", (unsigned long long)seed);
        cr_assert_neq(digest, other);
    }
}
