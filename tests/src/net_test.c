/*
 * net_test: TCP through the public API, on a real ring. The peers are plain sockets of the test; the loops run on the
 * test's thread, so every step is the test's. White-box only where it says so: to count receive buffers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sched/loop.h"
#include "tests/support/support.h"

enum { EVENTS = 512, DATA_MAX = 1 << 20, KEPT_MAX = 64, TAG_STUCK = 70 };
static const uint64_t MILLISECOND = 1000000ull;

typedef enum manner {
    LISTEN_ONLY, /* records, does nothing */
    READ,        /* reads what it accepts */
    ECHO_COPY,
    ECHO_KEEP, /* sends the buffer that the data came in */
    KEEP,      /* keeps every buffer */
    FAIL_ON_DATA,
} manner;

typedef struct kept {
    jzx_drop_fn drop;
    void *context;
    void *data;
    size_t size;
} kept;

/* An actor that records what happens to its sockets. */
typedef struct player player;
struct player {
    test_actor actor; /* first: they are one */
    manner manner;
    jzx_tcp_options options;
    uint32_t count;
    jzx_tcp_event events[EVENTS]; /* data is NULL here */
    uint8_t *data;                /* what came, of all sockets */
    size_t size;
    jzx_socket_id listener;
    jzx_socket_id last; /* accepted or connected */
    uint16_t port;
    kept kept[KEPT_MAX];
    uint32_t kept_count;
    uint8_t *payload; /* of errands */
    size_t payload_size;
    jzx_err err; /* of the last errand */
    test_ledger ledger;
    uint32_t let_through; /* so many TAG_STUCK are handled; the next one is yielded, and mail stands still */
    void (*at_data)(jzx_context *context, player *p,
                    jzx_socket_id socket); /* at the next data, while mail stands still */
    jzx_actor_id other;
    int fd;
    bool held;
};

static player *player_of(test_actor *actor)
{
    return (player *)actor;
}

static void keep(jzx_context *context, player *p, const jzx_tcp_event *event, kept *k)
{
    (void)p;
    jzx_err err = jzx_tcp_keep(context, &k->drop, &k->context);
    k->data = (void *)(uintptr_t)event->data;
    k->size = event->size;
    if (err != JZX_OK) {
        abort();
    }
}

static jzx_behavior_result on_data(jzx_context *context, player *p, const jzx_tcp_event *event)
{
    size_t room = DATA_MAX - p->size;
    if (p->at_data != NULL) {
        p->at_data(context, p, event->socket);
        p->at_data = NULL;
    }
    memcpy(p->data + p->size, event->data, event->size < room ? event->size : room);
    p->size += event->size < room ? event->size : room;
    kept k;
    switch (p->manner) {
    case ECHO_COPY:
        p->err = jzx_tcp_send(context, event->socket, event->data, event->size);
        break;
    case ECHO_KEEP:
        keep(context, p, event, &k);
        p->err = jzx_tcp_send_owned(context, event->socket, k.data, k.size, k.drop, k.context);
        if (p->err != JZX_OK) {
            k.drop(k.context, k.data, k.size);
        }
        break;
    case KEEP:
        keep(context, p, event, &p->kept[p->kept_count++]);
        break;
    case FAIL_ON_DATA:
        return JZX_BEHAVIOR_FAIL;
    default:
        break;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result on_message(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    player *p = player_of(actor);
    if (message->tag == TAG_STUCK && p->let_through == 0) {
        return JZX_BEHAVIOR_YIELD;
    }
    if (message->tag != JZX_TAG_SYS_TCP) {
        p->let_through -= message->tag == TAG_STUCK;
        return JZX_BEHAVIOR_OK;
    }
    const jzx_tcp_event *event = jzx_message_data(message);
    if (p->count < (event->kind == JZX_TCP_DATA ? EVENTS / 2 : EVENTS)) {
        p->events[p->count] = *event;
        p->events[p->count].data = NULL;
        p->count++;
    }
    if (event->kind == JZX_TCP_ACCEPTED) {
        p->last = event->peer;
        if (p->manner != LISTEN_ONLY) {
            p->err = jzx_tcp_read(context, event->peer);
        }
    }
    return event->kind == JZX_TCP_DATA ? on_data(context, p, event) : JZX_BEHAVIOR_OK;
}

static player *player_make(manner how)
{
    player *p = calloc(1, sizeof *p);
    cr_assert_not_null(p);
    p->data = malloc(DATA_MAX);
    cr_assert_not_null(p->data);
    p->manner = how;
    p->actor.on = on_message;
    jzx_tcp_options_init(&p->options);
    return p;
}

static void player_free(player *p)
{
    cr_assert_eq(p->ledger.made, p->ledger.dropped + p->ledger.taken, "%lu of %lu payloads are not dropped",
                 (unsigned long)(p->ledger.made - p->ledger.dropped), (unsigned long)p->ledger.made);
    cr_assert_eq(p->ledger.twice, 0);
    free(p->data);
    free(p);
}

static uint32_t count_events(const player *p, uint32_t kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        count += p->events[i].kind == kind;
    }
    return count;
}

static const jzx_tcp_event *find_event(const player *p, uint32_t kind)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->events[i].kind == kind) {
            return &p->events[i];
        }
    }
    return NULL;
}

/* ---- errands, run inside a handler of the player ---- */

