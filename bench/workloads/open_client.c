/* open_client.c: see open_client.h. */
#include "workloads/open_client.h"

#include "support/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, IN_SIZE = 65536, ASKED_LEAST = 64 };

static const uint64_t silence_ns = 20000000000; /* a server that answers nothing for so long has failed */

/* A request without its answer. */
struct asked {
    uint64_t number;
    uint64_t due_ns;
};

struct connection {
    int fd;
    /* What its socket has not taken yet. */
    uint8_t *out;
    size_t out_begin;
    size_t out_end;
    size_t out_room;
    /* A ring of what waits for its answer, in order. */
    struct asked *asked;
    uint64_t asked_begin;
    uint64_t asked_end;
    uint64_t asked_room; /* a power of two */
    /* The beginning of an answer. */
    size_t in_size;
    uint8_t in[IN_SIZE];
};

struct open_client {
    jzx_bench *bench;
    const open_protocol *protocol;
    int epoll;
    uint32_t count;
    uint32_t turn;    /* the connection that sends next */
    uint32_t blocked; /* connections whose socket is full */
    uint64_t number;  /* of the next request */
    uint64_t answered;
    uint64_t last_ns; /* when something was answered */
    uint64_t left;    /* requests of a flood still to be sent */
    bool recording;
    struct connection *connections;
};

/* ---- sending ---- */

static void *grow(void *memory, size_t size)
{
    void *larger = realloc(memory, size);
    BENCH_CHECK(larger != NULL, "out of memory");
    return larger;
}

/* Room for one request more, behind what is left. */
static uint8_t *out_room(struct connection *connection)
{
    if (connection->out_begin == connection->out_end) {
        connection->out_begin = 0;
        connection->out_end = 0;
    }
    if (connection->out_room - connection->out_end < OPEN_REQUEST_MAX) {
        connection->out_room = 2 * connection->out_room + 4 * OPEN_REQUEST_MAX;
        connection->out = grow(connection->out, connection->out_room);
    }
    return connection->out + connection->out_end;
}

static void asked_push(struct connection *connection, struct asked asked)
{
    if (connection->asked_end - connection->asked_begin == connection->asked_room) {
        uint64_t room = connection->asked_room == 0 ? ASKED_LEAST : 2 * connection->asked_room;
        struct asked *larger = grow(NULL, room * sizeof *larger);
        for (uint64_t i = connection->asked_begin; i < connection->asked_end; i++) {
            larger[i & (room - 1)] = connection->asked[i & (connection->asked_room - 1)];
        }
        free(connection->asked);
        connection->asked = larger;
        connection->asked_room = room;
    }
    connection->asked[connection->asked_end++ & (connection->asked_room - 1)] = asked;
}

/* Gives the socket what it takes. Returns whether that was all. */
static bool flush(struct connection *connection)
{
    size_t size = connection->out_end - connection->out_begin;
    ssize_t sent = send(connection->fd, connection->out + connection->out_begin, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    BENCH_CHECK(sent >= 0 || errno == EAGAIN, "the client cannot send: %s", strerror(errno));
    connection->out_begin += sent > 0 ? (size_t)sent : 0;
    return connection->out_begin == connection->out_end;
}

static void ask(open_client *client, struct connection *connection, uint64_t due_ns)
{
    bool was_blocked = connection->out_begin < connection->out_end;
    uint8_t *request = out_room(connection);
    connection->out_end += client->protocol->make(client->number, request);
    asked_push(connection, (struct asked){client->number++, due_ns});
    if (!was_blocked) {
        client->blocked += !flush(connection);
    }
}

static void flush_blocked(open_client *client)
{
    for (uint32_t i = 0; i < client->count && client->blocked > 0; i++) {
        struct connection *connection = &client->connections[i];
        if (connection->out_begin < connection->out_end) {
            client->blocked -= flush(connection);
        }
    }
}

/* ---- answers ---- */

static void take_answer(open_client *client, struct connection *connection, uint64_t now_ns)
{
    const struct asked *asked = &connection->asked[connection->asked_begin++ & (connection->asked_room - 1)];
    if (client->recording) {
        jzx_bench_latency(client->bench, now_ns - asked->due_ns);
    }
    client->answered++;
    client->last_ns = now_ns;
    if (client->left > 0) {
        client->left--;
        ask(client, connection, now_ns);
    }
}

static void read_answers(open_client *client, struct connection *connection)
{
    ssize_t got = recv(connection->fd, connection->in + connection->in_size, IN_SIZE - connection->in_size,
                       MSG_DONTWAIT);
    BENCH_CHECK(got > 0 || (got < 0 && errno == EAGAIN), "the server has closed a connection");
    uint64_t now_ns = jzx_bench_now_ns();
    size_t end = connection->in_size + (got > 0 ? (size_t)got : 0);
    size_t begin = 0;
    while (begin < end) {
        BENCH_CHECK(connection->asked_begin < connection->asked_end, "the server answers what was not asked");
        uint64_t number = connection->asked[connection->asked_begin & (connection->asked_room - 1)].number;
        size_t size = client->protocol->take(number, connection->in + begin, end - begin);
        BENCH_CHECK(size != OPEN_WRONG, "the answer to request %llu is wrong", (unsigned long long)number);
        if (size == 0) {
            break;
        }
        begin += size;
        take_answer(client, connection, now_ns);
    }
    memmove(connection->in, connection->in + begin, end - begin);
    connection->in_size = end - begin;
}

/* ---- both ways ---- */

/* Sends what is due until now. */
static void send_due(open_client *client, jzx_bench_load *load, uint64_t *next_ns)
{
    while (*next_ns != 0 && *next_ns <= jzx_bench_now_ns()) {
        struct connection *connection = &client->connections[client->turn];
        client->turn = client->turn + 1 == client->count ? 0 : client->turn + 1;
        ask(client, connection, *next_ns);
        jzx_bench_load_sent(load);
        *next_ns = jzx_bench_load_due(load);
    }
}

/* Takes all answers that are there; what has become due meanwhile goes first. `load` may be NULL. */
static void poll_answers(open_client *client, jzx_bench_load *load, uint64_t *next_ns)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(client->epoll, events, EVENTS, 0);
    BENCH_CHECK(count >= 0 || errno == EINTR, "epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        read_answers(client, events[i].data.ptr);
        if (load != NULL) {
            send_due(client, load, next_ns);
        }
    }
    if (client->blocked > 0) {
        flush_blocked(client);
    }
    BENCH_CHECK(count > 0 || jzx_bench_now_ns() - client->last_ns < silence_ns, "the server answers nothing any more");
}

