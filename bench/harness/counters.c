/*
 * counters.c: see counters.h.
 *
 * Each counter of the hardware has a descriptor of its own: a group cannot be inherited by threads that are started later.
 * Where the kernel may not be counted (kernel.perf_event_paranoid), this side of it is, and bench_counters_about() says so.
 */
#include "counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HARDWARE = 3, SOFTWARE = 3, COUNTERS = HARDWARE + SOFTWARE };

static const struct event {
    const char *name;
    uint64_t config;
} events[HARDWARE] = {
    {"instructions", PERF_COUNT_HW_INSTRUCTIONS},
    {"cycles", PERF_COUNT_HW_CPU_CYCLES},
    {"cache-misses", PERF_COUNT_HW_CACHE_MISSES},
};

static const char *const software_names[SOFTWARE] = {"context-switches", "page-faults", "cpu-ns"};

/* As the kernel lays it out for PERF_FORMAT_TOTAL_TIME_ENABLED and _RUNNING. */
struct reading {
    uint64_t count;
    uint64_t enabled_ns;
    uint64_t running_ns;
};

/* One process is measured once at a time, so there is one of this. */
static struct {
    int fds[HARDWARE];
    bool open[HARDWARE];
    bool counted[HARDWARE]; /* all the time between begin and end */
    struct reading begin[HARDWARE];
    uint64_t totals[COUNTERS];
    uint64_t software_begin[SOFTWARE];
} counters;

static int open_event(uint64_t config, bool with_kernel)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof attributes,
        .config = config,
        .disabled = 1,
        .inherit = 1,
        .exclude_kernel = !with_kernel,
        .exclude_hv = 1,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
    };
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* All three alike: with the kernel's part or without. */
static int open_any(uint64_t config)
{
    int fd = open_event(config, true);
    return fd < 0 && (errno == EACCES || errno == EPERM) ? open_event(config, false) : fd;
}

static void read_software(uint64_t values[SOFTWARE])
{
    struct rusage usage;
    struct timespec cpu;
    getrusage(RUSAGE_SELF, &usage);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    values[0] = (uint64_t)usage.ru_nvcsw + (uint64_t)usage.ru_nivcsw;
    values[1] = (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
    values[2] = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
}

static struct reading read_event(int fd)
{
    struct reading reading = {0};
    if (read(fd, &reading, sizeof reading) != (ssize_t)sizeof reading) {
        reading = (struct reading){0};
    }
    return reading;
}

/*
 * What was counted between two readings. One that had to share the hardware, and was counted for a part of the time only, is not
 * shown: a guess is no count.
 */
static bool take_difference(const struct reading *begin, const struct reading *end, uint64_t *total)
{
    *total = end->count - begin->count;
    uint64_t running_ns = end->running_ns - begin->running_ns;
    return running_ns != 0 && running_ns == end->enabled_ns - begin->enabled_ns;
}

void bench_counters_open(void)
{
    for (int i = 0; i < HARDWARE; i++) {
        counters.fds[i] = open_any(events[i].config);
        counters.open[i] = counters.fds[i] >= 0;
    }
}

void bench_counters_close(void)
{
    for (int i = 0; i < HARDWARE; i++) {
        if (counters.open[i]) {
            close(counters.fds[i]);
            counters.open[i] = false;
        }
    }
}

void bench_counters_begin(void)
{
    for (int i = 0; i < HARDWARE; i++) {
        if (counters.open[i]) {
            ioctl(counters.fds[i], PERF_EVENT_IOC_ENABLE, 0);
            counters.begin[i] = read_event(counters.fds[i]);
        }
    }
    read_software(counters.software_begin);
}

void bench_counters_end(void)
{
    uint64_t now[SOFTWARE];
    read_software(now);
    for (int i = 0; i < HARDWARE; i++) {
        if (counters.open[i]) {
            ioctl(counters.fds[i], PERF_EVENT_IOC_DISABLE, 0);
            struct reading end = read_event(counters.fds[i]);
            counters.counted[i] = take_difference(&counters.begin[i], &end, &counters.totals[i]);
        }
    }
    for (int i = 0; i < SOFTWARE; i++) {
        counters.totals[HARDWARE + i] = now[i] - counters.software_begin[i];
    }
}

const char *bench_counters_get(size_t index, uint64_t *total)
{
    for (size_t i = 0; i < COUNTERS; i++) {
        bool there = i >= HARDWARE || counters.counted[i];
        if (there && index-- == 0) {
            *total = counters.totals[i];
            return i < HARDWARE ? events[i].name : software_names[i - HARDWARE];
        }
    }
    return NULL;
}

void bench_counters_about(char *text, size_t size)
{
    int fd = open_event(events[0].config, true);
    const char *what = "of the program and of the kernel for it";
    if (fd < 0 && (errno == EACCES || errno == EPERM)) {
        fd = open_event(events[0].config, false);
        what = "of the program without the kernel (kernel.perf_event_paranoid)";
    }
    if (fd < 0) {
        snprintf(text, size, "no counters of the hardware here: %s", strerror(errno));
        return;
    }
    close(fd);
    snprintf(text, size, "%s", what);
}
