/*
 * listener: accepts clients and has an actor started for each.
 *
 * The connections are children of another supervisor ("clients"), each temporary: a client whose actor fails is let go,
 * and costs neither this actor nor the restarts it may have. If this one fails, the clients it has accepted stay.
 */
#include "tsdb.h"

#include <stdio.h>

struct starting {
    uint64_t ref; /* of the request to start the actor */
    jzx_socket_id peer;
};

struct listener {
    struct tsdb *tsdb;
    jzx_socket_id socket;
    uint32_t count;
    struct starting starting[CONNECTIONS_MAX];
};

static void on_accepted(jzx_context *context, struct listener *listener, jzx_socket_id peer)
{
    struct starting *starting = &listener->starting[listener->count];
    jzx_actor_id clients;
    jzx_err err = jzx_whereis(listener->tsdb->runtime, "clients", &clients);
    if (err == JZX_OK && listener->count < CONNECTIONS_MAX) {
        err = jzx_child_start_like(context, clients, NULL, 0, &starting->ref);
    }
    if (err != JZX_OK || listener->count == CONNECTIONS_MAX) {
        jzx_tcp_close(context, peer);
        return;
    }
    starting->peer = peer;
    listener->count++;
}

/* The actor for a client is there, or is not to be had. */
static void on_started(jzx_context *context, struct listener *listener, const jzx_message *message)
{
    uint32_t at = 0;
    while (at < listener->count && listener->starting[at].ref != message->ref) {
        at++;
    }
    if (at == listener->count) {
        return;
    }
    jzx_socket_id peer = listener->starting[at].peer;
    listener->starting[at] = listener->starting[--listener->count];
    const jzx_supervisor_answer *answer = jzx_message_data(message);
    if (message->tag != JZX_TAG_SYS_SUPERVISOR || answer->err != JZX_OK) {
        jzx_tcp_close(context, peer);
    } else if (jzx_tcp_give(context, peer, answer->id) != JZX_OK) {
        jzx_tcp_close(context, peer);
        jzx_stop(context, answer->id);
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct listener *listener = state;
    const jzx_tcp_event *event = jzx_message_data(message);
    switch (message->tag) {
    case JZX_TAG_SYS_TCP:
        if (event->kind == JZX_TCP_ACCEPTED) {
            on_accepted(context, listener, event->peer);
        }
        break;
    case JZX_TAG_SYS_SUPERVISOR:
    case JZX_TAG_SYS_NO_ANSWER:
        on_started(context, listener, message);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct tsdb_part *part = argument;
    struct listener *listener = *state;
    struct tsdb *tsdb = part->tsdb;
    bool first = tsdb->port == 0;
    listener->tsdb = tsdb;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.port = first ? tsdb->options.port : tsdb->port; /* clients find the next incarnation where this one was */
    options.connections_max = CONNECTIONS_MAX;
    options.idle_ns = JZX_FOREVER;
    options.send_max = 1 << 20; /* more than the longest answer */
    jzx_err err = jzx_tcp_listen(context, &options, &listener->socket);
    err = err != JZX_OK ? err : jzx_tcp_port(context, listener->socket, &tsdb->port);
    if (err == JZX_OK && first) {
        printf("tsdb: %u heads, ready on port %u\n", tsdb->options.heads, tsdb->port);
        fflush(stdout);
    }
    return err;
}

void tsdb_listener_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct listener);
}
