/*
 * echo_uring.c: the bare io_uring echo: multishot accept, multishot receive into a ring of provided buffers, the reply
 * sent from the buffer it arrived in, which goes back when the send has ended. One send in flight a connection.
 */
#include "support/affinity.h"
#include "support/check.h"
#include "workloads/echo_server.h"

#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OP_ACCEPT = 1, OP_RECV = 2, OP_SEND = 3, GROUP = 1 };

/* A received piece that waits to be sent, by its buffer. */
struct piece {
    uint16_t buffer;
    uint16_t next; /* of the same connection */
    uint32_t size;
};

struct connection {
    int fd;
    uint16_t first; /* ECHO_BUFFERS: none */
    uint16_t last;
    bool sending;
    bool starved; /* its receive ended for want of a buffer */
    bool ended;   /* its receive ended for good */
};

struct server {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    struct piece pieces[ECHO_BUFFERS]; /* by buffer */
    struct connection *connections;
    uint32_t count;
    uint32_t ended;
    uint32_t starved;
    uint32_t total;
    int listener;
};

static struct io_uring_sqe *take_entry(struct server *server)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&server->ring);
    if (entry == NULL) {
        BENCH_CHECK(io_uring_submit(&server->ring) >= 0, "the server cannot submit");
        entry = io_uring_get_sqe(&server->ring);
    }
    BENCH_CHECK(entry != NULL, "the server's ring is full");
    return entry;
}

static void set_operation(struct io_uring_sqe *entry, uint32_t operation, uint32_t connection)
{
    io_uring_sqe_set_data64(entry, (uint64_t)operation << 32 | connection);
}

static void arm_accept(struct server *server)
{
    struct io_uring_sqe *entry = take_entry(server);
    io_uring_prep_multishot_accept(entry, server->listener, NULL, NULL, SOCK_CLOEXEC);
    set_operation(entry, OP_ACCEPT, 0);
}

