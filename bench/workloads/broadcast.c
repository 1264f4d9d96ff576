/*
 * broadcast.c: what does it cost to reach one of 1,000 members of a group?
 *
 * A source broadcasts 32 bytes by value, and again when it has the answer that all loops are done. On one loop, and on two that
 * linger, with half of the members on each. On one, the side jzx-sends tells each with a send of its own. A topic has a name of
 * 64 bytes, which each publish is given, and members that filter: each wants one of four kinds of messages, so of four that are
 * asked three are not reached, and the item is a member asked.
 *
 * Raw: raw/crowd.h, to each member in turn; between two threads one cell of a raw/blocks.h lane for all. A topic is found by its
 * name in a table, and its number goes into the cell.
 */
#include "raw/blocks.h"
#include "raw/crowd.h"
#include "support/check.h"
#include "support/memory.h"
#include "support/pair.h"
#include "support/world.h"
#include "workloads.h"

#include <ck_pr.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS = 1000, KINDS = 4, TAG_GO = 1, TAG_WORD = 2 };

/* What a publisher knows of a topic. */
static const char topic_name[] = "markets/europe/frankfurt/equities/automobiles/manufacturer/depth";
_Static_assert(sizeof topic_name - 1 == JZX_GROUP_NAME_MAX, "as long as a name may be");

struct plan {
    int loops;
    bool sends; /* to each by itself */
    bool topic;
};

struct side;

/* What is one thread's, on lines of its own. */
struct side {
    struct hall *hall;
    uint64_t handled;
    uint64_t sum; /* of the numbers of what was broadcast */
    uint64_t asked;
    uint64_t total; /* to be handled here */
} __attribute__((aligned(128)));

struct member {
    struct side *side;
    uint64_t kind;
};

struct hall {
    jzx_bench *bench;
    const struct plan *plan;
    struct world world;
    uint64_t rounds;
    uint64_t round; /* the source's */
    jzx_space *space;
    jzx_group group;
    jzx_actor_id ids[MEMBERS];
    struct member members[MEMBERS];
    struct side sides[2];
    atomic_int sides_done;
};

static struct hall *hall_make(jzx_bench *bench, const struct plan *plan)
{
    struct hall *hall = bench_memory_take(sizeof *hall);
    hall->bench = bench;
    hall->plan = plan;
    hall->rounds = jzx_bench_count(bench) / MEMBERS;
    for (int i = 0; i < plan->loops; i++) {
        hall->sides[i].hall = hall;
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct side *side = &hall->sides[i % (uint32_t)plan->loops];
        hall->members[i] = (struct member){side, i / 2 % KINDS};
        side->total += hall->rounds / (plan->topic ? KINDS : 1);
    }
    return hall;
}

/* Each round has its number, from 1; of a topic each kind of member gets every fourth. */
static void hall_finish(struct hall *hall)
{
    uint64_t handled = 0;
    uint64_t asked = 0;
    uint64_t sum = 0;
    for (int i = 0; i < hall->plan->loops; i++) {
        handled += hall->sides[i].handled;
        asked += hall->sides[i].asked;
        sum += hall->sides[i].sum;
    }
    uint64_t numbers = hall->rounds * (hall->rounds + 1) / 2;
    uint64_t each = hall->plan->topic ? MEMBERS / KINDS : MEMBERS;
    BENCH_CHECK(sum == numbers * each, "the numbers add up to %llu, not %llu", (unsigned long long)sum,
                (unsigned long long)(numbers * each));
    BENCH_CHECK(handled == hall->rounds * each, "not each member was reached");
    jzx_bench_prove(hall->bench, "members", hall->plan->topic ? asked : handled, hall->rounds * MEMBERS);
    free(hall);
}

/* Says whether it was the last of this side; the last side ends the time. */
static inline bool take(struct side *side, const uint64_t *words)
{
    side->sum += words[0];
    if (++side->handled < side->total) {
        return false;
    }
    struct hall *hall = side->hall;
    if (atomic_fetch_add(&hall->sides_done, 1) + 1 == hall->plan->loops) {
        jzx_bench_end(hall->bench, hall->rounds * MEMBERS);
    }
    return true;
}

/* ---- libjzx ---- */

