/*
 * nothing.h: callbacks that do nothing, for specs that are only looked at. They take and touch nothing, so they may stand in
 * programs without Criterion.
 */
#ifndef TESTS_NOTHING_H
#define TESTS_NOTHING_H

#include <jzx/jzx.h>

static inline jzx_err no_init(jzx_context *context, void *argument, void **state)
{
    (void)context;
    (void)argument;
    (void)state;
    return JZX_OK;
}

static inline jzx_behavior_result no_behavior(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    (void)message;
    return JZX_BEHAVIOR_OK;
}

static inline void no_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)state;
    (void)info;
}

#endif
