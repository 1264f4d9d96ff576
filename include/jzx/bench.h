/*
 * jzx/bench.h: measure and compare, with what jzx-bench is made of. Link libjzx-bench.
 *
 * A workload is a question: what does this cost? Its sides are ways to do the same work, which are compared: yours, one
 * written by hand, a program in another language (bench/README.md says how such a program talks). A run is one side doing
 * the work once, in a process of its own; the harness makes many, in shuffled order, and knows what their spread allows it
 * to say.
 *
 *   static void sum(jzx_bench *bench, void *argument)
 *   {
 *       uint64_t total = 0, count = jzx_bench_count(bench);
 *       jzx_bench_begin(bench);
 *       for (uint64_t i = 0; i < count; i++) {
 *           total += work(argument, i);
 *       }
 *       jzx_bench_end(bench, count);
 *       jzx_bench_prove(bench, "sum", total, count * (count - 1) / 2);
 *   }
 *
 *   int main(int argc, char **argv)
 *   {
 *       static const jzx_bench_side sides[] = {{"mine", sum, &mine}, {"plain", sum, &plain}};
 *       jzx_bench_workload workload;
 *       jzx_bench_workload_init(&workload);
 *       workload.name = "adding";
 *       workload.sides = sides;
 *       workload.side_count = 2;
 *       workload.count = 1000000;
 *       return jzx_bench_main(argc, argv, &workload, 1);
 *   }
 *
 * A run that proves nothing has no result: each must call jzx_bench_prove() at least once. The functions that take a
 * jzx_bench end the process with a message when they are called wrongly.
 *
 * Thread: jzx_bench_begin(), _end(), _time(), _figure(), _prove() and _latency() may be called by any thread of the run, by one at
 * a time. All names are copied.
 */
#ifndef JZX_BENCH_H
#define JZX_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jzx/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One run of one side. */
typedef struct jzx_bench jzx_bench;

/**
 * Does the work once: jzx_bench_count() operations. It is called twice in its process, first to warm up, with a smaller
 * count and results that nobody looks at, so it leaves nothing behind that changes the second.
 */
typedef void (*jzx_bench_run_fn)(jzx_bench *bench, void *argument);

/** A way to do the work. */
typedef struct jzx_bench_side {
    const char *name; /* letters, digits and '-' */
    jzx_bench_run_fn run;
    void *argument;
} jzx_bench_side;

/** Which of two values is better. */
typedef enum jzx_bench_better {
    JZX_BENCH_LOWER = 0, /* costs */
    JZX_BENCH_HIGHER,    /* rates */
} jzx_bench_better;

/** What a figure of the first side is to reach: at most `limit` where lower is better, at least `limit` where higher is. */
typedef struct jzx_bench_goal {
    const char *figure;  /* "time", or a name given to jzx_bench_figure(), jzx_bench_time() */
    const char *against; /* a side: the ratio first / that side counts; "peers": that to the best program that is not
                            this one; NULL: the figure itself */
    double limit;
} jzx_bench_goal;

/** A question and the ways to answer it. Begin with jzx_bench_workload_init(). */
typedef struct jzx_bench_workload {
    size_t struct_size;
    const char *name;            /* letters, digits, '-' and '/'; what stands before the '/' is its group */
    const char *about;           /* one line for `list` */
    const char *item;            /* one operation, for the unit "ns/ITEM"; "operation" */
    uint64_t count;              /* operations in one run, about a second's worth */
    uint64_t quick_count;        /* with --quick; 0: count / 100, at least 1 */
    uint64_t step;               /* whatever chooses a count, it is a multiple of this; 0: 1 */
    int cpus;                    /* CPUs it needs, 1 or more: each run is confined to that many; 0: may use all */
    bool fixed_count;            /* --duration does not change the count */
    const jzx_bench_side *sides; /* the first is judged against the others */
    size_t side_count;
    const jzx_bench_goal *goals;
    size_t goal_count;
} jzx_bench_workload;

JZX_API void jzx_bench_workload_init(jzx_bench_workload *workload);

/**
 * The whole program: reads the arguments (--help says which), runs, compares, reports.
 *
 * Owns:    `workloads` and all they point to must last until it returns.
 * Thread:  the main one, before there are others.
 * Returns: what main() should: 0 fine, 1 a figure got worse, 2 inconclusive, 3 a run was invalid or an argument wrong.
 */
JZX_API int jzx_bench_main(int argc, char **argv, const jzx_bench_workload *workloads, size_t count);

/* ---- in a run: what is asked ---- */

/** How many operations. */
JZX_API uint64_t jzx_bench_count(const jzx_bench *bench);

/** A number that is the same for every side of this run, another for another repetition. */
JZX_API uint64_t jzx_bench_seed(const jzx_bench *bench);

/** The `index`-th CPU of this run, for pinning; they repeat when `index` is beyond their number. */
JZX_API int jzx_bench_cpu(const jzx_bench *bench, int index);

/** How many CPUs this run has. */
JZX_API int jzx_bench_cpus(const jzx_bench *bench);