static void arm_receive(struct server *server, uint32_t index)
{
    struct io_uring_sqe *entry = take_entry(server);
    io_uring_prep_recv_multishot(entry, server->connections[index].fd, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = GROUP;
    set_operation(entry, OP_RECV, index);
}

static uint8_t *buffer_at(const struct server *server, uint16_t buffer)
{
    return server->buffers + (size_t)buffer * ECHO_BUFFER_SIZE;
}

static void give_buffer(struct server *server, uint16_t buffer)
{
    int mask = io_uring_buf_ring_mask(ECHO_BUFFERS);
    io_uring_buf_ring_add(server->buffer_ring, buffer_at(server, buffer), ECHO_BUFFER_SIZE, buffer, mask, 0);
    io_uring_buf_ring_advance(server->buffer_ring, 1);
}

static void send_first(struct server *server, uint32_t index)
{
    struct connection *connection = &server->connections[index];
    const struct piece *piece = &server->pieces[connection->first];
    struct io_uring_sqe *entry = take_entry(server);
    io_uring_prep_send(entry, connection->fd, buffer_at(server, piece->buffer), piece->size,
                       MSG_WAITALL | MSG_NOSIGNAL);
    set_operation(entry, OP_SEND, index);
    connection->sending = true;
}

/* Closes a connection that has ended and has nothing left in the kernel. */
static void close_if_over(struct server *server, uint32_t index)
{
    struct connection *connection = &server->connections[index];
    if (connection->ended && !connection->sending && connection->fd >= 0) {
        close(connection->fd);
        connection->fd = -1;
        server->ended++;
    }
}

static void on_accept(struct server *server, const struct io_uring_cqe *completion)
{
    BENCH_CHECK(completion->res >= 0, "accept: %s", strerror(-completion->res));
    BENCH_CHECK(server->count < server->total, "more connections than expected");
    int one = 1;
    setsockopt(completion->res, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    server->connections[server->count] = (struct connection){.fd = completion->res, .first = ECHO_BUFFERS};
    arm_receive(server, server->count++);
    if ((completion->flags & IORING_CQE_F_MORE) == 0) {
        arm_accept(server);
    }
}

static void on_data(struct server *server, uint32_t index, uint16_t buffer, uint32_t size)
{
    struct connection *connection = &server->connections[index];
    server->pieces[buffer] = (struct piece){.buffer = buffer, .next = ECHO_BUFFERS, .size = size};
    if (connection->first == ECHO_BUFFERS) {
        connection->first = buffer;
    } else {
        server->pieces[connection->last].next = buffer;
    }
    connection->last = buffer;
    if (!connection->sending) {
        send_first(server, index);
    }
}

static void on_receive(struct server *server, uint32_t index, const struct io_uring_cqe *completion)
{
    struct connection *connection = &server->connections[index];
    if (completion->res > 0) {
        on_data(server, index, (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT), (uint32_t)completion->res);
        if ((completion->flags & IORING_CQE_F_MORE) == 0) {
            arm_receive(server, index);
        }
    } else if (completion->res == -ENOBUFS) {
        connection->starved = true;
        server->starved++;
    } else {
        connection->ended = true;
        close_if_over(server, index);
    }
}

static void on_send(struct server *server, uint32_t index, const struct io_uring_cqe *completion)
{
    struct connection *connection = &server->connections[index];
    struct piece piece = server->pieces[connection->first];
    connection->sending = false;
    connection->first = piece.next;
    give_buffer(server, piece.buffer);
    bool whole = completion->res == (int)piece.size;
    if (connection->first != ECHO_BUFFERS && whole) {
        send_first(server, index);
    }
    /* A client that has gone resets the connection: its receive says so too. */
    close_if_over(server, index);
}

/* Reads again where a buffer was missing. */
static void feed_starved(struct server *server)
{
    for (uint32_t i = 0; i < server->count && server->starved > 0; i++) {
        if (server->connections[i].starved) {
            server->connections[i].starved = false;
            server->starved--;
            arm_receive(server, i);
        }
    }
}

static void handle(struct server *server, const struct io_uring_cqe *completion)
{
    uint32_t index = (uint32_t)completion->user_data;
    switch ((uint32_t)(completion->user_data >> 32)) {
    case OP_ACCEPT:
        on_accept(server, completion);
        break;
    case OP_RECV:
        on_receive(server, index, completion);
        break;
    case OP_SEND:
        on_send(server, index, completion);
        break;
    default:
        BENCH_CHECK(false, "an unknown completion");
    }
}

static void *map_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    BENCH_CHECK(memory != MAP_FAILED, "out of memory");
    return memory;
}

static void open_server(struct server *server, const echo_server *settings)
{
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 4096,
    };
    memset(server, 0, sizeof *server);
    int result = io_uring_queue_init_params(1024, &server->ring, &parameters);
    BENCH_CHECK(result == 0, "io_uring: %s", strerror(-result));
    BENCH_CHECK(io_uring_register_ring_fd(&server->ring) == 1, "the ring's descriptor cannot be registered");
    server->buffer_ring = map_memory(ECHO_BUFFERS * sizeof(struct io_uring_buf));
    server->buffers = map_memory((size_t)ECHO_BUFFERS * ECHO_BUFFER_SIZE);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)server->buffer_ring, .ring_entries = ECHO_BUFFERS, .bgid = GROUP};
    result = io_uring_register_buf_ring(&server->ring, &registration, 0);
    BENCH_CHECK(result == 0, "buffer ring: %s", strerror(-result));
    io_uring_buf_ring_init(server->buffer_ring);
    for (uint16_t i = 0; i < ECHO_BUFFERS; i++) {
        give_buffer(server, i);
    }
    server->total = settings->connections;
    server->connections = calloc(server->total, sizeof *server->connections);
    BENCH_CHECK(server->connections != NULL, "out of memory");
    server->listener = echo_listen(settings);
}

static void close_server(struct server *server)
{
    close(server->listener);
    io_uring_queue_exit(&server->ring);
    free(server->connections);
    /* The buffers stay mapped: the kernel ends a ring after this call, not in it. The process is short. */
}

void echo_serve_uring(const echo_server *settings)
{
    affinity_pin(settings->cpu);
    struct server server;
    open_server(&server, settings);
    arm_accept(&server);
    while (server.ended < server.total) {
        int result = io_uring_submit_and_wait(&server.ring, 1);
        BENCH_CHECK(result >= 0 || result == -EINTR, "the server cannot wait: %s", strerror(-result));
        struct io_uring_cqe *completion;
        unsigned head;
        unsigned count = 0;
        io_uring_for_each_cqe(&server.ring, head, completion) {
            handle(&server, completion);
            count++;
        }
        io_uring_cq_advance(&server.ring, count);
        feed_starved(&server);
    }
    close_server(&server);
}
