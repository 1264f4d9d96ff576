/*
 * lateness.c: how late is a timer of 1 ms on an idle loop, and does a periodic one drift? How late is the restart of a child
 * after a backoff of 10 ms?
 *
 * Raw: a bare ring that waits with the same deadline.
 *
 * Drift is counted in whole periods: after 1,000 ticks, how many periods have passed beyond 1,000. A timer that counts
 * each period from when the last one fired loses one about every 20.
 */
#include "world.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_GO = 1, TAG_DUE = 2, DELAY_NS = 1000000, BACKOFF_NS = 10000000, WARM_UP = 10, LAST_TICKS = 10 };

struct late {
    double *samples; /* ns */
    uint64_t total;
    uint64_t count;
    uint64_t sum;
    uint64_t due_ns;
    jzx_runtime *runtime;
};

struct late_result {
    double p50_us;
    double p99_us;
};

static struct late late_make(uint64_t total)
{
    struct late late = {.total = total};
    late.samples = calloc(total, sizeof *late.samples);
    BENCH_CHECK(late.samples != NULL, "out of memory");
    return late;
}

/* Takes the lateness of one timer; says whether it was the last. */
static bool late_take(struct late *late, uint64_t number)
{
    uint64_t now_ns = bench_now_ns();
    BENCH_CHECK(now_ns >= late->due_ns, "a timer came %llu ns early", (unsigned long long)(late->due_ns - now_ns));
    late->samples[late->count] = (double)(now_ns - late->due_ns);
    late->sum += number;
    return ++late->count == late->total;
}

static struct late_result late_finish(struct late *late)
{
    BENCH_CHECK(late->count == late->total, "not every timer fired");
    BENCH_CHECK(late->sum == late->total * (late->total - 1) / 2, "the payloads add up wrongly");
    double *samples = late->samples + WARM_UP;
    size_t count = late->total - WARM_UP;
    struct late_result result = {bench_percentile(samples, count, 0.5) / 1000,
                                 bench_percentile(samples, count, 0.99) / 1000};
    free(late->samples);
    return result;
}

/* ---- lateness: ours ---- */

static jzx_behavior_result sleep_again(jzx_context *context, void *state, const jzx_message *message)
{
    struct late *late = state;
    if (message->tag == TAG_DUE && late_take(late, message->words[0])) {
        WORLD_CHECK(jzx_runtime_request_stop(late->runtime));
        return JZX_BEHAVIOR_OK;
    }
    jzx_message due = jzx_message_value(TAG_DUE, &late->count, sizeof late->count);
    late->due_ns = bench_now_ns() + DELAY_NS;
    WORLD_CHECK(jzx_timer_at(context, late->due_ns, &due, NULL));
    return JZX_BEHAVIOR_OK;
}

static struct late_result late_ours(uint64_t total)
{
    struct late late = late_make(total);
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, NULL, &shape);
    late.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, sleep_again, &late), TAG_GO);
    world_run(&world);
    world_close(&world);
    return late_finish(&late);
}

/* ---- lateness: raw ---- */

static void wait_until(struct io_uring *ring, uint64_t due_ns)
{
    uint64_t now_ns;
    while ((now_ns = bench_now_ns()) < due_ns) {
        struct io_uring_cqe *completion = NULL;
        struct __kernel_timespec delay = {0, (long long)(due_ns - now_ns)};
        int result = io_uring_submit_and_wait_timeout(ring, &completion, 1, &delay, NULL);
        BENCH_CHECK(result == -ETIME || result == -EINTR, "wait: %s", strerror(-result));
    }
}

static struct late_result late_raw(uint64_t total, uint64_t delay_ns)
{
    struct late late = late_make(total);
    struct io_uring ring;
    int result = io_uring_queue_init(8, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    BENCH_CHECK(result == 0, "io_uring: %s", strerror(-result));
    do {
        late.due_ns = bench_now_ns() + delay_ns;
        wait_until(&ring, late.due_ns);
    } while (!late_take(&late, late.count));
    io_uring_queue_exit(&ring);
    return late_finish(&late);
}

/* ---- lateness: a restart ---- */

static jzx_err restarted(jzx_context *context, void *argument, void **state)
{
    struct late *late = argument;
    *state = late;
    if (late->due_ns != 0 && late_take(late, late->count)) {
        WORLD_CHECK(jzx_runtime_request_stop(late->runtime));
        return JZX_OK;
    }
    jzx_message fail = jzx_message_empty(TAG_GO);
    return jzx_send(context, jzx_self(context), &fail);
}

static jzx_behavior_result fail(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context, (void)state, (void)message;
    return JZX_BEHAVIOR_FAIL;
}

/* When the restart is due: the delay counts from the turn in which it was decided. */
static void note_restart(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    struct late *late = user;
    if (event->kind == JZX_SUPERVISION_RESTART) {
        BENCH_CHECK(event->delay_ns == BACKOFF_NS, "a delay of %llu ns", (unsigned long long)event->delay_ns);
        late->due_ns = jzx_now_ns(context) + event->delay_ns;
    }
}

static void start_failing(const struct world *world, struct late *late)
{
    jzx_child_spec child;
    jzx_child_spec_init(&child);
    child.init = restarted;
    child.behavior = fail;
    child.argument = late;
    child.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = BACKOFF_NS};
    jzx_supervisor_spec supervisor;
    jzx_supervisor_spec_init(&supervisor);
    supervisor.intensity = JZX_INTENSITY_UNLIMITED;
    supervisor.child_count = 1;
    supervisor.children = &child;
    WORLD_CHECK(jzx_supervisor_start(jzx_loop_context(world->loops[0]), &supervisor, NULL, NULL));
}

