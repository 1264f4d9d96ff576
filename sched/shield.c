/*
 * shield: an actor that cleans up is not stopped in the midst of it: what would stop it waits in its annex.
 *
 * Owner thread only.
 *
 * Invariants
 *   X3  An end waits only while the actor is shielded, and then its deadline is set; so it is bounded by shield_max_ns.
 *   X4  Of ends that come meanwhile the first one stays, as without a shield (E2); a stop overtakes a drain.
 */
#include "sched/annex.h"

bool jzx__shield_defers(jzx_loop *loop, uint32_t index, const jzx__cause *cause)
{
    jzx__annex *annex = jzx__annex_of(loop, index);
    if (annex == NULL || annex->shields == 0 || (cause->kind != JZX_EXIT_SHUTDOWN && cause->kind != JZX__EXIT_DRAIN)) {
        return false;
    }
    if (annex->deferred.kind == 0) {
        uint64_t now_ns = loop->backend->ops->now_ns(loop->backend);
        annex->shield_deadline = (jzx__deadline){.kind = JZX__DEADLINE_SHIELD};
        jzx__deadlines_add(&loop->deadlines, &annex->shield_deadline,
                           jzx__add_saturating(now_ns, loop->config->shield_max_ns)); /* X3 */
    } else if (annex->deferred.kind != JZX__EXIT_DRAIN || cause->kind == JZX__EXIT_DRAIN) {
        return true; /* X4 */
    }
    annex->deferred = *cause;
    jzx__text_copy(annex->deferred_text, sizeof annex->deferred_text, cause->text);
    return true;
}

void jzx__shield_let_go(jzx_loop *loop, jzx__annex *annex)
{
    if (jzx__deadline_set(&annex->shield_deadline)) {
        jzx__deadlines_remove(&loop->deadlines, &annex->shield_deadline);
    }
    annex->shields = 0;
    annex->deferred.kind = 0;
}

/* The shield is over, and what waited for that comes now. */
static void lower(jzx_loop *loop, jzx__annex *annex)
{
    jzx__cause cause = annex->deferred;
    cause.text = annex->deferred_text;
    jzx__shield_let_go(loop, annex);
    if (cause.kind != 0) {
        (void)jzx__life_end(loop, jzx__public(loop, annex->owner)->id, &cause);
    }
}

void jzx__shield_due(jzx_loop *loop, jzx__deadline *node)
{
    lower(loop, jzx__container_of(node, jzx__annex, shield_deadline));
}

jzx_err jzx__shield_enter(jzx_context *context)
{
    jzx__annex *annex;
    jzx_err err = jzx__annex_make(context->loop, context->slot, &annex);
    if (err == JZX_OK && annex->shields == UINT8_MAX) {
        err = JZX_ERR_LIMIT;
    }
    if (err == JZX_OK) {
        annex->shields++;
    }
    return err;
}

jzx_err jzx__shield_leave(jzx_context *context)
{
    jzx__annex *annex = jzx__annex_of(context->loop, context->slot);
    if (annex == NULL || annex->shields == 0) {
        return JZX_ERR_INVALID_ARG;
    }
    if (--annex->shields == 0) {
        lower(context->loop, annex);
    }
    return JZX_OK;
}
