/*
 * idle.c: what does it cost to have actors and loops that do nothing?
 *
 * Bytes per idle actor: resident memory with all actors live, each of which has handled a message, less resident memory
 * with none, by their number; the cells are touched before. An idle process of two loops: its threads, and the CPU time
 * it takes while nothing happens.
 */
#include "support/resident.h"
#include "support/world.h"
#include "workloads.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>

enum { TAG_TOUCH = 1, TOUCHERS = 8, TIMEOUT_S = 10, IDLE_LOOPS = 2, MILLISECOND_NS = 1000000 };

/* ---- bytes per idle actor ---- */

static jzx_behavior_result count_message(jzx_context *context, void *state, const jzx_message *message)
{
    uint64_t *count = state;
    (void)context;
    (void)message;
    (*count)++;
    return JZX_BEHAVIOR_OK;
}

/* Runs the loop until so many messages have been handled. */
static void run_until(const struct world *world, const uint64_t *handled, uint64_t count)
{
    uint64_t deadline_ns = jzx_bench_now_ns() + (uint64_t)TIMEOUT_S * 1000000000u;
    while (*handled < count) {
        WORLD_CHECK(jzx_loop_run_once(world->loops[0], 0));
        BENCH_CHECK(jzx_bench_now_ns() < deadline_ns, "the loop does not handle its mail");
    }
}

/* Has each cell used once, by actors that hold as many as they may, and runs them empty. */
static void touch_cells(const struct world *world, const jzx_config *config)
{
    uint64_t handled = 0;
    uint64_t sent = 0;
    for (int i = 0; i < TOUCHERS; i++) {
        jzx_actor_id id = world_spawn_cap(world, 0, count_message, &handled, config->cells / TOUCHERS);
        jzx_message message = jzx_message_empty(TAG_TOUCH);
        while (jzx_send(jzx_loop_context(world->loops[0]), id, &message) == JZX_OK) {
            sent++;
        }
    }
    run_until(world, &handled, sent);
    BENCH_CHECK(sent >= config->cells / 2, "only %llu cells could be touched", (unsigned long long)sent);
}

/* In parts, so that their messages find cells. */
static void spawn_idle(const struct world *world, const jzx_config *config, uint64_t actor_count, uint64_t *handled)
{
    for (uint64_t i = 0; i < actor_count; i++) {
        world_tell(world, world_spawn(world, 0, count_message, handled), TAG_TOUCH);
        if (i % (config->cells / 8) == 0 || i + 1 == actor_count) {
            run_until(world, handled, i + 1);
        }
    }
}

static uint64_t count_actors(const struct world *world)
{
    /* A turn brings the gauges up to date. */
    WORLD_CHECK(jzx_loop_run_once(world->loops[0], 0));
    jzx_counters counters;
    WORLD_CHECK(jzx_loop_stats(world->loops[0], &counters));
    return counters.actors;
}

static void run_idle_actors(jzx_bench *bench, void *argument)
{
    (void)argument;
    uint64_t actor_count = jzx_bench_count(bench);
    uint64_t handled = 0;
    jzx_config config;
    jzx_config_init(&config);
    config.actors_max = (uint32_t)(actor_count + actor_count / 10 + TOUCHERS);
    resident_settle(bench);
    struct world world;
    world_open(&world, bench, &config, 1);
    touch_cells(&world, &config);
    uint64_t before = resident_bytes();
    spawn_idle(&world, &config, actor_count, &handled);
    uint64_t after = resident_bytes();
    jzx_bench_prove(bench, "actors", count_actors(&world) - TOUCHERS, actor_count);
    WORLD_CHECK(jzx_runtime_request_stop(world.runtime));
    WORLD_CHECK(jzx_loop_run(world.loops[0]));
    world_close(&world);
    jzx_bench_figure(bench, "size", "bytes", JZX_BENCH_LOWER, (double)(after - before) / (double)actor_count);
}

/* ---- an idle process ---- */