static jzx_behavior_result do_listen(jzx_context *context, test_actor *actor, void *argument)
{
    player *p = player_of(actor);
    (void)argument;
    p->err = jzx_tcp_listen(context, &p->options, &p->listener);
    if (p->err == JZX_OK) {
        p->err = jzx_tcp_port(context, p->listener, &p->port);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_connect(jzx_context *context, test_actor *actor, void *argument)
{
    player *p = player_of(actor);
    (void)argument;
    p->err = jzx_tcp_connect(context, &p->options, &p->last);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_send(jzx_context *context, test_actor *actor, void *argument)
{
    player *p = player_of(actor);
    (void)argument;
    p->err = jzx_tcp_send(context, p->last, p->payload, p->payload_size);
    return JZX_BEHAVIOR_OK;
}

/* Payloads of payload_size, counted in the ledger, until one is refused, *argument of them at most. */
static jzx_behavior_result do_send_owned(jzx_context *context, test_actor *actor, void *argument)
{
    player *p = player_of(actor);
    for (uint32_t *left = argument; *left > 0; --*left) {
        jzx_message message = test_payload(&p->ledger, 0, p->payload_size);
        p->err = jzx_tcp_send_owned(context, p->last, message.pointer.data, p->payload_size, message.pointer.drop,
                                    message.pointer.drop_context);
        if (p->err != JZX_OK) {
            (void)test_payload_take(&p->ledger, &message);
            break;
        }
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_pause(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    player_of(actor)->err = jzx_tcp_pause(context, player_of(actor)->last);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_read(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    player_of(actor)->err = jzx_tcp_read(context, player_of(actor)->last);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_close(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    player_of(actor)->err = jzx_tcp_close(context, player_of(actor)->last);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_close_listener(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    player_of(actor)->err = jzx_tcp_close(context, player_of(actor)->listener);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_adopt(jzx_context *context, test_actor *actor, void *argument)
{
    player *p = player_of(actor);
    p->err = jzx_tcp_adopt(context, *(int *)argument, &p->options, &p->last);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_give(jzx_context *context, test_actor *actor, void *argument)
{
    player_of(actor)->err = jzx_tcp_give(context, player_of(actor)->last, *(jzx_actor_id *)argument);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_queued(jzx_context *context, test_actor *actor, void *argument)
{
    *(size_t *)argument = jzx_tcp_queued(context, player_of(actor)->last);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_fail(jzx_context *context, test_actor *actor, void *argument)
{
    (void)context;
    (void)actor;
    (void)argument;
    return JZX_BEHAVIOR_FAIL;
}

static jzx_behavior_result do_give_back(jzx_context *context, test_actor *actor, void *argument)
{
    (void)context;
    (void)argument;
    player *p = player_of(actor);
    for (; p->kept_count > 0; p->kept_count--) {
        kept *k = &p->kept[p->kept_count - 1];
        k->drop(k->context, k->data, k->size);
    }
    return JZX_BEHAVIOR_OK;
}

static void errand(test_world *w, player *p, test_do_fn fn)
{
    test_do(w, &p->actor, fn, NULL);
    cr_assert_eq(p->err, JZX_OK, "%s", jzx_strerror(p->err));
}

static jzx_err errand_fails(test_world *w, player *p, test_do_fn fn)
{
    test_do(w, &p->actor, fn, NULL);
    return p->err;
}

static size_t queued(test_world *w, player *p)
{
    size_t size = 0;
    test_do(w, &p->actor, do_queued, &size);
    return size;
}

/* ---- peers ---- */

static int dial_port(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0, "errno %d", errno);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static int dial(const player *server)
{
    return dial_port(server->port);
}

static void reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* A listener of the test, to connect to. */
static int plain_listener(int backlog, uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 31 + i / 257);
}

static void fill(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        data[i] = pattern(i);
    }
}

static size_t write_some(int fd, const uint8_t *data, size_t size)
{
    ssize_t written = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return written > 0 ? (size_t)written : 0;
}

/* Reads until `size` bytes have come, all of the pattern from `from` on. */
static void expect(test_world *w, int fd, size_t from, size_t size)
{
    static uint8_t data[65536];
    size_t got = 0;
    uint64_t deadline = test_now_ns() + TEST_PATIENCE_S * 1000 * MILLISECOND;
    while (got < size) {
        ssize_t part = recv(fd, data, size - got < sizeof data ? size - got : sizeof data, MSG_DONTWAIT);
        cr_assert_neq(part, 0, "the stream ends after %zu of %zu bytes", got, size);
        cr_assert(part > 0 || errno == EAGAIN, "errno %d after %zu of %zu bytes", errno, got, size);
        cr_assert_lt(test_now_ns(), deadline, "%zu of %zu bytes came", got, size);
        for (ssize_t i = 0; i < part; i++) {
            cr_assert_eq(data[i], pattern(from + got + (size_t)i), "byte %zu", got + (size_t)i);
        }
        got += part > 0 ? (size_t)part : 0;
        test_world_step(w);
    }
}

/* What reading from the peer's end gives next: 0 at the end of the stream, or -errno. Bytes are passed over. */
static int stream_end(test_world *w, int fd)
{
    char bytes[4096];
    ssize_t got;
    test_until(w, (got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) <= 0 && !(got < 0 && errno == EAGAIN));
    return got == 0 ? 0 : -errno;
}

static void open_world(test_world *w, player *p)
{
    test_world_open(w, 1, NULL);
    test_spawn(w, 0, &p->actor);
    errand(w, p, do_listen);
}

static void close_world(test_world *w, player *p)
{
    test_world_close(w);
    player_free(p);
}

/* White-box: receive buffers that are neither with the kernel nor free. */
static uint32_t buffers_out(const test_world *w)
{
    return w->loops[0]->net.buffers_out;
}

static uint64_t sockets(test_world *w)
{
    test_world_step(w);
    return test_count(w, offsetof(jzx_counters, sockets));
}

/* ---- from accept to close ---- */

static void echo_all(manner how, size_t total, size_t piece)
{
    test_world w;
    player *p = player_make(how);
    static uint8_t data[DATA_MAX];
    fill(data, sizeof data);
    p->options.send_max = DATA_MAX;
    open_world(&w, p);
    int fd = dial(p);
    for (size_t sent = 0, got = 0; got < total;) {
        size_t size = total - sent < piece ? total - sent : piece;
        size_t now = size == 0 ? 0 : write_some(fd, data + sent, size);
        sent += now;
        expect(&w, fd, got, sent - got);
        got = sent;
    }
    cr_assert_eq(p->size, total);
    cr_assert_eq(memcmp(p->data, data, total), 0);
    cr_assert_eq(test_count(&w, offsetof(jzx_counters, bytes_in)), total);
    close(fd);
    test_until(&w, count_events(p, JZX_TCP_EOF) == 1);
    cr_assert_eq(count_events(p, JZX_TCP_CLOSED), 0, "after EOF closing is up to the actor");
    errand(&w, p, do_close);
    test_until(&w, sockets(&w) == 1);
    cr_assert_eq(test_count(&w, offsetof(jzx_counters, accepted)), 1);
    cr_assert_eq(test_count(&w, offsetof(jzx_counters, connections_closed)), 1);
    cr_assert_eq(test_count(&w, offsetof(jzx_counters, bytes_out)), total);
    cr_assert_eq(test_count(&w, offsetof(jzx_counters, stale_completions)), 0);
    cr_assert_eq(buffers_out(&w), 0);
    close_world(&w, p);
}

Test(net, echoes_copies, .timeout = 30)
{
    echo_all(ECHO_COPY, 1, 1);
    echo_all(ECHO_COPY, 1000, 64);
    echo_all(ECHO_COPY, 300000, 7001);
}

Test(net, echoes_the_buffers_that_came, .timeout = 30)
{
    echo_all(ECHO_KEEP, 1, 1);
    echo_all(ECHO_KEEP, 1000000, 40000);
}

Test(net, many_connections_do_not_mix, .timeout = 60)
{
    test_world w;
    player *p = player_make(ECHO_COPY);
    enum { MANY = 40, BYTES = 5000 };
    static uint8_t data[MANY + BYTES];
    int fds[MANY];
    size_t sent[MANY] = {0};
    size_t got[MANY] = {0};
    fill(data, sizeof data);
    open_world(&w, p);
    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(p);
    }
    unsigned seed = 7;
    for (size_t whole = 0; whole < (size_t)MANY * BYTES;) {
        int i = rand_r(&seed) % MANY;
        size_t size = (size_t)(rand_r(&seed) % 900) + 1;
        size = BYTES - sent[i] < size ? BYTES - sent[i] : size;
        sent[i] += size != 0 ? write_some(fds[i], data + i + sent[i], size) : 0;
        uint8_t back[1024];
        ssize_t part = recv(fds[i], back, sizeof back, MSG_DONTWAIT);
        for (ssize_t k = 0; k < part; k++) {
            cr_assert_eq(back[k], data[(size_t)i + got[i] + (size_t)k], "connection %d, byte %zu", i, got[i]);
        }
        got[i] += part > 0 ? (size_t)part : 0;
        whole += part > 0 ? (size_t)part : 0;
        test_world_step(&w);
    }
    for (int i = 0; i < MANY; i++) {
        close(fds[i]);
    }
    test_until(&w, count_events(p, JZX_TCP_EOF) == MANY || p->count == EVENTS);
    close_world(&w, p);
}

enum { LISTENERS = 40 };

/* One reference for each connection that was accepted. */
static jzx_behavior_result do_send_to_all(jzx_context *context, test_actor *actor, void *argument)
{
    player *p = player_of(actor);
    jzx_buffer *buffer = argument;
    void *data = (void *)(uintptr_t)jzx_buffer_data(buffer);
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->events[i].kind == JZX_TCP_ACCEPTED) {
            p->err = jzx_tcp_send_owned(context, p->events[i].peer, data, jzx_buffer_size(buffer), jzx_buffer_drop,
                                        jzx_buffer_ref(buffer));
            if (p->err != JZX_OK) {
                jzx_buffer_unref(buffer);
            }
        }
    }
    return JZX_BEHAVIOR_OK;
}

/* Some read it all; the others are reset while they have read nothing. */
Test(net, one_buffer_goes_to_many_sockets, .timeout = 60)
{
    test_world w;
    player *p = player_make(READ);
    enum { BYTES = 300000 };
    static uint8_t data[BYTES];
    int fds[LISTENERS];
    jzx_buffer *buffer;
    fill(data, sizeof data);
    p->options.send_max = DATA_MAX;
    open_world(&w, p);
    for (int i = 0; i < LISTENERS; i++) {
        fds[i] = dial(p);
    }
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == LISTENERS);
    uint64_t blocks = w.memory[JZX_MEMORY_STATE].blocks;
    cr_assert_eq(jzx_buffer_copy(w.runtime, data, sizeof data, &buffer), JZX_OK);
    test_do(&w, &p->actor, do_send_to_all, buffer);
    cr_assert_eq(p->err, JZX_OK, "%s", jzx_strerror(p->err));
    jzx_buffer_unref(buffer); /* the connections have theirs */
    cr_assert_leq(w.memory[JZX_MEMORY_STATE].blocks, blocks + 1, "one, and no copy");
    for (int i = LISTENERS / 2; i < LISTENERS; i++) {
        reset(fds[i]);
    }
    for (int i = 0; i < LISTENERS / 2; i++) {
        for (size_t got = 0; got < sizeof data;) {
            uint8_t back[8192];
            ssize_t part = recv(fds[i], back, sizeof back, MSG_DONTWAIT);
            if (part > 0) {
                cr_assert_eq(memcmp(back, data + got, (size_t)part), 0, "connection %d, byte %zu", i, got);
                got += (size_t)part;
            }
            test_world_step(&w);
        }
        close(fds[i]);
    }
    test_until(&w, w.memory[JZX_MEMORY_STATE].blocks == blocks);
    close_world(&w, p);
}

Test(net, IO_traffic_allocates_nothing_after_warm_up, .timeout = 30)
{
    test_world w;
    player *p = player_make(ECHO_COPY);
    static uint8_t data[1000];
    fill(data, sizeof data);
    open_world(&w, p);
    int fd = dial(p);
    uint64_t calls = 0;
    for (int round = 0; round < 200; round++) {
        if (round == 10) {
            calls = w.memory[0].calls + w.memory[1].calls + w.memory[2].calls;
        }
        cr_assert_eq(write_some(fd, data, sizeof data), sizeof data);
        expect(&w, fd, 0, sizeof data);
    }
    cr_assert_eq(w.memory[0].calls + w.memory[1].calls + w.memory[2].calls, calls);
    close(fd);
    close_world(&w, p);
}

Test(net, listens_on_IPv6, .timeout = 30)
{
    test_world w;
    player *p = player_make(ECHO_COPY);
    p->options.address = "::1";
    test_world_open(&w, 1, NULL);
    test_spawn(&w, 0, &p->actor);
    if (errand_fails(&w, p, do_listen) != JZX_OK) {
        test_world_close(&w);
        cr_skip_test("no IPv6 here");
    }
    player *client = player_make(READ);
    test_spawn(&w, 0, &client->actor);
    client->options.address = "::1";
    client->options.port = p->port;
    errand(&w, client, do_connect);
    test_until(&w, count_events(client, JZX_TCP_CONNECTED) == 1);
    client->payload = (uint8_t *)(uintptr_t) "hello";
    client->payload_size = 5;
    errand(&w, client, do_send);
    test_until(&w, client->size == 5);
    cr_assert_eq(memcmp(client->data, "hello", 5), 0);
    test_world_close(&w);
    player_free(client);
    player_free(p);
}

/* White-box: what a turn asks of the backend first. */
static jzx__backend_ops watched_ops;
static const jzx__backend_ops *real_ops;
static uint32_t brought_in; /* calls of submit() */
static uint32_t sent_off;
static uint32_t in_a_row; /* of send_off(), now and at most */
static uint32_t most_in_a_row;

static jzx_err watched_submit(jzx__backend *backend)
{
    brought_in++;
    in_a_row = 0;
    return real_ops->submit(backend);
}

static jzx_err watched_send_off(jzx__backend *backend)
{
    sent_off++;
    in_a_row++;
    most_in_a_row = in_a_row > most_in_a_row ? in_a_row : most_in_a_row;
    return real_ops->send_off(backend);
}

static jzx_behavior_result mail_itself(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)jzx_send(context, actor->id, message);
    return JZX_BEHAVIOR_OK;
}

/* What waits for a server that is behind waits in the kernel, not in the receive buffers; and nobody waits for ever. */
Test(net, P22_a_loop_that_is_behind_brings_in_every_other_turn, .timeout = 30)
{
    test_world w;
    jzx_config config;
    player *p = player_make(ECHO_COPY);
    player *busy = player_make(READ);
    uint8_t data[100];
    fill(data, sizeof data);
    test_config(&config);
    config.turn_ns = 1000; /* a turn ends at the first look at the clock, with work left */
    test_world_open(&w, 1, &config);
    test_spawn(&w, 0, &p->actor);
    errand(&w, p, do_listen);
    busy->actor.on = mail_itself;
    test_spawn(&w, 0, &busy->actor);
    for (uint32_t i = 0; i < 20; i++) {
        test_send(&w, &busy->actor, 1);
    }
    int fd = dial(p);
    real_ops = w.loops[0]->backend->ops;
    watched_ops = *real_ops;
    watched_ops.submit = watched_submit;
    watched_ops.send_off = watched_send_off;
    w.loops[0]->backend->ops = &watched_ops;
    for (int round = 0; round < 50; round++) {
        cr_assert_eq(write_some(fd, data, sizeof data), sizeof data);
        expect(&w, fd, 0, sizeof data);
    }
    w.loops[0]->backend->ops = real_ops;
    cr_assert_gt(sent_off, 0, "never behind");
    cr_assert_gt(brought_in, 0);
    cr_assert_eq(most_in_a_row, 1);
    close(fd);
    test_world_close(&w);
    player_free(p);
    player_free(busy);
}

/* ---- listening ---- */

Test(net, N8_a_connection_limit_holds_and_lets_the_next_in, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    int fds[5];
    p->options.connections_max = 2;
    open_world(&w, p);
    for (int i = 0; i < 5; i++) {
        fds[i] = dial(p);
    }
    test_world_settle(&w);
    cr_assert_eq(count_events(p, JZX_TCP_ACCEPTED), 2);
    for (uint32_t i = 0; i < 3; i++) {
        p->last = p->events[i].kind == JZX_TCP_ACCEPTED ? p->events[i].peer : p->last;
        errand(&w, p, do_close);
        test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 3 + i);
        test_world_settle(&w);
        cr_assert_eq(count_events(p, JZX_TCP_ACCEPTED), 3 + i);
        cr_assert_eq(sockets(&w), 3, "two and the listener");
    }
    for (int i = 0; i < 5; i++) {
        close(fds[i]);
    }
    close_world(&w, p);
}

Test(net, a_port_that_is_taken_has_an_error_of_its_own, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    open_world(&w, p);
    unsigned fds = test_fd_count();
    p->options.port = p->port;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(errand_fails(&w, p, do_listen), JZX_ERR_ADDRESS_IN_USE);
        cr_assert_eq(jzx_runtime_os_error(w.runtime), EADDRINUSE);
    }
    p->options.address = "192.0.2.1"; /* of documentation: not this machine's */
    p->options.port = 0;
    cr_assert_eq(errand_fails(&w, p, do_listen), JZX_ERR_OS);
    cr_assert_eq(jzx_runtime_os_error(w.runtime), EADDRNOTAVAIL);
    cr_assert_eq(test_fd_count(), fds);
    cr_assert_eq(sockets(&w), 1);
    close_world(&w, p);
}

Test(net, reuse_port_gives_each_loop_a_listener, .timeout = 30)
{
    test_world w;
    player *players[2] = {player_make(READ), player_make(READ)};
    enum { DIALS = 48 };
    int fds[DIALS];
    test_world_open(&w, 2, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&w, i, &players[i]->actor);
        players[i]->options.reuse_port = true;
        players[i]->options.port = players[0]->port;
        errand(&w, players[i], do_listen);
    }
    cr_assert_eq(players[0]->port, players[1]->port);
    for (int i = 0; i < DIALS; i++) {
        fds[i] = dial(players[0]);
    }
    test_until(&w, count_events(players[0], JZX_TCP_ACCEPTED) + count_events(players[1], JZX_TCP_ACCEPTED) == DIALS);
    cr_assert_gt(count_events(players[0], JZX_TCP_ACCEPTED), 0); /* fails once in 2^48 */
    cr_assert_gt(count_events(players[1], JZX_TCP_ACCEPTED), 0);
    for (int i = 0; i < DIALS; i++) {
        close(fds[i]);
    }
    test_world_close(&w);
    player_free(players[0]);
    player_free(players[1]);
}

Test(net, X3_connections_outlive_their_listener, .timeout = 30)
{
    test_world w;
    player *p = player_make(ECHO_COPY);
    uint8_t data[10];
    fill(data, sizeof data);
    open_world(&w, p);
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    errand(&w, p, do_close_listener);
    test_until(&w, sockets(&w) == 1);
    cr_assert_eq(write_some(fd, data, sizeof data), sizeof data);
    expect(&w, fd, 0, sizeof data);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(late, (struct sockaddr *)&to, sizeof to), -1, "nobody listens any more");
    close(late);
    errand(&w, p, do_listen); /* takes the number of the old one, with another generation */
    errand(&w, p, do_close);
    test_until(&w, sockets(&w) == 1);
    close(fd);
    close_world(&w, p);
}

Test(net, sockets_max_closes_what_is_too_much_and_says_so, .timeout = 30)
{
    test_world w;
    jzx_config config;
    player *p = player_make(READ);
    int fds[6];
    test_config(&config);
    config.sockets_max = 4;
    test_world_open(&w, 1, &config);
    test_spawn(&w, 0, &p->actor);
    errand(&w, p, do_listen);
    for (int i = 0; i < 6; i++) {
        fds[i] = dial(p);
    }
    test_until(&w, test_count(&w, offsetof(jzx_counters, accept_failures)) == 3);
    cr_assert_eq(count_events(p, JZX_TCP_ACCEPTED), 3);
    int ended = 0;
    for (int i = 0; i < 6; i++) {
        char byte;
        ended += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0;
        close(fds[i]);
    }
    cr_assert_eq(ended, 3, "three are told at once that they are not wanted");
    p->options.port = 0;
    cr_assert_eq(errand_fails(&w, p, do_listen), JZX_ERR_LIMIT);
    cr_assert_eq(errand_fails(&w, p, do_connect), JZX_ERR_LIMIT);
    close_world(&w, p);
}

Test(net, E1_an_idle_connection_is_closed, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    p->options.idle_ns = 30 * MILLISECOND;
    open_world(&w, p);
    int quiet = dial(p);
    int busy = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 2);
    while (count_events(p, JZX_TCP_CLOSED) == 0) {
        cr_assert_eq(write_some(busy, (const uint8_t *)"x", 1), 1);
        for (size_t before = p->size; p->size == before && count_events(p, JZX_TCP_CLOSED) == 0;) {
            test_world_step(&w);
        }
    }
    const jzx_tcp_event *closed = find_event(p, JZX_TCP_CLOSED);
    cr_assert_eq(closed->error, ETIMEDOUT);
    cr_assert_eq(closed->socket, find_event(p, JZX_TCP_ACCEPTED)->peer);
    cr_assert_eq(stream_end(&w, quiet), 0);
    test_until(&w, count_events(p, JZX_TCP_CLOSED) == 2); /* now the other is quiet */
    test_until(&w, sockets(&w) == 1);
    close(quiet);
    close(busy);
    close_world(&w, p);
}

