/*
 * result.h: what was found, from the lines of one run up to a whole file.
 *
 *   result     one call of `jzx-bench run`, or one file of it: the machine, the build, and workloads
 *   workload   its sides
 *   side       its figures, each with one value a run, and one histogram of all its latencies
 *
 * All of it is owned by the result and freed with it. One thread.
 */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "histogram.h"

#include <jzx/bench.h>

#include <stddef.h>

/* How a side takes part. */
typedef enum bench_role {
    BENCH_ROLE_OWN,  /* a side of this program */
    BENCH_ROLE_TWIN, /* the first side once more, as if it were another: how much they differ is the noise floor */
    BENCH_ROLE_PEER, /* another program */
    BENCH_ROLE_OLD,  /* the first side as another build of this program has it: --against */
} bench_role;

typedef struct bench_figure {
    char *name; /* "time", "p99.9", ... */
    char *unit;
    jzx_bench_better better;
    double *values; /* one a run, in the order of the runs */
    size_t count;
} bench_figure;

/* What every side of a workload must find alike for the same count, and what the kernel counted by operation. */
typedef struct bench_value {
    char *name;
    uint64_t exact; /* proofs */
    double number;  /* counters: the median of the runs */
} bench_value;

typedef struct bench_side_result {
    char *name;
    char *version; /* NULL: this program's */
    bench_role role;
    uint64_t count; /* operations in a run, where they are fewer than the workload's; 0: as many */
    char *skipped;  /* why; NULL: it was run */
    char *invalid;  /* why; NULL: it is valid. Then it has no figures. */
    bench_figure *figures;
    size_t figure_count;
    bench_value *proofs;
    size_t proof_count;
    bench_value *counters; /* "instructions", "cycles", "cache-misses", "system-calls", "allocations" */
    size_t counter_count;
    bench_histogram *histogram; /* NULL: no latencies */
} bench_side_result;

typedef struct bench_goal_result {
    char *figure;
    char *against; /* NULL: the figure itself */
    double limit;
} bench_goal_result;

typedef struct bench_workload_result {
    char *name;
    char *about;
    uint64_t count; /* operations in a run */
    bench_side_result *sides;
    size_t side_count;
    bench_goal_result *goals;
    size_t goal_count;
} bench_workload_result;

/* What a reader must know of the machine and the build to believe a figure; each a line of text, in the order shown. */
typedef struct bench_fact {
    char *name; /* "cpu", "cores", "kernel", "compiler", "flags", "commit", "date", "command", "seed", ... */
    char *text;
} bench_fact;

typedef struct bench_result {
    bench_fact *facts;
    size_t fact_count;
    bench_workload_result *workloads;
    size_t workload_count;
} bench_result;

/*
 * JSON, by jansson. Returns false after a message to standard error that names the file and what is wrong with it; then
 * `result` holds nothing.
 */
bool bench_result_read(const char *path, bench_result *result);
bool bench_result_write(const bench_result *result, const char *path);

void bench_result_free(bench_result *result);
void bench_side_free(bench_side_result *side);

/* One more fact; the text is copied. */
void bench_fact_add(bench_result *result, const char *name, const char *text);

/* NULL if there is none of that name. */
const char *bench_fact_get(const bench_result *result, const char *name);
const bench_workload_result *bench_result_workload(const bench_result *result, const char *name);
const bench_side_result *bench_workload_side(const bench_workload_result *workload, const char *name, bench_role role);
const bench_figure *bench_side_figure(const bench_side_result *side, const char *name);
bench_figure *bench_figure_find(bench_figure *figures, size_t count, const char *name);
bench_value *bench_value_find(bench_value *values, size_t count, const char *name);

#endif
