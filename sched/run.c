/*
 * run: gives actors their turn, in which each handles some of its messages and signals. The hottest code of the library:
 * the common case is written out, what is rare is kept out of line.
 *
 * Owner thread only.
 *
 * Invariants
 *   U1  A turn is bounded by messages and by time; what an actor has left waits behind the others.
 *   U2  Of mail and urgent signals neither goes twice while the other waits. High mail counts as one of those (X4).
 *   U3  Messages are counted as handled when their handler has returned and kept them.
 */
#include "sched/annex.h"
#include "sched/call.h"
#include "sched/group_watch.h"
#include "sched/mailbox.h"

typedef enum step {
    STEP_ON,      /* go on with the next */
    STEP_YIELDED, /* its turn is over, there is more */
    STEP_REFUSED, /* the same, and the message is back in the mailbox */
    STEP_STASHED, /* go on; the message is in the stash */
    STEP_ENDED,   /* the actor has ended */
} step;

/* The end that the handler asked for itself, or else the one that it returned. */
static __attribute__((noinline)) step end_now(jzx_context *context, jzx_behavior_result result)
{
    jzx__cause cause = {.kind = JZX_EXIT_NORMAL, .origin = context->self};
    if (context->end != 0 && context->end != JZX__EXIT_DRAIN) {
        cause = (jzx__cause){context->end, context->code, context->origin, context->text};
    } else if (result != JZX_BEHAVIOR_STOP) {
        cause.kind = JZX_EXIT_FAIL;
        cause.code = result == JZX_BEHAVIOR_FAIL ? JZX_EXIT_CODE_UNSPECIFIED : JZX_EXIT_CODE_BAD_RESULT;
    }
    jzx__life_exit(context->loop, context->slot, &cause, jzx__work_tag(context));
    return STEP_ENDED;
}

/* What the handler has set in its context is over. */
static inline void leave_scope(jzx_context *context)
{
    context->special = false;
    context->scope = 0;
    context->chain = 0;
}

/* After any handler that asked for something special, or did not return OK. */
static step after_any(jzx_context *context, jzx_behavior_result result)
{
    jzx_segment_slot *public = jzx__public(context->loop, context->slot);
    bool over = result != JZX_BEHAVIOR_OK && (result < JZX_BEHAVIOR_YIELD || result > JZX_BEHAVIOR_STASH);
    leave_scope(context);
    context->waited = false;
    if (public->state == JZX__STOPPING) {
        return STEP_YIELDED; /* another ended it meanwhile; it is in the run queue for that (E2) */
    }
    if (context->end == JZX__EXIT_DRAIN) {
        jzx__life_drain(context->loop, context->slot);
    } else {
        over |= context->end != 0;
    }
    if (over) {
        return end_now(context, result);
    }
    context->end = 0;
    return STEP_ON;
}

/* With the clock read around the handler. */
static __attribute__((noinline)) jzx_behavior_result call_measured(jzx_context *context, const jzx__hot *hot,
                                                                   jzx_behavior_fn behavior, const jzx_message *message)
{
    jzx_loop *loop = context->loop;
    uint64_t began = loop->backend->ops->now_ns(loop->backend);
    uint64_t aside = loop->aside.timed_ns;
    uint64_t work = context->work;
    jzx__count_set(&loop->segment->running_since_ns, began);
    jzx_behavior_result result = behavior(context, hot->state, message);
    uint64_t took = loop->backend->ops->now_ns(loop->backend) - began;
    jzx__count_add(&jzx__public(loop, context->slot)->busy_ns, took);
    took -= loop->aside.timed_ns - aside;
    if (took >= loop->config->slow_handler_ns && loop->config->slow_handler_ns != 0) {
        jzx__observe_slow(loop, context->self, work, took);
    }
    return result;
}

static inline jzx_behavior_result call_with(jzx_loop *loop, const jzx__hot *hot, jzx_handler_kind kind,
                                            jzx_behavior_fn behavior, const jzx_message *message)
{
    jzx_context *context = &loop->turn;
    jzx__work_set(context, kind, message->tag);
    JZX__SIM_EVENT(loop, HANDLE, context->self, message->sender, message->tag);
    jzx_behavior_result result = jzx__likely(!loop->measure) ? behavior(context, hot->state, message)
                                                             : call_measured(context, hot, behavior, message);
    /* Supervisors are the runtime's own, and do not end with children: simulated failures are for the others. */
    bool own = (hot->flags & JZX__SLOT_SUPERVISOR) != 0;
    return result == JZX_BEHAVIOR_OK && !own && JZX__SIM_FAULT(ACTOR_FAILS) ? JZX_BEHAVIOR_FAIL : result;
}