/* ---- connecting ---- */

Test(net, connect_succeeds_or_says_why_not, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    uint8_t data[100];
    fill(data, sizeof data);
    test_world_open(&w, 1, NULL);
    test_spawn(&w, 0, &p->actor);
    int listener = plain_listener(8, &p->options.port);
    errand(&w, p, do_connect);
    p->payload = data;
    p->payload_size = sizeof data;
    errand(&w, p, do_send); /* queued until it is connected */
    test_until(&w, count_events(p, JZX_TCP_CONNECTED) == 1);
    int fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    expect(&w, fd, 0, sizeof data);
    cr_assert_eq(write_some(fd, data, sizeof data), sizeof data);
    test_until(&w, p->size == sizeof data);
    close(fd);
    close(listener);
    errand(&w, p, do_connect);
    test_until(&w, count_events(p, JZX_TCP_CLOSED) == 1);
    cr_assert_eq(find_event(p, JZX_TCP_CLOSED)->error, ECONNREFUSED);
    cr_assert_eq(find_event(p, JZX_TCP_CLOSED)->socket, p->last);
    cr_assert_eq(errand_fails(&w, p, do_close), JZX_ERR_NO_SUCH_SOCKET, "CLOSED is the last of it");
    close_world(&w, p);
}

Test(net, connect_gives_up_in_time, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    test_world_open(&w, 1, NULL);
    test_spawn(&w, 0, &p->actor);
    int listener = plain_listener(0, &p->options.port); /* has room for one, and answers nobody after that */
    int first = dial_port(p->options.port);
    p->options.connect_ns = 30 * MILLISECOND;
    uint64_t began = test_now_ns();
    errand(&w, p, do_connect);
    test_until(&w, p->count > 0);
    cr_assert_eq(p->events[0].kind, JZX_TCP_CLOSED);
    cr_assert_eq(p->events[0].error, ETIMEDOUT);
    cr_assert_geq(test_now_ns() - began, 30 * MILLISECOND, "never early");
    test_until(&w, sockets(&w) == 0);
    p->options.connect_ns = 10000 * MILLISECOND;
    errand(&w, p, do_connect);
    errand(&w, p, do_close); /* while it is under way */
    test_until(&w, sockets(&w) == 0);
    close(first);
    close(listener);
    close_world(&w, p);
}

