/* suite.c: see suite.h. */
#include "suite.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

/* A tenth of the work is long enough to fault in pages and fill caches, and short beside what is measured. */
enum { WARM_SHARE = 10, QUICK_SHARE = 100 };

void jzx_bench_workload_init(jzx_bench_workload *workload)
{
    *workload = (jzx_bench_workload){.struct_size = sizeof *workload, .item = "operation", .cpus = 1};
}

const jzx_bench_workload *bench_suite_find(const bench_suite *suite, const char *name)
{
    for (size_t i = 0; i < suite->count; i++) {
        if (strcmp(suite->workloads[i].name, name) == 0) {
            return &suite->workloads[i];
        }
    }
    return NULL;
}

const jzx_bench_side *bench_suite_side(const jzx_bench_workload *workload, const char *name)
{
    for (size_t i = 0; i < workload->side_count; i++) {
        if (strcmp(workload->sides[i].name, name) == 0) {
            return &workload->sides[i];
        }
    }
    return NULL;
}

uint64_t bench_suite_round(const jzx_bench_workload *workload, uint64_t count)
{
    uint64_t steps = (count + workload->step / 2) / workload->step;
    return (steps == 0 ? 1 : steps) * workload->step;
}

uint64_t bench_suite_count(const jzx_bench_workload *workload, bool quick)
{
    if (!quick) {
        return bench_suite_round(workload, workload->count);
    }
    return bench_suite_round(workload,
                             workload->quick_count != 0 ? workload->quick_count : workload->count / QUICK_SHARE);
}

uint64_t bench_suite_warm(const jzx_bench_workload *workload, uint64_t count)
{
    return bench_suite_round(workload, count / WARM_SHARE);
}

/* Letters, digits and '-', which is what the protocol and file names can hold; of a workload '/' too. */
static bool name_is_good(const char *name, bool slash)
{
    if (name == NULL || name[0] == '\0') {
        return false;
    }
    for (const char *at = name; *at != '\0'; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (!letter && *at != '-' && !(slash && *at == '/')) {
            return false;
        }
    }
    return true;
}

static void check_sides(const jzx_bench_workload *workload)
{
    if (workload->sides == NULL || workload->side_count == 0) {
        bench_fail("workload %s: it has no sides", workload->name);
    }
    for (size_t i = 0; i < workload->side_count; i++) {
        const jzx_bench_side *side = &workload->sides[i];
        if (!name_is_good(side->name, false)) {
            bench_fail("workload %s: a side's name is letters, digits and '-', not '%s'", workload->name,
                       side->name != NULL ? side->name : "");
        }
        if (side->run == NULL) {
            bench_fail("workload %s: side %s has nothing to run", workload->name, side->name);
        }
        if (bench_suite_side(workload, side->name) != side) {
            bench_fail("workload %s: two sides are called %s", workload->name, side->name);
        }
    }
}

static void check_goals(const jzx_bench_workload *workload)
{
    for (size_t i = 0; i < workload->goal_count; i++) {
        const jzx_bench_goal *goal = &workload->goals[i];
        if (goal->figure == NULL || !(goal->limit >= 0)) {
            bench_fail("workload %s: a goal needs a figure and a limit of 0 or more", workload->name);
        }
        if (goal->against != NULL && strcmp(goal->against, "peers") != 0 &&
            bench_suite_side(workload, goal->against) == NULL) {
            bench_fail("workload %s: a goal against %s, which is no side of it", workload->name, goal->against);
        }
    }
}

/* The copy is as the library knows the struct: what the caller's header did not have yet keeps its default. */
static void copy_workload(jzx_bench_workload *to, const jzx_bench_workload *from)
{
    jzx_bench_workload_init(to);
    memcpy(to, from, from->struct_size);
    to->struct_size = sizeof *to;
    to->item = to->item != NULL ? to->item : "operation";
    to->about = to->about != NULL ? to->about : "";
    to->step = to->step != 0 ? to->step : 1;
}

static void check_workload(const bench_suite *suite, const jzx_bench_workload *workload)
{
    if (!name_is_good(workload->name, true)) {
        bench_fail("a workload's name is letters, digits, '-' and '/', not '%s'",
                   workload->name != NULL ? workload->name : "");
    }
    if (bench_suite_find(suite, workload->name) != workload) {
        bench_fail("two workloads are called %s", workload->name);
    }
    if (workload->count == 0 || workload->cpus < 0) {
        bench_fail("workload %s: it needs a count above 0 and cpus of 0 or more", workload->name);
    }
    check_sides(workload);
    check_goals(workload);
}

void bench_suite_init(bench_suite *suite, const jzx_bench_workload *workloads, size_t count)
{
    if (workloads == NULL || count == 0) {
        bench_fail("there are no workloads");
    }
    size_t size = workloads[0].struct_size;
    jzx_bench_workload *copies = bench_new(count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        const jzx_bench_workload *from = (const void *)((const char *)workloads + i * size);
        if (size == 0 || size > sizeof *from || from->struct_size != size) {
            bench_fail("workload %zu of this program was not begun by jzx_bench_workload_init()", i);
        }
        copy_workload(&copies[i], from);
    }
    *suite = (bench_suite){.workloads = copies, .count = count};
    for (size_t i = 0; i < count; i++) {
        check_workload(suite, &copies[i]);
    }
}

void bench_suite_deinit(bench_suite *suite)
{
    free((void *)suite->workloads);
    *suite = (bench_suite){0};
}
