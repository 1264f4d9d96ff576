/*
 * flow: credits that a receiver grants a sender, on one loop or between two.
 *
 * Each side of a flow is a record of its owner's loop, and knows the other by its number. Between loops they speak by five
 * signals, in lanes that keep their order: OPEN, which ACCEPT, END or LOST answers, GRANT, and END. On one loop both
 * records are made and undone at once.
 *
 * Owner thread only.
 *
 * Invariants
 *   F1  A live record has a live one on the other side, or that one's END is under way. A signal that finds no record of
 *       its number has crossed an END.
 *   F2  Each OPEN is answered once. Until then its record stays, also without its owner, and keeps for itself what it has
 *       to say: it does not know the other number yet.
 *   F3  No signal needs room. OPEN, ACCEPT and GRANT go in the cell of `half`; credits granted while that waits are added
 *       to it. The END goes in the cell of `resource`; if that waits for the owner, in that of `half`, which is then free.
 *   F4  Who has no record for an OPEN has no node for an answer. So a LOST, which is the lane's, means all that were opened
 *       up to the one it names and not answered; and while it waits every OPEN from there is refused.
 *   F5  A notice of the end takes its place in the mailbox behind what came before it, like a DOWN (G2).
 *   F6  A sender whose count was 0 is told when it is not any more, however often it tried.
 *   F7  What an actor has granted, and has not handled the messages of or answered the requests of, is at most cells / 8. So
 *       flow mail needs no cap. A request has its credit in the called cell (J3), from where it comes back wherever the
 *       request ends here.
 *   F8  Of a flow that serves the receiver's side is the runtime's: it has its window from the OPEN, its owner is told nothing of
 *       it and can do nothing with it, and its credits come back one by one. The sender is told of each.
 *
 * tests/sim/flow_model.py goes through all orders of few steps (open, grant, send, close, end) on each side and of the
 * signals, with refusals for want of room, and finds that no side is left alone, that each is told once, and that no
 * credit is lost; it finds a broken order for every part of these rules that is left out.
 */
#include "sched/annex.h"
#include "sched/call.h"
#include "sched/mailbox.h"

static bool is_local(const jzx_loop *loop, const jzx__flow *flow)
{
    return jzx__id_loop(flow->peer) == loop->index;
}

/* The record of this loop with that number, the loop's part included, or NULL. */
static jzx__flow *find(const jzx_loop *loop, uint64_t number)
{
    uint32_t index = jzx__number_index(number);
    jzx__flow *flow = index < loop->flows.fresh ? jzx__table_at(&loop->flows, index) : NULL;
    return flow != NULL && flow->resource.number == number ? flow : NULL;
}

/* One that the actor knows of and that has not ended, or NULL. */
static jzx__flow *find_own(const jzx_context *context, uint64_t number)
{
    jzx__flow *flow = find(context->loop, number);
    bool own = flow != NULL && flow->resource.link != NULL && flow->resource.owner == context->slot && flow->told &&
               flow->state <= JZX__FLOW_LIVE;
    return own ? flow : NULL;
}

/* ---- what a receiver has promised (F7) ---- */

static uint32_t promised(const jzx__flow *flow)
{
    return flow->credits > flow->window ? flow->credits : flow->window;
}

static void set_credits(jzx_loop *loop, jzx__flow *flow, uint32_t credits, uint32_t window)
{
    uint32_t before = flow->receives ? promised(flow) : 0;
    flow->credits = credits;
    flow->window = window;
    uint32_t now = flow->receives ? promised(flow) : 0;
    if (now != before) {
        jzx__annex_of(loop, flow->resource.owner)->flow_credits += now - before;
    }
}

/* `window`: not above the credits, which are made as many before it is set. */
static jzx_err promise(jzx_loop *loop, jzx__flow *flow, uint64_t credits, uint32_t window)
{
    JZX_ASSERT(window <= credits);
    if (credits > JZX_CREDITS_MAX) {
        return JZX_ERR_TOO_BIG;
    }
    jzx__annex *annex;
    jzx_err err = jzx__annex_make(loop, flow->resource.owner, &annex);
    if (err != JZX_OK) {
        return err;
    }
    if (annex->flow_credits - promised(flow) + credits > loop->config->cells / 8) {
        return JZX_ERR_LIMIT;
    }
    set_credits(loop, flow, (uint32_t)credits, window);
    return JZX_OK;
}

