/*
 * echo_server.h: the servers of the echo workloads, loaded by echo_client.h or open_client.h.
 *
 * A server runs on a thread of its own, tells the client its port, and ends when `connections` connections have come and gone.
 */
#ifndef ECHO_SERVER_H
#define ECHO_SERVER_H

#include "workloads/echo_client.h"

#include <pthread.h>
#include <stdint.h>

enum {
    ECHO_BUFFERS = 256, /* receive buffers of a server on io_uring, libjzx's and the raw one */
    ECHO_BUFFER_SIZE = 16384,
};

typedef struct echo_server {
    const echo_client *client;
    uint32_t connections;
    int cpu;
} echo_server;

/* What a server does, from its first connection to its last. */
typedef void (*echo_serve_fn)(const echo_server *server);

void echo_serve_jzx(const echo_server *server);   /* echo_jzx.c */
void echo_serve_uring(const echo_server *server); /* raw/echo_uring.c */
void echo_serve_epoll(const echo_server *server); /* raw/echo_epoll.c */

/* A server and its thread. */
typedef struct echo_thread {
    echo_serve_fn serve;
    echo_server server;
    pthread_t id;
} echo_thread;

/* Starts a server; `thread` and the client it names stay where they are until it has been joined. */
void echo_server_start(echo_thread *thread, echo_serve_fn serve, const echo_server *server);
void echo_server_join(const echo_thread *thread);

/* For the servers: a listening socket on a free port of 127.0.0.1, which the client is told. */
int echo_listen(const echo_server *server);

#endif
