/* broadcast_test: one message to all members of a group: who gets it, in which order, who misses it, and what is told. */
#include "sched/loop.h"
#include "sched/space.h"
#include "tests/support/groups.h"

#include <stdlib.h>

enum { TAG = 100, TAG_LATER = 200 };

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

static uint64_t buffers(const test_world *world)
{
    return world->memory[JZX_MEMORY_STATE].blocks;
}

static jzx_missed missed_of(const jzx_message *message)
{
    jzx_missed missed = {0};
    cr_assert_not_null(message, "nothing was missed");
    cr_assert_eq(message->size, sizeof missed);
    cr_assert_eq(message->flags, (uint32_t)JZX_MESSAGE_GROUP);
    memcpy(&missed, message->bytes, sizeof missed);
    cr_assert_eq(message->ref, missed.tag);
    return missed;
}

/* All that were accepted have met their fate. */
static void assert_balance(const test_world *world)
{
    uint64_t gone = test_count(world, offsetof(jzx_counters, handled));
    for (uint32_t i = 0; i < JZX_DROP_REASONS; i++) {
        gone += test_count(world, offsetof(jzx_counters, dropped) + i * sizeof(uint64_t));
    }
    uint64_t in = test_count(world, offsetof(jzx_counters, sent)) + test_count(world, offsetof(jzx_counters, posted));
    cr_assert_eq(in, gone);
    cr_assert_eq(test_count(world, offsetof(jzx_counters, lane_sent)),
                 test_count(world, offsetof(jzx_counters, lane_received)));
}

/* ---- who gets it ---- */

static void to_all(uint32_t loops)
{
    enum { MEMBERS = 5 };
    test_world world;
    test_world_open(&world, loops, NULL);
    test_actor actors[MEMBERS + 1];
    memset(actors, 0, sizeof actors);
    jzx_group group = jzx_group_named(group_space(&world, 4, 16), "a");
    for (uint32_t i = 0; i <= MEMBERS; i++) {
        test_spawn(&world, i % loops, &actors[i]);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        (void)group_join(&world, &actors[i], group, 50 + i);
    }
    (void)group_join(&world, &actors[1], group, 70);
    uint64_t words[4] = {1, 2, 3, 4};
    cr_assert_eq(group_broadcast_with(&world, &actors[0], group, jzx_message_value(TAG, words, sizeof words), 0),
                 JZX_OK);
    test_world_settle(&world);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        cr_assert_eq(actors[i].received, i == 1 ? 2 : 1, "once for each membership");
        const jzx_message *message = &actors[i].log[0];
        cr_expect_eq(message->tag, (uint32_t)TAG);
        cr_expect_eq(message->flags, (uint32_t)JZX_MESSAGE_GROUP);
        cr_expect_eq(message->ref, 50 + i);
        cr_expect_eq(message->sender, actors[0].id, "the sender is a member too");
        cr_expect_eq(message->size, sizeof words);
        cr_expect_arr_eq(message->words, words, sizeof words);
    }
    cr_expect_eq(actors[1].log[1].ref, 70);
    cr_expect_eq(actors[MEMBERS].received, 0, "who is no member gets none");
    cr_assert_eq(group_broadcast_with(&world, &actors[1], group, jzx_message_empty(TAG), JZX_BROADCAST_OTHERS), JZX_OK);
    test_world_settle(&world);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        cr_expect_eq(actors[i].received, 2, "but who asks for others only");
    }
    assert_balance(&world);
    test_world_close(&world);
}

Test(broadcast, all_members_of_a_loop_get_it, .timeout = 60)
{
    to_all(1);
}

Test(broadcast, all_members_of_two_loops_get_it, .timeout = 60)
{
    to_all(2);
}

static jzx_behavior_result yield_then_stash(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    static const jzx_behavior_result said[] = {JZX_BEHAVIOR_YIELD, JZX_BEHAVIOR_STASH, JZX_BEHAVIOR_OK};
    uint32_t *times = actor->data;
    if (message->tag == TAG_LATER) {
        cr_assert_eq(jzx_unstash_all(context), JZX_OK);
        return JZX_BEHAVIOR_OK;
    }
    cr_assert_eq(message->flags, (uint32_t)JZX_MESSAGE_GROUP);
    cr_assert_eq(message->ref, 50);
    cr_assert_eq(message->size, 8);
    cr_assert_eq(message->words[0], 7);
    return said[(*times)++];
}

Test(broadcast, a_message_that_is_put_back_is_the_same_again, .timeout = 60)
{
    for (uint32_t loop = 0; loop < 2; loop++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        uint32_t times = 0;
        test_actor sender = {0};
        test_actor member = {.on = yield_then_stash, .data = &times};
        jzx_group group = jzx_group_named(group_space(&world, 4, 4), "a");
        test_spawn(&world, 0, &sender);
        test_spawn(&world, loop, &member);
        (void)group_join(&world, &member, group, 50);
        uint64_t word = 7;
        cr_assert_eq(group_broadcast_with(&world, &sender, group, jzx_message_value(TAG, &word, sizeof word), 0),
                     JZX_OK);
        test_world_settle(&world);
        cr_assert_eq(times, 2, "it was yielded and stashed");
        test_send(&world, &member, TAG_LATER);
        test_until(&world, times == 3);
        test_world_settle(&world);
        assert_balance(&world);
        test_world_close(&world);
    }
}

