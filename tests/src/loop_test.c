/* loop_test: running loops: on this thread, turn by turn, on a thread of their own, or inside of a host's loop. */
#include "tests/support/support.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint64_t MS = 1000000u;

/* ---- bad arguments ---- */

Test(loop, M01_null_is_refused_or_means_nothing, .timeout = 60)
{
    int fd = -7;
    cr_expect_eq(jzx_loop_run(NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_loop_run_once(NULL, 0), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_loop_start(NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_loop_join(NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_loop_poll_fd(NULL, &fd), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_loop_request_stop(NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_loop_index(NULL), UINT32_MAX);
    cr_expect_null(jzx_loop_runtime(NULL));
    cr_expect_null(jzx_loop_context(NULL));
    cr_expect_null(jzx_context_loop(NULL));
    cr_expect_eq(jzx_self(NULL), 0);
    cr_expect_eq(jzx_now_ns(NULL), 0);
    cr_expect_eq(jzx_clock_ns(NULL), 0);
    cr_expect_eq(jzx_random(NULL), 0);
    cr_expect_not(jzx_should_yield(NULL));
    cr_expect_null(jzx_alloc(NULL, 1));
    jzx_free(NULL, NULL, 0);
    cr_expect_eq(fd, -7);

    test_world world;
    test_world_open(&world, 2, NULL);
    cr_expect_eq(jzx_loop_poll_fd(world.loops[0], NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_loop_join(world.loops[0], NULL), JZX_ERR_NOT_FOUND);
    for (uint32_t i = 0; i < 2; i++) {
        jzx_context *host = jzx_loop_context(world.loops[i]);
        cr_expect_eq(jzx_loop_index(world.loops[i]), i);
        cr_expect_eq(jzx_loop_runtime(world.loops[i]), world.runtime);
        cr_expect_eq(jzx_context_loop(host), world.loops[i]);
        cr_expect_eq(jzx_self(host), 0);
        cr_expect_null(jzx_alloc(host, 0));
        jzx_free(host, NULL, 0);
    }
    test_world_close(&world);
}

static void expect_host_cannot_receive(jzx_context *host, jzx_actor_id id)
{
    jzx_message message = jzx_message_empty(1);
    jzx_spawn_options options;
    test_actor nobody = {0};
    test_actor_options(&nobody, &options);
    uint64_t number = 7;
    cr_expect_eq(jzx_monitor(host, id, &number), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_demonitor(host, 1), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_request(host, id, &message, JZX_FOREVER, &number), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_answer(host, 1, &message), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_resume(host, id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_spawn_request(host, &options, &number), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_timer_after(host, 1, &message, &number), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_timer_every(host, 1, JZX_TICKS_SKIP, &message, &number), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_watch(host, 1, JZX_IO_READ, &number), JZX_ERR_INVALID_ARG);
    cr_expect_eq(number, 7);
}

Test(loop, the_host_has_no_mailbox_so_what_answers_it_is_refused, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    expect_host_cannot_receive(jzx_loop_context(world.loops[0]), actor.id);
    test_world_step(&world);
    expect_host_cannot_receive(jzx_loop_context(world.loops[0]), actor.id);
    test_world_close(&world);
}

Test(loop, no_loop_is_made_after_the_first_has_run, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.loops_max = 2;
    jzx_runtime *runtime;
    jzx_loop *loops[2] = {NULL};
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(runtime, NULL, &loops[0]), JZX_OK);
    cr_assert_eq(jzx_loop_run_once(loops[0], 0), JZX_OK);
    cr_assert_eq(jzx_loop_create(runtime, NULL, &loops[1]), JZX_ERR_BUSY);
    cr_assert_null(loops[1]);
    cr_assert_eq(jzx_runtime_request_stop(runtime), JZX_OK);
    cr_assert_eq(jzx_loop_run(loops[0]), JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
}

Test(loop, no_loop_is_made_once_a_poster_has_rings_to_all, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.loops_max = 2;
    jzx_runtime *runtime;
    jzx_loop *loops[2] = {NULL};
    jzx_poster *poster = NULL;
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(runtime, NULL, &loops[0]), JZX_OK);
    cr_assert_eq(jzx_poster_create(runtime, 4, &poster), JZX_OK);
    cr_assert_eq(jzx_loop_create(runtime, NULL, &loops[1]), JZX_ERR_BUSY);
    cr_assert_null(loops[1]);
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
}

/* ---- run_once ---- */

Test(loop, run_once_sleeps_as_long_as_told, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    world.ran = true;
    cr_assert_eq(jzx_loop_run_once(world.loops[0], 0), JZX_OK);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, parks)), 0, "0 does not sleep");
    uint64_t began = test_now_ns();
    cr_assert_eq(jzx_loop_run_once(world.loops[0], 20 * MS), JZX_OK);
    cr_assert_geq(test_now_ns() - began, 20 * MS);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, parks)), 1);
    test_world_close(&world);
}

