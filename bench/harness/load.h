/*
 * load.h: the schedule of an open-loop load as a function of its arguments: no clock, no run.
 *
 * The functions of jzx/bench.h are these with the clock and the options of a run.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <jzx/bench.h>

void bench_load_start(jzx_bench_load *load, double rate, bool poisson, uint64_t seed, uint64_t count, uint64_t now_ns);

/* The last operation that jzx_bench_load_due() gave was sent at `now_ns`. */
void bench_load_note(jzx_bench_load *load, uint64_t now_ns);

/* Whether the generator fell behind, as jzx_bench_load_end() says. */
bool bench_load_behind(const jzx_bench_load *load);

/* The rate that was really sent, a second. */
double bench_load_rate(const jzx_bench_load *load);

/*
 * The rate that the options ask for: `rate`, or `load` percent of `capacity`, or `share` of it. Options may be NULL. Returns NULL,
 * or what is wrong.
 */
const char *bench_load_choose(const char *rate, const char *load, double capacity, double share, double *chosen);

/* What the reason of a run begins with that was made invalid for its generator's lateness. */
#define BENCH_LOAD_BEHIND "the generator fell behind"

/* Whether this is the first call of a side, whose results nobody looks at. */
bool bench_load_warming(const jzx_bench *bench);

#endif