Test(broadcast, the_host_may_broadcast_too, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    jzx_group group = jzx_group_named(group_space(&world, 4, 4), "a");
    jzx_message message = jzx_message_empty(TAG);
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i, &actors[i]);
        (void)group_join(&world, &actors[i], group, i);
    }
    cr_assert_eq(jzx_broadcast(host_of(&world, 0), &group, &message, 0, NULL), JZX_OK);
    cr_assert_eq(jzx_broadcast(host_of(&world, 0), &group, &message, JZX_BROADCAST_OTHERS, NULL), JZX_OK);
    test_world_settle(&world);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(actors[i].received, 2);
        cr_assert_eq(actors[i].log[0].sender, 0);
    }
    cr_assert_eq(jzx_broadcast_request(host_of(&world, 0), &group, &message, 0, 1, NULL, NULL), JZX_ERR_INVALID_ARG);
    test_world_close(&world);
}

Test(broadcast, a_group_without_members_is_not_found, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    jzx_group group = jzx_group_named(group_space(&world, 4, 4), "a");
    cr_assert_eq(group_broadcast_with(&world, &actors[0], group, jzx_message_empty(TAG), 0), JZX_ERR_NOT_FOUND);
    group_leave(&world, &actors[1], group_join(&world, &actors[1], group, 0));
    cr_assert_eq(group_broadcast_with(&world, &actors[0], group, jzx_message_empty(TAG), 0), JZX_ERR_NOT_FOUND);
    group_call c = {.group = group, .message = jzx_message_empty(TAG), .timeout_ns = JZX_FOREVER};
    test_do(&world, &actors[0], group_do_request, &c);
    cr_assert_eq(c.err, JZX_ERR_NOT_FOUND);
    test_world_close(&world);
}

Test(broadcast, what_cannot_be_broadcast, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_group group = jzx_group_named(group_space(&world, 4, 4), "a");
    (void)group_join(&world, &actor, group, 0);
    uint8_t bytes[64] = {0};
    jzx_message lent = jzx_message_pointer(TAG, bytes, 8, NULL, NULL);
    lent.flags |= JZX_MESSAGE_LENT;
    const jzx_message bad[] = {
        jzx_message_empty(JZX_TAG_RESERVED),
        jzx_message_value(TAG, bytes, 33),
        jzx_message_pointer(TAG, bytes, 8, NULL, NULL),
        lent,
    };
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(group_broadcast_with(&world, &actor, group, bad[i], 0), JZX_ERR_INVALID_ARG, "message %u", i);
    }
    cr_expect_eq(group_broadcast_with(&world, &actor, group, jzx_message_empty(TAG), 2), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_broadcast(host_of(&world, 0), &group, NULL, 0, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_broadcast(host_of(&world, 0), NULL, &bad[0], 0, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_broadcast(NULL, &group, &bad[0], 0, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(actor.received, 0);
    test_world_close(&world);
}

/* ---- the way between loops ---- */

typedef struct script {
    test_actor actor;
    jzx_group group;
    jzx_actor_id to;
} script;

static jzx_behavior_result speak_and_end(jzx_context *context, test_actor *actor, void *argument)
{
    script *s = argument;
    (void)actor;
    for (uint32_t i = 0; i < 6; i++) {
        jzx_message message = jzx_message_empty(TAG + i);
        jzx_err err = i % 2 == 0 ? jzx_broadcast(context, &s->group, &message, 0, NULL)
                                 : jzx_send(context, s->to, &message);
        cr_assert_eq(err, JZX_OK);
    }
    return JZX_BEHAVIOR_STOP;
}

/* With so many others in the group that it takes many turns. */
static void in_order(uint32_t loops, uint32_t others)
{
    jzx_config config;
    test_config(&config);
    config.deliveries_per_turn = 2;
    test_world world;
    test_world_open(&world, loops, &config);
    test_actor member = {0};
    test_actor crowd = {0};
    script s = {.group = jzx_group_named(group_space(&world, 4, 64), "a")};
    test_spawn(&world, 0, &s.actor);
    test_spawn(&world, loops - 1, &crowd);
    test_spawn(&world, loops - 1, &member);
    for (uint32_t i = 0; i < others; i++) {
        (void)group_join(&world, &crowd, s.group, i);
    }
    (void)group_join(&world, &member, s.group, 99);
    group_call c = {.id = s.actor.id};
    test_do(&world, &member, group_do_monitor, &c);
    s.to = member.id;
    test_do(&world, &s.actor, speak_and_end, &s);
    test_until(&world, test_tags(&member, JZX_TAG_SYS_DOWN) == 1);
    cr_assert_eq(member.received, 7);
    for (uint32_t i = 0; i < 6; i++) {
        cr_expect_eq(member.log[i].tag, TAG + i);
    }
    cr_expect_eq(member.log[6].tag, JZX_TAG_SYS_DOWN);
    cr_expect_eq(crowd.received, 3 * others);
    assert_balance(&world);
    test_world_close(&world);
}

Test(broadcast, it_keeps_its_place_among_messages_and_before_the_down, .timeout = 60)
{
    in_order(1, 0);
    in_order(2, 0);
    in_order(1, 9);
    in_order(2, 9);
}

Test(broadcast, it_takes_one_place_in_the_lane_of_each_loop, .timeout = 60)
{
    enum { MEMBERS = 60 };
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor actors[3] = {0};
    jzx_group group = jzx_group_named(group_space(&world, 4, 2 * MEMBERS), "a");
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, i, &actors[i]);
    }
    for (uint32_t i = 0; i < 2 * MEMBERS; i++) {
        (void)group_join(&world, &actors[1 + i % 2], group, i);
    }
    test_world_settle(&world);
    uint64_t before = test_count(&world, offsetof(jzx_counters, lane_sent));
    group_broadcast(&world, &actors[0], group, TAG);
    test_world_settle(&world);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, lane_sent)) - before, 2);
    cr_assert_eq(actors[1].received, MEMBERS);
    cr_assert_eq(actors[2].received, MEMBERS);
    test_world_close(&world);
}

