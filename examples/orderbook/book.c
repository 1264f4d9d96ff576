/* book: see book.h. */
#include "book.h"

#include <string.h>

void book_init(struct book *book, uint16_t orders_max)
{
    memset(book, 0, sizeof *book);
    book->orders_max = orders_max;
    for (uint16_t i = orders_max; i > 0; i--) {
        book->orders[i].chained = book->free;
        book->free = i;
    }
}

bool book_full(const struct book *book)
{
    return book->free == 0;
}

/* ---- orders by their key ---- */

static uint16_t bucket_of(uint64_t key)
{
    return key * 0x9E3779B97F4A7C15ull >> 32 & (BOOK_BUCKETS - 1);
}

static void chain(struct book *book, uint16_t index)
{
    uint16_t *bucket = &book->buckets[bucket_of(book->orders[index].key)];
    book->orders[index].chained = *bucket;
    *bucket = index;
}

static void unchain(struct book *book, uint16_t index)
{
    uint16_t *link = &book->buckets[bucket_of(book->orders[index].key)];
    while (*link != index) {
        link = &book->orders[*link].chained;
    }
    *link = book->orders[index].chained;
}

static uint16_t find(const struct book *book, uint64_t key)
{
    uint16_t index = book->buckets[bucket_of(key)];
    while (index != 0 && book->orders[index].key != key) {
        index = book->orders[index].chained;
    }
    return index;
}

const struct book_order *book_find(const struct book *book, uint64_t key)
{
    uint16_t index = find(book, key);
    return index != 0 ? &book->orders[index] : NULL;
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

void book_rest(struct book *book, const struct book_order *order)
{
    uint16_t index = book->free;
    struct book_order *own = &book->orders[index];
    struct book_level *level = &book->levels[order->side][order->price];
    book->free = own->chained;
    book->count++;
    *own = *order;
    own->after = 0;
    own->before = level->last;
    *(level->last == 0 ? &level->first : &book->orders[level->last].after) = index;
    level->last = index;
    level->quantity += order->quantity;
    chain(book, index);
    if (better(order->side, order->price, book->best[order->side])) {
        book->best[order->side] = order->price;
    }
}

static void take_out(struct book *book, uint16_t index)
{
    struct book_order *order = &book->orders[index];
    struct book_level *level = &book->levels[order->side][order->price];
    *(order->before == 0 ? &level->first : &book->orders[order->before].after) = order->after;
    *(order->after == 0 ? &level->last : &book->orders[order->after].before) = order->before;
    level->quantity -= order->quantity;
    unchain(book, index);
    if (order->price == book->best[order->side]) {
        find_best(book, order->side);
    }
    order->chained = book->free;
    book->free = index;
    book->count--;
}

/* ---- the book ---- */

/* The oldest order of the other side at the best price, if it can trade with this one. */
static uint16_t counterpart(const struct book *book, const struct book_order *order)
{
    uint8_t other = order->side == BOOK_BUY ? BOOK_SELL : BOOK_BUY;
    int32_t price = book->best[other];
    return price != BOOK_NO_PRICE && !better(other, order->price, price) ? book->levels[other][price].first : 0;
}

/* Some of it has gone, and it stays where it was. */
static void shrink(struct book *book, struct book_order *order, uint32_t by)
{
    order->quantity -= by;
    book->levels[order->side][order->price].quantity -= by;
}

uint32_t book_match(struct book *book, const struct book_order *order, book_trade_fn trade, void *context)
{
    uint32_t left = order->quantity;
    uint16_t index;
    while (left > 0 && (index = counterpart(book, order)) != 0) {
        struct book_order *maker = &book->orders[index];
        uint32_t quantity = left < maker->quantity ? left : maker->quantity;
        struct book_trade made = {maker->key, maker->price, quantity};
        left -= quantity;
        shrink(book, maker, quantity);
        if (maker->quantity == 0) {
            take_out(book, index);
        }
        trade(context, &made);
    }
    return left;
}

void book_remove(struct book *book, uint64_t key)
{
    take_out(book, find(book, key));
}

void book_reduce(struct book *book, uint64_t key, uint64_t new_key, uint32_t quantity)
{
    uint16_t index = find(book, key);
    struct book_order *order = &book->orders[index];
    shrink(book, order, order->quantity - quantity);
    unchain(book, index);
    order->key = new_key;
    chain(book, index);
}
