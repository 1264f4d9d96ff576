/*
 * request: messages with room for their answer.
 *
 * The asker keeps a cell of its own loop for the answer from the start, so an answer is never refused; the answerer keeps
 * the request's cell until it answers, and reuses it for that. Both are in their actor's `held` list. An asker may also be a
 * thread that runs no loop (asker.h): then the token is that of its record, and `sender` is 0.
 *
 * Owner thread only.
 *
 * Invariants
 *   Q1  A reserved cell turns into exactly one message: the answer, or one that says why there is none.
 *   Q2  A kept cell is answered exactly once: by its actor, or by the runtime when the actor says that it is not for it,
 *       or at the actor's end.
 *   Q3  One actor holds at most cells / 8 cells.
 */
#include "sched/mailbox.h"

/* What a held cell has where its payload was. */
typedef struct held_reserved {
    jzx__cell *prev;
    jzx_actor_id target;
    jzx__deadline deadline;
} held_reserved;
_Static_assert(sizeof(held_reserved) <= JZX_INLINE_MAX, "fits the payload of a cell");

typedef struct held_kept {
    jzx__cell *prev;
    uint64_t number; /* the handler's ref */
    uint32_t owner;  /* slot index of the answerer */
} held_kept;
_Static_assert(sizeof(held_kept) <= JZX_INLINE_MAX, "fits the payload of a cell");

static jzx__cell **prev_of(jzx__cell *cell)
{
    return (jzx__cell **)(void *)cell->bytes; /* first in both */
}

static jzx__cell *first_held(const jzx_loop *loop, const jzx__cold *cold)
{
    return cold->held == 0 ? NULL : &loop->pool.cells[cold->held - 1];
}

static void set_first_held(const jzx_loop *loop, jzx__cold *cold, const jzx__cell *cell)
{
    cold->held = cell == NULL ? 0 : (uint32_t)(cell - loop->pool.cells) + 1;
}

static void hold(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    *prev_of(cell) = NULL;
    cell->next = first_held(loop, cold);
    if (cell->next != NULL) {
        *prev_of(cell->next) = cell;
    }
    set_first_held(loop, cold, cell);
    cold->held_count++;
}

static void unhold(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    jzx__cell *prev = *prev_of(cell);
    if (prev == NULL) {
        JZX_ASSERT(first_held(loop, cold) == cell);
        set_first_held(loop, cold, cell->next);
    } else {
        prev->next = cell->next;
    }
    if (cell->next != NULL) {
        *prev_of(cell->next) = prev;
    }
    cold->held_count--;
}

/* ---- the asker ---- */

jzx_err jzx__request_reserve(jzx_context *context, jzx_actor_id to, uint64_t timeout_ns, jzx__cell **reserved)
{
    jzx_loop *loop = context->loop;
    const jzx__cold *cold = jzx__slot_cold(&loop->slots, context->slot);
    bool timed = timeout_ns != JZX_FOREVER;
    if (cold->held_count >= loop->config->cells / 8 ||
        (timed && loop->requests_timed + loop->timers.used >= loop->config->timers_max)) {
        return JZX_ERR_LIMIT; /* Q3 */
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 2); /* the request needs one too */
    if (cell == NULL) {
        jzx__count_add(&loop->counters->refused_block, 1);
        return JZX_ERR_WOULD_BLOCK;
    }
    cell->kind = JZX__CELL_RESERVED;
    cell->flags = 0;
    cell->sender = context->self;
    cell->target = jzx__pool_number(&loop->pool, cell);
    hold(loop, context->slot, cell);
    held_reserved *held = (held_reserved *)(void *)cell->bytes;
    held->target = to;
    held->deadline = (jzx__deadline){.kind = JZX__DEADLINE_REQUEST};
    if (timed) {
        uint64_t now_ns = loop->backend->ops->now_ns(loop->backend);
        jzx__deadlines_add(&loop->deadlines, &held->deadline, jzx__add_saturating(now_ns, timeout_ns));
        loop->requests_timed++;
    }
    *reserved = cell;
    return JZX_OK;
}