static jzx_err init_connects(jzx_context *context, test_actor *actor)
{
    player *p = player_of(actor);
    p->err = jzx_tcp_connect(context, &p->options, &p->last);
    return p->err;
}

static jzx_err init_adopts(jzx_context *context, test_actor *actor)
{
    player *p = player_of(actor);
    p->err = jzx_tcp_adopt(context, *(int *)p->actor.data, &p->options, &p->last);
    return p->err;
}

Test(net, deadlines_count_from_the_call_also_before_the_first_run, .timeout = 30)
{
    test_world w;
    player *connects = player_make(READ);
    player *adopts = player_make(READ);
    int pair[2];
    test_world_open(&w, 1, NULL);
    int listener = plain_listener(8, &connects->options.port);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    connects->actor.on_init = init_connects;
    adopts->actor.on_init = init_adopts;
    adopts->actor.data = &pair[0];
    test_spawn(&w, 0, &connects->actor);
    test_spawn(&w, 0, &adopts->actor);
    test_until(&w, connects->count > 0);
    cr_assert_eq(connects->events[0].kind, JZX_TCP_CONNECTED, "event %u, errno %d", connects->events[0].kind,
                 connects->events[0].error);
    cr_assert_eq(write_some(pair[1], (const uint8_t *)"x", 1), 1);
    test_until(&w, adopts->count > 0);
    cr_assert_eq(adopts->events[0].kind, JZX_TCP_DATA);
    close(pair[1]);
    close(listener);
    test_world_close(&w);
    player_free(connects);
    player_free(adopts);
}

/* ---- receiving ---- */

Test(net, E1_no_buffers_is_a_pause_and_no_error, .timeout = 30)
{
    test_world w;
    jzx_config config;
    player *hoarder = player_make(KEEP);
    player *other = player_make(READ);
    static uint8_t data[40000];
    fill(data, sizeof data);
    test_config(&config);
    config.recv_buffers = 4;
    config.recv_buffer_size = 512;
    test_world_open(&w, 1, &config);
    test_spawn(&w, 0, &hoarder->actor);
    test_spawn(&w, 0, &other->actor);
    errand(&w, hoarder, do_listen);
    errand(&w, other, do_listen);
    int greedy = dial(hoarder);
    int modest = dial(other);
    cr_assert_eq(write_some(greedy, data, 2048), 2048);
    test_until(&w, hoarder->kept_count == 4);
    cr_assert_eq(write_some(modest, data, sizeof data), sizeof data);
    test_until(&w, test_count(&w, offsetof(jzx_counters, recv_starved)) > 0);
    test_world_settle(&w);
    cr_assert_eq(other->size, 0);
    cr_assert_eq(count_events(other, JZX_TCP_CLOSED), 0);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(memcmp(hoarder->kept[i].data, data + i * 512, 512), 0, "a kept buffer is the keeper's");
    }
    uint64_t enters = test_count(&w, offsetof(jzx_counters, enters));
    for (int i = 0; i < 100; i++) {
        test_world_step(&w);
    }
    cr_assert_eq(test_count(&w, offsetof(jzx_counters, enters)), enters, "who starves does not spin");
    errand(&w, hoarder, do_give_back);
    test_until(&w, other->size == sizeof data);
    cr_assert_eq(memcmp(other->data, data, sizeof data), 0);
    close(greedy);
    close(modest);
    test_world_close(&w);
    player_free(hoarder);
    player_free(other);
}

Test(net, X2_a_lent_buffer_goes_back_whatever_the_handler_returns, .timeout = 30)
{
    test_world w;
    player *p = player_make(FAIL_ON_DATA);
    open_world(&w, p);
    int fd = dial(p);
    cr_assert_eq(write_some(fd, (const uint8_t *)"x", 1), 1);
    test_until(&w, p->actor.finis == 1);
    cr_assert_eq(p->actor.exit.kind, JZX_EXIT_FAIL);
    cr_assert_eq(p->actor.exit.tag, JZX_TAG_SYS_TCP);
    cr_assert_eq(stream_end(&w, fd), 0);
    test_until(&w, sockets(&w) == 0);
    cr_assert_eq(buffers_out(&w), 0);
    close(fd);
    close_world(&w, p);
}

Test(net, M42_kept_buffers_on_their_way_out_go_back_when_their_actor_ends, .timeout = 30)
{
    test_world w;
    player *p = player_make(ECHO_KEEP);
    static uint8_t data[100000];
    fill(data, sizeof data);
    p->options.linger_ns = 0;
    p->options.send_max = DATA_MAX;
    open_world(&w, p);
    int fd = dial(p);
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (size_t sent = 0; buffers_out(&w) < 8;) { /* nobody reads: what is echoed stays */
        sent += write_some(fd, data, sizeof data);
        test_world_step(&w);
    }
    test_do(&w, &p->actor, do_fail, NULL);
    test_until(&w, sockets(&w) == 0);
    cr_assert_eq(buffers_out(&w), 0);
    close(fd);
    close_world(&w, p);
}

Test(net, pause_stops_reading_and_read_resumes, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    static uint8_t data[200000];
    fill(data, sizeof data);
    open_world(&w, p);
    int fd = dial(p);
    cr_assert_eq(write_some(fd, data, 10), 10);
    test_until(&w, p->size == 10);
    errand(&w, p, do_pause);
    test_world_settle(&w);
    size_t before = p->size;
    size_t sent = 10 + write_some(fd, data + 10, 5000);
    test_world_settle(&w);
    cr_assert_eq(p->size, before, "read in spite of the pause");
    errand(&w, p, do_pause); /* again: nothing changes */
    errand(&w, p, do_read);
    errand(&w, p, do_read);
    test_until(&w, p->size == sent);
    while (sent < sizeof data) { /* pausing and resuming in mid-stream loses nothing */
        sent += write_some(fd, data + sent, sizeof data - sent < 3000 ? sizeof data - sent : 3000);
        errand(&w, p, do_pause);
        test_world_step(&w);
        errand(&w, p, do_read);
    }
    test_until(&w, p->size == sizeof data);
    cr_assert_eq(memcmp(p->data, data, sizeof data), 0);
    close(fd);
    close_world(&w, p);
}

/*
 * ---- pausing at the high mark: of a mailbox for 16 messages that is at 12, and the low one at 8 ----
 *
 * What stands still is taken out and put back each time, so the mailbox is as often one message shorter.
 */

enum { MARK_CAP = 16, MARK_HIGH = 12, MARK_LOW = 8 };

static void open_marking(test_world *w, player *p)
{
    jzx_spawn_options options;
    p->options.pause_at_high_mark = true;
    test_world_open(w, 1, NULL);
    test_actor_options(&p->actor, &options);
    options.mailbox_cap = MARK_CAP;
    test_spawn_with(w, 0, &p->actor, &options);
    errand(w, p, do_listen);
}

static void steps(test_world *w)
{
    for (uint32_t i = 0; i < 50; i++) { /* it never settles: what stands still is tried again and again */
        test_world_step(w);
    }
}

static void mail(test_world *w, const player *p, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        test_send(w, &p->actor, TAG_STUCK);
    }
}

static void let_through(test_world *w, player *p, uint32_t count)
{
    p->let_through = count;
    test_until(w, p->let_through == 0);
}

/* Writes to the player, who then has it, or has nothing more of it after a while. */
static void arrives(test_world *w, player *p, int fd, size_t size)
{
    static uint8_t data[8192];
    size_t before = p->size;
    cr_assert_eq(write_some(fd, data, size), size);
    test_until(w, p->size == before + size);
}

static void stays_away(test_world *w, player *p, int fd, size_t size)
{
    static uint8_t data[8192];
    size_t before = p->size;
    cr_assert_eq(write_some(fd, data, size), size);
    steps(w);
    cr_assert_eq(p->size, before, "%zu bytes were read in spite of the mark", p->size - before);
}

/* Its connection, by a way of its own, and the other end. */
static int accepted(test_world *w, player *p)
{
    int fd = dial(p);
    test_until(w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    return fd;
}

static int connected(test_world *w, player *p)
{
    int listener = plain_listener(1, &p->options.port);
    errand(w, p, do_connect);
    test_until(w, count_events(p, JZX_TCP_CONNECTED) == 1);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    cr_assert_geq(fd, 0);
    close(listener);
    return fd;
}

static int adopted(test_world *w, player *p)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    test_do(w, &p->actor, do_adopt, &pair[0]);
    cr_assert_eq(p->err, JZX_OK);
    return pair[1];
}

static void pauses_between_the_marks(int (*connect_it)(test_world *w, player *p))
{
    test_world w;
    player *p = player_make(READ);
    open_marking(&w, p);
    int fd = connect_it(&w, p);
    mail(&w, p, MARK_HIGH - 1);
    arrives(&w, p, fd, 10);
    steps(&w);
    arrives(&w, p, fd, 10); /* it is not marked yet */
    mail(&w, p, 1);
    arrives(&w, p, fd, 10); /* the first that finds it marked */
    steps(&w);
    stays_away(&w, p, fd, 5000);
    let_through(&w, p, MARK_HIGH - MARK_LOW - 2);
    steps(&w);
    cr_assert_eq(p->size, 30, "above the low mark");
    let_through(&w, p, 1);
    test_until(&w, p->size == 5030);
    mail(&w, p, MARK_HIGH - MARK_LOW - 1); /* and again */
    arrives(&w, p, fd, 10);
    steps(&w);
    stays_away(&w, p, fd, 100);
    let_through(&w, p, MARK_HIGH);
    test_until(&w, p->size == 5140);
    arrives(&w, p, fd, 10);
    close(fd);
    test_until(&w, count_events(p, JZX_TCP_EOF) == 1);
    close_world(&w, p);
}

