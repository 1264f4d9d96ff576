/*
 * inject: each allocation of each script fails once, and from then on; each occasion of each I/O error has it, with each
 * errno, once and several times in a row.
 *
 * A script is run first with nothing wrong, which counts its occasions. Then each case is one run of jzx_sim_explore(),
 * whose seed is the number of the case: the draws are those of the first run, so that occasions are the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/machine.h"
#include "tests/swarm/script.h"
#include "tests/swarm/swarm.h"

enum { FIXED_SEED = 7, ERRORS_MAX = 5, ROW = 9, LOOPS_TRIED = 2, FAILURES_TOLD = 20 };

typedef struct kind {
    jzx_sim_fault fault;
    int errors[ERRORS_MAX]; /* ended by 0; {0}: it has none */
    uint64_t row;           /* how many in a row, in the second mode; 1: no second mode */
} kind;

static const kind of_memory[] = {{JZX_SIM_ALLOC, {0}, UINT64_MAX}};

static const kind of_io[] = {
    {JZX_SIM_SETUP, {EMFILE, ENOMEM, EPERM}, ROW},
    {JZX_SIM_SQ_FULL, {0}, ROW},
    {JZX_SIM_SUBMIT_PART, {0}, ROW},
    {JZX_SIM_ENTER_EAGAIN, {0}, ROW},
    {JZX_SIM_ENTER_EBUSY, {0}, ROW},
    {JZX_SIM_ENTER_EINTR, {0}, ROW},
    {JZX_SIM_ENTER_FAILS, {EBADR, ENXIO, EFAULT}, 1},
    {JZX_SIM_CQ_OVERFLOW, {0}, ROW},
    {JZX_SIM_LATE, {0}, ROW},
    {JZX_SIM_MULTISHOT_END, {0}, ROW},
    {JZX_SIM_DOORBELL, {0}, ROW},
    {JZX_SIM_OP_FAILS, {EIO, ENOMEM, EINTR, ECANCELED}, ROW},
    {JZX_SIM_FD_LIMIT, {EMFILE, ENFILE, ENOBUFS}, ROW},
    {JZX_SIM_ADDRESS_TAKEN, {0}, ROW},
    {JZX_SIM_ACCEPT_FAILS, {0}, ROW},
    {JZX_SIM_CONNECT_FAILS, {ECONNREFUSED, ETIMEDOUT, ENETUNREACH}, ROW},
    {JZX_SIM_RECV_SHORT, {0}, ROW},
    {JZX_SIM_SEND_SHORT, {0}, ROW},
    {JZX_SIM_RECV_NOBUFS, {0}, ROW},
    {JZX_SIM_RESET, {0}, ROW},
    {JZX_SIM_EPIPE, {0}, ROW},
};

/* One script with a number of loops, and all that may befall it. */
typedef struct course {
    const script *script;
    uint32_t loops;
    tally *tally;
    jzx_sim_injection *cases;
    uint64_t count;
    uint64_t room;
} course;

static void play_case(jzx_sim *sim, void *argument)
{
    const course *c = argument;
    sim->faults.seed = FIXED_SEED;
    if (c->cases != NULL) {
        JZX_SIM_REQUIRE(sim, jzx_sim_inject(sim, &c->cases[jzx_sim_seed(sim) - 1]) == JZX_OK);
    }
    stand_play(sim, c->script, c->loops);
    tally_take(c->tally, sim);
}

static void search_init(jzx_sim_search *search, const course *c, const char *prefix, char *name, size_t size)
{
    (void)snprintf(name, size, "%s-%s-%u", prefix, c->script->name, c->loops);
    jzx_sim_search_init(search);
    search->name = name;
    search->scenario = play_case;
    search->argument = (void *)(uintptr_t)c;
    search->config.switches = 64;
    search->config.steps_max = 3000000;
    search->shrink_max = 0;
    search->report = stdout;
}

static void add_case(course *c, const jzx_sim_injection *one)
{
    if (c->count == c->room) {
        c->room = c->room == 0 ? 1024 : c->room * 2;
        c->cases = realloc(c->cases, c->room * sizeof *c->cases);
        if (c->cases == NULL) {
            abort();
        }
    }
    c->cases[c->count++] = *one;
}

static void add_kind(course *c, const kind *k)
{
    uint64_t occasions = c->tally->occasions[k->fault];
    for (uint64_t i = 0; i < occasions; i++) {
        for (uint32_t e = 0; e == 0 || (e < ERRORS_MAX && k->errors[e] != 0); e++) {
            jzx_sim_injection one = {
                .fault = k->fault, .after = i, .times = 1, .amount = (uint64_t)(unsigned)k->errors[e]};
            add_case(c, &one);
            one.times = k->row;
            if (k->row > 1) {
                add_case(c, &one);
            }
        }
    }
}

/* Only each so-many-th, but of each script some. */
static void thin(course *c, uint64_t share)
{
    uint64_t kept = 0;
    for (uint64_t i = share / 2 < c->count ? share / 2 : 0; i < c->count; i += share) {
        c->cases[kept++] = c->cases[i];
    }
    c->count = kept;
}

