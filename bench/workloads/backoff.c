/*
 * backoff.c: supervision/backoff: how late is the restart of a child after a backoff of 10 ms, on a loop with nothing else to do?
 *
 * It is due when its delay has passed since the turn in which the restart was decided. Raw: a bare ring that waits with the
 * same deadline.
 */
#include "raw/sleep.h"
#include "support/world.h"
#include "workloads.h"

enum { TAG_FAIL = 1, BACKOFF_NS = 10000000, SETTLING = 5 };

struct late {
    jzx_bench *bench;
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t taken;
    uint64_t due_ns; /* 0: none yet */
};

static struct late late_make(jzx_bench *bench)
{
    return (struct late){.bench = bench, .total = jzx_bench_count(bench) + SETTLING};
}

/* Takes the lateness of one; says whether it was the last. */
static bool late_take(struct late *late)
{
    uint64_t now_ns = jzx_bench_now_ns();
    BENCH_CHECK(now_ns >= late->due_ns, "a restart came %llu ns early", (unsigned long long)(late->due_ns - now_ns));
    if (late->taken++ >= SETTLING) {
        jzx_bench_latency(late->bench, now_ns - late->due_ns);
    }
    return late->taken == late->total;
}

static void late_finish(const struct late *late)
{
    jzx_bench_prove(late->bench, "restarts", late->taken - SETTLING, jzx_bench_count(late->bench));
}

/* ---- libjzx ---- */

static jzx_err child_init(jzx_context *context, void *argument, void **state)
{
    struct late *late = argument;
    *state = late;
    if (late->due_ns != 0 && late_take(late)) {
        WORLD_CHECK(jzx_runtime_request_stop(late->runtime));
        return JZX_OK;
    }
    jzx_message fail = jzx_message_empty(TAG_FAIL);
    return jzx_send(context, jzx_self(context), &fail);
}

static jzx_behavior_result child(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context, (void)state, (void)message;
    return JZX_BEHAVIOR_FAIL;
}

static void note_restart(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    struct late *late = user;
    if (event->kind == JZX_SUPERVISION_RESTART) {
        BENCH_CHECK(event->delay_ns == BACKOFF_NS, "a delay of %llu ns", (unsigned long long)event->delay_ns);
        late->due_ns = jzx_now_ns(context) + event->delay_ns;
    }
}

static void start(const struct world *world, struct late *late)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.init = child_init;
    spec.behavior = child;
    spec.argument = late;
    spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = BACKOFF_NS};
    world_supervise(world, JZX_ONE_FOR_ONE, &spec, 1);
}

static void run_jzx(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct late late = late_make(bench);
    struct world world;
    const jzx_observer observer = {.struct_size = sizeof observer, .supervision = note_restart};
    world_open(&world, bench, NULL, 1);
    late.runtime = world.runtime;
    WORLD_CHECK(jzx_observer_add(world.loops[0], &observer, &late));
    start(&world, &late);
    world_run(&world);
    world_close(&world);
    late_finish(&late);
}

/* ---- raw ---- */

static void run_raw(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct late late = late_make(bench);
    struct io_uring ring;
    raw_sleep_open(&ring);
    do {
        late.due_ns = jzx_bench_now_ns() + BACKOFF_NS;
        raw_sleep_until(&ring, late.due_ns);
    } while (!late_take(&late));
    io_uring_queue_exit(&ring);
    late_finish(&late);
}

static const jzx_bench_side sides[] = {{"jzx", run_jzx, NULL}, {"raw", run_raw, NULL}};
static const jzx_bench_goal goals[] = {{"p50", "raw", 1.1}, {"p99", "raw", 1.1}};

static const jzx_bench_workload workloads[] = {{
    BENCH_WORKLOAD,
    .name = "supervision/backoff",
    .about = "how late a child is restarted after a backoff of 10 ms",
    .item = "restart",
    .count = 200,
    .quick_count = 10,
    .cpus = 1,
    BENCH_SIDES(sides),
    BENCH_GOALS(goals),
}};
const bench_group bench_backoff = BENCH_GROUP(workloads);
