/*
 * flow: flows opened from both sides, granted, spent and ended while their actors and loops end, with faults of all kinds.
 * No credit is lost, each side is told once, and nobody who holds a credit ever waits for room in a mailbox.
 */
#include <criterion/criterion.h>

#include "tests/sim/cast.h"
#include "tests/sim/seeds.h"

#include <stdlib.h>
#include <string.h>

static void flows(jzx_sim *sim, void *argument)
{
    static const cast_knobs plenty = {
        .loops_least = 1,
        .loops_most = 4,
        .players_least = 3,
        .players_most = 10,
        .ticks_most = 10,
        .actions_most = 12,
        .pause_max_ns = 50000,
        .spare_cells = 600,
        .cap_most = 6,
        .hosts = 100,
        .lingers = 100,
        .stop_alone = 100,
        .say = 100,
        .ask = 30,
        .spawn = 20,
        .monitor = 30,
        .end_other = 8,
        .end_self = 4,
        .timer = 20,
        .flow = 600,
    };
    static const cast_knobs few = {
        /* records for flows: most are refused */
        .loops_least = 2,   .loops_most = 3,    .players_least = 4,    .players_most = 10,
        .ticks_most = 10,   .actions_most = 12, .pause_max_ns = 20000, .flows_max = 7,
        .spare_cells = 600, .cap_most = 3,      .lingers = 100,        .say = 150,
        .end_other = 8,     .end_self = 4,      .flow = 500,
    };
    static const cast_knobs ones = {
        /* mailboxes of one */
        .loops_least = 1, .loops_most = 3,    .players_least = 2,    .players_most = 8,
        .ticks_most = 10, .actions_most = 20, .pause_max_ns = 20000, .spare_cells = 600,
        .cap_least = 1,   .cap_most = 1,      .lingers = 100,        .say = 60,
        .ask = 60,        .end_other = 3,     .flow = 600,
    };
    static const cast_knobs poor = {
        /* in cells and lanes */
        .loops_least = 2, .loops_most = 3,     .players_least = 6,    .players_most = 14,
        .ticks_most = 8,  .actions_most = 100, .pause_max_ns = 20000, .spare_cells = 0,
        .cap_least = 15,  .cap_most = 33,      .lingers = 100,        .say = 200,
        .ask = 20,        .end_other = 5,      .end_self = 2,         .flow = 800,
    };
    static const cast_knobs crowded = {
        /* in lanes and records for flows: what refuses them waits too */
        .loops_least = 2,    .loops_most = 2,       .players_least = 6, .players_most = 10, .ticks_most = 8,
        .actions_most = 150, .pause_max_ns = 20000, .flows_max = 24,    .spare_cells = 0,   .cap_least = 33,
        .cap_most = 47,      .lingers = 100,        .say = 500,         .end_other = 2,     .flow = 800,
    };
    static const cast_knobs stops = {
        .loops_least = 1,
        .loops_most = 4,
        .players_least = 2,
        .players_most = 10,
        .ticks_most = 20,
        .actions_most = 12,
        .pause_max_ns = 200000,
        .spare_cells = 600,
        .cap_most = 6,
        .hosts = 200,
        .lingers = 150,
        .stop_alone = 300,
        .stop_anytime = true,
        .say = 100,
        .spawn = 30,
        .end_other = 10,
        .end_self = 5,
        .flow = 500,
    };
    static const cast_knobs aside = {
        /* much is stashed, with its credit, and overtaken */
        .loops_least = 1,   .loops_most = 4,       .players_least = 2, .players_most = 8,   .ticks_most = 12,
        .actions_most = 16, .pause_max_ns = 30000, .spare_cells = 600, .strangers_most = 1, .posts_most = 8,
        .cap_least = 3,     .cap_most = 12,        .high = 400,        .stash = 400,        .limits = 60,
        .hosts = 100,       .lingers = 100,        .stop_alone = 60,   .say = 150,          .ask = 40,
        .monitor = 20,      .end_other = 4,        .end_self = 2,      .timer = 20,         .flow = 700,
    };
    static const cast_knobs annexes = {
        /* which credits, stashes and high mail share, are few */
        .loops_least = 1,   .loops_most = 3,       .players_least = 4, .players_most = 10, .ticks_most = 10,
        .actions_most = 16, .pause_max_ns = 20000, .annexes_max = 3,   .spare_cells = 600, .cap_least = 1,
        .cap_most = 6,      .high = 300,           .stash = 100,       .lingers = 100,     .say = 150,
        .ask = 40,          .end_other = 6,        .end_self = 2,      .flow = 600,
    };
    static const cast_knobs *const all[] = {&plenty, &few, &ones, &poor, &crowded, &stops, &aside, &annexes};
    (void)argument;
    cast_play(sim, all[jzx_sim_seed(sim) % JZX__COUNT(all)]);
}

Test(flow, F1_no_credit_is_lost_and_no_side_left_alone_whatever_races, .timeout = 600)
{
    seeds_play("flow", flows);
}

/*
 * A ring of actors on any loops, with mailboxes of one. Each grants the one before it a single credit, and passes on what
 * it gets; all begin with a message in hand. So at any time each may wait for the next: they must come round all the same.
 */
enum { SEATS_MOST = 9, ROUNDS = 30 };

typedef struct ring ring;

typedef struct seat {
    ring *ring;
    jzx_actor_id id;
    jzx_actor_id next;
    jzx_flow_id out;
    jzx_flow_id in;
    uint32_t held;
    uint32_t passed;
} seat;

