/*
 * swarm: jzx-swarm, which prints the figures of the simulator on the library itself. main.c chooses:
 *
 *   seeds.c   many seeds of all scenarios; their hashes, which two compilers must agree on
 *   inject.c  each allocation, and each occasion of an I/O error, of each script
 *   soak.c    a day of a service
 *
 * Each prints what it counted beside what it should be, and says whether that holds. What a run in a process of its own
 * counts goes to a tally, which all of them share.
 */
#ifndef TESTS_SWARM_SWARM_H
#define TESTS_SWARM_SWARM_H

#include <jzx/sim.h>
#include <stdatomic.h>

typedef struct tally {
    _Atomic(uint64_t) runs;
    _Atomic(uint64_t) occasions[JZX_SIM_FAULTS]; /* of the last run */
    _Atomic(uint64_t) injected[JZX_SIM_FAULTS];
    _Atomic(uint64_t) runs_with[JZX_SIM_FAULTS];
    _Atomic(uint64_t) counts[16]; /* the scenario's own */
} tally;

tally *tally_create(void);
void tally_destroy(tally *t);
void tally_take(tally *t, const jzx_sim *sim); /* at the end of a run */

/* One line of a table; false, which is told, when `value` is not at least `least`, or at most `most`. */
bool figure(const char *what, uint64_t value, uint64_t least, uint64_t most);
#define ANY 0, UINT64_MAX

double cpu_seconds(void); /* of this process and those that have ended */

/* Each returns false when a figure does not hold. `share`: only each so-many-th case. */
bool swarm_seeds(uint64_t seeds, bool twins);
bool swarm_allocations(uint64_t share);
bool swarm_errors(uint64_t share);
bool swarm_soak(uint64_t hours);

#endif
