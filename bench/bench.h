/*
 * bench.h: the harness. Each bench answers one question; it measures libjzx and its raw counterpart in turn, in one
 * process, and reports medians.
 *
 * A bench runs in a child of its own: it starts with fresh memory, leaves no thread behind, and its end by a signal or
 * a failed check costs its own rows only.
 */
#ifndef BENCH_H
#define BENCH_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    BENCH_REPEAT_MAX = 51,
    BENCH_NAME_MAX = 64,
    BENCH_UNIT_MAX = 16,
    BENCH_TARGET_MAX = 24,
    BENCH_NOTE_MAX = 160,
};

/* The results of one side, one value a repetition. */
typedef struct bench_series {
    double values[BENCH_REPEAT_MAX];
    int count;
} bench_series;

typedef enum bench_goal {
    BENCH_RATIO_AT_MOST,  /* ours / raw, for costs */
    BENCH_RATIO_AT_LEAST, /* ours / raw, for rates */
    BENCH_OURS_AT_MOST,   /* ours alone; raw, if there is one, is only shown */
    BENCH_SHOWN,          /* no target */
} bench_goal;

typedef struct bench_target {
    bench_goal goal;
    double limit;
} bench_target;

/* What one bench needs to know, the same for all. */
typedef struct bench_run {
    bool quick;
    int repeat;
    const char *kv_path; /* the program jzx-kv, or NULL */
    int row_fd;          /* where rows go */
} bench_run;

struct bench {
    const char *name;
    const char *question;
    void (*run)(const bench_run *run);
};

/* One line of the result. NAN stands for what was not measured. */
typedef struct bench_row {
    char name[BENCH_NAME_MAX];
    char unit[BENCH_UNIT_MAX];
    char target[BENCH_TARGET_MAX];
    char note[BENCH_NOTE_MAX]; /* why the row was skipped; empty otherwise */
    double ours;
    double raw;
    double ratio;
    bool met;
} bench_row;

/* Ends this bench with a message when a count, a checksum or a call is wrong: such a time means nothing. */
#define BENCH_CHECK(condition, ...)                      \
    do {                                                 \
        if (!(condition)) {                              \
            bench_fail(__FILE__, __LINE__, __VA_ARGS__); \
        }                                                \
    } while (0)

void bench_fail(const char *file, int line, const char *format, ...) __attribute__((noreturn, format(printf, 3, 4)));

void bench_add(bench_series *series, double value);

/* The value below which `share` of the sorted samples lie: exact, by rank. Sorts `samples`. */
double bench_percentile(double *samples, size_t count, double share);

double bench_median(const bench_series *series);

/* Reports one row by the medians. `raw` may be NULL. */
void bench_report(const bench_run *run, const char *name, const char *unit, const bench_series *ours,
                  const bench_series *raw, bench_target target);

/* Reports a row that cannot be measured here, and why. */
void bench_skip(const bench_run *run, const char *name, const char *unit, const char *reason);

/* Whether two CPUs can be had, 0 and 1. If not, says so for each of `count` rows. */
bool bench_two_cpus(const bench_run *run, const char *const *rows, int count);

/* The CPU of benches that need one: 1 when it can be had, away from the interrupts, else 0. */
int bench_cpu(void);

/* Pins the calling thread. */
void bench_pin(int cpu);

/* The repetitions and the amount of work. */
static inline uint64_t bench_scale(const bench_run *run, uint64_t full, uint64_t quick)
{
    return run->quick ? quick : full;
}

static inline uint64_t bench_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t bench_now_ns(void)
{
    return bench_clock(CLOCK_MONOTONIC);
}

static inline double bench_per(uint64_t total, uint64_t count)
{
    return (double)total / (double)count;
}

/* xorshift64: the same random targets for both sides, at a cost of 1 ns. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

static inline uint32_t bench_random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(((bench_random(state) >> 32) * limit) >> 32);
}

#endif
