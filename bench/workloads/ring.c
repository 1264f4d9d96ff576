/*
 * ring.c: what does a message cost when nothing else is on its way?
 *
 * Two actors (ping-pong) or 1,000 pass one token round, on one loop or on two, where neighbours are on different ones.
 * The token is 32 bytes whose first word grows by one at each hop. Both loops linger; a further side lets them park.
 *
 * Raw: raw/actors.h on one thread; on two, slots of 64 bytes by value in a bare ck_ring each way, polled (raw/slots.h).
 */
#include "raw/actors.h"
#include "raw/slots.h"
#include "support/world.h"
#include "workloads.h"

#include <stdlib.h>

enum { TAG_START = 1, TAG_TOKEN = 2, PAIR_ACTORS = 2, RING_ACTORS = 1000, RAW_RING_SIZE = 8 };

struct ring_plan {
    uint32_t actors;
    int loops;
    uint64_t linger_ns;
};

/* The payload. */
struct token {
    uint64_t words[4];
};

/* What the actors of one loop share, on lines of its own: a count is not the other loop's business. */
struct hops {
    jzx_bench *bench;
    jzx_runtime *runtime;
    uint64_t total; /* of all loops */
    uint64_t handled;
    uint64_t sum;
} __attribute__((aligned(128)));

/* One actor, on either side. Not written while it runs. */
struct hopper {
    struct hops *hops;
    uint64_t next; /* id of the next one */
};

/* Takes one hop. Says whether it was the last: the token counts for all loops. */
static inline bool hops_take(struct hops *hops, const uint64_t *words)
{
    hops->handled++;
    hops->sum += words[0];
    if (words[0] < hops->total) {
        return false;
    }
    jzx_bench_end(hops->bench, hops->total);
    return true;
}

static void hops_prove(const struct hops *hops, int count)
{
    uint64_t handled = 0;
    uint64_t sum = 0;
    uint64_t total = hops->total;
    for (int i = 0; i < count; i++) {
        handled += hops[i].handled;
        sum += hops[i].sum;
    }
    jzx_bench_prove(hops->bench, "messages", handled, total);
    jzx_bench_prove(hops->bench, "sum", sum, total * (total + 1) / 2);
}

/* The token of the hop after one that carried `words`; a start carries zeroes. */
static inline struct token next_token(const uint64_t *words)
{
    struct token token = {{words[0] + 1, words[1] + 2, words[2], words[3]}};
    return token;
}

static struct hopper *make_hoppers(uint32_t count, struct hops *hops, int loops)
{
    struct hopper *hoppers = calloc(count, sizeof *hoppers);
    BENCH_CHECK(hoppers != NULL, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        hoppers[i].hops = &hops[i % (uint32_t)loops];
    }
    return hoppers;
}

/* ---- libjzx ---- */

static jzx_behavior_result hop(jzx_context *context, void *state, const jzx_message *message)
{
    struct hopper *self = state;
    if (message->tag == TAG_START) {
        jzx_bench_begin(self->hops->bench);
    } else if (hops_take(self->hops, message->words)) {
        WORLD_CHECK(jzx_runtime_request_stop(self->hops->runtime));
        return JZX_BEHAVIOR_OK;
    }
    struct token token = next_token(message->words);
    jzx_message next = jzx_message_value(TAG_TOKEN, &token, sizeof token);
    WORLD_CHECK(jzx_send(context, self->next, &next));
    return JZX_BEHAVIOR_OK;
}

/* Spawns the actors, each knowing the next, and gives the first its start. */
static void start_ring(const struct world *world, struct hopper *hoppers, uint32_t count)
{
    jzx_actor_id next = 0;
    for (uint32_t i = count; i-- > 0;) {
        hoppers[i].next = next;
        next = world_spawn(world, (int)i % world->loop_count, hop, &hoppers[i]);
    }
    hoppers[count - 1].next = next;
    world_tell(world, next, TAG_START);
}

static void run_ring(jzx_bench *bench, void *argument)
{
    const struct ring_plan *plan = argument;
    world_need_cpus(bench, plan->loops);
    jzx_config config;
    jzx_config_init(&config);
    config.linger_ns = plan->linger_ns;
    struct world world;
    world_open(&world, bench, &config, plan->loops);
    struct hops shared = {.bench = bench, .runtime = world.runtime, .total = jzx_bench_count(bench)};
    struct hops hops[2] = {shared, shared};
    struct hopper *hoppers = make_hoppers(plan->actors, hops, plan->loops);
    start_ring(&world, hoppers, plan->actors);
    world_run(&world);
    world_close(&world);
    free(hoppers);
    hops_prove(hops, 2);
}

/* ---- raw, one thread ---- */