static inline jzx_behavior_result call(jzx_loop *loop, const jzx__hot *hot, jzx_handler_kind kind,
                                       const jzx_message *message)
{
    return call_with(loop, hot, kind, hot->behavior, message);
}

static jzx_behavior_result call_signal(jzx_context *context, const jzx_message *message)
{
    const jzx__hot *hot = jzx__slot_hot(&context->loop->slots, context->slot);
    return call(context->loop, hot, JZX_HANDLER_NOTICE, message);
}

/* Makes a cell again of the message that was handled. `head` is what it had before. */
static void close_again(jzx_context *context, jzx__cell *cell, uint32_t head, const jzx_message *message)
{
    if (context->handling == NULL) {
        cell->head = head;
        return;
    }
    jzx__request_unkeep(context->loop, context->slot, cell);
    context->handling = NULL;
    jzx__words_copy(cell->words, message->words);
    if ((cell->flags & JZX__FLAG_POINTER) != 0) {
        cell->pointer.size = message->size;
    }
}

/* Puts a message back in front, to be handled again. */
static step unhandle(jzx_context *context, jzx__hot *hot, jzx__cell *cell)
{
    jzx_loop *loop = context->loop;
    if (jzx__unlikely(context->progress)) {
        context->progress = false;
        cell->flags |= JZX__FLAG_PROGRESS; /* X6 */
    }
    if (jzx__unlikely((cell->flags & JZX__FLAG_HIGH) != 0)) {
        jzx__high_put_back(loop, context->slot, cell);
    } else {
        jzx__queue_push_front(&hot->mail, cell);
    }
    jzx__count_add(&loop->counters->yields, 1);
    return STEP_REFUSED;
}

static step stash(jzx_context *context, jzx__cell *cell)
{
    if (context->progress) {
        jzx__progress_over(context);
    }
    jzx__stash_push(context->loop, context->slot, cell);
    return STEP_STASHED;
}

/* Its handler has yielded or stashed a message. */
static step put_back(jzx_context *context, jzx__cell *cell, uint32_t head, const jzx_message *message,
                     jzx_behavior_result result)
{
    jzx_loop *loop = context->loop;
    jzx__hot *hot = jzx__slot_hot(&loop->slots, context->slot);
    jzx_segment_slot *public = jzx__public(loop, context->slot);
    if (context->end == JZX__EXIT_DRAIN) {
        jzx__life_drain(loop, context->slot);
        context->end = 0;
    }
    leave_scope(context);
    close_again(context, cell, head, message);
    step next = result == JZX_BEHAVIOR_YIELD ? unhandle(context, hot, cell) : stash(context, cell);
    jzx__mailbox_longer(loop, context->slot, hot, public, cell); /* and marks it again, if it was full before */
    return next;
}

static void drop(const jzx_message *message)
{
    if (message->pointer.drop != NULL) {
        message->pointer.drop(message->pointer.drop_context, message->pointer.data, message->size);
    }
}

static void unhandled(jzx_loop *loop, const jzx_message *message)
{
    jzx__count_add(&loop->counters->unhandled, 1);
    if ((message->flags & (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT)) == JZX_MESSAGE_POINTER) {
        drop(message);
    }
}

/* Whether an actor gets its message again. One that drains handles what it has; one that waits goes on when it has. */
static bool goes_on(const jzx_context *context)
{
    return (context->end == 0 || context->end == JZX__EXIT_DRAIN) && !context->waited &&
           jzx__public(context->loop, context->slot)->state != JZX__STOPPING;
}

/* One that waits keeps what it is asked: in the stash it would be in nobody's sight. */
static bool may_stash(jzx_context *context)
{
    bool waits = (jzx__slot_hot(&context->loop->slots, context->slot)->flags & JZX__SLOT_WAITING) != 0;
    return !waits && jzx__stash_fits(context);
}

/* A message that its handler has not done with, or that has the progress word. ON: it is over all the same. */
static __attribute__((noinline)) step not_done(jzx_context *context, jzx__cell *cell, uint32_t head,
                                               const jzx_message *message, jzx_behavior_result result)
{
    jzx_loop *loop = context->loop;
    if ((result == JZX_BEHAVIOR_YIELD || result == JZX_BEHAVIOR_STASH) && !context->answered) {
        if (goes_on(context) && (result == JZX_BEHAVIOR_YIELD || may_stash(context))) {
            return put_back(context, cell, head, message, result);
        }
        unhandled(loop, message); /* it ends: nobody will handle the rest */
    }
    if (result == JZX_BEHAVIOR_UNHANDLED) {
        unhandled(loop, message);
        if (context->handling != NULL && !context->answered) {
            jzx__request_give_up(loop, context->slot, cell, JZX_DROP_UNHANDLED, NULL);
        }
    }
    if (context->progress) {
        jzx__progress_over(context);
    }
    return STEP_ON;
}

