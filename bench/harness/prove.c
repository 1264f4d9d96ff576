#include "prove.h"

#include "commands.h"
#include "judge.h"
#include "memory.h"
#include "number.h"
#include "plan.h"
#include "shuffle.h"

#include <argp.h>
#include <math.h>
#include <stdlib.h>

#define DIFFERENT_MAX 0.05 /* of the comparisons of a program with itself */
#define FOUND_MIN 0.95     /* of those with more work */
#define PILOT_RUNS 40
#define QUICK_RUNS 12
#define QUICK_DIFFERENT_MAX \
    3 /* of 10: more come about twice in a million times where one in a hundred is to be expected */
/* Fewer bear no slow run among them, however little noise the others have (promise_test.c). */
#define RUNS_MIN 20
#define RUNS_MAX 60 /* of each side in a comparison: more take too long */

struct proof {
    unsigned comparisons;
    double planted;   /* percent of work that is added */
    double found_min; /* of the comparisons */
    bool quick;       /* only whether all works: lateness does not count */
    uint64_t seed;
    unsigned runs; /* of each side in a comparison; 0: as many as it takes */
    unsigned failed;
};

/* ---- runs ---- */

/* One plan, as `run` would make it. False after a message. */
static bool run_plan(const struct proof *proof, const char *workload, bool quick, unsigned reps, uint64_t seed,
                     bench_result *result)
{
    bench_plan plan;
    char *name = bench_copy(workload), *option = bench_format("more=%g", proof->planted);
    bench_settings *settings = bench_new(sizeof(*settings));
    settings->names = (bench_texts){&name, 1};
    settings->options = (bench_texts){&option, 1};
    settings->cpu_count = bench_cpus_allowed(settings->cpus);
    settings->reps = reps;
    settings->limit_s = 60;
    settings->quick = quick;
    settings->seed = seed;
    bool good = bench_plan_choose(&plan, bench_prove_suite(), settings);
    if (good) {
        bench_plan_run(&plan);
        bench_plan_end(&plan, result);
    }
    free(settings);
    free(name);
    free(option);
    return good;
}

static void say_side(const bench_side_result *side)
{
    const char *what = side->invalid != NULL ? side->invalid : side->skipped;
    if (what != NULL) {
        printf("   %s: %s\n", side->name, what);
    }
}

static void conclude(struct proof *proof, bool holds)
{
    printf("   %s\n", holds ? "holds" : "DOES NOT HOLD");
    fflush(stdout);
    proof->failed += !holds;
}

/* ---- how many runs it takes ---- */

/* The standard deviation that normal noise with these quartiles has, on logarithms. */
static double sigma_of(const bench_figure *figure)
{
    bench_spread spread = bench_spread_of(figure->values, figure->count);
    return log(spread.upper / spread.lower) / 1.349;
}

/* As many as find what is planted in more than `found_min` of cases, by the noise of a pilot. */
static bool choose_runs(struct proof *proof)
{
    bench_result result = {0};
    if (proof->runs > 0) {
        return true;
    }
    bool good = run_plan(proof, "prove/work", false, PILOT_RUNS, proof->seed, &result);
    const bench_figure *time = good ? bench_judged_figure(bench_workload_first(&result.workloads[0]), "time") : NULL;
    if (time == NULL) {
        bench_say("the work cannot be measured");
        good = false;
    } else {
        /* Aiming at 99 %: the pilot knows its noise only roughly, and later minutes may have more. */
        double sigma = sigma_of(time);
        size_t runs = bench_runs_needed(sigma, proof->planted / 100, BENCH_CONFIDENCE, 0.99);
        proof->runs = runs < RUNS_MIN ? RUNS_MIN : (unsigned)runs;
        printf("Single runs of %.1f ms spread by %.2f %%, so %zu of each side are needed in a comparison (at least "
               "%d).\n\n",
               bench_figure_median(time) * (double)result.workloads[0].count / 1e6, sigma * 100, runs, RUNS_MIN);
        fflush(stdout);
        if (runs > RUNS_MAX) {
            bench_say("more than %d take too long: this machine is too noisy now (--runs N tries all the same)",
                      RUNS_MAX);
            good = false;
        }
    }
    bench_result_free(&result);
    return good;
}

