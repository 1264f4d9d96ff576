/*
 * peer: a server and clients of actors over the simulated network, with peers at the other end: what arrives is what was
 * sent, each fault of TCP is answered as jzx/net.h says, and nothing stays open, whatever goes wrong and when.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jzx/sim.h>

#include "io/base.h"

#include "tests/sim/echo.h"

enum { PORT = 9000, CLIENTS_MAX = 8, PIECE_MAX = 3000 };
static const uint64_t SECOND = 1000000000;

/* Each play makes a machine of its own kind. JZX_SIM_SEED=n plays that seed alone, JZX_SIM_SEEDS=n sets how many. */
static void play_seeds(const char *(*play)(uint64_t seed), uint64_t seeds)
{
    const char *one = getenv("JZX_SIM_SEED");
    const char *many = getenv("JZX_SIM_SEEDS");
    uint64_t first = one != NULL ? strtoull(one, NULL, 0) : 1;
    uint64_t last = one != NULL ? first : many != NULL ? strtoull(many, NULL, 0) : seeds;
    for (uint64_t seed = first; seed <= last; seed++) {
        const char *wrong = play(seed);
        cr_assert_null(wrong, "seed %llu: %s", (unsigned long long)seed, wrong);
    }
}

/* ---- a machine with a server ---- */

typedef struct stage {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loop;
    echo server;
    jzx_actor_id id;
    jzx_err spawned;
} stage;

static void small_runtime(jzx_config *config)
{
    jzx_config_init(config);
    config->lane_blocks = 2;
    config->inbox_size = 16;
    config->cells = 1024;
    config->mailbox_cap = 64;
    config->actors_max = 64;
    config->sockets_max = 32;
    config->recv_buffers = 8;
    config->recv_buffer_size = 1024;
    config->send_chunks = 32;
    config->send_chunk_size = 1024;
}

static void set_up(stage *s, uint64_t seed, const jzx_sim_config *config)
{
    jzx_config runtime_config;
    memset(s, 0, sizeof *s);
    cr_assert_eq(jzx_sim_create(seed, config, &s->sim), JZX_OK);
    small_runtime(&runtime_config);
    cr_assert_eq(jzx_runtime_create(&runtime_config, &s->runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(s->runtime, NULL, &s->loop), JZX_OK);
    s->server = (echo){.sim = s->sim, .port = PORT};
}

static void start(stage *s)
{
    s->spawned = echo_spawn(&s->server, s->loop, &s->id);
    cr_assert_eq(jzx_loop_start(s->loop), JZX_OK);
}

/* NULL, or what was wrong; static memory. */
static const char *tear_down(stage *s)
{
    static char failure[512];
    failure[0] = '\0';
    if (jzx_sim_failure(s->sim) == NULL) {
        (void)jzx_runtime_shutdown(s->runtime, 100 * SECOND, NULL);
        (void)jzx_runtime_destroy(s->runtime);
        (void)jzx_sim_check_end(s->sim);
    }
    if (jzx_sim_failure(s->sim) != NULL) {
        (void)snprintf(failure, sizeof failure, "%s", jzx_sim_failure(s->sim));
    }
    cr_assert_eq(jzx_sim_destroy(s->sim), JZX_OK);
    return failure[0] != '\0' ? failure : NULL;
}

static void end_well(stage *s)
{
    const char *wrong = tear_down(s);
    cr_assert_null(wrong, "%s", wrong);
}

static void inject(stage *s, jzx_sim_fault fault, uint64_t amount)
{
    jzx_sim_injection injection = {.fault = fault, .times = 1, .amount = amount};
    cr_assert_eq(jzx_sim_inject(s->sim, &injection), JZX_OK);
}

/* ---- a client that sends and compares what comes back ---- */

typedef struct client {
    jzx_sim *sim;
    jzx_sim_peer *peer;
    uint32_t size; /* it sends so much in all, and then ends */
    uint32_t sent;
    uint32_t got;
    uint32_t reset_at; /* it resets when it has got so much; 0: never */
    bool at_once;      /* it sends all before anything has come back */
    bool connected;
    bool ended;
    bool over;
    int error;
} client;

static uint8_t byte_at(uint32_t place)
{
    return (uint8_t)(place * 131 + (place >> 8));
}

static void send_more(client *self)
{
    uint8_t bytes[PIECE_MAX];
    uint32_t left = self->size - self->sent;
    uint32_t size = (uint32_t)jzx_sim_between(self->sim, 0, left < PIECE_MAX ? left : PIECE_MAX);
    size = size == 0 && self->got == self->sent && left > 0 ? 1 : size; /* or nothing ever comes */
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = byte_at(self->sent + i);
    }
    if (size > 0) {
        JZX_SIM_REQUIRE(self->sim, jzx_sim_peer_send(self->peer, bytes, size) == JZX_OK);
    }
    self->sent += size;
    if (self->sent == self->size && !self->ended) {
        JZX_SIM_REQUIRE(self->sim, jzx_sim_peer_end(self->peer) == JZX_OK);
        self->ended = true;
    }
}

