/*
 * timer: timers of actors. The message lies in the timer's own cell, so a timer that fires needs no room anywhere.
 *
 * Owner thread only.
 *
 * Invariants
 *   M1  A timer that is not yet due, or periodic, is in the heap; one whose message waits has its cell in the urgent list.
 *   M2  A payload is handed over once: to the handler (once), to the canceller, or to its destructor.
 */
#include "sched/loop.h"

jzx_err jzx__timer_start(jzx_context *context, uint64_t due_ns, uint64_t period_ns, jzx_missed_ticks missed,
                         const jzx_message *message, jzx_timer_id *id)
{
    jzx_loop *loop = context->loop;
    if (loop->timers.used + loop->requests_timed >= loop->config->timers_max) {
        return JZX_ERR_LIMIT;
    }
    void *record;
    uint64_t number;
    jzx_err err = jzx__table_take(&loop->timers, &record, &number);
    if (err != JZX_OK) {
        return err;
    }
    jzx__timer *timer = record;
    jzx__resource_begin(loop, &timer->resource, JZX__RESOURCE_TIMER, number, context->slot);
    jzx__cell_from_message(&timer->resource.cell, message, JZX__CELL_TIMER);
    timer->resource.cell.flags |= JZX__FLAG_EMBEDDED;
    timer->resource.cell.sender = context->self;
    timer->deadline.kind = JZX__DEADLINE_TIMER;
    timer->deadline.missed = (uint8_t)missed;
    timer->due_ns = due_ns;
    timer->period_ns = period_ns;
    jzx__deadlines_add(&loop->deadlines, &timer->deadline, due_ns);
    JZX__SIM_EVENT(loop, ARM, timer->resource.number, due_ns, context->self);
    if (id != NULL) {
        *id = timer->resource.number;
    }
    return JZX_OK;
}

/* The next tick of a periodic timer that was due at due_ns, and how many have come. */
static uint32_t next_tick(jzx__timer *timer, uint64_t now_ns)
{
    uint64_t passed = (now_ns - timer->due_ns) / timer->period_ns; /* whole periods missed */
    if (timer->deadline.missed == JZX_TICKS_DELAY) {
        timer->due_ns = jzx__add_saturating(now_ns, timer->period_ns);
        return 1;
    }
    timer->due_ns = jzx__add_saturating(timer->due_ns, (passed + 1) * timer->period_ns);
    return timer->deadline.missed == JZX_TICKS_BURST && passed < UINT32_MAX ? (uint32_t)passed + 1 : 1;
}

void jzx__timer_due(jzx_loop *loop, jzx__deadline *node, uint64_t due_ns)
{
    jzx__timer *timer = jzx__container_of(node, jzx__timer, deadline);
    JZX_ASSERT(due_ns == timer->due_ns && due_ns <= loop->now_ns); /* never early */
    jzx__count_add(&loop->counters->timers_fired, 1);
    JZX__SIM_EVENT(loop, FIRE, timer->resource.number, due_ns, loop->now_ns);
    if (timer->period_ns != 0) {
        uint32_t ticks = next_tick(timer, loop->now_ns);
        timer->ticks = timer->deadline.missed == JZX_TICKS_BURST ? timer->ticks + ticks : 1;
        jzx__deadlines_add(&loop->deadlines, node, timer->due_ns);
        JZX__SIM_EVENT(loop, ARM, timer->resource.number, timer->due_ns, timer->resource.cell.sender);
    }
    jzx__resource_notify(loop, &timer->resource);
}

void jzx__timer_message(jzx_loop *loop, jzx__timer *timer, jzx_message *message)
{
    (void)loop;
    jzx__cell_to_message(&timer->resource.cell, message);
    message->flags |= JZX_MESSAGE_TIMER;
    message->ref = timer->resource.number;
    if (timer->period_ns != 0 && (message->flags & JZX_MESSAGE_POINTER) != 0) {
        message->flags |= JZX_MESSAGE_LENT;
    }
}

void jzx__timer_handled(jzx_loop *loop, uint32_t index, jzx__timer *timer)
{
    (void)index;
    if (timer->period_ns == 0) {
        jzx__resource_disown(&timer->resource);
        jzx__table_give(&loop->timers, timer->resource.number);
    } else if (--timer->ticks > 0) {
        jzx__resource_notify(loop, &timer->resource);
    }
}

/* Takes a timer out of everything; its payload has gone elsewhere (M2). */
static void end_timer(jzx_loop *loop, jzx__timer *timer)
{
    if (jzx__deadline_set(&timer->deadline)) {
        jzx__deadlines_remove(&loop->deadlines, &timer->deadline);
        JZX__SIM_EVENT(loop, DISARM, timer->resource.number, 0, 0);
    }
    jzx__resource_disown(&timer->resource);
    jzx__resource_free(loop, &timer->resource);
}

jzx_err jzx__timer_cancel(jzx_context *context, jzx_timer_id id, jzx_message *message)
{
    jzx_loop *loop = context->loop;
    jzx__timer *timer = jzx__table_find(&loop->timers, id);
    if (timer == NULL || timer->resource.number != id || timer->resource.link == NULL ||
        timer->resource.owner != context->slot) {
        return JZX_ERR_TIMER_INVALID;
    }
    /* With many timers each of these lines is a miss: let them come while the heap is put in order. */
    jzx__prefetch_write(&timer->resource.cell);
    jzx__prefetch_write(timer->resource.link);
    if (timer->resource.next != NULL) {
        jzx__prefetch_write(&timer->resource.next->link);
    }
    if (message != NULL) {
        jzx__cell_to_message(&timer->resource.cell, message);
        message->sender = 0;
    } else {
        jzx__cell_drop_payload(&timer->resource.cell);
    }
    end_timer(loop, timer);
    return JZX_OK;
}

void jzx__timer_let_go(jzx_loop *loop, jzx__timer *timer)
{
    jzx__cell_drop_payload(&timer->resource.cell);
    end_timer(loop, timer);
}
