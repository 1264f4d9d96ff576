/* exchange: its runtime, and who lives where. See exchange.h. */
#include "exchange.h"

#include <stdio.h>

enum { CHILDREN_MAX = INSTRUMENTS + READERS, NAME_MAX_BYTES = 16 };

struct tree {
    struct part parts[CHILDREN_MAX];
    char names[CHILDREN_MAX][NAME_MAX_BYTES];
    jzx_child_spec children[CHILDREN_MAX];
    uint32_t count;
};

static void add(struct tree *tree, struct exchange *exchange, const char *name, void (*fill)(jzx_child_spec *spec),
                uint32_t loop, uint32_t index)
{
    uint32_t at = tree->count++;
    jzx_child_spec *child = &tree->children[at];
    (void)snprintf(tree->names[at], NAME_MAX_BYTES, index < SESSIONS_MAX ? "%s-%u" : "%s", name, index);
    tree->parts[at] = (struct part){exchange, index};
    jzx_child_spec_init(child);
    child->name = tree->names[at];
    child->argument = &tree->parts[at];
    child->argument_size = sizeof tree->parts[at];
    child->placement = JZX_PLACE_LOOP;
    child->place_loop = loop;
    fill(child);
}

/* Engines first: who starts after them finds them. */
static void fill(struct tree *tree, struct exchange *exchange)
{
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        add(tree, exchange, "engine", engine_spec, 1, i);
    }
    add(tree, exchange, "tape", reader_spec, 1, READER_TAPE);
    add(tree, exchange, "positions", reader_spec, 0, READER_POSITIONS);
    for (uint32_t i = 0; i < exchange->options.sessions; i++) {
        add(tree, exchange, "session", session_spec, 0, i);
    }
}

static jzx_err start_tree(struct exchange *exchange, jzx_context *context)
{
    struct tree tree = {.count = 0};
    jzx_supervisor_spec root;
    fill(&tree, exchange);
    jzx_supervisor_spec_init(&root);
    root.name = "exchange";
    root.intensity = JZX_INTENSITY_UNLIMITED; /* no number of failures of one client closes the market for all */
    root.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = AGAIN_NS};
    root.children = tree.children;
    root.child_count = tree.count;
    return jzx_supervisor_start(context, &root, NULL, NULL);
}

static jzx_err start_loops(struct exchange *exchange)
{
    jzx_loop *front;
    jzx_loop *core;
    jzx_err err = jzx_loop_create(exchange->runtime, NULL, &front);
    if (err == JZX_OK) {
        err = jzx_loop_create(exchange->runtime, NULL, &core);
    }
    if (err == JZX_OK) {
        err = start_tree(exchange, jzx_loop_context(front));
    }
    if (err == JZX_OK) {
        err = jzx_loop_start(core);
    }
    return err == JZX_OK ? jzx_loop_start(front) : err;
}

static void init_books(struct exchange *exchange)
{
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        struct engine *engine = &exchange->engines[i];
        book_init(&engine->book);
        for (uint32_t k = exchange->options.sessions; k < SESSIONS_MAX; k++) {
            engine->read[k] = UINT64_MAX; /* nobody reads there, so nobody is waited for */
        }
    }
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        exchange->sessions[i].first = 1;
        exchange->sessions[i].next = 1;
    }
}

jzx_err exchange_start(struct exchange *exchange, const struct exchange_options *options)
{
    jzx_config config;
    memset(exchange, 0, sizeof *exchange);
    exchange->options = *options;
    init_books(exchange);
    jzx_config_init(&config);
    config.seed = options->seed;
    config.actors_max = 64;
    config.cells = 8192; /* most of them for what may be in the lanes */
    config.lane_blocks = 8;
    jzx_err err = jzx_runtime_create(&config, &exchange->runtime);
    if (err != JZX_OK) {
        return err;
    }
    err = start_loops(exchange);
    if (err != JZX_OK) {
        (void)exchange_stop(exchange);
    }
    return err;
}

static jzx_err post(struct exchange *exchange, uint32_t session, const jzx_message *message)
{
    jzx_actor_id id;
    if (session >= exchange->options.sessions) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_child_ref ref = atomic_load(&exchange->session_refs[session]);
    jzx_err err = ref == 0 ? JZX_ERR_NOT_RUNNING : jzx_child_id(exchange->runtime, ref, &id);
    return err == JZX_OK ? jzx_post(exchange->runtime, id, message) : err;
}

jzx_err exchange_submit(struct exchange *exchange, const struct command *command)
{
    jzx_message message = jzx_message_value(TAG_COMMAND, command, sizeof *command);
    return post(exchange, command->session, &message);
}

jzx_err exchange_crash(struct exchange *exchange, uint32_t session)
{
    jzx_message message = jzx_message_empty(TAG_CRASH);
    return post(exchange, session, &message);
}

jzx_err exchange_stop(struct exchange *exchange)
{
    jzx_err err = jzx_runtime_shutdown(exchange->runtime, JZX_FOREVER, NULL);
    return err == JZX_OK ? jzx_runtime_destroy(exchange->runtime) : err;
}
