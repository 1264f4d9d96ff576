/*
 * stats: what a set of runs allows one to say. Pure functions: no allocation is kept, nothing is printed.
 *
 * No run is left out, however far off it lies: a slow run is something that happened. So all is by ranks, which a few
 * extreme values cannot carry away: medians, quartiles, and for two sets of runs the Hodges-Lehmann estimate on
 * logarithms, which is the median of the ratios of each run of one to each of the other, with the interval that the exact
 * distribution of the Mann-Whitney U gives to it (M. Hollander, D. A. Wolfe, "Nonparametric Statistical Methods", 2nd
 * edition, 4.2 estimate, 4.3 interval). It assumes no shape of the noise, only that a run of either set was as likely to
 * meet a bad moment as one of the other. Shuffled order is what makes that so.
 *
 * The rule. Let `ratio` be the cost of the one by that of the other, `interval` its interval at 99 %, `floor` the noise
 * floor, and `resolution` the least difference that one cares for (5 %).
 *
 *   slower         the interval lies above 1, and the ratio above 1 + floor
 *   faster         the interval lies below 1, and the ratio below 1 / (1 + floor)
 *   no difference  neither, and the whole interval lies from 1 / (1 + resolution) to 1 + resolution
 *   inconclusive   anything else; so always when there are too few runs for an interval: below 5 and 5
 *
 * The noise floor is how far the first side and its twin, which are the same program, came apart: the ratio of the two,
 * less 1, whichever is the greater by the less.
 *
 * Why so. The proof asks for at most 5 % of differences where there is none. An interval of 95 % gives that on average and
 * fails to keep it in 4 of 10 times that 200 comparisons are made; at 99 % two of 200 are to be expected, and more than
 * ten come about once in 100,000 times. The floor adds little to that while the assumption above holds (0.8 % instead of
 * 0.9), as the interval knows the spread of the runs better than one ratio does; it is there for the day it does not hold,
 * when twins come apart as well. A floor at the far end of the twins' interval would bring it down to 0.1 %, but finds 5 %
 * in only 77 of 100 comparisons where this one finds it in 94 (15 runs of 3 %). To find it takes 9 runs of each
 * where single runs spread by 2 %, 17 at 3 %, 42 at 5 %: bench_runs_needed(); and some 20 where one run of ten is
 * slow, since few runs bear none that is. tests/bench/promise_test.c shows all this, and with which noise it fails.
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <jzx/bench.h>

#include <stdbool.h>
#include <stddef.h>

#define BENCH_CONFIDENCE 0.99
#define BENCH_RESOLUTION 0.05
/* Up to so many runs of each the distribution is exact; beyond, normal with the correction for continuity. */
#define BENCH_EXACT_MAX 50

typedef struct bench_spread {
    size_t count;
    double min, lower, median, upper, max; /* lower, upper: quartiles */
} bench_spread;

typedef struct bench_ratio {
    bool interval; /* false: too few runs for one */
    double estimate;
    double low, high;
} bench_ratio;

typedef enum bench_verdict {
    BENCH_INCONCLUSIVE,
    BENCH_SAME,
    BENCH_FASTER,
    BENCH_SLOWER,
} bench_verdict;

/* What share of the sorted values lies below: quantiles by linear interpolation (R's type 7). 0 of none. */
double bench_quantile(const double *sorted, size_t count, double share);
double bench_median(const double *values, size_t count);
bench_spread bench_spread_of(const double *values, size_t count);

/*
 * How many of the least and how many of the greatest of m * n ordered ratios lie outside the interval; 0: too few runs, as
 * even the whole range does not reach `confidence`.
 */
size_t bench_interval_rank(size_t m, size_t n, double confidence);

/*
 * `over` by `under`; 0 by 0 is 1. None on either side: an estimate of 1 and no interval. A value below 0, as a difference may
 * have, makes no ratio: an estimate that is no number, and no interval.
 */
bench_ratio bench_ratio_of(const double *over, size_t m, const double *under, size_t n, double confidence);

/* The median of one set, with the interval that the signs give it (Hollander and Wolfe, 3.6): from 8 runs on at 99 %. */
bench_ratio bench_median_of(const double *values, size_t count, double confidence);

/* What the ratio first / twin says about noise: 0 or more. */
double bench_noise_floor(const bench_ratio *twins);

/* By the rule above; `better` says in which direction the figure is a cost. */
bench_verdict bench_judge(const bench_ratio *ratio, double floor, double resolution, jzx_bench_better better);

/* The words of the rule. */
const char *bench_verdict_text(bench_verdict verdict);

/*
 * How many runs of each side find a difference of `delta` (0.05: 5 %) in `power` of all comparisons when single runs have
 * the standard deviation `sigma` (0.02: 2 %), by the large-sample power of Mann and Whitney's test for normal noise, and
 * two more, since the ends of the interval are whole ranks.
 */
size_t bench_runs_needed(double sigma, double delta, double confidence, double power);

#endif
