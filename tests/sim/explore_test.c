/* explore_test: looking for failures, making them small, replaying them; with scenarios that need no runtime. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/search.h"

/* ---- scenarios ---- */

enum { OCCASIONS = 4000, FIRST_NEEDED = 1017, SECOND_NEEDED = 3003 };

/* Of many faults it needs two, and five orders. */
static void needs_two_of_many(jzx_sim *sim, void *argument)
{
    (void)argument;
    uint64_t orders = jzx_sim_size(sim, "orders", 1, 60);
    uint64_t actors = jzx_sim_size(sim, "actors", 2, 9);
    bool alloc_failed = false;
    bool short_after = false;
    for (uint64_t i = 1; i <= OCCASIONS; i++) {
        alloc_failed |= jzx__sim_fault(sim, JZX_SIM_ALLOC) && i == FIRST_NEEDED;
        short_after |= jzx__sim_fault(sim, JZX_SIM_RECV_SHORT) && alloc_failed && i == SECOND_NEEDED;
        (void)jzx__sim_fault(sim, JZX_SIM_EPIPE);
    }
    if (short_after && orders >= 5) {
        jzx_sim_fail(sim, "order %d of %d of %d actors is lost", (int)orders - 1, (int)orders, (int)actors);
    }
}

/* Each step has an occasion: as long as the fault stays where it was, the steps before it have to stay as well. */
static void needs_one_step(jzx_sim *sim, void *argument)
{
    (void)argument;
    uint64_t steps = jzx_sim_size(sim, "steps", 1, 1000);
    for (uint64_t i = 1; i <= steps; i++) {
        if (jzx__sim_fault(sim, JZX_SIM_ALLOC)) {
            jzx_sim_fail(sim, "step %llu failed", (unsigned long long)i);
        }
    }
}

/* The place of the one occasion that matters is a matter of the size: neither can become smaller alone. */
static void needs_the_last_occasion(jzx_sim *sim, void *argument)
{
    (void)argument;
    bool last = false;
    uint64_t steps = jzx_sim_size(sim, "steps", 1, 20);
    for (uint64_t i = 0; i < steps * 3; i++) {
        last = jzx__sim_fault(sim, JZX_SIM_ALLOC);
    }
    if (last) {
        jzx_sim_fail(sim, "step %llu failed", (unsigned long long)steps);
    }
}

static void fails_at_seed(jzx_sim *sim, void *argument)
{
    jzx_sim_note(sim, "number %llu", (unsigned long long)jzx_sim_between(sim, 1, 1000));
    if (jzx_sim_seed(sim) >= *(uint64_t *)argument) {
        jzx_sim_fail(sim, "seed %llu is bad", (unsigned long long)jzx_sim_seed(sim));
    }
}

static void crashes(jzx_sim *sim, void *argument)
{
    (void)argument;
    (void)fputs("a word of each run\n", stderr);
    if (jzx_sim_seed(sim) == 5) {
        (void)fputs("the last word\n", stderr);
        abort();
    }
}

static void hangs(jzx_sim *sim, void *argument)
{
    (void)argument;
    for (volatile uint64_t i = 0; jzx_sim_seed(sim) == 3; i++) {
    }
}

static void exits(jzx_sim *sim, void *argument)
{
    (void)argument;
    if (jzx_sim_seed(sim) == 4) {
        _exit(7);
    }
}

static void fails_outside(jzx_sim *sim, void *argument)
{
    JZX_SIM_REQUIRE(sim, argument != NULL);
    _exit(1);
}

static void fails_an_assertion(jzx_sim *sim, void *argument)
{
    (void)sim;
    JZX_ASSERT(argument != NULL);
    _exit(1);
}

static void leaves_memory(jzx_sim *sim, void *argument)
{
    (void)argument;
    jzx_allocator allocator = jzx_sim_allocator(sim);
    (void)allocator.alloc(allocator.context, 24, 8);
}

static void nothing(jzx_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
}

/* ---- helpers ---- */

static jzx_sim_search search_of(const char *name, jzx_sim_scenario_fn scenario)
{
    jzx_sim_search search;
    jzx_sim_search_init(&search);
    search.name = name;
    search.scenario = scenario;
    search.seeds = 20;
    search.jobs = 2;
    search.command = "./program";
    return search;
}