/* One of three loops does not run, so its lane fills up. */
static jzx_behavior_result fill_up(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    jzx_message message = jzx_message_empty(1);
    (void)actor;
    while (jzx_send(context, c->id, &message) == JZX_OK) {
        c->tag++;
    }
    c->err = jzx_broadcast(context, &c->group, &c->message, 0, &c->busy);
    return JZX_BEHAVIOR_OK;
}

Test(broadcast, all_loops_take_it_or_none, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor actors[3] = {0};
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 8), "a")};
    for (uint32_t i = 0; i < 3; i++) {
        jzx_spawn_options options;
        test_actor_options(&actors[i], &options);
        options.mailbox_cap = 1000;
        test_spawn_with(&world, i, &actors[i], &options);
        (void)group_join(&world, &actors[i], c.group, i);
    }
    test_world_settle(&world);
    world.closed[2] = true; /* it is not stepped from here on */
    jzx_buffer *buffer = NULL;
    cr_assert_eq(jzx_buffer_copy(world.runtime, "many words", 10, &buffer), JZX_OK);
    c.id = actors[2].id;
    c.message = jzx_message_buffer(TAG, buffer);
    test_do(&world, &actors[0], fill_up, &c);
    cr_assert_eq(c.err, JZX_ERR_WOULD_BLOCK);
    cr_assert_eq(jzx_actor_loop(c.busy), 2);
    test_world_settle(&world);
    cr_assert_eq(actors[0].received + actors[1].received, 0, "nobody has it");
    cr_assert_eq(buffers(&world), 1, "it is the caller's still");
    c.id = c.busy;
    test_do(&world, &actors[0], group_do_resume, &c);
    cr_assert_eq(c.err, JZX_OK);
    test_world_settle(&world);
    cr_assert_eq(test_tags(&actors[0], JZX_TAG_SYS_RESUME), 0);
    world.closed[2] = false;
    test_until(&world, test_tags(&actors[0], JZX_TAG_SYS_RESUME) == 1);
    test_do(&world, &actors[0], group_do_broadcast, &c);
    cr_assert_eq(c.err, JZX_OK);
    test_world_settle(&world);
    cr_expect_eq(test_tags(&actors[0], TAG), 1);
    cr_expect_eq(test_tags(&actors[1], TAG), 1);
    cr_expect_eq(actors[2].received, c.tag + 1);
    cr_assert_eq(buffers(&world), 0);
    assert_balance(&world);
    test_world_close(&world);
}

Test(broadcast, a_loop_that_is_closed_has_nobody_to_reach, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    jzx_group group = jzx_group_named(group_space(&world, 4, 8), "a");
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i, &actors[i]);
    }
    (void)group_join(&world, &actors[1], group, 1);
    cr_assert_eq(jzx_loop_request_stop(world.loops[1]), JZX_OK);
    test_until(&world, actors[1].finis == 1);
    cr_assert_eq(group_broadcast_with(&world, &actors[0], group, jzx_message_empty(TAG), 0), JZX_ERR_NOT_FOUND);
    test_world_close(&world);
}

/* What the other thread does between two looks of this one: its loop closes, after it was seen to have members. */
Test(broadcast, a_loop_that_closes_meanwhile_is_left_out, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor actors[3] = {0};
    jzx_group group = jzx_group_named(group_space(&world, 4, 8), "a");
    jzx_group alone = jzx_group_named(group.space, "b");
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, i, &actors[i]);
        (void)group_join(&world, &actors[i], group, i);
    }
    (void)group_join(&world, &actors[1], alone, 7);
    jzx_buffer *buffer = NULL;
    cr_assert_eq(jzx_buffer_copy(world.runtime, "many words", 10, &buffer), JZX_OK);
    atomic_store(&world.loops[1]->closed, 1);
    cr_expect_eq(group_broadcast_with(&world, &actors[0], alone, jzx_message_buffer(TAG, buffer), 0),
                 JZX_ERR_NOT_FOUND);
    cr_expect_eq(buffers(&world), 1, "it is the caller's still");
    cr_expect_eq(group_broadcast_with(&world, &actors[0], group, jzx_message_buffer(TAG, buffer), 0), JZX_OK);
    atomic_store(&world.loops[1]->closed, 0);
    test_world_settle(&world);
    cr_expect_eq(actors[0].received, 1);
    cr_expect_eq(actors[1].received, 0);
    cr_expect_eq(actors[2].received, 1);
    cr_expect_eq(buffers(&world), 0);
    group_broadcast(&world, &actors[0], alone, TAG_LATER); /* the place that was taken in its lane is free again */
    test_world_settle(&world);
    cr_expect_eq(actors[1].received, 1);
    assert_balance(&world);
    test_world_close(&world);
}

Test(broadcast, the_host_of_a_runtime_that_has_stopped_is_told, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor member = {0};
        jzx_buffer *buffer;
        jzx_group group = jzx_group_named(group_space(&world, 4, 8), "a");
        test_spawn(&world, place, &member);
        (void)group_join(&world, &member, group, 1);
        cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
        test_until(&world, member.finis == 1 && world.closed[0] && world.closed[1]);
        cr_assert_eq(jzx_buffer_copy(world.runtime, "shared", 6, &buffer), JZX_OK);
        jzx_message message = jzx_message_buffer(TAG, buffer);
        cr_assert_eq(jzx_broadcast(host_of(&world, 0), &group, &message, 0, NULL), JZX_ERR_LOOP_CLOSED);
        jzx_buffer_unref(buffer); /* it is the caller's still */
        test_world_close(&world);
    }
}

/* ---- buffers ---- */

