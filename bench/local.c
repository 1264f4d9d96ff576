/*
 * local.c: what does a message between actors of one loop cost?
 *
 * Both sides run the same handlers over the same payloads: a token of 32 bytes whose first word grows by one at each
 * hop. The raw side is raw_actors.h.
 */
#include "raw_actors.h"
#include "world.h"

#include <stdlib.h>

enum { TAG_START = 1, TAG_TOKEN = 2 };
enum { RING_ACTORS = 1000, RANDOM_ACTORS = 100000, RANDOM_ACTORS_QUICK = 1000, RAW_RING_SIZE = 8 };

/* The payload. */
struct token {
    uint64_t words[4];
};

/* A run of tokens; `total` hops are to be made. */
struct hops {
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t handled;
    uint64_t sent;
    uint64_t sum;
    uint64_t began_ns;
    uint64_t ended_ns;
    uint64_t refused;
};

/* One actor of a ring, on either side. */
struct hopper {
    struct hops *hops;
    uint64_t next; /* id of the next one */
};

/* Actors that pass tokens on to random others. */
struct storm {
    struct hops hops;
    uint64_t *ids;
    uint32_t actor_count;
    uint32_t tokens;
    uint64_t random;
    uint64_t depth; /* sum of the hops each token had made: the second word of a token is twice its first */
};

static void check_hops(const struct hops *hops, uint64_t expected_sum)
{
    BENCH_CHECK(hops->refused == 0, "%llu sends were refused", (unsigned long long)hops->refused);
    BENCH_CHECK(hops->handled == hops->total, "%llu of %llu messages were handled", (unsigned long long)hops->handled,
                (unsigned long long)hops->total);
    BENCH_CHECK(hops->sum == expected_sum, "the payloads add up to %llu, not %llu", (unsigned long long)hops->sum,
                (unsigned long long)expected_sum);
}

static double hop_ns(const struct hops *hops)
{
    return bench_per(hops->ended_ns - hops->began_ns, hops->total);
}

/* Takes one hop, or the start. Says whether the token goes on. */
static inline bool hops_take(struct hops *hops, uint32_t tag, const uint64_t *words)
{
    if (tag == TAG_START) {
        hops->began_ns = bench_now_ns();
        return true;
    }
    hops->sum += words[0];
    if (++hops->handled < hops->total) {
        return true;
    }
    hops->ended_ns = bench_now_ns();
    return false;
}

/* The token of the hop after one that carried `words`; a start carries zeroes. */
static inline struct token next_token(const uint64_t *words)
{
    struct token token = {{words[0] + 1, words[1] + 2, words[2], words[3]}};
    return token;
}

/* ---- ring (and ping-pong, a ring of two): ours ---- */

static jzx_behavior_result hop(jzx_context *context, void *state, const jzx_message *message)
{
    struct hopper *self = state;
    if (!hops_take(self->hops, message->tag, message->words)) {
        WORLD_CHECK(jzx_runtime_request_stop(self->hops->runtime));
        return JZX_BEHAVIOR_OK;
    }
    struct token token = next_token(message->words);
    jzx_message next = jzx_message_value(TAG_TOKEN, &token, sizeof token);
    self->hops->refused += jzx_send(context, self->next, &next) != JZX_OK;
    return JZX_BEHAVIOR_OK;
}

static double ring_ours(uint32_t actor_count, uint64_t total)
{
    struct hopper *hoppers = calloc(actor_count, sizeof *hoppers);
    BENCH_CHECK(hoppers != NULL, "out of memory");
    struct hops hops = {.total = total};
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, NULL, &shape);
    hops.runtime = world.runtime;
    uint64_t next = 0;
    for (uint32_t i = actor_count; i-- > 0;) {
        hoppers[i].hops = &hops;
        hoppers[i].next = next;
        next = world_spawn(&world, 0, hop, &hoppers[i]);
    }
    hoppers[actor_count - 1].next = next;
    world_tell(&world, next, TAG_START);
    world_run(&world);
    world_close(&world);
    free(hoppers);
    check_hops(&hops, total * (total + 1) / 2);
    return hop_ns(&hops);
}

