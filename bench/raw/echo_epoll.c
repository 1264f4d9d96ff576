/*
 * echo_epoll.c: the plain epoll echo: level-triggered, one buffer a connection, read, write what was read. While
 * something is left to write nothing is read.
 */
#include "support/affinity.h"
#include "support/check.h"
#include "workloads/echo_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

struct connection {
    int fd;
    size_t begin; /* of what is left to write */
    size_t end;
    uint8_t buffer[ECHO_BUFFER_SIZE];
};

static void watch(int epoll, int operation, int fd, uint32_t events, struct connection *connection)
{
    struct epoll_event event = {.events = events, .data = {.ptr = connection}};
    BENCH_CHECK(epoll_ctl(epoll, operation, fd, &event) == 0, "epoll_ctl: %s", strerror(errno));
}

static void accept_all(int epoll, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *connection = calloc(1, sizeof *connection);
        BENCH_CHECK(connection != NULL, "out of memory");
        connection->fd = fd;
        watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, connection);
    }
}

/* Writes what is left. Returns false when the connection has failed. */
static bool write_rest(struct connection *connection)
{
    ssize_t sent = send(connection->fd, connection->buffer + connection->begin, connection->end - connection->begin,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        return errno == EAGAIN;
    }
    connection->begin += (size_t)sent;
    return true;
}

static bool has_rest(const struct connection *connection)
{
    return connection->begin < connection->end;
}

/* Serves one event. Returns false when the connection is over. */
static bool serve_event(int epoll, struct connection *connection)
{
    bool was_writing = has_rest(connection);
    if (!was_writing) {
        ssize_t got = recv(connection->fd, connection->buffer, sizeof connection->buffer, MSG_DONTWAIT);
        if (got <= 0) {
            return got < 0 && errno == EAGAIN;
        }
        connection->begin = 0;
        connection->end = (size_t)got;
    }
    if (!write_rest(connection)) {
        return false;
    }
    if (has_rest(connection) != was_writing) {
        watch(epoll, EPOLL_CTL_MOD, connection->fd, was_writing ? EPOLLIN : EPOLLOUT, connection);
    }
    return true;
}

void echo_serve_epoll(const echo_server *server)
{
    affinity_pin(server->cpu);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = echo_listen(server);
    uint32_t ended = 0;
    watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    while (ended < server->connections) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection == NULL) {
                accept_all(epoll, listener);
            } else if (!serve_event(epoll, connection)) {
                close(connection->fd);
                free(connection);
                ended++;
            }
        }
    }
    close(listener);
    close(epoll);
}
