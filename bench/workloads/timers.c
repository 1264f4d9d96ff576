/*
 * timers.c: what does a timer cost among 1,000,000 pending ones?
 *
 * Start: deadlines 60 s + (i mod 100,000) ms, or uniformly random from 60 to 160 s. Cancel: all of them, shuffled. Rearm:
 * each cancelled and started again with another deadline, shuffled. Expire: random deadlines that have passed, each
 * handled by its owner. A round of starts and cancels in order goes first, so that no page is new.
 *
 * Raw: raw/heap.h.
 */
#include "raw/heap.h"
#include "support/random.h"
#include "support/world.h"
#include "workloads.h"

#include <stdlib.h>

enum { TAG_GO = 1, TAG_DUE = 2, MILLISECOND_NS = 1000000, FAR_STEPS = 100000 };

#define FAR_NS 60000000000u
#define NEAR_SPREAD_NS 1000000u

/* What both sides work on. */
struct clockwork {
    jzx_bench *bench;
    uint32_t count;
    uint64_t *ids;
    uint64_t *delays_ns; /* of the far deadlines */
    uint32_t *order;     /* a shuffle of 0 .. count - 1 */
    uint64_t now_ns;     /* when the far deadlines begin to count */
    uint64_t expiring_ns;
    uint64_t cancelled;
    uint64_t fired;
    uint64_t sum;
    uint64_t random;
    jzx_runtime *runtime;
    jzx_context *context; /* libjzx */
    raw_heap heap;        /* raw */
};

/* The two sides of each operation. */
struct side {
    void (*start)(struct clockwork *clockwork, uint32_t i, uint64_t due_ns);
    bool (*cancel)(struct clockwork *clockwork, uint32_t i); /* whether it was pending */
};

/* A far delay: in order, in steps of a millisecond, or any. */
static uint64_t far_delay(struct clockwork *clockwork, bool random, uint32_t i)
{
    uint64_t step = random ? bench_draw_below(&clockwork->random, FAR_STEPS * 1000) : (uint64_t)(i % FAR_STEPS) * 1000;
    return FAR_NS + step * (MILLISECOND_NS / 1000);
}

static struct clockwork clockwork_make(jzx_bench *bench, const bool *random)
{
    uint32_t count = (uint32_t)jzx_bench_count(bench);
    struct clockwork clockwork = {.bench = bench, .count = count, .random = bench_draw_begin(bench)};
    clockwork.ids = calloc(count, sizeof *clockwork.ids);
    clockwork.delays_ns = calloc(count, sizeof *clockwork.delays_ns);
    clockwork.order = calloc(count, sizeof *clockwork.order);
    BENCH_CHECK(clockwork.ids != NULL && clockwork.delays_ns != NULL && clockwork.order != NULL, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = bench_draw_below(&clockwork.random, i + 1);
        clockwork.order[i] = clockwork.order[j];
        clockwork.order[j] = i;
        clockwork.delays_ns[i] = far_delay(&clockwork, *random, i);
    }
    return clockwork;
}

static void clockwork_end(struct clockwork *clockwork)
{
    uint64_t count = clockwork->count;
    free(clockwork->ids);
    free(clockwork->delays_ns);
    free(clockwork->order);
    jzx_bench_prove(clockwork->bench, "expired", clockwork->fired, count);
    BENCH_CHECK(clockwork->sum == count * (count - 1) / 2, "the payloads add up wrongly");
}

static uint64_t far_due(const struct clockwork *clockwork, uint32_t i)
{
    return clockwork->now_ns + clockwork->delays_ns[i];
}

static void start_all(struct clockwork *clockwork, const struct side *side)
{
    for (uint32_t i = 0; i < clockwork->count; i++) {
        side->start(clockwork, i, far_due(clockwork, i));
    }
}

static void cancel_all(struct clockwork *clockwork, const struct side *side)
{
    clockwork->cancelled = 0;
    for (uint32_t i = 0; i < clockwork->count; i++) {
        clockwork->cancelled += side->cancel(clockwork, clockwork->order[i]);
    }
}

/* Leaves the free records in the order in which they lie. */
static void cancel_in_order(struct clockwork *clockwork, const struct side *side)
{
    for (uint32_t i = clockwork->count; i-- > 0;) {
        side->cancel(clockwork, i);
    }
}

static void rearm_all(struct clockwork *clockwork, const struct side *side)
{
    for (uint32_t i = 0; i < clockwork->count; i++) {
        uint32_t timer = clockwork->order[i];
        side->cancel(clockwork, timer);
        side->start(clockwork, timer, far_due(clockwork, i));
    }
}

static void time_all(struct clockwork *clockwork, const struct side *side, const char *name,
                     void (*operation)(struct clockwork *, const struct side *))
{
    uint64_t began_ns = jzx_bench_now_ns();
    operation(clockwork, side);
    jzx_bench_time(clockwork->bench, name, jzx_bench_now_ns() - began_ns, clockwork->count);
}

