#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one set ---- */

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void *must_have(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static double *sorted_copy(const double *values, size_t count)
{
    double *sorted = must_have(malloc((count + 1) * sizeof(*sorted)));
    if (count > 0) {
        memcpy(sorted, values, count * sizeof(*sorted));
        qsort(sorted, count, sizeof(*sorted), by_value);
    }
    return sorted;
}

double bench_quantile(const double *sorted, size_t count, double share)
{
    if (count == 0) {
        return 0;
    }
    double at = share * (double)(count - 1);
    size_t below = (size_t)at;
    if (below + 1 >= count) {
        return sorted[count - 1];
    }
    double part = at - (double)below;
    return part == 0 ? sorted[below] : sorted[below] * (1 - part) + sorted[below + 1] * part;
}

bench_spread bench_spread_of(const double *values, size_t count)
{
    bench_spread spread = {.count = count};
    if (count == 0) {
        return spread;
    }
    double *sorted = sorted_copy(values, count);
    spread.min = sorted[0];
    spread.lower = bench_quantile(sorted, count, 0.25);
    spread.median = bench_quantile(sorted, count, 0.5);
    spread.upper = bench_quantile(sorted, count, 0.75);
    spread.max = sorted[count - 1];
    free(sorted);
    return spread;
}

double bench_median(const double *values, size_t count)
{
    return bench_spread_of(values, count).median;
}

/* ---- the distribution of U ---- */

/*
 * ways[taken][u] is in how many ways `taken` runs of the one stand among the runs looked at so far with u pairs in which
 * a run of the other comes first. Every rank in turn is taken or not. Only sums, so nothing is lost to cancellation.
 */
static double *ways_of_u(size_t m, size_t n)
{
    size_t width = m * n + 1;
    double *ways = must_have(calloc((m + 1) * width, sizeof(*ways)));
    ways[0] = 1;
    for (size_t rank = 0; rank < m + n; rank++) {
        for (size_t taken = rank < m ? rank : m - 1; taken != SIZE_MAX; taken--) {
            size_t passed = rank - taken; /* so many of the other came before */
            if (passed > n) {
                continue;
            }
            for (size_t u = 0; u + passed < width; u++) {
                ways[(taken + 1) * width + u + passed] += ways[taken * width + u];
            }
        }
    }
    return ways;
}

static size_t exact_rank(size_t m, size_t n, double alpha)
{
    double *ways = ways_of_u(m, n);
    const double *u_ways = ways + m * (m * n + 1);
    double all = 0, tail = 0;
    for (size_t u = 0; u <= m * n; u++) {
        all += u_ways[u];
    }
    size_t rank = 0;
    while (rank < m * n && (tail += u_ways[rank]) <= alpha / 2 * all) {
        rank++;
    }
    free(ways);
    return rank;
}

/* The quantile of the normal distribution, by Newton's method on erfc(). */
static double normal_quantile(double share)
{
    double z = 0;
    for (int i = 0; i < 50; i++) {
        z -= (0.5 * erfc(-z / M_SQRT2) - share) / (exp(-z * z / 2) / sqrt(2 * M_PI));
    }
    return z;
}

size_t bench_interval_rank(size_t m, size_t n, double confidence)
{
    double alpha = 1 - confidence;
    if (m == 0 || n == 0) {
        return 0;
    }
    if (m <= BENCH_EXACT_MAX && n <= BENCH_EXACT_MAX) {
        return exact_rank(m, n, alpha);
    }
    double pairs = (double)m * (double)n;
    double rank = pairs / 2 - 0.5 + normal_quantile(alpha / 2) * sqrt(pairs * (double)(m + n + 1) / 12);
    return rank < 1 ? 0 : (size_t)rank;
}

/* ---- two sets ---- */

static double divided(double over, double under)
{
    return over == under ? 1 : over / under; /* may be infinite */
}

/* The middle of two on a scale of logarithms; where one is 0 and the other infinite, nothing is known. */
static double between(double a, double b)
{
    if (a == b) {
        return a;
    }
    return a == 0 && isinf(b) ? 1 : sqrt(a) * sqrt(b);
}

static bool is_ratio_scale(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!(values[i] >= 0)) {
            return false;
        }
    }
    return true;
}

