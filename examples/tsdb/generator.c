/*
 * generator: a source of points inside the process, for trying things out.
 *
 * A batch that was not acknowledged is sent again: a point that comes twice takes its own place.
 */
#include "tsdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const uint64_t PERIOD_NS = 20000000;

enum { SERIES = 8 };

struct generator {
    struct tsdb *tsdb;
    uint32_t per_tick;
    uint32_t series; /* whose turn it is */
    int64_t time;    /* of the last acknowledged points */
    double value;
    uint64_t ref; /* the batch that waits for its answer; 0: none */
};

/* A random walk. */
static struct tsdb_batch *make_batch(jzx_context *context, const struct generator *generator)
{
    struct tsdb_batch *batch = calloc(1, sizeof *batch);
    double value = generator->value;
    if (batch == NULL) {
        return NULL;
    }
    for (batch->count = 0; batch->count < generator->per_tick; batch->count++) {
        struct point *point = &batch->points[batch->count];
        snprintf(point->series, sizeof point->series, "generated.%u", generator->series);
        value += (double)(int64_t)(jzx_random(context) % 2001 - 1000) / 1000;
        point->time = generator->time + 1 + batch->count;
        point->value = value;
    }
    return batch;
}

static void on_tick(jzx_context *context, struct generator *generator)
{
    if (generator->ref != 0) {
        return;
    }
    struct tsdb_batch *batch = make_batch(context, generator);
    if (batch == NULL) {
        return;
    }
    char name[NAME_MAX_BYTES];
    tsdb_name(name, "head", tsdb_head_of(generator->tsdb, batch->points[0].series));
    jzx_message append = jzx_message_pointer(TSDB_APPEND, batch, sizeof *batch, tsdb_drop, NULL);
    if (tsdb_ask(context, generator->tsdb, name, &append, JZX_FOREVER, &generator->ref) != JZX_OK) {
        generator->ref = 0;
        free(batch);
    }
}

static void on_answer(struct generator *generator, const jzx_message *message)
{
    generator->ref = 0;
    if (tsdb_status_of(message) == TSDB_DONE) {
        generator->series = (generator->series + 1) % SERIES;
        generator->time += generator->series == 0 ? generator->per_tick : 0;
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    switch (message->tag) {
    case TSDB_TICK:
        on_tick(context, state);
        break;
    case TSDB_ANSWER:
    case JZX_TAG_SYS_NO_ANSWER:
        on_answer(state, message);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct tsdb_part *part = argument;
    struct generator *generator = *state;
    generator->tsdb = part->tsdb;
    uint64_t per_tick = generator->tsdb->options.rate * PERIOD_NS / 1000000000;
    generator->per_tick = per_tick == 0 ? 1 : per_tick < BATCH_MAX ? (uint32_t)per_tick : BATCH_MAX;
    generator->time = (int64_t)time(NULL) * 1000; /* so that it goes on behind what it made before */
    jzx_message tick = jzx_message_empty(TSDB_TICK);
    return jzx_timer_every(context, PERIOD_NS, JZX_TICKS_SKIP, &tick, NULL);
}

void tsdb_generator_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct generator);
}
