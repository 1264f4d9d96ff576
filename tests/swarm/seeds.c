/*
 * seeds: many seeds of all scenarios that are built here: everything at once, and each script on machines whose kernel does
 * what it may at any time. For two runs and two compilers, a hash of each.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/machine.h"
#include "tests/swarm/script.h"
#include "tests/swarm/swarm.h"
#include "tests/swarm/whole.h"

typedef struct scenario {
    const script *script; /* NULL: everything at once */
    tally *tally;
} scenario;

static void play(jzx_sim *sim, void *argument)
{
    const scenario *one = argument;
    if (one->script == NULL) {
        whole_play(sim, NULL);
    } else {
        stand_play(sim, one->script, (uint32_t)jzx_sim_size(sim, "loops", 1, STAND_LOOPS));
    }
    tally_take(one->tally, sim);
}

/* What a script can bear and still reach its goals: what the kernel may do at any time. */
static void rates_for_scripts(jzx_sim_config *config)
{
    static const jzx_sim_fault kinds[] = {
        JZX_SIM_SQ_FULL,     JZX_SIM_SUBMIT_PART,   JZX_SIM_ENTER_EAGAIN, JZX_SIM_ENTER_EBUSY, JZX_SIM_ENTER_EINTR,
        JZX_SIM_CQ_OVERFLOW, JZX_SIM_LATE,          JZX_SIM_DOORBELL,     JZX_SIM_WOKEN_EARLY, JZX_SIM_WOKEN_LATE,
        JZX_SIM_RECV_SHORT,  JZX_SIM_MULTISHOT_END, JZX_SIM_SEND_SHORT,   JZX_SIM_RECV_NOBUFS};
    for (size_t i = 0; i < JZX__COUNT(kinds); i++) {
        config->rates[kinds[i]] = JZX_SIM_DRAWN;
    }
}

typedef struct sums {
    uint64_t runs, steps, loop_ns, faults, failures;
} sums;

static void search(const scenario *one, uint64_t seeds, sums *all, uint64_t *hash)
{
    char name[64];
    jzx_sim_search search;
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
    (void)snprintf(name, sizeof name, "seeds-%s", one->script == NULL ? "whole" : one->script->name);
    jzx_sim_search_init(&search);
    search.name = name;
    search.scenario = play;
    search.argument = (void *)(uintptr_t)one;
    search.seeds = seeds;
    search.run_limit_s = 5;
    search.shrink_max = 200;
    search.report = stdout;
    if (one->script == NULL) {
        search.config.swarm = true;
    } else {
        rates_for_scripts(&search.config);
    }
    bool well = jzx_sim_explore(&search, &outcome) == JZX_OK && !outcome.failed;
    all->runs += outcome.runs;
    all->steps += outcome.steps;
    all->loop_ns += outcome.loop_ns;
    all->faults += outcome.faults;
    all->failures += !well;
    *hash = outcome.hash;
}

static bool table_of_faults(const tally *t)
{
    bool well = true;
    printf("  %-24s %16s %16s\n", "fault", "injected", "runs that had it");
    for (unsigned i = 0; i < JZX_SIM_FAULTS; i++) {
        uint64_t injected = t->injected[i];
        printf("  %-24s %16" PRIu64 " %16" PRIu64 "%s\n", jzx_sim_fault_name((jzx_sim_fault)i), injected,
               (uint64_t)t->runs_with[i], injected == 0 ? "  NEVER" : "");
        well &= injected != 0;
    }
    return well;
}

static bool each_scenario(uint64_t seeds, bool twins, tally *t, sums *all)
{
    const script *at = NULL;
    bool well = true;
    for (uint32_t i = 0; i == 0 || (at = script_at(i - 1)) != NULL; i++) {
        const scenario one = {at, t};
        uint64_t hash = 0;
        uint64_t again = 0;
        uint64_t share = at == NULL ? seeds : seeds / 20 + 1; /* there are many scripts, and they are short */
        const char *only = getenv("JZX_SWARM_ONLY");
        if (only != NULL && strcmp(only, at == NULL ? "whole" : at->name) != 0) {
            continue;
        }
        search(&one, share, all, &hash);
        if (twins) {
            search(&one, share, all, &again);
            printf("%-28s %8" PRIu64 " seeds %016" PRIx64 "%s\n", at == NULL ? "whole" : at->name, share, hash,
                   hash == again ? "" : "  NOT THE SAME TWICE");
            well &= hash == again;
        }
    }
    return well;
}

bool swarm_seeds(uint64_t seeds, bool twins)
{
    tally *t = tally_create();
    sums all = {0};
    bool well = each_scenario(seeds, twins, t, &all);
    if (twins) {
        tally_destroy(t);
        return well && all.failures == 0;
    }
    /* A few seeds need not have all of them. */
    well &= table_of_faults(t) || seeds < 1000;
    well &= figure("seeds", all.runs, getenv("JZX_SIM_REPLAY") != NULL ? 0 : seeds, UINT64_MAX);
    well &= figure("points that threads passed", all.steps, ANY);
    well &= figure("simulated seconds", all.loop_ns / 1000000000, ANY);
    well &= figure("faults", all.faults, ANY);
    well &= figure("scenarios that failed", all.failures, 0, 0);
    tally_destroy(t);
    return well;
}
