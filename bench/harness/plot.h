/*
 * plot: pictures of a result, by gnuplot. Each is three files in a folder: NAME.gp, which makes it again (cd there, and
 * `gnuplot NAME.gp`), NAME.tsv, which it reads, and NAME.svg.
 *
 *   runs         of a workload, for each figure: a line a side, with the median, the quartiles, and every run
 *   percentiles  of a workload with latencies: one curve a side
 *   scaling      of the workloads scale/STEM-N, in the place of runs: medians over N loops, one line a side
 */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "result.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_picture {
    char *name;     /* of its files, without the ending */
    char *workload; /* or scale/STEM */
    char *title;
} bench_picture;

typedef struct bench_plots {
    bench_picture *plots;
    size_t count;
} bench_plots;

/*
 * Draws all there is to draw into a folder, which is made if need be. False, after a message, if a file cannot be written
 * or gnuplot is missing or fails; `plots` names those that are there. The caller frees it.
 */
bool bench_plot_all(const bench_result *result, const char *folder, bench_plots *plots);
void bench_plots_free(bench_plots *plots);

/* Whether a percentile is a figure of this name: p50, p99.9, max. */
bool bench_is_percentile(const char *figure);

#endif
