/* See orderbook_reference.h. */
#include "orderbook_reference.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void reference_init(struct reference *reference, uint32_t symbols, uint32_t sessions, uint32_t orders_max)
{
    memset(reference, 0, offsetof(struct reference, orders));
    reference->symbols = symbols;
    reference->sessions = sessions;
    reference->present = sessions;
    reference->orders_max = orders_max;
}

static void forget(struct reference *reference, uint32_t at)
{
    memmove(&reference->orders[at], &reference->orders[at + 1],
            (reference->count - at - 1) * sizeof reference->orders[0]);
    reference->count--;
}

static uint32_t count_of(const struct reference *reference, uint32_t symbol)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < reference->count; i++) {
        count += reference->orders[i].symbol == symbol;
    }
    return count;
}

/* Its place; count: it does not rest. */
static uint32_t find(const struct reference *reference, const struct command *command)
{
    uint32_t at = 0;
    for (; at < reference->count; at++) {
        const struct reference_order *order = &reference->orders[at];
        if (order->symbol == command->symbol && order->session == command->session &&
            order->number == command->target) {
            break;
        }
    }
    return at;
}

/* The oldest of those with the best price; count: there is none that could trade with the order. */
static uint32_t best_for(const struct reference *reference, const struct reference_order *order)
{
    uint32_t best = reference->count;
    for (uint32_t i = 0; i < reference->count; i++) {
        const struct reference_order *other = &reference->orders[i];
        bool buys = order->side == BOOK_BUY;
        bool meet = buys ? other->price <= order->price : other->price >= order->price;
        bool first = best == reference->count;
        bool better = !first && (buys ? other->price < reference->orders[best].price
                                      : other->price > reference->orders[best].price);
        if (other->symbol == order->symbol && other->side != order->side && meet && (first || better)) {
            best = i;
        }
    }
    return best;
}

struct telling {
    const struct command *command;
    market_tell_fn tell;
    void *context;
};

static void say(const struct telling *telling, struct event event)
{
    event.number = telling->command->number;
    event.session = telling->command->session;
    telling->tell(telling->context, &event);
}

static void say_own(const struct telling *telling, enum event_kind kind, uint32_t side, uint32_t quantity,
                    enum event_reason reason)
{
    const struct command *command = telling->command;
    say(telling, (struct event){.kind = (uint8_t)kind,
                                .other = command->target,
                                .other_session = command->session,
                                .price = command->price,
                                .quantity = quantity,
                                .side = (uint8_t)side,
                                .symbol = command->symbol,
                                .reason = (uint8_t)reason});
}

static void say_gone(const struct telling *telling, enum event_kind kind, const struct reference_order *order)
{
    say(telling, (struct event){.kind = (uint8_t)kind,
                                .other = order->number,
                                .other_session = (uint8_t)order->session,
                                .price = order->price,
                                .quantity = order->quantity,
                                .side = (uint8_t)order->side,
                                .symbol = (uint8_t)order->symbol});
}

static void trade(struct reference *reference, const struct telling *telling, struct reference_order *order)
{
    uint32_t at;
    while (order->quantity > 0 && (at = best_for(reference, order)) < reference->count) {
        struct reference_order *maker = &reference->orders[at];
        uint32_t quantity = order->quantity < maker->quantity ? order->quantity : maker->quantity;
        say(telling, (struct event){.kind = EVENT_TRADE,
                                    .other = maker->number,
                                    .other_session = (uint8_t)maker->session,
                                    .price = maker->price,
                                    .quantity = quantity,
                                    .side = (uint8_t)order->side,
                                    .symbol = (uint8_t)order->symbol});
        reference->filled += 2 * (uint64_t)quantity;
        order->quantity -= quantity;
        maker->quantity -= quantity;
        if (maker->quantity == 0) {
            forget(reference, at);
        }
    }
}

static void enter(struct reference *reference, const struct telling *telling, uint32_t side)
{
    const struct command *command = telling->command;
    struct reference_order order = {command->session, command->number,  command->symbol, side,
                                    command->price,   command->quantity};
    bool market = command->kind == COMMAND_MARKET;
    if (market) {
        order.price = side == BOOK_BUY ? INT32_MAX : INT32_MIN;
    }
    reference->placed += command->quantity;
    trade(reference, telling, &order);
    if (order.quantity > 0) {
        say_own(telling, market ? EVENT_EXPIRED : EVENT_RESTS, side, order.quantity, REASON_NONE);
    }
    if (order.quantity > 0 && market) {
        reference->withdrawn += order.quantity;
    } else if (order.quantity > 0) {
        reference->orders[reference->count++] = order;
    }
}

static enum event_reason wrong(const struct reference *reference, const struct command *command)
{
    if (command->side != BOOK_BUY && command->side != BOOK_SELL) {
        return REASON_SIDE;
    }
    if (command->kind != COMMAND_MARKET && (command->price < 1 || command->price > BOOK_PRICE_MAX)) {
        return REASON_PRICE;
    }
    if (command->quantity == 0) {
        return REASON_QUANTITY;
    }
    bool full = count_of(reference, command->symbol) == reference->orders_max;
    return command->kind == COMMAND_LIMIT && full ? REASON_BOOK_FULL : REASON_NONE;
}

