/*
 * gaps.h: how late is the machine itself?
 *
 * A thread that does nothing but read the clock sees a gap whenever something else had its CPU: an interrupt, another process, the
 * host of a virtual machine. No program can be less late than that.
 */
#ifndef BENCH_GAPS_H
#define BENCH_GAPS_H

#include <jzx/bench.h>

/*
 * Spins on both of the first two CPUs of the run at once, for a fifth of a second. Figures "machine-p99.9", which is the
 * lateness that 999 of 1,000 operations at random moments would not exceed, and "machine-max", of the worse of the two.
 */
void gaps_tell(jzx_bench *bench);

#endif
