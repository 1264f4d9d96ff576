#include "sched/annex.h"
#include "sched/call.h"
#include "sched/mailbox.h"
#include "sched/wait.h"

static jzx__cell *as_cell(void *part)
{
    return part;
}

/* ---- rings ---- */

/* The place of a call, or of an opened scope, in the ring of its scope; alone without one. */
static void join(jzx_loop *loop, jzx__scope *scope, jzx__cell *cell)
{
    uint32_t index = jzx__pool_index(&loop->pool, cell);
    cell->words[3] = scope == NULL ? 0 : scope->number;
    cell->ring.before = index;
    cell->ring.after = index;
    if (scope == NULL) {
        return;
    }
    if (scope->kind == JZX__CELL_OPENED) {
        ((jzx__opened *)scope)->inside++;
    }
    if (scope->first == 0) {
        scope->first = index + 1;
        return;
    }
    jzx__cell *first = jzx__pool_at(&loop->pool, scope->first - 1);
    cell->ring.before = first->ring.before;
    cell->ring.after = scope->first - 1;
    jzx__pool_at(&loop->pool, first->ring.before)->ring.after = index;
    first->ring.before = index;
}

/* Out of its ring, whoever that has belonged to: the scope, loop->cancelling, or a scope that is gone (J4). */
static void leave(jzx_loop *loop, jzx__cell *cell)
{
    uint32_t place = jzx__pool_index(&loop->pool, cell) + 1;
    uint32_t next = cell->ring.after + 1 == place ? 0 : cell->ring.after + 1;
    jzx__pool_at(&loop->pool, cell->ring.before)->ring.after = cell->ring.after;
    jzx__pool_at(&loop->pool, cell->ring.after)->ring.before = cell->ring.before;
    jzx__scope *scope = jzx__scope_find(loop, cell->words[3]);
    if (loop->cancelling == place) {
        loop->cancelling = next;
    } else if (scope != NULL && scope->first == place) {
        scope->first = next;
    }
}

/* Two rings become one, with the second behind the first. */
static void append_ring(const jzx_loop *loop, uint32_t one, uint32_t other)
{
    jzx__cell *first = jzx__pool_at(&loop->pool, one);
    jzx__cell *second = jzx__pool_at(&loop->pool, other);
    uint32_t last = second->ring.before;
    jzx__pool_at(&loop->pool, first->ring.before)->ring.after = other;
    jzx__pool_at(&loop->pool, last)->ring.after = one;
    second->ring.before = first->ring.before;
    first->ring.before = last;
}

/* ---- scopes ---- */

jzx__scope *jzx__scope_find(jzx_loop *loop, uint64_t number)
{
    jzx__cell *cell = number == 0 ? NULL : jzx__pool_find(&loop->pool, number);
    if (cell == NULL ||
        (cell->kind != JZX__CELL_CALLED && cell->kind != JZX__CELL_OPENED && cell->kind != JZX__CELL_GATHER)) {
        return NULL;
    }
    jzx__scope *scope = (jzx__scope *)(void *)cell;
    return scope->number == number ? scope : NULL;
}

static jzx__opened *find_opened(jzx_loop *loop, uint64_t number)
{
    jzx__scope *scope = jzx__scope_find(loop, number);
    return scope != NULL && scope->kind == JZX__CELL_OPENED ? (jzx__opened *)scope : NULL;
}

uint64_t jzx__scope_around(jzx_loop *loop, uint64_t number)
{
    const jzx__opened *opened;
    while ((opened = find_opened(loop, number)) != NULL && (opened->scope.flags & JZX__CALL_CLOSED) != 0) {
        number = opened->around;
    }
    return number;
}

jzx__scope *jzx__scope_current(const jzx_context *context)
{
    bool none = context->ending || context->scope == 0 || jzx__shielded(context->loop, context->slot);
    return none ? NULL : jzx__scope_find(context->loop, context->scope);
}

