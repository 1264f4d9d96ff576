/* group_test: spaces, who is in a group and from when until when, and watches. Broadcasts: broadcast_test.c. */
#include "sched/space.h"
#include "tests/support/groups.h"

#include <stdlib.h>

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

static uint32_t list(jzx_group group, jzx_member members[8])
{
    uint32_t count = 0;
    jzx_err err = jzx_group_members(&group, members, 8, &count);
    cr_assert(err == JZX_OK ? count > 0 : err == JZX_ERR_NOT_FOUND && count == 0);
    return count;
}

/* ---- who is in a group ---- */

static void join_and_leave(uint32_t loops)
{
    test_world world;
    test_world_open(&world, loops, NULL);
    test_actor actors[3] = {0};
    jzx_member_id members[4];
    jzx_member seen[8];
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, i % loops, &actors[i]);
    }
    jzx_space *space = group_space(&world, 4, 16);
    jzx_group group = jzx_group_named(space, "a");
    jzx_group other = jzx_group_named(space, "b");
    cr_assert_eq(group_count(group), 0);
    cr_assert_eq(list(group, seen), 0, "unknown and empty are the same");
    for (uint32_t i = 0; i < 3; i++) {
        members[i] = group_join(&world, &actors[i], group, 10 + i);
        cr_assert_eq(group_count(group), i + 1);
    }
    members[3] = group_join(&world, &actors[0], group, 13);
    cr_assert_eq(group_count(other), 0);
    cr_assert_eq(list(group, seen), 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_eq(seen[i].id, actors[i % 3].id, "oldest first");
        cr_expect_eq(seen[i].tag, 10 + i);
    }
    group_leave(&world, &actors[1], members[1]);
    cr_assert_eq(list(group, seen), 3);
    cr_expect_eq(seen[1].tag, 12);
    cr_expect_eq(seen[2].tag, 13, "its first membership and the second are two");
    group_leave(&world, &actors[0], members[3]);
    group_leave(&world, &actors[2], members[2]);
    cr_assert_eq(list(group, seen), 1);
    cr_expect_eq(seen[0].tag, 10);
    group_leave(&world, &actors[0], members[0]);
    cr_assert_eq(group_count(group), 0);
    (void)group_join(&world, &actors[1], group, 20);
    cr_assert_eq(list(group, seen), 1);
    cr_expect_eq(seen[0].tag, 20);
    test_world_close(&world);
}

Test(group, members_of_one_loop_join_and_leave, .timeout = 60)
{
    join_and_leave(1);
}

Test(group, members_of_two_loops_join_and_leave, .timeout = 60)
{
    join_and_leave(2);
}

Test(group, who_has_no_such_membership_cannot_end_it, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, i / 2, &actors[i]);
    }
    jzx_space *space = group_space(&world, 4, 4);
    jzx_member_id member = group_join(&world, &actors[0], jzx_group_named(space, "a"), 0);
    const jzx_member_id none[] = {0, member + 1, member ^ 1ull << 32, member ^ 1ull << 56, UINT64_MAX, 254ull << 56};
    for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++) {
        group_call c = {.member = none[i]};
        test_do(&world, &actors[0], group_do_leave, &c);
        cr_expect_eq(c.err, JZX_ERR_NOT_FOUND, "number %u", i);
    }
    for (uint32_t i = 1; i < 3; i++) {
        group_call c = {.member = member};
        test_do(&world, &actors[i], group_do_leave, &c);
        cr_expect_eq(c.err, JZX_ERR_NOT_FOUND, "it is another's");
    }
    group_leave(&world, &actors[0], member);
    group_call c = {.member = member};
    test_do(&world, &actors[0], group_do_leave, &c);
    cr_expect_eq(c.err, JZX_ERR_NOT_FOUND, "it has left");
    cr_expect(group_join(&world, &actors[0], jzx_group_named(space, "a"), 0) != member, "a number is new");
    test_world_close(&world);
}

/* Looks at the group when it hears of an end. */
typedef struct mourner {
    test_actor actor;
    jzx_group group;
    uint32_t seen;
} mourner;

static jzx_behavior_result mourn(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    mourner *m = actor->data;
    (void)context;
    if (message->tag == JZX_TAG_SYS_DOWN) {
        m->seen = group_count(m->group);
    }
    return JZX_BEHAVIOR_OK;
}