double open_client_flood(open_client *client, const open_protocol *protocol, uint64_t requests)
{
    uint64_t began_ns = jzx_bench_now_ns();
    uint64_t end = client->answered + requests;
    client->protocol = protocol;
    client->last_ns = began_ns;
    client->left = requests;
    for (uint32_t i = 0; i < client->count && client->left > 0; i++) {
        client->left--;
        ask(client, &client->connections[i], began_ns);
    }
    while (client->answered < end) {
        poll_answers(client, NULL, NULL);
    }
    return (double)requests * 1e9 / (double)(jzx_bench_now_ns() - began_ns);
}

void open_client_load(open_client *client, const open_protocol *protocol, double capacity, double share)
{
    jzx_bench_load load;
    uint64_t end = client->answered + jzx_bench_count(client->bench);
    client->protocol = protocol;
    client->recording = true;
    client->last_ns = jzx_bench_now_ns();
    jzx_bench_load_init(&load, client->bench, capacity, share);
    uint64_t next_ns = jzx_bench_load_due(&load);
    while (client->answered < end) {
        send_due(client, &load, &next_ns);
        poll_answers(client, &load, &next_ns);
    }
    client->recording = false;
    jzx_bench_load_end(&load);
}

uint64_t open_client_answered(const open_client *client)
{
    return client->answered;
}

/* ---- set-up ---- */

static void open_connection(open_client *client, struct connection *connection, uint16_t port)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    BENCH_CHECK(connection->fd >= 0, "the client has no socket: %s", strerror(errno));
    BENCH_CHECK(connect(connection->fd, (struct sockaddr *)&address, sizeof address) == 0,
                "the client cannot connect: %s", strerror(errno));
    BENCH_CHECK(setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "no TCP_NODELAY");
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = connection}};
    BENCH_CHECK(epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0, "epoll_ctl: %s", strerror(errno));
}

open_client *open_client_create(jzx_bench *bench, uint16_t port, uint32_t connections, uint64_t first)
{
    open_client *client = calloc(1, sizeof *client);
    BENCH_CHECK(client != NULL, "out of memory");
    client->bench = bench;
    client->number = first;
    client->count = connections;
    client->connections = calloc(connections, sizeof *client->connections);
    BENCH_CHECK(client->connections != NULL, "out of memory");
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    BENCH_CHECK(client->epoll >= 0, "epoll: %s", strerror(errno));
    for (uint32_t i = 0; i < connections; i++) {
        open_connection(client, &client->connections[i], port);
    }
    return client;
}

void open_client_destroy(open_client *client)
{
    for (uint32_t i = 0; i < client->count; i++) {
        close(client->connections[i].fd);
        free(client->connections[i].out);
        free(client->connections[i].asked);
    }
    close(client->epoll);
    free(client->connections);
    free(client);
}
