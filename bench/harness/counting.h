/*
 * counting.h: how many system calls and allocations an operation takes, whatever language the side is written in.
 *
 * Counting disturbs, so it has runs of its own, whose times nobody looks at: the side does n operations and 2n in two
 * processes, under strace and with a library that counts what is asked of the C library's allocator. The difference by n is what
 * one operation takes; start-up, warm-up and end cancel. Everything is slower there: a side that sleeps when nothing is to do
 * sleeps more seldom or more often than in the timed runs, and its calls are those of that pace. The generator of an open-loop
 * load makes calls while it waits, as many as it has time for: they are not counted.
 */
#ifndef BENCH_HARNESS_COUNTING_H
#define BENCH_HARNESS_COUNTING_H

#include "sample.h"

typedef struct bench_counting {
    double system_calls;   /* by operation */
    double allocations;    /* by operation */
    char *no_system_calls; /* why there are none; NULL: there are */
    char *no_allocations;  /* the same; both are to be freed */
} bench_counting;

/* Whether system calls can be counted: it is asked once and then passed on. */
bool bench_counting_has_strace(void);

/* `command` with its count as n. It is run with --quick, so that what is only late is no failure. */
void bench_counting_run(bench_counting *counting, const bench_command *command, bool with_strace);

void bench_counting_free(bench_counting *counting);

#endif
