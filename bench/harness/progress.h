/* progress.h: what runs now and how long it will go on, on a terminal; elsewhere nothing. One thread. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bench_progress {
    bool shown; /* standard error is a terminal */
    size_t done;
    size_t total;
    uint64_t began_ns;
} bench_progress;

void bench_progress_init(bench_progress *progress, size_t total);
void bench_progress_step(bench_progress *progress, const char *workload, const char *side);
void bench_progress_end(bench_progress *progress);

/* "about 5 s left", "about 12 min left", or "" when that cannot be said yet. */
void bench_progress_left(char *text, size_t size, size_t done, size_t total, uint64_t elapsed_ns);

#endif
