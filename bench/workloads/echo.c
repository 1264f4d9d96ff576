/*
 * echo.c: io/echo-*: how does a TCP echo compare with one written on io_uring or epoll by hand? Requests of 64 B and 16 KiB
 * over 1, 50 and 500 connections.
 *
 * The client is a process on the first CPU, the server a thread on the second. The client is as busy as the server, so the
 * CPU time by request, which is the server's alone, is the firmer figure.
 */
#include "support/check.h"
#include "support/world.h"
#include "workloads.h"
#include "workloads/echo_server.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { SMALL = 64, LARGE = ECHO_BUFFER_SIZE, WARM_UP_SHARE = 10, SILENCE_S = 10 };

struct echo {
    uint32_t connections;
    uint32_t size;
    echo_serve_fn serve;
};

/* Of this process, so of the server: the thread that waits for marks sleeps. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static echo_mark take(jzx_bench *bench, const echo_client *client)
{
    echo_mark mark = echo_client_take(client);
    if (mark.error[0] != '\0') {
        jzx_bench_invalid(bench, "%s", mark.error);
    }
    return mark;
}

static void tell(jzx_bench *bench, const echo_mark *mark, uint64_t cpu_took_ns, uint32_t size)
{
    double requests = (double)mark->requests;
    uint64_t count = jzx_bench_count(bench);
    jzx_bench_figure(bench, "rate", "req/s", JZX_BENCH_HIGHER, requests * 1e9 / (double)mark->took_ns);
    jzx_bench_figure(bench, "cpu", "us/req", JZX_BENCH_LOWER, (double)cpu_took_ns / requests / 1000);
    jzx_bench_prove(bench, "requests", mark->requests, count);
    jzx_bench_prove(bench, "bytes", mark->bytes, count * size);
}

/* The client is forked first, while this process has one thread. */
static void run_echo(jzx_bench *bench, void *argument)
{
    const struct echo *echo = argument;
    world_need_cpus(bench, 2);
    uint64_t count = jzx_bench_count(bench);
    const echo_load load = {
        .connections = echo->connections,
        .size = echo->size,
        .warm_up = count / WARM_UP_SHARE + echo->connections,
        .requests = count,
        .cpu = jzx_bench_cpu(bench, 0),
        .silence_s = SILENCE_S,
    };
    echo_client client;
    BENCH_CHECK(echo_client_start(&client, &load), "no client: %s", strerror(errno));
    echo_thread thread;
    echo_server_start(&thread, echo->serve, &(echo_server){&client, echo->connections, jzx_bench_cpu(bench, 1)});
    take(bench, &client);
    uint64_t cpu_began_ns = cpu_ns();
    jzx_bench_begin(bench);
    echo_client_go(&client);
    echo_mark mark = take(bench, &client);
    jzx_bench_end(bench, count);
    uint64_t cpu_took_ns = cpu_ns() - cpu_began_ns;
    echo_client_end(&client);
    echo_server_join(&thread);
    tell(bench, &mark, cpu_took_ns, echo->size);
}

/* ---- workloads ---- */

/* The sides of one load: ECHO_SIDES(small_50, 50, SMALL). */
#define ECHO_SIDES(name, connections, size)                                  \
    static struct echo name##_jzx = {connections, size, echo_serve_jzx};     \
    static struct echo name##_uring = {connections, size, echo_serve_uring}; \
    static struct echo name##_epoll = {connections, size, echo_serve_epoll}; \
    static const jzx_bench_side name[] = {                                   \
        {"jzx", run_echo, &name##_jzx}, {"raw", run_echo, &name##_uring}, {"epoll", run_echo, &name##_epoll}}

ECHO_SIDES(small_1, 1, SMALL);
ECHO_SIDES(small_50, 50, SMALL);
ECHO_SIDES(small_500, 500, SMALL);
ECHO_SIDES(large_1, 1, LARGE);
ECHO_SIDES(large_50, 50, LARGE);
ECHO_SIDES(large_500, 500, LARGE);

static const jzx_bench_goal goals[] = {{"rate", "raw", 0.95}, {"cpu", "raw", 1 / 0.95}};

#define ECHO(sides, text, requests)                                                                       \
    BENCH_WORKLOAD, .about = text, .item = "request", .count = (requests), .cpus = 2, BENCH_SIDES(sides), \
                    BENCH_GOALS(goals)

static const jzx_bench_workload workloads[] = {
    {.name = "io/echo-64-1", ECHO(small_1, "TCP echo of 64 B over one connection", 20000)},
    {.name = "io/echo-64-50", ECHO(small_50, "TCP echo of 64 B over 50 connections", 250000)},
    {.name = "io/echo-64-500", ECHO(small_500, "TCP echo of 64 B over 500 connections", 250000)},
    {.name = "io/echo-16k-1", ECHO(large_1, "TCP echo of 16 KiB over one connection", 15000)},
    {.name = "io/echo-16k-50", ECHO(large_50, "TCP echo of 16 KiB over 50 connections", 80000)},
    {.name = "io/echo-16k-500", ECHO(large_500, "TCP echo of 16 KiB over 500 connections", 60000)},
};
const bench_group bench_echo = BENCH_GROUP(workloads);
