/* workloads.h: what is in workloads/ and savina/. Each file there has one group, which main.c puts into its list. */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

#include <jzx/bench.h>

typedef struct bench_group {
    const jzx_bench_workload *workloads; /* each begun with .struct_size = sizeof(jzx_bench_workload) */
    size_t count;
} bench_group;

extern const bench_group bench_clock;

#endif
