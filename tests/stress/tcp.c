/*
 * tcp: an echo server on one loop and clients on two others, which connect, send, compare and go, over and over. Then
 * all is stopped with connections in every state.
 */
#include "stress.h"

enum { LOOPS = 3, CLIENTS = 8, VISITS_EACH = 40, CHUNK = 700, CHUNKS = 12, TAG_BEGIN = 1 };

typedef struct client {
    uint64_t random;
    jzx_socket_id socket;
    uint32_t visits;
    size_t sent;
    size_t came;
    size_t wanted;
} client;

static stress_world world;
static client clients[CLIENTS];
static uint16_t port;
static _Atomic(uint32_t) clients_done;
static jzx_socket_id listener;

static uint8_t byte_at(const client *me, size_t place)
{
    return (uint8_t)(me->visits * 31u + place * 7u);
}

/* Sends what there is room for; the rest goes on when the queue has drained. */
static void send_more(jzx_context *context, client *me)
{
    uint8_t data[CHUNK];
    while (me->sent < me->wanted) {
        for (size_t i = 0; i < sizeof data; i++) {
            data[i] = byte_at(me, me->sent + i);
        }
        jzx_err err = jzx_tcp_send(context, me->socket, data, sizeof data);
        if (err == JZX_ERR_WOULD_BLOCK) {
            return;
        }
        CHECK_OK(err);
        me->sent += sizeof data;
    }
}

static void visit(jzx_context *context, client *me)
{
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.port = port;
    options.send_max = 4 * CHUNK;
    me->sent = 0;
    me->came = 0;
    me->wanted = (1 + stress_random(&me->random) % CHUNKS) * CHUNK;
    CHECK_OK(jzx_tcp_connect(context, &options, &me->socket));
}

static void gone(jzx_context *context, client *me)
{
    me->socket = 0;
    me->visits++;
    /* The last to come through stops all, while the others go on. */
    if (me->visits == VISITS_EACH && atomic_fetch_add(&clients_done, 1) + 1 == CLIENTS / 2) {
        CHECK_OK(jzx_runtime_request_stop(world.runtime));
    }
    visit(context, me);
}

static jzx_behavior_result client_behave(jzx_context *context, void *state, const jzx_message *message)
{
    client *me = state;
    if (message->tag == TAG_BEGIN) {
        visit(context, me);
        return JZX_BEHAVIOR_OK;
    }
    CHECK(message->tag == JZX_TAG_SYS_TCP);
    const jzx_tcp_event *event = jzx_message_data(message);
    CHECK(event->socket == me->socket);
    switch ((jzx_tcp_event_kind)event->kind) {
    case JZX_TCP_CONNECTED:
    case JZX_TCP_DRAINED:
        send_more(context, me);
        break;
    case JZX_TCP_DATA:
        for (size_t i = 0; i < event->size; i++) {
            CHECK(event->data[i] == byte_at(me, me->came + i));
        }
        me->came += event->size;
        if (me->came == me->wanted) {
            CHECK_OK(jzx_tcp_close(context, me->socket));
            gone(context, me);
        }
        break;
    case JZX_TCP_CLOSED:
        CHECK(me->came < me->wanted);
        gone(context, me); /* the server went first: it is being stopped */
        break;
    default:
        break;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result server_behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    if (message->tag != JZX_TAG_SYS_TCP) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    const jzx_tcp_event *event = jzx_message_data(message);
    if (event->kind == JZX_TCP_ACCEPTED) {
        CHECK_OK(jzx_tcp_read(context, event->peer));
    } else if (event->kind == JZX_TCP_DATA) {
        CHECK_OK(jzx_tcp_send(context, event->socket, event->data, event->size));
    } else if (event->kind == JZX_TCP_EOF) {
        CHECK_OK(jzx_tcp_close(context, event->socket));
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err server_init(jzx_context *context, void *argument, void **state)
{
    *state = argument;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    jzx_err err = jzx_tcp_listen(context, &options, &listener);
    return err == JZX_OK ? jzx_tcp_port(context, listener, &port) : err;
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    jzx_config config;
    stress_config(&config, LOOPS);
    config.recv_buffers = 16;
    config.recv_buffer_size = 1024;
    stress_open(&world, &config);
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = server_behave;
    options.init = server_init;
    CHECK_OK(jzx_spawn(jzx_loop_context(world.loops[0]), &options, NULL));
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = (client){.random = seed + i};
        uint32_t loop = 1 + i % (LOOPS - 1);
        jzx_actor_id id = stress_spawn(&world, loop, client_behave, &clients[i], 0);
        jzx_message begin = jzx_message_empty(TAG_BEGIN);
        CHECK_OK(jzx_send(jzx_loop_context(world.loops[loop]), id, &begin));
    }
    stress_reader reader;
    stress_start(&world, 1);
    stress_reader_start(&reader, &world);
    CHECK_OK(jzx_loop_run(world.loops[0]));
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    stress_reader_stop(&reader);
    CHECK(atomic_load(&clients_done) >= CLIENTS / 2);
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
