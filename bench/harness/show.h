/* show.h: a result on the terminal, in 100 columns: a heading for each workload and figure, below it a line a side. */
#ifndef BENCH_SHOW_H
#define BENCH_SHOW_H

#include "result.h"

#include <stdio.h>

void bench_show(const bench_result *result, FILE *out);

/*
 * What `run` ends with: 3 if a side is invalid; 1 if a figure of the first side is worse than that of --against; 2 if it
 * cannot be said whether one is; 0.
 */
int bench_show_status(const bench_result *result);

#endif
