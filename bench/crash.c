/*
 * crash.c: how soon after a child has failed do others know? From the return of its handler to the record of its supervisor,
 * as an observer sees it, and to the DOWN that a monitor gets, on one loop and on the loop of the supervisor and the watcher
 * when the child lives on another.
 *
 * Each incarnation tells the watcher its id; the watcher monitors it, then tells it to fail.
 */
#include "world.h"

#include <stdlib.h>

enum { TAG_HERE = 1, TAG_FAIL = 2, WARM_UP = 100 };

struct crash {
    jzx_runtime *runtime;
    jzx_actor_id watcher;
    uint64_t total;
    uint64_t failed_ns; /* written by the child's loop, read when the news of it have come */
    uint64_t downs;
    uint64_t stops;
    uint64_t fails;
    double *down_ns;
    double *record_ns;
};

struct crash_result {
    double down_ns;
    double record_ns;
};

static jzx_err child_init(jzx_context *context, void *argument, void **state)
{
    struct crash *crash = argument;
    jzx_actor_id self = jzx_self(context);
    jzx_message here = jzx_message_value(TAG_HERE, &self, sizeof self);
    *state = crash;
    return jzx_send(context, crash->watcher, &here);
}

static jzx_behavior_result child(jzx_context *context, void *state, const jzx_message *message)
{
    struct crash *crash = state;
    (void)context, (void)message;
    crash->fails++;
    crash->failed_ns = bench_now_ns();
    return JZX_BEHAVIOR_FAIL;
}

static void end_one(struct crash *crash)
{
    if (crash->downs == crash->total && crash->stops == crash->total) {
        WORLD_CHECK(jzx_runtime_request_stop(crash->runtime));
    }
}

static jzx_behavior_result watcher(jzx_context *context, void *state, const jzx_message *message)
{
    struct crash *crash = state;
    if (message->tag == JZX_TAG_SYS_DOWN) {
        const jzx_down *down = jzx_message_data(message);
        crash->down_ns[crash->downs++] = (double)(bench_now_ns() - crash->failed_ns);
        BENCH_CHECK(down->exit.kind == JZX_EXIT_FAIL, "a DOWN with %u", down->exit.kind);
        end_one(crash);
    } else if (crash->downs < crash->total) {
        jzx_actor_id id = message->words[0];
        jzx_message fail = jzx_message_empty(TAG_FAIL);
        uint64_t monitor;
        WORLD_CHECK(jzx_monitor(context, id, &monitor));
        WORLD_CHECK(jzx_send(context, id, &fail));
    }
    return JZX_BEHAVIOR_OK;
}

static void note_stop(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    struct crash *crash = user;
    (void)context;
    if (event->kind == JZX_SUPERVISION_STOPPED && event->exit->kind == JZX_EXIT_FAIL) {
        crash->record_ns[crash->stops++] = (double)(bench_now_ns() - crash->failed_ns);
        end_one(crash);
    }
}

static void start(const struct world *world, struct crash *crash, uint32_t child_loop)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.init = child_init;
    spec.behavior = child;
    spec.argument = crash;
    spec.placement = JZX_PLACE_LOOP;
    spec.place_loop = child_loop;
    jzx_supervisor_spec supervisor;
    jzx_supervisor_spec_init(&supervisor);
    supervisor.intensity = JZX_INTENSITY_UNLIMITED;
    supervisor.child_count = 1;
    supervisor.children = &spec;
    WORLD_CHECK(jzx_supervisor_start(jzx_loop_context(world->loops[0]), &supervisor, NULL, NULL));
}

static double middle(double *samples, uint64_t total)
{
    double result = bench_percentile(samples + WARM_UP, total - WARM_UP, 0.5);
    free(samples);
    return result;
}

static struct crash_result measure(uint64_t total, const world_shape *shape)
{
    struct crash crash = {.total = total};
    crash.down_ns = calloc(total, sizeof *crash.down_ns);
    crash.record_ns = calloc(total, sizeof *crash.record_ns);
    BENCH_CHECK(crash.down_ns != NULL && crash.record_ns != NULL, "out of memory");
    struct world world;
    world_open(&world, NULL, shape);
    crash.runtime = world.runtime;
    crash.watcher = world_spawn(&world, 0, watcher, &crash);
    const jzx_observer observer = {.struct_size = sizeof observer, .supervision = note_stop};
    WORLD_CHECK(jzx_observer_add(world.loops[0], &observer, &crash));
    start(&world, &crash, (uint32_t)shape->loop_count - 1);
    world_run(&world);
    world_close(&world);
    BENCH_CHECK(crash.fails == total, "%llu failures", (unsigned long long)crash.fails);
    return (struct crash_result){middle(crash.down_ns, total), middle(crash.record_ns, total)};
}

static void run_shape(const bench_run *run, const world_shape *shape, const char *const rows[2])
{
    uint64_t total = bench_scale(run, 50000, 1000);
    bench_series downs = {.count = 0};
    bench_series records = {.count = 0};
    for (int i = 0; i < run->repeat; i++) {
        struct crash_result result = measure(total, shape);
        bench_add(&downs, result.down_ns);
        bench_add(&records, result.record_ns);
    }
    const bench_target shown = {BENCH_SHOWN, 0};
    bench_report(run, rows[0], "ns", &downs, NULL, shown);
    bench_report(run, rows[1], "ns", &records, NULL, shown);
}

static void run_crash(const bench_run *run)
{
    static const char *const far[] = {"crash to DOWN on another loop", "crash to the record, on another loop"};
    static const char *const near[] = {"crash to DOWN, one loop", "crash to the supervisor's record, one loop"};
    if (bench_two_cpus(run, far, 2)) { /* first: this thread is not pinned yet */
        world_shape two = world_shape_two(JZX_FOREVER, JZX_FOREVER);
        run_shape(run, &two, far);
    }
    world_shape one = world_shape_one(bench_cpu());
    bench_pin(bench_cpu());
    run_shape(run, &one, near);
}

const struct bench bench_crash = {"crash", "from the failure of a child to those who are told", run_crash};
