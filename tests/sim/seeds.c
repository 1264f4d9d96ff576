/* seeds: see seeds.h. */
#include "tests/sim/seeds.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/lot.h"

#if defined(__SANITIZE_ADDRESS__)
static const uint64_t SEEDS = 500;
#else
static const uint64_t SEEDS = 10000;
#endif

/* For ./dev sim: one line in the file that the environment names. */
static void tell(const char *name, const jzx_sim_outcome *outcome)
{
    const char *path = getenv("JZX_SIM_FIGURES");
    FILE *file = path == NULL ? NULL : fopen(path, "ae");
    if (file != NULL) {
        (void)fprintf(file, "%-28s %8llu seeds %016llx\n", name, (unsigned long long)outcome->runs,
                      (unsigned long long)outcome->hash);
        (void)fclose(file);
    }
}

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
    tell(name, &outcome);
    cr_assert_not(outcome.failed, "%s, seed %llu: %s", name, (unsigned long long)outcome.seed, outcome.failure);
}