/* Starts timers that are all due when it returns, in an order of their own. */
static void start_due(struct clockwork *clockwork, const struct side *side)
{
    uint64_t base_ns = jzx_bench_now_ns();
    for (uint32_t i = 0; i < clockwork->count; i++) {
        side->start(clockwork, i, base_ns + bench_draw_below(&clockwork->random, NEAR_SPREAD_NS));
    }
    while (jzx_bench_now_ns() <= base_ns + NEAR_SPREAD_NS) {
    }
    clockwork->expiring_ns = jzx_bench_now_ns();
}

/* All but expiry, which comes after it has returned. */
static void work(struct clockwork *clockwork, const struct side *side)
{
    clockwork->now_ns = jzx_bench_now_ns();
    start_all(clockwork, side);
    cancel_in_order(clockwork, side);
    time_all(clockwork, side, "start", start_all);
    time_all(clockwork, side, "cancel", cancel_all);
    jzx_bench_prove(clockwork->bench, "timers", clockwork->cancelled, clockwork->count);
    start_all(clockwork, side);
    time_all(clockwork, side, "rearm", rearm_all);
    cancel_all(clockwork, side);
    start_due(clockwork, side);
}

/* One timer has expired. Says whether it was the last. */
static bool take_due(struct clockwork *clockwork, const uint64_t *words)
{
    clockwork->sum += words[0];
    if (++clockwork->fired < clockwork->count) {
        return false;
    }
    jzx_bench_time(clockwork->bench, "expire", jzx_bench_now_ns() - clockwork->expiring_ns, clockwork->count);
    return true;
}

/* ---- libjzx ---- */

static void start_timer(struct clockwork *clockwork, uint32_t i, uint64_t due_ns)
{
    uint64_t words[4] = {i, 0, 0, 0};
    jzx_message message = jzx_message_value(TAG_DUE, words, sizeof words);
    WORLD_CHECK(jzx_timer_at(clockwork->context, due_ns, &message, &clockwork->ids[i]));
}

static bool cancel_timer(struct clockwork *clockwork, uint32_t i)
{
    return jzx_timer_cancel(clockwork->context, clockwork->ids[i], NULL) == JZX_OK;
}

static jzx_behavior_result owner(jzx_context *context, void *state, const jzx_message *message)
{
    static const struct side side = {start_timer, cancel_timer};
    struct clockwork *clockwork = state;
    if (message->tag == TAG_GO) {
        clockwork->context = context;
        work(clockwork, &side);
    } else if (take_due(clockwork, message->words)) {
        WORLD_CHECK(jzx_runtime_request_stop(clockwork->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_timers(jzx_bench *bench, void *argument)
{
    struct clockwork clockwork = clockwork_make(bench, argument);
    jzx_config config;
    jzx_config_init(&config);
    config.timers_max = clockwork.count;
    struct world world;
    world_open(&world, bench, &config, 1);
    clockwork.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, owner, &clockwork), TAG_GO);
    world_run(&world);
    world_close(&world);
    clockwork_end(&clockwork);
}

/* ---- raw ---- */

static void raw_due(void *state, const uint64_t words[4])
{
    take_due(state, words);
}

static void raw_start(struct clockwork *clockwork, uint32_t i, uint64_t due_ns)
{
    uint64_t words[4] = {i, 0, 0, 0};
    clockwork->ids[i] = raw_heap_start(&clockwork->heap, due_ns, raw_due, clockwork, words);
}

static bool raw_cancel(struct clockwork *clockwork, uint32_t i)
{
    return raw_heap_cancel(&clockwork->heap, clockwork->ids[i]) == 0;
}

static void run_raw(jzx_bench *bench, void *argument)
{
    static const struct side side = {raw_start, raw_cancel};
    struct clockwork clockwork = clockwork_make(bench, argument);
    raw_heap_open(&clockwork.heap, clockwork.count);
    work(&clockwork, &side);
    raw_heap_expire(&clockwork.heap, jzx_bench_now_ns());
    raw_heap_close(&clockwork.heap);
    clockwork_end(&clockwork);
}

/* ---- the workloads ---- */

static bool in_order = false;
static bool at_random = true;

static const jzx_bench_side in_order_sides[] = {{"jzx", run_timers, &in_order}, {"raw", run_raw, &in_order}};
static const jzx_bench_side at_random_sides[] = {{"jzx", run_timers, &at_random}, {"raw", run_raw, &at_random}};

/* Near the raw limit, and no peer is better. */
static const jzx_bench_goal goals[] = {
    {"start", "raw", 1.3}, {"cancel", "raw", 1.3}, {"rearm", "raw", 1.3}, {"expire", "raw", 1.3},
    {"start", "peers", 1}, {"cancel", "peers", 1}, {"rearm", "peers", 1}, {"expire", "peers", 1},
};

#define TIMERS                                                                                               \
    BENCH_WORKLOAD, .item = "timer", .count = 1000000, .quick_count = 10000, .fixed_count = true, .cpus = 1, \
                    BENCH_GOALS(goals)

static const jzx_bench_workload workloads[] = {
    {TIMERS, .name = "timer/million", .about = "start, cancel, rearm and expiry among 1,000,000 timers",
     BENCH_SIDES(in_order_sides)},
    {TIMERS, .name = "timer/million-random", .about = "the same with deadlines at random",
     BENCH_SIDES(at_random_sides)},
};

const bench_group bench_timers = BENCH_GROUP(workloads);
