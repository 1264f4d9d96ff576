/*
 * load_kv.c: latency/kv-50, -80: how late is a reply of jzx-kv and of redis-server under half and under four fifths of the load
 * it can take?
 *
 * Of ten requests six are GETs and three SETs of 64 bytes among 10,000 keys, one an INCR of one of 100 counters, over 50
 * connections. First the server is asked as fast as it answers; then by a schedule at 50 % or 80 % of that, which does not wait
 * (open_client.h). It should be the latency of an echo and about a microsecond: the work of a request is small beside its way
 * through the kernel. Each server has the share of its own capacity, so a faster one is not asked for less.
 *
 * Every reply is checked: the value of a key says which key it belongs to, and at the end the counters must add up to the
 * INCRs that were answered.
 */
#include "support/affinity.h"
#include "support/check.h"
#include "support/gaps.h"
#include "support/world.h"
#include "workloads.h"
#include "workloads/kv_server.h"
#include "workloads/open_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTIONS = 50, KEYS = 10000, COUNTERS = 100, VALUE = 64, FLOOD_SHARE = 4, KINDS = 10, NUMBER_MOST = 32 };

enum kind { GET, SET, INCR };

struct kv {
    bool redis;
    double share;
};

/* ---- what is said ---- */

static enum kind kind_of(uint64_t number)
{
    uint64_t place = number % KINDS;
    return place < 6 ? GET : place < 9 ? SET : INCR;
}

/* Spread, and the same for all. */
static unsigned key_of(uint64_t number)
{
    return (unsigned)((number * 0x9e3779b97f4a7c15u) >> 32) % KEYS;
}

static unsigned counter_of(uint64_t number)
{
    return (unsigned)(number / KINDS % COUNTERS);
}

/* 64 characters, by the key. */
static void make_value(unsigned key, char value[VALUE + 1])
{
    snprintf(value, VALUE + 1, "%064u", key);
}

static size_t make_set(unsigned key, uint8_t *request)
{
    char value[VALUE + 1];
    make_value(key, value);
    return (size_t)snprintf((char *)request, OPEN_REQUEST_MAX, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012u\r\n$%d\r\n%s\r\n",
                            key, VALUE, value);
}

static size_t make_request(uint64_t number, uint8_t *request)
{
    switch (kind_of(number)) {
    case GET:
        return (size_t)snprintf((char *)request, OPEN_REQUEST_MAX, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012u\r\n",
                                key_of(number));
    case SET:
        return make_set(key_of(number), request);
    default:
        return (size_t)snprintf((char *)request, OPEN_REQUEST_MAX, "*2\r\n$4\r\nINCR\r\n$15\r\ncounter:%07u\r\n",
                                counter_of(number));
    }
}

/* Bytes that are known beforehand. */
static size_t take_exactly(const char *wanted, size_t wanted_size, const uint8_t *bytes, size_t size)
{
    size_t both = size < wanted_size ? size : wanted_size;
    if (memcmp(bytes, wanted, both) != 0) {
        return OPEN_WRONG;
    }
    return size < wanted_size ? 0 : wanted_size;
}

static size_t take_ok(const uint8_t *bytes, size_t size)
{
    return take_exactly("+OK\r\n", 5, bytes, size);
}

static size_t take_value(unsigned key, const uint8_t *bytes, size_t size)
{
    char value[VALUE + 1];
    char wanted[2 * VALUE];
    make_value(key, value);
    int length = snprintf(wanted, sizeof wanted, "$%d\r\n%s\r\n", VALUE, value);
    return take_exactly(wanted, (size_t)length, bytes, size);
}

/* ":N": what a counter is now. */
static size_t take_number(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memchr(bytes, '\n', size);
    if (bytes[0] != ':' || (end == NULL && size > NUMBER_MOST)) {
        return OPEN_WRONG;
    }
    return end == NULL ? 0 : (size_t)(end - bytes) + 1;
}

