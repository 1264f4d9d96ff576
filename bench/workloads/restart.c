/*
 * restart.c: supervision/restart: what does the restart of a child that fails on each message cost? From its exit to the
 * first message of the next incarnation, without backoff and without a limit; on the loop of its supervisor and on another.
 *
 * Each incarnation is sent one message by its init, which makes it fail. The ids of all of them are kept and must differ.
 * What an observer is told is checked in a small run beside the measured one, since observers cost time.
 *
 * Raw: raw/life.h, and nobody above: what has ended is made again. Across two threads a slot of raw/slots.h says each end
 * one way and each start the other.
 */
#include "raw/life.h"
#include "raw/slots.h"
#include "support/world.h"
#include "workloads.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_FAIL = 1, TAG_START = 2, TAG_ENDED = 3, WATCHED = 1000 };

/* What the child counts, on its loop alone, and what the supervisor's loop is told. */
struct restarts {
    jzx_bench *bench; /* NULL: watched, not timed */
    jzx_runtime *runtime;
    raw_slab *slab;
    uint64_t total;
    uint64_t *ids;
    uint64_t inits;
    uint64_t handled;
    uint64_t finis;
    uint64_t sum;
    uint64_t events[JZX_SUPERVISION_ESCALATED + 1];
};

static struct restarts restarts_make(jzx_bench *bench, uint64_t total)
{
    struct restarts restarts = {.bench = bench, .total = total};
    size_t size = (total + 1) * sizeof *restarts.ids;
    restarts.ids = malloc(size);
    BENCH_CHECK(restarts.ids != NULL, "out of memory");
    memset(restarts.ids, 0, size); /* touched here, so that no page fault falls into the measured part */
    return restarts;
}

/* Counts a message; says whether it was the last. The first failure is where the clock starts. */
static bool restarts_take(struct restarts *restarts, uint64_t number)
{
    restarts->sum += number;
    if (restarts->handled++ == 0 && restarts->bench != NULL) {
        jzx_bench_begin(restarts->bench);
    }
    if (restarts->handled <= restarts->total) {
        return false;
    }
    if (restarts->bench != NULL) {
        jzx_bench_end(restarts->bench, restarts->total);
    }
    return true;
}

static int compare_ids(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void restarts_finish(struct restarts *restarts)
{
    uint64_t lives = restarts->total + 1;
    BENCH_CHECK(restarts->inits == lives && restarts->handled == lives, "not every incarnation was made");
    BENCH_CHECK(restarts->finis == lives, "not every incarnation has ended");
    BENCH_CHECK(restarts->sum == lives * (lives - 1) / 2, "the payloads add up wrongly");
    qsort(restarts->ids, lives, sizeof *restarts->ids, compare_ids);
    for (uint64_t i = 1; i < lives; i++) {
        BENCH_CHECK(restarts->ids[i - 1] != restarts->ids[i], "an id was issued twice");
    }
    free(restarts->ids);
    if (restarts->bench != NULL) {
        jzx_bench_prove(restarts->bench, "restarts", restarts->inits - 1, restarts->total);
    }
}

/* ---- libjzx ---- */

static jzx_err child_init(jzx_context *context, void *argument, void **state)
{
    struct restarts *restarts = argument;
    uint64_t words[4] = {restarts->inits, 0, 0, 0};
    jzx_message fail = jzx_message_value(TAG_FAIL, words, sizeof words);
    restarts->ids[restarts->inits++] = jzx_self(context);
    *state = restarts;
    return jzx_send(context, jzx_self(context), &fail);
}

static jzx_behavior_result child(jzx_context *context, void *state, const jzx_message *message)
{
    struct restarts *restarts = state;
    (void)context;
    if (restarts_take(restarts, message->words[0])) {
        WORLD_CHECK(jzx_runtime_request_stop(restarts->runtime));
        return JZX_BEHAVIOR_OK;
    }
    return JZX_BEHAVIOR_FAIL;
}

static void child_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    struct restarts *restarts = state;
    (void)context;
    restarts->finis++;
    BENCH_CHECK(info->incarnation == restarts->finis, "incarnation %u ended as number %llu", info->incarnation,
                (unsigned long long)restarts->finis);
}

static void start(const struct world *world, struct restarts *restarts)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.init = child_init;
    spec.behavior = child;
    spec.fini = child_fini;
    spec.argument = restarts;
    spec.placement = JZX_PLACE_LOOP;
    spec.place_loop = (uint32_t)world->loop_count - 1;
    world_supervise(world, JZX_ONE_FOR_ONE, &spec, 1);
}

static void count_event(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    struct restarts *restarts = user;
    (void)context;
    if (event->child_index == 0) {
        restarts->events[event->kind]++;
    }
}

static void check_events(const struct restarts *restarts)
{
    uint64_t lives = restarts->total + 1;
    BENCH_CHECK(restarts->events[JZX_SUPERVISION_STARTED] == lives, "not one STARTED each");
    BENCH_CHECK(restarts->events[JZX_SUPERVISION_STOPPED] == lives, "not one STOPPED each");
    BENCH_CHECK(restarts->events[JZX_SUPERVISION_RESTART] == restarts->total, "not one RESTART each");
}

