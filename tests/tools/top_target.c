/*
 * top_target: a program for `jzx top` to look at. Two loops; on loop 0 an actor that handled 1,000 messages, and a supervisor
 * whose child has been started twice; on loop 1 an actor that handled 500 and has an escape character in its name. Says
 * "ready" then, and ends in order at the end of its input.
 *
 *   top_target [SEGMENT-FILE]
 *   top_target --stuck         the first actor is in a handler that does not return before that
 */
#include <jzx/jzx.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOOPS = 2, TAG_COUNT = 0x42, TAG_STICK = 0x43 };

static const unsigned messages[LOOPS] = {1000, 500};
static const char *const names[LOOPS] = {"alpha", "ome\033ga"};

static void wait_for_end_of_input(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    if (message->tag == TAG_STICK) {
        wait_for_end_of_input();
    }
    return message->tag == TAG_COUNT || message->tag == TAG_STICK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_UNHANDLED;
}

static jzx_err make_loop(jzx_runtime *runtime, unsigned index, jzx_actor_id *made)
{
    jzx_loop *loop;
    jzx_actor_id id = 0;
    jzx_spawn_options options;
    jzx_message message = jzx_message_empty(TAG_COUNT);
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    options.name = names[index];
    jzx_err err = jzx_loop_create(runtime, NULL, &loop);
    if (err == JZX_OK) {
        err = jzx_spawn(jzx_loop_context(loop), &options, &id);
    }
    for (unsigned i = 0; i < messages[index] && err == JZX_OK; i++) {
        err = jzx_send(jzx_loop_context(loop), id, &message);
    }
    *made = id;
    return err;
}

static jzx_err init_twice(jzx_context *context, void *argument, void **state)
{
    unsigned *starts = argument;
    *state = argument;
    return ++*starts == 1 ? jzx_fail(context, jzx_self(context), 1, "once more") : JZX_OK;
}

static jzx_err make_tree(jzx_runtime *runtime)
{
    static unsigned starts;
    jzx_child_spec leaf;
    jzx_supervisor_spec tree;
    jzx_child_spec_init(&leaf);
    leaf.name = "leaf";
    leaf.init = init_twice;
    leaf.behavior = behave;
    leaf.argument = &starts;
    jzx_supervisor_spec_init(&tree);
    tree.name = "tree";
    tree.children = &leaf;
    tree.child_count = 1;
    return jzx_supervisor_start(jzx_loop_context(jzx_runtime_loop(runtime, 0)), &tree, NULL, NULL);
}

static void wait_for_tree(jzx_runtime *runtime)
{
    jzx_counters counters = {0};
    while (jzx_loop_stats(jzx_runtime_loop(runtime, 0), &counters) == JZX_OK && counters.spawned < 4) {
        sched_yield();
    }
}

static void wait_handled(jzx_runtime *runtime)
{
    for (unsigned i = 0; i < LOOPS; i++) {
        jzx_counters counters = {0};
        while (jzx_loop_stats(jzx_runtime_loop(runtime, i), &counters) == JZX_OK && counters.handled < messages[i]) {
            sched_yield();
        }
    }
}

static jzx_err run(jzx_runtime *runtime, bool stuck)
{
    jzx_actor_id ids[LOOPS];
    jzx_err err = JZX_OK;
    for (unsigned i = 0; i < LOOPS && err == JZX_OK; i++) {
        err = make_loop(runtime, i, &ids[i]);
    }
    if (err == JZX_OK) {
        err = make_tree(runtime);
    }
    for (unsigned i = 0; i < LOOPS && err == JZX_OK; i++) {
        err = jzx_loop_start(jzx_runtime_loop(runtime, i));
    }
    if (err != JZX_OK) {
        return err;
    }
    wait_handled(runtime);
    wait_for_tree(runtime);
    if (stuck) {
        jzx_message stick = jzx_message_empty(TAG_STICK);
        err = jzx_post(runtime, ids[0], &stick);
    }
    puts("ready");
    fflush(stdout);
    wait_for_end_of_input();
    jzx_err stopped = jzx_runtime_shutdown(runtime, 10u * 1000000000ull, NULL);
    return err == JZX_OK ? stopped : err;
}

int main(int argc, char **argv)
{
    jzx_config config;
    jzx_runtime *runtime;
    jzx_config_init(&config);
    config.loops_max = LOOPS;
    bool stuck = argc > 1 && strcmp(argv[1], "--stuck") == 0;
    config.segment_path = argc > 1 && !stuck ? argv[1] : NULL;
    jzx_err err = jzx_runtime_create(&config, &runtime);
    if (err == JZX_OK) {
        err = run(runtime, stuck);
        jzx_err destroyed = jzx_runtime_destroy(runtime);
        err = err == JZX_OK ? destroyed : err;
    }
    if (err != JZX_OK) {
        fprintf(stderr, "top_target: %s\n", jzx_strerror(err));
    }
    return err == JZX_OK ? 0 : 1;
}
