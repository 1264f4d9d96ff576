/* counting.h: allocators of a runtime that count, over those of the C library. Any thread. */
#ifndef BENCH_COUNTING_H
#define BENCH_COUNTING_H

#include <jzx/jzx.h>

#include <stdatomic.h>

typedef struct counting {
    atomic_uint_fast64_t calls; /* allocations so far */
    atomic_uint_fast64_t bytes; /* allocated now */
} counting;

/* Puts all allocators of `config` over `memory`, which must outlive the runtime. */
void counting_begin(counting *memory, jzx_config *config);

uint64_t counting_calls(const counting *memory);
uint64_t counting_bytes(const counting *memory);

#endif