static void send_all(client *self)
{
    while (!self->ended) {
        send_more(self);
    }
}

static void on_connected(void *user, jzx_sim_peer *peer, int error)
{
    client *self = user;
    JZX_SIM_REQUIRE(self->sim, peer == self->peer && !self->connected && !self->over);
    self->connected = error == 0;
    self->over = error != 0;
    self->error = error;
    if (error == 0 && self->at_once) {
        send_all(self);
    } else if (error == 0) {
        send_more(self);
    }
}

static void on_data(void *user, jzx_sim_peer *peer, const void *data, size_t size)
{
    client *self = user;
    const uint8_t *bytes = data;
    JZX_SIM_REQUIRE(self->sim, peer == self->peer && self->connected && !self->over && size > 0);
    for (size_t i = 0; i < size; i++) {
        if (self->got + i >= self->sent || bytes[i] != byte_at(self->got + (uint32_t)i)) {
            jzx_sim_fail(self->sim, "byte %zu of a stream came back wrong", self->got + i);
        }
    }
    self->got += (uint32_t)size;
    if (self->reset_at != 0 && self->got >= self->reset_at) {
        JZX_SIM_REQUIRE(self->sim, jzx_sim_peer_reset(self->peer) == JZX_OK);
        JZX_SIM_REQUIRE(self->sim, jzx_sim_peer_send(self->peer, "a", 1) == JZX_ERR_NO_SUCH_SOCKET);
        self->over = true;
        return;
    }
    if (!self->ended) {
        send_more(self);
    }
}

static void on_end(void *user, jzx_sim_peer *peer)
{
    client *self = user;
    JZX_SIM_REQUIRE(self->sim, peer == self->peer && !self->over);
    if (!self->ended) { /* the server gave up first */
        (void)jzx_sim_peer_end(peer);
        self->ended = true;
    }
}

static void on_closed(void *user, jzx_sim_peer *peer, int error)
{
    client *self = user;
    JZX_SIM_REQUIRE(self->sim, peer == self->peer && self->connected && !self->over);
    self->over = true;
    self->error = error;
}

static const jzx_sim_peer_handler CLIENT = {.struct_size = sizeof(jzx_sim_peer_handler),
                                            .connected = on_connected,
                                            .data = on_data,
                                            .end = on_end,
                                            .closed = on_closed};

static void client_connect(stage *s, client *self, uint32_t size)
{
    *self = (client){.sim = s->sim, .size = size};
    cr_assert_eq(jzx_sim_peer_connect(s->sim, "127.0.0.1", PORT, &CLIENT, self, &self->peer), JZX_OK);
}

static bool is_over(void *argument)
{
    return ((const client *)argument)->over;
}

/* One client from its connect to its end. */
static void visit(stage *s, client *self, uint32_t size)
{
    client_connect(s, self, size);
    cr_assert_eq(jzx_sim_run_until(s->sim, is_over, self, 300 * SECOND), JZX_OK);
}

static void visit_well(stage *s, uint32_t size)
{
    client self;
    visit(s, &self, size);
    cr_assert_eq(self.error, 0);
    cr_assert_eq(self.got, size);
}

/* ---- the public calls ---- */

