/*
 * load: the commands of a day, as a function of a seed. No clock, no actors.
 *
 * Sessions take turns. Of ten commands some six are limit orders, one is a market order, two are cancels and one is a
 * replacement, of an order that the session has sent lately. Prices are drawn around one that wanders, so that some orders
 * trade at once. Few are wrong.
 */
#ifndef ORDERBOOK_LOAD_H
#define ORDERBOOK_LOAD_H

#include "market.h"

enum { LOAD_RECENT = 32 };

struct load {
    uint64_t random;
    uint64_t made; /* commands */
    uint32_t symbols;
    uint32_t sessions;
    int32_t middle[SYMBOLS_MAX];
    struct load_order {
        uint32_t number;
        uint8_t symbol;
    } recent[SESSIONS_MAX][LOAD_RECENT]; /* orders that could rest: a ring */
    uint32_t orders[SESSIONS_MAX];       /* how many there were */
};

void load_init(struct load *load, uint64_t seed, uint32_t symbols, uint32_t sessions);
/* The next one. The i-th of all, from 0, is number i / sessions + 1 of session i % sessions. */
struct command load_next(struct load *load);
/* Which of all a command is. */
uint64_t load_index(uint32_t sessions, uint32_t session, uint32_t number);

/* What is said of a tape: of the trades in their order, each by who, whose, at which price and how much. */
struct tape {
    uint64_t trades;
    uint64_t volume;
    uint64_t hash;
};

void tape_init(struct tape *tape);
void tape_add(struct tape *tape, const struct event *trade);

#endif