jzx_err jzx__scope_refusal(const jzx_loop *loop, const jzx__scope *scope, uint64_t *deadline_ns)
{
    if (scope != NULL) {
        if ((scope->flags & JZX__CALL_CANCELLED) != 0) {
            return JZX_ERR_CANCELLED;
        }
        *deadline_ns = *deadline_ns < scope->deadline_ns ? *deadline_ns : scope->deadline_ns;
    }
    return *deadline_ns <= loop->now_ns ? JZX_ERR_TIMEOUT : JZX_OK;
}

jzx_err jzx__scope_open(jzx_context *context, uint64_t deadline_ns, uint64_t *number)
{
    jzx_loop *loop = context->loop;
    jzx__scope *around = jzx__scope_current(context);
    if (!jzx__held_fits(loop, context->slot, 1)) {
        return JZX_ERR_LIMIT;
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 1);
    if (cell == NULL) {
        jzx__count_add(&loop->counters->refused_block, 1);
        return JZX_ERR_WOULD_BLOCK;
    }
    jzx__opened *opened = (jzx__opened *)(void *)cell;
    opened->scope = (jzx__scope){.kind = JZX__CELL_OPENED, .number = jzx__pool_number(&loop->pool, cell)};
    opened->scope.deadline_ns = around != NULL && around->deadline_ns < deadline_ns ? around->deadline_ns : deadline_ns;
    opened->scope.flags = around != NULL ? around->flags & JZX__CALL_CANCELLED : 0;
    opened->owner = context->slot;
    opened->inside = 0;
    jzx__hold(loop, context->slot, cell);
    join(loop, around, cell);
    context->scope = opened->scope.number;
    context->special = true; /* it is the current one until the handler returns */
    *number = opened->scope.number;
    return JZX_OK;
}

/* Something in it is over. One that is closed goes with the last, and is then over for the one around it (J4). */
static void over_in(jzx_loop *loop, uint64_t number)
{
    jzx__opened *opened;
    while ((opened = find_opened(loop, number)) != NULL) {
        JZX_ASSERT(opened->inside > 0);
        if (--opened->inside > 0 || (opened->scope.flags & JZX__CALL_CLOSED) == 0) {
            return;
        }
        number = opened->around;
        jzx__scope_let_go(loop, opened->owner, as_cell(opened));
    }
}

void jzx__scope_let_go(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    leave(loop, cell);
    jzx__unhold(loop, index, cell);
    jzx__cell_free(loop, cell);
}

void jzx__scope_give_up(jzx_loop *loop, jzx__scope *scope)
{
    scope->flags |= JZX__CALL_CANCELLED;
    if (scope->first != 0 && loop->cancelling != 0) {
        append_ring(loop, loop->cancelling - 1, scope->first - 1);
    } else if (scope->first != 0) {
        loop->cancelling = scope->first;
    }
    scope->first = 0;
}

void jzx__scope_cancel_some(jzx_loop *loop)
{
    for (uint32_t i = 0; i < JZX__CANCELS_PER_TURN && loop->cancelling != 0; i++) {
        jzx__cell *cell = jzx__pool_at(&loop->pool, loop->cancelling - 1);
        if (cell->kind == JZX__CELL_OPENED) {
            leave(loop, cell);
            cell->ring.before = cell->ring.after = jzx__pool_index(&loop->pool, cell);
            jzx__scope_give_up(loop, (jzx__scope *)(void *)cell);
        } else {
            jzx__call_end(loop, (jzx__calling *)(void *)cell, JZX_DROP_CANCELLED);
        }
    }
}

/* One that is this actor's and open, or NULL. */
static jzx__opened *own_scope(const jzx_context *context, uint64_t number)
{
    jzx__opened *opened = find_opened(context->loop, number);
    bool open = opened != NULL && opened->owner == context->slot && (opened->scope.flags & JZX__CALL_CLOSED) == 0;
    return open ? opened : NULL;
}