static void read_by_many(uint32_t loops)
{
    enum { MEMBERS = 100 };
    test_world world;
    test_world_open(&world, loops, NULL);
    test_actor actors[2] = {0};
    jzx_group group = jzx_group_named(group_space(&world, 4, 2 * MEMBERS), "a");
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, loops - 1, &actors[1]);
    for (uint32_t i = 0; i < 2 * MEMBERS; i++) {
        (void)group_join(&world, &actors[i % 2], group, i);
    }
    jzx_buffer *buffer = NULL;
    cr_assert_eq(jzx_buffer_copy(world.runtime, "read by many", 13, &buffer), JZX_OK);
    cr_assert_eq(group_broadcast_with(&world, &actors[0], group, jzx_message_buffer(TAG, buffer), 0), JZX_OK);
    test_world_settle(&world);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(actors[i].received, MEMBERS);
        cr_assert_eq(actors[i].log[0].flags,
                     (uint32_t)JZX_MESSAGE_POINTER | (uint32_t)JZX_MESSAGE_LENT | (uint32_t)JZX_MESSAGE_GROUP);
        cr_assert_eq(actors[i].log[0].size, 13);
    }
    cr_assert_eq(buffers(&world), 0);
    assert_balance(&world);
    test_world_close(&world);
}

Test(broadcast, a_buffer_is_read_by_many_of_a_loop, .timeout = 60)
{
    read_by_many(1);
}

Test(broadcast, a_buffer_is_read_by_many_of_two_loops, .timeout = 60)
{
    read_by_many(2);
}

Test(broadcast, a_buffer_in_a_lane_of_a_loop_that_never_ran_is_freed, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 8), "a"), .tag = 1};
    test_spawn(&world, 1, &actor);
    test_do(&world, &actor, group_do_join, &c);
    cr_assert_eq(c.err, JZX_OK);
    jzx_buffer *buffer = NULL;
    cr_assert_eq(jzx_buffer_copy(world.runtime, "read by nobody", 15, &buffer), JZX_OK);
    c.message = jzx_message_buffer(TAG, buffer);
    cr_assert_eq(jzx_broadcast(host_of(&world, 0), &c.group, &c.message, 0, NULL), JZX_OK);
    test_world_close(&world);
}

/* ---- who misses it ---- */

static void spawn_small(test_world *world, uint32_t loop, test_actor *actor, jzx_mailbox_policy policy)
{
    jzx_spawn_options options;
    test_actor_options(actor, &options);
    options.mailbox_cap = 2;
    options.mailbox_policy = (uint8_t)policy;
    test_spawn_with(world, loop, actor, &options);
}

static jzx_behavior_result broadcast_five(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    for (uint32_t i = 0; i < 5; i++) {
        jzx_message message = jzx_message_empty(TAG + i);
        cr_assert_eq(jzx_broadcast(context, &c->group, &message, 0, NULL), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static void misses(uint32_t loops)
{
    test_world world;
    test_world_open(&world, loops, NULL);
    test_actor sender = {0};
    test_actor small = {0};
    test_actor large = {0};
    test_spawn(&world, 0, &sender);
    spawn_small(&world, loops - 1, &small, JZX_MAILBOX_REFUSE);
    test_spawn(&world, loops - 1, &large);
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 8), "a")};
    jzx_member_id member = group_join(&world, &small, c.group, 7);
    (void)group_join(&world, &large, c.group, 8);
    test_do(&world, &sender, broadcast_five, &c);
    test_world_settle(&world);
    cr_assert_eq(small.received, 3);
    cr_expect_eq(small.log[0].tag, (uint32_t)TAG);
    cr_expect_eq(small.log[1].tag, (uint32_t)TAG + 1);
    jzx_missed missed = missed_of(&small.log[2]);
    cr_expect_eq(small.log[2].tag, JZX_TAG_SYS_MISSED);
    cr_expect_eq(missed.member, member);
    cr_expect_eq(missed.tag, 7);
    cr_expect_eq(missed.count, 3);
    cr_expect_eq(large.received, 5, "the others are not held up");
    cr_expect_eq(test_count(&world, offsetof(jzx_counters, missed)), 3);
    group_broadcast(&world, &sender, c.group, TAG_LATER);
    test_world_settle(&world);
    cr_expect_eq(small.log[3].tag, (uint32_t)TAG_LATER);
    assert_balance(&world);
    test_world_close(&world);
}

Test(broadcast, a_full_mailbox_misses_it_and_is_told_in_its_place, .timeout = 60)
{
    misses(1);
    misses(2);
}

