/* machine.h: what a reader must know of the machine and the build to believe a figure. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include "result.h"

/* One more fact; the text is copied. */
void bench_fact_add(bench_result *result, const char *name, const char *text);

/* NULL if there is none of that name. */
const char *bench_fact_get(const bench_result *result, const char *name);

/*
 * cpu, cores, cpus (those used), machine (virtual or not), kernel, governor, mitigations, counters, libc, compiler, flags,
 * version, liburing, date. Each says "unknown" where the system does not tell.
 */
void bench_machine_facts(bench_result *result, const int *cpus, int cpu_count);

/* The three load averages of now, as one text. */
void bench_machine_load(char *text, size_t size);

#endif
