/*
 * observe_test: what observers are told, what they may do, and that it adds up with the counters.
 */
#include "tests/support/support.h"

#include <stdlib.h>

static uint64_t count_of(const test_world *world, size_t offset)
{
    return test_count(world, offset);
}
#define COUNT(world, name) count_of(world, offsetof(jzx_counters, name))

/* Stops the world but does not destroy it, so that its counters can still be read. */
static void stop_world(test_world *world)
{
    cr_assert_eq(jzx_runtime_request_stop(world->runtime), JZX_OK);
    bool all = false;
    while (!all) {
        test_world_step(world);
        all = true;
        for (uint32_t i = 0; i < world->loop_count; i++) {
            all = all && world->closed[i];
        }
    }
}

/* What must hold for all loops together when they rest. */
static void check_balance(const test_world *world)
{
    uint64_t dropped = 0;
    for (unsigned i = 0; i < JZX_DROP_REASONS; i++) {
        dropped += count_of(world, offsetof(jzx_counters, dropped) + i * sizeof(uint64_t));
    }
    cr_assert_eq(COUNT(world, sent) + COUNT(world, posted), COUNT(world, handled) + dropped + COUNT(world, queued),
                 "sent %llu, posted %llu, handled %llu, dropped %llu, queued %llu",
                 (unsigned long long)COUNT(world, sent), (unsigned long long)COUNT(world, posted),
                 (unsigned long long)COUNT(world, handled), (unsigned long long)dropped,
                 (unsigned long long)COUNT(world, queued));
    cr_assert_eq(COUNT(world, mail_in), COUNT(world, mail_out));
    cr_assert_eq(COUNT(world, lane_sent), COUNT(world, lane_received));
    cr_assert_eq(COUNT(world, actors), COUNT(world, spawned) - COUNT(world, ended));
}

static void check_observed(const test_world *world, const test_observer *observers)
{
    for (uint32_t i = 0; i < world->loop_count; i++) {
        jzx_counters counters;
        cr_assert_eq(jzx_loop_stats(world->loops[i], &counters), JZX_OK);
        cr_assert_eq(observers[i].starts, counters.spawned);
        cr_assert_eq(observers[i].stops, counters.ended);
        cr_assert_eq(observers[i].init_failures, counters.init_failed);
        for (unsigned reason = 0; reason < JZX_DROP_REASONS; reason++) {
            cr_assert_eq(observers[i].dead[reason], counters.dropped[reason], "reason %u", reason);
        }
    }
}

/* ---- starts and stops ---- */

static jzx_behavior_result result_by_tag(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return message->tag == 1   ? JZX_BEHAVIOR_STOP
           : message->tag == 2 ? JZX_BEHAVIOR_FAIL
           : message->tag == 3 ? (jzx_behavior_result)77
                               : JZX_BEHAVIOR_OK;
}

Test(observe, starts_and_stops_balance_whatever_the_end, .timeout = 60)
{
    enum { ACTORS = 60 };
    test_world world;
    static test_observer observers[2];
    test_world_open(&world, 2, NULL);
    test_observe(&world, 0, &observers[0]);
    test_observe(&world, 1, &observers[1]);
    static test_actor actors[ACTORS];
    uint32_t failed = 0;
    for (uint32_t i = 0; i < ACTORS; i++) {
        actors[i].on = result_by_tag;
        actors[i].init_result = i % 6 == 5 ? JZX_ERR_LIMIT : JZX_OK;
        jzx_spawn_options options;
        test_actor_options(&actors[i], &options);
        jzx_err err = jzx_spawn(jzx_loop_context(world.loops[i % 2]), &options, NULL);
        cr_assert_eq(err, i % 6 == 5 ? JZX_ERR_INIT : JZX_OK);
        failed += err != JZX_OK;
    }
    for (uint32_t i = 0; i < ACTORS; i++) {
        if (actors[i].init_result == JZX_OK && i % 6 < 4) {
            test_send(&world, &actors[i], i % 6);
        }
    }
    test_world_settle(&world);
    check_observed(&world, observers);
    cr_assert_eq(observers[0].starts + observers[1].starts, ACTORS - failed);
    cr_assert_eq(observers[0].init_failures + observers[1].init_failures, failed);
    cr_assert_eq(observers[0].stops + observers[1].stops, ACTORS / 2, "those with tags 1, 2 and 3");
    cr_assert_eq(COUNT(&world, failed), ACTORS / 3);
    stop_world(&world);
    check_observed(&world, observers);
    check_balance(&world);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(observers[i].starts, observers[i].stops);
        cr_assert(observers[i].loop_starts == 1 && observers[i].loop_stops == 1);
    }
    test_world_close(&world);
}

