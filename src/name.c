/* name: the registry of names. */
#include "src/internal.h"

static jzx_err find(const jzx_runtime *runtime, const char *name, jzx_actor_id *id)
{
    jzx__name_key key;
    if (!jzx__name_key_of(name, &key)) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_actor_id found = jzx__names_find(&runtime->names, &key, NULL);
    if (found == 0) {
        return JZX_ERR_NOT_FOUND;
    }
    *id = found;
    return JZX_OK;
}

/* The slot of an actor of this loop. */
static jzx_err find_local(const jzx_loop *loop, jzx_actor_id id, uint32_t *index)
{
    if ((uint32_t)id == 0 || jzx__id_loop(id) >= loop->runtime->loop_count) {
        return JZX_ERR_NO_SUCH_ACTOR;
    }
    if (jzx__id_loop(id) != loop->index) {
        return JZX_ERR_ACTOR_NOT_LOCAL;
    }
    *index = jzx__slot_find(&loop->slots, id);
    return *index == JZX__SLOT_NONE ? JZX_ERR_NO_SUCH_ACTOR : JZX_OK;
}

jzx_err jzx_register(jzx_context *context, const char *name, jzx_actor_id id)
{
    jzx_err err = jzx__check_context(context);
    if (err != JZX_OK) {
        return err;
    }
    if (context->ending) {
        return JZX_ERR_STOPPING;
    }
    uint32_t index;
    err = find_local(context->loop, id, &index);
    return err == JZX_OK ? jzx__name_register(context->loop, index, name) : err;
}

jzx_err jzx_unregister(jzx_context *context, const char *name)
{
    jzx_err err = jzx__check_context(context);
    return err == JZX_OK ? jzx__name_unregister(context->loop, name) : err;
}

jzx_err jzx_whereis(const jzx_runtime *runtime, const char *name, jzx_actor_id *id)
{
    return runtime == NULL || id == NULL ? JZX_ERR_INVALID_ARG : find(runtime, name, id);
}

jzx_err jzx_send_name(jzx_context *context, const char *name, const jzx_message *message)
{
    jzx_actor_id to;
    jzx_err err = jzx__check_context(context);
    if (err == JZX_OK) {
        err = jzx__check_message(message);
    }
    if (err == JZX_OK) {
        err = find(context->loop->runtime, name, &to);
    }
    return err == JZX_OK ? jzx_send(context, to, message) : err;
}

/* Who has the name, for a message that this thread may post. */
static jzx_err find_to_post(const jzx_runtime *runtime, const char *name, const jzx_message *message, jzx_actor_id *to)
{
    jzx_err err = runtime == NULL ? JZX_ERR_INVALID_ARG : jzx__check_post(runtime, message);
    return err == JZX_OK ? find(runtime, name, to) : err;
}

jzx_err jzx_post_name(jzx_runtime *runtime, const char *name, const jzx_message *message)
{
    jzx_actor_id to;
    jzx_err err = find_to_post(runtime, name, message, &to);
    return err == JZX_OK ? jzx_post(runtime, to, message) : err;
}

jzx_err jzx_ask_name(jzx_runtime *runtime, const char *name, const jzx_message *message, uint64_t timeout_ns,
                     jzx_message *answer)
{
    jzx_actor_id to;
    jzx_err err = find_to_post(runtime, name, message, &to);
    return err == JZX_OK ? jzx_ask(runtime, to, message, timeout_ns, answer) : err;
}
