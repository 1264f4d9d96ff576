/* engine: the actor of one instrument. It takes commands, each once, and tells who asks what has come of them. */
#include "exchange.h"

/* The state of one incarnation: questions that wait for an event. The rest is struct engine. */
struct asked {
    struct exchange *exchange;
    struct engine *engine;
    uint64_t refs[READERS];        /* requests; 0: none */
    const struct command *command; /* being carried out */
};

static uint64_t key_of(uint32_t session, uint32_t number)
{
    return (uint64_t)session << 32 | number;
}

/* ---- events ---- */

static bool concerns(const struct event *event, uint32_t reader)
{
    bool trade = event->kind == EVENT_TRADE;
    return reader == READER_TAPE || (reader == READER_POSITIONS && trade) || reader == event->session ||
           (trade && reader == event->other_session);
}

/* Answers a reader that waits, if there is something for it. What does not concern it counts as read. */
static void serve(jzx_context *context, struct asked *asked, uint32_t reader)
{
    struct engine *engine = asked->engine;
    uint64_t *at = &engine->read[reader];
    while (*at < engine->next && !concerns(&engine->events[*at % EVENTS_SIZE], reader)) {
        (*at)++;
    }
    if (asked->refs[reader] != 0 && *at < engine->next) {
        const struct event *event = &engine->events[*at % EVENTS_SIZE];
        jzx_message answer = jzx_message_value(TAG_EVENT, event, sizeof *event);
        (void)jzx_answer(context, asked->refs[reader], &answer); /* who asked may be gone: then it will ask again */
        asked->refs[reader] = 0;
    }
}

static void serve_all(jzx_context *context, struct asked *asked)
{
    for (uint32_t i = 0; i < READERS; i++) {
        serve(context, asked, i);
    }
}

static void on_next(jzx_context *context, struct asked *asked, const jzx_message *message)
{
    struct next next;
    memcpy(&next, message->bytes, sizeof next);
    uint64_t *at = &asked->engine->read[next.reader];
    *at = next.from > *at ? next.from : *at;
    asked->refs[next.reader] = message->ref;
    serve(context, asked, (uint32_t)next.reader);
}

/* An event that comes of the command. Its room was looked at before. */
static struct event *tell(struct asked *asked, enum event_kind kind)
{
    const struct command *command = asked->command;
    struct engine *engine = asked->engine;
    struct event *event = &engine->events[engine->next % EVENTS_SIZE];
    *event = (struct event){
        .sequence = engine->next++,
        .kind = (uint8_t)kind,
        .number = command->number,
        .other = command->target,
        .price = command->price,
        .quantity = command->quantity,
        .side = command->side,
        .instrument = command->instrument,
        .session = command->session,
        .other_session = command->session,
    };
    return event;
}

/* ---- commands ---- */

static void on_trade(void *context, const struct book_trade *trade)
{
    struct event *event = tell(context, EVENT_TRADE);
    event->other = (uint32_t)trade->maker;
    event->other_session = (uint8_t)(trade->maker >> 32);
    event->price = trade->price;
    event->quantity = trade->quantity;
}

static void on_limit(struct asked *asked, const struct command *command)
{
    struct book *book = &asked->engine->book;
    if (!book_takes(book, command->price, command->quantity)) {
        tell(asked, EVENT_REJECTED);
        return;
    }
    struct book_order order = {
        .key = key_of(command->session, command->number),
        .price = command->price,
        .quantity = command->quantity,
        .side = command->side,
    };
    tell(asked, EVENT_ACCEPTED);
    book_add(book, &order, on_trade, asked);
}

static void on_cancel(struct asked *asked, const struct command *command)
{
    uint32_t left = book_cancel(&asked->engine->book, key_of(command->session, command->target));
    tell(asked, left != 0 ? EVENT_CANCELLED : EVENT_REJECTED)->quantity = left;
}

/* An order trades at most with all that rest, and has one event more. */
static bool has_room(const struct engine *engine)
{
    uint64_t slowest = engine->next;
    for (uint32_t i = 0; i < READERS; i++) {
        slowest = engine->read[i] < slowest ? engine->read[i] : slowest;
    }
    return engine->next - slowest + engine->book.count + 1 <= EVENTS_SIZE;
}

static uint32_t on_command(jzx_context *context, struct asked *asked, const struct command *command)
{
    struct engine *engine = asked->engine;
    if (command->number <= engine->last[command->session] && !asked->exchange->options.planted_resend) {
        return TAG_TAKEN; /* its session did not hear of it */
    }
    if (!has_room(engine)) {
        return TAG_BUSY;
    }
    engine->last[command->session] = command->number;
    asked->command = command;
    if (command->kind == COMMAND_CANCEL) {
        on_cancel(asked, command);
    } else {
        on_limit(asked, command);
    }
    serve_all(context, asked);
    return TAG_TAKEN;
}

/* ---- the actor ---- */

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct asked *asked = state;
    struct command command;
    switch (message->tag) {
    case TAG_COMMAND: {
        memcpy(&command, message->bytes, sizeof command);
        jzx_message answer = jzx_message_empty(on_command(context, asked, &command));
        (void)jzx_answer(context, message->ref, &answer);
        return JZX_BEHAVIOR_OK;
    }
    case TAG_NEXT:
        on_next(context, asked, message);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct part *part = argument;
    struct asked *asked = *state;
    asked->exchange = part->exchange;
    asked->engine = &part->exchange->engines[part->index];
    atomic_store(&part->exchange->engine_refs[part->index], jzx_child_self(context));
    return JZX_OK;
}

void engine_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct asked);
}
