/*
 * reader: how sessions and subscribers come to have each event that is for them, once and in order.
 *
 * A reader joins a group, and takes what is broadcast to it as long as it has missed nothing. Else it is behind: it passes
 * over what comes, and asks the engine for pages from where it stands, until one says that there is nothing behind it. It
 * begins behind.
 *
 * Invariants
 *   R1  place.next is behind the last event that was taken, or that was not for this reader.
 *   R2  A page ends being behind only if nothing was missed since it was asked for: what was missed then may not be in it.
 *   R3  At most one request is under way, and none while the timer runs: who is told to wait and asks at once is told so at
 *       once, and never sleeps.
 */
#ifndef ORDERBOOK_READER_H
#define ORDERBOOK_READER_H

#include "exchange.h"

struct reader;

/* What a kind of reader does with what it reads. */
struct reader_kind {
    void (*take)(struct reader *reader, jzx_context *context, const struct event *event);
    /* The ring does not have what is wanted: a request for the state of now, and what it brings. */
    struct ask (*state_ask)(const struct reader *reader);
    void (*state_take)(struct reader *reader, jzx_context *context, const void *data);
};

/* The state of one incarnation. */
struct reader {
    const struct reader_kind *kind;
    struct exchange *exchange;
    struct place *place; /* outlives this incarnation */
    uint32_t index;
    uint32_t symbols; /* a set */
    uint32_t session; /* or NO_SESSION */
    uint32_t wanted;  /* symbols, or 1 for the account, whose state of now is to be asked for */
    uint64_t resume;  /* of subscribers: the first of these states; events are wanted from there on */
    uint64_t ref;     /* of the request under way; 0: none */
    bool behind;
    bool missed; /* since the request was sent */
    bool over;   /* there is nothing to read any more */
    bool again;  /* the timer is set */
};

/* `filter` may be NULL; it gets the reader. */
jzx_err reader_init(struct reader *reader, jzx_context *context, const jzx_group *group, jzx_filter_fn filter);
jzx_behavior_result reader_behave(jzx_context *context, void *state, const jzx_message *message);

#endif
