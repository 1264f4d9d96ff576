/* sweep.c: see sweep.h. */
#include "sweep.h"

#include "memory.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 40 };

/* ---- what is asked ---- */

static const struct unit {
    const char *name;
    double ns;
} units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};

/* 0: it is no unit of time. */
static double unit_ns(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(units[i].name, name) == 0) {
            return units[i].ns;
        }
    }
    return 0;
}

const char *bench_sweep_parse(const char *text, bench_sweep *sweep)
{
    const char *relation = strstr(text, "<=");
    if (relation == NULL || relation == text) {
        return "not FIGURE<=LIMIT";
    }
    char *end;
    const char *number = relation + 2;
    double limit = isdigit((unsigned char)number[0]) ? strtod(number, &end) : 0;
    if (!(limit > 0) || !isfinite(limit)) {
        return "the limit is no number above 0";
    }
    double ns = unit_ns(end);
    if (*end != '\0' && ns == 0) {
        return "the unit of the limit is none of ns, us, ms and s";
    }
    *sweep = (bench_sweep){.text = bench_copy(text), .limit = limit, .unit_ns = ns};
    sweep->figure = bench_format("%.*s", (int)(relation - text), text);
    return NULL;
}

void bench_sweep_free(bench_sweep *sweep)
{
    free(sweep->text);
    free(sweep->figure);
    *sweep = (bench_sweep){0};
}

bool bench_sweep_holds(const bench_sweep *sweep, double value, const char *unit)
{
    if (sweep->unit_ns == 0) {
        return value <= sweep->limit;
    }
    return value * unit_ns(unit) <= sweep->limit * sweep->unit_ns;
}

/* ---- the search ---- */

struct search {
    bench_trial_fn try;
    void *context;
    double low;  /* 0: none has held yet */
    double high; /* 0: none has failed yet */
    bench_trial ended;
    bool broken;
};

/* Says whether it holds, and keeps the bounds. */
static bool step(struct search *search, double rate)
{
    bench_trial trial = search->try(search->context, rate);
    if (trial == BENCH_TRIAL_FAILS || trial == BENCH_TRIAL_BEHIND) {
        trial = search->try(search->context, rate);
    }
    if (trial == BENCH_TRIAL_HOLDS) {
        search->low = rate;
        return true;
    }
    search->broken = trial == BENCH_TRIAL_BROKEN;
    search->high = rate;
    search->ended = trial;
    return false;
}

/* Until one rate has held and one has not. */
static void bracket(struct search *search, double start, double growth)
{
    double rate = start;
    for (int i = 0; i < STEPS_MAX && !search->broken && (search->low == 0 || search->high == 0); i++) {
        if (rate > BENCH_SWEEP_RATE_MAX) {
            return;
        }
        rate = step(search, rate) ? rate * growth : rate / growth;
    }
}

static void bisect(struct search *search)
{
    while (!search->broken && search->low > 0 && search->high > search->low * BENCH_SWEEP_STEP) {
        step(search, sqrt(search->low * search->high));
    }
}

/* Goes down until a rate has held so many times more. */
static void confirm(struct search *search)
{
    int held = 0;
    for (int i = 0; i < STEPS_MAX && !search->broken && search->low > 0 && held < BENCH_SWEEP_CONFIRM; i++) {
        double rate = search->low;
        held = step(search, rate) ? held + 1 : 0;
        search->low = held > 0 ? rate : rate / BENCH_SWEEP_STEP;
    }
    search->low = held == BENCH_SWEEP_CONFIRM ? search->low : 0;
}

bench_search bench_sweep_search(bench_trial_fn try, void *context, double start, double growth)
{
    struct search search = {.try = try, .context = context, .ended = BENCH_TRIAL_HOLDS};
    bracket(&search, start, growth);
    bisect(&search);
    confirm(&search);
    if (search.broken) {
        return (bench_search){.rate = 0, .ended = BENCH_TRIAL_BROKEN};
    }
    return (bench_search){.rate = search.low, .ended = search.ended};
}
