/* subscriber: market data of some symbols, kept as a view of each. */
#include "reader.h"

static bool is_wanted(void *context, const jzx_message *message)
{
    const struct reader *reader = context;
    const struct event *event = event_of(message);
    return event != NULL && feed_wanted(event, reader->symbols, NO_SESSION);
}

/* What stands at a price has become more, or less. */
static void change(struct view *view, const struct event *event)
{
    bool sold = event->kind == EVENT_TRADE; /* an order of the other side than `number` */
    uint64_t *level = &view->levels[sold ? !event->side : event->side][event->price];
    *level += event->kind == EVENT_RESTS ? event->quantity : -(uint64_t)event->quantity;
    view->trades += event->kind == EVENT_TRADE;
    view->volume += event->kind == EVENT_TRADE ? event->quantity : 0;
}

static void take(struct reader *reader, jzx_context *context, const struct event *event)
{
    struct exchange *exchange = reader->exchange;
    const struct exchange_user *user = &exchange->options.user;
    struct subscriber *subscriber = &exchange->subscribers[reader->index];
    if (event->kind == EVENT_CLOSED) {
        subscriber->closed = true;
    } else if (event->sequence < subscriber->known[event->symbol]) {
        return;
    } else {
        change(&subscriber->views[event->symbol], event);
    }
    if (user->market != NULL) {
        user->market(user->argument, context, reader->index, event);
    }
}

static struct ask book_ask(const struct reader *reader)
{
    return (struct ask){.kind = ASK_BOOK, .symbols = reader->wanted};
}

/*
 * The books are asked for one by one, so none costs the engine much at a time. Then events are wanted from the first of
 * them on; those that the others have already are passed over.
 */
static void take_book(struct reader *reader, jzx_context *context, const void *data)
{
    const struct book_state *state = data;
    struct subscriber *subscriber = &reader->exchange->subscribers[reader->index];
    struct event closed = {.sequence = state->sequence - 1, .kind = EVENT_CLOSED};
    if (reader->wanted == reader->symbols) {
        reader->resume = state->sequence;
    }
    subscriber->known[state->symbol] = state->sequence;
    subscriber->views[state->symbol] = state->view;
    reader->wanted &= ~(1u << state->symbol);
    if (reader->wanted != 0) {
        return;
    }
    subscriber->place.next = reader->resume;
    if (state->closed && state->sequence == reader->resume) { /* that was the last event: nothing comes behind it */
        take(reader, context, &closed);
    }
}

static const struct reader_kind subscriber_kind = {take, book_ask, take_book};

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct part *part = argument;
    struct exchange *exchange = part->exchange;
    struct reader *reader = *state;
    reader->kind = &subscriber_kind;
    reader->exchange = exchange;
    reader->index = part->index;
    reader->session = NO_SESSION;
    reader->symbols = exchange->subscribers[part->index].symbols;
    reader->place = &exchange->subscribers[part->index].place;
    return reader_init(reader, context, &exchange->market_group, is_wanted);
}

void subscriber_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = reader_behave;
    spec->state_size = sizeof(struct reader);
    spec->messages_per_turn = 512; /* of one turn of the engine may come many times as many events as commands */
}
