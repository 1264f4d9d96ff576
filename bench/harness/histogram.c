/*
 * histogram.c: see histogram.h.
 *
 * A value of `bits` bits falls into the row of its power of two, which is STEPS buckets wide; what is below the first row is its
 * own bucket. Rows and buckets follow each other without a gap, so the number of a bucket is a shift and an addition.
 */
#include "histogram.h"

#include <math.h>
#include <stdlib.h>

enum {
    STEP_BITS = 10, /* 1,024 steps a row: the first half of the exact values is a row before the first */
    VALUE_BITS = 40,
    BUCKETS = ((VALUE_BITS - STEP_BITS) << STEP_BITS) + (1 << STEP_BITS) + 1,
};

static const uint64_t value_max = (uint64_t)1 << VALUE_BITS;

struct bench_histogram {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[BUCKETS];
};

/* By how much the values of a row are shifted to count its steps. */
static unsigned row_shift(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return bits > STEP_BITS + 1 ? bits - STEP_BITS - 1 : 0;
}

static size_t bucket_of(uint64_t value)
{
    unsigned shift = row_shift(value);
    return ((size_t)shift << STEP_BITS) + (size_t)(value >> shift);
}

/* The greatest value of a bucket: what is said of a latency is never less than it was. */
static uint64_t bucket_top(const bench_histogram *histogram, size_t bucket)
{
    size_t row = bucket >> STEP_BITS;
    unsigned shift = row > 1 ? (unsigned)row - 1 : 0;
    uint64_t step = bucket - ((size_t)shift << STEP_BITS);
    uint64_t top = ((step + 1) << shift) - 1;
    return top < histogram->max ? top : histogram->max;
}

bench_histogram *bench_histogram_create(void)
{
    return calloc(1, sizeof(bench_histogram));
}

void bench_histogram_destroy(bench_histogram *histogram)
{
    free(histogram);
}

void bench_histogram_add(bench_histogram *histogram, uint64_t value, uint64_t count)
{
    if (count == 0) {
        return;
    }
    uint64_t kept = value < value_max ? value : value_max;
    histogram->buckets[bucket_of(kept)] += count;
    histogram->count += count;
    histogram->max = kept > histogram->max ? kept : histogram->max;
}

void bench_histogram_merge(bench_histogram *to, const bench_histogram *from)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        to->buckets[i] += from->buckets[i];
    }
    to->count += from->count;
    to->max = from->max > to->max ? from->max : to->max;
}

uint64_t bench_histogram_count(const bench_histogram *histogram)
{
    return histogram->count;
}

uint64_t bench_histogram_max(const bench_histogram *histogram)
{
    return histogram->max;
}

uint64_t bench_histogram_at(const bench_histogram *histogram, double share)
{
    if (histogram->count == 0) {
        return 0;
    }
    /* A share such as 0.999 is no binary number: what lies so little above a whole rank is that rank. */
    double rank = ceil(share * (double)histogram->count - 1e-6);
    uint64_t wanted = rank > 1 ? (uint64_t)rank : 1;
    uint64_t seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            return bucket_top(histogram, i);
        }
    }
    return histogram->max;
}

uint64_t bench_histogram_next(const bench_histogram *histogram, size_t *at, uint64_t *value)
{
    for (size_t i = *at; i < BUCKETS; i++) {
        if (histogram->buckets[i] != 0) {
            *at = i + 1;
            *value = bucket_top(histogram, i);
            return histogram->buckets[i];
        }
    }
    *at = BUCKETS;
    return 0;
}
