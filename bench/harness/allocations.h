/* allocations.h: what libjzx-bench-allocations.so and the harness say to each other, in a file that both map. */
#ifndef BENCH_ALLOCATIONS_H
#define BENCH_ALLOCATIONS_H

#include <stdint.h>

#define BENCH_ALLOCATIONS_FILE "JZX_BENCH_ALLOCATIONS"

typedef struct bench_allocations {
    _Atomic uint64_t calls;
    _Atomic uint64_t ended; /* processes that had the library and have come to their end; 0: the program has not */
} bench_allocations;

#endif
