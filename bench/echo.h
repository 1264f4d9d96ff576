/*
 * echo.h: the parts of the echo bench: three servers and the client that loads them.
 *
 * A server runs on a thread of its own, says its port, and ends when `connections` connections have come and gone.
 */
#ifndef ECHO_H
#define ECHO_H

#include <stddef.h>
#include <stdint.h>

enum {
    ECHO_SERVER_CPU = 1,
    ECHO_CLIENT_CPU = 0,
    ECHO_BUFFERS = 256, /* receive buffers of a server on io_uring, ours and raw */
    ECHO_BUFFER_SIZE = 16384,
};

typedef struct echo_load {
    uint32_t connections;
    uint32_t size; /* bytes of a request and of its reply */
    uint64_t warm_up_ns;
    uint64_t measure_ns;
} echo_load;

typedef struct echo_server {
    uint32_t connections;
    uint32_t size;
    int port_fd; /* the port goes here, as a uint16_t */
} echo_server;

/* The body of a server's thread; takes an echo_server. Pinned by the caller. */
void *echo_serve_jzx(void *server);
void *echo_serve_uring(void *server);
void *echo_serve_epoll(void *server);

/* Tells the bench the port of a server. */
void echo_tell_port(const echo_server *server, uint16_t port);

/* A listening socket on a free port of 127.0.0.1, told to the bench. */
int echo_listen(const echo_server *server);

/* What the client tells when the measured time begins and when it ends. */
typedef struct echo_mark {
    uint64_t requests; /* answered so far, each compared byte by byte */
    uint64_t now_ns;
} echo_mark;

/* The body of the client's process: reads the port from `port_fd`, writes two marks to `mark_fd`, closes all. */
void echo_load_run(const echo_load *load, int port_fd, int mark_fd);

#endif
