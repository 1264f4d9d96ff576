/* hello: an actor that greets. The host sends it one message and runs the loop until the actor stops the runtime. */
#include <jzx/jzx.h>
#include <stdio.h>

enum { TAG_GREET = 1 };

static jzx_behavior_result greeter(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    if (message->tag != TAG_GREET) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    printf("hello, %.*s\n", (int)message->size, (const char *)jzx_message_data(message));
    jzx_runtime_request_stop(jzx_loop_runtime(jzx_context_loop(context)));
    return JZX_BEHAVIOR_OK;
}

int main(void)
{
    jzx_runtime *runtime;
    jzx_loop *loop;
    jzx_err err = jzx_runtime_create(NULL, &runtime);
    if (err == JZX_OK) {
        err = jzx_loop_create(runtime, NULL, &loop);
    }
    if (err != JZX_OK) {
        fprintf(stderr, "hello: %s\n", jzx_strerror(err));
        return 1;
    }
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = greeter;
    jzx_actor_id id;
    jzx_spawn(jzx_loop_context(loop), &options, &id);
    jzx_message message = jzx_message_value(TAG_GREET, "world", 5); /* up to 32 bytes go by value */
    jzx_send(jzx_loop_context(loop), id, &message);
    err = jzx_loop_run(loop);
    jzx_runtime_destroy(runtime);
    return err == JZX_OK ? 0 : 1;
}
