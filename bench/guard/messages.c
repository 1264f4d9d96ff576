/* messages.c: a message on one loop, through a ring of actors, across two loops, asked and answered, posted. */
#include "guard.h"

#include <pthread.h>
#include <string.h>

enum { RING = 1000, BURST = 64, POSTS = 512 };

/* ---- one token among actors of one loop ---- */

struct hopper {
    struct guard *guard;
    jzx_actor_id next;
};

static jzx_behavior_result hop(jzx_context *context, void *state, const jzx_message *message)
{
    struct hopper *self = state;
    struct guard *guard = self->guard;
    uint64_t words[4] = {message->words[0] + 1, 2, 3, 4};
    if (message->tag == TAG_TOKEN) {
        guard->sum += message->words[0];
        guard->done++;
    }
    if (guard->done < guard->wanted) {
        jzx_message next = jzx_message_value(TAG_TOKEN, words, sizeof words);
        GUARD_OK(jzx_send(context, self->next, &next));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_hops(uint64_t count, uint32_t actors)
{
    static struct hopper hoppers[RING];
    struct guard guard;
    guard_open(&guard, 1, count);
    jzx_actor_id next = 0;
    for (uint32_t i = actors; i-- > 0;) {
        hoppers[i] = (struct hopper){&guard, next};
        next = guard_spawn(&guard, 0, hop, &hoppers[i]);
    }
    hoppers[actors - 1].next = next;
    guard_tell(&guard, next, TAG_START);
    guard_turn(&guard);
    GUARD_CHECK(guard.sum == count * (count + 1) / 2);
    guard_close(&guard);
}

static void run_message(uint64_t count)
{
    run_hops(count, 2);
}

static void run_ring(uint64_t count)
{
    run_hops(count, RING);
}

/* ---- across two loops, in bursts: as much is sent as is taken in ---- */

struct flow {
    struct guard *guard;
    jzx_actor_id sink;
    jzx_actor_id source;
    uint64_t sent;
};

static jzx_behavior_result source(jzx_context *context, void *state, const jzx_message *message)
{
    struct flow *flow = state;
    (void)message;
    for (int i = 0; i < BURST && flow->sent < flow->guard->wanted; i++) {
        uint64_t words[4] = {flow->sent++, 2, 3, 4};
        jzx_message item = jzx_message_value(TAG_TOKEN, words, sizeof words);
        GUARD_OK(jzx_send(context, flow->sink, &item));
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result sink(jzx_context *context, void *state, const jzx_message *message)
{
    struct flow *flow = state;
    GUARD_CHECK(message->words[0] == flow->guard->done);
    if (++flow->guard->done % BURST == 0) {
        jzx_message again = jzx_message_empty(TAG_START);
        GUARD_OK(jzx_send(context, flow->source, &again));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_cross(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 2, count);
    struct flow flow = {.guard = &guard};
    flow.source = guard_spawn(&guard, 0, source, &flow);
    flow.sink = guard_spawn(&guard, 1, sink, &flow);
    guard_tell(&guard, flow.source, TAG_START);
    guard_turn(&guard);
    guard_close(&guard);
}

/* ---- asked and answered ---- */

static jzx_behavior_result answer(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    jzx_message reply = jzx_message_value(TAG_TOKEN, message->words, sizeof message->words);
    GUARD_OK(jzx_answer(context, message->ref, &reply));
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result ask(jzx_context *context, void *state, const jzx_message *message)
{
    struct hopper *self = state;
    if (message->tag != TAG_START) {
        GUARD_CHECK(message->words[0] == self->guard->done);
        self->guard->done++;
    }
    if (self->guard->done < self->guard->wanted) {
        uint64_t words[4] = {self->guard->done, 2, 3, 4};
        jzx_message question = jzx_message_value(TAG_TOKEN, words, sizeof words);
        GUARD_OK(jzx_request(context, self->next, &question, 3600000000000u, NULL));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_request(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    struct hopper asker = {.guard = &guard};
    asker.next = guard_spawn(&guard, 0, answer, NULL);
    guard_tell(&guard, guard_spawn(&guard, 0, ask, &asker), TAG_START);
    guard_turn(&guard);
    guard_close(&guard);
}

static void call_next(jzx_context *context, struct hopper *self);

static jzx_behavior_result go_on(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    struct hopper *self = state;
    (void)argument;
    GUARD_OK(result->err);
    GUARD_CHECK(result->message->words[0] == self->guard->done);
    self->guard->done++;
    call_next(context, self);
    return JZX_BEHAVIOR_OK;
}

static void call_next(jzx_context *context, struct hopper *self)
{
    if (self->guard->done < self->guard->wanted) {
        uint64_t words[4] = {self->guard->done, 2, 3, 4};
        jzx_message question = jzx_message_value(TAG_TOKEN, words, sizeof words);
        uint64_t deadline_ns = jzx_now_ns(context) + 3600000000000u;
        GUARD_OK(jzx_call(context, self->next, &question, deadline_ns, go_on, NULL));
    }
}

static jzx_behavior_result call_first(jzx_context *context, void *state, const jzx_message *message)
{
    (void)message;
    call_next(context, state);
    return JZX_BEHAVIOR_OK;
}

static void run_calls(uint64_t count, int loops)
{
    struct guard guard;
    guard_open(&guard, loops, count);
    struct hopper asker = {.guard = &guard};
    asker.next = guard_spawn(&guard, loops - 1, answer, NULL);
    guard_tell(&guard, guard_spawn(&guard, 0, call_first, &asker), TAG_START);
    guard_turn(&guard);
    guard_close(&guard);
}

static void run_call(uint64_t count)
{
    run_calls(count, 1);
}

static void run_call_cross(uint64_t count)
{
    run_calls(count, 2);
}

/* ---- posted by another thread, which has ended before they are taken ---- */

struct poster {
    struct guard *guard;
    jzx_actor_id to;
    uint64_t posted;
};

static jzx_behavior_result receive(jzx_context *context, void *state, const jzx_message *message)
{
    struct guard *guard = state;
    (void)context;
    GUARD_CHECK(message->words[0] == guard->done);
    guard->done++;
    return JZX_BEHAVIOR_OK;
}

static void *post_some(void *argument)
{
    struct poster *poster = argument;
    for (int i = 0; i < POSTS && poster->posted < poster->guard->wanted; i++) {
        uint64_t words[4] = {poster->posted++, 2, 3, 4};
        jzx_message message = jzx_message_value(TAG_TOKEN, words, sizeof words);
        GUARD_OK(jzx_post(poster->guard->runtime, poster->to, &message));
    }
    return NULL;
}

static void run_post(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    struct poster poster = {.guard = &guard, .to = guard_spawn(&guard, 0, receive, &guard)};
    GUARD_OK(jzx_loop_run_once(guard.loops[0], 0)); /* from here on it is run, and posts go the way of every day */
    while (guard.done < count) {
        pthread_t thread;
        GUARD_CHECK(pthread_create(&thread, NULL, post_some, &poster) == 0);
        GUARD_CHECK(pthread_join(thread, NULL) == 0);
        while (guard.done < poster.posted) {
            GUARD_OK(jzx_loop_run_once(guard.loops[0], 0));
        }
    }
    guard_close(&guard);
}

const guard_path guard_message_paths[] = {
    {"message", run_message, 20000}, {"ring", run_ring, 20000}, {"cross", run_cross, 19200},
    {"request", run_request, 10000}, {"call", run_call, 10000}, {"call-cross", run_call_cross, 10000},
    {"post", run_post, 10 * POSTS},  {NULL, NULL, 0},
};
