/*
 * order: in which order an actor handles its mail, with which behavior, and for how long: high mail, the stash, become, the
 * progress of a message that is yielded, limits of handlers. What always holds stands in annex.h.
 *
 * Owner thread only.
 */
#include "sched/annex.h"
#include "sched/call.h"
#include "sched/mailbox.h"

/* ---- high mail ---- */

static void list_turn(jzx_loop *loop, jzx__annex *annex)
{
    if (!annex->high_turn.listed) {
        annex->high_turn.listed = true;
        jzx__hot *hot = jzx__slot_hot(&loop->slots, annex->owner);
        jzx__urgent_notify(loop, annex->owner, hot, &annex->high_turn.cell); /* X4 */
    }
}

void jzx__high_push(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__annex *annex;
    cell->kind = JZX__CELL_MAIL;
    if (jzx__wait_lets_in(loop, index, cell)) {
        cell->flags &= (uint16_t)~JZX__FLAG_HIGH;
        jzx__mail_push(loop, index, cell);
        return;
    }
    if (jzx__annex_make(loop, index, &annex) != JZX_OK) {
        cell->flags &= (uint16_t)~JZX__FLAG_HIGH;
        jzx__count_add(&loop->counters->high_as_normal, 1);
        jzx__mail_push(loop, index, cell);
        return;
    }
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx__queue_push(&annex->high, cell);
    annex->high_count++;
    list_turn(loop, annex);
    jzx__mailbox_longer(loop, index, hot, jzx__public(loop, index), cell);
}

jzx__cell *jzx__high_pop(jzx_loop *loop, jzx__annex *annex)
{
    jzx__cell *cell = jzx__queue_pop(&annex->high);
    if (cell != NULL) {
        annex->high_count--;
        annex->high_was_before = annex->high_before > 0;
        annex->high_before -= annex->high_was_before;
    }
    if (annex->high.first != NULL) {
        list_turn(loop, annex);
    }
    return cell;
}

void jzx__high_put_back(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__annex *annex = jzx__annex_of(loop, index);
    jzx__queue_push_front(&annex->high, cell);
    annex->high_count++;
    annex->high_before += annex->high_was_before;
    list_turn(loop, annex);
}

bool jzx__high_before_signal(jzx__annex *annex)
{
    if (!annex->barred) {
        annex->barred = true;
        annex->high_before = annex->high_count;
    }
    annex->barred = annex->high_before > 0;
    return annex->barred;
}

bool jzx__high_waits(const jzx_loop *loop, uint32_t index)
{
    const jzx__annex *annex = jzx__annex_of(loop, index);
    return annex != NULL && annex->high.first != NULL;
}

/* ---- the stash ---- */

/* The actor fails by a rule of the runtime, unless it ends already. */
static void fail(jzx_context *context, const char *text)
{
    context->special = true;
    if (context->end == 0 || context->end == JZX__EXIT_DRAIN) {
        context->end = JZX_EXIT_FAIL;
        context->code = JZX_EXIT_CODE_LIMIT;
        context->origin = context->self;
        jzx__text_copy(context->text, sizeof context->text, text);
    }
}

bool jzx__stash_fits(jzx_context *context)
{
    jzx_loop *loop = context->loop;
    jzx__annex *annex;
    if (jzx__annex_make(loop, context->slot, &annex) != JZX_OK) {
        fail(context, "no annex for a stash");
        return false;
    }
    if (!annex->hoards && annex->stashed + 1 >= jzx__slot_high_mark(jzx__slot_hot(&loop->slots, context->slot)->cap)) {
        fail(context, "the stash is full"); /* other loops send nothing more, what unstashes it neither (A5) */
        return false;
    }
    return true;
}

void jzx__stash_push(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__annex *annex = jzx__annex_of(loop, index);
    cell->flags &= (uint16_t)~JZX__FLAG_HIGH; /* from here on it is mail like any other */
    jzx__queue_push(&annex->stash, cell);
    annex->stashed++;
}

