/* load: schedules on a clock that stands in a variable, and what a run is told of them. */
#include "bench/harness/histogram.h"
#include "bench/harness/load.h"

#include <criterion/criterion.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const uint64_t second_ns = 1000000000;
static const uint64_t start_ns = 123456789012345;

/* ---- the run, as far as a load sees it ---- */

struct jzx_bench {
    uint64_t count;
    const char *rate;
    const char *load;
    const char *arrivals;
    bool quick;
    bool warming;
    double rate_found;
    double late_found;
    double latest_found;
    char invalid[256];
    jmp_buf ended;
};

static uint64_t clock_ns;

uint64_t jzx_bench_now_ns(void)
{
    return clock_ns;
}

uint64_t jzx_bench_count(const jzx_bench *bench)
{
    return bench->count;
}

uint64_t jzx_bench_seed(const jzx_bench *bench)
{
    (void)bench;
    return 1;
}

bool jzx_bench_quick(const jzx_bench *bench)
{
    return bench->quick;
}

bool bench_load_warming(const jzx_bench *bench)
{
    return bench->warming;
}

const char *jzx_bench_option(const jzx_bench *bench, const char *name)
{
    return strcmp(name, "rate") == 0   ? bench->rate
           : strcmp(name, "load") == 0 ? bench->load
                                       : (strcmp(name, "arrivals") == 0 ? bench->arrivals : NULL);
}

void jzx_bench_figure(jzx_bench *bench, const char *name, const char *unit, jzx_bench_better better, double value)
{
    (void)unit;
    (void)better;
    *(strcmp(name, "rate") == 0         ? &bench->rate_found
      : strcmp(name, "late-sends") == 0 ? &bench->late_found
                                        : &bench->latest_found) = value;
}

void jzx_bench_invalid(jzx_bench *bench, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(bench->invalid, sizeof bench->invalid, format, arguments);
    va_end(arguments);
    longjmp(bench->ended, 1);
}

/* ---- schedules ---- */

Test(load, fixed_arrivals_do_not_drift)
{
    jzx_bench_load load;
    const uint64_t count = 3000000;
    bench_load_start(&load, 300000, false, 1, count, start_ns);
    uint64_t due_ns = 0;
    for (uint64_t i = 1; i <= count; i++) {
        due_ns = jzx_bench_load_due(&load);
        uint64_t wanted = start_ns + i * second_ns / 300000;
        cr_assert(due_ns + 1 >= wanted && due_ns <= wanted + 1, "operation %llu", (unsigned long long)i);
    }
    cr_assert_eq(jzx_bench_load_due(&load), 0);
    cr_assert_eq(jzx_bench_load_due(&load), 0, "and again");
    cr_assert_lt(due_ns - start_ns, 10 * second_ns + 2);
}

Test(load, poisson_arrivals_are_distributed_exponentially)
{
    jzx_bench_load load;
    const int count = 1000000;
    const double mean_ns = 10000;
    bench_load_start(&load, 1e9 / mean_ns, true, 42, (uint64_t)count, start_ns);
    uint64_t last_ns = start_ns;
    double squares = 0;
    int above = 0;
    for (int i = 0; i < count; i++) {
        uint64_t due_ns = jzx_bench_load_due(&load);
        cr_assert_geq(due_ns, last_ns);
        double gap = (double)(due_ns - last_ns) / mean_ns;
        squares += gap * gap;
        above += gap > 1;
        last_ns = due_ns;
    }
    cr_assert_float_eq((double)(last_ns - start_ns) / count, mean_ns, mean_ns * 0.005, "the mean");
    cr_assert_float_eq(squares / count, 2, 0.03, "the second moment");
    cr_assert_float_eq((double)above / count, exp(-1), 0.003, "those above the mean");
}

Test(load, a_seed_is_a_schedule)
{
    jzx_bench_load same[2];
    jzx_bench_load other;
    bench_load_start(&same[0], 1000, true, 5, 100, start_ns);
    bench_load_start(&same[1], 1000, true, 5, 100, start_ns);
    bench_load_start(&other, 1000, true, 6, 100, start_ns);
    int differ = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t due_ns = jzx_bench_load_due(&same[0]);
        cr_assert_eq(jzx_bench_load_due(&same[1]), due_ns);
        differ += jzx_bench_load_due(&other) != due_ns;
    }
    cr_assert_gt(differ, 95);
}

