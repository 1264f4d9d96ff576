/*
 * inbox: what foreign threads post to one loop. Bounded; cells by value.
 *
 *   any foreign thread   jzx__inbox_reserve(), jzx__inbox_publish() on a shared inbox
 *   the poster's thread  the same on an inbox of its own
 *   owner thread         jzx__inbox_take(), jzx__inbox_empty()
 *
 * Invariants
 *   I1  What one thread posted leaves in the order it was posted, also when it goes on to an inbox of its own: that is
 *       read only once the shared one is drained past the point at which it was made (`after`).
 *   I2  A place that was reserved is published by the same thread, and nothing lies between but the writing of the cell.
 * A post to the shared inbox may wait for another that began before it: places are published in order.
 */
#ifndef JZX__INBOX_H
#define JZX__INBOX_H

#include <ck_ring.h>

#include "sched/cell.h"

typedef struct jzx__inbox {
    jzx__cell *entries;
    uint32_t size;
    bool shared;    /* many producers */
    uint32_t after; /* I1: position of the shared inbox */
    bool open;      /* reader: `after` has been passed */
    uint64_t posted_taken;
    const jzx_allocator *allocator;
    _Alignas(JZX__CACHE_LINE) ck_ring_t ring;
} jzx__inbox;

jzx_err jzx__inbox_init(jzx__inbox *inbox, uint32_t size, bool shared, const jzx_allocator *allocator);
void jzx__inbox_deinit(jzx__inbox *inbox);
/* A post: a place to write the cell to, or NULL when there is none; then its publication, with the same ticket. */
jzx__cell *jzx__inbox_reserve(jzx__inbox *inbox, unsigned int *ticket);
void jzx__inbox_publish(jzx__inbox *inbox, unsigned int ticket);
bool jzx__inbox_take(jzx__inbox *inbox, jzx__cell *cell);
bool jzx__inbox_empty(const jzx__inbox *inbox);
/* Positions of a shared inbox: of the next post, and of the next take. */
uint32_t jzx__inbox_tail(const jzx__inbox *inbox);
uint32_t jzx__inbox_head(const jzx__inbox *inbox);

#endif
