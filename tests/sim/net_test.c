/*
 * net: streams between actors of two loops, over a network that moves bytes in pieces and a kernel that completes in any
 * order, cancels late, runs out of buffers and resets. What comes back is what was sent, from its beginning; each payload
 * is dropped once; every descriptor is closed, also when actors end and the runtime stops in the middle.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <jzx/jzx.h>

#include "src/internal.h"
#include "tests/sim/echo.h"
#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

enum { PORT = 8000, CLIENTS = 3, PIECE_MAX = 900, TAG_GO = 1 };

typedef struct play play;

/* A client, which sends and compares what comes back. */
typedef struct client {
    play *play;
    jzx_actor_id id;
    jzx_socket_id socket; /* 0: gone */
    uint16_t port;
    uint32_t size; /* bytes to send */
    uint32_t sent;
    uint32_t got;
    bool connected;
    bool paused;
    bool refused; /* waits for DRAINED */
    bool over;    /* CLOSED was seen, it has closed, or it has ended */
} client;

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[2];
    echo servers[2]; /* one on each loop */
    client clients[CLIENTS];
    uint32_t count;
    uint32_t owned;   /* payloads handed over */
    uint32_t dropped; /* and destroyed */
    bool hostile;     /* errors, ends and an early stop are drawn */
};

static uint8_t byte_at(uint32_t place)
{
    return (uint8_t)(place * 131 + (place >> 8));
}

static void give_back(void *context, void *data, size_t size)
{
    (void)size;
    ((play *)context)->dropped++;
    free(data);
}

static void close_socket(jzx_context *context, client *self)
{
    if (self->socket != 0) {
        JZX_SIM_REQUIRE(self->play->sim, jzx_tcp_close(context, self->socket) == JZX_OK);
        self->socket = 0;
        self->over = true;
    }
}

static jzx_err send_piece(jzx_context *context, client *self, const uint8_t *bytes, uint32_t size)
{
    play *p = self->play;
    if (sim_chance(p->sim, 512)) {
        return jzx_tcp_send(context, self->socket, bytes, size);
    }
    uint8_t *copy = malloc(size);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, size);
    jzx_err err = jzx_tcp_send_owned(context, self->socket, copy, size, give_back, p);
    if (err == JZX_OK) {
        p->owned++;
    } else {
        free(copy); /* still ours */
    }
    return err;
}

static void send_more(jzx_context *context, client *self)
{
    jzx_sim *sim = self->play->sim;
    uint32_t pieces = sim_between(sim, 1, 8);
    while (self->socket != 0 && !self->refused && self->sent < self->size && pieces-- > 0) {
        uint8_t bytes[PIECE_MAX];
        uint32_t left = self->size - self->sent;
        uint32_t size = sim_between(sim, 1, left < PIECE_MAX ? left : PIECE_MAX);
        for (uint32_t i = 0; i < size; i++) {
            bytes[i] = byte_at(self->sent + i);
        }
        jzx_err err = send_piece(context, self, bytes, size);
        bool dead = err == JZX_ERR_NO_SUCH_SOCKET && self->play->hostile; /* CLOSED is on its way */
        JZX_SIM_REQUIRE(sim, err == JZX_OK || err == JZX_ERR_WOULD_BLOCK || dead);
        self->refused = err != JZX_OK;
        self->sent += err == JZX_OK ? size : 0;
    }
}

static void compare_data(jzx_context *context, client *self, const jzx_tcp_event *event)
{
    for (size_t i = 0; i < event->size; i++) {
        if (self->got + i >= self->sent || event->data[i] != byte_at(self->got + (uint32_t)i)) {
            jzx_sim_fail(self->play->sim, "byte %zu of a stream came back wrong", self->got + i);
        }
    }
    self->got += (uint32_t)event->size;
    if (self->got == self->size) {
        close_socket(context, self);
    }
}

