#include "judge.h"

#include <math.h>
#include <string.h>

const bench_figure *bench_judged_figure(const bench_side_result *side, const char *name)
{
    if (side == NULL || side->skipped != NULL || side->invalid != NULL) {
        return NULL;
    }
    const bench_figure *figure = bench_side_figure(side, name);
    return figure != NULL && figure->count > 0 ? figure : NULL;
}

double bench_figure_median(const bench_figure *figure)
{
    return bench_median(figure->values, figure->count);
}

const bench_side_result *bench_workload_first(const bench_workload_result *workload)
{
    return workload->side_count > 0 ? &workload->sides[0] : NULL;
}

/* ---- the best of some sides ---- */

static bool is_raw(const bench_side_result *side)
{
    return side->role == BENCH_ROLE_OWN && (strcmp(side->name, "raw") == 0 || strncmp(side->name, "raw-", 4) == 0);
}

static bool is_peer(const bench_side_result *side)
{
    return side->role == BENCH_ROLE_PEER;
}

static bool is_better(const bench_figure *one, const bench_figure *other)
{
    double a = bench_figure_median(one), b = bench_figure_median(other);
    return one->better == JZX_BENCH_LOWER ? a < b : a > b;
}

static const bench_side_result *best_of(const bench_workload_result *workload, const char *name,
                                        bool (*counts)(const bench_side_result *))
{
    const bench_side_result *best = NULL;
    for (size_t i = 1; i < workload->side_count; i++) {
        const bench_side_result *side = &workload->sides[i];
        const bench_figure *figure = counts(side) ? bench_judged_figure(side, name) : NULL;
        if (figure != NULL && (best == NULL || is_better(figure, bench_judged_figure(best, name)))) {
            best = side;
        }
    }
    return best;
}

const bench_side_result *bench_workload_raw(const bench_workload_result *workload, const char *figure)
{
    return best_of(workload, figure, is_raw);
}

const bench_side_result *bench_workload_peer(const bench_workload_result *workload, const char *figure)
{
    return best_of(workload, figure, is_peer);
}

/* ---- ratios ---- */

bench_ratio bench_figure_ratio(const bench_figure *over, const bench_figure *under)
{
    return bench_ratio_of(over->values, over->count, under->values, under->count, BENCH_CONFIDENCE);
}

static bool is_twin(const bench_side_result *side)
{
    return side->role == BENCH_ROLE_TWIN;
}

double bench_workload_floor(const bench_workload_result *workload, const char *figure)
{
    const bench_figure *first = bench_judged_figure(bench_workload_first(workload), figure);
    const bench_figure *twin = bench_judged_figure(best_of(workload, figure, is_twin), figure);
    if (first == NULL || twin == NULL) {
        return -1;
    }
    bench_ratio twins = bench_figure_ratio(first, twin);
    return isnan(twins.estimate) ? -1 : bench_noise_floor(&twins);
}

bench_ratio bench_ratio_gain(const bench_ratio *ratio, jzx_bench_better better)
{
    if (better == JZX_BENCH_HIGHER) {
        return *ratio;
    }
    return (bench_ratio){ratio->interval, 1 / ratio->estimate, 1 / ratio->high, 1 / ratio->low};
}

/* ---- among peers ---- */

bench_place bench_workload_verdict(const bench_workload_result *workload, const char *figure,
                                   const bench_side_result **behind)
{
    const bench_figure *first = bench_judged_figure(bench_workload_first(workload), figure);
    bench_place place = first != NULL && bench_workload_peer(workload, figure) != NULL ? BENCH_PLACE_AHEAD
                                                                                       : BENCH_PLACE_OPEN;
    *behind = NULL;
    for (size_t i = 0; place != BENCH_PLACE_OPEN && i < workload->side_count; i++) {
        const bench_side_result *side = &workload->sides[i];
        const bench_figure *theirs = is_peer(side) ? bench_judged_figure(side, figure) : NULL;
        if (theirs == NULL) {
            continue;
        }
        bench_ratio ratio = bench_figure_ratio(first, theirs);
        bench_ratio gain = bench_ratio_gain(&ratio, first->better);
        if (!gain.interval) {
            *behind = NULL;
            return BENCH_PLACE_OPEN;
        }
        if (gain.high < 1 && (*behind == NULL || is_better(theirs, bench_judged_figure(*behind, figure)))) {
            *behind = side;
        }
        place = gain.low <= 1 ? BENCH_PLACE_FIRST : place;
    }
    return *behind != NULL ? BENCH_PLACE_BEHIND : place;
}

/* ---- goals ---- */

static const bench_side_result *goal_side(const bench_workload_result *workload, const bench_goal_result *goal)
{
    if (strcmp(goal->against, "peers") == 0) {
        return bench_workload_peer(workload, goal->figure);
    }
    for (size_t i = 1; i < workload->side_count; i++) {
        if (workload->sides[i].role != BENCH_ROLE_TWIN && strcmp(workload->sides[i].name, goal->against) == 0) {
            return &workload->sides[i];
        }
    }
    return NULL;
}

bool bench_goal_ratio(const bench_workload_result *workload, const bench_goal_result *goal, bench_ratio *ratio)
{
    const bench_figure *first = bench_judged_figure(bench_workload_first(workload), goal->figure);
    if (first == NULL) {
        return false;
    }
    if (goal->against == NULL) {
        *ratio = bench_median_of(first->values, first->count, BENCH_CONFIDENCE);
        return true;
    }
    const bench_figure *other = bench_judged_figure(goal_side(workload, goal), goal->figure);
    if (other == NULL) {
        return false;
    }
    *ratio = bench_figure_ratio(first, other);
    return true;
}

bench_reached bench_goal_reached(const bench_workload_result *workload, const bench_goal_result *goal)
{
    bench_ratio ratio;
    if (!bench_goal_ratio(workload, goal, &ratio) || !ratio.interval) {
        return BENCH_OPEN;
    }
    bool lower = bench_judged_figure(bench_workload_first(workload), goal->figure)->better == JZX_BENCH_LOWER;
    if (lower ? ratio.high <= goal->limit : ratio.low >= goal->limit) {
        return BENCH_MET;
    }
    return (lower ? ratio.low > goal->limit : ratio.high < goal->limit) ? BENCH_MISSED : BENCH_OPEN;
}
