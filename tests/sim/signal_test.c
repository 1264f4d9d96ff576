/*
 * signal: monitors, requests, resume notices and spawns between loops, racing with ends of every kind. Each monitor
 * gives one DOWN, behind all mail of the actor that ended; each request and spawn one answer; each resume one notice.
 */
#include <criterion/criterion.h>

#include "tests/sim/cast.h"
#include "tests/sim/seeds.h"

static void ends(jzx_sim *sim, void *argument)
{
    static const cast_knobs plenty = {
        .loops_least = 1,
        .loops_most = 4,
        .players_least = 3,
        .players_most = 12,
        .ticks_most = 8,
        .actions_most = 10,
        .pause_max_ns = 50000,
        .spare_cells = 600,
        .strangers_most = 1,
        .posts_most = 8,
        .cap_most = 6,
        .hosts = 100,
        .lingers = 100,
        .stop_alone = 100,
        .say = 300,
        .ask = 150,
        .spawn = 60,
        .monitor = 200,
        .demonitor = 80,
        .end_other = 50,
        .end_self = 10,
        .timer = 50,
        .name = 100,
    };
    static const cast_knobs links = {
        .loops_least = 1,
        .loops_most = 4,
        .players_least = 4,
        .players_most = 14,
        .ticks_most = 8,
        .actions_most = 10,
        .pause_max_ns = 50000,
        .spare_cells = 600,
        .cap_most = 6,
        .hosts = 100,
        .lingers = 100,
        .stop_alone = 100,
        .say = 200,
        .ask = 60,
        .spawn = 60,
        .monitor = 60,
        .demonitor = 20,
        .end_other = 20,
        .end_self = 8,
        .timer = 20,
        .name = 20,
        .link = 300,
    };
    static const cast_knobs few_links = {
        .loops_least = 2,
        .loops_most = 3,
        .players_least = 4,
        .players_most = 12,
        .ticks_most = 8,
        .actions_most = 10,
        .pause_max_ns = 20000,
        .links_max = 8,
        .spare_cells = 600,
        .cap_most = 3,
        .lingers = 100,
        .say = 200,
        .ask = 50,
        .spawn = 40,
        .end_other = 10,
        .end_self = 5,
        .timer = 20,
        .link = 200,
    };
    static const cast_knobs few = {
        .loops_least = 2,
        .loops_most = 3,
        .players_least = 4,
        .players_most = 12,
        .ticks_most = 8,
        .actions_most = 10,
        .pause_max_ns = 20000,
        .monitors_max = 6,
        .resumes_max = 4,
        .spare_cells = 600,
        .strangers_most = 1,
        .posts_most = 8,
        .cap_most = 3,
        .lingers = 100,
        .say = 300,
        .ask = 100,
        .spawn = 40,
        .monitor = 300,
        .demonitor = 100,
        .end_other = 40,
        .end_self = 5,
        .timer = 20,
        .name = 50,
    };
    static const cast_knobs poor = {
        /* in cells */
        .loops_least = 2,    .loops_most = 3,       .players_least = 8, .players_most = 20,  .ticks_most = 8,
        .actions_most = 150, .pause_max_ns = 20000, .spare_cells = 0,   .strangers_most = 2, .posts_most = 30,
        .cap_least = 33,     .cap_most = 47,        .lingers = 100,     .say = 800,          .ask = 30,
        .spawn = 10,         .monitor = 60,         .demonitor = 10,    .end_other = 25,     .end_self = 2,
        .timer = 10,
    };
    static const cast_knobs *const all[] = {&plenty, &links, &few, &poor, &links, &few_links};
    (void)argument;
    cast_play(sim, all[jzx_sim_seed(sim) % JZX__COUNT(all)]);
}

Test(signal, one_DOWN_one_answer_one_notice_whatever_races, .timeout = 600)
{
    seeds_play("signal", ends);
}
