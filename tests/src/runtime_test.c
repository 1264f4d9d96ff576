/* runtime_test: the runtime from creation to its end, on real rings. */
#include "tests/support/support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t SECOND = 1000000000u;

/* ---- creation ---- */

Test(runtime, two_loops_pass_a_message_and_leave_nothing, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    test_send(&world, &actors[1], 7);
    test_until(&world, actors[1].received == 1);
    cr_assert_eq(test_tags(&actors[1], 7), 1);
    test_world_close(&world);
    cr_assert_eq(actors[0].finis, 1);
    cr_assert_eq(actors[1].finis, 1);
}

Test(runtime, started_loops_take_posts_and_leave_nothing, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    test_world_start(&world);
    test_send(&world, &actors[0], 7);
    test_send(&world, &actors[1], 7);
    test_until(&world, actors[0].received == 1 && actors[1].received == 1);
    test_world_close(&world);
    cr_assert_eq(actors[0].exit.kind, JZX_EXIT_SHUTDOWN);
    cr_assert_eq(actors[1].exit.kind, JZX_EXIT_SHUTDOWN);
}

Test(runtime, the_defaults_make_a_runtime, .timeout = 60)
{
    jzx_runtime *runtime = NULL;
    jzx_loop *loop = NULL;
    cr_assert_eq(jzx_runtime_create(NULL, &runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(runtime, NULL, &loop), JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
}

Test(runtime, M01_null_is_refused_or_means_nothing, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_loop *loop = NULL;
    cr_expect_eq(jzx_runtime_create(NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_runtime_create(&world.config, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_runtime_destroy(NULL), JZX_OK);
    cr_expect_eq(jzx_runtime_request_stop(NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_runtime_shutdown(NULL, 0, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_runtime_os_error(NULL), 0);
    cr_expect_eq(jzx_runtime_os_error(world.runtime), 0);
    cr_expect_eq(jzx_runtime_loop_count(NULL), 0);
    cr_expect_eq(jzx_runtime_loop_count(world.runtime), 1);
    cr_expect_null(jzx_runtime_loop(NULL, 0));
    cr_expect_null(jzx_runtime_loop(world.runtime, 1));
    cr_expect_null(jzx_runtime_loop(world.runtime, UINT32_MAX));
    cr_expect_eq(jzx_runtime_loop(world.runtime, 0), world.loops[0]);
    cr_expect_eq(jzx_loop_create(NULL, NULL, &loop), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_loop_create(world.runtime, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_runtime_segment_fd(NULL), -1);
    cr_expect_null(loop);
    test_world_close(&world);
}

Test(runtime, a_loop_config_of_another_size_is_refused, .timeout = 60)
{
    jzx_runtime *runtime;
    cr_assert_eq(jzx_runtime_create(NULL, &runtime), JZX_OK);
    jzx_loop_config config;
    jzx_loop_config_init(NULL, &config);
    config.struct_size = 0;
    jzx_loop *loop = NULL;
    cr_assert_eq(jzx_loop_create(runtime, &config, &loop), JZX_ERR_INVALID_ARG);
    cr_assert_null(loop);
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
}

Test(runtime, D74_every_error_has_a_text_of_its_own, .timeout = 60)
{
    const char *seen[64];
    unsigned count = 0;
    for (int err = JZX_ERR_TOO_BIG; err <= JZX_OK; err++) {
        const char *text = jzx_strerror((jzx_err)err);
        cr_assert_str_neq(text, "unknown error code", "%d", err);
        for (unsigned i = 0; i < count; i++) {
            cr_expect_str_neq(text, seen[i], "two errors share \"%s\"", text);
        }
        seen[count++] = text;
    }
    cr_assert_str_eq(jzx_strerror((jzx_err)1), "unknown error code");
    cr_assert_str_eq(jzx_strerror((jzx_err)-1000), "unknown error code");
}

/* One try at a runtime of two loops; what exists is destroyed. */
static jzx_err try_to_create(const jzx_config *config)
{
    jzx_runtime *runtime = NULL;
    jzx_err err = jzx_runtime_create(config, &runtime);
    if (err != JZX_OK) {
        cr_assert_null(runtime, "out parameters change on success only");
        return err;
    }
    for (unsigned i = 0; i < 2 && err == JZX_OK; i++) {
        jzx_loop *loop = NULL;
        err = jzx_loop_create(runtime, NULL, &loop);
        cr_assert_eq(loop != NULL, err == JZX_OK);
        cr_assert_eq(jzx_runtime_loop_count(runtime), i + (err == JZX_OK));
    }
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
    return err;
}

Test(runtime, D02_every_failed_allocation_of_creation_leaves_nothing, .timeout = 100)
{
    unsigned fds = test_fd_count();
    jzx_config config;
    test_config(&config);
    jzx_err err = JZX_ERR_NO_MEMORY;
    uint64_t n;
    for (n = 1; err == JZX_ERR_NO_MEMORY; n++) {
        test_memory memory = {.fail_at = n};
        for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
            config.allocators[i] = test_memory_allocator(&memory);
        }
        err = try_to_create(&config);
        cr_assert_eq(err, memory.failed > 0 ? JZX_ERR_NO_MEMORY : JZX_OK, "the %lu. allocation: %s", (unsigned long)n,
                     jzx_strerror(err));
        test_memory_assert_empty(&memory);
        cr_assert_eq(test_fd_count(), fds);
    }
    cr_assert_eq(err, JZX_OK);
    cr_assert_gt(n, 40, "a runtime of two loops needs more than %lu allocations", (unsigned long)n);
}

Test(runtime, P16_a_loop_that_failed_for_memory_can_be_created_again, .timeout = 100)
{
    for (uint64_t n = 1; n < 30; n += 4) {
        jzx_config config;
        test_config(&config);
        config.loops_max = 2;
        test_memory memory = {0};
        config.allocators[0] = test_memory_allocator(&memory);
        jzx_runtime *runtime;
        jzx_loop *loops[2] = {NULL};
        cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
        cr_assert_eq(jzx_loop_create(runtime, NULL, &loops[0]), JZX_OK);
        memory.fail_at = memory.calls + n;
        jzx_err err = jzx_loop_create(runtime, NULL, &loops[1]);
        if (err != JZX_OK) {
            cr_assert_eq(err, JZX_ERR_NO_MEMORY);
            cr_assert_null(loops[1]);
            cr_assert_eq(jzx_loop_create(runtime, NULL, &loops[1]), JZX_OK);
        }
        memory.fail_at = 0;
        test_actor actors[2] = {0};
        for (unsigned i = 0; i < 2; i++) {
            jzx_spawn_options options;
            test_actor_options(&actors[i], &options);
            cr_assert_eq(jzx_spawn(jzx_loop_context(loops[i]), &options, NULL), JZX_OK);
        }
        jzx_message message = jzx_message_empty(1);
        cr_assert_eq(jzx_send(jzx_loop_context(loops[0]), actors[1].id, &message), JZX_OK);
        for (unsigned i = 0; i < 100 && actors[1].received == 0; i++) {
            cr_assert_eq(jzx_loop_run_once(loops[0], 0), JZX_OK);
            cr_assert_eq(jzx_loop_run_once(loops[1], 0), JZX_OK);
        }
        cr_assert_eq(actors[1].received, 1, "the lanes between the loops work");
        cr_assert_eq(jzx_runtime_request_stop(runtime), JZX_OK);
        jzx_err left[2] = {JZX_OK, JZX_OK};
        for (unsigned i = 0; i < 100 && (left[0] == JZX_OK || left[1] == JZX_OK); i++) {
            for (unsigned k = 0; k < 2; k++) {
                left[k] = left[k] == JZX_OK ? jzx_loop_run_once(loops[k], 0) : left[k];
            }
        }
        cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
        test_memory_assert_empty(&memory);
    }
}

/* What an actor can ask for; each allocates on its first use. */
typedef jzx_err (*want_fn)(jzx_context *context);

static jzx_err want_timer(jzx_context *context)
{
    jzx_message message = jzx_message_empty(1);
    return jzx_timer_after(context, JZX_FOREVER, &message, NULL);
}

static jzx_err want_monitor(jzx_context *context)
{
    uint64_t monitor;
    return jzx_monitor(context, jzx_self(context), &monitor);
}

static jzx_err want_listener(jzx_context *context)
{
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    jzx_socket_id socket;
    return jzx_tcp_listen(context, &options, &socket);
}

static jzx_err want_watch(jzx_context *context)
{
    jzx_watch_id watch;
    return jzx_watch(context, STDOUT_FILENO, JZX_IO_PRIORITY, &watch);
}

static jzx_err want_actor(jzx_context *context)
{
    jzx_spawn_options options;
    test_actor nobody = {0};
    test_actor_options(&nobody, &options);
    options.init = NULL;
    options.fini = NULL;
    options.state_size = 64;
    return jzx_spawn(context, &options, NULL);
}

static jzx_err want_memory(jzx_context *context)
{
    void *memory = jzx_alloc(context, 100);
    jzx_free(context, memory, 100);
    return memory == NULL ? JZX_ERR_NO_MEMORY : JZX_OK;
}

typedef struct want {
    want_fn fn;
    jzx_err err;
} want;

static jzx_behavior_result ask(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    want *w = argument;
    w->err = w->fn(context);
    return JZX_BEHAVIOR_OK;
}

/* Fails the n-th allocation of one thing for each n, in a world of its own; then the thing must still be had. */
static void starve(const char *name, want_fn fn)
{
    uint64_t n = 1;
    for (bool failed = true; failed; n++) {
        jzx_config config;
        test_config(&config);
        test_memory memory = {0};
        for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
            config.allocators[i] = test_memory_allocator(&memory);
        }
        config.loops_max = 1;
        test_world world = {.config = config, .loop_count = 1, .fds_before = test_fd_count()};
        cr_assert_eq(jzx_runtime_create(&config, &world.runtime), JZX_OK);
        cr_assert_eq(jzx_loop_create(world.runtime, NULL, &world.loops[0]), JZX_OK);
        test_actor actor = {0};
        test_spawn(&world, 0, &actor);
        memory.fail_at = memory.calls + n;
        want w = {.fn = fn};
        test_do(&world, &actor, ask, &w);
        memory.fail_at = 0;
        failed = memory.failed > 0;
        cr_assert_eq(w.err, failed ? JZX_ERR_NO_MEMORY : JZX_OK, "%s, allocation %lu: %s", name, (unsigned long)n,
                     jzx_strerror(w.err));
        test_do(&world, &actor, ask, &w);
        cr_assert_eq(w.err, JZX_OK, "%s after a failure of allocation %lu: %s", name, (unsigned long)n,
                     jzx_strerror(w.err));
        cr_assert_eq(actor.finis, 0);
        test_world_close(&world);
        test_memory_assert_empty(&memory);
    }
    cr_assert_gt(n, 2, "%s allocates something", name);
}

Test(runtime, P16_what_a_failed_allocation_refuses_can_be_had_later, .timeout = 100)
{
    starve("a timer", want_timer);
    starve("a monitor", want_monitor);
    starve("a listener", want_listener);
    starve("a watch", want_watch);
    starve("an actor with a state", want_actor);
    starve("jzx_alloc", want_memory);
}

Test(runtime, P16_a_poster_that_failed_for_memory_leaves_nothing, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    jzx_poster *poster = NULL;
    size_t live = world.memory[0].live;
    uint64_t n = 1;
    jzx_err err;
    do {
        world.memory[0].fail_at = world.memory[0].calls + n;
        uint64_t failed = world.memory[0].failed;
        err = jzx_poster_create(world.runtime, 16, &poster);
        cr_assert_eq(err, world.memory[0].failed > failed ? JZX_ERR_NO_MEMORY : JZX_OK);
        cr_assert(err == JZX_OK || world.memory[0].live == live);
        cr_assert_eq(poster != NULL, err == JZX_OK);
        n++;
    } while (err != JZX_OK);
    cr_assert_eq(n, 6, "the poster, its inboxes, and a ring for each of two loops");
    test_world_close(&world);
}

Test(runtime, no_descriptor_left_is_FD_LIMIT, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    while ((unsigned)dup(STDIN_FILENO) != test_fd_count() - 1) {
        /* until the numbers in use have no gaps: the limit is one of numbers */
    }
    unsigned fds = test_fd_count();
    for (unsigned more = 0; more <= 3; more++) {
        struct rlimit before;
        cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
        struct rlimit limit = {fds + more, before.rlim_max};
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        jzx_err err = try_to_create(&config);
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        cr_assert_eq(err, more < 3 ? JZX_ERR_FD_LIMIT : JZX_OK, "%u descriptors for 3: %s", more, jzx_strerror(err));
        cr_assert_eq(test_fd_count(), fds);
    }
}

/* From here on io_uring_setup() fails with `error` in this process. */
static void deny_uring(int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void expect_refusal(int error, jzx_err expected)
{
    unsigned fds = test_fd_count();
    jzx_config config;
    test_config(&config);
    test_memory memory = {0};
    config.allocators[0] = test_memory_allocator(&memory);
    deny_uring(error);
    jzx_runtime *runtime;
    jzx_loop *loop = NULL;
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(runtime, NULL, &loop), expected);
    cr_assert_null(loop);
    cr_assert_eq(jzx_runtime_os_error(runtime), error);
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
    test_memory_assert_empty(&memory);
    cr_assert_eq(test_fd_count(), fds);
}

Test(runtime, M52_io_uring_forbidden_is_URING_DENIED, .timeout = 60)
{
    expect_refusal(EPERM, JZX_ERR_URING_DENIED);
}

Test(runtime, M52_ENOSYS_under_a_filter_is_URING_DENIED_too, .timeout = 60)
{
    expect_refusal(ENOSYS, JZX_ERR_URING_DENIED);
}

Test(runtime, M52_a_kernel_that_knows_not_the_flags_is_URING_MISSING, .timeout = 60)
{
    expect_refusal(EINVAL, JZX_ERR_URING_MISSING);
}

Test(runtime, M52_an_error_without_a_name_is_OS, .timeout = 60)
{
    expect_refusal(EIO, JZX_ERR_OS);
}

Test(runtime, M52_no_descriptor_for_the_ring_is_FD_LIMIT, .timeout = 60)
{
    expect_refusal(EMFILE, JZX_ERR_FD_LIMIT);
}

Test(runtime, several_runtimes_live_side_by_side, .timeout = 60)
{
    test_world worlds[3];
    test_actor actors[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        test_world_open(&worlds[i], 2, NULL);
        test_spawn(&worlds[i], i % 2, &actors[i]);
    }
    unsigned fds = worlds[0].fds_before;
    for (unsigned i = 0; i < 3; i++) {
        test_send(&worlds[i], &actors[i], i);
        test_until(&worlds[i], actors[i].received == 1);
        cr_assert_eq(actors[i].log[0].tag, i);
    }
    for (unsigned i = 0; i < 3; i++) {
        worlds[i].fds_before = test_fd_count() - 3; /* its segment and two rings go */
        test_world_close(&worlds[i]);
    }
    cr_assert_eq(test_fd_count(), fds);
}

Test(runtime, P26_no_thread_is_made_that_nobody_asked_for, .timeout = 60)
{
    unsigned threads = test_thread_count();
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    test_send(&world, &actor, 1);
    test_until(&world, actor.received == 1);
    cr_assert_eq(test_thread_count(), threads);
    test_world_close(&world);

    test_world_open(&world, 2, NULL);
    test_world_start(&world);
    cr_assert_eq(test_thread_count(), threads + 2);
    test_world_close(&world);
    cr_assert_eq(test_thread_count(), threads);
}

/* ---- destroy ---- */

Test(runtime, a_runtime_that_never_ran_is_torn_down_by_destroy, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_ledger ledger = {0};
    test_actor actors[2] = {{.ledger = &ledger}, {.ledger = &ledger}};
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i, &actors[i]);
    }
    jzx_message message;
    for (uint32_t from = 0; from < 2; from++) {
        for (uint32_t to = 0; to < 2; to++) {
            message = test_payload(&ledger, 1, 100);
            cr_assert_eq(jzx_send(jzx_loop_context(world.loops[from]), actors[to].id, &message), JZX_OK);
        }
    }
    test_world_close(&world);
    cr_assert_eq(ledger.dropped, 4, "%lu of 4 payloads were dropped", (unsigned long)ledger.dropped);
    cr_assert_eq(ledger.twice, 0);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(actors[i].finis, 1);
        cr_assert_eq(actors[i].received, 0);
        cr_assert_eq(actors[i].exit.kind, JZX_EXIT_SHUTDOWN);
    }
}

typedef struct post_job {
    test_world *world;
    test_actor *actor;
    uint32_t accepted;
} post_job;

static void post_some(void *argument)
{
    post_job *job = argument;
    for (unsigned i = 0; i < 3; i++) {
        jzx_message message = test_payload(job->actor->ledger, 1, 16);
        job->accepted += jzx_post(job->world->runtime, job->actor->id, &message) == JZX_OK;
    }
}

Test(runtime, D22_M06_destroy_drops_what_lies_in_inboxes_and_posters, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    test_spawn(&world, 1, &actor);
    post_job job = {&world, &actor, 0};
    test_on_thread(post_some, &job);
    cr_assert_eq(job.accepted, 3);
    jzx_poster *poster;
    cr_assert_eq(jzx_poster_create(world.runtime, 16, &poster), JZX_OK);
    for (unsigned i = 0; i < 5; i++) {
        jzx_message message = test_payload(&ledger, 1, 16);
        cr_assert_eq(jzx_poster_post(poster, actor.id, &message), JZX_OK);
    }
    cr_assert_eq(test_ledger_open(&ledger), 8);
    test_world_close(&world);
    cr_assert_eq(ledger.dropped, 8);
    cr_assert_eq(ledger.twice, 0);
}

static jzx_behavior_result try_to_end_all(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    jzx_err *errs = argument;
    jzx_loop *loop = jzx_context_loop(context);
    jzx_runtime *runtime = jzx_loop_runtime(loop);
    errs[0] = jzx_runtime_destroy(runtime);
    errs[1] = jzx_runtime_shutdown(runtime, 0, NULL);
    errs[2] = jzx_loop_run(loop);
    errs[3] = jzx_loop_run_once(loop, 0);
    errs[4] = jzx_loop_start(loop);
    cr_assert_eq(jzx_runtime_request_stop(runtime), JZX_OK);
    errs[5] = jzx_runtime_destroy(runtime);
    return JZX_BEHAVIOR_OK;
}

Test(runtime, M46_destroy_run_and_shutdown_inside_a_handler_are_refused, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_err errs[6] = {0};
    test_do(&world, &actor, try_to_end_all, errs);
    cr_expect_eq(errs[0], JZX_ERR_BUSY);
    cr_expect_eq(errs[1], JZX_ERR_WRONG_THREAD);
    cr_expect_eq(errs[2], JZX_ERR_ALREADY_RUNNING);
    cr_expect_eq(errs[3], JZX_ERR_ALREADY_RUNNING);
    cr_expect_eq(errs[4], JZX_ERR_ALREADY_RUNNING);
    cr_expect_eq(errs[5], JZX_ERR_BUSY);
    test_world_close(&world);
}

static jzx_err destroy_in_init(jzx_context *context, test_actor *actor)
{
    *(jzx_err *)actor->data = jzx_runtime_destroy(jzx_loop_runtime(jzx_context_loop(context)));
    return JZX_OK;
}

/* The host's spawn runs it before any turn. */
Test(runtime, M46_destroy_inside_an_init_is_refused, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_err err = JZX_OK;
    test_actor actor = {.on_init = destroy_in_init, .data = &err};
    test_spawn(&world, 0, &actor);
    cr_assert_eq(err, JZX_ERR_BUSY);
    test_world_close(&world);
}

Test(runtime, D08_M46_destroy_while_a_loop_runs_is_BUSY, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 1, &actor);
    test_world_start(&world);
    test_send(&world, &actor, 1);
    test_until(&world, actor.received == 1);
    cr_assert_eq(jzx_runtime_destroy(world.runtime), JZX_ERR_BUSY);
    test_send(&world, &actor, 2);
    test_until(&world, actor.received == 2);
    cr_assert_eq(actor.finis, 0);
    test_world_close(&world);
}

Test(runtime, destroy_of_one_that_ran_on_this_thread_and_was_not_stopped_is_BUSY, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_world_step(&world);
    cr_assert_eq(jzx_runtime_destroy(world.runtime), JZX_ERR_BUSY);
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(world.runtime), JZX_ERR_BUSY, "asked to stop, but its host has not driven it out");
    test_world_close(&world);
}

