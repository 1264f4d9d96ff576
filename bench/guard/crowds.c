/* crowds.c: a broadcast, by member that it reaches; a gathering of eight; a piece of work through a pool. */
#include "guard.h"

enum { MEMBERS = 64, ASKED = 8, WORKERS = 16, PER_WORKER = 64, BURST = 256 };

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

/* ---- work for a pool, as much at once as it takes in, with room for most of it at its workers ---- */

struct work {
    struct guard *guard;
    jzx_actor_id pool;
    uint32_t workers; /* that are up */
    uint64_t sent;
};

static jzx_err begin_work(jzx_context *context, void *argument, void **state)
{
    struct work *work = argument;
    (void)context;
    work->workers++;
    *state = work->guard;
    return JZX_OK;
}

static jzx_behavior_result do_work(jzx_context *context, void *state, const jzx_message *message)
{
    struct guard *guard = state;
    (void)context;
    guard->sum += message->words[0];
    guard->done++;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result give_work(jzx_context *context, void *state, const jzx_message *message)
{
    struct work *work = state;
    (void)message;
    for (int i = 0; i < BURST && work->sent < work->guard->wanted; i++) {
        uint64_t words[4] = {work->sent, 2, 3, 4};
        jzx_message piece = jzx_message_value(TAG_TOKEN, words, sizeof words);
        jzx_err err = jzx_send(context, work->pool, &piece);
        if (err == JZX_ERR_MAILBOX_FULL) {
            GUARD_OK(jzx_resume(context, work->pool));
            return JZX_BEHAVIOR_OK;
        }
        GUARD_OK(err);
        work->sent++;
    }
    if (work->sent < work->guard->wanted) {
        jzx_message again = jzx_message_empty(TAG_START);
        GUARD_OK(jzx_send(context, jzx_self(context), &again));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_pool(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    struct work work = {.guard = &guard};
    jzx_child_spec worker;
    jzx_child_spec_init(&worker);
    worker.init = begin_work;
    worker.behavior = do_work;
    worker.argument = &work;
    jzx_pool_options options;
    jzx_pool_options_init(&options);
    options.name = "pool";
    options.worker = &worker;
    options.workers_min = WORKERS;
    options.workers_max = WORKERS;
    options.per_worker = PER_WORKER;
    GUARD_OK(jzx_pool_start(jzx_loop_context(guard.loops[0]), &options, NULL, NULL));
    while (work.workers < WORKERS || jzx_whereis(guard.runtime, "pool", &work.pool) != JZX_OK) {
        GUARD_OK(jzx_loop_run_once(guard.loops[0], 0));
    }
    guard_tell(&guard, guard_spawn(&guard, 0, give_work, &work), TAG_START);
    guard_turn(&guard);
    GUARD_CHECK(guard.sum == count * (count - 1) / 2);
    guard_close(&guard);
}

const guard_path guard_crowd_paths[] = {{"broadcast", run_broadcast, 300 * MEMBERS},
                                        {"gather", run_gather, 1500},
                                        {"pool", run_pool, 200 * BURST},
                                        {NULL, NULL, 0}};
