/* group: spaces, groups, broadcasts and watches. */
#include "sched/fanout.h"
#include "sched/group_watch.h"
#include "src/internal.h"

/* ---- spaces ---- */

void jzx_space_options_init(jzx_space_options *options)
{
    if (options != NULL) {
        *options = (jzx_space_options){.struct_size = sizeof *options, .groups_max = 4096, .members_max = 65536};
    }
}

/* The options meant, the defaults for NULL. False: a field is out of its range. */
static bool read_options(const jzx_space_options *user_options, jzx_space_options *options)
{
    jzx_space_options_init(options);
    if (user_options != NULL) {
        if (user_options->struct_size != sizeof *options) {
            return false;
        }
        *options = *user_options;
    }
    size_t length = options->name == NULL ? 1 : strnlen(options->name, JZX_SPACE_NAME_MAX);
    return length > 0 && length < JZX_SPACE_NAME_MAX && options->groups_max >= 1 && options->groups_max <= 1u << 23 &&
           options->members_max >= 1 && options->members_max <= 1u << 23;
}

jzx_err jzx_space_create(jzx_runtime *runtime, const jzx_space_options *user_options, jzx_space **space)
{
    jzx_space_options options;
    if (runtime == NULL || space == NULL || !read_options(user_options, &options)) {
        return JZX_ERR_INVALID_ARG;
    }
    if (atomic_load_explicit(&runtime->stop, memory_order_acquire) != 0) {
        return JZX_ERR_LOOP_CLOSED;
    }
    return jzx__space_create(runtime, &options, space);
}