Test(runtime, destroy_joins_the_threads_it_started, .timeout = 60)
{
    unsigned threads = test_thread_count();
    test_world world;
    test_world_open(&world, 2, NULL);
    test_world_start(&world);
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(world.runtime), JZX_OK);
    cr_assert_eq(test_thread_count(), threads);
    cr_assert_eq(test_fd_count(), world.fds_before);
    test_memory_assert_empty(&world.memory[0]);
}

/* ---- stop ---- */

Test(runtime, D78_M45_a_stop_before_the_first_run_makes_it_return_at_once, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    test_send(&world, &actors[0], 1);
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    cr_assert_eq(jzx_loop_run(world.loops[0]), JZX_OK);
    cr_assert_eq(actors[0].finis, 1);
    cr_assert_eq(actors[0].received, 0);
    cr_assert_eq(jzx_loop_run(world.loops[0]), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(jzx_loop_run_once(world.loops[1], JZX_FOREVER), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(jzx_loop_run_once(world.loops[1], JZX_FOREVER), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(actors[1].finis, 1);
    test_world_close(&world);
    cr_assert_eq(actors[0].finis + actors[1].finis, 2);
}

Test(runtime, D78_a_stop_is_remembered_after_the_run, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_world_step(&world);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK, "idempotent");
    }
    test_until(&world, world.closed[0]);
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    cr_assert_eq(jzx_loop_run(world.loops[0]), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(jzx_loop_run_once(world.loops[0], JZX_FOREVER), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(jzx_loop_start(world.loops[0]), JZX_ERR_LOOP_CLOSED);
    int fd = -7;
    cr_assert_eq(jzx_loop_poll_fd(world.loops[0], &fd), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(fd, -7);
    test_world_close(&world);
}

static void *stop_from_thread(void *argument)
{
    (void)jzx_runtime_request_stop(argument);
    return NULL;
}

Test(runtime, D07_a_stop_from_another_thread_wakes_a_loop_that_sleeps, .timeout = 60)
{
    for (unsigned i = 0; i < 50; i++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, stop_from_thread, world.runtime), 0);
        cr_assert_eq(jzx_loop_run(world.loops[0]), JZX_OK);
        pthread_join(thread, NULL);
        test_world_close(&world);
    }
}

/* ---- stop from a signal handler ---- */

static jzx_runtime *signalled;
static volatile sig_atomic_t signals_seen;

static void on_signal(int number)
{
    (void)number;
    int before = errno;
    errno = 77;
    (void)jzx_runtime_request_stop(signalled);
    if (errno == 77) {
        signals_seen = signals_seen + 1;
    }
    errno = before;
}

typedef struct aim {
    pthread_t thread;
    const jzx_counters *counters;
    jzx_loop *loop;
    bool parked; /* shoot when it sleeps, else at once */
} aim;

static void *shoot(void *argument)
{
    const aim *a = argument;
    jzx_counters counters = {0};
    uint64_t deadline = test_now_ns() + 10 * SECOND;
    while (a->parked && counters.parks == 0 && test_now_ns() < deadline) {
        (void)jzx_loop_stats(a->loop, &counters);
        sched_yield();
    }
    pthread_kill(a->thread, SIGUSR1);
    return NULL;
}

Test(runtime, D77_a_stop_from_a_signal_handler_ends_the_run, .timeout = 60)
{
    for (unsigned round = 0; round < 40; round++) {
        test_world world;
        jzx_config config;
        test_config(&config);
        config.linger_ns = round % 4 == 3 ? JZX_FOREVER : 0; /* also of a loop that polls */
        config.oldest_kernel = round % 4 == 2;               /* and one woken through an eventfd */
        test_world_open(&world, 1, &config);
        signalled = world.runtime;
        struct sigaction action = {.sa_handler = on_signal};
        cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
        aim a = {.thread = pthread_self(), .loop = world.loops[0], .parked = round % 4 != 3 && round % 2 == 0};
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, shoot, &a), 0);
        cr_assert_eq(jzx_loop_run(world.loops[0]), JZX_OK);
        pthread_join(thread, NULL);
        cr_assert_eq(signals_seen, round + 1, "errno is left as it was");
        test_world_close(&world);
    }
}