/* The uncommon ways a handler of mail may return. */
static __attribute__((noinline)) step after_mail(jzx_context *context, jzx__cell *cell, uint32_t head,
                                                 const jzx_message *message, jzx_behavior_result result)
{
    jzx_loop *loop = context->loop;
    bool kept = context->handling != NULL; /* by the actor, or consumed by its answer */
    if (jzx__unlikely(result >= JZX_BEHAVIOR_YIELD || context->progress)) {
        step back = not_done(context, cell, head, message, result);
        if (back != STEP_ON) {
            return back;
        }
    }
    if (jzx__unlikely((message->flags & JZX_MESSAGE_LENT) != 0)) {
        drop(message);
    }
    if (!kept) {
        if ((head & jzx__head(0, (jzx__cell_kind)0, JZX__FLAG_FLOW)) != 0) {
            jzx__flow_handled(loop, message->ref);
        }
        jzx__cell_free(loop, cell);
    }
    if (jzx__unlikely((jzx__slot_hot(&loop->slots, context->slot)->flags & JZX__SLOT_WAITING) != 0)) {
        jzx__wait_after(context, kept && !context->answered);
    }
    context->handling = NULL;
    context->answered = false;
    return after_any(context, result);
}

/*
 * The handler of mail has returned, and nothing is left to look at but what was set for it. Not so of mail that was lent, for
 * which its destructor is to be called, or that came through a flow; nor where an actor waits (W4).
 */
static inline bool is_over_at_once(jzx_context *context, const jzx__hot *hot, const jzx_message *message,
                                   jzx_behavior_result result)
{
    bool more = context->special || (message->flags & (JZX_MESSAGE_LENT | JZX_MESSAGE_FLOW)) != 0;
    if (jzx__unlikely(result != JZX_BEHAVIOR_OK || more || (hot->flags & JZX__SLOT_WAITING) != 0)) {
        return false;
    }
    context->handling = NULL;
    context->answered = false;
    context->scope = 0;
    context->chain = 0;
    return true;
}

/* Atomic for jzx_runtime_stalls(). */
static inline void set_last_tag(jzx_segment_slot *public, const jzx__cell *cell)
{
    __atomic_store_n(&public->last_tag, cell->tag, __ATOMIC_RELAXED);
}

/* A message that was yielded with the progress word has it again. */
static inline void take_progress(jzx_context *context, jzx__cell *cell)
{
    if (jzx__unlikely((cell->flags & JZX__FLAG_PROGRESS) != 0)) {
        cell->flags &= (uint16_t)~JZX__FLAG_PROGRESS;
        context->progress = true; /* X6 */
        context->special = true;
    }
}

/* What is for supervisors only has come to an actor that is none. */
static step refuse_ask(jzx_context *context, jzx__cell *cell)
{
    jzx_loop *loop = context->loop;
    jzx__cell_drop_payload(cell);
    jzx_supervisor_answer answer = {.err = JZX_ERR_NOT_A_SUPERVISOR};
    jzx_message message = jzx_message_value(JZX_TAG_SYS_SUPERVISOR, &answer, sizeof answer);
    uint64_t ref = jzx__request_keep(loop, context->slot, cell);
    JZX_ASSERT(jzx__request_answer(context, ref, &message) == JZX_OK);
    return jzx__public(loop, context->slot)->state == JZX__STOPPING ? STEP_YIELDED : STEP_ON;
}

/* May it be handled? If not, *reason is its answer. */
static inline bool takes_request(const jzx_context *context, const jzx__cell *cell, jzx_drop_reason *reason)
{
    if (jzx__unlikely(!jzx__held_fits(context->loop, context->slot, 1))) {
        *reason = JZX_DROP_LIMIT;
        return false;
    }
    return (cell->flags & JZX__FLAG_CALL) == 0 || jzx__called_wanted(context->loop, cell, reason);
}

/* A request to one that keeps too many, or that is not wanted any more: its asker hears so at once. */
static __attribute__((noinline)) step refuse_request(jzx_context *context, jzx_segment_slot *public, jzx__cell *cell,
                                                     jzx_drop_reason reason)
{
    take_progress(context, cell);
    if (context->progress) {
        jzx__progress_over(context);
    }
    jzx__request_refuse(context->loop, cell, public->id, reason, NULL);
    return public->state == JZX__STOPPING ? STEP_YIELDED : STEP_ON;
}

