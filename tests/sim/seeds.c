/* seeds: see seeds.h. */
#include "tests/sim/seeds.h"

#include <criterion/criterion.h>

#include "tests/sim/lot.h"

#if defined(__SANITIZE_ADDRESS__)
static const uint64_t SEEDS = 500;
#else
static const uint64_t SEEDS = 10000;
#endif

void seeds_play(const char *name, jzx_sim_scenario_fn scenario)
{
    jzx_sim_search search;
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
    jzx_sim_search_init(&search);
    sim_lot_config(&search.config);
    search.name = name;
    search.scenario = scenario;
    search.seeds = SEEDS;
    search.report = stderr;
    cr_assert_eq(jzx_sim_explore(&search, &outcome), JZX_OK);
    cr_assert_not(outcome.failed, "%s, seed %llu: %s", name, (unsigned long long)outcome.seed, outcome.failure);
}