/* Takes the first `count`, at least one and not all. */
static jzx__queue split(jzx__queue *queue, uint32_t count)
{
    jzx__queue taken = {queue->first, queue->first};
    while (--count > 0) {
        taken.last = taken.last->next;
    }
    queue->first = taken.last->next;
    taken.last->next = NULL;
    return taken;
}

void jzx__stash_return(jzx_loop *loop, uint32_t index, uint32_t count)
{
    jzx__annex *annex = jzx__annex_of(loop, index);
    if (annex == NULL || annex->stashed == 0 || count == 0) {
        return;
    }
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx__queue *mail = (hot->flags & JZX__SLOT_WAITING) != 0 ? jzx__wait_mail(loop, index) : &hot->mail;
    if (count < annex->stashed) {
        jzx__queue taken = split(&annex->stash, count);
        annex->stashed -= count;
        jzx__queue_prepend(mail, &taken);
    } else {
        annex->stashed = 0;
        jzx__queue_prepend(mail, &annex->stash);
    }
    jzx__schedule_hot(loop, index, hot);
}

static void stash_shift(jzx_loop *loop, jzx__annex *annex, const jzx__cell *cell)
{
    (void)jzx__queue_pop(&annex->stash);
    annex->stashed--;
    jzx__mail_left(loop, annex->owner, cell);
}

static jzx_err forward_message(jzx_context *context, jzx__annex *annex, jzx__cell *cell, uint64_t flow)
{
    jzx_message message;
    jzx__cell_to_message(cell, &message);
    jzx_err err = jzx__flow_forward(context, flow, &message);
    if (err == JZX_OK) {
        stash_shift(context->loop, annex, cell);
        jzx__count_add(&context->loop->counters->handled, 1);
        jzx__count_add(&jzx__public(context->loop, context->slot)->handled, 1);
        jzx__cell_free(context->loop, cell);
    }
    return err;
}