/* Takes a reserved cell out of its asker's hands; it is then an ordinary cell. */
static void unreserve(jzx_loop *loop, jzx__cell *cell)
{
    held_reserved *held = (held_reserved *)(void *)cell->bytes;
    if (jzx__deadline_set(&held->deadline)) {
        jzx__deadlines_remove(&loop->deadlines, &held->deadline);
        loop->requests_timed--;
    }
    unhold(loop, jzx__id_index(cell->sender), cell);
}

void jzx__request_cancel(jzx_loop *loop, jzx__cell *reserved)
{
    unreserve(loop, reserved);
    jzx__cell_free(loop, reserved);
}

jzx_err jzx__request_send(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                          uint64_t *ref)
{
    jzx__cell *reserved;
    jzx_err err = jzx__request_reserve(context, to, timeout_ns, &reserved);
    if (err != JZX_OK) {
        return err;
    }
    uint64_t token = reserved->target;
    err = jzx__send(context, to, message, JZX__FLAG_REQUEST, token);
    if (err != JZX_OK) {
        jzx__request_cancel(context->loop, reserved);
        return err;
    }
    if (ref != NULL) {
        *ref = token;
    }
    return JZX_OK;
}

/* Q1: the reserved cell becomes a message and takes its place in the asker's mailbox, past the cap. */
static void deliver(jzx_loop *loop, jzx__cell *reserved, const jzx__cell *content)
{
    uint32_t index = jzx__id_index(reserved->sender);
    uint64_t token = reserved->target;
    unreserve(loop, reserved);
    *reserved = *content;
    reserved->kind = JZX__CELL_ANSWER;
    reserved->flags &= JZX__FLAG_POINTER | JZX__FLAG_LEND;
    reserved->target = token;
    jzx__mail_push(loop, index, reserved);
}

static void fill_no_answer(jzx__cell *cell, jzx_actor_id target, uint32_t tag, jzx_drop_reason reason)
{
    jzx_no_answer none = {.target = target, .tag = tag, .reason = reason};
    jzx_message message = jzx_message_value(JZX_TAG_SYS_NO_ANSWER, &none, sizeof none);
    jzx__cell_from_message(cell, &message, JZX__CELL_ANSWER);
    cell->sender = target;
}

void jzx__request_due(jzx_loop *loop, jzx__deadline *node)
{
    held_reserved *held = jzx__container_of(node, held_reserved, deadline);
    jzx__cell *reserved = jzx__container_of((uint8_t(*)[JZX_INLINE_MAX])held, jzx__cell, bytes);
    loop->requests_timed--;
    jzx__cell content;
    memset(&content, 0, sizeof content);
    fill_no_answer(&content, held->target, 0, JZX_DROP_DEADLINE);
    jzx__count_add(&loop->counters->sent, 1);
    deliver(loop, reserved, &content);
}

void jzx__answer_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__cell *reserved = jzx__pool_find(&loop->pool, cell->target);
    if (reserved == NULL || reserved->kind != JZX__CELL_RESERVED || reserved->target != cell->target) {
        jzx__cell late = *cell;
        late.flags &= JZX__FLAG_POINTER;
        jzx__route_dead(loop, &late, 0, JZX_DROP_LATE);
        return;
    }
    deliver(loop, reserved, cell);
}

/* ---- the answerer ---- */

bool jzx__request_fits(const jzx_loop *loop, uint32_t index)
{
    return jzx__slot_cold(&loop->slots, index)->held_count < loop->config->cells / 8; /* Q3 */
}

uint64_t jzx__request_keep(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    held_kept *kept = (held_kept *)(void *)cell->bytes;
    cell->kind = JZX__CELL_KEPT;
    kept->number = jzx__pool_number(&loop->pool, cell);
    kept->owner = index;
    hold(loop, index, cell);
    return kept->number;
}

void jzx__request_unkeep(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    unhold(loop, index, cell);
    cell->kind = JZX__CELL_MAIL;
}

