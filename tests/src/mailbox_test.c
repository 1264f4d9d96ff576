/* mailbox_test: caps, policies, fullness seen from other loops, and the notice that sending may go on. */
#include "tests/support/support.h"

#include <string.h>

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

static uint64_t dropped(const test_world *world, jzx_drop_reason reason)
{
    return test_count(world, offsetof(jzx_counters, dropped) + reason * sizeof(uint64_t));
}

/* An actor that handles nothing until its gate is open. */
static jzx_behavior_result gated(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)message;
    return actor->data == NULL ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

static void open_gate(test_actor *actor)
{
    actor->data = actor;
}

static void spawn_gated(test_world *world, uint32_t loop, test_actor *actor, uint32_t cap, uint32_t bytes,
                        jzx_mailbox_policy policy)
{
    jzx_spawn_options options;
    actor->on = gated;
    test_actor_options(actor, &options);
    options.mailbox_cap = cap;
    options.mailbox_bytes = bytes;
    options.mailbox_policy = (uint8_t)policy;
    test_spawn_with(world, loop, actor, &options);
}

/* Sends a payload; what is refused is taken back. */
static jzx_err send_payload(test_world *world, test_actor *to, uint32_t tag, size_t size)
{
    jzx_message message = test_payload(to->ledger, tag, size);
    jzx_message copy = message;
    jzx_err err = jzx_send(host_of(world, jzx_actor_loop(to->id)), to->id, &message);
    cr_assert_arr_eq(&message, &copy, sizeof message, "the caller's message is untouched");
    if (err != JZX_OK) {
        test_payload_take(to->ledger, &message);
    }
    return err;
}

/* ---- refuse ---- */

Test(mailbox, M04_a_cap_of_1_holds_1, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_observer observer = {0};
    test_observe(&world, 0, &observer);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    spawn_gated(&world, 0, &actor, 1, 0, JZX_MAILBOX_REFUSE);
    cr_assert_eq(send_payload(&world, &actor, 1, 50), JZX_OK);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(send_payload(&world, &actor, 2, 50), JZX_ERR_MAILBOX_FULL);
    }
    cr_assert_eq(observer.fulls, 1, "told once each time it becomes full, not %u times", observer.fulls);
    cr_assert_eq(observer.full_target, actor.id);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, refused_full)), 3);
    open_gate(&actor);
    test_until(&world, actor.received == 1);
    cr_assert_eq(send_payload(&world, &actor, 3, 50), JZX_OK);
    cr_assert_eq(send_payload(&world, &actor, 4, 50), JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(observer.fulls, 2);
    test_world_close(&world);
    cr_assert_eq(test_ledger_open(&ledger), 0);
    cr_assert_eq(ledger.twice, 0);
}

Test(mailbox, MB01_the_cap_is_exact_on_its_own_loop, .timeout = 60)
{
    for (uint32_t cap = 1; cap <= 40; cap++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_ledger ledger = {0};
        test_actor actor = {.ledger = &ledger};
        spawn_gated(&world, 0, &actor, cap, 0, JZX_MAILBOX_REFUSE);
        for (uint32_t i = 0; i < cap; i++) {
            cr_assert_eq(send_payload(&world, &actor, i, 8), JZX_OK, "%u of %u", i, cap);
        }
        cr_assert_eq(send_payload(&world, &actor, 99, 8), JZX_ERR_MAILBOX_FULL);
        test_world_step(&world); /* a yield keeps its message and its place */
        cr_assert_eq(send_payload(&world, &actor, 99, 8), JZX_ERR_MAILBOX_FULL);
        open_gate(&actor);
        test_until(&world, actor.received == cap);
        for (uint32_t i = 0; i < cap; i++) {
            cr_assert_eq(actor.log[i].tag, i);
        }
        test_world_close(&world);
    }
}

