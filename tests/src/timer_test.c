/*
 * timer_test: timers on real rings: when they fire, in which order, what becomes of their payloads, and every argument
 * that is wrong. White-box only to read when the next deadline is.
 */
#include "sched/loop.h"
#include "tests/support/support.h"

#include <stdlib.h>

static const uint64_t MS = 1000000;

static uint64_t next_due(const test_world *world)
{
    return jzx__deadlines_next_ns(&world->loops[0]->deadlines);
}

static uint64_t timers_held(const test_world *world)
{
    return world->loops[0]->timers.used;
}

/* One loop and one actor, most tests' world. */
typedef struct rig {
    test_world world;
    test_actor actor;
    test_ledger ledger;
    jzx_timer_id ids[1024];
    uint64_t times[1024]; /* of handling, real clock */
    uint32_t count;
    jzx_err err;
    uint64_t before;
} rig;

static rig *rig_of(test_actor *actor)
{
    return actor->data;
}

static jzx_behavior_result note_time(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)message;
    rig *r = rig_of(actor);
    if (r->count < 1024) {
        r->times[r->count++] = test_now_ns();
    }
    return JZX_BEHAVIOR_OK;
}

static void rig_open_with(rig *r, const jzx_config *config)
{
    memset(r, 0, sizeof *r);
    test_world_open(&r->world, 1, config);
    r->actor.data = r;
    r->actor.on = note_time;
    test_spawn(&r->world, 0, &r->actor);
}

static void rig_open(rig *r)
{
    rig_open_with(r, NULL);
}

/* ---- when ---- */

