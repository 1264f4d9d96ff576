/*
 * market: what is traded, as a function of the commands in the order in which they are taken. No clock, no actors: the same
 * commands give the same events, in every run.
 *
 * Commands of a session are numbered from 1 without a gap, and a market takes the next one only. One that it has taken
 * before is passed over, and so is one that comes too early. So whoever hears nothing may send again from the first one
 * that he has heard nothing of, and nothing is done twice.
 *
 * Each command that is taken has one word: ACCEPTED, REPLACED, CANCELLED, REJECTED or LEFT, its first event but for LEFT,
 * which is its last. An order goes by the number of its command; one that was replaced, by that of the replacement.
 */
#ifndef ORDERBOOK_MARKET_H
#define ORDERBOOK_MARKET_H

#include "book.h"

enum { SESSIONS_MAX = 8, SYMBOLS_MAX = 16 };

enum command_kind {
    COMMAND_LIMIT = 0, /* trades up to its price, and the rest stands */
    COMMAND_MARKET,    /* trades at any price, and the rest expires */
    COMMAND_CANCEL,    /* of the order `target` */
    COMMAND_REPLACE,   /* the order `target` by a limit order. It keeps its place if only its quantity is less */
    COMMAND_LEAVE,     /* the session ends: all its orders are pulled. The market closes when the last one has left */
    COMMAND_KINDS
};

struct command {
    uint32_t number; /* of the session, from 1 */
    uint32_t target;
    int32_t price;
    uint32_t quantity;
    uint8_t kind; /* enum command_kind */
    uint8_t side; /* enum book_side; of a replacement it is that of the target */
    uint8_t symbol;
    uint8_t session;
};

enum event_kind {
    EVENT_ACCEPTED = 0, /* the order `number` */
    EVENT_REPLACED,     /* the order `other`, which had `quantity` left at `price`, by the order `number` */
    EVENT_CANCELLED,    /* the same, by nothing */
    EVENT_REJECTED,     /* see the reason */
    EVENT_LEFT,         /* the session */
    EVENT_TRADE,        /* of the order `number` with the older one `other`, at its price */
    EVENT_RESTS,        /* so much of the order `number` stands at that price */
    EVENT_EXPIRED,      /* so much of the order `number` found nobody */
    EVENT_PULLED,       /* the order `other`, as its session has left */
    EVENT_CLOSED,       /* the market */
    EVENT_LOST,         /* of sessions alone, in no ring: see exchange.h */
};

enum event_reason {
    REASON_NONE = 0,
    REASON_KIND,
    REASON_SIDE,
    REASON_SYMBOL,
    REASON_PRICE,
    REASON_QUANTITY,
    REASON_BOOK_FULL,
    REASON_NO_ORDER, /* the target does not rest, or is not of this session */
    /* Not taken: the number is still free. These are hints, in no ring. */
    REASON_THROTTLED, /* too many of the session are under way */
    REASON_EARLY,     /* one before it is missing */
    REASON_OVER,      /* the session has left */
    REASONS
};

struct event {
    uint64_t sequence; /* of the exchange, from 0 */
    uint32_t number;   /* the command it comes of */
    uint32_t other;
    int32_t price;
    uint32_t quantity;
    uint8_t kind; /* enum event_kind */
    uint8_t side; /* of the order `number`; of `other`, if it was cancelled, replaced or pulled */
    uint8_t symbol;
    uint8_t session;       /* of `number` */
    uint8_t other_session; /* of `other` */
    uint8_t reason;        /* enum event_reason */
};

typedef void (*market_tell_fn)(void *context, const struct event *event);

struct market {
    uint32_t symbols;
    uint32_t present;            /* sessions that have not left */
    uint32_t last[SESSIONS_MAX]; /* command that was taken */
    bool left[SESSIONS_MAX];
    int64_t holds[SESSIONS_MAX][SYMBOLS_MAX]; /* bought less sold */
    uint32_t trades[SYMBOLS_MAX];
    uint64_t volume[SYMBOLS_MAX];
    struct book books[SYMBOLS_MAX]; /* nothing is written beyond `symbols` of them */
};

void market_init(struct market *market, uint32_t symbols, uint32_t sessions, uint16_t orders_max);
/* Whether it takes the command of a session that it has. If not, `reason` is why; NONE: it was taken before. */
bool market_takes(const struct market *market, const struct command *command, enum event_reason *reason);
/* Carries out a command that it takes, and tells of all that comes of it. Events have no sequence yet. */
void market_apply(struct market *market, const struct command *command, market_tell_fn tell, void *context);
/* An event that is its command's word. */
bool event_is_word(const struct event *event);
/* What all may know. */
bool event_is_public(const struct event *event);

#endif
