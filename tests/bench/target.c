/* target: a program made with jzx/bench.h whose sides are what a harness may meet: good ones, and each that goes wrong. */
#include <jzx/bench.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is measured is made up: pace=100 nanoseconds, and up to a thousandth more by the seed. */
static void tell_time(jzx_bench *bench)
{
    const char *pace = jzx_bench_option(bench, "pace");
    double ns = (pace != NULL ? strtod(pace, NULL) : 100) * (1 + (double)(jzx_bench_seed(bench) % 1000) / 1e6);
    uint64_t count = jzx_bench_count(bench);
    jzx_bench_time(bench, "time", (uint64_t)(ns * 1000), 1000);
    jzx_bench_prove(bench, "messages", count, count);
}

/* log=FILE: a line for each call. */
static void tell_log(jzx_bench *bench, const char *side)
{
    const char *path = jzx_bench_option(bench, "log");
    int fd = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0666) : -1;
    if (fd >= 0) {
        dprintf(fd, "%s %llu %llu\n", side, (unsigned long long)jzx_bench_count(bench),
                (unsigned long long)jzx_bench_seed(bench));
        close(fd);
    }
}

static void good(jzx_bench *bench, void *side)
{
    tell_log(bench, side);
    tell_time(bench);
}

static void lose_one(jzx_bench *bench, void *argument)
{
    (void)argument;
    uint64_t count = jzx_bench_count(bench) - 1;
    jzx_bench_time(bench, "time", 1000, 10);
    jzx_bench_prove(bench, "messages", count, count); /* it does not know better */
}

static void be_unsure(jzx_bench *bench, void *argument)
{
    (void)argument;
    uint64_t count = jzx_bench_count(bench);
    jzx_bench_time(bench, "time", 1000, 10);
    jzx_bench_prove(bench, "messages", count - 1, count);
}

static void prove_more(jzx_bench *bench, void *argument)
{
    (void)argument;
    tell_time(bench);
    jzx_bench_prove(bench, "sum", 1, 1);
}

static void prove_nothing(jzx_bench *bench, void *argument)
{
    (void)argument;
    jzx_bench_time(bench, "time", 1000, 10);
}

static void crash(jzx_bench *bench, void *argument)
{
    (void)bench;
    (void)argument;
    raise(SIGKILL);
}

static void hang(jzx_bench *bench, void *argument)
{
    (void)bench;
    (void)argument;
    for (;;) {
        pause();
    }
}

static void write_rubbish(jzx_bench *bench, void *argument)
{
    (void)argument;
    printf("I am fast\n");
    tell_time(bench);
}

static void skip(jzx_bench *bench, void *argument)
{
    (void)argument;
    jzx_bench_skip(bench, "no %s here", "luck");
}

static void begin_twice(jzx_bench *bench, void *argument)
{
    (void)argument;
    jzx_bench_begin(bench);
    jzx_bench_begin(bench);
}

static void tell_twice(jzx_bench *bench, void *argument)
{
    (void)argument;
    tell_time(bench);
    tell_time(bench);
}

/* Each side must be given a multiple of the step, in the warming up too. */
static void be_in_step(jzx_bench *bench, void *argument)
{
    (void)argument;
    tell_time(bench);
    jzx_bench_prove(bench, "rest", jzx_bench_count(bench) % 64, 0);
}

/* Nothing of the warm-up counts, not even that it was over before the clock went on. */
static void warm_at_once(jzx_bench *bench, void *argument)
{
    static bool warmed;
    (void)argument;
    jzx_bench_time(bench, "time", warmed ? 1000 : 0, jzx_bench_count(bench));
    jzx_bench_figure(bench, "rate", "1/s", JZX_BENCH_HIGHER, warmed ? 1 : 1 / 0.0);
    jzx_bench_prove(bench, "one", 1, 1);
    warmed = true;
}

/* 10 ns for each, but that a trial of 10,000 has lost its CPU for 60 ms, if it is the one that makes mark=FILE. */
static void stumble(jzx_bench *bench, void *argument)
{
    (void)argument;
    uint64_t count = jzx_bench_count(bench);
    const char *mark = jzx_bench_option(bench, "mark");
    int fd = mark != NULL && count == 10000 ? open(mark, O_WRONLY | O_CREAT | O_EXCL, 0666) : -1;
    jzx_bench_time(bench, "time", 10 * count + (fd >= 0 ? 60000000 : 0), count);
    jzx_bench_prove(bench, "messages", count, count);
    if (fd >= 0) {
        close(fd);
    }
}

