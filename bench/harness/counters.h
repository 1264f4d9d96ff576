/*
 * counters.h: what the kernel counts for this process and the threads it starts: instructions, cycles, cache misses.
 *
 * Where the kernel gives none of it, nothing is counted and nothing is said.
 */
#ifndef BENCH_COUNTERS_H
#define BENCH_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

/* Once, before there are other threads: a thread is counted when it was started after this. */
void bench_counters_open(void);
void bench_counters_close(void);

void bench_counters_begin(void); /* from zero */
void bench_counters_end(void);

/* The name of the `index`-th and how much of it there was between begin and end; NULL after the last. */
const char *bench_counters_get(size_t index, uint64_t *total);

#endif