static void stream_event(jzx_context *context, client *self, const jzx_tcp_event *event)
{
    jzx_sim *sim = self->play->sim;
    JZX_SIM_REQUIRE(sim, event->socket == self->socket && !self->over); /* nothing after the last */
    JZX_SIM_REQUIRE(sim, self->connected || (event->kind != JZX_TCP_DATA && event->kind != JZX_TCP_EOF));
    switch ((jzx_tcp_event_kind)event->kind) {
    case JZX_TCP_CONNECTED:
        self->connected = true;
        break;
    case JZX_TCP_DATA:
        compare_data(context, self, event);
        break;
    case JZX_TCP_DRAINED:
        self->refused = false;
        break;
    case JZX_TCP_EOF:
        JZX_SIM_REQUIRE(sim, self->play->hostile);
        close_socket(context, self);
        break;
    case JZX_TCP_CLOSED:
        JZX_SIM_REQUIRE(sim, self->play->hostile && event->error != 0);
        self->over = true;
        self->socket = 0;
        break;
    default:
        jzx_sim_fail(sim, "an event nobody asked for: %u", event->kind);
    }
}

static void again(jzx_context *context, client *self)
{
    jzx_message go = jzx_message_empty(TAG_GO);
    jzx_sim *sim = self->play->sim;
    JZX_SIM_REQUIRE(sim, jzx_timer_after(context, sim_below(sim, 30000), &go, NULL) == JZX_OK);
}

