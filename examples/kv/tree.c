/*
 * tree: who supervises whom.
 *
 *   root (one_for_one)             when something gives up below it, the server ends
 *    +- shards (one_for_one)       shard-0, shard-1, ...: each on its loop, permanent
 *    +- front-0 (rest_for_one)     of loop 0, and one for each other loop
 *    |   +- clients-0 (dynamic)    a connection for each client, temporary
 *    |   +- listener-0             permanent
 *    +- stopper                    the last one: when it starts, all is ready
 *
 * What a client can do to its connection costs only that: temporary children are not restarted, and count for nothing. A
 * shard that fails costs its keys; the pause before its restart grows, but no number of failures ends the server, since
 * that would cost the keys of all.
 */
#include "server.h"

#include <stdio.h>

static const uint64_t MS = 1000000;

const char *kv_listener_name(char name[KV_NAME_MAX], uint32_t loop)
{
    snprintf(name, KV_NAME_MAX, "listener-%u", loop);
    return name;
}

const char *kv_clients_name(char name[KV_NAME_MAX], uint32_t loop)
{
    snprintf(name, KV_NAME_MAX, "clients-%u", loop);
    return name;
}

static jzx_child_spec supervisor_child(const char *name, const jzx_supervisor_spec *supervisor, uint32_t loop)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.name = name;
    spec.type = JZX_SUPERVISOR;
    spec.supervisor = supervisor;
    spec.placement = JZX_PLACE_LOOP;
    spec.place_loop = loop;
    return spec;
}

/* ---- shards ---- */

struct shards {
    jzx_supervisor_spec spec;
    struct kv_shard_start starts[KV_SHARDS_MAX];
    char names[KV_SHARDS_MAX][KV_NAME_MAX];
    jzx_child_spec children[KV_SHARDS_MAX];
};

static void fill_shards(struct shards *shards, struct kv_server *server)
{
    for (uint32_t i = 0; i < server->shard_count; i++) {
        jzx_child_spec *child = &shards->children[i];
        uint32_t loop = i % server->options.loop_count;
        shards->starts[i] = (struct kv_shard_start){&server->loops[loop], i};
        snprintf(shards->names[i], sizeof shards->names[i], "shard-%u", i);
        jzx_child_spec_init(child);
        kv_shard_spec(child);
        child->name = shards->names[i];
        child->argument = &shards->starts[i];
        child->argument_size = sizeof shards->starts[i];
        child->placement = JZX_PLACE_LOOP;
        child->place_loop = loop;
        child->mailbox_cap = server->options.mailbox_cap;
    }
    jzx_supervisor_spec_init(&shards->spec);
    shards->spec.name = "shards";
    shards->spec.intensity = JZX_INTENSITY_UNLIMITED;
    shards->spec.backoff = (jzx_backoff){
        .kind = JZX_BACKOFF_EXPONENTIAL,
        .initial_ns = KV_BACKOFF_FIRST_MS * MS,
        .max_ns = KV_BACKOFF_LAST_MS * MS,
        .factor = 2,
        .reset_ns = KV_BACKOFF_LAST_MS * MS,
    };
    shards->spec.children = shards->children;
    shards->spec.child_count = server->shard_count;
}

/* ---- the clients of a loop ---- */

struct front {
    char names[3][KV_NAME_MAX];
    struct kv_connection_start start;
    jzx_child_spec connection;
    jzx_supervisor_spec clients;
    jzx_child_spec children[2];
    jzx_supervisor_spec spec;
};

static void fill_clients(struct front *front, struct kv_loop *loop)
{
    front->start = (struct kv_connection_start){loop, 0}; /* each gets its own from the listener */
    jzx_child_spec_init(&front->connection);
    kv_connection_spec(&front->connection);
    front->connection.argument = &front->start;
    front->connection.argument_size = sizeof front->start;
    front->connection.restart = JZX_TEMPORARY;
    jzx_supervisor_spec_init(&front->clients);
    front->clients.strategy = JZX_DYNAMIC;
    front->clients.children = &front->connection;
    front->clients.child_count = 1;
}

static void fill_front(struct front *front, struct kv_loop *loop)
{
    jzx_child_spec *clients = &front->children[0];
    jzx_child_spec *listener = &front->children[1];
    fill_clients(front, loop);
    *clients = supervisor_child(kv_clients_name(front->names[0], loop->index), &front->clients, loop->index);
    clients->register_name = true;
    jzx_child_spec_init(listener);
    kv_listener_spec(listener);
    listener->name = kv_listener_name(front->names[1], loop->index);
    listener->register_name = true;
    listener->argument = loop;
    jzx_supervisor_spec_init(&front->spec);
    snprintf(front->names[2], sizeof front->names[2], "front-%u", loop->index);
    front->spec.name = front->names[2];
    front->spec.strategy = JZX_REST_FOR_ONE; /* the listener knows the supervisor of the connections by its id */
    front->spec.intensity = 10;
    front->spec.period_ns = 10000 * MS;
    /* The port of the last incarnation may not be free at once. */
    front->spec.backoff = (jzx_backoff){
        .kind = JZX_BACKOFF_EXPONENTIAL,
        .initial_ns = KV_BACKOFF_FIRST_MS * MS,
        .max_ns = KV_BACKOFF_LAST_MS * MS,
        .factor = 2,
    };
    front->spec.children = front->children;
    front->spec.child_count = 2;
}

/* ---- all ---- */

struct tree {
    struct shards shards;
    struct front fronts[JZX_LOOPS_MAX];
    jzx_child_spec children[JZX_LOOPS_MAX + 2];
};

static jzx_err start(struct tree *tree, struct kv_server *server)
{
    uint32_t count = 0;
    fill_shards(&tree->shards, server);
    tree->children[count++] = supervisor_child("shards", &tree->shards.spec, 0);
    for (uint32_t i = 0; i < server->options.loop_count; i++) {
        fill_front(&tree->fronts[i], &server->loops[i]);
        tree->children[count++] = supervisor_child(tree->fronts[i].names[2], &tree->fronts[i].spec, i);
    }
    jzx_child_spec *stopper = &tree->children[count++];
    jzx_child_spec_init(stopper);
    kv_stopper_spec(stopper);
    stopper->name = "stopper";
    stopper->argument = server;

    jzx_supervisor_spec root;
    jzx_supervisor_spec_init(&root);
    root.name = "root";
    root.intensity = 0; /* what the parts cannot mend by themselves is for whoever runs the server */
    root.children = tree->children;
    root.child_count = count;
    return jzx_supervisor_start(jzx_loop_context(jzx_runtime_loop(server->runtime, 0)), &root, NULL, NULL);
}

jzx_err kv_tree_start(struct kv_server *server)
{
    struct tree *tree = calloc(1, sizeof *tree); /* too big for a stack, and all of it is copied */
    if (tree == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    jzx_err err = start(tree, server);
    free(tree);
    return err;
}