struct ring {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    uint32_t seat_count;
    seat seats[SEATS_MOST];
};

static void pass_on(seat *self, jzx_context *context)
{
    jzx_sim *sim = self->ring->sim;
    jzx_message message = jzx_message_empty(1);
    while (self->held > 0 && self->passed < ROUNDS) {
        jzx_err err = jzx_flow_send(context, self->out, &message);
        if (err == JZX_ERR_WOULD_BLOCK) { /* the way there, or its cells */
            JZX_SIM_REQUIRE(sim, jzx_resume(context, self->next) == JZX_OK);
            return;
        }
        if (err == JZX_ERR_NO_CREDIT) {
            return;
        }
        JZX_SIM_REQUIRE(sim, err == JZX_OK);
        self->held--;
        self->passed++;
        JZX_SIM_REQUIRE(sim, jzx_flow_grant(context, self->in, 1) == JZX_OK);
    }
}

static jzx_behavior_result sit(jzx_context *context, void *state, const jzx_message *message)
{
    seat *self = state;
    jzx_sim *sim = self->ring->sim;
    switch (message->tag) {
    case 2:
        JZX_SIM_REQUIRE(sim, jzx_flow_offer(context, self->next, &self->out) == JZX_OK);
        break;
    case 1:
        self->held++;
        JZX_SIM_REQUIRE(sim, self->held <= 2); /* its own, and the one that it granted room for */
        break;
    case JZX_TAG_SYS_FLOW: {
        jzx_flow_opened opened;
        memcpy(&opened, jzx_message_data(message), sizeof opened);
        self->in = opened.flow;
        JZX_SIM_REQUIRE(sim, opened.receives && jzx_flow_grant(context, opened.flow, 1) == JZX_OK);
        break;
    }
    case JZX_TAG_SYS_FLOW_ENDED:
        return JZX_BEHAVIOR_OK; /* all are stopped */
    default:
        break;
    }
    if (self->in != 0 && self->out != 0) {
        pass_on(self, context);
    }
    return JZX_BEHAVIOR_OK;
}

static void run_loop(void *argument)
{
    (void)jzx_loop_run(argument);
}

static bool all_round(const ring *r)
{
    for (uint32_t i = 0; i < r->seat_count; i++) {
        if (r->seats[i].passed < ROUNDS) {
            return false;
        }
    }
    return true;
}

static void judge(void *argument)
{
    ring *r = argument;
    uint64_t limit_ns = jzx_sim_now_ns(r->sim) + 10000000000ull;
    while (!all_round(r)) {
        JZX_SIM_REQUIRE(r->sim, jzx_sim_now_ns(r->sim) < limit_ns);
        (void)jzx_sim_sleep(r->sim, 1000000);
    }
    JZX_SIM_REQUIRE(r->sim, jzx_runtime_request_stop(r->runtime) == JZX_OK);
}

static void make_ring(ring *r)
{
    jzx_sim *sim = r->sim;
    jzx_config config;
    jzx_config_init(&config);
    r->loop_count = sim_between(sim, 1, LOOPS);
    r->seat_count = sim_between(sim, 2, SEATS_MOST);
    config.loops_max = r->loop_count;
    config.actors_max = 2 * SEATS_MOST;
    config.lane_blocks = 2;
    config.inbox_size = 8;
    config.cells = 4096;
    config.mailbox_cap = 1;
    config.messages_per_actor = 1 + sim_below(sim, 4);
    config.ring_entries = 64;
    JZX_SIM_REQUIRE(sim, jzx_runtime_create(&config, &r->runtime) == JZX_OK);
    for (uint32_t i = 0; i < r->loop_count; i++) {
        JZX_SIM_REQUIRE(sim, jzx_loop_create(r->runtime, NULL, &r->loops[i]) == JZX_OK);
    }
    for (uint32_t i = 0; i < r->seat_count; i++) {
        jzx_spawn_options options;
        jzx_spawn_options_init(&options);
        options.behavior = sit;
        options.argument = &r->seats[i];
        r->seats[i].ring = r;
        r->seats[i].held = 1;
        jzx_context *host = jzx_loop_context(r->loops[sim_below(sim, r->loop_count)]);
        JZX_SIM_REQUIRE(sim, jzx_spawn(host, &options, &r->seats[i].id) == JZX_OK);
    }
    jzx_message begin = jzx_message_empty(2);
    for (uint32_t i = 0; i < r->seat_count; i++) {
        seat *s = &r->seats[i];
        s->next = r->seats[(i + 1) % r->seat_count].id;
        JZX_SIM_REQUIRE(sim, jzx_send(jzx_loop_context(r->loops[jzx_actor_loop(s->id)]), s->id, &begin) == JZX_OK);
    }
}

static void go_round(jzx_sim *sim, void *argument)
{
    static const char *const names[] = {"loop 0", "loop 1", "loop 2", "loop 3"};
    (void)argument;
    ring *r = calloc(1, sizeof *r);
    if (r == NULL) {
        abort();
    }
    r->sim = sim;
    sim_lot(sim);
    make_ring(r);
    for (uint32_t i = 0; i < r->loop_count; i++) {
        (void)jzx_sim_thread(sim, names[i], run_loop, r->loops[i]);
    }
    (void)jzx_sim_thread(sim, "judge", judge, r);
    JZX_SIM_REQUIRE(sim, jzx_sim_run(sim) == JZX_OK);
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(r->runtime) == JZX_OK);
    free(r);
}

Test(flow, a_ring_of_mailboxes_of_one_goes_round, .timeout = 600)
{
    seeds_play("ring", go_round);
}