static jzx_behavior_result behavior(jzx_context *context, void *state, const jzx_message *message)
{
    client *self = state;
    if (message->tag == JZX_TAG_SYS_TCP) {
        stream_event(context, self, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    }
    if (self->socket == 0) {
        return JZX_BEHAVIOR_OK;
    }
    send_more(context, self);
    if (self->paused || sim_chance(self->play->sim, 200)) { /* reads with interruptions */
        jzx_err err = self->paused ? jzx_tcp_read(context, self->socket) : jzx_tcp_pause(context, self->socket);
        self->paused = !self->paused && err == JZX_OK;
    }
    if (self->play->hostile && sim_chance(self->play->sim, 20)) {
        return JZX_BEHAVIOR_STOP;
    }
    again(context, self);
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    client *self = argument;
    jzx_sim *sim = self->play->sim;
    jzx_tcp_options options;
    *state = self;
    jzx_tcp_options_init(&options);
    options.port = self->port;
    options.no_delay = false;
    options.send_max = sim_between(sim, 1000, 6000);
    options.idle_ns = JZX_FOREVER;
    options.linger_ns = sim_below(sim, 100000);
    jzx_err err = jzx_tcp_connect(context, &options, &self->socket);
    if (err == JZX_OK) {
        again(context, self);
    }
    return err;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    ((client *)state)->over = true;
}

static void make_client(play *p)
{
    client *self = &p->clients[p->count++];
    *self = (client){.play = p};
    self->size = sim_between(p->sim, 1, 20000);
    self->port = p->servers[sim_below(p->sim, 2)].port;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.init = init;
    options.fini = fini;
    options.argument = self;
    jzx_context *context = jzx_loop_context(p->loops[sim_below(p->sim, 2)]);
    jzx_err err = jzx_spawn(context, &options, &self->id);
    self->over = err != JZX_OK;
    JZX_SIM_REQUIRE(p->sim, err == JZX_OK || p->hostile);
}

static bool all_over(void *argument)
{
    const play *p = argument;
    for (uint32_t i = 0; i < p->count; i++) {
        if (!p->clients[i].over) {
            return false;
        }
    }
    return true;
}

/* What ends connections, and not the machine. */
static void draw_faults(play *p)
{
    static const jzx_sim_fault mild[] = {JZX_SIM_RECV_SHORT, JZX_SIM_SEND_SHORT, JZX_SIM_RECV_NOBUFS};
    static const jzx_sim_fault grave[] = {JZX_SIM_RESET,        JZX_SIM_EPIPE,    JZX_SIM_CONNECT_FAILS,
                                          JZX_SIM_ACCEPT_FAILS, JZX_SIM_FD_LIMIT, JZX_SIM_OP_FAILS};
    for (size_t i = 0; i < JZX__COUNT(mild); i++) {
        p->sim->faults.rates[mild[i]] = sim_below(p->sim, 16384);
    }
    for (size_t i = 0; p->hostile && i < JZX__COUNT(grave); i++) {
        p->sim->faults.rates[grave[i]] = sim_below(p->sim, 1300);
    }
}

static void set_up(play *p)
{
    jzx_config config;
    jzx_config_init(&config);
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.cells = 1024;
    config.mailbox_cap = 32;
    config.actors_max = 16;
    config.sockets_max = 8;
    config.recv_buffers = 2u << sim_below(p->sim, 3);
    config.recv_buffer_size = 512;
    config.send_chunks = sim_between(p->sim, 2, 16);
    config.send_chunk_size = 512;
    JZX_SIM_REQUIRE(p->sim, jzx_runtime_create(&config, &p->runtime) == JZX_OK);
    for (int i = 0; i < 2; i++) {
        jzx_actor_id id;
        JZX_SIM_REQUIRE(p->sim, jzx_loop_create(p->runtime, NULL, &p->loops[i]) == JZX_OK);
        p->servers[i] = (echo){.sim = p->sim, .port = (uint16_t)(PORT + i), .keeps = true};
        p->servers[i].send_max = sim_between(p->sim, 1000, 6000);
        JZX_SIM_REQUIRE(p->sim, echo_spawn(&p->servers[i], p->loops[i], &id) == JZX_OK);
    }
    draw_faults(p);
    uint32_t count = sim_between(p->sim, 1, CLIENTS);
    while (p->count < count) {
        make_client(p);
    }
    for (int i = 0; i < 2; i++) {
        JZX_SIM_REQUIRE(p->sim, jzx_loop_start(p->loops[i]) == JZX_OK);
    }
}

/* When its loop has left: each completion found its record, and what the kernel and handlers were lent is back. */
static void check_loop(const play *p, const jzx_loop *loop)
{
    jzx_counters counters;
    JZX_SIM_REQUIRE(p->sim, jzx_loop_stats(loop, &counters) == JZX_OK && counters.stale_completions == 0);
    JZX_SIM_REQUIRE(p->sim, loop->net.buffers_out == 0 && loop->net.chunks_out == 0 && loop->net.segments_out == 0);
}

static void run_play(play *p)
{
    set_up(p);
    if (jzx_sim_failure(p->sim) != NULL) {
        return;
    }
    if (p->hostile) {
        (void)jzx_sim_advance(p->sim, sim_below(p->sim, 2000000));
    } else if (jzx_sim_run_until(p->sim, all_over, p, 10000000000) == JZX_ERR_TIMEOUT) {
        jzx_sim_fail(p->sim, "a stream stands still");
    }
    if (jzx_sim_failure(p->sim) == NULL) {
        JZX_SIM_REQUIRE(p->sim, jzx_runtime_shutdown(p->runtime, 100000000000, NULL) == JZX_OK);
    }
    for (uint32_t i = 0; i < jzx_runtime_loop_count(p->runtime) && jzx_sim_failure(p->sim) == NULL; i++) {
        check_loop(p, jzx_runtime_loop(p->runtime, i));
    }
    if (jzx_sim_failure(p->sim) == NULL) {
        JZX_SIM_REQUIRE(p->sim, jzx_runtime_destroy(p->runtime) == JZX_OK);
        JZX_SIM_REQUIRE(p->sim, p->owned == p->dropped);
        (void)jzx_sim_check_end(p->sim); /* every descriptor is closed */
    }
    for (uint32_t i = 0; i < p->count; i++) {
        JZX_SIM_REQUIRE(p->sim, p->hostile || p->clients[i].got == p->clients[i].size);
    }
}

static void streams(jzx_sim *sim, void *argument)
{
    static play p;
    (void)argument;
    memset(&p, 0, sizeof p);
    p.sim = sim;
    p.hostile = jzx_sim_seed(sim) % 2 == 0;
    run_play(&p);
}

Test(net, streams_come_back_whole_and_nothing_stays_open, .timeout = 600)
{
    seeds_play("net", streams);
}