/* ---- records ---- */

static jzx_err take(jzx_loop *loop, jzx__flow **flow)
{
    void *record;
    uint64_t number;
    jzx_err err = jzx__table_take(&loop->flows, &record, &number);
    if (err == JZX_OK) {
        *flow = record;
        (*flow)->state = JZX__FLOW_UNDONE;
        jzx__list_init(&(*flow)->opening);
    }
    return err;
}

static void own(jzx_loop *loop, jzx__flow *flow, uint32_t slot, jzx_actor_id peer, bool receives)
{
    jzx__resource_begin(loop, &flow->resource, JZX__RESOURCE_FLOW, flow->resource.number, slot);
    flow->half.target = slot;
    flow->half.kind = JZX__SUFFERED_FLOW;
    jzx__suffered_list(&flow->half, jzx__slot_cold(&loop->slots, slot));
    flow->peer = peer;
    flow->receives = receives;
    flow->state = JZX__FLOW_LIVE;
}

/* Takes a record out of its owner's hands. */
static void disown(jzx_loop *loop, jzx__flow *flow)
{
    set_credits(loop, flow, 0, 0);
    jzx__suffered_unlist(&flow->half);
    jzx__resource_disown(&flow->resource);
}

void jzx__flow_expired(jzx_loop *loop, jzx__flow *flow)
{
    if (flow->state == JZX__FLOW_UNDONE && !flow->sending && !flow->resource.listed) {
        jzx__table_give(&loop->flows, flow->resource.number);
    }
}

/* It goes now, or when its cells have left their lists. */
static void undo(jzx_loop *loop, jzx__flow *flow)
{
    flow->state = JZX__FLOW_UNDONE;
    jzx__resource_free(loop, &flow->resource);
}

/* ---- signals out ---- */

static void send_signal(jzx_loop *loop, jzx__flow *flow, jzx__cell *cell, jzx__cell_kind kind, uint64_t value)
{
    cell->kind = (uint8_t)kind;
    cell->flags |= JZX__FLAG_EMBEDDED;
    cell->target = flow->peer;
    cell->words[0] = flow->other;
    cell->words[1] = flow->resource.number;
    cell->words[2] = value;
    jzx__route_signal(loop, jzx__id_loop(flow->peer), cell, NULL);
}

/* In the cell of `half`. */
static void send_half(jzx_loop *loop, jzx__flow *flow, jzx__cell_kind kind, uint64_t value)
{
    JZX_ASSERT(!flow->sending); /* F3 */
    flow->sending = true;
    send_signal(loop, flow, &flow->half.cell, kind, value);
}

/* The record goes when this has left. */
static void send_end(jzx_loop *loop, jzx__flow *flow, jzx_err err, uint32_t exit_kind)
{
    flow->state = JZX__FLOW_UNDONE;
    if (flow->resource.listed) { /* F3: a notice of credits, which will say nothing any more */
        flow->resource.cell.flags |= JZX__FLAG_OVERTIME;
        flow->half.cell.tag = (uint32_t)err;
        send_half(loop, flow, JZX__CELL_FLOW_END, exit_kind);
        return;
    }
    flow->resource.listed = true;
    flow->resource.cell.tag = (uint32_t)err;
    send_signal(loop, flow, &flow->resource.cell, JZX__CELL_FLOW_END, exit_kind);
}

static void send_lost(jzx_loop *loop, jzx__lane *lane, uint64_t number)
{
    lane->lost.words[0] = number;
    if (!lane->losing) {
        lane->losing = true;
        lane->lost.kind = JZX__CELL_FLOW_LOST;
        lane->lost.flags = JZX__FLAG_EMBEDDED;
        jzx__route_signal(loop, lane->to, &lane->lost, NULL);
    }
}

void jzx__flow_node_left(jzx_loop *loop, jzx__cell *node)
{
    if (node->kind == JZX__CELL_FLOW_LOST) {
        jzx__container_of(node, jzx__lane, lost)->losing = false;
        return;
    }
    jzx__flow *flow = jzx__table_find(&loop->flows, node->words[1]);
    if (node == &flow->half.cell) {
        flow->sending = false;
    } else {
        flow->resource.listed = false;
    }
    jzx__flow_expired(loop, flow);
}

/* ---- notices ---- */

