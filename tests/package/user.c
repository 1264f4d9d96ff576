/* user: a program as a user writes it, built with nothing but what pkg-config says. Prints what its actor was sent. */
#include <jzx/jzx.h>
#include <stdio.h>

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    printf("tag %u from the host\n", message->tag);
    jzx_runtime_request_stop(jzx_loop_runtime(jzx_context_loop(context)));
    return JZX_BEHAVIOR_STOP;
}

int main(void)
{
    jzx_runtime *runtime;
    jzx_loop *loop;
    jzx_actor_id id;
    jzx_spawn_options options;
    jzx_message message = jzx_message_empty(7);
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    if (jzx_runtime_create(NULL, &runtime) != JZX_OK || jzx_loop_create(runtime, NULL, &loop) != JZX_OK ||
        jzx_spawn(jzx_loop_context(loop), &options, &id) != JZX_OK ||
        jzx_send(jzx_loop_context(loop), id, &message) != JZX_OK || jzx_loop_run(loop) != JZX_OK) {
        return 1;
    }
    return jzx_runtime_destroy(runtime) == JZX_OK ? 0 : 1;
}