/* ---- a, b: comparisons ---- */

struct counts {
    unsigned different, slower, unusable;
};

static void count_comparison(struct counts *counts, const bench_workload_result *workload)
{
    const bench_figure *first = bench_judged_figure(bench_workload_first(workload), "time");
    const bench_figure *twin = bench_judged_figure(bench_workload_side(workload, "plain", BENCH_ROLE_TWIN), "time");
    const bench_figure *more = bench_judged_figure(bench_workload_side(workload, "more", BENCH_ROLE_OWN), "time");
    if (first == NULL || twin == NULL || more == NULL) {
        counts->unusable++;
        return;
    }
    /* The twin has no floor but itself, so it is judged without one, which is stricter. */
    bench_ratio twins = bench_figure_ratio(twin, first), ratio = bench_figure_ratio(more, first);
    bench_verdict same = bench_judge(&twins, 0, BENCH_RESOLUTION, JZX_BENCH_LOWER);
    double floor = bench_workload_floor(workload, "time");
    counts->different += same == BENCH_FASTER || same == BENCH_SLOWER;
    counts->slower += bench_judge(&ratio, floor, BENCH_RESOLUTION, JZX_BENCH_LOWER) == BENCH_SLOWER;
}

static void prove_comparisons(struct proof *proof)
{
    struct counts counts = {0};
    uint64_t seeds = proof->seed;
    for (unsigned i = 0; i < proof->comparisons; i++) {
        bench_result result = {0};
        if (run_plan(proof, "prove/work", proof->quick, proof->runs, bench_shuffle_next(&seeds), &result)) {
            count_comparison(&counts, &result.workloads[0]);
        }
        bench_result_free(&result);
    }
    double all = proof->comparisons;
    printf("a  A program and itself: %u of %u comparisons say that they differ (%.1f %%; at most %.0f %%)\n",
           counts.different, proof->comparisons, counts.different / all * 100, DIFFERENT_MAX * 100);
    conclude(proof, counts.unusable == 0 &&
                        counts.different <= fmax(DIFFERENT_MAX * all, proof->quick ? QUICK_DIFFERENT_MAX : 0));
    printf("b  A program and one with %g %% more work: %u of %u say slower (%.1f %%; at least %.0f %%)\n",
           proof->planted, counts.slower, proof->comparisons, counts.slower / all * 100, proof->found_min * 100);
    conclude(proof, counts.unusable == 0 && counts.slower >= proof->found_min * all);
}

/* ---- c: a stall is seen in full ---- */

static double p99_ms(const bench_workload_result *workload, const char *side)
{
    const bench_side_result *result = bench_workload_side(workload, side, BENCH_ROLE_OWN);
    const bench_figure *figure = bench_judged_figure(result, "p99");
    say_side(result);
    return figure == NULL ? -1 : bench_figure_median(figure) / 1000;
}

static void prove_stall(struct proof *proof)
{
    const double least_ms = BENCH_PROVE_STALL_NS * 0.9 / 1e6;
    bench_result result = {0};
    printf("c  A server that stalls %u ms in each second\n", BENCH_PROVE_STALL_NS / 1000000);
    bool good = run_plan(proof, "prove/stall", proof->quick, 1, proof->seed, &result);
    double open_ms = good ? p99_ms(&result.workloads[0], "open") : -1;
    double closed_ms = good ? p99_ms(&result.workloads[0], "closed") : -1;
    if (open_ms >= 0 && closed_ms >= 0) {
        printf("   p99 by a schedule, from when a request was due: %.1f ms (at least %.0f)\n", open_ms, least_ms);
        printf("   p99 as a client sees it that waits for each answer, from when it sent: %.2f ms\n", closed_ms);
    }
    conclude(proof, open_ms >= least_ms && closed_ms >= 0);
    bench_result_free(&result);
}

/* ---- d, e: what must be refused ---- */