static jzx_behavior_result start_many_short(jzx_context *context, test_actor *actor, void *argument)
{
    rig *r = rig_of(actor);
    uint64_t *dues = argument;
    srand(5);
    for (uint32_t i = 0; i < 200; i++) {
        uint64_t delay_ns = (uint64_t)rand() % (3 * MS);
        dues[i] = test_now_ns() + delay_ns; /* its own reading is later, so its due time is later still */
        jzx_message message = jzx_message_value(1, &i, sizeof i);
        cr_assert_eq(jzx_timer_after(context, delay_ns, &message, &r->ids[i]), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(timer, D62_never_early_and_in_nanoseconds, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    static uint64_t dues[200];
    test_do(&r.world, &r.actor, start_many_short, dues);
    test_until(&r.world, r.count == 200);
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t which;
        memcpy(&which, r.actor.log[i].bytes, sizeof which);
        cr_assert_geq(r.times[i], dues[which], "timer %u was early", which);
        const jzx_message *message = &r.actor.log[i];
        cr_assert(message->tag == 1 && message->flags == JZX_MESSAGE_TIMER && message->ref == r.ids[which]);
        cr_assert_eq(message->sender, r.actor.id);
    }
    test_world_close(&r.world);
}

static jzx_behavior_result start_three(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    uint64_t at = test_now_ns() + 2 * MS;
    const uint64_t dues[] = {at + 1, at, at, at - 1, at, 0, 1};
    for (uint32_t i = 0; i < 7; i++) {
        jzx_message message = jzx_message_value(10 + i, argument, 0);
        cr_assert_eq(jzx_timer_at(context, dues[i], &message, NULL), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(timer, M32_due_order_and_ties_by_arming, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    test_do(&r.world, &r.actor, start_three, NULL);
    test_until(&r.world, r.count == 7);
    const uint32_t expected[] = {15, 16, 13, 11, 12, 14, 10}; /* times long past come first, in due order too */
    for (uint32_t i = 0; i < 7; i++) {
        cr_assert_eq(r.actor.log[i].tag, expected[i], "place %u", i);
    }
    test_world_close(&r.world);
}

static jzx_behavior_result again_at_once(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)message;
    rig *r = rig_of(actor);
    r->times[r->count++] = jzx_now_ns(context); /* one reading a turn */
    if (r->count < 20) {
        jzx_message next = jzx_message_empty(1);
        cr_assert_eq(jzx_timer_after(context, 0, &next, NULL), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result start_now(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    (void)actor;
    jzx_message message = jzx_message_empty(1);
    cr_assert_eq(jzx_timer_after(context, 0, &message, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(timer, M31_a_delay_of_0_fires_in_the_next_turn_not_in_this_one, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    r.actor.on = again_at_once;
    test_do(&r.world, &r.actor, start_now, NULL);
    for (uint32_t turns = 0; r.count < 20; turns++) {
        uint32_t before = r.count;
        test_world_step(&r.world);
        cr_assert_leq(r.count, before + 1, "one a turn, however often it is started again");
        cr_assert_lt(turns, 100);
    }
    for (uint32_t i = 1; i < 20; i++) {
        cr_assert_gt(r.times[i], r.times[i - 1]);
    }
    test_world_close(&r.world);
}

static jzx_behavior_result start_far(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    rig *r = rig_of(actor);
    jzx_message message = test_payload(&r->ledger, 1, 64);
    cr_assert_eq(jzx_timer_after(context, UINT64_MAX, &message, &r->ids[0]), JZX_OK);
    message = test_payload(&r->ledger, 1, 64);
    cr_assert_eq(jzx_timer_at(context, UINT64_MAX, &message, &r->ids[1]), JZX_OK);
    message = test_payload(&r->ledger, 1, 64);
    cr_assert_eq(jzx_timer_every(context, UINT64_MAX, JZX_TICKS_SKIP, &message, &r->ids[2]), JZX_OK);
    message = test_payload(&r->ledger, 1, 64);
    cr_assert_eq(jzx_timer_after(context, (uint64_t)UINT32_MAX * MS + 1, &message, &r->ids[3]), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(timer, M31_a_time_over_the_clock_s_end_never_comes, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    test_do(&r.world, &r.actor, start_far, NULL);
    cr_assert_gt(next_due(&r.world), test_now_ns() + 49ull * 24 * 3600 * 1000 * MS,
                 "more than 32 bits of milliseconds");
    for (int i = 0; i < 100; i++) {
        test_world_step(&r.world);
    }
    cr_assert_eq(r.count, 0);
    cr_assert_eq(timers_held(&r.world), 4);
    test_world_close(&r.world);
    cr_assert_eq(r.ledger.dropped, 4);
}

static jzx_behavior_result start_50ms(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    (void)argument;
    jzx_message message = jzx_message_empty(1);
    cr_assert_eq(jzx_timer_after(context, 50 * MS, &message, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(timer, D61_a_loop_sleeps_until_its_timer_without_a_thread_for_it, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    unsigned threads = test_thread_count();
    test_world_start(&r.world);
    test_do(&r.world, &r.actor, start_50ms, NULL);
    cr_assert_eq(test_thread_count(), threads + 1, "the loop's and no other");
    uint64_t turns = test_count(&r.world, offsetof(jzx_counters, turns));
    test_until(&r.world, atomic_load(&r.actor.received) == 1);
    cr_assert_leq(test_count(&r.world, offsetof(jzx_counters, turns)) - turns, 10, "it slept");
    test_world_close(&r.world);
}

/* ---- against a model ---- */

enum { MANY = 100000 };

typedef struct model {
    uint64_t due;
    jzx_timer_id id;
    bool cancelled;
} model;

static model *timers;
static uint32_t *fired;
static uint32_t fired_count;

static jzx_behavior_result note_number(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    memcpy(&fired[fired_count++], message->bytes, sizeof fired[0]);
    return JZX_BEHAVIOR_OK;
}

/* Starts them in random order with many ties, cancels a third, some of them several times. */
static jzx_behavior_result start_and_cancel(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    (void)argument;
    srand(12);
    for (uint32_t i = 0; i < MANY; i++) {
        timers[i].due = 1 + (uint64_t)rand() % (MANY / 3);
        jzx_message message = jzx_message_value(1, &i, sizeof i);
        cr_assert_eq(jzx_timer_at(context, timers[i].due, &message, &timers[i].id), JZX_OK);
    }
    for (uint32_t i = 0; i < MANY / 3; i++) {
        model *timer = &timers[(uint32_t)rand() % MANY];
        jzx_err err = jzx_timer_cancel(context, timer->id, NULL);
        cr_assert_eq(err, timer->cancelled ? JZX_ERR_TIMER_INVALID : JZX_OK);
        timer->cancelled = true;
    }
    return JZX_BEHAVIOR_OK;
}

static int by_due(const void *a, const void *b)
{
    uint32_t i = *(const uint32_t *)a;
    uint32_t k = *(const uint32_t *)b;
    if (timers[i].due != timers[k].due) {
        return timers[i].due < timers[k].due ? -1 : 1;
    }
    return i < k ? -1 : i > k;
}

Test(timer, D61_a_hundred_thousand_in_random_order_agree_with_a_sorted_list, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.timers_max = MANY;
    static rig r;
    rig_open_with(&r, &config);
    r.actor.on = note_number;
    timers = calloc(MANY, sizeof *timers);
    fired = calloc(MANY, sizeof *fired);
    uint32_t *expected = calloc(MANY, sizeof *expected);
    cr_assert(timers != NULL && fired != NULL && expected != NULL);
    test_do(&r.world, &r.actor, start_and_cancel, NULL);
    uint32_t left = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        if (!timers[i].cancelled) {
            expected[left++] = i;
        }
    }
    qsort(expected, left, sizeof *expected, by_due);
    test_until(&r.world, fired_count == left);
    cr_assert_eq(memcmp(fired, expected, left * sizeof *expected), 0);
    cr_assert_eq(timers_held(&r.world), 0);
    cr_assert_eq(test_count(&r.world, offsetof(jzx_counters, timers_fired)), left);
    test_world_close(&r.world);
    free(timers);
    free(fired);
    free(expected);
}

/* ---- periodic ---- */

typedef struct beat {
    uint64_t period_ns;
    jzx_missed_ticks missed;
} beat;

static jzx_behavior_result start_beat(jzx_context *context, test_actor *actor, void *argument)
{
    const beat *b = argument;
    rig *r = rig_of(actor);
    jzx_message message = jzx_message_empty(1);
    r->before = test_now_ns();
    cr_assert_eq(jzx_timer_every(context, b->period_ns, b->missed, &message, &r->ids[0]), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(timer, TM01_every_has_no_drift, .timeout = 60)
{
    static rig r;
    rig_open(&r);
    beat b = {MS, JZX_TICKS_SKIP};
    test_do(&r.world, &r.actor, start_beat, &b);
    uint64_t first = next_due(&r.world);
    cr_assert_geq(first, r.before + MS);
    test_until(&r.world, r.count == 100);
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert_geq(r.times[i], first + i * MS, "tick %u is early", i);
    }
    cr_assert_eq((next_due(&r.world) - first) % MS, 0, "after 100 ticks it still beats as at first");
    test_world_close(&r.world);
}

/* The handler of the first tick takes 5.5 periods. */
static jzx_behavior_result busy_at_first(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)message;
    rig *r = rig_of(actor);
    r->times[r->count++] = jzx_now_ns(context);
    if (r->count == 1) {
        test_clock_pass(r->before - test_now_ns());
    }
    return JZX_BEHAVIOR_OK;
}

/* Drives a beat whose first tick is handled late by 5.5 periods; returns when that one has been handled. */
static uint64_t miss_ticks(rig *r, const beat *b)
{
    rig_open(r);
    test_clock_steps(10000);
    r->actor.on = busy_at_first;
    test_do(&r->world, &r->actor, start_beat, (void *)(uintptr_t)b);
    uint64_t first = next_due(&r->world);
    r->before = first + 4 * b->period_ns + b->period_ns / 2;
    test_until(&r->world, r->count >= 1);
    return first;
}

Test(timer, TM01_skip_gives_one_message_for_all_that_were_missed, .timeout = 60)
{
    static rig r;
    beat b = {20 * MS, JZX_TICKS_SKIP};
    uint64_t first = miss_ticks(&r, &b);
    test_world_step(&r.world);
    cr_assert_eq(r.count, 2);
    uint64_t next = next_due(&r.world);
    cr_assert_eq((next - first) % b.period_ns, 0, "then the next multiple of the period");
    cr_assert_geq(next, first + 5 * b.period_ns);
    test_world_close(&r.world);
}

Test(timer, TM01_burst_gives_each_that_was_missed_at_once, .timeout = 60)
{
    static rig r;
    beat b = {20 * MS, JZX_TICKS_BURST};
    uint64_t first = miss_ticks(&r, &b);
    /* As many as there are ticks before the next one; a turn may end among them. */
    test_until(&r.world, r.count >= 5 && r.count == (next_due(&r.world) - first) / b.period_ns);
    cr_assert_eq((next_due(&r.world) - first) % b.period_ns, 0);
    test_world_close(&r.world);
}

Test(timer, TM01_delay_gives_one_and_then_a_full_period, .timeout = 60)
{
    static rig r;
    beat b = {20 * MS, JZX_TICKS_DELAY};
    uint64_t first = miss_ticks(&r, &b);
    test_world_step(&r.world);
    cr_assert_eq(r.count, 2);
    uint64_t next = next_due(&r.world);
    cr_assert_geq(next, r.before + b.period_ns, "from when it fired, which was not before that handler returned");
    cr_assert_leq(next, r.times[1] + b.period_ns);
    cr_assert_neq((next - first) % b.period_ns, 0, "so it drifts");
    test_world_close(&r.world);
}

Test(timer, a_beat_whose_actor_is_slow_waits_as_one_message, .timeout = 60)
{
    static rig r;
    beat b = {1000, JZX_TICKS_SKIP}; /* far faster than turns can be */
    rig_open(&r);
    test_do(&r.world, &r.actor, start_beat, &b);
    for (int i = 0; i < 200; i++) {
        uint32_t before = r.count;
        test_world_step(&r.world);
        cr_assert_leq(r.count, before + 1);
    }
    test_world_close(&r.world);
}

/* ---- payloads ---- */

static jzx_behavior_result start_owned(jzx_context *context, test_actor *actor, void *argument)
{
    rig *r = rig_of(actor);
    uint64_t delay_ns = *(const uint64_t *)argument;
    for (int i = 0; i < 10; i++) {
        jzx_message message = test_payload(&r->ledger, 1, 64);
        cr_assert_eq(jzx_timer_after(context, delay_ns, &message, &r->ids[i]), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(timer, a_payload_is_the_handler_s_when_it_fires, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    r.actor.ledger = &r.ledger;
    uint64_t delay_ns = 1;
    test_do(&r.world, &r.actor, start_owned, &delay_ns);
    test_until(&r.world, r.count == 10);
    cr_assert_eq(r.actor.log[0].flags, JZX_MESSAGE_POINTER | JZX_MESSAGE_TIMER);
    test_world_close(&r.world);
    cr_assert(r.ledger.taken == 10 && r.ledger.dropped == 0 && r.ledger.twice == 0);
}

static jzx_behavior_result unhandled(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)message;
    rig_of(actor)->count++;
    return JZX_BEHAVIOR_UNHANDLED;
}

Test(timer, an_unhandled_payload_is_destroyed_once, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    r.actor.on = unhandled;
    uint64_t delay_ns = 1;
    test_do(&r.world, &r.actor, start_owned, &delay_ns);
    test_until(&r.world, r.count == 10);
    cr_assert_eq(test_count(&r.world, offsetof(jzx_counters, unhandled)), 10);
    cr_assert(r.ledger.dropped == 10 && r.ledger.twice == 0);
    test_world_close(&r.world);
    cr_assert_eq(r.ledger.dropped, 10);
}

static jzx_behavior_result take_and_yield(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    rig *r = rig_of(actor);
    r->count++;
    (void)test_payload_take(&r->ledger, message);
    return JZX_BEHAVIOR_YIELD;
}

Test(timer, only_mail_can_be_yielded, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    r.actor.on = take_and_yield;
    uint64_t delay_ns = 1;
    test_do(&r.world, &r.actor, start_owned, &delay_ns);
    test_until(&r.world, r.count >= 10);
    test_world_settle(&r.world);
    cr_assert_eq(r.count, 10, "a timer is handled once");
    test_world_close(&r.world);
    cr_assert(r.ledger.taken == 10 && r.ledger.dropped == 0 && r.ledger.twice == 0);
}

static jzx_behavior_result cancel_all(jzx_context *context, test_actor *actor, void *argument)
{
    rig *r = rig_of(actor);
    bool take_back = *(const bool *)argument;
    for (int i = 0; i < 10; i++) {
        jzx_message message;
        memset(&message, 0xEE, sizeof message);
        cr_assert_eq(jzx_timer_cancel(context, r->ids[i], take_back ? &message : NULL), JZX_OK);
        if (take_back) {
            cr_assert(message.tag == 1 && message.flags == JZX_MESSAGE_POINTER && message.size == 64);
            (void)test_payload_take(&r->ledger, &message);
        }
        cr_assert_eq(jzx_timer_cancel(context, r->ids[i], NULL), JZX_ERR_TIMER_INVALID, "twice");
    }
    return JZX_BEHAVIOR_OK;
}

Test(timer, D23_cancel_gives_the_payload_back_or_destroys_it, .timeout = 30)
{
    for (int take_back = 0; take_back < 2; take_back++) {
        static rig r;
        rig_open(&r);
        uint64_t delay_ns = 3600 * 1000 * MS;
        test_do(&r.world, &r.actor, start_owned, &delay_ns);
        bool back = take_back != 0;
        test_do(&r.world, &r.actor, cancel_all, &back);
        cr_assert_eq(r.ledger.taken, back ? 10 : 0);
        cr_assert_eq(r.ledger.dropped, back ? 0 : 10);
        cr_assert_eq(timers_held(&r.world), 0);
        cr_assert_eq(next_due(&r.world), JZX_FOREVER);
        test_world_close(&r.world);
        cr_assert_eq(r.ledger.taken + r.ledger.dropped, 10);
        cr_assert_eq(r.count, 0);
    }
}

static jzx_behavior_result start_owned_beat(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    rig *r = rig_of(actor);
    jzx_message message = test_payload(&r->ledger, 1, 64);
    cr_assert_eq(jzx_timer_every(context, MS / 10, JZX_TICKS_SKIP, &message, &r->ids[0]), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result cancel_one(jzx_context *context, test_actor *actor, void *argument)
{
    rig *r = rig_of(actor);
    r->err = jzx_timer_cancel(context, r->ids[0], argument);
    return JZX_BEHAVIOR_OK;
}

Test(timer, a_beat_lends_its_payload_and_cancel_gives_it_back, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    test_do(&r.world, &r.actor, start_owned_beat, NULL);
    test_until(&r.world, r.count >= 5);
    for (int i = 0; i < 5; i++) {
        const jzx_message *message = &r.actor.log[i];
        cr_assert_eq(message->flags, JZX_MESSAGE_POINTER | JZX_MESSAGE_TIMER | JZX_MESSAGE_LENT);
        cr_assert_eq(message->pointer.data, r.actor.log[0].pointer.data);
    }
    jzx_message message;
    test_do(&r.world, &r.actor, cancel_one, &message);
    cr_assert_eq(r.err, JZX_OK);
    cr_assert_eq(test_ledger_open(&r.ledger), 1);
    (void)test_payload_take(&r.ledger, &message);
    test_world_close(&r.world);
    cr_assert(r.ledger.taken == 1 && r.ledger.dropped == 0);
}

Test(timer, a_beat_s_payload_is_destroyed_once_with_its_actor, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    test_do(&r.world, &r.actor, start_owned_beat, NULL);
    test_until(&r.world, r.count >= 3);
    test_world_close(&r.world);
    cr_assert(r.ledger.taken == 0 && r.ledger.dropped == 1 && r.ledger.twice == 0);
}

/* ---- cancel at awkward moments ---- */

static jzx_behavior_result cancel_self_and_next(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    rig *r = rig_of(actor);
    r->count++;
    cr_assert_eq(jzx_timer_cancel(context, message->ref, NULL), JZX_ERR_TIMER_INVALID, "it is being handled");
    for (int i = 0; i < 10; i++) { /* the others are due, and wait in the same list */
        if (r->ids[i] != message->ref) {
            jzx_message back;
            cr_assert_eq(jzx_timer_cancel(context, r->ids[i], &back), JZX_OK);
            (void)test_payload_take(&r->ledger, &back);
        }
    }
    return JZX_BEHAVIOR_OK;
}

Test(timer, M33_one_that_is_due_can_be_cancelled_until_it_is_handled, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    r.actor.on = cancel_self_and_next;
    r.actor.ledger = &r.ledger;
    uint64_t delay_ns = 0;
    test_do(&r.world, &r.actor, start_owned, &delay_ns);
    test_until(&r.world, r.count >= 1);
    test_world_settle(&r.world);
    cr_assert_eq(r.count, 1, "no cancelled timer was handled");
    cr_assert(r.ledger.taken == 10 && r.ledger.dropped == 0 && r.ledger.twice == 0);
    test_world_close(&r.world);
}

static jzx_behavior_result cancel_own_beat(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    rig *r = rig_of(actor);
    r->count++;
    jzx_message back;
    cr_assert_eq(jzx_timer_cancel(context, message->ref, &back), JZX_OK);
    cr_assert_eq(back.pointer.data, message->pointer.data);
    (void)test_payload_take(&r->ledger, &back);
    return JZX_BEHAVIOR_OK;
}

Test(timer, M33_a_beat_can_be_cancelled_in_its_own_handler, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    r.actor.on = cancel_own_beat;
    test_do(&r.world, &r.actor, start_owned_beat, NULL);
    test_until(&r.world, r.count >= 1);
    test_world_settle(&r.world);
    cr_assert_eq(r.count, 1);
    cr_assert_eq(timers_held(&r.world), 0);
    test_world_close(&r.world);
    cr_assert(r.ledger.taken == 1 && r.ledger.dropped == 0);
}

static jzx_behavior_result burst_until_third(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    rig *r = rig_of(actor);
    r->count++;
    if (r->count == 1) {
        test_clock_pass(r->before - test_now_ns());
    }
    if (r->count == 3) { /* more ticks of it are due and wait */
        cr_assert_eq(jzx_timer_cancel(context, message->ref, NULL), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(timer, M33_a_burst_ends_where_it_is_cancelled, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    test_clock_steps(10000);
    r.actor.on = burst_until_third;
    beat b = {5 * MS, JZX_TICKS_BURST};
    test_do(&r.world, &r.actor, start_beat, &b);
    r.before = next_due(&r.world) + 10 * b.period_ns;
    test_until(&r.world, r.count >= 3);
    test_world_settle(&r.world);
    cr_assert_eq(r.count, 3);
    cr_assert_eq(timers_held(&r.world), 0);
    test_world_close(&r.world);
}

static jzx_behavior_result cancel_foreign(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    cr_assert_eq(jzx_timer_cancel(context, *(const jzx_timer_id *)argument, NULL), JZX_ERR_TIMER_INVALID);
    return JZX_BEHAVIOR_OK;
}

Test(timer, P14_another_s_timer_and_numbers_nobody_has_are_invalid, .timeout = 30)
{
    static rig r;
    memset(&r, 0, sizeof r);
    test_world_open(&r.world, 2, NULL);
    r.actor.data = &r;
    test_actor neighbour = {.data = &r};
    static rig far_rig;
    test_actor far = {.data = &far_rig};
    test_spawn(&r.world, 0, &r.actor);
    test_spawn(&r.world, 0, &neighbour);
    test_spawn(&r.world, 1, &far);
    uint64_t delay_ns = 3600 * 1000 * MS;
    test_do(&r.world, &r.actor, start_owned, &delay_ns);
    test_do(&r.world, &far, start_owned, &delay_ns); /* the same slot and the same indexes on another loop */
    test_do(&r.world, &neighbour, cancel_foreign, &r.ids[0]);
    test_do(&r.world, &far, cancel_foreign, &r.ids[0]);
    test_do(&r.world, &r.actor, cancel_foreign, &far_rig.ids[0]);
    jzx_timer_id strangers[] = {0, UINT64_MAX, r.ids[0] + 1, r.ids[0] + (1ull << 32), r.ids[9] + (1ull << 32)};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        if (strangers[i] != r.ids[1]) {
            test_do(&r.world, &r.actor, cancel_foreign, &strangers[i]);
        }
    }
    jzx_message message;
    test_do(&r.world, &r.actor, cancel_one, &message);
    cr_assert_eq(r.err, JZX_OK, "none of that touched it");
    (void)test_payload_take(&r.ledger, &message);
    test_do(&r.world, &r.actor, cancel_foreign, &r.ids[0]); /* stale */
    test_world_close(&r.world);
    cr_assert_eq(r.ledger.dropped + far_rig.ledger.dropped, 19);
}

/* ---- ends ---- */

static jzx_behavior_result start_thousand(jzx_context *context, test_actor *actor, void *argument)
{
    rig *r = rig_of(actor);
    (void)argument;
    for (int i = 0; i < 1000; i++) {
        jzx_message message = test_payload(&r->ledger, 1, 32);
        jzx_err err = i % 3 == 0 ? jzx_timer_every(context, 3600 * 1000 * MS, JZX_TICKS_SKIP, &message, NULL)
                                 : jzx_timer_after(context, i % 3 == 1 ? 0 : 3600 * 1000 * MS, &message, NULL);
        cr_assert_eq(err, JZX_OK);
    }
    return JZX_BEHAVIOR_STOP; /* it dies with some due, some not */
}

Test(timer, D24_a_thousand_timers_end_with_their_actor, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    test_do(&r.world, &r.actor, start_thousand, NULL);
    test_until(&r.world, r.actor.finis == 1);
    cr_assert_eq(timers_held(&r.world), 0);
    cr_assert_eq(next_due(&r.world), JZX_FOREVER);
    cr_assert(r.ledger.dropped == 1000 && r.ledger.twice == 0);
    test_world_close(&r.world);
    cr_assert_eq(r.count, 0);
}

static jzx_err init_with_timers(jzx_context *context, test_actor *actor)
{
    uint64_t delay_ns = 0;
    (void)start_owned(context, actor, &delay_ns);
    return actor->init_result;
}

Test(timer, D22_timers_of_a_runtime_that_never_ran_are_destroyed, .timeout = 30)
{
    static rig r;
    memset(&r, 0, sizeof r);
    test_world_open(&r.world, 1, NULL);
    r.actor.data = &r;
    r.actor.on_init = init_with_timers;
    test_spawn(&r.world, 0, &r.actor);
    test_world_close(&r.world);
    cr_assert(r.ledger.dropped == 10 && r.actor.received == 0 && r.actor.finis == 1);
}

Test(timer, timers_of_an_init_that_fails_are_destroyed, .timeout = 30)
{
    static rig r;
    memset(&r, 0, sizeof r);
    test_world_open(&r.world, 1, NULL);
    r.actor.data = &r;
    r.actor.on_init = init_with_timers;
    r.actor.init_result = JZX_ERR_LIMIT;
    jzx_spawn_options options;
    test_actor_options(&r.actor, &options);
    jzx_actor_id id = 5;
    cr_assert_eq(jzx_spawn(jzx_loop_context(r.world.loops[0]), &options, &id), JZX_ERR_INIT);
    cr_assert_eq(id, 5);
    test_world_settle(&r.world);
    cr_assert(r.ledger.dropped == 10 && r.actor.received == 0 && r.actor.finis == 0);
    cr_assert_eq(timers_held(&r.world), 0);
    test_world_close(&r.world);
}

/* ---- under load ---- */

static jzx_behavior_result fill_own_mailbox(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    jzx_message message = jzx_message_empty(2);
    while (jzx_send(context, actor->id, &message) == JZX_OK) {
    }
    (void)start_now(context, actor, NULL);
    (void)start_now(context, actor, NULL);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result count_timers(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    rig_of(actor)->count += (message->flags & JZX_MESSAGE_TIMER) != 0;
    return JZX_BEHAVIOR_OK;
}

Test(timer, D16_a_full_mailbox_loses_no_timer, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    r.actor.on = count_timers;
    test_do(&r.world, &r.actor, fill_own_mailbox, NULL);
    test_world_settle(&r.world);
    cr_assert_eq(r.count, 2);
    cr_assert_eq(r.actor.received, 256 + 2, "the whole mailbox and both timers");
    test_world_close(&r.world);
}

static jzx_behavior_result take_all_cells(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    const test_actor *others = argument;
    jzx_message message = jzx_message_empty(2);
    for (int i = 0; i < 40; i++) {
        while (jzx_send(context, others[i].id, &message) == JZX_OK) {
        }
    }
    return start_now(context, actor, NULL);
}

Test(timer, D16_a_timer_fires_without_a_free_cell, .timeout = 30)
{
    static rig r;
    static test_actor others[40];
    rig_open(&r);
    for (int i = 0; i < 40; i++) {
        test_spawn(&r.world, 0, &others[i]);
    }
    test_do(&r.world, &r.actor, take_all_cells, others);
    cr_assert_gt(test_count(&r.world, offsetof(jzx_counters, refused_block)), 0, "cells had run out");
    test_until(&r.world, r.count == 1);
    test_world_close(&r.world);
}

static jzx_behavior_result start_beats(jzx_context *context, test_actor *actor, void *argument)
{
    rig *r = rig_of(actor);
    (void)argument;
    for (int i = 0; i < 100; i++) {
        jzx_message message = jzx_message_empty(1);
        cr_assert_eq(jzx_timer_every(context, 10000 + (uint64_t)i, JZX_TICKS_BURST, &message, &r->ids[i]), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(timer, D15_nothing_is_allocated_when_timers_fire, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    test_do(&r.world, &r.actor, start_beats, NULL);
    uint64_t calls = atomic_load(&r.world.memory[JZX_MEMORY_METADATA].calls);
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) { /* nothing would be had either */
        atomic_store(&r.world.memory[i].fail_at, 1);
        r.world.memory[i].fail_after = true;
    }
    test_until(&r.world, atomic_load(&r.actor.received) > 20000);
    cr_assert_eq(atomic_load(&r.world.memory[JZX_MEMORY_METADATA].calls), calls);
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        atomic_store(&r.world.memory[i].fail_at, 0);
    }
    test_world_close(&r.world);
}

Test(timer, P20_after_a_pause_all_that_are_due_fire_and_mail_goes_on, .timeout = 100)
{
    static rig r;
    rig_open(&r);
    test_do(&r.world, &r.actor, start_beats, NULL); /* 100 timers, 100,000 ticks a second each */
    test_actor quiet = {0};
    test_spawn(&r.world, 0, &quiet);
    for (uint32_t i = 0; i < 100; i++) {
        test_send(&r.world, &quiet, 1);
        test_world_step(&r.world);
        test_world_step(&r.world);
        cr_assert_geq(quiet.received, i, "a storm of timers starves nobody");
    }
    test_world_close(&r.world);
}

/* ---- limits and wrong arguments ---- */

static jzx_behavior_result start_to_the_limit(jzx_context *context, test_actor *actor, void *argument)
{
    rig *r = rig_of(actor);
    uint32_t limit = *(const uint32_t *)argument;
    for (uint32_t i = 0; i < limit; i++) {
        jzx_message message = jzx_message_empty(1);
        cr_assert_eq(jzx_timer_after(context, 3600 * 1000 * MS, &message, &r->ids[i]), JZX_OK);
    }
    jzx_message message = test_payload(&r->ledger, 1, 32);
    jzx_timer_id id = 99;
    cr_assert_eq(jzx_timer_after(context, 0, &message, &id), JZX_ERR_LIMIT);
    cr_assert_eq(jzx_timer_at(context, 0, &message, &id), JZX_ERR_LIMIT);
    cr_assert_eq(jzx_timer_every(context, MS, JZX_TICKS_SKIP, &message, &id), JZX_ERR_LIMIT);
    cr_assert_eq(id, 99);
    cr_assert_eq(jzx_timer_cancel(context, r->ids[limit / 2], NULL), JZX_OK);
    cr_assert_eq(jzx_timer_after(context, 3600 * 1000 * MS, &message, &id), JZX_OK, "the payload was still ours");
    return JZX_BEHAVIOR_OK;
}

Test(timer, M35_the_limit_is_exact_and_frees_again, .timeout = 30)
{
    jzx_config config;
    test_config(&config);
    config.timers_max = 300;
    static rig r;
    rig_open_with(&r, &config);
    uint32_t limit = 300;
    test_do(&r.world, &r.actor, start_to_the_limit, &limit);
    test_world_close(&r.world);
    cr_assert_eq(r.ledger.dropped, 1);
}

static jzx_behavior_result start_without_memory(jzx_context *context, test_actor *actor, void *argument)
{
    rig *r = rig_of(actor);
    test_memory *memory = argument;
    jzx_message message = test_payload(&r->ledger, 1, 32);
    jzx_timer_id id = 99;
    atomic_store(&memory->fail_at, atomic_load(&memory->calls) + 1);
    cr_assert_eq(jzx_timer_after(context, 0, &message, &id), JZX_ERR_NO_MEMORY);
    cr_assert(id == 99 && test_ledger_open(&r->ledger) == 1);
    cr_assert_eq(jzx_timer_after(context, 0, &message, &id), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(timer, P16_no_memory_for_a_timer_changes_nothing, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    r.actor.ledger = &r.ledger;
    test_do(&r.world, &r.actor, start_without_memory, &r.world.memory[JZX_MEMORY_METADATA]);
    test_until(&r.world, r.count == 1);
    test_world_close(&r.world);
    cr_assert_eq(r.ledger.taken, 1);
}

static void check_refused(jzx_context *context, const jzx_message *message, jzx_err expected)
{
    jzx_timer_id id = 99;
    cr_assert_eq(jzx_timer_after(context, 0, message, &id), expected);
    cr_assert_eq(jzx_timer_at(context, 0, message, &id), expected);
    cr_assert_eq(jzx_timer_every(context, MS, JZX_TICKS_SKIP, message, &id), expected);
    cr_assert_eq(id, 99);
}

static jzx_behavior_result refuse_all(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    (void)actor;
    jzx_message good = jzx_message_empty(1);
    jzx_message bad = good;
    jzx_timer_id id = 99;
    check_refused(NULL, &good, JZX_ERR_INVALID_ARG);
    check_refused(context, NULL, JZX_ERR_INVALID_ARG);
    check_refused(jzx_loop_context(jzx_context_loop(context)), &good, JZX_ERR_INVALID_ARG);
    bad.tag = JZX_TAG_RESERVED;
    check_refused(context, &bad, JZX_ERR_INVALID_ARG);
    bad.tag = UINT32_MAX;
    check_refused(context, &bad, JZX_ERR_INVALID_ARG);
    bad = good;
    bad.size = JZX_INLINE_MAX + 1;
    check_refused(context, &bad, JZX_ERR_INVALID_ARG);
    bad = jzx_message_pointer(1, NULL, 8, NULL, NULL);
    check_refused(context, &bad, JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_timer_every(context, 0, JZX_TICKS_SKIP, &good, &id), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_timer_every(context, MS, (jzx_missed_ticks)3, &good, &id), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_timer_every(context, MS, (jzx_missed_ticks)-1, &good, &id), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_timer_cancel(NULL, id, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_timer_cancel(jzx_loop_context(jzx_context_loop(context)), id, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(id, 99);
    return JZX_BEHAVIOR_OK;
}

static void refuse_elsewhere(void *argument)
{
    jzx_context *context = argument;
    jzx_message good = jzx_message_empty(1);
    check_refused(context, &good, JZX_ERR_WRONG_THREAD);
    cr_assert_eq(jzx_timer_cancel(context, 1, NULL), JZX_ERR_WRONG_THREAD);
}

static void fini_refuses(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    rig *r = rig_of(actor);
    jzx_message good = jzx_message_empty(1);
    check_refused(context, &good, JZX_ERR_STOPPING);
    r->err = jzx_timer_cancel(context, r->ids[0], NULL); /* what it has it may still give up */
}

Test(timer, every_wrong_argument_is_refused_and_changes_nothing, .timeout = 30)
{
    static rig r;
    rig_open(&r);
    r.actor.on_fini = fini_refuses;
    test_do(&r.world, &r.actor, refuse_all, NULL);
    test_on_thread(refuse_elsewhere, jzx_loop_context(r.world.loops[0]));
    cr_assert_eq(timers_held(&r.world), 0);
    uint64_t delay_ns = 3600 * 1000 * MS;
    test_do(&r.world, &r.actor, start_owned, &delay_ns);
    r.err = JZX_ERR_UNKNOWN;
    test_world_close(&r.world);
    cr_assert_eq(r.err, JZX_OK);
    cr_assert(r.ledger.dropped == 10 && r.ledger.twice == 0);
}