Test(mailbox, MB07_the_byte_cap_is_exact_and_counts_pointers_only, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    spawn_gated(&world, 0, &actor, 0, 100, JZX_MAILBOX_REFUSE);
    cr_assert_eq(send_payload(&world, &actor, 1, 60), JZX_OK);
    cr_assert_eq(send_payload(&world, &actor, 2, 41), JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(send_payload(&world, &actor, 3, 40), JZX_OK);
    cr_assert_eq(send_payload(&world, &actor, 4, 8), JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(send_payload(&world, &actor, 5, 101), JZX_ERR_TOO_BIG, "it will never fit");
    uint8_t value[32] = {0};
    jzx_message message = jzx_message_value(6, value, 32);
    cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_OK, "a value takes none of it");
    open_gate(&actor);
    test_until(&world, actor.received == 3);
    cr_assert_eq(send_payload(&world, &actor, 7, 100), JZX_OK, "all of it has come back");
    test_world_close(&world);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

static void forget(void *context, void *data, size_t size)
{
    (void)data;
    (void)size;
    ++*(unsigned *)context;
}

Test(mailbox, M02_a_payload_of_SIZE_MAX_does_not_wrap_the_byte_cap, .timeout = 60)
{
    for (unsigned policy = JZX_MAILBOX_REFUSE; policy <= JZX_MAILBOX_DROP_OLDEST; policy++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_ledger ledger = {0};
        test_actor actor = {.ledger = &ledger};
        spawn_gated(&world, 0, &actor, 0, 100, (jzx_mailbox_policy)policy);
        cr_assert_eq(send_payload(&world, &actor, 1, 60), JZX_OK);
        unsigned forgotten = 0;
        jzx_message message = jzx_message_pointer(2, &world, SIZE_MAX, forget, &forgotten);
        jzx_err err = jzx_send(host_of(&world, 0), actor.id, &message);
        cr_assert_eq(err, policy == JZX_MAILBOX_REFUSE ? JZX_ERR_TOO_BIG : JZX_OK, "%s", jzx_strerror(err));
        cr_assert_eq(forgotten, policy != JZX_MAILBOX_REFUSE, "it can never be held, so it is what is dropped");
        cr_assert_eq(ledger.dropped, 0, "nothing has to go for it");
        open_gate(&actor);
        test_until(&world, actor.received == 1);
        test_world_close(&world);
    }
}

static jzx_behavior_result fill_myself(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    jzx_err *err = actor->data;
    jzx_message again = jzx_message_empty(message->tag + 1);
    if (message->tag < 10) {
        cr_assert_eq(jzx_send(context, jzx_self(context), &again), JZX_OK, "its own message has left the mailbox");
        *err = jzx_send(context, jzx_self(context), &again);
    }
    return JZX_BEHAVIOR_OK;
}

Test(mailbox, M09_send_to_self_is_handled_later_and_may_be_refused, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_err err = JZX_OK;
    test_actor actor = {.on = fill_myself, .data = &err};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.mailbox_cap = 1;
    test_spawn_with(&world, 0, &actor, &options);
    test_send(&world, &actor, 0);
    test_until(&world, actor.received == 11);
    cr_assert_eq(err, JZX_ERR_MAILBOX_FULL);
    test_world_close(&world);
}

/* ---- drop ---- */

Test(mailbox, MB02_drop_newest_accepts_and_destroys, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_observer observer = {0};
    test_observe(&world, 0, &observer);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    spawn_gated(&world, 0, &actor, 3, 0, JZX_MAILBOX_DROP_NEWEST);
    for (uint32_t i = 0; i < 7; i++) {
        cr_assert_eq(send_payload(&world, &actor, i, 8), JZX_OK);
    }
    cr_assert_eq(ledger.dropped, 4);
    cr_assert_eq(ledger.order[0], 3, "the first that found no room");
    cr_assert_eq(dropped(&world, JZX_DROP_NEWEST), 4);
    cr_assert_eq(observer.dead[JZX_DROP_NEWEST], 4);
    cr_assert_eq(observer.dead_tag, 6);
    cr_assert_eq(observer.fulls, 1);
    open_gate(&actor);
    test_until(&world, actor.received == 3);
    cr_assert_eq(actor.log[2].tag, 2);
    test_world_close(&world);
}

Test(mailbox, MB03_drop_oldest_slides, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_observer observer = {0};
    test_observe(&world, 0, &observer);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    spawn_gated(&world, 0, &actor, 3, 0, JZX_MAILBOX_DROP_OLDEST);
    for (uint32_t i = 0; i < 7; i++) {
        cr_assert_eq(send_payload(&world, &actor, i, 8), JZX_OK);
    }
    cr_assert_eq(ledger.dropped, 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(ledger.order[i], i);
    }
    cr_assert_eq(dropped(&world, JZX_DROP_OLDEST), 4);
    cr_assert_eq(observer.dead[JZX_DROP_OLDEST], 4);
    open_gate(&actor);
    test_until(&world, actor.received == 3);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(actor.log[i].tag, 4 + i);
    }
    test_world_close(&world);
}

Test(mailbox, MB07_drop_oldest_makes_room_for_all_the_bytes, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    spawn_gated(&world, 0, &actor, 100, 100, JZX_MAILBOX_DROP_OLDEST);
    for (uint32_t i = 0; i < 10; i++) {
        cr_assert_eq(send_payload(&world, &actor, i, 10), JZX_OK);
    }
    cr_assert_eq(ledger.dropped, 0);
    cr_assert_eq(send_payload(&world, &actor, 10, 75), JZX_OK);
    cr_assert_eq(ledger.dropped, 8, "75 bytes need 8 places of 10, not one");
    open_gate(&actor);
    test_until(&world, actor.received == 3);
    cr_assert_eq(actor.log[0].tag, 8);
    cr_assert_eq(actor.log[2].tag, 10);
    test_world_close(&world);
}

Test(mailbox, drop_policies_hold_for_mail_of_other_loops_too, .timeout = 60)
{
    for (unsigned policy = JZX_MAILBOX_DROP_NEWEST; policy <= JZX_MAILBOX_DROP_OLDEST; policy++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        test_actor actor = {.ledger = &ledger};
        spawn_gated(&world, 1, &actor, 4, 0, (jzx_mailbox_policy)policy);
        for (uint32_t i = 0; i < 50; i++) {
            jzx_message message = test_payload(&ledger, i, 8);
            cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_OK, "never refused for a full mailbox");
            if (i % 10 == 9) {
                test_world_step(&world);
                test_world_step(&world);
            }
        }
        cr_assert_eq(dropped(&world, policy == JZX_MAILBOX_DROP_NEWEST ? JZX_DROP_NEWEST : JZX_DROP_OLDEST), 46);
        open_gate(&actor);
        test_until(&world, actor.received == 4);
        cr_assert_eq(actor.log[0].tag, policy == JZX_MAILBOX_DROP_NEWEST ? 0 : 46);
        test_world_close(&world);
        cr_assert_eq(ledger.dropped, 46);
    }
}

