/*
 * plan.h: what `run` is to measure, and in which order.
 *
 *   choose.c   which workloads, which sides of them, which of other programs
 *   size.c     how many operations, by trial
 *   plan.c     runs all of it in blocks and keeps what was found
 *   plan_count.c  counts system calls and allocations, in runs of their own
 *
 * A block has every side of every workload once, and the first side of each a second time, as its twin; the order within a
 * block is drawn at random. So whatever the machine does meanwhile, it does to all sides alike.
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "measure.h"
#include "result.h"
#include "sample.h"

typedef struct bench_texts {
    char **items;
    size_t count;
} bench_texts;

/* What the user said. */
typedef struct bench_settings {
    bench_texts names;   /* of workloads, or patterns of them; none: all */
    bench_texts only;    /* sides; none: all */
    bench_texts peers;   /* programs */
    bench_texts options; /* NAME=VALUE */
    const char *against; /* NULL: nothing */
    int cpus[BENCH_CPUS_MAX];
    int cpu_count;
    unsigned reps;
    double duration_s; /* 0: the counts of the workloads */
    double limit_s;
    bool quick;
    uint64_t seed;
} bench_settings;

/* A side that takes part. */
typedef struct bench_entry {
    const char *program;
    bench_side_result result; /* so far; its name, role and count are those of the side */
    bench_figure *counters;   /* each with one value a run */
    size_t counter_count;
    bench_side_result sample; /* of this block */
    bool sampled;
} bench_entry;

typedef struct bench_row {
    const jzx_bench_workload *workload;
    bench_entry *entries; /* the first is the one that is judged and that all others must agree with */
    size_t entry_count;
    uint64_t count;
    int cpu_count;
} bench_row;

typedef struct bench_plan {
    const bench_settings *settings;
    bench_row *rows;
    size_t row_count;
} bench_plan;

/* False after a message: a name that there is not, a program that cannot be asked. */
bool bench_plan_choose(bench_plan *plan, const bench_suite *suite, const bench_settings *settings);
void bench_plan_size(bench_plan *plan);
void bench_plan_run(bench_plan *plan);

/* Afterwards: system calls and allocations by operation, and as facts of the result why one is missing. */
void bench_plan_count(bench_plan *plan, bench_result *result);

/* Gives what was found to an empty result, and lets the plan go. */
void bench_plan_end(bench_plan *plan, bench_result *result);

/* What one run of an entry is; the CPUs and options are those of the settings. */
bench_command bench_plan_command(const bench_plan *plan, const bench_row *row, const bench_entry *entry);

/* Whether an entry is still to be run: neither skipped nor invalid. */
bool bench_entry_open(const bench_entry *entry);

#endif
