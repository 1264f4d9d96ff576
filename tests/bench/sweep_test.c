/* sweep: what is asked, and searches among servers that are functions. */
#include "bench/harness/sweep.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- what is asked ---- */

Test(sweep, reads_what_must_hold)
{
    bench_sweep sweep;
    cr_assert_null(bench_sweep_parse("p99.9<=1ms", &sweep));
    cr_assert_str_eq(sweep.figure, "p99.9");
    cr_assert_str_eq(sweep.text, "p99.9<=1ms");
    cr_assert(bench_sweep_holds(&sweep, 1000, "us"));
    cr_assert_not(bench_sweep_holds(&sweep, 1001, "us"));
    cr_assert(bench_sweep_holds(&sweep, 999999, "ns"));
    cr_assert_not(bench_sweep_holds(&sweep, 1.5, "ms"));
    bench_sweep_free(&sweep);
    cr_assert_null(bench_sweep_parse("cpu<=2.5", &sweep));
    cr_assert(bench_sweep_holds(&sweep, 2.5, "anything"));
    cr_assert_not(bench_sweep_holds(&sweep, 2.51, "us"));
    bench_sweep_free(&sweep);
}

Test(sweep, refuses_what_means_nothing)
{
    static const char *const bad[] = {"",         "p99",     "<=1ms",     "p99<1ms", "p99<=",      "p99<=ms",
                                      "p99<=0ms", "p99<=-1", "p99<=1 ms", "p99<=1m", "p99<=1msec", "p99<=inf"};
    bench_sweep sweep;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not_null(bench_sweep_parse(bad[i], &sweep), "%s", bad[i]);
    }
}

/* ---- searches ---- */

/* Holds up to `limit`; beyond `generator` nothing can be said. */
struct server {
    double limit;
    double generator;
    unsigned tries;
    unsigned stumble_every; /* this try fails, whatever the rate; 0: none */
    unsigned broken_at;     /* this one is broken; 0: none */
    unsigned weary_after;   /* from then on it holds a half only; 0: never */
};

static bench_trial try(void *context, double rate)
{
    struct server *server = context;
    server->tries++;
    if (server->tries == server->broken_at) {
        return BENCH_TRIAL_BROKEN;
    }
    if (rate > server->generator) {
        return BENCH_TRIAL_BEHIND;
    }
    double limit = server->weary_after > 0 && server->tries > server->weary_after ? server->limit / 2 : server->limit;
    bool stumbles = server->stumble_every > 0 && server->tries % server->stumble_every == 0;
    return rate <= limit && !stumbles ? BENCH_TRIAL_HOLDS : BENCH_TRIAL_FAILS;
}

static void assert_found(const struct server *server, const bench_search *search, double limit)
{
    cr_assert_leq(search->rate, limit);
    cr_assert_geq(search->rate, limit / BENCH_SWEEP_STEP, "%f of %f", search->rate, limit);
    cr_assert_lt(server->tries, 60);
}

Test(sweep, finds_the_limit_from_wherever_it_begins)
{
    static const double starts[] = {1, 900, 123456, 100000, 5e6};
    static const double growths[] = {1.25, 2, 4};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        for (size_t j = 0; j < sizeof growths / sizeof *growths; j++) {
            struct server server = {.limit = 123456, .generator = 1e12};
            if (growths[j] < 2 && (starts[i] < 1000 || starts[i] > 1e6)) {
                continue; /* a narrow one begins where the last search ended */
            }
            bench_search search = bench_sweep_search(try, &server, starts[i], growths[j]);
            cr_assert_eq(search.ended, BENCH_TRIAL_FAILS);
            assert_found(&server, &search, 123456);
        }
    }
}

Test(sweep, says_when_the_generator_was_the_limit)
{
    struct server server = {.limit = 1e12, .generator = 200000};
    bench_search search = bench_sweep_search(try, &server, 1000, 2);
    cr_assert_eq(search.ended, BENCH_TRIAL_BEHIND);
    assert_found(&server, &search, 200000);

    /* The server's limit lies just below: that is what ended it, though the generator was met on the way. */
    server = (struct server){.limit = 150000, .generator = 200000};
    search = bench_sweep_search(try, &server, 1000, 4);
    cr_assert_eq(search.ended, BENCH_TRIAL_FAILS);
    assert_found(&server, &search, 150000);
}

Test(sweep, one_bad_moment_is_no_limit)
{
    struct server server = {.limit = 50000, .generator = 1e12, .stumble_every = 7};
    bench_search search = bench_sweep_search(try, &server, 3000, 2);
    assert_found(&server, &search, 50000);
}

Test(sweep, a_rate_that_does_not_hold_again_is_not_the_answer)
{
    for (unsigned after = 1; after < 20; after++) {
        struct server weary = {.limit = 100000, .generator = 1e12, .weary_after = after};
        bench_search found = bench_sweep_search(try, &weary, 80000, 2);
        bool seen = weary.tries > after + 4; /* it grew weary before the last confirmations */
        cr_assert(!seen || found.rate <= 50000, "after %u: %f", after, found.rate);
        cr_assert_gt(found.rate, 0);
    }
}

Test(sweep, what_never_holds_has_no_rate)
{
    struct server server = {.limit = 0, .generator = 1e12};
    bench_search search = bench_sweep_search(try, &server, 100000, 2);
    cr_assert_eq(search.rate, 0);
    cr_assert_eq(search.ended, BENCH_TRIAL_FAILS);
}

Test(sweep, without_a_limit_it_ends_and_says_so)
{
    struct server server = {.limit = 1e300, .generator = 1e300};
    bench_search search = bench_sweep_search(try, &server, 1000, 2);
    cr_assert_eq(search.ended, BENCH_TRIAL_HOLDS);
    cr_assert(search.rate > BENCH_SWEEP_RATE_MAX / 2 && search.rate <= BENCH_SWEEP_RATE_MAX);
}

Test(sweep, ends_at_once_when_a_run_is_broken)
{
    for (unsigned at = 1; at < 15; at++) {
        struct server server = {.limit = 123456, .generator = 1e12, .broken_at = at};
        bench_search search = bench_sweep_search(try, &server, 1000, 2);
        cr_assert_eq(search.ended, BENCH_TRIAL_BROKEN, "at %u", at);
        cr_assert_eq(search.rate, 0);
        cr_assert_eq(server.tries, at);
    }
}
