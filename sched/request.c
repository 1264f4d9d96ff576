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
 *   Q1  A reserved cell turns into exactly one message, the answer or one that says why there is none; or, of a call that
 *       this loop ends, the calling cell does (J1).
 *   Q2  A kept cell is answered exactly once: by its actor, or by the runtime when the actor says that it is not for it,
 *       or at the actor's end. Or its actor hands it on.
 *   Q3  One actor holds at most cells / 8 cells.
 */
#include "sched/call.h"
#include "sched/mailbox.h"

/* What a held cell has where its payload was. The links are indexes + 1. */
typedef struct held_links {
    uint32_t prev;
    uint32_t next;
} held_links;

typedef struct held_reserved {
    held_links links;
    union {
        jzx_actor_id target;
        struct /* of a broadcast, with FLAG_GROUP: the tag is how many were filtered, the size how many loops are to tell */
        {
            uint32_t reached;
            uint32_t missed;
        };
    };
    jzx__deadline deadline;
    uint32_t calling; /* of a call: index + 1 */
} held_reserved;
_Static_assert(sizeof(held_reserved) <= JZX_INLINE_MAX, "fits the payload of a cell");

typedef struct held_kept {
    held_links links;
    uint64_t number; /* the handler's ref */
    uint32_t owner;  /* slot index of the answerer */
} held_kept;
_Static_assert(sizeof(held_kept) <= JZX_INLINE_MAX, "fits the payload of a cell");

static jzx__cell *held_at(const jzx_loop *loop, uint32_t place)
{
    return place == 0 ? NULL : jzx__pool_at(&loop->pool, place - 1);
}

static held_links *links_of(jzx__cell *cell)
{
    return (held_links *)(void *)cell->bytes; /* first in each */
}

void jzx__hold(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    *links_of(cell) = (held_links){.next = cold->held};
    uint32_t place = jzx__pool_index(&loop->pool, cell) + 1;
    if (cold->held != 0) {
        links_of(held_at(loop, cold->held))->prev = place;
    }
    cold->held = place;
    cold->held_count++;
}

/* With `count` that it has counted for. */
static inline void unhold(jzx_loop *loop, uint32_t index, jzx__cell *cell, uint32_t count)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    held_links links = *links_of(cell);
    if (links.prev == 0) {
        JZX_ASSERT(held_at(loop, cold->held) == cell);
        cold->held = links.next;
    } else {
        links_of(held_at(loop, links.prev))->next = links.next;
    }
    if (links.next != 0) {
        links_of(held_at(loop, links.next))->prev = links.prev;
    }
    cold->held_count -= count;
}

void jzx__unhold(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    unhold(loop, index, cell, 1);
}

/* ---- the asker ---- */

static held_reserved *reserved_of(jzx__cell *cell)
{
    return (held_reserved *)(void *)cell->bytes;
}

jzx_err jzx__request_reserve(jzx_context *context, jzx_actor_id to, uint64_t due_ns, uint32_t more,
                             jzx__cell **reserved)
{
    jzx_loop *loop = context->loop;
    bool timed = due_ns != JZX_FOREVER;
    if (!jzx__held_fits(loop, context->slot, 1) ||
        (timed && loop->requests_timed + loop->timers.used >= loop->config->timers_max)) {
        return JZX_ERR_LIMIT;
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 1 + more);
    if (cell == NULL) {
        jzx__count_add(&loop->counters->refused_block, 1);
        return JZX_ERR_WOULD_BLOCK;
    }
    cell->kind = JZX__CELL_RESERVED;
    cell->flags = 0;
    cell->sender = context->self;
    cell->target = jzx__pool_number(&loop->pool, cell);
    jzx__hold(loop, context->slot, cell);
    held_reserved *held = reserved_of(cell);
    held->target = to;
    held->deadline = (jzx__deadline){.kind = JZX__DEADLINE_REQUEST};
    held->calling = 0;
    if (timed) {
        jzx__deadlines_add(&loop->deadlines, &held->deadline, due_ns);
        loop->requests_timed++;
    }
    *reserved = cell;
    return JZX_OK;
}

void jzx__request_for_call(jzx_loop *loop, jzx__cell *reserved, const jzx__cell *calling)
{
    reserved_of(reserved)->calling = jzx__pool_index(&loop->pool, calling) + 1;
    jzx__slot_cold(&loop->slots, jzx__id_index(reserved->sender))->held_count++; /* it counts with it (Q3) */
}

