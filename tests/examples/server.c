#include "server.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the server ---- */

const char *two_cpus(void)
{
    static char text[32];
    cpu_set_t set;
    int found = 0;
    size_t cpus[2] = {0, 0};
    cr_assert_eq(sched_getaffinity(0, sizeof set, &set), 0);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            cpus[found++] = cpu;
        }
    }
    snprintf(text, sizeof text, "%zu,%zu", cpus[0], found == 2 ? cpus[1] : cpus[0]);
    return text;
}

rlim_t soft_descriptors;
rlim_t hard_descriptors;

static void limit_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_max = hard_descriptors != 0 ? hard_descriptors : limit.rlim_max;
    limit.rlim_cur = soft_descriptors != 0 ? soft_descriptors : limit.rlim_cur;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void start_with(struct server *server, const char *program_variable, char *const *arguments)
{
    int ends[2];
    const char *program = getenv(program_variable);
    cr_assert_not_null(program, "%s does not name the program", program_variable);
    memset(server, 0, sizeof *server);
    cr_assert_eq(pipe(ends), 0);
    server->pid = fork();
    cr_assert_geq(server->pid, 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        limit_descriptors();
        execv(program, arguments);
        _exit(127);
    }
    close(ends[1]);
    server->output = ends[0];
}

bool read_output(struct server *server)
{
    struct pollfd polled = {server->output, POLLIN, 0};
    cr_assert_gt(poll(&polled, 1, WAIT_MS), 0, "the server says nothing: %s", server->text);
    ssize_t size = read(server->output, server->text + server->size, OUTPUT_MAX - 1 - server->size);
    cr_assert_geq(size, 0);
    server->size += (size_t)size;
    server->text[server->size] = 0;
    return size > 0;
}

void wait_ready(struct server *server)
{
    const char *ready = NULL;
    while (ready == NULL) {
        cr_assert(read_output(server), "the server did not start: %s", server->text);
        ready = strstr(server->text, "ready on port ");
    }
    server->port = (uint16_t)atoi(ready + strlen("ready on port "));
    cr_assert_neq(server->port, 0);
}

int wait_end(struct server *server)
{
    while (read_output(server)) {
    }
    int status;
    cr_assert_eq(waitpid(server->pid, &status, 0), server->pid);
    close(server->output);
    cr_assert(WIFEXITED(status), "the server ended by signal %d: %s", WTERMSIG(status), server->text);
    return WEXITSTATUS(status);
}

void stop(struct server *server)
{
    kill(server->pid, SIGTERM);
    cr_assert_eq(wait_end(server), 0, "%s", server->text);
}

/* ---- a client ---- */

void connect_fd(const struct server *server, int fd)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(server->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0, "connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int try_connect(const struct server *server)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(server->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int connect_to(const struct server *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect_fd(server, fd);
    return fd;
}

void say_bytes(int fd, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        cr_assert_gt(sent, 0, "send: %s", strerror(errno));
        at += sent;
        size -= (size_t)sent;
    }
}

void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

size_t hear_some(int fd, void *data, size_t size)
{
    struct pollfd polled = {fd, POLLIN, 0};
    cr_assert_gt(poll(&polled, 1, WAIT_MS), 0, "the server does not reply");
    ssize_t got = recv(fd, data, size, 0);
    cr_assert(got >= 0 || errno == ECONNRESET, "recv: %s", strerror(errno));
    return got > 0 ? (size_t)got : 0;
}

void hear(int fd, const char *wanted)
{
    char reply[1024];
    size_t size = strlen(wanted);
    size_t got = 0;
    cr_assert_lt(size, sizeof reply);
    while (got < size) {
        size_t more = hear_some(fd, reply + got, size - got);
        reply[got + more] = 0;
        cr_assert_gt(more, 0, "wanted '%s', got '%s' and the end", wanted, reply);
        got += more;
    }
    cr_assert_str_eq(reply, wanted);
}

void hear_end(int fd)
{
    char byte;
    cr_assert_eq(hear_some(fd, &byte, 1), 0, "more than was wanted: %c", byte);
    close(fd);
}

void ask(int fd, const char *command, const char *wanted)
{
    say(fd, command);
    hear(fd, wanted);
}
