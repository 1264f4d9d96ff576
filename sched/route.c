/*
 * route: the way of a message from a sender to a mailbox, on this loop or through a lane, and of what arrives.
 *
 * Owner thread only; what it reads of other loops is their `closed`, `low` and `full` words.
 */
#include "sched/annex.h"
#include "sched/call.h"
#include "sched/mailbox.h"

static void report(jzx_loop *loop, const jzx__cell *cell, jzx_actor_id target, jzx_drop_reason reason)
{
    jzx_dead_letter letter = {.target = target, .tag = cell->tag, .reason = reason};
    jzx_message message = jzx_message_value(JZX_TAG_SYS_DEAD_LETTER, &letter, sizeof letter);
    (void)jzx__send(&loop->host, cell->sender, &message, 0, 0); /* best effort by contract */
}

/* Ends a message that nobody handles: counted, shown, reported, destroyed. The cell itself stays the caller's. */
void jzx__route_dead(jzx_loop *loop, jzx__cell *cell, jzx_actor_id target, jzx_drop_reason reason)
{
    jzx__count_add(&loop->counters->dropped[reason], 1);
    jzx__observe_dead(loop, target, cell, reason);
    if ((cell->flags & JZX__FLAG_REPORT) != 0) {
        report(loop, cell, target, reason);
    }
    jzx__cell_drop_payload(cell);
}

/* The same for a cell of the pool, which is consumed; a request is answered. */
static void dispose(jzx_loop *loop, jzx__cell *cell, jzx_actor_id target, jzx_drop_reason reason)
{
    if ((cell->flags & JZX__FLAG_REQUEST) != 0) {
        jzx__request_refuse(loop, cell, target, reason, NULL);
        return;
    }
    jzx__route_dead(loop, cell, target, reason);
    jzx__cell_free(loop, cell);
}

static uint32_t high_of(const jzx__hot *hot)
{
    if ((hot->flags & JZX__SLOT_WAITING) != 0) {
        return 0; /* W2 */
    }
    return (hot->flags & JZX__SLOT_MARKED) != 0 ? hot->cap + 1 : jzx__slot_high_mark(hot->cap);
}

static void mark(jzx_loop *loop, uint32_t index, jzx__hot *hot)
{
    hot->flags |= JZX__SLOT_MARKED;
    hot->high = high_of(hot);
    if ((hot->flags & JZX__SLOT_DROPS) == 0) {
        /* Release: written before lane room is given back; pairs with the acquire in jzx__route_refusal() (A5). */
        atomic_store_explicit(&loop->slots.full[index], 1, memory_order_release);
    }
}

void jzx__mailbox_mark(jzx_loop *loop, uint32_t index, jzx__hot *hot)
{
    /* Of one that waits `high` does not tell (W2). */
    if (jzx__public(loop, index)->mailbox_length >= jzx__slot_high_mark(hot->cap) ||
        hot->bytes >= hot->bytes_cap - hot->bytes_cap / 4) {
        mark(loop, index, hot);
    }
}

void jzx__mailbox_unmark(jzx_loop *loop, uint32_t index, jzx__hot *hot)
{
    hot->flags &= (uint16_t) ~(JZX__SLOT_MARKED | JZX__SLOT_FULL_SEEN);
    hot->high = high_of(hot);
    atomic_store_explicit(&loop->slots.full[index], 0, memory_order_release);
    jzx__resume_wake_mailbox(loop, index);
    if (loop->sockets_held_count != 0) {
        jzx__socket_go_on(loop, index);
    }
}

static inline bool is_full(const jzx__hot *hot, const jzx_segment_slot *public, bool pointer, size_t size)
{
    return public->mailbox_length >= hot->cap ||
           (jzx__unlikely(pointer) && (size > hot->bytes_cap || hot->bytes + size > hot->bytes_cap));
}

static inline void push(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    if ((cell->flags & JZX__FLAG_HIGH) != 0) {
        jzx__high_push(loop, index, cell);
    } else {
        jzx__mail_push(loop, index, cell);
    }
}

/* Mail that a full mailbox may drop: a credit was granted for what came through a flow. */
static inline bool may_drop(const jzx__cell *cell)
{
    return cell->kind == JZX__CELL_MAIL && (cell->flags & JZX__FLAG_FLOW) == 0;
}

