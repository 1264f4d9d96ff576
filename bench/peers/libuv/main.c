/* main.c: libuv beside jzx-bench: `list` and `measure`. See bench/README.md. */
#include "peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct workload {
    const char *name;
    void (*measure)(const peer_run *run, uint32_t a, uint32_t b);
    uint32_t a;
    uint32_t b;
};

static void measure_timers(const peer_run *run, uint32_t random, uint32_t unused)
{
    (void)unused;
    timers_measure(run, random != 0);
}

static const struct workload workloads[] = {
    {"io/echo-64-1", echo_measure, 1, 64},       {"io/echo-64-50", echo_measure, 50, 64},
    {"io/echo-64-500", echo_measure, 500, 64},   {"io/echo-16k-1", echo_measure, 1, 16384},
    {"io/echo-16k-50", echo_measure, 50, 16384}, {"io/echo-16k-500", echo_measure, 500, 16384},
    {"timer/million", measure_timers, 0, 0},     {"timer/million-random", measure_timers, 1, 0},
};
enum { WORKLOADS = sizeof workloads / sizeof workloads[0] };

void peer_say(const peer_run *run, const char *format, ...)
{
    if (!run->quiet) {
        va_list arguments;
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
        putchar('\n');
    }
}

void peer_invalid(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("invalid ");
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    exit(EXIT_SUCCESS);
}

void peer_check(bool condition, const char *what)
{
    if (!condition) {
        peer_invalid("%s failed", what);
    }
}

static int list(void)
{
    for (int i = 0; i < WORKLOADS; i++) {
        printf("%s libuv\n", workloads[i].name);
    }
    return EXIT_SUCCESS;
}

/* Names that are not known are for others. One CPU serves for both. */
static void parse(peer_run *run, const char *argument)
{
    const char *value = strchr(argument, '=');
    if (value == NULL) {
        return;
    }
    value++;
    if (strncmp(argument, "count=", 6) == 0) {
        run->count = strtoull(value, NULL, 10);
    } else if (strncmp(argument, "warm=", 5) == 0) {
        run->warm = strtoull(value, NULL, 10);
    } else if (strncmp(argument, "seed=", 5) == 0) {
        run->seed = strtoull(value, NULL, 10);
    } else if (strncmp(argument, "cpus=", 5) == 0) {
        char *rest;
        run->cpus[0] = (int)strtol(value, &rest, 10);
        run->cpus[1] = *rest == ',' ? (int)strtol(rest + 1, NULL, 10) : run->cpus[0];
    }
}

static int measure(const struct workload *workload, int argc, char **argv)
{
    peer_run run = {.count = 0};
    for (int i = 0; i < argc; i++) {
        parse(&run, argv[i]);
    }
    printf("version libuv %s\n", uv_version_string());
    if (run.count == 0) {
        peer_invalid("no count");
    }
    if (run.warm > 0) {
        peer_run warm = run;
        warm.count = run.warm;
        warm.quiet = true;
        workload->measure(&warm, workload->a, workload->b);
    }
    workload->measure(&run, workload->a, workload->b);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return list();
    }
    if (argc < 4 || strcmp(argv[1], "measure") != 0 || strcmp(argv[3], "libuv") != 0) {
        fprintf(stderr, "usage: libuv list | libuv measure WORKLOAD libuv count=N warm=N cpus=A,B seed=N\n");
        return EXIT_FAILURE;
    }
    for (int i = 0; i < WORKLOADS; i++) {
        if (strcmp(argv[2], workloads[i].name) == 0) {
            return measure(&workloads[i], argc - 4, argv + 4);
        }
    }
    printf("skip there is no %s with libuv\n", argv[2]);
    return EXIT_SUCCESS;
}