/* It must be kept to be delegated, and its payload stands meanwhile in `message`. */
static jzx_err forward_request(jzx_context *context, jzx__annex *annex, jzx__cell *cell, uint64_t flow)
{
    jzx_loop *loop = context->loop;
    jzx_message message;
    jzx_drop_reason reason;
    stash_shift(loop, annex, cell);
    if ((cell->flags & JZX__FLAG_CALL) != 0 && jzx__called_over(loop, cell, &reason)) {
        jzx__request_refuse(loop, cell, context->self, reason, NULL);
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    jzx__cell_to_message(cell, &message);
    uint64_t ref = jzx__request_keep(loop, context->slot, cell);
    jzx_err err = jzx__flow_delegate(context, flow, ref, &message);
    if (err == JZX_OK) {
        jzx__count_add(&loop->counters->handled, 1);
        jzx__count_add(&jzx__public(loop, context->slot)->handled, 1);
        return JZX_OK;
    }
    jzx__request_unkeep(loop, context->slot, cell);
    jzx__words_copy(cell->words, message.words);
    if ((cell->flags & JZX__FLAG_POINTER) != 0) {
        cell->pointer.size = message.size;
    }
    if (err == JZX_ERR_LIMIT) {
        jzx__request_refuse(loop, cell, context->self, JZX_DROP_LIMIT, NULL);
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    annex->stashed++;
    jzx__queue_push_front(&annex->stash, cell);
    jzx__mailbox_longer(loop, context->slot, jzx__slot_hot(&loop->slots, context->slot),
                        jzx__public(loop, context->slot), cell);
    return err;
}

jzx_err jzx__stash_forward(jzx_context *context, uint64_t flow)
{
    jzx__annex *annex = jzx__annex_of(context->loop, context->slot);
    jzx__cell *cell = annex->stash.first;
    return (cell->flags & JZX__FLAG_REQUEST) != 0 ? forward_request(context, annex, cell, flow)
                                                  : forward_message(context, annex, cell, flow);
}

/* ---- waits ---- */

void jzx__order_take(jzx_loop *loop, uint32_t index, uint64_t chain, jzx__queue *to)
{
    jzx__annex *annex = jzx__annex_of(loop, index);
    uint32_t before = annex->high_before;
    jzx__queue high = annex->high;
    jzx__queue stash = annex->stash;
    annex->high = annex->stash = (jzx__queue){NULL, NULL};
    jzx__cell *cell;
    for (uint32_t place = 0; (cell = jzx__queue_pop(&high)) != NULL; place++) {
        if (!jzx__wait_is_chained(loop, cell, chain)) {
            jzx__queue_push(&annex->high, cell);
            continue;
        }
        cell->flags &= (uint16_t)~JZX__FLAG_HIGH;
        annex->high_count--;
        annex->high_before -= place < before;
        jzx__queue_push(to, cell);
    }
    while ((cell = jzx__queue_pop(&stash)) != NULL) {
        bool chained = jzx__wait_is_chained(loop, cell, chain);
        annex->stashed -= chained;
        jzx__queue_push(chained ? to : &annex->stash, cell);
    }
}

/* ---- the end ---- */

void jzx__order_gather(jzx_loop *loop, uint32_t index)
{
    jzx__annex *annex = jzx__annex_of(loop, index);
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    if (annex->progress_of != NULL) {
        annex->progress_of->flags &= (uint16_t)~JZX__FLAG_PROGRESS;
        annex->progress_of = NULL;
    }
    for (jzx__cell *cell = annex->high.first; cell != NULL; cell = cell->next) {
        cell->flags &= (uint16_t)~JZX__FLAG_HIGH;
    }
    jzx__queue_prepend(&hot->mail, &annex->stash);
    jzx__queue_prepend(&hot->mail, &annex->high);
    annex->stashed = 0;
    annex->high_count = 0;
}

/* ---- progress ---- */

/* The cell of the mail being handled, if `message` is it as the handler got it; NULL for everything else. */
static jzx__cell *cell_of(const jzx_context *context, const jzx_message *message)
{
    const jzx_loop *loop = context->loop;
    if (context != &loop->turn || context->handling != NULL) {
        return context->handling;
    }
    uintptr_t offset = (uintptr_t)message - (uintptr_t)loop->pool.cells;
    bool ours = offset < loop->pool.count * sizeof(jzx__cell) && offset % sizeof(jzx__cell) == 0;
    return ours ? &loop->pool.cells[offset / sizeof(jzx__cell)] : NULL;
}

uint64_t *jzx__progress(jzx_context *context, const jzx_message *message)
{
    jzx__cell *cell = cell_of(context, message);
    jzx__annex *annex;
    if (cell == NULL || context->answered || jzx__annex_make(context->loop, context->slot, &annex) != JZX_OK) {
        return NULL;
    }
    if (annex->progress_of != cell) {
        if (annex->progress_of != NULL) {
            return NULL; /* X6 */
        }
        annex->progress_of = cell;
        annex->progress = 0;
    }
    context->progress = true;
    context->special = true;
    return &annex->progress;
}

void jzx__progress_over(jzx_context *context)
{
    jzx__annex_of(context->loop, context->slot)->progress_of = NULL;
    context->progress = false;
}

/* ---- become ---- */

/* Where the behavior of an actor stands. */
static jzx_behavior_fn *behavior_of(jzx__hot *hot, jzx__annex *annex)
{
    return hot->behavior == jzx__behave_limited ? &annex->behavior : &hot->behavior;
}

jzx_err jzx__become(jzx_loop *loop, uint32_t index, jzx_behavior_fn behavior)
{
    jzx__annex *annex;
    jzx_err err = jzx__annex_make(loop, index, &annex);
    if (err != JZX_OK) {
        return err;
    }
    if (annex->aside_count == JZX_BECOME_MAX) {
        return JZX_ERR_LIMIT;
    }
    jzx_behavior_fn *now = behavior_of(jzx__slot_hot(&loop->slots, index), annex);
    annex->aside[annex->aside_count++] = *now;
    *now = behavior;
    return JZX_OK;
}

jzx_err jzx__unbecome(jzx_loop *loop, uint32_t index)
{
    jzx__annex *annex = jzx__annex_of(loop, index);
    if (annex == NULL || annex->aside_count == 0) {
        return JZX_ERR_INVALID_ARG;
    }
    *behavior_of(jzx__slot_hot(&loop->slots, index), annex) = annex->aside[--annex->aside_count];
    return JZX_OK;
}

/* ---- limits of handlers ---- */

static uint64_t clock_ns(const jzx_loop *loop)
{
    return loop->backend->ops->now_ns(loop->backend);
}

jzx_err jzx__limit_set(jzx_loop *loop, uint32_t index, const jzx_spawn_options *options)
{
    jzx__annex *annex;
    jzx_err err = jzx__annex_make(loop, index, &annex);
    if (err == JZX_OK) {
        annex->limit_ns = options->handler_limit_ns;
        annex->limit_action = options->limit_action;
        annex->behavior = options->behavior;
        jzx__slot_hot(&loop->slots, index)->behavior = jzx__behave_limited;
    }
    return err;
}

uint64_t jzx__limit_begin(jzx_context *context)
{
    jzx_loop *loop = context->loop;
    const jzx__annex *annex = jzx__annex_of(loop, context->slot);
    uint64_t now_ns = clock_ns(loop);
    if (annex->limit_action == JZX_LIMIT_CANCEL) {
        loop->cancel_at_ns = jzx__add_saturating(now_ns, annex->limit_ns);
    }
    return now_ns;
}

/* One report of a slow handler, not two: without measuring, the window that this one was in is judged no more. */
static void report(jzx_context *context, uint64_t took_ns, uint64_t now_ns)
{
    jzx_loop *loop = context->loop;
    uint64_t slow_ns = loop->config->slow_handler_ns;
    jzx__count_add(&loop->counters->limits_passed, 1);
    if (loop->measure && slow_ns != 0 && took_ns >= slow_ns) {
        return;
    }
    if (loop->window_began_ns != 0) {
        loop->window_began_ns = now_ns;
    }
    jzx__observe_slow(loop, context->self, context->work, took_ns);
}

void jzx__limit_end(jzx_context *context, uint64_t began_ns)
{
    jzx_loop *loop = context->loop;
    const jzx__annex *annex = jzx__annex_of(loop, context->slot);
    uint64_t now_ns = clock_ns(loop);
    loop->cancel_at_ns = JZX_FOREVER;
    if (now_ns - began_ns > annex->limit_ns) {
        if (annex->limit_action == JZX_LIMIT_FAIL) {
            fail(context, "handler_limit_ns");
        }
        report(context, now_ns - began_ns, now_ns);
    }
}

jzx_behavior_result jzx__behave_limited(jzx_context *context, void *state, const jzx_message *message)
{
    uint64_t began_ns = jzx__limit_begin(context);
    jzx_behavior_result result = jzx__annex_of(context->loop, context->slot)->behavior(context, state, message);
    jzx__limit_end(context, began_ns);
    return result;
}

bool jzx__limit_cancels(const jzx_loop *loop)
{
    return jzx__unlikely(loop->cancel_at_ns != JZX_FOREVER) && clock_ns(loop) >= loop->cancel_at_ns;
}

/* ---- the share of the turn ---- */

enum { LOOKS_IN_A_TURN = 16, PACE_MOST = 128 };

bool jzx__order_over(jzx_loop *loop)
{
    jzx__pace *pace = &loop->pace;
    uint64_t now_ns = clock_ns(loop);
    uint64_t most_ns = loop->config->turn_ns / LOOKS_IN_A_TURN;
    if (!jzx__pace_is_of(pace, loop)) {
        pace->every = 1;
        pace->check_in = loop->check_in;
        pace->window_ns = loop->window_began_ns;
    } else if (now_ns - pace->looked_ns < most_ns) {
        pace->every = pace->every < PACE_MOST ? pace->every * 2 : PACE_MOST;
    } else if (now_ns - pace->looked_ns > 2 * most_ns && pace->every > 1) {
        pace->every /= 2;
    }
    bool over = now_ns >= loop->turn_end_ns || now_ns >= loop->cancel_at_ns;
    pace->looked_ns = now_ns;
    pace->left = over ? 1 : pace->every; /* once it is over it is so until the handler returns */
    return over;
}
