/* later.c: stands in for parts of the harness that are not written yet; theirs, when they are there, replace these. */
#include "commands.h"
#include "counters.h"
#include "histogram.h"
#include "memory.h"

#define WEAK __attribute__((weak))

WEAK void bench_counters_open(void)
{
}

WEAK void bench_counters_close(void)
{
}

WEAK void bench_counters_begin(void)
{
}

WEAK void bench_counters_end(void)
{
}

WEAK const char *bench_counters_get(size_t index, uint64_t *total)
{
    (void)index;
    (void)total;
    return NULL;
}

WEAK bench_histogram *bench_histogram_create(void)
{
    bench_fail("there are no histograms yet");
}

WEAK void bench_histogram_destroy(bench_histogram *histogram)
{
    (void)histogram;
}

WEAK void bench_histogram_add(bench_histogram *histogram, uint64_t value, uint64_t count)
{
    (void)histogram;
    (void)value;
    (void)count;
}

WEAK void bench_histogram_merge(bench_histogram *to, const bench_histogram *from)
{
    (void)to;
    (void)from;
}

WEAK uint64_t bench_histogram_count(const bench_histogram *histogram)
{
    (void)histogram;
    return 0;
}

WEAK uint64_t bench_histogram_max(const bench_histogram *histogram)
{
    (void)histogram;
    return 0;
}

WEAK uint64_t bench_histogram_at(const bench_histogram *histogram, double share)
{
    (void)histogram;
    (void)share;
    return 0;
}

WEAK uint64_t bench_histogram_next(const bench_histogram *histogram, size_t *at, uint64_t *value)
{
    (void)histogram;
    (void)at;
    (void)value;
    return 0;
}

WEAK int bench_run_main(const bench_suite *suite, int argc, char **argv)
{
    (void)suite;
    (void)argc;
    bench_fail("%s: not in this build", argv[0]);
}

WEAK int bench_compare_main(int argc, char **argv)
{
    (void)argc;
    bench_fail("%s: not in this build", argv[0]);
}

WEAK int bench_report_main(int argc, char **argv)
{
    (void)argc;
    bench_fail("%s: not in this build", argv[0]);
}

WEAK int bench_prove_main(int argc, char **argv)
{
    (void)argc;
    bench_fail("%s: not in this build", argv[0]);
}

WEAK void jzx_bench_load_init(jzx_bench_load *load, jzx_bench *bench, double capacity)
{
    (void)load;
    (void)bench;
    (void)capacity;
    bench_fail("there is no open-loop load yet");
}

WEAK uint64_t jzx_bench_load_due(jzx_bench_load *load)
{
    (void)load;
    return 0;
}

WEAK void jzx_bench_load_sent(jzx_bench_load *load)
{
    (void)load;
}

WEAK void jzx_bench_load_end(jzx_bench_load *load)
{
    (void)load;
}