static jzx_behavior_result member_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct member *self = state;
    (void)context;
    BENCH_CHECK(message->tag == TAG_WORD, "a member missed something");
    if (take(self->side, message->words) &&
        atomic_load(&self->side->hall->sides_done) == self->side->hall->plan->loops) {
        WORLD_CHECK(jzx_runtime_request_stop(self->side->hall->world.runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static bool wants(void *context, const jzx_message *message)
{
    const struct member *self = context;
    self->side->asked++;
    return message->words[0] % KINDS == self->kind;
}

static jzx_err member_init(jzx_context *context, void *argument, void **state)
{
    struct member *self = argument;
    *state = self;
    bool topic = self->side->hall->plan->topic;
    return jzx_group_join(context, &self->side->hall->group, 0, NULL, topic ? wants : NULL, self);
}

static void send_round(jzx_context *context, struct hall *hall, const jzx_message *message)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        WORLD_CHECK(jzx_send(context, hall->ids[i], message));
    }
    jzx_message go = jzx_message_empty(TAG_GO);
    WORLD_CHECK(jzx_send(context, jzx_self(context), &go)); /* behind the members of this loop */
}

static jzx_behavior_result source(jzx_context *context, void *state, const jzx_message *message)
{
    struct hall *hall = state;
    (void)message;
    if (hall->round == hall->rounds) {
        return JZX_BEHAVIOR_OK;
    }
    if (hall->round++ == 0) {
        jzx_bench_begin(hall->bench);
    }
    uint64_t words[4] = {hall->round, 2, 3, 4};
    jzx_message word = jzx_message_value(TAG_WORD, words, sizeof words);
    if (hall->plan->sends) {
        send_round(context, hall, &word);
    } else {
        if (hall->plan->topic) {
            hall->group = jzx_group_named(hall->space, topic_name);
        }
        WORLD_CHECK(jzx_broadcast_request(context, &hall->group, &word, 0, JZX_FOREVER, NULL, NULL));
    }
    return JZX_BEHAVIOR_OK;
}

static void spawn_members(struct hall *hall)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = member_behave;
    options.init = member_init;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        options.argument = &hall->members[i];
        jzx_context *host = jzx_loop_context(hall->world.loops[i % (uint32_t)hall->plan->loops]);
        WORLD_CHECK(jzx_spawn(host, &options, &hall->ids[i]));
    }
}

static void run(jzx_bench *bench, void *argument)
{
    struct hall *hall = hall_make(bench, argument);
    jzx_config config;
    jzx_config_init(&config);
    config.linger_ns = hall->plan->loops > 1 ? JZX_FOREVER : 0;
    world_open(&hall->world, bench, &config, hall->plan->loops);
    WORLD_CHECK(jzx_space_create(hall->world.runtime, NULL, &hall->space));
    hall->group = jzx_group_named(hall->space, topic_name);
    spawn_members(hall);
    world_tell(&hall->world, world_spawn(&hall->world, 0, source, hall), TAG_GO);
    world_run(&hall->world);
    world_close(&hall->world);
    hall_finish(hall);
}

/* ---- raw ---- */

enum { RAW_TOPICS = 64 }; /* places of the table */

typedef bool (*raw_filter_fn)(struct member *member, const raw_cell *cell);

/* Who is on one thread. */
struct raw_half {
    raw_crowd crowd;
    struct member *members[MEMBERS];
    uint64_t ids[MEMBERS];
    uint32_t count;
};

struct raw_hall {
    struct hall *hall;
    struct raw_half halves[2];
    raw_filter_fn wants; /* NULL: all */
    raw_lane *lane;
    char topics[RAW_TOPICS][JZX_GROUP_NAME_MAX]; /* names; the others are empty */
};

static void raw_hear(raw_crowd *crowd, void *state, const raw_cell *cell)
{
    struct member *self = state;
    (void)crowd;
    (void)take(self->side, cell->words);
}

static bool raw_wants(struct member *member, const raw_cell *cell)
{
    member->side->asked++;
    return cell->words[0] % KINDS == member->kind;
}

/* The place of a topic, or the empty one where it would be. */
static uint32_t raw_topic(const struct raw_hall *raw, const char name[JZX_GROUP_NAME_MAX])
{
    uint64_t words[JZX_GROUP_NAME_MAX / 8];
    uint64_t hash = 0;
    memcpy(words, name, sizeof words);
    for (size_t i = 0; i < BENCH_COUNT(words); i++) {
        hash = (hash ^ words[i]) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 32;
    }
    uint32_t place = hash % RAW_TOPICS;
    while (raw->topics[place][0] != 0 && memcmp(raw->topics[place], name, sizeof words) != 0) {
        place = (place + 1) % RAW_TOPICS;
    }
    return place;
}