/* Makes room by ending the oldest mail; signals, answers, and mail that is high or stashed keep their place. False: none. */
static bool drop_oldest(jzx_loop *loop, uint32_t index, jzx__hot *hot)
{
    jzx__queue *mail = (hot->flags & JZX__SLOT_WAITING) != 0 ? jzx__wait_mail(loop, index) : &hot->mail;
    jzx__cell *before = NULL;
    jzx__cell *cell = mail->first;
    while (cell != NULL && !may_drop(cell)) {
        before = cell;
        cell = cell->next;
    }
    if (cell == NULL) {
        return false;
    }
    if (before == NULL) {
        mail->first = cell->next;
    } else {
        before->next = cell->next;
        if (mail->last == cell) {
            mail->last = before;
        }
    }
    jzx__mail_left(loop, index, cell);
    if ((cell->flags & JZX__FLAG_PROGRESS) != 0) {
        jzx__annex_of(loop, index)->progress_of = NULL; /* X6 */
    }
    dispose(loop, cell, jzx__public(loop, index)->id, JZX_DROP_OLDEST);
    return true;
}

/* A message whose mailbox is full, with a policy to drop. The cell is consumed or queued. */
static void push_by_policy(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx__cell *cell)
{
    jzx__observe_full(loop, index);
    bool pointer = (cell->flags & JZX__FLAG_POINTER) != 0;
    size_t size = pointer ? cell->pointer.size : 0;
    if ((hot->flags & JZX__SLOT_DROP_NEWEST) != 0 || size > hot->bytes_cap) {
        dispose(loop, cell, jzx__public(loop, index)->id, JZX_DROP_NEWEST); /* or it can never fit */
        return;
    }
    /* Not more often than there was mail: an observer may write each dead letter back into this very mailbox. */
    uint32_t left = jzx__public(loop, index)->mailbox_length;
    while (left-- > 0 && is_full(hot, jzx__public(loop, index), pointer, size)) {
        if (!drop_oldest(loop, index, hot)) {
            dispose(loop, cell, jzx__public(loop, index)->id, JZX_DROP_NEWEST); /* or it would grow without end */
            return;
        }
    }
    push(loop, index, cell);
}

static inline void fill(jzx__cell *cell, const jzx_context *context, const jzx_message *message, uint32_t flags)
{
    jzx__cell_from_message(cell, message, JZX__CELL_MAIL);
    cell->sender = context->self;
    if (flags != 0) {
        cell->flags |= (uint16_t)flags;
        cell->kind = (flags & JZX__FLAG_HIGH) != 0 ? JZX__CELL_HIGH : JZX__CELL_MAIL;
    }
}

typedef struct admission {
    jzx__hot *hot;
    uint32_t index;
    bool over; /* its policy must make room */
} admission;

/* Does an actor of this loop take a message now? `chain`: of a call, else 0. */
static inline jzx_err admit(jzx_loop *loop, jzx_actor_id to, const jzx_message *message, uint32_t flags, uint64_t chain,
                            admission *at)
{
    uint32_t index = jzx__slot_find(&loop->slots, to);
    if (jzx__unlikely(index == JZX__SLOT_NONE)) {
        return JZX_ERR_NO_SUCH_ACTOR;
    }
    jzx_segment_slot *public = jzx__public(loop, index);
    if (jzx__unlikely(public->state > JZX__RUNNING)) {
        return JZX_ERR_STOPPING;
    }
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    bool pointer = (message->flags & JZX_MESSAGE_POINTER) != 0;
    bool full = (flags & JZX__FLAG_FLOW) == 0 && is_full(hot, public, pointer, message->size) &&
                !jzx__wait_admits(loop, index, chain);
    if (jzx__unlikely(full) && (hot->flags & JZX__SLOT_DROPS) == 0) {
        bool never = pointer && message->size > hot->bytes_cap;
        if (!never && (hot->flags & JZX__SLOT_MARKED) == 0) {
            mark(loop, index, hot); /* by its bytes, below their mark: who asks to resume must wait */
        }
        jzx__count_add(&loop->counters->refused_full, 1);
        jzx__observe_full(loop, index);
        return never ? JZX_ERR_TOO_BIG : JZX_ERR_MAILBOX_FULL;
    }
    *at = (admission){hot, index, full};
    return JZX_OK;
}

static inline void push_admitted(jzx_loop *loop, const admission *at, jzx__cell *cell)
{
    jzx__count_add(&loop->counters->sent, 1);
    if (jzx__unlikely(at->over)) {
        push_by_policy(loop, at->index, at->hot, cell);
    } else if (jzx__unlikely((cell->flags & JZX__FLAG_HIGH) != 0)) {
        jzx__high_push(loop, at->index, cell);
    } else {
        jzx__mail_push_hot(loop, at->index, at->hot, cell);
    }
}

