/*
 * lines.h: what a run wrote, read strictly: the protocol of bench/README.md from the outside.
 *
 * A sample is a bench_side_result with one value in each figure. One that could not be read is invalid, and says why.
 */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include "result.h"

/*
 * Reads all that a run wrote into an empty sample; `item` makes the unit of times. `text` is changed. Latencies become the
 * figures p50, p90, p99, p99.9 and max, and the histogram.
 */
void bench_lines_read(bench_side_result *sample, const char *item, char *text, size_t size);

/* The sample has nothing but this reason; the first one stays. */
void bench_sample_invalid(bench_side_result *sample, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One figure more, with one value. */
void bench_sample_figure(bench_side_result *sample, const char *name, const char *unit, jzx_bench_better better,
                         double value);

#endif
