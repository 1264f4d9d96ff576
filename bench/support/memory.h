/* memory.h: memory that a run works on. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stddef.h>

/*
 * Zeroed, and touched here, so that no page fault falls into the measured part. In pairs of cache lines of its own, as
 * a processor fetches two: what other threads write lies elsewhere. free() takes it back.
 */
void *bench_memory_take(size_t size);

#endif