/* ---- full, as seen from other loops ---- */

static uint32_t send_far(test_world *world, const test_actor *to, uint32_t count, jzx_err *last)
{
    jzx_message message = jzx_message_empty(1);
    uint32_t accepted = 0;
    *last = JZX_OK;
    for (uint32_t i = 0; i < count && *last == JZX_OK; i++) {
        *last = jzx_send(host_of(world, 0), to->id, &message);
        accepted += *last == JZX_OK;
    }
    return accepted;
}

static void settle_yields(test_world *world)
{
    for (unsigned i = 0; i < 6; i++) {
        test_world_step(world); /* the gated one yields for ever, so the world never rests */
    }
}

Test(mailbox, A5_others_see_it_full_from_the_high_mark_to_the_low_one, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    spawn_gated(&world, 1, &actor, 16, 0, JZX_MAILBOX_REFUSE); /* marks at 12 and 8 */
    jzx_err err;
    cr_assert_eq(send_far(&world, &actor, 11, &err), 11);
    settle_yields(&world);
    cr_assert_eq(send_far(&world, &actor, 1, &err), 1, "11 of 16 is not full");
    settle_yields(&world);
    cr_assert_eq(send_far(&world, &actor, 1, &err), 0);
    cr_assert_eq(err, JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, refused_full)), 1);
    /* On its own loop the cap alone counts. */
    jzx_message message = jzx_message_empty(1);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(jzx_send(host_of(&world, 1), actor.id, &message), JZX_OK);
    }
    cr_assert_eq(jzx_send(host_of(&world, 1), actor.id, &message), JZX_ERR_MAILBOX_FULL);
    open_gate(&actor);
    test_until(&world, actor.received == 16);
    cr_assert_eq(send_far(&world, &actor, 1, &err), 1);
    test_world_close(&world);
}

