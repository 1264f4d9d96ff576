/* flow_raw.c: the raw sides of flow.h. */
#include "workloads/flow.h"

#include "raw/actors.h"
#include "raw/blocks.h"
#include "support/check.h"
#include "support/memory.h"
#include "support/pair.h"
#include "support/world.h"

#include <ck_pr.h>
#include <stdlib.h>

enum { TAG_GO = 1, TAG_ITEM = 2, RAW_RING_SIZE = 1024 };

struct flow {
    jzx_bench *bench;
    const flow_plan *plan;
    uint64_t total;
    int sources_begun;
    int sinks_done;
};

struct source {
    struct flow *flow;
    uint64_t id;
    uint64_t sinks[FLOW_SINKS_MAX];
    uint32_t sink_count;
    uint32_t next; /* sink */
    uint64_t sent;
    uint64_t total;
};

static struct flow flow_make(jzx_bench *bench, const flow_plan *plan)
{
    return (struct flow){.bench = bench, .plan = plan, .total = jzx_bench_count(bench)};
}

/* Returns whether all sinks have all they are to get. */
static inline bool sink_take(flow_sink *sink, const raw_cell *cell)
{
    if (!flow_sink_add(sink, cell->words[0])) {
        return false;
    }
    struct flow *flow = sink->flow;
    if (ck_pr_faa_int(&flow->sinks_done, 1) + 1 < flow->plan->sinks) {
        return false;
    }
    jzx_bench_end(flow->bench, flow->total);
    return true;
}

static void make_sinks(struct flow *flow, flow_sink *sinks)
{
    for (int i = 0; i < flow->plan->sinks; i++) {
        sinks[i] = (flow_sink){.flow = flow, .total = flow->total / (uint64_t)flow->plan->sinks};
    }
}

/* ---- one thread ---- */

static void send_burst(raw_world *world, struct source *source)
{
    uint64_t left = source->total - source->sent;
    uint64_t end = source->sent + (left < source->flow->plan->burst ? left : source->flow->plan->burst);
    while (source->sent < end) {
        uint64_t words[4] = {source->sent, 0, 0, 0};
        raw_cell cell = raw_cell_make(TAG_ITEM, words);
        if (!raw_send(world, source->sinks[source->next], &cell)) {
            return; /* tried again at its next turn */
        }
        source->sent++;
        source->next = source->next + 1 == source->sink_count ? 0 : source->next + 1;
    }
}

/* A burst at each turn, by a message to itself. */
static void source(raw_world *world, void *state, const raw_cell *cell)
{
    struct source *self = state;
    if (self->sent == 0 && self->flow->sources_begun++ == 0) {
        jzx_bench_begin(self->flow->bench);
    }
    send_burst(world, self);
    raw_cell go = {.tag = cell->tag};
    if (self->sent < self->total) {
        BENCH_CHECK(raw_send(world, self->id, &go), "the mailbox of a source is full");
    }
}

static void adding_sink(raw_world *world, void *state, const raw_cell *cell)
{
    world->stopped |= sink_take(state, cell);
}

static void ordered_sink(raw_world *world, void *state, const raw_cell *cell)
{
    flow_sink_check_order(state, cell->words[0]);
    world->stopped |= sink_take(state, cell);
}

static void start_source(raw_world *world, struct flow *flow, struct source *self, int index, const uint64_t *sinks)
{
    const flow_plan *plan = flow->plan;
    *self = (struct source){.flow = flow, .total = flow->total / (uint64_t)plan->sources};
    self->sink_count = (uint32_t)plan->sinks;
    for (uint32_t i = 0; i < self->sink_count; i++) {
        self->sinks[i] = sinks[i];
    }
    uint32_t place = (uint32_t)(plan->sinks + index);
    self->id = raw_actor_set(world, place, source, self);
    raw_actor_set_batch(world, place, 1);
    raw_cell go = {.tag = TAG_GO};
    BENCH_CHECK(raw_send(world, self->id, &go), "the start was refused");
}

void flow_run_raw(jzx_bench *bench, void *argument)
{
    const flow_plan *plan = argument;
    struct flow flow = flow_make(bench, plan);
    flow_sink sinks[FLOW_SINKS_MAX];
    struct source sources[FLOW_SOURCES_MAX];
    uint64_t ids[FLOW_SINKS_MAX];
    raw_world world;
    raw_world_open(&world, (uint32_t)(plan->sources + plan->sinks), RAW_RING_SIZE);
    make_sinks(&flow, sinks);
    for (int i = 0; i < plan->sinks; i++) {
        ids[i] = raw_actor_set(&world, (uint32_t)i, flow_ordered(plan) ? ordered_sink : adding_sink, &sinks[i]);
        raw_actor_set_batch(&world, (uint32_t)i, plan->batch);
    }
    for (int i = 0; i < plan->sources; i++) {
        start_source(&world, &flow, &sources[i], i, ids);
    }
    raw_world_run(&world);
    raw_world_close(&world);
    flow_prove(bench, plan, sinks);
}