bench_ratio bench_ratio_of(const double *over, size_t m, const double *under, size_t n, double confidence)
{
    bench_ratio result = {.estimate = 1, .low = 0, .high = INFINITY};
    size_t pairs = m * n;
    if (pairs == 0) {
        return result;
    }
    if (!is_ratio_scale(over, m) || !is_ratio_scale(under, n)) {
        result.estimate = NAN;
        return result;
    }
    double *ratios = must_have(malloc(pairs * sizeof(*ratios)));
    for (size_t i = 0; i < m; i++) {
        for (size_t k = 0; k < n; k++) {
            ratios[i * n + k] = divided(over[i], under[k]);
        }
    }
    qsort(ratios, pairs, sizeof(*ratios), by_value);
    result.estimate = between(ratios[(pairs - 1) / 2], ratios[pairs / 2]);
    size_t rank = bench_interval_rank(m, n, confidence);
    if (rank > 0) {
        result.interval = true;
        result.low = ratios[rank - 1];
        result.high = ratios[pairs - rank];
    }
    free(ratios);
    return result;
}

bench_ratio bench_median_of(const double *values, size_t count, double confidence)
{
    bench_ratio result = {.estimate = bench_median(values, count), .low = 0, .high = INFINITY};
    /* How many of the least lie outside: the binomial distribution of signs. */
    double ways = 1, all = pow(2, (double)count), tail = 0;
    size_t rank = 0;
    while (rank < count && (tail += ways) <= (1 - confidence) / 2 * all) {
        ways = ways * (double)(count - rank) / (double)(rank + 1);
        rank++;
    }
    if (rank > 0) {
        double *sorted = sorted_copy(values, count);
        result.interval = true;
        result.low = sorted[rank - 1];
        result.high = sorted[count - rank];
        free(sorted);
    }
    return result;
}

/* ---- the rule ---- */

double bench_noise_floor(const bench_ratio *twins)
{
    return (twins->estimate < 1 ? 1 / twins->estimate : twins->estimate) - 1;
}

static bench_ratio turned(const bench_ratio *ratio)
{
    return (bench_ratio){ratio->interval, 1 / ratio->estimate, 1 / ratio->high, 1 / ratio->low};
}

bench_verdict bench_judge(const bench_ratio *ratio, double floor, double resolution, jzx_bench_better better)
{
    if (!ratio->interval) {
        return BENCH_INCONCLUSIVE;
    }
    bench_ratio cost = better == JZX_BENCH_LOWER ? *ratio : turned(ratio);
    if (cost.low > 1 && cost.estimate > 1 + floor) {
        return BENCH_SLOWER;
    }
    if (cost.high < 1 && cost.estimate < 1 / (1 + floor)) {
        return BENCH_FASTER;
    }
    bool within = cost.low >= 1 / (1 + resolution) && cost.high <= 1 + resolution;
    return within ? BENCH_SAME : BENCH_INCONCLUSIVE;
}

const char *bench_verdict_text(bench_verdict verdict)
{
    static const char *const texts[] = {"inconclusive", "no difference", "faster", "slower"};
    return texts[verdict];
}

/*
 * The estimate has the standard error sigma * sqrt(2 / n) * sqrt(pi / 3) on logarithms (Hollander and Wolfe, 4.5: the
 * efficiency against the mean is 3 / pi), and must lie z_confidence + z_power of them from 0.
 */
size_t bench_runs_needed(double sigma, double delta, double confidence, double power)
{
    double z = normal_quantile(1 - (1 - confidence) / 2) + normal_quantile(power);
    double error = log1p(delta) / z;
    double runs = 2 * M_PI / 3 * sigma * sigma / (error * error) + 2;
    size_t least = 1;
    while (bench_interval_rank(least, least, confidence) == 0) {
        least++;
    }
    return runs < (double)least ? least : (size_t)ceil(runs);
}
