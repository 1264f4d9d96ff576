/* user_sim: as user.c, on a simulated kernel, with nothing but what pkg-config says of libjzx-sim. */
#include <jzx/sim.h>
#include <stdio.h>

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    printf("tag %u at %llu ns\n", message->tag, (unsigned long long)jzx_now_ns(context));
    jzx_runtime_request_stop(jzx_loop_runtime(jzx_context_loop(context)));
    return JZX_BEHAVIOR_STOP;
}

static jzx_err begin(jzx_context *context, void *argument, void **state)
{
    jzx_message message = jzx_message_empty(7);
    (void)argument;
    (void)state;
    return jzx_timer_after(context, 3600000000000, &message, NULL);
}

int main(void)
{
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loop;
    jzx_actor_id id;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    options.init = begin;
    if (jzx_sim_create(1, NULL, &sim) != JZX_OK || jzx_runtime_create(NULL, &runtime) != JZX_OK ||
        jzx_loop_create(runtime, NULL, &loop) != JZX_OK || jzx_spawn(jzx_loop_context(loop), &options, &id) != JZX_OK ||
        jzx_loop_start(loop) != JZX_OK || jzx_sim_run(sim) != JZX_OK || jzx_runtime_destroy(runtime) != JZX_OK ||
        jzx_sim_check_end(sim) != JZX_OK) {
        return 1;
    }
    return jzx_sim_destroy(sim) == JZX_OK ? 0 : 1;
}
