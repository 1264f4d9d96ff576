/* corners: where two rules of the core meet. Each test failed before the rule it names was kept. */
#include <poll.h>
#include <sched.h>

#include "src/internal.h"
#include "tests/support/support.h"

/* ---- what ends an actor while it has mail left ---- */

static void kill_slow(void *user, jzx_context *context, const jzx_slow_handler *slow)
{
    jzx_err *result = user;
    *result = jzx_kill(context, slow->id);
}

static jzx_behavior_result be_slow(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    (void)message;
    uint64_t until_ns = jzx_clock_ns(context) + 2000000;
    while (jzx_clock_ns(context) < until_ns) {
    }
    return JZX_BEHAVIOR_OK;
}

Test(corners, an_observer_may_kill_a_slow_actor_that_has_more_mail, .timeout = 30)
{
    test_world world;
    jzx_config config;
    test_config(&config);
    config.slow_handler_ns = 1000000;
    config.turn_ns = 1000000000;
    test_world_open(&world, 1, &config);
    jzx_err killed = JZX_ERR_UNKNOWN;
    jzx_observer observer = {.struct_size = sizeof observer, .slow_handler = kill_slow};
    cr_assert_eq(jzx_observer_add(world.loops[0], &observer, &killed), JZX_OK);
    test_actor slow = {.on = be_slow};
    test_spawn(&world, 0, &slow);
    for (uint32_t i = 0; i < 200; i++) {
        test_send(&world, &slow, i);
    }
    test_until(&world, slow.finis == 1);
    cr_assert_eq(killed, JZX_OK);
    cr_assert_eq(slow.exit.kind, JZX_EXIT_KILLED);
    cr_assert_lt(slow.received, 100);
    test_world_close(&world);
}

static jzx_err kill_spawner(jzx_context *context, test_actor *actor)
{
    return jzx_kill(context, *(const jzx_actor_id *)actor->data);
}

static jzx_behavior_result spawn_killer(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)message;
    jzx_spawn_options options;
    test_actor_options(actor->data, &options);
    cr_expect_eq(jzx_spawn(context, &options, NULL), JZX_OK);
    return JZX_BEHAVIOR_YIELD;
}

/* Its message does not go back into a mailbox that nobody will read. */
Test(corners, one_that_yields_after_another_has_ended_it_has_not_handled_its_message, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    test_actor killer = {.on_init = kill_spawner};
    test_actor victim = {.on = spawn_killer, .ledger = &ledger, .data = &killer};
    killer.data = &victim.id;
    test_spawn(&world, 0, &victim);
    jzx_message message = test_payload(&ledger, 1, 40);
    cr_assert_eq(jzx_send(jzx_loop_context(world.loops[0]), victim.id, &message), JZX_OK);
    test_until(&world, victim.finis == 1);
    cr_assert_eq(victim.exit.kind, JZX_EXIT_KILLED);
    cr_assert_eq(victim.yields, 1);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, yields)), 0);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, unhandled)), 1);
    cr_assert_eq(ledger.dropped, 1);
    cr_assert_eq(ledger.twice, 0);
    test_world_close(&world);
}

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

Test(corners, a_stop_of_a_hosted_loop_walks_over_empty_slots, .timeout = 30)
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

Test(corners, a_stop_of_a_loop_run_once_walks_over_empty_slots, .timeout = 30)
{
    static test_actor actors[MANY];
    test_world world;
    test_world_open(&world, 1, NULL);
    leave_one(&world, actors, MANY);
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    jzx_err err;
    uint64_t parks = test_count(&world, offsetof(jzx_counters, parks));
    while ((err = jzx_loop_run_once(world.loops[0], 1000000)) == JZX_OK) {
    }
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, parks)), parks, "it slept although the stop goes on");
    cr_assert_eq(err, JZX_ERR_LOOP_CLOSED);
    world.closed[0] = true;
    cr_assert_eq(actors[MANY - 1].finis, 1);
    test_world_close(&world);
}

/* ---- no cell is left ---- */

enum { PAIRS = 8, TAG_ASK = 9 };

/* Asks its lazy partner, which never answers, for as long as that takes requests. */
static jzx_behavior_result ask_lazy(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    const test_actor *lazy = actor->data;
    jzx_message request = jzx_message_empty(5);
    while (message->tag == TAG_ASK && jzx_request(context, lazy->id, &request, JZX_FOREVER, NULL) == JZX_OK) {
    }
    return JZX_BEHAVIOR_OK;
}

