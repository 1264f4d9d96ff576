/*
 * shard: the actor of one part of the keys.
 *
 * It answers requests, and deletes what has expired: one timer stands at the nearest deadline of all its keys. A key that
 * is asked for after its deadline is gone even if the timer has not fired yet.
 *
 * A shard that fails takes its keys with it: each incarnation begins with none. Those of the other shards are not touched.
 */
#include "server.h"

enum { EXPIRE_MAX = 256 };                                   /* keys deleted in one handler */
static const int64_t TIMER_MAX_MS = INT64_MAX / 1000000 - 1; /* later deadlines than this are not waited for */

struct shard {
    struct kv_loop *loop;
    struct store store;
    struct kv_batch *spare; /* where the reply to a single operation is written */
    jzx_timer_id timer;     /* 0 is none */
    int64_t timer_ms;
    uint16_t index;
    bool restarted; /* and has not answered since */
};

static int64_t now_ms(const jzx_context *context)
{
    return (int64_t)(jzx_now_ns(context) / 1000000u);
}

/* Keeps the timer at the nearest deadline, or before it: a deadline that was moved away costs one tick for nothing. */
static void keep_timer(jzx_context *context, struct shard *shard)
{
    int64_t next_ms = store_next_deadline(&shard->store);
    if (next_ms > TIMER_MAX_MS || (shard->timer != 0 && shard->timer_ms <= next_ms)) {
        return;
    }
    if (shard->timer != 0) {
        jzx_timer_cancel(context, shard->timer, NULL);
        shard->timer = 0;
    }
    jzx_message tick = jzx_message_empty(KV_TAG_EXPIRE);
    /* Without a timer keys still expire when they are met. */
    if (jzx_timer_at(context, (uint64_t)(next_ms + 1) * 1000000u, &tick, &shard->timer) == JZX_OK) {
        shard->timer_ms = next_ms;
    }
}

/* The first answer after a restart: measures how long the keys were gone. */
static void note_restart(const jzx_context *context, struct shard *shard)
{
    struct kv_server *server = shard->loop->server;
    uint64_t took_ns = jzx_clock_ns(context) - server->shards[shard->index].ended_ns;
    shard->restarted = false;
    atomic_store_explicit(&server->last_restart_us, took_ns / 1000, memory_order_relaxed);
    atomic_fetch_add_explicit(&server->shard_restarts, 1, memory_order_relaxed);
}

static void answer_batch(jzx_context *context, uint64_t ref, struct kv_batch *batch)
{
    jzx_message answer = jzx_message_pointer(KV_TAG_REPLY, batch, batch->out.size, kv_batch_drop, NULL);
    if (jzx_answer(context, ref, &answer) != JZX_OK) {
        kv_batch_drop(NULL, batch, 0);
    }
}

static void on_single(jzx_context *context, struct shard *shard, const jzx_message *message)
{
    if (shard->spare == NULL) {
        shard->spare = kv_batch_take(&shard->loop->batches, shard->index);
        if (shard->spare == NULL) {
            return; /* no answer: the runtime gives one when this actor ends */
        }
    }
    struct kv_batch *batch = shard->spare;
    struct kv_request request = kv_request_unpack(message->bytes, shard->loop->server->seed);
    kv_execute(&shard->store, &request, now_ms(context), &batch->out);
    if (batch->out.failed || batch->out.size > JZX_INLINE_MAX) {
        shard->spare = NULL;
        answer_batch(context, message->ref, batch);
        return;
    }
    jzx_message answer = jzx_message_value(KV_TAG_REPLY, batch->out.data, batch->out.size);
    jzx_answer(context, message->ref, &answer);
    batch->out.size = 0;
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct shard *shard = state;
    switch (message->tag) {
    case KV_TAG_BATCH:
        kv_batch_execute(message->pointer.data, &shard->store, now_ms(context));
        answer_batch(context, message->ref, message->pointer.data);
        break;
    case KV_TAG_SINGLE:
        on_single(context, shard, message);
        break;
    case KV_TAG_EXPIRE:
        shard->timer = 0;
        store_expire(&shard->store, now_ms(context), EXPIRE_MAX);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    keep_timer(context, shard);
    if (shard->restarted && message->tag != KV_TAG_EXPIRE) {
        note_restart(context, shard);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct kv_shard_start *start = argument;
    struct shard *shard = *state;
    struct kv_part *part = &start->loop->server->shards[start->index];
    shard->loop = start->loop;
    shard->index = (uint16_t)start->index;
    shard->restarted = part->ended_ns != 0;
    atomic_store_explicit(&part->child, jzx_child_self(context), memory_order_relaxed); /* before any client is there */
    return store_init(&shard->store) ? JZX_OK : JZX_ERR_NO_MEMORY;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    struct shard *shard = state;
    if (info->kind == JZX_EXIT_FAIL) {
        shard->loop->server->shards[shard->index].ended_ns = jzx_clock_ns(context);
    }
    if (shard->spare != NULL) {
        kv_batch_give(&shard->loop->batches, shard->spare);
    }
    store_deinit(&shard->store);
}

void kv_shard_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->fini = fini;
    spec->state_size = sizeof(struct shard);
}