/** Whether this is the small amount of work that only shows that all runs: --quick. */
JZX_API bool jzx_bench_quick(const jzx_bench *bench);

/** What --option NAME=VALUE said; NULL if nothing. */
JZX_API const char *jzx_bench_option(const jzx_bench *bench, const char *name);

/* ---- in a run: what is found ---- */

/** CLOCK_MONOTONIC. */
JZX_API uint64_t jzx_bench_now_ns(void);

/** The measured part begins. Counters of the kernel (instructions, cycles, cache misses) begin too, where it has them. */
JZX_API void jzx_bench_begin(jzx_bench *bench);

/** The measured part has ended, and was so many operations: the figure "time", in ns/ITEM, and the counters by operation. */
JZX_API void jzx_bench_end(jzx_bench *bench, uint64_t operations);

/** The same with times that were taken elsewhere, as the figure `name`, in ns/ITEM. No counters. */
JZX_API void jzx_bench_time(jzx_bench *bench, const char *name, uint64_t elapsed_ns, uint64_t operations);

/** Any other figure. Names and units have no blanks. */
JZX_API void jzx_bench_figure(jzx_bench *bench, const char *name, const char *unit, jzx_bench_better better,
                              double value);

/**
 * States that what was counted is what must be. If not, the run is invalid: it has no figures, and the program ends with 3.
 * Every side of a workload must prove the same names with the same values.
 */
JZX_API void jzx_bench_prove(jzx_bench *bench, const char *name, uint64_t got, uint64_t wanted);

/** Adds one latency to the histogram of the run, of three significant digits: figures p50, p90, p99, p99.9 and max, in us. */
JZX_API void jzx_bench_latency(jzx_bench *bench, uint64_t latency_ns);

/** Ends this run: what it found means nothing, for the reason given. */
JZX_API void jzx_bench_invalid(jzx_bench *bench, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/** Ends this run: it cannot be done here, for the reason given. Not a failure. */
JZX_API void jzx_bench_skip(jzx_bench *bench, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* ---- open-loop load ---- */

/**
 * A schedule of operations that does not wait for answers: they are due at a fixed or Poisson rate, seeded. Latency counts
 * from when an operation was due, not from when it was sent, so a stall is seen in full (coordinated omission; Gil Tene,
 * "How NOT to Measure Latency").
 *
 *   jzx_bench_load load;
 *   jzx_bench_load_init(&load, bench, capacity, 0.5);
 *   while ((due_ns = jzx_bench_load_due(&load)) != 0) {
 *       wait until due_ns; send; jzx_bench_load_sent(&load);
 *   }
 *   at each answer: jzx_bench_latency(bench, jzx_bench_now_ns() - due_ns);
 *   jzx_bench_load_end(&load);
 *
 * Send without waiting for the server: queue what its socket does not take. Then a server that stalls shows as latency, and
 * only a generator that is itself too slow for its schedule shows as late sends.
 */
typedef struct jzx_bench_load {
    jzx_bench *bench;
    double rate;     /* a second */
    bool poisson;    /* --arrivals */
    uint64_t random; /* state of the generator, from the seed */
    uint64_t left;   /* operations still to come */
    uint64_t began_ns;
    double due_ns;    /* after began_ns, of the one that comes next */
    uint64_t last_ns; /* when the one that jzx_bench_load_due() gave last was due */
    uint64_t late_ns; /* later than this after it was due is late: JZX_BENCH_LATE_NS; may be set after init */
    uint64_t late;    /* operations sent late */
    uint64_t worst_ns;
    uint64_t sent;
    uint64_t sent_ns; /* when the last one was */
} jzx_bench_load;

enum {
    JZX_BENCH_LATE_NS = 100000,
    JZX_BENCH_LATE_PERCENT = 1, /* more late sends than this: the generator fell behind */
};

/**
 * Starts the schedule now, with jzx_bench_count() operations. The rate is --rate, or else --load, in percent, of `capacity`:
 * what the workload has measured or knows that it can do at most in a second. Without --load it is the `share` of it, 0 to 1. Where
 * jzx_bench_option(bench, "rate") is not NULL, `capacity` is not looked at.
 */
JZX_API void jzx_bench_load_init(jzx_bench_load *load, jzx_bench *bench, double capacity, double share);

/** When the next operation is due, by CLOCK_MONOTONIC; 0 when there are no more. */
JZX_API uint64_t jzx_bench_load_due(jzx_bench_load *load);

/** The operation that was due last has been sent just now. */
JZX_API void jzx_bench_load_sent(jzx_bench_load *load);

/**
 * At the end: the figures "rate", "late-sends" and "latest-send". The run is invalid if an operation was not sent, or if more than
 * JZX_BENCH_LATE_PERCENT of all were sent later than late_ns after they were due: then the generator itself fell behind
 * its schedule, and the load was not the one that is named. With --quick, and while it warms up, lateness does not count.
 */
JZX_API void jzx_bench_load_end(jzx_bench_load *load);

#ifdef __cplusplus
}
#endif

#endif