/* ---- threads, each with one lane out, or none: the target of a cell is the index of a sink ---- */

struct thread {
    raw_lane *out; /* to the thread of the sinks of its sources; NULL: it has none */
    raw_lane *in[FLOW_LOOPS_MAX];
    int in_count;
    struct source sources[FLOW_SOURCES_MAX];
    int source_count;
    uint64_t to_send;
    uint64_t to_handle;
} __attribute__((aligned(128)));

struct threads {
    struct flow flow;
    raw_target targets[FLOW_SINKS_MAX];
    flow_sink sinks[FLOW_SINKS_MAX];
    struct thread threads[FLOW_LOOPS_MAX];
};

static void adding_target(void *state, const raw_cell *cell)
{
    sink_take(state, cell);
}

static void ordered_target(void *state, const raw_cell *cell)
{
    flow_sink_check_order(state, cell->words[0]);
    sink_take(state, cell);
}

/* One burst of one source, as far as there is room. Returns how many were written. */
static uint64_t write_burst(raw_lane *lane, struct source *source, uint32_t burst)
{
    uint64_t left = source->total - source->sent;
    uint64_t before = source->sent;
    uint64_t end = before + (left < burst ? left : burst);
    while (source->sent < end) {
        uint64_t words[4] = {source->sent, 0, 0, 0};
        if (!raw_lane_write(lane, source->sinks[source->next], TAG_ITEM, words)) {
            break;
        }
        source->sent++;
        source->next = source->next + 1 == source->sink_count ? 0 : source->next + 1;
    }
    return source->sent - before;
}

static void write_bursts(struct thread *self, uint32_t burst)
{
    uint64_t written = 0;
    for (int i = 0; i < self->source_count; i++) {
        written += write_burst(self->out, &self->sources[i], burst);
    }
    self->to_send -= written;
    if (self->to_send == 0) {
        raw_lane_publish(self->out);
    } else if (written == 0) {
        ck_pr_stall();
    }
}

static void read_blocks(struct thread *self, const raw_target *targets)
{
    uint64_t handled = 0;
    for (int i = 0; i < self->in_count; i++) {
        handled += raw_lane_read(self->in[i], targets);
    }
    self->to_handle -= handled;
    if (handled == 0) {
        ck_pr_stall();
    }
}

static void run_thread(void *context, int index)
{
    struct threads *all = context;
    struct thread *self = &all->threads[index];
    if (self->source_count > 0 && ck_pr_faa_int(&all->flow.sources_begun, 1) == 0) {
        jzx_bench_begin(all->flow.bench);
    }
    while (self->to_send > 0 || self->to_handle > 0) {
        if (self->to_send > 0) {
            write_bursts(self, all->flow.plan->burst);
        }
        if (self->to_handle > 0) {
            read_blocks(self, all->targets);
        }
    }
}

/* Gives a source to the thread it is on, and that a lane if it has none yet. */
static void place_source(struct threads *all, int index)
{
    const flow_plan *plan = all->flow.plan;
    struct thread *self = &all->threads[flow_source_loop(plan, index)];
    struct thread *reader = &all->threads[flow_sink_loop(plan, index)];
    if (self->out == NULL) {
        self->out = raw_lane_open();
        reader->in[reader->in_count++] = self->out;
    }
    struct source *source = &self->sources[self->source_count++];
    source->total = all->flow.total / (uint64_t)plan->sources;
    source->sink_count = plan->paired ? 1 : (uint32_t)plan->sinks;
    for (uint32_t i = 0; i < source->sink_count; i++) {
        source->sinks[i] = plan->paired ? (uint32_t)index : i;
    }
    self->to_send += source->total;
    reader->to_handle += source->total;
}

static struct threads *threads_make(jzx_bench *bench, const flow_plan *plan)
{
    struct threads *all = bench_memory_take(sizeof *all);
    all->flow = flow_make(bench, plan);
    make_sinks(&all->flow, all->sinks);
    for (int i = 0; i < plan->sinks; i++) {
        all->targets[i] = (raw_target){flow_ordered(plan) ? ordered_target : adding_target, &all->sinks[i]};
    }
    for (int i = 0; i < plan->sources; i++) {
        place_source(all, i);
    }
    return all;
}

void flow_run_raw_threads(jzx_bench *bench, void *argument)
{
    const flow_plan *plan = argument;
    world_need_cpus(bench, plan->loops);
    struct threads *all = threads_make(bench, plan);
    pair_run_many(bench, plan->loops, run_thread, all);
    flow_prove(bench, plan, all->sinks);
    for (int i = 0; i < plan->loops; i++) {
        raw_lane_close(all->threads[i].out);
    }
    free(all);
}
