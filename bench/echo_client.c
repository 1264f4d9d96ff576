/*
 * echo_client.c: the load of the echo bench, the same for all servers: one request in flight on each connection, on a
 * ring with DEFER_TASKRUN. Each request is a send and a receive of the whole reply, submitted together.
 */
#include "bench.h"
#include "echo.h"

#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SENT = UINT16_MAX };

struct connection {
    int fd;
    uint64_t number; /* of the request in flight: makes each payload differ from the last */
    uint8_t *request;
    uint8_t *reply;
};

struct client {
    const echo_load *load;
    struct io_uring ring;
    struct connection *connections;
    uint64_t requests;
};

static int open_connection(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    BENCH_CHECK(fd >= 0, "the client has no socket");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BENCH_CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "the client cannot connect");
    int one = 1;
    BENCH_CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "no TCP_NODELAY");
    return fd;
}

static struct io_uring_sqe *take_entry(struct client *client)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&client->ring);
    if (entry == NULL) {
        BENCH_CHECK(io_uring_submit(&client->ring) >= 0, "the client cannot submit");
        entry = io_uring_get_sqe(&client->ring);
    }
    BENCH_CHECK(entry != NULL, "the client's ring is full");
    return entry;
}

static void ask(struct client *client, uint32_t index)
{
    struct connection *connection = &client->connections[index];
    uint32_t size = client->load->size;
    connection->number++;
    memcpy(connection->request, &connection->number, sizeof connection->number);
    memcpy(connection->request + size - sizeof connection->number, &connection->number, sizeof connection->number);

    struct io_uring_sqe *entry = take_entry(client);
    io_uring_prep_send(entry, connection->fd, connection->request, size, MSG_WAITALL | MSG_NOSIGNAL);
    io_uring_sqe_set_data64(entry, SENT);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry = take_entry(client);
    io_uring_prep_recv(entry, connection->fd, connection->reply, size, MSG_WAITALL);
    io_uring_sqe_set_data64(entry, index);
}

static void open_client(struct client *client, const echo_load *load, uint16_t port)
{
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 4096,
    };
    memset(client, 0, sizeof *client);
    client->load = load;
    int result = io_uring_queue_init_params(1024, &client->ring, &parameters);
    BENCH_CHECK(result == 0, "io_uring: %s", strerror(-result));
    client->connections = calloc(load->connections, sizeof *client->connections);
    BENCH_CHECK(client->connections != NULL, "out of memory");
    for (uint32_t i = 0; i < load->connections; i++) {
        struct connection *connection = &client->connections[i];
        connection->fd = open_connection(port);
        connection->number = (uint64_t)i << 32;
        connection->request = malloc(load->size);
        connection->reply = malloc(load->size);
        BENCH_CHECK(connection->request != NULL && connection->reply != NULL, "out of memory");
        memset(connection->request, (int)(i & 0xff), load->size);
    }
    for (uint32_t i = 0; i < load->connections; i++) {
        ask(client, i);
    }
}

static void take_reply(struct client *client, const struct io_uring_cqe *completion)
{
    BENCH_CHECK(completion->user_data != SENT, "a send of the client ended with %d", completion->res);
    uint32_t index = (uint32_t)completion->user_data;
    struct connection *connection = &client->connections[index];
    BENCH_CHECK(completion->res == (int)client->load->size, "a reply of the server ended with %d", completion->res);
    BENCH_CHECK(memcmp(connection->request, connection->reply, client->load->size) == 0, "the echo differs");
    client->requests++;
    ask(client, index);
}

/* Keeps all connections busy until a moment. Returns the mark of its end. */
static echo_mark run_until(struct client *client, uint64_t until_ns)
{
    uint64_t now_ns;
    while ((now_ns = bench_now_ns()) < until_ns) {
        int result = io_uring_submit_and_wait(&client->ring, 1);
        BENCH_CHECK(result >= 0, "the client cannot wait: %s", strerror(-result));
        struct io_uring_cqe *completion;
        unsigned head;
        unsigned count = 0;
        io_uring_for_each_cqe(&client->ring, head, completion) {
            take_reply(client, completion);
            count++;
        }
        io_uring_cq_advance(&client->ring, count);
    }
    return (echo_mark){client->requests, now_ns};
}

static void put_mark(int fd, echo_mark mark)
{
    BENCH_CHECK(write(fd, &mark, sizeof mark) == (ssize_t)sizeof mark, "the client cannot tell its mark");
}

void echo_load_run(const echo_load *load, int port_fd, int mark_fd)
{
    uint16_t port = 0;
    BENCH_CHECK(read(port_fd, &port, sizeof port) == (ssize_t)sizeof port, "the client was told no port");
    struct client client;
    bench_pin(ECHO_CLIENT_CPU);
    open_client(&client, load, port);
    echo_mark begin = run_until(&client, bench_now_ns() + load->warm_up_ns);
    put_mark(mark_fd, begin);
    put_mark(mark_fd, run_until(&client, begin.now_ns + load->measure_ns));
    /* Ends here: the kernel closes the connections and the server sees them go. */
}