/* Makes room between two that are missed. */
static jzx_behavior_result miss_between(jzx_context *context, test_actor *actor, void *argument)
{
    script *s = argument;
    (void)actor;
    for (uint32_t i = 0; i < 3; i++) {
        jzx_message message = jzx_message_empty(TAG + i);
        cr_assert_eq(jzx_broadcast(context, &s->group, &message, 0, NULL), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(broadcast, each_membership_is_told_of_its_own, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor small = {0};
    script s = {.group = jzx_group_named(group_space(&world, 4, 8), "a")};
    test_spawn(&world, 0, &s.actor);
    spawn_small(&world, 0, &small, JZX_MAILBOX_REFUSE);
    jzx_member_id members[2];
    for (uint32_t i = 0; i < 2; i++) {
        members[i] = group_join(&world, &small, s.group, i);
    }
    for (uint32_t round = 0; round < 2; round++) {
        test_do(&world, &s.actor, miss_between, &s); /* of six the first two find room */
        test_world_settle(&world);
        for (uint32_t i = 0; i < 2; i++) {
            jzx_missed missed = missed_of(test_tagged(&small, JZX_TAG_SYS_MISSED, 2 * round + i));
            cr_expect_eq(missed.member, members[i]);
            cr_expect_eq(missed.count, 2, "and the count begins anew");
        }
    }
    test_do(&world, &s.actor, miss_between, &s);
    world.closed[0] = true;
    cr_assert_eq(jzx_kill(host_of(&world, 0), small.id), JZX_OK); /* with a notice in its mailbox */
    world.closed[0] = false;
    test_world_settle(&world);
    cr_assert_eq(group_count(s.group), 0);
    test_world_close(&world);
}

/* Leaves in the handler of the first message, with what it missed still to come. */
static jzx_behavior_result leave_at_once(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    group_call *c = actor->data;
    if (message->tag == TAG) {
        cr_assert_eq(jzx_group_leave(context, c->member), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(broadcast, who_has_left_is_not_told_what_it_missed, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_group group = jzx_group_named(group_space(&world, 4, 1), "a");
    test_actor sender = {0};
    group_call c = {.group = group};
    test_actor small = {.on = leave_at_once, .data = &c};
    test_spawn(&world, 0, &sender);
    spawn_small(&world, 0, &small, JZX_MAILBOX_REFUSE);
    c.member = group_join(&world, &small, group, 7);
    test_do(&world, &sender, broadcast_five, &c);
    test_world_settle(&world);
    cr_assert_eq(small.received, 2, "what was in the mailbox still comes");
    cr_assert_eq(test_tags(&small, JZX_TAG_SYS_MISSED), 0);
    (void)group_join(&world, &small, group, 8); /* the only record of the space is free again */
    test_world_close(&world);
}

Test(broadcast, a_mailbox_that_drops_is_told_nothing, .timeout = 60)
{
    const jzx_mailbox_policy policies[] = {JZX_MAILBOX_DROP_NEWEST, JZX_MAILBOX_DROP_OLDEST};
    for (uint32_t i = 0; i < 2; i++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor sender = {0};
        test_actor small = {0};
        test_spawn(&world, 0, &sender);
        spawn_small(&world, 1, &small, policies[i]);
        group_call c = {.group = jzx_group_named(group_space(&world, 4, 8), "a")};
        (void)group_join(&world, &small, c.group, 7);
        test_do(&world, &sender, broadcast_five, &c);
        test_world_settle(&world);
        cr_assert_eq(small.received, 2);
        cr_assert_eq(small.log[0].tag, i == 0 ? TAG : TAG + 3u);
        cr_assert_eq(test_count(&world, offsetof(jzx_counters, missed)), 0);
        assert_balance(&world);
        test_world_close(&world);
    }
}

/* ---- filters ---- */

typedef struct taste {
    uint32_t wanted; /* tag */
    uint32_t asked;
    uint32_t wrong;
    uint64_t tag; /* of the membership */
} taste;

static bool wants(void *context, const jzx_message *message)
{
    taste *t = context;
    t->asked++;
    t->wrong += (message->flags & JZX_MESSAGE_GROUP) == 0 || message->ref != t->tag;
    return message->tag == t->wanted;
}

static void filtered(uint32_t loops)
{
    test_world world;
    test_world_open(&world, loops, NULL);
    test_actor sender = {0};
    test_actor members[2] = {0};
    taste tastes[2];
    memset(tastes, 0, sizeof tastes);
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 8), "a")};
    test_spawn(&world, 0, &sender);
    for (uint32_t i = 0; i < 2; i++) {
        tastes[i] = (taste){.wanted = TAG + 1 + i, .tag = 30 + i};
        test_spawn(&world, i % loops, &members[i]);
        c.tag = 30 + i;
        c.filter = wants;
        c.filter_context = &tastes[i];
        test_do(&world, &members[i], group_do_join, &c);
        cr_assert_eq(c.err, JZX_OK);
    }
    test_do(&world, &sender, broadcast_five, &c);
    test_world_settle(&world);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(members[i].received, 1);
        cr_assert_eq(members[i].log[0].tag, TAG + 1 + i);
        cr_assert_eq(tastes[i].asked, 5);
        cr_assert_eq(tastes[i].wrong, 0);
    }
    test_do(&world, &members[1], group_do_leave, &c);
    cr_assert_eq(c.err, JZX_OK);
    test_do(&world, &sender, broadcast_five, &c);
    test_world_settle(&world);
    cr_assert_eq(tastes[1].asked, 5, "nor is it called after the leave");
    test_world_close(&world);
}

Test(broadcast, a_member_with_a_filter_gets_what_it_wants, .timeout = 60)
{
    filtered(1);
    filtered(2);
}

/* ---- over many turns ---- */

enum { CROWD = 5 };

typedef struct crowd {
    test_world world;
    test_actor sender;
    test_actor members[CROWD];
    test_actor late; /* the only member of the group behind */
    jzx_group group;
    jzx_group behind;
    jzx_member_id behind_member;
    jzx_member_id numbers[CROWD];
} crowd;

/* The members are on loop 1, which reaches one in each of its turns, and sits still until the broadcast is in its lane. */
static void crowd_open(crowd *w)
{
    jzx_config config;
    memset(w, 0, sizeof *w);
    test_config(&config);
    config.deliveries_per_turn = 1;
    test_world_open(&w->world, 2, &config);
    w->group = jzx_group_named(group_space(&w->world, 4, 16), "a");
    w->behind = jzx_group_named(w->group.space, "b");
    test_spawn(&w->world, 0, &w->sender);
    test_spawn(&w->world, 1, &w->late);
    w->behind_member = group_join(&w->world, &w->late, w->behind, 77);
    for (uint32_t i = 0; i < CROWD; i++) {
        test_spawn(&w->world, 1, &w->members[i]);
        w->numbers[i] = group_join(&w->world, &w->members[i], w->group, i);
    }
    test_world_settle(&w->world);
    w->world.closed[1] = true;
    group_broadcast(&w->world, &w->sender, w->group, TAG);
    group_broadcast(&w->world, &w->sender, w->behind, TAG_LATER);
    test_world_step(&w->world);
    w->world.closed[1] = false;
}

static uint32_t reached(const crowd *w)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < CROWD; i++) {
        count += w->members[i].received;
    }
    return count;
}

