/*
 * book: the order book of one symbol. Price-time priority, prices in ticks, no memory but its own, no clock, no actors.
 *
 * Invariants
 *   O1  An order is in one level, behind those that came to that price before it, and in the bucket of its key.
 *   O2  The best price to buy is below the best price to sell: what could trade has traded.
 *   O3  best[] is the best price with an order, or NO_PRICE; the quantity of a level is that of its orders.
 */
#ifndef ORDERBOOK_BOOK_H
#define ORDERBOOK_BOOK_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BOOK_PRICE_MAX = 1000,  /* ticks, from 1 */
    BOOK_ORDERS_MAX = 4096, /* resting at one time */
    BOOK_BUCKETS = 4096,    /* a power of two */
    BOOK_NO_PRICE = 0,
};

enum book_side { BOOK_BUY = 0, BOOK_SELL = 1 };

/* Indexes are into the book's orders; 0 is none. */
struct book_order {
    uint64_t key; /* who calls it so is up to the caller; no two that rest have one key */
    int32_t price;
    uint32_t quantity; /* left */
    uint16_t after;    /* the next at its price */
    uint16_t before;
    uint16_t chained; /* the next in its bucket, or in the free list */
    uint8_t side;
};

struct book_level {
    uint64_t quantity;
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
    uint16_t orders_max;
};

struct book_trade {
    uint64_t maker;
    int32_t price; /* the maker's */
    uint32_t quantity;
};

typedef void (*book_trade_fn)(void *context, const struct book_trade *trade);

/* `orders_max`: 1 to BOOK_ORDERS_MAX. */
void book_init(struct book *book, uint16_t orders_max);
bool book_full(const struct book *book);
/*
 * Trades what can be traded with orders up to `order->price`, best price and oldest order first. Returns what is left of it,
 * which rests only by book_rest().
 */
uint32_t book_match(struct book *book, const struct book_order *order, book_trade_fn trade, void *context);
/* For an order that has been matched, in a book that is not full. */
void book_rest(struct book *book, const struct book_order *order);
/* The order of that key, or NULL. */
const struct book_order *book_find(const struct book *book, uint64_t key);
/* Takes an order out that book_find() has found. */
void book_remove(struct book *book, uint64_t key);
/* The order `key` has less left and another key, and keeps its place. */
void book_reduce(struct book *book, uint64_t key, uint64_t new_key, uint32_t quantity);

#endif