static jzx_sim_outcome explore(const jzx_sim_search *search)
{
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
    cr_assert_eq(jzx_sim_explore(search, &outcome), JZX_OK);
    return outcome;
}

/* What it reports; free(). */
static char *report_of(jzx_sim_search *search, jzx_sim_outcome *outcome)
{
    char *text = NULL;
    size_t size;
    search->report = open_memstream(&text, &size);
    cr_assert_not_null(search->report);
    *outcome = explore(search);
    cr_assert_eq(fclose(search->report), 0);
    search->report = NULL;
    return text;
}

static jzx_sim_search search_two_of_many(void)
{
    jzx_sim_search search = search_of("two-of-many", needs_two_of_many);
    search.config.rates[JZX_SIM_ALLOC] = 6000;
    search.config.rates[JZX_SIM_RECV_SHORT] = 6000;
    search.config.rates[JZX_SIM_EPIPE] = 6000;
    search.seeds = 2000;
    return search;
}

static void plain_environment(void)
{
    static const char *const variables[] = {"JZX_SIM_REPLAY", "JZX_SIM_SEED", "JZX_SIM_SEEDS", "JZX_SIM_SHRINK"};
    for (size_t i = 0; i < JZX__COUNT(variables); i++) {
        cr_assert_eq(unsetenv(variables[i]), 0);
    }
}

/* ---- tests ---- */

TestSuite(explore, .init = plain_environment);

Test(explore, failure_shrinks_to_what_it_needs, .timeout = 60)
{
    jzx_sim_search search = search_two_of_many();
    jzx_sim_outcome outcome;
    char *report = report_of(&search, &outcome);
    cr_assert(outcome.failed);
    cr_expect_eq(outcome.failed_faults, 2);
    cr_expect_str_eq(outcome.failure, "order 4 of 5 of 2 actors is lost");
    char expected[256];
    (void)snprintf(expected, sizeof expected,
                   "two-of-many:seed=%llu,faults=alloc@1017+recv-short@3003,sizes=orders:5+actors:2,switches=0",
                   (unsigned long long)outcome.seed);
    cr_expect_str_eq(outcome.replay, expected);
    char line[512];
    (void)snprintf(line, sizeof line, "\nJZX_SIM_REPLAY='%s' ./program\n", expected);
    cr_expect_not_null(strstr(report, line), "%s", report);
    cr_expect_not_null(strstr(report, "-> 2, orders "), "%s", report);
    free(report);
}

Test(explore, faults_that_are_left_happen_sooner, .timeout = 60)
{
    jzx_sim_search search = search_two_of_many();
    search.name = "one-step";
    search.scenario = needs_one_step;
    search.config.rates[JZX_SIM_ALLOC] = 200;
    jzx_sim_outcome found = explore(&search);
    cr_assert(found.failed);
    char expected[128];
    (void)snprintf(expected, sizeof expected, "one-step:seed=%llu,faults=alloc@1,sizes=steps:1,switches=0",
                   (unsigned long long)found.seed);
    cr_expect_str_eq(found.replay, expected);
}

Test(explore, size_and_place_become_smaller_together, .timeout = 60)
{
    jzx_sim_search search = search_two_of_many();
    search.name = "last";
    search.scenario = needs_the_last_occasion;
    jzx_sim_outcome found = explore(&search);
    cr_assert(found.failed);
    char expected[128];
    (void)snprintf(expected, sizeof expected, "last:seed=%llu,faults=alloc@3,sizes=steps:1,switches=0",
                   (unsigned long long)found.seed);
    cr_expect_str_eq(found.replay, expected);
}

Test(explore, replay_is_the_same_failure, .timeout = 60)
{
    jzx_sim_search search = search_two_of_many();
    jzx_sim_outcome found = explore(&search);
    cr_assert(found.failed);
    cr_assert_eq(setenv("JZX_SIM_REPLAY", found.replay, 1), 0);
    jzx_sim_outcome again;
    char *report = report_of(&search, &again);
    cr_expect(again.failed);
    cr_expect_eq(again.runs, 1);
    cr_expect_eq(again.seed, found.seed);
    cr_expect_eq(again.failed_faults, 2);
    cr_expect_eq(again.failed_steps, found.failed_steps);
    cr_expect_str_eq(again.failure, found.failure);
    cr_expect_not_null(strstr(report, "fault:alloc 1017\n"), "the trace: %s", report);
    free(report);
    search.name = "another";
    again = explore(&search);
    cr_expect_eq(again.runs, 0, "the replay is of another scenario");
}

