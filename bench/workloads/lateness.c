/*
 * lateness.c: how late is a timer of 1 ms on an idle loop, and does a periodic one drift?
 *
 * Raw: a bare ring that waits with the same deadline.
 *
 * Drift is counted in whole periods: after 1,000 ticks, how many periods have passed beyond 1,000. A timer that counts
 * each period from when the last one fired loses one about every 20.
 */
#include "raw/sleep.h"
#include "support/world.h"
#include "workloads.h"

enum { TAG_GO = 1, TAG_DUE = 2, DELAY_NS = 1000000, LAST_TICKS = 10 };

struct late {
    jzx_bench *bench;
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t count;
    uint64_t sum;
    uint64_t due_ns;
};

/* Takes the lateness of one timer; says whether it was the last. */
static bool late_take(struct late *late, uint64_t number)
{
    uint64_t now_ns = jzx_bench_now_ns();
    BENCH_CHECK(now_ns >= late->due_ns, "a timer came %llu ns early", (unsigned long long)(late->due_ns - now_ns));
    jzx_bench_latency(late->bench, now_ns - late->due_ns);
    late->sum += number;
    return ++late->count == late->total;
}

static void late_prove(const struct late *late)
{
    jzx_bench_prove(late->bench, "timers", late->count, late->total);
    jzx_bench_prove(late->bench, "sum", late->sum, late->total * (late->total - 1) / 2);
}

/* ---- lateness ---- */

static jzx_behavior_result sleep_again(jzx_context *context, void *state, const jzx_message *message)
{
    struct late *late = state;
    if (message->tag == TAG_DUE && late_take(late, message->words[0])) {
        WORLD_CHECK(jzx_runtime_request_stop(late->runtime));
        return JZX_BEHAVIOR_OK;
    }
    jzx_message due = jzx_message_value(TAG_DUE, &late->count, sizeof late->count);
    late->due_ns = jzx_bench_now_ns() + DELAY_NS;
    WORLD_CHECK(jzx_timer_at(context, late->due_ns, &due, NULL));
    return JZX_BEHAVIOR_OK;
}

static void run_lateness(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct late late = {.bench = bench, .total = jzx_bench_count(bench)};
    struct world world;
    world_open(&world, bench, NULL, 1);
    late.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, sleep_again, &late), TAG_GO);
    world_run(&world);
    world_close(&world);
    late_prove(&late);
}

static void run_raw(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct late late = {.bench = bench, .total = jzx_bench_count(bench)};
    struct io_uring ring;
    raw_sleep_open(&ring);
    do {
        late.due_ns = jzx_bench_now_ns() + DELAY_NS;
        raw_sleep_until(&ring, late.due_ns);
    } while (!late_take(&late, late.count));
    io_uring_queue_exit(&ring);
    late_prove(&late);
}

/* ---- drift ---- */

struct drift {
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t ticks;
    uint64_t began_ns;
    uint64_t lost; /* periods, the least of the last ticks: a late one does not count as drift */
};

/* The clock is read just after the timer's own start, so a tick in time may seem a period early. */
static uint64_t periods_lost(const struct drift *drift)
{
    uint64_t passed = (jzx_bench_now_ns() - drift->began_ns) / DELAY_NS;
    return passed > drift->ticks ? passed - drift->ticks : 0;
}

static jzx_behavior_result tick(jzx_context *context, void *state, const jzx_message *message)
{
    struct drift *drift = state;
    if (message->tag == TAG_GO) {
        jzx_message due = jzx_message_empty(TAG_DUE);
        WORLD_CHECK(jzx_timer_every(context, DELAY_NS, JZX_TICKS_BURST, &due, NULL));
        drift->began_ns = jzx_bench_now_ns();
        return JZX_BEHAVIOR_OK;
    }
    if (drift->ticks == drift->total) {
        return JZX_BEHAVIOR_OK; /* late ticks may come in a burst, before the loop has stopped */
    }
    drift->ticks++;
    if (drift->ticks + LAST_TICKS > drift->total) {
        uint64_t lost = periods_lost(drift);
        drift->lost = lost < drift->lost ? lost : drift->lost;
    }
    if (drift->ticks == drift->total) {
        WORLD_CHECK(jzx_runtime_request_stop(drift->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_drift(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct drift drift = {.total = jzx_bench_count(bench), .lost = UINT64_MAX};
    struct world world;
    world_open(&world, bench, NULL, 1);
    drift.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, tick, &drift), TAG_GO);
    world_run(&world);
    world_close(&world);
    jzx_bench_prove(bench, "ticks", drift.ticks, drift.total);
    jzx_bench_figure(bench, "lost", "periods", JZX_BENCH_LOWER, (double)drift.lost);
}

/* ---- the workloads ---- */

static const jzx_bench_side lateness_sides[] = {{"jzx", run_lateness, NULL}, {"raw", run_raw, NULL}};
static const jzx_bench_side drift_sides[] = {{"jzx", run_drift, NULL}};

static const jzx_bench_goal lateness_goals[] = {{"p50", "raw", 1.1}, {"p99", "raw", 1.1}};
static const jzx_bench_goal drift_goals[] = {{"lost", NULL, 0}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "timer/lateness", .about = "how late a timer of 1 ms is on a loop that has nothing else",
     .item = "timer", .count = 1000, .quick_count = 50, .cpus = 1, BENCH_SIDES(lateness_sides),
     BENCH_GOALS(lateness_goals)},
    {BENCH_WORKLOAD, .name = "timer/drift", .about = "whole periods that a periodic timer of 1 ms loses",
     .item = "tick", .count = 1000, .quick_count = 50, .cpus = 1, BENCH_SIDES(drift_sides), BENCH_GOALS(drift_goals)},
};

const bench_group bench_lateness = BENCH_GROUP(workloads);
