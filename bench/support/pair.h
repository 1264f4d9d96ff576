/* pair.h: pinned threads, for the raw sides of workloads across loops. */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <jzx/bench.h>

/* Runs `first` on the first CPU of the run and `second` on the second, both at once, and returns when both have. */
void pair_run(jzx_bench *bench, void (*first)(void *), void (*second)(void *), void *context);

/* Runs `run` with the indexes 0 to count - 1, each on the CPU of its index, all at once, and returns when all have. */
void pair_run_many(jzx_bench *bench, int count, void (*run)(void *context, int index), void *context);

#endif
