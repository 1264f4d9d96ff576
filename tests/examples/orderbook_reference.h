/*
 * A market like that of examples/orderbook, as simple as can be: all orders in one list as they came. It looks through all
 * of it for the best price, and among these for the oldest. It says the same events, in the same order.
 */
#ifndef ORDERBOOK_REFERENCE_H
#define ORDERBOOK_REFERENCE_H

#include "market.h"

enum { REFERENCE_ORDERS = 65536 };

struct reference_order {
    uint32_t session;
    uint32_t number;
    uint32_t symbol;
    uint32_t side;
    int32_t price;
    uint32_t quantity; /* left */
};

struct reference {
    uint32_t symbols;
    uint32_t sessions;
    uint32_t orders_max; /* of a symbol */
    uint32_t present;
    uint32_t count;
    /* Quantities. */
    uint64_t placed;
    uint64_t filled;    /* of both sides */
    uint64_t withdrawn; /* cancelled, replaced, expired, pulled */
    struct reference_order orders[REFERENCE_ORDERS];
};

void reference_init(struct reference *reference, uint32_t symbols, uint32_t sessions, uint32_t orders_max);
/* For the next command of its session. Events have no sequence. */
void reference_apply(struct reference *reference, const struct command *command, market_tell_fn tell, void *context);
/* What rests. */
uint64_t reference_resting(const struct reference *reference);
/* Whether books and holdings of a market, level by level and order by order, are those of the reference. */
bool reference_equals(const struct reference *reference, const struct market *market);

/* In all but the sequence. */
bool event_equals(const struct event *a, const struct event *b);

#endif
