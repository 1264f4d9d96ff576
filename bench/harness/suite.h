/* suite.h: the workloads of this program. */
#ifndef BENCH_SUITE_H
#define BENCH_SUITE_H

#include <jzx/bench.h>

typedef struct bench_suite {
    const jzx_bench_workload *workloads; /* in this library's layout, whatever the caller's was */
    size_t count;
} bench_suite;

/* NULL if there is none of that name. */
const jzx_bench_workload *bench_suite_find(const bench_suite *suite, const char *name);
const jzx_bench_side *bench_suite_side(const jzx_bench_workload *workload, const char *name);

/* The nearest multiple of the workload's step, at least one step. */
uint64_t bench_suite_round(const jzx_bench_workload *workload, uint64_t count);

/* The count that the workload itself says. */
uint64_t bench_suite_count(const jzx_bench_workload *workload, bool quick);

/* How much of `count` warms up. */
uint64_t bench_suite_warm(const jzx_bench_workload *workload, uint64_t count);

/*
 * Copies what the user gave. Ends the program with a message that names the workload and what is wrong with it, if
 * something is.
 */
void bench_suite_init(bench_suite *suite, const jzx_bench_workload *workloads, size_t count);
void bench_suite_deinit(bench_suite *suite);

#endif
