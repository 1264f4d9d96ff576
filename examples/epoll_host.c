/*
 * epoll_host: a program with an event loop of its own drives a jzx loop.
 *
 * The loop's descriptor becomes readable whenever it has work; the host then runs turns until there is none. An actor
 * counts ticks of a jzx timer while the host also serves a timerfd, all on one thread.
 */
#include <jzx/jzx.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { TAG_TICK = 1, TICKS = 5 };

static jzx_err counter_init(jzx_context *context, void *argument, void **state)
{
    (void)argument;
    (void)state;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    return jzx_timer_every(context, 20 * 1000000u, JZX_TICKS_SKIP, &tick, NULL);
}

static jzx_behavior_result counter(jzx_context *context, void *state, const jzx_message *message)
{
    int *count = state;
    if (message->tag != TAG_TICK) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    printf("actor: tick %d\n", ++*count);
    if (*count == TICKS) {
        jzx_runtime_request_stop(jzx_loop_runtime(jzx_context_loop(context)));
    }
    return JZX_BEHAVIOR_OK;
}

static void host_tick(int timer)
{
    uint64_t ticks;
    if (read(timer, &ticks, sizeof ticks) == sizeof ticks) {
        printf("host: tick\n");
    }
}

/* The host's own loop. It ends when the jzx loop has stopped. */
static jzx_err drive(jzx_loop *loop, int epoll, int timer, int jzx)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = timer};
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    event.data.fd = jzx;
    epoll_ctl(epoll, EPOLL_CTL_ADD, jzx, &event);
    for (;;) {
        if (epoll_wait(epoll, &event, 1, -1) != 1) {
            continue;
        }
        if (event.data.fd == timer) {
            host_tick(timer);
            continue;
        }
        jzx_err err = jzx_loop_run_once(loop, 0); /* one bounded turn; readable again if that was not all */
        if (err != JZX_OK) {
            return err == JZX_ERR_LOOP_CLOSED ? JZX_OK : err;
        }
    }
}

int main(void)
{
    jzx_runtime *runtime;
    jzx_loop *loop;
    int jzx;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = counter;
    options.init = counter_init;
    options.state_size = sizeof(int);
    jzx_err err = jzx_runtime_create(NULL, &runtime);
    if (err != JZX_OK || (err = jzx_loop_create(runtime, NULL, &loop)) != JZX_OK ||
        (err = jzx_spawn(jzx_loop_context(loop), &options, NULL)) != JZX_OK ||
        (err = jzx_loop_poll_fd(loop, &jzx)) != JZX_OK) {
        fprintf(stderr, "epoll_host: %s\n", jzx_strerror(err));
        return 1;
    }
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec period = {{0, 33000000}, {0, 33000000}};
    timerfd_settime(timer, 0, &period, NULL);
    int epoll = epoll_create1(0);
    err = drive(loop, epoll, timer, jzx);
    close(epoll);
    close(timer);
    jzx_runtime_destroy(runtime);
    return err == JZX_OK ? 0 : 1;
}