Test(net, X4_reading_pauses_at_the_high_mark_and_goes_on_at_the_low_one, .timeout = 30)
{
    pauses_between_the_marks(accepted);
    pauses_between_the_marks(connected);
    pauses_between_the_marks(adopted);
}

Test(net, without_the_option_nothing_pauses, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    cr_assert_not(options.pause_at_high_mark);
    open_marking(&w, p);
    p->options.pause_at_high_mark = false;
    errand(&w, p, do_listen);
    int fd = accepted(&w, p);
    mail(&w, p, MARK_HIGH);
    for (uint32_t i = 0; i < 5; i++) {
        arrives(&w, p, fd, 10);
        steps(&w);
    }
    let_through(&w, p, MARK_HIGH);
    close(fd);
    close_world(&w, p);
}

static void is_it_held(jzx_context *context, player *p, jzx_socket_id socket)
{
    p->held = jzx__socket_held(&jzx__socket_find(context, socket)->socket); /* white-box */
}

Test(net, X4_a_mailbox_for_one_message, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    jzx_spawn_options options;
    p->options.pause_at_high_mark = true;
    test_world_open(&w, 1, NULL);
    test_actor_options(&p->actor, &options);
    options.mailbox_cap = 1;
    test_spawn_with(&w, 0, &p->actor, &options);
    errand(&w, p, do_listen);
    int fd = accepted(&w, p);
    for (uint32_t i = 1; i <= 3; i++) {
        size_t size = p->size;
        mail(&w, p, 1);
        p->at_data = is_it_held;
        p->let_through = 1;
        cr_assert_eq(write_some(fd, (const uint8_t *)"data", 4), 4);
        test_until(&w, p->size == size + 4 && p->let_through == 0);
        cr_assert(p->held, "in the handler of what found it marked");
        cr_assert_eq(w.loops[0]->sockets_held_count, 0);
    }
    close(fd);
    close_world(&w, p);
}

static void pause_it(jzx_context *context, player *p, jzx_socket_id socket)
{
    p->err = jzx_tcp_pause(context, socket);
}

static void read_it(jzx_context *context, player *p, jzx_socket_id socket)
{
    p->err = jzx_tcp_read(context, socket);
}

Test(net, two_reasons_to_pause_must_both_be_over, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    open_marking(&w, p);
    int fd = accepted(&w, p);
    mail(&w, p, MARK_HIGH);
    p->at_data = read_it; /* the user's word does not end the mark's */
    arrives(&w, p, fd, 10);
    cr_assert_eq(p->err, JZX_OK);
    steps(&w);
    stays_away(&w, p, fd, 100);
    let_through(&w, p, MARK_HIGH);
    test_until(&w, p->size == 110);
    mail(&w, p, MARK_HIGH);
    p->at_data = pause_it; /* nor the mark's end the user's */
    arrives(&w, p, fd, 10);
    cr_assert_eq(p->err, JZX_OK);
    steps(&w);
    let_through(&w, p, MARK_HIGH);
    stays_away(&w, p, fd, 100);
    errand(&w, p, do_read);
    test_until(&w, p->size == 220);
    close(fd);
    close_world(&w, p);
}

static void give_it(jzx_context *context, player *p, jzx_socket_id socket)
{
    p->err = jzx_tcp_give(context, socket, p->other);
}

Test(net, X4_after_it_was_given_the_new_owners_mark_counts, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    player *heir = player_make(READ);
    open_marking(&w, p);
    jzx_spawn_options options;
    test_actor_options(&heir->actor, &options);
    options.mailbox_cap = MARK_CAP;
    test_spawn_with(&w, 0, &heir->actor, &options);
    p->other = heir->actor.id;
    heir->other = p->actor.id;
    int fd = accepted(&w, p);
    mail(&w, p, MARK_HIGH);
    p->at_data = give_it; /* held, and given to one that is not marked */
    arrives(&w, p, fd, 10);
    cr_assert_eq(p->err, JZX_OK);
    arrives(&w, heir, fd, 10);
    steps(&w);
    arrives(&w, heir, fd, 10);
    heir->at_data = give_it; /* back to the one that is marked: held at once */
    arrives(&w, heir, fd, 10);
    cr_assert_eq(heir->err, JZX_OK);
    steps(&w);
    stays_away(&w, p, fd, 100);
    cr_assert_eq(heir->size, 30);
    let_through(&w, p, MARK_HIGH);
    test_until(&w, p->size == 110);
    close(fd);
    close_world(&w, p);
    player_free(heir);
}

static void adopt_another(jzx_context *context, player *p, jzx_socket_id socket)
{
    (void)socket;
    p->err = jzx_tcp_adopt(context, p->fd, &p->options, &p->last);
}

Test(net, X4_a_socket_that_begins_while_it_is_marked_reads_nothing, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    int pair[2];
    open_marking(&w, p);
    int fd = accepted(&w, p);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    p->fd = pair[0];
    mail(&w, p, MARK_HIGH);
    p->at_data = adopt_another;
    arrives(&w, p, fd, 10);
    cr_assert_eq(p->err, JZX_OK);
    stays_away(&w, p, pair[1], 100);
    stays_away(&w, p, fd, 100);
    let_through(&w, p, MARK_HIGH);
    test_until(&w, p->size == 210);
    close(fd);
    close(pair[1]);
    close_world(&w, p);
}

static void close_it(jzx_context *context, player *p, jzx_socket_id socket)
{
    p->err = jzx_tcp_close(context, socket);
}

/* In every way: by its actor, by the other end, with its actor, with the runtime. */
Test(net, X4_a_socket_that_is_held_may_end, .timeout = 30)
{
    for (uint32_t how = 0; how < 4; how++) {
        test_world w;
        player *p = player_make(READ);
        open_marking(&w, p);
        int fd = accepted(&w, p);
        mail(&w, p, MARK_HIGH);
        p->at_data = how == 0 ? close_it : NULL;
        arrives(&w, p, fd, 10);
        steps(&w);
        cr_assert_eq(w.loops[0]->sockets_held_count, how == 0 ? 0 : 1); /* white-box */
        if (how == 1) {
            reset(fd);
            let_through(&w, p, MARK_HIGH);
            test_until(&w, count_events(p, JZX_TCP_CLOSED) == 1);
        } else if (how == 2) {
            cr_assert_eq(jzx_kill(jzx_loop_context(w.loops[0]), p->actor.id), JZX_OK);
        }
        if (how != 3) {
            test_until(&w, sockets(&w) == (how == 2 ? 0 : 1)); /* the listener */
            cr_assert_eq(w.loops[0]->sockets_held_count, 0);
        }
        if (how != 1) {
            close(fd);
        }
        close_world(&w, p);
    }
}

Test(net, half_close_ends_reading_and_not_sending, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    static uint8_t data[50000];
    fill(data, sizeof data);
    open_world(&w, p);
    int fd = dial(p);
    cr_assert_eq(write_some(fd, data, 100), 100);
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
    test_until(&w, count_events(p, JZX_TCP_EOF) == 1);
    cr_assert_eq(p->size, 100, "what came before the end comes first");
    cr_assert_eq(p->events[p->count - 1].kind, JZX_TCP_EOF);
    p->payload = data;
    p->payload_size = sizeof data;
    errand(&w, p, do_send);
    expect(&w, fd, 0, sizeof data);
    test_world_settle(&w);
    cr_assert_eq(count_events(p, JZX_TCP_EOF), 1);
    cr_assert_eq(count_events(p, JZX_TCP_CLOSED), 0);
    errand(&w, p, do_close);
    cr_assert_eq(stream_end(&w, fd), 0);
    close(fd);
    close_world(&w, p);
}

/* ---- sending ---- */

Test(net, N5_a_peer_that_does_not_read_is_bounded_and_then_drained, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    static uint8_t data[8000];
    fill(data, sizeof data);
    p->options.send_max = 64000;
    open_world(&w, p);
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    p->payload = data;
    p->payload_size = 64001;
    cr_assert_eq(errand_fails(&w, p, do_send), JZX_ERR_TOO_BIG);
    p->payload_size = sizeof data;
    size_t accepted = 0;
    do {
        while (errand_fails(&w, p, do_send) == JZX_OK) {
            accepted += sizeof data;
            cr_assert_leq(queued(&w, p), 64000);
        }
        cr_assert_eq(p->err, JZX_ERR_WOULD_BLOCK);
        test_world_settle(&w);
    } while (count_events(p, JZX_TCP_DRAINED) > 0 && (p->count = 0, true)); /* the kernel's buffers fill first */
    cr_assert_gt(queued(&w, p), 32000);
    test_world_settle(&w);
    cr_assert_eq(count_events(p, JZX_TCP_DRAINED), 0);
    for (size_t got = 0; got < accepted; got += sizeof data) {
        expect(&w, fd, 0, sizeof data); /* none is lost, none torn */
    }
    test_until(&w, count_events(p, JZX_TCP_DRAINED) == 1);
    cr_assert_eq(queued(&w, p), 0);
    errand(&w, p, do_send);
    expect(&w, fd, 0, sizeof data);
    close(fd);
    close_world(&w, p);
}

