/* harness.c: series, medians and rows. */
#include "bench.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bench_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    /* No exit handlers: threads of the bench may still run. */
    _exit(EXIT_FAILURE);
}

void bench_add(bench_series *series, double value)
{
    BENCH_CHECK(series->count < BENCH_REPEAT_MAX, "more than %d repetitions", BENCH_REPEAT_MAX);
    series->values[series->count++] = value;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_percentile(double *samples, size_t count, double share)
{
    BENCH_CHECK(count > 0, "a percentile of no samples");
    qsort(samples, count, sizeof *samples, compare_doubles);
    size_t rank = (size_t)ceil(share * (double)count);
    return samples[rank == 0 ? 0 : rank - 1];
}

double bench_median(const bench_series *series)
{
    if (series == NULL || series->count == 0) {
        return NAN;
    }
    double sorted[BENCH_REPEAT_MAX];
    size_t count = (size_t)series->count;
    memcpy(sorted, series->values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static void put_row(const bench_run *run, const bench_row *row)
{
    /* Rows are shorter than PIPE_BUF, so one write is whole. */
    ssize_t written = write(run->row_fd, row, sizeof *row);
    BENCH_CHECK(written == (ssize_t)sizeof *row, "the row of %s could not be written", row->name);
}

static bench_row make_row(const char *name, const char *unit)
{
    bench_row row;
    memset(&row, 0, sizeof row);
    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(row.unit, sizeof row.unit, "%s", unit);
    snprintf(row.target, sizeof row.target, "-");
    row.ours = NAN;
    row.raw = NAN;
    row.ratio = NAN;
    return row;
}

void bench_report(const bench_run *run, const char *name, const char *unit, const bench_series *ours,
                  const bench_series *raw, bench_target target)
{
    bench_row row = make_row(name, unit);
    row.ours = bench_median(ours);
    row.raw = bench_median(raw);
    row.ratio = row.ours / row.raw;
    switch (target.goal) {
    case BENCH_RATIO_AT_MOST:
        row.met = row.ratio <= target.limit;
        snprintf(row.target, sizeof row.target, "<= %.2fx", target.limit);
        break;
    case BENCH_RATIO_AT_LEAST:
        row.met = row.ratio >= target.limit;
        snprintf(row.target, sizeof row.target, ">= %.2fx", target.limit);
        break;
    case BENCH_OURS_AT_MOST:
        row.met = row.ours <= target.limit;
        snprintf(row.target, sizeof row.target, "<= %g", target.limit);
        break;
    case BENCH_SHOWN:
        row.met = true;
        break;
    }
    put_row(run, &row);
}

void bench_skip(const bench_run *run, const char *name, const char *unit, const char *reason)
{
    bench_row row = make_row(name, unit);
    snprintf(row.note, sizeof row.note, "%s", reason);
    put_row(run, &row);
}

static bool may_run_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_ISSET((size_t)cpu, &set);
}

bool bench_two_cpus(const bench_run *run, const char *const *rows, int count)
{
    if (may_run_on(0) && may_run_on(1)) {
        return true;
    }
    for (int i = 0; i < count; i++) {
        bench_skip(run, rows[i], "-", "needs the CPUs 0 and 1");
    }
    return false;
}

int bench_cpu(void)
{
    return may_run_on(1) ? 1 : 0;
}

void bench_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    BENCH_CHECK(sched_setaffinity(0, sizeof set, &set) == 0, "cannot run on CPU %d", cpu);
}
