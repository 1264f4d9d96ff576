/* clock.c: reading the clock, which everything that measures does. The least there is to run: the harness is tried with it. */
#include "workloads.h"

#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>

static void read_shared_page(jzx_bench *bench, void *argument)
{
    (void)argument;
    uint64_t count = jzx_bench_count(bench);
    uint64_t read = 0;
    jzx_bench_begin(bench);
    for (uint64_t i = 0; i < count; i++) {
        read += jzx_bench_now_ns() != 0;
    }
    jzx_bench_end(bench, count);
    jzx_bench_prove(bench, "readings", read, count);
}

static void read_by_system_call(jzx_bench *bench, void *argument)
{
    (void)argument;
    uint64_t count = jzx_bench_count(bench);
    uint64_t read = 0;
    struct timespec now;
    jzx_bench_begin(bench);
    for (uint64_t i = 0; i < count; i++) {
        read += syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0;
    }
    jzx_bench_end(bench, count);
    jzx_bench_prove(bench, "readings", read, count);
}

static const jzx_bench_side sides[] = {
    {"shared-page", read_shared_page, NULL},
    {"system-call", read_by_system_call, NULL},
};

static const jzx_bench_workload workloads[] = {
    {
        BENCH_WORKLOAD,
        .name = "harness/clock",
        .about = "reading CLOCK_MONOTONIC, by the page that the kernel shares and by a system call",
        .item = "reading",
        .count = 5000000,
        .cpus = 1,
        BENCH_SIDES(sides),
    },
};

const bench_group bench_clock = BENCH_GROUP(workloads);
