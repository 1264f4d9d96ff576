/*
 * book: the order book of one instrument. Price-time priority, prices in ticks, no memory but its own, no clock, no actors.
 *
 * Invariants
 *   O1  An order is in one level, behind those that came to that price before it, and in the bucket of its key.
 *   O2  The best price to buy is below the best price to sell: what could trade has traded.
 *   O3  best[] is the best price with an order, or NO_PRICE.
 */
#ifndef ORDERBOOK_BOOK_H
#define ORDERBOOK_BOOK_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BOOK_PRICE_MAX = 1000, /* ticks, from 1 */
    BOOK_ORDERS_MAX = 64,  /* resting at one time; so few that a test meets it */
    BOOK_BUCKETS = 64,     /* a power of two */
    BOOK_NO_PRICE = 0,
};

enum book_side { BOOK_BUY = 0, BOOK_SELL = 1 };

/* Indexes are into the book's orders; 0 is none. */
struct book_order {
    uint64_t key; /* who calls it so is up to the caller; the same key twice are two orders */
    int32_t price;
    uint32_t quantity; /* left */
    uint16_t after;    /* the next at its price */
    uint16_t before;
    uint16_t chained; /* the next in its bucket, or in the free list */
    uint8_t side;
};

struct book_level {
    uint16_t first;
    uint16_t last;
};

struct book {
    struct book_order orders[BOOK_ORDERS_MAX + 1];
    struct book_level levels[2][BOOK_PRICE_MAX + 1];
    uint16_t buckets[BOOK_BUCKETS];
    int32_t best[2];
    uint16_t free;
    uint16_t count;
};

struct book_trade {
    uint64_t taker;
    uint64_t maker;
    int32_t price; /* the maker's */
    uint32_t quantity;
};

typedef void (*book_trade_fn)(void *context, const struct book_trade *trade);

void book_init(struct book *book);
/* Can it take an order like this? Checked apart, so that its acceptance can be told before its trades. */
bool book_takes(const struct book *book, int32_t price, uint32_t quantity);
/* Trades what can be traded, best price and oldest order first, and lets the rest stand. */
void book_add(struct book *book, const struct book_order *order, book_trade_fn trade, void *context);
/* The quantity that was left of it; 0: there is no such order. */
uint32_t book_cancel(struct book *book, uint64_t key);

#endif