static void step_1(crowd *w)
{
    cr_assert_eq(jzx_loop_run_once(w->world.loops[1], 0), JZX_OK);
}

Test(broadcast, a_turn_reaches_so_many_and_what_is_behind_waits, .timeout = 60)
{
    crowd w;
    crowd_open(&w);
    for (uint32_t i = 0; i < CROWD; i++) {
        cr_assert_eq(w.late.received, 0);
        cr_assert_eq(reached(&w), i);
        step_1(&w);
    }
    cr_assert_eq(reached(&w), CROWD);
    test_world_settle(&w.world);
    cr_assert_eq(w.late.received, 1);
    assert_balance(&w.world);
    test_world_close(&w.world);
}

/* At each place of the cursor, each member leaves. Errands of the host need no lane. */
Test(broadcast, members_that_leave_meanwhile_are_passed_over_and_no_other, .timeout = 60)
{
    for (uint32_t at = 0; at <= CROWD; at++) {
        for (uint32_t who = 0; who < CROWD; who++) {
            crowd w;
            crowd_open(&w);
            for (uint32_t i = 0; i < at; i++) {
                step_1(&w);
            }
            cr_assert_eq(jzx_kill(host_of(&w.world, 1), w.members[who].id), JZX_OK);
            test_world_settle(&w.world);
            for (uint32_t i = 0; i < CROWD; i++) {
                uint32_t expected = i != who || who < at;
                cr_assert_eq(w.members[i].received, expected, "at %u, who %u, member %u", at, who, i);
            }
            cr_assert_eq(w.late.received, 1);
            assert_balance(&w.world);
            test_world_close(&w.world);
        }
    }
}

static jzx_err join_in_init(jzx_context *context, test_actor *actor)
{
    const group_call *c = actor->data;
    for (uint32_t i = 0; i < CROWD + 1; i++) {
        cr_assert_eq(jzx_group_join(context, &c->group, i, NULL, NULL, NULL), JZX_OK);
    }
    return JZX_OK;
}

Test(broadcast, members_of_another_space_that_leave_meanwhile_move_no_cursor, .timeout = 60)
{
    crowd w;
    crowd_open(&w);
    group_call c = {.group = jzx_group_named(group_space(&w.world, 4, 16), "a")};
    test_actor elsewhere = {.on_init = join_in_init, .data = &c};
    test_spawn(&w.world, 1, &elsewhere);
    step_1(&w);
    step_1(&w);
    cr_assert_eq(jzx_kill(host_of(&w.world, 1), elsewhere.id), JZX_OK);
    test_world_settle(&w.world);
    cr_assert_eq(elsewhere.finis, 1);
    cr_assert_eq(reached(&w), CROWD);
    cr_assert_eq(w.late.received, 1);
    test_world_close(&w.world);
}

Test(broadcast, who_joins_meanwhile_is_behind_the_mark, .timeout = 60)
{
    for (uint32_t at = 1; at <= CROWD; at++) {
        crowd w;
        crowd_open(&w);
        step_1(&w); /* it has begun */
        group_call c = {.group = w.group, .tag = 40};
        for (uint32_t i = 1; i < at; i++) {
            step_1(&w);
        }
        test_actor joins = {0};
        test_spawn(&w.world, 1, &joins);
        test_do(&w.world, &joins, group_do_join, &c);
        cr_assert_eq(c.err, JZX_OK);
        test_world_settle(&w.world);
        cr_assert_eq(reached(&w), CROWD);
        cr_assert_eq(joins.received, 0);
        test_world_close(&w.world);
    }
}

/* The broadcast behind is in the lane when its group goes, and another takes its place in the table. */
Test(broadcast, what_is_under_way_to_a_group_that_has_gone_is_not_for_the_next_in_its_place, .timeout = 60)
{
    crowd w;
    crowd_open(&w);
    jzx__group_view before;
    jzx__group_view after;
    cr_assert(jzx__space_look(&w.behind, &before));
    uint32_t name = 0;
    jzx_group next;
    do {
        next = jzx_group_keyed(w.group.space, &name, sizeof name);
        name++;
    } while ((next.hash & w.group.space->mask) != before.place);
    group_leave(&w.world, &w.late, w.behind_member);
    (void)group_join(&w.world, &w.late, next, 78);
    cr_assert_eq(w.late.received, 0);
    cr_assert_lt(reached(&w), CROWD, "the one before is still under way");
    cr_assert(jzx__space_look(&next, &after));
    cr_assert_eq(after.place, before.place);
    cr_assert_neq(after.generation, before.generation);
    test_world_settle(&w.world);
    cr_assert_eq(w.late.received, 0);
    cr_assert_eq(reached(&w), CROWD);
    test_world_close(&w.world);
}

Test(broadcast, a_stop_at_each_place_of_the_cursor_loses_nothing, .timeout = 60)
{
    for (uint32_t at = 0; at <= CROWD; at++) {
        for (uint32_t alone = 0; alone < 2; alone++) {
            crowd w;
            crowd_open(&w);
            for (uint32_t i = 0; i < at; i++) {
                step_1(&w);
            }
            if (alone != 0) {
                cr_assert_eq(jzx_loop_request_stop(w.world.loops[1]), JZX_OK);
                test_world_settle(&w.world);
                cr_assert_eq(w.late.finis, 1);
            }
            test_world_close(&w.world); /* all memory has come back, and the loops have drained */
        }
    }
}

