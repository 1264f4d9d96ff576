/*
 * life.c: what does the whole life of an actor cost? Spawn, init, one message, stop, fini.
 *
 * Both sides make 64 actors, send each one message, and run them all to their end before the next 64.
 *
 * Raw: a record of 128 bytes taken from a slab and given back, an id with a generation, two callbacks, a cell pushed
 * and popped, a run queue.
 */
#include "raw_life.h"
#include "world.h"

enum { TAG_GO = 1, TAG_ONLY = 2, LITTER = 64 };

/* What the actors of both sides count. */
struct lives {
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t spawned;
    uint64_t inits;
    uint64_t handled;
    uint64_t finis;
    uint64_t sum;
    uint64_t began_ns;
    uint64_t ended_ns;
};

static double lives_result(const struct lives *lives)
{
    uint64_t total = lives->total;
    BENCH_CHECK(lives->spawned == total && lives->inits == total, "not every actor was begun");
    BENCH_CHECK(lives->handled == total && lives->finis == total, "not every actor was ended");
    BENCH_CHECK(lives->sum == total * (total - 1) / 2, "the payloads add up wrongly");
    return bench_per(lives->ended_ns - lives->began_ns, total);
}

static void lives_end_one(struct lives *lives)
{
    if (++lives->finis == lives->total) {
        lives->ended_ns = bench_now_ns();
    }
}

/* ---- ours ---- */

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
        lives->began_ns = bench_now_ns();
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

static double life_ours(uint64_t total)
{
    struct lives lives = {.total = total};
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, NULL, &shape);
    lives.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, parent, &lives), TAG_GO);
    world_run(&world);
    world_close(&world);
    return lives_result(&lives);
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

static double life_raw(uint64_t total)
{
    raw_slab *slab = raw_slab_open();
    struct lives lives = {.total = total};
    const raw_behavior behavior = {raw_init, raw_child, raw_fini};
    lives.began_ns = bench_now_ns();
    while (lives.spawned < total) {
        for (int i = 0; i < LITTER && lives.spawned < total; i++) {
            uint64_t words[4] = {lives.spawned++, 0, 0, 0};
            uint64_t id = raw_slab_spawn(slab, &behavior, &lives);
            BENCH_CHECK(raw_slab_tell(slab, id, TAG_ONLY, words), "the message was refused");
        }
        while (raw_slab_run_one(slab)) {
        }
    }
    raw_slab_close(slab);
    return lives_result(&lives);
}

static void run_life(const bench_run *run)
{
    uint64_t total = bench_scale(run, 1000000, 5000);
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    bench_pin(bench_cpu());
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, life_ours(total));
        bench_add(&raw, life_raw(total));
    }
    bench_report(run, "whole life of an actor", "ns/life", &ours, &raw, (bench_target){BENCH_RATIO_AT_MOST, 3.0});
}

const struct bench bench_life = {"life", "spawn, init, one message, stop and fini", run_life};
