/* sweep_plan.c: see sweep.h. */
#include "sweep.h"

#include "lines.h"
#include "load.h"
#include "memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double DURATION_S = 1;
static const double DURATION_QUICK_S = 0.05;
static const double FIRST_GROWTH = 2;
static const double NEXT_GROWTH = 1.25; /* from where the last search ended */

/* The search of one side. */
struct hunt {
    const bench_plan *plan;
    const bench_sweep *sweep;
    const bench_row *row;
    bench_entry *entry;
};

static double duration_s(const bench_settings *settings)
{
    if (settings->duration_s > 0) {
        return settings->duration_s;
    }
    return settings->quick ? DURATION_QUICK_S : DURATION_S;
}

static const char *role_text(const bench_entry *entry)
{
    return entry->result.role == BENCH_ROLE_TWIN ? " (twin)" : entry->result.role == BENCH_ROLE_OLD ? " (old)" : "";
}

static void say(const struct hunt *hunt, double rate, const char *what)
{
    printf("%s %s%s: %.0f a second: %s\n", hunt->row->workload->name, hunt->entry->result.name, role_text(hunt->entry),
           rate, what);
    fflush(stdout);
}

static bench_trial judge_figure(const struct hunt *hunt, const bench_side_result *sample, double rate)
{
    const bench_sweep *sweep = hunt->sweep;
    const bench_figure *figure = bench_side_figure(sample, sweep->figure);
    if (figure == NULL) {
        bench_sample_invalid(&hunt->entry->result, "it has no figure %s to be swept by", sweep->figure);
        return BENCH_TRIAL_BROKEN;
    }
    bool holds = bench_sweep_holds(sweep, figure->values[0], figure->unit);
    char *text = bench_format("%s %.6g %s, %s", figure->name, figure->values[0], figure->unit,
                              holds ? "holds" : "too much");
    say(hunt, rate, text);
    free(text);
    return holds ? BENCH_TRIAL_HOLDS : BENCH_TRIAL_FAILS;
}

static bench_trial judge_sample(const struct hunt *hunt, const bench_side_result *sample, double rate)
{
    if (sample->skipped != NULL) {
        hunt->entry->result.skipped = bench_copy(sample->skipped);
        return BENCH_TRIAL_BROKEN;
    }
    if (sample->invalid == NULL) {
        return judge_figure(hunt, sample, rate);
    }
    say(hunt, rate, sample->invalid);
    if (strstr(sample->invalid, BENCH_LOAD_BEHIND) != NULL) {
        return BENCH_TRIAL_BEHIND;
    }
    bench_sample_invalid(&hunt->entry->result, "%s", sample->invalid);
    return BENCH_TRIAL_BROKEN;
}

/* One run at a rate, as long as a run is to take. */
static bench_trial try_rate(void *context, double rate)
{
    const struct hunt *hunt = context;
    const bench_settings *settings = hunt->plan->settings;
    bench_side_result sample;
    bench_command command = bench_plan_command(hunt->plan, hunt->row, hunt->entry);
    size_t own = command.option_count;
    char **options = bench_new((own + 1) * sizeof *options);
    for (size_t i = 0; i < own; i++) {
        options[i] = command.options[i];
    }
    options[own] = bench_format("rate=%.17g", rate);
    command.option_count = own + 1;
    double count = fmax(1, rate * duration_s(settings));
    command.count = bench_suite_round(hunt->row->workload, (uint64_t)count);
    command.warm = bench_suite_warm(hunt->row->workload, command.count);
    command.options = options;
    bench_sample_run(&sample, &command);
    bench_trial trial = judge_sample(hunt, &sample, rate);
    free(options[own]);
    free(options);
    bench_side_free(&sample);
    return trial;
}

/* Where to begin: the rate that the workload takes when nobody names one. 0 after a reason in the entry. */
static double first_rate(const struct hunt *hunt)
{
    bench_side_result sample;
    bench_command command = bench_plan_command(hunt->plan, hunt->row, hunt->entry);
    bench_sample_run(&sample, &command);
    const bench_figure *rate = bench_side_figure(&sample, "rate");
    double start = rate != NULL ? rate->values[0] : 0;
    if (sample.skipped != NULL) {
        hunt->entry->result.skipped = bench_copy(sample.skipped);
    } else if (sample.invalid != NULL && strstr(sample.invalid, BENCH_LOAD_BEHIND) == NULL) {
        bench_sample_invalid(&hunt->entry->result, "%s", sample.invalid);
    } else if (sample.invalid == NULL && rate == NULL) {
        bench_sample_invalid(&hunt->entry->result, "it is no open-loop load: it has no figure 'rate'");
    } else if (start == 0) {
        start = 1000; /* even its own load is too much for the generator here: from far below */
    }
    bench_side_free(&sample);
    return start;
}

static void take(const struct hunt *hunt, const bench_search *search)
{
    bench_side_result *result = &hunt->entry->result;
    if (search->rate == 0) {
        if (result->invalid == NULL && result->skipped == NULL) {
            bench_sample_invalid(result, "no rate was found at which %s holds", hunt->sweep->text);
        }
        return;
    }
    if (search->ended == BENCH_TRIAL_BEHIND) {
        say(hunt, search->rate, "is the highest; THE GENERATOR'S OWN LIMIT ended the search, the server may do more");
    } else {
        say(hunt, search->rate,
            search->ended == BENCH_TRIAL_FAILS ? "is the highest that holds" : "holds; no limit was found");
    }
    if (result->figure_count == 0) {
        char *name = bench_format("rate at %s", hunt->sweep->text);
        bench_sample_figure(result, name, "1/s", JZX_BENCH_HIGHER, search->rate);
        free(name);
    } else {
        bench_figure *figure = &result->figures[0];
        figure->values = bench_more(figure->values, figure->count, sizeof *figure->values);
        figure->values[figure->count++] = search->rate;
    }
}

static void hunt_once(const bench_plan *plan, const bench_sweep *sweep, const bench_row *row, bench_entry *entry)
{
    struct hunt hunt = {.plan = plan, .sweep = sweep, .row = row, .entry = entry};
    bool again = entry->result.figure_count > 0;
    const bench_figure *last = again ? &entry->result.figures[0] : NULL;
    double start = again ? last->values[last->count - 1] : first_rate(&hunt);
    if (!bench_entry_open(entry)) {
        return;
    }
    bench_search search = bench_sweep_search(try_rate, &hunt, start, again ? NEXT_GROWTH : FIRST_GROWTH);
    take(&hunt, &search);
}

void bench_sweep_run(bench_plan *plan, const bench_sweep *sweep)
{
    for (unsigned i = 0; i < plan->settings->reps; i++) {
        for (size_t j = 0; j < plan->row_count; j++) {
            bench_row *row = &plan->rows[j];
            for (size_t k = 0; k < row->entry_count; k++) {
                if (bench_entry_open(&row->entries[k])) {
                    hunt_once(plan, sweep, row, &row->entries[k]);
                }
            }
        }
    }
}
