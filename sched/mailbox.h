/*
 * mailbox: mail of one actor going in and out. The hottest lines of the library, so all in one header.
 *
 * Owner thread only. A5 (slot.h) holds here: the full mark is set at the high mark and cleared at the low one, of messages
 * and of bytes.
 */
#ifndef JZX__MAILBOX_H
#define JZX__MAILBOX_H

#include "sched/loop.h"
#include "sched/wait.h"

/* What happens at the marks: in route.c, off the hot path. */
void jzx__mailbox_mark(jzx_loop *loop, uint32_t index, jzx__hot *hot);
void jzx__mailbox_unmark(jzx_loop *loop, uint32_t index, jzx__hot *hot);

/* Atomic for routers of other loops (jzx__slot_length()): the same instruction. */
static inline void jzx__mailbox_set_length(jzx_segment_slot *public, uint32_t length)
{
    __atomic_store_n(&public->mailbox_length, length, __ATOMIC_RELAXED);
}

/* A cell has come into the mailbox, at whichever end. */
static inline void jzx__mailbox_longer(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public,
                                       const jzx__cell *cell)
{
    if (jzx__unlikely((cell->flags & JZX__FLAG_POINTER) != 0)) {
        hot->bytes += cell->pointer.size;
        if (hot->bytes >= hot->bytes_cap - hot->bytes_cap / 4 && (hot->flags & JZX__SLOT_MARKED) == 0) {
            jzx__mailbox_mark(loop, index, hot);
        }
    }
    uint32_t length = public->mailbox_length + 1;
    jzx__mailbox_set_length(public, length);
    if (length > public->mailbox_peak) {
        public->mailbox_peak = length;
    }
    if (jzx__unlikely(length >= hot->high) && (hot->flags & JZX__SLOT_MARKED) == 0) {
        jzx__mailbox_mark(loop, index, hot);
    }
}

static inline void jzx__mailbox_push(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public,
                                     jzx__cell *cell)
{
    jzx__queue_push(&hot->mail, cell);
    jzx__mailbox_longer(loop, index, hot, public, cell);
    jzx__schedule_hot(loop, index, hot);
}

static inline void jzx__mailbox_shorter(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public)
{
    JZX_ASSERT(public->mailbox_length > 0);
    uint32_t length = public->mailbox_length - 1;
    jzx__mailbox_set_length(public, length);
    if (jzx__unlikely((hot->flags & JZX__SLOT_MARKED) != 0) && length <= jzx__slot_low_mark(hot->cap) &&
        hot->bytes <= hot->bytes_cap / 2) {
        jzx__mailbox_unmark(loop, index, hot);
    }
}

static inline void jzx__mailbox_left(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public,
                                     const jzx__cell *cell)
{
    if (jzx__unlikely((cell->flags & JZX__FLAG_POINTER) != 0)) {
        hot->bytes -= cell->pointer.size;
    }
    jzx__mailbox_shorter(loop, index, hot, public);
}

/*
 * A message by value. The common case, all of it here: the target lives on this loop, takes messages and is not near
 * its cap, and there are cells. Everything else is jzx__send_local()'s, which does all this and more.
 */
static inline jzx_err jzx__send_value(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint32_t flags,
                                      uint64_t token)
{
    jzx_loop *loop = context->loop;
    uint32_t index = jzx__slot_index(&loop->slots, to);
    if (jzx__unlikely(index >= loop->slots.fresh || to == 0)) {
        return jzx__send(context, to, message, flags, token);
    }
    jzx_segment_slot *public = jzx__public(loop, index);
    jzx__hot *hot = jzx__once(jzx__slot_hot(&loop->slots, index));
    uint32_t length = public->mailbox_length + 1;
    if (jzx__unlikely(public->id != to || public->state > JZX__RUNNING || length >= hot->high ||
                      loop->pool.free_count <= loop->pool.scarce)) {
        return jzx__send_local(context, to, message, flags, token);
    }
    jzx__mailbox_set_length(public, length);
    if (length > public->mailbox_peak) {
        public->mailbox_peak = length;
    }
    jzx__count_add(&loop->counters->sent, 1);
    jzx__cell *cell = jzx__pool_take_any(&loop->pool);
    cell->tag = message->tag;
    cell->head = jzx__head((uint8_t)message->size, JZX__CELL_MAIL, flags);
    jzx__words_copy(cell->words, message->words);
    cell->sender = context->self;
    if (flags != 0) {
        cell->target = token;
    }
    jzx__queue_push(&hot->mail, cell);
    jzx__schedule_hot(loop, index, hot);
    return JZX_OK;
}

/* jzx__mail_offer() where the mailbox is near its cap, or there is a payload to be counted: in route.c. */
bool jzx__mail_offer_any(jzx_loop *loop, uint32_t index, const jzx__cell *mail, uint64_t target);

/*
 * A copy of this cell, with this target, for an actor that takes mail, as if it were sent here. False: its mailbox refuses, or
 * cells are short. The target is not written into what is copied: see jzx__words_copy().
 */
static inline bool jzx__mail_offer(jzx_loop *loop, uint32_t index, const jzx__cell *mail, uint64_t target)
{
    jzx__hot *hot = jzx__once(jzx__slot_hot(&loop->slots, index));
    jzx_segment_slot *public = jzx__once(jzx__public(loop, index));
    uint32_t length = public->mailbox_length + 1;
    if (jzx__unlikely(length >= hot->high || (mail->flags & JZX__FLAG_POINTER) != 0)) {
        return jzx__mail_offer_any(loop, index, mail, target);
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 1);
    if (jzx__unlikely(cell == NULL)) {
        return false;
    }
    *cell = *mail;
    cell->target = target;
    jzx__mailbox_set_length(public, length);
    if (length > public->mailbox_peak) {
        public->mailbox_peak = length;
    }
    jzx__count_add(&loop->counters->sent, 1);
    jzx__queue_push(&hot->mail, cell);
    jzx__schedule_hot(loop, index, hot);
    return true;
}

static inline void jzx__mail_push_hot(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx__cell *cell)
{
    if (jzx__unlikely((hot->flags & JZX__SLOT_WAITING) != 0)) {
        jzx__wait_push(loop, index, cell); /* W2 */
        return;
    }
    jzx__mailbox_push(loop, index, hot, jzx__public(loop, index), cell);
}

static inline void jzx__mail_push(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__mail_push_hot(loop, index, jzx__slot_hot(&loop->slots, index), cell);
}

/* A signal that stands in the mailbox, behind the mail that came before it. */
static inline void jzx__mail_stand(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    if (jzx__unlikely((hot->flags & JZX__SLOT_WAITING) != 0)) {
        jzx__queue_push(jzx__wait_mail(loop, index), cell); /* W2 */
        return;
    }
    jzx__queue_push(&hot->mail, cell);
    jzx__schedule_hot(loop, index, hot);
}

/* A signal for the urgent list. */
static inline void jzx__urgent_notify(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx__cell *cell)
{
    if (jzx__unlikely((hot->flags & JZX__SLOT_WAITING) != 0)) {
        jzx__wait_push_urgent(loop, index, cell); /* W2 */
        return;
    }
    jzx__urgent_push(hot, cell);
    jzx__schedule_hot(loop, index, hot);
}

static inline void jzx__mail_left(jzx_loop *loop, uint32_t index, const jzx__cell *cell)
{
    jzx__mailbox_left(loop, index, jzx__slot_hot(&loop->slots, index), jzx__public(loop, index), cell);
}

#endif
