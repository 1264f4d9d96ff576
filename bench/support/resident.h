/* resident.h: how much memory this process really has. */
#ifndef BENCH_RESIDENT_H
#define BENCH_RESIDENT_H

#include <jzx/bench.h>

/*
 * Gives back what an earlier run has freed, and has large blocks come from the kernel and go back to it from now on: what
 * is resident later is new then. Ends the run as one that cannot be done here if malloc is another than the C library's.
 */
void resident_settle(jzx_bench *bench);

uint64_t resident_bytes(void);

#endif
