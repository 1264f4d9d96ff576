/*
 * group.c: what does the restart of a group cost each of its members? One of 1,000 children of a JZX_ONE_FOR_ALL supervisor
 * fails; the others are stopped in reverse, one after the other, and all are started again in order.
 *
 * Raw: raw_life.h: 1,000 records ended in reverse and made again.
 */
#include "raw_life.h"
#include "world.h"

#include <stdlib.h>

enum { TAG_FAIL = 1, MEMBERS = 1000, VICTIM = MEMBERS / 2 };
_Static_assert((int)MEMBERS <= (int)RAW_LIVES_MAX, "the raw side holds a group");

struct group {
    jzx_runtime *runtime;
    uint64_t total; /* restarts */
    uint64_t inits;
    uint64_t finis;
    uint64_t restarts;
    uint64_t began_ns;
    uint64_t took_ns;
};

/* The last of a group has been started. Says whether it is to fail once more. */
static bool group_is_up(struct group *group)
{
    if (group->restarts > 0) {
        group->took_ns += bench_now_ns() - group->began_ns;
    }
    BENCH_CHECK(group->inits == (group->restarts + 1) * MEMBERS, "not every member was started");
    BENCH_CHECK(group->finis == group->restarts * MEMBERS, "not every member was stopped");
    return group->restarts < group->total;
}

static void group_fails(struct group *group)
{
    group->restarts++;
    group->began_ns = bench_now_ns();
}

static double group_result(const struct group *group)
{
    BENCH_CHECK(group->restarts == group->total, "the group was not restarted so often");
    BENCH_CHECK(group->finis == group->inits, "not every member has ended");
    return bench_per(group->took_ns, group->total * MEMBERS);
}

/* ---- ours ---- */

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
    jzx_supervisor_spec supervisor;
    jzx_supervisor_spec_init(&supervisor);
    supervisor.strategy = JZX_ONE_FOR_ALL;
    supervisor.intensity = JZX_INTENSITY_UNLIMITED;
    supervisor.child_count = MEMBERS;
    supervisor.children = specs;
    WORLD_CHECK(jzx_supervisor_start(jzx_loop_context(world->loops[0]), &supervisor, NULL, NULL));
    free(specs);
}

static double group_ours(uint64_t total)
{
    struct group group = {.total = total};
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, NULL, &shape);
    group.runtime = world.runtime;
    start(&world, &group);
    world_run(&world);
    jzx_counters counters;
    WORLD_CHECK(jzx_loop_stats(world.loops[0], &counters));
    BENCH_CHECK(counters.restarts == total, "a restart of the group does not count once");
    world_close(&world);
    return group_result(&group);
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

static double group_raw(uint64_t total)
{
    static const raw_behavior behavior = {raw_init, raw_member, raw_fini};
    static const uint64_t words[4] = {0};
    uint64_t ids[MEMBERS];
    raw_slab *slab = raw_slab_open();
    struct group group = {.total = total};
    for (;;) {
        for (int i = 0; i < MEMBERS; i++) {
            ids[i] = raw_slab_spawn(slab, &behavior, &group);
        }
        bool again = group_is_up(&group);
        if (again) {
            BENCH_CHECK(raw_slab_tell(slab, ids[VICTIM], TAG_FAIL, words), "the message was refused");
            BENCH_CHECK(raw_slab_run_one(slab), "the run queue is empty");
        }
        for (int i = MEMBERS - 1; i >= 0; i--) {
            if (!again || i != VICTIM) {
                raw_slab_end(slab, ids[i]);
            }
        }
        if (!again) {
            break;
        }
    }
    raw_slab_close(slab);
    return group_result(&group);
}

static void run_group(const bench_run *run)
{
    uint64_t total = bench_scale(run, 300, 5);
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    bench_pin(bench_cpu());
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, group_ours(total));
        bench_add(&raw, group_raw(total));
    }
    bench_report(run, "restart of a group of 1,000 children", "ns/child", &ours, &raw, (bench_target){BENCH_SHOWN, 0});
}

const struct bench bench_group = {"group", "restart of all 1,000 children because one failed", run_group};
