/* explore: jzx_sim_explore(). See search.h. */
#include "sim/search.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JOBS_MAX = 64, COMMAND_TEXT = 1024 };

void jzx_sim_search_init(jzx_sim_search *search)
{
    if (search == NULL) {
        return;
    }
    *search = (struct jzx_sim_search){.struct_size = sizeof *search,
                                      .seed_first = 1,
                                      .seeds = 1000,
                                      .shrink_max = 500,
                                      .run_limit_s = 60,
                                      .report = NULL};
    jzx_sim_config_init(&search->config);
}

/* ---- what is asked for: the search, and the environment over it ---- */

static bool search_valid(const jzx_sim_search *search, const jzx_sim_outcome *outcome)
{
    return search != NULL && outcome != NULL && search->struct_size == sizeof *search &&
           outcome->struct_size == sizeof *outcome && search->scenario != NULL && search->name != NULL &&
           strlen(search->name) < 64 && jzx__sim_word(search->name, strlen(search->name), "_-") && search->seeds > 0 &&
           search->run_limit_s > 0;
}

/* A number of the environment over *number. False: it is none. */
static bool override(const jzx_sim_search *search, const char *variable, uint64_t least, uint64_t *number)
{
    const char *text = getenv(variable);
    const char *at = text;
    uint64_t value;
    if (text == NULL) {
        return true;
    }
    if (!jzx__sim_number_read(&at, &value) || *at != '\0' || value < least) {
        if (search->report != NULL) {
            (void)fprintf(search->report, "%s=%.40s: not a number from %llu\n", variable, text,
                          (unsigned long long)least);
        }
        return false;
    }
    *number = value;
    return true;
}

static bool override_all(jzx_sim_search *search)
{
    uint64_t one = search->seed_first;
    uint64_t shrink = search->shrink_max;
    bool single = getenv("JZX_SIM_SEED") != NULL;
    if (!override(search, "JZX_SIM_SEEDS", 1, &search->seeds) || !override(search, "JZX_SIM_SEED", 0, &one) ||
        !override(search, "JZX_SIM_SHRINK", 0, &shrink)) {
        return false;
    }
    search->seed_first = one;
    search->seeds = single ? 1 : search->seeds;
    search->shrink_max = shrink < UINT32_MAX ? (uint32_t)shrink : UINT32_MAX;
    return search->seeds - 1 <= UINT64_MAX - search->seed_first;
}

/* Is there no machine yet, and can there be one of this config? */
static jzx_err probe(const jzx_sim_search *search)
{
    jzx_sim *sim;
    jzx_err err = jzx_sim_create(search->seed_first, &search->config, &sim);
    return err == JZX_OK ? jzx_sim_destroy(sim) : err;
}

/* ---- the report ---- */

/* `text` as a word of the shell. */
static void say_word(FILE *report, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
        (void)fputs(text, report);
        return;
    }
    (void)fputc('\'', report);
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            (void)fputs("'\\''", report);
        } else {
            (void)fputc(*text, report);
        }
    }
    (void)fputc('\'', report);
}

/* How this program was started. The first word of the command line is what its parent says; the kernel knows the file. */
static void say_own_command(FILE *report)
{
    char program[COMMAND_TEXT + 1];
    char words[COMMAND_TEXT + 1];
    ssize_t length = readlink("/proc/self/exe", program, COMMAND_TEXT);
    FILE *file = fopen("/proc/self/cmdline", "re");
    size_t size = file == NULL ? 0 : fread(words, 1, COMMAND_TEXT, file);
    if (file != NULL) {
        (void)fclose(file);
    }
    program[length < 0 ? 0 : length] = '\0';
    words[size] = '\0';
    (void)fputc(' ', report);
    say_word(report, length <= 0 ? words : program);
    for (size_t at = strlen(words) + 1; at < size; at += strlen(words + at) + 1) {
        (void)fputc(' ', report);
        say_word(report, words + at);
    }
}

