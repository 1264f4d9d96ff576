/*
 * results: writes a file of made-up results, always the same, for the tests of compare and report.
 *
 *   results FILE [NAME=VALUE...]
 *
 *     slow=1.1     the first side takes so many times as long
 *     level=1      all sides do
 *     count=1000   operations in a run
 *     runs=12
 *     cpu=TEXT
 *     twin=0       no twin
 *     invalid=1    the first side of the first workload is invalid
 *     fewer=1      the last workload is left out
 *     peer=NAME    instead of go-channels
 *     slower=50    erlang has so many operations in a run of message/ping-pong
 */
#include "bench/harness/memory.h"
#include "bench/harness/result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char **arguments;
static uint64_t random_state = 1;

static const char *asked(const char *name, const char *otherwise)
{
    for (char **argument = arguments; *argument != NULL; argument++) {
        size_t length = strlen(name);
        if (strncmp(*argument, name, length) == 0 && (*argument)[length] == '=') {
            return *argument + length + 1;
        }
    }
    return otherwise;
}

static double number(const char *name, const char *otherwise)
{
    return strtod(asked(name, otherwise), NULL);
}

static double uniform(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

/* One percent of noise, more or less; never far out. */
static double noise(void)
{
    return 1 + 0.01 * (uniform() + uniform() + uniform() - 1.5);
}

static void fact(bench_result *result, const char *name, const char *text)
{
    result->facts = bench_more(result->facts, result->fact_count, sizeof(*result->facts));
    result->facts[result->fact_count++] = (bench_fact){bench_copy(name), bench_copy(text)};
}

static bench_workload_result *workload(bench_result *result, const char *name, const char *about)
{
    result->workloads = bench_more(result->workloads, result->workload_count, sizeof(*result->workloads));
    bench_workload_result *new = &result->workloads[result->workload_count++];
    *new = (bench_workload_result){
        .name = bench_copy(name), .about = bench_copy(about), .count = (uint64_t)number("count", "1000")};
    return new;
}

static bench_side_result *side(bench_workload_result *of, const char *name, bench_role role)
{
    of->sides = bench_more(of->sides, of->side_count, sizeof(*of->sides));
    bench_side_result *new = &of->sides[of->side_count++];
    *new = (bench_side_result){.name = bench_copy(name), .role = role};
    return new;
}

static void figure(bench_side_result *of, const char *name, const char *unit, jzx_bench_better better, double value)
{
    of->figures = bench_more(of->figures, of->figure_count, sizeof(*of->figures));
    bench_figure *new = &of->figures[of->figure_count++];
    size_t runs = (size_t)number("runs", "12");
    *new = (bench_figure){bench_copy(name), bench_copy(unit), better, bench_new((runs + 1) * sizeof(double)), runs};
    for (size_t i = 0; i < runs; i++) {
        new->values[i] = value *number("level", "1") * noise();
    }
}

/* First, twin, raw limit, two peers. */
static void sides(bench_workload_result *of, const char *name, const char *unit, jzx_bench_better better,
                  const double values[4])
{
    double slow = better == JZX_BENCH_LOWER ? number("slow", "1") : 1 / number("slow", "1");
    figure(side(of, "jzx", BENCH_ROLE_OWN), name, unit, better, values[0] * slow);
    if (number("twin", "1") > 0) {
        figure(side(of, "jzx", BENCH_ROLE_TWIN), name, unit, better, values[0] * slow);
    }
    figure(side(of, "raw", BENCH_ROLE_OWN), name, unit, better, values[1]);
    bench_side_result *peer = side(of, "erlang", BENCH_ROLE_PEER);
    peer->version = bench_copy("Erlang/OTP 25.2.3");
    figure(peer, name, unit, better, values[2]);
    peer = side(of, asked("peer", "go-channels"), BENCH_ROLE_PEER);
    peer->version = bench_copy("go1.19.8 <&>");
    figure(peer, name, unit, better, values[3]);
    side(of, "caf", BENCH_ROLE_PEER)->skipped = bench_copy("libcaf-dev is not installed");
}

static void goal(bench_workload_result *of, const char *name, const char *against, double limit)
{
    of->goals = bench_more(of->goals, of->goal_count, sizeof(*of->goals));
    of->goals[of->goal_count++] = (bench_goal_result){bench_copy(name), against == NULL ? NULL : bench_copy(against),
                                                      limit};
}

static void message(bench_result *result)
{
    bench_workload_result *of = workload(result, "message/ping-pong", "two actors pass a token <to & fro>");
    sides(of, "time", "ns/message", JZX_BENCH_LOWER, (const double[]){12, 8.2, 314, 141});
    goal(of, "time", "raw", 1.5);
    goal(of, "time", "peers", 1.0 / 3);
    of->sides[of->side_count - 3].count = (uint64_t)number("slower", "0");
    of = workload(result, "message/fan-in", "16 senders, one receiver");
    sides(of, "time", "ns/message", JZX_BENCH_LOWER, (const double[]){9.5, 5.2, 142, 8.4});
    goal(of, "time", "raw", 1.5);
    goal(of, "time", "peers", 1.0 / 3);
}

static void latency(bench_result *result)
{
    bench_workload_result *of = workload(result, "mixed/echo", "requests at half of capacity");
    sides(of, "rate", "requests/s", JZX_BENCH_HIGHER, (const double[]){290000, 300000, 110000, 180000});
    goal(of, "rate", "raw", 0.95);
    for (size_t i = 0; i < of->side_count; i++) {
        bench_side_result *one = &of->sides[i];
        if (one->skipped != NULL) {
            continue;
        }
        double slower = 1 + (double)(i > 1 ? i : 0) / 3; /* the twin is as the first */
        figure(one, "p99", "us", JZX_BENCH_LOWER, 60 * slower);
        one->histogram = bench_histogram_create();
        for (int k = 0; k < 100000; k++) {
            double ns = 20000.0 * slower / pow(1 - uniform(), 0.3);
            bench_histogram_add(one->histogram, (uint64_t)ns, 1);
        }
    }
    goal(of, "p99", NULL, 100);
}

static void scale(bench_result *result)
{
    for (int loops = 1; loops <= 8; loops *= 2) {
        char *name = bench_format("scale/fan-in-%d", loops);
        bench_workload_result *of = workload(result, name, "fan-in over so many loops");
        sides(of, "time", "ns/message", JZX_BENCH_LOWER,
              (const double[]){20.0 / loops + 2, 12.0 / loops + 1, 300.0 / loops + 80, 90.0 / loops + 30});
        free(name);
    }
}

int main(int argc, char **argv)
{
    bench_result result = {0};
    if (argc < 2) {
        return 3;
    }
    arguments = argv + 2;
    fact(&result, "cpu", asked("cpu", "Example 1 at 3.0 GHz"));
    fact(&result, "cores", "2");
    fact(&result, "compiler", "gcc 12.2.0");
    fact(&result, "commit", "0123456789ab");
    fact(&result, "date", "2026-11-20 12:00 UTC");
    fact(&result, "command", "jzx-bench run --json results.json --reps 12");
    message(&result);
    latency(&result);
    if (number("fewer", "0") == 0) {
        scale(&result);
    }
    if (number("invalid", "0") > 0) {
        bench_side_result *first = &result.workloads[0].sides[0];
        bench_side_free(first);
        *first = (bench_side_result){.name = bench_copy("jzx"), .invalid = bench_copy("sum is 41, not 42")};
    }
    bool good = bench_result_write(&result, argv[1]);
    bench_result_free(&result);
    return good ? 0 : 3;
}
