/*
 * kv.c: what does jzx-kv spend on a request, and redis-server?
 *
 * redis-benchmark loads each server in turn: SET and GET of 64 bytes over 50 connections. The figure is the server's CPU
 * time, all threads, by requests. The server is pinned to CPU 1 and the client to CPU 0; with two loops the server has
 * both, and the client is not pinned.
 */
#include "bench.h"
#include "benches.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SERVER_CPU = 1,
    CLIENT_CPU = 0,
    VALUE_BYTES = 64,
    SAMPLED_KEYS = 100,
    START_LIMIT_S = 10,
    STOP_LIMIT_S = 10,
    ARGUMENTS_MAX = 24,
};

/* One way to serve keys. */
struct contender {
    const char *program;
    const char *cpus; /* for jzx-kv; NULL for redis-server, which is pinned here */
};

struct load {
    uint64_t requests; /* of each kind: SETs, then GETs */
    uint32_t keys;
    const char *pipeline;
    bool client_pinned;
};

/* ---- processes ---- */

static void pin_or_end(int cpu)
{
    if (cpu >= 0) {
        bench_pin(cpu);
    }
}

/* Starts a program, its output into `out` (or nowhere, for -1). `cpu` -1: not pinned. */
static pid_t start(const char *const *arguments, int cpu, int out)
{
    pid_t pid = fork();
    BENCH_CHECK(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin_or_end(cpu);
        int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, STDIN_FILENO);
        dup2(out >= 0 ? out : nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    return pid;
}

/* Waits for a process until it ends or the limit passes; then it is killed. Returns its status, or -1. */
static int wait_process(pid_t pid, int limit_s)
{
    const struct timespec pause = {0, 2000000};
    uint64_t deadline_ns = bench_now_ns() + (uint64_t)limit_s * 1000000000u;
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (bench_now_ns() > deadline_ns) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    return status;
}

static bool runnable(const char *program)
{
    const char *const arguments[] = {program, "--version", NULL};
    int status = wait_process(start(arguments, -1, -1), START_LIMIT_S);
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) != 127;
}

static uint16_t free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    BENCH_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
                    getsockname(fd, (struct sockaddr *)&address, &size) == 0,
                "no free port");
    close(fd);
    return ntohs(address.sin_port);
}

static uint64_t process_cpu_ns(pid_t pid)
{
    clockid_t clock;
    BENCH_CHECK(clock_getcpuclockid(pid, &clock) == 0, "no clock of the server");
    return bench_clock(clock);
}

/* ---- a word with the server ---- */

static int connect_server(pid_t pid, uint16_t port)
{
    const struct timespec pause = {0, 5000000};
    uint64_t deadline_ns = bench_now_ns() + (uint64_t)START_LIMIT_S * 1000000000u;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        BENCH_CHECK(fd >= 0, "no socket");
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            return fd;
        }
        close(fd);
        BENCH_CHECK(bench_now_ns() < deadline_ns, "the server does not listen");
        BENCH_CHECK(waitpid(pid, NULL, WNOHANG) == 0, "the server ended at its start");
        nanosleep(&pause, NULL);
    }
}

/* Sends one command and reads `size` bytes of reply, or one line for 0. */
static void ask(int fd, const char *command, char *reply, size_t room, size_t size)
{
    size_t length = strlen(command);
    BENCH_CHECK(send(fd, command, length, MSG_NOSIGNAL) == (ssize_t)length, "the server takes no command");
    size_t got = 0;
    while (size == 0 ? (got < 2 || reply[got - 1] != '\n') : got < size) {
        ssize_t more = recv(fd, reply + got, room - 1 - got, 0);
        BENCH_CHECK(more > 0, "the server gives no reply");
        got += (size_t)more;
    }
    reply[got] = '\0';
}

/* Looks at what the load left: all keys are there, and a sample of them holds values of the right size. */
static void check_data(int fd, const struct load *load)
{
    char command[64];
    char reply[256];
    unsigned long keys = 0;
    ask(fd, "DBSIZE\r\n", reply, sizeof reply, 0);
    BENCH_CHECK(sscanf(reply, ":%lu", &keys) == 1 && keys <= load->keys && keys >= load->keys - load->keys / 100,
                "DBSIZE says %s", reply);
    int found = 0;
    for (uint32_t i = 0; i < SAMPLED_KEYS; i++) {
        snprintf(command, sizeof command, "EXISTS key:%012u\r\n", i);
        ask(fd, command, reply, sizeof reply, 0);
        if (strcmp(reply, ":1\r\n") == 0) {
            snprintf(command, sizeof command, "GET key:%012u\r\n", i);
            ask(fd, command, reply, sizeof reply, sizeof "$64\r\n\r\n" - 1 + VALUE_BYTES);
            BENCH_CHECK(strncmp(reply, "$64\r\n", 5) == 0, "a value reads %s", reply);
            found++;
        }
    }
    BENCH_CHECK(found >= SAMPLED_KEYS - 5, "%d of %d keys are there", found, SAMPLED_KEYS);
}

/* ---- one run ---- */

