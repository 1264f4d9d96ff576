/*
 * guard.c: `jzx-guard` says its paths and their counts, `jzx-guard PATH COUNT` does one, `jzx-guard --compiler` says what it was
 * built by and for, which is what counts of instructions belong to.
 */
#include "guard.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/* Between two readings of the clock: less than any handler takes, so that the library reads it as seldom as it ever does. */
enum { TICK_NS = 100 };

/*
 * The clock of this program, the library's too. The real one would show a loop how slow an emulated processor is, and how
 * often the loop reads it would depend on that.
 */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    static _Atomic uint64_t now_ns = 1000000000000;
    uint64_t shown_ns = atomic_fetch_add_explicit(&now_ns, TICK_NS, memory_order_relaxed);
    (void)clock;
    *time = (struct timespec){(time_t)(shown_ns / 1000000000), (long)(shown_ns % 1000000000)};
    return 0;
}

void guard_open(struct guard *guard, int loop_count, uint64_t wanted)
{
    jzx_config config;
    jzx_config_init(&config);
    config.loops_max = (uint32_t)loop_count;
    config.seed = 1;
    memset(guard, 0, sizeof *guard);
    guard->loop_count = loop_count;
    guard->wanted = wanted;
    GUARD_OK(jzx_runtime_create(&config, &guard->runtime));
    for (int i = 0; i < loop_count; i++) {
        GUARD_OK(jzx_loop_create(guard->runtime, NULL, &guard->loops[i]));
    }
}

jzx_actor_id guard_spawn(struct guard *guard, int loop, jzx_behavior_fn behavior, void *argument)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.argument = argument;
    jzx_actor_id id = 0;
    GUARD_OK(jzx_spawn(jzx_loop_context(guard->loops[loop]), &options, &id));
    return id;
}

void guard_tell(struct guard *guard, jzx_actor_id to, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    GUARD_OK(jzx_send(jzx_loop_context(guard->loops[jzx_actor_loop(to)]), to, &message));
}

void guard_turn(struct guard *guard)
{
    while (guard->done < guard->wanted) {
        for (int i = 0; i < guard->loop_count; i++) {
            GUARD_OK(jzx_loop_run_once(guard->loops[i], 0));
        }
    }
    GUARD_CHECK(guard->done == guard->wanted);
}

void guard_close(struct guard *guard)
{
    int left = 0;
    bool gone[GUARD_LOOPS_MAX] = {false};
    GUARD_OK(jzx_runtime_request_stop(guard->runtime));
    while (left < guard->loop_count) {
        for (int i = 0; i < guard->loop_count; i++) {
            jzx_err err = gone[i] ? JZX_OK : jzx_loop_run_once(guard->loops[i], 0);
            gone[i] = gone[i] || err == JZX_ERR_LOOP_CLOSED;
            GUARD_CHECK(err == JZX_OK || err == JZX_ERR_LOOP_CLOSED);
        }
        left = 0;
        for (int i = 0; i < guard->loop_count; i++) {
            left += gone[i];
        }
    }
    GUARD_OK(jzx_runtime_destroy(guard->runtime));
}

static const guard_path *const all_paths[] = {guard_message_paths, guard_life_paths, guard_world_paths,
                                              guard_order_paths, guard_crowd_paths};

enum { GROUPS = sizeof all_paths / sizeof *all_paths };

static const guard_path *find(const char *name)
{
    for (int i = 0; i < GROUPS; i++) {
        for (const guard_path *path = all_paths[i]; path->name != NULL; path++) {
            if (strcmp(path->name, name) == 0) {
                return path;
            }
        }
    }
    return NULL;
}

static int list(void)
{
    for (int i = 0; i < GROUPS; i++) {
        for (const guard_path *path = all_paths[i]; path->name != NULL; path++) {
            printf("%s %llu\n", path->name, (unsigned long long)path->count);
        }
    }
    return EXIT_SUCCESS;
}

static int say_compiler(void)
{
    struct utsname system;
    GUARD_CHECK(uname(&system) == 0);
#ifdef __clang__
    printf("clang %d.%d", __clang_major__, __clang_minor__);
#else
    printf("gcc %d.%d", __GNUC__, __GNUC_MINOR__);
#endif
#ifdef __OPTIMIZE__
    printf(", optimized, %s\n", system.machine);
#else
    printf(", not optimized, %s\n", system.machine);
#endif
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        return list();
    }
    if (argc == 2 && strcmp(argv[1], "--compiler") == 0) {
        return say_compiler();
    }
    const guard_path *path = find(argv[1]);
    char *end = NULL;
    uint64_t count = argc == 3 ? strtoull(argv[2], &end, 10) : 0;
    if (path == NULL || count == 0 || *end != '\0') {
        fprintf(stderr, "usage: %s [--compiler | PATH COUNT]\n", argv[0]);
        return 3;
    }
    path->run(count);
    return EXIT_SUCCESS;
}