/* Behind the mail that came before (F5). */
static void push_notice(jzx_loop *loop, jzx__flow *flow)
{
    jzx__resource *resource = &flow->resource;
    JZX_ASSERT(!resource->listed && resource->link != NULL);
    resource->cell.kind = JZX__CELL_FLOW;
    resource->listed = true;
    jzx__mail_stand(loop, resource->owner, &resource->cell);
}

/* The other side has ended, or there is none. A notice that waits now will come again for this (F5). */
static void ended(jzx_loop *loop, jzx__flow *flow, jzx_err err, uint32_t exit_kind)
{
    jzx__list_remove(&flow->opening);
    if (flow->serves && flow->receives) { /* F8 */
        disown(loop, flow);
        undo(loop, flow);
        return;
    }
    if (flow->state == JZX__FLOW_CLOSING) {
        undo(loop, flow);
        return;
    }
    JZX_ASSERT(flow->state <= JZX__FLOW_LIVE);
    set_credits(loop, flow, 0, 0);
    jzx__suffered_unlist(&flow->half);
    flow->state = JZX__FLOW_ENDED;
    flow->err = err;
    flow->exit_kind = exit_kind;
    if (!flow->resource.listed) {
        push_notice(loop, flow);
    }
}

static void opened_message(jzx__flow *flow, jzx_message *message)
{
    jzx_flow_opened opened;
    memset(&opened, 0, sizeof opened);
    opened.flow = flow->resource.number;
    opened.peer = flow->peer;
    opened.credits = flow->receives ? 0 : flow->credits;
    opened.receives = flow->receives;
    *message = jzx_message_value(JZX_TAG_SYS_FLOW, &opened, sizeof opened);
}

static void ended_message(const jzx__flow *flow, jzx_message *message)
{
    jzx_flow_ended end = {flow->resource.number, flow->peer, flow->err, flow->exit_kind};
    *message = jzx_message_value(JZX_TAG_SYS_FLOW_ENDED, &end, sizeof end);
}

bool jzx__flow_news(jzx_loop *loop, jzx__flow *flow)
{
    bool over = flow->state == JZX__FLOW_ENDED;
    if (over && flow->resource.cell.kind == JZX__CELL_CREDIT) {
        push_notice(loop, flow);
        return false;
    }
    return over || !flow->told || flow->credits != 0; /* not if they were spent before it was told of them */
}

void jzx__flow_notice(jzx_loop *loop, jzx__flow *flow, jzx_message *message)
{
    jzx_actor_id peer = flow->peer;
    if (!flow->told) {
        flow->told = true;
        opened_message(flow, message);
        if (flow->state == JZX__FLOW_ENDED) {
            push_notice(loop, flow);
        }
    } else if (flow->state == JZX__FLOW_ENDED) {
        ended_message(flow, message);
        jzx__resource_disown(&flow->resource);
        undo(loop, flow);
    } else {
        jzx_flow_credit credit = {flow->resource.number, flow->credits};
        *message = jzx_message_value(JZX_TAG_SYS_CREDIT, &credit, sizeof credit);
    }
    message->sender = peer;
}

/* ---- credits ---- */

/* At the sender. */
static void granted(jzx_loop *loop, jzx__flow *flow, uint32_t credits)
{
    bool dry = flow->credits == 0;
    flow->credits += credits;
    if ((dry || flow->serves) && credits != 0 && flow->told && !flow->resource.listed) {
        flow->resource.cell.kind = JZX__CELL_CREDIT;
        jzx__resource_notify(loop, &flow->resource); /* F6 */
    }
}

/* Tells the sender of credits that have been promised. */
static void grant(jzx_loop *loop, jzx__flow *flow, uint32_t credits)
{
    if (is_local(loop, flow)) {
        granted(loop, find(loop, flow->other), credits);
    } else if (flow->state == JZX__FLOW_OPENING) {
        flow->held += credits; /* F2 */
    } else if (flow->sending) {
        flow->half.cell.words[2] += credits; /* F3 */
    } else {
        send_half(loop, flow, JZX__CELL_FLOW_GRANT, credits);
    }
}

