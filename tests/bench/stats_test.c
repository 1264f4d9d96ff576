/*
 * stats_test: statistics against values computed by hand and printed tables, and what they promise against seeded draws.
 */
#include "bench/harness/stats.h"

#include <criterion/criterion.h>
#include <math.h>

static void near(double got, double wanted)
{
    cr_expect(fabs(got - wanted) <= 1e-9 * (1 + fabs(wanted)), "%.12g, wanted %.12g", got, wanted);
}

/* ---- one set ---- */

Test(stats, spread_of_runs_by_hand)
{
    static const double runs[] = {9, 1, 3, 7, 5, 100};
    bench_spread spread = bench_spread_of(runs, 6);
    cr_expect_eq(spread.count, 6);
    near(spread.min, 1);
    near(spread.lower, 3.5); /* R: quantile(c(1, 3, 5, 7, 9, 100)) */
    near(spread.median, 6);
    near(spread.upper, 8.5);
    near(spread.max, 100);
    near(runs[0], 9);
}

Test(stats, spread_of_one_and_of_none)
{
    double one = 4;
    bench_spread spread = bench_spread_of(&one, 1);
    near(spread.lower, 4);
    near(spread.median, 4);
    near(spread.max, 4);
    cr_expect_eq(bench_spread_of(NULL, 0).count, 0);
    near(bench_median(NULL, 0), 0);
}

/* ---- ranks ---- */

/* Critical values of U, two-sided at 0.01, as every table has them (Milton 1964): reject at or below. */
Test(stats, ranks_are_those_of_printed_tables)
{
    static const size_t table[][3] = {
        {5, 5, 0},  {5, 6, 1},    {6, 6, 2},    {5, 8, 2},    {7, 7, 4},    {8, 8, 7},     {8, 10, 11},
        {9, 9, 11}, {10, 10, 16}, {12, 12, 27}, {10, 20, 42}, {15, 15, 51}, {20, 20, 105},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        size_t m = table[i][0], n = table[i][1];
        cr_expect_eq(bench_interval_rank(m, n, 0.99), table[i][2] + 1, "%zu and %zu", m, n);
        cr_expect_eq(bench_interval_rank(n, m, 0.99), table[i][2] + 1, "%zu and %zu", n, m);
    }
    cr_expect_eq(bench_interval_rank(20, 20, 0.95), 127 + 1);
    cr_expect_eq(bench_interval_rank(5, 5, 0.95), 2 + 1);
}

Test(stats, too_few_runs_have_no_interval)
{
    for (size_t n = 0; n <= 4; n++) {
        cr_expect_eq(bench_interval_rank(n, n, 0.99), 0);
    }
    cr_expect_eq(bench_interval_rank(3, 10, 0.99), 0 + 1); /* 286 orders: one is less than a two-hundredth */
    cr_expect_eq(bench_interval_rank(2, 18, 0.99), 0);     /* 190 orders */
}

/* The normal approximation begins where the exact one ends: they must be near there. */
Test(stats, beyond_the_exact_sizes_ranks_go_on)
{
    double exact = (double)bench_interval_rank(50, 50, 0.99), one_more = (double)bench_interval_rank(51, 50, 0.99);
    cr_expect(one_more > exact && one_more < exact * 1.035, "%g, then %g", exact, one_more);
}

/* ---- two sets ---- */

Test(stats, ratio_by_hand)
{
    /* 4/1 4/2 8/1 8/2, sorted 2 4 4 8: the middle is 4. */
    static const double over[] = {4, 8}, under[] = {1, 2};
    bench_ratio ratio = bench_ratio_of(over, 2, under, 2, 0.99);
    near(ratio.estimate, 4);
    cr_expect_not(ratio.interval);
    /* 3/1 3/2 5/1 5/2: 1.5 2.5 3 5: the middle by logarithms. */
    static const double odd[] = {3, 5};
    near(bench_ratio_of(odd, 2, under, 2, 0.99).estimate, sqrt(2.5 * 3));
}

Test(stats, interval_by_hand)
{
    /* Five and five: only the least and the greatest of the 25 ratios bound it. */
    static const double over[] = {10, 11, 12, 13, 14}, under[] = {5, 6, 7, 8, 10};
    bench_ratio ratio = bench_ratio_of(over, 5, under, 5, 0.99);
    cr_expect(ratio.interval);
    near(ratio.low, 1.0);
    near(ratio.high, 14.0 / 5);
    /* At 95 % two more go on each side: 1 1.1 1.2 | ... | 2.4 2.6 2.8 without the outer two. */
    ratio = bench_ratio_of(over, 5, under, 5, 0.95);
    near(ratio.low, 1.2);
    near(ratio.high, 2.4);
}