/* Whether it was refused, and has no figure that somebody could read. */
static bool is_refused(const bench_workload_result *workload, const char *side)
{
    const bench_side_result *result = bench_workload_side(workload, side, BENCH_ROLE_OWN);
    say_side(result);
    return result->invalid != NULL && result->figure_count == 0 && result->histogram == NULL;
}

static bool is_valid(const bench_workload_result *workload, const char *side, const char *figure)
{
    const bench_side_result *result = bench_workload_side(workload, side, BENCH_ROLE_OWN);
    say_side(result);
    return bench_judged_figure(result, figure) != NULL;
}

static void prove_loss(struct proof *proof)
{
    bench_result result = {0};
    printf("d  One message of a million is lost\n");
    bool good = run_plan(proof, "prove/loss", proof->quick, 1, proof->seed, &result);
    const bench_workload_result *workload = result.workloads;
    good = good && is_valid(workload, "whole", "time");
    good = good && is_refused(workload, "lost") && is_refused(workload, "concealed");
    conclude(proof, good);
    bench_result_free(&result);
}

/* Quick runs take no offence at lateness, so this is none even if all else is. */
static void prove_behind(struct proof *proof)
{
    bench_result result = {0};
    printf("e  A generator that falls behind its schedule\n");
    bool good = run_plan(proof, "prove/behind", false, 1, proof->seed, &result);
    const bench_workload_result *workload = result.workloads;
    /* That one keeps up is for a machine that is free: among tests it is not asked. */
    good = good && (proof->quick || is_valid(workload, "keeps-up", "rate"));
    good = good && is_refused(workload, "too-fast");
    conclude(proof, good);
    bench_result_free(&result);
}

/* ---- arguments ---- */

enum { OPTION_COMPARISONS = 256, OPTION_RUNS, OPTION_SEED, OPTION_QUICK };

static const struct argp_option options[] = {
    {"comparisons", OPTION_COMPARISONS, "N", 0, "how often A is compared with itself and with more work; 200", 0},
    {"runs", OPTION_RUNS, "N", 0, "of each side in a comparison; otherwise as many as the noise of a pilot asks for",
     0},
    {"seed", OPTION_SEED, "N", 0, "of the order of the runs; 1", 0},
    {"quick", OPTION_QUICK, NULL, 0,
     "10 comparisons, and twenty times the work instead of 5 %: holds on a machine that does other things too", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct proof *proof = state->input;
    uint64_t number;
    switch (key) {
    case OPTION_COMPARISONS:
        if (!bench_number_parse(text, &number) || number == 0 || number > 100000) {
            argp_error(state, "--comparisons is a number from 1 to 100000, not %s", text);
        }
        proof->comparisons = (unsigned)number;
        return 0;
    case OPTION_RUNS:
        if (!bench_number_parse(text, &number) || number < 5 || number > 1000) {
            argp_error(state, "--runs is a number from 5 to 1000, not %s", text);
        }
        proof->runs = (unsigned)number;
        return 0;
    case OPTION_SEED:
        if (!bench_number_parse(text, &proof->seed)) {
            argp_error(state, "--seed is a number, not %s", text);
        }
        return 0;
    case OPTION_QUICK:
        proof->quick = true;
        proof->comparisons = 10;
        proof->runs = QUICK_RUNS;
        proof->planted = 1900;
        proof->found_min = 0.8;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "what is %s?", text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp arguments = {
    .options = options,
    .parser = parse,
    .doc =
        "Shows that the harness sees what there is to see, and nothing else, on this machine, with runs as `run` makes "
        "them. Takes some minutes, in which nothing else should run.\v"
        "The status is 0 if all of it holds, otherwise 1, and 3 when it could not be tried.",
};

int bench_prove_main(int argc, char **argv)
{
    struct proof proof = {.comparisons = 200, .planted = 5, .found_min = FOUND_MIN, .seed = 1};
    argp_parse(&arguments, argc, argv, 0, NULL, &proof);
    if (!choose_runs(&proof)) {
        return 3;
    }
    prove_comparisons(&proof);
    prove_stall(&proof);
    prove_loss(&proof);
    prove_behind(&proof);
    return proof.failed == 0 ? 0 : 1;
}