static void raw_hop(raw_world *world, void *state, const raw_cell *cell)
{
    struct hopper *self = state;
    if (cell->tag == TAG_START) {
        jzx_bench_begin(self->hops->bench);
    } else if (hops_take(self->hops, cell->words)) {
        world->stopped = true;
        return;
    }
    struct token token = next_token(cell->words);
    raw_cell next = raw_cell_make(TAG_TOKEN, token.words);
    BENCH_CHECK(raw_send(world, self->next, &next), "the token was refused");
}

static void run_raw(jzx_bench *bench, void *argument)
{
    const struct ring_plan *plan = argument;
    struct hops hops = {.bench = bench, .total = jzx_bench_count(bench)};
    struct hopper *hoppers = make_hoppers(plan->actors, &hops, 1);
    raw_world world;
    raw_world_open(&world, plan->actors, RAW_RING_SIZE);
    uint64_t next = 0;
    for (uint32_t i = plan->actors; i-- > 0;) {
        hoppers[i].next = next;
        next = raw_actor_set(&world, i, raw_hop, &hoppers[i]);
    }
    hoppers[plan->actors - 1].next = next;
    raw_cell start = {.tag = TAG_START};
    BENCH_CHECK(raw_send(&world, next, &start), "the start was refused");
    raw_world_run(&world);
    raw_world_close(&world);
    free(hoppers);
    hops_prove(&hops, 1);
}

/* ---- raw, two threads: the target of a cell is the index of an actor ---- */

static bool raw_slot(void *state, const raw_cell *cell, raw_cell *next)
{
    const struct hopper *self = (const struct hopper *)state + cell->target;
    if (cell->tag == TAG_START) {
        jzx_bench_begin(self->hops->bench);
    } else if (hops_take(self->hops, cell->words)) {
        return false;
    }
    struct token token = next_token(cell->words);
    *next = raw_cell_make(TAG_TOKEN, token.words);
    next->target = self->next;
    return true;
}

static void run_raw_threads(jzx_bench *bench, void *argument)
{
    const struct ring_plan *plan = argument;
    world_need_cpus(bench, 2);
    struct hops shared = {.bench = bench, .total = jzx_bench_count(bench)};
    struct hops hops[2] = {shared, shared};
    struct hopper *hoppers = make_hoppers(plan->actors, hops, 2);
    for (uint32_t i = 0; i < plan->actors; i++) {
        hoppers[i].next = (i + 1) % plan->actors;
    }
    raw_cell start = {.tag = TAG_START};
    raw_slots_run(bench, raw_slot, hoppers, &start);
    free(hoppers);
    hops_prove(hops, 2);
}

/* ---- the workloads ---- */

const jzx_bench_goal bench_message_goals[2] = {{"time", "raw", 1.5}, BENCH_GOAL_PEERS("time")};

static struct ring_plan pair = {PAIR_ACTORS, 1, 0};
static struct ring_plan pair_lingering = {PAIR_ACTORS, 2, JZX_FOREVER};
static struct ring_plan pair_parking = {PAIR_ACTORS, 2, 0};
static struct ring_plan ring = {RING_ACTORS, 1, 0};
static struct ring_plan ring_lingering = {RING_ACTORS, 2, JZX_FOREVER};

static const jzx_bench_side pair_sides[] = {{"jzx", run_ring, &pair}, {"raw", run_raw, &pair}};
static const jzx_bench_side pair_threads_sides[] = {{"jzx", run_ring, &pair_lingering},
                                                    {"jzx-parking", run_ring, &pair_parking},
                                                    {"raw", run_raw_threads, &pair_lingering}};
static const jzx_bench_side ring_sides[] = {{"jzx", run_ring, &ring}, {"raw", run_raw, &ring}};
static const jzx_bench_side ring_threads_sides[] = {{"jzx", run_ring, &ring_lingering},
                                                    {"raw", run_raw_threads, &ring_lingering}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "message/ping-pong", .about = "two actors of one loop pass a token to and fro",
     .item = "message", .count = 6000000, .cpus = 1, BENCH_SIDES(pair_sides), BENCH_GOALS(bench_message_goals)},
    {BENCH_WORKLOAD, .name = "message/ping-pong-threads", .about = "the same, each actor on a loop of its own",
     .item = "message", .count = 200000, .cpus = 2, BENCH_SIDES(pair_threads_sides), BENCH_GOALS(bench_message_goals)},
    {BENCH_WORKLOAD, .name = "message/ring", .about = "1,000 actors of one loop pass a token round", .item = "message",
     .count = 5000000, .cpus = 1, BENCH_SIDES(ring_sides), BENCH_GOALS(bench_message_goals)},
    {BENCH_WORKLOAD, .name = "message/ring-threads", .about = "the same, neighbours on different loops",
     .item = "message", .count = 200000, .cpus = 2, BENCH_SIDES(ring_threads_sides), BENCH_GOALS(bench_message_goals)},
};

const bench_group bench_ring = BENCH_GROUP(workloads);