/* Handles one message for each permit, and what the runtime says without. */
static jzx_behavior_result by_permit(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    uint32_t *permits = actor->data;
    if (message->tag >= JZX_TAG_RESERVED) {
        return JZX_BEHAVIOR_OK;
    }
    if (*permits == 0) {
        return JZX_BEHAVIOR_YIELD;
    }
    --*permits;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result ask_resume(jzx_context *context, test_actor *actor, void *argument)
{
    struct {
        jzx_actor_id to;
        jzx_err err;
    } *ask = argument;
    (void)actor;
    ask->err = jzx_resume(context, ask->to);
    return JZX_BEHAVIOR_OK;
}

static void fill_up(test_world *world, const test_actor *actor, uint32_t cap)
{
    for (uint32_t i = 0; i < cap; i++) {
        test_send(world, actor, 1);
    }
    settle_yields(world);
}

typedef struct asking {
    jzx_actor_id to;
    jzx_err err;
} asking;

static jzx_actor_id resumed_of(const test_actor *actor, uint32_t nth)
{
    const jzx_message *message = test_tagged(actor, JZX_TAG_SYS_RESUME, nth);
    cr_assert_not_null(message);
    cr_assert_eq(message->size, sizeof(jzx_resumed));
    jzx_resumed resumed;
    memcpy(&resumed, message->bytes, sizeof resumed);
    return resumed.target;
}

static void resume_at_the_low_mark(uint32_t from)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    uint32_t permits = 0;
    test_actor target = {.on = by_permit, .data = &permits};
    jzx_spawn_options options;
    test_actor_options(&target, &options);
    options.mailbox_cap = 16;
    test_spawn_with(&world, 1, &target, &options);
    test_actor asker = {0};
    test_spawn(&world, from, &asker);
    jzx_message message = jzx_message_empty(1);
    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(jzx_send(host_of(&world, 1), target.id, &message), JZX_OK);
    }
    settle_yields(&world);
    asking ask = {.to = target.id};
    for (unsigned i = 0; i < 3; i++) {
        test_do(&world, &asker, ask_resume, &ask);
        cr_assert_eq(ask.err, JZX_OK);
    }
    settle_yields(&world);
    cr_assert_eq(asker.received, 0);
    permits = 6;
    test_until(&world, target.received == 6);
    settle_yields(&world);
    cr_assert_eq(asker.received, 0, "10 of 16 are left, 9 while one is being handled");
    permits = 1;
    test_until(&world, asker.received == 1);
    cr_assert_eq(resumed_of(&asker, 0), target.id);
    cr_assert_eq(asker.log[0].sender, 0);
    permits = 9;
    test_until(&world, target.received == 16);
    test_world_settle(&world);
    cr_assert_eq(asker.received, 1, "asked three times, told once");
    test_world_close(&world);
}

Test(mailbox, MB01_one_resume_notice_when_there_is_room_again, .timeout = 60)
{
    resume_at_the_low_mark(0);
    resume_at_the_low_mark(1);
}

Test(mailbox, a_resume_is_answered_at_once_when_nothing_is_in_the_way, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor asker = {0};
        test_actor targets[2] = {0};
        test_spawn(&world, 0, &asker);
        test_spawn(&world, place, &targets[0]);
        test_spawn(&world, place, &targets[1]);
        asking ask = {.to = targets[0].id};
        test_do(&world, &asker, ask_resume, &ask);
        test_until(&world, test_tags(&asker, JZX_TAG_SYS_RESUME) == 1);
        cr_assert_eq(resumed_of(&asker, 0), targets[0].id);
        /* One that has ended. */
        cr_assert_eq(jzx_kill(host_of(&world, place), targets[0].id), JZX_OK);
        test_until(&world, targets[0].finis == 1);
        test_do(&world, &asker, ask_resume, &ask);
        test_until(&world, test_tags(&asker, JZX_TAG_SYS_RESUME) == 2);
        /* One whose loop has stopped. */
        cr_assert_eq(jzx_loop_request_stop(world.loops[1]), JZX_OK);
        test_world_settle(&world);
        ask.to = targets[1].id;
        test_do(&world, &asker, ask_resume, &ask);
        test_until(&world, test_tags(&asker, JZX_TAG_SYS_RESUME) == 3);
        cr_assert_eq(resumed_of(&asker, 2), targets[1].id);
        test_world_close(&world);
    }
}