/* ---- generators and servers on a simulated clock ---- */

/* When a request that came at `now_ns` has been served, in 1 us, by one that is free at `*free_ns` and stands still for the first
 * 100 ms of each second. */
static uint64_t serve(uint64_t *free_ns, uint64_t now_ns)
{
    uint64_t begin_ns = now_ns > *free_ns ? now_ns : *free_ns;
    uint64_t within_ns = (begin_ns - start_ns) % second_ns;
    begin_ns += within_ns < second_ns / 10 ? second_ns / 10 - within_ns : 0;
    return *free_ns = begin_ns + 1000;
}

Test(load, a_server_that_stalls_shows_in_full_and_is_not_the_generators_fault)
{
    jzx_bench_load load;
    bench_histogram *histogram = bench_histogram_create();
    bench_load_start(&load, 100000, true, 3, 500000, start_ns);
    uint64_t due_ns;
    uint64_t free_ns = 0;
    while ((due_ns = jzx_bench_load_due(&load)) != 0) {
        bench_load_note(&load, due_ns + 2000); /* sent whatever the server does, 2 us late */
        bench_histogram_add(histogram, serve(&free_ns, due_ns + 2000) - due_ns, 1);
    }
    cr_assert_geq(bench_histogram_at(histogram, 0.99), 90000000u);
    cr_assert_lt(bench_histogram_at(histogram, 0.5), 10000u);
    cr_assert_not(bench_load_behind(&load));
    cr_assert_eq(load.late, 0);
    cr_assert_eq(load.worst_ns, 2000);
    cr_assert_float_eq(bench_load_rate(&load), 100000, 1000);
    bench_histogram_destroy(histogram);
}

Test(load, a_generator_that_waits_for_the_server_falls_behind)
{
    jzx_bench_load load;
    bench_load_start(&load, 100000, false, 3, 500000, start_ns);
    uint64_t due_ns;
    uint64_t free_ns = 0;
    while ((due_ns = jzx_bench_load_due(&load)) != 0) {
        uint64_t sent_ns = due_ns > free_ns ? due_ns : free_ns;
        bench_load_note(&load, sent_ns);
        serve(&free_ns, sent_ns);
    }
    cr_assert(bench_load_behind(&load));
    cr_assert_geq(load.worst_ns, 90000000u);
}

/* Sends a second's worth, each send taking `cost_ns`, with one pause. */
static jzx_bench_load generate(double rate, uint64_t cost_ns, uint64_t pause_ns)
{
    jzx_bench_load load;
    bench_load_start(&load, rate, false, 3, (uint64_t)rate, start_ns);
    uint64_t due_ns;
    uint64_t now_ns = start_ns;
    while ((due_ns = jzx_bench_load_due(&load)) != 0) {
        now_ns = now_ns > due_ns ? now_ns : due_ns;
        now_ns += load.left == load.sent ? pause_ns : 0; /* in the middle */
        bench_load_note(&load, now_ns);
        now_ns += cost_ns;
    }
    return load;
}

Test(load, a_generator_that_is_too_slow_falls_behind)
{
    jzx_bench_load load = generate(100000, 10200, 0);
    cr_assert(bench_load_behind(&load), "2 %% too slow");
    cr_assert_lt(bench_load_rate(&load), 98500);
    load = generate(100000, 9900, 0);
    cr_assert_not(bench_load_behind(&load), "1 %% faster than it must be");
    cr_assert_eq(load.late, 0);
}

Test(load, the_bound_of_late_sends_is_where_it_is_said_to_be)
{
    /* The backlog of a pause is sent at once, so what was due in it except the last 100 us is late. */
    jzx_bench_load load = generate(100001, 0, 9000000);
    cr_assert(load.late > 850 && load.late < 930, "%llu", (unsigned long long)load.late);
    cr_assert_not(bench_load_behind(&load));
    load = generate(100001, 0, 12000000);
    cr_assert(bench_load_behind(&load));

    bench_load_start(&load, 1000, false, 1, 100, start_ns);
    bench_load_note(&load, jzx_bench_load_due(&load) + JZX_BENCH_LATE_NS);
    cr_assert_eq(load.late, 0);
    bench_load_note(&load, jzx_bench_load_due(&load) + JZX_BENCH_LATE_NS + 1);
    cr_assert_eq(load.late, 1);
    load.sent = 100;
    cr_assert_not(bench_load_behind(&load), "one in a hundred");
    load.sent = 99;
    cr_assert(bench_load_behind(&load));
}

