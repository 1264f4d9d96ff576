/*
 * flow.h: streams of messages, from some sources to some sinks, which push back when they are full.
 *
 * Source i sends messages with the first words 0, 1, 2, ..., to its sinks in turn, in bursts; a refused one waits for the
 * resume notice, or through a jzx_flow for credits. A sink that has one source checks their order; all add up the first words.
 */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include "support/check.h"

#include <jzx/bench.h>

enum { FLOW_LOOPS_MAX = 16, FLOW_SOURCES_MAX = 16, FLOW_SINKS_MAX = 16, FLOW_STEP = 16 };

/* What every workload of this kind is. Counts are multiples of FLOW_STEP. */
typedef struct flow_plan {
    int loops;  /* the sinks are on the first, the sources on the others */
    bool parks; /* several loops park when they have nothing to do; else they linger */
    int sources;
    int sinks;
    bool paired;     /* source i, on loop i, has only sink i, which is on the next loop */
    uint32_t burst;  /* messages a source sends before others have their turn */
    uint32_t batch;  /* messages a sink handles before others have their turn */
    uint32_t cap;    /* messages in the mailbox of a sink at most */
    uint32_t window; /* libjzx: credits that a sink keeps out to a source; 0: they send without */
} flow_plan;

/* The loop of a source, and that of its sinks. */
static inline int flow_source_loop(const flow_plan *plan, int source)
{
    return plan->loops == 1 ? 0 : plan->paired ? source : 1 + source % (plan->loops - 1);
}

static inline int flow_sink_loop(const flow_plan *plan, int sink)
{
    return plan->paired ? (sink + 1) % plan->loops : 0;
}

/* Whether what a sink gets comes from one source that sends to it alone. */
static inline bool flow_ordered(const flow_plan *plan)
{
    return plan->paired || (plan->sources == 1 && plan->sinks == 1);
}

/* A sink of any side: on lines of its own, written by the thread of its loop alone. */
typedef struct flow_sink {
    void *flow; /* the side's own */
    uint64_t handled;
    uint64_t total;
    uint64_t sum;
} __attribute__((aligned(128))) flow_sink;

/* Takes a message by its first word; says whether it is the last of this sink. */
static inline bool flow_sink_add(flow_sink *sink, uint64_t word)
{
    sink->sum += word;
    return ++sink->handled == sink->total;
}

/* Before a sink that has one source takes a message. */
static inline void flow_sink_check_order(const flow_sink *sink, uint64_t word)
{
    BENCH_CHECK(word == sink->handled, "message %llu came as the one after %llu", (unsigned long long)word,
                (unsigned long long)sink->handled);
}

/* What every side proves: how many messages its sinks have handled, and the sum of their first words. */
static inline void flow_prove(jzx_bench *bench, const flow_plan *plan, const flow_sink *sinks)
{
    uint64_t handled = 0;
    uint64_t sum = 0;
    for (int i = 0; i < plan->sinks; i++) {
        handled += sinks[i].handled;
        sum += sinks[i].sum;
    }
    uint64_t total = jzx_bench_count(bench);
    uint64_t each = total / (uint64_t)plan->sources;
    jzx_bench_prove(bench, "messages", handled, total);
    jzx_bench_prove(bench, "sum", sum, (uint64_t)plan->sources * (each * (each - 1) / 2));
}

/* The sides; the argument of each is a flow_plan. */
void flow_run(jzx_bench *bench, void *plan);     /* libjzx; one sink of several loops also gives the figure "enters" */
void flow_run_raw(jzx_bench *bench, void *plan); /* raw/actors.h */
void flow_run_raw_threads(jzx_bench *bench, void *plan); /* raw/blocks.h, for several loops */

#endif
