/* orders.c: a message of high priority, one that is stashed and comes back, a long handler that asks whether to yield. */
#include "guard.h"

enum { BURST = 64 };

/* ---- the token of messages.c, of high priority ---- */

struct hopper {
    struct guard *guard;
    jzx_actor_id next;
};

static jzx_behavior_result hop_high(jzx_context *context, void *state, const jzx_message *message)
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
        GUARD_OK(jzx_send_with(context, self->next, &next, JZX_SEND_HIGH));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_high(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    struct hopper one = {.guard = &guard};
    struct hopper other = {.guard = &guard};
    one.next = guard_spawn(&guard, 0, hop_high, &other);
    other.next = guard_spawn(&guard, 0, hop_high, &one);
    guard_tell(&guard, one.next, TAG_START);
    guard_turn(&guard);
    GUARD_CHECK(guard.sum == count * (count + 1) / 2);
    guard_close(&guard);
}

/* ---- stashed in bursts, until the word to go on comes behind them ---- */

struct keeper {
    struct guard *guard;
    bool open;
};

static void send_burst(jzx_context *context, const struct guard *guard)
{
    jzx_message item = jzx_message_empty(TAG_TOKEN);
    jzx_message open = jzx_message_empty(TAG_START);
    for (uint64_t i = 0; i < BURST && guard->done + i < guard->wanted; i++) {
        GUARD_OK(jzx_send(context, jzx_self(context), &item));
    }
    GUARD_OK(jzx_send(context, jzx_self(context), &open));
}

static jzx_behavior_result keep(jzx_context *context, void *state, const jzx_message *message)
{
    struct keeper *self = state;
    struct guard *guard = self->guard;
    if (message->tag == TAG_START) {
        self->open = jzx_stashed(context) > 0;
        if (!self->open) {
            send_burst(context, guard);
        }
        GUARD_OK(jzx_unstash_all(context));
        return JZX_BEHAVIOR_OK;
    }
    if (!self->open) {
        return JZX_BEHAVIOR_STASH;
    }
    if (++guard->done % BURST == 0 && guard->done < guard->wanted) {
        self->open = false;
        send_burst(context, guard);
    }
    return JZX_BEHAVIOR_OK;
}

static void run_stash(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    struct keeper keeper = {.guard = &guard};
    guard_tell(&guard, guard_spawn(&guard, 0, keep, &keeper), TAG_START);
    guard_turn(&guard);
    guard_close(&guard);
}

/* ---- asked at each step, answered as often as a turn is over ---- */

static jzx_behavior_result step_on(jzx_context *context, void *state, const jzx_message *message)
{
    struct guard *guard = state;
    (void)message;
    while (guard->done < guard->wanted) {
        guard->done++;
        if (jzx_should_yield(context)) {
            return JZX_BEHAVIOR_YIELD;
        }
    }
    return JZX_BEHAVIOR_OK;
}

static void run_should_yield(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    guard_tell(&guard, guard_spawn(&guard, 0, step_on, &guard), TAG_START);
    guard_turn(&guard);
    guard_close(&guard);
}

const guard_path guard_order_paths[] = {
    {"high", run_high, 20000},
    {"stash", run_stash, 160 * BURST},
    {"should-yield", run_should_yield, 200000},
    {NULL, NULL, 0},
};