static void say_replay(const jzx_sim_search *search, const char *replay)
{
    (void)fprintf(search->report, "JZX_SIM_REPLAY='%s'", replay);
    if (search->command != NULL) {
        (void)fprintf(search->report, " %s", search->command);
    } else {
        say_own_command(search->report);
    }
    (void)fputc('\n', search->report);
}

static void say_indented(FILE *report, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        (void)fprintf(report, "    %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void report_failure(const jzx_sim_search *search, const jzx__sim_run *run, const jzx__sim_shrunk *shrunk)
{
    FILE *report = search->report;
    if (report == NULL) {
        return;
    }
    (void)fprintf(report, "%s, seed %llu: %s\n", search->name, (unsigned long long)run->seed, run->failure);
    const char *first_end = strchr(run->said, '\n');
    if (first_end != NULL && first_end[1] != '\0') { /* a single line is part of the failure */
        say_indented(report, run->said);
    }
    if (shrunk->runs > 0) {
        (void)fprintf(report, "%s (%u runs)\n", shrunk->how, (unsigned)shrunk->runs);
    }
    say_replay(search, shrunk->text);
    (void)fflush(report);
}

/* ---- seeds ---- */

typedef struct exploration {
    const jzx_sim_search *search;
    jzx_sim_outcome sums;
    jzx__sim_worker workers[JOBS_MAX];
    jzx__sim_run *runs[JOBS_MAX];
    uint32_t jobs;
} exploration;

static uint32_t jobs_for(const jzx_sim_search *search)
{
    cpu_set_t cpus;
    uint64_t jobs = search->jobs;
    if (jobs == 0) {
        jobs = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (uint64_t)CPU_COUNT(&cpus) : 1;
    }
    jobs = jobs < search->seeds ? jobs : search->seeds;
    return jobs < JOBS_MAX ? (uint32_t)jobs : JOBS_MAX;
}

static void add(jzx_sim_outcome *sums, const jzx__sim_result *result)
{
    sums->runs++;
    sums->steps += result->steps;
    sums->loop_ns += result->loop_ns;
    sums->faults += result->faults;
    sums->hash = jzx__mix(sums->hash * 0x9E3779B97F4A7C15ull + result->hash);
}

/* Worker i has each seed whose place is i, modulo the jobs. */
static jzx_err start_workers(exploration *all)
{
    const jzx_sim_search *search = all->search;
    jzx__sim_plan plan;
    for (uint32_t i = 0; i < all->jobs; i++) {
        jzx__sim_plan_init(&plan, search->seed_first + i);
        uint64_t share = (search->seeds - i + all->jobs - 1) / all->jobs;
        all->runs[i] = jzx__sim_run_create();
        if (all->runs[i] == NULL) {
            return JZX_ERR_NO_MEMORY;
        }
        jzx_err err = jzx__sim_worker_start(&all->workers[i], search, &plan, all->jobs, share, all->runs[i]);
        if (err != JZX_OK) {
            return err;
        }
    }
    return JZX_OK;
}

/* X1: in the order of seeds. The run that failed first of all, or NULL. */
static jzx__sim_run *collect(exploration *all)
{
    for (uint64_t i = 0; i < all->search->seeds; i++) {
        jzx__sim_worker *worker = &all->workers[i % all->jobs];
        jzx__sim_result result;
        if (!jzx__sim_worker_next(worker, all->search, &result)) {
            const jzx__sim_run *run = worker->run;
            result = (struct jzx__sim_result){run->seed, run->steps, run->loop_ns, run->faults, run->hash};
            add(&all->sums, &result);
            return worker->run;
        }
        JZX_ASSERT(result.seed == all->search->seed_first + i);
        add(&all->sums, &result);
    }
    return NULL;
}

static void stop_workers(exploration *all, bool finished)
{
    for (uint32_t i = 0; i < all->jobs; i++) {
        jzx__sim_worker_stop(&all->workers[i], finished);
    }
}

static void free_runs(exploration *all)
{
    for (uint32_t i = 0; i < all->jobs; i++) {
        jzx__sim_run_destroy(all->runs[i]);
    }
}

static void fill_failure(jzx_sim_outcome *outcome, const jzx__sim_run *run, const char *replay)
{
    outcome->failed = true;
    outcome->seed = run->seed;
    outcome->failed_steps = run->steps;
    outcome->failed_faults = run->record.hit_count;
    memcpy(outcome->failure, run->failure, sizeof outcome->failure);
    (void)snprintf(outcome->replay, sizeof outcome->replay, "%s", replay);
}

static jzx_err explore(exploration *all)
{
    jzx__sim_run *failed = NULL;
    jzx_err err = start_workers(all);
    if (err == JZX_OK) {
        failed = collect(all);
    }
    stop_workers(all, err == JZX_OK && failed == NULL);
    if (failed != NULL) {
        jzx__sim_shrunk shrunk;
        err = jzx__sim_shrink(all->search, failed, &shrunk);
        if (err == JZX_OK) {
            fill_failure(&all->sums, failed, shrunk.text);
            report_failure(all->search, failed, &shrunk);
        }
    }
    free_runs(all);
    return err;
}

static jzx_err explore_seeds(const jzx_sim_search *search, jzx_sim_outcome *outcome)
{
    exploration *all = calloc(1, sizeof *all);
    if (all == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    all->search = search;
    all->sums.struct_size = sizeof all->sums;
    all->jobs = jobs_for(search);
    jzx_err err = explore(all);
    if (err == JZX_OK) {
        *outcome = all->sums;
    }
    free(all);
    return err;
}

/* ---- a replay ---- */

static void replay_plan(const jzx_sim_search *search, const jzx__sim_plan *plan, const char *text, jzx__sim_run *run,
                        jzx_sim_outcome *sums)
{
    FILE *report = search->report;
    if (report != NULL) {
        (void)fprintf(report, "%s, replay of seed %llu:\n", search->name, (unsigned long long)plan->seed);
    }
    jzx__sim_run_here(search, plan, run, report);
    jzx__sim_result result = {run->seed, run->steps, run->loop_ns, run->faults, run->hash};
    add(sums, &result);
    if (run->failed) {
        fill_failure(sums, run, text);
    }
    if (report != NULL) {
        (void)fprintf(report, "%s, seed %llu: %s\n", search->name, (unsigned long long)plan->seed,
                      run->failed ? run->failure : "no failure");
        (void)fflush(report);
    }
}

static jzx_err replay(const jzx_sim_search *search, const char *text, jzx_sim_outcome *outcome)
{
    jzx__sim_plan plan;
    char wrong[160];
    jzx_sim_outcome sums = {.struct_size = sizeof sums};
    jzx_err err = jzx__sim_replay_read(text, &plan, wrong, sizeof wrong);
    if (err != JZX_OK) {
        if (search->report != NULL) {
            (void)fprintf(search->report, "JZX_SIM_REPLAY: %s\n", wrong);
        }
        return err;
    }
    if (jzx__sim_replay_is_for(text, search->name)) {
        jzx__sim_run *run = jzx__sim_run_create();
        if (run == NULL) {
            jzx__sim_plan_deinit(&plan);
            return JZX_ERR_NO_MEMORY;
        }
        replay_plan(search, &plan, text, run, &sums);
        jzx__sim_run_destroy(run);
    }
    jzx__sim_plan_deinit(&plan);
    *outcome = sums;
    return JZX_OK;
}

jzx_err jzx_sim_explore(const jzx_sim_search *search, jzx_sim_outcome *outcome)
{
    if (!search_valid(search, outcome)) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_err err = probe(search);
    if (err != JZX_OK) {
        return err;
    }
    const char *text = getenv("JZX_SIM_REPLAY");
    if (text != NULL) {
        return replay(search, text, outcome);
    }
    jzx_sim_search asked = *search;
    return override_all(&asked) ? explore_seeds(&asked, outcome) : JZX_ERR_INVALID_ARG;
}
