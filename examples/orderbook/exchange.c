/* exchange: its runtime, and who lives in it. See exchange.h. */
#include "exchange.h"

#include <stdio.h>

enum { CHILDREN_MAX = 2 + SESSIONS_MAX + SUBSCRIBERS_MAX, NAME_MAX_BYTES = 24, CELLS = 65536, POSTERS = 4 };

/* ---- who there is ---- */

struct tree {
    struct part parts[CHILDREN_MAX];
    char names[CHILDREN_MAX][NAME_MAX_BYTES];
    jzx_child_spec children[CHILDREN_MAX];
    uint32_t count;
};

static jzx_child_spec *add(struct tree *tree, struct exchange *exchange, const char *name,
                           void (*fill)(jzx_child_spec *spec), uint32_t index)
{
    uint32_t at = tree->count++;
    jzx_child_spec *child = &tree->children[at];
    (void)snprintf(tree->names[at], NAME_MAX_BYTES, name, index);
    tree->parts[at] = (struct part){exchange, index};
    jzx_child_spec_init(child);
    child->name = tree->names[at];
    child->argument = &tree->parts[at];
    child->argument_size = sizeof tree->parts[at];
    fill(child);
    return child;
}

/* The engine first: who starts after it finds it. The gate last: who is let in is heard. */
static void fill(struct tree *tree, struct exchange *exchange)
{
    const struct exchange_options *options = &exchange->options;
    add(tree, exchange, "engine", engine_spec, 0);
    for (uint32_t i = 0; i < options->subscribers; i++) {
        add(tree, exchange, "subscriber-%u", subscriber_spec, i)->mailbox_cap = options->mailbox;
    }
    for (uint32_t i = 0; i < options->sessions; i++) {
        add(tree, exchange, "session-%u", session_spec, i)->mailbox_cap = options->mailbox;
    }
    add(tree, exchange, "gate", gate_spec, 0);
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

/* ---- what is there before them ---- */

static jzx_err make_groups(struct exchange *exchange)
{
    jzx_space_options options;
    jzx_space *space;
    jzx_space_options_init(&options);
    options.groups_max = SESSIONS_MAX + 1;
    options.members_max = CHILDREN_MAX * 2; /* who has failed may count until what it missed has been looked at */
    jzx_err err = jzx_space_create(exchange->runtime, &options, &space);
    if (err != JZX_OK) {
        return err;
    }
    exchange->market_group = jzx_group_named(space, "market");
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        char name[NAME_MAX_BYTES];
        (void)snprintf(name, sizeof name, "session-%u", i);
        exchange->session_groups[i] = jzx_group_named(space, name);
    }
    return JZX_OK;
}

static jzx_err make_loop(struct exchange *exchange)
{
    jzx_loop_config config;
    jzx_loop_config_init(NULL, &config);
    config.cpu = exchange->options.cpu;
    config.linger_ns = exchange->options.busy ? JZX_FOREVER : 0;
    return jzx_loop_create(exchange->runtime, &config, &exchange->loop);
}

static jzx_err make_runtime(struct exchange *exchange)
{
    jzx_config config;
    jzx_config_init(&config);
    config.seed = exchange->options.seed;
    config.loops_max = 1;
    config.actors_max = CHILDREN_MAX + 2;
    config.cells = CELLS;
    config.posters_max = POSTERS;
    return jzx_runtime_create(&config, &exchange->runtime);
}

/* Symbols of the first subscriber: all; of the others: one each, around and around. */
static void init_state(struct exchange *exchange)
{
    struct exchange_options *options = &exchange->options;
    options->events = options->events != 0 ? options->events : EVENTS_MAX;
    options->orders = options->orders != 0 ? options->orders : BOOK_ORDERS_MAX;
    market_init(&exchange->market, options->symbols, options->sessions, options->orders);
    for (uint32_t i = 0; i < options->subscribers; i++) {
        struct subscriber *subscriber = &exchange->subscribers[i];
        uint32_t one = 1u << (i + options->symbols - 1) % options->symbols;
        memset(subscriber, 0, offsetof(struct subscriber, views) + options->symbols * sizeof subscriber->views[0]);
        subscriber->symbols = i == 0 ? (1u << options->symbols) - 1 : one;
    }
}

/* ---- the exchange ---- */

jzx_err exchange_start(struct exchange *exchange, const struct exchange_options *options, int *os_error)
{
    memset(exchange, 0, offsetof(struct exchange, market));
    exchange->options = *options;
    init_state(exchange);
    jzx_err err = make_runtime(exchange);
    err = err == JZX_OK ? make_groups(exchange) : err;
    err = err == JZX_OK ? make_loop(exchange) : err;
    err = err == JZX_OK ? start_tree(exchange, jzx_loop_context(exchange->loop)) : err;
    if (err == JZX_OK && !options->hosted) {
        err = jzx_loop_start(exchange->loop);
    }
    *os_error = exchange->runtime != NULL ? jzx_runtime_os_error(exchange->runtime) : 0;
    if (err != JZX_OK && exchange->runtime != NULL) {
        (void)exchange_stop(exchange);
    }
    return err;
}

jzx_err exchange_submit(struct exchange *exchange, jzx_poster *poster, const struct command *command)
{
    jzx_message message = command_message(*command);
    jzx_actor_id gate;
    if (command->session >= exchange->options.sessions) {
        return JZX_ERR_INVALID_ARG;
    }
    if (!atomic_load(&exchange->open)) {
        return JZX_ERR_NOT_RUNNING;
    }
    jzx_err err = jzx_child_id(exchange->runtime, atomic_load(&exchange->gate), &gate);
    if (err != JZX_OK) {
        return err;
    }
    return poster != NULL             ? jzx_poster_post(poster, gate, &message)
           : exchange->options.hosted ? jzx_send(jzx_loop_context(exchange->loop), gate, &message)
                                      : jzx_post(exchange->runtime, gate, &message);
}

jzx_err exchange_crash(struct exchange *exchange, uint32_t session)
{
    jzx_message message = jzx_message_empty(TAG_CRASH);
    jzx_actor_id id;
    jzx_child_ref ref = session < SESSIONS_MAX ? atomic_load(&exchange->session_refs[session]) : 0;
    jzx_err err = ref == 0 ? JZX_ERR_NOT_RUNNING : jzx_child_id(exchange->runtime, ref, &id);
    return err == JZX_OK ? jzx_post(exchange->runtime, id, &message) : err;
}

jzx_err exchange_stop(struct exchange *exchange)
{
    jzx_err err = jzx_runtime_request_stop(exchange->runtime);
    while (exchange->options.hosted && exchange->loop != NULL &&
           jzx_loop_run_once(exchange->loop, JZX_FOREVER) == JZX_OK) {
    }
    err = err == JZX_OK ? jzx_runtime_shutdown(exchange->runtime, JZX_FOREVER, NULL) : err;
    return err == JZX_OK ? jzx_runtime_destroy(exchange->runtime) : err;
}
