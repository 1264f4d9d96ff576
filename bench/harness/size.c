/*
 * size.c: how many operations a run has. See plan.h.
 *
 * A workload has the count that its first side does in the time that is asked for. A program that would be busy with it for
 * more than SLOW_MAX times as long has a smaller one of its own: a thousand times slower than the first is nothing rare, and
 * one count for both would be too short for the one or too long for the other.
 */
#include "plan.h"

#include <math.h>

static const double SLOW_MAX = 2;
/* A trial shorter than this says too little to multiply. */
static const double TRIAL_S = 0.05;
enum { TRIALS_MAX = 5, TRIAL_GROWTH = 10 };

/* What a count takes, in seconds, as one run says; 0: it did not say. */
static double trial(const bench_plan *plan, const bench_row *row, const bench_entry *entry, uint64_t count)
{
    bench_side_result sample;
    bench_command command = bench_plan_command(plan, row, entry);
    command.count = count;
    command.warm = bench_suite_warm(row->workload, count);
    bench_sample_run(&sample, &command);
    const bench_figure *time = bench_side_figure(&sample, "time");
    double took_s = time != NULL ? time->values[0] * (double)count / 1e9 : 0;
    bench_side_free(&sample);
    return took_s;
}

/* The quicker of two: one that has lost its CPU for a while looks long enough, and is not. */
static double trials(const bench_plan *plan, const bench_row *row, const bench_entry *entry, uint64_t count)
{
    double took_s = trial(plan, row, entry, count);
    return took_s > 0 ? fmin(took_s, trial(plan, row, entry, count)) : 0;
}

/* Seconds for one operation; 0: unknown. */
static double pace(const bench_plan *plan, const bench_row *row, const bench_entry *entry)
{
    uint64_t count = bench_suite_count(row->workload, true);
    double took_s = trials(plan, row, entry, count);
    for (int i = 1; i < TRIALS_MAX && took_s > 0 && took_s < TRIAL_S && took_s < plan->settings->duration_s; i++) {
        count *= TRIAL_GROWTH;
        took_s = trials(plan, row, entry, count);
    }
    return took_s / (double)count;
}

static void size_peer(const bench_row *row, bench_entry *entry, double operation_s, double duration_s)
{
    double share = operation_s > 0 ? SLOW_MAX * duration_s / (operation_s * (double)row->count) : 1;
    if (share < 1) {
        uint64_t count = bench_suite_round(row->workload, (uint64_t)llround((double)row->count * share));
        entry->result.count = count < row->count ? count : 0;
    }
}

static void size_row(const bench_plan *plan, bench_row *row)
{
    double first_s = pace(plan, row, &row->entries[0]);
    if (first_s <= 0) {
        return; /* the runs will say why */
    }
    double duration_s = plan->settings->duration_s;
    if (duration_s > 0) {
        row->count = bench_suite_round(row->workload, (uint64_t)llround(duration_s / first_s));
    } else {
        duration_s = first_s * (double)row->count;
    }
    for (size_t i = 1; i < row->entry_count; i++) {
        bench_entry *entry = &row->entries[i];
        if (entry->result.role == BENCH_ROLE_PEER) {
            size_peer(row, entry, pace(plan, row, entry), duration_s);
        }
    }
}

static bool has_peers(const bench_row *row)
{
    for (size_t i = 0; i < row->entry_count; i++) {
        if (row->entries[i].result.role == BENCH_ROLE_PEER) {
            return true;
        }
    }
    return false;
}

void bench_plan_size(bench_plan *plan)
{
    const bench_settings *settings = plan->settings;
    for (size_t i = 0; i < plan->row_count && !settings->quick; i++) {
        bench_row *row = &plan->rows[i];
        bool asked = settings->duration_s > 0 || has_peers(row);
        if (asked && !row->workload->fixed_count && bench_entry_open(&row->entries[0])) {
            size_row(plan, row);
        }
    }
}