/* ---- shutdown ---- */

Test(runtime, shutdown_waits_for_all_loops, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor actors[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, i, &actors[i]);
    }
    test_world_start(&world);
    uint32_t stuck = 77;
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, 20 * SECOND, &stuck), JZX_OK);
    cr_assert_eq(stuck, 77);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(actors[i].finis, 1);
    }
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, 0, NULL), JZX_OK, "again, with nothing to wait for");
    test_world_close(&world);
}

static _Atomic(bool) let_go;

static jzx_behavior_result hang(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)message;
    atomic_store(&actor->finis, 100); /* shows that it has begun */
    while (!atomic_load(&let_go)) {
        sched_yield();
    }
    return JZX_BEHAVIOR_OK;
}

Test(runtime, shutdown_names_the_loop_whose_handler_hangs, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor actor = {.on = hang};
    test_spawn(&world, 1, &actor);
    test_world_start(&world);
    test_send(&world, &actor, 1);
    test_until(&world, actor.finis == 100);
    uint32_t stuck = 77;
    uint64_t began = test_now_ns();
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, SECOND / 20, &stuck), JZX_ERR_TIMEOUT);
    cr_assert_geq(test_now_ns() - began, SECOND / 20);
    cr_assert_lt(stuck, 3, "none of them has left: a stop is passed by all together");
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, 0, NULL), JZX_ERR_TIMEOUT);
    atomic_store(&let_go, true);
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL), JZX_OK);
    test_world_close(&world);
}