Test(loop, run_once_does_not_sleep_when_there_is_work, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    world.ran = true;
    test_send(&world, &actor, 1);
    cr_assert_eq(jzx_loop_run_once(world.loops[0], JZX_FOREVER), JZX_OK);
    cr_assert_eq(actor.received, 1);
    /* Mail of another loop, sent before this one looks. */
    jzx_message message = jzx_message_empty(2);
    cr_assert_eq(jzx_send(jzx_loop_context(world.loops[1]), actor.id, &message), JZX_OK);
    cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK);
    cr_assert_eq(jzx_loop_run_once(world.loops[0], JZX_FOREVER), JZX_OK);
    cr_assert_eq(actor.received, 2);
    test_world_close(&world);
}

typedef struct poster_job {
    test_world *world;
    jzx_actor_id to;
    jzx_err err;
} poster_job;

static void *post_when_asleep(void *argument)
{
    poster_job *job = argument;
    jzx_counters counters = {0};
    while (counters.parks == 0) {
        (void)jzx_loop_stats(job->world->loops[0], &counters);
        sched_yield();
    }
    jzx_message message = jzx_message_empty(1);
    job->err = jzx_post(job->world->runtime, job->to, &message);
    return NULL;
}

Test(loop, P24_a_post_wakes_one_that_sleeps_for_ever, .timeout = 60)
{
    for (unsigned old = 0; old < 2; old++) {
        jzx_config config;
        test_config(&config);
        config.oldest_kernel = old;
        test_world world;
        test_world_open(&world, 1, &config);
        test_actor actor = {0};
        test_spawn(&world, 0, &actor);
        world.ran = true;
        poster_job job = {&world, actor.id, JZX_ERR_UNKNOWN};
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, post_when_asleep, &job), 0);
        uint64_t deadline = test_now_ns() + 20000 * MS;
        while (actor.received == 0) {
            cr_assert_eq(jzx_loop_run_once(world.loops[0], JZX_FOREVER), JZX_OK);
            cr_assert_lt(test_now_ns(), deadline);
        }
        pthread_join(thread, NULL);
        cr_assert_eq(job.err, JZX_OK);
        test_world_close(&world);
    }
}

typedef struct clocks {
    uint64_t turn[2];
    uint64_t now[2];
    bool yield[2];
} clocks;

static jzx_behavior_result read_clocks(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    clocks *c = argument;
    c->turn[0] = jzx_now_ns(context);
    c->now[0] = jzx_clock_ns(context);
    c->yield[0] = jzx_should_yield(context);
    while (!jzx_should_yield(context)) {
    }
    c->yield[1] = jzx_should_yield(context);
    c->turn[1] = jzx_now_ns(context);
    c->now[1] = jzx_clock_ns(context);
    return JZX_BEHAVIOR_OK;
}

Test(loop, a_turn_has_one_time_and_the_clock_goes_on, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.turn_ns = 5 * MS;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    clocks c;
    test_do(&world, &actor, read_clocks, &c);
    cr_assert_eq(c.turn[0], c.turn[1]);
    cr_assert_leq(c.turn[0], c.now[0]);
    cr_assert_geq(c.now[1] - c.turn[0], 5 * MS);
    cr_assert(c.yield[1]);
    cr_assert_leq(c.now[1], test_now_ns());
    test_world_close(&world);
}