jzx__cell *jzx__request_unreserve(jzx_loop *loop, jzx__cell *cell, jzx_actor_id *target)
{
    held_reserved *held = reserved_of(cell);
    uint32_t index = jzx__id_index(cell->sender);
    jzx__cell *calling = held_at(loop, held->calling);
    *target = held->target;
    if (jzx__deadline_set(&held->deadline)) {
        jzx__deadlines_remove(&loop->deadlines, &held->deadline);
        loop->requests_timed--;
    }
    unhold(loop, index, cell, calling == NULL ? 1 : 2);
    return calling;
}

void jzx__request_cancel(jzx_loop *loop, jzx__cell *reserved)
{
    jzx_actor_id target;
    (void)jzx__request_unreserve(loop, reserved, &target);
    jzx__cell_free(loop, reserved);
}

/* A reserved cell of this number, or NULL (C3). */
static jzx__cell *find_reserved(jzx_loop *loop, uint64_t token)
{
    jzx__cell *cell = jzx__pool_find(&loop->pool, token);
    return cell != NULL && cell->kind == JZX__CELL_RESERVED && cell->target == token ? cell : NULL;
}

jzx__cell *jzx__request_calling(jzx_loop *loop, uint64_t token, jzx_actor_id asker)
{
    jzx__cell *reserved = find_reserved(loop, token);
    return reserved == NULL || reserved->sender != asker ? NULL : held_at(loop, reserved_of(reserved)->calling);
}

static inline uint64_t due_at(const jzx_loop *loop, uint64_t timeout_ns)
{
    return timeout_ns == JZX_FOREVER ? JZX_FOREVER
                                     : jzx__add_saturating(loop->backend->ops->now_ns(loop->backend), timeout_ns);
}

jzx_err jzx__request_send(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                          uint64_t *ref)
{
    jzx__cell *reserved;
    uint64_t due_ns = due_at(context->loop, timeout_ns);
    jzx_err err = jzx__request_reserve(context, to, due_ns, 1, &reserved); /* the request needs one too */
    if (err != JZX_OK) {
        return err;
    }
    uint64_t token = reserved->target;
    err = jzx__send(context, to, message, JZX__FLAG_REQUEST, token);
    return jzx__request_sent(context->loop, reserved, token, err, ref);
}

jzx_err jzx__request_credited(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                              uint64_t flow, uint64_t *ref)
{
    jzx__cell *reserved;
    const jzx__call_wire wire = {.deadline_ns = due_at(context->loop, timeout_ns), .flow = flow};
    jzx_err err = jzx__request_reserve(context, to, wire.deadline_ns, 2, &reserved); /* as a call, at the target */
    if (err != JZX_OK) {
        return err;
    }
    uint64_t token = reserved->target;
    err = jzx__call_send(context, context->self, to, message, token, &wire);
    return jzx__request_sent(context->loop, reserved, token, err, ref);
}

/*
 * Q1: the answer takes its place in the asker's mailbox, past the cap. Its cell is the reserved one, with a copy of it, or one
 * of the pool that has it already, for which the reserved one goes.
 */
static inline void deliver_in(jzx_loop *loop, jzx__cell *reserved, jzx__cell *answer, const jzx__cell *content)
{
    uint32_t index = jzx__id_index(reserved->sender);
    uint64_t token = reserved->target;
    jzx_actor_id target;
    jzx__cell *calling = jzx__request_unreserve(loop, reserved, &target);
    if (content != NULL) {
        *reserved = *content;
    } else {
        jzx__cell_free(loop, reserved);
    }
    answer->kind = JZX__CELL_ANSWER;
    answer->flags &= JZX__FLAG_POINTER | JZX__FLAG_LEND;
    answer->target = token;
    if (calling != NULL) {
        jzx__call_answered(loop, answer, calling);
    }
    jzx__mail_push(loop, index, answer);
}

static void deliver(jzx_loop *loop, jzx__cell *reserved, const jzx__cell *content)
{
    deliver_in(loop, reserved, reserved, content);
}

static jzx_message no_answer(jzx_actor_id target, uint32_t tag, jzx_drop_reason reason, const jzx_exit_info *exit)
{
    jzx_no_answer none = {.target = target, .tag = tag, .reason = reason};
    if (exit != NULL) {
        none.exit_kind = exit->kind;
        none.exit_code = exit->code;
    }
    return jzx_message_value(JZX_TAG_SYS_NO_ANSWER, &none, sizeof none);
}
_Static_assert(sizeof(jzx_no_answer) <= JZX_INLINE_MAX, "fits the payload of a cell");

