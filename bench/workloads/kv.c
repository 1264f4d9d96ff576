/*
 * kv.c: io/kv-*: what does jzx-kv spend on a request, and redis-server?
 *
 * redis-benchmark loads a server with SETs, then as many GETs, of 64 bytes over 50 connections. `cpu` is the server's CPU
 * time, all threads, by request; `rate` is what redis-benchmark says. The server has the second CPU and the client the
 * first; with two loops jzx-kv has both, and the client is not pinned.
 *
 * An error as a reply ends redis-benchmark with a status; the server says how many commands it has processed, how many
 * keys there are, and a sample of them is read.
 * kv_server.h has the servers and their options.
 */
#include "support/check.h"
#include "support/world.h"
#include "workloads.h"
#include "workloads/kv_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    VALUE_BYTES = 64,
    KEYS_MOST = 10000,
    SETS_A_KEY = 20, /* then as good as every key is set */
    SAMPLED_KEYS = 100,
    CLIENT_COMMANDS_MOST = 16, /* that redis-benchmark, or this, asks beside its requests */
    CLIENT_LIMIT_S = 10,       /* once it has said all that it says */
    ARGUMENTS_MAX = 24,
};

/* One side: a server, and how it is loaded. */
struct kv {
    bool redis;
    int loops; /* of jzx-kv */
    const char *pipeline;
    bool client_pinned;
};

/* One run of it. */
struct load {
    jzx_bench *bench;
    const struct kv *kv;
    uint64_t sets; /* and as many GETs */
    uint32_t keys;
    uint16_t port;
};

/* What redis-benchmark says, in requests a second. */
struct rates {
    double set;
    double get;
};