/* A request: its cell is kept for the answer, so the handler gets a copy. */
static __attribute__((noinline)) step run_request(jzx_context *context, jzx__hot *hot, jzx_segment_slot *public,
                                                  jzx__cell *cell, uint64_t *handled)
{
    jzx_message message;
    jzx_drop_reason reason;
    jzx__mailbox_left(context->loop, context->slot, hot, public, cell);
    if (jzx__unlikely(!takes_request(context, cell, &reason))) {
        return refuse_request(context, public, cell, reason);
    }
    ++*handled;
    set_last_tag(public, cell);
    take_progress(context, cell);
    if (jzx__unlikely(cell->tag == JZX__TAG_ASK) && (hot->flags & JZX__SLOT_SUPERVISOR) == 0) {
        return refuse_ask(context, cell);
    }
    jzx__cell_to_message(cell, &message);
    message.flags |= JZX_MESSAGE_REQUEST | (uint32_t)(cell->flags & JZX__FLAG_FLOW) >> JZX__GROUP_SHIFT;
    message.ref = jzx__request_keep(context->loop, context->slot, cell);
    context->handling = cell;
    if ((cell->flags & JZX__FLAG_CALL) != 0) {
        jzx__called_enter(context, cell);
    }
    jzx_behavior_result result = call(context->loop, hot, JZX_HANDLER_REQUEST, &message);
    return is_over_at_once(context, hot, &message, result) ? STEP_ON : after_mail(context, cell, 0, &message, result);
}

static jzx_behavior_result go_on(jzx_context *context, void *state, const jzx_message *message)
{
    (void)message;
    const jzx__ending *ended = context->ended;
    return ended->on_answer(context, state, ended->argument, &ended->result);
}

static jzx_behavior_result go_on_limited(jzx_context *context, void *state, const jzx_message *message)
{
    uint64_t began_ns = jzx__limit_begin(context);
    jzx_behavior_result result = go_on(context, state, message);
    jzx__limit_end(context, began_ns);
    return result;
}

/* A call has ended: its continuation is the behavior. There is nothing to yield. */
static step run_continuation(jzx_context *context, const jzx__hot *hot, jzx__cell *cell)
{
    if (jzx__unlikely((hot->flags & JZX__SLOT_WAITING) != 0)) {
        jzx__wait_end(context->loop, context->slot, cell);
    }
    jzx__ending ended;
    uint32_t head = jzx__call_open(context, cell, &ended);
    context->ended = &ended;
    jzx_behavior_fn behavior = jzx__unlikely(hot->behavior == jzx__behave_limited) ? go_on_limited : go_on;
    jzx_behavior_result result = call_with(context->loop, hot, JZX_HANDLER_CONTINUATION, behavior, &cell->message);
    if (is_over_at_once(context, hot, &cell->message, result)) {
        jzx__cell_free(context->loop, cell);
        return STEP_ON;
    }
    bool back = result == JZX_BEHAVIOR_YIELD || result == JZX_BEHAVIOR_STASH;
    return after_mail(context, cell, head, &cell->message, back ? JZX_BEHAVIOR_OK : result);
}

/* Mail that is neither a plain message nor a request: by pointer, an answer, or to be reported. */
static __attribute__((noinline)) step run_mail(jzx_context *context, jzx__hot *hot, jzx_segment_slot *public,
                                               jzx__cell *cell)
{
    jzx_loop *loop = context->loop;
    jzx__mailbox_left(loop, context->slot, hot, public, cell);
    set_last_tag(public, cell);
    take_progress(context, cell);
    if (jzx__unlikely((cell->flags & JZX__FLAG_CALL) != 0)) {
        return run_continuation(context, hot, cell);
    }
    uint32_t head = jzx__cell_open(cell);
    jzx_behavior_result result = call(loop, hot, JZX_HANDLER_MESSAGE, &cell->message);
    if (is_over_at_once(context, hot, &cell->message, result)) {
        jzx__cell_free(loop, cell);
        return STEP_ON;
    }
    return after_mail(context, cell, head, &cell->message, result);
}

/* The other common case: it ends by what its handler returned, and asked for nothing special. */
static __attribute__((noinline)) step end_after_value(jzx_loop *loop, jzx__cell *cell, uint32_t flags,
                                                      jzx_behavior_result result)
{
    if ((flags & JZX__FLAG_FLOW) != 0) {
        jzx__flow_handled(loop, cell->message.ref);
    }
    jzx__cell_free(loop, cell);
    return end_now(&loop->turn, result);
}

