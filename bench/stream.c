/*
 * stream.c: what does a message cost in a stream from one loop to another?
 *
 * One actor on loop 0 sends bursts of 64 messages to one actor on loop 1. Both loops linger, so that neither sleeps
 * while the other runs, and the second row holds them to their word: no system call.
 *
 * Raw: a bare ck_ring that carries pointers to blocks of 63 cells by value. The reader takes each cell out into its own
 * pool and a list, gives the block back over a second ring, then handles the list by an indirect call.
 */
#include "pair.h"
#include "raw_actors.h"
#include "world.h"

#include <ck_pr.h>
#include <ck_ring.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_GO = 1, TAG_ITEM = 2 };
enum {
    BURST = 64,
    BLOCK_CELLS = 63,
    BLOCKS = 256,
    POOL_CELLS = 1024,
    MAILBOX_CAP = 8192, /* the most that the default number of cells allows */
};

/* ---- ours ---- */

struct flow {
    struct world world;
    jzx_actor_id source;
    jzx_actor_id sink;
    uint64_t total;
    uint64_t began_ns;
    uint64_t ended_ns;
    uint64_t enters_before;
    uint64_t enters_after;
    /* written by the source's loop */
    uint64_t sent __attribute__((aligned(64)));
    uint64_t refused;
    /* written by the sink's loop */
    uint64_t handled __attribute__((aligned(64)));
    uint64_t sum;
    bool out_of_order;
};

static uint64_t count_enters(const struct world *world)
{
    uint64_t enters = 0;
    for (int i = 0; i < world->loop_count; i++) {
        jzx_counters counters;
        WORLD_CHECK(jzx_loop_stats(world->loops[i], &counters));
        enters += counters.enters;
    }
    return enters;
}

/* Sends one burst. Returns whether all of it was accepted. */
static bool send_burst(jzx_context *context, struct flow *flow)
{
    for (int i = 0; i < BURST && flow->sent < flow->total; i++) {
        uint64_t words[4] = {flow->sent, flow->sent * 3, 0, 0};
        jzx_message message = jzx_message_value(TAG_ITEM, words, sizeof words);
        jzx_err err = jzx_send(context, flow->sink, &message);
        if (err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL) {
            flow->refused++;
            return false;
        }
        WORLD_CHECK(err);
        flow->sent++;
    }
    return true;
}