/* Askers and lazy answerers that together hold all the cells that loop 0 gives out. */
static void exhaust_cells(test_world *world, test_actor askers[PAIRS], test_actor lazy[PAIRS])
{
    for (uint32_t i = 0; i < PAIRS; i++) {
        askers[i].on = ask_lazy;
        askers[i].data = &lazy[i];
        test_spawn(world, 0, &askers[i]);
        test_spawn(world, 0, &lazy[i]);
    }
    jzx_counters counters;
    uint32_t turn = 0;
    do {
        test_send(world, &askers[turn++ % PAIRS], TAG_ASK);
        test_world_settle(world);
        cr_assert_eq(jzx_loop_stats(world->loops[0], &counters), JZX_OK);
        cr_assert_lt(turn, 1000);
    } while (counters.cells_free > world->config.inbox_size + 2);
}

Test(corners, actors_end_although_all_cells_are_kept, .timeout = 30)
{
    static test_actor askers[PAIRS];
    static test_actor lazy[PAIRS];
    test_world world;
    test_world_open(&world, 1, NULL);
    exhaust_cells(&world, askers, lazy);
    jzx_message message = jzx_message_empty(6);
    jzx_context *host = jzx_loop_context(world.loops[0]);
    while (jzx_send(host, lazy[0].id, &message) == JZX_OK) {
    }
    cr_assert_eq(jzx_send(host, lazy[0].id, &message), JZX_ERR_WOULD_BLOCK);
    cr_assert_eq(jzx_stop(host, lazy[0].id), JZX_OK);
    cr_assert_eq(jzx_kill(host, lazy[1].id), JZX_OK);
    cr_assert_eq(jzx_fail(host, lazy[2].id, 42, "why"), JZX_OK);
    test_until(&world, lazy[0].finis + lazy[1].finis + lazy[2].finis == 3);
    cr_assert_eq(lazy[0].exit.kind, JZX_EXIT_SHUTDOWN);
    cr_assert_eq(lazy[1].exit.kind, JZX_EXIT_KILLED);
    cr_assert_eq(lazy[2].exit.kind, JZX_EXIT_FAIL);
    cr_assert_eq(lazy[2].exit.code, 42);
    test_world_close(&world);
}

Test(corners, a_stop_ends_although_all_cells_are_kept, .timeout = 30)
{
    static test_actor askers[PAIRS];
    static test_actor lazy[PAIRS];
    test_world world;
    test_world_open(&world, 1, NULL);
    exhaust_cells(&world, askers, lazy);
    test_world_close(&world);
    for (uint32_t i = 0; i < PAIRS; i++) {
        cr_assert_eq(lazy[i].finis, 1);
        cr_assert_eq(askers[i].finis, 1);
    }
}

/* ---- a nested spawn ---- */

static jzx_behavior_result rest(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    (void)message;
    return JZX_BEHAVIOR_OK;
}

static jzx_err request_own_kind(jzx_context *context, void *argument, void **state)
{
    uint32_t *inits = argument;
    *state = NULL;
    if (++*inits == 100) {
        return JZX_OK; /* deep enough to show it */
    }
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = rest;
    options.init = request_own_kind;
    options.argument = inits;
    return jzx_spawn_request(context, &options, NULL);
}

Test(corners, inits_that_request_spawns_nest_no_deeper_than_those_that_spawn, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    uint32_t inits = 0;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = rest;
    options.init = request_own_kind;
    options.argument = &inits;
    cr_assert_eq(jzx_spawn(jzx_loop_context(world.loops[0]), &options, NULL), JZX_OK);
    cr_assert_eq(inits, 16);
    test_world_settle(&world);
    test_world_close(&world);
}

/* ---- threads that have begun and are not there yet ---- */

Test(corners, a_started_loop_is_busy_until_it_is_stopped, .timeout = 60)
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

Test(corners, a_started_loop_is_no_longer_its_makers, .timeout = 60)
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

Test(corners, a_shutdown_ends_loops_that_never_ran, .timeout = 30)
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

Test(corners, a_shutdown_names_the_loop_that_its_host_does_not_drive, .timeout = 30)
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

/* ---- an enter that fails once ---- */