/* The common case of run_mail(): a message by value whose handler returns OK and asks for nothing special. */
static inline step run_value(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public, jzx__cell *cell,
                             uint32_t flags)
{
    jzx__mailbox_shorter(loop, index, hot, public);
    set_last_tag(public, cell);
    jzx__cell_open_value(cell, flags);
    jzx_behavior_result result = call(loop, hot, JZX_HANDLER_MESSAGE, &cell->message);
    if (jzx__likely(result == JZX_BEHAVIOR_OK && !loop->turn.special)) {
        if ((flags & JZX__FLAG_FLOW) != 0) {
            jzx__flow_handled(loop, cell->message.ref);
        }
        jzx__cell_free(loop, cell);
        return STEP_ON;
    }
    bool ends = result == JZX_BEHAVIOR_STOP || result == JZX_BEHAVIOR_FAIL;
    if (ends && !loop->turn.special) {
        return end_after_value(loop, cell, flags, result);
    }
    return after_mail(&loop->turn, cell, jzx__cell_value_head(cell, flags), &cell->message, result);
}

static __attribute__((noinline)) step run_told(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public,
                                               jzx__cell *cell)
{
    return run_value(loop, index, hot, public, cell, JZX__FLAG_GROUP);
}

static __attribute__((noinline)) step run_credited(jzx_loop *loop, uint32_t index, jzx__hot *hot,
                                                   jzx_segment_slot *public, jzx__cell *cell)
{
    return run_value(loop, index, hot, public, cell, JZX__FLAG_FLOW);
}

/* After the handler of a signal: a signal is never yielded or put back. */
static step after_signal(jzx_context *context, jzx_behavior_result result)
{
    if (result == JZX_BEHAVIOR_UNHANDLED) {
        jzx__count_add(&context->loop->counters->unhandled, 1);
    }
    return after_any(context, result);
}

static step run_down(jzx_context *context, jzx__cell *cell)
{
    jzx__monitor *monitor = (jzx__monitor *)(void *)cell;
    jzx_down down = {.monitor = monitor->resource.number, .exit = monitor->exit};
    jzx__resource_disown(&monitor->resource);
    jzx__table_give(&context->loop->monitors, monitor->resource.number);
    jzx_message message = jzx_message_pointer(JZX_TAG_SYS_DOWN, &down, sizeof down, NULL, NULL);
    message.flags |= JZX_MESSAGE_LENT;
    message.sender = down.exit.id;
    return after_signal(context, call_signal(context, &message));
}

static step run_exit(jzx_context *context, jzx__cell *cell)
{
    jzx__link *link = (jzx__link *)(void *)cell;
    jzx_exit exit = {.from = link->partner, .exit = link->exit};
    jzx__link_handled(context->loop, link);
    jzx_message message = jzx_message_pointer(JZX_TAG_SYS_EXIT, &exit, sizeof exit, NULL, NULL);
    message.flags |= JZX_MESSAGE_LENT;
    message.sender = exit.from;
    return after_signal(context, call_signal(context, &message));
}

static step run_missed(jzx_context *context, jzx__cell *cell)
{
    jzx__member *member = (jzx__member *)(void *)cell;
    jzx_missed missed = {.member = member->resource.number, .tag = member->tag, .count = member->missed};
    member->missed = 0;
    jzx_message message = jzx_message_value(JZX_TAG_SYS_MISSED, &missed, sizeof missed);
    message.flags = JZX_MESSAGE_GROUP;
    message.ref = missed.tag;
    return after_signal(context, call_signal(context, &message));
}

static step run_group_watch(jzx_context *context, jzx__cell *cell)
{
    jzx__group_watch *watch = (jzx__group_watch *)(void *)cell;
    jzx_member_notice notice;
    if (!jzx__group_watch_next(context->loop, watch, &notice)) {
        return STEP_ON;
    }
    jzx_message message = jzx_message_value(JZX_TAG_SYS_MEMBER, &notice, sizeof notice);
    message.ref = watch->resource.number;
    return after_signal(context, call_signal(context, &message));
}

static step run_resume(jzx_context *context, jzx__cell *cell)
{
    jzx__resume *resume = (jzx__resume *)(void *)cell;
    jzx_resumed resumed = {.target = resume->target};
    jzx__map_remove(&context->loop->resumes_by_pair, &resume->by_pair);
    jzx__resource_disown(&resume->resource);
    jzx__table_give(&context->loop->resumes, resume->resource.number);
    jzx_message message = jzx_message_value(JZX_TAG_SYS_RESUME, &resumed, sizeof resumed);
    return after_signal(context, call_signal(context, &message));
}

/*
 * A timer's own message. The record may go inside the handler, by cancel, so what comes after looks it up again. A
 * payload that was handed over and not taken, because UNHANDLED, is destroyed; a buffer that only this message had goes
 * with it.
 */
