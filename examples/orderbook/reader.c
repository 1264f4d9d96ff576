/* reader: see reader.h. */
#include "reader.h"

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

static jzx_err send_ask(jzx_context *context, struct reader *reader)
{
    struct ask ask = {
        .kind = ASK_PAGE, .from = reader->place->next, .symbols = reader->symbols, .session = reader->session};
    jzx_actor_id engine;
    if (reader->wanted != 0) {
        ask = reader->kind->state_ask(reader);
    }
    jzx_message message = ask_message(ask);
    jzx_err err = jzx_child_id(reader->exchange->runtime, reader->exchange->engine, &engine);
    if (err == JZX_OK) {
        err = jzx_request(context, engine, &message, JZX_FOREVER, &reader->ref);
    }
    if (err == JZX_OK) {
        reader->missed = false;
    }
    return err == JZX_OK ? JZX_OK : ask_later(context, reader);
}

/* R3 */
static jzx_err ask_on(jzx_context *context, struct reader *reader)
{
    bool idle = reader->behind && reader->ref == 0 && !reader->again;
    return idle ? send_ask(context, reader) : JZX_OK;
}

/* ---- what comes ---- */

static void take(struct reader *reader, jzx_context *context, const struct event *event)
{
    reader->place->next = event->sequence + 1;
    reader->kind->take(reader, context, event);
}

static void on_event(struct reader *reader, jzx_context *context, const struct event *event)
{
    if (event->sequence == NO_SEQUENCE) {
        reader->kind->take(reader, context, event);
    } else if (!reader->behind) {
        take(reader, context, event);
    }
}

static void on_missed(struct reader *reader, const jzx_message *message)
{
    jzx_missed missed;
    memcpy(&missed, message->bytes, sizeof missed);
    reader->place->missed += missed.count;
    reader->behind = true;
    reader->missed = true;
}

static void on_page(struct reader *reader, jzx_context *context, const struct page *page)
{
    reader->place->pages++;
    if (page->past) {
        reader->wanted = reader->session == NO_SESSION ? reader->symbols : 1;
        return;
    }
    for (uint32_t i = 0; i < page->count; i++) {
        take(reader, context, &page->events[i]);
    }
    reader->place->next = page->next;
    reader->behind = !page->last || reader->missed; /* R2 */
}

/* The answer of the engine, or the runtime's word that there is none. */
static jzx_err on_answer(struct reader *reader, jzx_context *context, const jzx_message *message)
{
    if (message->ref != reader->ref) {
        return JZX_OK; /* of the incarnation before */
    }
    reader->ref = 0;
    switch (message->tag) {
    case TAG_PAGE:
        on_page(reader, context, jzx_message_data(message));
        return JZX_OK;
    case TAG_BOOK:
    case TAG_ACCOUNT:
        reader->place->snapshots++;
        reader->kind->state_take(reader, context, jzx_message_data(message));
        return JZX_OK;
    default:
        return ask_later(context, reader);
    }
}

/* ---- the actor ---- */

jzx_behavior_result reader_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct reader *reader = state;
    const struct event *event = event_of(message);
    jzx_err err = JZX_OK;
    if (event != NULL) {
        on_event(reader, context, event);
    } else if (message->tag == JZX_TAG_SYS_MISSED) {
        on_missed(reader, message);
    } else if ((message->flags & JZX_MESSAGE_ANSWER) != 0 || message->tag == JZX_TAG_SYS_NO_ANSWER) {
        err = on_answer(reader, context, message);
    } else if (message->tag == TAG_AGAIN) {
        reader->again = false;
    } else {
        return message->tag == TAG_CRASH ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_UNHANDLED;
    }
    if (reader->over) {
        return JZX_BEHAVIOR_STOP;
    }
    err = err == JZX_OK ? ask_on(context, reader) : err;
    return err == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

jzx_err reader_init(struct reader *reader, jzx_context *context, const jzx_group *group, jzx_filter_fn filter)
{
    reader->behind = !reader->exchange->options.planted_deaf || reader->place->next == 0;
    jzx_err err = jzx_group_join(context, group, reader->index, NULL, filter, reader);
    return err == JZX_OK ? ask_on(context, reader) : err;
}