Test(net, E1_a_peer_that_never_reads_is_cut_off_when_idle, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    p->options.idle_ns = 50 * MILLISECOND;
    p->options.send_max = 1 << 20;
    p->payload_size = 60000;
    open_world(&w, p);
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    while (count_events(p, JZX_TCP_CLOSED) == 0) {
        uint32_t many = 1000;
        test_do(&w, &p->actor, do_send_owned, &many);
        test_world_step(&w);
    }
    cr_assert_eq(find_event(p, JZX_TCP_CLOSED)->error, ETIMEDOUT);
    test_until(&w, sockets(&w) == 1);
    cr_assert_eq(test_ledger_open(&p->ledger), 0);
    close(fd);
    close_world(&w, p);
}

Test(net, chunks_that_run_out_refuse_and_come_back, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    static uint8_t data[150000];
    fill(data, sizeof data);
    p->options.send_max = 1 << 20;
    open_world(&w, p); /* 64 chunks of 4,096 bytes */
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    p->payload = data;
    p->payload_size = 64 * 4096 + 1;
    cr_assert_eq(errand_fails(&w, p, do_send), JZX_ERR_TOO_BIG, "all chunks together do not hold it");
    p->payload_size = sizeof data;
    size_t sent = 0;
    while (errand_fails(&w, p, do_send) == JZX_OK) {
        sent++;
    }
    cr_assert_eq(p->err, JZX_ERR_WOULD_BLOCK);
    for (size_t i = 0; i < sent; i++) {
        expect(&w, fd, 0, sizeof data);
    }
    test_until(&w, count_events(p, JZX_TCP_DRAINED) >= 1);
    errand(&w, p, do_send);
    expect(&w, fd, 0, sizeof data);
    close(fd);
    close_world(&w, p);
}

/* How a connection with payloads on their way ends. */
typedef enum ending { PEER_RESETS, ACTOR_FAILS, ACTOR_CLOSES, WORLD_STOPS, ENDINGS } ending;

static void end_in_mid_send(ending how, uint64_t linger_ns)
{
    test_world w;
    player *p = player_make(READ);
    p->options.linger_ns = linger_ns;
    p->payload_size = 30000;
    open_world(&w, p);
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    uint32_t many;
    do {
        many = 1000;
        test_do(&w, &p->actor, do_send_owned, &many);
        test_world_settle(&w);
    } while (queued(&w, p) < 130000); /* the kernel takes no more */
    cr_assert_gt(test_ledger_open(&p->ledger), 3);
    switch (how) {
    case PEER_RESETS:
        reset(fd);
        test_until(&w, count_events(p, JZX_TCP_CLOSED) == 1);
        break;
    case ACTOR_FAILS:
        test_do(&w, &p->actor, do_fail, NULL);
        test_until(&w, sockets(&w) == 0);
        break;
    case ACTOR_CLOSES:
        errand(&w, p, do_close);
        test_until(&w, sockets(&w) == 1);
        break;
    default:
        w.fds_before++; /* the peer's end stays open */
        test_world_close(&w);
        cr_assert_eq(test_ledger_open(&p->ledger), 0);
        close(fd);
        player_free(p);
        return;
    }
    cr_assert_eq(test_ledger_open(&p->ledger), 0, "%d: %lu payloads are left", how,
                 (unsigned long)test_ledger_open(&p->ledger));
    if (how != PEER_RESETS) {
        close(fd);
    }
    close_world(&w, p);
}

Test(net, N6_payloads_are_dropped_once_however_the_connection_ends, .timeout = 60)
{
    for (ending how = 0; how < ENDINGS; how++) {
        end_in_mid_send(how, 0);
        end_in_mid_send(how, 20 * MILLISECOND);
    }
}

/* ---- the end ---- */

static void say_goodbye(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    player *p = player_of(actor);
    p->err = jzx_tcp_send(context, p->last, p->payload, p->payload_size);
}

Test(net, what_is_queued_leaves_after_close_and_after_the_actors_end, .timeout = 60)
{
    static uint8_t data[250000];
    fill(data, sizeof data);
    for (int how = 0; how < 3; how++) { /* close; the end of the actor; last words in fini */
        test_world w;
        player *p = player_make(READ);
        p->actor.on_fini = how == 2 ? say_goodbye : NULL;
        p->payload = data;
        p->payload_size = sizeof data;
        open_world(&w, p);
        int fd = dial(p);
        test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
        if (how < 2) {
            errand(&w, p, do_send);
        }
        if (how == 0) {
            errand(&w, p, do_close);
        } else {
            test_do(&w, &p->actor, do_fail, NULL);
        }
        cr_assert_eq(p->err, JZX_OK);
        expect(&w, fd, 0, sizeof data);
        cr_assert_eq(stream_end(&w, fd), 0);
        close(fd);
        close_world(&w, p);
    }
}

/* With input unread the kernel would reset the connection at its close, and forget what it still has to send. */
Test(net, what_is_queued_leaves_also_when_input_is_left_unread, .timeout = 60)
{
    static uint8_t data[250000];
    static uint8_t chatter[1 << 20];
    fill(data, sizeof data);
    for (int how = 0; how < 2; how++) {
        test_world w;
        player *p = player_make(LISTEN_ONLY); /* reads nothing */
        p->payload = data;
        p->payload_size = sizeof data;
        open_world(&w, p);
        int fd = dial(p);
        test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
        cr_assert_gt(write_some(fd, chatter, sizeof chatter), 100000);
        errand(&w, p, do_send);
        if (how == 0) {
            errand(&w, p, do_close);
        } else {
            test_do(&w, &p->actor, do_fail, NULL);
        }
        test_world_settle(&w);
        expect(&w, fd, 0, sizeof data);
        cr_assert_eq(stream_end(&w, fd), 0);
        close(fd);
        close_world(&w, p);
    }
}

Test(net, E1_a_reset_at_any_point_ends_a_connection_once, .timeout = 60)
{
    static uint8_t data[60000];
    fill(data, sizeof data);
    test_world w;
    player *p = player_make(ECHO_COPY);
    open_world(&w, p);
    for (int point = 0; point < 60; point++) {
        uint32_t before = p->count = 0;
        int fd = dial(p);
        size_t size = (size_t)(point % 6) * 7000;
        if (point % 2 == 1) {
            test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
        }
        size_t sent = size != 0 ? write_some(fd, data, size) : 0;
        for (int steps = point % 5; steps > 0; steps--) {
            test_world_step(&w);
        }
        (void)sent;
        reset(fd);
        test_until(&w, count_events(p, JZX_TCP_CLOSED) == 1);
        cr_assert_eq(p->events[p->count - 1].kind, JZX_TCP_CLOSED, "the last of all");
        int error = find_event(p, JZX_TCP_CLOSED)->error;
        cr_assert(error == ECONNRESET || error == EPIPE, "errno %d at point %d", error, point);
        test_until(&w, sockets(&w) == 1);
        cr_assert_eq(buffers_out(&w), 0);
        cr_assert_eq(before, 0);
    }
    cr_assert_eq(test_count(&w, offsetof(jzx_counters, accepted)),
                 test_count(&w, offsetof(jzx_counters, connections_closed)));
    close_world(&w, p);
}

Test(net, P6_sockets_end_with_their_actor, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    int fds[8];
    open_world(&w, p);
    for (int i = 0; i < 8; i++) {
        fds[i] = dial(p);
    }
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 8);
    int late = dial(p); /* perhaps accepted by the kernel and not yet taken */
    test_do(&w, &p->actor, do_fail, NULL);
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(stream_end(&w, fds[i]), 0);
        close(fds[i]);
    }
    int how = stream_end(&w, late);
    cr_assert(how == 0 || how == -ECONNRESET);
    close(late);
    cr_assert_eq(sockets(&w), 0);
    close_world(&w, p);
}

/* ---- giving away ---- */

Test(net, a_socket_is_given_with_the_events_that_wait, .timeout = 30)
{
    test_world w;
    player *from = player_make(LISTEN_ONLY);
    player *to = player_make(ECHO_COPY);
    uint8_t data[100];
    fill(data, sizeof data);
    open_world(&w, from);
    test_spawn(&w, 0, &to->actor);
    int fd = dial(from);
    test_until(&w, count_events(from, JZX_TCP_ACCEPTED) == 1);
    cr_assert_eq(write_some(fd, data, sizeof data), sizeof data);
    test_world_settle(&w);
    cr_assert_eq(from->size, 0, "nothing is read before it is asked for");
    test_do(&w, &from->actor, do_give, &to->actor.id);
    cr_assert_eq(from->err, JZX_OK);
    expect(&w, fd, 0, sizeof data);
    cr_assert_eq(to->size, sizeof data);
    cr_assert_eq(from->count, 1);
    cr_assert_eq(errand_fails(&w, from, do_close), JZX_ERR_NO_SUCH_SOCKET, "it is another's now");
    to->last = from->last;
    test_do(&w, &to->actor, do_give, &to->actor.id); /* to itself: nothing changes */
    cr_assert_eq(to->err, JZX_OK);
    test_do(&w, &from->actor, do_fail, NULL);
    cr_assert_eq(write_some(fd, data, sizeof data), sizeof data);
    expect(&w, fd, 0, sizeof data);
    close(fd);
    test_world_close(&w);
    player_free(from);
    player_free(to);
}

enum { WAITING = 4 };

/* At the first data, the three others are given away while their own data waits in the actor's list. */
typedef struct giver {
    player *p;
    jzx_actor_id to;
    jzx_socket_id sockets[WAITING];
    uint32_t count;
    bool given;
} giver;