/* ---- ring: raw ---- */

static void raw_hop(raw_world *world, void *state, const raw_cell *cell)
{
    struct hopper *self = state;
    if (!hops_take(self->hops, cell->tag, cell->words)) {
        world->stopped = true;
        return;
    }
    struct token token = next_token(cell->words);
    raw_cell next = raw_cell_make(TAG_TOKEN, token.words);
    self->hops->refused += !raw_send(world, self->next, &next);
}

static double ring_raw(uint32_t actor_count, uint64_t total)
{
    struct hopper *hoppers = calloc(actor_count, sizeof *hoppers);
    BENCH_CHECK(hoppers != NULL, "out of memory");
    struct hops hops = {.total = total};
    raw_world world;
    raw_world_open(&world, actor_count, RAW_RING_SIZE);
    uint64_t next = 0;
    for (uint32_t i = actor_count; i-- > 0;) {
        hoppers[i].hops = &hops;
        hoppers[i].next = next;
        next = raw_actor_set(&world, i, raw_hop, &hoppers[i]);
    }
    hoppers[actor_count - 1].next = next;
    raw_cell start = {.tag = TAG_START};
    BENCH_CHECK(raw_send(&world, next, &start), "the start was refused");
    raw_world_run(&world);
    raw_world_close(&world);
    free(hoppers);
    check_hops(&hops, total * (total + 1) / 2);
    return hop_ns(&hops);
}

static void run_ring(const bench_run *run, const char *name, uint32_t actor_count, uint64_t total, double limit)
{
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    bench_pin(bench_cpu());
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, ring_ours(actor_count, total));
        bench_add(&raw, ring_raw(actor_count, total));
    }
    bench_report(run, name, "ns/msg", &ours, &raw, (bench_target){BENCH_RATIO_AT_MOST, limit});
}

/* ---- random targets: ours ---- */

static uint64_t storm_target(struct storm *storm)
{
    return storm->ids[bench_random_below(&storm->random, storm->actor_count)];
}

static void storm_send(jzx_context *context, struct storm *storm, struct token token)
{
    jzx_message message = jzx_message_value(TAG_TOKEN, &token, sizeof token);
    storm->hops.sent++;
    storm->hops.refused += jzx_send(context, storm_target(storm), &message) != JZX_OK;
}

