/*
 * histogram.h: latencies by value, in buckets whose width is below a thousandth of their value.
 *
 * After HdrHistogram (Gil Tene): the buckets of each power of two are the same number of equal steps, so a value is counted
 * in constant time and space is a few hundred KiB whatever is recorded. Values from 0 to 2^40 ns (18 minutes); what is
 * greater is counted as that. Values below 2048 are exact.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

typedef struct bench_histogram bench_histogram;

bench_histogram *bench_histogram_create(void);
void bench_histogram_destroy(bench_histogram *histogram);

void bench_histogram_add(bench_histogram *histogram, uint64_t value, uint64_t count);
void bench_histogram_merge(bench_histogram *to, const bench_histogram *from);
uint64_t bench_histogram_count(const bench_histogram *histogram);
uint64_t bench_histogram_max(const bench_histogram *histogram);

/*
 * The least value that `share` of all do not exceed, or what is greater by less than the width of its bucket, but never more
 * than the maximum; share 0 to 1. 0 of none.
 */
uint64_t bench_histogram_at(const bench_histogram *histogram, double share);

/*
 * Goes through the buckets that hold something, in order: how many, and a value that stands for them. A histogram that these are
 * added to is the same, the maximum too. Begin with *at == 0; returns 0 after the last.
 */
uint64_t bench_histogram_next(const bench_histogram *histogram, size_t *at, uint64_t *value);

#endif