Test(explore, lowest_seed_is_told_whatever_the_jobs, .timeout = 60)
{
    uint64_t bad = 12;
    jzx_sim_search search = search_of("bad", fails_at_seed);
    search.argument = &bad;
    jzx_sim_outcome outcomes[3];
    for (uint32_t i = 0; i < 3; i++) {
        search.jobs = 1 + 3 * i;
        outcomes[i] = explore(&search);
        cr_expect(outcomes[i].failed);
        cr_expect_eq(outcomes[i].seed, 12);
        cr_expect_eq(outcomes[i].runs, 12);
        cr_expect_eq(outcomes[i].hash, outcomes[0].hash);
        cr_expect_str_eq(outcomes[i].failure, "seed 12 is bad");
    }
}

Test(explore, hash_does_not_depend_on_jobs, .timeout = 60)
{
    uint64_t bad = UINT64_MAX;
    jzx_sim_search search = search_of("good", fails_at_seed);
    search.argument = &bad;
    search.seeds = 3000;
    search.jobs = 1;
    jzx_sim_outcome one = explore(&search);
    search.jobs = 4;
    jzx_sim_outcome four = explore(&search);
    cr_expect_not(one.failed);
    cr_expect_eq(one.runs, 3000);
    cr_expect_eq(one.hash, four.hash);
    search.seed_first = 2;
    cr_expect_neq(explore(&search).hash, four.hash);
    search.seed_first = 3000;
    search.seeds = 1;
    cr_expect_neq(explore(&search).hash, four.hash, "it is of all runs, not of the last one");
}

Test(explore, crash_is_a_failure_of_its_seed, .timeout = 60)
{
    jzx_sim_search search = search_of("crash", crashes);
    search.shrink_max = 0;
    jzx_sim_outcome outcome;
    char *report = report_of(&search, &outcome);
    cr_assert(outcome.failed);
    cr_expect_eq(outcome.seed, 5);
    cr_expect_str_eq(outcome.failure, "crashed by SIGABRT: the last word");
    cr_expect_not_null(strstr(report, "\n    a word of each run\n    the last word\n"), "%s", report);
    cr_expect_null(strstr(strstr(report, "a word") + 1, "a word"), "of other runs: %s", report);
    free(report);
}

Test(explore, hang_is_a_failure_of_its_seed, .timeout = 60)
{
    jzx_sim_search search = search_of("hang", hangs);
    search.run_limit_s = 1;
    search.shrink_max = 0;
    sigset_t blocked;
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGPROF);
    cr_assert_eq(sigprocmask(SIG_BLOCK, &blocked, NULL), 0, "the limit holds for a program that does this, too");
    jzx_sim_outcome outcome = explore(&search);
    cr_assert(outcome.failed);
    cr_expect_eq(outcome.seed, 3);
    cr_expect_str_eq(outcome.failure, "no end after 1 s of CPU time");
    cr_expect_str_eq(outcome.replay, "hang:seed=3");
}

Test(explore, exit_is_a_failure_of_its_seed, .timeout = 60)
{
    jzx_sim_search search = search_of("exit", exits);
    jzx_sim_outcome outcome = explore(&search);
    cr_assert(outcome.failed);
    cr_expect_eq(outcome.seed, 4);
    cr_expect_str_eq(outcome.failure, "the process was ended with status 7");
}

Test(explore, failure_outside_of_threads_ends_the_scenario, .timeout = 60)
{
    jzx_sim_search search = search_of("outside", fails_outside);
    jzx_sim_outcome outcome = explore(&search);
    cr_assert(outcome.failed);
    cr_expect_not_null(strstr(outcome.failure, "not so: argument != "), "%s", outcome.failure);
    search.scenario = fails_an_assertion;
    outcome = explore(&search);
    cr_assert(outcome.failed);
    cr_expect_not_null(strstr(outcome.failure, "assertion failed: argument != "), "%s", outcome.failure);
}