static jzx_behavior_result again_until(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    uint32_t *left = actor->data;
    if (*left == 0) {
        return JZX_BEHAVIOR_OK;
    }
    --*left;
    return jzx_send(context, jzx_self(context), message) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

Test(loop, D66_a_busy_loop_makes_no_system_call_for_mail, .timeout = 60)
{
    test_world world;
    jzx_config config;
    test_config(&config);
    config.turn_ns = 50000; /* so that there are many */
    test_world_open(&world, 1, &config);
    uint32_t left = 200000;
    test_actor actor = {.on = again_until, .data = &left};
    test_spawn(&world, 0, &actor);
    test_world_step(&world);
    uint64_t enters = test_count(&world, offsetof(jzx_counters, enters));
    uint64_t turns = test_count(&world, offsetof(jzx_counters, turns));
    test_send(&world, &actor, 1);
    test_until(&world, left == 0);
    cr_assert_gt(test_count(&world, offsetof(jzx_counters, turns)) - turns, 10);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, enters)), enters);
    test_world_close(&world);
}

/* ---- threads ---- */

typedef struct place {
    cpu_set_t allowed;
    int cpu;
    pid_t thread;
    char name[16];
} place;

static jzx_behavior_result look_around(jzx_context *context, test_actor *actor, void *argument)
{
    (void)context;
    (void)actor;
    place *p = argument;
    CPU_ZERO(&p->allowed);
    (void)sched_getaffinity(0, sizeof p->allowed, &p->allowed);
    p->cpu = sched_getcpu();
    p->thread = (pid_t)syscall(SYS_gettid);
    (void)pthread_getname_np(pthread_self(), p->name, sizeof p->name);
    return JZX_BEHAVIOR_OK;
}

/* The n-th CPU this process may use, or -1. */
static int allowed_cpu(unsigned nth)
{
    cpu_set_t allowed;
    cr_assert_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((unsigned)cpu, &allowed) && nth-- == 0) {
            return cpu;
        }
    }
    return -1;
}

static void open_pinned(test_world *world, unsigned loops)
{
    test_world_open(world, 0 + loops, NULL);
    cr_assert_eq(jzx_runtime_destroy(world->runtime), JZX_OK); /* its allocators stay */
    world->config.loops_max = loops;
    cr_assert_eq(jzx_runtime_create(&world->config, &world->runtime), JZX_OK);
    for (uint32_t i = 0; i < loops; i++) {
        jzx_loop_config config;
        jzx_loop_config_init(&world->config, &config);
        config.cpu = allowed_cpu(i % 2) < 0 ? allowed_cpu(0) : allowed_cpu(i % 2);
        cr_assert_eq(jzx_loop_create(world->runtime, &config, &world->loops[i]), JZX_OK);
    }
}

Test(loop, S07_started_threads_are_pinned_and_named, .timeout = 60)
{
    test_world world;
    open_pinned(&world, 2);
    test_actor actors[2] = {0};
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i, &actors[i]);
    }
    cpu_set_t mine;
    cr_assert_eq(sched_getaffinity(0, sizeof mine, &mine), 0);
    test_world_start(&world);
    place places[2];
    for (uint32_t i = 0; i < 2; i++) {
        test_do(&world, &actors[i], look_around, &places[i]);
        int cpu = allowed_cpu(i) < 0 ? allowed_cpu(0) : allowed_cpu(i);
        cr_assert_eq(CPU_COUNT(&places[i].allowed), 1);
        cr_assert(CPU_ISSET((unsigned)cpu, &places[i].allowed));
        cr_assert_eq(places[i].cpu, cpu);
        cr_assert_str_eq(places[i].name, i == 0 ? "jzx-0" : "jzx-1");
    }
    cr_assert_neq(places[0].thread, places[1].thread);
    cr_assert_neq(places[0].thread, getpid());
    cpu_set_t after;
    cr_assert_eq(sched_getaffinity(0, sizeof after, &after), 0);
    cr_assert(CPU_EQUAL(&mine, &after), "the starting thread stays where it may be");
    test_world_close(&world);
}

Test(loop, S07_the_callers_thread_is_pinned_when_it_runs_the_loop, .timeout = 60)
{
    test_world world;
    open_pinned(&world, 1);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    int cpu = allowed_cpu(0);
    place p;
    test_do(&world, &actor, look_around, &p);
    cr_assert_eq(CPU_COUNT(&p.allowed), 1);
    cr_assert_eq(p.cpu, cpu);
    cr_assert_eq(p.thread, (pid_t)syscall(SYS_gettid));
    test_world_close(&world);
}

