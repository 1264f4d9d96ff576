/* histogram: against the sorted values themselves. */
#include "bench/harness/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { SAMPLES = 20000, EXACT = 2048 };

static const uint64_t value_max = (uint64_t)1 << 40;

/* Of all sizes alike: a random number of bits, then random bits. */
static uint64_t draw(uint64_t *state, unsigned bits_max)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    unsigned bits = (unsigned)(*state >> 58) % bits_max + 1;
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> (64 - bits);
}

static int compare_values(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void assert_same(const bench_histogram *left, const bench_histogram *right)
{
    cr_assert_eq(bench_histogram_count(left), bench_histogram_count(right));
    cr_assert_eq(bench_histogram_max(left), bench_histogram_max(right));
    size_t at[2] = {0, 0};
    uint64_t value[2] = {0, 0};
    uint64_t count = 0;
    do {
        count = bench_histogram_next(left, &at[0], &value[0]);
        cr_assert_eq(bench_histogram_next(right, &at[1], &value[1]), count);
        cr_assert(count == 0 || value[0] == value[1]);
    } while (count > 0);
}

Test(histogram, of_nothing_says_nothing)
{
    bench_histogram *histogram = bench_histogram_create();
    size_t at = 0;
    uint64_t value = 0;
    cr_assert_eq(bench_histogram_count(histogram), 0);
    cr_assert_eq(bench_histogram_max(histogram), 0);
    cr_assert_eq(bench_histogram_at(histogram, 0.5), 0);
    cr_assert_eq(bench_histogram_next(histogram, &at, &value), 0);
    bench_histogram_add(histogram, 5, 0);
    cr_assert_eq(bench_histogram_max(histogram), 0, "a value that came no time is none");
    bench_histogram_destroy(histogram);
}

Test(histogram, small_values_are_exact)
{
    bench_histogram *histogram = bench_histogram_create();
    for (uint64_t value = 0; value < EXACT; value++) {
        bench_histogram_add(histogram, value, value % 3 + 1);
    }
    size_t at = 0;
    uint64_t value = 0;
    for (uint64_t wanted = 0; wanted < EXACT; wanted++) {
        cr_assert_eq(bench_histogram_next(histogram, &at, &value), wanted % 3 + 1);
        cr_assert_eq(value, wanted);
    }
    cr_assert_eq(bench_histogram_next(histogram, &at, &value), 0);
    cr_assert_eq(bench_histogram_next(histogram, &at, &value), 0, "and again");
    bench_histogram_destroy(histogram);
}

Test(histogram, no_value_is_off_by_a_thousandth)
{
    uint64_t state = 7;
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t wanted = draw(&state, 40);
        /* With a greater one beside it, the bucket's own top is shown, not the maximum. */
        bench_histogram *histogram = bench_histogram_create();
        bench_histogram_add(histogram, wanted, 1);
        bench_histogram_add(histogram, value_max, 1);
        uint64_t got = bench_histogram_at(histogram, 0.5);
        cr_assert_geq(got, wanted);
        cr_assert_lt((double)(got - wanted), (double)wanted / 1000 + (wanted < EXACT ? 0.5 : 0), "%llu as %llu",
                     (unsigned long long)wanted, (unsigned long long)got);
        bench_histogram_destroy(histogram);
    }
}

Test(histogram, every_row_begins_where_the_last_one_ends)
{
    for (unsigned bits = 11; bits < 40; bits++) {
        bench_histogram *histogram = bench_histogram_create();
        uint64_t edge = (uint64_t)1 << bits;
        bench_histogram_add(histogram, edge - 1, 1);
        bench_histogram_add(histogram, edge, 1);
        bench_histogram_add(histogram, value_max, 1);
        cr_assert_eq(bench_histogram_at(histogram, 0.3), edge - 1, "%u bits", bits);
        uint64_t second = bench_histogram_at(histogram, 0.6);
        cr_assert(second >= edge && second < edge + edge / 1000, "%u bits", bits);
        bench_histogram_destroy(histogram);
    }
}

Test(histogram, percentiles_are_those_of_the_sorted_values)
{
    static const double shares[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    static uint64_t samples[SAMPLES];
    uint64_t state = 11;
    bench_histogram *histogram = bench_histogram_create();
    for (size_t i = 0; i < SAMPLES; i++) {
        samples[i] = draw(&state, 40);
        bench_histogram_add(histogram, samples[i], 1);
    }
    qsort(samples, SAMPLES, sizeof *samples, compare_values);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        /* In whole numbers, so that the rank is beyond doubt. */
        size_t rank = ((size_t)(shares[i] * 10000 + 0.5) * SAMPLES + 9999) / 10000;
        uint64_t wanted = samples[rank == 0 ? 0 : rank - 1];
        uint64_t got = bench_histogram_at(histogram, shares[i]);
        cr_assert_geq(got, wanted, "share %g", shares[i]);
        cr_assert_leq((double)(got - wanted), (double)wanted / 1000, "share %g", shares[i]);
    }
    cr_assert_eq(bench_histogram_max(histogram), samples[SAMPLES - 1]);
    cr_assert_eq(bench_histogram_at(histogram, 1), samples[SAMPLES - 1], "the maximum is exact");
    bench_histogram_destroy(histogram);
}

Test(histogram, two_merged_are_one_of_all)
{
    bench_histogram *parts[2] = {bench_histogram_create(), bench_histogram_create()};
    bench_histogram *whole = bench_histogram_create();
    uint64_t state = 13;
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t value = draw(&state, 40);
        bench_histogram_add(parts[i % 3 == 0], value, (uint64_t)i % 5);
        bench_histogram_add(whole, value, (uint64_t)i % 5);
    }
    bench_histogram_merge(parts[0], parts[1]);
    assert_same(parts[0], whole);
    bench_histogram_destroy(parts[0]);
    bench_histogram_destroy(parts[1]);
    bench_histogram_destroy(whole);
}

Test(histogram, survives_being_told_by_its_buckets)
{
    bench_histogram *here = bench_histogram_create();
    bench_histogram *there = bench_histogram_create();
    uint64_t state = 17;
    for (int i = 0; i < SAMPLES; i++) {
        bench_histogram_add(here, draw(&state, 36), 1);
    }
    size_t at = 0;
    uint64_t value = 0;
    uint64_t count = 0;
    while ((count = bench_histogram_next(here, &at, &value)) > 0) {
        bench_histogram_add(there, value, count);
    }
    assert_same(here, there);
    bench_histogram_destroy(here);
    bench_histogram_destroy(there);
}

Test(histogram, what_is_too_great_counts_as_the_greatest)
{
    bench_histogram *histogram = bench_histogram_create();
    bench_histogram_add(histogram, value_max - 1, 1);
    bench_histogram_add(histogram, UINT64_MAX, 2);
    cr_assert_eq(bench_histogram_count(histogram), 3);
    cr_assert_eq(bench_histogram_max(histogram), value_max);
    cr_assert_eq(bench_histogram_at(histogram, 0.3), value_max - 1);
    cr_assert_eq(bench_histogram_at(histogram, 0.99), value_max);
    bench_histogram_destroy(histogram);
}
