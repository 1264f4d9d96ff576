/* collect.h: the samples of a side, one after the other, into what it comes to. */
#ifndef BENCH_COLLECT_H
#define BENCH_COLLECT_H

#include "plan.h"

/* Takes the sample of this block into the result of its entry. All samples of an entry must have the same figures. */
void bench_collect(bench_entry *entry);

/*
 * Makes the sample invalid if its proofs are not those of `first`, which is the sample of the first side of the same
 * block; so too if there is none to compare with.
 */
void bench_collect_compare(bench_entry *entry, const bench_entry *first);

/* After the last: the counters of the result are the medians of their runs. */
void bench_collect_end(bench_entry *entry);

#endif
