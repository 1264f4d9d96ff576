/*
 * tcp_echo [port]: sends back what it receives, and copies nothing: the buffer that the kernel received into is kept, sent,
 * and given back when it has left. One actor owns the listener and every connection. When a peer does not read, the loop's
 * receive buffers run out and nothing more is read: right for an echo; jzx-kv pauses each client for itself.
 */
#include <jzx/jzx.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static jzx_runtime *runtime; /* for the signal handler */

static void on_signal(int number)
{
    (void)number;
    jzx_runtime_request_stop(runtime); /* async-signal-safe */
}

static jzx_err echo_init(jzx_context *context, void *argument, void **state)
{
    (void)state;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.port = *(const uint16_t *)argument;
    options.send_max = 16 << 20; /* more than all receive buffers hold, so no send is refused */
    jzx_socket_id listener;
    uint16_t port;
    jzx_err err = jzx_tcp_listen(context, &options, &listener);
    if (err == JZX_OK && (err = jzx_tcp_port(context, listener, &port)) == JZX_OK) {
        printf("tcp_echo: ready on port %u\n", port);
        fflush(stdout);
    }
    return err;
}

static void echo(jzx_context *context, const jzx_tcp_event *event)
{
    jzx_drop_fn drop;
    void *drop_context;
    if (jzx_tcp_keep(context, &drop, &drop_context) != JZX_OK) {
        return;
    }
    void *data = (void *)(uintptr_t)event->data; /* kept: it is ours now, the const was for lent data */
    jzx_err err = jzx_tcp_send_owned(context, event->socket, data, event->size, drop, drop_context);
    if (err != JZX_OK) {
        drop(drop_context, data, event->size);
        jzx_tcp_close(context, event->socket);
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    if (message->tag != JZX_TAG_SYS_TCP) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    const jzx_tcp_event *event = jzx_message_data(message);
    switch (event->kind) {
    case JZX_TCP_ACCEPTED:
        jzx_tcp_read(context, event->peer);
        break;
    case JZX_TCP_DATA:
        echo(context, event);
        break;
    case JZX_TCP_EOF:
        jzx_tcp_close(context, event->socket); /* what is queued still leaves */
        break;
    default:
        break;
    }
    return JZX_BEHAVIOR_OK;
}

int main(int count, char **arguments)
{
    uint16_t port = count > 1 ? (uint16_t)strtoul(arguments[1], NULL, 10) : 0;
    jzx_loop *loop;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    options.init = echo_init;
    options.argument = &port;
    jzx_err err = jzx_runtime_create(NULL, &runtime);
    if (err != JZX_OK || (err = jzx_loop_create(runtime, NULL, &loop)) != JZX_OK ||
        (err = jzx_spawn(jzx_loop_context(loop), &options, NULL)) != JZX_OK) {
        fprintf(stderr, "tcp_echo: %s\n", jzx_strerror(err));
        return 1;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    err = jzx_loop_run(loop);
    jzx_runtime_destroy(runtime);
    return err == JZX_OK ? 0 : 1;
}
