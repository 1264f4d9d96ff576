/*
 * idle.c: what does it cost to have actors and loops that do nothing?
 *
 * Bytes per idle actor: resident memory with all actors live, less resident memory with none, by their number; the
 * cells are touched before. An idle process: its threads, and the CPU time it takes while nothing happens.
 */
#include "world.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

enum { TAG_TOUCH = 1, TOUCHERS = 8, TIMEOUT_S = 10 };

/* ---- bytes per idle actor ---- */

static uint64_t resident_bytes(void)
{
    unsigned long size = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    BENCH_CHECK(file != NULL && fscanf(file, "%lu %lu", &size, &resident) == 2, "/proc/self/statm cannot be read");
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static jzx_behavior_result count_message(jzx_context *context, void *state, const jzx_message *message)
{
    uint64_t *count = state;
    (void)context;
    (void)message;
    (*count)++;
    return JZX_BEHAVIOR_OK;
}

/* Has each cell used once, by actors that hold as many as they may, and runs them empty. */
static void touch_cells(const struct world *world, const jzx_config *config)
{
    uint64_t handled = 0;
    uint64_t sent = 0;
    for (int i = 0; i < TOUCHERS; i++) {
        jzx_spawn_options options;
        jzx_spawn_options_init(&options);
        options.behavior = count_message;
        options.argument = &handled;
        options.mailbox_cap = config->cells / TOUCHERS;
        jzx_context *context = jzx_loop_context(world->loops[0]);
        jzx_actor_id id = 0;
        WORLD_CHECK(jzx_spawn(context, &options, &id));
        jzx_message message = jzx_message_empty(TAG_TOUCH);
        while (jzx_send(context, id, &message) == JZX_OK) {
            sent++;
        }
    }
    uint64_t deadline_ns = bench_now_ns() + (uint64_t)TIMEOUT_S * 1000000000u;
    while (handled < sent) {
        WORLD_CHECK(jzx_loop_run_once(world->loops[0], 0));
        BENCH_CHECK(bench_now_ns() < deadline_ns, "the loop does not handle its mail");
    }
    BENCH_CHECK(sent >= config->cells / 2, "only %llu cells could be touched", (unsigned long long)sent);
}

static double idle_bytes(uint32_t actor_count)
{
    uint64_t handled = 0;
    jzx_config config;
    jzx_config_init(&config);
    config.actors_max = actor_count + actor_count / 10;
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, &config, &shape);
    touch_cells(&world, &config);
    uint64_t before = resident_bytes();
    for (uint32_t i = 0; i < actor_count; i++) {
        world_spawn(&world, 0, count_message, &handled);
    }
    uint64_t after = resident_bytes();
    /* A turn brings the gauges up to date. */
    WORLD_CHECK(jzx_loop_run_once(world.loops[0], 0));
    jzx_counters counters;
    WORLD_CHECK(jzx_loop_stats(world.loops[0], &counters));
    BENCH_CHECK(counters.actors == actor_count + TOUCHERS, "%llu actors live", (unsigned long long)counters.actors);
    WORLD_CHECK(jzx_runtime_request_stop(world.runtime));
    WORLD_CHECK(jzx_loop_run(world.loops[0]));
    world_close(&world);
    return bench_per(after - before, actor_count);
}

static void run_idle_actor(const bench_run *run)
{
    /* Memory is measured once: a second runtime would find the pages of the first. */
    bench_series bytes = {.count = 0};
    bench_add(&bytes, idle_bytes((uint32_t)bench_scale(run, 1000000, 20000)));
    bench_report(run, "bytes of an idle actor at 1,000,000, by RSS", "bytes", &bytes, NULL,
                 (bench_target){BENCH_OURS_AT_MOST, 192});
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
    uint64_t deadline_ns = bench_now_ns() + (uint64_t)TIMEOUT_S * 1000000000u;
    for (int i = 0; i < world->loop_count; i++) {
        jzx_counters counters = {.parks = 0};
        do {
            BENCH_CHECK(bench_now_ns() < deadline_ns, "loop %d does not park", i);
            sleep_ns(1000000);
            WORLD_CHECK(jzx_loop_stats(world->loops[i], &counters));
        } while (counters.parks == 0);
    }
}

static void run_idle_process(const bench_run *run)
{
    uint64_t handled[WORLD_LOOPS_MAX] = {0, 0};
    struct world world;
    world_shape shape = {.loop_count = 2, .cpus = {JZX_CPU_ANY, JZX_CPU_ANY}, .linger_ns = {0, 0}};
    world_open(&world, NULL, &shape);
    for (int i = 0; i < shape.loop_count; i++) {
        world_tell(&world, world_spawn(&world, i, count_message, &handled[i]), TAG_TOUCH);
    }
    for (int i = 0; i < shape.loop_count; i++) {
        WORLD_CHECK(jzx_loop_start(world.loops[i]));
    }
    wait_parked(&world);
    uint64_t duration_ns = bench_scale(run, 5000000000u, 1000000000u);
    unsigned long before = cpu_ticks();
    sleep_ns(duration_ns);
    unsigned long ticks = cpu_ticks() - before;
    int threads = count_threads();
    uint32_t stuck = 0;
    WORLD_CHECK(jzx_runtime_shutdown(world.runtime, (uint64_t)TIMEOUT_S * 1000000000u, &stuck));
    world_close(&world);
    BENCH_CHECK(handled[0] == 1 && handled[1] == 1, "a loop did not run");

    bench_series thread_series = {.count = 0};
    bench_series tick_series = {.count = 0};
    bench_add(&thread_series, threads);
    bench_add(&tick_series, (double)ticks);
    bench_report(run, "threads of an idle process of two loops", "threads", &thread_series, NULL,
                 (bench_target){BENCH_OURS_AT_MOST, shape.loop_count + 1});
    bench_report(run, "CPU ticks of an idle process of two loops in 5 s", "ticks", &tick_series, NULL,
                 (bench_target){BENCH_OURS_AT_MOST, 0});
}

const struct bench bench_idle_actor = {"idle-actor", "memory of an actor that does nothing", run_idle_actor};
const struct bench bench_idle_process = {"idle-process", "threads and CPU time of two idle loops", run_idle_process};