static int count_threads(void)
{
    DIR *directory = opendir("/proc/self/task");
    BENCH_CHECK(directory != NULL, "/proc/self/task cannot be read");
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

/* utime and stime of this process, in ticks. */
static unsigned long cpu_ticks(void)
{
    char line[1024];
    unsigned long user = 0;
    unsigned long system = 0;
    FILE *file = fopen("/proc/self/stat", "r");
    BENCH_CHECK(file != NULL && fgets(line, sizeof line, file) != NULL, "/proc/self/stat cannot be read");
    fclose(file);
    /* Fields 14 and 15; the second, the name, may hold spaces but ends with the last parenthesis. */
    char *rest = line;
    for (char *at = line; *at != '\0'; at++) {
        rest = *at == ')' ? at + 1 : rest;
    }
    int got = sscanf(rest, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    BENCH_CHECK(got == 2, "/proc/self/stat reads differently");
    return user + system;
}

static void sleep_ns(uint64_t duration_ns)
{
    struct timespec time = {(time_t)(duration_ns / 1000000000u), (long)(duration_ns % 1000000000u)};
    nanosleep(&time, NULL);
}

/* Waits until every loop sleeps in the kernel: what is measured then is idleness, not start-up. */
static void wait_parked(const struct world *world)
{
    uint64_t deadline_ns = jzx_bench_now_ns() + (uint64_t)TIMEOUT_S * 1000000000u;
    for (int i = 0; i < world->loop_count; i++) {
        jzx_counters counters = {.parks = 0};
        do {
            BENCH_CHECK(jzx_bench_now_ns() < deadline_ns, "loop %d does not park", i);
            sleep_ns(1000000);
            WORLD_CHECK(jzx_loop_stats(world->loops[i], &counters));
        } while (counters.parks == 0);
    }
}

static void run_idle_process(jzx_bench *bench, void *argument)
{
    (void)argument;
    uint64_t handled[IDLE_LOOPS] = {0};
    struct world world;
    world_open(&world, bench, NULL, IDLE_LOOPS);
    for (int i = 0; i < IDLE_LOOPS; i++) {
        world_tell(&world, world_spawn(&world, i, count_message, &handled[i]), TAG_TOUCH);
    }
    for (int i = 0; i < IDLE_LOOPS; i++) {
        WORLD_CHECK(jzx_loop_start(world.loops[i]));
    }
    wait_parked(&world);
    unsigned long before = cpu_ticks();
    sleep_ns(jzx_bench_count(bench) * MILLISECOND_NS);
    unsigned long ticks = cpu_ticks() - before;
    int threads = count_threads();
    uint32_t stuck = 0;
    WORLD_CHECK(jzx_runtime_shutdown(world.runtime, (uint64_t)TIMEOUT_S * 1000000000u, &stuck));
    world_close(&world);
    jzx_bench_prove(bench, "messages", handled[0] + handled[1], IDLE_LOOPS);
    jzx_bench_figure(bench, "threads", "threads", JZX_BENCH_LOWER, threads);
    jzx_bench_figure(bench, "cpu", "ticks", JZX_BENCH_LOWER, (double)ticks);
}

/* ---- the workloads ---- */

static const jzx_bench_side actor_sides[] = {{"jzx", run_idle_actors, NULL}};
static const jzx_bench_side process_sides[] = {{"jzx", run_idle_process, NULL}};

static const jzx_bench_goal actor_goals[] = {{"size", NULL, 192}, BENCH_GOAL_PEERS("size")};
/* The loops and the thread that started them. */
static const jzx_bench_goal process_goals[] = {{"threads", NULL, IDLE_LOOPS + 1}, {"cpu", NULL, 0}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "life/idle", .about = "memory of an actor that waits for a message", .item = "actor",
     .count = 1000000, .quick_count = 20000, .fixed_count = true, .cpus = 1, BENCH_SIDES(actor_sides),
     BENCH_GOALS(actor_goals)},
    {BENCH_WORKLOAD, .name = "process/idle", .about = "threads and CPU time of two loops that wait", .item = "ms",
     .count = 5000, .quick_count = 1000, .fixed_count = true, .cpus = 2, BENCH_SIDES(process_sides),
     BENCH_GOALS(process_goals)},
};

const bench_group bench_idle = BENCH_GROUP(workloads);