Test(loop, S07_a_cpu_that_cannot_be_had_is_an_error, .timeout = 60)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)allowed_cpu(0), &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0); /* this process may use one only */
    const int cpus[] = {-2, CPU_SETSIZE, 100000, INT32_MAX, INT32_MIN, allowed_cpu(0) + 1};
    test_world world;
    test_world_open(&world, 2, NULL);
    cr_assert_eq(jzx_runtime_destroy(world.runtime), JZX_OK);
    cr_assert_eq(jzx_runtime_create(&world.config, &world.runtime), JZX_OK);
    world.loop_count = 0;
    for (unsigned i = 0; i < sizeof cpus / sizeof cpus[0]; i++) {
        jzx_loop_config config;
        jzx_loop_config_init(NULL, &config);
        config.cpu = cpus[i];
        jzx_loop *loop = NULL;
        cr_expect_eq(jzx_loop_create(world.runtime, &config, &loop), JZX_ERR_NO_SUCH_CPU, "cpu %d", cpus[i]);
        cr_expect_null(loop);
    }
    cr_assert_eq(jzx_runtime_loop_count(world.runtime), 0);
    test_world_close(&world);
}

static bool is_another_threads(jzx_err err)
{
    return err == JZX_ERR_ALREADY_RUNNING || err == JZX_ERR_WRONG_THREAD;
}

Test(loop, M47_one_that_was_started_cannot_be_run_by_another_thread, .timeout = 60)
{
    for (unsigned i = 0; i < 50; i++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_actor actor = {0};
        test_spawn(&world, 0, &actor);
        test_world_start(&world);
        /* At once: the new thread may not have come to it yet. */
        cr_assert(is_another_threads(jzx_loop_run(world.loops[0])));
        cr_assert(is_another_threads(jzx_loop_run_once(world.loops[0], 0)));
        cr_assert_eq(jzx_loop_start(world.loops[0]), JZX_ERR_ALREADY_RUNNING);
        test_send(&world, &actor, 1);
        test_until(&world, actor.received == 1);
        cr_assert_eq(jzx_loop_run(world.loops[0]), JZX_ERR_ALREADY_RUNNING);
        test_world_close(&world);
    }
}

Test(loop, start_and_join_say_what_is_wrong, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_world_start(&world);
    cr_assert_eq(jzx_loop_start(world.loops[0]), JZX_ERR_ALREADY_RUNNING);
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    jzx_err result = JZX_ERR_UNKNOWN;
    cr_assert_eq(jzx_loop_join(world.loops[0], &result), JZX_OK);
    cr_assert_eq(result, JZX_OK);
    result = JZX_ERR_UNKNOWN;
    cr_assert_eq(jzx_loop_join(world.loops[0], &result), JZX_ERR_NOT_FOUND, "joined before");
    cr_assert_eq(result, JZX_ERR_UNKNOWN);
    cr_assert_eq(jzx_loop_join(world.loops[1], NULL), JZX_OK);
    cr_assert_eq(jzx_loop_start(world.loops[0]), JZX_ERR_LOOP_CLOSED);
    test_world_close(&world);
}

static jzx_behavior_result join_myself(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    *(jzx_err *)argument = jzx_loop_join(jzx_context_loop(context), NULL);
    return JZX_BEHAVIOR_OK;
}

Test(loop, a_loop_cannot_join_its_own_thread, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    test_world_start(&world);
    jzx_err err = JZX_OK;
    test_do(&world, &actor, join_myself, &err);
    cr_assert_eq(err, JZX_ERR_WRONG_THREAD);
    test_world_close(&world);
}

/* ---- D76: calls on the wrong thread ---- */

typedef struct trespass {
    test_world *world;
    jzx_context *context;
    jzx_actor_id id;
    unsigned wrong;
    const char *first;
    void *memory;
    bool bound; /* it has run, and does not run now */
} trespass;

static void expect_wrong_thread(trespass *t, jzx_err err, const char *what)
{
    if (err != JZX_ERR_WRONG_THREAD) {
        t->wrong++;
        t->first = t->first == NULL ? what : t->first;
    }
}

#define REFUSED(call) expect_wrong_thread(t, call, #call)

