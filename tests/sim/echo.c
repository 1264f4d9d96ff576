/* echo: see echo.h. */
#include "tests/sim/echo.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_MAX = 1000, HELD_PAUSE = 4096 };

typedef struct stream {
    echo *server;
    jzx_socket_id socket; /* 0: none yet, or gone */
    bool full;            /* waits for DRAINED */
    bool paused;
    bool ended;
    uint8_t *held; /* what could not be sent back yet */
    size_t held_size;
    size_t held_room;
} stream;

static bool may(echo *server, uint32_t of_1024)
{
    return jzx_sim_between(server->sim, 0, 1023) < of_1024;
}

static void require(echo *server, bool fact, const char *what)
{
    if (!fact) {
        jzx_sim_fail(server->sim, "echo: %s", what);
    }
}

/* ---- one connection ---- */

static void hold(stream *self, const uint8_t *bytes, size_t size)
{
    if (self->held_size + size > self->held_room) {
        self->held_room = (self->held_size + size) * 2;
        self->held = realloc(self->held, self->held_room);
        if (self->held == NULL) {
            abort();
        }
    }
    memcpy(self->held + self->held_size, bytes, size);
    self->held_size += size;
}

/* What a send has said. False: nothing was taken. */
static bool was_sent(stream *self, jzx_err err)
{
    bool known = err == JZX_OK || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_NO_SUCH_SOCKET;
    require(self->server, known, "a send says what it should not");
    self->full = self->full || err != JZX_OK; /* without a socket a CLOSED is on its way */
    return err == JZX_OK;
}

static void go_on(jzx_context *context, stream *self)
{
    size_t done = 0;
    while (!self->full && done < self->held_size) {
        size_t left = self->held_size - done;
        size_t size = left < PIECE_MAX ? left : PIECE_MAX;
        done += was_sent(self, jzx_tcp_send(context, self->socket, self->held + done, size)) ? size : 0;
    }
    if (done > 0) {
        self->held_size -= done;
        memmove(self->held, self->held + done, self->held_size);
    }
    if (self->held_size > HELD_PAUSE && !self->paused) {
        self->paused = jzx_tcp_pause(context, self->socket) == JZX_OK;
    } else if (self->held_size == 0 && self->paused) {
        self->paused = jzx_tcp_read(context, self->socket) != JZX_OK;
    }
}

/* Sends the buffer back that the bytes lie in. False: they are to be copied. */
static bool send_kept(jzx_context *context, stream *self, const jzx_tcp_event *event)
{
    jzx_drop_fn drop;
    void *drop_context;
    void *data = (void *)(uintptr_t)event->data;
    if (!self->server->keeps || self->held_size > 0 || self->full || !may(self->server, 512)) {
        return false;
    }
    require(self->server, jzx_tcp_keep(context, &drop, &drop_context) == JZX_OK, "a buffer cannot be kept");
    if (was_sent(self, jzx_tcp_send_owned(context, self->socket, data, event->size, drop, drop_context))) {
        return true;
    }
    hold(self, event->data, event->size);
    drop(drop_context, data, event->size);
    return true;
}

static jzx_behavior_result stream_event(jzx_context *context, stream *self, const jzx_tcp_event *event)
{
    require(self->server, self->socket == 0 || event->socket == self->socket, "an event of another's socket");
    self->socket = event->socket;
    switch ((jzx_tcp_event_kind)event->kind) {
    case JZX_TCP_DATA:
        require(self->server, event->size > 0 && !self->ended, "data without bytes, or behind the end");
        self->server->bytes += event->size;
        if (!send_kept(context, self, event)) {
            hold(self, event->data, event->size);
        }
        break;
    case JZX_TCP_DRAINED:
        self->full = false;
        break;
    case JZX_TCP_EOF:
        require(self->server, !self->ended, "a second end");
        self->server->ends++;
        self->ended = true;
        break;
    case JZX_TCP_CLOSED:
        self->server->closed++;
        self->server->closed_error = event->error;
        return JZX_BEHAVIOR_STOP;
    default:
        require(self->server, false, "an event that nobody asked for");
    }
    go_on(context, self);
    /* Stopping closes the socket: what is queued has its time to leave. */
    return self->ended && self->held_size == 0 ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result stream_behavior(jzx_context *context, void *state, const jzx_message *message)
{
    return message->tag == JZX_TAG_SYS_TCP ? stream_event(context, state, jzx_message_data(message)) : JZX_BEHAVIOR_OK;
}

static jzx_err stream_init(jzx_context *context, void *argument, void **state)
{
    stream *self = calloc(1, sizeof *self);
    (void)context;
    if (self == NULL) {
        abort();
    }
    self->server = argument;
    *state = self;
    return JZX_OK;
}

static void stream_fini(jzx_context *context, void *state, const jzx_exit_info *reason)
{
    stream *self = state;
    (void)context;
    (void)reason;
    free(self->held);
    free(self);
}

/* ---- the one that listens ---- */

static void accepted(jzx_context *context, echo *server, jzx_socket_id socket)
{
    jzx_spawn_options options;
    jzx_actor_id id;
    jzx_spawn_options_init(&options);
    options.behavior = stream_behavior;
    options.init = stream_init;
    options.fini = stream_fini;
    options.argument = server;
    server->accepted++;
    if (jzx_spawn(context, &options, &id) != JZX_OK) {
        server->refused++;
        (void)jzx_tcp_close(context, socket);
        return;
    }
    require(server, jzx_tcp_give(context, socket, id) == JZX_OK, "a connection cannot be given away");
}

static jzx_behavior_result behavior(jzx_context *context, void *state, const jzx_message *message)
{
    echo *server = state;
    const jzx_tcp_event *event = message->tag == JZX_TAG_SYS_TCP ? jzx_message_data(message) : NULL;
    if (event != NULL && event->kind == JZX_TCP_ACCEPTED) {
        accepted(context, server, event->peer);
    } else if (event != NULL && event->kind == JZX_TCP_CLOSED) {
        server->listener_closed = event->error;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    echo *server = argument;
    jzx_tcp_options options;
    jzx_socket_id listener;
    jzx_tcp_options_init(&options);
    options.port = server->port;
    options.idle_ns = JZX_FOREVER;
    options.send_max = server->send_max != 0 ? server->send_max : options.send_max;
    *state = server;
    server->listening = jzx_tcp_listen(context, &options, &listener);
    return server->listening;
}

jzx_err echo_spawn(echo *server, jzx_loop *loop, jzx_actor_id *id)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.init = init;
    options.argument = server;
    return jzx_spawn(jzx_loop_context(loop), &options, id);
}
