/*
 * echo_client.h: the load of the echo workloads, the same for every server: a process of its own, with one request in flight
 * on each of its connections. It uses nothing of libjzx, since the peers that are servers are loaded by it too.
 *
 *   start -> tell it the port -> take the mark of the end of its warm-up -> go -> take the mark of its end -> end
 *
 * At a mark it waits, and no request is in flight.
 */
#ifndef ECHO_CLIENT_H
#define ECHO_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct echo_load {
    uint32_t connections;
    uint32_t size;     /* bytes of a request and of its reply, 8 or more */
    uint64_t warm_up;  /* requests before the measured ones */
    uint64_t requests; /* the measured ones */
    int cpu;           /* of the client */
    int silence_s;     /* no reply for so long, or up to twice that, ends it: the server hangs */
} echo_load;

/* What one part of the load was; `error` says why there is nothing else, and is empty if there is. */
typedef struct echo_mark {
    uint64_t requests; /* answered, each reply compared byte by byte */
    uint64_t bytes;    /* in those replies */
    uint64_t took_ns;
    char error[128];
} echo_mark;

typedef struct echo_client {
    pid_t pid;
    int fd; /* for the words between the two */
} echo_client;

/* Starts the process; call it while there is one thread. False: there is none, and errno says why. */
bool echo_client_start(echo_client *client, const echo_load *load);

void echo_client_port(const echo_client *client, uint16_t port);

/* Waits for the next mark. */
echo_mark echo_client_take(const echo_client *client);

void echo_client_go(const echo_client *client);

/* Waits for its end, which closes the connections if nothing else has. */
void echo_client_end(const echo_client *client);

#endif
