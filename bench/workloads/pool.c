/*
 * pool.c: what does it cost to have work handed on by a pool?
 *
 * One actor sends to a pool of 16 workers of its loop in bursts of 256, and waits when its queue is full. The workers have up to
 * 64 messages at a time, or one. Beside them the same by jzx_send() to one worker.
 */
#include "support/check.h"
#include "support/world.h"
#include "workloads.h"

enum { TAG_GO = 1, TAG_ITEM = 2, BURST = 256, CAP = 1024, WORKERS = 16, NO_POOL = 0 };

struct pool {
    jzx_bench *bench;
    jzx_runtime *runtime;
    uint32_t per_worker; /* or NO_POOL */
    jzx_actor_id to;
    uint32_t up; /* workers */
    uint64_t total;
    uint64_t sent;
    uint64_t handled;
    uint64_t sum;
};

static jzx_behavior_result worker(jzx_context *context, void *state, const jzx_message *message)
{
    struct pool *self = state;
    (void)context;
    self->sum += message->words[0];
    if (++self->handled == self->total) {
        jzx_bench_end(self->bench, self->total);
        WORLD_CHECK(jzx_runtime_request_stop(self->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err worker_init(jzx_context *context, void *argument, void **state)
{
    struct pool *self = argument;
    (void)context;
    self->up++;
    *state = self;
    return JZX_OK;
}

/* A burst at each turn, until all is sent; less when there is no room. */
static jzx_behavior_result source(jzx_context *context, void *state, const jzx_message *message)
{
    struct pool *self = state;
    (void)message;
    if (self->up < WORKERS || (self->to == 0 && jzx_whereis(self->runtime, "pool", &self->to) != JZX_OK)) {
        return JZX_BEHAVIOR_YIELD; /* it is just starting */
    }
    if (self->sent == 0) {
        jzx_bench_begin(self->bench);
    }
    for (uint32_t i = 0; i < BURST && self->sent < self->total; i++) {
        uint64_t words[4] = {self->sent, 0, 0, 0};
        jzx_message item = jzx_message_value(TAG_ITEM, words, sizeof words);
        jzx_err err = jzx_send(context, self->to, &item);
        if (err == JZX_ERR_MAILBOX_FULL) {
            WORLD_CHECK(jzx_resume(context, self->to));
            return JZX_BEHAVIOR_OK;
        }
        WORLD_CHECK(err);
        self->sent++;
    }
    if (self->sent == self->total) {
        return JZX_BEHAVIOR_OK;
    }
    jzx_message go = jzx_message_empty(TAG_GO);
    WORLD_CHECK(jzx_send(context, jzx_self(context), &go));
    return JZX_BEHAVIOR_OK;
}

static void start_pool(struct pool *pool, jzx_context *host)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.init = worker_init;
    spec.behavior = worker;
    spec.argument = pool;
    jzx_pool_options options;
    jzx_pool_options_init(&options);
    options.name = "pool";
    options.worker = &spec;
    options.workers_min = WORKERS;
    options.workers_max = WORKERS;
    options.per_worker = pool->per_worker;
    options.queue_max = CAP;
    WORLD_CHECK(jzx_pool_start(host, &options, NULL, NULL));
}

static void run(jzx_bench *bench, void *argument)
{
    struct pool pool = {.bench = bench, .per_worker = *(const uint32_t *)argument, .total = jzx_bench_count(bench)};
    jzx_config config;
    jzx_config_init(&config);
    config.mailbox_cap = CAP;
    struct world world;
    world_open(&world, bench, &config, 1);
    pool.runtime = world.runtime;
    if (pool.per_worker == NO_POOL) {
        pool.to = world_spawn(&world, 0, worker, &pool);
        pool.up = WORKERS;
    } else {
        start_pool(&pool, jzx_loop_context(world.loops[0]));
    }
    world_tell(&world, world_spawn(&world, 0, source, &pool), TAG_GO);
    world_run(&world);
    world_close(&world);
    jzx_bench_prove(bench, "messages", pool.handled, pool.total);
    jzx_bench_prove(bench, "sum", pool.sum, pool.total * (pool.total - 1) / 2);
}

static uint32_t none = NO_POOL;
static uint32_t one = 1;
static uint32_t many = 64;

static const jzx_bench_side sides[] = {{"jzx", run, &many}, {"jzx-one-each", run, &one}, {"jzx-send", run, &none}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "dispatch/pool", .about = "one actor sends work to a pool of 16 workers of its loop",
     .item = "message", .count = 3200000, .quick_count = 32000, .cpus = 1, BENCH_SIDES(sides)},
};

const bench_group bench_pool = BENCH_GROUP(workloads);