Test(mailbox, a_resume_is_answered_when_the_full_one_ends, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor askers[5] = {0};
        test_actor target = {0};
        spawn_gated(&world, place, &target, 8, 0, JZX_MAILBOX_REFUSE);
        fill_up(&world, &target, 8);
        asking ask = {.to = target.id};
        for (unsigned i = 0; i < 5; i++) {
            test_spawn(&world, 0, &askers[i]);
            test_do(&world, &askers[i], ask_resume, &ask);
            cr_assert_eq(ask.err, JZX_OK);
        }
        settle_yields(&world);
        cr_assert_eq(jzx_kill(host_of(&world, 0), askers[4].id), JZX_OK); /* one does not live to see it */
        test_until(&world, askers[4].finis == 1);
        cr_assert_eq(jzx_kill(host_of(&world, place), target.id), JZX_OK);
        for (unsigned i = 0; i < 4; i++) {
            test_until(&world, askers[i].received == 1);
            cr_assert_eq(resumed_of(&askers[i], 0), target.id);
        }
        test_world_settle(&world);
        cr_assert_eq(askers[4].received, 0);
        test_world_close(&world);
    }
}

Test(mailbox, M01_resume_refuses_ids_that_cannot_be, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor asker = {0};
    test_spawn(&world, 0, &asker);
    const jzx_actor_id ids[] = {0, 1ull << 32, 2ull << 56 | 1, UINT64_MAX, 1ull << 56};
    for (unsigned i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        asking ask = {.to = ids[i]};
        test_do(&world, &asker, ask_resume, &ask);
        cr_expect_eq(ask.err, JZX_ERR_INVALID_ARG, "%llx: %s", (unsigned long long)ids[i], jzx_strerror(ask.err));
    }
    test_world_close(&world);
}

Test(mailbox, A5_one_that_yields_stays_full_for_others, .timeout = 60)
{
    for (uint32_t cap = 1; cap <= 4; cap++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor actor = {0};
        spawn_gated(&world, 1, &actor, cap, 0, JZX_MAILBOX_REFUSE);
        fill_up(&world, &actor, cap);
        cr_assert_gt(actor.yields, 2);
        jzx_err err;
        cr_assert_eq(send_far(&world, &actor, 1, &err), 0, "a mailbox of %u", cap);
        cr_assert_eq(err, JZX_ERR_MAILBOX_FULL);
        test_world_close(&world);
    }
}

