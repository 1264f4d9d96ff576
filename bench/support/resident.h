/* resident.h: how much memory this process really has. */
#ifndef BENCH_RESIDENT_H
#define BENCH_RESIDENT_H

#include <stdint.h>

/*
 * Gives back what an earlier run has freed, and has large blocks come from the kernel and go back to it from now on: what
 * is resident later is new then.
 */
void resident_settle(void);

uint64_t resident_bytes(void);

#endif
