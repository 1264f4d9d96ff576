/*
 * foreign_thread: a loop on a thread of its own, and messages from a thread that is not the library's.
 *
 * The main thread computes and posts blocks of text; the actor prints and frees them. A block is the actor's once it is
 * posted; should it never get there, its destructor frees it. At the end the main thread asks how many there were, and sleeps
 * until it has the answer: then all have been printed.
 */
#include <jzx/jzx.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAG_LINE = 1, TAG_COUNT = 2, LINES = 5, LINE_SIZE = 64 };
static const uint64_t ANSWER_NS = 5000000000; /* how long it waits for the answer */

static void free_line(void *context, void *data, size_t size)
{
    (void)context;
    (void)size;
    free(data);
}

static jzx_behavior_result printer(jzx_context *context, void *state, const jzx_message *message)
{
    uint32_t *lines = state;
    jzx_message count;
    switch (message->tag) {
    case TAG_LINE:
        printf("%s\n", (const char *)message->pointer.data);
        free(message->pointer.data);
        (*lines)++;
        return JZX_BEHAVIOR_OK;
    case TAG_COUNT:
        count = jzx_message_value(TAG_COUNT, lines, sizeof *lines);
        return jzx_answer(context, message->ref, &count) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
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
    return err;
}

static jzx_err ask_count(jzx_runtime *runtime, jzx_actor_id to)
{
    jzx_message question = jzx_message_empty(TAG_COUNT);
    jzx_message answer;
    uint32_t lines;
    jzx_err err = jzx_ask(runtime, to, &question, ANSWER_NS, &answer);
    if (err == JZX_OK) {
        err = jzx_answer_err(&answer); /* the runtime's word, if the actor had none */
    }
    if (err == JZX_OK) {
        memcpy(&lines, answer.bytes, sizeof lines);
        printf("%u lines\n", lines);
    }
    return err;
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
    options.state_size = sizeof(uint32_t); /* lines printed, from 0 */
    jzx_actor_id id = 0;
    if ((err = jzx_loop_create(runtime, NULL, &loop)) == JZX_OK &&
        (err = jzx_spawn(jzx_loop_context(loop), &options, &id)) == JZX_OK &&
        (err = jzx_loop_start(loop)) == JZX_OK && /* from here on the loop belongs to its own thread */
        (err = post_lines(runtime, id)) == JZX_OK) {
        err = ask_count(runtime, id);
    }
    jzx_runtime_shutdown(runtime, JZX_FOREVER, NULL);
    jzx_runtime_destroy(runtime);
    return err == JZX_OK ? 0 : 1;
}
