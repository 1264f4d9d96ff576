/* feed: the ring of events, and who hears of them at once. Those who do not read pages. */
#include "exchange.h"

bool feed_wanted(const struct event *event, uint32_t symbols, uint32_t session)
{
    if (session == NO_SESSION) {
        return event_is_public(event) && (event->kind == EVENT_CLOSED || (symbols >> event->symbol & 1) != 0);
    }
    return event->kind != EVENT_CLOSED &&
           (event->session == session || (event->kind == EVENT_TRADE && event->other_session == session));
}

/* Nobody is waited for: on its own loop a broadcast is refused by none but a group that has no members. */
static void broadcast(jzx_context *context, const jzx_group *group, const struct event *event)
{
    jzx_message message = event_message(*event);
    jzx_err err = jzx_broadcast(context, group, &message, 0, NULL);
    (void)err;
}

void feed_tell(struct exchange *exchange, jzx_context *context, const struct event *event)
{
    struct event *own = &exchange->events[exchange->next % exchange->options.events];
    *own = *event;
    own->sequence = exchange->next++;
    if (own->kind != EVENT_CLOSED) {
        broadcast(context, &exchange->session_groups[own->session], own);
    }
    if (own->kind == EVENT_TRADE && own->other_session != own->session) {
        broadcast(context, &exchange->session_groups[own->other_session], own);
    }
    if (event_is_public(own)) {
        broadcast(context, &exchange->market_group, own);
    }
}

void feed_hint(struct exchange *exchange, jzx_context *context, const struct command *command, enum event_reason reason)
{
    struct event event = {
        .sequence = NO_SEQUENCE,
        .kind = EVENT_REJECTED,
        .number = command->number,
        .session = command->session,
        .reason = (uint8_t)reason,
    };
    broadcast(context, &exchange->session_groups[command->session], &event);
}

size_t feed_page(const struct exchange *exchange, const struct ask *ask, struct page *page)
{
    uint32_t size = exchange->options.events;
    uint64_t oldest = exchange->next > size ? exchange->next - size : 0;
    uint64_t at = ask->from;
    page->count = 0;
    page->past = at < oldest;
    for (uint32_t looks = 0; !page->past && looks < PAGE_LOOKS && page->count < PAGE_EVENTS && at < exchange->next;
         looks++, at++) {
        const struct event *event = &exchange->events[at % size];
        if (feed_wanted(event, ask->symbols, ask->session)) {
            page->events[page->count++] = *event;
        }
    }
    page->next = at;
    page->last = at >= exchange->next;
    return offsetof(struct page, events) + page->count * sizeof page->events[0];
}
