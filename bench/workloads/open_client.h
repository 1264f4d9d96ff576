/*
 * open_client.h: a client over many TCP connections that does not wait for answers, for the latency workloads.
 *
 * One thread, which spins on the CPU that it was given: it sends what is due, on each connection in turn, and looks for replies
 * without sleeping. A socket that takes no more leaves the rest in memory, so a server that stalls holds up nothing here. Each reply is
 * checked against its request.
 */
#ifndef OPEN_CLIENT_H
#define OPEN_CLIENT_H

#include <jzx/bench.h>

#include <stddef.h>

enum { OPEN_REQUEST_MAX = 256 };

/* What is said, as functions of the number of a request. */
typedef struct open_protocol {
    /* Writes a request of at most OPEN_REQUEST_MAX bytes; returns its size. */
    size_t (*make)(uint64_t number, uint8_t *request);
    /* The size of the reply that `bytes` begin with; 0: it is not all there; OPEN_WRONG: it is not the reply to that request. */
    size_t (*take)(uint64_t number, const uint8_t *bytes, size_t size);
} open_protocol;

#define OPEN_WRONG SIZE_MAX

typedef struct open_client open_client;

/* Connects to 127.0.0.1. The number of the first request is `first`. */
open_client *open_client_create(jzx_bench *bench, uint16_t port, uint32_t connections, uint64_t first);
void open_client_destroy(open_client *client);

/* So many requests, one in flight on each connection. Returns how many were answered in a second. */
double open_client_flood(open_client *client, const open_protocol *protocol, uint64_t requests);

/* The load of the run: jzx_bench_count() requests by its schedule, whose latencies it records. */
void open_client_load(open_client *client, const open_protocol *protocol, double capacity, double share);

/* Requests that were answered so far, each checked. */
uint64_t open_client_answered(const open_client *client);

#endif