Test(explore, what_is_left_at_the_end_is_a_failure, .timeout = 60)
{
    jzx_sim_search search = search_of("left", leaves_memory);
    jzx_sim_outcome outcome = explore(&search);
    cr_assert(outcome.failed);
    cr_expect_str_eq(outcome.failure, "at the end 24 bytes in 1 blocks were not freed");
}

static void leaves_a_count(jzx_sim *sim, void *argument)
{
    (void)sim;
    if (++*(uint32_t *)argument > 6) {
        jzx_sim_fail(sim, "the seventh run fails");
    }
}

Test(explore, what_depends_on_more_than_the_seed_is_told, .timeout = 60)
{
    uint32_t runs = 0;
    jzx_sim_search search = search_of("unsteady", leaves_a_count);
    search.argument = &runs;
    search.jobs = 1;
    jzx_sim_outcome outcome;
    char *report = report_of(&search, &outcome);
    cr_assert(outcome.failed);
    cr_expect_eq(outcome.seed, 7);
    cr_expect_not_null(strstr(report, "did not go the same way again"), "%s", report);
    free(report);
}

static void goes_another_way(jzx_sim *sim, void *argument)
{
    (void)argument;
    jzx_sim_note(sim, "process %d", (int)getpid());
    jzx_sim_fail(sim, "always");
}

Test(explore, failure_that_comes_on_another_way_is_told, .timeout = 60)
{
    jzx_sim_search search = search_of("unsteady", goes_another_way);
    jzx_sim_outcome outcome;
    char *report = report_of(&search, &outcome);
    cr_assert(outcome.failed);
    cr_expect_not_null(strstr(report, "did not go the same way again"), "%s", report);
    free(report);
}

/* Smaller sizes have a failure of their own. */
static void fails_in_two_ways(jzx_sim *sim, void *argument)
{
    uint64_t orders = jzx_sim_size(sim, "orders", 1, 100);
    if (orders >= 20) {
        jzx_sim_fail(sim, "%s:%d: not so: %llu", __FILE__, 100, (unsigned long long)orders);
    }
    if (orders < 10 && argument != NULL) {
        jzx_sim_fail(sim, "%s:%d: not so: %llu", __FILE__, 200, (unsigned long long)orders);
    }
}

Test(explore, small_failure_is_the_same_one, .timeout = 60)
{
    jzx_sim_search search = search_of("two", fails_in_two_ways);
    jzx_sim_outcome alone = explore(&search);
    cr_assert(alone.failed);
    search.argument = &search;
    search.seed_first = alone.seed;
    jzx_sim_outcome outcome = explore(&search);
    cr_expect_not_null(strstr(alone.replay, ",sizes=orders:20"), "%s", alone.replay);
    cr_expect_str_eq(outcome.replay, alone.replay);
}

Test(explore, runs_spent_on_a_failure_are_limited, .timeout = 60)
{
    jzx_sim_search search = search_two_of_many();
    search.shrink_max = 7;
    jzx_sim_outcome outcome;
    char *report = report_of(&search, &outcome);
    cr_expect(outcome.failed);
    cr_expect_not_null(strstr(report, "(7 runs)"), "%s", report);
    free(report);
    cr_assert_eq(setenv("JZX_SIM_SHRINK", "0", 1), 0);
    report = report_of(&search, &outcome);
    cr_expect_null(strstr(report, " runs)"), "%s", report);
    free(report);
}

/* Uses a part of the limit in each run. */
static void burns(jzx_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
    clock_t begin = clock();
    while (clock() - begin < CLOCKS_PER_SEC * 6 / 10) {
    }
}

Test(explore, limit_is_of_one_run, .timeout = 60)
{
    jzx_sim_search search = search_of("burns", burns);
    search.jobs = 1;
    search.seeds = 3;
    search.run_limit_s = 1;
    cr_expect_not(explore(&search).failed);
}

Test(explore, nothing_is_reported_of_what_holds, .timeout = 60)
{
    jzx_sim_search search = search_of("nothing", nothing);
    jzx_sim_outcome outcome;
    char *report = report_of(&search, &outcome);
    cr_expect_str_eq(report, "");
    cr_expect_eq(outcome.runs, 20);
    free(report);
}

