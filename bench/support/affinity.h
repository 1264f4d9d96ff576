/* affinity.h: the CPUs that the calling thread may run on. */
#ifndef BENCH_AFFINITY_H
#define BENCH_AFFINITY_H

#include <sched.h>

/* Pins the calling thread. */
void affinity_pin(int cpu);

/* Those it has now, for when what pins it is over: the next run must find the thread free again. */
cpu_set_t affinity_keep(void);
void affinity_restore(const cpu_set_t *kept);

#endif
