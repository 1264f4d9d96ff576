/* net: TCP sockets of actors. */
#include <errno.h>

#include "src/internal.h"

void jzx_tcp_options_init(jzx_tcp_options *options)
{
    if (options == NULL) {
        return;
    }
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->address = "127.0.0.1";
    options->no_delay = true;
    options->backlog = 1024;
    options->connections_max = 10000;
    options->send_max = 262144;
    options->idle_ns = 60000000000u;
    options->connect_ns = 10000000000u;
    options->linger_ns = 5000000000u;
}

static jzx_err translate(const jzx_tcp_options *options, jzx__socket_options *out)
{
    if (options == NULL || options->struct_size != sizeof *options || options->address == NULL ||
        options->backlog < 1 || options->connections_max == 0 || options->send_max == 0 || options->idle_ns == 0 ||
        options->connect_ns == 0) {
        return JZX_ERR_INVALID_ARG;
    }
    memset(out, 0, sizeof *out);
    if (jzx__address_parse(options->address, options->port, out) != 0) {
        return JZX_ERR_INVALID_ARG;
    }
    out->backlog = options->backlog;
    out->reuse_port = options->reuse_port;
    out->no_delay = options->no_delay;
    out->connections_max = options->connections_max;
    out->send_max = options->send_max;
    out->idle_ns = options->idle_ns;
    out->connect_ns = options->connect_ns;
    out->linger_ns = options->linger_ns;
    out->pause_at_high_mark = options->pause_at_high_mark;
    return JZX_OK;
}

static jzx_err start(jzx_context *context, jzx__socket_begin begin, int fd, const jzx_tcp_options *options,
                     jzx_socket_id *id)
{
    jzx__socket_options translated;
    jzx_err err = jzx__check_living(context);
    if (err == JZX_OK) {
        err = id == NULL ? JZX_ERR_INVALID_ARG : translate(options, &translated);
    }
    return err == JZX_OK ? jzx__socket_start(context, begin, fd, &translated, id) : err;
}

jzx_err jzx_tcp_listen(jzx_context *context, const jzx_tcp_options *options, jzx_socket_id *listener)
{
    return start(context, JZX__BEGIN_LISTEN, -1, options, listener);
}

jzx_err jzx_tcp_connect(jzx_context *context, const jzx_tcp_options *options, jzx_socket_id *socket)
{
    return start(context, JZX__BEGIN_CONNECT, -1, options, socket);
}

jzx_err jzx_tcp_adopt(jzx_context *context, int fd, const jzx_tcp_options *options, jzx_socket_id *socket)
{
    return fd < 0 ? JZX_ERR_INVALID_ARG : start(context, JZX__BEGIN_ADOPT, fd, options, socket);
}

/* The record of a socket of this actor. */
static jzx_err find(jzx_context *context, jzx_socket_id id, jzx__socket_record **record)
{
    jzx_err err = jzx__check_actor(context);
    if (err != JZX_OK) {
        return err;
    }
    *record = jzx__socket_find(context, id);
    return *record == NULL ? JZX_ERR_NO_SUCH_SOCKET : JZX_OK;
}

jzx_err jzx_tcp_port(jzx_context *context, jzx_socket_id socket, uint16_t *port)
{
    jzx__socket_record *record;
    jzx_err err = port == NULL ? JZX_ERR_INVALID_ARG : find(context, socket, &record);
    if (err == JZX_OK && jzx__socket_port(&record->socket, port) != 0) {
        err = JZX_ERR_OS;
    }
    return err;
}

