/*
 * stopper: the actor that ends the server on SIGTERM or SIGINT.
 *
 * The signals are blocked and come through a descriptor, so no handler runs. At the first one the listeners close and tell
 * their clients; each of these gets the replies to all commands it has sent so far, and is let go. When nobody is left the
 * runtime stops; also GRACE_NS later, for clients that do not read, and at a second signal.
 */
#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const uint64_t GRACE_NS = 3000000000u;
static const uint64_t LOOK_NS = 2000000;

struct stopper {
    struct kv_server *server;
    int fd;
    jzx_watch_id watch;
    uint64_t until_ns; /* 0: no signal has come */
    bool told[JZX_LOOPS_MAX];
};

static sigset_t stop_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

void kv_stopper_block_signals(void)
{
    sigset_t signals = stop_signals();
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Tells the listeners that could not be told before. True when all clients of all loops are gone. */
static bool everybody_gone(jzx_context *context, struct stopper *stopper)
{
    struct kv_server *server = stopper->server;
    bool gone = true;
    for (uint32_t i = 0; i < server->options.loop_count; i++) {
        struct kv_loop *loop = &server->loops[i];
        if (!stopper->told[i]) {
            jzx_message leave = jzx_message_empty(KV_TAG_LEAVE);
            char name[KV_NAME_MAX];
            stopper->told[i] = jzx_send_name(context, kv_listener_name(name, i), &leave) == JZX_OK;
        }
        gone = gone && atomic_load_explicit(&loop->leaving, memory_order_acquire) && kv_counted(&loop->open) == 0;
    }
    return gone;
}

static void look(jzx_context *context, struct stopper *stopper)
{
    jzx_message again = jzx_message_empty(KV_TAG_LOOK);
    if (everybody_gone(context, stopper) || jzx_now_ns(context) >= stopper->until_ns ||
        jzx_timer_after(context, LOOK_NS, &again, NULL) != JZX_OK) {
        jzx_runtime_request_stop(stopper->server->runtime);
    }
}

static void on_signal(jzx_context *context, struct stopper *stopper)
{
    struct signalfd_siginfo info;
    while (read(stopper->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (stopper->until_ns == 0) {
            stopper->until_ns = jzx_now_ns(context) + GRACE_NS;
            look(context, stopper);
        } else {
            jzx_runtime_request_stop(stopper->server->runtime);
        }
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct stopper *stopper = state;
    switch (message->tag) {
    case JZX_TAG_SYS_IO:
        on_signal(context, stopper);
        break;
    case KV_TAG_LOOK:
        look(context, stopper);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    struct stopper *stopper = *state;
    sigset_t signals = stop_signals();
    struct kv_server *server = argument;
    stopper->server = server;
    stopper->fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (stopper->fd < 0) {
        return JZX_ERR_FD_LIMIT;
    }
    jzx_err err = jzx_watch(context, stopper->fd, JZX_IO_READ, &stopper->watch);
    if (err != JZX_OK) {
        close(stopper->fd);
    } else if (!server->ready) {
        server->ready = true; /* this is the last child of the tree */
        printf("jzx-kv: %u loops, %u shards, ready on port %u\n", server->options.loop_count, server->shard_count,
               server->port);
        fflush(stdout);
    }
    return err;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    struct stopper *stopper = state;
    close(stopper->fd);
}

void kv_stopper_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->fini = fini;
    spec->state_size = sizeof(struct stopper);
}
