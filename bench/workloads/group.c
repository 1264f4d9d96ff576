/*
 * group.c: supervision/group: what does the restart of a group cost each of its members? One of 1,000 children of a
 * JZX_ONE_FOR_ALL supervisor fails; the others are stopped in reverse, one after the other, and all are started again in order.
 *
 * Raw: raw/life.h: 1,000 records ended in reverse and made again.
 */
#include "raw/life.h"
#include "support/world.h"
#include "workloads.h"

#include <stdlib.h>

enum { TAG_FAIL = 1, MEMBERS = 1000, VICTIM = MEMBERS / 2 };

struct group {
    jzx_bench *bench;
    jzx_runtime *runtime;
    uint64_t total; /* restarts */
    uint64_t inits;
    uint64_t finis;
    uint64_t restarts;
};

static struct group group_make(jzx_bench *bench)
{
    return (struct group){.bench = bench, .total = jzx_bench_count(bench) / MEMBERS};
}

/* The last of a group has been started. Says whether the group is to fail once more. */
static bool group_is_up(struct group *group)
{
    BENCH_CHECK(group->inits == (group->restarts + 1) * MEMBERS, "not every member was started");
    BENCH_CHECK(group->finis == group->restarts * MEMBERS, "not every member was stopped");
    if (group->restarts < group->total) {
        return true;
    }
    jzx_bench_end(group->bench, group->total * MEMBERS);
    return false;
}

/* One member fails. The first time is where the clock starts. */
static void group_fails(struct group *group)
{
    if (group->restarts++ == 0) {
        jzx_bench_begin(group->bench);
    }
}

static void group_finish(const struct group *group)
{
    BENCH_CHECK(group->restarts == group->total, "the group was not restarted so often");
    BENCH_CHECK(group->finis == group->inits, "not every member has ended");
    jzx_bench_prove(group->bench, "children", group->inits - MEMBERS, group->total * MEMBERS);
}

/* ---- libjzx ---- */

static jzx_err member_init(jzx_context *context, void *argument, void **state)
{
    (void)context;
    struct group *group = argument;
    group->inits++;
    *state = group;
    return JZX_OK;
}

/* All are up, and the one in the middle is to fail. */
static jzx_err last_init(jzx_context *context, void *argument, void **state)
{
    struct group *group = argument;
    WORLD_CHECK(member_init(context, argument, state));
    if (!group_is_up(group)) {
        WORLD_CHECK(jzx_runtime_request_stop(group->runtime));
        return JZX_OK;
    }
    jzx_message fail = jzx_message_empty(TAG_FAIL);
    return jzx_send_name(context, "victim", &fail);
}

static jzx_behavior_result member(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context, (void)message;
    group_fails(state);
    return JZX_BEHAVIOR_FAIL;
}

static void member_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context, (void)info;
    ((struct group *)state)->finis++;
}

static void start(struct world *world, struct group *group)
{
    jzx_child_spec *specs = calloc(MEMBERS, sizeof *specs);
    BENCH_CHECK(specs != NULL, "out of memory");
    for (int i = 0; i < MEMBERS; i++) {
        jzx_child_spec_init(&specs[i]);
        specs[i].init = i == MEMBERS - 1 ? last_init : member_init;
        specs[i].behavior = member;
        specs[i].fini = member_fini;
        specs[i].argument = group;
    }
    specs[VICTIM].name = "victim";
    specs[VICTIM].register_name = true;
    world_supervise(world, JZX_ONE_FOR_ALL, specs, MEMBERS);
    free(specs);
}

static void run_jzx(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct group group = group_make(bench);
    struct world world;
    world_open(&world, bench, NULL, 1);
    group.runtime = world.runtime;
    start(&world, &group);
    world_run(&world);
    jzx_counters counters;
    WORLD_CHECK(jzx_loop_stats(world.loops[0], &counters));
    BENCH_CHECK(counters.restarts == group.total, "a restart of the group does not count once");
    world_close(&world);
    group_finish(&group);
}

/* ---- raw ---- */

static void raw_init(void *argument, void **state)
{
    struct group *group = argument;
    group->inits++;
    *state = group;
}

static bool raw_member(void *state, const raw_cell *cell)
{
    (void)cell;
    group_fails(state);
    return true;
}

static void raw_fini(void *state)
{
    ((struct group *)state)->finis++;
}

static void raw_start(raw_slab *slab, struct group *group, uint64_t ids[MEMBERS])
{
    static const raw_behavior behavior = {raw_init, raw_member, raw_fini};
    for (int i = 0; i < MEMBERS; i++) {
        ids[i] = raw_slab_spawn(slab, &behavior, group);
    }
}

static void raw_stop(raw_slab *slab, const uint64_t ids[MEMBERS], int gone)
{
    for (int i = MEMBERS - 1; i >= 0; i--) {
        if (i != gone) {
            raw_slab_end(slab, ids[i]);
        }
    }
}

static void run_raw(jzx_bench *bench, void *argument)
{
    (void)argument;
    static const uint64_t words[4] = {0};
    uint64_t ids[MEMBERS];
    raw_slab *slab = raw_slab_open(MEMBERS);
    struct group group = group_make(bench);
    raw_start(slab, &group, ids);
    while (group_is_up(&group)) {
        BENCH_CHECK(raw_slab_tell(slab, ids[VICTIM], TAG_FAIL, words), "the message was refused");
        BENCH_CHECK(raw_slab_run_one(slab), "the run queue is empty");
        raw_stop(slab, ids, VICTIM);
        raw_start(slab, &group, ids);
    }
    raw_stop(slab, ids, -1);
    raw_slab_close(slab);
    group_finish(&group);
}

static const jzx_bench_side sides[] = {{"jzx", run_jzx, NULL}, {"raw", run_raw, NULL}};
static const jzx_bench_goal goals[] = {BENCH_GOAL_PEERS("time")};

static const jzx_bench_workload workloads[] = {{
    BENCH_WORKLOAD,
    .name = "supervision/group",
    .about = "1,000 children that are restarted together, because one of them failed",
    .item = "child",
    .count = 500000,
    .quick_count = 5000,
    .step = MEMBERS,
    .cpus = 1,
    BENCH_SIDES(sides),
    BENCH_GOALS(goals),
}};
const bench_group bench_group_restart = BENCH_GROUP(workloads);
