/* session: a client's end of the exchange. It ends with the event that says that the session has left. */
#include "reader.h"

static void report(const struct reader *reader, jzx_context *context, const struct event *event)
{
    const struct exchange_user *user = &reader->exchange->options.user;
    if (user->report != NULL) {
        user->report(user->argument, context, reader->session, event);
    }
}

static void take(struct reader *reader, jzx_context *context, const struct event *event)
{
    struct session *session = &reader->exchange->sessions[reader->session];
    if (event->kind == EVENT_TRADE) {
        int64_t bought = event->side == BOOK_BUY ? event->quantity : -(int64_t)event->quantity;
        session->holds[event->symbol] += event->session == reader->session ? bought : 0;
        session->holds[event->symbol] -= event->other_session == reader->session ? bought : 0;
    }
    reader->over = event->kind == EVENT_LEFT;
    report(reader, context, event);
}

static struct ask account_ask(const struct reader *reader)
{
    return (struct ask){.kind = ASK_ACCOUNT, .session = reader->session};
}

static void take_account(struct reader *reader, jzx_context *context, const void *data)
{
    const struct account_state *state = data;
    struct session *session = &reader->exchange->sessions[reader->session];
    struct event lost = {
        .sequence = state->sequence, .kind = EVENT_LOST, .number = state->last, .session = (uint8_t)reader->session};
    memcpy(session->holds, state->holds, sizeof session->holds);
    session->place.next = state->sequence;
    reader->wanted = 0;
    reader->over = state->left;
    report(reader, context, &lost);
}

static const struct reader_kind session_kind = {take, account_ask, take_account};

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct part *part = argument;
    struct exchange *exchange = part->exchange;
    struct reader *reader = *state;
    reader->kind = &session_kind;
    reader->exchange = exchange;
    reader->index = part->index;
    reader->session = part->index;
    reader->place = &exchange->sessions[part->index].place;
    atomic_store(&exchange->session_refs[part->index], jzx_child_self(context));
    return reader_init(reader, context, &exchange->session_groups[part->index], NULL);
}

void session_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = reader_behave;
    spec->state_size = sizeof(struct reader);
    spec->restart = JZX_TRANSIENT; /* one that has left is not started again */
}