static uint64_t process_cpu_ns(pid_t pid)
{
    clockid_t clock;
    BENCH_CHECK(clock_getcpuclockid(pid, &clock) == 0, "no clock of the server");
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- a word with the server ---- */

/* What INFO says of `field`, so many commands for example. */
static uint64_t ask_info(int fd, const char *field)
{
    char reply[16384];
    unsigned long long value = 0;
    kv_ask_string(fd, "INFO\r\n", reply, sizeof reply);
    const char *at = strstr(reply, field);
    BENCH_CHECK(at != NULL && sscanf(at + strlen(field), ":%llu", &value) == 1, "INFO says no %s", field);
    return value;
}

/* Whether there is the key of this number; then it must hold what was set. */
static bool has_key(int fd, uint32_t number)
{
    char command[64];
    char reply[256];
    snprintf(command, sizeof command, "EXISTS key:%012u\r\n", number);
    kv_ask_line(fd, command, reply, sizeof reply);
    if (strcmp(reply, ":1\r\n") != 0) {
        return false;
    }
    snprintf(command, sizeof command, "GET key:%012u\r\n", number);
    kv_ask_string(fd, command, reply, sizeof reply);
    BENCH_CHECK(strlen(reply) == VALUE_BYTES, "a value reads %s", reply);
    return true;
}

/* Looks at what the load left: all keys are there, as far as chance has it, and so is a sample of their values. */
static void check_data(int fd, const struct load *load)
{
    char reply[64];
    unsigned long keys = 0;
    kv_ask_line(fd, "DBSIZE\r\n", reply, sizeof reply);
    BENCH_CHECK(sscanf(reply, ":%lu", &keys) == 1 && keys <= load->keys && keys >= load->keys - load->keys / 100,
                "DBSIZE says %s", reply);
    uint32_t found = 0;
    uint32_t sample = load->keys < SAMPLED_KEYS ? load->keys : SAMPLED_KEYS;
    for (uint32_t i = 0; i < sample; i++) {
        found += has_key(fd, i);
    }
    BENCH_CHECK(found + found / 20 >= sample, "%u of %u keys are there", found, sample);
}

/* ---- one run ---- */

/* Starts redis-benchmark; what it says comes out of *output. */
static pid_t start_client(const struct load *load, FILE **output)
{
    char port[8];
    char requests[24];
    char keys[16];
    char size[8];
    snprintf(port, sizeof port, "%u", load->port);
    snprintf(requests, sizeof requests, "%llu", (unsigned long long)load->sets);
    snprintf(keys, sizeof keys, "%u", load->keys);
    snprintf(size, sizeof size, "%d", VALUE_BYTES);
    const char *const arguments[ARGUMENTS_MAX] = {
        "redis-benchmark",  "-p", port,      "-c",    "50", "-d", size, "-n", requests, "-r", keys, "-P",
        load->kv->pipeline, "-t", "set,get", "--csv", NULL};
    int ends[2];
    BENCH_CHECK(pipe2(ends, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    pid_t pid = kv_process_start(arguments, load->kv->client_pinned ? jzx_bench_cpu(load->bench, 0) : KV_ANY_CPU,
                                 ends[1]);
    close(ends[1]);
    *output = fdopen(ends[0], "r");
    BENCH_CHECK(*output != NULL, "out of memory");
    return pid;
}

static struct rates run_client(const struct load *load)
{
    FILE *output;
    char line[512];
    struct rates rates = {0, 0};
    pid_t pid = start_client(load, &output);
    while (fgets(line, sizeof line, output) != NULL) {
        sscanf(line, "\"SET\",\"%lf", &rates.set);
        sscanf(line, "\"GET\",\"%lf", &rates.get);
    }
    fclose(output);
    int status = kv_process_wait(pid, CLIENT_LIMIT_S);
    BENCH_CHECK(status == 0, "redis-benchmark failed: it ends so when a reply is an error");
    BENCH_CHECK(rates.set > 0 && rates.get > 0, "redis-benchmark tells no rates");
    return rates;
}

/* The client asks a few things of its own, so the server may have processed a little more. */
static void prove_requests(const struct load *load, uint64_t commands)
{
    uint64_t wanted = 2 * load->sets;
    if (commands > wanted && commands <= wanted + CLIENT_COMMANDS_MOST) {
        commands = wanted;
    }
    jzx_bench_prove(load->bench, "requests", commands, jzx_bench_count(load->bench));
}

static void measure(const struct load *load, const kv_server *server)
{
    static const char counter[] = "total_commands_processed";
    int fd = kv_server_connect(server);
    uint64_t commands = ask_info(fd, counter);
    uint64_t before_ns = process_cpu_ns(server->pid);
    struct rates rates = run_client(load);
    double cpu_ns = (double)(process_cpu_ns(server->pid) - before_ns);
    commands = ask_info(fd, counter) - commands;
    check_data(fd, load);
    close(fd);
    kv_server_stop(server);

    double took_s = (double)load->sets / rates.set + (double)load->sets / rates.get;
    double requests = 2 * (double)load->sets;
    jzx_bench_time(load->bench, "time", (uint64_t)(took_s * 1e9), 2 * load->sets);
    jzx_bench_figure(load->bench, "rate", "req/s", JZX_BENCH_HIGHER, requests / took_s);
    jzx_bench_figure(load->bench, "cpu", "us/req", JZX_BENCH_LOWER, cpu_ns / requests / 1000);
    prove_requests(load, commands);
}

/* ---- the workloads ---- */

static void run_kv(jzx_bench *bench, void *argument)
{
    struct load load = {.bench = bench, .kv = argument, .sets = jzx_bench_count(bench) / 2};
    kv_server server;
    world_need_cpus(bench, 2);
    if (!kv_runnable("redis-benchmark")) {
        jzx_bench_skip(bench, "redis-benchmark is not installed: redis-tools");
    }
    uint64_t keys = load.sets / SETS_A_KEY;
    load.keys = keys > KEYS_MOST ? KEYS_MOST : (uint32_t)keys;
    kv_server_start(&server, bench, load.kv->redis, load.kv->loops);
    load.port = server.port;
    measure(&load, &server);
}

static struct kv jzx_single = {.loops = 1, .pipeline = "1", .client_pinned = true};
static struct kv jzx_pipelined = {.loops = 1, .pipeline = "16", .client_pinned = true};
static struct kv jzx_two_loops = {.loops = 2, .pipeline = "16"};
static struct kv jzx_one_loop = {.loops = 1, .pipeline = "16"};
static struct kv redis_single = {.redis = true, .pipeline = "1", .client_pinned = true};
static struct kv redis_pipelined = {.redis = true, .pipeline = "16", .client_pinned = true};
static struct kv redis_threads = {.redis = true, .pipeline = "16"};

static const jzx_bench_side single[] = {{"jzx", run_kv, &jzx_single}, {"redis", run_kv, &redis_single}};
static const jzx_bench_side pipelined[] = {{"jzx", run_kv, &jzx_pipelined}, {"redis", run_kv, &redis_pipelined}};
static const jzx_bench_side threads[] = {
    {"jzx", run_kv, &jzx_two_loops}, {"redis", run_kv, &redis_threads}, {"jzx-one-loop", run_kv, &jzx_one_loop}};

static const jzx_bench_goal single_goals[] = {{"cpu", "redis", 0.9}};
static const jzx_bench_goal pipelined_goals[] = {{"cpu", "redis", 0.8}};
static const jzx_bench_goal threads_goals[] = {{"cpu", "redis", 1}, {"cpu", "jzx-one-loop", 1.3}};

/* A multiple of the two kinds of requests, 16 of which go together. */
#define KV(count_, quick) \
    BENCH_WORKLOAD, .item = "request", .count = (count_), .quick_count = (quick), .step = 32, .cpus = 2

static const jzx_bench_workload workloads[] = {
    {
        KV(200000, 6400),
        .name = "io/kv-1",
        .about = "SET and GET of jzx-kv on one loop and of redis-server, one request at a time on 50 connections",
        BENCH_SIDES(single),
        BENCH_GOALS(single_goals),
    },
    {
        KV(1600000, 16000),
        .name = "io/kv-16",
        .about = "the same with 16 requests at a time",
        BENCH_SIDES(pipelined),
        BENCH_GOALS(pipelined_goals),
    },
    {
        KV(1600000, 16000),
        .name = "io/kv-threads-16",
        .about = "jzx-kv on two loops, redis-server and jzx-kv on one, 16 requests at a time",
        BENCH_SIDES(threads),
        BENCH_GOALS(threads_goals),
    },
};
const bench_group bench_kv = BENCH_GROUP(workloads);