static struct {
    jzx__backend_ops ops;
    const jzx__backend_ops *real;
    _Atomic(bool) lose; /* the next wait that ends with a completion */
} kernel;

static jzx_err wait_and_lose(jzx__backend *backend, uint64_t deadline_ns)
{
    jzx_err err = kernel.real->wait(backend, deadline_ns);
    bool lose = kernel.real->busy(backend) && atomic_exchange(&kernel.lose, false);
    return lose ? JZX_ERR_KERNEL_LOST : err;
}

Test(corners, what_the_kernel_says_once_is_heard, .timeout = 30)
{
    jzx_config config;
    test_config(&config);
    config.loops_max = 1;
    jzx_runtime *runtime;
    jzx_loop *loop;
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(runtime, NULL, &loop), JZX_OK);
    kernel.real = loop->backend->ops;
    kernel.ops = *kernel.real;
    kernel.ops.wait = wait_and_lose;
    loop->backend->ops = &kernel.ops;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = rest;
    jzx_actor_id id;
    cr_assert_eq(jzx_spawn(jzx_loop_context(loop), &options, &id), JZX_OK);
    cr_assert_eq(jzx_loop_start(loop), JZX_OK);
    jzx_counters counters;
    do {
        cr_assert_eq(jzx_loop_stats(loop, &counters), JZX_OK);
    } while (counters.parks == 0);
    kernel.lose = true;
    jzx_message message = jzx_message_empty(1);
    while (kernel.lose) { /* a wake may come before it sleeps, and then nothing is lost */
        jzx_err err = jzx_post(runtime, id, &message);
        cr_assert(err == JZX_OK || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL ||
                  err == JZX_ERR_LOOP_CLOSED);
        sched_yield();
    }
    jzx_err result = JZX_OK;
    cr_assert_eq(jzx_loop_join(loop, &result), JZX_OK);
    cr_assert_eq(result, JZX_ERR_KERNEL_LOST);
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
}

/* ---- what is told while lanes are flushed ---- */

