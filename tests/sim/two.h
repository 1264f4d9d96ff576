/* two: a simulated world with two loops and nothing else, for cases that are not left to the lot. */
#ifndef TESTS_TWO_H
#define TESTS_TWO_H

#include <jzx/jzx.h>

#include "tests/sim/lot.h"

typedef struct sim_two {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[2];
    jzx_err results[2];
} sim_two;

/* No faults, and all threads take turns at each point. */
void two_open(sim_two *two, uint64_t seed);
/* Begins the thread that calls jzx_loop_run(). */
void two_run(sim_two *two, uint32_t loop);
jzx_actor_id two_spawn(sim_two *two, uint32_t loop, jzx_behavior_fn behavior, void *state);
/* Runs the world to its end, destroys it all, and asserts that nothing failed. */
void two_close(sim_two *two);

#endif
