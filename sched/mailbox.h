/*
 * mailbox: mail of one actor going in and out. The hottest lines of the library, so all in one header.
 *
 * Owner thread only. A5 (slot.h) holds here: the full mark is set at the high mark and cleared at the low one.
 */
#ifndef JZX__MAILBOX_H
#define JZX__MAILBOX_H

#include "sched/loop.h"

/* What happens at the marks: in route.c, off the hot path. */
void jzx__mailbox_mark(jzx_loop *loop, uint32_t index, jzx__hot *hot);
void jzx__mailbox_unmark(jzx_loop *loop, uint32_t index, jzx__hot *hot);

static inline void jzx__mailbox_push(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public,
                                     jzx__cell *cell)
{
    jzx__queue_push(&hot->mail, cell);
    if (jzx__unlikely((cell->flags & JZX__FLAG_POINTER) != 0)) {
        hot->bytes += cell->pointer.size;
    }
    uint32_t length = public->mailbox_length + 1;
    public->mailbox_length = length;
    if (length > public->mailbox_peak) {
        public->mailbox_peak = length;
    }
    if (jzx__unlikely(length >= jzx__slot_high_mark(hot->cap)) && (hot->flags & JZX__SLOT_MARKED) == 0) {
        jzx__mailbox_mark(loop, index, hot);
    }
    jzx__schedule_hot(loop, index, hot);
}

static inline void jzx__mailbox_left(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public,
                                     const jzx__cell *cell)
{
    JZX_ASSERT(public->mailbox_length > 0);
    uint32_t length = --public->mailbox_length;
    if (jzx__unlikely((cell->flags & JZX__FLAG_POINTER) != 0)) {
        hot->bytes -= cell->pointer.size;
    }
    if (jzx__unlikely((hot->flags & JZX__SLOT_MARKED) != 0) && length <= jzx__slot_low_mark(hot->cap)) {
        jzx__mailbox_unmark(loop, index, hot);
    }
}

static inline void jzx__mail_push(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__mailbox_push(loop, index, jzx__slot_hot(&loop->slots, index), jzx__public(loop, index), cell);
}

static inline void jzx__mail_left(jzx_loop *loop, uint32_t index, const jzx__cell *cell)
{
    jzx__mailbox_left(loop, index, jzx__slot_hot(&loop->slots, index), jzx__public(loop, index), cell);
}

#endif
