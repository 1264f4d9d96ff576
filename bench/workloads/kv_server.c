/* kv_server.c: see kv_server.h. */
#include "workloads/kv_server.h"

#include "support/affinity.h"
#include "support/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_LIMIT_S = 10, STOP_LIMIT_S = 10 };

/* ---- processes ---- */

static void pin_or_end(int cpu)
{
    if (cpu >= 0) {
        affinity_pin(cpu);
    }
}

/* Starts a program, its output into `out` (or nowhere, for -1). `cpu` KV_ANY_CPU: not pinned. */
pid_t kv_process_start(const char *const *arguments, int cpu, int out)
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
int kv_process_wait(pid_t pid, int limit_s)
{
    const struct timespec pause = {0, 2000000};
    uint64_t deadline_ns = jzx_bench_now_ns() + (uint64_t)limit_s * 1000000000u;
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (jzx_bench_now_ns() > deadline_ns) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    return status;
}

bool kv_runnable(const char *program)
{
    const char *const arguments[] = {program, "--version", NULL};
    int status = kv_process_wait(kv_process_start(arguments, KV_ANY_CPU, -1), START_LIMIT_S);
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

/* ---- a word with the server ---- */

int kv_server_connect(const kv_server *server)
{
    const struct timespec pause = {0, 5000000};
    uint64_t deadline_ns = jzx_bench_now_ns() + (uint64_t)START_LIMIT_S * 1000000000u;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        BENCH_CHECK(fd >= 0, "no socket");
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            return fd;
        }
        close(fd);
        BENCH_CHECK(jzx_bench_now_ns() < deadline_ns, "the server does not listen");
        BENCH_CHECK(waitpid(server->pid, NULL, WNOHANG) == 0, "the server ended at its start");
        nanosleep(&pause, NULL);
    }
}

static void take_bytes(int fd, char *reply, size_t size)
{
    BENCH_CHECK(recv(fd, reply, size, MSG_WAITALL) == (ssize_t)size, "the server gives no reply");
}

void kv_ask_line(int fd, const char *command, char *line, size_t room)
{
    size_t length = strlen(command);
    size_t got = 0;
    BENCH_CHECK(send(fd, command, length, MSG_NOSIGNAL) == (ssize_t)length, "the server takes no command");
    do {
        BENCH_CHECK(got + 1 < room, "a line of the server is too long");
        take_bytes(fd, line + got, 1);
    } while (line[got++] != '\n');
    line[got] = '\0';
}

void kv_ask_string(int fd, const char *command, char *string, size_t room)
{
    char line[64];
    size_t size;
    kv_ask_line(fd, command, line, sizeof line);
    BENCH_CHECK(sscanf(line, "$%zu", &size) == 1, "no string but %s", line);
    BENCH_CHECK(size + 2 <= room, "a string of %zu bytes", size);
    take_bytes(fd, string, size + 2); /* with the end of a line */
    string[size] = '\0';
}

/* ---- the server ---- */

/* jzx-kv lies where the build puts it, beside this program. */
static const char *find_kv(const jzx_bench *bench, char *path, size_t size)
{
    const char *given = jzx_bench_option(bench, "kv");
    if (given != NULL) {
        return given;
    }
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    BENCH_CHECK(length > 0, "/proc/self/exe cannot be read: %s", strerror(errno));
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

static const char *find_redis(const jzx_bench *bench)
{
    const char *given = jzx_bench_option(bench, "redis-server");
    return given != NULL ? given : "redis-server";
}

/* Ends the run if it is not here. */
static void need_program(const kv_server *server)
{
    if (server->redis && !kv_runnable(server->program)) {
        jzx_bench_skip(server->bench, "%s cannot be run; --option redis-server=PATH names it", server->program);
    }
    if (!server->redis && access(server->program, X_OK) != 0) {
        jzx_bench_skip(server->bench, "%s is not there; --option kv=PATH names jzx-kv", server->program);
    }
}

static pid_t start_program(const kv_server *server)
{
    char port[8];
    char cpus[32];
    int first = jzx_bench_cpu(server->bench, 0);
    int second = jzx_bench_cpu(server->bench, 1);
    snprintf(port, sizeof port, "%u", server->port);
    if (server->redis) {
        const char *const arguments[] = {server->program, "--port", port,           "--bind", "127.0.0.1",
                                         "--save",        "",       "--appendonly", "no",     NULL};
        return kv_process_start(arguments, second, -1);
    }
    if (server->loops == 1) {
        snprintf(cpus, sizeof cpus, "%d", second);
    } else {
        snprintf(cpus, sizeof cpus, "%d,%d", first, second);
    }
    const char *const arguments[] = {server->program, "--port", port, "--cpus", cpus, NULL};
    return kv_process_start(arguments, KV_ANY_CPU, -1);
}

void kv_server_start(kv_server *server, jzx_bench *bench, bool redis, int loops)
{
    memset(server, 0, sizeof *server);
    server->bench = bench;
    server->redis = redis;
    server->loops = loops;
    const char *program = redis ? find_redis(bench) : find_kv(bench, server->path, sizeof server->path);
    server->program = program;
    need_program(server);
    server->port = free_port();
    server->pid = start_program(server);
}

void kv_server_stop(const kv_server *server)
{
    kill(server->pid, SIGTERM);
    int status = kv_process_wait(server->pid, STOP_LIMIT_S);
    BENCH_CHECK(status == 0, "%s did not end well on SIGTERM", server->program);
}