static jzx_behavior_result give_the_others(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    giver *g = actor->data;
    const jzx_tcp_event *event = jzx_message_data(message);
    if (message->tag == JZX_TAG_SYS_TCP && event->kind == JZX_TCP_ACCEPTED) {
        g->sockets[g->count++] = event->peer;
    } else if (message->tag == JZX_TAG_SYS_TCP && event->kind == JZX_TCP_DATA && !g->given) {
        g->given = true;
        static const uint32_t ORDER[] = {2, 1, 3, 0}; /* one in the middle of those that wait, then the last ones */
        for (uint32_t i = 0; i < WAITING; i++) {
            jzx_socket_id socket = g->sockets[ORDER[i]];
            if (socket != event->socket) {
                cr_assert_eq(jzx_tcp_give(context, socket, g->to), JZX_OK);
            }
        }
    }
    return on_message(context, actor, message);
}

static jzx_behavior_result do_read_all(jzx_context *context, test_actor *actor, void *argument)
{
    const giver *g = argument;
    (void)actor;
    for (uint32_t i = 0; i < g->count; i++) {
        cr_assert_eq(jzx_tcp_read(context, g->sockets[i]), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(net, sockets_whose_events_wait_in_the_giver_s_list_are_given, .timeout = 30)
{
    test_world w;
    player *from = player_make(LISTEN_ONLY);
    player *to = player_make(READ);
    giver g = {.p = from};
    uint8_t data[100];
    int fds[WAITING];
    fill(data, sizeof data);
    from->actor.on = give_the_others;
    from->actor.data = &g;
    open_world(&w, from);
    test_spawn(&w, 0, &to->actor);
    g.to = to->actor.id;
    for (uint32_t i = 0; i < WAITING; i++) {
        fds[i] = dial(from);
        test_until(&w, g.count == i + 1);
        cr_assert_eq(write_some(fds[i], data, sizeof data), sizeof data);
    }
    test_world_settle(&w);
    test_do(&w, &from->actor, do_read_all, &g);
    test_until(&w, from->size + to->size == WAITING * sizeof data);
    cr_assert_eq(from->size, sizeof data, "that of the one it was told of");
    cr_assert_eq(count_events(to, JZX_TCP_DATA), WAITING - 1);
    for (uint32_t i = 0; i < WAITING; i++) {
        close(fds[i]);
    }
    test_until(&w, count_events(to, JZX_TCP_EOF) == WAITING - 1);
    test_world_close(&w);
    player_free(from);
    player_free(to);
}

static jzx_behavior_result do_stop_and_give(jzx_context *context, test_actor *actor, void *argument)
{
    player *p = player_of(actor);
    jzx_actor_id to = *(jzx_actor_id *)argument;
    cr_assert_eq(jzx_stop(context, to), JZX_OK);
    p->err = jzx_tcp_give(context, p->last, to);
    return JZX_BEHAVIOR_OK;
}

Test(net, a_socket_is_not_given_to_one_that_ends, .timeout = 30)
{
    test_world w;
    player *p = player_make(LISTEN_ONLY);
    test_actor to = {0};
    open_world(&w, p);
    test_spawn(&w, 0, &to);
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    test_do(&w, &p->actor, do_stop_and_give, &to.id);
    cr_assert_eq(p->err, JZX_ERR_STOPPING);
    errand(&w, p, do_close); /* it is still the giver's */
    close(fd);
    close_world(&w, p);
}

static jzx_behavior_result do_port(jzx_context *context, test_actor *actor, void *argument)
{
    player_of(actor)->err = jzx_tcp_port(context, player_of(actor)->last, argument);
    return JZX_BEHAVIOR_OK;
}

Test(net, a_socket_of_another_family_has_no_port, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    int pair[2];
    uint16_t port = 7;
    open_world(&w, p);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    test_do(&w, &p->actor, do_adopt, &pair[0]);
    cr_assert_eq(p->err, JZX_OK);
    test_do(&w, &p->actor, do_port, &port);
    cr_assert_eq(p->err, JZX_ERR_OS);
    cr_assert_eq(port, 7, "it is left as it was");
    errand(&w, p, do_close);
    close(pair[1]);
    close_world(&w, p);
}

Test(net, a_socket_is_not_given_to_who_cannot_have_it, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    player *there = player_make(READ);
    test_world_open(&w, 2, NULL);
    test_spawn(&w, 0, &p->actor);
    test_spawn(&w, 1, &there->actor);
    errand(&w, p, do_listen);
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    test_do(&w, &p->actor, do_give, &there->actor.id);
    cr_assert_eq(p->err, JZX_ERR_ACTOR_NOT_LOCAL);
    jzx_actor_id stale = p->actor.id ^ (1ull << 20);
    test_do(&w, &p->actor, do_give, &stale);
    cr_assert_eq(p->err, JZX_ERR_NO_SUCH_ACTOR);
    jzx_socket_id socket = p->last;
    const jzx_socket_id wrong[] = {0, ~0ull, socket ^ 1, socket ^ (1ull << 50), socket ^ (1ull << 56)};
    for (size_t i = 0; i < JZX__COUNT(wrong); i++) {
        p->last = wrong[i];
        test_do(&w, &p->actor, do_give, &p->actor.id);
        cr_assert_eq(p->err, JZX_ERR_NO_SUCH_SOCKET, "id %zu", i);
    }
    p->last = socket;
    errand(&w, p, do_close);
    close(fd);
    test_world_close(&w);
    player_free(p);
    player_free(there);
}

Test(net, a_descriptor_accepted_elsewhere_is_adopted_on_any_loop, .timeout = 30)
{
    test_world w;
    player *players[2] = {player_make(ECHO_COPY), player_make(ECHO_KEEP)};
    uint8_t data[3000];
    uint16_t port;
    fill(data, sizeof data);
    test_world_open(&w, 2, NULL);
    int listener = plain_listener(8, &port);
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&w, i, &players[i]->actor);
        int client = dial_port(port);
        int fd = accept(listener, NULL, NULL); /* a blocking one, as most come */
        cr_assert_geq(fd, 0);
        test_do(&w, &players[i]->actor, do_adopt, &fd);
        cr_assert_eq(players[i]->err, JZX_OK);
        cr_assert_eq(write_some(client, data, sizeof data), sizeof data);
        expect(&w, client, 0, sizeof data);
        errand(&w, players[i], do_close);
        cr_assert_eq(stream_end(&w, client), 0, "it was the runtime's to close");
        close(client);
    }
    close(listener);
    test_world_close(&w);
    player_free(players[0]);
    player_free(players[1]);
}

/* ---- every argument that is wrong ---- */

typedef struct calls {
    jzx_context *context;
    player *p;
    jzx_err expected;
    uint32_t wrong; /* calls that said something else */
} calls;

static void check(calls *c, jzx_err err)
{
    c->wrong += err != c->expected;
}

/* Each function with good arguments otherwise. */
static void call_all(calls *c)
{
    player *p = c->p;
    jzx_socket_id id = 77;
    uint16_t port = 7;
    jzx_drop_fn drop = NULL;
    void *drop_context = NULL;
    char byte = 0;
    check(c, jzx_tcp_listen(c->context, &p->options, &id));
    check(c, jzx_tcp_connect(c->context, &p->options, &id));
    check(c, jzx_tcp_adopt(c->context, 0, &p->options, &id));
    check(c, jzx_tcp_port(c->context, p->last, &port));
    check(c, jzx_tcp_give(c->context, p->last, p->actor.id));
    check(c, jzx_tcp_read(c->context, p->last));
    check(c, jzx_tcp_pause(c->context, p->last));
    check(c, jzx_tcp_send(c->context, p->last, &byte, 1));
    check(c, jzx_tcp_send_owned(c->context, p->last, &byte, 1, NULL, NULL));
    check(c, jzx_tcp_keep(c->context, &drop, &drop_context));
    check(c, jzx_tcp_close(c->context, p->last));
    c->wrong += jzx_tcp_queued(c->context, p->last) != 0;
    c->wrong += id != 77 || port != 7 || drop != NULL || drop_context != NULL; /* left as they were */
}

static void call_all_here(void *argument)
{
    call_all(argument);
}

static jzx_behavior_result do_lend_context(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    calls *c = argument;
    c->context = context;
    test_on_thread(call_all_here, c);
    return JZX_BEHAVIOR_OK;
}

Test(net, M17_every_call_is_the_owners, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    open_world(&w, p);
    p->last = p->listener;
    calls c = {.p = p, .expected = JZX_ERR_WRONG_THREAD};
    test_do(&w, &p->actor, do_lend_context, &c);
    cr_assert_eq(c.wrong, 0, "another thread: %u calls", c.wrong);
    c = (calls){.p = p, .expected = JZX_ERR_INVALID_ARG, .context = jzx_loop_context(w.loops[0])};
    call_all(&c);
    cr_assert_eq(c.wrong, 0, "the host's context: %u calls", c.wrong);
    c.context = NULL;
    call_all(&c);
    cr_assert_eq(c.wrong, 0, "no context: %u calls", c.wrong);
    cr_assert_eq(sockets(&w), 1);
    close_world(&w, p);
}

typedef struct wrong_ids {
    const jzx_socket_id *ids;
    size_t count;
    uint32_t wrong;
} wrong_ids;

static jzx_behavior_result do_stale(jzx_context *context, test_actor *actor, void *argument)
{
    wrong_ids *w = argument;
    for (size_t i = 0; i < w->count; i++) {
        jzx_socket_id id = w->ids[i];
        uint16_t port;
        char byte = 0;
        const jzx_err results[] = {
            jzx_tcp_port(context, id, &port),
            jzx_tcp_give(context, id, actor->id),
            jzx_tcp_read(context, id),
            jzx_tcp_pause(context, id),
            jzx_tcp_send(context, id, &byte, 1),
            jzx_tcp_send(context, id, NULL, 0),
            jzx_tcp_send_owned(context, id, &byte, 1, NULL, NULL),
            jzx_tcp_close(context, id),
        };
        for (size_t k = 0; k < JZX__COUNT(results); k++) {
            w->wrong += results[k] != JZX_ERR_NO_SUCH_SOCKET;
        }
        w->wrong += jzx_tcp_queued(context, id) != 0;
    }
    return JZX_BEHAVIOR_OK;
}

Test(net, P14_stale_ids_have_no_effect, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    player *other = player_make(READ);
    open_world(&w, p);
    test_spawn(&w, 0, &other->actor);
    errand(&w, other, do_listen);
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    jzx_socket_id closed = p->last;
    errand(&w, p, do_close);
    const jzx_socket_id at_once[] = {closed};
    wrong_ids wrong = {at_once, 1, 0};
    test_do(&w, &p->actor, do_stale, &wrong);
    cr_assert_eq(wrong.wrong, 0, "closing, not yet closed: %u", wrong.wrong);
    test_until(&w, sockets(&w) == 2);
    const jzx_socket_id ids[] = {
        0, 1ull << 32, ~0ull, closed, other->listener, p->listener ^ 1, p->listener ^ (1ull << 56)};
    wrong = (wrong_ids){ids, JZX__COUNT(ids), 0};
    test_do(&w, &p->actor, do_stale, &wrong);
    cr_assert_eq(wrong.wrong, 0, "%u calls", wrong.wrong);
    cr_assert_eq(sockets(&w), 2, "the listeners are untouched");
    close(fd);
    test_world_close(&w);
    player_free(p);
    player_free(other);
}

typedef jzx_err (*begin_fn)(jzx_context *, const jzx_tcp_options *, jzx_socket_id *);

static jzx_err adopt_zero(jzx_context *context, const jzx_tcp_options *options, jzx_socket_id *id)
{
    return jzx_tcp_adopt(context, 0, options, id);
}

/* Counts what does not refuse bad options. */
static jzx_behavior_result do_bad_options(jzx_context *context, test_actor *actor, void *argument)
{
    static const begin_fn BEGIN[] = {jzx_tcp_listen, jzx_tcp_connect, adopt_zero};
    uint32_t *wrong = argument;
    (void)actor;
    for (size_t i = 0; i < JZX__COUNT(BEGIN); i++) {
        jzx_tcp_options good;
        jzx_socket_id id = 5;
        jzx_tcp_options_init(&good);
        jzx_tcp_options bad[9];
        for (size_t k = 0; k < JZX__COUNT(bad); k++) {
            bad[k] = good;
        }
        bad[0].struct_size = 0;
        bad[1].struct_size++;
        bad[2].address = NULL;
        bad[3].address = "localhost";
        bad[4].backlog = 0;
        bad[5].connections_max = 0;
        bad[6].send_max = 0;
        bad[7].idle_ns = 0;
        bad[8].connect_ns = 0;
        for (size_t k = 0; k < JZX__COUNT(bad); k++) {
            *wrong += BEGIN[i](context, &bad[k], &id) != JZX_ERR_INVALID_ARG;
        }
        *wrong += BEGIN[i](context, NULL, &id) != JZX_ERR_INVALID_ARG;
        *wrong += BEGIN[i](context, &good, NULL) != JZX_ERR_INVALID_ARG;
        *wrong += id != 5;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_bad_arguments(jzx_context *context, test_actor *actor, void *argument)
{
    uint32_t *wrong = argument;
    player *p = player_of(actor);
    jzx_drop_fn drop;
    void *drop_context;
    jzx_socket_id id = 5;
    char byte = 0;
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *wrong += jzx_tcp_port(context, p->listener, NULL) != JZX_ERR_INVALID_ARG;
    *wrong += jzx_tcp_send(context, p->last, NULL, 1) != JZX_ERR_INVALID_ARG;
    *wrong += jzx_tcp_send(context, p->last, NULL, 0) != JZX_OK;
    *wrong += jzx_tcp_send(context, p->last, &byte, SIZE_MAX) != JZX_ERR_TOO_BIG;
    *wrong += jzx_tcp_send(context, p->listener, &byte, 1) != JZX_ERR_NO_SUCH_SOCKET;
    *wrong += jzx_tcp_send_owned(context, p->last, NULL, 1, NULL, NULL) != JZX_ERR_INVALID_ARG;
    *wrong += jzx_tcp_send_owned(context, p->last, &byte, 0, NULL, NULL) != JZX_ERR_INVALID_ARG;
    *wrong += jzx_tcp_send_owned(context, p->last, &byte, SIZE_MAX, NULL, NULL) != JZX_ERR_TOO_BIG;
    *wrong += jzx_tcp_keep(context, &drop, &drop_context) != JZX_ERR_INVALID_ARG; /* no data is being handled */
    *wrong += jzx_tcp_keep(context, NULL, &drop_context) != JZX_ERR_INVALID_ARG;
    *wrong += jzx_tcp_keep(context, &drop, NULL) != JZX_ERR_INVALID_ARG;
    *wrong += jzx_tcp_adopt(context, -1, &p->options, &id) != JZX_ERR_INVALID_ARG;
    *wrong += jzx_tcp_adopt(context, 999, &p->options, &id) != JZX_ERR_INVALID_ARG;
    *wrong += jzx_tcp_adopt(context, file, &p->options, &id) != JZX_ERR_INVALID_ARG;
    *wrong += jzx_tcp_adopt(context, datagram, &p->options, &id) != JZX_ERR_INVALID_ARG;
    *wrong += id != 5;
    *wrong += close(file) != 0 || close(datagram) != 0; /* still the caller's */
    return JZX_BEHAVIOR_OK;
}

Test(net, M01_M02_bad_arguments_are_refused, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    uint32_t wrong = 0;
    open_world(&w, p);
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    unsigned fds = test_fd_count();
    test_do(&w, &p->actor, do_bad_options, &wrong);
    cr_assert_eq(wrong, 0, "options: %u", wrong);
    test_do(&w, &p->actor, do_bad_arguments, &wrong);
    cr_assert_eq(wrong, 0, "arguments: %u", wrong);
    cr_assert_eq(test_fd_count(), fds);
    cr_assert_eq(sockets(&w), 2);
    jzx_tcp_options_init(NULL);
    close(fd);
    close_world(&w, p);
}

static jzx_behavior_result keep_twice(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    player *p = player_of(actor);
    const jzx_tcp_event *event = jzx_message_data(message);
    if (message->tag == JZX_TAG_SYS_TCP && event->kind == JZX_TCP_DATA) {
        kept again;
        keep(context, p, event, &p->kept[p->kept_count++]);
        p->err = jzx_tcp_keep(context, &again.drop, &again.context);
    }
    return JZX_BEHAVIOR_OK;
}

static void listen_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    player *p = player_of(actor);
    jzx_socket_id id;
    p->options.port = 0;
    p->err = jzx_tcp_listen(context, &p->options, &id);
}

Test(net, keep_once_and_nothing_new_in_fini, .timeout = 30)
{
    test_world w;
    int pair[2];
    player *p = player_make(READ);
    p->actor.on = keep_twice;
    p->actor.on_fini = listen_in_fini;
    test_world_open(&w, 1, NULL);
    test_spawn(&w, 0, &p->actor);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    test_do(&w, &p->actor, do_adopt, &pair[0]);
    cr_assert_eq(write_some(pair[1], (const uint8_t *)"x", 1), 1);
    test_until(&w, p->kept_count == 1);
    cr_assert_eq(p->err, JZX_ERR_INVALID_ARG, "kept already");
    cr_assert_eq(buffers_out(&w), 1);
    test_do(&w, &p->actor, do_give_back, NULL);
    cr_assert_eq(buffers_out(&w), 0);
    test_do(&w, &p->actor, do_fail, NULL);
    test_until(&w, p->actor.finis == 1);
    cr_assert_eq(p->err, JZX_ERR_STOPPING);
    close(pair[1]);
    close_world(&w, p);
}

/* ---- completions that nobody waits for ---- */

Test(net, M44_X1_stale_completions_are_counted_and_ignored, .timeout = 30)
{
    test_world w;
    player *p = player_make(READ);
    open_world(&w, p);
    int fd = dial(p);
    test_until(&w, count_events(p, JZX_TCP_ACCEPTED) == 1);
    test_world_settle(&w);
    uint32_t events = p->count;
    uint64_t number = p->last & 0x00FFFFFFFFFFFFFFull;
    const uint64_t forged[] = {
        0,                                   /* no kind at all */
        0x7Full << 56 | number,              /* an unknown kind */
        0x13ull << 56 | number,              /* a send of a socket that sends nothing */
        0x15ull << 56 | number,              /* a close of one that is not closing */
        0x12ull << 56 | (number ^ 1),        /* another generation */
        0x12ull << 56 | 0xFFFFFF00000000ull, /* an index that was never used */
        0x20ull << 56 | number,              /* a watch that is not */
        0x21ull << 56 | 1,
    };
    for (size_t i = 0; i < JZX__COUNT(forged); i++) {
        for (int32_t res = -1; res <= 1; res++) {
            jzx__cqe cqe = {.user_data = forged[i], .res = res, .flags = res == 0 ? JZX__CQE_MORE : 0};
            jzx__socket_cqe(w.loops[0], &cqe);
        }
    }
    cr_assert_eq(test_count(&w, offsetof(jzx_counters, stale_completions)), 3 * JZX__COUNT(forged));
    test_world_settle(&w);
    cr_assert_eq(p->count, events);
    cr_assert_eq(write_some(fd, (const uint8_t *)"x", 1), 1);
    test_until(&w, p->size == 1);
    close(fd);
    close_world(&w, p);
}
