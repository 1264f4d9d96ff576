/* shuffle.h: random numbers that are the same for the same seed, everywhere. */
#ifndef BENCH_SHUFFLE_H
#define BENCH_SHUFFLE_H

#include <stddef.h>
#include <stdint.h>

/* The next number: splitmix64 (S. Vigna, public domain). */
uint64_t bench_shuffle_next(uint64_t *state);

/* Every order is as likely as every other. */
void bench_shuffle(size_t *items, size_t count, uint64_t *state);

#endif
