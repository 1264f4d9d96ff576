/* call: calls, delegation, scopes and gatherings. */
#include "sched/call.h"
#include "sched/annex.h"
#include "src/internal.h"

void jzx_call_options_init(jzx_call_options *options)
{
    if (options != NULL) {
        memset(options, 0, sizeof *options);
        options->struct_size = sizeof *options;
        options->deadline_ns = JZX_FOREVER;
    }
}

/* What may be sent by a handler that is not fini. */
static jzx_err check_call(const jzx_context *context, const jzx_message *message)
{
    jzx_err err = jzx__check_living(context);
    return err == JZX_OK ? jzx__check_message(message) : err;
}

jzx_err jzx_call(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t deadline_ns,
                 jzx_answer_fn on_answer, void *argument)
{
    jzx_err err = check_call(context, message);
    if (err != JZX_OK) {
        return err;
    }
    if (on_answer == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    const jzx__call_order order = {.deadline_ns = deadline_ns, .on_answer = on_answer, .argument = argument};
    return jzx__call(context, to, message, &order, NULL);
}

jzx_err jzx_call_with(jzx_context *context, jzx_actor_id to, const jzx_message *message,
                      const jzx_call_options *options, uint64_t *ref)
{
    jzx_err err = check_call(context, message);
    if (err != JZX_OK) {
        return err;
    }
    if (options == NULL || options->struct_size != sizeof *options || options->on_answer == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    const jzx__call_order order = {.deadline_ns = options->deadline_ns,
                                   .on_answer = options->on_answer,
                                   .argument = options->argument,
                                   .exclusive = options->exclusive,
                                   .high = options->high,
                                   .cycle = options->cycle};
    return jzx__call(context, to, message, &order, ref);
}

jzx_err jzx_call_cancel(jzx_context *context, uint64_t ref)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__call_cancel(context, ref) : err;
}

jzx_err jzx_delegate(jzx_context *context, uint64_t ref, jzx_actor_id to, const jzx_message *message)
{
    jzx_err err = check_call(context, message);
    return err == JZX_OK ? jzx__call_delegate(context, ref, to, 0, message) : err;
}

uint64_t jzx_deadline(const jzx_context *context)
{
    if (jzx__check_context(context) != JZX_OK) {
        return JZX_FOREVER;
    }
    const jzx__scope *scope = jzx__scope_current(context);
    return scope == NULL ? JZX_FOREVER : scope->deadline_ns;
}

bool jzx_cancelled(const jzx_context *context)
{
    if (jzx__check_context(context) != JZX_OK) {
        return false;
    }
    const jzx__scope *scope = jzx__scope_current(context);
    if (jzx__limit_cancels(context->loop) && !jzx__shielded(context->loop, context->slot)) {
        return true;
    }
    if (scope == NULL) {
        return false;
    }
    return (scope->flags & JZX__CALL_CANCELLED) != 0 ||
           (scope->deadline_ns != JZX_FOREVER && scope->deadline_ns <= jzx_clock_ns(context));
}

jzx_err jzx_scope_open(jzx_context *context, uint64_t deadline_ns, uint64_t *scope)
{
    jzx_err err = jzx__check_living(context);
    if (err == JZX_OK && scope == NULL) {
        err = JZX_ERR_INVALID_ARG;
    }
    return err == JZX_OK ? jzx__scope_open(context, deadline_ns, scope) : err;
}

jzx_err jzx_scope_close(jzx_context *context, uint64_t scope)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__scope_close(context, scope) : err;
}

jzx_err jzx_cancel(jzx_context *context, uint64_t scope)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__scope_cancel(context, scope) : err;
}

jzx_err jzx_shield_enter(jzx_context *context)
{
    jzx_err err = jzx__check_living(context);
    return err == JZX_OK ? jzx__shield_enter(context) : err;
}

jzx_err jzx_shield_leave(jzx_context *context)
{
    jzx_err err = jzx__check_living(context);
    return err == JZX_OK ? jzx__shield_leave(context) : err;
}

void jzx_gather_options_init(jzx_gather_options *options)
{
    if (options != NULL) {
        memset(options, 0, sizeof *options);
        options->struct_size = sizeof *options;
        options->deadline_ns = JZX_FOREVER;
        options->need = JZX_NEED_ALL;
    }
}

jzx_err jzx_gather_begin(jzx_context *context, const jzx_gather_options *options, uint64_t *gather)
{
    jzx_err err = jzx__check_living(context);
    if (err != JZX_OK) {
        return err;
    }
    if (options == NULL || gather == NULL || options->struct_size != sizeof *options || options->on_done == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    return jzx__gather_begin(context, options, gather);
}

jzx_err jzx_gather_call(jzx_context *context, uint64_t gather, jzx_actor_id to, const jzx_message *message,
                        uint32_t index)
{
    jzx_err err = check_call(context, message);
    return err == JZX_OK ? jzx__gather_call(context, gather, to, message, index) : err;
}

jzx_err jzx_gather_end(jzx_context *context, uint64_t gather)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__gather_end(context, gather) : err;
}

jzx_err jzx_gather_cancel(jzx_context *context, uint64_t gather)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__gather_cancel(context, gather) : err;
}