/* A burst at each message: TAG_GO to itself while all is accepted, the resume notice after a refusal. */
static jzx_behavior_result source(jzx_context *context, void *state, const jzx_message *message)
{
    struct flow *flow = state;
    (void)message;
    if (!send_burst(context, flow)) {
        WORLD_CHECK(jzx_resume(context, flow->sink));
    } else if (flow->sent < flow->total) {
        jzx_message go = jzx_message_empty(TAG_GO);
        WORLD_CHECK(jzx_send(context, jzx_self(context), &go));
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result sink(jzx_context *context, void *state, const jzx_message *message)
{
    struct flow *flow = state;
    (void)context;
    if (flow->handled == 0) {
        /* From here on both loops run and have set up what they need. */
        flow->enters_before = count_enters(&flow->world);
        flow->began_ns = bench_now_ns();
    }
    flow->out_of_order |= message->words[0] != flow->handled;
    flow->sum += message->words[1];
    if (++flow->handled == flow->total) {
        flow->ended_ns = bench_now_ns();
        flow->enters_after = count_enters(&flow->world);
        jzx_runtime_request_stop(flow->world.runtime);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_actor_id spawn_sink(struct flow *flow)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = sink;
    options.argument = flow;
    options.mailbox_cap = MAILBOX_CAP;
    jzx_actor_id id = 0;
    WORLD_CHECK(jzx_spawn(jzx_loop_context(flow->world.loops[1]), &options, &id));
    return id;
}

static double stream_ours(uint64_t total, double *enters)
{
    struct flow *flow = aligned_alloc(64, sizeof *flow);
    BENCH_CHECK(flow != NULL, "out of memory");
    memset(flow, 0, sizeof *flow);
    flow->total = total;
    world_shape shape = world_shape_two(JZX_FOREVER, JZX_FOREVER);
    world_open(&flow->world, NULL, &shape);
    flow->sink = spawn_sink(flow);
    flow->source = world_spawn(&flow->world, 0, source, flow);
    world_tell(&flow->world, flow->source, TAG_GO);
    world_run(&flow->world);
    world_close(&flow->world);
    BENCH_CHECK(flow->sent == total && flow->handled == total, "not every message was sent and handled");
    BENCH_CHECK(!flow->out_of_order, "messages came out of order");
    BENCH_CHECK(flow->sum == 3 * (total * (total - 1) / 2), "the payloads add up wrongly");
    double cost = bench_per(flow->ended_ns - flow->began_ns, total);
    *enters = (double)(flow->enters_after - flow->enters_before);
    free(flow);
    return cost;
}

/* ---- raw ---- */

struct block {
    uint32_t count;
    raw_cell cells[BLOCK_CELLS] __attribute__((aligned(64)));
};

typedef struct raw_flow {
    ck_ring_t there __attribute__((aligned(128)));
    ck_ring_t back __attribute__((aligned(128)));
    ck_ring_buffer_t there_buffer[BLOCKS * 2] __attribute__((aligned(128)));
    ck_ring_buffer_t back_buffer[BLOCKS * 2] __attribute__((aligned(128)));
    struct block blocks[BLOCKS];
    raw_cell pool[POOL_CELLS]; /* the reader's */
    raw_cell *free_cells;
    void (*handle)(void *state, const raw_cell *cell);
    uint64_t total;
    uint64_t began_ns;
    uint64_t ended_ns;
    uint64_t handled;
    uint64_t sum;
    bool out_of_order;
} raw_flow;

static void raw_handle(void *state, const raw_cell *cell)
{
    raw_flow *flow = state;
    flow->out_of_order |= cell->words[0] != flow->handled;
    flow->sum += cell->words[1];
    flow->handled++;
}

static struct block *wait_block(ck_ring_t *ring, ck_ring_buffer_t *buffer)
{
    void *block = NULL;
    while (!ck_ring_dequeue_spsc(ring, buffer, &block)) {
        ck_pr_stall();
    }
    return block;
}

static void raw_write(void *context)
{
    raw_flow *flow = context;
    struct block *open = NULL;
    for (uint64_t sent = 0; sent < flow->total; sent++) {
        if (open == NULL) {
            open = wait_block(&flow->back, flow->back_buffer);
            open->count = 0;
        }
        uint64_t words[4] = {sent, sent * 3, 0, 0};
        open->cells[open->count++] = raw_cell_make(TAG_ITEM, words);
        if (open->count == BLOCK_CELLS || sent + 1 == flow->total) {
            /* There are fewer blocks than ring entries, so this is never refused. */
            BENCH_CHECK(ck_ring_enqueue_spsc(&flow->there, flow->there_buffer, open), "the ring is full");
            open = NULL;
        }
    }
}

/* Cells are 64 bytes and linked by `next`, which holds the address of the following one. */
static raw_cell *next_cell(const raw_cell *cell)
{
    return (raw_cell *)(uintptr_t)cell->next;
}

/* Takes the cells out of a block into the pool, as a list. */
static raw_cell *unpack(raw_flow *flow, const struct block *block)
{
    raw_cell *first = NULL;
    raw_cell **link = &first;
    raw_cell *last = NULL;
    for (uint32_t i = 0; i < block->count; i++) {
        raw_cell *cell = flow->free_cells;
        flow->free_cells = next_cell(cell);
        *cell = block->cells[i];
        cell->next = 0;
        if (last == NULL) {
            *link = cell;
        } else {
            last->next = (uintptr_t)cell;
        }
        last = cell;
    }
    return first;
}

static void raw_read(void *context)
{
    raw_flow *flow = context;
    while (flow->handled < flow->total) {
        struct block *block = wait_block(&flow->there, flow->there_buffer);
        if (flow->began_ns == 0) {
            flow->began_ns = bench_now_ns();
        }
        raw_cell *cell = unpack(flow, block);
        BENCH_CHECK(ck_ring_enqueue_spsc(&flow->back, flow->back_buffer, block), "the ring is full");
        while (cell != NULL) {
            raw_cell *next = next_cell(cell);
            flow->handle(flow, cell);
            cell->next = (uintptr_t)flow->free_cells;
            flow->free_cells = cell;
            cell = next;
        }
    }
    flow->ended_ns = bench_now_ns();
}

static raw_flow *raw_flow_make(uint64_t total)
{
    raw_flow *flow = aligned_alloc(128, (sizeof *flow + 127) / 128 * 128);
    BENCH_CHECK(flow != NULL, "out of memory");
    memset(flow, 0, sizeof *flow);
    flow->total = total;
    flow->handle = raw_handle;
    ck_ring_init(&flow->there, BLOCKS * 2);
    ck_ring_init(&flow->back, BLOCKS * 2);
    for (int i = 0; i < BLOCKS; i++) {
        BENCH_CHECK(ck_ring_enqueue_spsc(&flow->back, flow->back_buffer, &flow->blocks[i]), "the ring is full");
    }
    for (int i = 0; i < POOL_CELLS; i++) {
        flow->pool[i].next = (uintptr_t)flow->free_cells;
        flow->free_cells = &flow->pool[i];
    }
    return flow;
}

static double stream_raw(uint64_t total)
{
    raw_flow *flow = raw_flow_make(total);
    pair_run(raw_write, raw_read, flow);
    BENCH_CHECK(flow->handled == total, "not every cell was handled");
    BENCH_CHECK(!flow->out_of_order, "cells came out of order");
    BENCH_CHECK(flow->sum == 3 * (total * (total - 1) / 2), "the payloads add up wrongly");
    double cost = bench_per(flow->ended_ns - flow->began_ns, total);
    free(flow);
    return cost;
}

static void run_stream(const bench_run *run)
{
    static const char *const rows[] = {"stream across two loops, bursts of 64", "system calls during that stream"};
    if (!bench_two_cpus(run, rows, 2)) {
        return;
    }
    uint64_t total = bench_scale(run, 10000000, 50000);
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    bench_series enters = {.count = 0};
    for (int i = 0; i < run->repeat; i++) {
        double entered = 0;
        bench_add(&ours, stream_ours(total, &entered));
        bench_add(&enters, entered);
        bench_add(&raw, stream_raw(total));
    }
    bench_report(run, rows[0], "ns/msg", &ours, &raw, (bench_target){BENCH_RATIO_AT_MOST, 1.5});
    bench_report(run, rows[1], "calls", &enters, NULL, (bench_target){BENCH_OURS_AT_MOST, 0});
}

const struct bench bench_stream = {"stream", "a message in a stream across two loops", run_stream};