static jzx_err no_cell(jzx_loop *loop)
{
    jzx__count_add(&loop->counters->refused_block, 1);
    return JZX_ERR_WOULD_BLOCK;
}

jzx_err jzx__send_local(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint32_t flags,
                        uint64_t token)
{
    jzx_loop *loop = context->loop;
    admission at;
    jzx_err err = admit(loop, to, message, flags, 0, &at);
    if (jzx__unlikely(err != JZX_OK)) {
        return err;
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 1);
    if (jzx__unlikely(cell == NULL)) {
        return no_cell(loop);
    }
    fill(cell, context, message, flags);
    cell->target = token;
    push_admitted(loop, &at, cell);
    return JZX_OK;
}

static inline uint32_t high_flag(const jzx__call_wire *wire)
{
    return (wire->flags & JZX__CALL_HIGH) != 0 ? JZX__FLAG_HIGH : 0;
}

static jzx_err call_local(jzx_context *context, jzx_actor_id sender, jzx_actor_id to, const jzx_message *message,
                          uint64_t token, const jzx__call_wire *wire)
{
    jzx_loop *loop = context->loop;
    admission at;
    jzx_err err = admit(loop, to, message, wire->flow != 0 ? JZX__FLAG_FLOW : 0, wire->chain, &at);
    if (err != JZX_OK) {
        return err;
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 2);
    if (cell == NULL) {
        return no_cell(loop);
    }
    jzx__cell *called = jzx__pool_take_any(&loop->pool);
    fill(cell, context, message, JZX__FLAG_REQUEST | high_flag(wire));
    cell->sender = sender;
    jzx__called_make(loop, at.index, cell, called, token, wire);
    push_admitted(loop, &at, cell);
    return JZX_OK;
}

bool jzx__mail_offer_any(jzx_loop *loop, uint32_t index, const jzx__cell *mail, uint64_t target)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    bool pointer = (mail->flags & JZX__FLAG_POINTER) != 0;
    size_t size = pointer ? mail->pointer.size : 0;
    bool full = is_full(hot, jzx__public(loop, index), pointer, size);
    if (full && (hot->flags & JZX__SLOT_DROPS) == 0) {
        jzx__observe_full(loop, index);
        return false;
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 1);
    if (cell == NULL) {
        return false;
    }
    *cell = *mail;
    cell->target = target;
    jzx__count_add(&loop->counters->sent, 1);
    if (full) {
        push_by_policy(loop, index, hot, cell);
    } else {
        jzx__mail_push(loop, index, cell);
    }
    return true;
}

/* The target's loop is known. */
static inline jzx_err refusal(const jzx_loop *target, jzx_actor_id to)
{
    if (atomic_load_explicit(&target->closed, memory_order_acquire) != 0) {
        return JZX_ERR_LOOP_CLOSED;
    }
    uint32_t index = jzx__id_index(to);
    if (index >= target->slots.indexes_max || (uint32_t)to == 0) {
        return JZX_ERR_NO_SUCH_ACTOR;
    }
    /* Acquire: pairs with the releases in jzx__mailbox_mark(), slot_give() and jzx__pool_set_low(). */
    if (atomic_load_explicit(&target->pool.low, memory_order_acquire) != 0) {
        return JZX_ERR_WOULD_BLOCK;
    }
    if (atomic_load_explicit(&target->slots.full[index], memory_order_acquire) != 0) {
        return JZX_ERR_MAILBOX_FULL;
    }
    return JZX_OK;
}

jzx_err jzx__route_refusal(const jzx_runtime *runtime, jzx_actor_id to)
{
    uint32_t to_loop = jzx__id_loop(to);
    return to_loop < runtime->loop_count ? refusal(runtime->loops[to_loop], to) : JZX_ERR_NO_SUCH_ACTOR;
}

jzx_err jzx__route_takes(const jzx_loop *target)
{
    if (atomic_load_explicit(&target->closed, memory_order_acquire) != 0) {
        return JZX_ERR_LOOP_CLOSED;
    }
    /* Acquire: pairs with the release in jzx__pool_set_low(). */
    return atomic_load_explicit(&target->pool.low, memory_order_acquire) != 0 ? JZX_ERR_WOULD_BLOCK : JZX_OK;
}

/* What was written makes the lane one to flush. */
static void touch_lane(jzx_loop *loop, jzx__lane *lane)
{
    if (jzx__list_empty(&lane->dirty)) {
        lane->opened_ns = loop->now_ns;
        jzx__list_append(&loop->dirty_lanes, &lane->dirty);
    }
}

