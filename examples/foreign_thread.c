/*
 * foreign_thread: a loop on a thread of its own, and messages from a thread that is not the library's.
 *
 * The main thread computes and posts blocks of text; the actor prints and frees them. A block is the actor's once it is
 * posted; should it never get there, its destructor frees it.
 */
#include <jzx/jzx.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAG_LINE = 1, TAG_LAST = 2, LINES = 5, LINE_SIZE = 64 };

static void free_line(void *context, void *data, size_t size)
{
    (void)context;
    (void)size;
    free(data);
}

static jzx_behavior_result printer(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    switch (message->tag) {
    case TAG_LINE:
        printf("%s\n", (const char *)message->pointer.data);
        free(message->pointer.data);
        return JZX_BEHAVIOR_OK;
    case TAG_LAST:
        jzx_runtime_request_stop(jzx_loop_runtime(jzx_context_loop(context)));
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
}

/* A full inbox is an answer, not a wait: what to do about it is the caller's choice. This one gives way and tries again. */
static jzx_err post(jzx_runtime *runtime, jzx_actor_id to, const jzx_message *message)
{
    jzx_err err;
    while ((err = jzx_post(runtime, to, message)) == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL) {
        sched_yield();
    }
    return err;
}

static jzx_err post_lines(jzx_runtime *runtime, jzx_actor_id to)
{
    jzx_err err = JZX_OK;
    for (int i = 1; i <= LINES && err == JZX_OK; i++) {
        char *line = malloc(LINE_SIZE);
        if (line == NULL) {
            return JZX_ERR_NO_MEMORY;
        }
        snprintf(line, LINE_SIZE, "line %d of %d from another thread", i, LINES);
        jzx_message message = jzx_message_pointer(TAG_LINE, line, LINE_SIZE, free_line, NULL);
        err = post(runtime, to, &message);
        if (err != JZX_OK) {
            free(line); /* refused: still ours */
        }
    }
    jzx_message last = jzx_message_empty(TAG_LAST);
    return err != JZX_OK ? err : post(runtime, to, &last);
}

int main(void)
{
    jzx_runtime *runtime;
    jzx_loop *loop = NULL;
    jzx_err err = jzx_runtime_create(NULL, &runtime);
    if (err != JZX_OK) {
        fprintf(stderr, "foreign_thread: %s\n", jzx_strerror(err));
        return 1;
    }
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = printer;
    jzx_actor_id id = 0;
    if ((err = jzx_loop_create(runtime, NULL, &loop)) == JZX_OK &&
        (err = jzx_spawn(jzx_loop_context(loop), &options, &id)) == JZX_OK &&
        (err = jzx_loop_start(loop)) == JZX_OK && /* from here on the loop belongs to its own thread */
        (err = post_lines(runtime, id)) == JZX_OK) {
        jzx_loop_join(loop, &err);
    }
    jzx_runtime_shutdown(runtime, JZX_FOREVER, NULL);
    jzx_runtime_destroy(runtime);
    return err == JZX_OK ? 0 : 1;
}