static void ends(uint32_t loops)
{
    test_world world;
    test_world_open(&world, loops, NULL);
    test_actor member = {0};
    mourner m = {.actor = {.on = mourn}, .seen = UINT32_MAX};
    m.actor.data = &m;
    test_spawn(&world, 0, &m.actor);
    test_spawn(&world, loops - 1, &member);
    jzx_space *space = group_space(&world, 4, 4);
    m.group = jzx_group_named(space, "a");
    (void)group_join(&world, &member, m.group, 1);
    (void)group_join(&world, &member, m.group, 2);
    (void)group_join(&world, &member, jzx_group_named(space, "b"), 3);
    group_call c = {.id = member.id};
    test_do(&world, &m.actor, group_do_monitor, &c);
    cr_assert_eq(c.err, JZX_OK);
    cr_assert_eq(jzx_kill(host_of(&world, loops - 1), member.id), JZX_OK);
    test_until(&world, m.seen != UINT32_MAX);
    cr_assert_eq(m.seen, 0);
    cr_assert_eq(group_count(jzx_group_named(space, "b")), 0);
    test_world_close(&world);
}

Test(group, who_has_ended_is_in_none_before_its_down_is_handled, .timeout = 60)
{
    ends(1);
    ends(2);
}

Test(group, who_drains_has_left_at_once, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actors[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, 0, &actors[i]);
    }
    jzx_space *space = group_space(&world, 4, 4);
    jzx_group group = jzx_group_named(space, "a");
    for (uint32_t i = 0; i < 3; i++) {
        (void)group_join(&world, &actors[i], group, i);
    }
    test_send(&world, &actors[0], 1);
    cr_assert_eq(jzx_drain(host_of(&world, 0), actors[0].id), JZX_OK);
    cr_assert_eq(group_count(group), 2, "though it has mail yet");
    group_call c = {.group = group};
    test_do(&world, &actors[1], group_do_drain, &c);
    cr_assert_eq(c.err, JZX_OK);
    test_until(&world, actors[1].finis == 1 && actors[0].finis == 1);
    cr_assert_eq(actors[0].received, 1);
    cr_assert_eq(group_count(group), 1);
    test_world_close(&world);
}

/* Joins while it drains: when the message comes that was behind the drain. */
static jzx_behavior_result join_late(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    group_call *c = actor->data;
    if (message->tag == 1) {
        c->err = jzx_group_join(context, &c->group, 0, NULL, NULL, NULL);
    }
    return JZX_BEHAVIOR_OK;
}

static void join_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    group_call *c = actor->data;
    (void)info;
    c->ref = (uint64_t)-jzx_group_join(context, &c->group, 0, NULL, NULL, NULL);
    c->id = (uint64_t)-jzx_group_watch(context, &c->group, &c->member);
}

Test(group, who_ends_joins_no_more, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 4), "a")};
    test_actor actor = {.on = join_late, .on_fini = join_in_fini, .data = &c};
    test_spawn(&world, 0, &actor);
    test_send(&world, &actor, 1);
    cr_assert_eq(jzx_drain(host_of(&world, 0), actor.id), JZX_OK);
    test_until(&world, actor.finis == 1);
    cr_assert_eq(c.err, JZX_ERR_STOPPING);
    cr_assert_eq(c.ref, (uint64_t)-JZX_ERR_STOPPING);
    cr_assert_eq(c.id, (uint64_t)-JZX_ERR_STOPPING);
    cr_assert_eq(group_count(c.group), 0);
    test_world_close(&world);
}

static jzx_err join_in_init(jzx_context *context, test_actor *actor)
{
    group_call *c = actor->data;
    jzx_message message = jzx_message_empty(1);
    cr_assert_eq(jzx_group_join(context, &c->group, 5, &c->member, NULL, NULL), JZX_OK);
    if (c->tag != 0) {
        cr_assert_eq(jzx_send(context, jzx_self(context), &message), JZX_OK); /* it has to wait for its turn then */
    }
    return actor->init_result;
}

Test(group, an_init_joins_and_leaves_nothing_when_it_fails, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 4), "a")};
    test_actor actors[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        actors[i].on_init = join_in_init;
        actors[i].data = &c;
        actors[i].init_result = i == 0 ? JZX_OK : JZX_ERR_NOT_FOUND;
        c.tag = i == 2;
        jzx_spawn_options options;
        jzx_actor_id id = 0;
        test_actor_options(&actors[i], &options);
        cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, &id), i == 0 ? JZX_OK : JZX_ERR_INIT);
        cr_assert_eq(group_count(c.group), 1);
    }
    test_world_close(&world);
}

/* ---- names and limits ---- */