Test(stats, ratio_the_other_way_is_its_inverse)
{
    static const double a[] = {10, 11.5, 12, 9, 14, 30}, b[] = {5, 6, 7, 8, 10, 11, 3};
    bench_ratio there = bench_ratio_of(a, 6, b, 7, 0.99), back = bench_ratio_of(b, 7, a, 6, 0.99);
    near(there.estimate, 1 / back.estimate);
    near(there.low, 1 / back.high);
    near(there.high, 1 / back.low);
}

Test(stats, nothing_by_nothing_is_one)
{
    static const double none[] = {0, 0, 0, 0, 0}, some[] = {1, 2, 3, 4, 5};
    bench_ratio ratio = bench_ratio_of(none, 5, none, 5, 0.99);
    near(ratio.estimate, 1);
    near(ratio.low, 1);
    near(ratio.high, 1);
    ratio = bench_ratio_of(some, 5, none, 5, 0.99);
    cr_expect(isinf(ratio.estimate));
    cr_expect_eq(bench_judge(&ratio, 0, 0.05, JZX_BENCH_LOWER), BENCH_SLOWER);
    ratio = bench_ratio_of(some, 5, NULL, 0, 0.99);
    cr_expect_not(ratio.interval);
}

/* Memory after less memory before may be below 0. */
Test(stats, below_zero_there_is_no_ratio)
{
    static const double below[] = {1, 2, -3, 4, 5}, some[] = {1, 2, 3, 4, 5};
    bench_ratio ratio = bench_ratio_of(below, 5, some, 5, 0.99), back = bench_ratio_of(some, 5, below, 5, 0.99);
    cr_expect(isnan(ratio.estimate) && !ratio.interval);
    cr_expect(isnan(back.estimate) && !back.interval);
    cr_expect_eq(bench_judge(&ratio, 0, 0.05, JZX_BENCH_LOWER), BENCH_INCONCLUSIVE);
}

Test(stats, median_of_one_set_has_an_interval_from_eight_runs_on)
{
    static const double runs[] = {8, 7, 6, 5, 4, 3, 2, 1};
    bench_ratio seven = bench_median_of(runs, 7, 0.99), eight = bench_median_of(runs, 8, 0.99);
    cr_expect_not(seven.interval);
    near(seven.estimate, 5);
    cr_expect(eight.interval); /* 2 / 2^8 < 0.01 */
    near(eight.estimate, 4.5);
    near(eight.low, 1);
    near(eight.high, 8);
}

/* ---- the rule ---- */

static bench_verdict judge(double low, double estimate, double high, double floor)
{
    bench_ratio ratio = {true, estimate, low, high};
    return bench_judge(&ratio, floor, 0.05, JZX_BENCH_LOWER);
}

Test(stats, rule_at_its_borders)
{
    cr_expect_eq(judge(1.01, 1.10, 1.20, 0.02), BENCH_SLOWER);
    cr_expect_eq(judge(1.00, 1.10, 1.20, 0.02), BENCH_INCONCLUSIVE);
    cr_expect_eq(judge(1.01, 1.10, 1.20, 0.10), BENCH_INCONCLUSIVE); /* no more than the floor */
    cr_expect_eq(judge(0.80, 0.90, 0.99, 0.02), BENCH_FASTER);
    cr_expect_eq(judge(0.80, 0.90, 1.00, 0.02), BENCH_INCONCLUSIVE);
    cr_expect_eq(judge(0.80, 0.90, 0.99, 0.12), BENCH_INCONCLUSIVE);
    cr_expect_eq(judge(0.96, 1.00, 1.04, 0), BENCH_SAME);
    cr_expect_eq(judge(0.96, 1.00, 1.06, 0), BENCH_INCONCLUSIVE);
    cr_expect_eq(judge(0.94, 1.00, 1.04, 0), BENCH_INCONCLUSIVE);
    cr_expect_eq(judge(1.01, 1.02, 1.03, 0.03), BENCH_SAME);   /* below the floor, and within the resolution */
    cr_expect_eq(judge(1.01, 1.02, 1.03, 0.01), BENCH_SLOWER); /* small, but shown */
}

Test(stats, a_rate_that_grows_is_faster)
{
    bench_ratio ratio = {true, 1.10, 1.01, 1.20};
    cr_expect_eq(bench_judge(&ratio, 0.02, 0.05, JZX_BENCH_HIGHER), BENCH_FASTER);
    ratio = (bench_ratio){true, 0.90, 0.80, 0.99};
    cr_expect_eq(bench_judge(&ratio, 0.02, 0.05, JZX_BENCH_HIGHER), BENCH_SLOWER);
}

Test(stats, without_an_interval_nothing_is_concluded)
{
    bench_ratio ratio = {false, 3, 3, 3};
    cr_expect_eq(bench_judge(&ratio, 0, 0.05, JZX_BENCH_LOWER), BENCH_INCONCLUSIVE);
}

Test(stats, floor_is_the_same_from_either_side)
{
    bench_ratio up = {true, 1.25, 1, 2}, down = {true, 0.8, 0.5, 1};
    near(bench_noise_floor(&up), 0.25);
    near(bench_noise_floor(&down), 0.25);
}
