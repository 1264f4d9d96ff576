/*
 * health: asks each part in turn whether it answers, and tells who asks.
 *
 * A part that is being restarted is down; one that has not answered for LATE_NS is late. The time says how long the last
 * answer took: for a part on the loop of files, mostly how long others kept that.
 */
#include "tsdb.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t PERIOD_NS = 50000000;
static const uint64_t LATE_NS = 1000000000;

enum { PARTS_MAX = HEADS_MAX + 2 * WORKERS + 2, TEXT_MAX_BYTES = 4096 };

struct part {
    char name[NAME_MAX_BYTES];
    uint64_t ref; /* of the question that waits for its answer; 0: none */
    uint64_t asked_ns;
    uint64_t took_ns;
    uint64_t downs; /* how often it was found down */
    const char *state;
};

struct health {
    struct tsdb *tsdb;
    uint32_t count;
    struct part parts[PARTS_MAX];
};

static void add_parts(struct health *health, const char *name, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct part *part = &health->parts[health->count++];
        tsdb_name(part->name, name, i);
        part->state = "unknown";
    }
}

static void add_part(struct health *health, const char *name)
{
    struct part *part = &health->parts[health->count++];
    snprintf(part->name, sizeof part->name, "%s", name);
    part->state = "unknown";
}

static void ask_all(jzx_context *context, struct health *health)
{
    jzx_message ping = jzx_message_empty(TSDB_PING);
    for (uint32_t i = 0; i < health->count; i++) {
        struct part *part = &health->parts[i];
        if (part->ref == 0) {
            part->asked_ns = jzx_clock_ns(context);
            if (tsdb_ask(context, health->tsdb, part->name, &ping, LATE_NS, &part->ref) != JZX_OK) {
                part->ref = 0;
                part->downs += strcmp(part->state, "down") != 0;
                part->state = "down";
            }
        }
    }
}

static void on_answer(jzx_context *context, struct health *health, const jzx_message *message)
{
    const jzx_no_answer *why = jzx_message_data(message);
    for (uint32_t i = 0; i < health->count; i++) {
        struct part *part = &health->parts[i];
        if (part->ref != message->ref) {
            continue;
        }
        part->ref = 0;
        part->took_ns = jzx_clock_ns(context) - part->asked_ns;
        if (message->tag == TSDB_ANSWER) {
            part->state = "up";
        } else {
            bool late = why->reason == JZX_DROP_DEADLINE;
            part->downs += !late && strcmp(part->state, "down") != 0;
            part->state = late ? "late" : "down";
        }
    }
}

/* A part can be down between two questions. */
static void note_down(const struct health *health, struct part *part)
{
    jzx_actor_id id;
    if (strcmp(part->state, "down") != 0 && jzx_whereis(health->tsdb->runtime, part->name, &id) != JZX_OK) {
        part->downs++;
        part->state = "down";
    }
}

static void on_health(jzx_context *context, struct health *health, const jzx_message *message)
{
    struct tsdb_text *text = malloc(sizeof *text + TEXT_MAX_BYTES);
    if (text == NULL) {
        tsdb_answer(context, message, TSDB_FAILED);
        return;
    }
    size_t at = 0;
    for (uint32_t i = 0; i < health->count; i++) {
        struct part *part = &health->parts[i];
        note_down(health, part);
        at += (size_t)snprintf(text->bytes + at, TEXT_MAX_BYTES - at, "%s %s %.3f ms, %llu times down\n", part->name,
                               part->state, (double)part->took_ns / 1e6, (unsigned long long)part->downs);
    }
    at += (size_t)snprintf(text->bytes + at, TEXT_MAX_BYTES - at, "END\n");
    text->size = at;
    tsdb_answer_text(context, message, text);
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct health *health = state;
    switch (message->tag) {
    case TSDB_TICK:
        ask_all(context, health);
        break;
    case TSDB_ANSWER:
    case JZX_TAG_SYS_NO_ANSWER:
        on_answer(context, health, message);
        break;
    case TSDB_HEALTH:
        on_health(context, health, message);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct tsdb_part *part = argument;
    struct health *health = *state;
    health->tsdb = part->tsdb;
    add_parts(health, "head", health->tsdb->options.heads);
    add_parts(health, "merge", WORKERS);
    add_parts(health, "index", WORKERS);
    add_part(health, "metrics");
    add_part(health, "upkeep");
    jzx_message tick = jzx_message_empty(TSDB_TICK);
    return jzx_timer_every(context, PERIOD_NS, JZX_TICKS_SKIP, &tick, NULL);
}

void tsdb_health_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct health);
}