Test(group, names_are_bytes_of_any_kind, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_space *space = group_space(&world, 16, 16);
    static const char longest[] = "1234567890123456789012345678901234567890123456789012345678901234";
    uint8_t bytes[JZX_GROUP_NAME_MAX];
    memset(bytes, 0, sizeof bytes);
    const jzx_group groups[] = {
        jzx_group_named(space, "a"),           jzx_group_named(space, "ab"),
        jzx_group_keyed(space, "a\0", 2),      jzx_group_keyed(space, "a\0b", 3),
        jzx_group_keyed(space, bytes, 1),      jzx_group_keyed(space, bytes, 8),
        jzx_group_keyed(space, bytes, 9),      jzx_group_keyed(space, bytes, JZX_GROUP_NAME_MAX),
        jzx_group_named(space, longest),       jzx_group_keyed(space, longest, 63),
        jzx_group_keyed(space, "\xFF\xFE", 2),
    };
    enum { GROUPS = sizeof groups / sizeof groups[0] };
    for (uint32_t i = 0; i < GROUPS; i++) {
        cr_assert_eq(group_count(groups[i]), 0, "group %u", i);
        (void)group_join(&world, &actor, groups[i], i);
        cr_assert_eq(group_count(groups[i]), 1);
    }
    jzx_group same = jzx_group_keyed(space, "a", 1);
    cr_assert_eq(group_count(same), 1, "a text and its bytes are one name");
    jzx_group seen[GROUPS];
    uint32_t count = 0;
    cr_assert_eq(jzx_space_groups(space, seen, GROUPS, &count), JZX_OK);
    cr_assert_eq(count, GROUPS);
    for (uint32_t i = 0; i < GROUPS; i++) {
        uint32_t found = 0;
        for (uint32_t k = 0; k < GROUPS; k++) {
            found += seen[k].size == groups[i].size && seen[k].hash == groups[i].hash && seen[k].space == space &&
                     memcmp(seen[k].name, groups[i].name, sizeof seen[k].name) == 0;
        }
        cr_expect_eq(found, 1, "group %u", i);
    }
    cr_assert_eq(jzx_space_groups(space, seen, 2, &count), JZX_OK);
    cr_assert_eq(count, GROUPS, "also when not all are written");
    test_world_close(&world);
}

static jzx_behavior_result watch_nowhere(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    cr_expect_eq(jzx_group_watch(context, argument, NULL), JZX_ERR_INVALID_ARG);
    return JZX_BEHAVIOR_OK;
}