static step run_timer(jzx_context *context, jzx__cell *cell)
{
    jzx_loop *loop = context->loop;
    jzx__timer *timer = (jzx__timer *)(void *)cell;
    jzx_message message;
    jzx__timer_message(loop, timer, &message);
    bool last = timer->period_ns == 0;
    jzx__timer_handled(loop, context->slot, timer);
    jzx_behavior_result result = call_signal(context, &message);
    if (result == JZX_BEHAVIOR_UNHANDLED) {
        unhandled(loop, &message);
        result = JZX_BEHAVIOR_OK;
    }
    if (last && (message.flags & JZX_MESSAGE_LENT) != 0) {
        drop(&message);
    }
    return after_signal(context, result);
}

static step run_watch(jzx_context *context, jzx__cell *cell)
{
    jzx__watch_record *record = (jzx__watch_record *)(void *)cell;
    uint64_t number = record->resource.number;
    jzx_message message;
    jzx__watch_event_message(context->loop, record, &message);
    jzx_behavior_result result = call_signal(context, &message);
    jzx__watch_event_done(context->loop, number);
    return after_signal(context, result);
}

static step run_socket(jzx_context *context, jzx__cell *cell)
{
    jzx__socket_record *record = (jzx__socket_record *)(void *)cell;
    uint64_t number = record->resource.number;
    jzx_message message;
    uint64_t event[8]; /* room for a jzx_tcp_event */
    if (!jzx__socket_event_message(context, record, &message, event)) {
        /* An observer, told of an accept that failed, may have ended it. */
        return jzx__public(context->loop, context->slot)->state == JZX__STOPPING ? STEP_YIELDED : STEP_ON;
    }
    jzx_behavior_result result = call_signal(context, &message);
    jzx__socket_event_done(context, number);
    return after_signal(context, result);
}

/* For a supervisor alone: about a child, or itself. */
static step run_supervisor(jzx_context *context, uint32_t tag, void *about)
{
    jzx_message message = jzx_message_pointer(tag, about, 0, NULL, NULL);
    message.flags |= JZX_MESSAGE_LENT;
    return after_signal(context, call_signal(context, &message));
}

/* The supervisor asks to stop. */
static step run_asked(jzx_context *context, jzx__cell *cell)
{
    const jzx__bond *bond = jzx__container_of((jzx__resource *)(void *)cell, jzx__bond, resource);
    jzx_exit exit = {.from = bond->supervisor, .exit = {.id = bond->supervisor, .kind = JZX_EXIT_SHUTDOWN}};
    exit.exit.origin = bond->supervisor;
    jzx_message message = jzx_message_pointer(JZX_TAG_SYS_EXIT, &exit, sizeof exit, NULL, NULL);
    message.flags |= JZX_MESSAGE_LENT;
    message.sender = bond->supervisor;
    return after_signal(context, call_signal(context, &message));
}

/* News of a flow: that it was opened, has credits, has ended. */
static step run_flow(jzx_context *context, jzx__cell *cell)
{
    jzx__flow *flow = (jzx__flow *)(void *)cell;
    uint64_t number = flow->resource.number;
    jzx_message message;
    jzx__flow_notice(context->loop, flow, &message);
    jzx_behavior_result result = call_signal(context, &message);
    if (result == JZX_BEHAVIOR_UNHANDLED && message.tag == JZX_TAG_SYS_FLOW) {
        jzx__flow_refuse(context, number);
    }
    return after_signal(context, result);
}

static __attribute__((noinline)) step run_signal(jzx_context *context, jzx__cell *cell)
{
    jzx__resource *resource = (jzx__resource *)(void *)cell;
    resource->listed = false;
    if ((cell->flags & JZX__FLAG_OVERTIME) != 0) {
        jzx__resource_expired(context->loop, cell); /* R2 */
        return STEP_ON;
    }
    if (jzx__unlikely(cell->kind == JZX__CELL_PROBE)) {
        jzx__probe_goes_on(context->loop, cell);
        return STEP_ON;
    }
    bool flow = cell->kind == JZX__CELL_FLOW || cell->kind == JZX__CELL_CREDIT;
    if (flow && !jzx__flow_news(context->loop, (jzx__flow *)(void *)cell)) {
        return STEP_ON;
    }
    jzx__count_add(&context->loop->counters->signals, 1);
    switch ((jzx__cell_kind)cell->kind) {
    case JZX__CELL_DOWN:
        return run_down(context, cell);
    case JZX__CELL_EXIT:
        return run_exit(context, cell);
    case JZX__CELL_RESUME:
        return run_resume(context, cell);
    case JZX__CELL_TIMER:
        return run_timer(context, cell);
    case JZX__CELL_WATCH:
        return run_watch(context, cell);
    case JZX__CELL_SOCKET:
        return run_socket(context, cell);
    case JZX__CELL_CHILD:
        return run_supervisor(context, JZX__TAG_CHILD, cell);
    case JZX__CELL_SUPERVISOR:
        return run_supervisor(context, JZX__TAG_SELF, cell);
    case JZX__CELL_ASKED:
        return run_asked(context, cell);
    case JZX__CELL_FLOW:
    case JZX__CELL_CREDIT:
        return run_flow(context, cell);
    case JZX__CELL_MISSED:
        return run_missed(context, cell);
    case JZX__CELL_GROUP_WATCH:
        return run_group_watch(context, cell);
    default:
        JZX_ASSERT(!"a cell that is no signal");
        return STEP_ON;
    }
}

