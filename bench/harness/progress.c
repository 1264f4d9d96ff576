/* progress.c: see progress.h. */
#include "progress.h"

#include <jzx/bench.h>

#include <stdio.h>
#include <unistd.h>

void bench_progress_init(bench_progress *progress, size_t total)
{
    *progress = (bench_progress){
        .shown = isatty(STDERR_FILENO) == 1,
        .total = total,
        .began_ns = jzx_bench_now_ns(),
    };
}

void bench_progress_left(char *text, size_t size, size_t done, size_t total, uint64_t elapsed_ns)
{
    if (done == 0) {
        snprintf(text, size, "%s", "");
        return;
    }
    double left_s = (double)elapsed_ns / 1e9 / (double)done * (double)(total - done);
    if (left_s < 100) {
        snprintf(text, size, "about %.0f s left", left_s);
    } else {
        snprintf(text, size, "about %.0f min left", left_s / 60);
    }
}

void bench_progress_step(bench_progress *progress, const char *workload, const char *side)
{
    char left[64];
    bench_progress_left(left, sizeof left, progress->done, progress->total, jzx_bench_now_ns() - progress->began_ns);
    progress->done++;
    if (progress->shown) {
        fprintf(stderr, "\r[%zu/%zu] %s %s  %s\033[K", progress->done, progress->total, workload, side, left);
    }
}

void bench_progress_end(bench_progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
    }
}
