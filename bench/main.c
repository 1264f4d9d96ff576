/* main.c: jzx-bench. The list of what it measures. */
#include "workloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const bench_group *const groups[] = {
    &bench_ring,       &bench_flows,     &bench_random,        &bench_post,        &bench_turn_latency,
    &bench_wake,       &bench_life,      &bench_idle,          &bench_timers,      &bench_lateness,
    &bench_restart,    &bench_storm,     &bench_group_restart, &bench_crash,       &bench_backoff,
    &bench_children,   &bench_kill,      &bench_echo,          &bench_kv,          &bench_savina,
    &bench_load_cross, &bench_load_echo, &bench_load_kv,       &bench_allocations, &bench_scale,
    &bench_rings,      &bench_clock,     &bench_dispatch,      &bench_pool,        &bench_ask,
    &bench_call,       &bench_broadcast, &bench_order,
};
enum { GROUP_COUNT = sizeof groups / sizeof groups[0] };

int main(int argc, char **argv)
{
    size_t count = 0;
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        count += groups[i]->count;
    }
    jzx_bench_workload *workloads = calloc(count, sizeof *workloads);
    if (workloads == NULL) {
        fputs("jzx-bench: out of memory\n", stderr);
        return 3;
    }
    size_t at = 0;
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        memcpy(&workloads[at], groups[i]->workloads, groups[i]->count * sizeof *workloads);
        at += groups[i]->count;
    }
    int status = jzx_bench_main(argc, argv, workloads, count);
    free(workloads);
    return status;
}