Test(explore, environment_chooses_seeds, .timeout = 60)
{
    uint64_t bad = 30;
    jzx_sim_search search = search_of("env", fails_at_seed);
    search.argument = &bad;
    cr_expect_not(explore(&search).failed);
    cr_assert_eq(setenv("JZX_SIM_SEEDS", "40", 1), 0);
    cr_expect_eq(explore(&search).seed, 30);
    cr_assert_eq(setenv("JZX_SIM_SEED", "3", 1), 0);
    cr_expect_eq(explore(&search).runs, 1);
    cr_assert_eq(setenv("JZX_SIM_SEED", "33", 1), 0);
    jzx_sim_outcome outcome = explore(&search);
    cr_expect_eq(outcome.seed, 33);
    cr_expect_eq(outcome.runs, 1);
}

Test(explore, bad_environment_is_refused, .timeout = 60)
{
    static const char *const variables[] = {"JZX_SIM_SEEDS", "JZX_SIM_SEED", "JZX_SIM_SHRINK"};
    static const char *const values[] = {"", "x", "-1", "7x", " 7", "18446744073709551616"};
    jzx_sim_search search = search_of("env", nothing);
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome, .seed = 99};
    for (size_t i = 0; i < JZX__COUNT(variables); i++) {
        for (size_t k = 0; k < JZX__COUNT(values); k++) {
            cr_assert_eq(setenv(variables[i], values[k], 1), 0);
            cr_expect_eq(jzx_sim_explore(&search, &outcome), JZX_ERR_INVALID_ARG, "%s=%s", variables[i], values[k]);
        }
        cr_assert_eq(unsetenv(variables[i]), 0);
    }
    search.seed_first = 2;
    cr_assert_eq(setenv("JZX_SIM_SEEDS", "18446744073709551615", 1), 0);
    cr_expect_eq(jzx_sim_explore(&search, &outcome), JZX_ERR_INVALID_ARG, "there are not so many");
    cr_assert_eq(setenv("JZX_SIM_SEEDS", "0", 1), 0);
    cr_expect_eq(jzx_sim_explore(&search, &outcome), JZX_ERR_INVALID_ARG);
    cr_expect_eq(outcome.seed, 99, "on an error nothing is touched");
}

Test(explore, bad_replay_is_refused_and_says_where, .timeout = 60)
{
    static const char *const texts[] = {
        "",
        "x",
        "x:",
        "x:seed",
        "x:seed=",
        "x:seed=1,",
        "x:seed=1 ",
        "x:seed=1,seed=2",
        "x:faults=none",
        "x:seed=1,faults=",
        "x:seed=1,faults=nonesuch@1",
        "x:seed=1,faults=alloc",
        "x:seed=1,faults=alloc@0",
        "x:seed=1,faults=alloc@1+",
        "x:seed=1,faults=alloc@1+alloc@1",
        "x:seed=1,faults=alloc@1,faults=none",
        "x:seed=1,faults=alloc@1,kinds=none",
        "x:seed=1,kinds=alloc+",
        "x:seed=1,kinds=lloc",
        "x:seed=1,sizes=",
        "x:seed=1,sizes=a",
        "x:seed=1,sizes=a:",
        "x:seed=1,sizes=a:1+a:2",
        "x:seed=1,sizes=a:1,sizes=b:2",
        "x:seed=1,sizes=A:1",
        "x:seed=1,switches=1025",
        "x:seed=1,switches=4,switches=4",
        "x:seed=1,other=1",
        "x:seed=99999999999999999999",
        "X:seed=1",
    };
    jzx_sim_search search = search_of("x", nothing);
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
    for (size_t i = 0; i < JZX__COUNT(texts); i++) {
        char *report = NULL;
        size_t size;
        search.report = open_memstream(&report, &size);
        cr_assert_eq(setenv("JZX_SIM_REPLAY", texts[i], 1), 0);
        cr_expect_eq(jzx_sim_explore(&search, &outcome), JZX_ERR_INVALID_ARG, "%s", texts[i]);
        cr_assert_eq(fclose(search.report), 0);
        cr_expect_eq(strncmp(report, "JZX_SIM_REPLAY: at character ", 29), 0, "%s: %s", texts[i], report);
        free(report);
    }
}

