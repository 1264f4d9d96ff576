/* flow: credits that a receiver grants a sender. */
#include "src/internal.h"

static jzx_err open_flow(jzx_context *context, jzx_actor_id peer, bool receives, uint32_t credits, jzx_flow_id *flow)
{
    jzx_err err = jzx__check_living(context);
    if (err != JZX_OK) {
        return err;
    }
    if (flow == NULL || (uint32_t)peer == 0 || jzx__id_loop(peer) >= context->loop->runtime->loop_count ||
        peer == context->self) {
        return JZX_ERR_INVALID_ARG;
    }
    return jzx__flow_open(context, peer, receives, credits, flow);
}

jzx_err jzx_flow_offer(jzx_context *context, jzx_actor_id to, jzx_flow_id *flow)
{
    return open_flow(context, to, false, 0, flow);
}

jzx_err jzx_flow_want(jzx_context *context, jzx_actor_id from, uint32_t credits, jzx_flow_id *flow)
{
    return open_flow(context, from, true, credits, flow);
}

jzx_err jzx_flow_grant(jzx_context *context, jzx_flow_id flow, uint32_t credits)
{
    jzx_err err = jzx__check_actor(context);
    if (err == JZX_OK && credits == 0) {
        err = JZX_ERR_INVALID_ARG;
    }
    return err == JZX_OK ? jzx__flow_grant(context, flow, credits) : err;
}

jzx_err jzx_flow_window(jzx_context *context, jzx_flow_id flow, uint32_t window)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__flow_window(context, flow, window) : err;
}

jzx_err jzx_flow_send(jzx_context *context, jzx_flow_id flow, const jzx_message *message)
{
    jzx_err err = jzx__check_actor(context);
    if (err == JZX_OK) {
        err = jzx__check_message(message);
    }
    return err == JZX_OK ? jzx__flow_send(context, flow, message) : err;
}

jzx_err jzx_flow_request(jzx_context *context, jzx_flow_id flow, const jzx_message *message, uint64_t timeout_ns,
                         uint64_t *ref)
{
    jzx_err err = jzx__check_living(context);
    if (err == JZX_OK) {
        err = jzx__check_message(message);
    }
    return err == JZX_OK ? jzx__flow_request(context, flow, message, timeout_ns, ref) : err;
}

jzx_err jzx_flow_delegate(jzx_context *context, jzx_flow_id flow, uint64_t ref, const jzx_message *message)
{
    jzx_err err = jzx__check_living(context);
    if (err == JZX_OK) {
        err = jzx__check_message(message);
    }
    return err == JZX_OK ? jzx__flow_delegate(context, flow, ref, message) : err;
}

jzx_err jzx_flow_credits(jzx_context *context, jzx_flow_id flow, uint32_t *credits)
{
    jzx_err err = jzx__check_actor(context);
    if (err == JZX_OK && credits == NULL) {
        err = JZX_ERR_INVALID_ARG;
    }
    return err == JZX_OK ? jzx__flow_credits(context, flow, credits) : err;
}

jzx_err jzx_flow_close(jzx_context *context, jzx_flow_id flow)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__flow_close(context, flow) : err;
}
