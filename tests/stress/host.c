/*
 * host: one loop is driven by a host through its descriptor, another runs on a thread of the library. They play to each
 * other, a timer ticks, foreign threads post, the host itself sends, and one thread makes every call that belongs to
 * another thread. Then a foreign thread stops all.
 */
#include "stress.h"

#include <errno.h>
#include <sys/epoll.h>

enum { BALLS = 6000, TICKS = 20, POSTERS = 2, TAG_BALL = 1, TAG_TICK = 2, TAG_POST = 3, TAG_HOST = 4 };

typedef struct side {
    uint64_t balls;
    uint64_t ticks;
    uint64_t posts;
    uint64_t from_host;
} side;

static stress_world world;
static jzx_actor_id ids[2];
static side sides[2];
static _Atomic(bool) played; /* enough balls and ticks */
static _Atomic(uint64_t) posted;
static uint64_t host_sent;

static void send_ball(jzx_context *context, uint32_t to)
{
    jzx_message ball = stress_owned(TAG_BALL, to);
    jzx_err err = jzx_send(context, ids[to], &ball);
    if (err != JZX_OK) {
        stress_refused(&ball);
        if (err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK) { /* of posts */
            CHECK_OK(jzx_resume(context, ids[to]));
            return;
        }
        CHECK(err == JZX_ERR_LOOP_CLOSED || err == JZX_ERR_STOPPING || err == JZX_ERR_NO_SUCH_ACTOR);
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    side *me = state;
    switch (message->tag) {
    case TAG_BALL:
        CHECK(stress_take(message) == (uint64_t)(me - sides));
        me->balls++;
        send_ball(context, me == &sides[0] ? 1 : 0);
        break;
    case JZX_TAG_SYS_RESUME:
        send_ball(context, me == &sides[0] ? 1 : 0);
        break;
    case TAG_TICK:
        me->ticks++;
        break;
    case TAG_POST:
        (void)stress_take(message);
        me->posts++;
        break;
    default:
        me->from_host++;
    }
    if (me == &sides[0] && me->balls >= BALLS && me->ticks >= TICKS && me->from_host >= TICKS) {
        atomic_store(&played, true);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    *state = argument;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    return jzx_timer_every(context, 200000, JZX_TICKS_SKIP, &tick, NULL);
}

static void spawn_side(uint32_t index)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    options.init = init;
    options.argument = &sides[index];
    CHECK_OK(jzx_spawn(jzx_loop_context(world.loops[index]), &options, &ids[index]));
}

static void *post_main(void *argument)
{
    uint64_t number = (uint64_t)(uintptr_t)argument;
    for (;; number++) {
        jzx_message message = stress_owned(TAG_POST, number);
        jzx_err err = jzx_post(world.runtime, ids[number % 2], &message);
        if (err == JZX_OK) {
            atomic_fetch_add(&posted, 1);
            continue;
        }
        stress_refused(&message);
        if (err == JZX_ERR_LOOP_CLOSED) {
            return NULL;
        }
        CHECK(err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL);
        sched_yield();
    }
}

static void call_all_wrong(jzx_loop *loop)
{
    jzx_context *context = jzx_loop_context(loop);
    jzx_message message = jzx_message_empty(TAG_HOST);
    jzx_observer observer = {.struct_size = sizeof observer};
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    int fd = -1;
    CHECK(jzx_send(context, ids[0], &message) == JZX_ERR_WRONG_THREAD);
    CHECK(jzx_spawn(context, &options, NULL) == JZX_ERR_WRONG_THREAD);
    CHECK(jzx_stop(context, ids[0]) == JZX_ERR_WRONG_THREAD);
    CHECK(jzx_observer_add(loop, &observer, NULL) == JZX_ERR_WRONG_THREAD);
    CHECK(jzx_now_ns(context) == 0);
    jzx_err err = jzx_loop_run(loop);
    CHECK(err == JZX_ERR_ALREADY_RUNNING || err == JZX_ERR_WRONG_THREAD || err == JZX_ERR_LOOP_CLOSED);
    err = jzx_loop_run_once(loop, 0);
    CHECK(err == JZX_ERR_ALREADY_RUNNING || err == JZX_ERR_WRONG_THREAD || err == JZX_ERR_LOOP_CLOSED);
    err = jzx_loop_poll_fd(loop, &fd);
    CHECK(err == JZX_ERR_ALREADY_RUNNING || err == JZX_ERR_WRONG_THREAD || err == JZX_ERR_LOOP_CLOSED);
    CHECK(fd == -1);
}

/* Calls what belongs to the threads of the loops, then stops the runtime. */
static void *wrong_main(void *argument)
{
    (void)argument;
    while (!atomic_load(&played)) {
        call_all_wrong(world.loops[0]);
        call_all_wrong(world.loops[1]);
        CHECK(jzx_runtime_destroy(world.runtime) == JZX_ERR_BUSY);
        sched_yield();
    }
    CHECK_OK(jzx_runtime_request_stop(world.runtime));
    call_all_wrong(world.loops[0]);
    return NULL;
}

/* A host with a loop of its own: sleeps in epoll, and now and then does something between two turns. */
static void drive(jzx_loop *loop, int fd)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    CHECK(epoll_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
    for (;;) {
        int count = epoll_wait(epoll_fd, &event, 1, -1);
        CHECK(count == 1 || (count < 0 && errno == EINTR));
        jzx_err err = jzx_loop_run_once(loop, 0);
        if (err == JZX_ERR_LOOP_CLOSED) {
            break;
        }
        CHECK_OK(err);
        jzx_message message = jzx_message_empty(TAG_HOST);
        if (jzx_send(jzx_loop_context(loop), ids[host_sent % 2], &message) == JZX_OK) {
            host_sent++;
        }
    }
    CHECK(close(epoll_fd) == 0);
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    jzx_config config;
    stress_config(&config, 2);
    config.oldest_kernel = seed % 2 == 0; /* there foreign threads wake through an eventfd */
    stress_open(&world, &config);
    spawn_side(0);
    spawn_side(1);
    send_ball(jzx_loop_context(world.loops[0]), 0);
    int fd = -1;
    CHECK_OK(jzx_loop_poll_fd(world.loops[0], &fd));
    stress_start(&world, 1);
    pthread_t threads[POSTERS + 1];
    for (uint32_t i = 0; i < POSTERS; i++) {
        CHECK(pthread_create(&threads[i], NULL, post_main, (void *)(uintptr_t)i) == 0);
    }
    while (jzx_loop_start(world.loops[1]) != JZX_ERR_ALREADY_RUNNING) {
        sched_yield();
    }
    /* It has begun to run when it has taken its timer's first tick; until then the creating thread owns it. */
    jzx_counters counters;
    do {
        CHECK_OK(jzx_loop_stats(world.loops[1], &counters));
        sched_yield();
    } while (counters.turns == 0);
    CHECK(pthread_create(&threads[POSTERS], NULL, wrong_main, NULL) == 0);
    stress_reader reader;
    stress_reader_start(&reader, &world);
    drive(world.loops[0], fd);
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    for (uint32_t i = 0; i <= POSTERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    stress_reader_stop(&reader);
    CHECK(sides[0].posts + sides[1].posts <= atomic_load(&posted));
    CHECK(sides[0].from_host + sides[1].from_host <= host_sent);
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