/* Room in a new block; rings the reader if a full one had to go first. */
static __attribute__((noinline)) jzx__cell *write_next(jzx_loop *loop, jzx__lane *lane, uint32_t count)
{
    bool published = false;
    jzx__cell *cell = jzx__lane_write_next(lane, count, &published);
    if (published) {
        lane->opened_ns = loop->now_ns;
        jzx__ring_peer(loop, lane->to);
    }
    return cell;
}

/* Room for `count` cells. */
static inline jzx__cell *write_lane(jzx_loop *loop, jzx__lane *lane, uint32_t count)
{
    jzx__cell *cell = jzx__lane_write(lane, count);
    return jzx__likely(cell != NULL) ? cell : write_next(loop, lane, count);
}

/*
 * One message, of `count` cells in a row, into the lane to its target's loop; the cells are filled by the caller. `presses`:
 * that the mailbox is marked full is no refusal.
 */
static inline jzx_err write_mail(jzx_loop *loop, jzx_actor_id to, uint32_t count, bool presses, jzx__cell **out)
{
    uint32_t to_loop = jzx__id_loop(to);
    if (to_loop >= loop->runtime->loop_count) {
        return JZX_ERR_NO_SUCH_ACTOR;
    }
    jzx__lane *lane = loop->lanes_out[to_loop];
    bool blocked = jzx__lane_blocked(lane) || JZX__SIM_FAULT(LANE_FULL); /* L6 */
    jzx__cell *cell = blocked ? NULL : write_lane(loop, lane, count);
    /* The bytes are read after room was taken: whoever gave the room back had written them before. */
    jzx_err err = refusal(loop->runtime->loops[to_loop], to);
    if (presses && err == JZX_ERR_MAILBOX_FULL) {
        err = JZX_OK;
    }
    if (jzx__unlikely(cell == NULL || err != JZX_OK)) {
        if (cell != NULL) {
            lane->open_count -= count;
        } else if (err == JZX_OK) {
            err = JZX_ERR_WOULD_BLOCK;
        }
        jzx__count_add(err == JZX_ERR_MAILBOX_FULL ? &loop->counters->refused_full : &loop->counters->refused_block,
                       err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK);
        return err;
    }
    jzx__count_add(&loop->counters->sent, 1);
    jzx__count_add(&loop->counters->mail_out, 1);
    touch_lane(loop, lane);
    *out = cell;
    return JZX_OK;
}

jzx_err jzx__send_remote(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint32_t flags,
                         uint64_t token)
{
    jzx__cell *cell;
    jzx_err err = write_mail(context->loop, to, 1, false, &cell);
    if (jzx__likely(err == JZX_OK)) {
        fill(cell, context, message, flags);
        cell->token = token;
        cell->target = to;
    }
    return err;
}

jzx_err jzx__send_credited(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t flow)
{
    if (jzx__id_loop(to) == context->loop->index) {
        if (JZX__SIM_FAULT(CELLS)) {
            return no_cell(context->loop);
        }
        bool pointer = (message->flags & JZX_MESSAGE_POINTER) != 0;
        return jzx__unlikely(pointer) ? jzx__send_local(context, to, message, JZX__FLAG_FLOW, flow)
                                      : jzx__send_value(context, to, message, JZX__FLAG_FLOW, flow);
    }
    jzx__cell *cell;
    jzx_err err = write_mail(context->loop, to, 1, true, &cell);
    if (err == JZX_OK) {
        fill(cell, context, message, JZX__FLAG_FLOW);
        cell->token = flow;
        cell->target = to;
    }
    return err;
}

jzx_err jzx__call_send(jzx_context *context, jzx_actor_id sender, jzx_actor_id to, const jzx_message *message,
                       uint64_t token, const jzx__call_wire *wire)
{
    if (jzx__id_loop(to) == context->loop->index) {
        return call_local(context, sender, to, message, token, wire);
    }
    jzx__cell *cells;
    jzx_err err = write_mail(context->loop, to, 2, wire->nested || wire->flow != 0, &cells);
    if (err == JZX_OK) {
        fill(cells, context, message, JZX__FLAG_REQUEST | JZX__FLAG_WIDE | high_flag(wire));
        cells[0].kind = JZX__CELL_CALL;
        cells[0].sender = sender;
        cells[0].token = token;
        cells[0].target = to;
        memcpy(&cells[1], wire, sizeof *wire);
    }
    return err;
}

jzx__cell *jzx__route_reserve(jzx_loop *loop, uint32_t to_loop)
{
    jzx__lane *lane = loop->lanes_out[to_loop];
    return jzx__lane_blocked(lane) || JZX__SIM_FAULT(LANE_FULL) ? NULL : write_lane(loop, lane, 1); /* as mail: L6 */
}