static void change(struct reference *reference, const struct telling *telling)
{
    const struct command *command = telling->command;
    uint32_t at = find(reference, command);
    struct reference_order *order = &reference->orders[at];
    enum event_reason reason = at == reference->count             ? REASON_NO_ORDER
                               : command->kind == COMMAND_REPLACE ? wrong(reference, command)
                                                                  : REASON_NONE;
    if (reason != REASON_NONE) {
        say_own(telling, EVENT_REJECTED, command->side, command->quantity, reason);
        return;
    }
    say_gone(telling, command->kind == COMMAND_CANCEL ? EVENT_CANCELLED : EVENT_REPLACED, order);
    reference->withdrawn += order->quantity;
    if (command->kind == COMMAND_CANCEL) {
        forget(reference, at);
    } else if (command->price == order->price && command->quantity <= order->quantity) {
        order->number = command->number;
        order->quantity = command->quantity;
        reference->placed += command->quantity;
        say_own(telling, EVENT_RESTS, order->side, command->quantity, REASON_NONE);
    } else {
        uint32_t side = order->side;
        forget(reference, at);
        enter(reference, telling, side);
    }
}

static int by_place(const void *left, const void *right)
{
    const struct reference_order *a = *(const struct reference_order *const *)left;
    const struct reference_order *b = *(const struct reference_order *const *)right;
    return a->symbol != b->symbol ? (a->symbol < b->symbol ? -1 : 1)
           : a->side != b->side   ? (a->side < b->side ? -1 : 1)
           : a->price != b->price ? (a->price < b->price ? -1 : 1)
                                  : (a < b ? -1 : 1);
}

static void leave(struct reference *reference, const struct telling *telling)
{
    static const struct reference_order *own[REFERENCE_ORDERS];
    uint32_t session = telling->command->session;
    uint32_t count = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < reference->count; i++) {
        if (reference->orders[i].session == session) {
            own[count++] = &reference->orders[i];
        }
    }
    qsort(own, count, sizeof own[0], by_place);
    for (uint32_t i = 0; i < count; i++) {
        say_gone(telling, EVENT_PULLED, own[i]);
        reference->withdrawn += own[i]->quantity;
    }
    for (uint32_t i = 0; i < reference->count; i++) {
        if (reference->orders[i].session != session) {
            reference->orders[kept++] = reference->orders[i];
        }
    }
    reference->count = kept;
    reference->present--;
    say_own(telling, EVENT_LEFT, telling->command->side, 0, REASON_NONE);
    if (reference->present == 0) {
        say_own(telling, EVENT_CLOSED, telling->command->side, 0, REASON_NONE);
    }
}

void reference_apply(struct reference *reference, const struct command *command, market_tell_fn tell, void *context)
{
    struct telling telling = {command, tell, context};
    enum event_reason reason = command->kind >= COMMAND_KINDS          ? REASON_KIND
                               : command->symbol >= reference->symbols ? REASON_SYMBOL
                                                                       : REASON_NONE;
    bool order = command->kind == COMMAND_LIMIT || command->kind == COMMAND_MARKET;
    if (command->kind == COMMAND_LEAVE) {
        leave(reference, &telling);
        return;
    }
    if (reason == REASON_NONE && order) {
        reason = wrong(reference, command);
    }
    if (reason != REASON_NONE) {
        say_own(&telling, EVENT_REJECTED, command->side, command->quantity, reason);
    } else if (order) {
        say_own(&telling, EVENT_ACCEPTED, command->side, command->quantity, REASON_NONE);
        enter(reference, &telling, command->side);
    } else {
        change(reference, &telling);
    }
}

uint64_t reference_resting(const struct reference *reference)
{
    uint64_t quantity = 0;
    for (uint32_t i = 0; i < reference->count; i++) {
        quantity += reference->orders[i].quantity;
    }
    return quantity;
}

/* The orders of a level, in the list from `at` on. */
static bool level_equals(const struct reference *reference, const struct book *book, uint32_t symbol, uint32_t side,
                         int32_t price, uint32_t *seen)
{
    const struct book_level *level = &book->levels[side][price];
    uint64_t quantity = 0;
    uint32_t at = 0;
    for (uint16_t i = level->first; i != 0; i = book->orders[i].after) {
        const struct reference_order *order = &reference->orders[at];
        while (at < reference->count && (order->symbol != symbol || order->side != side || order->price != price)) {
            order = &reference->orders[++at];
        }
        if (at == reference->count || book->orders[i].quantity != order->quantity ||
            book->orders[i].key != ((uint64_t)order->session << 32 | order->number)) {
            return false;
        }
        quantity += order->quantity;
        ++*seen;
        at++;
    }
    return level->quantity == quantity;
}

bool reference_equals(const struct reference *reference, const struct market *market)
{
    uint32_t seen = 0;
    uint32_t counted = 0;
    bool equal = true;
    for (uint32_t symbol = 0; symbol < market->symbols; symbol++) {
        const struct book *book = &market->books[symbol];
        counted += book->count;
        for (int32_t price = 1; price <= BOOK_PRICE_MAX; price++) {
            equal &= level_equals(reference, book, symbol, BOOK_BUY, price, &seen);
            equal &= level_equals(reference, book, symbol, BOOK_SELL, price, &seen);
        }
    }
    return equal && seen == reference->count && counted == reference->count;
}

bool event_equals(const struct event *a, const struct event *b)
{
    return a->kind == b->kind && a->number == b->number && a->session == b->session && a->other == b->other &&
           a->other_session == b->other_session && a->price == b->price && a->quantity == b->quantity &&
           a->side == b->side && a->symbol == b->symbol && a->reason == b->reason;
}