Test(runtime, shutdown_on_the_thread_of_a_loop_is_WRONG_THREAD, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_world_step(&world);
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, 0, NULL), JZX_ERR_WRONG_THREAD);
    test_world_close(&world);
}

typedef struct host {
    test_world *world;
    _Atomic(uint32_t) orders; /* turns to make; UINT32_MAX: until it has left */
    _Atomic(uint32_t) made;
    jzx_err last;
} host;

/* A host that drives loop 1 only when it is told to. */
static void *lazy_host(void *argument)
{
    host *h = argument;
    h->last = JZX_OK;
    while (h->last == JZX_OK) {
        if (atomic_load(&h->made) < atomic_load(&h->orders)) {
            h->last = jzx_loop_run_once(h->world->loops[1], 0);
            atomic_fetch_add(&h->made, 1);
        }
        sched_yield();
    }
    return NULL;
}

Test(runtime, shutdown_waits_for_a_host_that_comes_late, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    cr_assert_eq(jzx_loop_start(world.loops[0]), JZX_OK);
    world.started = true;
    host h = {.world = &world, .orders = 1};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, lazy_host, &h), 0);
    test_until(&world, h.made == 1);
    uint32_t stuck = 77;
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, SECOND / 20, &stuck), JZX_ERR_TIMEOUT);
    cr_assert_lt(stuck, 2);
    size_t live = world.memory[0].live;
    cr_assert_gt(live, 0, "nothing of it is freed");
    cr_assert_eq(jzx_runtime_destroy(world.runtime), JZX_ERR_BUSY, "one of its loops has not left");
    atomic_store(&h.orders, UINT32_MAX);
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, 20 * SECOND, NULL), JZX_OK);
    pthread_join(thread, NULL);
    cr_assert_eq(h.last, JZX_ERR_LOOP_CLOSED);
    test_world_close(&world);
}

