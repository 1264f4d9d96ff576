/*
 * timers.c: what does a timer cost among 1,000,000 pending ones?
 *
 * Start: deadlines 60 s + (i mod 100,000) ms. Cancel: all of them, shuffled. Rearm: each cancelled and started again
 * with another deadline, shuffled. Expire: random deadlines that have passed, each handled by its owner. A round of
 * starts and cancels in order goes first, so that no page is new.
 *
 * Raw: raw_heap.h.
 */
#include "raw_heap.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_GO = 1, TAG_DUE = 2 };

#define FAR_NS 60000000000u
#define SPREAD_NS 1000000u

/* The results in ns per timer, and what both sides work on. */
struct clockwork {
    uint32_t count;
    uint64_t *ids;
    uint32_t *order; /* a shuffle of 0 .. count - 1 */
    double start_ns;
    double cancel_ns;
    double rearm_ns;
    double expire_ns;
    uint64_t now_ns; /* when the far deadlines begin to count */
    uint64_t expiring_ns;
    uint64_t fired;
    uint64_t sum;
    uint64_t random;
    jzx_runtime *runtime;
    jzx_context *context; /* ours */
    raw_heap heap;        /* raw */
};

/* The two sides of each operation. */
struct side {
    void (*start)(struct clockwork *clockwork, uint32_t i, uint64_t due_ns);
    void (*cancel)(struct clockwork *clockwork, uint32_t i);
};

static struct clockwork clockwork_make(uint32_t count)
{
    struct clockwork clockwork = {.count = count, .random = 88172645463325252u};
    clockwork.ids = calloc(count, sizeof *clockwork.ids);
    clockwork.order = calloc(count, sizeof *clockwork.order);
    BENCH_CHECK(clockwork.ids != NULL && clockwork.order != NULL, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = bench_random_below(&clockwork.random, i + 1);
        clockwork.order[i] = clockwork.order[j];
        clockwork.order[j] = i;
    }
    return clockwork;
}

static void clockwork_free(struct clockwork *clockwork)
{
    free(clockwork->ids);
    free(clockwork->order);
}

static uint64_t far_due(const struct clockwork *clockwork, uint32_t i)
{
    return clockwork->now_ns + FAR_NS + (uint64_t)(i % 100000) * 1000000u;
}

static void start_all(struct clockwork *clockwork, const struct side *side)
{
    for (uint32_t i = 0; i < clockwork->count; i++) {
        side->start(clockwork, i, far_due(clockwork, i));
    }
}

