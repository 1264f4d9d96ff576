/*
 * random.c: what does a message cost whose target is nowhere near?
 *
 * 100,000 actors of one loop; 64 or 10,000 tokens, each passed on to an actor drawn at random.
 *
 * Raw: raw/crowd.h, with the same draws.
 */
#include "raw/crowd.h"
#include "support/random.h"
#include "support/world.h"
#include "workloads.h"

#include <stdlib.h>

enum { TAG_START = 1, TAG_TOKEN = 2, ACTORS = 100000, ACTORS_QUICK = 1000, QUICK_SHARE = 64, RAW_CELLS = 16384 };

struct token {
    uint64_t words[4];
};

struct storm {
    jzx_bench *bench;
    jzx_runtime *runtime;
    uint64_t *ids;
    uint64_t total;
    uint64_t handled;
    uint64_t sent;
    uint64_t random;
    uint64_t depth;       /* sum of the hops that each token had made */
    uint64_t depth_twice; /* sum of the second words, which count twice as fast */
    uint32_t actor_count;
    uint32_t tokens;
};

static struct storm storm_make(jzx_bench *bench, const void *argument)
{
    const uint32_t *tokens = argument;
    bool quick = jzx_bench_quick(bench);
    struct storm storm = {.bench = bench, .total = jzx_bench_count(bench), .random = bench_draw_begin(bench)};
    storm.actor_count = quick ? ACTORS_QUICK : ACTORS;
    storm.tokens = quick ? *tokens / QUICK_SHARE + 1 : *tokens;
    storm.ids = calloc(storm.actor_count, sizeof *storm.ids);
    BENCH_CHECK(storm.ids != NULL, "out of memory");
    BENCH_CHECK(storm.total >= storm.tokens, "fewer messages than tokens");
    return storm;
}

static void storm_end(struct storm *storm)
{
    free(storm->ids);
    BENCH_CHECK(storm->depth_twice == 2 * storm->depth, "the payloads add up to %llu, not twice %llu",
                (unsigned long long)storm->depth_twice, (unsigned long long)storm->depth);
    jzx_bench_prove(storm->bench, "messages", storm->handled, storm->total);
}

static uint64_t draw_target(struct storm *storm)
{
    return storm->ids[bench_draw_below(&storm->random, storm->actor_count)];
}

/* Takes one token. Says whether it was the last. */
static inline bool storm_take(struct storm *storm, const uint64_t *words)
{
    storm->depth += words[0];
    storm->depth_twice += words[1];
    if (++storm->handled < storm->total) {
        return false;
    }
    jzx_bench_end(storm->bench, storm->total);
    return true;
}

static inline struct token next_token(const uint64_t *words)
{
    struct token token = {{words[0] + 1, words[1] + 2, words[2], words[3]}};
    return token;
}

/* ---- libjzx ---- */

static void send_token(jzx_context *context, struct storm *storm, struct token token)
{
    jzx_message message = jzx_message_value(TAG_TOKEN, &token, sizeof token);
    storm->sent++;
    WORLD_CHECK(jzx_send(context, draw_target(storm), &message));
}

static void begin(jzx_context *context, struct storm *storm)
{
    static const uint64_t nothing[4] = {0};
    jzx_bench_begin(storm->bench);
    for (uint32_t i = 0; i < storm->tokens; i++) {
        send_token(context, storm, next_token(nothing));
    }
}

static jzx_behavior_result pass_on(jzx_context *context, void *state, const jzx_message *message)
{
    struct storm *storm = state;
    if (message->tag == TAG_START) {
        begin(context, storm);
    } else if (storm_take(storm, message->words)) {
        WORLD_CHECK(jzx_runtime_request_stop(storm->runtime));
    } else if (storm->sent < storm->total) {
        send_token(context, storm, next_token(message->words));
    }
    return JZX_BEHAVIOR_OK;
}

static void run_storm(jzx_bench *bench, void *argument)
{
    struct storm storm = storm_make(bench, argument);
    jzx_config config;
    jzx_config_init(&config);
    config.actors_max = storm.actor_count;
    struct world world;
    world_open(&world, bench, &config, 1);
    storm.runtime = world.runtime;
    for (uint32_t i = 0; i < storm.actor_count; i++) {
        storm.ids[i] = world_spawn(&world, 0, pass_on, &storm);
    }
    world_tell(&world, storm.ids[0], TAG_START);
    world_run(&world);
    world_close(&world);
    storm_end(&storm);
}

/* ---- raw ---- */

static void raw_send_token(raw_crowd *crowd, struct storm *storm, struct token token)
{
    raw_cell cell = raw_cell_make(TAG_TOKEN, token.words);
    storm->sent++;
    BENCH_CHECK(raw_crowd_send(crowd, draw_target(storm), &cell), "there are no more than %d cells", RAW_CELLS);
}

static void raw_begin(raw_crowd *crowd, struct storm *storm)
{
    static const uint64_t nothing[4] = {0};
    jzx_bench_begin(storm->bench);
    for (uint32_t i = 0; i < storm->tokens; i++) {
        raw_send_token(crowd, storm, next_token(nothing));
    }
}

static void raw_pass_on(raw_crowd *crowd, void *state, const raw_cell *cell)
{
    struct storm *storm = state;
    if (cell->tag == TAG_START) {
        raw_begin(crowd, storm);
    } else if (storm_take(storm, cell->words)) {
        crowd->stopped = true;
    } else if (storm->sent < storm->total) {
        raw_send_token(crowd, storm, next_token(cell->words));
    }
}

static void run_raw(jzx_bench *bench, void *argument)
{
    struct storm storm = storm_make(bench, argument);
    raw_crowd crowd;
    raw_crowd_open(&crowd, storm.actor_count, RAW_CELLS);
    for (uint32_t i = 0; i < storm.actor_count; i++) {
        storm.ids[i] = raw_member_set(&crowd, i, raw_pass_on, &storm);
    }
    raw_cell start = {.tag = TAG_START};
    BENCH_CHECK(raw_crowd_send(&crowd, storm.ids[0], &start), "the start was refused");
    raw_crowd_run(&crowd);
    raw_crowd_close(&crowd);
    storm_end(&storm);
}

/* ---- the workloads ---- */

static uint32_t few = 64;
static uint32_t many = 10000;

static const jzx_bench_side few_sides[] = {{"jzx", run_storm, &few}, {"raw", run_raw, &few}};
static const jzx_bench_side many_sides[] = {{"jzx", run_storm, &many}, {"raw", run_raw, &many}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "message/random-64", .about = "100,000 actors of one loop pass 64 tokens at random",
     .item = "message", .count = 3000000, .cpus = 1, BENCH_SIDES(few_sides), BENCH_GOALS(bench_message_goals)},
    {BENCH_WORKLOAD, .name = "message/random-10000", .about = "the same with 10,000 tokens", .item = "message",
     .count = 3000000, .cpus = 1, BENCH_SIDES(many_sides), BENCH_GOALS(bench_message_goals)},
};

const bench_group bench_random = BENCH_GROUP(workloads);
