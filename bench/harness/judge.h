/*
 * judge: what stats.h says of the sides of a workload in a result.
 *
 * The first side of a workload is the one that is judged; its raw limit is the side of this program called "raw" or
 * "raw-...", the better one if there are several. A side that was skipped or is invalid takes no part.
 */
#ifndef BENCH_JUDGE_H
#define BENCH_JUDGE_H

#include "result.h"
#include "stats.h"

typedef enum bench_reached {
    BENCH_OPEN, /* the interval holds the limit, or there is none */
    BENCH_MET,
    BENCH_MISSED,
} bench_reached;

/*
 * Where the first side stands among the peers. It is first where no peer is better beyond the interval of their ratio, which is less than
 * being ahead of all of them: a row with few runs has wide intervals.
 */
typedef enum bench_place {
    BENCH_PLACE_OPEN,   /* there are no peers, or too few runs for an interval */
    BENCH_PLACE_BEHIND, /* not first */
    BENCH_PLACE_FIRST,
    BENCH_PLACE_AHEAD, /* first, and better than each peer beyond the interval */
} bench_place;

/* NULL if it has no such figure, or no run. */
const bench_figure *bench_judged_figure(const bench_side_result *side, const char *name);
double bench_figure_median(const bench_figure *figure);

/* The first side; NULL if there are none. */
const bench_side_result *bench_workload_first(const bench_workload_result *workload);

/* Those that have the figure, by its median; NULL if none has. */
const bench_side_result *bench_workload_raw(const bench_workload_result *workload, const char *figure);
const bench_side_result *bench_workload_peer(const bench_workload_result *workload, const char *figure);

/* The values of `over` by those of `under`, at BENCH_CONFIDENCE. */
bench_ratio bench_figure_ratio(const bench_figure *over, const bench_figure *under);

/* How far the first side and its twin came apart; negative: it has no twin, or no ratio to it. */
double bench_workload_floor(const bench_workload_result *workload, const char *figure);

/* How many times better the first side is: the inverse of a ratio of costs. */
bench_ratio bench_ratio_gain(const bench_ratio *ratio, jzx_bench_better better);

/* BENCH_PLACE_BEHIND: *behind is the best of those that are better beyond the interval. Else it is NULL. */
bench_place bench_workload_verdict(const bench_workload_result *workload, const char *figure,
                                   const bench_side_result **behind);

/* The ratio that the goal is about, or the figure itself; false if a side of it is not there. */
bool bench_goal_ratio(const bench_workload_result *workload, const bench_goal_result *goal, bench_ratio *ratio);
bench_reached bench_goal_reached(const bench_workload_result *workload, const bench_goal_result *goal);

#endif
