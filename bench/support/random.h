/* random.h: xorshift64, the same draws for every side of a run at a cost of 1 ns. */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <jzx/bench.h>

#include <stdint.h>

/* A state to begin with, never 0: the same for all sides of a run, another for another repetition. */
static inline uint64_t bench_draw_begin(const jzx_bench *bench)
{
    return (jzx_bench_seed(bench) ^ 88172645463325252u) | 1;
}

static inline uint64_t bench_draw(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

static inline uint32_t bench_draw_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(((bench_draw(state) >> 32) * limit) >> 32);
}

#endif
