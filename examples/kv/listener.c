/*
 * listener: accepts clients on one loop, and gives each its own actor there.
 *
 * Every loop listens on the same port (SO_REUSEPORT), so the kernel spreads the clients.
 */
#include "server.h"

enum { CLIENTS_SPARE = 64 }; /* connections over the limit that can be told so at one time */

static const uint64_t CLOSE_NS = 2000000000u; /* for replies to leave after QUIT, or at the server's end */

struct listener {
    struct kv_loop *loop;
    jzx_socket_id socket;
};

struct listener_start {
    struct kv_loop *loop;
    jzx_err err; /* why listening failed */
};

static void refuse(jzx_context *context, jzx_socket_id peer, const char *text)
{
    jzx_tcp_send(context, peer, text, strlen(text));
    jzx_tcp_close(context, peer);
}

static void on_accepted(jzx_context *context, struct listener *listener, jzx_socket_id peer)
{
    struct kv_server *server = listener->loop->server;
    if (atomic_load_explicit(&server->clients, memory_order_relaxed) >= server->options.clients_max) {
        refuse(context, peer, "-ERR max number of clients reached\r\n");
        return;
    }
    jzx_actor_id client;
    if (kv_connection_spawn(listener->loop, context, &client) != JZX_OK) {
        refuse(context, peer, "-ERR out of memory\r\n");
        return;
    }
    if (jzx_tcp_give(context, peer, client) != JZX_OK) {
        jzx_stop(context, client);
    }
}

static void on_leave(jzx_context *context, struct listener *listener)
{
    jzx_tcp_close(context, listener->socket);
    kv_connections_leave(listener->loop, context);
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct listener *listener = state;
    if (message->tag == KV_TAG_LEAVE) {
        on_leave(context, listener);
        return JZX_BEHAVIOR_OK;
    }
    if (message->tag != JZX_TAG_SYS_TCP) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    const jzx_tcp_event *event = jzx_message_data(message);
    if (event->kind == JZX_TCP_ACCEPTED) {
        on_accepted(context, listener, event->peer);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    struct listener_start *start = argument;
    struct listener *listener = *state;
    struct kv_server *server = start->loop->server;
    listener->loop = start->loop;

    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.address = server->options.address;
    options.port = server->port;
    options.reuse_port = server->options.loop_count > 1;
    options.connections_max = server->options.clients_max + CLIENTS_SPARE;
    options.idle_ns = server->options.idle_ns;
    options.linger_ns = CLOSE_NS;
    start->err = jzx_tcp_listen(context, &options, &listener->socket);
    if (start->err == JZX_OK) {
        start->err = jzx_tcp_port(context, listener->socket, &server->port); /* the next loops listen on the same one */
    }
    return start->err;
}

jzx_err kv_listener_spawn(struct kv_loop *loop, jzx_context *context)
{
    struct listener_start start = {loop, JZX_OK};
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    options.init = init;
    options.argument = &start;
    options.state_size = sizeof(struct listener);
    options.name = "listener";
    jzx_err err = jzx_spawn(context, &options, &loop->listener);
    return err == JZX_ERR_INIT ? start.err : err;
}
