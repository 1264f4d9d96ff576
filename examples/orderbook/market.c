/* market: see market.h. */
#include "market.h"

#include <stddef.h>
#include <string.h>

struct taken {
    struct market *market;
    const struct command *command; /* being carried out */
    uint8_t side;
    market_tell_fn tell;
    void *context;
};

static uint64_t key_of(uint32_t session, uint32_t number)
{
    return (uint64_t)session << 32 | number;
}

void market_init(struct market *market, uint32_t symbols, uint32_t sessions, uint16_t orders_max)
{
    memset(market, 0, offsetof(struct market, books));
    market->symbols = symbols;
    market->present = sessions;
    for (uint32_t i = 0; i < symbols; i++) {
        book_init(&market->books[i], orders_max);
    }
}

/* ---- telling ---- */

static struct event event_of_kind(const struct taken *taken, enum event_kind kind)
{
    const struct command *command = taken->command;
    return (struct event){
        .kind = (uint8_t)kind,
        .number = command->number,
        .other = command->target,
        .price = command->price,
        .quantity = command->quantity,
        .side = taken->side,
        .symbol = command->symbol,
        .session = command->session,
        .other_session = command->session,
    };
}

static void tell(const struct taken *taken, enum event_kind kind, uint32_t quantity)
{
    struct event event = event_of_kind(taken, kind);
    event.quantity = quantity;
    taken->tell(taken->context, &event);
}

static void tell_gone(const struct taken *taken, enum event_kind kind, uint32_t symbol, const struct book_order *order)
{
    struct event event = event_of_kind(taken, kind);
    event.other = (uint32_t)order->key;
    event.price = order->price;
    event.quantity = order->quantity;
    event.side = order->side;
    event.symbol = (uint8_t)symbol;
    taken->tell(taken->context, &event);
}

static void tell_rejected(const struct taken *taken, enum event_reason reason)
{
    struct event event = event_of_kind(taken, EVENT_REJECTED);
    event.reason = (uint8_t)reason;
    taken->tell(taken->context, &event);
}

static void on_trade(void *context, const struct book_trade *trade)
{
    const struct taken *taken = context;
    struct market *market = taken->market;
    struct event event = event_of_kind(taken, EVENT_TRADE);
    int64_t bought = taken->side == BOOK_BUY ? trade->quantity : -(int64_t)trade->quantity;
    event.other = (uint32_t)trade->maker;
    event.other_session = (uint8_t)(trade->maker >> 32);
    event.price = trade->price;
    event.quantity = trade->quantity;
    market->holds[event.session][event.symbol] += bought;
    market->holds[event.other_session][event.symbol] -= bought;
    market->trades[event.symbol]++;
    market->volume[event.symbol] += trade->quantity;
    taken->tell(taken->context, &event);
}

/* ---- commands ---- */

static enum event_reason wrong_order(const struct market *market, const struct command *command)
{
    bool priced = command->kind != COMMAND_MARKET;
    return command->side > BOOK_SELL                                                      ? REASON_SIDE
           : priced && (command->price < 1 || command->price > BOOK_PRICE_MAX)            ? REASON_PRICE
           : command->quantity == 0                                                       ? REASON_QUANTITY
           : command->kind == COMMAND_LIMIT && book_full(&market->books[command->symbol]) ? REASON_BOOK_FULL
                                                                                          : REASON_NONE;
}

static void trade_and_rest(struct taken *taken)
{
    const struct command *command = taken->command;
    struct book *book = &taken->market->books[command->symbol];
    struct book_order order = {
        .key = key_of(command->session, command->number),
        .price = command->price,
        .quantity = command->quantity,
        .side = taken->side,
    };
    if (command->kind == COMMAND_MARKET) {
        order.price = taken->side == BOOK_BUY ? BOOK_PRICE_MAX : 1;
    }
    order.quantity = book_match(book, &order, on_trade, taken);
    if (order.quantity == 0) {
        return;
    }
    if (command->kind == COMMAND_MARKET) {
        tell(taken, EVENT_EXPIRED, order.quantity);
    } else {
        book_rest(book, &order);
        tell(taken, EVENT_RESTS, order.quantity);
    }
}