jzx_err jzx__scope_cancel(jzx_context *context, uint64_t number)
{
    jzx__opened *opened = own_scope(context, number);
    if (opened == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    jzx__scope_give_up(context->loop, &opened->scope);
    jzx__scope_cancel_some(context->loop);
    return JZX_OK;
}

jzx_err jzx__scope_close(jzx_context *context, uint64_t number)
{
    jzx__opened *opened = own_scope(context, number);
    if (opened == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    opened->scope.flags |= JZX__CALL_CLOSED;
    context->scope = jzx__scope_around(context->loop, context->scope);
    opened->inside++; /* this one, so that it goes here if nothing else is in it */
    jzx__scope_give_up(context->loop, &opened->scope);
    over_in(context->loop, number);
    jzx__scope_cancel_some(context->loop);
    return JZX_OK;
}

/* ---- the asker ---- */

/* In line for jzx__call_in(): out of line it is seen in the instructions of a call (bench/guard.txt). */
static inline __attribute__((always_inline)) jzx_err reserve(jzx_context *context, jzx__scope *scope, jzx_actor_id to,
                                                             uint64_t due_ns, uint32_t more,
                                                             const jzx__call_order *order, jzx__calling **out)
{
    jzx_loop *loop = context->loop;
    jzx__cell *reserved;
    if (!jzx__held_fits(loop, context->slot, 2)) {
        return JZX_ERR_LIMIT;
    }
    jzx_err err = jzx__request_reserve(context, to, due_ns, 1 + more, &reserved);
    if (err != JZX_OK) {
        return err;
    }
    jzx__cell *cell = jzx__pool_take_any(&loop->pool); /* one of the `more` */
    jzx__calling *calling = (jzx__calling *)(void *)cell;
    calling->reserved = jzx__pool_index(&loop->pool, reserved);
    calling->kind = JZX__CELL_CALLING;
    calling->flags = context->chain != 0 ? JZX__CALL_NESTED : 0;
    calling->token = reserved->target;
    calling->on_answer = order->on_answer;
    calling->argument = order->argument;
    calling->chain = context->chain != 0 ? context->chain : (uint64_t)loop->index << 56 | ++loop->chains;
    join(loop, scope, cell);
    jzx__request_for_call(loop, reserved, cell);
    *out = calling;
    return JZX_OK;
}

jzx_err jzx__call_reserve(jzx_context *context, jzx__scope *scope, jzx_actor_id to, uint64_t due_ns, uint32_t more,
                          const jzx__call_order *order, jzx__calling **calling)
{
    return reserve(context, scope, to, due_ns, more, order, calling);
}

void jzx__call_undo(jzx_loop *loop, jzx__calling *calling)
{
    jzx_actor_id target;
    jzx__cell *reserved = jzx__pool_at(&loop->pool, calling->reserved);
    (void)jzx__request_unreserve(loop, reserved, &target);
    uint64_t scope = calling->scope;
    leave(loop, as_cell(calling));
    jzx__cell_free(loop, reserved);
    jzx__cell_free(loop, as_cell(calling));
    over_in(loop, scope);
}

jzx_err jzx__call_in(jzx_context *context, jzx__scope *scope, bool timed, jzx_actor_id to, const jzx_message *message,
                     const jzx__call_order *order, uint64_t *ref)
{
    uint64_t deadline_ns = order->deadline_ns;
    jzx_err err = jzx__scope_refusal(context->loop, scope, &deadline_ns);
    if (err != JZX_OK) {
        return err;
    }
    jzx__calling *calling;
    /* Two more: at the target, if it is here, the mail and its context. */
    err = reserve(context, scope, to, timed ? deadline_ns : JZX_FOREVER, 2, order, &calling);
    if (err != JZX_OK) {
        return err;
    }
    const jzx__call_wire wire = {
        .deadline_ns = deadline_ns,
        .chain = calling->chain,
        .flags = (uint8_t)(JZX__CALL_CALL | (order->high ? JZX__CALL_HIGH : 0) |
                           (order->exclusive ? JZX__CALL_EXCLUSIVE : 0)),
        .nested = (calling->flags & JZX__CALL_NESTED) != 0,
    };
    if (order->exclusive) {
        err = jzx__wait_refusal(context, to, wire.chain, order->cycle);
    }
    if (err == JZX_OK) {
        err = jzx__call_send(context, context->self, to, message, calling->token, &wire);
    }
    if (err != JZX_OK) {
        jzx__call_undo(context->loop, calling);
        return err;
    }
    if (ref != NULL) {
        *ref = calling->token;
    }
    if (order->exclusive) {
        jzx__wait_begin(context, to, calling->token, wire.chain);
    }
    return JZX_OK;
}

jzx_err jzx__call(jzx_context *context, jzx_actor_id to, const jzx_message *message, const jzx__call_order *order,
                  uint64_t *ref)
{
    return jzx__call_in(context, jzx__scope_current(context), true, to, message, order, ref);
}

/* Cancels the request of a call at its target. The reserved cell of that call is the node (J1). */
static void send_cancel(jzx_loop *loop, jzx__cell *reserved, jzx_actor_id target)
{
    if (target == 0) {
        jzx__cell_free(loop, reserved);
        return;
    }
    reserved->kind = JZX__CELL_CANCEL;
    if (jzx__id_loop(target) != loop->index) {
        jzx__route_signal(loop, jzx__id_loop(target), reserved, NULL);
        return;
    }
    jzx__cancel_arrived(loop, reserved);
    jzx__cell_free(loop, reserved);
}

/* An end is known: it is in its scope's ring no more, and its chain goes on only if others wait in it. */
static void settle(jzx_loop *loop, jzx__calling *calling)
{
    leave(loop, as_cell(calling)); /* J2 */
    if ((calling->flags & JZX__CALL_NESTED) == 0) {
        calling->chain = 0;
    }
}

void jzx__call_end(jzx_loop *loop, jzx__calling *calling, uint8_t reason)
{
    jzx__cell *reserved = jzx__pool_at(&loop->pool, calling->reserved);
    uint32_t index = jzx__id_index(reserved->sender);
    jzx_actor_id target;
    (void)jzx__request_unreserve(loop, reserved, &target);
    settle(loop, calling);
    jzx__gather *gather = jzx__gather_of(loop, calling);
    if (gather != NULL) {
        jzx__scope_give_up(loop, &gather->scope); /* the others are of no use now */
    }
    jzx__cell *cell = as_cell(calling);
    cell->tag = JZX_TAG_SYS_NO_ANSWER;
    cell->kind = JZX__CELL_ANSWER;
    cell->flags = JZX__FLAG_CALL | JZX__FLAG_ENDED;
    calling->reason = reason;
    calling->target = target;
    jzx__count_add(&loop->counters->sent, 1);
    jzx__mail_push(loop, index, cell);
    if (reason == JZX_DROP_DEADLINE) {
        jzx__cell_free(loop, reserved); /* the target knows by itself */
    } else {
        send_cancel(loop, reserved, target);
    }
}

void jzx__call_answered(jzx_loop *loop, jzx__cell *answer, jzx__cell *cell)
{
    settle(loop, (jzx__calling *)(void *)cell);
    answer->flags |= JZX__FLAG_CALL;
    answer->target = jzx__pool_index(&loop->pool, cell);
}

uint64_t jzx__call_token(const jzx_loop *loop, const jzx__cell *end)
{
    bool answered = (end->flags & (JZX__FLAG_CALL | JZX__FLAG_ENDED)) == JZX__FLAG_CALL;
    return answered ? ((const jzx__calling *)(const void *)jzx__pool_at(&loop->pool, (uint32_t)end->target))->token
                    : end->target;
}

jzx_err jzx__call_cancel(jzx_context *context, uint64_t ref)
{
    jzx__cell *calling = jzx__request_calling(context->loop, ref, context->self);
    if (calling == NULL) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    jzx__call_end(context->loop, (jzx__calling *)(void *)calling, JZX_DROP_CANCELLED);
    return JZX_OK;
}

jzx_err jzx__call_err(uint32_t reason)
{
    static const jzx_err errs[] = {
        [JZX_DROP_NO_ACTOR] = JZX_ERR_NO_SUCH_ACTOR,
        [JZX_DROP_STOPPING] = JZX_ERR_STOPPING,
        [JZX_DROP_ENDED] = JZX_ERR_ENDED,
        [JZX_DROP_NEWEST] = JZX_ERR_MAILBOX_FULL,
        [JZX_DROP_OLDEST] = JZX_ERR_MAILBOX_FULL,
        [JZX_DROP_CLOSED] = JZX_ERR_LOOP_CLOSED,
        [JZX_DROP_DEADLINE] = JZX_ERR_TIMEOUT,
        [JZX_DROP_LIMIT] = JZX_ERR_LIMIT,
        [JZX_DROP_CANCELLED] = JZX_ERR_CANCELLED,
        [JZX_DROP_UNHANDLED] = JZX_ERR_UNHANDLED,
        [JZX_DROP_DEADLOCK] = JZX_ERR_DEADLOCK,
    };
    return reason < JZX__COUNT(errs) && errs[reason] != JZX_OK ? errs[reason] : JZX_ERR_UNKNOWN;
}

uint32_t jzx__call_open(jzx_context *context, jzx__cell *cell, jzx__ending *end)
{
    jzx_loop *loop = context->loop;
    bool here = (cell->flags & JZX__FLAG_ENDED) != 0;
    jzx__cell *own = here ? cell : jzx__pool_at(&loop->pool, (uint32_t)cell->target); /* the calling one */
    const jzx__calling *calling = (const jzx__calling *)(const void *)own;
    bool none = cell->tag == JZX_TAG_SYS_NO_ANSWER;
    uint64_t scope = calling->scope;
    end->on_answer = calling->on_answer;
    end->argument = calling->argument;
    end->result = (jzx_result){.ref = calling->token};
    context->chain = calling->chain;
    context->scope = scope;
    if (find_opened(loop, scope) != NULL) {
        context->scope = jzx__scope_around(loop, scope);
        over_in(loop, scope);
    }
    if (none && here) {
        end->none = (jzx_no_answer){.target = calling->target, .reason = calling->reason};
    } else if (none) {
        memcpy(&end->none, cell->bytes, sizeof end->none);
    }
    if (!here) {
        cell->target = calling->token;
        jzx__cell_free(loop, own);
    }
    uint32_t head = jzx__cell_open(cell);
    if (none) {
        end->result.err = jzx__call_err(end->none.reason);
        end->result.none = &end->none;
        end->result.cycle = end->result.err == JZX_ERR_DEADLOCK ? &loop->cycle : NULL;
    } else {
        end->result.message = &cell->message;
    }
    return head;
}

/* Of what it has called nothing will be seen; the cell of a gathering goes with it. */
static void forget(jzx_loop *loop, jzx__calling *calling)
{
    jzx__gather *gather = jzx__gather_of(loop, calling);
    if (gather != NULL) {
        jzx__cell_free(loop, as_cell(gather));
    }
}

void jzx__call_abandon(jzx_loop *loop, jzx__cell *reserved, jzx__cell *cell, jzx_actor_id target)
{
    leave(loop, cell);
    forget(loop, (jzx__calling *)(void *)cell);
    jzx__cell_free(loop, cell);
    send_cancel(loop, reserved, target);
}

/* Scopes are not told: those that the actor has opened are let go with it. */
void jzx__call_forget(jzx_loop *loop, jzx__cell *mail)
{
    if ((mail->flags & JZX__FLAG_ENDED) != 0) {
        forget(loop, (jzx__calling *)(void *)mail);
    } else {
        jzx__cell_free(loop, jzx__pool_at(&loop->pool, (uint32_t)mail->target));
    }
}

/* ---- the target ---- */

static uint64_t key_of(uint32_t asker_loop, uint64_t token)
{
    return jzx__pair_key(token, asker_loop + 1);
}

/* The mixture, mixed again with one part, is the other. */
static uint64_t token_of(const jzx__called *called, const jzx__cell *mail)
{
    return jzx__pair_key(called->by_token.key, jzx__id_loop(mail->sender) + 1);
}

static jzx__called *called_of(const jzx_loop *loop, const jzx__cell *mail)
{
    return (jzx__called *)(void *)jzx__pool_at(&loop->pool, (uint32_t)mail->target);
}

const jzx__called *jzx__called_of(const jzx_loop *loop, const jzx__cell *mail)
{
    return called_of(loop, mail);
}

void jzx__called_make(jzx_loop *loop, uint32_t owner, jzx__cell *mail, jzx__cell *cell, uint64_t token,
                      const jzx__call_wire *wire)
{
    jzx__called *called = (jzx__called *)(void *)cell;
    called->scope = (jzx__scope){.hops = wire->hops,
                                 .kind = JZX__CELL_CALLED,
                                 .flags = wire->flags,
                                 .back = wire->back,
                                 .number = jzx__pool_number(&loop->pool, cell),
                                 .deadline_ns = wire->deadline_ns};
    called->chain = wire->chain;
    called->flow = wire->flow;
    called->mail = jzx__pool_index(&loop->pool, mail);
    called->owner = owner;
    mail->flags |= wire->flow != 0 ? JZX__FLAG_CALL | JZX__FLAG_FLOW : JZX__FLAG_CALL;
    mail->target = jzx__pool_index(&loop->pool, cell);
    jzx__map_add(&loop->called, &called->by_token, key_of(jzx__id_loop(mail->sender), token));
}

void jzx__called_move(jzx_loop *loop, const jzx__cell *mail, uint32_t owner)
{
    called_of(loop, mail)->owner = owner;
}

/* J3: takes it from its mail; returns the token. */
static inline uint64_t take_called(jzx_loop *loop, jzx__called *called, jzx__cell *mail)
{
    JZX_ASSERT(called->scope.kind == JZX__CELL_CALLED && called->mail == jzx__pool_index(&loop->pool, mail));
    mail->flags &= (uint16_t)~JZX__FLAG_CALL;
    jzx__map_remove(&loop->called, &called->by_token);
    return token_of(called, mail);
}

/* The loop before this one takes up its part of the trail. The cell is the node. */
static __attribute__((noinline)) void go_back(jzx_loop *loop, jzx__cell *cell, uint8_t back, jzx_actor_id asker,
                                              uint64_t token)
{
    cell->kind = JZX__CELL_TRAIL_END;
    cell->flags = 0;
    cell->sender = asker;
    cell->target = token;
    jzx__route_signal(loop, back - 1u, cell, NULL);
}

/* A call has ended here, or beyond. */
static inline void take_up(jzx_loop *loop, jzx__cell *cell, uint8_t back, jzx_actor_id asker, uint64_t token)
{
    if (jzx__likely(back == 0)) {
        jzx__cell_free(loop, cell);
    } else {
        go_back(loop, cell, back, asker, token);
    }
}

uint64_t jzx__called_end(jzx_loop *loop, jzx__cell *mail)
{
    jzx__called *called = called_of(loop, mail);
    uint64_t flow = called->flow;
    uint64_t token = take_called(loop, called, mail);
    take_up(loop, as_cell(called), called->scope.back, mail->sender, token);
    if (flow != 0) {
        jzx__flow_handled(loop, flow);
    }
    return token;
}

static bool is_over(const jzx_loop *loop, const jzx__called *called, jzx_drop_reason *reason)
{
    *reason = (called->scope.flags & JZX__CALL_CANCELLED) != 0 ? JZX_DROP_CANCELLED : JZX_DROP_DEADLINE;
    return *reason == JZX_DROP_CANCELLED || called->scope.deadline_ns <= loop->now_ns;
}

bool jzx__called_over(const jzx_loop *loop, const jzx__cell *mail, jzx_drop_reason *reason)
{
    return is_over(loop, called_of(loop, mail), reason);
}

bool jzx__called_wanted(const jzx_loop *loop, const jzx__cell *mail, jzx_drop_reason *reason)
{
    const jzx__called *called = called_of(loop, mail);
    return (called->scope.flags & JZX__CALL_BEGUN) != 0 || !is_over(loop, called, reason);
}

void jzx__called_enter(jzx_context *context, const jzx__cell *kept)
{
    jzx__called *called = called_of(context->loop, kept);
    called->scope.flags |= JZX__CALL_BEGUN;
    context->scope = called->scope.number;
    context->chain = called->chain;
}

static jzx__trail *as_trail(jzx__cell *cell)
{
    return (jzx__trail *)(void *)cell;
}

jzx__cell *jzx__called_find(const jzx_loop *loop, uint32_t asker_loop, uint64_t token)
{
    uint64_t key = key_of(asker_loop, token);
    for (jzx__map_node *node = jzx__map_find(&loop->called, key); node != NULL; node = node->next) {
        jzx__called *called = jzx__container_of(node, jzx__called, by_token);
        bool trail = called->scope.kind != JZX__CELL_CALLED;
        uint64_t own = trail ? as_trail(as_cell(called))->token
                             : token_of(called, jzx__pool_at(&loop->pool, called->mail));
        if (node->key == key && own == token) { /* then it is that loop's too */
            return as_cell(called);
        }
    }
    return NULL;
}

/* ---- calls that were handed on (J6) ---- */

/* Two cells for the probes that follow a call, or none. */
static bool take_room(jzx_loop *loop, jzx__cell *room[2])
{
    room[0] = jzx__pool_take(&loop->pool, 2);
    if (room[0] == NULL) {
        jzx__count_add(&loop->counters->refused_block, 1);
        return false;
    }
    room[1] = jzx__pool_take_any(&loop->pool);
    room[0]->kind = room[1]->kind = JZX__CELL_TRAIL;
    return true;
}

/* `room`: for probes, or NULL. */
static void leave_trail(jzx_loop *loop, jzx__called *called, jzx__cell *mail, uint32_t to_loop, jzx__cell *room[2])
{
    uint64_t flow = called->flow;
    uint64_t token = take_called(loop, called, mail);
    jzx__trail *trail = as_trail(as_cell(called));
    *trail = (jzx__trail){.to = (uint8_t)to_loop,
                          .back = called->scope.back,
                          .kind = JZX__CELL_TRAIL,
                          .flags = JZX__FLAG_EMBEDDED,
                          .asker = mail->sender,
                          .token = token};
    if (room[0] != NULL) {
        trail->probe = jzx__pool_index(&loop->pool, room[0]) + 1;
        trail->ids = jzx__pool_index(&loop->pool, room[1]);
    }
    jzx__map_add(&loop->called, &trail->by_token, key_of(jzx__id_loop(mail->sender), token));
    if (flow != 0) {
        jzx__flow_handled(loop, flow);
    }
}

/* Sends a cancel after the call. */
static void send_after(jzx_loop *loop, jzx__trail *trail)
{
    trail->kind = JZX__CELL_CANCEL;
    if (!trail->listed) {
        trail->listed = true;
        jzx__route_signal(loop, trail->to, as_cell((void *)trail), NULL);
    }
}

/* The call has ended: the trail is taken up, once nothing of it stands in an overflow. */
static void end_trail(jzx_loop *loop, jzx__trail *trail)
{
    if (!trail->over || trail->listed || trail->carries) {
        return;
    }
    if (trail->probe != 0) {
        jzx__cell_free(loop, jzx__pool_at(&loop->pool, trail->probe - 1));
        jzx__cell_free(loop, jzx__pool_at(&loop->pool, trail->ids));
    }
    take_up(loop, as_cell((void *)trail), trail->back, trail->asker, trail->token);
}

void jzx__trail_left(jzx_loop *loop, jzx__cell *cell)
{
    jzx__trail *trail = as_trail(cell);
    trail->kind = JZX__CELL_TRAIL;
    trail->listed = false;
    end_trail(loop, trail);
}

void jzx__trail_probe_left(jzx_loop *loop, jzx__trail *trail)
{
    JZX_ASSERT(trail->carries);
    trail->carries = false;
    end_trail(loop, trail);
}

void jzx__trail_end_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__cell *last = jzx__called_find(loop, jzx__id_loop(cell->sender), cell->target);
    JZX_ASSERT(last != NULL && last->kind != JZX__CELL_CALLED); /* J6 */
    jzx__trail *trail = as_trail(last);
    jzx__map_remove(&loop->called, &trail->by_token);
    trail->over = true;
    end_trail(loop, trail);
}

void jzx__cancel_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__cell *last = jzx__called_find(loop, jzx__id_loop(cell->sender), cell->target);
    if (last != NULL && last->kind == JZX__CELL_CALLED) {
        jzx__scope_give_up(loop, (jzx__scope *)(void *)last);
    } else if (last != NULL) {
        send_after(loop, as_trail(last));
    }
}