Test(runtime, shutdown_closes_loops_that_never_ran, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 1, &actor);
    cr_assert_eq(jzx_loop_start(world.loops[0]), JZX_OK);
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, 20 * SECOND, NULL), JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(world.runtime), JZX_OK);
    cr_assert_eq(actor.finis, 1);
    test_memory_assert_empty(&world.memory[0]);
}

/* ---- what a stop does with work ---- */

static jzx_behavior_result pass_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    test_actor *next = actor->data;
    jzx_message copy = test_payload(actor->ledger, message->tag, 64);
    if (jzx_send(context, next->id, &copy) != JZX_OK) {
        test_payload_take(actor->ledger, &copy);
    }
    return JZX_BEHAVIOR_OK;
}

Test(runtime, P23_a_stop_under_load_ends_every_payload_once, .timeout = 100)
{
    for (unsigned round = 0; round < 30; round++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        test_actor actors[4] = {0};
        for (uint32_t i = 0; i < 4; i++) {
            actors[i] = (test_actor){.on = pass_on, .ledger = &ledger, .data = &actors[(i + 1) % 4]};
            test_spawn(&world, i % 2, &actors[i]);
        }
        jzx_poster *poster;
        cr_assert_eq(jzx_poster_create(world.runtime, 64, &poster), JZX_OK);
        test_world_start(&world);
        test_send(&world, &actors[0], 1);
        test_send(&world, &actors[1], 1);
        test_until(&world, actors[0].received > 0 && actors[1].received > 0); /* both loops run */
        uint64_t accepted = 0;
        for (unsigned i = 0; i < 100; i++) {
            jzx_message message = test_payload(&ledger, i, 64);
            jzx_err err = i % 2 == 0 ? jzx_post(world.runtime, actors[i % 4].id, &message)
                                     : jzx_poster_post(poster, actors[i % 4].id, &message);
            accepted += err == JZX_OK;
            if (err != JZX_OK) {
                test_payload_take(&ledger, &message);
            }
        }
        cr_assert_gt(accepted, 0);
        cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
        jzx_message late = test_payload(&ledger, 1, 64);
        cr_assert_eq(jzx_post(world.runtime, actors[0].id, &late), JZX_ERR_LOOP_CLOSED);
        cr_assert_eq(jzx_poster_post(poster, actors[0].id, &late), JZX_ERR_LOOP_CLOSED);
        test_payload_take(&ledger, &late);
        jzx_err result;
        cr_assert_eq(jzx_loop_join(world.loops[0], &result), JZX_OK);
        cr_assert_eq(jzx_loop_join(world.loops[1], &result), JZX_OK);
        uint64_t in = test_count(&world, offsetof(jzx_counters, sent)) +
                      test_count(&world, offsetof(jzx_counters, posted));
        uint64_t out = test_count(&world, offsetof(jzx_counters, handled));
        for (unsigned i = 0; i < JZX_DROP_REASONS; i++) {
            out += test_count(&world, offsetof(jzx_counters, dropped) + i * 8);
        }
        cr_assert_eq(in, out, "sent %lu, posted %lu, handled %lu, in all %lu",
                     test_count(&world, offsetof(jzx_counters, sent)),
                     test_count(&world, offsetof(jzx_counters, posted)),
                     test_count(&world, offsetof(jzx_counters, handled)), (unsigned long)out);
        cr_assert_eq(test_count(&world, offsetof(jzx_counters, queued)), 0);
        cr_assert_eq(test_count(&world, offsetof(jzx_counters, actors)), 0);
        test_world_close(&world);
        cr_assert_eq(test_ledger_open(&ledger), 0);
        cr_assert_eq(ledger.twice, 0);
    }
}

