/*
 * watch: readiness of one foreign descriptor by multishot poll, coalesced.
 *
 * Owner thread only. The record belongs to the caller and must stay put until jzx__watch_idle().
 *
 * Invariants
 *   W1  At most one poll and one cancel of a watch are in flight.
 *   W2  After jzx__watch_end() the watch reports nothing; it is idle once both have had their terminal completion.
 */
#ifndef JZX__WATCH_H
#define JZX__WATCH_H

#include "io/backend.h"
#include "io/list.h"

typedef struct jzx__watch {
    jzx__list want;     /* in the net's list while an operation waits for room */
    uint64_t user_poll; /* user_data of the poll, set by the caller */
    uint64_t user_cancel;
    int fd;
    uint32_t events; /* POLL* bits asked for */
    uint32_t seen;   /* POLL* bits seen since the last take */
    int error;       /* errno that ended it */
    bool polling;    /* poll in flight */
    bool cancelling; /* cancel in flight */
    bool cancelled;  /* it was asked for: once is enough */
    bool ending;     /* no more reports */
    bool ended;      /* the kernel will report no more, though not asked to end */
} jzx__watch;

struct jzx__net;
void jzx__watch_begin(struct jzx__net *net, jzx__watch *watch, int fd, uint32_t events);
void jzx__watch_end(struct jzx__net *net, jzx__watch *watch);
/* Takes a completion of the poll or the cancel. Returns true when there is something new to report. */
bool jzx__watch_complete(struct jzx__net *net, jzx__watch *watch, const jzx__cqe *cqe);
/* Tries again to queue what had no room. True when nothing is left to queue. */
bool jzx__watch_prepare(struct jzx__net *net, jzx__watch *watch);
/* Is it of an operation in flight? Any other is stale or forged, and must not be given to jzx__watch_complete(). */
static inline bool jzx__watch_expects(const jzx__watch *watch, const jzx__cqe *cqe)
{
    return cqe->user_data == watch->user_cancel ? watch->cancelling : watch->polling;
}
static inline bool jzx__watch_idle(const jzx__watch *watch)
{
    return !watch->polling && !watch->cancelling && jzx__list_empty(&watch->want);
}

#endif
