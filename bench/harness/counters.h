/*
 * counters.h: what the kernel counts for this process and the threads it starts: instructions, cycles, cache misses;
 * context switches, page faults, CPU time.
 *
 * Where the kernel does not give the first three (in most virtual machines), they are left out.
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

/* For the facts of a result: whose instructions are counted here, or why none are. */
void bench_counters_about(char *text, size_t size);

#endif