Test(mailbox, A5_one_that_yields_stays_full_of_bytes_for_others, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    spawn_gated(&world, 1, &actor, 64, 1000, JZX_MAILBOX_REFUSE);
    cr_assert_eq(send_payload(&world, &actor, 1, 900), JZX_OK);
    settle_yields(&world);
    cr_assert_gt(actor.yields, 2);
    jzx_err err;
    cr_assert_eq(send_far(&world, &actor, 1, &err), 0);
    cr_assert_eq(err, JZX_ERR_MAILBOX_FULL);
    test_world_close(&world);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

Test(mailbox, a_freed_slot_is_not_full_for_its_next_owner, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.actors_max = 1;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor full = {0};
    spawn_gated(&world, 1, &full, 2, 0, JZX_MAILBOX_REFUSE);
    jzx_err err;
    cr_assert_eq(send_far(&world, &full, 2, &err), 2);
    settle_yields(&world);
    cr_assert_eq(send_far(&world, &full, 1, &err), 0);
    cr_assert_eq(err, JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(jzx_kill(host_of(&world, 1), full.id), JZX_OK);
    test_until(&world, full.finis == 1);
    test_actor next = {0};
    test_spawn(&world, 1, &next);
    cr_assert_eq(next.id >> 32, full.id >> 32);
    cr_assert_eq(send_far(&world, &next, 1, &err), 1);
    test_until(&world, next.received == 1);
    test_world_close(&world);
}

Test(mailbox, P17_a_full_mailbox_keeps_no_notice_out, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    uint32_t permits = 0;
    test_actor asker = {.on = by_permit, .data = &permits};
    jzx_spawn_options options;
    test_actor_options(&asker, &options);
    options.mailbox_cap = 1;
    test_spawn_with(&world, 0, &asker, &options);
    test_actor target = {0};
    spawn_gated(&world, 0, &target, 8, 0, JZX_MAILBOX_REFUSE);
    fill_up(&world, &target, 8);
    asking ask = {.to = target.id};
    test_do(&world, &asker, ask_resume, &ask);
    test_send(&world, &asker, 9); /* full */
    jzx_message message = jzx_message_empty(9);
    cr_assert_eq(jzx_send(host_of(&world, 0), asker.id, &message), JZX_ERR_MAILBOX_FULL);
    open_gate(&target);
    test_until(&world, asker.received == 1);
    permits = 1;
    test_until(&world, asker.received == 2);
    cr_assert_eq(test_tags(&asker, JZX_TAG_SYS_RESUME), 1);
    cr_assert_eq(test_tags(&asker, 9), 1);
    /* And it can be ended. */
    test_send(&world, &asker, 9);
    settle_yields(&world);
    cr_assert_eq(jzx_kill(host_of(&world, 0), asker.id), JZX_OK);
    test_until(&world, asker.finis == 1);
    test_world_close(&world);
}

/* ---- room in lanes and cells ---- */

typedef struct sender {
    jzx_actor_id to;
    jzx_err refusal;
    jzx_err asked;
    uint32_t accepted;
} sender;

static jzx_behavior_result send_until_refused(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    sender *s = argument;
    jzx_message message = jzx_message_empty(1);
    while ((s->refusal = jzx_send(context, s->to, &message)) == JZX_OK) {
        s->accepted++;
    }
    s->asked = jzx_resume(context, s->to);
    return JZX_BEHAVIOR_OK;
}

Test(mailbox, MB01_a_resume_after_a_full_lane, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.mailbox_cap = 1024;
    config.lane_blocks = 2;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor source = {0};
    test_actor target = {0};
    test_spawn(&world, 0, &source);
    test_spawn(&world, 1, &target);
    sender s = {.to = target.id};
    test_do(&world, &source, send_until_refused, &s);
    cr_assert_eq(s.refusal, JZX_ERR_WOULD_BLOCK);
    cr_assert_eq(s.asked, JZX_OK);
    cr_assert_geq(s.accepted, 126);
    test_until(&world, test_tags(&source, JZX_TAG_SYS_RESUME) == 1);
    cr_assert_eq(resumed_of(&source, 0), target.id);
    s.asked = JZX_ERR_UNKNOWN;
    uint32_t before = s.accepted;
    test_do(&world, &source, send_until_refused, &s);
    cr_assert_gt(s.accepted, before, "the notice was no empty promise");
    test_until(&world, target.received == s.accepted);
    test_world_close(&world);
}

Test(mailbox, MB01_a_resume_after_running_out_of_cells, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.cells = 1024;
    config.inbox_size = 16;
    config.lane_blocks = 2;
    config.mailbox_cap = 128;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor source = {0};
    test_actor targets[9] = {0};
    test_spawn(&world, 0, &source);
    for (unsigned i = 0; i < 9; i++) {
        spawn_gated(&world, 0, &targets[i], 128, 0, JZX_MAILBOX_REFUSE);
    }
    sender s = {0};
    for (unsigned i = 0; i < 9 && s.refusal != JZX_ERR_WOULD_BLOCK; i++) {
        s.to = targets[i].id;
        jzx_message message = jzx_message_empty(1);
        while ((s.refusal = jzx_send(host_of(&world, 0), s.to, &message)) == JZX_OK) {
            s.accepted++;
        }
    }
    cr_assert_eq(s.refusal, JZX_ERR_WOULD_BLOCK);
    open_gate(&targets[0]); /* frees a few, for the errand and its answer */
    test_until(&world, targets[0].received == 128);
    asking ask = {.to = s.to};
    test_do(&world, &source, ask_resume, &ask);
    cr_assert_eq(ask.err, JZX_OK);
    for (unsigned i = 1; i < 9; i++) {
        open_gate(&targets[i]);
    }
    test_until(&world, test_tags(&source, JZX_TAG_SYS_RESUME) == 1);
    test_world_close(&world);
}

Test(mailbox, resumes_beyond_what_the_other_loop_can_note_come_early, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.resumes_max = 4;
    test_world world;
    test_world_open(&world, 3, &config);
    test_actor target = {0};
    spawn_gated(&world, 2, &target, 8, 0, JZX_MAILBOX_REFUSE);
    fill_up(&world, &target, 8);
    test_actor askers[8] = {0};
    asking ask = {.to = target.id};
    for (unsigned i = 0; i < 8; i++) {
        test_spawn(&world, i / 4, &askers[i]);
        test_do(&world, &askers[i], ask_resume, &ask);
        cr_assert_eq(ask.err, JZX_OK);
    }
    settle_yields(&world);
    uint32_t early = 0;
    for (unsigned i = 0; i < 8; i++) {
        early += askers[i].received;
    }
    cr_assert_eq(early, 4, "four are noted, the others are told to try again");
    open_gate(&target);
    for (unsigned i = 0; i < 8; i++) {
        test_until(&world, askers[i].received == 1);
    }
    test_world_close(&world);
}