static jzx_behavior_result fill_lane(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    const test_actor *sinks = argument;
    jzx_message message = jzx_message_empty(1);
    for (uint32_t i = 0; i < 8; i++) {
        while (jzx_send(context, sinks[i].id, &message) == JZX_OK) {
        }
    }
    cr_assert_eq(jzx_kill(context, sinks[0].id), JZX_OK); /* it waits in the overflow, in a cell */
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result ask_resume(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    const test_actor *target = argument;
    cr_assert_eq(jzx_resume(context, target->id), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(corners, what_an_overflow_sets_free_is_told_in_the_same_turn, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor source = {0};
    test_actor asker = {0};
    static test_actor sinks[8];
    test_spawn(&world, 0, &source);
    for (uint32_t i = 0; i < 8; i++) {
        test_spawn(&world, 1, &sinks[i]);
    }
    test_spawn(&world, 2, &asker);
    test_world_settle(&world);
    jzx_loop *loop = world.loops[0];

    /* Loop 1 does not run until its lane is full and something waits beyond. */
    world.closed[1] = true;
    test_do(&world, &source, fill_lane, sinks);
    cr_assert_not_null(loop->lanes_out[1]->overflow.first);
    jzx__pool_set_low(&loop->pool, true);
    world.closed[0] = true;
    test_do(&world, &asker, ask_resume, &source);
    world.closed[1] = false;
    world.closed[2] = true;
    test_world_step(&world);

    /* This turn takes the question, then frees the cell that was in the overflow: cells are plenty. */
    cr_assert_eq(jzx_loop_run_once(loop, 0), JZX_OK);
    cr_assert_null(loop->lanes_out[1]->overflow.first);
    cr_assert_eq(loop->lanes_out[2]->open_count, 0, "the notice waits in a block that nobody will publish");
    world.closed[0] = false;
    world.closed[2] = false;
    test_until(&world, test_tags(&asker, JZX_TAG_SYS_RESUME) == 1);
    test_world_close(&world);
}

Test(corners, run_once_sleeps_while_a_lane_has_no_room, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor source = {0};
    static test_actor sinks[8];
    test_spawn(&world, 0, &source);
    for (uint32_t i = 0; i < 8; i++) {
        test_spawn(&world, 1, &sinks[i]);
    }
    test_world_settle(&world);
    jzx_loop *loop = world.loops[0];
    world.closed[1] = true;
    test_do(&world, &source, fill_lane, sinks);
    cr_assert_eq(jzx_loop_run_once(loop, 0), JZX_OK);
    cr_assert_not_null(loop->lanes_out[1]->overflow.first);
    uint64_t parks = loop->counters->parks;
    cr_assert_eq(jzx_loop_run_once(loop, 20000000), JZX_OK);
    cr_assert_eq(loop->counters->parks, parks + 1, "it spins, though nothing can be done before the other loop runs");
    world.closed[1] = false;
    test_world_settle(&world);
    cr_assert_null(loop->lanes_out[1]->overflow.first);
    test_world_close(&world);
}

/* ---- few cells ---- */

/* The fewest cells that two loops can have, so that each that is kept counts. */
static void few_cells(jzx_config *config)
{
    test_config(config);
    config->loops_max = 2;
    config->lane_blocks = 2;
    config->inbox_size = 4;
    config->cells = 2 * jzx__config_inbound_max(config) + 2;
    config->mailbox_cap = config->cells / 8;
}

static jzx_behavior_result ask_some(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    const test_actor *lazy = actor->data;
    jzx_message request = jzx_message_empty(5);
    for (uint32_t i = 0; i < 8; i++) {
        cr_assert_eq(jzx_request(context, lazy->id, &request, JZX_FOREVER, NULL), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result send_until_low(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_err *last = argument;
    const test_actor *sinks = actor->data;
    jzx_message message = jzx_message_empty(1);
    for (uint32_t i = 0; i < 8; i++) {
        while ((*last = jzx_send(context, sinks[i].id, &message)) == JZX_OK) {
        }
    }
    return JZX_BEHAVIOR_OK;
}

Test(corners, cells_that_are_kept_for_long_do_not_close_a_loop_to_others, .timeout = 30)
{
    test_world world;
    jzx_config config;
    few_cells(&config);
    test_world_open(&world, 2, &config);
    static test_actor lazy[PAIRS];
    static test_actor askers[PAIRS];
    static test_actor sinks[8];
    test_actor source = {.data = sinks};
    for (uint32_t i = 0; i < 5; i++) {
        askers[i].data = &lazy[i];
        test_spawn(&world, 1, &lazy[i]);
        test_spawn(&world, 1, &askers[i]);
        test_do(&world, &askers[i], ask_some, NULL);
    }
    test_spawn(&world, 0, &source);
    for (uint32_t i = 0; i < 8; i++) {
        test_spawn(&world, 1, &sinks[i]);
    }
    test_world_settle(&world);
    jzx_err last = JZX_OK;
    test_do(&world, &source, send_until_low, &last);
    cr_assert_neq(last, JZX_OK);
    test_world_settle(&world);
    cr_assert_eq(lazy[4].received, 8);
    test_do(&world, &source, send_until_low, &last);
    test_world_settle(&world);
    uint32_t received = 0;
    for (uint32_t i = 0; i < 8; i++) {
        received += sinks[i].received;
    }
    cr_assert_gt(received, 200, "the second time nothing went through: %u", received);
    test_world_close(&world);
}

typedef struct flood {
    test_world *world;
    jzx_actor_id dead;
    uint32_t asked;
} flood;

enum { FLOOD = 1000 };

/* Asks in one handler, but not faster than the other loop takes it. */
static jzx_behavior_result monitor_many(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    flood *f = argument;
    jzx_counters counters;
    for (f->asked = 0; f->asked < FLOOD; f->asked++) {
        uint64_t monitor;
        jzx_err err = jzx_monitor(context, f->dead, &monitor);
        cr_assert_eq(err, JZX_OK, "monitor %u: %s", f->asked, jzx_strerror(err));
        do {
            (void)jzx_loop_stats(f->world->loops[1], &counters);
        } while (counters.lane_received < f->asked / JZX__BLOCK_CELLS * JZX__BLOCK_CELLS);
    }
    return JZX_BEHAVIOR_OK;
}

/* Requests spawns for as long as that is taken, and not faster than the other loop takes them. */
static jzx_behavior_result spawn_some(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)message;
    flood *f = actor->data;
    jzx_counters counters;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = rest;
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = 1;
    while (jzx_spawn_request(context, &options, NULL) == JZX_OK) {
        f->asked++;
        do {
            (void)jzx_loop_stats(f->world->loops[1], &counters);
        } while (counters.lane_received + JZX__BLOCK_CELLS + 1 < 2 * f->asked);
    }
    return JZX_BEHAVIOR_OK;
}

enum { HELPERS = 6 };
static test_actor helpers[HELPERS];

static jzx_behavior_result spawn_many(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    jzx_message message = jzx_message_empty(1);
    for (uint32_t i = 0; i < HELPERS; i++) {
        helpers[i].data = argument;
        cr_assert_eq(jzx_send(context, helpers[i].id, &message), JZX_OK); /* all of them in this turn */
    }
    return JZX_BEHAVIOR_OK;
}

/* Floods loop 1, which has no cells but those for arrivals, from one handler on loop 0. */
static void flood_low_loop(test_do_fn fn, uint32_t signals)
{
    static test_actor askers[PAIRS];
    static test_actor lazy[PAIRS];
    test_world world;
    jzx_config config;
    few_cells(&config);
    config.cells = 2000;
    config.mailbox_cap = config.cells / 8;
    config.actors_max = 4096;
    config.turn_ns = 10000000000u;
    config.linger_ns = JZX_FOREVER; /* a doorbell would wait for the end of the handler */
    test_world_open(&world, 2, &config);
    test_actor gone = {0};
    test_actor source = {0};
    test_spawn(&world, 1, &gone);
    test_spawn(&world, 0, &source);
    cr_assert_eq(jzx_stop(jzx_loop_context(world.loops[1]), gone.id), JZX_OK);
    for (uint32_t i = 0; i < PAIRS; i++) {
        askers[i] = (test_actor){.on = ask_lazy, .data = &lazy[i]};
        lazy[i] = (test_actor){0};
        test_spawn(&world, 1, &askers[i]);
        test_spawn(&world, 1, &lazy[i]);
        test_send(&world, &askers[i], TAG_ASK);
    }
    for (uint32_t i = 0; i < HELPERS; i++) {
        helpers[i] = (test_actor){.on = spawn_some};
        test_spawn(&world, 0, &helpers[i]);
    }
    test_world_start(&world);
    flood f = {&world, gone.id, 0};
    test_do(&world, &source, fn, &f);
    test_until(&world, source.received == signals);
    test_world_close(&world);
}

Test(corners, monitors_of_the_dead_leave_the_cells_for_mail_alone, .timeout = 60)
{
    flood_low_loop(monitor_many, FLOOD);
}

Test(corners, spawn_requests_leave_the_cells_for_mail_alone, .timeout = 60)
{
    flood_low_loop(spawn_many, 0);
    for (uint32_t i = 0; i < HELPERS; i++) {
        cr_assert_eq(helpers[i].finis, 1);
    }
}

/* ---- the cap of bytes ---- */

static _Atomic(bool) gate;

/* Handles nothing until the gate is open. */
static jzx_behavior_result wait_for_gate(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    if (!gate) {
        return JZX_BEHAVIOR_YIELD;
    }
    return actor->ledger != NULL || message->size == 0 ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_UNHANDLED;
}

typedef struct big_mail {
    test_ledger *ledger;
    const test_actor *to;
    size_t size;
    uint32_t accepted;
    bool resume;
    jzx_err err;
} big_mail;

/* Sends payloads until one is refused, and then asks to be told. */
static jzx_behavior_result send_big(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    big_mail *mail = argument;
    for (;;) {
        jzx_message message = test_payload(mail->ledger, 1, mail->size);
        mail->err = jzx_send(context, mail->to->id, &message);
        if (mail->err != JZX_OK) {
            (void)test_payload_take(mail->ledger, &message);
            break;
        }
        mail->accepted++;
        if (jzx_actor_loop(mail->to->id) != jzx_loop_index(jzx_context_loop(context))) {
            return JZX_BEHAVIOR_OK; /* one at a time: what is on its way is not seen yet */
        }
    }
    if (mail->resume) {
        cr_assert_eq(jzx_resume(context, mail->to->id), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(corners, a_mailbox_full_of_bytes_refuses_other_loops_too, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_ledger ledger = {0};
    test_actor source = {0};
    test_actor sink = {.on = wait_for_gate, .ledger = &ledger};
    gate = false;
    test_spawn(&world, 0, &source);
    jzx_spawn_options options;
    test_actor_options(&sink, &options);
    options.mailbox_bytes = 10000;
    test_spawn_with(&world, 1, &sink, &options);
    big_mail mail = {.ledger = &ledger, .to = &sink, .size = 1000};
    for (uint32_t i = 0; i < 100; i++) {
        test_do(&world, &source, send_big, &mail);
        test_world_step(&world);
    }
    cr_assert_eq(mail.err, JZX_ERR_MAILBOX_FULL);
    cr_assert_leq(mail.accepted, 12, "%u payloads of a tenth of the cap", mail.accepted);
    gate = true;
    test_world_settle(&world);
    test_do(&world, &source, send_big, &mail);
    cr_assert_eq(mail.err, JZX_OK);
    test_world_close(&world);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

/* Fills a mailbox nearly, is refused, asks, and notes how much had been handled when it was told. */
static jzx_behavior_result fill_and_ask(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    big_mail *mail = actor->data;
    if (message->tag == JZX_TAG_SYS_RESUME) {
        mail->accepted = mail->to->received;
        return JZX_BEHAVIOR_OK;
    }
    for (uint32_t i = 0; i < 5; i++) {
        jzx_message payload = test_payload(mail->ledger, 1, 1400);
        cr_assert_eq(jzx_send(context, mail->to->id, &payload), JZX_OK);
    }
    mail->size = 6000;
    return send_big(context, actor, mail);
}

Test(corners, a_sender_refused_for_bytes_is_told_when_there_is_room, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    test_actor sink = {.ledger = &ledger};
    big_mail mail = {.ledger = &ledger, .to = &sink, .resume = true};
    test_actor source = {.on = fill_and_ask, .data = &mail};
    test_spawn(&world, 0, &source);
    jzx_spawn_options options;
    test_actor_options(&sink, &options);
    options.mailbox_bytes = 10000;
    options.messages_per_turn = 1;
    test_spawn_with(&world, 0, &sink, &options);
    test_send(&world, &source, 2);
    test_until(&world, test_tags(&source, JZX_TAG_SYS_RESUME) == 1);
    cr_assert_eq(mail.err, JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(mail.accepted, 2, "told after %u of 5, which is not at half of the bytes", mail.accepted);
    test_world_close(&world);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

/* ---- a request that is for nobody ---- */

enum { TAG_REQUEST = 20, TAG_ANSWERED = 21 };

/* Knows no request but one, and says so of that one too. */
static jzx_behavior_result not_for_me(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    jzx_message answer = jzx_message_empty(TAG_ANSWERED);
    if (message->size == 0) {
        cr_assert_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    }
    return JZX_BEHAVIOR_UNHANDLED;
}

typedef struct request {
    jzx_actor_id to;
    jzx_message message;
    uint64_t ref;
} request;

static jzx_behavior_result send_request(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    request *r = argument;
    cr_assert_eq(jzx_request(context, r->to, &r->message, JZX_FOREVER, &r->ref), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(corners, a_request_that_is_not_for_its_actor_has_an_answer_too, .timeout = 30)
{
    for (uint32_t loop = 0; loop < 2; loop++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        test_actor asker = {0};
        test_actor other = {.on = not_for_me};
        test_spawn(&world, 0, &asker);
        test_spawn(&world, loop, &other);
        request r = {.to = other.id, .message = test_payload(&ledger, TAG_REQUEST, 100)};
        test_do(&world, &asker, send_request, &r);
        test_until(&world, asker.received == 1);
        const jzx_message *none = test_tagged(&asker, JZX_TAG_SYS_NO_ANSWER, 0);
        cr_assert_not_null(none);
        cr_assert_eq(none->ref, r.ref);
        const jzx_no_answer *why = jzx_message_data(none);
        cr_assert_eq(why->target, other.id);
        cr_assert_eq(why->tag, TAG_REQUEST);
        cr_assert_eq(why->reason, JZX_DROP_UNHANDLED);
        cr_assert_eq(ledger.dropped, 1);

        r.message = jzx_message_empty(TAG_REQUEST);
        test_do(&world, &asker, send_request, &r);
        test_world_settle(&world);
        cr_assert_eq(asker.received, 2, "one answer is enough");
        cr_assert_eq(test_tags(&asker, TAG_ANSWERED), 1);
        jzx_counters counters;
        cr_assert_eq(jzx_loop_stats(world.loops[loop], &counters), JZX_OK);
        cr_assert_eq(counters.cells_free, world.config.cells);
        test_world_close(&world);
    }
}