static void call_everything(void *argument)
{
    trespass *t = argument;
    jzx_context *context = t->context;
    jzx_message message = jzx_message_empty(1);
    jzx_spawn_options options;
    test_actor nobody = {0};
    test_actor_options(&nobody, &options);
    jzx_tcp_options tcp;
    jzx_tcp_options_init(&tcp);
    const jzx_observer observer = {.struct_size = sizeof observer};
    uint64_t number = 0;
    uint16_t port;
    jzx_drop_fn drop;
    void *drop_context;
    REFUSED(jzx_spawn(context, &options, NULL));
    REFUSED(jzx_spawn_request(context, &options, &number));
    REFUSED(jzx_stop(context, t->id));
    REFUSED(jzx_drain(context, t->id));
    REFUSED(jzx_kill(context, t->id));
    REFUSED(jzx_fail(context, t->id, 1, "no"));
    REFUSED(jzx_monitor(context, t->id, &number));
    REFUSED(jzx_demonitor(context, 1));
    REFUSED(jzx_send(context, t->id, &message));
    REFUSED(jzx_send_with(context, t->id, &message, JZX_SEND_REPORT));
    REFUSED(jzx_resume(context, t->id));
    REFUSED(jzx_request(context, t->id, &message, JZX_FOREVER, &number));
    REFUSED(jzx_answer(context, 1, &message));
    REFUSED(jzx_timer_after(context, 1, &message, &number));
    REFUSED(jzx_timer_at(context, 1, &message, &number));
    REFUSED(jzx_timer_every(context, 1, JZX_TICKS_SKIP, &message, &number));
    REFUSED(jzx_timer_cancel(context, 1, NULL));
    REFUSED(jzx_watch(context, 1, JZX_IO_READ, &number));
    REFUSED(jzx_unwatch(context, 1));
    REFUSED(jzx_tcp_listen(context, &tcp, &number));
    REFUSED(jzx_tcp_connect(context, &tcp, &number));
    REFUSED(jzx_tcp_adopt(context, 1, &tcp, &number));
    REFUSED(jzx_tcp_port(context, 1, &port));
    REFUSED(jzx_tcp_give(context, 1, t->id));
    REFUSED(jzx_tcp_read(context, 1));
    REFUSED(jzx_tcp_pause(context, 1));
    REFUSED(jzx_tcp_send(context, 1, "x", 1));
    REFUSED(jzx_tcp_send_owned(context, 1, &number, 1, NULL, NULL));
    REFUSED(jzx_tcp_keep(context, &drop, &drop_context));
    REFUSED(jzx_tcp_close(context, 1));
    REFUSED(jzx_observer_add(jzx_context_loop(context), &observer, NULL));
    REFUSED(jzx_observer_remove(jzx_context_loop(context), NULL));
    t->wrong += jzx_now_ns(context) != 0;
    t->wrong += jzx_clock_ns(context) != 0;
    t->wrong += jzx_random(context) != 0;
    t->wrong += jzx_should_yield(context);
    t->wrong += jzx_alloc(context, 10) != NULL;
    jzx_free(context, t->memory, 10); /* must be ignored */
    if (t->bound) {
        REFUSED(jzx_loop_run(jzx_context_loop(context)));
        REFUSED(jzx_loop_run_once(jzx_context_loop(context), 0));
        REFUSED(jzx_loop_poll_fd(jzx_context_loop(context), &(int){0}));
    }
}

static jzx_behavior_result keep_context(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    trespass *t = argument;
    t->context = context;
    test_on_thread(call_everything, t); /* while the handler runs, with its own context */
    return JZX_BEHAVIOR_OK;
}

Test(loop, D76_M17_calls_of_the_owner_are_WRONG_THREAD_elsewhere, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_context *host = jzx_loop_context(world.loops[0]);
    trespass t = {.world = &world, .context = host, .id = actor.id, .memory = jzx_alloc(host, 10)};
    test_on_thread(call_everything, &t);
    cr_expect_eq(t.wrong, 0, "before the first run, %u calls, first %s", t.wrong, t.first);
    test_world_step(&world);
    t.bound = true;
    test_on_thread(call_everything, &t);
    cr_expect_eq(t.wrong, 0, "between turns, %u calls, first %s", t.wrong, t.first);
    t.bound = false; /* run and run_once say ALREADY_RUNNING in the next one */
    test_do(&world, &actor, keep_context, &t);
    cr_expect_eq(t.wrong, 0, "from a handler, %u calls, first %s", t.wrong, t.first);
    cr_assert_eq(actor.finis, 0);
    cr_assert_eq(actor.received, 0);
    cr_assert_eq(world.memory[JZX_MEMORY_STATE].blocks, 1, "what the wrong thread freed is still there");
    jzx_free(host, t.memory, 10);
    test_world_close(&world);
}