static pid_t start_server(const struct contender *contender, uint16_t port)
{
    char port_text[8];
    snprintf(port_text, sizeof port_text, "%u", port);
    if (contender->cpus != NULL) {
        const char *const arguments[] = {contender->program, "--port", port_text, "--cpus", contender->cpus, NULL};
        return start(arguments, -1, -1);
    }
    const char *const arguments[] = {contender->program, "--port", port_text,      "--bind", "127.0.0.1",
                                     "--save",           "",       "--appendonly", "no",     NULL};
    return start(arguments, SERVER_CPU, -1);
}

/* Runs redis-benchmark and counts the tests that it reports: SET and GET. */
static void run_client(const struct load *load, uint16_t port)
{
    char port_text[8];
    char requests[24];
    char keys[16];
    char size[8];
    snprintf(port_text, sizeof port_text, "%u", port);
    snprintf(requests, sizeof requests, "%llu", (unsigned long long)load->requests);
    snprintf(keys, sizeof keys, "%u", load->keys);
    snprintf(size, sizeof size, "%d", VALUE_BYTES);
    const char *const arguments[ARGUMENTS_MAX] = {
        "redis-benchmark", "-p", port_text, "-c",    "50", "-d", size, "-n", requests, "-r", keys, "-P",
        load->pipeline,    "-t", "set,get", "--csv", NULL};
    int ends[2];
    BENCH_CHECK(pipe2(ends, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    pid_t pid = start(arguments, load->client_pinned ? CLIENT_CPU : -1, ends[1]);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    char line[512];
    int tests = 0;
    while (fgets(line, sizeof line, output) != NULL) {
        tests += strncmp(line, "\"SET\"", 5) == 0 || strncmp(line, "\"GET\"", 5) == 0;
    }
    fclose(output);
    int status = wait_process(pid, STOP_LIMIT_S);
    BENCH_CHECK(status == 0 && tests == 2, "redis-benchmark failed");
}

static void stop_server(const struct contender *contender, pid_t pid)
{
    kill(pid, SIGTERM);
    int status = wait_process(pid, STOP_LIMIT_S);
    BENCH_CHECK(status == 0, "%s did not end well on SIGTERM", contender->program);
}

/* CPU time of the server per request, in us. */
static double measure(const struct contender *contender, const struct load *load)
{
    uint16_t port = free_port();
    pid_t pid = start_server(contender, port);
    int fd = connect_server(pid, port);
    uint64_t before_ns = process_cpu_ns(pid);
    run_client(load, port);
    uint64_t cpu_ns = process_cpu_ns(pid) - before_ns;
    check_data(fd, load);
    close(fd);
    stop_server(contender, pid);
    return bench_per(cpu_ns, 2 * load->requests) / 1000;
}

static void compare(const bench_run *run, const char *name, const struct contender *ours, const struct contender *raw,
                    const struct load *load, double limit)
{
    bench_series ours_series = {.count = 0};
    bench_series raw_series = {.count = 0};
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours_series, measure(ours, load));
        bench_add(&raw_series, measure(raw, load));
    }
    bench_report(run, name, "us/req", &ours_series, &raw_series, (bench_target){BENCH_RATIO_AT_MOST, limit});
}

/* ---- the rows ---- */

/* jzx-kv lies where the build puts it, beside this program. */
static const char *find_kv(const bench_run *run, char *path, size_t size)
{
    if (run->kv_path != NULL) {
        return run->kv_path;
    }
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    BENCH_CHECK(length > 0, "/proc/self/exe cannot be read");
    path[length] = '\0';
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(path, '/');
        BENCH_CHECK(slash != NULL, "no folder in %s", path);
        *slash = '\0';
    }
    size_t used = strlen(path);
    snprintf(path + used, size - used, "/examples/kv/jzx-kv");
    return path;
}

/* What is missing, or NULL. */
static const char *missing(const char *kv_path)
{
    if (access(kv_path, X_OK) != 0) {
        return "jzx-kv is not built; --kv PATH names it";
    }
    if (!runnable("redis-server") || !runnable("redis-benchmark")) {
        return "redis-server or redis-benchmark is not installed";
    }
    return NULL;
}

static void run_kv(const bench_run *run)
{
    static const char *const rows[] = {"jzx-kv on one loop, raw redis-server, -P 1",
                                       "jzx-kv on one loop, raw redis-server, -P 16",
                                       "jzx-kv on two loops, raw on one, -P 16"};
    if (!bench_two_cpus(run, rows, 3)) {
        return;
    }
    char path[4096];
    const char *kv_path = find_kv(run, path, sizeof path);
    const char *reason = missing(kv_path);
    if (reason != NULL) {
        for (int i = 0; i < 3; i++) {
            bench_skip(run, rows[i], "us/req", reason);
        }
        return;
    }
    uint32_t keys = (uint32_t)bench_scale(run, 10000, 100);
    const struct contender one = {kv_path, "1"};
    const struct contender two = {kv_path, "0,1"};
    const struct contender redis = {"redis-server", NULL};
    struct load single = {bench_scale(run, 150000, 2000), keys, "1", true};
    struct load pipelined = {bench_scale(run, 800000, 5000), keys, "16", true};
    compare(run, rows[0], &one, &redis, &single, 0.9);
    compare(run, rows[1], &one, &redis, &pipelined, 0.8);
    pipelined.client_pinned = false;
    compare(run, rows[2], &two, &one, &pipelined, 1.3);
}

const struct bench bench_kv = {"kv", "CPU time of jzx-kv and of redis-server per request", run_kv};