Test(explore, line_to_replay_names_the_program, .timeout = 60)
{
    uint64_t bad = 1;
    jzx_sim_search search = search_of("bad", fails_at_seed);
    search.argument = &bad;
    search.command = NULL;
    jzx_sim_outcome outcome;
    char *report = report_of(&search, &outcome);
    char program[512] = {0};
    char line[4096];
    cr_assert_gt(readlink("/proc/self/exe", program, sizeof program - 1), 0);
    (void)snprintf(line, sizeof line, "JZX_SIM_REPLAY='%s' %s", outcome.replay, program);
    cr_expect_not_null(strstr(report, line), "%s", report);
    free(report);
}

Test(explore, replay_text_comes_back_as_it_was, .timeout = 60)
{
    static const char *const texts[] = {
        "a:seed=0",
        "a-b_9:seed=18446744073709551615,faults=none",
        "a:seed=7,faults=alloc@17+alloc@18+recv-short@3+init-fails@99999,sizes=orders:3+actors:2,switches=0",
        "a:seed=7,kinds=none,switches=1024",
        "a:seed=7,kinds=alloc+reset,sizes=n:0",
    };
    for (size_t i = 0; i < JZX__COUNT(texts); i++) {
        jzx__sim_plan plan;
        char wrong[160];
        char name[16] = {0};
        char text[JZX__SIM_REPLAY_TEXT];
        memcpy(name, texts[i], strcspn(texts[i], ":"));
        cr_assert_eq(jzx__sim_replay_read(texts[i], &plan, wrong, sizeof wrong), JZX_OK, "%s: %s", texts[i], wrong);
        cr_expect(jzx__sim_replay_write(text, name, &plan));
        cr_expect_str_eq(text, texts[i]);
        jzx__sim_plan_deinit(&plan);
    }
}

Test(explore, replay_text_that_is_too_long_is_told, .timeout = 60)
{
    jzx__sim_plan plan;
    char text[JZX__SIM_REPLAY_TEXT + 1];
    jzx__sim_hit hits[200] = {{0}};
    for (uint32_t i = 0; i < 200; i++) {
        hits[i].occasion = 1000000 + i;
    }
    jzx__sim_plan_init(&plan, 1);
    plan.listed = true;
    plan.hits = hits;
    text[JZX__SIM_REPLAY_TEXT] = 'x';
    for (plan.hit_count = 0; plan.hit_count < 200; plan.hit_count++) {
        bool fits = jzx__sim_replay_write(text, "a", &plan);
        cr_expect_eq(fits, 7 + 1 + 7 + (plan.hit_count == 0 ? 4 : plan.hit_count * 14 - 1) < JZX__SIM_REPLAY_TEXT);
        cr_expect_eq(text[JZX__SIM_REPLAY_TEXT], 'x');
    }
}

Test(explore, bad_arguments_are_refused, .timeout = 60)
{
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
    jzx_sim_search good = search_of("good", nothing);
    cr_expect_eq(jzx_sim_explore(NULL, &outcome), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_sim_explore(&good, NULL), JZX_ERR_INVALID_ARG);
    jzx_sim_search bad[9];
    for (size_t i = 0; i < JZX__COUNT(bad); i++) {
        bad[i] = good;
    }
    bad[0].struct_size--;
    bad[1].name = NULL;
    bad[2].name = "";
    bad[3].name = "a b";
    bad[4].scenario = NULL;
    bad[5].seeds = 0;
    bad[6].run_limit_s = 0;
    bad[7].seed_first = UINT64_MAX;
    bad[8].config.struct_size = 1;
    for (size_t i = 0; i < JZX__COUNT(bad); i++) {
        cr_expect_eq(jzx_sim_explore(&bad[i], &outcome), JZX_ERR_INVALID_ARG, "%zu", i);
    }
    outcome.struct_size = 0;
    cr_expect_eq(jzx_sim_explore(&good, &outcome), JZX_ERR_INVALID_ARG);
    jzx_sim_search_init(NULL);
}

Test(explore, needs_that_there_is_no_machine, .timeout = 60)
{
    jzx_sim *sim;
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
    jzx_sim_search search = search_of("busy", nothing);
    cr_assert_eq(jzx_sim_create(1, NULL, &sim), JZX_OK);
    cr_expect_eq(jzx_sim_explore(&search, &outcome), JZX_ERR_BUSY);
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
    cr_expect_eq(jzx_sim_explore(&search, &outcome), JZX_OK);
}
