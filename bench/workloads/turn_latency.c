/*
 * turn_latency.c: how long does a message to a peer loop wait while its sender's loop is busy?
 *
 * 1,000 actors on loop 0 are always ready. The first of them to run in a turn sends the probe to a sleeping loop 1, so
 * the whole turn lies ahead of it. The second side is the same with one actor, that is without load. The wait should be
 * bounded by the turn, plus what a wake costs.
 */
#include "support/memory.h"
#include "support/world.h"
#include "workloads.h"

#include <ck_pr.h>
#include <stdlib.h>

enum { TAG_WORK = 1, TAG_PROBE = 2 };
enum { BUSY_ACTORS = 1000, SPIN = 300, PROBE_GAP_NS = 300000, TURN_US = 50, WAKE_US = 100 };

struct load {
    jzx_bench *bench;
    jzx_runtime *runtime;
    jzx_actor_id peer;
    uint64_t total;
    uint64_t sent;
    uint64_t turn_ns; /* the time this turn shows: a new one begins a new turn */
    uint64_t next_ns; /* no probe before */
    uint64_t worked;
    bool busy;
    uint64_t seen __attribute__((aligned(64))); /* written by the peer, read by loop 0 */
    uint64_t sum;                               /* the peer's */
};

/* About 100 ns of arithmetic that the compiler cannot drop. */
static uint64_t spin(uint64_t value)
{
    for (int i = 0; i < SPIN; i++) {
        value = value * 3 + 1;
        __asm__ volatile("" : "+r"(value));
    }
    return value;
}

static void probe(jzx_context *context, struct load *load)
{
    uint64_t turn_ns = jzx_now_ns(context);
    bool first_of_turn = turn_ns != load->turn_ns;
    load->turn_ns = turn_ns;
    if (!first_of_turn || load->sent == load->total || ck_pr_load_64(&load->seen) != load->sent) {
        return;
    }
    uint64_t now_ns = jzx_bench_now_ns();
    if (now_ns < load->next_ns) {
        return;
    }
    load->next_ns = now_ns + PROBE_GAP_NS;
    uint64_t words[2] = {load->sent++, now_ns};
    jzx_message message = jzx_message_value(TAG_PROBE, words, sizeof words);
    WORLD_CHECK(jzx_send(context, load->peer, &message));
}

static jzx_behavior_result work(jzx_context *context, void *state, const jzx_message *message)
{
    struct load *load = state;
    probe(context, load);
    if (load->busy) {
        load->worked += spin(message->words[0]) & 1;
    }
    jzx_message again = jzx_message_empty(TAG_WORK);
    jzx_err err = jzx_send(context, jzx_self(context), &again);
    /* While the runtime stops the loop takes no more mail. */
    BENCH_CHECK(err == JZX_OK || load->sent == load->total, "a send to itself: %s", jzx_strerror(err));
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result peer(jzx_context *context, void *state, const jzx_message *message)
{
    struct load *load = state;
    (void)context;
    jzx_bench_latency(load->bench, jzx_bench_now_ns() - message->words[1]);
    load->sum += message->words[0];
    uint64_t seen = load->seen + 1;
    ck_pr_store_64(&load->seen, seen);
    if (seen == load->total) {
        WORLD_CHECK(jzx_runtime_request_stop(load->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_load(jzx_bench *bench, void *argument)
{
    const int *actor_count = argument;
    world_need_cpus(bench, 2);
    struct load *load = bench_memory_take(sizeof *load);
    load->bench = bench;
    load->total = jzx_bench_count(bench);
    load->busy = *actor_count > 1;
    struct world world;
    world_open(&world, bench, NULL, 2);
    load->runtime = world.runtime;
    load->peer = world_spawn(&world, 1, peer, load);
    for (int i = 0; i < *actor_count; i++) {
        world_tell(&world, world_spawn(&world, 0, work, load), TAG_WORK);
    }
    world_run(&world);
    world_close(&world);
    jzx_bench_prove(bench, "messages", load->seen, load->total);
    jzx_bench_prove(bench, "sum", load->sum, load->total * (load->total - 1) / 2);
    free(load);
}

static int busy_actors = BUSY_ACTORS;
static int idle_actors = 1;

static const jzx_bench_side sides[] = {{"jzx", run_load, &busy_actors}, {"jzx-idle", run_load, &idle_actors}};

/* A turn of the default length, and a wake. */
static const jzx_bench_goal goals[] = {{"p99", NULL, TURN_US + WAKE_US}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "message/turn-latency",
     .about = "a message to a sleeping loop while 1,000 actors keep its sender's turn busy", .item = "message",
     .count = 3000, .quick_count = 100, .cpus = 2, BENCH_SIDES(sides), BENCH_GOALS(goals)},
};

const bench_group bench_turn_latency = BENCH_GROUP(workloads);
