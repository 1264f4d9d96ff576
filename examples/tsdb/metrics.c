/*
 * metrics: counts what the parts say they did, and serves the figures.
 *
 * What the parts tell is of this incarnation: one that is restarted begins at 0. What supervisors do is counted by
 * observers on both loops, outside of any actor, and is kept.
 */
#include "tsdb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX_BYTES = 2048 };

struct metrics {
    struct tsdb *tsdb;
    uint64_t counts[METRICS];
};

static const char *const metric_names[METRICS] = {
    [METRIC_POINTS] = "points",     [METRIC_BATCHES] = "batches", [METRIC_FLUSHES] = "flushes",
    [METRIC_MERGES] = "merges",     [METRIC_INDEXES] = "indexes", [METRIC_RANGES] = "ranges",
    [METRIC_REPLAYED] = "replayed", [METRIC_RETIRED] = "retired",
};

static const char *const supervised_names[] = {
    [JZX_SUPERVISION_STARTED] = "started",
    [JZX_SUPERVISION_STOPPED] = "stopped",
    [JZX_SUPERVISION_RESTART] = "restarts",
    [JZX_SUPERVISION_START_FAILED] = "failed-starts",
    [JZX_SUPERVISION_SHUTDOWN_ERROR] = "shutdown-errors",
    [JZX_SUPERVISION_ESCALATED] = "escalations",
};

static struct tsdb_text *write_stats(const struct metrics *metrics)
{
    struct tsdb_text *text = malloc(sizeof *text + TEXT_MAX_BYTES);
    if (text == NULL) {
        return NULL;
    }
    size_t at = 0;
    for (int i = 0; i < METRICS; i++) {
        at += (size_t)snprintf(text->bytes + at, TEXT_MAX_BYTES - at, "%s %" PRIu64 "\n", metric_names[i],
                               metrics->counts[i]);
    }
    for (size_t i = 0; i < sizeof supervised_names / sizeof supervised_names[0]; i++) {
        at += (size_t)snprintf(text->bytes + at, TEXT_MAX_BYTES - at, "%s %" PRIu64 "\n", supervised_names[i],
                               atomic_load_explicit(&metrics->tsdb->supervised[i], memory_order_relaxed));
    }
    at += (size_t)snprintf(text->bytes + at, TEXT_MAX_BYTES - at, "END\n");
    text->size = at;
    return text;
}

static void on_stats(jzx_context *context, const struct metrics *metrics, const jzx_message *message)
{
    struct tsdb_text *text = write_stats(metrics);
    if (text != NULL) {
        tsdb_answer_text(context, message, text);
    } else {
        tsdb_answer(context, message, TSDB_FAILED);
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct metrics *metrics = state;
    const struct tsdb_count *count = jzx_message_data(message);
    switch (message->tag) {
    case TSDB_COUNT:
        metrics->counts[count->metric] += count->more;
        break;
    case TSDB_STATS:
        on_stats(context, metrics, message);
        break;
    case TSDB_PING:
        tsdb_answer(context, message, TSDB_DONE);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    (void)context;
    const struct tsdb_part *part = argument;
    struct metrics *metrics = *state;
    metrics->tsdb = part->tsdb;
    return JZX_OK;
}

void tsdb_metrics_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct metrics);
    spec->mailbox_policy = JZX_MAILBOX_DROP_OLDEST; /* figures must not hold up work */
    spec->mailbox_cap = 4096;
}

static void on_supervision(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    (void)context;
    struct tsdb *tsdb = user;
    atomic_fetch_add_explicit(&tsdb->supervised[event->kind], 1, memory_order_relaxed);
    if (event->kind == JZX_SUPERVISION_RESTART) {
        printf("tsdb: %s ends (%s), comes back in %.1f ms\n", event->name, event->exit->text,
               (double)event->delay_ns / 1e6);
        fflush(stdout);
    }
}

jzx_err tsdb_observe(struct tsdb *tsdb, jzx_loop *loop)
{
    jzx_observer observer = {.struct_size = sizeof observer, .supervision = on_supervision};
    return jzx_observer_add(loop, &observer, tsdb);
}