void jzx__request_due(jzx_loop *loop, jzx__deadline *node)
{
    held_reserved *held = jzx__container_of(node, held_reserved, deadline);
    jzx__cell *reserved = jzx__container_of((uint8_t(*)[JZX_INLINE_MAX])held, jzx__cell, bytes);
    loop->requests_timed--;
    if (held->calling != 0) {
        jzx__call_end(loop, (jzx__calling *)(void *)held_at(loop, held->calling), JZX_DROP_DEADLINE);
        return;
    }
    jzx_actor_id target = (reserved->flags & JZX__FLAG_GROUP) != 0 ? 0 : held->target;
    jzx__cell content = {.sender = target};
    jzx_message message = no_answer(target, 0, JZX_DROP_DEADLINE, NULL);
    jzx__cell_from_message(&content, &message, JZX__CELL_ANSWER);
    jzx__count_add(&loop->counters->sent, 1);
    deliver(loop, reserved, &content);
}

static void drop_late(jzx_loop *loop, const jzx__cell *answer)
{
    jzx__cell late = *answer;
    late.flags &= JZX__FLAG_POINTER;
    jzx__route_dead(loop, &late, 0, JZX_DROP_LATE);
}

void jzx__answer_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__cell *reserved = find_reserved(loop, cell->target);
    if (reserved == NULL) {
        drop_late(loop, cell);
        return;
    }
    deliver(loop, reserved, cell);
}

/* The same of a cell of the pool. */
static void answer_here(jzx_loop *loop, jzx__cell *cell)
{
    jzx__cell *reserved = find_reserved(loop, cell->target);
    if (reserved == NULL) {
        drop_late(loop, cell);
        jzx__cell_free(loop, cell);
        return;
    }
    deliver_in(loop, reserved, cell, NULL);
}

/* ---- broadcasts ---- */

/* What one loop has done with a broadcast; when all have told, the reserved cell becomes the answer. */
static void add_tally(jzx_loop *loop, jzx__cell *reserved, const jzx__tally *tally)
{
    held_reserved *held = reserved_of(reserved);
    held->reached += tally->reached;
    held->missed += tally->missed;
    reserved->tag += tally->filtered;
    if (--reserved->size > 0) {
        return;
    }
    jzx_broadcast_answer answer = {.reached = held->reached, .missed = held->missed, .filtered = reserved->tag};
    jzx_message message = jzx_message_value(JZX_TAG_SYS_BROADCAST, &answer, sizeof answer);
    jzx__cell content;
    memset(&content, 0, sizeof content);
    jzx__cell_from_message(&content, &message, JZX__CELL_ANSWER);
    jzx__count_add(&loop->counters->sent, 1);
    deliver(loop, reserved, &content);
}

void jzx__broadcast_done_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__cell *reserved = find_reserved(loop, cell->target);
    if (reserved != NULL) {
        jzx__tally tally = {(uint32_t)cell->words[0], (uint32_t)cell->words[1], (uint32_t)cell->words[2]};
        add_tally(loop, reserved, &tally);
    }
}

jzx_err jzx__request_broadcast(jzx_context *context, const jzx_group *group, const jzx_message *message, bool others,
                               uint64_t timeout_ns, uint64_t *ref, uint32_t *busy)
{
    jzx_loop *loop = context->loop;
    jzx__cell *reserved;
    *busy = loop->index;
    jzx_err err = jzx__request_reserve(context, 0, due_at(loop, timeout_ns), 0, &reserved);
    if (err != JZX_OK) {
        return err;
    }
    uint32_t loops;
    jzx__tally own;
    uint64_t token = reserved->target;
    reserved->flags = JZX__FLAG_GROUP;
    reserved->tag = 0;
    err = jzx__broadcast(context, group, message, others, token, &loops, &own, busy);
    if (err != JZX_OK) {
        jzx__request_cancel(loop, reserved);
        return err;
    }
    reserved->size = (uint8_t)(loops + 1); /* this one too, and there are at most 255 */
    add_tally(loop, reserved, &own);
    if (ref != NULL) {
        *ref = token;
    }
    return JZX_OK;
}

/* ---- the answerer ---- */

static held_kept *kept_of(jzx__cell *cell)
{
    return (held_kept *)(void *)cell->bytes;
}