jzx_err jzx_space_find(const jzx_runtime *runtime, const char *name, jzx_space **space)
{
    if (runtime == NULL || name == NULL || space == NULL || *name == 0 ||
        strnlen(name, JZX_SPACE_NAME_MAX) == JZX_SPACE_NAME_MAX) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_space *found = jzx__space_named(runtime, name);
    if (found == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    *space = found;
    return JZX_OK;
}

size_t jzx_space_footprint(const jzx_space_options *user_options, uint32_t loops_max)
{
    jzx_space_options options;
    bool valid = read_options(user_options, &options) && loops_max >= 1 && loops_max <= JZX_LOOPS_MAX;
    return valid ? jzx__space_size(&options, loops_max) : 0;
}

jzx_err jzx_space_groups(jzx_space *space, jzx_group *groups, uint32_t max, uint32_t *count)
{
    if (space == NULL || (groups == NULL && max > 0) || count == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx__space_groups(space, groups, max, count);
    return JZX_OK;
}

/* ---- groups ---- */

jzx_group jzx_group_named(jzx_space *space, const char *name)
{
    return jzx__group_value(space, name, name == NULL ? 0 : strnlen(name, JZX_GROUP_NAME_MAX + 1));
}

jzx_group jzx_group_keyed(jzx_space *space, const void *name, size_t size)
{
    return jzx__group_value(space, name, size);
}

static bool is_group(const jzx_group *group)
{
    return group != NULL && group->space != NULL && group->size >= 1 && group->size <= JZX_GROUP_NAME_MAX;
}

/* The context is a living actor's, and the group of its runtime. */
static jzx_err check_actor(const jzx_context *context, const jzx_group *group)
{
    jzx_err err = jzx__check_living(context);
    if (err == JZX_OK && (!is_group(group) || group->space->runtime != context->loop->runtime)) {
        err = JZX_ERR_INVALID_ARG;
    }
    return err;
}

jzx_err jzx_group_join(jzx_context *context, const jzx_group *group, uint64_t tag, jzx_member_id *member,
                       jzx_filter_fn filter, void *filter_context)
{
    jzx_err err = check_actor(context, group);
    return err == JZX_OK ? jzx__group_join(context, group, tag, member, filter, filter_context) : err;
}

jzx_err jzx_group_leave(jzx_context *context, jzx_member_id member)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__group_leave(context, member) : err;
}

jzx_err jzx_group_count(const jzx_group *group, uint32_t *count)
{
    jzx__group_view view;
    if (!is_group(group) || count == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    *count = jzx__space_look(group, &view) ? view.count : 0;
    return JZX_OK;
}

jzx_err jzx_group_members(const jzx_group *group, jzx_member *members, uint32_t max, uint32_t *count)
{
    if (!is_group(group) || (members == NULL && max > 0) || count == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    return jzx__space_members(group, members, max, count) ? JZX_OK : JZX_ERR_NOT_FOUND;
}

jzx_err jzx_group_watch(jzx_context *context, const jzx_group *group, uint64_t *watch)
{
    jzx_err err = check_actor(context, group);
    if (err == JZX_OK && watch == NULL) {
        err = JZX_ERR_INVALID_ARG;
    }
    return err == JZX_OK ? jzx__group_watch_start(context, group, watch) : err;
}

jzx_err jzx_group_unwatch(jzx_context *context, uint64_t watch)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__group_watch_stop(context, watch) : err;
}

/* ---- broadcasts ---- */

/* What may be broadcast: many get it, so a payload by pointer must be a buffer. */
static jzx_err check_broadcast(const jzx_context *context, const jzx_group *group, const jzx_message *message,
                               uint32_t flags)
{
    jzx_err err = jzx__check_message(message);
    if (err != JZX_OK) {
        return err;
    }
    bool valid = is_group(group) && group->space->runtime == context->loop->runtime &&
                 (flags & ~(uint32_t)JZX_BROADCAST_OTHERS) == 0;
    if ((message->flags & JZX_MESSAGE_POINTER) != 0) {
        valid &= (message->flags & JZX_MESSAGE_LENT) != 0; /* and it is a buffer then: jzx__check_flags() */
    }
    return valid ? JZX_OK : JZX_ERR_INVALID_ARG;
}

/* An id that no actor has, on a loop that had no room: what jzx_resume() wants to know. */
static void say_busy(jzx_err err, uint32_t loop, jzx_actor_id *busy)
{
    if (err == JZX_ERR_WOULD_BLOCK && busy != NULL) {
        *busy = (uint64_t)loop << 56 | (uint64_t)JZX__SLOT_NONE << 32 | 1;
    }
}

static jzx_err broadcast(jzx_context *context, const jzx_group *group, const jzx_message *message, bool others,
                         uint32_t *loop)
{
    uint32_t loops;
    jzx__tally own;
    if (context->slot != JZX__SLOT_NONE) {
        return jzx__broadcast(context, group, message, others, 0, &loops, &own, loop);
    }
    if (atomic_load_explicit(&context->loop->runtime->phase, memory_order_relaxed) >= JZX__PHASE_DRAIN) {
        return JZX_ERR_LOOP_CLOSED; /* nobody may be left who takes it */
    }
    jzx_err err = jzx__broadcast(context, group, message, others, 0, &loops, &own, loop);
    jzx__loop_touch(context->loop);
    return err;
}

jzx_err jzx_broadcast(jzx_context *context, const jzx_group *group, const jzx_message *message, uint32_t flags,
                      jzx_actor_id *busy)
{
    jzx_err err = jzx__check_context(context);
    if (err == JZX_OK) {
        err = check_broadcast(context, group, message, flags);
    }
    if (err != JZX_OK) {
        return err;
    }
    uint32_t loop = 0;
    err = broadcast(context, group, message, (flags & JZX_BROADCAST_OTHERS) != 0, &loop);
    say_busy(err, loop, busy);
    return err;
}

jzx_err jzx_broadcast_request(jzx_context *context, const jzx_group *group, const jzx_message *message, uint32_t flags,
                              uint64_t timeout_ns, uint64_t *ref, jzx_actor_id *busy)
{
    jzx_err err = jzx__check_living(context);
    if (err == JZX_OK) {
        err = check_broadcast(context, group, message, flags);
    }
    if (err != JZX_OK) {
        return err;
    }
    uint32_t loop = 0;
    err = jzx__request_broadcast(context, group, message, (flags & JZX_BROADCAST_OTHERS) != 0, timeout_ns, ref, &loop);
    say_busy(err, loop, busy);
    return err;
}