void jzx__route_unreserve(jzx_loop *loop, uint32_t to_loop)
{
    loop->lanes_out[to_loop]->open_count--;
}

void jzx__route_fill(jzx_loop *loop, uint32_t to_loop, const jzx__cell *cell)
{
    jzx__lane *lane = loop->lanes_out[to_loop];
    lane->open->cells[lane->open_count - 1] = *cell;
    touch_lane(loop, lane);
}

/* An overflow's or caller's node has been copied out. */
static void node_left(jzx_loop *loop, jzx__cell *node)
{
    if ((node->flags & JZX__FLAG_EMBEDDED) == 0) {
        jzx__cell_free(loop, node);
        return;
    }
    switch ((jzx__cell_kind)node->kind) {
    case JZX__CELL_DOWN:
        jzx__down_node_left(loop, (jzx__suffered *)(void *)node);
        break;
    case JZX__CELL_CHILD_SPAWN:
    case JZX__CELL_CHILD_END:
        jzx__child_out_left(loop, jzx__container_of(node, jzx__child, out));
        break;
    case JZX__CELL_CHILD_STARTED:
    case JZX__CELL_CHILD_READY:
    case JZX__CELL_CHILD_EXITED:
        jzx__bond_left(loop, jzx__container_of(node, jzx__bond, half.cell));
        break;
    case JZX__CELL_CHILD_FAILED:
        jzx__table_give(&loop->bonds, jzx__container_of(node, jzx__bond, half.cell)->half.number);
        break;
    case JZX__CELL_LINK:
    case JZX__CELL_LINK_NONE:
    case JZX__CELL_LINK_EXIT:
    case JZX__CELL_UNLINK:
        jzx__link_node_left(loop, node);
        break;
    case JZX__CELL_FLOW_OPEN:
    case JZX__CELL_FLOW_ACCEPT:
    case JZX__CELL_FLOW_GRANT:
    case JZX__CELL_FLOW_END:
    case JZX__CELL_FLOW_LOST:
        jzx__flow_node_left(loop, node);
        break;
    case JZX__CELL_PROBE:
        jzx__probe_node_left(loop, node);
        break;
    case JZX__CELL_CANCEL:
        jzx__trail_left(loop, node);
        break;
    case JZX__CELL_DOWN_NONE:
        jzx__table_give(&loop->suffered, ((jzx__suffered *)(void *)node)->number);
        break;
    case JZX__CELL_RESUME: {
        jzx__resume_wait *wait = (jzx__resume_wait *)(void *)node;
        jzx__table_give(&loop->resume_waits, wait->number);
        break;
    }
    default: {
        jzx__resource *resource = (jzx__resource *)(void *)node;
        resource->listed = false;
        if ((node->flags & JZX__FLAG_OVERTIME) != 0) {
            jzx__resource_expired(loop, node); /* R2 */
        }
    }
    }
}

/* Copies a node, and what belongs to it, into the lane. `second` may be known by the caller. */
static bool emit(jzx_loop *loop, jzx__lane *lane, const jzx__cell *node, const void *second)
{
    uint32_t count = (node->flags & JZX__FLAG_WIDE) != 0 ? 2 : 1;
    jzx__cell *cells = write_lane(loop, lane, count);
    if (cells == NULL) {
        return false;
    }
    cells[0] = *node;
    cells[0].flags &= (uint16_t) ~(JZX__FLAG_EMBEDDED | JZX__FLAG_OVERTIME);
    if (count == 2) {
        memcpy(&cells[1], second, sizeof cells[1]);
    }
    if (node->kind == JZX__CELL_ANSWER) {
        jzx__count_add(&loop->counters->mail_out, 1);
    }
    return true;
}

void jzx__route_signal(jzx_loop *loop, uint32_t to_loop, jzx__cell *node, const void *second)
{
    jzx__lane *lane = loop->lanes_out[to_loop];
    if (jzx__lane_blocked(lane) || !emit(loop, lane, node, second)) {
        jzx__queue_push(&lane->overflow, node);
        if (node->kind == JZX__CELL_SPAWN) {
            jzx__queue_push(&lane->overflow, (jzx__cell *)(uintptr_t)second);
        }
        touch_lane(loop, lane);
        return;
    }
    if (node->kind == JZX__CELL_SPAWN) {
        jzx__cell_free(loop, (jzx__cell *)(uintptr_t)second);
    }
    touch_lane(loop, lane);
    node_left(loop, node);
}

