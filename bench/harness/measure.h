/*
 * measure.h: one run, in its own process: `PROGRAM measure WORKLOAD SIDE NAME=VALUE...` of bench/README.md.
 *
 *   measure.c  reads what is asked, runs the side twice, writes what it found
 *   found.c    the functions of jzx/bench.h that a side tells by
 *   cpus.c     lists of CPUs, and being confined to them
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "histogram.h"
#include "suite.h"

#include <stdio.h>

/* As many as cpu_set_t holds. */
enum { BENCH_CPUS_MAX = 1024 };

struct jzx_bench {
    /* What is asked: set once. */
    const jzx_bench_workload *workload;
    const jzx_bench_side *side;
    uint64_t count; /* of this call */
    uint64_t seed;
    bool quick;
    bool warming; /* this call is the first one */
    int cpus[BENCH_CPUS_MAX];
    int cpu_count;
    char **options; /* NAME=VALUE, of argv */
    int option_count;

    /* What is found, by this call. */
    uint64_t began_ns; /* 0: jzx_bench_begin() was not called, or jzx_bench_end() was */
    size_t proof_count;
    char **names; /* told so far; each may be told once */
    size_t name_count;
    bench_histogram *histogram; /* NULL: no latency yet */
    FILE *lines;                /* into `text` */
    char *text;
    size_t text_size;
};

/* Empties what is found, before a call of the side and after it. */
void bench_found_init(jzx_bench *bench);
void bench_found_deinit(jzx_bench *bench);

/* Writes the lines of the run to standard output, or says why it is invalid and does not return. */
void bench_found_write(jzx_bench *bench);

/* Reads "0,2,5-7" into `cpus`; returns how many, or -1 when it is malformed or names more than there is room for. */
int bench_cpus_parse(const char *text, int cpus[BENCH_CPUS_MAX]);

/* The CPUs this process may use; returns how many. */
int bench_cpus_allowed(int cpus[BENCH_CPUS_MAX]);

/* Confines this thread, and what it starts, to them. False and errno if the system refuses. */
bool bench_cpus_confine(const int *cpus, int count);

#endif