static size_t take_reply(uint64_t number, const uint8_t *bytes, size_t size)
{
    switch (kind_of(number)) {
    case GET:
        return take_value(key_of(number), bytes, size);
    case SET:
        return take_ok(bytes, size);
    default:
        return take_number(bytes, size);
    }
}

/* All keys once, before anything else. */
static size_t make_fill(uint64_t number, uint8_t *request)
{
    return make_set((unsigned)(number % KEYS), request);
}

static size_t take_fill(uint64_t number, const uint8_t *bytes, size_t size)
{
    (void)number;
    return take_ok(bytes, size);
}

/* ---- a run ---- */

/* What the counters hold together. */
static uint64_t add_counters(const kv_server *server)
{
    char command[64];
    char reply[64];
    uint64_t sum = 0;
    int fd = kv_server_connect(server);
    for (unsigned i = 0; i < COUNTERS; i++) {
        unsigned long long value = 0;
        snprintf(command, sizeof command, "INCR counter:%07u\r\n", i);
        kv_ask_line(fd, command, reply, sizeof reply);
        BENCH_CHECK(sscanf(reply, ":%llu", &value) == 1 && value > 0, "a counter reads %s", reply);
        sum += value - 1; /* less this one */
    }
    close(fd);
    return sum;
}

static uint64_t count_increments(uint64_t first, uint64_t count)
{
    uint64_t increments = 0;
    for (uint64_t i = 0; i < count; i++) {
        increments += kind_of(first + i) == INCR;
    }
    return increments;
}

static void load_server(jzx_bench *bench, const kv_server *server, double share)
{
    static const open_protocol fill = {make_fill, take_fill};
    static const open_protocol mixed = {make_request, take_reply};
    uint64_t count = jzx_bench_count(bench);
    uint64_t flood = count / FLOOD_SHARE + CONNECTIONS;
    open_client *client = open_client_create(bench, server->port, CONNECTIONS, 0);
    open_client_flood(client, &fill, KEYS);
    double capacity = open_client_flood(client, &mixed, flood);
    open_client_load(client, &mixed, capacity, share);
    jzx_bench_figure(bench, "capacity", "1/s", JZX_BENCH_HIGHER, capacity);
    jzx_bench_prove(bench, "requests", open_client_answered(client) - KEYS - flood, count);
    open_client_destroy(client);
    jzx_bench_prove(bench, "increments", add_counters(server), count_increments(KEYS, flood + count));
}

static void run_kv(jzx_bench *bench, void *argument)
{
    const struct kv *kv = argument;
    kv_server server;
    world_need_cpus(bench, 2);
    gaps_tell(bench);
    cpu_set_t kept = affinity_keep();
    kv_server_start(&server, bench, kv->redis, 1);
    close(kv_server_connect(&server)); /* it listens */
    affinity_pin(jzx_bench_cpu(bench, 0));
    load_server(bench, &server, kv->share);
    kv_server_stop(&server);
    affinity_restore(&kept);
}

static struct kv jzx_50 = {.share = 0.5};
static struct kv redis_50 = {.redis = true, .share = 0.5};
static struct kv jzx_80 = {.share = 0.8};
static struct kv redis_80 = {.redis = true, .share = 0.8};

static const jzx_bench_side half[] = {{"jzx", run_kv, &jzx_50}, {"redis", run_kv, &redis_50}};
static const jzx_bench_side most[] = {{"jzx", run_kv, &jzx_80}, {"redis", run_kv, &redis_80}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "latency/kv-50", .about = "jzx-kv and redis-server at 50 % of capacity, open loop",
     .item = "request", .count = 60000, .quick_count = 2000, .cpus = 2, BENCH_SIDES(half)},
    {BENCH_WORKLOAD, .name = "latency/kv-80", .about = "the same at 80 % of capacity", .item = "request",
     .count = 100000, .quick_count = 2000, .cpus = 2, BENCH_SIDES(most)},
};
const bench_group bench_load_kv = BENCH_GROUP(workloads);
