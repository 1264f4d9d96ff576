/*
 * prove.h: the proof that the harness sees what there is to see, and nothing else.
 *
 *   prove.c            makes the comparisons by the same plan as `run`, and counts
 *   prove_workloads.c  what is measured: work, a loss, a server that stalls, a generator that is too slow
 *
 * The workloads are called prove/...; every program has them beside its own, and lists them nowhere.
 */
#ifndef BENCH_PROVE_H
#define BENCH_PROVE_H

#include "suite.h"

#include <stdbool.h>

/* How long the server stalls, and how often. */
#define BENCH_PROVE_STALL_NS 100000000u
#define BENCH_PROVE_PERIOD_NS 1000000000u

bool bench_prove_has(const char *workload);
const bench_suite *bench_prove_suite(void);

#endif
