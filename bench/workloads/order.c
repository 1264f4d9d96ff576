/*
 * order.c: what the order inside an actor costs: a message of high priority against a normal one, a message that is stashed
 * and comes back, and asking whether to yield at each step of a long handler, against reading the clock at each.
 */
#include "support/world.h"
#include "workloads.h"

enum { TAG_GO = 1, TAG_ITEM = 2 };
enum { BURST = 64, YIELD_MAX_NS = 3 };

struct order {
    jzx_bench *bench;
    jzx_runtime *runtime;
    jzx_actor_id peers[2];
    uint32_t flags;
    uint64_t total;
    uint64_t count;
    uint64_t sum;
    uint64_t began_ns;
    uint64_t yields;
    bool open;
};

static void begin(struct order *order)
{
    order->began_ns = jzx_bench_now_ns();
}

static void end(const struct order *order)
{
    jzx_bench_time(order->bench, "time", jzx_bench_now_ns() - order->began_ns, order->total);
    WORLD_CHECK(jzx_runtime_request_stop(order->runtime));
}

static struct order order_open(struct world *world, jzx_bench *bench)
{
    world_open(world, bench, NULL, 1);
    return (struct order){.bench = bench, .runtime = world->runtime, .total = jzx_bench_count(bench)};
}

static void order_run(struct world *world, struct order *order, jzx_actor_id first)
{
    world_tell(world, first, TAG_GO);
    world_run(world);
    world_close(world);
    jzx_bench_prove(order->bench, "messages", order->count, order->total);
}

/* ---- one token to and fro, of high priority or not ---- */

static jzx_behavior_result hop(jzx_context *context, void *state, const jzx_message *message)
{
    struct order *order = state;
    uint64_t value = message->tag == TAG_ITEM ? message->words[0] : 0;
    if (message->tag == TAG_GO) {
        begin(order);
    } else {
        order->sum += value;
        if (++order->count == order->total) {
            end(order);
            return JZX_BEHAVIOR_OK;
        }
    }
    uint64_t words[4] = {value + 1, 2, 3, 4};
    jzx_message next = jzx_message_value(TAG_ITEM, words, sizeof words);
    jzx_actor_id to = order->peers[jzx_self(context) == order->peers[0]];
    WORLD_CHECK(jzx_send_with(context, to, &next, order->flags));
    return JZX_BEHAVIOR_OK;
}

static void run_priority(jzx_bench *bench, void *argument)
{
    struct world world;
    struct order order = order_open(&world, bench);
    order.flags = *(const uint32_t *)argument;
    order.peers[0] = world_spawn(&world, 0, hop, &order);
    order.peers[1] = world_spawn(&world, 0, hop, &order);
    order_run(&world, &order, order.peers[0]);
    jzx_bench_prove(bench, "sum", order.sum, order.total * (order.total + 1) / 2);
}

/* ---- in bursts: all are stashed, then the word to go on brings them back ---- */

static void send_burst(jzx_context *context, const struct order *order)
{
    jzx_message item = jzx_message_empty(TAG_ITEM);
    jzx_message go = jzx_message_empty(TAG_GO);
    for (uint64_t i = 0; i < BURST && order->count + i < order->total; i++) {
        WORLD_CHECK(jzx_send(context, jzx_self(context), &item));
    }
    WORLD_CHECK(jzx_send(context, jzx_self(context), &go));
}

static jzx_behavior_result keep(jzx_context *context, void *state, const jzx_message *message)
{
    struct order *order = state;
    if (message->tag == TAG_GO) {
        order->open = jzx_stashed(context) > 0;
        WORLD_CHECK(jzx_unstash_all(context));
        if (!order->open) {
            begin(order);
            send_burst(context, order);
        }
        return JZX_BEHAVIOR_OK;
    }
    if (!order->open) {
        return JZX_BEHAVIOR_STASH;
    }
    if (++order->count == order->total) {
        end(order);
    } else if (order->count % BURST == 0) {
        order->open = false;
        send_burst(context, order);
    }
    return JZX_BEHAVIOR_OK;
}

static void run_stash(jzx_bench *bench, void *argument)
{
    struct world world;
    struct order order = order_open(&world, bench);
    (void)argument;
    order_run(&world, &order, world_spawn(&world, 0, keep, &order));
}

/* ---- a long handler ---- */

static jzx_behavior_result step_on(jzx_context *context, void *state, const jzx_message *message)
{
    struct order *order = state;
    (void)message;
    if (order->count == 0) {
        begin(order);
    }
    while (order->count < order->total) {
        order->count++;
        if (jzx_should_yield(context)) {
            order->yields++;
            return JZX_BEHAVIOR_YIELD;
        }
    }
    end(order);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result step_by_clock(jzx_context *context, void *state, const jzx_message *message)
{
    struct order *order = state;
    uint64_t until_ns = jzx_now_ns(context) + 50000;
    (void)message;
    if (order->count == 0) {
        begin(order);
    }
    while (order->count < order->total) {
        order->count++;
        if (jzx_clock_ns(context) >= until_ns) {
            order->yields++;
            return JZX_BEHAVIOR_YIELD;
        }
    }
    end(order);
    return JZX_BEHAVIOR_OK;
}

static void run_steps(jzx_bench *bench, void *argument)
{
    const jzx_behavior_fn *behavior = argument;
    struct world world;
    struct order order = order_open(&world, bench);
    order_run(&world, &order, world_spawn(&world, 0, *behavior, &order));
}

static uint32_t high = JZX_SEND_HIGH;
static uint32_t normal = 0;
static jzx_behavior_fn by_asking = step_on;
static jzx_behavior_fn by_clock = step_by_clock;

static const jzx_bench_side priority_sides[] = {{"jzx", run_priority, &high}, {"jzx-normal", run_priority, &normal}};
static const jzx_bench_side stash_sides[] = {{"jzx", run_stash, NULL}};
static const jzx_bench_side step_sides[] = {{"jzx", run_steps, &by_asking}, {"jzx-clock", run_steps, &by_clock}};

static const jzx_bench_goal step_goals[] = {{"time", NULL, YIELD_MAX_NS}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "order/high", .about = "two actors pass one token of high priority to and fro",
     .item = "message", .count = 10000000, .quick_count = 20000, .cpus = 1, BENCH_SIDES(priority_sides)},
    {BENCH_WORKLOAD, .name = "order/stash", .about = "bursts of 64 messages are stashed, come back and are handled",
     .item = "message", .count = 6400000, .quick_count = 12800, .cpus = 1, BENCH_SIDES(stash_sides)},
    {BENCH_WORKLOAD, .name = "order/should-yield", .about = "a long handler asks at each step whether to yield",
     .item = "step", .count = 100000000, .quick_count = 200000, .cpus = 1, BENCH_SIDES(step_sides),
     BENCH_GOALS(step_goals)},
};

const bench_group bench_order = BENCH_GROUP(workloads);
