/*
 * flows.c: what does a message cost in a stream?
 *
 * Counting: one source, one sink that checks the order. Fan-in: 16 sources, one sink. Fan-out: one source, 16 sinks in
 * turn. On one loop, and on two that linger; the side jzx-parking has two that do not. A mailbox takes 512
 * messages, that of fan-in across loops 8,192, which is 512 for each source. Raw on one thread has rings of 1,024. Stream is counting across two loops with the greatest mailbox there is. Loops that linger make
 * no system call for mail: the figure "enters", where there is one sink, counts those from the first message to the last.
 *
 * The side jzx-credits goes through a jzx_flow whose receiver keeps as many credits out as the mailbox of the others takes.
 *
 * Raw: raw/actors.h on one thread, raw/blocks.h across two.
 */
#include "workloads/flow.h"
#include "workloads.h"

enum {
    BURST = 64,
    MANY_BURST = 16, /* of each of 16 sources: as many together as a sink handles at once */
    MANY_BATCH = 256,
    CAP = 512,      /* of the 1,000 that are allowed: more cells than this do not stay in the first cache */
    CAP_MAX = 8192, /* the most that the default number of cells allows */
};

static flow_plan counting = {.loops = 1, .sources = 1, .sinks = 1, .burst = BURST, .batch = BURST, .cap = CAP};
static flow_plan counting_threads = {.loops = 2, .sources = 1, .sinks = 1, .burst = BURST, .batch = BURST, .cap = CAP};
static flow_plan counting_parking = {
    .loops = 2, .parks = true, .sources = 1, .sinks = 1, .burst = BURST, .batch = BURST, .cap = CAP};
static flow_plan counting_credits = {
    .loops = 1, .sources = 1, .sinks = 1, .burst = BURST, .batch = BURST, .cap = 1, .window = CAP};
static flow_plan stream_credits = {
    .loops = 2, .sources = 1, .sinks = 1, .burst = BURST, .batch = BURST, .cap = 1, .window = CAP_MAX};
static flow_plan stream = {.loops = 2, .sources = 1, .sinks = 1, .burst = BURST, .batch = BURST, .cap = CAP_MAX};
static flow_plan fan_in = {.loops = 1, .sources = 16, .sinks = 1, .burst = MANY_BURST, .batch = MANY_BATCH, .cap = CAP};
static flow_plan fan_in_threads = {
    .loops = 2, .sources = 16, .sinks = 1, .burst = MANY_BURST, .batch = MANY_BATCH, .cap = CAP_MAX};
static flow_plan fan_in_parking = {
    .loops = 2, .parks = true, .sources = 16, .sinks = 1, .burst = MANY_BURST, .batch = MANY_BATCH, .cap = CAP_MAX};
static flow_plan fan_out = {.loops = 1, .sources = 1, .sinks = 16, .burst = MANY_BATCH, .batch = BURST, .cap = CAP};
static flow_plan fan_out_threads = {
    .loops = 2, .sources = 1, .sinks = 16, .burst = MANY_BATCH, .batch = BURST, .cap = CAP};
static flow_plan fan_out_parking = {
    .loops = 2, .parks = true, .sources = 1, .sinks = 16, .burst = MANY_BATCH, .batch = BURST, .cap = CAP};

static const jzx_bench_side counting_sides[] = {
    {"jzx", flow_run, &counting}, {"jzx-credits", flow_run, &counting_credits}, {"raw", flow_run_raw, &counting}};
static const jzx_bench_side counting_threads_sides[] = {{"jzx", flow_run, &counting_threads},
                                                        {"jzx-parking", flow_run, &counting_parking},
                                                        {"raw", flow_run_raw_threads, &counting_threads}};
static const jzx_bench_side stream_sides[] = {
    {"jzx", flow_run, &stream}, {"jzx-credits", flow_run, &stream_credits}, {"raw", flow_run_raw_threads, &stream}};
static const jzx_bench_side fan_in_sides[] = {{"jzx", flow_run, &fan_in}, {"raw", flow_run_raw, &fan_in}};
static const jzx_bench_side fan_in_threads_sides[] = {{"jzx", flow_run, &fan_in_threads},
                                                      {"jzx-parking", flow_run, &fan_in_parking},
                                                      {"raw", flow_run_raw_threads, &fan_in_threads}};
static const jzx_bench_side fan_out_sides[] = {{"jzx", flow_run, &fan_out}, {"raw", flow_run_raw, &fan_out}};
static const jzx_bench_side fan_out_threads_sides[] = {{"jzx", flow_run, &fan_out_threads},
                                                       {"jzx-parking", flow_run, &fan_out_parking},
                                                       {"raw", flow_run_raw_threads, &fan_out_threads}};

static const jzx_bench_goal stream_goals[] = {{"time", "raw", 1.5}, {"enters", NULL, 0}};
static const jzx_bench_goal threads_goals[] = {{"time", "raw", 1.5}, BENCH_GOAL_PEERS("time"), {"enters", NULL, 0}};

#define FLOW BENCH_WORKLOAD, .item = "message", .count = 9600000, .quick_count = 32000, .step = FLOW_STEP

static const jzx_bench_workload workloads[] = {
    {FLOW, .name = "message/counting", .about = "one actor sends to another of its loop, which keeps up", .cpus = 1,
     BENCH_SIDES(counting_sides), BENCH_GOALS(bench_message_goals)},
    {FLOW, .name = "message/counting-threads", .about = "the same, each actor on a loop of its own", .cpus = 2,
     BENCH_SIDES(counting_threads_sides), BENCH_GOALS(threads_goals)},
    {FLOW, .name = "message/stream", .about = "the same with room for 8,192 messages", .cpus = 2,
     BENCH_SIDES(stream_sides), BENCH_GOALS(stream_goals)},
    {FLOW, .name = "message/fan-in", .about = "16 actors send to one of their loop", .cpus = 1,
     BENCH_SIDES(fan_in_sides), BENCH_GOALS(bench_message_goals)},
    {FLOW, .name = "message/fan-in-threads", .about = "the same, the receiver on a loop of its own", .cpus = 2,
     BENCH_SIDES(fan_in_threads_sides), BENCH_GOALS(threads_goals)},
    {FLOW, .name = "message/fan-out", .about = "one actor sends to 16 of its loop in turn", .cpus = 1,
     BENCH_SIDES(fan_out_sides), BENCH_GOALS(bench_message_goals)},
    {FLOW, .name = "message/fan-out-threads", .about = "the same, the sender on a loop of its own", .cpus = 2,
     BENCH_SIDES(fan_out_threads_sides), BENCH_GOALS(bench_message_goals)},
};

const bench_group bench_flows = BENCH_GROUP(workloads);