/* The child is on the last loop, and loops that wait for each other do not sleep. */
static void restart(jzx_bench *bench, struct restarts *restarts, int loops, const jzx_observer *observer)
{
    struct world world;
    jzx_config config;
    jzx_counters counters;
    jzx_config_init(&config);
    config.linger_ns = loops > 1 ? JZX_FOREVER : 0;
    world_open(&world, bench, &config, loops);
    restarts->runtime = world.runtime;
    start(&world, restarts);
    if (observer != NULL) {
        WORLD_CHECK(jzx_observer_add(world.loops[0], observer, restarts));
    }
    world_run(&world);
    WORLD_CHECK(jzx_loop_stats(world.loops[0], &counters));
    BENCH_CHECK(counters.restarts == restarts->total, "%llu restarts were counted",
                (unsigned long long)counters.restarts);
    world_close(&world);
    restarts_finish(restarts);
}

static void run_jzx(jzx_bench *bench, void *argument)
{
    static const jzx_observer observer = {.struct_size = sizeof observer, .supervision = count_event};
    int loops = *(const int *)argument;
    world_need_cpus(bench, loops);
    struct restarts restarts = restarts_make(bench, jzx_bench_count(bench));
    restart(bench, &restarts, loops, NULL);
    struct restarts watched = restarts_make(NULL, WATCHED);
    restart(bench, &watched, loops, &observer);
    check_events(&watched);
}

/* ---- raw ---- */

static void raw_init(void *argument, void **state)
{
    struct restarts *restarts = argument;
    restarts->inits++;
    *state = restarts;
}

static bool raw_child(void *state, const raw_cell *cell)
{
    restarts_take(state, cell->words[0]);
    return true;
}

static void raw_fini(void *state)
{
    struct restarts *restarts = state;
    restarts->finis++;
}

/* One incarnation, with the message that ends it. */
static void raw_live(struct restarts *restarts, uint64_t number)
{
    static const raw_behavior behavior = {raw_init, raw_child, raw_fini};
    uint64_t words[4] = {number, 0, 0, 0};
    restarts->ids[number] = raw_slab_spawn(restarts->slab, &behavior, restarts);
    BENCH_CHECK(raw_slab_tell(restarts->slab, restarts->ids[number], TAG_FAIL, words), "the message was refused");
    BENCH_CHECK(raw_slab_run_one(restarts->slab), "the run queue is empty");
}

static void run_raw(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct restarts restarts = restarts_make(bench, jzx_bench_count(bench));
    restarts.slab = raw_slab_open(1);
    for (uint64_t i = 0; i <= restarts.total; i++) {
        raw_live(&restarts, i);
    }
    raw_slab_close(restarts.slab);
    restarts_finish(&restarts);
}

/*
 * The first thread answers the word of an end with that to start again; the second one has the child, and all of `state`. The
 * cells carry the number of the incarnation and that of the last one.
 */
static bool raw_turn(void *state, const raw_cell *cell, raw_cell *next)
{
    if (cell->tag == TAG_ENDED) {
        uint64_t words[4] = {cell->words[0] + 1, cell->words[1], 0, 0};
        *next = raw_cell_make(TAG_START, words);
        return cell->words[0] != cell->words[1];
    }
    raw_live(state, cell->words[0]);
    *next = raw_cell_make(TAG_ENDED, cell->words);
    return true;
}

static void run_raw_threads(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    struct restarts restarts = restarts_make(bench, jzx_bench_count(bench));
    const uint64_t before[4] = {UINT64_MAX, restarts.total, 0, 0};
    const raw_cell begin = raw_cell_make(TAG_ENDED, before);
    restarts.slab = raw_slab_open(1);
    raw_slots_run(bench, raw_turn, &restarts, &begin);
    raw_slab_close(restarts.slab);
    restarts_finish(&restarts);
}

/* ---- workloads ---- */

static int one_loop = 1;
static int two_loops = 2;
static const jzx_bench_side sides[] = {{"jzx", run_jzx, &one_loop}, {"raw", run_raw, NULL}};
static const jzx_bench_side sides_threads[] = {{"jzx", run_jzx, &two_loops}, {"raw", run_raw_threads, NULL}};
static const jzx_bench_goal goals[] = {BENCH_GOAL_PEERS("time"), {"time", NULL, 200}};
static const jzx_bench_goal goals_threads[] = {BENCH_GOAL_PEERS("time")};

static const jzx_bench_workload workloads[] = {
    {
        BENCH_WORKLOAD,
        .name = "supervision/restart",
        .about = "a child that fails on each message, restarted on the loop of its supervisor",
        .item = "restart",
        .count = 1000000,
        .quick_count = 5000,
        .cpus = 1,
        BENCH_SIDES(sides),
        BENCH_GOALS(goals),
    },
    {
        BENCH_WORKLOAD,
        .name = "supervision/restart-threads",
        .about = "a child that fails on each message, on another loop than its supervisor",
        .item = "restart",
        .count = 500000,
        .quick_count = 2000,
        .cpus = 2,
        BENCH_SIDES(sides_threads),
        BENCH_GOALS(goals_threads),
    },
};
const bench_group bench_restart = BENCH_GROUP(workloads);