jzx_err jzx__flow_grant(jzx_context *context, uint64_t number, uint32_t credits)
{
    jzx__flow *flow = find_own(context, number);
    if (flow == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    if (!flow->receives || flow->window != 0) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_err err = promise(context->loop, flow, (uint64_t)flow->credits + credits, 0);
    if (err == JZX_OK) {
        grant(context->loop, flow, credits);
    }
    return err;
}

jzx_err jzx__flow_window(jzx_context *context, uint64_t number, uint32_t window)
{
    jzx__flow *flow = find_own(context, number);
    if (flow == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    if (!flow->receives) {
        return JZX_ERR_INVALID_ARG;
    }
    uint32_t more = window > flow->credits ? window - flow->credits : 0;
    jzx_err err = promise(context->loop, flow, (uint64_t)flow->credits + more, window);
    if (err == JZX_OK && more != 0) {
        grant(context->loop, flow, more);
    }
    return err;
}

void jzx__flow_handled(jzx_loop *loop, uint64_t number)
{
    jzx__flow *flow = find(loop, number);
    if (flow == NULL || flow->state != JZX__FLOW_LIVE) {
        return; /* it has ended, or was that of the incarnation before */
    }
    JZX_ASSERT(flow->receives && flow->credits > 0);
    uint32_t credits = flow->credits - 1;
    uint32_t half = flow->serves ? 1 : flow->window - flow->window / 2;
    bool takes_mail = jzx__public(loop, flow->resource.owner)->state == JZX__RUNNING;
    if (flow->window == 0 || credits + half > flow->window || !takes_mail) {
        set_credits(loop, flow, credits, flow->window);
        return;
    }
    set_credits(loop, flow, flow->window, flow->window);
    grant(loop, flow, flow->window - credits);
}

/* A flow of this actor through which it may send something. */
static jzx_err find_sending(const jzx_context *context, uint64_t number, jzx__flow **flow)
{
    *flow = find_own(context, number);
    if (*flow == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    if ((*flow)->receives) {
        return JZX_ERR_INVALID_ARG;
    }
    return (*flow)->credits == 0 ? JZX_ERR_NO_CREDIT : JZX_OK;
}

jzx_err jzx__flow_send(jzx_context *context, uint64_t number, const jzx_message *message)
{
    jzx__flow *flow;
    jzx_err err = find_sending(context, number, &flow);
    if (err == JZX_OK) {
        err = jzx__send_credited(context, flow->peer, message, flow->other);
        flow->credits -= err == JZX_OK;
    }
    return err;
}

jzx_err jzx__flow_request(jzx_context *context, uint64_t number, const jzx_message *message, uint64_t timeout_ns,
                          uint64_t *ref)
{
    jzx__flow *flow;
    jzx_err err = find_sending(context, number, &flow);
    if (err == JZX_OK) {
        err = jzx__request_credited(context, flow->peer, message, timeout_ns, flow->other, ref);
        flow->credits -= err == JZX_OK;
    }
    return err;
}

jzx_err jzx__flow_delegate(jzx_context *context, uint64_t number, uint64_t request, const jzx_message *message)
{
    jzx__flow *flow;
    jzx_err err = find_sending(context, number, &flow);
    if (err == JZX_OK) {
        err = jzx__call_delegate(context, request, flow->peer, flow->other, message);
        flow->credits -= err == JZX_OK;
    }
    return err;
}

jzx_err jzx__flow_forward(jzx_context *context, uint64_t number, const jzx_message *message)
{
    jzx_actor_id self = context->self;
    context->self = message->sender; /* all that a send takes from it is who sends */
    jzx_err err = jzx__flow_send(context, number, message);
    context->self = self;
    return err;
}

jzx_err jzx__flow_credits(const jzx_context *context, uint64_t number, uint32_t *credits)
{
    const jzx__flow *flow = find_own(context, number);
    if (flow == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    *credits = flow->credits;
    return JZX_OK;
}

/* ---- opening ---- */

static void pair(jzx__flow *one, jzx__flow *other)
{
    one->other = other->resource.number;
    other->other = one->resource.number;
}

/* The receiver's side of one that serves. */
static jzx_err begin_to_serve(jzx_loop *loop, jzx__flow *flow, uint32_t window)
{
    flow->serves = true;
    jzx_err err = promise(loop, flow, window, window);
    if (err != JZX_OK) {
        disown(loop, flow);
    }
    return err;
}

static jzx_err open_local(jzx_loop *loop, jzx__flow *flow, jzx_actor_id owner, uint32_t window)
{
    uint32_t index = jzx__slot_find(&loop->slots, flow->peer);
    if (index == JZX__SLOT_NONE) {
        ended(loop, flow, JZX_ERR_NO_SUCH_ACTOR, 0);
        return JZX_OK;
    }
    jzx__flow *back;
    jzx_err err = take(loop, &back);
    if (err != JZX_OK) {
        return err;
    }
    own(loop, back, index, owner, !flow->receives);
    if (flow->serves) {
        err = begin_to_serve(loop, back, window);
        if (err != JZX_OK) {
            undo(loop, back);
            return err;
        }
        pair(flow, back);
        granted(loop, flow, window);
        return JZX_OK;
    }
    back->credits = flow->credits;
    pair(flow, back);
    push_notice(loop, back);
    return JZX_OK;
}

enum { OPENER_RECEIVES = 1, OPENER_IS_SERVED = 2 }; /* in the tag of an OPEN */

static void open_remote(jzx_loop *loop, jzx__flow *flow, jzx_actor_id owner, uint32_t window)
{
    /* A closed loop is asked all the same: mail of the peer may be on its way, and its answer comes behind that. */
    if (jzx__route_refusal(loop->runtime, flow->peer) == JZX_ERR_NO_SUCH_ACTOR) {
        ended(loop, flow, JZX_ERR_NO_SUCH_ACTOR, 0);
        return;
    }
    flow->state = JZX__FLOW_OPENING;
    jzx__list_append(&loop->lanes_out[jzx__id_loop(flow->peer)]->opens, &flow->opening);
    flow->half.cell.tag = flow->serves ? OPENER_IS_SERVED : flow->receives ? OPENER_RECEIVES : 0;
    flow->half.cell.sender = owner;
    send_half(loop, flow, JZX__CELL_FLOW_OPEN, flow->serves ? window : flow->credits);
}

/* `window`: it serves, with this mark; else 0. */
static jzx_err open_flow(jzx_context *context, jzx_actor_id peer, bool receives, uint32_t credits, uint32_t window,
                         uint32_t mark, uint64_t *number)
{
    jzx_loop *loop = context->loop;
    jzx__flow *flow;
    jzx_err err = take(loop, &flow);
    if (err != JZX_OK) {
        return err;
    }
    own(loop, flow, context->slot, peer, receives);
    flow->told = true;
    flow->serves = window != 0;
    flow->mark = mark;
    uint64_t made = flow->resource.number;
    if (credits != 0) {
        err = promise(loop, flow, credits, 0);
    }
    if (err == JZX_OK && jzx__id_loop(peer) == loop->index) {
        err = open_local(loop, flow, context->self, window);
    } else if (err == JZX_OK) {
        open_remote(loop, flow, context->self, window);
    }
    if (err != JZX_OK) {
        disown(loop, flow);
        undo(loop, flow);
        return err;
    }
    *number = made;
    return JZX_OK;
}

jzx_err jzx__flow_open(jzx_context *context, jzx_actor_id peer, bool receives, uint32_t credits, uint64_t *number)
{
    return open_flow(context, peer, receives, credits, 0, 0, number);
}

jzx_err jzx__flow_serve(jzx_context *context, jzx_actor_id peer, uint32_t window, uint32_t mark, uint64_t *number)
{
    return open_flow(context, peer, false, 0, window, mark, number);
}

/* ---- ending ---- */

/* The owner has closed a flow or ended, and does not have it any more: the other side is told. */
static void leave(jzx_loop *loop, jzx__flow *flow, jzx_err err, uint32_t exit_kind)
{
    if (flow->state == JZX__FLOW_OPENING) {
        flow->state = JZX__FLOW_CLOSING; /* F2 */
        flow->err = err;
        flow->exit_kind = exit_kind;
    } else if (is_local(loop, flow)) {
        jzx__flow *back = find(loop, flow->other);
        undo(loop, flow);
        ended(loop, back, err, exit_kind); /* F1 */
    } else {
        send_end(loop, flow, err, exit_kind);
    }
}

static jzx_err close_own(const jzx_context *context, uint64_t number, jzx_err err)
{
    jzx__flow *flow = find_own(context, number);
    if (flow == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    disown(context->loop, flow);
    leave(context->loop, flow, err, 0);
    return JZX_OK;
}

jzx_err jzx__flow_close(jzx_context *context, uint64_t number)
{
    return close_own(context, number, JZX_OK);
}

void jzx__flow_refuse(jzx_context *context, uint64_t number)
{
    (void)close_own(context, number, JZX_ERR_UNHANDLED); /* unless its handler has closed it */
}

/* The owner ends. Who is still to be told is told from the list of those who suffer it (E3). */
void jzx__flow_let_go(jzx_loop *loop, jzx__flow *flow)
{
    set_credits(loop, flow, 0, 0);
    jzx__resource_disown(&flow->resource);
    if (flow->state == JZX__FLOW_ENDED) {
        undo(loop, flow);
    }
}

void jzx__flow_exit_send(jzx_loop *loop, jzx__flow *flow, const jzx_exit_info *exit)
{
    JZX_ASSERT(flow->resource.link == NULL && !flow->resource.listed);
    leave(loop, flow, JZX_ERR_ENDED, exit->kind);
}

/* ---- the other side's signals ---- */

static void open_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__lane *lane = loop->lanes_out[jzx__number_loop(cell->words[1])];
    jzx__flow *flow;
    if (lane->losing || take(loop, &flow) != JZX_OK) {
        send_lost(loop, lane, cell->words[1]); /* F4 */
        return;
    }
    flow->other = cell->words[1];
    uint32_t index = jzx__slot_find(&loop->slots, cell->target);
    if (index == JZX__SLOT_NONE) {
        bool closed = atomic_load_explicit(&loop->closed, memory_order_relaxed) != 0;
        flow->peer = cell->sender;
        send_end(loop, flow, closed ? JZX_ERR_LOOP_CLOSED : JZX_ERR_NO_SUCH_ACTOR, 0);
        return;
    }
    own(loop, flow, index, cell->sender, cell->tag != OPENER_RECEIVES);
    uint32_t credits = (uint32_t)cell->words[2];
    if (cell->tag == OPENER_IS_SERVED) {
        jzx_err err = begin_to_serve(loop, flow, credits);
        if (err != JZX_OK) {
            send_end(loop, flow, err == JZX_ERR_NO_MEMORY ? JZX_ERR_LIMIT : err, 0);
        } else {
            send_half(loop, flow, JZX__CELL_FLOW_ACCEPT, credits);
        }
        return;
    }
    flow->credits = credits;
    push_notice(loop, flow);
    send_half(loop, flow, JZX__CELL_FLOW_ACCEPT, 0);
}

static void accept_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__flow *flow = find(loop, cell->words[0]);
    JZX_ASSERT(flow != NULL && !jzx__list_empty(&flow->opening)); /* F2 */
    jzx__list_remove(&flow->opening);
    flow->other = cell->words[1];
    if (flow->state == JZX__FLOW_CLOSING) {
        send_end(loop, flow, flow->err, flow->exit_kind);
        return;
    }
    flow->state = JZX__FLOW_LIVE;
    if (!flow->receives) {
        granted(loop, flow, (uint32_t)cell->words[2]);
    } else if (flow->held != 0) {
        send_half(loop, flow, JZX__CELL_FLOW_GRANT, flow->held);
    }
}

static void lost_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    const jzx__flow *last = find(loop, cell->words[0]);
    JZX_ASSERT(last != NULL && !jzx__list_empty(&last->opening)); /* F2, F4 */
    const jzx__list *opens = &loop->lanes_out[jzx__id_loop(last->peer)]->opens;
    const jzx__flow *flow;
    do {
        flow = jzx__container_of(opens->next, jzx__flow, opening);
        ended(loop, jzx__container_of(opens->next, jzx__flow, opening), JZX_ERR_LIMIT, 0);
    } while (flow != last);
}

void jzx__flow_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__flow *flow;
    switch ((jzx__cell_kind)cell->kind) {
    case JZX__CELL_FLOW_OPEN:
        open_arrived(loop, cell);
        break;
    case JZX__CELL_FLOW_ACCEPT:
        accept_arrived(loop, cell);
        break;
    case JZX__CELL_FLOW_LOST:
        lost_arrived(loop, cell);
        break;
    case JZX__CELL_FLOW_GRANT:
        flow = find(loop, cell->words[0]);
        if (flow != NULL && flow->state == JZX__FLOW_LIVE) { /* F1 */
            granted(loop, flow, (uint32_t)cell->words[2]);
        }
        break;
    default:
        flow = find(loop, cell->words[0]);
        if (flow != NULL && flow->state != JZX__FLOW_ENDED && flow->state != JZX__FLOW_UNDONE) { /* F1 */
            ended(loop, flow, (jzx_err)(int32_t)cell->tag, (uint32_t)cell->words[2]);
        }
    }
}