static jzx_behavior_result storm_begin(jzx_context *context, struct storm *storm)
{
    static const uint64_t nothing[4] = {0};
    storm->hops.began_ns = bench_now_ns();
    for (uint32_t i = 0; i < storm->tokens; i++) {
        storm_send(context, storm, next_token(nothing));
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result storm_handle(jzx_context *context, void *state, const jzx_message *message)
{
    struct storm *storm = state;
    if (message->tag == TAG_START) {
        return storm_begin(context, storm);
    }
    storm->depth += message->words[0];
    storm->hops.sum += message->words[1];
    if (++storm->hops.handled == storm->hops.total) {
        storm->hops.ended_ns = bench_now_ns();
        WORLD_CHECK(jzx_runtime_request_stop(storm->hops.runtime));
    } else if (storm->hops.sent < storm->hops.total) {
        storm_send(context, storm, next_token(message->words));
    }
    return JZX_BEHAVIOR_OK;
}

static struct storm storm_make(uint32_t actor_count, uint32_t tokens, uint64_t total)
{
    struct storm storm = {.actor_count = actor_count, .tokens = tokens, .random = 88172645463325252u};
    storm.hops.total = total;
    storm.ids = calloc(actor_count, sizeof *storm.ids);
    BENCH_CHECK(storm.ids != NULL, "out of memory");
    return storm;
}

static double storm_ours(uint32_t actor_count, uint32_t tokens, uint64_t total)
{
    struct storm storm = storm_make(actor_count, tokens, total);
    jzx_config config;
    jzx_config_init(&config);
    config.actors_max = actor_count;
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, &config, &shape);
    storm.hops.runtime = world.runtime;
    for (uint32_t i = 0; i < actor_count; i++) {
        storm.ids[i] = world_spawn(&world, 0, storm_handle, &storm);
    }
    world_tell(&world, storm.ids[0], TAG_START);
    world_run(&world);
    world_close(&world);
    free(storm.ids);
    check_hops(&storm.hops, storm.depth * 2);
    return hop_ns(&storm.hops);
}

/* ---- random targets: raw ---- */

static void raw_storm_send(raw_world *world, struct storm *storm, struct token token)
{
    raw_cell cell = raw_cell_make(TAG_TOKEN, token.words);
    storm->hops.sent++;
    storm->hops.refused += !raw_send(world, storm_target(storm), &cell);
}

static void raw_storm_begin(raw_world *world, struct storm *storm)
{
    static const uint64_t nothing[4] = {0};
    storm->hops.began_ns = bench_now_ns();
    for (uint32_t i = 0; i < storm->tokens; i++) {
        raw_storm_send(world, storm, next_token(nothing));
    }
}

static void raw_storm_handle(raw_world *world, void *state, const raw_cell *cell)
{
    struct storm *storm = state;
    if (cell->tag == TAG_START) {
        raw_storm_begin(world, storm);
        return;
    }
    storm->depth += cell->words[0];
    storm->hops.sum += cell->words[1];
    if (++storm->hops.handled == storm->hops.total) {
        storm->hops.ended_ns = bench_now_ns();
        world->stopped = true;
    } else if (storm->hops.sent < storm->hops.total) {
        raw_storm_send(world, storm, next_token(cell->words));
    }
}

static double storm_raw(uint32_t actor_count, uint32_t tokens, uint64_t total)
{
    struct storm storm = storm_make(actor_count, tokens, total);
    raw_world world;
    raw_world_open(&world, actor_count, RAW_RING_SIZE);
    for (uint32_t i = 0; i < actor_count; i++) {
        storm.ids[i] = raw_actor_set(&world, i, raw_storm_handle, &storm);
    }
    raw_cell start = {.tag = TAG_START};
    BENCH_CHECK(raw_send(&world, storm.ids[0], &start), "the start was refused");
    raw_world_run(&world);
    raw_world_close(&world);
    free(storm.ids);
    check_hops(&storm.hops, storm.depth * 2);
    return hop_ns(&storm.hops);
}

static void run_storm(const bench_run *run, const char *name, uint32_t tokens)
{
    uint32_t actor_count = run->quick ? RANDOM_ACTORS_QUICK : RANDOM_ACTORS;
    uint64_t total = bench_scale(run, 3000000, 20000);
    uint32_t in_flight = run->quick ? tokens / 64 + 1 : tokens;
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    bench_pin(bench_cpu());
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, storm_ours(actor_count, in_flight, total));
        bench_add(&raw, storm_raw(actor_count, in_flight, total));
    }
    bench_report(run, name, "ns/msg", &ours, &raw, (bench_target){BENCH_RATIO_AT_MOST, 1.3});
}

/* ---- the benches ---- */

static void run_pingpong(const bench_run *run)
{
    run_ring(run, "local ping-pong of 2 actors", 2, bench_scale(run, 6000000, 20000), 2.0);
}

static void run_ring_1000(const bench_run *run)
{
    run_ring(run, "ring of 1,000 actors", RING_ACTORS, bench_scale(run, 5000000, 20000), 1.6);
}

static void run_random(const bench_run *run)
{
    run_storm(run, "100,000 actors at random, 64 in flight", 64);
    run_storm(run, "100,000 actors at random, 10,000 in flight", 10000);
}

const struct bench bench_local_pingpong = {"local-pingpong", "a message between two actors of one loop", run_pingpong};
const struct bench bench_local_ring = {"local-ring", "a hop in a ring of 1,000 actors of one loop", run_ring_1000};
const struct bench bench_local_random = {"local-random", "a message to a random one of 100,000 actors", run_random};
