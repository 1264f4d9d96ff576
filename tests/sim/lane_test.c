/*
 * lane: bursts between loops with few blocks, few cells and small mailboxes. Nothing is lost or handled twice, order
 * holds for each pair, refused senders are told when to go on, and the counters balance.
 */
#include <criterion/criterion.h>

#include "tests/sim/cast.h"
#include "tests/sim/seeds.h"

static void bursts(jzx_sim *sim, void *argument)
{
    static const cast_knobs asking = {
        .loops_least = 1,
        .loops_most = 4,
        .players_least = 2,
        .players_most = 8,
        .ticks_most = 6,
        .actions_most = 150,
        .pause_max_ns = 30000,
        .spare_cells = 600,
        .strangers_most = 2,
        .posts_most = 20,
        .cap_most = 40,
        .hosts = 50,
        .lingers = 200,
        .say = 900,
        .ask = 100,
        .timer = 5,
    };
    static const cast_knobs crowded = {
        /* more mail than cells */
        .loops_least = 2,    .loops_most = 3,       .players_least = 6,  .players_most = 12, .ticks_most = 6,
        .actions_most = 250, .pause_max_ns = 10000, .strangers_most = 2, .posts_most = 60,   .cap_least = 33,
        .cap_most = 47,      .lingers = 200,        .say = 1000,
    };
    (void)argument;
    cast_play(sim, jzx_sim_seed(sim) % 3 == 0 ? &crowded : &asking);
}

Test(lane, D86_order_holds_and_nothing_is_lost_in_bursts_between_loops, .timeout = 600)
{
    seeds_play("lane", bursts);
}
