/* machine.h: what a reader must know of the machine and the build to believe a figure. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include "result.h"

/*
 * cpu, cores, cpus (those used), machine (virtual or not), kernel, governor, mitigations, counters, libc, compiler, flags,
 * version, commit, liburing, date. Each says "unknown" where the system does not tell.
 */
void bench_machine_facts(bench_result *result, const int *cpus, int cpu_count);

/* The three load averages of now, as one text. */
void bench_machine_load(char *text, size_t size);

#endif