typedef struct owner {
    jzx_loop *loop;
    _Atomic(bool) ran;
    _Atomic(bool) go_on;
    jzx_err first;
    jzx_err last;
} owner;

/* Runs a loop once, and to its end when told to. */
static void *own_it(void *argument)
{
    owner *o = argument;
    o->first = jzx_loop_run_once(o->loop, 0);
    o->ran = true;
    while (!o->go_on) {
        sched_yield();
    }
    o->last = jzx_loop_run(o->loop);
    return NULL;
}

Test(loop, O1_the_thread_that_runs_it_first_owns_it, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    owner o = {.loop = world.loops[0]};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, own_it, &o), 0);
    test_until(&(test_world){.started = true}, o.ran);
    cr_assert_eq(o.first, JZX_OK);
    jzx_message message = jzx_message_empty(1);
    cr_assert_eq(jzx_loop_run_once(world.loops[0], 0), JZX_ERR_WRONG_THREAD, "it is that thread's now");
    cr_assert_eq(jzx_loop_run(world.loops[0]), JZX_ERR_WRONG_THREAD);
    cr_assert_eq(jzx_loop_start(world.loops[0]), JZX_ERR_ALREADY_RUNNING);
    cr_assert_eq(jzx_send(jzx_loop_context(world.loops[0]), 1, &message), JZX_ERR_WRONG_THREAD);
    uint32_t stuck = 77;
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, 10 * MS, &stuck), JZX_ERR_TIMEOUT);
    cr_assert_eq(stuck, 0);
    cr_assert_eq(jzx_runtime_destroy(world.runtime), JZX_ERR_BUSY, "its thread has not driven it out");
    o.go_on = true;
    pthread_join(thread, NULL);
    cr_assert_eq(o.last, JZX_OK);
    test_world_close(&world);
}

/* ---- one loop stops ---- */

typedef struct stop_probe {
    jzx_actor_id far;
    uint64_t monitor;
    jzx_err errs[4];
} stop_probe;