static void place(struct taken *taken)
{
    enum event_reason reason = wrong_order(taken->market, taken->command);
    if (reason != REASON_NONE) {
        tell_rejected(taken, reason);
        return;
    }
    tell(taken, EVENT_ACCEPTED, taken->command->quantity);
    trade_and_rest(taken);
}

static void cancel(struct taken *taken, const struct book_order *order)
{
    tell_gone(taken, EVENT_CANCELLED, taken->command->symbol, order);
    book_remove(&taken->market->books[taken->command->symbol], order->key);
}

static void replace(struct taken *taken, const struct book_order *order)
{
    const struct command *command = taken->command;
    struct book *book = &taken->market->books[command->symbol];
    enum event_reason reason = wrong_order(taken->market, command);
    if (reason != REASON_NONE) {
        tell_rejected(taken, reason);
        return;
    }
    taken->side = order->side;
    tell_gone(taken, EVENT_REPLACED, command->symbol, order);
    if (command->price == order->price && command->quantity <= order->quantity) {
        book_reduce(book, order->key, key_of(command->session, command->number), command->quantity);
        tell(taken, EVENT_RESTS, command->quantity);
    } else {
        book_remove(book, order->key);
        trade_and_rest(taken);
    }
}

static void pull(struct taken *taken, uint32_t symbol, const struct book_level *level)
{
    struct book *book = &taken->market->books[symbol];
    uint16_t after;
    for (uint16_t i = level->first; i != 0; i = after) {
        const struct book_order *order = &book->orders[i];
        after = order->after;
        if (order->key >> 32 == taken->command->session) {
            tell_gone(taken, EVENT_PULLED, symbol, order);
            book_remove(book, order->key);
        }
    }
}

/* By symbol, side, price and age. Looks through whole books, which takes some microseconds; but a session leaves once. */
static void leave(struct taken *taken)
{
    struct market *market = taken->market;
    for (uint32_t i = 0; i < market->symbols; i++) {
        for (int32_t at = 0; at < 2 * BOOK_PRICE_MAX; at++) {
            pull(taken, i, &market->books[i].levels[at / BOOK_PRICE_MAX][at % BOOK_PRICE_MAX + 1]);
        }
    }
    market->left[taken->command->session] = true;
    market->present--;
    tell(taken, EVENT_LEFT, 0);
    if (market->present == 0) {
        tell(taken, EVENT_CLOSED, 0);
    }
}

static void change(struct taken *taken)
{
    const struct command *command = taken->command;
    const struct book *book = &taken->market->books[command->symbol];
    const struct book_order *order = book_find(book, key_of(command->session, command->target));
    if (order == NULL) {
        tell_rejected(taken, REASON_NO_ORDER);
    } else if (command->kind == COMMAND_CANCEL) {
        cancel(taken, order);
    } else {
        replace(taken, order);
    }
}

/* ---- the market ---- */

bool market_takes(const struct market *market, const struct command *command, enum event_reason *reason)
{
    uint32_t last = market->last[command->session];
    *reason = command->number <= last          ? REASON_NONE
              : market->left[command->session] ? REASON_OVER
              : command->number > last + 1     ? REASON_EARLY
                                               : REASON_NONE;
    return command->number > last && *reason == REASON_NONE;
}

void market_apply(struct market *market, const struct command *command, market_tell_fn tell_fn, void *context)
{
    struct taken taken = {market, command, command->side, tell_fn, context};
    market->last[command->session] = command->number;
    if (command->kind == COMMAND_LEAVE) {
        leave(&taken);
    } else if (command->kind >= COMMAND_KINDS) {
        tell_rejected(&taken, REASON_KIND);
    } else if (command->symbol >= market->symbols) {
        tell_rejected(&taken, REASON_SYMBOL);
    } else if (command->kind == COMMAND_LIMIT || command->kind == COMMAND_MARKET) {
        place(&taken);
    } else {
        change(&taken);
    }
}

bool event_is_word(const struct event *event)
{
    return event->kind <= EVENT_LEFT;
}

bool event_is_public(const struct event *event)
{
    switch (event->kind) {
    case EVENT_REPLACED:
    case EVENT_CANCELLED:
    case EVENT_TRADE:
    case EVENT_RESTS:
    case EVENT_PULLED:
    case EVENT_CLOSED:
        return true;
    default:
        return false;
    }
}