/* An actor that is to end has come out of its turn: it has drained, or comes again for what is left or for its end. */
static __attribute__((noinline)) void done_ending(jzx_loop *loop, uint32_t index, jzx__hot *hot,
                                                  const jzx_segment_slot *public)
{
    bool waits = (hot->flags & JZX__SLOT_WAITING) != 0; /* then it drains later */
    if (public->state == JZX__DRAINING && hot->mail.first == NULL && !waits && !jzx__high_waits(loop, index)) {
        const jzx__cause drained = {.kind = JZX_EXIT_SHUTDOWN, .origin = public->id};
        jzx__life_exit(loop, index, &drained, 0);
    } else if (public->state == JZX__STOPPING || !waits || hot->mail.first != NULL || hot->urgent_last != NULL) {
        jzx__schedule_hot(loop, index, hot);
    }
}

/* After its turn an actor goes to the end of the queue, or rests. */
static inline void done(jzx_loop *loop, uint32_t index, jzx__hot *hot, const jzx_segment_slot *public, bool more)
{
    hot->flags &= (uint16_t)~JZX__SLOT_QUEUED;
    if (jzx__unlikely(public->state > JZX__RUNNING)) {
        done_ending(loop, index, hot, public);
    } else if (more) {
        jzx__schedule_hot(loop, index, hot);
    }
}

/* One look at the clock in a while. True when there was one: the turn may be over, and observers may have ended any actor. */
static inline bool check_now_and_then(jzx_loop *loop)
{
    if (jzx__unlikely(--loop->check_in == 0)) {
        jzx__loop_check(loop);
        return true;
    }
    return false;
}

/*
 * The first message of high priority; ON if there is none any more. It is counted here (U3): a count that others could change
 * would not stay in a register where it is hot.
 */
static step run_high(jzx_loop *loop, uint32_t index, jzx__annex *annex)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx_segment_slot *public = jzx__public(loop, index);
    jzx__cell *cell = jzx__high_pop(loop, annex);
    if (cell == NULL) {
        return STEP_ON; /* all of it went before a signal in the mailbox */
    }
    bool request = (cell->flags & JZX__FLAG_REQUEST) != 0;
    uint64_t handled = !request;
    step next = request ? run_request(&loop->turn, hot, public, cell, &handled)
                        : run_mail(&loop->turn, hot, public, cell);
    if (next == STEP_REFUSED || next == STEP_STASHED) {
        return next == STEP_REFUSED ? STEP_YIELDED : STEP_ON;
    }
    jzx__count_add(&loop->counters->handled, handled);
    jzx__count_add(&public->handled, next == STEP_ENDED ? 0 : handled);
    return next;
}

/* From the urgent list: a signal, or the turn of high mail. */
static __attribute__((noinline)) step run_urgent(jzx_context *context, jzx__cell *cell)
{
    if (jzx__likely(cell->kind != JZX__CELL_HIGH_TURN)) {
        return run_signal(context, cell);
    }
    jzx__annex *annex = jzx__annex_of(context->loop, context->slot);
    annex->high_turn.listed = false;
    return run_high(context->loop, context->slot, annex);
}

/* A signal that stands in the mailbox. */
static __attribute__((noinline)) step run_standing(jzx_context *context, jzx__cell *cell)
{
    jzx__annex *annex = jzx__annex_of(context->loop, context->slot);
    if (jzx__unlikely(annex != NULL) && jzx__high_before_signal(annex)) {
        jzx__queue_push_front(&jzx__slot_hot(&context->loop->slots, context->slot)->mail, cell); /* X5 */
        return run_high(context->loop, context->slot, annex);
    }
    return run_signal(context, cell);
}

