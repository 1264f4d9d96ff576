/* crowds.c: a broadcast, by member that it reaches; a gathering of eight. */
#include "guard.h"

enum { MEMBERS = 64, ASKED = 8 };

/* ---- one actor tells all members of a group, and is told by the last of them that they have it ---- */

struct hall {
    struct guard *guard;
    jzx_group group;
    jzx_actor_id teller;
};

static jzx_err enter(jzx_context *context, void *argument, void **state)
{
    struct hall *hall = argument;
    *state = hall;
    return jzx_group_join(context, &hall->group, 0, NULL, NULL, NULL);
}

static jzx_behavior_result hear(jzx_context *context, void *state, const jzx_message *message)
{
    const struct hall *hall = state;
    hall->guard->sum += message->words[0];
    if (++hall->guard->done % MEMBERS == 0) {
        jzx_message again = jzx_message_empty(TAG_START);
        GUARD_OK(jzx_send(context, hall->teller, &again));
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result tell_all(jzx_context *context, void *state, const jzx_message *message)
{
    struct hall *hall = state;
    (void)message;
    if (hall->guard->done < hall->guard->wanted) {
        uint64_t words[4] = {hall->guard->done, 2, 3, 4};
        jzx_message word = jzx_message_value(TAG_TOKEN, words, sizeof words);
        GUARD_OK(jzx_broadcast(context, &hall->group, &word, 0, NULL));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_broadcast(uint64_t count)
{
    struct guard guard;
    jzx_space *space;
    jzx_spawn_options options;
    guard_open(&guard, 1, count);
    GUARD_OK(jzx_space_create(guard.runtime, NULL, &space));
    struct hall hall = {.guard = &guard, .group = jzx_group_named(space, "all")};
    jzx_spawn_options_init(&options);
    options.init = enter;
    options.behavior = hear;
    options.argument = &hall;
    for (int i = 0; i < MEMBERS; i++) {
        GUARD_OK(jzx_spawn(jzx_loop_context(guard.loops[0]), &options, NULL));
    }
    hall.teller = guard_spawn(&guard, 0, tell_all, &hall);
    guard_tell(&guard, hall.teller, TAG_START);
    guard_turn(&guard);
    GUARD_CHECK(guard.sum == count / MEMBERS * (count / MEMBERS - 1) / 2 * MEMBERS * MEMBERS);
    guard_close(&guard);
}

/* ---- one actor asks eight at once ---- */

struct asker {
    struct guard *guard;
    jzx_actor_id asked[ASKED];
};

static jzx_behavior_result answer(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    jzx_message reply = jzx_message_value(TAG_TOKEN, message->words, sizeof message->words);
    GUARD_OK(jzx_answer(context, message->ref, &reply));
    return JZX_BEHAVIOR_OK;
}

static void ask_all(jzx_context *context, struct asker *self);

static jzx_behavior_result all_said(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered)
{
    struct asker *self = state;
    (void)argument;
    GUARD_OK(gathered->err);
    GUARD_CHECK(gathered->answered == ASKED);
    self->guard->done++;
    ask_all(context, self);
    return JZX_BEHAVIOR_OK;
}

static void ask_all(jzx_context *context, struct asker *self)
{
    if (self->guard->done == self->guard->wanted) {
        return;
    }
    uint64_t words[4] = {self->guard->done, 2, 3, 4};
    jzx_message question = jzx_message_value(TAG_TOKEN, words, sizeof words);
    jzx_gather_options options;
    uint64_t gather;
    jzx_gather_options_init(&options);
    options.on_done = all_said;
    GUARD_OK(jzx_gather_begin(context, &options, &gather));
    for (uint32_t i = 0; i < ASKED; i++) {
        GUARD_OK(jzx_gather_call(context, gather, self->asked[i], &question, i));
    }
    GUARD_OK(jzx_gather_end(context, gather));
}

static jzx_behavior_result ask_first(jzx_context *context, void *state, const jzx_message *message)
{
    (void)message;
    ask_all(context, state);
    return JZX_BEHAVIOR_OK;
}

static void run_gather(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    struct asker asker = {.guard = &guard};
    for (int i = 0; i < ASKED; i++) {
        asker.asked[i] = guard_spawn(&guard, 0, answer, NULL);
    }
    guard_tell(&guard, guard_spawn(&guard, 0, ask_first, &asker), TAG_START);
    guard_turn(&guard);
    guard_close(&guard);
}

const guard_path guard_crowd_paths[] = {
    {"broadcast", run_broadcast, 300 * MEMBERS}, {"gather", run_gather, 1500}, {NULL, NULL, 0}};