/* ---- after fork ---- */

static int in_child(test_world *world)
{
    int wrong = 0;
    jzx_loop *loop = NULL;
    wrong |= (jzx_loop_run(world->loops[0]) != JZX_ERR_FORKED) << 0;
    wrong |= (jzx_loop_run_once(world->loops[0], 0) != JZX_ERR_FORKED) << 1;
    wrong |= (jzx_loop_start(world->loops[0]) != JZX_ERR_FORKED) << 2;
    wrong |= (jzx_runtime_destroy(world->runtime) != JZX_ERR_FORKED) << 3;
    wrong |= (jzx_loop_create(world->runtime, NULL, &loop) != JZX_ERR_FORKED) << 4;
    wrong |= (jzx_runtime_shutdown(world->runtime, 0, NULL) != JZX_ERR_FORKED) << 5;
    wrong |= (jzx_loop_poll_fd(world->loops[0], &wrong) != JZX_ERR_FORKED) << 6;
    return wrong;
}

Test(runtime, M59_a_child_process_is_told_that_it_has_no_runtime, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    for (unsigned ran = 0; ran < 2; ran++) {
        pid_t child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
            _exit(in_child(&world));
        }
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status));
        cr_assert_eq(WEXITSTATUS(status), 0, "calls that did not say FORKED: %x", WEXITSTATUS(status));
        test_send(&world, &actor, 1); /* the parent goes on, and runs from here on */
        test_until(&world, actor.received == ran + 1);
    }
    test_world_close(&world);
}

