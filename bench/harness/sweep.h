/*
 * sweep.h: the highest rate of an open-loop load at which a figure still is what it should be: `run NAME --sweep 'p99.9<=1ms'`.
 *
 *   sweep.c       what is asked, and the search, as a function of a trial that is given: no process, no clock
 *   sweep_plan.c  trials of real sides, what is said of them, and the figures they come to
 */
#ifndef BENCH_SWEEP_H
#define BENCH_SWEEP_H

#include "plan.h"

/* What must hold. */
typedef struct bench_sweep {
    char *text; /* as it was asked; to be freed with bench_sweep_free() */
    char *figure;
    double limit;
    double unit_ns; /* 0: the limit is in the unit of the figure, whatever that is */
} bench_sweep;

/* "FIGURE<=LIMIT", the limit with ns, us, ms, s or no unit. NULL, or what is wrong with it. */
const char *bench_sweep_parse(const char *text, bench_sweep *sweep);
void bench_sweep_free(bench_sweep *sweep);

/* Whether a value of a figure in this unit keeps to the limit. */
bool bench_sweep_holds(const bench_sweep *sweep, double value, const char *unit);

typedef enum bench_trial {
    BENCH_TRIAL_HOLDS,
    BENCH_TRIAL_FAILS,  /* the figure is above its limit */
    BENCH_TRIAL_BEHIND, /* the generator itself fell behind its schedule: it says nothing of the server */
    BENCH_TRIAL_BROKEN, /* it went wrong: no search */
} bench_trial;

typedef bench_trial (*bench_trial_fn)(void *context, double rate);

typedef struct bench_search {
    double rate; /* the highest that held, and again each time it was confirmed; 0: none did */
    bench_trial
        ended; /* what was met above it: FAILS, the server; BEHIND, the generator; HOLDS: there seems to be no limit */
} bench_search;

/* Trials that a rate must hold once it has been found, the precision of the search, and where it gives up: no generator sends
 * a thousand millions a second. */
enum { BENCH_SWEEP_CONFIRM = 2 };
#define BENCH_SWEEP_STEP 1.04
#define BENCH_SWEEP_RATE_MAX 1e9

/*
 * Goes up or down from `start` by `growth`, 1.25 to 4, until the limit lies between two rates, and halves what lies between. A rate
 * that does not hold is tried once more, since one bad moment of the machine is not the limit of a server.
 */
bench_search bench_sweep_search(bench_trial_fn try, void *context, double start, double growth);

/* The searches of all sides, as often as the settings say, each step a line of standard output; then the figures. */
void bench_sweep_run(bench_plan *plan, const bench_sweep *sweep);

#endif
