/* flow.c: see flow.h. The side of libjzx; the raw ones are in flow_raw.c. */
#include "workloads/flow.h"

#include "support/memory.h"
#include "support/world.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_GO = 1, TAG_ITEM = 2 };

/* What all share; only `sources_begun` and `sinks_done` are written while it runs. */
struct flow {
    jzx_bench *bench;
    const flow_plan *plan;
    struct world world;
    uint64_t total;
    uint64_t enters_before;
    uint64_t enters_after;
    atomic_int sources_begun __attribute__((aligned(128)));
    atomic_int sinks_done;
};

/* On lines of its own, as a sink is. */
struct source {
    struct flow *flow;
    jzx_actor_id sinks[FLOW_SINKS_MAX];
    jzx_flow_id flows[FLOW_SINKS_MAX]; /* with a window */
    uint32_t sink_count;
    uint32_t next; /* sink */
    uint64_t sent;
    uint64_t total;
} __attribute__((aligned(128)));

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

/* ---- sources ---- */

/* Through a flow, who has no credit is told when there is one. */
static jzx_err send_one(jzx_context *context, const struct source *source, const jzx_message *message)
{
    return source->flow->plan->window != 0 ? jzx_flow_send(context, source->flows[source->next], message)
                                           : jzx_send(context, source->sinks[source->next], message);
}

/* Sends one burst. Returns whether all of it was accepted; if not, a resume notice will come. */
static bool send_burst(jzx_context *context, struct source *source)
{
    uint64_t left = source->total - source->sent;
    uint64_t end = source->sent + (left < source->flow->plan->burst ? left : source->flow->plan->burst);
    while (source->sent < end) {
        uint64_t words[4] = {source->sent, 0, 0, 0};
        jzx_message message = jzx_message_value(TAG_ITEM, words, sizeof words);
        jzx_err err = send_one(context, source, &message);
        if (err == JZX_ERR_NO_CREDIT) {
            return false;
        }
        if (err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL) {
            WORLD_CHECK(jzx_resume(context, source->sinks[source->next]));
            return false;
        }
        WORLD_CHECK(err);
        source->sent++;
        source->next = source->next + 1 == source->sink_count ? 0 : source->next + 1;
    }
    return true;
}

/* A burst at each turn: TAG_GO is handled again and again until a send is refused, then the resume notice brings the next. */
static jzx_behavior_result source(jzx_context *context, void *state, const jzx_message *message)
{
    struct source *self = state;
    if (self->flow->plan->window != 0 && self->flows[0] == 0) {
        for (uint32_t i = 0; i < self->sink_count; i++) {
            WORLD_CHECK(jzx_flow_offer(context, self->sinks[i], &self->flows[i]));
        }
        return JZX_BEHAVIOR_OK;
    }
    if (self->sent == 0 && atomic_fetch_add(&self->flow->sources_begun, 1) == 0) {
        jzx_bench_begin(self->flow->bench);
    }
    if (!send_burst(context, self) || self->sent == self->total) {
        return JZX_BEHAVIOR_OK;
    }
    if (message->tag == TAG_GO) {
        return JZX_BEHAVIOR_YIELD;
    }
    jzx_message go = jzx_message_empty(TAG_GO);
    WORLD_CHECK(jzx_send(context, jzx_self(context), &go));
    return JZX_BEHAVIOR_OK;
}

/* ---- sinks ---- */

/* Its first message: from here on both loops run and have set up what they need. */
static void sink_begun(struct flow *flow)
{
    if (flow->plan->sinks == 1) {
        flow->enters_before = count_enters(&flow->world);
    }
}

static void sink_ended(struct flow *flow)
{
    if (atomic_fetch_add(&flow->sinks_done, 1) + 1 == flow->plan->sinks) {
        jzx_bench_end(flow->bench, flow->total);
        flow->enters_after = count_enters(&flow->world);
        WORLD_CHECK(jzx_runtime_request_stop(flow->world.runtime));
    }
}