/* Nothing but what is in hand keeps the loop awake. */
Test(broadcast, a_loop_does_not_sleep_with_one_in_hand, .timeout = 60)
{
    enum { MEMBERS = 200 };
    jzx_config config;
    test_config(&config);
    config.deliveries_per_turn = 1;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor actors[2] = {0};
    jzx_group group = jzx_group_named(group_space(&world, 4, MEMBERS), "a");
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    taste none = {.wanted = 0, .tag = 1};
    test_world_start(&world);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        group_call c = {.group = group, .tag = 1, .filter = i + 1 < MEMBERS ? wants : NULL, .filter_context = &none};
        test_do(&world, &actors[1], group_do_join, &c);
        cr_assert_eq(c.err, JZX_OK);
    }
    for (uint32_t i = 1; i <= 5; i++) {
        group_broadcast(&world, &actors[0], group, TAG);
        test_until(&world, actors[1].received == i);
    }
    test_world_close(&world);
    cr_assert_eq(none.asked, 5 * (MEMBERS - 1));
}

/* ---- asked what became of it ---- */

static jzx_broadcast_answer answer_of(const test_actor *asker, uint64_t ref, uint32_t nth)
{
    jzx_broadcast_answer answer = {0};
    const jzx_message *message = test_tagged(asker, JZX_TAG_SYS_BROADCAST, nth);
    cr_assert_not_null(message, "no answer came");
    cr_assert_eq(message->size, sizeof answer);
    cr_assert_eq(message->flags, (uint32_t)JZX_MESSAGE_ANSWER);
    cr_assert_eq(message->ref, ref);
    cr_assert_eq(message->sender, 0);
    memcpy(&answer, message->bytes, sizeof answer);
    return answer;
}

static jzx_behavior_result request_five(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    for (uint32_t i = 0; i < 5; i++) {
        c->err = jzx_broadcast_request(context, &c->group, &c->message, c->flags, c->timeout_ns, &c->ref, &c->busy);
        cr_assert_eq(c->err, JZX_OK);
    }
    (void)actor;
    return JZX_BEHAVIOR_OK;
}

static void requested(uint32_t loops)
{
    test_world world;
    test_world_open(&world, loops, NULL);
    test_actor sender = {0};
    test_actor small = {0};
    test_actor large[3] = {0};
    test_spawn(&world, 0, &sender);
    spawn_small(&world, loops - 1, &small, JZX_MAILBOX_REFUSE);
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 8), "a"), .tag = 9};
    (void)group_join(&world, &small, c.group, 7);
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, i % loops, &large[i]);
        (void)group_join(&world, &large[i], c.group, i);
    }
    taste none = {.wanted = 0, .tag = 9};
    c.filter = wants;
    c.filter_context = &none;
    test_do(&world, &large[1], group_do_join, &c);
    c.message = jzx_message_empty(TAG);
    c.timeout_ns = JZX_FOREVER;
    test_do(&world, &sender, request_five, &c);
    test_world_settle(&world);
    jzx_broadcast_answer sum = {0};
    for (uint32_t i = 0; i < 5; i++) {
        const jzx_message *message = test_tagged(&sender, JZX_TAG_SYS_BROADCAST, i);
        cr_assert_not_null(message);
        jzx_broadcast_answer one = answer_of(&sender, message->ref, i);
        cr_expect_eq(one.reached + one.missed + one.filtered, 5);
        sum.reached += one.reached;
        sum.missed += one.missed;
        sum.filtered += one.filtered;
    }
    cr_expect_eq(sum.reached, 15 + small.received - test_tags(&small, JZX_TAG_SYS_MISSED));
    cr_expect_eq(sum.missed, 3);
    cr_expect_eq(sum.filtered, 5);
    cr_expect_eq(large[0].log[0].flags, (uint32_t)JZX_MESSAGE_GROUP, "to members it is a message like any other");
    assert_balance(&world);
    test_world_close(&world);
}

Test(broadcast, a_request_is_answered_when_all_loops_are_done, .timeout = 60)
{
    requested(1);
    requested(2);
    requested(3);
}

Test(broadcast, a_request_has_a_deadline, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    group_call c = {.message = jzx_message_empty(TAG), .timeout_ns = 1};
    c.group = jzx_group_named(group_space(&world, 4, 8), "a");
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i, &actors[i]);
    }
    (void)group_join(&world, &actors[1], c.group, 0);
    test_world_settle(&world);
    world.closed[1] = true;
    test_do(&world, &actors[0], group_do_request, &c);
    cr_assert_eq(c.err, JZX_OK);
    test_until(&world, actors[0].received == 1);
    const jzx_message *message = test_tagged(&actors[0], JZX_TAG_SYS_NO_ANSWER, 0);
    cr_assert_not_null(message);
    cr_assert_eq(message->ref, c.ref);
    jzx_no_answer none;
    memcpy(&none, message->bytes, sizeof none);
    cr_assert_eq(none.reason, JZX_DROP_DEADLINE);
    cr_assert_eq(none.target, 0);
    world.closed[1] = false;
    test_world_settle(&world);
    cr_assert_eq(actors[1].received, 1);
    cr_assert_eq(actors[0].received, 1, "what comes then is late");
    test_world_close(&world);
}

Test(broadcast, who_asked_may_end_first, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    group_call c = {.message = jzx_message_empty(TAG), .timeout_ns = JZX_FOREVER};
    c.group = jzx_group_named(group_space(&world, 4, 8), "a");
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i, &actors[i]);
    }
    (void)group_join(&world, &actors[1], c.group, 0);
    test_world_settle(&world);
    world.closed[1] = true;
    test_do(&world, &actors[0], group_do_request, &c);
    cr_assert_eq(jzx_kill(host_of(&world, 0), actors[0].id), JZX_OK);
    test_until(&world, actors[0].finis == 1);
    world.closed[1] = false;
    test_world_settle(&world);
    cr_assert_eq(actors[1].received, 1);
    assert_balance(&world);
    test_world_close(&world);
}

