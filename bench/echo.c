/*
 * echo.c: how does a TCP echo compare with one written on io_uring or epoll by hand?
 *
 * The server is a thread on CPU 1, the client a process on CPU 0, the same for all three servers. The client is as busy
 * as the server, so the CPU time per request is the firmer figure.
 */
#include "echo.h"

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVERS = 3 };

/* Where a rate may lie and still count as equal: 0.95 is the aim of the rate, so 1 / 0.95 that of the cost. */
static const double rate_limit = 0.95;
static const double cost_limit = 1 / 0.95;

struct figures {
    double rate;    /* requests a second */
    double cost_us; /* CPU time of the server's thread per request */
};

struct client_process {
    pid_t pid;
    int port_fd; /* the port goes in here */
    int mark_fd; /* the marks come out here */
};

static struct client_process start_client(const echo_load *load)
{
    int port[2];
    int mark[2];
    BENCH_CHECK(pipe2(port, O_CLOEXEC) == 0 && pipe2(mark, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    pid_t pid = fork();
    BENCH_CHECK(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(port[1]);
        close(mark[0]);
        echo_load_run(load, port[0], mark[1]);
        _exit(EXIT_SUCCESS);
    }
    close(port[0]);
    close(mark[1]);
    return (struct client_process){pid, port[1], mark[0]};
}

static void end_client(struct client_process client)
{
    int status = 0;
    close(client.mark_fd);
    BENCH_CHECK(waitpid(client.pid, &status, 0) == client.pid, "waitpid: %s", strerror(errno));
    BENCH_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS, "the client failed");
}

static echo_mark take_mark(struct client_process client)
{
    echo_mark mark;
    BENCH_CHECK(read(client.mark_fd, &mark, sizeof mark) == (ssize_t)sizeof mark, "the client told no mark");
    return mark;
}

static struct figures measure(const echo_load *load, void *(*serve)(void *))
{
    /* The client is forked first, while this process has one thread. */
    struct client_process client = start_client(load);
    echo_server server = {load->connections, load->size, client.port_fd};
    pthread_t thread;
    clockid_t clock;
    BENCH_CHECK(pthread_create(&thread, NULL, serve, &server) == 0, "no thread");
    BENCH_CHECK(pthread_getcpuclockid(thread, &clock) == 0, "no clock of the thread");
    echo_mark begin = take_mark(client);
    uint64_t cpu_begin_ns = bench_clock(clock);
    echo_mark end = take_mark(client);
    uint64_t cpu_ns = bench_clock(clock) - cpu_begin_ns;
    end_client(client);
    pthread_join(thread, NULL);
    close(client.port_fd);
    uint64_t requests = end.requests - begin.requests;
    BENCH_CHECK(requests > 0, "no request was answered");
    return (struct figures){(double)requests * 1e9 / (double)(end.now_ns - begin.now_ns),
                            bench_per(cpu_ns, requests) / 1000};
}

static void report(const bench_run *run, const char *load_name, const bench_series rates[SERVERS],
                   const bench_series costs[SERVERS])
{
    char name[BENCH_NAME_MAX];
    snprintf(name, sizeof name, "%s, rate, raw io_uring", load_name);
    bench_report(run, name, "req/s", &rates[0], &rates[1], (bench_target){BENCH_RATIO_AT_LEAST, rate_limit});
    snprintf(name, sizeof name, "%s, CPU, raw io_uring", load_name);
    bench_report(run, name, "us/req", &costs[0], &costs[1], (bench_target){BENCH_RATIO_AT_MOST, cost_limit});
    snprintf(name, sizeof name, "%s, rate, raw epoll", load_name);
    bench_report(run, name, "req/s", &rates[0], &rates[2], (bench_target){BENCH_RATIO_AT_LEAST, 1.0});
    snprintf(name, sizeof name, "%s, CPU, raw epoll", load_name);
    bench_report(run, name, "us/req", &costs[0], &costs[2], (bench_target){BENCH_RATIO_AT_MOST, 1.0});
}

static void run_load(const bench_run *run, const char *name, uint32_t connections, uint32_t size)
{
    static void *(*const servers[SERVERS])(void *) = {echo_serve_jzx, echo_serve_uring, echo_serve_epoll};
    echo_load load = {
        .connections = connections,
        .size = size,
        .warm_up_ns = bench_scale(run, 200000000, 20000000),
        .measure_ns = bench_scale(run, 1000000000, 50000000),
    };
    bench_series rates[SERVERS] = {{.count = 0}};
    bench_series costs[SERVERS] = {{.count = 0}};
    for (int i = 0; i < run->repeat; i++) {
        for (int side = 0; side < SERVERS; side++) {
            struct figures figures = measure(&load, servers[side]);
            bench_add(&rates[side], figures.rate);
            bench_add(&costs[side], figures.cost_us);
        }
    }
    report(run, name, rates, costs);
}

static void run_echo(const bench_run *run)
{
    static const char *const rows[] = {"TCP echo 64 B x 50", "TCP echo 64 B x 500", "TCP echo 16 KiB x 50"};
    if (!bench_two_cpus(run, rows, 3)) {
        return;
    }
    run_load(run, rows[0], 50, 64);
    run_load(run, rows[1], run->quick ? 100 : 500, 64);
    run_load(run, rows[2], 50, ECHO_BUFFER_SIZE);
}

const struct bench bench_echo = {"echo", "a TCP echo against bare io_uring and epoll", run_echo};
