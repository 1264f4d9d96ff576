/*
 * sample.h: one run of one side as a process, from its start to what it found.
 *
 * The process has a process group of its own and the CPUs it is given, reads nothing, and ends with this one. When it has
 * ended, or has run for too long, all that is left of its group is killed.
 */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include "result.h"

#include <stdbool.h>

/* This program, even when its file has been replaced since it was started. */
#define BENCH_SELF "/proc/self/exe"

typedef struct bench_command {
    const char *program; /* a path, or a name to be looked for in PATH */
    const char *workload;
    const char *side;
    const char *item;
    uint64_t count;
    uint64_t warm;
    uint64_t seed;
    bool quick;
    const int *cpus;
    int cpu_count;
    char *const *options; /* NAME=VALUE, passed on */
    size_t option_count;
    double limit_s;            /* a run that takes longer is ended and invalid */
    const char *const *prefix; /* what stands before the program: another one that runs it */
    size_t prefix_count;
} bench_command;

/* Runs it. The sample has no name and no role; bench_side_free() it. */
void bench_sample_run(bench_side_result *sample, const bench_command *command);

/*
 * Runs a program with these arguments and gives all it wrote, to be freed; NULL if it could not be started or ended in
 * another way than with 0, and then *reason, to be freed, says why.
 */
char *bench_process_read(const char **arguments, const int *cpus, int cpu_count, double limit_s, size_t *size,
                         char **reason);

#endif