jzx_err jzx__call_delegate(jzx_context *context, uint64_t ref, jzx_actor_id to, uint64_t flow,
                           const jzx_message *message)
{
    jzx_loop *loop = context->loop;
    jzx__cell *kept = jzx__request_kept(context, ref);
    if (kept == NULL) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    jzx__call_wire wire = {.deadline_ns = JZX_FOREVER, .chain = context->chain, .hops = 1};
    uint64_t token = kept->target;
    jzx__called *called = (kept->flags & JZX__FLAG_CALL) != 0 ? called_of(loop, kept) : NULL;
    bool away = jzx__id_loop(to) != loop->index;
    if (called != NULL) {
        jzx_drop_reason reason;
        if (is_over(loop, called, &reason)) {
            context->answered |= kept == context->handling;
            jzx__request_give_up(loop, context->slot, kept, reason, NULL);
            return jzx__call_err(reason);
        }
        if (called->scope.hops == JZX__HOPS_MAX) {
            return JZX_ERR_LIMIT;
        }
        wire.deadline_ns = called->scope.deadline_ns;
        wire.chain = called->chain;
        wire.hops = (uint8_t)(called->scope.hops + 1);
        wire.flags = called->scope.flags & (JZX__CALL_HIGH | JZX__CALL_CALL | JZX__CALL_EXCLUSIVE);
        wire.back = (wire.flags & JZX__CALL_CALL) != 0 && away ? (uint8_t)(loop->index + 1) : called->scope.back;
        token = token_of(called, kept);
    }
    wire.flow = flow;
    jzx__cell *room[2] = {NULL, NULL};
    bool exclusive = (wire.flags & JZX__CALL_EXCLUSIVE) != 0;
    if (exclusive && away && !take_room(loop, room)) {
        return JZX_ERR_WOULD_BLOCK;
    }
    jzx_err err = jzx__call_send(context, kept->sender, to, message, token, &wire);
    if (err != JZX_OK) {
        if (room[0] != NULL) {
            jzx__cell_free(loop, room[0]);
            jzx__cell_free(loop, room[1]);
        }
        return err;
    }
    if ((wire.flags & JZX__CALL_CALL) != 0 && away) {
        leave_trail(loop, called, kept, jzx__id_loop(to), room);
    } else if (called != NULL) {
        called->scope.back = 0; /* that goes on with it */
    }
    jzx__request_hand_on(context, kept);
    if (exclusive && !away) {
        jzx__wait_met(loop, jzx__id_index(to), wire.chain);
    }
    return JZX_OK;
}
