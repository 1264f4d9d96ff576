/* lives.c: the life of an actor, a restart, a timer started and cancelled, a timer that expires. */
#include "guard.h"

enum { LITTER = 64, PENDING = 1000 };

static jzx_behavior_result end(jzx_context *context, void *state, const jzx_message *message)
{
    struct guard *guard = state;
    (void)context;
    guard->sum += message->words[0];
    return JZX_BEHAVIOR_STOP;
}

static void count_end(jzx_context *context, void *state, const jzx_exit_info *info)
{
    struct guard *guard = state;
    (void)context;
    (void)info;
    guard->done++;
}

/* So many at once, until all have been spawned. `sum` is what the messages will add up to, less what they have. */
static jzx_behavior_result bear(jzx_context *context, void *state, const jzx_message *message)
{
    struct guard *guard = state;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = end;
    options.fini = count_end;
    options.argument = guard;
    (void)message;
    uint64_t begin = guard->done;
    for (uint64_t i = 0; i < LITTER && begin + i < guard->wanted; i++) {
        jzx_actor_id id = 0;
        uint64_t words[4] = {begin + i, 2, 3, 4};
        jzx_message only = jzx_message_value(TAG_TOKEN, words, sizeof words);
        GUARD_OK(jzx_spawn(context, &options, &id));
        GUARD_OK(jzx_send(context, id, &only));
    }
    return begin + LITTER < guard->wanted ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

static void run_life(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    guard_tell(&guard, guard_spawn(&guard, 0, bear, &guard), TAG_START);
    guard_turn(&guard);
    GUARD_CHECK(guard.sum == count * (count - 1) / 2);
    guard_close(&guard);
}

/* ---- a child that fails on each message, and is sent one by each start ---- */

static jzx_err begin_failing(jzx_context *context, void *argument, void **state)
{
    jzx_message fail = jzx_message_empty(TAG_TOKEN);
    *state = argument;
    return jzx_send(context, jzx_self(context), &fail);
}

static jzx_behavior_result fail(jzx_context *context, void *state, const jzx_message *message)
{
    struct guard *guard = state;
    (void)context;
    (void)message;
    if (guard->done == guard->wanted) {
        return JZX_BEHAVIOR_OK;
    }
    guard->done++;
    return JZX_BEHAVIOR_FAIL;
}

static void run_restart(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    jzx_child_spec child;
    jzx_child_spec_init(&child);
    child.init = begin_failing;
    child.behavior = fail;
    child.argument = &guard;
    jzx_supervisor_spec supervisor;
    jzx_supervisor_spec_init(&supervisor);
    supervisor.intensity = JZX_INTENSITY_UNLIMITED;
    supervisor.child_count = 1;
    supervisor.children = &child;
    GUARD_OK(jzx_supervisor_start(jzx_loop_context(guard.loops[0]), &supervisor, NULL, NULL));
    guard_turn(&guard);
    guard_close(&guard);
}

/* ---- timers, beside some that stay ---- */

static jzx_behavior_result set_and_cancel(jzx_context *context, void *state, const jzx_message *message)
{
    struct guard *guard = state;
    uint64_t words[4] = {1, 2, 3, 4};
    jzx_message due = jzx_message_value(TAG_TOKEN, words, sizeof words);
    uint64_t far_ns = UINT64_MAX / 4;
    (void)message;
    for (uint64_t i = 0; i < PENDING; i++) {
        GUARD_OK(jzx_timer_at(context, far_ns + i, &due, NULL));
    }
    for (; guard->done < guard->wanted; guard->done++) {
        jzx_timer_id timer = 0;
        GUARD_OK(jzx_timer_at(context, far_ns + guard->done * 7919 % PENDING, &due, &timer));
        GUARD_OK(jzx_timer_cancel(context, timer, NULL));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_timer_cancel(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    guard_tell(&guard, guard_spawn(&guard, 0, set_and_cancel, &guard), TAG_START);
    guard_turn(&guard);
    guard_close(&guard);
}

/* Started with deadlines in no order, all of them past, and taken when they fire; then the next ones. */
static jzx_behavior_result set_and_take(jzx_context *context, void *state, const jzx_message *message)
{
    struct guard *guard = state;
    guard->done += message->tag == TAG_TOKEN;
    guard->sum += message->tag == TAG_TOKEN ? message->words[0] : 0;
    if (guard->done % PENDING != 0 || guard->done == guard->wanted) {
        return JZX_BEHAVIOR_OK;
    }
    for (uint64_t i = 0; i < PENDING; i++) {
        uint64_t words[4] = {i, 2, 3, 4};
        jzx_message due = jzx_message_value(TAG_TOKEN, words, sizeof words);
        GUARD_OK(jzx_timer_at(context, 1 + i * 7919 % PENDING, &due, NULL));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_timer_expire(uint64_t count)
{
    struct guard guard;
    GUARD_CHECK(count % PENDING == 0);
    guard_open(&guard, 1, count);
    guard_tell(&guard, guard_spawn(&guard, 0, set_and_take, &guard), TAG_START);
    guard_turn(&guard);
    GUARD_CHECK(guard.sum == count / PENDING * (PENDING * (PENDING - 1) / 2));
    guard_close(&guard);
}

const guard_path guard_life_paths[] = {
    {"life", run_life, 12800},
    {"restart", run_restart, 5000},
    {"timer-cancel", run_timer_cancel, 10000},
    {"timer-expire", run_timer_expire, 10000},
    {NULL, NULL, 0},
};
