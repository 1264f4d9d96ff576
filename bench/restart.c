/*
 * restart.c: how many times a second can a child that fails on each message be restarted? From its exit to the first
 * message of the next incarnation, without backoff and without a limit.
 *
 * Each incarnation is sent one message by its init, which makes it fail. The ids of all of them are kept and must differ.
 * What an observer is told is checked in a run of its own, since observers cost time.
 *
 * Raw: raw_life.h, and nobody above: what has ended is made again. Across two threads a slot of 64 bytes in a bare ck_ring
 * says so each way, polled.
 */
#include "pair.h"
#include "raw_life.h"
#include "world.h"

#include <ck_pr.h>
#include <ck_ring.h>
#include <stdlib.h>
#include <string.h>

CK_RING_PROTOTYPE(slot, raw_cell)

enum { TAG_FAIL = 1, RAW_SLOTS = 64 };

/* What the child and the observer count. The child's part is written by its loop alone. */
struct restarts {
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t *ids;
    uint64_t inits;
    uint64_t handled;
    uint64_t finis;
    uint64_t sum;
    uint64_t began_ns;
    uint64_t ended_ns;
    uint64_t events[JZX_SUPERVISION_ESCALATED + 1];
};

static struct restarts restarts_make(uint64_t total)
{
    struct restarts restarts = {.total = total};
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
    if (restarts->handled++ == 0) {
        restarts->began_ns = bench_now_ns();
    }
    if (restarts->handled <= restarts->total) {
        return false;
    }
    restarts->ended_ns = bench_now_ns();
    return true;
}

static int compare_ids(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static double restarts_finish(struct restarts *restarts)
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
    return bench_per(restarts->ended_ns - restarts->began_ns, restarts->total);
}

/* ---- ours ---- */

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

static void start(struct world *world, struct restarts *restarts, uint32_t child_loop)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.init = child_init;
    spec.behavior = child;
    spec.fini = child_fini;
    spec.argument = restarts;
    spec.placement = JZX_PLACE_LOOP;
    spec.place_loop = child_loop;
    jzx_supervisor_spec supervisor;
    jzx_supervisor_spec_init(&supervisor);
    supervisor.intensity = JZX_INTENSITY_UNLIMITED;
    supervisor.child_count = 1;
    supervisor.children = &spec;
    WORLD_CHECK(jzx_supervisor_start(jzx_loop_context(world->loops[0]), &supervisor, NULL, NULL));
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

