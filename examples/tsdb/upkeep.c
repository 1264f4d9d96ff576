/* upkeep: tells the heads at fixed times to do what is due: merges and indexes that could not be asked for, retention. */
#include "tsdb.h"

static const uint64_t PERIOD_NS = 50000000;

struct upkeep {
    struct tsdb *tsdb;
};

static void tell_heads(jzx_context *context, const struct upkeep *upkeep)
{
    jzx_message tidy = jzx_message_empty(TSDB_TIDY);
    for (uint32_t i = 0; i < upkeep->tsdb->options.heads; i++) {
        char name[NAME_MAX_BYTES];
        jzx_send_name(context, tsdb_name(name, "head", i), &tidy); /* one that is down, or full, hears the next one */
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    switch (message->tag) {
    case TSDB_TICK:
        tell_heads(context, state);
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
    const struct tsdb_part *part = argument;
    struct upkeep *upkeep = *state;
    upkeep->tsdb = part->tsdb;
    jzx_message tick = jzx_message_empty(TSDB_TICK);
    return jzx_timer_every(context, PERIOD_NS, JZX_TICKS_SKIP, &tick, NULL);
}

void tsdb_upkeep_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct upkeep);
}
