/* internal: what the public functions share: checks of arguments and thread, before one call down into sched/. */
#ifndef JZX__INTERNAL_H
#define JZX__INTERNAL_H

#include "sched/loop.h"
#include <jzx/jzx.h>

/* The loop that spawn options mean. NOT_FOUND, NO_SUCH_ACTOR. */
jzx_err jzx__place(const jzx_loop *here, const jzx_spawn_options *options, uint32_t *loop);

/* Defaults filled in, sums done, every field in its range. */
jzx_err jzx__config_check(const jzx_config *config);
uint32_t jzx__config_inbound_max(const jzx_config *config);
uint32_t jzx__config_lane_blocks(const jzx_config *config);
void jzx__config_allocators(jzx_config *config); /* malloc for those that are all zero */

size_t jzx__config_segment_size(const jzx_config *config, jzx_segment_header *header);

/* A cap that a mailbox may have, or 0 for the config's. Unbounded ones are for simulations. */
static inline bool jzx__cap_valid(const jzx_config *config, uint32_t cap)
{
    return cap <= config->cells / 8 || (cap == JZX_MAILBOX_UNBOUNDED && JZX__SIM_RUNS());
}

/* The context may be used here: its loop is this thread's. */
static inline jzx_err jzx__check_context(const jzx_context *context)
{
    if (jzx__unlikely(context == NULL)) {
        return JZX_ERR_INVALID_ARG;
    }
    return jzx__likely(jzx__loop_owned(context->loop)) ? JZX_OK : JZX_ERR_WRONG_THREAD;
}

/* The same, and it is an actor's. */
static inline jzx_err jzx__check_actor(const jzx_context *context)
{
    jzx_err err = jzx__check_context(context);
    if (err == JZX_OK && jzx__unlikely(context->slot == JZX__SLOT_NONE)) {
        return JZX_ERR_INVALID_ARG;
    }
    return err;
}

/* The same, and it is not in fini. */
static inline jzx_err jzx__check_living(const jzx_context *context)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK && jzx__unlikely(context->ending) ? JZX_ERR_STOPPING : err;
}

/* The same of a message with flags: its own, or those of one that is passed on. */
static inline jzx_err jzx__check_flags(const jzx_message *message)
{
    enum {
        KNOWN = JZX_MESSAGE_POINTER | JZX_MESSAGE_REQUEST | JZX_MESSAGE_ANSWER | JZX_MESSAGE_TIMER | JZX_MESSAGE_LENT |
                JZX_MESSAGE_GROUP | JZX_MESSAGE_FLOW
    };
    bool valid = (message->flags & ~(uint32_t)KNOWN) == 0;
    if ((message->flags & JZX_MESSAGE_POINTER) != 0) {
        valid &= message->size == 0 || message->pointer.data != NULL;
    } else {
        valid &= message->size <= JZX_INLINE_MAX;
    }
    if ((message->flags & JZX_MESSAGE_LENT) != 0) {
        valid &= jzx_message_buffer_of(message) != NULL; /* nothing else that was lent can be given */
    }
    return valid ? JZX_OK : JZX_ERR_INVALID_ARG;
}

/* What a user may send. */
static inline jzx_err jzx__check_message(const jzx_message *message)
{
    if (jzx__unlikely(message == NULL || message->tag >= JZX_TAG_RESERVED)) {
        return JZX_ERR_INVALID_ARG;
    }
    if (jzx__likely(message->flags == 0)) {
        return jzx__likely(message->size <= JZX_INLINE_MAX) ? JZX_OK : JZX_ERR_INVALID_ARG;
    }
    return jzx__check_flags(message);
}

/* This thread may post it, whoever it is for (message.c). */
jzx_err jzx__check_post(const jzx_runtime *runtime, const jzx_message *message);
/* A root supervisor has given up: the first one is kept, and the runtime stops. */
struct jzx_start_failure;
void jzx__runtime_escalate(jzx_runtime *runtime, const jzx_exit_info *exit, const struct jzx_start_failure *failure);

#endif