static double restart_ours(uint64_t total, const world_shape *shape, bool watched)
{
    struct restarts restarts = restarts_make(total);
    struct world world;
    world_open(&world, NULL, shape);
    restarts.runtime = world.runtime;
    start(&world, &restarts, (uint32_t)shape->loop_count - 1);
    if (watched) {
        const jzx_observer observer = {.struct_size = sizeof observer, .supervision = count_event};
        WORLD_CHECK(jzx_observer_add(world.loops[0], &observer, &restarts));
    }
    world_run(&world);
    jzx_counters counters;
    WORLD_CHECK(jzx_loop_stats(world.loops[0], &counters));
    BENCH_CHECK(counters.restarts == total, "%llu restarts were counted", (unsigned long long)counters.restarts);
    world_close(&world);
    if (watched) {
        check_events(&restarts);
    }
    return restarts_finish(&restarts);
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
static void raw_live(raw_slab *slab, struct restarts *restarts, uint64_t number)
{
    static const raw_behavior behavior = {raw_init, raw_child, raw_fini};
    uint64_t words[4] = {number, 0, 0, 0};
    restarts->ids[number] = raw_slab_spawn(slab, &behavior, restarts);
    BENCH_CHECK(raw_slab_tell(slab, restarts->ids[number], TAG_FAIL, words), "the message was refused");
    BENCH_CHECK(raw_slab_run_one(slab), "the run queue is empty");
}

static double restart_raw(uint64_t total)
{
    raw_slab *slab = raw_slab_open();
    struct restarts restarts = restarts_make(total);
    for (uint64_t i = 0; i <= total; i++) {
        raw_live(slab, &restarts, i);
    }
    raw_slab_close(slab);
    return restarts_finish(&restarts);
}

/* ---- raw, across two threads: word of each end goes one way, of the next start the other ---- */

struct raw_pair {
    ck_ring_t starts __attribute__((aligned(128)));
    ck_ring_t ends __attribute__((aligned(128)));
    raw_cell start_slots[RAW_SLOTS] __attribute__((aligned(128)));
    raw_cell end_slots[RAW_SLOTS] __attribute__((aligned(128)));
    struct restarts restarts __attribute__((aligned(128))); /* the child's thread writes it */
};

static void take_slot(ck_ring_t *ring, raw_cell *slots, raw_cell *cell)
{
    while (!ck_ring_dequeue_spsc_slot(ring, slots, cell)) {
        ck_pr_stall();
    }
}

static void put_slot(ck_ring_t *ring, raw_cell *slots, uint64_t number)
{
    uint64_t words[4] = {number, 0, 0, 0};
    raw_cell cell = raw_cell_make(TAG_FAIL, words);
    BENCH_CHECK(ck_ring_enqueue_spsc_slot(ring, slots, &cell), "the ring is full");
}

static void raw_above(void *context)
{
    struct raw_pair *pair = context;
    uint64_t total = pair->restarts.total; /* set once */
    for (uint64_t i = 0; i <= total; i++) {
        raw_cell cell;
        put_slot(&pair->starts, pair->start_slots, i);
        take_slot(&pair->ends, pair->end_slots, &cell);
    }
}

static void raw_below(void *context)
{
    struct raw_pair *pair = context;
    uint64_t total = pair->restarts.total;
    raw_slab *slab = raw_slab_open();
    for (uint64_t i = 0; i <= total; i++) {
        raw_cell cell = {.words = {0}};
        take_slot(&pair->starts, pair->start_slots, &cell);
        raw_live(slab, &pair->restarts, cell.words[0]);
        put_slot(&pair->ends, pair->end_slots, i);
    }
    raw_slab_close(slab);
}

static double restart_raw_far(uint64_t total)
{
    struct raw_pair *pair = aligned_alloc(128, (sizeof *pair + 127) / 128 * 128);
    BENCH_CHECK(pair != NULL, "out of memory");
    memset(pair, 0, sizeof *pair);
    pair->restarts = restarts_make(total);
    ck_ring_init(&pair->starts, RAW_SLOTS);
    ck_ring_init(&pair->ends, RAW_SLOTS);
    pair_run(raw_above, raw_below, pair);
    double cost = restarts_finish(&pair->restarts);
    free(pair);
    return cost;
}

/* ---- rows ---- */

static void run_one_loop(const bench_run *run)
{
    uint64_t total = bench_scale(run, 1000000, 5000);
    world_shape one = world_shape_one(bench_cpu());
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    bench_pin(bench_cpu());
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, restart_ours(total, &one, false));
        bench_add(&raw, restart_raw(total));
    }
    restart_ours(total / 10, &one, true);
    bench_report(run, "restart of a child, 1,000,000 a second", "ns/restart", &ours, &raw,
                 (bench_target){BENCH_OURS_AT_MOST, 1000});
}

static void run_two_loops(const bench_run *run)
{
    static const char *const rows[] = {"restart of a child on another loop"};
    if (!bench_two_cpus(run, rows, 1)) {
        return;
    }
    uint64_t total = bench_scale(run, 300000, 2000);
    world_shape two = world_shape_two(JZX_FOREVER, JZX_FOREVER);
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, restart_ours(total, &two, false));
        bench_add(&raw, restart_raw_far(total));
    }
    restart_ours(total / 10, &two, true);
    bench_report(run, rows[0], "ns/restart", &ours, &raw, (bench_target){BENCH_SHOWN, 0});
}

static void run_restart(const bench_run *run)
{
    run_two_loops(run); /* first: this thread is not pinned yet */
    run_one_loop(run);
}

const struct bench bench_restart = {"restart", "restarts of a child that fails on each message", run_restart};
