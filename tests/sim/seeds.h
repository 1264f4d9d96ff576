/* seeds: runs a simulation over many seeds; see seeds.c for the variables of the environment that choose them. */
#ifndef TESTS_SEEDS_H
#define TESTS_SEEDS_H

#include <stdint.h>

/* NULL, or what was wrong with this seed (static memory). */
typedef const char *(*seeds_fn)(uint64_t seed);

/* Asserts that no seed fails; prints the one that does, and how to play it again. */
void seeds_play(const char *name, seeds_fn fn);

#endif