static inline step run_first(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public, uint64_t *handled)
{
    jzx__cell *cell = jzx__queue_pop(&hot->mail);
    if (jzx__likely(jzx__cell_is_value(cell, 0))) {
        ++*handled;
        return run_value(loop, index, hot, public, cell, 0);
    }
    if (jzx__cell_is_value(cell, JZX__FLAG_GROUP)) {
        ++*handled;
        return run_told(loop, index, hot, public, cell);
    }
    if ((cell->flags & JZX__FLAG_REQUEST) != 0) {
        return run_request(&loop->turn, hot, public, cell, handled);
    }
    if (cell->kind <= JZX__CELL_ANSWER) {
        ++*handled;
        return jzx__cell_is_value(cell, JZX__FLAG_FLOW) ? run_credited(loop, index, hot, public, cell)
                                                        : run_mail(&loop->turn, hot, public, cell);
    }
    return run_standing(&loop->turn, cell);
}

/* Was the last turn over after a signal, with mail waiting? Then mail begins this one. */
static __attribute__((noinline)) bool take_mail_first(jzx__hot *hot)
{
    hot->flags &= (uint16_t)~JZX__SLOT_MAIL_FIRST;
    return true;
}

static inline bool has_work(const jzx__hot *hot)
{
    return hot->mail.first != NULL || hot->urgent_last != NULL;
}

/* After a step that was not ON: is the turn over? */
static __attribute__((noinline)) bool is_over(jzx_loop *loop, step last, uint64_t *handled)
{
    loop->turn.end = 0;
    *handled -= last == STEP_REFUSED || last == STEP_STASHED; /* U3 */
    return last != STEP_STASHED;
}

/*
 * Runs at most a turn of messages and signals; *handled counts the messages. ENDED, YIELDED when there is more, or ON.
 * Signals and mail take turns, so neither starves the other (U2); a turn may be as short as one of them, so whose it is
 * outlives it.
 */
static inline step run_batch(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public, uint64_t *handled)
{
    bool mail_is_next = jzx__unlikely((hot->flags & JZX__SLOT_MAIL_FIRST) != 0) && take_mail_first(hot);
    uint32_t budget = hot->per_turn;
    for (;;) {
        if (!has_work(hot)) {
            return STEP_ON;
        }
        step next;
        if (jzx__unlikely(hot->urgent_last != NULL) && (!mail_is_next || hot->mail.first == NULL)) {
            mail_is_next = true;
            next = run_urgent(&loop->turn, jzx__urgent_pop(hot));
        } else {
            mail_is_next = false;
            next = run_first(loop, index, hot, public, handled);
        }
        bool checked = check_now_and_then(loop);
        if (jzx__unlikely(next != STEP_ON) && is_over(loop, next, handled)) {
            if (next == STEP_ENDED) {
                return STEP_ENDED;
            }
            break;
        }
        if (jzx__unlikely(checked) && (loop->turn_over || public->state == JZX__STOPPING)) {
            break;
        }
        if (--budget == 0) {
            break;
        }
    }
    if (jzx__unlikely(mail_is_next) && hot->mail.first != NULL) {
        hot->flags |= JZX__SLOT_MAIL_FIRST;
    }
    return has_work(hot) ? STEP_YIELDED : STEP_ON;
}

/* Gives the first actor of the run queue its turn. */
static inline void run_actor(jzx_loop *loop)
{
    uint32_t index = jzx__runs_pop(&loop->runs);
    jzx__hot *hot = jzx__once(jzx__slot_hot(&loop->slots, index));
    jzx_segment_slot *public = jzx__once(jzx__public(loop, index));
    JZX__SIM_EVENT(loop, RUN, public->id, 0, 0);
    if (jzx__unlikely(public->state == JZX__STOPPING)) {
        /* Still QUEUED: a cell it frees may bring it a notice, which must not schedule it. */
        jzx__life_finish(loop, index);
        (void)check_now_and_then(loop); /* an end takes its part of the turn too */
        return;
    }
    loop->turn.self = public->id;
    loop->turn.slot = index;
    loop->turn.special = public->state != JZX__RUNNING;
    jzx__count_set(&loop->segment->running_id, public->id);
    uint64_t handled = 0;
    step last = run_batch(loop, index, hot, public, &handled);
    jzx__count_add(&loop->counters->handled, handled);
    if (jzx__likely(last != STEP_ENDED)) {
        jzx__count_add(&public->handled, handled);
        done(loop, index, hot, public, last == STEP_YIELDED);
    }
}

void jzx__run_actors(jzx_loop *loop, uint32_t actors)
{
    while (actors-- > 0 && !loop->turn_over && !jzx__runs_empty(&loop->runs)) {
        run_actor(loop);
    }
}