static void measure_really(jzx_bench *bench, void *argument)
{
    (void)argument;
    uint64_t count = jzx_bench_count(bench);
    volatile uint64_t sum = 0;
    jzx_bench_begin(bench);
    for (uint64_t i = 0; i < count; i++) {
        sum = sum + i;
    }
    jzx_bench_end(bench, count);
    jzx_bench_prove(bench, "sum", sum, count * (count - 1) / 2);
}

/* An open-loop load that is made up: the side's argument says at which rate its server has enough, and its generator. */
struct limits {
    double server;
    double generator;
};

static void be_loaded(jzx_bench *bench, void *argument)
{
    const struct limits *limits = argument;
    const char *text = jzx_bench_option(bench, "rate");
    double rate = text != NULL ? strtod(text, NULL) : 1000;
    uint64_t count = jzx_bench_count(bench);
    if (rate > limits->generator) {
        jzx_bench_invalid(bench, "the generator fell behind its own schedule");
    }
    for (uint64_t i = 0; i < count; i++) {
        jzx_bench_latency(bench, rate > limits->server ? 2000000 : 500000);
    }
    jzx_bench_figure(bench, "rate", "1/s", JZX_BENCH_HIGHER, rate);
    jzx_bench_prove(bench, "messages", 1, 1);
}

#define SIDES(name, ...) static const jzx_bench_side name##_sides[] = {__VA_ARGS__}
#define WORKLOAD(title, list, ...)                                                                          \
    {                                                                                                       \
        .struct_size = sizeof(jzx_bench_workload), .name = title, .about = "for a test", .item = "message", \
        .sides = list##_sides, .side_count = sizeof list##_sides / sizeof list##_sides[0], __VA_ARGS__      \
    }
#define MILLION .count = 1000000, .quick_count = 1000000, .cpus = 1

static char first_name[] = "first";
static char second_name[] = "second";
static char third_name[] = "third";

SIDES(pair, {"first", good, first_name}, {"second", good, second_name}, {"third", good, third_name});
SIDES(lost, {"all", good, first_name}, {"loses-one", lose_one, NULL});
SIDES(unsure, {"first", good, first_name}, {"unsure", be_unsure, NULL});
SIDES(more, {"first", good, first_name}, {"more", prove_more, NULL});
SIDES(less, {"first", prove_more, NULL}, {"less", good, second_name});
SIDES(nothing, {"nothing", prove_nothing, NULL});
SIDES(crash, {"crash", crash, NULL}, {"second", good, second_name});
SIDES(hang, {"hang", hang, NULL});
SIDES(rubbish, {"rubbish", write_rubbish, NULL});
SIDES(skip, {"skip", skip, NULL}, {"second", good, second_name});
SIDES(begin, {"twice", begin_twice, NULL});
SIDES(tell, {"twice", tell_twice, NULL});
SIDES(step, {"step", be_in_step, NULL});
SIDES(warm, {"warm", warm_at_once, NULL});
SIDES(real, {"real", measure_really, NULL});
SIDES(stumble, {"stumbles", stumble, NULL});

static struct limits served = {5000, 1e9};
static struct limits generated = {1e9, 9000};
SIDES(loaded, {"served", be_loaded, &served}, {"generated", be_loaded, &generated});

static const jzx_bench_goal goals[] = {{"time", NULL, 1000}, {"time", "second", 0.5}};

static const jzx_bench_workload workloads[] = {
    WORKLOAD("good/pair", pair, .goals = goals, .goal_count = 2, .count = 1000000, .cpus = 1),
    WORKLOAD("good/warm", warm, .count = 1000, .cpus = 1),
    WORKLOAD("good/step", step, .count = 1000, .quick_count = 100, .step = 64, .cpus = 1),
    WORKLOAD("good/real", real, .count = 100000, .quick_count = 1000, .cpus = 1),
    WORKLOAD("good/stumble", stumble, .count = 100000, .quick_count = 1000, .cpus = 1),
    WORKLOAD("loaded/limits", loaded, .count = 1000, .cpus = 1),
    WORKLOAD("bad/lost", lost, MILLION),
    WORKLOAD("bad/unsure", unsure, MILLION),
    WORKLOAD("bad/more", more, MILLION),
    WORKLOAD("bad/less", less, MILLION),
    WORKLOAD("bad/nothing", nothing, MILLION),
    WORKLOAD("bad/crash", crash, MILLION),
    WORKLOAD("bad/hang", hang, MILLION),
    WORKLOAD("bad/rubbish", rubbish, MILLION),
    WORKLOAD("bad/begin", begin, MILLION),
    WORKLOAD("bad/tell", tell, MILLION),
    WORKLOAD("no/skip", skip, MILLION),
    WORKLOAD("no/cpus", pair, .count = 1000000, .cpus = 1000),
};

int main(int argc, char **argv)
{
    return jzx_bench_main(argc, argv, workloads, sizeof workloads / sizeof workloads[0]);
}