/* What goes with a wide node of an overflow: the exit record of a dying slot, or the next cell. */
static const void *second_of(jzx_loop *loop, const jzx__cell *node)
{
    if (node->kind == JZX__CELL_DOWN || node->kind == JZX__CELL_CHILD_EXITED) {
        return jzx__slot_hot(&loop->slots, ((const jzx__suffered *)(const void *)node)->target);
    }
    if (node->kind == JZX__CELL_LINK_EXIT) {
        return jzx__slot_hot(&loop->slots, ((const jzx__resource *)(const void *)node)->owner);
    }
    if (node->kind == JZX__CELL_PROBE) {
        return jzx__probe_second(loop, node);
    }
    return node->kind == JZX__CELL_SPAWN ? node->next : NULL;
}

static void flush_overflow(jzx_loop *loop, jzx__lane *lane)
{
    jzx__cell *node;
    while ((node = lane->overflow.first) != NULL) {
        if (node->kind != JZX__CELL_SKIP && !emit(loop, lane, node, second_of(loop, node))) {
            return;
        }
        jzx__queue_pop(&lane->overflow);
        if (node->kind == JZX__CELL_SPAWN) {
            jzx__cell_free(loop, jzx__queue_pop(&lane->overflow));
        }
        node_left(loop, node);
    }
}

/* Ends what waits for a loop that was closed without ever running: it takes nothing any more, and a stop must not wait. */
static void discard_overflow(jzx_loop *loop, jzx__lane *lane)
{
    jzx__cell *node;
    while ((node = jzx__queue_pop(&lane->overflow)) != NULL) {
        if (node->kind == JZX__CELL_ANSWER) {
            jzx__route_dead(loop, node, 0, JZX_DROP_CLOSED);
        } else if (node->kind == JZX__CELL_SPAWN) {
            jzx__cell_free(loop, jzx__queue_pop(&lane->overflow));
        }
        node_left(loop, node);
    }
}

static bool has_left(const jzx_loop *loop)
{
    return atomic_load_explicit(&loop->state, memory_order_acquire) == JZX__LOOP_LEFT;
}

static void flush_lane(jzx_loop *loop, jzx__lane *lane)
{
    flush_overflow(loop, lane);
    if (jzx__unlikely(jzx__lane_blocked(lane)) && has_left(loop->runtime->loops[lane->to])) {
        discard_overflow(loop, lane);
    }
    if (jzx__lane_publish(lane)) {
        jzx__ring_peer(loop, lane->to);
    }
    if (!jzx__list_empty(&lane->waiters) && jzx__lane_has_room(lane)) {
        jzx__resume_wake_list(loop, &lane->waiters);
    }
    if (!jzx__lane_blocked(lane) && lane->open_count == 0 && jzx__list_empty(&lane->waiters)) {
        jzx__list_remove(&lane->dirty);
    }
}

static bool flush_each(jzx_loop *loop)
{
    jzx__list *next;
    for (jzx__list *node = loop->dirty_lanes.next; node != &loop->dirty_lanes; node = next) {
        next = node->next;
        flush_lane(loop, jzx__container_of(node, jzx__lane, dirty));
    }
    for (const jzx__list *node = loop->dirty_lanes.next; node != &loop->dirty_lanes; node = node->next) {
        if (jzx__container_of(node, jzx__lane, dirty)->open_count > 0) {
            return false;
        }
    }
    return true;
}

void jzx__route_flush(jzx_loop *loop)
{
    /* A cell that leaves an overflow may make cells plenty, and that is told into lanes that were done already. */
    while (!flush_each(loop)) {
    }
}

void jzx__route_flush_aged(jzx_loop *loop)
{
    jzx__list *next;
    for (jzx__list *node = loop->dirty_lanes.next; node != &loop->dirty_lanes; node = next) {
        next = node->next;
        jzx__lane *lane = jzx__container_of(node, jzx__lane, dirty);
        if (loop->now_ns - lane->opened_ns >= loop->config->flush_ns) {
            flush_lane(loop, lane);
            lane->opened_ns = loop->now_ns;
        }
    }
}

static inline jzx__cell *take_mail(jzx_loop *loop, const jzx__cell *from)
{
    jzx__cell *cell = jzx__pool_take_inbound(&loop->pool);
    *cell = *from;
    cell->target = from->token;
    return cell;
}

/* Mail for one who has ended, or is about to. */
static void dispose_late(jzx_loop *loop, jzx__cell *cell, jzx_actor_id target, uint32_t index)
{
    bool closed = atomic_load_explicit(&loop->closed, memory_order_relaxed) != 0;
    jzx_drop_reason gone = closed ? JZX_DROP_CLOSED : JZX_DROP_NO_ACTOR;
    dispose(loop, cell, target, index == JZX__SLOT_NONE ? gone : JZX_DROP_STOPPING);
}