uint64_t jzx__request_keep(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    held_kept *kept = kept_of(cell);
    cell->kind = JZX__CELL_KEPT;
    kept->number = jzx__pool_number(&loop->pool, cell);
    kept->owner = index;
    jzx__hold(loop, index, cell);
    return kept->number;
}

void jzx__request_unkeep(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__unhold(loop, index, cell);
    cell->kind = JZX__CELL_MAIL;
}

jzx__cell *jzx__request_kept(const jzx_context *context, uint64_t ref)
{
    jzx__cell *cell = jzx__pool_find(&context->loop->pool, ref);
    if (cell == NULL || cell->kind != JZX__CELL_KEPT) {
        return NULL;
    }
    return kept_of(cell)->number == ref && kept_of(cell)->owner == context->slot ? cell : NULL;
}

/* The asker's token; what is known of a call goes with it (J3). */
static inline uint64_t take_token(jzx_loop *loop, jzx__cell *cell)
{
    return jzx__likely((cell->flags & JZX__FLAG_CALL) == 0) ? cell->target : jzx__called_end(loop, cell);
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
        answer_here(loop, cell);
    } else {
        jzx__route_signal(loop, jzx__id_loop(asker), cell, NULL);
    }
}

/* Whose kept cell it is: the answerer's index is not in it, so the caller says. */
static void answer_kept(jzx_loop *loop, uint32_t index, jzx__cell *cell, const jzx_message *message,
                        jzx_actor_id answerer)
{
    jzx_actor_id asker = cell->sender;
    uint64_t token = take_token(loop, cell);
    jzx__unhold(loop, index, cell);
    jzx__cell_from_message(cell, message, JZX__CELL_ANSWER);
    cell->sender = answerer;
    cell->target = token;
    jzx__answer_route(loop, asker, cell);
}

jzx_err jzx__request_answer(jzx_context *context, uint64_t ref, const jzx_message *message)
{
    jzx__cell *cell = jzx__request_kept(context, ref);
    if (cell == NULL) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    if (cell == context->handling) {
        context->answered = true;
    }
    answer_kept(context->loop, context->slot, cell, message, context->self);
    return JZX_OK;
}

void jzx__request_refuse(jzx_loop *loop, jzx__cell *cell, jzx_actor_id target, jzx_drop_reason reason,
                         const jzx_exit_info *exit)
{
    jzx_actor_id asker = cell->sender;
    uint64_t token = take_token(loop, cell);
    jzx_message message = no_answer(target, cell->tag, reason, exit);
    jzx__route_dead(loop, cell, target, reason);
    jzx__cell_from_message(cell, &message, JZX__CELL_ANSWER);
    cell->sender = target;
    cell->target = token;
    jzx__answer_route(loop, asker, cell);
}

void jzx__request_cancel_all(jzx_loop *loop, uint32_t index)
{
    jzx__cell *next;
    for (jzx__cell *cell = held_at(loop, jzx__slot_cold(&loop->slots, index)->held); cell != NULL; cell = next) {
        next = held_at(loop, links_of(cell)->next);
        if (cell->kind == JZX__CELL_RESERVED) {
            jzx_actor_id target;
            jzx__cell *calling = jzx__request_unreserve(loop, cell, &target);
            if (calling == NULL) {
                jzx__cell_free(loop, cell);
            } else {
                jzx__call_abandon(loop, cell, calling, target);
            }
        } else if (cell->kind == JZX__CELL_OPENED) {
            jzx__scope_let_go(loop, index, cell);
        }
    }
}

void jzx__request_give_up(jzx_loop *loop, uint32_t index, jzx__cell *cell, jzx_drop_reason reason,
                          const jzx_exit_info *exit)
{
    JZX_ASSERT(cell->kind == JZX__CELL_KEPT);
    jzx_actor_id id = jzx__public(loop, index)->id;
    jzx_message message = no_answer(id, cell->tag, reason, exit);
    answer_kept(loop, index, cell, &message, id); /* Q2 */
}

void jzx__request_let_go(jzx_loop *loop, uint32_t index, const jzx_exit_info *exit)
{
    const jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    while (cold->held != 0) {
        jzx__request_give_up(loop, index, held_at(loop, cold->held), JZX_DROP_ENDED, exit);
    }
}

void jzx__request_hand_on(jzx_context *context, jzx__cell *kept)
{
    if (kept == context->handling) {
        context->answered = true;
    }
    (void)take_token(context->loop, kept);
    jzx__unhold(context->loop, context->slot, kept);
    jzx__cell_free(context->loop, kept);
}