jzx_err jzx_tcp_give(jzx_context *context, jzx_socket_id socket, jzx_actor_id to)
{
    jzx__socket_record *record;
    jzx_err err = find(context, socket, &record);
    if (err != JZX_OK) {
        return err;
    }
    jzx_loop *loop = context->loop;
    if (jzx__id_loop(to) != loop->index) {
        return JZX_ERR_ACTOR_NOT_LOCAL;
    }
    uint32_t index = jzx__slot_find(&loop->slots, to);
    if (index == JZX__SLOT_NONE) {
        return JZX_ERR_NO_SUCH_ACTOR;
    }
    if (jzx__public(loop, index)->state > JZX__RUNNING) {
        return JZX_ERR_STOPPING;
    }
    jzx__socket_give_away(loop, record, index);
    return JZX_OK;
}

jzx_err jzx_tcp_read(jzx_context *context, jzx_socket_id socket)
{
    jzx__socket_record *record;
    jzx_err err = find(context, socket, &record);
    if (err == JZX_OK) {
        jzx__socket_read(&context->loop->net, &record->socket, JZX__PAUSED_BY_USER);
    }
    return err;
}

jzx_err jzx_tcp_pause(jzx_context *context, jzx_socket_id socket)
{
    jzx__socket_record *record;
    jzx_err err = find(context, socket, &record);
    if (err == JZX_OK) {
        jzx__socket_pause(&context->loop->net, &record->socket, JZX__PAUSED_BY_USER);
    }
    return err;
}

static jzx_err sent(int result)
{
    switch (result) {
    case 0:
        return JZX_OK;
    case -EAGAIN:
        return JZX_ERR_WOULD_BLOCK;
    case -EMSGSIZE:
        return JZX_ERR_TOO_BIG;
    default:
        return JZX_ERR_NO_SUCH_SOCKET;
    }
}

jzx_err jzx_tcp_send(jzx_context *context, jzx_socket_id socket, const void *data, size_t size)
{
    jzx__socket_record *record;
    jzx_err err = find(context, socket, &record);
    if (err != JZX_OK) {
        return err;
    }
    if (size == 0) {
        return JZX_OK;
    }
    return data == NULL ? JZX_ERR_INVALID_ARG
                        : sent(jzx__socket_send_copy(&context->loop->net, &record->socket, data, size));
}

jzx_err jzx_tcp_send_owned(jzx_context *context, jzx_socket_id socket, void *data, size_t size, jzx_drop_fn drop,
                           void *drop_context)
{
    jzx__socket_record *record;
    jzx_err err = find(context, socket, &record);
    if (err != JZX_OK) {
        return err;
    }
    if (data == NULL || size == 0) {
        return JZX_ERR_INVALID_ARG;
    }
    return sent(jzx__socket_send_owned(&context->loop->net, &record->socket, data, size, drop, drop_context));
}

static void give_back(void *context, void *data, size_t size)
{
    jzx__net *net = context;
    (void)size;
    jzx__net_buffer_give(net, (uint32_t)((size_t)((uint8_t *)data - net->buffers) / net->buffer_bytes));
    jzx__loop_touch(jzx__container_of(net, jzx_loop, net)); /* one that starved for it may read again */
}

jzx_err jzx_tcp_keep(jzx_context *context, jzx_drop_fn *drop, void **drop_context)
{
    jzx_err err = jzx__check_actor(context);
    if (err != JZX_OK) {
        return err;
    }
    if (drop == NULL || drop_context == NULL || context->buffer == JZX__NO_BUFFER) {
        return JZX_ERR_INVALID_ARG;
    }
    context->buffer = JZX__NO_BUFFER;
    *drop = give_back;
    *drop_context = &context->loop->net;
    return JZX_OK;
}

size_t jzx_tcp_queued(jzx_context *context, jzx_socket_id socket)
{
    jzx__socket_record *record;
    return find(context, socket, &record) == JZX_OK ? record->socket.send_queued : 0;
}

jzx_err jzx_tcp_close(jzx_context *context, jzx_socket_id socket)
{
    jzx__socket_record *record;
    jzx_err err = find(context, socket, &record);
    if (err == JZX_OK) {
        jzx__socket_let_go(context->loop, record);
    }
    return err;
}