static __attribute__((noinline)) void mail_too_late(jzx_loop *loop, const jzx__cell *from, uint32_t index)
{
    dispose_late(loop, take_mail(loop, from), from->target, index);
}

static void tell_full(jzx_loop *loop, uint32_t index, const jzx__hot *hot)
{
    if (jzx__unlikely((hot->flags & (JZX__SLOT_MARKED | JZX__SLOT_DROPS)) == JZX__SLOT_MARKED)) {
        jzx__observe_full(loop, index); /* the other loops are refused from now on, and nobody here sees that */
    }
}

/* With a policy, high, or to one that waits. */
static __attribute__((noinline)) void take_in_by_policy(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx__cell *cell)
{
    if ((hot->flags & JZX__SLOT_DROPS) != 0 && may_drop(cell) && !jzx__wait_lets_in(loop, index, cell) &&
        is_full(hot, jzx__public(loop, index), (cell->flags & JZX__FLAG_POINTER) != 0, cell->pointer.size)) {
        push_by_policy(loop, index, hot, cell);
        return;
    }
    push(loop, index, cell);
    tell_full(loop, index, hot);
}

/* Mail that has come over a lane goes into the mailbox, or what its policy says. */
static inline __attribute__((always_inline)) void take_in(jzx_loop *loop, uint32_t index, jzx__hot *hot,
                                                          jzx_segment_slot *public, jzx__cell *cell)
{
    if (jzx__unlikely((hot->flags & (JZX__SLOT_DROPS | JZX__SLOT_WAITING)) != 0)) {
        take_in_by_policy(loop, index, hot, cell);
        return;
    }
    jzx__mailbox_push(loop, index, hot, public, cell); /* also past the cap: it was accepted */
    tell_full(loop, index, hot);
}

static void mail_arrived(jzx_loop *loop, const jzx__cell *from)
{
    uint32_t index = jzx__slot_find(&loop->slots, from->target);
    if (index == JZX__SLOT_NONE || jzx__public(loop, index)->state > JZX__RUNNING) {
        mail_too_late(loop, from, index);
        return;
    }
    jzx__hot *hot = jzx__once(jzx__slot_hot(&loop->slots, index));
    jzx_segment_slot *public = jzx__once(jzx__public(loop, index));
    take_in(loop, index, hot, public, take_mail(loop, from));
}

static __attribute__((noinline)) void call_arrived(jzx_loop *loop, const jzx__cell *from, const jzx__cell *second)
{
    jzx__call_wire wire;
    memcpy(&wire, second, sizeof wire);
    jzx__cell *cell = take_mail(loop, from);
    cell->kind = JZX__CELL_MAIL;
    cell->flags &= (uint16_t)~JZX__FLAG_WIDE;
    uint32_t index = jzx__slot_find(&loop->slots, from->target);
    jzx__called_make(loop, index, cell, jzx__pool_take_inbound(&loop->pool), from->token, &wire);
    if (index == JZX__SLOT_NONE || jzx__public(loop, index)->state > JZX__RUNNING) {
        dispose_late(loop, cell, from->target, index);
        return;
    }
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx_segment_slot *public = jzx__public(loop, index);
    bool refuses = wire.nested && may_drop(cell) && (hot->flags & JZX__SLOT_DROPS) == 0 &&
                   !jzx__wait_admits(loop, index, wire.chain);
    if (refuses && is_full(hot, public, (cell->flags & JZX__FLAG_POINTER) != 0, cell->pointer.size)) {
        dispose(loop, cell, from->target,
                JZX_DROP_NEWEST); /* it has passed the mark of a mailbox that is really full */
        return;
    }
    if ((cell->flags & JZX__FLAG_HIGH) != 0) {
        take_in_by_policy(loop, index, hot, cell);
    } else {
        take_in(loop, index, hot, public, cell);
    }
    if ((wire.flags & JZX__CALL_EXCLUSIVE) != 0) {
        jzx__wait_met(loop, index, wire.chain);
    }
}

/* The same of high priority. */
static __attribute__((noinline)) void high_arrived(jzx_loop *loop, const jzx__cell *from)
{
    uint32_t index = jzx__slot_find(&loop->slots, from->target);
    if (index == JZX__SLOT_NONE || jzx__public(loop, index)->state > JZX__RUNNING) {
        mail_too_late(loop, from, index);
        return;
    }
    jzx__cell *cell = take_mail(loop, from);
    cell->kind = JZX__CELL_MAIL;
    take_in_by_policy(loop, index, jzx__slot_hot(&loop->slots, index), cell);
}

