/* flow_raw.c: the raw sides of flow.h. */
#include "workloads/flow.h"

#include "raw/actors.h"
#include "raw/blocks.h"
#include "support/check.h"
#include "support/pair.h"
#include "support/world.h"

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

struct sink {
    struct flow *flow;
    uint64_t handled;
    uint64_t total;
    uint64_t sum;
};

static struct flow flow_make(jzx_bench *bench, const flow_plan *plan)
{
    return (struct flow){.bench = bench, .plan = plan, .total = jzx_bench_count(bench)};
}

/* Returns whether all sinks have all they are to get. */
static inline bool sink_take(struct sink *sink, const raw_cell *cell)
{
    sink->sum += cell->words[0];
    if (++sink->handled < sink->total) {
        return false;
    }
    struct flow *flow = sink->flow;
    if (++flow->sinks_done < flow->plan->sinks) {
        return false;
    }
    jzx_bench_end(flow->bench, flow->total);
    return true;
}

static void check_order(const struct sink *sink, const raw_cell *cell)
{
    BENCH_CHECK(cell->words[0] == sink->handled, "message %llu came as the one after %llu",
                (unsigned long long)cell->words[0], (unsigned long long)sink->handled);
}

static void make_sinks(struct flow *flow, struct sink *sinks)
{
    for (int i = 0; i < flow->plan->sinks; i++) {
        sinks[i] = (struct sink){.flow = flow, .total = flow->total / (uint64_t)flow->plan->sinks};
    }
}

static void flow_prove(const struct flow *flow, const struct sink *sinks)
{
    uint64_t handled = 0;
    uint64_t sum = 0;
    uint64_t each = flow->total / (uint64_t)flow->plan->sources;
    for (int i = 0; i < flow->plan->sinks; i++) {
        handled += sinks[i].handled;
        sum += sinks[i].sum;
    }
    jzx_bench_prove(flow->bench, "messages", handled, flow->total);
    jzx_bench_prove(flow->bench, "sum", sum, (uint64_t)flow->plan->sources * (each * (each - 1) / 2));
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
    check_order(state, cell);
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
    struct sink sinks[FLOW_SINKS_MAX];
    struct source sources[FLOW_SOURCES_MAX];
    uint64_t ids[FLOW_SINKS_MAX];
    raw_world world;
    raw_world_open(&world, (uint32_t)(plan->sources + plan->sinks), RAW_RING_SIZE);
    make_sinks(&flow, sinks);
    bool ordered = plan->sources == 1 && plan->sinks == 1;
    for (int i = 0; i < plan->sinks; i++) {
        ids[i] = raw_actor_set(&world, (uint32_t)i, ordered ? ordered_sink : adding_sink, &sinks[i]);
        raw_actor_set_batch(&world, (uint32_t)i, plan->batch);
    }
    for (int i = 0; i < plan->sources; i++) {
        start_source(&world, &flow, &sources[i], i, ids);
    }
    raw_world_run(&world);
    raw_world_close(&world);
    flow_prove(&flow, sinks);
}

/* ---- two threads: the sources are a loop, each sink is a target ---- */

struct threads {
    struct flow flow;
    struct sink sinks[FLOW_SINKS_MAX];
    raw_target targets[FLOW_SINKS_MAX];
    raw_lane *lane;
};

/* One burst of one source. */
static void write_burst(raw_lane *lane, struct source *source, uint32_t burst)
{
    uint64_t left = source->total - source->sent;
    uint64_t end = source->sent + (left < burst ? left : burst);
    while (source->sent < end) {
        uint64_t words[4] = {source->sent++, 0, 0, 0};
        raw_lane_write(lane, source->next, TAG_ITEM, words);
        source->next = source->next + 1 == source->sink_count ? 0 : source->next + 1;
    }
}

static void write_all(void *context)
{
    struct threads *threads = context;
    const flow_plan *plan = threads->flow.plan;
    struct source sources[FLOW_SOURCES_MAX];
    for (int i = 0; i < plan->sources; i++) {
        sources[i] = (struct source){.total = threads->flow.total / (uint64_t)plan->sources};
        sources[i].sink_count = (uint32_t)plan->sinks;
    }
    jzx_bench_begin(threads->flow.bench);
    for (int last = plan->sources - 1; sources[last].sent < sources[last].total;) {
        for (int i = 0; i < plan->sources; i++) {
            write_burst(threads->lane, &sources[i], plan->burst);
        }
    }
    raw_lane_publish(threads->lane);
}

static void adding_target(void *state, const raw_cell *cell)
{
    sink_take(state, cell);
}

static void ordered_target(void *state, const raw_cell *cell)
{
    check_order(state, cell);
    sink_take(state, cell);
}

static void read_all(void *context)
{
    struct threads *threads = context;
    for (uint64_t got = 0; got < threads->flow.total;) {
        got += raw_lane_read(threads->lane, threads->targets);
    }
}

void flow_run_raw_threads(jzx_bench *bench, void *argument)
{
    const flow_plan *plan = argument;
    world_need_cpus(bench, 2);
    struct threads threads = {.flow = flow_make(bench, plan), .lane = raw_lane_open()};
    make_sinks(&threads.flow, threads.sinks);
    bool ordered = plan->sources == 1 && plan->sinks == 1;
    for (int i = 0; i < plan->sinks; i++) {
        threads.targets[i] = (raw_target){ordered ? ordered_target : adding_target, &threads.sinks[i]};
    }
    pair_run(bench, write_all, read_all, &threads);
    raw_lane_close(threads.lane);
    flow_prove(&threads.flow, threads.sinks);
}