Test(peer, calls_refuse_what_is_wrong, .timeout = 60)
{
    stage s;
    client self = {.over = false};
    jzx_sim_peer *peer = NULL;
    jzx_sim_peer *listener;
    jzx_sim_peer_handler odd = CLIENT;
    odd.struct_size--;
    set_up(&s, 1, NULL);
    start(&s);
    self.sim = s.sim;
    cr_assert_eq(jzx_sim_peer_connect(NULL, "127.0.0.1", PORT, &CLIENT, &self, &peer), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_connect(s.sim, NULL, PORT, &CLIENT, &self, &peer), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_connect(s.sim, "nowhere", PORT, &CLIENT, &self, &peer), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_connect(s.sim, "127.0.0.1", 0, &CLIENT, &self, &peer), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_connect(s.sim, "127.0.0.1", PORT, NULL, &self, &peer), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_connect(s.sim, "127.0.0.1", PORT, &odd, &self, &peer), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_connect(s.sim, "127.0.0.1", PORT, &CLIENT, &self, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_listen(s.sim, "127.0.0.1", PORT, &CLIENT, &self, &peer), JZX_ERR_ADDRESS_IN_USE);
    cr_assert_eq(jzx_sim_peer_listen(s.sim, "127.0.0.1", 0, &CLIENT, &self, &peer), JZX_ERR_INVALID_ARG);
    cr_assert_null(peer);
    cr_assert_eq(jzx_sim_peer_listen(s.sim, "10.1.2.3", PORT, &CLIENT, &self, &listener), JZX_OK);
    cr_assert_eq(jzx_sim_peer_send(listener, "a", 1), JZX_ERR_NO_SUCH_SOCKET);
    cr_assert_eq(jzx_sim_peer_pause(listener, true), JZX_ERR_NO_SUCH_SOCKET);
    cr_assert_eq(jzx_sim_peer_end(listener), JZX_OK);
    cr_assert_eq(jzx_sim_peer_end(listener), JZX_ERR_NO_SUCH_SOCKET);
    client_connect(&s, &self, 10);
    cr_assert_eq(jzx_sim_peer_send(self.peer, "a", 1), JZX_ERR_NO_SUCH_SOCKET); /* not yet */
    cr_assert_eq(jzx_sim_peer_end(self.peer), JZX_ERR_NO_SUCH_SOCKET);
    cr_assert_eq(jzx_sim_peer_send(NULL, "a", 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_send(self.peer, NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_pause(NULL, true), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_end(NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_reset(NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_peer_reset(self.peer), JZX_OK);
    cr_assert_eq(jzx_sim_peer_reset(self.peer), JZX_ERR_NO_SUCH_SOCKET);
    cr_assert_eq(jzx_sim_peer_pause(self.peer, true), JZX_ERR_NO_SUCH_SOCKET);
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert(!self.connected && !self.over); /* no callback after a reset */
    cr_assert_eq(s.server.accepted, 0);
    end_well(&s);
}

Test(peer, a_connect_to_nobody_is_refused, .timeout = 60)
{
    stage s;
    client self = {.over = false};
    set_up(&s, 1, NULL);
    start(&s);
    self.sim = s.sim;
    cr_assert_eq(jzx_sim_peer_connect(s.sim, "127.0.0.1", PORT + 1, &CLIENT, &self, &self.peer), JZX_OK);
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert(self.over);
    cr_assert_eq(self.error, ECONNREFUSED);
    cr_assert_eq(jzx_sim_peer_reset(self.peer), JZX_ERR_NO_SUCH_SOCKET);
    end_well(&s);
}

Test(peer, a_paused_one_fills_the_server_up_and_then_gets_all, .timeout = 60)
{
    stage s;
    client self;
    set_up(&s, 3, NULL);
    start(&s);
    client_connect(&s, &self, 400000);
    cr_assert_eq(jzx_sim_peer_pause(self.peer, true), JZX_OK);
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert(self.connected);
    static uint8_t bytes[400000];
    for (uint32_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = byte_at(i);
    }
    cr_assert_eq(jzx_sim_peer_send(self.peer, bytes + self.sent, self.size - self.sent), JZX_OK);
    cr_assert_eq(jzx_sim_peer_end(self.peer), JZX_OK);
    self.sent = self.size;
    self.ended = true;
    cr_assert_eq(jzx_sim_advance(s.sim, 10 * SECOND), JZX_OK);
    cr_assert_eq(self.got, 0);
    cr_assert_lt(s.server.bytes, 300000); /* its queue, the buffers of both and a window are full */
    cr_assert_gt(s.server.bytes, 65536);
    cr_assert_eq(jzx_sim_peer_pause(self.peer, false), JZX_OK);
    cr_assert_eq(self.got, 0); /* callbacks come only when the machine runs */
    cr_assert_eq(jzx_sim_run_until(s.sim, is_over, &self, 100 * SECOND), JZX_OK);
    cr_assert_eq(self.got, self.size);
    cr_assert_eq(self.error, 0);
    end_well(&s);
}

/* ---- each fault once ---- */

Test(peer, address_taken_is_what_listen_says, .timeout = 60)
{
    stage s;
    for (int occasion = 0; occasion < 2; occasion++) { /* of the bind, and of the listen */
        set_up(&s, 1, NULL);
        jzx_sim_injection injection = {JZX_SIM_ADDRESS_TAKEN, (uint64_t)occasion, 1, 0};
        cr_assert_eq(jzx_sim_inject(s.sim, &injection), JZX_OK);
        start(&s);
        cr_assert_eq(s.server.listening, JZX_ERR_ADDRESS_IN_USE);
        cr_assert_neq(s.spawned, JZX_OK);
        end_well(&s);
    }
}

Test(peer, fd_limit_is_what_listen_says, .timeout = 60)
{
    stage s;
    set_up(&s, 1, NULL);
    inject(&s, JZX_SIM_FD_LIMIT, EMFILE);
    start(&s);
    cr_assert_eq(s.server.listening, JZX_ERR_FD_LIMIT);
    end_well(&s);
}

Test(peer, fd_limit_at_an_accept_turns_one_away_and_rests, .timeout = 60)
{
    stage s;
    client first;
    set_up(&s, 1, NULL);
    start(&s);
    inject(&s, JZX_SIM_FD_LIMIT, EMFILE);
    visit(&s, &first, 100);
    cr_assert_eq(s.server.accepted, 0);
    cr_assert_neq(first.got, 100);
    uint64_t now_ns = jzx_sim_now_ns(s.sim);
    visit_well(&s, 100);
    cr_assert_gt(jzx_sim_now_ns(s.sim) - now_ns, 90000000);
    cr_assert_eq(s.server.accepted, 1);
    end_well(&s);
}

Test(peer, accept_fails_is_of_one_connection, .timeout = 60)
{
    stage s;
    client first;
    set_up(&s, 1, NULL);
    start(&s);
    inject(&s, JZX_SIM_ACCEPT_FAILS, 0);
    visit(&s, &first, 100);
    cr_assert_eq(first.error, ECONNRESET);
    visit_well(&s, 100);
    cr_assert_eq(s.server.accepted, 1);
    cr_assert_eq(s.server.listener_closed, 0);
    end_well(&s);
}

Test(peer, short_transfers_lost_buffers_and_delays_change_nothing, .timeout = 60)
{
    static const jzx_sim_fault faults[] = {JZX_SIM_RECV_SHORT, JZX_SIM_SEND_SHORT, JZX_SIM_RECV_NOBUFS,
                                           JZX_SIM_NET_DELAY};
    for (size_t i = 0; i < JZX__COUNT(faults); i++) {
        stage s;
        set_up(&s, i + 1, NULL);
        start(&s);
        jzx_sim_injection injection = {faults[i], 1, 5, 0};
        cr_assert_eq(jzx_sim_inject(s.sim, &injection), JZX_OK);
        visit_well(&s, 50000);
        cr_assert_eq(jzx_sim_injected(s.sim, faults[i]), 5);
        end_well(&s);
    }
}

Test(peer, a_reset_is_told_to_both, .timeout = 60)
{
    stage s;
    client self;
    set_up(&s, 1, NULL);
    start(&s);
    jzx_sim_injection injection = {JZX_SIM_RESET, 4, 1, 0};
    cr_assert_eq(jzx_sim_inject(s.sim, &injection), JZX_OK);
    visit(&s, &self, 50000);
    cr_assert_eq(self.error, ECONNRESET);
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert_eq(s.server.closed, 1);
    cr_assert_eq(s.server.closed_error, ECONNRESET);
    visit_well(&s, 1000);
    end_well(&s);
}

Test(peer, epipe_is_told_to_the_sender, .timeout = 60)
{
    stage s;
    client self;
    set_up(&s, 1, NULL);
    start(&s);
    inject(&s, JZX_SIM_EPIPE, 0);
    visit(&s, &self, 50000);
    cr_assert_eq(self.error, ECONNRESET);
    cr_assert_eq(s.server.closed, 1);
    cr_assert_eq(s.server.closed_error, EPIPE);
    visit_well(&s, 1000);
    end_well(&s);
}

Test(peer, one_that_resets_is_a_reset_for_the_server, .timeout = 60)
{
    stage s;
    client self;
    set_up(&s, 1, NULL);
    start(&s);
    client_connect(&s, &self, 100000);
    self.reset_at = 5000;
    cr_assert_eq(jzx_sim_run_until(s.sim, is_over, &self, 100 * SECOND), JZX_OK);
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert_eq(s.server.closed, 1);
    cr_assert(s.server.closed_error == ECONNRESET || s.server.closed_error == EPIPE);
    end_well(&s);
}

/* ---- an actor that answers at length and goes away ---- */

enum { ANSWER = 100000 };

typedef struct hasty {
    jzx_sim *sim;
    jzx_socket_id socket;
    bool asked;
    bool closes; /* when the kernel has all of the answer */
} hasty;

static uint8_t answer[ANSWER];

static jzx_behavior_result hasty_behavior(jzx_context *context, void *state, const jzx_message *message)
{
    hasty *self = state;
    const jzx_tcp_event *event = message->tag == JZX_TAG_SYS_TCP ? jzx_message_data(message) : NULL;
    if (event != NULL && event->kind == JZX_TCP_ACCEPTED) {
        self->socket = event->peer;
        JZX_SIM_REQUIRE(self->sim, jzx_tcp_read(context, event->peer) == JZX_OK);
    } else if (event != NULL && event->kind == JZX_TCP_DATA && !self->asked) {
        self->asked = true;
        JZX_SIM_REQUIRE(self->sim, jzx_tcp_pause(context, self->socket) == JZX_OK);
        JZX_SIM_REQUIRE(self->sim, jzx_tcp_send_owned(context, self->socket, answer, ANSWER, NULL, NULL) == JZX_OK);
    }
    if (self->asked && jzx_tcp_queued(context, self->socket) == 0 && self->closes) {
        return JZX_BEHAVIOR_STOP;
    }
    jzx_message again = jzx_message_empty(1);
    if (event == NULL || event->kind == JZX_TCP_ACCEPTED) {
        JZX_SIM_REQUIRE(self->sim, jzx_timer_after(context, 1000000, &again, NULL) == JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err hasty_init(jzx_context *context, void *argument, void **state)
{
    jzx_tcp_options options;
    jzx_socket_id listener;
    jzx_tcp_options_init(&options);
    options.port = PORT;
    *state = argument;
    return jzx_tcp_listen(context, &options, &listener);
}

/* With input unread a kernel resets at a close, and forgets what it has still to send: so that is thrown away first. */
Test(peer, an_answer_arrives_though_its_sender_closed_with_input_unread, .timeout = 60)
{
    stage s;
    jzx_actor_id id;
    jzx_spawn_options options;
    set_up(&s, 1, NULL);
    hasty server = {.sim = s.sim};
    client self;
    for (uint32_t i = 0; i < ANSWER; i++) {
        answer[i] = byte_at(i);
    }
    jzx_spawn_options_init(&options);
    options.behavior = hasty_behavior;
    options.init = hasty_init;
    options.argument = &server;
    cr_assert_eq(jzx_spawn(jzx_loop_context(s.loop), &options, &id), JZX_OK);
    cr_assert_eq(jzx_loop_start(s.loop), JZX_OK);
    client_connect(&s, &self, ANSWER + 100000);
    cr_assert_eq(jzx_sim_peer_pause(self.peer, true), JZX_OK);
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert_eq(jzx_sim_peer_send(self.peer, answer, 1000), JZX_OK); /* which nobody will read */
    self.sent = self.size;
    self.ended = true;
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert(server.asked);
    server.closes = true;
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert_eq(self.got, 0);
    cr_assert_eq(jzx_sim_peer_pause(self.peer, false), JZX_OK);
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert_eq(self.got, ANSWER);
    cr_assert_eq(self.error, 0);
    end_well(&s);
}

/* ---- an actor that listens anew ---- */

typedef struct anew {
    jzx_sim *sim;
    jzx_socket_id listener;
    uint32_t times;
} anew;

static jzx_err listen_anew(jzx_context *context, anew *self)
{
    jzx_message again = jzx_message_empty(1);
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.port = PORT;
    jzx_err err = jzx_tcp_listen(context, &options, &self->listener);
    self->times += err == JZX_OK ? 1 : 0;
    return err != JZX_OK ? err : jzx_timer_after(context, 1000000, &again, NULL);
}

static jzx_behavior_result anew_behavior(jzx_context *context, void *state, const jzx_message *message)
{
    anew *self = state;
    if (message->tag == 1) {
        JZX_SIM_REQUIRE(self->sim, jzx_tcp_close(context, self->listener) == JZX_OK);
        JZX_SIM_REQUIRE(self->sim, listen_anew(context, self) == JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err anew_init(jzx_context *context, void *argument, void **state)
{
    *state = argument;
    return listen_anew(context, argument);
}

static const char *closes_and_listens(uint64_t seed)
{
    stage s;
    jzx_actor_id id;
    jzx_spawn_options options;
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    config.tick_max_ns = 2000;
    set_up(&s, seed, &config);
    anew server = {.sim = s.sim};
    jzx_spawn_options_init(&options);
    options.behavior = anew_behavior;
    options.init = anew_init;
    options.argument = &server;
    cr_assert_eq(jzx_spawn(jzx_loop_context(s.loop), &options, &id), JZX_OK);
    cr_assert_eq(jzx_loop_start(s.loop), JZX_OK);
    client clients[24];
    for (size_t i = 0; i < JZX__COUNT(clients); i++) { /* most are about to be let in when it closes */
        client_connect(&s, &clients[i], 100);
        (void)jzx_sim_advance(s.sim, jzx_sim_between(s.sim, 0, 60000));
    }
    (void)jzx_sim_advance(s.sim, 10000000);
    for (size_t i = 0; i < JZX__COUNT(clients); i++) { /* let in, or turned away: none waits */
        JZX_SIM_REQUIRE(s.sim, clients[i].connected || clients[i].error == ECONNREFUSED);
    }
    JZX_SIM_REQUIRE(s.sim, server.times >= 10);
    return tear_down(&s);
}

Test(peer, a_listener_that_closes_gives_its_port_up_at_once, .timeout = 600)
{
    play_seeds(closes_and_listens, 500);
}

/* ---- an actor that connects to a peer ---- */

typedef struct caller {
    jzx_sim *sim;
    jzx_tcp_options options;
    uint32_t got;
    bool connected;
    bool ended;
    int closed;
} caller;

static jzx_behavior_result caller_behavior(jzx_context *context, void *state, const jzx_message *message)
{
    caller *self = state;
    const jzx_tcp_event *event = message->tag == JZX_TAG_SYS_TCP ? jzx_message_data(message) : NULL;
    if (event == NULL) {
        return JZX_BEHAVIOR_OK;
    }
    switch ((jzx_tcp_event_kind)event->kind) {
    case JZX_TCP_CONNECTED:
        self->connected = true;
        JZX_SIM_REQUIRE(self->sim, jzx_tcp_send(context, event->socket, "hello", 5) == JZX_OK);
        break;
    case JZX_TCP_DATA:
        self->got += (uint32_t)event->size;
        break;
    case JZX_TCP_EOF:
        self->ended = true;
        return JZX_BEHAVIOR_STOP;
    case JZX_TCP_CLOSED:
        self->closed = event->error;
        break;
    default:
        jzx_sim_fail(self->sim, "an event that nobody asked for");
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err caller_init(jzx_context *context, void *argument, void **state)
{
    caller *self = argument;
    jzx_socket_id socket;
    *state = self;
    return jzx_tcp_connect(context, &self->options, &socket);
}

static void call(stage *s, caller *self, const char *address)
{
    jzx_spawn_options options;
    jzx_actor_id id;
    *self = (caller){.sim = s->sim};
    jzx_tcp_options_init(&self->options);
    self->options.address = address;
    self->options.port = PORT;
    jzx_spawn_options_init(&options);
    options.behavior = caller_behavior;
    options.init = caller_init;
    options.argument = self;
    cr_assert_eq(jzx_spawn(jzx_loop_context(s->loop), &options, &id), JZX_OK);
    cr_assert_eq(jzx_loop_start(s->loop), JZX_OK);
}

typedef struct host {
    jzx_sim *sim;
    uint32_t accepted;
    uint32_t got;
    uint32_t ends;
    uint32_t closed;
    bool resets; /* in the middle of the callback that it was accepted in */
} host;

static void host_accepted(void *user, jzx_sim_peer *listener, jzx_sim_peer *peer)
{
    host *self = user;
    self->accepted++;
    JZX_SIM_REQUIRE(self->sim, listener != peer);
    JZX_SIM_REQUIRE(self->sim, jzx_sim_peer_end(listener) == JZX_OK); /* one is enough */
    if (self->resets) {
        JZX_SIM_REQUIRE(self->sim, jzx_sim_peer_reset(peer) == JZX_OK);
    } else {
        JZX_SIM_REQUIRE(self->sim, jzx_sim_peer_send(peer, "welcome", 7) == JZX_OK);
    }
}

static void host_data(void *user, jzx_sim_peer *peer, const void *data, size_t size)
{
    host *self = user;
    (void)data;
    self->got += (uint32_t)size;
    if (self->got == 5) {
        JZX_SIM_REQUIRE(self->sim, jzx_sim_peer_end(peer) == JZX_OK);
    }
}

static void host_end(void *user, jzx_sim_peer *peer)
{
    (void)peer;
    ((host *)user)->ends++;
}

static void host_closed(void *user, jzx_sim_peer *peer, int error)
{
    host *self = user;
    JZX_SIM_REQUIRE(self->sim, error == 0 && jzx_sim_peer_send(peer, "a", 1) == JZX_ERR_NO_SUCH_SOCKET);
    self->closed++;
}

static const jzx_sim_peer_handler HOST = {.struct_size = sizeof(jzx_sim_peer_handler),
                                          .accepted = host_accepted,
                                          .data = host_data,
                                          .end = host_end,
                                          .closed = host_closed};

Test(peer, one_that_listens_talks_to_an_actor_and_ends, .timeout = 60)
{
    static const char *const addresses[] = {"127.0.0.1", "::1", "10.20.30.40"};
    for (size_t i = 0; i < JZX__COUNT(addresses); i++) {
        stage s;
        caller self;
        jzx_sim_peer *listener;
        set_up(&s, 1, NULL);
        host peers = {.sim = s.sim};
        cr_assert_eq(jzx_sim_peer_listen(s.sim, addresses[i], PORT, &HOST, &peers, &listener), JZX_OK);
        call(&s, &self, addresses[i]);
        cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
        cr_assert(self.connected && self.ended);
        cr_assert_eq(self.got, 7);
        cr_assert_eq(peers.accepted, 1);
        cr_assert_eq(peers.got, 5);
        cr_assert_eq(peers.ends, 1);
        cr_assert_eq(peers.closed, 1);
        end_well(&s);
    }
}

Test(peer, one_may_reset_in_the_callback_that_it_came_in, .timeout = 60)
{
    stage s;
    caller self;
    jzx_sim_peer *listener;
    set_up(&s, 1, NULL);
    host peers = {.sim = s.sim, .resets = true};
    cr_assert_eq(jzx_sim_peer_listen(s.sim, "127.0.0.1", PORT, &HOST, &peers, &listener), JZX_OK);
    call(&s, &self, "127.0.0.1");
    cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
    cr_assert(self.connected);
    cr_assert_eq(self.closed, ECONNRESET);
    cr_assert_eq(peers.closed, 0);
    end_well(&s);
}

Test(peer, a_connect_that_fails_is_what_closed_says, .timeout = 60)
{
    static const int errors[] = {ECONNREFUSED, ETIMEDOUT, ENETUNREACH};
    for (size_t i = 0; i < JZX__COUNT(errors); i++) {
        stage s;
        caller self;
        jzx_sim_peer *listener;
        set_up(&s, 1, NULL);
        host peers = {.sim = s.sim};
        cr_assert_eq(jzx_sim_peer_listen(s.sim, "127.0.0.1", PORT, &HOST, &peers, &listener), JZX_OK);
        inject(&s, JZX_SIM_CONNECT_FAILS, (uint64_t)errors[i]);
        call(&s, &self, "127.0.0.1");
        cr_assert_eq(jzx_sim_advance(s.sim, SECOND), JZX_OK);
        cr_assert(!self.connected);
        cr_assert_eq(self.closed, errors[i]);
        cr_assert_eq(peers.accepted, 0);
        end_well(&s);
    }
}

/* ---- whatever goes wrong ---- */

typedef struct play {
    stage stage;
    client clients[CLIENTS_MAX];
    uint32_t count;
    bool harmless; /* no fault that a connection, or an actor, does not survive */
} play;

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

static void draw_rates(play *p, jzx_sim_config *config, uint64_t seed)
{
    static const jzx_sim_fault mild[] = {JZX_SIM_RECV_SHORT, JZX_SIM_SEND_SHORT,    JZX_SIM_RECV_NOBUFS,
                                         JZX_SIM_NET_DELAY,  JZX_SIM_MULTISHOT_END, JZX_SIM_LATE,
                                         JZX_SIM_SQ_FULL,    JZX_SIM_CQ_OVERFLOW,   JZX_SIM_ENTER_EINTR};
    static const jzx_sim_fault grave[] = {JZX_SIM_RESET, JZX_SIM_EPIPE, JZX_SIM_ACCEPT_FAILS, JZX_SIM_FD_LIMIT,
                                          JZX_SIM_OP_FAILS};
    p->harmless = seed % 3 == 0;
    config->swarm = seed % 3 == 2; /* everything, also what no socket has to do with */
    for (size_t i = 0; seed % 3 != 2 && i < JZX__COUNT(mild); i++) {
        config->rates[mild[i]] = (uint32_t)(jzx__mix(seed * 64 + i) % 2 == 0 ? jzx__mix(seed * 65 + i) % 8192 : 0);
    }
    for (size_t i = 0; seed % 3 == 1 && i < JZX__COUNT(grave); i++) {
        config->rates[grave[i]] = (uint32_t)(jzx__mix(seed * 66 + i) % 2 == 0 ? jzx__mix(seed * 67 + i) % 4096 : 0);
    }
}

static bool try_set_up(play *p, uint64_t seed)
{
    jzx_sim_config config;
    jzx_config runtime_config;
    stage *s = &p->stage;
    jzx_sim_config_init(&config);
    draw_rates(p, &config, seed);
    config.tick_max_ns = 200;
    config.trace_max = getenv("JZX_TRACE") != NULL ? 64u << 20 : 0;
    cr_assert_eq(jzx_sim_create(seed, &config, &s->sim), JZX_OK);
    small_runtime(&runtime_config);
    runtime_config.recv_buffers = 2u << jzx_sim_between(s->sim, 0, 3);
    runtime_config.send_chunks = (uint32_t)jzx_sim_between(s->sim, 2, 16);
    s->server = (echo){.sim = s->sim, .port = PORT, .keeps = true};
    s->server.send_max = (uint32_t)jzx_sim_between(s->sim, 1500, 9000);
    if (jzx_runtime_create(&runtime_config, &s->runtime) != JZX_OK) {
        return false;
    }
    if (jzx_loop_create(s->runtime, NULL, &s->loop) != JZX_OK) {
        return false;
    }
    s->spawned = echo_spawn(&s->server, s->loop, &s->id);
    return jzx_loop_start(s->loop) == JZX_OK;
}

/* Peers come, pause, and go on; what goes wrong goes wrong; then all is well again, and everything must come to its end. */
static void run_play(play *p)
{
    stage *s = &p->stage;
    uint32_t count = (uint32_t)jzx_sim_between(s->sim, 1, CLIENTS_MAX);
    for (; p->count < count; p->count++) {
        client *one = &p->clients[p->count];
        bool at_once = jzx_sim_between(s->sim, 0, 7) == 0; /* more than all that lies between it and the server */
        uint32_t size = (uint32_t)jzx_sim_between(s->sim, 1, at_once ? 200000 : 20000);
        client_connect(s, one, size);
        one->at_once = at_once;
        bool resets = !p->harmless && jzx_sim_between(s->sim, 0, 7) == 0;
        one->reset_at = resets ? (uint32_t)jzx_sim_between(s->sim, 1, size) : 0;
        (void)jzx_sim_advance(s->sim, jzx_sim_between(s->sim, 0, 200000));
    }
    for (int i = 0; i < 20 && jzx_sim_failure(s->sim) == NULL && !all_over(p); i++) {
        client *one = &p->clients[jzx_sim_between(s->sim, 0, p->count - 1)];
        bool pauses = jzx_sim_between(s->sim, 0, 1) == 0;
        (void)jzx_sim_peer_pause(one->peer, pauses); /* it may be gone */
        (void)jzx_sim_run_until(s->sim, all_over, p, jzx_sim_between(s->sim, 0, 3000000));
    }
    if (!p->harmless && jzx_sim_between(s->sim, 0, 3) == 0) {
        while (p->count < CLIENTS_MAX) {
            client_connect(s, &p->clients[p->count++], 100);
        }
        (void)jzx_sim_advance(s->sim, jzx_sim_between(s->sim, 0, 400000));
        return; /* it is stopped in the middle of all that, while it accepts */
    }
    (void)jzx_sim_heal(s->sim);
    for (uint32_t i = 0; i < p->count; i++) {
        (void)jzx_sim_peer_pause(p->clients[i].peer, false);
    }
    if (jzx_sim_run_until(s->sim, all_over, p, 100 * SECOND) == JZX_ERR_TIMEOUT) {
        jzx_sim_fail(s->sim, "a stream stands still");
    }
    for (uint32_t i = 0; p->harmless && i < p->count; i++) {
        JZX_SIM_REQUIRE(s->sim, p->clients[i].error == 0 && p->clients[i].got == p->clients[i].size);
    }
}

static uint64_t last_hash; /* of the last play's trace */

static const char *streams(uint64_t seed)
{
    static play p;
    memset(&p, 0, sizeof p);
    if (try_set_up(&p, seed)) {
        run_play(&p);
    }
    if (getenv("JZX_TRACE") != NULL) {
        (void)fputs(jzx_sim_trace_text(p.stage.sim), stderr);
    }
    last_hash = jzx_sim_trace_hash(p.stage.sim);
    return tear_down(&p.stage);
}

Test(peer, streams_come_back_whole_and_nothing_stays_open, .timeout = 600)
{
    play_seeds(streams, 2000);
}

Test(peer, a_seed_gives_the_same_run, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        const char *first_wrong = streams(seed);
        uint64_t first = last_hash;
        cr_assert_null(first_wrong, "%s", first_wrong);
        void *away = malloc(10000 + seed); /* addresses are others now */
        cr_assert_null(streams(seed));
        cr_assert_eq(last_hash, first, "seed %llu", (unsigned long long)seed);
        free(away);
        if (getenv("JZX_HASHES") != NULL) {
            (void)printf("hash %llu %llx\n", (unsigned long long)seed, (unsigned long long)first);
        }
    }
}