static __attribute__((noinline)) void exit_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second)
{
    jzx_exit_info exit = jzx__exit_unpack(cell, second);
    if (cell->kind == JZX__CELL_DOWN) {
        jzx__down_arrived(loop, cell->words[0], &exit);
    } else {
        jzx__link_exit_arrived(loop, cell->words[0], &exit);
    }
}

void jzx__route_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second)
{
    switch ((jzx__cell_kind)cell->kind) {
    case JZX__CELL_MAIL:
        mail_arrived(loop, cell);
        break;
    case JZX__CELL_ANSWER:
        jzx__answer_arrived(loop, cell);
        break;
    case JZX__CELL_HIGH:
        high_arrived(loop, cell);
        break;
    case JZX__CELL_CALL:
        call_arrived(loop, cell, second);
        break;
    case JZX__CELL_CANCEL:
        jzx__cancel_arrived(loop, cell);
        break;
    case JZX__CELL_TRAIL_END:
        jzx__trail_end_arrived(loop, cell);
        break;
    case JZX__CELL_PROBE:
        jzx__probe_arrived(loop, cell, second);
        break;
    case JZX__CELL_END:
        jzx__life_end_arrived(loop, cell);
        break;
    case JZX__CELL_SPAWN:
        jzx__spawn_arrived(loop, cell, second);
        break;
    case JZX__CELL_MONITOR:
        jzx__monitor_arrived(loop, cell);
        break;
    case JZX__CELL_DEMONITOR:
        jzx__demonitor_arrived(loop, cell);
        break;
    case JZX__CELL_DOWN:
    case JZX__CELL_LINK_EXIT:
        exit_arrived(loop, cell, second);
        break;
    case JZX__CELL_DOWN_NONE:
        jzx__down_none_arrived(loop, cell);
        break;
    case JZX__CELL_CHILD_SPAWN:
        jzx__bond_spawn_arrived(loop, cell);
        break;
    case JZX__CELL_CHILD_END:
        jzx__bond_end_arrived(loop, cell);
        break;
    case JZX__CELL_CHILD_STARTED:
    case JZX__CELL_CHILD_READY:
    case JZX__CELL_CHILD_FAILED:
    case JZX__CELL_CHILD_EXITED:
        jzx__child_arrived(loop, cell, second);
        break;
    case JZX__CELL_LINK:
        jzx__link_arrived(loop, cell);
        break;
    case JZX__CELL_LINK_NONE:
        jzx__link_none_arrived(loop, cell);
        break;
    case JZX__CELL_UNLINK:
        jzx__unlink_arrived(loop, cell);
        break;
    case JZX__CELL_FLOW_OPEN:
    case JZX__CELL_FLOW_ACCEPT:
    case JZX__CELL_FLOW_GRANT:
    case JZX__CELL_FLOW_END:
    case JZX__CELL_FLOW_LOST:
        jzx__flow_arrived(loop, cell);
        break;
    case JZX__CELL_RESUME_ASK:
        jzx__resume_ask_arrived(loop, cell);
        break;
    case JZX__CELL_RESUME:
        jzx__resume_arrived(loop, cell->words[0]);
        break;
    case JZX__CELL_BROADCAST:
        jzx__broadcast_arrived(loop, cell);
        break;
    case JZX__CELL_BROADCAST_DONE:
        jzx__broadcast_done_arrived(loop, cell);
        break;
    default:
        JZX_ASSERT(!"a kind that never leaves its loop");
    }
}

void jzx__pool_freed(jzx_loop *loop)
{
    loop->pool.settled = 0;
    jzx__pool_set_low(&loop->pool, false);
    jzx__resume_wake_list(loop, &loop->pool.waiters);
    jzx__resume_wake_mailbox(loop, JZX__SLOT_NONE);
}

/*
 * Actors may keep so many cells for long, as open calls and kept requests, that there will never be plenty. What there is has to
 * do then: once a turn has left nothing to handle, or has given none back.
 */
void jzx__pool_settle(jzx_loop *loop)
{
    jzx__pool *pool = &loop->pool;
    if (atomic_load_explicit(&pool->low, memory_order_relaxed) == 0) {
        return;
    }
    bool settled = jzx__runs_empty(&loop->runs) || pool->free_count <= pool->settled;
    pool->settled = pool->free_count;
    if (settled && pool->free_count > pool->scarce) {
        jzx__pool_freed(loop); /* C2 */
    }
}