static void raw_reach(struct raw_hall *raw, int side, const raw_cell *cell)
{
    struct raw_half *half = &raw->halves[side];
    for (uint32_t i = 0; i < half->count; i++) {
        if (raw->wants == NULL || raw->wants(half->members[i], cell)) {
            BENCH_CHECK(raw_crowd_send(&half->crowd, half->ids[i], cell), "too few cells");
        }
    }
    raw_crowd_run(&half->crowd);
}

static void raw_arrived(void *state, const raw_cell *cell)
{
    raw_reach(state, 1, cell);
}

static void raw_first(void *context)
{
    struct raw_hall *raw = context;
    struct hall *hall = raw->hall;
    jzx_bench_begin(hall->bench);
    while (hall->round < hall->rounds) {
        uint64_t words[4] = {++hall->round, 2, 3, 4};
        raw_cell cell = raw_cell_make(TAG_WORD, words);
        uint32_t topic = hall->plan->topic ? raw_topic(raw, topic_name) : 0;
        if (raw->lane != NULL) {
            while (!raw_lane_write(raw->lane, topic, TAG_WORD, words)) {
                ck_pr_stall();
            }
            raw_lane_publish(raw->lane);
        }
        raw_reach(raw, 0, &cell);
    }
}

static void raw_second(void *context)
{
    struct raw_hall *raw = context;
    raw_target targets[RAW_TOPICS];
    const struct side *side = &raw->hall->sides[1];
    for (uint32_t i = 0; i < RAW_TOPICS; i++) {
        targets[i] = (raw_target){raw_arrived, raw};
    }
    while (side->handled < side->total) {
        if (raw_lane_read(raw->lane, targets) == 0) {
            ck_pr_stall();
        }
    }
}

static void raw_fill(struct raw_hall *raw)
{
    struct hall *hall = raw->hall;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct raw_half *half = &raw->halves[i % (uint32_t)hall->plan->loops];
        half->members[half->count] = &hall->members[i];
        half->ids[half->count] = raw_member_set(&half->crowd, half->count, raw_hear, &hall->members[i]);
        half->count++;
    }
    if (hall->plan->topic) {
        raw->wants = raw_wants;
        memcpy(raw->topics[raw_topic(raw, topic_name)], topic_name, JZX_GROUP_NAME_MAX);
    }
}

static void run_raw(jzx_bench *bench, void *argument)
{
    struct raw_hall *raw = bench_memory_take(sizeof *raw);
    raw->hall = hall_make(bench, argument);
    int loops = raw->hall->plan->loops;
    for (int i = 0; i < loops; i++) {
        raw_crowd_open(&raw->halves[i].crowd, MEMBERS, 2 * MEMBERS);
    }
    raw_fill(raw);
    if (loops > 1) {
        raw->lane = raw_lane_open();
        pair_run(bench, raw_first, raw_second, raw);
        raw_lane_close(raw->lane);
    } else {
        raw_first(raw);
    }
    for (int i = 0; i < loops; i++) {
        raw_crowd_close(&raw->halves[i].crowd);
    }
    hall_finish(raw->hall);
    free(raw);
}

/* ---- the workloads ---- */

static struct plan one = {.loops = 1};
static struct plan one_sends = {.loops = 1, .sends = true};
static struct plan two = {.loops = 2};
static struct plan topic = {.loops = 2, .topic = true};

static const jzx_bench_side one_sides[] = {{"jzx", run, &one}, {"jzx-sends", run, &one_sends}, {"raw", run_raw, &one}};
static const jzx_bench_side two_sides[] = {{"jzx", run, &two}, {"raw", run_raw, &two}};
static const jzx_bench_side topic_sides[] = {{"jzx", run, &topic}, {"raw", run_raw, &topic}};

#define HALL BENCH_WORKLOAD, .item = "member", .count = 4000000, .quick_count = 16000, .step = MEMBERS * KINDS

static const jzx_bench_workload workloads[] = {
    {HALL, .name = "message/broadcast", .about = "an actor broadcasts to 1,000 of its loop", .cpus = 1,
     BENCH_SIDES(one_sides)},
    {HALL, .name = "message/broadcast-threads", .about = "the same, half of them on each of two loops", .cpus = 2,
     BENCH_SIDES(two_sides)},
    {HALL, .name = "message/topic", .about = "the same by a name of 64 bytes, and each wants every fourth", .cpus = 2,
     BENCH_SIDES(topic_sides)},
};

const bench_group bench_broadcast = BENCH_GROUP(workloads);
