/* groups: what the tests of groups ask for inside of a handler, and what came of it. */
#ifndef TEST_GROUPS_H
#define TEST_GROUPS_H

#include "tests/support/support.h"

#include <string.h>

typedef struct group_call {
    jzx_group group;
    uint64_t tag;
    jzx_filter_fn filter;
    void *filter_context;
    jzx_member_id member; /* also a watch */
    jzx_message message;
    uint32_t flags;
    uint64_t timeout_ns;
    uint64_t ref;
    jzx_actor_id busy;
    jzx_actor_id id;
    jzx_err err;
} group_call;

static inline jzx_behavior_result group_do_join(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    c->err = jzx_group_join(context, &c->group, c->tag, &c->member, c->filter, c->filter_context);
    return JZX_BEHAVIOR_OK;
}

static inline jzx_behavior_result group_do_leave(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    c->err = jzx_group_leave(context, c->member);
    return JZX_BEHAVIOR_OK;
}

static inline jzx_behavior_result group_do_watch(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    c->err = jzx_group_watch(context, &c->group, &c->member);
    return JZX_BEHAVIOR_OK;
}

static inline jzx_behavior_result group_do_unwatch(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    c->err = jzx_group_unwatch(context, c->member);
    return JZX_BEHAVIOR_OK;
}

static inline jzx_behavior_result group_do_broadcast(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    c->err = jzx_broadcast(context, &c->group, &c->message, c->flags, &c->busy);
    return JZX_BEHAVIOR_OK;
}

static inline jzx_behavior_result group_do_request(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    c->err = jzx_broadcast_request(context, &c->group, &c->message, c->flags, c->timeout_ns, &c->ref, &c->busy);
    return JZX_BEHAVIOR_OK;
}

static inline jzx_behavior_result group_do_drain(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    c->err = jzx_drain(context, actor->id);
    return JZX_BEHAVIOR_OK;
}

static inline jzx_behavior_result group_do_resume(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    c->err = jzx_resume(context, c->id);
    return JZX_BEHAVIOR_OK;
}

static inline jzx_behavior_result group_do_monitor(jzx_context *context, test_actor *actor, void *argument)
{
    group_call *c = argument;
    (void)actor;
    c->err = jzx_monitor(context, c->id, &c->ref);
    return JZX_BEHAVIOR_OK;
}

static inline jzx_space *group_space(const test_world *world, uint32_t groups_max, uint32_t members_max)
{
    jzx_space_options options;
    jzx_space *space = NULL;
    jzx_space_options_init(&options);
    options.groups_max = groups_max;
    options.members_max = members_max;
    jzx_err err = jzx_space_create(world->runtime, &options, &space);
    cr_assert_eq(err, JZX_OK, "no space: %s", jzx_strerror(err));
    return space;
}

static inline jzx_member_id group_join(test_world *world, test_actor *actor, jzx_group group, uint64_t tag)
{
    group_call c = {.group = group, .tag = tag};
    test_do(world, actor, group_do_join, &c);
    cr_assert_eq(c.err, JZX_OK, "no member: %s", jzx_strerror(c.err));
    return c.member;
}

static inline void group_leave(test_world *world, test_actor *actor, jzx_member_id member)
{
    group_call c = {.member = member};
    test_do(world, actor, group_do_leave, &c);
    cr_assert_eq(c.err, JZX_OK, "cannot leave: %s", jzx_strerror(c.err));
}

static inline uint32_t group_count(jzx_group group)
{
    uint32_t count = UINT32_MAX;
    cr_assert_eq(jzx_group_count(&group, &count), JZX_OK);
    return count;
}

static inline jzx_err group_broadcast_with(test_world *world, test_actor *actor, jzx_group group, jzx_message message,
                                           uint32_t flags)
{
    group_call c = {.group = group, .message = message, .flags = flags};
    test_do(world, actor, group_do_broadcast, &c);
    return c.err;
}

static inline void group_broadcast(test_world *world, test_actor *actor, jzx_group group, uint32_t tag)
{
    jzx_err err = group_broadcast_with(world, actor, group, jzx_message_empty(tag), 0);
    cr_assert_eq(err, JZX_OK, "no broadcast: %s", jzx_strerror(err));
}

#endif