static inline void sink_take(flow_sink *sink, const jzx_message *message)
{
    if (sink->handled == 0) {
        sink_begun(sink->flow);
    }
    if (flow_sink_add(sink, message->words[0])) {
        sink_ended(sink->flow);
    }
}

static jzx_behavior_result adding_sink(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    sink_take(state, message);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result ordered_sink(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    flow_sink_check_order(state, message->words[0]);
    sink_take(state, message);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result granting_sink(jzx_context *context, void *state, const jzx_message *message)
{
    flow_sink *sink = state;
    struct flow *flow = sink->flow;
    if (message->tag == TAG_ITEM) {
        flow_sink_check_order(sink, message->words[0]);
        sink_take(sink, message);
    } else if (message->tag == JZX_TAG_SYS_FLOW) {
        jzx_flow_opened opened;
        memcpy(&opened, jzx_message_data(message), sizeof opened);
        WORLD_CHECK(jzx_flow_window(context, opened.flow, flow->plan->window));
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- set-up ---- */

static struct flow *flow_make(jzx_bench *bench, const flow_plan *plan)
{
    struct flow *flow = bench_memory_take(sizeof *flow);
    flow->bench = bench;
    flow->plan = plan;
    flow->total = jzx_bench_count(bench);
    BENCH_CHECK(flow->total % FLOW_STEP == 0, "the count is no multiple of %d", FLOW_STEP);
    jzx_config config;
    jzx_config_init(&config);
    config.linger_ns = plan->loops > 1 && !plan->parks ? JZX_FOREVER : 0;
    world_open(&flow->world, bench, &config, plan->loops);
    return flow;
}

static jzx_actor_id spawn_sink(struct flow *flow, flow_sink *sink, int index)
{
    const flow_plan *plan = flow->plan;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    BENCH_CHECK(plan->window == 0 || flow_ordered(plan), "a window is for one source and one sink");
    options.behavior = plan->window != 0 ? granting_sink : flow_ordered(plan) ? ordered_sink : adding_sink;
    options.argument = sink;
    options.mailbox_cap = plan->cap;
    options.messages_per_turn = (uint16_t)plan->batch;
    *sink = (flow_sink){.flow = flow, .total = flow->total / (uint64_t)plan->sinks};
    jzx_actor_id id = 0;
    WORLD_CHECK(jzx_spawn(jzx_loop_context(flow->world.loops[flow_sink_loop(plan, index)]), &options, &id));
    return id;
}

static void start_source(struct flow *flow, struct source *self, int index, const jzx_actor_id *sinks)
{
    const flow_plan *plan = flow->plan;
    *self = (struct source){.flow = flow, .total = flow->total / (uint64_t)plan->sources};
    self->sink_count = plan->paired ? 1 : (uint32_t)plan->sinks;
    for (uint32_t i = 0; i < self->sink_count; i++) {
        self->sinks[i] = sinks[plan->paired ? (uint32_t)index : i];
    }
    world_tell(&flow->world, world_spawn(&flow->world, flow_source_loop(plan, index), source, self), TAG_GO);
}

/* ---- the run ---- */

void flow_run(jzx_bench *bench, void *argument)
{
    const flow_plan *plan = argument;
    world_need_cpus(bench, plan->loops);
    struct flow *flow = flow_make(bench, plan);
    flow_sink sinks[FLOW_SINKS_MAX];
    struct source sources[FLOW_SOURCES_MAX];
    jzx_actor_id ids[FLOW_SINKS_MAX];
    for (int i = 0; i < plan->sinks; i++) {
        ids[i] = spawn_sink(flow, &sinks[i], i);
    }
    for (int i = 0; i < plan->sources; i++) {
        start_source(flow, &sources[i], i, ids);
    }
    world_run(&flow->world);
    world_close(&flow->world);
    flow_prove(bench, plan, sinks);
    if (plan->loops > 1 && plan->sinks == 1) {
        double enters = (double)(flow->enters_after - flow->enters_before);
        jzx_bench_figure(bench, "enters", "calls", JZX_BENCH_LOWER, enters);
    }
    free(flow);
}
