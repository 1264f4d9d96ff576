/*
 * crash.c: supervision/crash-notice: how soon after a child has failed do others know? From the return of its handler to the
 * DOWN that a monitor gets (the latencies), and to the record of its supervisor, as an observer sees it. On one loop, and on
 * the loop of the supervisor and the watcher when the child lives on another.
 *
 * Each incarnation tells the watcher its id; the watcher monitors it, then tells it to fail.
 *
 * Raw, on two threads: a slot of raw/slots.h, polled, says it.
 */
#include "raw/slots.h"
#include "support/world.h"
#include "workloads.h"

#include <stdlib.h>

enum { TAG_HERE = 1, TAG_FAIL = 2, SETTLING = 100 };

struct crash {
    jzx_bench *bench;
    jzx_runtime *runtime;
    jzx_actor_id watcher;
    uint64_t total; /* those at the beginning, which are not counted, included */
    uint64_t downs;
    uint64_t records;
    uint64_t *record_ns;
    uint64_t failed_ns
        __attribute__((aligned(128))); /* written by the child's thread, read when the news of it have come */
    uint64_t fails;
};

/* ---- libjzx ---- */

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
    crash->failed_ns = jzx_bench_now_ns();
    return JZX_BEHAVIOR_FAIL;
}

static void end_one(struct crash *crash)
{
    if (crash->downs == crash->total && crash->records == crash->total) {
        WORLD_CHECK(jzx_runtime_request_stop(crash->runtime));
    }
}

static void take_down(struct crash *crash, const jzx_down *down)
{
    uint64_t latency_ns = jzx_bench_now_ns() - crash->failed_ns;
    BENCH_CHECK(down->exit.kind == JZX_EXIT_FAIL, "a DOWN with %u", down->exit.kind);
    if (crash->downs++ >= SETTLING) {
        jzx_bench_latency(crash->bench, latency_ns);
    }
    end_one(crash);
}

static jzx_behavior_result watcher(jzx_context *context, void *state, const jzx_message *message)
{
    struct crash *crash = state;
    if (message->tag == JZX_TAG_SYS_DOWN) {
        take_down(crash, jzx_message_data(message));
    } else if (crash->downs < crash->total) {
        jzx_actor_id id = message->words[0];
        jzx_message fail = jzx_message_empty(TAG_FAIL);
        uint64_t monitor;
        WORLD_CHECK(jzx_monitor(context, id, &monitor));
        WORLD_CHECK(jzx_send(context, id, &fail));
    }
    return JZX_BEHAVIOR_OK;
}

static void note_record(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    struct crash *crash = user;
    (void)context;
    if (event->kind == JZX_SUPERVISION_STOPPED && event->exit->kind == JZX_EXIT_FAIL) {
        crash->record_ns[crash->records++] = jzx_bench_now_ns() - crash->failed_ns;
        end_one(crash);
    }
}

static void start(const struct world *world, struct crash *crash)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.init = child_init;
    spec.behavior = child;
    spec.argument = crash;
    spec.placement = JZX_PLACE_LOOP;
    spec.place_loop = (uint32_t)world->loop_count - 1;
    world_supervise(world, JZX_ONE_FOR_ONE, &spec, 1);
}

static int compare_times(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The histogram is that of the DOWNs. */
static void tell_records(const struct crash *crash)
{
    uint64_t *times = crash->record_ns + SETTLING;
    uint64_t count = crash->total - SETTLING;
    qsort(times, count, sizeof *times, compare_times);
    jzx_bench_figure(crash->bench, "record-p50", "us", JZX_BENCH_LOWER, (double)times[(count - 1) / 2] / 1000);
    jzx_bench_figure(crash->bench, "record-p99", "us", JZX_BENCH_LOWER, (double)times[(count - 1) * 99 / 100] / 1000);
}

static void run_jzx(jzx_bench *bench, void *argument)
{
    int loops = *(const int *)argument;
    world_need_cpus(bench, loops);
    struct crash crash = {.bench = bench, .total = jzx_bench_count(bench) + SETTLING};
    crash.record_ns = calloc(crash.total, sizeof *crash.record_ns);
    BENCH_CHECK(crash.record_ns != NULL, "out of memory");
    const jzx_observer observer = {.struct_size = sizeof observer, .supervision = note_record};
    struct world world;
    jzx_config config;
    jzx_config_init(&config);
    config.linger_ns = loops > 1 ? JZX_FOREVER : 0;
    world_open(&world, bench, &config, loops);
    crash.runtime = world.runtime;
    crash.watcher = world_spawn(&world, 0, watcher, &crash);
    WORLD_CHECK(jzx_observer_add(world.loops[0], &observer, &crash));
    start(&world, &crash);
    world_run(&world);
    world_close(&world);
    tell_records(&crash);
    free(crash.record_ns);
    jzx_bench_prove(bench, "crashes", crash.fails - SETTLING, jzx_bench_count(bench));
    BENCH_CHECK(crash.downs == crash.fails && crash.records == crash.fails, "a crash was told to nobody");
}

/* ---- raw: the first thread watches, the second one fails ---- */

static bool raw_turn(void *state, const raw_cell *cell, raw_cell *next)
{
    struct crash *crash = state;
    static const uint64_t words[4] = {0};
    if (cell->tag == TAG_FAIL) {
        *next = raw_cell_make(TAG_HERE, words);
        crash->fails++;
        crash->failed_ns = jzx_bench_now_ns();
        return true;
    }
    if (crash->downs++ > SETTLING) { /* the first is no end but the beginning */
        jzx_bench_latency(crash->bench, jzx_bench_now_ns() - crash->failed_ns);
    }
    *next = raw_cell_make(TAG_FAIL, words);
    return crash->downs <= crash->total;
}

static void run_raw_threads(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    static const uint64_t words[4] = {0};
    struct crash crash = {.bench = bench, .total = jzx_bench_count(bench) + SETTLING};
    const raw_cell begin = raw_cell_make(TAG_HERE, words);
    raw_slots_run(bench, raw_turn, &crash, &begin);
    jzx_bench_prove(bench, "crashes", crash.fails - SETTLING, jzx_bench_count(bench));
}

/* ---- workloads ---- */

static int one_loop = 1;
static int two_loops = 2;
static const jzx_bench_side sides[] = {{"jzx", run_jzx, &one_loop}};
static const jzx_bench_side sides_threads[] = {{"jzx", run_jzx, &two_loops}, {"raw", run_raw_threads, NULL}};

static const jzx_bench_workload workloads[] = {
    {
        BENCH_WORKLOAD,
        .name = "supervision/crash-notice",
        .about = "from the failure of a child to the DOWN at its monitor and the record of its supervisor, one loop",
        .item = "crash",
        .count = 500000,
        .quick_count = 1000,
        .cpus = 1,
        BENCH_SIDES(sides),
    },
    {
        BENCH_WORKLOAD,
        .name = "supervision/crash-notice-threads",
        .about = "the same with the child on another loop than those who are told",
        .item = "crash",
        .count = 200000,
        .quick_count = 1000,
        .cpus = 2,
        BENCH_SIDES(sides_threads),
    },
};
const bench_group bench_crash = BENCH_GROUP(workloads);
