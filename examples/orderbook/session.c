/*
 * session: the actors that read events: one for each client, which also sends its commands, the positions and the tape.
 *
 * What is asked and not answered is the state of one incarnation. The next one asks again.
 */
#include "exchange.h"

struct reader {
    struct exchange *exchange;
    struct session *session; /* NULL: of the positions, and of the tape */
    uint64_t *read;          /* the next event of each engine; outlives this incarnation */
    uint32_t index;
    uint64_t next_refs[INSTRUMENTS]; /* requests under way; 0: none */
    uint64_t command_ref;
    bool again; /* the timer is set */
};

/* ---- asking ---- */

/* A refusal is no failure: the timer asks again. Only without a timer is there nothing left but to be started again. */
static jzx_err ask_later(jzx_context *context, struct reader *reader)
{
    jzx_message again = jzx_message_empty(TAG_AGAIN);
    if (reader->again) {
        return JZX_OK;
    }
    reader->again = true;
    return jzx_timer_after(context, AGAIN_NS, &again, NULL);
}

/* Nothing is asked while the timer runs: who is told to wait and asks at once is told so at once, and never sleeps. */
static jzx_err ask(jzx_context *context, struct reader *reader, uint32_t instrument, const jzx_message *message,
                   uint64_t timeout_ns, uint64_t *ref)
{
    jzx_actor_id engine;
    if (reader->again) {
        return JZX_OK;
    }
    jzx_err err = jzx_child_id(reader->exchange->runtime, reader->exchange->engine_refs[instrument], &engine);
    if (err == JZX_OK) {
        err = jzx_request(context, engine, message, timeout_ns, ref);
    }
    return err == JZX_OK ? JZX_OK : ask_later(context, reader);
}

static jzx_err ask_next(jzx_context *context, struct reader *reader, uint32_t instrument)
{
    struct next next = {reader->read[instrument], reader->index};
    jzx_message message = jzx_message_value(TAG_NEXT, &next, sizeof next);
    uint64_t *ref = &reader->next_refs[instrument];
    return *ref != 0 ? JZX_OK : ask(context, reader, instrument, &message, JZX_FOREVER, ref);
}

static jzx_err send_command(jzx_context *context, struct reader *reader)
{
    const struct session *session = reader->session;
    if (session == NULL || session->first == session->next || reader->command_ref != 0) {
        return JZX_OK;
    }
    const struct command *command = &session->queue[session->first % QUEUE_SIZE];
    jzx_message message = jzx_message_value(TAG_COMMAND, command, sizeof *command);
    return ask(context, reader, command->instrument, &message, DEADLINE_NS, &reader->command_ref);
}

/* Asks for all that is to be asked for. */
static jzx_err ask_all(jzx_context *context, struct reader *reader)
{
    jzx_err err = send_command(context, reader);
    for (uint32_t i = 0; err == JZX_OK && i < INSTRUMENTS; i++) {
        err = ask_next(context, reader, i);
    }
    return err;
}

/* ---- what comes ---- */

static void on_event(struct reader *reader, const struct event *event)
{
    struct exchange *exchange = reader->exchange;
    const struct exchange_options *options = &exchange->options;
    if (reader->session != NULL) {
        if (options->report != NULL) {
            options->report(options->user, reader->index, event);
        }
    } else if (reader->index == READER_TAPE) {
        if (options->tape != NULL) {
            options->tape(options->user, event);
        }
    } else {
        int64_t bought = event->side == BOOK_BUY ? event->quantity : -(int64_t)event->quantity;
        exchange->positions[event->session][event->instrument] += bought;
        exchange->positions[event->other_session][event->instrument] -= bought;
    }
    reader->read[event->instrument] = event->sequence + 1;
}

/* One of the client. It has its number from now on, and is kept until an engine has it. */
static void on_command(struct reader *reader, const jzx_message *message)
{
    struct session *session = reader->session;
    struct command command;
    memcpy(&command, message->bytes, sizeof command);
    if (session->next - session->first == QUEUE_SIZE || command.instrument >= INSTRUMENTS || command.side > BOOK_SELL) {
        struct event refused = {.kind = EVENT_THROTTLED, .session = (uint8_t)reader->index, .price = command.price};
        if (reader->exchange->options.report != NULL) {
            reader->exchange->options.report(reader->exchange->options.user, reader->index, &refused);
        }
        return;
    }
    command.number = session->next;
    command.session = (uint8_t)reader->index;
    session->queue[session->next++ % QUEUE_SIZE] = command;
}

/* The answer of an engine, or the runtime's word that there is none. */
static jzx_err on_answer(jzx_context *context, struct reader *reader, const jzx_message *message)
{
    if (message->ref == reader->command_ref) {
        reader->command_ref = 0;
        if (message->tag == TAG_TAKEN) {
            reader->session->first++;
        } else if (message->tag == TAG_BUSY) {
            return ask_later(context, reader);
        }
        return JZX_OK;
    }
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        if (message->ref == reader->next_refs[i]) {
            reader->next_refs[i] = 0;
            if (message->tag == TAG_EVENT) {
                struct event event;
                memcpy(&event, message->bytes, sizeof event);
                on_event(reader, &event);
            }
        }
    }
    return JZX_OK;
}

/* ---- the actor ---- */

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct reader *reader = state;
    jzx_err err = JZX_OK;
    if ((message->flags & JZX_MESSAGE_ANSWER) != 0 || message->tag == JZX_TAG_SYS_NO_ANSWER) {
        err = on_answer(context, reader, message);
    } else if (message->tag == TAG_AGAIN) {
        reader->again = false;
    } else if (message->tag == TAG_COMMAND && reader->session != NULL) {
        on_command(reader, message);
    } else {
        return message->tag == TAG_CRASH ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_UNHANDLED;
    }
    err = err == JZX_OK ? ask_all(context, reader) : err;
    return err == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct part *part = argument;
    struct exchange *exchange = part->exchange;
    struct reader *reader = *state;
    reader->exchange = exchange;
    reader->index = part->index;
    reader->read = part->index == READER_TAPE ? exchange->tape_read : exchange->positions_read;
    if (part->index < SESSIONS_MAX) {
        reader->session = &exchange->sessions[part->index];
        reader->read = reader->session->read;
        atomic_store(&exchange->session_refs[part->index], jzx_child_self(context));
    }
    return ask_all(context, reader);
}

void reader_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct reader);
}

void session_spec(jzx_child_spec *spec)
{
    reader_spec(spec);
    spec->keep_mail = true; /* a client's commands wait while its session is down */
}
