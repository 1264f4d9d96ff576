/* timer: timers of actors. */
#include "src/internal.h"

static jzx_err check(const jzx_context *context, const jzx_message *message)
{
    jzx_err err = jzx__check_living(context);
    return err == JZX_OK ? jzx__check_message(message) : err;
}

jzx_err jzx_timer_after(jzx_context *context, uint64_t delay_ns, const jzx_message *message, jzx_timer_id *timer)
{
    jzx_err err = check(context, message);
    if (err != JZX_OK) {
        return err;
    }
    /* From the clock, not from the turn's start: a timer is never early by what the turn has taken. */
    uint64_t due_ns = jzx__add_saturating(context->loop->backend->ops->now_ns(context->loop->backend), delay_ns);
    return jzx__timer_start(context, due_ns, 0, JZX_TICKS_SKIP, message, timer);
}

jzx_err jzx_timer_at(jzx_context *context, uint64_t due_ns, const jzx_message *message, jzx_timer_id *timer)
{
    jzx_err err = check(context, message);
    return err == JZX_OK ? jzx__timer_start(context, due_ns, 0, JZX_TICKS_SKIP, message, timer) : err;
}

jzx_err jzx_timer_every(jzx_context *context, uint64_t period_ns, jzx_missed_ticks missed, const jzx_message *message,
                        jzx_timer_id *timer)
{
    jzx_err err = check(context, message);
    if (err != JZX_OK) {
        return err;
    }
    if (period_ns == 0 || (unsigned)missed > JZX_TICKS_DELAY) {
        return JZX_ERR_INVALID_ARG;
    }
    uint64_t due_ns = jzx__add_saturating(context->loop->backend->ops->now_ns(context->loop->backend), period_ns);
    return jzx__timer_start(context, due_ns, period_ns, missed, message, timer);
}

jzx_err jzx_timer_cancel(jzx_context *context, jzx_timer_id timer, jzx_message *message)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__timer_cancel(context, timer, message) : err;
}