/* With nothing wrong. False: it fails. What the environment asks for is about cases, and waits. */
static bool look(course *c, const char *prefix, uint64_t *loop_ns)
{
    static const char *const variables[] = {"JZX_SIM_REPLAY", "JZX_SIM_SEED", "JZX_SIM_SEEDS"};
    char *asked[JZX__COUNT(variables)];
    jzx_sim_search search;
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
    char name[64];
    for (size_t i = 0; i < JZX__COUNT(variables); i++) {
        const char *value = getenv(variables[i]);
        asked[i] = value == NULL ? NULL : strdup(value);
        (void)unsetenv(variables[i]);
    }
    search_init(&search, c, prefix, name, sizeof name);
    search.seeds = 1;
    bool well = jzx_sim_explore(&search, &outcome) == JZX_OK && !outcome.failed;
    *loop_ns += outcome.loop_ns;
    for (size_t i = 0; i < JZX__COUNT(variables); i++) {
        if (asked[i] != NULL) {
            (void)setenv(variables[i], asked[i], 1);
            free(asked[i]);
        }
    }
    return well;
}

/* All cases; goes on behind one that fails. Returns how many fail. */
static uint64_t search_all(course *c, const char *prefix)
{
    jzx_sim_search search;
    char name[64];
    uint64_t failures = 0;
    uint64_t next = 1;
    search_init(&search, c, prefix, name, sizeof name);
    while (next <= c->count && failures < FAILURES_TOLD) {
        jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
        search.seed_first = next;
        search.seeds = c->count - next + 1;
        if (jzx_sim_explore(&search, &outcome) != JZX_OK) {
            return failures + 1;
        }
        if (!outcome.failed) {
            break;
        }
        const jzx_sim_injection *one = &c->cases[outcome.seed - 1];
        printf("    with %s, occasion %llu, %llu times, amount %llu\n", jzx_sim_fault_name(one->fault),
               (unsigned long long)one->after + 1, (unsigned long long)one->times, (unsigned long long)one->amount);
        failures++;
        next = outcome.seed + 1;
    }
    return failures;
}

typedef struct sums {
    uint64_t scripts;
    uint64_t runs;
    uint64_t injected;
    uint64_t failures;
    uint64_t loop_ns;
    uint64_t of_kind[JZX_SIM_FAULTS];
} sums;

static void run_course(course *c, const char *prefix, const kind *kinds, uint32_t count, uint64_t share, sums *all)
{
    c->tally = tally_create();
    all->scripts++;
    char calm[32];
    (void)snprintf(calm, sizeof calm, "%s-calm", prefix);
    if (!look(c, calm, &all->loop_ns)) {
        all->failures++;
    } else {
        for (uint32_t i = 0; i < count; i++) {
            add_kind(c, &kinds[i]);
        }
        thin(c, share);
        tally *fresh = tally_create();
        tally_destroy(c->tally);
        c->tally = fresh;
        all->failures += search_all(c, prefix);
    }
    all->runs += c->tally->runs;
    for (uint32_t i = 0; i < count; i++) {
        all->injected += c->tally->injected[kinds[i].fault];
        all->of_kind[kinds[i].fault] += c->tally->injected[kinds[i].fault];
    }
    tally_destroy(c->tally);
    free(c->cases);
}

static sums run_all(const char *prefix, const kind *kinds, uint32_t count, uint64_t share)
{
    sums all = {0};
    const char *only = getenv("JZX_SWARM_ONLY");
    const script *one;
    for (uint32_t i = 0; (one = script_at(i)) != NULL; i++) {
        for (uint32_t loops = 1; loops <= LOOPS_TRIED; loops++) {
            course c = {.script = one, .loops = loops};
            if (only == NULL || strcmp(only, one->name) == 0) {
                run_course(&c, prefix, kinds, count, share, &all);
            }
        }
    }
    return all;
}

bool swarm_allocations(uint64_t share)
{
    printf("each allocation fails, once and from then on%s\n", share > 1 ? " (a share)" : "");
    sums all = run_all("memory", of_memory, JZX__COUNT(of_memory), share);
    bool well = figure("scripts, each with 1 and 2 loops", all.scripts, 40, UINT64_MAX);
    well &= figure("runs", all.runs, ANY);
    well &= figure("allocations failed", all.injected, share > 1 ? 1 : 10000, UINT64_MAX);
    return figure("runs that fail", all.failures, 0, 0) && well;
}

bool swarm_errors(uint64_t share)
{
    printf("each occasion of an I/O error has it%s\n", share > 1 ? " (a share)" : "");
    sums all = run_all("errors", of_io, JZX__COUNT(of_io), share);
    bool well = figure("scripts, each with 1 and 2 loops", all.scripts, 40, UINT64_MAX);
    well &= figure("runs", all.runs, ANY);
    for (uint32_t i = 0; i < JZX__COUNT(of_io); i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "  %s", jzx_sim_fault_name(of_io[i].fault));
        well &= figure(text, all.of_kind[of_io[i].fault], share > 1 ? 0 : 1, UINT64_MAX);
    }
    well &= figure("I/O errors injected", all.injected, share > 1 ? 1 : 100000, UINT64_MAX);
    return figure("runs that fail", all.failures, 0, 0) && well;
}