static jzx_behavior_result request_many(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    do {
        c->err = jzx_broadcast_request(context, &c->group, &c->message, 0, JZX_FOREVER, &c->ref, &c->busy);
        c->tag++;
    } while (c->err == JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result count_words(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    *(uint32_t *)actor->data += message->tag == TAG;
    return JZX_BEHAVIOR_OK;
}

Test(broadcast, requests_are_limited_by_cells, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.cells = 4096;
    config.lane_blocks = 16;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor sender = {0};
    uint32_t words = 0;
    test_actor member = {.on = count_words, .data = &words};
    test_spawn(&world, 0, &sender);
    test_spawn(&world, 1, &member);
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 8), "a"), .message = jzx_message_empty(TAG)};
    (void)group_join(&world, &member, c.group, 0);
    test_world_settle(&world);
    world.closed[1] = true; /* so that none is answered */
    test_do(&world, &sender, request_many, &c);
    cr_assert_eq(c.err, JZX_ERR_LIMIT, "%s", jzx_strerror(c.err));
    cr_assert_eq(c.tag, config.cells / 8 + 1);
    world.closed[1] = false;
    test_world_settle(&world);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, missed)) + words, config.cells / 8);
    assert_balance(&world);
    test_world_close(&world);
}

/* ---- short of cells ---- */

typedef struct hoard {
    group_call call;
    jzx_actor_id sinks[10];
    uint32_t sent;
} hoard;

static jzx_behavior_result use_up(jzx_context *context, test_actor *actor, void *argument)
{
    hoard *h = argument;
    jzx_message message = jzx_message_empty(1);
    (void)actor;
    for (uint32_t i = 0; i < 10; i++) {
        while (jzx_send(context, h->sinks[i], &message) == JZX_OK) {
            h->sent++;
        }
    }
    cr_assert_eq(jzx_broadcast(context, &h->call.group, &h->call.message, 0, NULL), JZX_ERR_WOULD_BLOCK);
    h->call.err = jzx_broadcast(context, &h->call.group, &h->call.message, 0, &h->call.busy);
    return JZX_BEHAVIOR_OK;
}

static void spawn_sinks(test_world *world, uint32_t loop, test_actor sinks[10])
{
    for (uint32_t i = 0; i < 10; i++) {
        jzx_spawn_options options;
        test_actor_options(&sinks[i], &options);
        options.mailbox_cap = world->config.cells / 8;
        test_spawn_with(world, loop, &sinks[i], &options);
    }
}

Test(broadcast, a_loop_without_cells_refuses_and_says_when_it_has_some, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor sender = {0};
    test_actor member = {0};
    test_actor sinks[10] = {0};
    hoard h = {.call = {.group = jzx_group_named(group_space(&world, 4, 8), "a"), .message = jzx_message_empty(TAG)}};
    test_spawn(&world, 0, &sender);
    test_spawn(&world, 0, &member);
    (void)group_join(&world, &member, h.call.group, 0);
    spawn_sinks(&world, 0, sinks);
    for (uint32_t i = 0; i < 10; i++) {
        h.sinks[i] = sinks[i].id;
    }
    test_do(&world, &sender, use_up, &h);
    cr_assert_gt(h.sent, world.config.cells / 2);
    cr_assert_eq(h.call.err, JZX_ERR_WOULD_BLOCK);
    h.call.id = h.call.busy;
    cr_assert_eq(jzx_actor_loop(h.call.busy), 0);
    test_do(&world, &sender, group_do_resume, &h.call);
    cr_assert_eq(h.call.err, JZX_OK);
    test_until(&world, test_tags(&sender, JZX_TAG_SYS_RESUME) == 1);
    test_do(&world, &sender, group_do_broadcast, &h.call);
    cr_assert_eq(h.call.err, JZX_OK);
    test_world_settle(&world);
    cr_assert_eq(member.received, 1);
    assert_balance(&world);
    test_world_close(&world);
}

Test(broadcast, a_loop_without_cells_refuses_what_comes_from_others, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor sender = {0};
    test_actor members[2] = {0};
    test_actor sinks[10] = {0};
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 8), "a"), .message = jzx_message_empty(TAG)};
    test_spawn(&world, 0, &sender);
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i + 1, &members[i]);
        (void)group_join(&world, &members[i], c.group, i);
    }
    spawn_sinks(&world, 2, sinks);
    jzx_message message = jzx_message_empty(1);
    for (uint32_t i = 0; i < 10; i++) {
        while (jzx_send(host_of(&world, 2), sinks[i].id, &message) == JZX_OK) {
        }
    }
    world.closed[2] = true; /* it is not stepped, and so handles none */
    test_do(&world, &sender, group_do_broadcast, &c);
    cr_assert_eq(c.err, JZX_ERR_WOULD_BLOCK);
    cr_assert_eq(jzx_actor_loop(c.busy), 2);
    cr_assert_eq(group_broadcast_with(&world, &sender, c.group, c.message, 0), JZX_ERR_WOULD_BLOCK);
    c.id = c.busy;
    test_do(&world, &sender, group_do_resume, &c);
    cr_assert_eq(c.err, JZX_OK);
    world.closed[2] = false;
    test_until(&world, test_tags(&sender, JZX_TAG_SYS_RESUME) == 1);
    group_broadcast(&world, &sender, c.group, TAG);
    test_world_settle(&world);
    cr_assert_eq(members[0].received, 1, "the place that was taken in its lane was given back");
    cr_assert_eq(members[1].received, 1);
    assert_balance(&world);
    test_world_close(&world);
}