/* ---- the rate ---- */

Test(load, the_rate_is_what_was_asked_for)
{
    double rate = 0;
    cr_assert_null(bench_load_choose(NULL, NULL, 1000, 0.8, &rate));
    cr_assert_float_eq(rate, 800, 1e-9);
    cr_assert_null(bench_load_choose(NULL, "25", 1000, 0.8, &rate));
    cr_assert_float_eq(rate, 250, 1e-9);
    cr_assert_null(bench_load_choose("5e3", "25", 0, 0.8, &rate));
    cr_assert_float_eq(rate, 5000, 1e-9);
    static const char *const bad[] = {"", "0", "-1", "nan", "inf", "5x", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not_null(bench_load_choose(bad[i], NULL, 1000, 0.5, &rate), "rate %s", bad[i]);
        cr_assert_not_null(bench_load_choose(NULL, bad[i], 1000, 0.5, &rate), "load %s", bad[i]);
    }
    cr_assert_not_null(bench_load_choose(NULL, NULL, 0, 0.5, &rate));
    cr_assert_not_null(bench_load_choose(NULL, NULL, NAN, 0.5, &rate));
}

/* ---- in a run ---- */

/* Sends all, each so late. Returns whether the run is valid. */
static bool run_load(jzx_bench *bench, uint64_t late_ns, uint64_t leave_out)
{
    jzx_bench_load load;
    clock_ns = start_ns;
    if (setjmp(bench->ended) != 0) {
        return false;
    }
    jzx_bench_load_init(&load, bench, 2000, 0.5);
    uint64_t due_ns;
    while ((due_ns = jzx_bench_load_due(&load)) != 0) {
        clock_ns = due_ns + late_ns;
        if (load.left >= leave_out) {
            jzx_bench_load_sent(&load);
        }
    }
    jzx_bench_load_end(&load);
    return true;
}

Test(load, a_run_gets_its_figures)
{
    jzx_bench bench = {.count = 1000};
    cr_assert(run_load(&bench, 5000, 0), "%s", bench.invalid);
    cr_assert_float_eq(bench.rate_found, 1000, 1);
    cr_assert_float_eq(bench.latest_found, 5, 1e-6);
    cr_assert_eq(bench.late_found, 0);
    bench.arrivals = "poisson";
    bench.rate = "50000";
    cr_assert(run_load(&bench, 5000, 0), "%s", bench.invalid);
    cr_assert_float_eq(bench.rate_found, 50000, 5000);
}

Test(load, a_run_that_fell_behind_is_invalid_and_says_so)
{
    jzx_bench bench = {.count = 1000};
    cr_assert_not(run_load(&bench, JZX_BENCH_LATE_NS + 1000, 0));
    cr_assert_not_null(strstr(bench.invalid, "behind its own schedule of 1000 a second: 100.0 %"), "%s", bench.invalid);
    bench.quick = true;
    cr_assert(run_load(&bench, JZX_BENCH_LATE_NS + 1000, 0));
    cr_assert_eq(bench.late_found, 100);
    bench.quick = false;
    bench.warming = true;
    cr_assert(run_load(&bench, JZX_BENCH_LATE_NS + 1000, 0));
}

Test(load, a_run_that_sent_less_is_invalid)
{
    jzx_bench bench = {.count = 1000, .quick = true};
    cr_assert_not(run_load(&bench, 0, 3));
    cr_assert_not_null(strstr(bench.invalid, "997 of 1000"), "%s", bench.invalid);
}

Test(load, options_that_mean_nothing_are_refused)
{
    jzx_bench bench = {.count = 10, .arrivals = "sometimes"};
    cr_assert_not(run_load(&bench, 0, 0));
    cr_assert_not_null(strstr(bench.invalid, "sometimes"));
    bench.arrivals = "fixed";
    bench.rate = "many";
    cr_assert_not(run_load(&bench, 0, 0));
    cr_assert_not_null(strstr(bench.invalid, "rate"));
}
