/*
 * gate: the way in. A flow for each session leads to the engine, so none has more in front of it than its credits allow,
 * and who sends too much loses no time but his own. A flow ends with the engine, or with the gate; the next incarnation
 * opens it again.
 */
#include "exchange.h"

struct gate {
    struct exchange *exchange;
    jzx_flow_id flows[SESSIONS_MAX]; /* 0: to be opened */
    bool again;                      /* the timer is set */
};

/* ---- flows ---- */

/* Only without a timer is there nothing left but to be started again. */
static jzx_err open_later(jzx_context *context, struct gate *gate)
{
    jzx_message again = jzx_message_empty(TAG_AGAIN);
    if (gate->again) {
        return JZX_OK;
    }
    gate->again = true;
    return jzx_timer_after(context, AGAIN_NS, &again, NULL);
}

static jzx_err open_flows(jzx_context *context, struct gate *gate)
{
    jzx_actor_id engine;
    jzx_err err = jzx_child_id(gate->exchange->runtime, gate->exchange->engine, &engine);
    for (uint32_t i = 0; err == JZX_OK && i < gate->exchange->options.sessions; i++) {
        err = gate->flows[i] == 0 ? jzx_flow_offer(context, engine, &gate->flows[i]) : JZX_OK;
    }
    return err == JZX_OK ? JZX_OK : open_later(context, gate);
}

/* Nobody is let in before all have credits: so who comes first is not throttled. */
static void on_credit(jzx_context *context, const struct gate *gate)
{
    bool all = true;
    for (uint32_t i = 0; i < gate->exchange->options.sessions; i++) {
        uint32_t credits = 0;
        all &= gate->flows[i] != 0 && jzx_flow_credits(context, gate->flows[i], &credits) == JZX_OK && credits > 0;
    }
    if (all) {
        atomic_store(&gate->exchange->open, true);
    }
}

/* The engine has failed, or had no room for the flow. Asked at once, it would say the same again. */
static jzx_err on_ended(jzx_context *context, struct gate *gate, const jzx_message *message)
{
    jzx_flow_ended ended;
    memcpy(&ended, message->bytes, sizeof ended);
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        gate->flows[i] = gate->flows[i] == ended.flow ? 0 : gate->flows[i];
    }
    return open_later(context, gate);
}

/* ---- commands ---- */

static void on_command(jzx_context *context, const struct gate *gate, const struct command *command)
{
    jzx_message message = command_message(*command);
    if (jzx_flow_send(context, gate->flows[command->session], &message) != JZX_OK) {
        feed_hint(gate->exchange, context, command, REASON_THROTTLED);
    }
}

/* ---- the actor ---- */

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct gate *gate = state;
    const struct command *command = command_of(message);
    jzx_err err = JZX_OK;
    if (command != NULL && command->session < gate->exchange->options.sessions) {
        on_command(context, gate, command);
    } else if (message->tag == JZX_TAG_SYS_CREDIT) {
        on_credit(context, gate);
    } else if (message->tag == JZX_TAG_SYS_FLOW_ENDED) {
        err = on_ended(context, gate, message);
    } else if (message->tag == TAG_AGAIN) {
        gate->again = false;
        err = open_flows(context, gate);
    } else {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return err == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct part *part = argument;
    struct gate *gate = *state;
    gate->exchange = part->exchange;
    jzx_err err = open_flows(context, gate);
    if (err == JZX_OK) {
        atomic_store(&gate->exchange->gate, jzx_child_self(context));
    }
    return err;
}

void gate_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct gate);
    spec->keep_mail = true; /* commands wait while it is down */
}
