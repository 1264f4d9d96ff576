/* pair.h: two pinned threads, for the raw sides of workloads across two loops. */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <jzx/bench.h>

/* Runs `first` on the first CPU of the run and `second` on the second, both at once, and returns when both have. */
void pair_run(jzx_bench *bench, void (*first)(void *), void (*second)(void *), void *context);

/* Pins the calling thread. */
void pair_pin(int cpu);

#endif