/* To a thread that runs no loop. What it hears has left the books: it is sent only if it comes too late, as a dead letter. */
static __attribute__((noinline)) void answer_asker(jzx_loop *loop, jzx__cell *cell)
{
    if (jzx__asker_answer(&loop->runtime->askers, cell->target, cell)) {
        jzx__count_add(&loop->counters->asks_answered, 1);
    } else {
        jzx__count_add(&loop->counters->sent, 1);
        cell->flags &= JZX__FLAG_POINTER;
        jzx__route_dead(loop, cell, 0, JZX_DROP_LATE);
    }
    jzx__cell_free(loop, cell);
}

void jzx__answer_route(jzx_loop *loop, jzx_actor_id asker, jzx__cell *cell)
{
    cell->kind = JZX__CELL_ANSWER;
    if (jzx__token_is_askers(cell->target)) {
        answer_asker(loop, cell);
        return;
    }
    jzx__count_add(&loop->counters->sent, 1);
    if (jzx__id_loop(asker) == loop->index) {
        jzx__answer_arrived(loop, cell);
        jzx__cell_free(loop, cell);
    } else {
        jzx__route_signal(loop, jzx__id_loop(asker), cell, NULL);
    }
}

/* Whose kept cell it is: the answerer's index is not in it, so the caller says. */
static void answer_kept(jzx_loop *loop, uint32_t index, jzx__cell *cell, const jzx_message *message,
                        jzx_actor_id answerer)
{
    jzx_actor_id asker = cell->sender;
    uint64_t token = cell->target;
    unhold(loop, index, cell);
    jzx__cell_from_message(cell, message, JZX__CELL_ANSWER);
    cell->sender = answerer;
    cell->target = token;
    jzx__answer_route(loop, asker, cell);
}

jzx_err jzx__request_answer(jzx_context *context, uint64_t ref, const jzx_message *message)
{
    jzx_loop *loop = context->loop;
    jzx__cell *cell = jzx__pool_find(&loop->pool, ref);
    if (cell == NULL || cell->kind != JZX__CELL_KEPT) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    const held_kept *kept = (const held_kept *)(const void *)cell->bytes;
    if (kept->number != ref || kept->owner != context->slot) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    if (cell == context->handling) {
        context->answered = true;
    }
    answer_kept(loop, context->slot, cell, message, context->self);
    return JZX_OK;
}

void jzx__request_refuse(jzx_loop *loop, jzx__cell *cell, jzx_actor_id target, jzx_drop_reason reason)
{
    jzx_actor_id asker = cell->sender;
    uint64_t token = cell->target;
    uint32_t tag = cell->tag;
    jzx__route_dead(loop, cell, target, reason);
    fill_no_answer(cell, target, tag, reason);
    cell->target = token;
    jzx__answer_route(loop, asker, cell);
}

void jzx__request_cancel_all(jzx_loop *loop, uint32_t index)
{
    jzx__cell *next;
    for (jzx__cell *cell = first_held(loop, jzx__slot_cold(&loop->slots, index)); cell != NULL; cell = next) {
        next = cell->next;
        if (cell->kind == JZX__CELL_RESERVED) {
            jzx__request_cancel(loop, cell);
        }
    }
}

void jzx__request_give_up(jzx_loop *loop, uint32_t index, jzx__cell *cell, jzx_drop_reason reason)
{
    JZX_ASSERT(cell->kind == JZX__CELL_KEPT);
    jzx_no_answer none = {.target = jzx__public(loop, index)->id, .tag = cell->tag, .reason = reason};
    jzx_message message = jzx_message_value(JZX_TAG_SYS_NO_ANSWER, &none, sizeof none);
    answer_kept(loop, index, cell, &message, none.target); /* Q2 */
}

void jzx__request_let_go(jzx_loop *loop, uint32_t index)
{
    const jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    while (cold->held != 0) {
        jzx__request_give_up(loop, index, first_held(loop, cold), JZX_DROP_ENDED);
    }
}
