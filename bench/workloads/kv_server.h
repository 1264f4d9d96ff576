/*
 * kv_server.h: jzx-kv and redis-server as processes, for the workloads that load them.
 *
 * Options of a run: kv=PATH, the program jzx-kv (that of this build folder), and redis-server=PATH (that of $PATH).
 */
#ifndef KV_SERVER_H
#define KV_SERVER_H

#include <jzx/bench.h>

#include <limits.h>
#include <sys/types.h>

enum { KV_ANY_CPU = -1 };

typedef struct kv_server {
    jzx_bench *bench;
    bool redis;
    int loops; /* of jzx-kv */
    const char *program;
    char path[PATH_MAX];
    uint16_t port;
    pid_t pid;
} kv_server;

/* Starts it, on the second CPU of the run, jzx-kv with two loops on both. Ends the run as skipped where it is not installed. */
void kv_server_start(kv_server *server, jzx_bench *bench, bool redis, int loops);

/* A connection to it, once it listens. */
int kv_server_connect(const kv_server *server);

void kv_server_stop(const kv_server *server);

/* Sends a command and reads the reply to it: a line, or a bulk string without its size and its end. Both end with a zero. */
void kv_ask_line(int fd, const char *command, char *line, size_t room);
void kv_ask_string(int fd, const char *command, char *string, size_t room);

/* Starts a program, its output into `out` (or nowhere, for -1). `cpu` KV_ANY_CPU: not pinned. */
pid_t kv_process_start(const char *const *arguments, int cpu, int out);

/* Waits for a process until it ends or the limit passes; then it is killed. Returns its status, or -1. */
int kv_process_wait(pid_t pid, int limit_s);

bool kv_runnable(const char *program);

#endif
