/* workloads.h: what is in workloads/ and savina/. Each file there has one group, which main.c puts into its list. */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

#include <jzx/bench.h>

typedef struct bench_group {
    const jzx_bench_workload *workloads; /* each begun with .struct_size = sizeof(jzx_bench_workload) */
    size_t count;
} bench_group;

/* What every workload of this program is begun with, and lists that are arrays. */
#define BENCH_COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BENCH_GROUP(array)          \
    {                               \
        (array), BENCH_COUNT(array) \
    }
#define BENCH_WORKLOAD .struct_size = sizeof(jzx_bench_workload)
#define BENCH_SIDES(array) .sides = (array), .side_count = BENCH_COUNT(array)
#define BENCH_GOALS(array) .goals = (array), .goal_count = BENCH_COUNT(array)

/* A third of what the best peer takes. */
#define BENCH_GOAL_PEERS(name)                                 \
    {                                                          \
        .figure = (name), .against = "peers", .limit = 1.0 / 3 \
    }

/* What every message is to reach. */
extern const jzx_bench_goal bench_message_goals[2]; /* workloads/ring.c */

extern const bench_group bench_allocations;
extern const bench_group bench_ask;
extern const bench_group bench_backoff;
extern const bench_group bench_broadcast;
extern const bench_group bench_call;
extern const bench_group bench_children;
extern const bench_group bench_clock;
extern const bench_group bench_crash;
extern const bench_group bench_dispatch;
extern const bench_group bench_pool;
extern const bench_group bench_echo;
extern const bench_group bench_flows;
extern const bench_group bench_group_restart;
extern const bench_group bench_idle;
extern const bench_group bench_kill;
extern const bench_group bench_kv;
extern const bench_group bench_lateness;
extern const bench_group bench_life;
extern const bench_group bench_load_cross;
extern const bench_group bench_load_echo;
extern const bench_group bench_load_kv;
extern const bench_group bench_order;
extern const bench_group bench_post;
extern const bench_group bench_random;
extern const bench_group bench_restart;
extern const bench_group bench_ring;
extern const bench_group bench_savina;
extern const bench_group bench_rings;
extern const bench_group bench_scale;
extern const bench_group bench_storm;
extern const bench_group bench_timers;
extern const bench_group bench_turn_latency;
extern const bench_group bench_wake;

#endif
