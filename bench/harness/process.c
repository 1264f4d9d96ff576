/* process.c: a program that is started, read and ended. See sample.h. */
#include "sample.h"

#include "measure.h"
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OUTPUT_MAX = 64 << 20, /* a histogram has some 30,000 lines of 30 bytes */
    CHUNK = 1 << 16,
    NOT_STARTED = 127,
};

struct output {
    int fd; /* -1: closed */
    char *text;
    size_t size;
    size_t room;
    bool too_much;
};

struct process {
    pid_t pid;
    int pid_fd;
    struct output out;
    struct output err; /* what it says before it fails, for the reason */
};

/* In the new process: it must not come back. */
static void become(const char **arguments, const int *cpus, int cpu_count, int out, int err, pid_t parent)
{
    int null = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(NOT_STARTED);
    }
    if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) {
        _exit(NOT_STARTED);
    }
    if (cpu_count > 0 && !bench_cpus_confine(cpus, cpu_count)) {
        dprintf(2, "cannot be confined to its CPUs: %s\n", strerror(errno));
        _exit(NOT_STARTED);
    }
    const char *path = arguments[0];
    if (strcmp(path, BENCH_SELF) == 0) {
        arguments[0] = program_invocation_name; /* as messages call it */
    }
    execvp(path, (char *const *)arguments);
    dprintf(2, "cannot be started: %s: %s\n", path, strerror(errno));
    _exit(NOT_STARTED);
}

static void start(struct process *process, const char **arguments, const int *cpus, int cpu_count)
{
    int out[2];
    int err[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
        bench_fail("pipe: %s", strerror(errno));
    }
    pid_t parent = getpid();
    fflush(NULL);
    process->pid = fork();
    if (process->pid < 0) {
        bench_fail("fork: %s", strerror(errno));
    }
    if (process->pid == 0) {
        become(arguments, cpus, cpu_count, out[1], err[1], parent);
    }
    setpgid(process->pid, process->pid); /* here too: whoever is first */
    close(out[1]);
    close(err[1]);
    process->out = (struct output){.fd = out[0]};
    process->err = (struct output){.fd = err[0]};
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    process->pid_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (process->pid_fd < 0) {
        kill(-process->pid, SIGKILL);
        bench_fail("pidfd_open: %s", strerror(errno));
    }
}

/* Takes what there is, without waiting. Closes at the end, or when it is too much. */
static void drain(struct output *output)
{
    while (output->fd >= 0) {
        if (output->room - output->size < CHUNK) {
            output->room += output->room + 2 * CHUNK;
            output->text = realloc(output->text, output->room);
            if (output->text == NULL) {
                bench_fail("out of memory");
            }
        }
        ssize_t got = read(output->fd, output->text + output->size, CHUNK);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        output->size += got > 0 ? (size_t)got : 0;
        output->too_much = output->size > OUTPUT_MAX;
        if (got <= 0 || output->too_much) {
            close(output->fd);
            output->fd = -1;
        }
    }
}

/*
 * Until it has ended, however many of its own still hold the pipes. False: the time was over before, or what it wrote was
 * too much.
 */
static bool wait_for(struct process *process, double limit_s)
{
    uint64_t deadline_ns = jzx_bench_now_ns() + (uint64_t)(limit_s * 1e9);
    for (;;) {
        struct pollfd polled[] = {
            {.fd = process->pid_fd, .events = POLLIN},
            {.fd = process->out.fd, .events = POLLIN},
            {.fd = process->err.fd, .events = POLLIN},
        };
        uint64_t now_ns = jzx_bench_now_ns();
        if (now_ns >= deadline_ns) {
            return false;
        }
        uint64_t left_ms = (deadline_ns - now_ns) / 1000000 + 1;
        if (poll(polled, 3, left_ms < 1000 ? (int)left_ms : 1000) < 0 && errno != EINTR) {
            bench_fail("poll: %s", strerror(errno));
        }
        drain(&process->out);
        drain(&process->err);
        if (process->out.too_much || process->err.too_much) {
            return false;
        }
        if ((polled[0].revents & POLLIN) != 0) {
            return true;
        }
    }
}

/* Kills what is left of the group while its number cannot belong to another: the process is not reaped yet. */
static int reap(struct process *process)
{
    int status = 0;
    kill(-process->pid, SIGKILL);
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR) {
    }
    close(process->pid_fd);
    return status;
}

/* ": what it said last", or nothing. */
static char *last_words(struct output *err)
{
    size_t end = err->size;
    while (end > 0 && (unsigned char)err->text[end - 1] <= ' ') {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && err->text[begin - 1] != '\n') {
        begin--;
    }
    int length = end - begin < 300 ? (int)(end - begin) : 300;
    return length == 0 ? bench_copy("") : bench_format(": %.*s", length, err->text + begin);
}

static char *reason_of(struct process *process, bool in_time, double limit_s, int status)
{
    char *words = last_words(&process->err);
    char *reason = NULL;
    if (process->out.too_much || process->err.too_much) {
        reason = bench_format("it wrote more than %d MiB", OUTPUT_MAX >> 20);
    } else if (!in_time) {
        reason = bench_format("it had not ended after %g s%s", limit_s, words);
    } else if (WIFSIGNALED(status)) {
        reason = bench_format("it was ended by signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)), words);
    } else if (WEXITSTATUS(status) != 0) {
        reason = bench_format("it ended with %d%s", WEXITSTATUS(status), words);
    }
    free(words);
    return reason;
}

static void close_output(struct output *output)
{
    if (output->fd >= 0) {
        close(output->fd);
    }
}

char *bench_process_read(const char **arguments, const int *cpus, int cpu_count, double limit_s, size_t *size,
                         char **reason)
{
    struct process process;
    start(&process, arguments, cpus, cpu_count);
    bool in_time = wait_for(&process, limit_s);
    int status = reap(&process);
    drain(&process.out);
    drain(&process.err);
    close_output(&process.out);
    close_output(&process.err);
    *reason = reason_of(&process, in_time, limit_s, status);
    free(process.err.text);
    if (*reason != NULL) {
        free(process.out.text);
        return NULL;
    }
    *size = process.out.size;
    return process.out.text;
}