static struct late_result late_restarts(uint64_t total)
{
    struct late late = late_make(total);
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, NULL, &shape);
    late.runtime = world.runtime;
    const jzx_observer observer = {.struct_size = sizeof observer, .supervision = note_restart};
    WORLD_CHECK(jzx_observer_add(world.loops[0], &observer, &late));
    start_failing(&world, &late);
    world_run(&world);
    world_close(&world);
    return late_finish(&late);
}

/* ---- drift ---- */

struct drift {
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t ticks;
    uint64_t began_ns;
    double least; /* periods lost, the least of the last ticks: a late one does not count as drift */
};

static jzx_behavior_result tick(jzx_context *context, void *state, const jzx_message *message)
{
    struct drift *drift = state;
    if (message->tag == TAG_GO) {
        jzx_message due = jzx_message_empty(TAG_DUE);
        WORLD_CHECK(jzx_timer_every(context, DELAY_NS, JZX_TICKS_BURST, &due, NULL));
        drift->began_ns = bench_now_ns();
        return JZX_BEHAVIOR_OK;
    }
    drift->ticks++;
    uint64_t passed = (bench_now_ns() - drift->began_ns) / DELAY_NS;
    if (drift->ticks + LAST_TICKS > drift->total) {
        drift->least = fmin(drift->least, (double)passed - (double)drift->ticks);
    }
    if (drift->ticks == drift->total) {
        WORLD_CHECK(jzx_runtime_request_stop(drift->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static double drift_periods(uint64_t total)
{
    struct drift drift = {.total = total, .least = INFINITY};
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, NULL, &shape);
    drift.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, tick, &drift), TAG_GO);
    world_run(&world);
    world_close(&world);
    /* The clock is read just after the timer's own start, so a tick in time may seem a period early. */
    return fmax(drift.least, 0);
}

static void run_lateness(const bench_run *run)
{
    uint64_t total = bench_scale(run, 1000, 50);
    bench_series ours[2] = {{.count = 0}};
    bench_series raw[2] = {{.count = 0}};
    bench_series drifts = {.count = 0};
    bench_pin(bench_cpu());
    for (int i = 0; i < run->repeat; i++) {
        struct late_result result = late_ours(total);
        bench_add(&ours[0], result.p50_us);
        bench_add(&ours[1], result.p99_us);
        result = late_raw(total, DELAY_NS);
        bench_add(&raw[0], result.p50_us);
        bench_add(&raw[1], result.p99_us);
    }
    bench_add(&drifts, drift_periods(total));
    bench_report(run, "timer lateness at 1 ms, p50", "us", &ours[0], &raw[0], (bench_target){BENCH_RATIO_AT_MOST, 1.1});
    bench_report(run, "timer lateness at 1 ms, p99", "us", &ours[1], &raw[1], (bench_target){BENCH_RATIO_AT_MOST, 1.1});
    bench_report(run, "drift of a periodic timer in 1,000 periods", "periods", &drifts, NULL,
                 (bench_target){BENCH_OURS_AT_MOST, 0});
}

static void run_backoff(const bench_run *run)
{
    uint64_t total = bench_scale(run, 300, 20);
    bench_series ours[2] = {{.count = 0}};
    bench_series raw[2] = {{.count = 0}};
    bench_pin(bench_cpu());
    for (int i = 0; i < run->repeat; i++) {
        struct late_result result = late_restarts(total);
        bench_add(&ours[0], result.p50_us);
        bench_add(&ours[1], result.p99_us);
        result = late_raw(total, BACKOFF_NS);
        bench_add(&raw[0], result.p50_us);
        bench_add(&raw[1], result.p99_us);
    }
    const bench_target shown = {BENCH_SHOWN, 0};
    bench_report(run, "lateness of a restart after 10 ms, p50", "us", &ours[0], &raw[0], shown);
    bench_report(run, "lateness of a restart after 10 ms, p99", "us", &ours[1], &raw[1], shown);
}

const struct bench bench_backoff = {"backoff", "how late a restart after a backoff of 10 ms is", run_backoff};

const struct bench bench_lateness = {"lateness", "how late a timer of 1 ms is, and whether a periodic one drifts",
                                     run_lateness};
