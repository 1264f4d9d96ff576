/*
 * order: high mail, stashes and limits of handlers between loops, racing with ends of every kind. Each message has one fate,
 * each priority keeps its order, nothing of the dead comes after the word of its end, and no annex stays behind.
 */
#include <criterion/criterion.h>

#include "tests/sim/cast.h"
#include "tests/sim/seeds.h"
#include "tests/sim/two.h"

static void orders(jzx_sim *sim, void *argument)
{
    static const cast_knobs plenty = {
        .loops_least = 1,
        .loops_most = 4,
        .players_least = 3,
        .players_most = 12,
        .ticks_most = 8,
        .actions_most = 12,
        .pause_max_ns = 50000,
        .spare_cells = 600,
        .strangers_most = 1,
        .posts_most = 8,
        .cap_least = 1,
        .cap_most = 12,
        .high = 400,
        .stash = 150,
        .limits = 100,
        .hosts = 100,
        .lingers = 100,
        .stop_alone = 100,
        .say = 600,
        .ask = 150,
        .spawn = 60,
        .monitor = 150,
        .demonitor = 60,
        .end_other = 40,
        .end_self = 10,
        .timer = 60,
        .name = 20,
        .link = 60,
    };
    static const cast_knobs crowded = {
        /* mailboxes of few, and all of it high or stashed */
        .loops_least = 1,
        .loops_most = 3,
        .players_least = 3,
        .players_most = 10,
        .ticks_most = 12,
        .actions_most = 30,
        .pause_max_ns = 20000,
        .spare_cells = 600,
        .cap_least = 1,
        .cap_most = 4,
        .high = 600,
        .stash = 200,
        .lingers = 100,
        .say = 900,
        .ask = 50,
        .spawn = 20,
        .monitor = 100,
        .demonitor = 20,
        .end_other = 15,
        .end_self = 4,
        .timer = 40,
        .link = 40,
    };
    static const cast_knobs few = {
        /* annexes */
        .loops_least = 1, .loops_most = 3,    .players_least = 4,    .players_most = 12,
        .ticks_most = 8,  .actions_most = 15, .pause_max_ns = 20000, .spare_cells = 600,
        .cap_least = 1,   .cap_most = 8,      .annexes_max = 2,      .high = 400,
        .stash = 100,     .limits = 150,      .lingers = 100,        .say = 700,
        .ask = 80,        .spawn = 60,        .monitor = 80,         .demonitor = 10,
        .end_other = 30,  .end_self = 6,      .timer = 40,           .link = 40,
    };
    static const cast_knobs deadly = {
        /* handlers that take too long, and a stop at any moment */
        .loops_least = 1, .loops_most = 4,    .players_least = 4,    .players_most = 14,
        .ticks_most = 10, .actions_most = 10, .pause_max_ns = 20000, .spare_cells = 600,
        .cap_least = 1,   .cap_most = 10,     .high = 300,           .stash = 150,
        .limits = 600,    .lingers = 100,     .stop_anytime = true,  .say = 500,
        .ask = 100,       .spawn = 150,       .monitor = 100,        .demonitor = 10,
        .end_other = 60,  .end_self = 20,     .timer = 40,           .link = 80,
    };
    static const cast_knobs *const all[] = {&plenty, &crowded, &few, &deadly};
    (void)argument;
    cast_play(sim, all[jzx_sim_seed(sim) % JZX__COUNT(all)]);
}

Test(order, one_fate_and_one_order_whatever_is_high_or_stashed, .timeout = 600)
{
    seeds_play("order", orders);
}

/* ---- MB04 ---- */

typedef struct heap {
    uint32_t sent;
    uint32_t handled;
    jzx_err refused;
    jzx_actor_id keeper;
} heap;

static jzx_behavior_result keep_all(jzx_context *context, void *state, const jzx_message *message)
{
    heap *h = state;
    (void)message;
    if (++h->handled == h->sent) {
        (void)jzx_runtime_request_stop(jzx_loop_runtime(jzx_context_loop(context)));
    }
    return JZX_BEHAVIOR_OK;
}

/* As many as there are cells for, and no fewer. */
static jzx_behavior_result send_all(jzx_context *context, void *state, const jzx_message *message)
{
    heap *h = state;
    while ((h->refused = jzx_send(context, h->keeper, message)) == JZX_OK) {
        h->sent++;
    }
    return JZX_BEHAVIOR_STOP;
}

Test(order, MB04_an_unbounded_mailbox_holds_what_there_are_cells_for, .timeout = 60)
{
    sim_two two;
    heap h = {0};
    two_open(&two, 1);
    jzx_context *host = jzx_loop_context(two.loops[0]);
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = keep_all;
    options.argument = &h;
    options.mailbox_cap = JZX_MAILBOX_UNBOUNDED - 1;
    cr_assert_eq(jzx_spawn(host, &options, NULL), JZX_ERR_INVALID_ARG);
    options.mailbox_cap = JZX_MAILBOX_UNBOUNDED;
    cr_assert_eq(jzx_spawn(host, &options, &h.keeper), JZX_OK);
    jzx_actor_id sender = two_spawn(&two, 0, send_all, &h);
    jzx_message go = jzx_message_empty(1);
    cr_assert_eq(jzx_send(host, sender, &go), JZX_OK);
    two_run(&two, 0);
    two_run(&two, 1);
    uint32_t cells = two.loops[0]->config->cells;
    two_close(&two);
    cr_assert_eq(h.refused, JZX_ERR_WOULD_BLOCK, "the pool was empty, not the mailbox full");
    cr_assert_gt(h.sent, cells / 2);
    cr_assert_eq(h.handled, h.sent);
}
