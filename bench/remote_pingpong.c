/*
 * remote_pingpong.c: what does a round trip between two loops cost when neither sleeps?
 *
 * Raw: one slot of 64 bytes by value in a bare ck_ring each way, polled.
 */
#include "pair.h"
#include "raw_actors.h"
#include "world.h"

#include <ck_pr.h>
#include <ck_ring.h>
#include <stdlib.h>
#include <string.h>

CK_RING_PROTOTYPE(slot, raw_cell)

enum { TAG_START = 1, TAG_BALL = 2, RAW_SLOTS = 64, WARM_UP = 1000 };

/* The server strikes first and counts; both are handled by the same behavior. */
struct match {
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t began_ns;
    uint64_t ended_ns;
    uint64_t trips;
    uint64_t sum;
} __attribute__((aligned(128)));

/* On lines of its own, like what each side of the raw one reads: the server's count is not the other's business. */
struct player {
    jzx_actor_id peer;
    struct match *match; /* the server's alone */
} __attribute__((aligned(128)));

/* Counts a ball that came back to the server. The first ones bring caches and pages up and are not timed. */
static bool match_over(struct match *match, uint64_t value)
{
    match->sum += value;
    match->trips++;
    if (match->trips == WARM_UP) {
        match->began_ns = bench_now_ns();
    }
    if (match->trips == match->total + WARM_UP) {
        match->ended_ns = bench_now_ns();
        return true;
    }
    return false;
}

static double match_result(const struct match *match)
{
    uint64_t trips = match->total + WARM_UP;
    BENCH_CHECK(match->trips == trips, "not every ball came back");
    /* The ball starts at 0 and grows by one at each strike, so it comes back with 1, 3, 5 ... */
    BENCH_CHECK(match->sum == trips * trips, "the balls add up wrongly");
    return bench_per(match->ended_ns - match->began_ns, match->total);
}

/* ---- ours ---- */

static jzx_behavior_result play(jzx_context *context, void *state, const jzx_message *message)
{
    struct player *self = state;
    uint64_t words[4] = {message->words[0] + 1, 0, 0, 0};
    if (message->tag == TAG_START) {
        words[0] = 0;
    } else if (self->match != NULL && match_over(self->match, message->words[0])) {
        WORLD_CHECK(jzx_runtime_request_stop(self->match->runtime));
        return JZX_BEHAVIOR_OK;
    }
    jzx_message ball = jzx_message_value(TAG_BALL, words, sizeof words);
    WORLD_CHECK(jzx_send(context, self->peer, &ball));
    return JZX_BEHAVIOR_OK;
}

static double match_ours(uint64_t total)
{
    struct match match = {.total = total};
    struct player server = {.match = &match};
    struct player other = {.match = NULL};
    struct world world;
    world_shape shape = world_shape_two(JZX_FOREVER, JZX_FOREVER);
    world_open(&world, NULL, &shape);
    match.runtime = world.runtime;
    jzx_actor_id server_id = world_spawn(&world, 0, play, &server);
    other.peer = server_id;
    server.peer = world_spawn(&world, 1, play, &other);
    world_tell(&world, server_id, TAG_START);
    world_run(&world);
    world_close(&world);
    return match_result(&match);
}

/* ---- raw ---- */

struct raw_match {
    ck_ring_t there __attribute__((aligned(128)));
    ck_ring_t back __attribute__((aligned(128)));
    raw_cell there_slots[RAW_SLOTS] __attribute__((aligned(128)));
    raw_cell back_slots[RAW_SLOTS] __attribute__((aligned(128)));
    struct match match;
};

static void take_slot(ck_ring_t *ring, raw_cell *slots, raw_cell *cell)
{
    while (!ck_ring_dequeue_spsc_slot(ring, slots, cell)) {
        ck_pr_stall();
    }
}

static void put_slot(ck_ring_t *ring, raw_cell *slots, uint64_t value)
{
    uint64_t words[4] = {value, 0, 0, 0};
    raw_cell cell = raw_cell_make(TAG_BALL, words);
    BENCH_CHECK(ck_ring_enqueue_spsc_slot(ring, slots, &cell), "the ring is full");
}

static void raw_serve(void *context)
{
    struct raw_match *raw = context;
    raw_cell cell = {.words = {0}};
    uint64_t value = 0;
    for (;;) {
        put_slot(&raw->there, raw->there_slots, value);
        take_slot(&raw->back, raw->back_slots, &cell);
        if (match_over(&raw->match, cell.words[0])) {
            return;
        }
        value = cell.words[0] + 1;
    }
}

static void raw_return(void *context)
{
    struct raw_match *raw = context;
    for (uint64_t i = 0; i < raw->match.total + WARM_UP; i++) {
        raw_cell cell;
        take_slot(&raw->there, raw->there_slots, &cell);
        put_slot(&raw->back, raw->back_slots, cell.words[0] + 1);
    }
}

static double match_raw(uint64_t total)
{
    struct raw_match *raw = aligned_alloc(128, (sizeof *raw + 127) / 128 * 128);
    BENCH_CHECK(raw != NULL, "out of memory");
    memset(raw, 0, sizeof *raw);
    raw->match.total = total;
    ck_ring_init(&raw->there, RAW_SLOTS);
    ck_ring_init(&raw->back, RAW_SLOTS);
    pair_run(raw_serve, raw_return, raw);
    double cost = match_result(&raw->match);
    free(raw);
    return cost;
}

static void run_match(const bench_run *run)
{
    static const char *const rows[] = {"ping-pong across two lingering loops"};
    if (!bench_two_cpus(run, rows, 1)) {
        return;
    }
    uint64_t total = bench_scale(run, 500000, 5000);
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, match_ours(total));
        bench_add(&raw, match_raw(total));
    }
    bench_report(run, rows[0], "ns/trip", &ours, &raw, (bench_target){BENCH_RATIO_AT_MOST, 1.4});
}

const struct bench bench_remote_pingpong = {"remote-pingpong", "a round trip between two lingering loops", run_match};