static jzx_behavior_result watch_far(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    stop_probe *p = argument;
    p->errs[0] = jzx_monitor(context, p->far, &p->monitor);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result probe_closed(jzx_context *context, test_actor *actor, void *argument)
{
    stop_probe *p = argument;
    jzx_message message = jzx_message_empty(1);
    jzx_spawn_options options;
    test_actor_options(actor, &options);
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = 1;
    p->errs[0] = jzx_send(context, p->far, &message);
    p->errs[1] = jzx_spawn_request(context, &options, NULL);
    p->errs[2] = jzx_stop(context, p->far);
    p->errs[3] = jzx_monitor(context, p->far, &p->monitor);
    return JZX_BEHAVIOR_OK;
}

static void post_to_far(void *argument)
{
    poster_job *job = argument;
    jzx_message message = jzx_message_empty(1);
    job->err = jzx_post(job->world->runtime, job->to, &message);
}

Test(loop, one_loop_that_is_asked_to_stop_empties_itself_and_waits, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor here = {0};
    test_actor far = {0};
    test_spawn(&world, 0, &here);
    test_spawn(&world, 1, &far);
    stop_probe p = {.far = far.id};
    test_do(&world, &here, watch_far, &p);
    cr_assert_eq(p.errs[0], JZX_OK);
    test_world_settle(&world);
    cr_assert_eq(jzx_loop_request_stop(world.loops[1]), JZX_OK);
    cr_assert_eq(jzx_loop_request_stop(world.loops[1]), JZX_OK, "idempotent");
    test_until(&world, test_tags(&here, JZX_TAG_SYS_DOWN) == 1);
    cr_assert_eq(far.finis, 1);
    cr_assert_eq(far.exit.kind, JZX_EXIT_LOOP_CLOSED);
    test_do(&world, &here, probe_closed, &p);
    cr_expect_eq(p.errs[0], JZX_ERR_LOOP_CLOSED);
    cr_expect_eq(p.errs[1], JZX_ERR_LOOP_CLOSED);
    cr_expect_eq(p.errs[2], JZX_ERR_LOOP_CLOSED);
    cr_expect_eq(p.errs[3], JZX_OK);
    test_until(&world, test_tags(&here, JZX_TAG_SYS_DOWN) == 2);
    cr_assert_eq(jzx_spawn(jzx_loop_context(world.loops[1]), &(jzx_spawn_options){0}, NULL), JZX_ERR_INVALID_ARG);
    jzx_spawn_options options;
    test_actor late = {0};
    test_actor_options(&late, &options);
    cr_assert_eq(jzx_spawn(jzx_loop_context(world.loops[1]), &options, NULL), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(late.inits, 0);
    poster_job job = {&world, far.id, JZX_OK};
    test_on_thread(post_to_far, &job);
    cr_assert_eq(job.err, JZX_ERR_LOOP_CLOSED);
    cr_assert(!world.closed[1], "its run returns only when the runtime stops");
    test_send(&world, &here, 1); /* and the others go on */
    test_until(&world, test_tags(&here, 1) == 1);
    test_world_close(&world);
}

/* ---- a host that sleeps in epoll ---- */

typedef struct epoll_host {
    test_world *world;
    int epoll;
    int fd;
    uint32_t wakes;
} epoll_host;

static void host_open(epoll_host *host, test_world *world, uint32_t flags)
{
    *host = (epoll_host){.world = world, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    world->ran = true;
    cr_assert_eq(jzx_loop_poll_fd(world->loops[0], &host->fd), JZX_OK);
    int again = -1;
    cr_assert_eq(jzx_loop_poll_fd(world->loops[0], &again), JZX_OK);
    cr_assert_eq(again, host->fd, "there is one");
    struct epoll_event event = {.events = EPOLLIN | flags};
    cr_assert_eq(epoll_ctl(host->epoll, EPOLL_CTL_ADD, host->fd, &event), 0);
}

static bool host_is_woken(epoll_host *host, int timeout_ms)
{
    struct epoll_event event;
    int count;
    do {
        count = epoll_wait(host->epoll, &event, 1, timeout_ms); /* task work of the kernel may interrupt it */
    } while (count < 0 && errno == EINTR);
    host->wakes += count == 1;
    return count == 1;
}

/* As a host does it: one turn for each time that the descriptor says so. */
static void host_until(epoll_host *host, const test_actor *actor, uint32_t received)
{
    while (actor->received < received) {
        cr_assert(host_is_woken(host, 10000), "the host sleeps although there is work");
        jzx_err err = jzx_loop_run_once(host->world->loops[0], 0);
        cr_assert_eq(err, JZX_OK);
    }
}

static void host_rest(epoll_host *host)
{
    for (unsigned i = 0; host_is_woken(host, 0); i++) {
        cr_assert_lt(i, 1000, "the descriptor stays readable although nothing is to do");
        cr_assert_eq(jzx_loop_run_once(host->world->loops[0], 0), JZX_OK);
    }
}

static void host_close(epoll_host *host)
{
    cr_assert_eq(jzx_runtime_request_stop(host->world->runtime), JZX_OK);
    jzx_err err = JZX_OK;
    while (err == JZX_OK) {
        cr_assert(host_is_woken(host, 10000), "the host is not told of the stop");
        err = jzx_loop_run_once(host->world->loops[0], 0);
    }
    cr_assert_eq(err, JZX_ERR_LOOP_CLOSED);
    host->world->closed[0] = true;
    close(host->epoll);
}

static const uint32_t trigger[2] = {0, EPOLLET};

static jzx_behavior_result start_timer(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    jzx_message tick = jzx_message_empty(50);
    if (message->tag == 1) {
        (void)jzx_timer_after(context, 5 * MS, &tick, NULL);
    }
    return JZX_BEHAVIOR_OK;
}

Test(loop, S08_a_host_in_epoll_is_woken_by_a_local_send_and_a_timer, .timeout = 60)
{
    for (unsigned i = 0; i < 2; i++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_actor actor = {.on = start_timer};
        test_spawn(&world, 0, &actor);
        epoll_host host;
        host_open(&host, &world, trigger[i]);
        host_rest(&host);
        test_send(&world, &actor, 1);
        host_until(&host, &actor, 1);
        uint64_t began = test_now_ns();
        host_until(&host, &actor, 2);
        cr_assert_eq(actor.log[1].tag, 50);
        cr_assert_geq(test_now_ns() - began, MS, "it slept in between");
        host_rest(&host);
        cr_assert_lt(host.wakes, 20, "%u wake-ups for two messages", host.wakes);
        host_close(&host);
        test_world_close(&world);
    }
}

Test(loop, S08_a_host_in_epoll_sees_mail_sent_before_its_first_turn, .timeout = 60)
{
    for (unsigned i = 0; i < 2; i++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor actor = {0};
        test_spawn(&world, 0, &actor);
        poster_job job = {&world, actor.id, JZX_ERR_UNKNOWN};
        test_on_thread(post_to_far, &job);
        cr_assert_eq(job.err, JZX_OK);
        test_send(&world, &actor, 1);
        jzx_message message = jzx_message_empty(3);
        cr_assert_eq(jzx_send(jzx_loop_context(world.loops[1]), actor.id, &message), JZX_OK);
        cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK);
        epoll_host host;
        host_open(&host, &world, trigger[i]);
        host_until(&host, &actor, 3);
        close(host.epoll);
        test_world_close(&world);
    }
}

Test(loop, S08_a_host_in_epoll_is_woken_by_posts_and_by_other_loops, .timeout = 60)
{
    for (unsigned i = 0; i < 4; i++) {
        jzx_config config;
        test_config(&config);
        config.oldest_kernel = i / 2;
        test_world world;
        test_world_open(&world, 2, &config);
        test_actor actor = {0};
        test_spawn(&world, 0, &actor);
        epoll_host host;
        host_open(&host, &world, trigger[i % 2]);
        uint32_t received = 0;
        for (unsigned n = 0; n < 20; n++) {
            host_rest(&host);
            poster_job job = {&world, actor.id, JZX_ERR_UNKNOWN};
            test_on_thread(post_to_far, &job);
            cr_assert_eq(job.err, JZX_OK);
            host_until(&host, &actor, ++received);
            host_rest(&host);
            jzx_message message = jzx_message_empty(3);
            cr_assert_eq(jzx_send(jzx_loop_context(world.loops[1]), actor.id, &message), JZX_OK);
            cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK);
            host_until(&host, &actor, ++received);
        }
        close(host.epoll);
        test_world_close(&world);
    }
}

typedef struct fd_job {
    int fd;
    uint32_t wrong;
} fd_job;

static jzx_behavior_result watch_it(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    fd_job *job = actor->data;
    jzx_watch_id watch;
    uint64_t count;
    if (message->tag == 1) {
        job->wrong += jzx_watch(context, job->fd, JZX_IO_READ, &watch) != JZX_OK;
    } else {
        job->wrong += message->tag != JZX_TAG_SYS_IO || read(job->fd, &count, sizeof count) != sizeof count;
    }
    return JZX_BEHAVIOR_OK;
}

static void write_fd(void *argument)
{
    fd_job *job = argument;
    uint64_t one = 1;
    job->wrong += write(job->fd, &one, sizeof one) != sizeof one;
}

Test(loop, S08_a_host_in_epoll_is_woken_by_a_watched_eventfd, .timeout = 60)
{
    for (unsigned i = 0; i < 2; i++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        fd_job job = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        test_actor actor = {.on = watch_it, .data = &job};
        test_spawn(&world, 0, &actor);
        epoll_host host;
        host_open(&host, &world, trigger[i]);
        test_send(&world, &actor, 1);
        host_until(&host, &actor, 1);
        for (uint32_t n = 0; n < 10; n++) {
            host_rest(&host);
            test_on_thread(write_fd, &job);
            host_until(&host, &actor, n + 2);
        }
        cr_assert_eq(job.wrong, 0);
        close(host.epoll);
        close(job.fd);
        test_world_close(&world);
    }
}

/* ---- observers of a loop's life ---- */

Test(loop, O02_observers_see_the_loop_begin_and_end, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_observer observers[2] = {0};
    test_observe(&world, 0, &observers[0]);
    test_observe(&world, 1, &observers[1]);
    test_world_start(&world);
    test_world_close(&world);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(observers[i].loop_starts, observers[i].loop_stops);
    }
    test_world_open(&world, 1, NULL);
    test_observer one = {0};
    test_observe(&world, 0, &one);
    test_world_step(&world);
    cr_assert_eq(one.loop_starts, 1);
    cr_assert_eq(one.loop_stops, 0);
    test_world_close(&world);
    cr_assert_eq(one.loop_starts, 1);
    cr_assert_eq(one.loop_stops, 1);
}
