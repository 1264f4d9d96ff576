/*
 * seeds: see seeds.h.
 *
 *   JZX_SEED=n    only this seed
 *   JZX_SEEDS=n   seeds 1 to n; default 10,000, or 500 under the address sanitizer
 *   JZX_TRACE=1   prints each point that a thread of the world passes
 */
#include "tests/sim/seeds.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
static const uint64_t SEEDS = 500;
#else
static const uint64_t SEEDS = 10000;
#endif

static const char *current_name;
static volatile uint64_t current_seed;

static void say_seed(void)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%s: play it again with JZX_SEED=%llu\n", current_name,
                          (unsigned long long)current_seed);
    if (length > 0) {
        (void)!write(STDERR_FILENO, line, (size_t)length);
    }
}

/* A failed assertion of the library, or worse, in the middle of a run. */
static void crashed(int signal_number)
{
    say_seed();
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static void catch_crashes(void)
{
    static char stack[65536]; /* the thread's own may be what overflowed */
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    cr_assert_eq(sigaltstack(&other, NULL), 0);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        cr_assert_eq(sigaction(signals[i], &action, NULL), 0);
    }
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

void seeds_play(const char *name, seeds_fn fn)
{
    current_name = name;
    catch_crashes();
    uint64_t one = number_of("JZX_SEED", 0);
    uint64_t first = one != 0 ? one : 1;
    uint64_t last = one != 0 ? one : number_of("JZX_SEEDS", SEEDS);
    cr_assert_geq(last, first, "no seed to play");
    for (uint64_t seed = first; seed <= last; seed++) {
        current_seed = seed;
        const char *wrong = fn(seed);
        if (wrong != NULL) {
            say_seed();
        }
        cr_assert_null(wrong, "%s, seed %llu: %s", name, (unsigned long long)seed, wrong);
    }
}
