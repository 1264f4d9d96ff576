/*
 * life.c: what does the whole life of an actor cost? Spawn, init, one message, stop, fini.
 *
 * Both sides make 64 actors, send each one message, and run them all to their end before the next 64.
 *
 * Raw: raw/life.h.
 */
#include "raw/life.h"
#include "support/world.h"
#include "workloads.h"

enum { TAG_GO = 1, TAG_ONLY = 2, LITTER = 64 };

/* What the actors of both sides count. */
struct lives {
    jzx_bench *bench;
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t spawned;
    uint64_t inits;
    uint64_t handled;
    uint64_t finis;
    uint64_t sum;
};

static void lives_prove(const struct lives *lives)
{
    uint64_t total = lives->total;
    BENCH_CHECK(lives->spawned == total && lives->inits == total, "not every actor was begun");
    BENCH_CHECK(lives->handled == total, "not every actor had its message");
    jzx_bench_prove(lives->bench, "actors", lives->finis, total);
    jzx_bench_prove(lives->bench, "sum", lives->sum, total * (total - 1) / 2);
}

static void lives_end_one(struct lives *lives)
{
    if (++lives->finis == lives->total) {
        jzx_bench_end(lives->bench, lives->total);
    }
}

/* ---- libjzx ---- */

static jzx_err child_init(jzx_context *context, void *argument, void **state)
{
    struct lives *lives = argument;
    (void)context;
    lives->inits++;
    *state = lives;
    return JZX_OK;
}

static jzx_behavior_result child(jzx_context *context, void *state, const jzx_message *message)
{
    struct lives *lives = state;
    (void)context;
    lives->handled++;
    lives->sum += message->words[0];
    return JZX_BEHAVIOR_STOP;
}

static void child_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    struct lives *lives = state;
    (void)context;
    (void)info;
    lives_end_one(lives);
    if (lives->finis == lives->total) {
        WORLD_CHECK(jzx_runtime_request_stop(lives->runtime));
    }
}

static jzx_behavior_result parent(jzx_context *context, void *state, const jzx_message *message)
{
    struct lives *lives = state;
    (void)message;
    if (lives->spawned == 0) {
        jzx_bench_begin(lives->bench);
    }
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = child;
    options.init = child_init;
    options.fini = child_fini;
    options.argument = lives;
    for (int i = 0; i < LITTER && lives->spawned < lives->total; i++) {
        jzx_actor_id id = 0;
        uint64_t words[4] = {lives->spawned++, 0, 0, 0};
        jzx_message only = jzx_message_value(TAG_ONLY, words, sizeof words);
        WORLD_CHECK(jzx_spawn(context, &options, &id));
        WORLD_CHECK(jzx_send(context, id, &only));
    }
    return lives->spawned < lives->total ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

static void run_life(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct lives lives = {.bench = bench, .total = jzx_bench_count(bench)};
    struct world world;
    world_open(&world, bench, NULL, 1);
    lives.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, parent, &lives), TAG_GO);
    world_run(&world);
    world_close(&world);
    lives_prove(&lives);
}

/* ---- raw ---- */

static void raw_init(void *argument, void **state)
{
    struct lives *lives = argument;
    lives->inits++;
    *state = lives;
}

static bool raw_child(void *state, const raw_cell *cell)
{
    struct lives *lives = state;
    lives->handled++;
    lives->sum += cell->words[0];
    return true;
}

static void raw_fini(void *state)
{
    lives_end_one(state);
}

static void run_raw(jzx_bench *bench, void *argument)
{
    (void)argument;
    raw_slab *slab = raw_slab_open(LITTER);
    struct lives lives = {.bench = bench, .total = jzx_bench_count(bench)};
    const raw_behavior behavior = {raw_init, raw_child, raw_fini};
    jzx_bench_begin(bench);
    while (lives.spawned < lives.total) {
        for (int i = 0; i < LITTER && lives.spawned < lives.total; i++) {
            uint64_t words[4] = {lives.spawned++, 0, 0, 0};
            uint64_t id = raw_slab_spawn(slab, &behavior, &lives);
            BENCH_CHECK(raw_slab_tell(slab, id, TAG_ONLY, words), "the message was refused");
        }
        while (raw_slab_run_one(slab)) {
        }
    }
    raw_slab_close(slab);
    lives_prove(&lives);
}

static const jzx_bench_side sides[] = {{"jzx", run_life, NULL}, {"raw", run_raw, NULL}};

static const jzx_bench_goal goals[] = {{"time", "raw", 3}, BENCH_GOAL_PEERS("time")};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "life/spawn", .about = "spawn, init, one message, stop and fini of an actor",
     .item = "actor", .count = 1000000, .cpus = 1, BENCH_SIDES(sides), BENCH_GOALS(goals)},
};

const bench_group bench_life = BENCH_GROUP(workloads);