Test(runtime, M59_a_child_process_that_sends_all_the_same_does_not_harm_its_parent, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        jzx_message message = jzx_message_empty(1);
        for (unsigned i = 0; i < 3; i++) {
            (void)jzx_send(jzx_loop_context(world.loops[0]), actor.id, &message);
        }
        _exit(0);
    }
    cr_assert_eq(waitpid(child, NULL, 0), child); /* however it ended */
    jzx_counters counters;
    cr_assert_eq(jzx_loop_stats(world.loops[0], &counters), JZX_OK);
    cr_assert_eq(counters.sent, 0);
    test_send(&world, &actor, 1);
    test_until(&world, actor.received == 1);
    test_world_close(&world); /* which finds its mailbox empty */
    cr_assert_eq(actor.received, 1);
}

Test(runtime, the_counters_say_what_crossed_between_loops, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 1, &actor);
    jzx_message message = jzx_message_empty(1);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(jzx_send(jzx_loop_context(world.loops[0]), actor.id, &message), JZX_OK);
    }
    test_until(&world, actor.received == 5);
    test_world_settle(&world);
    jzx_counters counters[2];
    cr_assert_eq(jzx_loop_stats(world.loops[0], &counters[0]), JZX_OK);
    cr_assert_eq(jzx_loop_stats(world.loops[1], &counters[1]), JZX_OK);
    cr_assert_eq(counters[0].lane_sent, 5);
    cr_assert_eq(counters[1].lane_received, 5);
    cr_assert_eq(counters[1].lane_sent, 0);
    cr_assert_eq(counters[0].mail_out, 5);
    cr_assert_eq(counters[1].mail_in, 5);
    test_world_close(&world);
}