static jzx_behavior_result fail_with_text(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)message;
    cr_assert_eq(jzx_fail(context, actor->id, -42, "no more tea"), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(observe, a_stop_says_who_and_why, .timeout = 30)
{
    test_world world;
    test_observer observer = {0};
    test_world_open(&world, 1, NULL);
    test_observe(&world, 0, &observer);
    test_actor actor = {.on = fail_with_text};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.name = "a name that is far too long";
    test_spawn_with(&world, 0, &actor, &options);
    cr_assert_str_eq(observer.name, "a name that is ", "cut, and ended by a zero");
    test_send(&world, &actor, 5);
    test_until(&world, observer.stops == 1);
    const jzx_exit_info *exit = &observer.exit;
    cr_assert(exit->id == actor.id && exit->kind == JZX_EXIT_FAIL && exit->code == -42 && exit->tag == 5);
    cr_assert_str_eq(exit->text, "no more tea");
    cr_assert_eq(memcmp(exit, &actor.exit, sizeof *exit), 0, "as its fini was told");
    test_world_close(&world);
}

/* ---- drops ---- */

static jzx_behavior_result nothing(jzx_context *context, test_actor *actor, void *argument)
{
    (void)context;
    (void)actor;
    (void)argument;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result send_remote(jzx_context *context, test_actor *actor, void *argument)
{
    const test_actor *to = argument;
    jzx_message message = test_payload(actor->ledger, 9, 64);
    cr_assert_eq(jzx_send(context, to->id, &message), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result send_self_and_stop(jzx_context *context, test_actor *actor, void *argument)
{
    test_ledger *ledger = argument;
    for (int i = 0; i < 3; i++) {
        jzx_message message = test_payload(ledger, 9, 64);
        cr_assert_eq(jzx_send(context, actor->id, &message), JZX_OK);
    }
    return JZX_BEHAVIOR_STOP;
}

Test(observe, P3_each_payload_that_nobody_gets_is_shown_once_and_then_destroyed, .timeout = 30)
{
    test_world world;
    static test_observer observers[2];
    test_ledger ledger = {0};
    test_world_open(&world, 2, NULL);
    test_observe(&world, 0, &observers[0]);
    test_observe(&world, 1, &observers[1]);
    test_actor sender = {.ledger = &ledger};
    test_actor ended = {0};
    test_spawn(&world, 0, &sender);
    test_spawn(&world, 1, &ended);
    test_do(&world, &ended, send_self_and_stop, &ledger);
    test_until(&world, ended.finis == 1);
    cr_assert(observers[1].dead[JZX_DROP_ENDED] == 3 && ledger.dropped == 3);
    test_do(&world, &sender, send_remote, &ended);
    test_until(&world, observers[1].dead[JZX_DROP_NO_ACTOR] == 1);
    cr_assert(observers[1].dead_target == ended.id && observers[1].dead_tag == 9);
    cr_assert_eq(ledger.dropped, 4);
    check_observed(&world, observers);
    check_balance(&world);
    test_world_close(&world);
    cr_assert(ledger.twice == 0 && ledger.taken == 0);
}

static jzx_behavior_result flood_self(jzx_context *context, test_actor *actor, void *argument)
{
    test_ledger *ledger = argument;
    for (int i = 0; i < 20; i++) {
        jzx_message message = test_payload(ledger, 9, 64);
        cr_assert_eq(jzx_send(context, actor->id, &message), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(observe, drop_policies_show_what_they_drop, .timeout = 30)
{
    for (int policy = JZX_MAILBOX_DROP_NEWEST; policy <= JZX_MAILBOX_DROP_OLDEST; policy++) {
        test_world world;
        test_observer observer = {0};
        test_ledger ledger = {0};
        test_world_open(&world, 1, NULL);
        test_observe(&world, 0, &observer);
        test_actor actor = {.ledger = &ledger};
        jzx_spawn_options options;
        test_actor_options(&actor, &options);
        options.mailbox_cap = 8;
        options.mailbox_policy = (uint8_t)policy;
        test_spawn_with(&world, 0, &actor, &options);
        test_do(&world, &actor, flood_self, &ledger);
        test_world_settle(&world);
        unsigned reason = policy == JZX_MAILBOX_DROP_NEWEST ? JZX_DROP_NEWEST : JZX_DROP_OLDEST;
        cr_assert_eq(observer.dead[reason], 12);
        cr_assert(ledger.dropped == 12 && ledger.taken == 8);
        cr_assert_eq(ledger.order[0], policy == JZX_MAILBOX_DROP_NEWEST ? 8 : 0);
        cr_assert_eq(observer.fulls, 1);
        check_observed(&world, &observer);
        check_balance(&world);
        test_world_close(&world);
    }
}

/* ---- mailbox full ---- */

static jzx_behavior_result fill_other(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    const test_actor *to = argument;
    jzx_message message = jzx_message_empty(1);
    while (jzx_send(context, to->id, &message) == JZX_OK) {
    }
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(jzx_send(context, to->id, &message), JZX_ERR_MAILBOX_FULL);
    }
    return JZX_BEHAVIOR_OK;
}

Test(observe, a_full_mailbox_is_told_once_each_time_it_becomes_full, .timeout = 30)
{
    test_world world;
    test_observer observer = {0};
    test_world_open(&world, 1, NULL);
    test_observe(&world, 0, &observer);
    test_actor sender = {0};
    test_actor target = {0};
    test_spawn(&world, 0, &sender);
    test_spawn(&world, 0, &target);
    for (uint32_t round = 1; round <= 3; round++) {
        test_do(&world, &sender, fill_other, &target);
        test_world_settle(&world); /* it has fallen to its low mark */
        cr_assert_eq(observer.fulls, round);
        cr_assert_eq(observer.full_target, target.id);
        cr_assert_eq(COUNT(&world, refused_full), round * 6);
    }
    test_world_close(&world);
}

typedef struct remote_fill {
    jzx_actor_id to;
    jzx_err err;
} remote_fill;

static jzx_behavior_result send_until_refused(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    remote_fill *fill = argument;
    jzx_message message = jzx_message_empty(1);
    while ((fill->err = jzx_send(context, fill->to, &message)) == JZX_OK) {
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result never_done(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)message;
    return *(bool *)actor->data ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_YIELD;
}

Test(observe, a_mailbox_that_only_other_loops_fill_is_told_too, .timeout = 30)
{
    test_world world;
    test_observer observer = {0};
    test_world_open(&world, 2, NULL);
    test_observe(&world, 1, &observer);
    bool open = false;
    test_actor sender = {0};
    test_actor target = {.on = never_done, .data = &open};
    test_spawn(&world, 0, &sender);
    test_spawn(&world, 1, &target);
    remote_fill fill = {.to = target.id};
    for (int i = 0; i < 1000 && fill.err != JZX_ERR_MAILBOX_FULL; i++) {
        test_do(&world, &sender, send_until_refused, &fill);
        test_world_step(&world);
    }
    cr_assert_eq(fill.err, JZX_ERR_MAILBOX_FULL);
    cr_assert_geq(observer.fulls, 1);
    cr_assert_eq(observer.full_target, target.id);
    open = true;
    test_world_settle(&world);
    test_world_close(&world);
}

/* ---- slow handlers ---- */

static jzx_behavior_result take_long(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    uint64_t until = test_now_ns() + (message->tag == 6 ? 4000000 : 0);
    while (test_now_ns() < until) {
    }
    return JZX_BEHAVIOR_OK;
}

Test(observe, a_slow_handler_is_reported_with_its_time, .timeout = 30)
{
    for (int measure = 0; measure < 2; measure++) {
        jzx_config config;
        test_config(&config);
        config.measure_handlers = measure != 0;
        config.slow_handler_ns = 3000000;
        test_world world;
        test_observer observer = {0};
        test_world_open(&world, 1, &config);
        test_observe(&world, 0, &observer);
        test_actor actor = {.on = take_long};
        test_spawn(&world, 0, &actor);
        test_send(&world, &actor, 6);
        test_until(&world, observer.slow >= 1);
        cr_assert_eq(observer.slow_tag, 6);
        cr_assert_geq(observer.slow_ns, 4000000);
        cr_assert_eq(COUNT(&world, slow_handlers), observer.slow);
        test_world_close(&world);
    }
}

Test(observe, slow_handlers_are_not_reported_when_that_is_off, .timeout = 30)
{
    for (int measure = 0; measure < 2; measure++) {
        jzx_config config;
        test_config(&config);
        config.measure_handlers = measure != 0;
        config.slow_handler_ns = 0;
        test_world world;
        test_observer observer = {0};
        test_world_open(&world, 1, &config);
        test_observe(&world, 0, &observer);
        test_actor actor = {.on = take_long};
        test_spawn(&world, 0, &actor);
        test_send(&world, &actor, 6);
        test_until(&world, actor.received == 1);
        test_world_settle(&world);
        cr_assert_eq(observer.slow, 0);
        test_world_close(&world);
    }
}

/* ---- which of an actor's functions was slow ---- */

enum { SLOW_KIND_NS = 3000000, SPIN_NS = 4000000, SLOW_MAX = 32 };

typedef struct slow_log {
    jzx_slow_handler seen[SLOW_MAX];
    uint32_t count;
} slow_log;

static void log_slow(void *user, jzx_context *context, const jzx_slow_handler *slow)
{
    slow_log *log = user;
    (void)context;
    cr_assert_eq(slow->struct_size, sizeof *slow);
    cr_assert_lt(log->count, SLOW_MAX);
    log->seen[log->count++] = *slow;
}

/*
 * What lies between two handlers is nobody's time: the loop asleep, or the host's own work. Whatever else is slow, for want of
 * a CPU, is not longer than what is left of the time.
 */
Test(observe, sleep_is_not_slowness, .timeout = 30)
{
    enum { SLOW_NS = 50000000 };
    jzx_config config;
    test_config(&config);
    config.slow_handler_ns = SLOW_NS;
    test_world world;
    slow_log log = {.count = 0};
    test_world_open(&world, 1, &config);
    const jzx_observer observer = {.struct_size = sizeof observer, .slow_handler = log_slow};
    cr_assert_eq(jzx_observer_add(world.loops[0], &observer, &log), JZX_OK);
    test_actor actor = {.on = take_long};
    test_spawn(&world, 0, &actor);
    uint64_t began_ns = test_now_ns();
    test_send(&world, &actor, 7);
    test_until(&world, actor.received == 1);
    uint64_t before_ns = test_now_ns();
    cr_assert_eq(jzx_loop_run_once(world.loops[0], SLOW_NS + 10000000), JZX_OK); /* sleeps */
    uint64_t idle_ns = test_now_ns() - before_ns;
    test_send(&world, &actor, 7);
    test_until(&world, actor.received == 2);
    before_ns = test_now_ns();
    while (test_now_ns() - before_ns < SLOW_NS) {
    }
    idle_ns += test_now_ns() - before_ns;
    test_send(&world, &actor, 7);
    test_until(&world, actor.received == 3);
    test_world_settle(&world);
    uint64_t left_ns = test_now_ns() - began_ns - idle_ns;
    uint64_t told_ns = 0;
    for (uint32_t i = 0; i < log.count; i++) {
        told_ns += log.seen[i].took_ns;
    }
    cr_assert_leq(told_ns, left_ns, "%u handlers were slow for %lu ns of %lu", log.count, (unsigned long)told_ns,
                  (unsigned long)left_ns);
    test_world_close(&world);
}

/* There is one report of that kind, of that actor; each kind is asked for once. */
static void expect_slow(const slow_log *log, jzx_handler_kind kind, jzx_actor_id id, uint32_t tag)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < log->count; i++) {
        const jzx_slow_handler *slow = &log->seen[i];
        if (slow->kind == (uint32_t)kind && slow->id == id && slow->tag == tag) {
            cr_expect_geq(slow->took_ns, SPIN_NS);
            found++;
        }
    }
    cr_expect_eq(found, 1, "%u reports of a slow %s", found, jzx_handler_kind_text(kind));
}

static void spin(void)
{
    test_clock_pass(SPIN_NS);
}

static jzx_err slow_init(jzx_context *context, test_actor *actor)
{
    (void)context;
    (void)actor;
    spin();
    return JZX_OK;
}

static void slow_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)context;
    (void)actor;
    (void)info;
    spin();
}

static jzx_behavior_result slow_end(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    (void)context;
    (void)state;
    (void)argument;
    (void)result;
    spin();
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result slow_done(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered)
{
    (void)gathered;
    return slow_end(context, state, argument, NULL);
}

enum { TAG_SPIN = 6, TAG_QUESTION = 7, TAG_TIMER = 8 };

/* Slow with its own tag, and with notices of the runtime; it answers before that. */
static jzx_behavior_result spin_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        jzx_message answer = jzx_message_empty(1);
        cr_assert_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    }
    if (message->tag != 1) {
        spin();
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result start_timer(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_message due = jzx_message_empty(TAG_TIMER);
    (void)actor;
    (void)argument;
    cr_assert_eq(jzx_timer_after(context, 0, &due, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result watch(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    uint64_t monitor;
    cr_assert_eq(jzx_monitor(context, *(jzx_actor_id *)argument, &monitor), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result ask_slow(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_message message = jzx_message_empty(TAG_QUESTION);
    (void)actor;
    cr_assert_eq(jzx_call(context, *(jzx_actor_id *)argument, &message, JZX_FOREVER, slow_end, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result gather_nothing(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_gather_options options;
    uint64_t gather;
    (void)actor;
    (void)argument;
    jzx_gather_options_init(&options);
    options.deadline_ns = jzx_now_ns(context) + 1;
    options.on_done = slow_done;
    cr_assert_eq(jzx_gather_begin(context, &options, &gather), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static void open_slow(test_world *world, uint32_t loops, bool measure, slow_log *log)
{
    jzx_config config;
    test_config(&config);
    config.measure_handlers = measure;
    config.slow_handler_ns = SLOW_KIND_NS;
    test_world_open(world, loops, &config);
    test_clock_steps(10000);
    const jzx_observer observer = {.struct_size = sizeof observer, .slow_handler = log_slow};
    for (uint32_t i = 0; i < loops; i++) {
        cr_assert_eq(jzx_observer_add(world->loops[i], &observer, log), JZX_OK);
    }
}

/* Turns until nothing is left to do, so that all that ran was judged. */
static void close_slow(test_world *world, const slow_log *log, uint32_t reports)
{
    test_world_settle(world);
    cr_expect_eq(log->count, reports);
    cr_expect_eq(COUNT(world, slow_handlers), reports);
    test_world_close(world);
}

Test(observe, SC04_a_slow_handler_is_reported_with_its_kind, .timeout = 60)
{
    for (uint32_t i = 0; i < 4; i++) {
        test_world world;
        slow_log log = {.count = 0};
        uint32_t loops = 1 + i % 2;
        open_slow(&world, loops, i >= 2, &log);
        test_actor slow = {.on = spin_on};
        test_actor asker = {0};
        test_spawn(&world, loops - 1, &slow);
        test_spawn(&world, 0, &asker);

        test_send(&world, &slow, TAG_SPIN);
        test_do(&world, &slow, start_timer, NULL);
        test_until(&world, test_tags(&slow, TAG_TIMER) == 1);
        jzx_actor_id none = 0;
        test_actor brief = {0};
        test_spawn(&world, 0, &brief);
        none = brief.id;
        cr_assert_eq(jzx_kill(jzx_loop_context(world.loops[0]), none), JZX_OK);
        test_do(&world, &slow, watch, &none);
        test_until(&world, test_tags(&slow, JZX_TAG_SYS_DOWN) == 1);
        test_do(&world, &asker, ask_slow, &slow.id);
        test_world_settle(&world);
        expect_slow(&log, JZX_HANDLER_MESSAGE, slow.id, TAG_SPIN);
        expect_slow(&log, JZX_HANDLER_NOTICE, slow.id, TAG_TIMER);
        expect_slow(&log, JZX_HANDLER_NOTICE, slow.id, JZX_TAG_SYS_DOWN);
        expect_slow(&log, JZX_HANDLER_REQUEST, slow.id, TAG_QUESTION);
        expect_slow(&log, JZX_HANDLER_CONTINUATION, asker.id, 1);
        test_do(&world, &asker, gather_nothing, NULL);
        test_until(&world, log.count == 6);
        expect_slow(&log, JZX_HANDLER_CONTINUATION, asker.id, JZX_TAG_SYS_NO_ANSWER);
        close_slow(&world, &log, 6);
    }
}

static jzx_err init_and_spawn(jzx_context *context, test_actor *actor)
{
    jzx_spawn_options options;
    test_actor_options(actor->data, &options);
    spin();
    return jzx_spawn(context, &options, NULL);
}

static jzx_err fail_late(jzx_context *context, test_actor *actor)
{
    (void)context;
    actor->data = actor;
    spin();
    return JZX_ERR_LIMIT;
}

static jzx_behavior_result spawn_there(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_spawn_options options;
    test_actor_options(argument, &options);
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = 1;
    (void)actor;
    cr_assert_eq(jzx_spawn_request(context, &options, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result spawn_here(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_spawn_options options;
    test_actor_options(argument, &options);
    (void)actor;
    (void)jzx_spawn(context, &options, NULL);
    return JZX_BEHAVIOR_OK;
}

/* Each by itself: by the host, in a handler, in another init, on another loop, and one that fails. */
Test(observe, SC04_a_slow_init_is_told_from_the_handler_that_spawns, .timeout = 60)
{
    for (uint32_t measure = 0; measure < 2; measure++) {
        test_world world;
        slow_log log = {.count = 0};
        open_slow(&world, 2, measure != 0, &log);
        test_actor first = {.on_init = slow_init};
        test_spawn(&world, 0, &first);
        expect_slow(&log, JZX_HANDLER_INIT, first.id, 0);
        test_actor inner = {.on_init = slow_init};
        test_actor outer = {.on_init = init_and_spawn, .data = &inner};
        uint64_t before_ns = test_now_ns();
        test_do(&world, &first, spawn_here, &outer);
        expect_slow(&log, JZX_HANDLER_INIT, inner.id, 0);
        expect_slow(&log, JZX_HANDLER_INIT, outer.id, 0);
        uint64_t told_ns = 0;
        for (uint32_t i = 1; i < log.count; i++) {
            told_ns += log.seen[i].took_ns;
        }
        cr_expect(told_ns <= test_now_ns() - before_ns, "no time is told twice");
        test_actor far = {.on_init = slow_init};
        test_do(&world, &first, spawn_there, &far);
        test_until(&world, far.inits == 1);
        expect_slow(&log, JZX_HANDLER_INIT, far.id, 0);
        test_actor failing = {.on_init = fail_late};
        test_do(&world, &first, spawn_here, &failing);
        cr_expect_eq(log.count, 5);
        cr_expect_eq(log.seen[4].kind, JZX_HANDLER_INIT);
        cr_expect_eq(log.seen[4].id, failing.id);
        close_slow(&world, &log, 5);
    }
}

static jzx_behavior_result stop_at_once(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    (void)message;
    return JZX_BEHAVIOR_STOP;
}

Test(observe, SC04_a_slow_fini_is_told_from_the_last_handler, .timeout = 60)
{
    for (uint32_t measure = 0; measure < 2; measure++) {
        test_world world;
        slow_log log = {.count = 0};
        open_slow(&world, 1, measure != 0, &log);
        test_actor killed = {.on_fini = slow_fini};
        test_actor stopped = {.on_fini = slow_fini, .on = stop_at_once};
        test_actor both = {.on = spin_on, .on_fini = slow_fini};
        test_spawn(&world, 0, &killed);
        test_spawn(&world, 0, &stopped);
        test_spawn(&world, 0, &both);
        test_send(&world, &stopped, 5);
        test_until(&world, stopped.finis == 1);
        expect_slow(&log, JZX_HANDLER_FINI, stopped.id, 0);
        cr_assert_eq(jzx_kill(jzx_loop_context(world.loops[0]), killed.id), JZX_OK);
        test_until(&world, killed.finis == 1);
        expect_slow(&log, JZX_HANDLER_FINI, killed.id, 0);
        test_send(&world, &both, TAG_SPIN);
        test_until(&world, both.received == 1);
        cr_assert_eq(jzx_kill(jzx_loop_context(world.loops[0]), both.id), JZX_OK);
        test_until(&world, both.finis == 1);
        test_world_settle(&world);
        expect_slow(&log, JZX_HANDLER_MESSAGE, both.id, TAG_SPIN);
        expect_slow(&log, JZX_HANDLER_FINI, both.id, 0);
        close_slow(&world, &log, 4);
    }
}

static jzx_behavior_result spawn_and_rest(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    return message->tag == TAG_SPIN ? spawn_here(context, actor, actor->data) : JZX_BEHAVIOR_OK;
}

/* Where the clock is read seldom, for all was fast, the init is the one that is named. */
Test(observe, SC04_among_fast_handlers_the_init_is_blamed, .timeout = 60)
{
    test_world world;
    slow_log log = {.count = 0};
    open_slow(&world, 1, false, &log);
    test_actor slow = {.on_init = slow_init};
    test_actor fast = {.on = spawn_and_rest, .data = &slow};
    test_spawn(&world, 0, &fast);
    for (uint32_t i = 0; i < 20; i++) {
        for (uint32_t k = 0; k < 32; k++) {
            test_send(&world, &fast, 1);
        }
        test_world_settle(&world);
    }
    test_send(&world, &fast, TAG_SPIN);
    test_send(&world, &fast, 1);
    test_until(&world, slow.inits == 1);
    test_world_settle(&world);
    expect_slow(&log, JZX_HANDLER_INIT, slow.id, 0);
    close_slow(&world, &log, 1);
}

Test(observe, SC04_kinds_have_words)
{
    for (uint32_t kind = JZX_HANDLER_MESSAGE; kind <= JZX_HANDLER_FINI; kind++) {
        cr_expect_str_neq(jzx_handler_kind_text(kind), "unknown");
    }
    cr_expect_str_eq(jzx_handler_kind_text(JZX_HANDLER_FINI), "fini");
    cr_expect_str_eq(jzx_handler_kind_text(JZX_HANDLER_FINI + 1), "unknown");
}

/* ---- D12: calls from inside an observer ---- */

typedef struct meddler {
    test_world *world;
    jzx_actor_id victim;
    test_actor successor;
    uint32_t calls;
    jzx_err to_the_dead;
    jzx_err stop_the_dead;
    jzx_err spawn;
    jzx_err stop_other;
    jzx_err destroy;
    jzx_err run;
} meddler;

static void meddle_at_stop(void *user, jzx_context *context, const jzx_exit_info *info, const char *name)
{
    (void)name;
    meddler *me = user;
    if (me->calls++ != 0) {
        return;
    }
    jzx_message message = jzx_message_empty(1);
    me->to_the_dead = jzx_send(context, info->id, &message);
    me->stop_the_dead = jzx_stop(context, info->id);
    jzx_spawn_options options;
    test_actor_options(&me->successor, &options);
    me->spawn = jzx_spawn(context, &options, NULL);
    me->stop_other = jzx_stop(context, me->victim);
    me->destroy = jzx_runtime_destroy(me->world->runtime);
    me->run = jzx_loop_run_once(jzx_context_loop(context), 0);
}

Test(observe, D12_a_callback_may_send_spawn_and_stop, .timeout = 30)
{
    jzx_config config;
    test_config(&config);
    config.actors_max = 2; /* M21: the slot of the dead is free for the successor */
    test_world world;
    test_world_open(&world, 1, &config);
    meddler me = {.world = &world};
    jzx_observer observer = {.struct_size = sizeof observer, .actor_stop = meddle_at_stop};
    cr_assert_eq(jzx_observer_add(world.loops[0], &observer, &me), JZX_OK);
    test_actor actor = {.on = result_by_tag};
    test_actor victim = {0};
    test_spawn(&world, 0, &actor);
    test_spawn(&world, 0, &victim);
    me.victim = victim.id;
    test_send(&world, &actor, 1);
    test_until(&world, victim.finis == 1);
    cr_assert_eq(me.to_the_dead, JZX_ERR_NO_SUCH_ACTOR);
    cr_assert_eq(me.stop_the_dead, JZX_ERR_NO_SUCH_ACTOR);
    cr_assert_eq(me.spawn, JZX_OK);
    cr_assert_eq(me.stop_other, JZX_OK);
    cr_assert_eq(me.destroy, JZX_ERR_BUSY);
    cr_assert_eq(me.run, JZX_ERR_ALREADY_RUNNING);
    cr_assert_eq(me.calls, 2);
    cr_assert_eq(actor.finis, 1);
    test_send(&world, &me.successor, 4);
    test_until(&world, me.successor.received == 1);
    test_world_close(&world);
    cr_assert_eq(me.calls, 3);
}

typedef struct starter {
    jzx_actor_id started;
    jzx_err sent;
    uint32_t calls;
} starter;

static void greet_at_start(void *user, jzx_context *context, jzx_actor_id id, const char *name)
{
    (void)name;
    starter *me = user;
    me->calls++;
    me->started = id;
    jzx_message message = jzx_message_empty(8);
    me->sent = jzx_send(context, id, &message);
}

static void stop_at_full(void *user, jzx_context *context, jzx_actor_id target)
{
    starter *me = user;
    me->calls++;
    me->sent = jzx_stop(context, target);
}

Test(observe, D12_a_callback_may_use_the_actor_it_is_told_of, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    starter start = {0};
    starter full = {0};
    jzx_observer greeter = {.struct_size = sizeof greeter, .actor_start = greet_at_start};
    jzx_observer stopper = {.struct_size = sizeof stopper, .mailbox_full = stop_at_full};
    cr_assert_eq(jzx_observer_add(world.loops[0], &greeter, &start), JZX_OK);
    cr_assert_eq(jzx_observer_add(world.loops[0], &stopper, &full), JZX_OK);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    cr_assert(start.calls == 1 && start.started == actor.id && start.sent == JZX_OK);
    test_until(&world, test_tags(&actor, 8) == 1);
    jzx_message message = jzx_message_empty(1);
    jzx_err err;
    while ((err = jzx_send(jzx_loop_context(world.loops[0]), actor.id, &message)) == JZX_OK) {
    }
    cr_assert_eq(err, JZX_ERR_MAILBOX_FULL);
    cr_assert(full.calls == 1 && full.sent == JZX_OK);
    cr_assert_eq(jzx_send(jzx_loop_context(world.loops[0]), actor.id, &message), JZX_ERR_STOPPING);
    test_until(&world, actor.finis == 1);
    cr_assert_eq(actor.received, 1, "what was queued was destroyed");
    test_world_close(&world);
}

/* M57: one that writes dead letters to an actor whose own mailbox drops them. */
typedef struct logger {
    jzx_actor_id to;
    uint32_t calls;
    uint32_t depth;
    uint32_t depth_max;
} logger;

static void log_dead(void *user, jzx_context *context, jzx_actor_id target, const jzx_message *message,
                     jzx_drop_reason reason)
{
    (void)target;
    (void)message;
    (void)reason;
    logger *me = user;
    me->calls++;
    if (++me->depth > me->depth_max) {
        me->depth_max = me->depth;
    }
    if (me->depth < 50) { /* a real one would not count */
        jzx_message line = jzx_message_empty(3);
        cr_assert_eq(jzx_send(context, me->to, &line), JZX_OK);
    }
    me->depth--;
}

Test(observe, M57_a_dead_letter_of_its_own_does_not_call_it_again, .timeout = 30)
{
    for (int policy = JZX_MAILBOX_DROP_NEWEST; policy <= JZX_MAILBOX_DROP_OLDEST; policy++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_ledger ledger = {0};
        test_actor actor = {.ledger = &ledger};
        jzx_spawn_options options;
        test_actor_options(&actor, &options);
        options.mailbox_cap = 4;
        options.mailbox_policy = (uint8_t)policy;
        test_spawn_with(&world, 0, &actor, &options);
        logger me = {.to = actor.id};
        jzx_observer observer = {.struct_size = sizeof observer, .dead_letter = log_dead};
        cr_assert_eq(jzx_observer_add(world.loops[0], &observer, &me), JZX_OK);
        test_do(&world, &actor, flood_self, &ledger);
        cr_assert_eq(me.depth_max, 1);
        cr_assert_gt(me.calls, 0);
        test_world_settle(&world);
        check_balance(&world);
        test_world_close(&world);
    }
}

/* ---- adding and removing ---- */

Test(observe, D81_several_observers_see_all_from_the_first_start_on, .timeout = 30)
{
    test_world world;
    static test_observer observers[4];
    test_world_open(&world, 1, NULL);
    for (int i = 0; i < 4; i++) {
        test_observe(&world, 0, &observers[i]);
    }
    jzx_observer more = {.struct_size = sizeof more};
    cr_assert_eq(jzx_observer_add(world.loops[0], &more, NULL), JZX_ERR_LIMIT, "observers_max is 4");
    test_actor actor = {.on = result_by_tag};
    test_spawn(&world, 0, &actor);
    cr_assert_eq(jzx_observer_remove(world.loops[0], &observers[1]), JZX_OK);
    cr_assert_eq(jzx_observer_remove(world.loops[0], &observers[1]), JZX_ERR_NOT_FOUND);
    test_send(&world, &actor, 1);
    test_until(&world, actor.finis == 1);
    test_world_close(&world);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(observers[i].starts, 1);
        cr_assert_eq(observers[i].stops, i == 1 ? 0 : 1);
        cr_assert_eq(observers[i].loop_starts, i == 1 ? 0 : 1, "removed before the loop ran");
        cr_assert_eq(observers[i].loop_stops, i == 1 ? 0 : 1);
    }
}

Test(observe, one_without_functions_is_skipped, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_observer empty = {.struct_size = sizeof empty};
    cr_assert_eq(jzx_observer_add(world.loops[0], &empty, NULL), JZX_OK);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    test_spawn(&world, 0, &actor);
    test_do(&world, &actor, send_self_and_stop, &ledger);
    test_until(&world, actor.finis == 1);
    test_world_close(&world);
    cr_assert_eq(ledger.dropped, 3);
}

static void call_elsewhere(void *argument)
{
    jzx_loop *loop = argument;
    jzx_observer good = {.struct_size = sizeof good};
    cr_assert_eq(jzx_observer_add(loop, &good, NULL), JZX_ERR_WRONG_THREAD);
    cr_assert_eq(jzx_observer_remove(loop, NULL), JZX_ERR_WRONG_THREAD);
    jzx_counters counters;
    cr_assert_eq(jzx_loop_stats(loop, &counters), JZX_OK, "any thread may look");
}

Test(observe, every_wrong_argument_is_refused, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_loop *loop = world.loops[0];
    jzx_observer good = {.struct_size = sizeof good};
    jzx_observer bad = {.struct_size = sizeof bad - 1};
    cr_assert_eq(jzx_observer_add(NULL, &good, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_observer_add(loop, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_observer_add(loop, &bad, NULL), JZX_ERR_INVALID_ARG);
    bad.struct_size = 0;
    cr_assert_eq(jzx_observer_add(loop, &bad, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_observer_remove(NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_observer_remove(loop, &bad), JZX_ERR_NOT_FOUND);
    jzx_counters counters;
    memset(&counters, 0x5A, sizeof counters);
    jzx_counters same = counters;
    cr_assert_eq(jzx_loop_stats(NULL, &counters), JZX_ERR_INVALID_ARG);
    cr_assert_eq(memcmp(&counters, &same, sizeof same), 0);
    cr_assert_eq(jzx_loop_stats(loop, NULL), JZX_ERR_INVALID_ARG);
    test_on_thread(call_elsewhere, loop);
    test_world_close(&world);
}

/* ---- counters ---- */

Test(observe, each_counter_moves_for_its_cause, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_ledger ledger = {0};
    test_actor a = {.ledger = &ledger};
    test_actor b = {.ledger = &ledger};
    test_spawn(&world, 0, &a);
    test_spawn(&world, 1, &b);
    cr_assert(COUNT(&world, spawned) == 2 && COUNT(&world, sent) == 0);
    test_do(&world, &a, nothing, NULL);
    uint64_t sent = COUNT(&world, sent);
    uint64_t handled = COUNT(&world, handled);
    test_do(&world, &a, send_remote, &b);
    test_until(&world, b.received == 1);
    cr_assert_eq(COUNT(&world, sent), sent + 2, "the errand and the message");
    cr_assert_eq(COUNT(&world, handled), handled + 2);
    cr_assert(COUNT(&world, mail_out) == 1 && COUNT(&world, mail_in) == 1);
    cr_assert(COUNT(&world, lane_sent) == 1 && COUNT(&world, lane_received) == 1);
    uint64_t turns = COUNT(&world, turns);
    test_world_step(&world);
    cr_assert_eq(COUNT(&world, turns), turns + 2);
    cr_assert_eq(COUNT(&world, cells_free), 2 * world.config.cells);
    cr_assert(COUNT(&world, unhandled) == 0 && COUNT(&world, yields) == 0 && COUNT(&world, signals) == 0);
    test_world_close(&world);
}

/* ---- balance after random traffic ---- */

enum { CROWD = 24, TAG_WORK = 1, TAG_ASK = 2 };

typedef struct crowd {
    test_actor *actors;
    jzx_actor_id ids[CROWD];
    test_ledger ledger;
    uint64_t random;
    uint64_t kept[CROWD]; /* a request that is answered later */
    uint64_t actions;
} crowd;

static uint64_t next_random(crowd *c)
{
    uint64_t z = (c->random += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void offer(jzx_context *context, crowd *c, jzx_err (*how)(jzx_context *, jzx_actor_id, const jzx_message *))
{
    jzx_message message = test_payload(&c->ledger, TAG_WORK, 40);
    if (how(context, c->ids[next_random(c) % CROWD], &message) != JZX_OK) {
        (void)test_payload_take(&c->ledger, &message);
    }
}

static jzx_err send_reported(jzx_context *context, jzx_actor_id to, const jzx_message *message)
{
    return jzx_send_with(context, to, message, JZX_SEND_REPORT);
}

static jzx_err ask(jzx_context *context, jzx_actor_id to, const jzx_message *message)
{
    jzx_message request = *message;
    request.tag = TAG_ASK;
    return jzx_request(context, to, &request, to % 3 == 0 ? 1000 : JZX_FOREVER, NULL);
}

static void act(jzx_context *context, crowd *c)
{
    if (c->actions == 0) {
        return;
    }
    c->actions--;
    switch (next_random(c) % 5) {
    case 0:
        offer(context, c, ask);
        break;
    case 1:
        offer(context, c, send_reported);
        break;
    default:
        offer(context, c, jzx_send);
    }
}

static jzx_behavior_result crowd_behave(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    crowd *c = actor->data;
    uint64_t *kept = &c->kept[actor - c->actors];
    act(context, c);
    act(context, c);
    bool owned = (message->flags & (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT)) == JZX_MESSAGE_POINTER;
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        jzx_message answer = test_payload(&c->ledger, TAG_WORK, 40);
        uint64_t ref = message->ref;
        if (next_random(c) % 2 == 0) {
            uint64_t other = *kept;
            *kept = ref;
            ref = other;
        }
        if (ref == 0 || jzx_answer(context, ref, &answer) != JZX_OK) {
            (void)test_payload_take(&c->ledger, &answer);
        }
    }
    if (next_random(c) % 16 == 0) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    if (owned) {
        (void)test_payload_take(&c->ledger, message);
    }
    return next_random(c) % 400 == 0 ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

Test(observe, P3_sent_is_handled_dropped_or_queued_after_any_traffic, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        test_world world;
        static test_observer observers[2];
        static test_actor actors[CROWD];
        static crowd c;
        memset(observers, 0, sizeof observers);
        memset(actors, 0, sizeof actors);
        memset(&c, 0, sizeof c);
        c.actors = actors;
        c.random = seed;
        c.actions = 20000;
        test_world_open(&world, 2, NULL);
        test_observe(&world, 0, &observers[0]);
        test_observe(&world, 1, &observers[1]);
        for (uint32_t i = 0; i < CROWD; i++) {
            actors[i].on = crowd_behave;
            actors[i].data = &c;
            jzx_spawn_options options;
            test_actor_options(&actors[i], &options);
            options.mailbox_cap = 4 + i;
            options.mailbox_policy = (uint8_t)(i / 2 % 3);
            test_spawn_with(&world, i % 2, &actors[i], &options);
            c.ids[i] = actors[i].id;
        }
        for (uint32_t i = 0; i < CROWD; i++) {
            test_send(&world, &actors[i], TAG_WORK);
            test_send(&world, &actors[i], TAG_WORK);
        }
        test_world_settle(&world);
        check_observed(&world, observers);
        check_balance(&world);
        stop_world(&world);
        check_observed(&world, observers);
        check_balance(&world);
        cr_assert_eq(COUNT(&world, queued), 0);
        cr_assert_eq(COUNT(&world, cells_free), 2 * world.config.cells, "seed %llu", (unsigned long long)seed);
        test_world_close(&world);
        cr_assert_eq(test_ledger_open(&c.ledger), 0, "seed %llu", (unsigned long long)seed);
        cr_assert_eq(c.ledger.twice, 0);
        cr_assert_gt(c.ledger.made, 1000);
    }
}
