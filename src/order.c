/* order: stash, become, progress and composed behaviors, for the actor whose handler runs. */
#include "sched/annex.h"
#include "src/internal.h"

jzx_err jzx_unstash(jzx_context *context, uint32_t count)
{
    jzx_err err = jzx__check_living(context);
    if (err == JZX_OK) {
        jzx__stash_return(context->loop, context->slot, count);
    }
    return err;
}

jzx_err jzx_unstash_all(jzx_context *context)
{
    return jzx_unstash(context, UINT32_MAX);
}

uint32_t jzx_stashed(const jzx_context *context)
{
    if (jzx__check_actor(context) != JZX_OK) {
        return 0;
    }
    const jzx__annex *annex = jzx__annex_of(context->loop, context->slot);
    return annex == NULL ? 0 : annex->stashed;
}

/* Whether it still has a behavior: who is to end has the reason in that place. */
static jzx_err check_behaves(const jzx_context *context)
{
    jzx_err err = jzx__check_living(context);
    bool ends = err == JZX_OK && jzx__public(context->loop, context->slot)->state >= JZX__STOPPING;
    return ends ? JZX_ERR_STOPPING : err;
}

jzx_err jzx_become(jzx_context *context, jzx_behavior_fn behavior)
{
    jzx_err err = check_behaves(context);
    if (err != JZX_OK) {
        return err;
    }
    return behavior == NULL ? JZX_ERR_INVALID_ARG : jzx__become(context->loop, context->slot, behavior);
}

jzx_err jzx_unbecome(jzx_context *context)
{
    jzx_err err = check_behaves(context);
    return err == JZX_OK ? jzx__unbecome(context->loop, context->slot) : err;
}

uint64_t *jzx_progress(jzx_context *context, const jzx_message *message)
{
    return jzx__check_living(context) == JZX_OK ? jzx__progress(context, message) : NULL;
}

jzx_behavior_result jzx_behave_first(jzx_context *context, void *state, const jzx_message *message,
                                     const jzx_behavior_fn *behaviors, size_t count)
{
    jzx_behavior_result result = JZX_BEHAVIOR_UNHANDLED;
    for (size_t i = 0; i < count && result == JZX_BEHAVIOR_UNHANDLED; i++) {
        result = behaviors[i](context, state, message);
    }
    return result;
}