static void cancel_all(struct clockwork *clockwork, const struct side *side)
{
    for (uint32_t i = 0; i < clockwork->count; i++) {
        side->cancel(clockwork, clockwork->order[i]);
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

/* Times one operation on all timers. */
static double time_all(struct clockwork *clockwork, const struct side *side,
                       void (*operation)(struct clockwork *, const struct side *))
{
    uint64_t began_ns = bench_now_ns();
    operation(clockwork, side);
    return bench_per(bench_now_ns() - began_ns, clockwork->count);
}

/* All that is not expiry, and the starts of the timers that are to expire. Returns when they are due. */
static void work(struct clockwork *clockwork, const struct side *side)
{
    clockwork->now_ns = bench_now_ns();
    start_all(clockwork, side);
    cancel_in_order(clockwork, side);
    clockwork->start_ns = time_all(clockwork, side, start_all);
    clockwork->cancel_ns = time_all(clockwork, side, cancel_all);
    start_all(clockwork, side);
    clockwork->rearm_ns = time_all(clockwork, side, rearm_all);
    cancel_all(clockwork, side);
    uint64_t base_ns = bench_now_ns();
    for (uint32_t i = 0; i < clockwork->count; i++) {
        side->start(clockwork, i, base_ns + bench_random_below(&clockwork->random, SPREAD_NS));
    }
    while (bench_now_ns() <= base_ns + SPREAD_NS) {
    }
    clockwork->expiring_ns = bench_now_ns();
}

/* One timer has expired. Says whether it was the last. */
static bool take_due(struct clockwork *clockwork, const uint64_t *words)
{
    clockwork->sum += words[0];
    if (++clockwork->fired < clockwork->count) {
        return false;
    }
    clockwork->expire_ns = bench_per(bench_now_ns() - clockwork->expiring_ns, clockwork->count);
    return true;
}

static void check_work(const struct clockwork *clockwork)
{
    uint64_t count = clockwork->count;
    BENCH_CHECK(clockwork->fired == count, "%llu timers fired", (unsigned long long)clockwork->fired);
    BENCH_CHECK(clockwork->sum == count * (count - 1) / 2, "the payloads add up wrongly");
}

/* ---- ours ---- */

static void start_ours(struct clockwork *clockwork, uint32_t i, uint64_t due_ns)
{
    uint64_t words[4] = {i, 0, 0, 0};
    jzx_message message = jzx_message_value(TAG_DUE, words, sizeof words);
    WORLD_CHECK(jzx_timer_at(clockwork->context, due_ns, &message, &clockwork->ids[i]));
}

static void cancel_ours(struct clockwork *clockwork, uint32_t i)
{
    WORLD_CHECK(jzx_timer_cancel(clockwork->context, clockwork->ids[i], NULL));
}

static jzx_behavior_result owner(jzx_context *context, void *state, const jzx_message *message)
{
    static const struct side side = {start_ours, cancel_ours};
    struct clockwork *clockwork = state;
    if (message->tag == TAG_GO) {
        clockwork->context = context;
        work(clockwork, &side);
    } else if (take_due(clockwork, message->words)) {
        WORLD_CHECK(jzx_runtime_request_stop(clockwork->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static struct clockwork timers_ours(uint32_t count)
{
    struct clockwork clockwork = clockwork_make(count);
    jzx_config config;
    jzx_config_init(&config);
    config.timers_max = count;
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, &config, &shape);
    clockwork.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, owner, &clockwork), TAG_GO);
    world_run(&world);
    world_close(&world);
    check_work(&clockwork);
    clockwork_free(&clockwork);
    return clockwork;
}

/* ---- raw ---- */

static void raw_due(void *state, const uint64_t words[4])
{
    take_due(state, words);
}

static void start_raw(struct clockwork *clockwork, uint32_t i, uint64_t due_ns)
{
    uint64_t words[4] = {i, 0, 0, 0};
    clockwork->ids[i] = raw_heap_start(&clockwork->heap, due_ns, raw_due, clockwork, words);
}

static void cancel_raw(struct clockwork *clockwork, uint32_t i)
{
    BENCH_CHECK(raw_heap_cancel(&clockwork->heap, clockwork->ids[i]) == 0, "the id is stale");
}

static struct clockwork timers_raw(uint32_t count)
{
    static const struct side side = {start_raw, cancel_raw};
    struct clockwork clockwork = clockwork_make(count);
    raw_heap_open(&clockwork.heap, count);
    work(&clockwork, &side);
    raw_heap_expire(&clockwork.heap, bench_now_ns());
    raw_heap_close(&clockwork.heap);
    check_work(&clockwork);
    clockwork_free(&clockwork);
    return clockwork;
}

static void run_timers(const bench_run *run)
{
    static const char *const rows[] = {"timer start, 1,000,000 pending", "timer cancel, 1,000,000 pending",
                                       "timer rearm, 1,000,000 pending", "timer expire, 1,000,000 pending"};
    uint32_t count = (uint32_t)bench_scale(run, 1000000, 10000);
    bench_series ours[4] = {{.count = 0}};
    bench_series raw[4] = {{.count = 0}};
    bench_pin(bench_cpu());
    for (int i = 0; i < run->repeat; i++) {
        struct clockwork results[2] = {timers_ours(count), timers_raw(count)};
        bench_series *series[2] = {ours, raw};
        for (int side = 0; side < 2; side++) {
            bench_add(&series[side][0], results[side].start_ns);
            bench_add(&series[side][1], results[side].cancel_ns);
            bench_add(&series[side][2], results[side].rearm_ns);
            bench_add(&series[side][3], results[side].expire_ns);
        }
    }
    for (int row = 0; row < 4; row++) {
        bench_report(run, rows[row], "ns/timer", &ours[row], &raw[row], (bench_target){BENCH_RATIO_AT_MOST, 1.3});
    }
}

const struct bench bench_timers = {"timers", "start, cancel, rearm and expire among 1,000,000 timers", run_timers};
