/*
 * life.c: what does the whole life of an actor cost? Spawn, init, one message, stop, fini.
 *
 * Both sides make 64 actors, send each one message, and run them all to their end before the next 64.
 *
 * Raw: a record of 128 bytes taken from a slab and given back, an id with a generation, two callbacks, a cell pushed
 * and popped, a run queue.
 */
#include "raw_actors.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_GO = 1, TAG_ONLY = 2, LITTER = 64, RAW_RECORDS = 1024 };

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

struct record {
    uint32_t generation;
    uint32_t next_free;
    struct lives *state;
    bool (*behavior)(struct lives *state, const raw_cell *cell);
    void (*fini)(struct lives *state);
    raw_cell *mail;
    uint64_t unused[11];
};
_Static_assert(sizeof(struct record) == 128, "the record of the raw side is 128 bytes");

struct slab {
    struct record records[RAW_RECORDS];
    raw_cell cells[RAW_RECORDS];
    uint32_t run_queue[RAW_RECORDS];
    raw_cell *free_cells;
    uint32_t free_record;
    uint32_t run_head;
    uint32_t run_tail;
    struct lives lives;
};

static void raw_init(struct lives *lives, struct lives **state)
{
    lives->inits++;
    *state = lives;
}

static bool raw_child(struct lives *lives, const raw_cell *cell)
{
    lives->handled++;
    lives->sum += cell->words[0];
    return true;
}

/* The three of a library: as such they are not inlined into their callers. */
static __attribute__((noinline)) uint64_t raw_spawn(struct slab *slab, void (*init)(struct lives *, struct lives **))
{
    uint32_t index = slab->free_record;
    BENCH_CHECK(index != RAW_RECORDS, "the slab is empty");
    struct record *record = &slab->records[index];
    slab->free_record = record->next_free;
    record->behavior = raw_child;
    record->fini = lives_end_one;
    record->mail = NULL;
    init(&slab->lives, &record->state);
    return (uint64_t)record->generation << 32 | index;
}

static __attribute__((noinline)) bool raw_tell(struct slab *slab, uint64_t id, const uint64_t words[4])
{
    struct record *record = &slab->records[(uint32_t)id];
    raw_cell *cell = slab->free_cells;
    if (record->generation != (uint32_t)(id >> 32) || cell == NULL) {
        return false;
    }
    slab->free_cells = (raw_cell *)(uintptr_t)cell->next;
    *cell = raw_cell_make(TAG_ONLY, words);
    record->mail = cell;
    slab->run_queue[slab->run_tail++ % RAW_RECORDS] = (uint32_t)id;
    return true;
}

static __attribute__((noinline)) void raw_run_one(struct slab *slab)
{
    uint32_t index = slab->run_queue[slab->run_head++ % RAW_RECORDS];
    struct record *record = &slab->records[index];
    raw_cell *cell = record->mail;
    bool ended = record->behavior(record->state, cell);
    cell->next = (uintptr_t)slab->free_cells;
    slab->free_cells = cell;
    if (ended) {
        record->fini(record->state);
        record->generation++;
        record->next_free = slab->free_record;
        slab->free_record = index;
    }
}

static struct slab *slab_make(void)
{
    struct slab *slab = calloc(1, sizeof *slab);
    BENCH_CHECK(slab != NULL, "out of memory");
    for (uint32_t i = 0; i < RAW_RECORDS; i++) {
        slab->records[i].next_free = i + 1;
        slab->records[i].generation = 1;
        slab->cells[i].next = (uintptr_t)slab->free_cells;
        slab->free_cells = &slab->cells[i];
    }
    return slab;
}

static double life_raw(uint64_t total)
{
    struct slab *slab = slab_make();
    struct lives *lives = &slab->lives;
    void (*volatile init)(struct lives *, struct lives **) = raw_init;
    lives->total = total;
    lives->began_ns = bench_now_ns();
    while (lives->spawned < total) {
        for (int i = 0; i < LITTER && lives->spawned < total; i++) {
            uint64_t words[4] = {lives->spawned++, 0, 0, 0};
            BENCH_CHECK(raw_tell(slab, raw_spawn(slab, init), words), "the message was refused");
        }
        while (slab->run_head != slab->run_tail) {
            raw_run_one(slab);
        }
    }
    double cost = lives_result(lives);
    free(slab);
    return cost;
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
