/*
 * load_echo.c: latency/echo-50, -80: how late is the reply of a TCP echo under half and under four fifths of the load it
 * can take?
 *
 * 64 B over 50 connections. First each server is asked as fast as it answers, one request in flight on each connection; then
 * by a schedule at 50 % or 80 % of that, which does not wait (open_client.h). Latency is from when a request was due to when its reply
 * was read. It should be the way through the kernel twice, some 15 us on one machine, and at 80 % the queue of a server that is
 * busy four fifths of the time, some times that; each server has the same share of its own capacity. The client spins on
 * the first CPU, the server has the second; machine-p99.9 says how late the CPUs themselves are (support/gaps.h).
 */
#include "support/affinity.h"
#include "support/check.h"
#include "support/gaps.h"
#include "support/world.h"
#include "workloads.h"
#include "workloads/echo_server.h"
#include "workloads/open_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 50, SIZE = 64, FLOOD_SHARE = 4 };

/* A side. */
struct echo {
    echo_serve_fn serve;
    double share;
};

static size_t make_request(uint64_t number, uint8_t *request)
{
    memset(request, (int)(number & 0x7f), SIZE);
    memcpy(request, &number, sizeof number);
    memcpy(request + SIZE - sizeof number, &number, sizeof number);
    return SIZE;
}

static size_t take_reply(uint64_t number, const uint8_t *bytes, size_t size)
{
    uint8_t request[OPEN_REQUEST_MAX];
    if (size < SIZE) {
        return 0;
    }
    make_request(number, request);
    return memcmp(bytes, request, SIZE) == 0 ? SIZE : OPEN_WRONG;
}

/* The server tells its port to one end of a pair of sockets, as it tells any client; this is the other end. */
static uint16_t take_port(int end)
{
    uint16_t port = 0;
    BENCH_CHECK(recv(end, &port, sizeof port, 0) == (ssize_t)sizeof port, "the server tells no port");
    return port;
}

static void load_server(jzx_bench *bench, uint16_t port, double share)
{
    static const open_protocol protocol = {make_request, take_reply};
    uint64_t count = jzx_bench_count(bench);
    uint64_t flood = count / FLOOD_SHARE + CONNECTIONS;
    open_client *client = open_client_create(bench, port, CONNECTIONS, jzx_bench_seed(bench));
    double capacity = open_client_flood(client, &protocol, flood);
    open_client_load(client, &protocol, capacity, share);
    jzx_bench_figure(bench, "capacity", "1/s", JZX_BENCH_HIGHER, capacity);
    jzx_bench_prove(bench, "requests", open_client_answered(client) - flood, count);
    open_client_destroy(client);
}

static void run_echo(jzx_bench *bench, void *argument)
{
    const struct echo *echo = argument;
    int ends[2];
    world_need_cpus(bench, 2);
    gaps_tell(bench);
    cpu_set_t kept = affinity_keep();
    BENCH_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair: %s", strerror(errno));
    const echo_client told = {.fd = ends[0]};
    echo_thread thread;
    echo_server_start(&thread, echo->serve, &(echo_server){&told, CONNECTIONS, jzx_bench_cpu(bench, 1)});
    uint16_t port = take_port(ends[1]);
    affinity_pin(jzx_bench_cpu(bench, 0));
    load_server(bench, port, echo->share);
    echo_server_join(&thread);
    close(ends[0]);
    close(ends[1]);
    affinity_restore(&kept);
}

static struct echo jzx_50 = {echo_serve_jzx, 0.5};
static struct echo uring_50 = {echo_serve_uring, 0.5};
static struct echo epoll_50 = {echo_serve_epoll, 0.5};
static struct echo jzx_80 = {echo_serve_jzx, 0.8};
static struct echo uring_80 = {echo_serve_uring, 0.8};
static struct echo epoll_80 = {echo_serve_epoll, 0.8};

static const jzx_bench_side half[] = {
    {"jzx", run_echo, &jzx_50}, {"raw", run_echo, &uring_50}, {"epoll", run_echo, &epoll_50}};
static const jzx_bench_side most[] = {
    {"jzx", run_echo, &jzx_80}, {"raw", run_echo, &uring_80}, {"epoll", run_echo, &epoll_80}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "latency/echo-50",
     .about = "TCP echo of 64 B over 50 connections at 50 % of capacity, open loop", .item = "request", .count = 80000,
     .quick_count = 2000, .cpus = 2, BENCH_SIDES(half)},
    {BENCH_WORKLOAD, .name = "latency/echo-80", .about = "the same at 80 % of capacity", .item = "request",
     .count = 120000, .quick_count = 2000, .cpus = 2, BENCH_SIDES(most)},
};
const bench_group bench_load_echo = BENCH_GROUP(workloads);
