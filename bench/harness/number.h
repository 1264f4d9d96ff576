/* number.h: numbers that come as text, from a user or another program. False: it is none, and nothing is stored. */
#ifndef BENCH_NUMBER_H
#define BENCH_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* A whole number, decimal, of 64 bits, and nothing else. */
bool bench_number_parse(const char *text, uint64_t *number);

/* A decimal number, with a point or an exponent or neither, finite, and nothing else. */
bool bench_real_parse(const char *text, double *number);

/* The same, above 0. */
bool bench_positive_parse(const char *text, double *number);

#endif
