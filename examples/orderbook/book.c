/* book: see book.h. */
#include "book.h"

#include <string.h>

void book_init(struct book *book)
{
    memset(book, 0, sizeof *book);
    for (uint16_t i = BOOK_ORDERS_MAX; i > 0; i--) {
        book->orders[i].chained = book->free;
        book->free = i;
    }
}

/* ---- orders by their key ---- */

static uint16_t *bucket_of(struct book *book, uint64_t key)
{
    return &book->buckets[key * 0x9E3779B97F4A7C15ull >> 32 & (BOOK_BUCKETS - 1)];
}

static void chain(struct book *book, uint16_t index)
{
    uint16_t *bucket = bucket_of(book, book->orders[index].key);
    book->orders[index].chained = *bucket;
    *bucket = index;
}

static void unchain(struct book *book, uint16_t index)
{
    uint16_t *link = bucket_of(book, book->orders[index].key);
    while (*link != index) {
        link = &book->orders[*link].chained;
    }
    *link = book->orders[index].chained;
}

static uint16_t find(struct book *book, uint64_t key)
{
    uint16_t index = *bucket_of(book, key);
    while (index != 0 && book->orders[index].key != key) {
        index = book->orders[index].chained;
    }
    return index;
}

/* ---- orders by their price ---- */

static bool better(uint8_t side, int32_t price, int32_t than)
{
    return than == BOOK_NO_PRICE || (side == BOOK_BUY ? price > than : price < than);
}

/* The last order of the best level has gone. */
static void find_best(struct book *book, uint8_t side)
{
    int32_t step = side == BOOK_BUY ? -1 : 1;
    int32_t price = book->best[side];
    while (price >= 1 && price <= BOOK_PRICE_MAX && book->levels[side][price].first == 0) {
        price += step;
    }
    book->best[side] = price >= 1 && price <= BOOK_PRICE_MAX ? price : BOOK_NO_PRICE;
}

static void rest(struct book *book, const struct book_order *order)
{
    uint16_t index = book->free;
    struct book_order *own = &book->orders[index];
    struct book_level *level = &book->levels[order->side][order->price];
    book->free = own->chained;
    book->count++;
    *own = *order;
    own->after = 0;
    own->before = level->last;
    if (level->last == 0) {
        level->first = index;
    } else {
        book->orders[level->last].after = index;
    }
    level->last = index;
    chain(book, index);
    if (better(order->side, order->price, book->best[order->side])) {
        book->best[order->side] = order->price;
    }
}

static void remove_order(struct book *book, uint16_t index)
{
    struct book_order *order = &book->orders[index];
    struct book_level *level = &book->levels[order->side][order->price];
    *(order->before == 0 ? &level->first : &book->orders[order->before].after) = order->after;
    *(order->after == 0 ? &level->last : &book->orders[order->after].before) = order->before;
    unchain(book, index);
    if (order->price == book->best[order->side]) {
        find_best(book, order->side);
    }
    order->chained = book->free;
    book->free = index;
    book->count--;
}

/* ---- the book ---- */

bool book_takes(const struct book *book, int32_t price, uint32_t quantity)
{
    return price >= 1 && price <= BOOK_PRICE_MAX && quantity > 0 && book->free != 0;
}

/* The oldest order of the other side at the best price, if it can trade with this one. */
static uint16_t counterpart(const struct book *book, const struct book_order *order)
{
    uint8_t other = order->side == BOOK_BUY ? BOOK_SELL : BOOK_BUY;
    int32_t price = book->best[other];
    return price != BOOK_NO_PRICE && !better(other, order->price, price) ? book->levels[other][price].first : 0;
}

void book_add(struct book *book, const struct book_order *order, book_trade_fn trade, void *context)
{
    struct book_order left = *order;
    uint16_t index;
    while (left.quantity > 0 && (index = counterpart(book, &left)) != 0) {
        struct book_order *maker = &book->orders[index];
        uint32_t quantity = left.quantity < maker->quantity ? left.quantity : maker->quantity;
        struct book_trade made = {left.key, maker->key, maker->price, quantity};
        left.quantity -= quantity;
        maker->quantity -= quantity;
        if (maker->quantity == 0) {
            remove_order(book, index);
        }
        trade(context, &made);
    }
    if (left.quantity > 0) {
        rest(book, &left);
    }
}

uint32_t book_cancel(struct book *book, uint64_t key)
{
    uint16_t index = find(book, key);
    uint32_t left = book->orders[index].quantity; /* of none: 0 */
    if (index != 0) {
        remove_order(book, index);
    }
    return left;
}