Test(group, bad_arguments, .timeout = 60)
{
    test_world world;
    test_world other;
    test_world_open(&world, 1, NULL);
    test_world_open(&other, 1, NULL);
    other.fds_before = world.fds_before;
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_space *space = group_space(&world, 4, 4);
    jzx_group zeroes;
    memset(&zeroes, 0, sizeof zeroes);
    char long_name[JZX_GROUP_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name);
    long_name[JZX_GROUP_NAME_MAX + 1] = 0;
    const jzx_group bad[] = {
        zeroes,
        jzx_group_named(space, NULL),
        jzx_group_named(space, ""),
        jzx_group_named(space, long_name),
        jzx_group_keyed(space, "a", 0),
        jzx_group_keyed(space, NULL, 1),
        jzx_group_keyed(space, long_name, JZX_GROUP_NAME_MAX + 1),
        jzx_group_named(NULL, "a"),
    };
    uint32_t count = 7;
    jzx_member member;
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        group_call c = {.group = bad[i], .message = jzx_message_empty(1)};
        cr_expect_eq(bad[i].size, 0);
        test_do(&world, &actor, group_do_join, &c);
        cr_expect_eq(c.err, JZX_ERR_INVALID_ARG);
        test_do(&world, &actor, group_do_watch, &c);
        cr_expect_eq(c.err, JZX_ERR_INVALID_ARG);
        test_do(&world, &actor, group_do_broadcast, &c);
        cr_expect_eq(c.err, JZX_ERR_INVALID_ARG);
        test_do(&world, &actor, group_do_request, &c);
        cr_expect_eq(c.err, JZX_ERR_INVALID_ARG);
        cr_expect_eq(jzx_group_count(&bad[i], &count), JZX_ERR_INVALID_ARG);
        cr_expect_eq(jzx_group_members(&bad[i], &member, 1, &count), JZX_ERR_INVALID_ARG);
    }
    group_call far = {.group = jzx_group_named(group_space(&other, 4, 4), "a"), .message = jzx_message_empty(1)};
    test_do(&world, &actor, group_do_join, &far);
    cr_expect_eq(far.err, JZX_ERR_INVALID_ARG, "a space of another runtime");
    test_do(&world, &actor, group_do_broadcast, &far);
    cr_expect_eq(far.err, JZX_ERR_INVALID_ARG);
    jzx_group good = jzx_group_named(space, "a");
    uint64_t watch;
    cr_expect_eq(jzx_group_count(NULL, &count), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_count(&good, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_members(NULL, &member, 1, &count), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_members(&good, NULL, 1, &count), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_members(&good, &member, 1, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_space_groups(NULL, &good, 1, &count), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_space_groups(space, NULL, 1, &count), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_space_groups(space, &good, 1, NULL), JZX_ERR_INVALID_ARG);
    const jzx_group odd[] = {{.space = space}, {.space = space, .size = JZX_GROUP_NAME_MAX + 1}}; /* made by hand */
    cr_expect_eq(jzx_group_count(&odd[0], &count), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_count(&odd[1], &count), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_join(NULL, &good, 0, NULL, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_join(host_of(&world, 0), &good, 0, NULL, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_leave(NULL, 1), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_leave(host_of(&world, 0), 1), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_watch(NULL, &good, &watch), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_watch(host_of(&world, 0), &good, &watch), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_unwatch(NULL, 1), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_group_unwatch(host_of(&world, 0), 1), JZX_ERR_INVALID_ARG);
    test_do(&world, &actor, watch_nowhere, &good);
    cr_expect_eq(count, 7, "an error leaves what was there");
    cr_assert_eq(jzx_runtime_destroy(other.runtime), JZX_OK);
    test_world_close(&world);
}

typedef struct stranger {
    test_world *world;
    jzx_group group;
} stranger;

static void call_from_elsewhere(void *argument)
{
    stranger *s = argument;
    jzx_context *context = host_of(s->world, 0);
    jzx_message message = jzx_message_empty(1);
    uint64_t number;
    uint32_t count = 0;
    jzx_member member;
    cr_expect_eq(jzx_group_join(context, &s->group, 0, NULL, NULL, NULL), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_group_leave(context, 1), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_group_watch(context, &s->group, &number), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_group_unwatch(context, 1), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_broadcast(context, &s->group, &message, 0, NULL), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_broadcast_request(context, &s->group, &message, 0, 1, NULL, NULL), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(group_count(s->group), 1, "but any thread may look");
    cr_expect_eq(jzx_group_members(&s->group, &member, 1, &count), JZX_OK);
    cr_expect_eq(member.tag, 3);
}

Test(group, other_threads_may_look_and_no_more, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    stranger s = {&world, jzx_group_named(group_space(&world, 4, 4), "a")};
    (void)group_join(&world, &actor, s.group, 3);
    test_on_thread(call_from_elsewhere, &s);
    test_world_close(&world);
}

Test(group, a_space_holds_so_many_groups_and_members, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    jzx_space *space = group_space(&world, 2, 3);
    jzx_group a = jzx_group_named(space, "a");
    jzx_group b = jzx_group_named(space, "b");
    jzx_group c = jzx_group_named(space, "c");
    jzx_member_id in_a = group_join(&world, &actors[0], a, 1);
    jzx_member_id in_b = group_join(&world, &actors[1], b, 2);
    group_call call = {.group = c};
    test_do(&world, &actors[0], group_do_join, &call);
    cr_assert_eq(call.err, JZX_ERR_LIMIT, "a third group");
    jzx_member_id again = group_join(&world, &actors[0], b, 3);
    call.group = a;
    test_do(&world, &actors[1], group_do_join, &call);
    cr_assert_eq(call.err, JZX_ERR_LIMIT, "a fourth member");
    cr_assert_eq(group_count(a), 1);
    group_leave(&world, &actors[0], again);
    call.group = c;
    test_do(&world, &actors[0], group_do_join, &call);
    cr_assert_eq(call.err, JZX_ERR_LIMIT, "the groups are still two");
    group_leave(&world, &actors[0], in_a);
    test_do(&world, &actors[0], group_do_join, &call);
    cr_assert_eq(call.err, JZX_OK);
    group_leave(&world, &actors[1], in_b);
    cr_assert_eq(group_count(a) + group_count(b), 0);
    cr_assert_eq(group_count(c), 1);
    test_world_close(&world);
}

Test(group, how_many_there_are_is_told_without_room_for_them, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_space *space = group_space(&world, 4, 4);
    jzx_group a = jzx_group_named(space, "a");
    (void)group_join(&world, &actor, a, 1);
    (void)group_join(&world, &actor, a, 2);
    (void)group_join(&world, &actor, jzx_group_named(space, "b"), 3);
    uint32_t count = 0;
    cr_expect_eq(jzx_space_groups(space, NULL, 0, &count), JZX_OK);
    cr_expect_eq(count, 2);
    cr_expect_eq(jzx_group_members(&a, NULL, 0, &count), JZX_OK);
    cr_expect_eq(count, 2);
    test_world_close(&world);
}

/* A number is given out once: when a record has had all that it can have, it is not taken again. */
Test(group, a_record_at_its_last_number_is_retired, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_space *space = group_space(&world, 4, 2);
    jzx_group group = jzx_group_named(space, "a");
    group_leave(&world, &actor, group_join(&world, &actor, group, 1));
    uint64_t *number = &space->members[0].resource.number;
    *number = (*number & ~(uint64_t)UINT32_MAX) | (UINT32_MAX - 1);
    jzx_member_id last = group_join(&world, &actor, group, 2);
    cr_assert_eq((uint32_t)last, UINT32_MAX);
    group_leave(&world, &actor, last);
    jzx_member_id next = group_join(&world, &actor, group, 3);
    cr_expect_neq(next >> 32, last >> 32, "another record");
    group_call c = {.group = group};
    test_do(&world, &actor, group_do_join, &c);
    cr_expect_eq(c.err, JZX_ERR_LIMIT, "one of two is out of use");
    test_world_close(&world);
}

/* Many names through a small table, against counters. */
Test(group, groups_come_and_go_in_a_small_table, .timeout = 120)
{
    enum { NAMES = 40, HELD = 12, STEPS = 2000 };
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    jzx_space *space = group_space(&world, 8, HELD);
    struct held {
        jzx_member_id member;
        uint32_t name;
        uint32_t actor;
    } held[HELD];
    uint32_t count = 0;
    uint32_t counts[NAMES] = {0};
    uint64_t random = 1;
    for (uint32_t step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t draw = (uint32_t)(random >> 33);
        uint32_t name = draw % NAMES;
        jzx_group group = jzx_group_keyed(space, &name, sizeof name);
        if (draw / NAMES % 2 == 0) {
            group_call c = {.group = group, .tag = step};
            uint32_t who = draw / NAMES / 2 % 2;
            test_do(&world, &actors[who], group_do_join, &c);
            uint32_t groups = 0;
            for (uint32_t i = 0; i < NAMES; i++) {
                groups += counts[i] != 0;
            }
            bool fits = count < HELD && (counts[name] != 0 || groups < 8);
            cr_assert_eq(c.err, fits ? JZX_OK : JZX_ERR_LIMIT);
            if (fits) {
                held[count++] = (struct held){c.member, name, who};
                counts[name]++;
            }
        } else if (count > 0) {
            struct held *one = &held[draw / NAMES / 2 % count];
            group_leave(&world, &actors[one->actor], one->member);
            counts[one->name]--;
            *one = held[--count];
        }
        for (uint32_t i = 0; i < NAMES; i++) {
            cr_assert_eq(group_count(jzx_group_keyed(space, &i, sizeof i)), counts[i], "step %u, name %u", step, i);
        }
    }
    test_world_close(&world);
}

/* ---- spaces ---- */

Test(group, spaces_are_found_by_name, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.spaces_max = 3;
    test_world world;
    test_world_open(&world, 1, &config);
    jzx_space_options options;
    jzx_space *spaces[3] = {NULL};
    jzx_space *found = NULL;
    jzx_space_options_init(&options);
    cr_assert_eq(options.groups_max, 4096);
    cr_assert_eq(options.members_max, 65536);
    cr_assert_null(options.name);
    options.groups_max = 1;
    options.members_max = 1;
    options.name = "first";
    cr_assert_eq(jzx_space_create(world.runtime, &options, &spaces[0]), JZX_OK);
    cr_assert_eq(jzx_space_create(world.runtime, &options, &spaces[1]), JZX_ERR_NAME_TAKEN);
    options.name = "1234567890123456789012345678901";
    cr_assert_eq(jzx_space_create(world.runtime, &options, &spaces[1]), JZX_OK);
    options.name = NULL;
    cr_assert_eq(jzx_space_create(world.runtime, &options, &spaces[2]), JZX_OK);
    cr_assert_eq(jzx_space_create(world.runtime, &options, &found), JZX_ERR_LIMIT);
    cr_assert_eq(jzx_space_find(world.runtime, "first", &found), JZX_OK);
    cr_assert_eq(found, spaces[0]);
    cr_assert_eq(jzx_space_find(world.runtime, "1234567890123456789012345678901", &found), JZX_OK);
    cr_assert_eq(found, spaces[1]);
    found = NULL;
    cr_assert_eq(jzx_space_find(world.runtime, "second", &found), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_space_find(world.runtime, "", &found), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_space_find(world.runtime, NULL, &found), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_space_find(world.runtime, "12345678901234567890123456789012", &found), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_space_find(NULL, "first", &found), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_space_find(world.runtime, "first", NULL), JZX_ERR_INVALID_ARG);
    cr_assert_null(found);
    test_world_close(&world);
}

Test(group, spaces_that_cannot_be_made, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_space_options good;
    jzx_space *space = NULL;
    jzx_space_options_init(&good);
    jzx_space_options_init(NULL);
    jzx_space_options bad[8];
    for (uint32_t i = 0; i < 8; i++) {
        bad[i] = good;
    }
    bad[0].struct_size = 0;
    bad[1].groups_max = 0;
    bad[2].groups_max = (1u << 23) + 1;
    bad[3].members_max = 0;
    bad[4].members_max = (1u << 23) + 1;
    bad[5].name = "";
    bad[6].name = "12345678901234567890123456789012";
    bad[7].struct_size = sizeof good + 8;
    for (uint32_t i = 0; i < 8; i++) {
        cr_expect_eq(jzx_space_create(world.runtime, &bad[i], &space), JZX_ERR_INVALID_ARG, "options %u", i);
        cr_expect_eq(jzx_space_footprint(&bad[i], 1), 0);
    }
    cr_expect_eq(jzx_space_create(NULL, &good, &space), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_space_create(world.runtime, &good, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_space_footprint(&good, 0), 0);
    cr_expect_eq(jzx_space_footprint(&good, JZX_LOOPS_MAX + 1), 0);
    test_memory *memory = &world.memory[JZX_MEMORY_METADATA];
    memory->fail_at = memory->calls + 1;
    cr_expect_eq(jzx_space_create(world.runtime, &good, &space), JZX_ERR_NO_MEMORY);
    cr_expect_null(space);
    size_t before = memory->live;
    cr_assert_eq(jzx_space_create(world.runtime, NULL, &space), JZX_OK);
    cr_expect_eq(memory->live - before, jzx_space_footprint(NULL, 1));
    cr_expect(jzx_space_footprint(&good, 2) > jzx_space_footprint(&good, 1));
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    cr_expect_eq(jzx_space_create(world.runtime, &good, &space), JZX_ERR_LOOP_CLOSED);
    test_world_close(&world);
}

static void make_one(void *argument)
{
    test_world *world = argument;
    (void)group_space(world, 4, 4);
}

Test(group, a_space_made_while_loops_run_is_there_for_all, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 1, &actor);
    test_world_start(&world);
    jzx_space_options options;
    jzx_space *space = NULL;
    jzx_space_options_init(&options);
    options.name = "late";
    cr_assert_eq(jzx_space_create(world.runtime, &options, &space), JZX_OK);
    test_on_thread(make_one, &world);
    jzx_group group = jzx_group_named(space, "a");
    (void)group_join(&world, &actor, group, 1);
    cr_assert_eq(group_count(group), 1);
    test_world_close(&world);
}

/* ---- watches ---- */

/* What a watch has told, kept up to date: memberships by tag, which the tests give out once. */
typedef struct watcher {
    test_actor actor;
    uint64_t watch;
    jzx_actor_id in[64];
    _Atomic(uint32_t) joined;
    _Atomic(uint32_t) left;
    uint32_t wrong;
    jzx_group group; /* for its init */
} watcher;

static jzx_behavior_result note(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    watcher *w = actor->data;
    jzx_member_notice notice;
    (void)context;
    if (message->tag != JZX_TAG_SYS_MEMBER) {
        return JZX_BEHAVIOR_OK;
    }
    memcpy(&notice, message->bytes, sizeof notice);
    bool right = message->size == sizeof notice && message->flags == 0 && message->ref == w->watch && notice.tag < 64 &&
                 w->in[notice.tag] == (notice.joined ? 0 : notice.id);
    w->wrong += !right;
    w->joined += notice.joined;
    w->left += !notice.joined;
    w->in[notice.tag % 64] = notice.joined ? notice.id : 0;
    return JZX_BEHAVIOR_OK;
}

static void spawn_watcher(test_world *world, uint32_t loop, watcher *w)
{
    w->actor.on = note;
    w->actor.data = w;
    test_spawn(world, loop, &w->actor);
}

static jzx_behavior_result begin_watch(jzx_context *context, test_actor *actor, void *argument)
{
    watcher *w = actor->data;
    group_call *c = argument;
    c->err = jzx_group_watch(context, &c->group, &w->watch);
    return JZX_BEHAVIOR_OK;
}

static void watch(test_world *world, watcher *w, jzx_group group)
{
    group_call c = {.group = group};
    test_do(world, &w->actor, begin_watch, &c);
    cr_assert_eq(c.err, JZX_OK, "%s", jzx_strerror(c.err));
}

static void watched(uint32_t loops)
{
    test_world world;
    test_world_open(&world, loops, NULL);
    watcher w[2];
    memset(w, 0, sizeof w);
    test_actor actors[4] = {0};
    spawn_watcher(&world, 0, &w[0]);
    spawn_watcher(&world, loops - 1, &w[1]);
    for (uint32_t i = 0; i < 4; i++) {
        test_spawn(&world, i % loops, &actors[i]);
    }
    jzx_space *space = group_space(&world, 4, 16);
    jzx_group group = jzx_group_named(space, "a");
    jzx_group other = jzx_group_named(space, "b");
    watch(&world, &w[1], group);
    jzx_member_id first = group_join(&world, &actors[0], group, 0);
    (void)group_join(&world, &actors[1], group, 1);
    (void)group_join(&world, &actors[1], other, 2);
    watch(&world, &w[0], group);
    test_world_settle(&world);
    for (uint32_t i = 0; i < 2; i++) {
        cr_expect_eq(w[i].joined, 2, "those that are there, and those that come");
        cr_expect_eq(w[i].in[0], actors[0].id);
        cr_expect_eq(w[i].in[1], actors[1].id);
    }
    (void)group_join(&world, &actors[2], group, 3);
    (void)group_join(&world, &actors[3], group, 4);
    group_leave(&world, &actors[0], first);
    test_world_settle(&world);
    cr_assert_eq(jzx_kill(host_of(&world, 1 % loops), actors[1].id), JZX_OK);
    cr_assert_eq(jzx_drain(host_of(&world, 2 % loops), actors[2].id), JZX_OK);
    test_world_settle(&world);
    for (uint32_t i = 0; i < 2; i++) {
        cr_expect_eq(w[i].joined, 4);
        cr_expect_eq(w[i].left, 3);
        cr_expect_eq(w[i].in[4], actors[3].id);
        cr_expect_eq(w[i].wrong, 0);
    }
    group_call c = {.member = w[0].watch};
    test_do(&world, &w[1].actor, group_do_unwatch, &c);
    cr_expect_eq(c.err, JZX_ERR_NOT_FOUND, "it is another's");
    test_do(&world, &w[0].actor, group_do_unwatch, &c);
    cr_expect_eq(c.err, JZX_OK);
    test_do(&world, &w[0].actor, group_do_unwatch, &c);
    cr_expect_eq(c.err, JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_kill(host_of(&world, 3 % loops), actors[3].id), JZX_OK);
    test_world_settle(&world);
    cr_expect_eq(w[0].left, 3);
    cr_expect_eq(w[1].left, 4);
    test_world_close(&world);
}

Test(group, a_watch_tells_of_one_loop, .timeout = 60)
{
    watched(1);
}

Test(group, a_watch_tells_of_two_loops, .timeout = 60)
{
    watched(2);
}

/* Joins and leaves several times in one handler. */
static jzx_behavior_result come_and_go(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert_eq(jzx_group_join(context, &c->group, c->tag + i % 2, &c->member, NULL, NULL), JZX_OK);
        if (i < 99) {
            cr_assert_eq(jzx_group_leave(context, c->member), JZX_OK);
        }
    }
    return JZX_BEHAVIOR_OK;
}

Test(group, who_has_come_and_gone_meanwhile_is_not_told_of, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    watcher w;
    memset(&w, 0, sizeof w);
    test_actor actor = {0};
    spawn_watcher(&world, 0, &w);
    test_spawn(&world, 0, &actor);
    jzx_space *space = group_space(&world, 4, 4);
    group_call c = {.group = jzx_group_named(space, "a"), .tag = 8};
    watch(&world, &w, c.group);
    test_do(&world, &actor, come_and_go, &c);
    test_world_settle(&world);
    cr_expect_eq(w.joined, 1);
    cr_expect_eq(w.left, 0);
    cr_expect_eq(w.in[9], actor.id);
    group_leave(&world, &actor, c.member);
    group_call away = {.group = jzx_group_named(space, "b"), .tag = 2};
    test_do(&world, &actor, come_and_go, &away);
    test_world_settle(&world);
    cr_expect_eq(w.left, 1, "its record is another's by now");
    cr_expect_eq(w.wrong, 0);
    test_world_close(&world);
}

/* A member whose record is used again, with another tag, before the watch looks: it has left, and has joined. */
static jzx_behavior_result change_tag(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    cr_assert_eq(jzx_group_leave(context, c->member), JZX_OK);
    cr_assert_eq(jzx_group_join(context, &c->group, c->tag, &c->member, NULL, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(group, another_membership_in_the_place_of_one_is_two_notices, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    watcher w;
    memset(&w, 0, sizeof w);
    test_actor actor = {0};
    spawn_watcher(&world, 0, &w);
    test_spawn(&world, 1, &actor);
    jzx_group group = jzx_group_named(group_space(&world, 4, 1), "a");
    watch(&world, &w, group);
    group_call c = {.group = group, .tag = 5, .member = group_join(&world, &actor, group, 4)};
    test_world_settle(&world);
    test_do(&world, &actor, change_tag, &c);
    test_world_settle(&world);
    cr_expect_eq(w.joined, 2);
    cr_expect_eq(w.left, 1);
    cr_expect_eq(w.in[4], 0);
    cr_expect_eq(w.in[5], actor.id);
    cr_expect_eq(w.wrong, 0);
    test_world_close(&world);
}

Test(group, a_watch_that_cannot_be_begun, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.group_watches_max = 2;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 4), "a")};
    test_memory *memory = &world.memory[JZX_MEMORY_METADATA];
    for (uint32_t i = 1; i <= 2; i++) {
        c.err = JZX_OK;
        memory->fail_at = memory->calls + i;
        test_do(&world, &actor, group_do_watch, &c);
        memory->fail_at = 0;
        cr_assert_eq(c.err, JZX_ERR_NO_MEMORY, "allocation %u", i);
    }
    for (uint32_t i = 0; i < 2; i++) {
        test_do(&world, &actor, group_do_watch, &c);
        cr_assert_eq(c.err, JZX_OK);
    }
    group_call third = c;
    test_do(&world, &actor, group_do_watch, &third);
    cr_assert_eq(third.err, JZX_ERR_LIMIT);
    cr_assert_eq(third.member, c.member, "an error leaves what was there");
    test_do(&world, &actor, group_do_unwatch, &c);
    test_do(&world, &actor, group_do_watch, &c);
    cr_assert_eq(c.err, JZX_OK);
    test_world_close(&world);
}

/* Ends its watch when the first notice comes: no other does. */
static jzx_behavior_result end_watch(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    watcher *w = actor->data;
    if (message->tag == JZX_TAG_SYS_MEMBER) {
        w->joined++;
        cr_assert_eq(jzx_group_unwatch(context, message->ref), JZX_OK);
        cr_assert_eq(jzx_group_unwatch(context, message->ref), JZX_ERR_NOT_FOUND, "also with more to tell");
    }
    return JZX_BEHAVIOR_OK;
}

Test(group, no_notice_comes_after_the_watch_has_ended, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    watcher w;
    memset(&w, 0, sizeof w);
    test_actor actor = {0};
    spawn_watcher(&world, 0, &w);
    test_spawn(&world, 0, &actor);
    w.actor.on = end_watch;
    jzx_group group = jzx_group_named(group_space(&world, 4, 8), "a");
    for (uint32_t i = 0; i < 5; i++) {
        (void)group_join(&world, &actor, group, i);
    }
    watch(&world, &w, group);
    test_world_settle(&world);
    cr_assert_eq(w.joined, 1);
    watch(&world, &w, group);
    cr_assert_eq(jzx_kill(host_of(&world, 0), w.actor.id), JZX_OK); /* with notices to come */
    test_world_close(&world);
}

static jzx_behavior_result join_many(jzx_context *context, test_actor *actor, void *argument)
{
    const group_call *c = argument;
    (void)actor;
    for (uint64_t i = 0; i < c->tag; i++) {
        cr_assert_eq(jzx_group_join(context, &c->group, i, NULL, NULL, NULL), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

/* It looks at so many changes in one go; what is behind them is told later. */
Test(group, a_watch_finds_its_members_behind_many_of_another_group, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    watcher w;
    memset(&w, 0, sizeof w);
    test_actor actor = {0};
    spawn_watcher(&world, 0, &w);
    test_spawn(&world, 0, &actor);
    jzx_space *space = group_space(&world, 4, 512);
    jzx_group group = jzx_group_named(space, "a");
    group_call others = {.group = jzx_group_named(space, "b"), .tag = 300};
    test_do(&world, &actor, join_many, &others);
    (void)group_join(&world, &actor, group, 9);
    watch(&world, &w, group);
    test_world_settle(&world);
    cr_expect_eq(w.joined, 1);
    cr_expect_eq(w.in[9], actor.id);
    cr_expect_eq(w.wrong, 0);
    test_world_close(&world);
}

static jzx_err watch_in_init(jzx_context *context, test_actor *actor)
{
    watcher *w = actor->data;
    return jzx_group_watch(context, &w->group, &w->watch);
}

/* There is nobody to be woken yet, and it looks when it begins. */
Test(group, a_watch_on_a_loop_that_has_not_begun_misses_nothing, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    watcher w;
    memset(&w, 0, sizeof w);
    group_call c = {.group = jzx_group_named(group_space(&world, 4, 8), "a")};
    w.group = c.group;
    w.actor.on_init = watch_in_init;
    test_actor actor = {.on_init = join_in_init, .data = &c};
    spawn_watcher(&world, 1, &w);
    test_spawn(&world, 0, &actor);
    test_world_start(&world);
    test_until(&world, w.joined == 1);
    test_world_close(&world);
    cr_expect_eq(w.wrong, 0);
}

/* Nothing but the change itself brings the notice. */
Test(group, a_loop_that_sleeps_is_woken_for_its_watches, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    watcher w;
    memset(&w, 0, sizeof w);
    test_actor actor = {0};
    spawn_watcher(&world, 0, &w);
    test_spawn(&world, 1, &actor);
    jzx_group group = jzx_group_named(group_space(&world, 4, 64), "a");
    test_world_start(&world);
    watch(&world, &w, group);
    for (uint32_t i = 0; i < 20; i++) {
        jzx_member_id member = group_join(&world, &actor, group, i);
        test_until(&world, w.joined == i + 1);
        group_leave(&world, &actor, member);
        test_until(&world, w.left == i + 1);
    }
    test_world_close(&world);
    cr_assert_eq(w.wrong, 0);
}
