/*
 * scale.c: what do messages across loops cost as the loops become more?
 *
 * Counting: each loop has a source, whose sink is on the next loop. Fan-in: 16 sources on all loops but the first, one sink
 * on that. All loops linger, so each needs a CPU: a run that has fewer is skipped and says so. The time is that of all
 * messages by their number, whatever loop they were on: with twice the loops, half is the best there can be.
 *
 * Raw: raw/actors.h on one thread, a lane of raw/blocks.h for each pair of threads that need one.
 */
#include "workloads/flow.h"

#include "workloads.h"

enum { BURST = 64, MANY_BURST = 16, MANY_BATCH = 256, CAP_MAX = 8192 };

#define COUNTING(n)                                                                                                \
    {                                                                                                              \
        .loops = (n), .sources = (n), .sinks = (n), .paired = true, .burst = BURST, .batch = BURST, .cap = CAP_MAX \
    }
#define FAN_IN(n)                                                                                         \
    {                                                                                                     \
        .loops = (n), .sources = 16, .sinks = 1, .burst = MANY_BURST, .batch = MANY_BATCH, .cap = CAP_MAX \
    }

static flow_plan counting[] = {COUNTING(1), COUNTING(2), COUNTING(4), COUNTING(8), COUNTING(16)};
static flow_plan fan_in[] = {FAN_IN(1), FAN_IN(2), FAN_IN(4), FAN_IN(8), FAN_IN(16)};

#define SIDES(plan)                             \
    {                                           \
        {"jzx", flow_run, (plan)},              \
        {                                       \
            "raw", flow_run_raw_threads, (plan) \
        }                                       \
    }
#define SIDES_ONE(plan)                 \
    {                                   \
        {"jzx", flow_run, (plan)},      \
        {                               \
            "raw", flow_run_raw, (plan) \
        }                               \
    }

static const jzx_bench_side counting_sides[][2] = {
    SIDES_ONE(&counting[0]), SIDES(&counting[1]), SIDES(&counting[2]), SIDES(&counting[3]), SIDES(&counting[4]),
};
static const jzx_bench_side fan_in_sides[][2] = {
    SIDES_ONE(&fan_in[0]), SIDES(&fan_in[1]), SIDES(&fan_in[2]), SIDES(&fan_in[3]), SIDES(&fan_in[4]),
};
static const jzx_bench_goal goals[] = {{"time", "raw", 1.5}};

#define SCALE(n, sides_of)                                                                                     \
    BENCH_WORKLOAD, .item = "message", .count = 9600000, .quick_count = 32000, .step = FLOW_STEP, .cpus = (n), \
                    BENCH_SIDES(sides_of), BENCH_GOALS(goals)

static const jzx_bench_workload workloads[] = {
    {SCALE(1, counting_sides[0]), .name = "scale/counting-1", .about = "one loop, whose source sends to its sink"},
    {SCALE(2, counting_sides[1]), .name = "scale/counting-2", .about = "2 loops, each sends to the next"},
    {SCALE(4, counting_sides[2]), .name = "scale/counting-4", .about = "4 loops, each sends to the next"},
    {SCALE(8, counting_sides[3]), .name = "scale/counting-8", .about = "8 loops, each sends to the next"},
    {SCALE(16, counting_sides[4]), .name = "scale/counting-16", .about = "16 loops, each sends to the next"},
    {SCALE(1, fan_in_sides[0]), .name = "scale/fan-in-1", .about = "16 actors send to one, all on one loop"},
    {SCALE(2, fan_in_sides[1]), .name = "scale/fan-in-2", .about = "16 actors of one loop send to one of another"},
    {SCALE(4, fan_in_sides[2]), .name = "scale/fan-in-4", .about = "16 actors of 3 loops send to one of another"},
    {SCALE(8, fan_in_sides[3]), .name = "scale/fan-in-8", .about = "16 actors of 7 loops send to one of another"},
    {SCALE(16, fan_in_sides[4]), .name = "scale/fan-in-16", .about = "16 actors of 15 loops send to one of another"},
};

const bench_group bench_scale = BENCH_GROUP(workloads);
