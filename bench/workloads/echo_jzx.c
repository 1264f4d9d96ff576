/*
 * echo_jzx.c: the echo as one writes it with libjzx: an actor for the listener, an actor for each connection. Small
 * replies are copied; large ones go out in the buffer they came in.
 */
#include "support/world.h"
#include "workloads/echo_server.h"

enum { TAG_GO = 1, TAG_ENDED = 2, COPY_MAX = 1024 };

struct listener {
    const echo_server *server;
    jzx_runtime *runtime;
    jzx_actor_id id;
    uint32_t ended;
};

static void reply(jzx_context *context, const jzx_tcp_event *event)
{
    jzx_err err;
    if (event->size <= COPY_MAX) {
        err = jzx_tcp_send(context, event->socket, event->data, event->size);
    } else {
        jzx_drop_fn drop = NULL;
        void *drop_context = NULL;
        WORLD_CHECK(jzx_tcp_keep(context, &drop, &drop_context));
        /* Kept buffers are writable memory of the runtime's; the event only lends them as constant. */
        void *data = (void *)(uintptr_t)event->data;
        err = jzx_tcp_send_owned(context, event->socket, data, event->size, drop, drop_context);
        if (err != JZX_OK) {
            drop(drop_context, data, event->size);
        }
    }
    /* One request is in flight at a time, so the queue is never full; a client may have gone. */
    BENCH_CHECK(err == JZX_OK || err == JZX_ERR_NO_SUCH_SOCKET, "send: %s", jzx_strerror(err));
}

static jzx_behavior_result connection(jzx_context *context, void *state, const jzx_message *message)
{
    const struct listener *listener = state;
    const jzx_tcp_event *event = jzx_message_data(message);
    if (message->tag != JZX_TAG_SYS_TCP) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    if (event->kind == JZX_TCP_DATA) {
        reply(context, event);
        return JZX_BEHAVIOR_OK;
    }
    if (event->kind == JZX_TCP_EOF || event->kind == JZX_TCP_CLOSED) {
        jzx_message ended = jzx_message_empty(TAG_ENDED);
        WORLD_CHECK(jzx_send(context, listener->id, &ended));
        return JZX_BEHAVIOR_STOP;
    }
    return JZX_BEHAVIOR_OK;
}

static void accept_one(jzx_context *context, struct listener *listener, jzx_socket_id peer)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = connection;
    options.argument = listener;
    jzx_actor_id id = 0;
    WORLD_CHECK(jzx_spawn(context, &options, &id));
    WORLD_CHECK(jzx_tcp_give(context, peer, id));
}

static jzx_behavior_result listener(jzx_context *context, void *state, const jzx_message *message)
{
    struct listener *self = state;
    if (message->tag == TAG_GO) {
        echo_client_port(self->server->client, world_listen(context));
    } else if (message->tag == TAG_ENDED) {
        if (++self->ended == self->server->connections) {
            WORLD_CHECK(jzx_runtime_request_stop(self->runtime));
        }
    } else if (message->tag == JZX_TAG_SYS_TCP) {
        const jzx_tcp_event *event = jzx_message_data(message);
        if (event->kind == JZX_TCP_ACCEPTED) {
            accept_one(context, self, event->peer);
        }
    }
    return JZX_BEHAVIOR_OK;
}

/* The one loop of this world is not on the first CPU of the run, which is the client's. */
static void open_world(struct world *world, const echo_server *server)
{
    jzx_config config;
    jzx_loop_config loop_config;
    jzx_config_init(&config);
    config.recv_buffers = ECHO_BUFFERS;
    config.recv_buffer_size = ECHO_BUFFER_SIZE;
    world_create(world, &config, 1);
    jzx_loop_config_init(&config, &loop_config);
    loop_config.cpu = server->cpu;
    WORLD_CHECK(jzx_loop_create(world->runtime, &loop_config, &world->loops[world->loop_count++]));
}

void echo_serve_jzx(const echo_server *server)
{
    struct listener self = {.server = server};
    struct world world;
    open_world(&world, server);
    self.runtime = world.runtime;
    self.id = world_spawn(&world, 0, listener, &self);
    world_tell(&world, self.id, TAG_GO);
    world_run(&world);
    world_close(&world);
}
