/* seeds: runs a scenario over many seeds; the environment chooses them as jzx_sim_explore() says. */
#ifndef TESTS_SEEDS_H
#define TESTS_SEEDS_H

#include <jzx/sim.h>

/* Asserts that no seed fails, on machines of sim_lot_config(). What fails is made smaller, and told with how to replay it.
 * JZX_SIM_FIGURES=file: a line with the number of runs and their hash is added to it, for a comparison of two builds. */
void seeds_play(const char *name, jzx_sim_scenario_fn scenario);

#endif
