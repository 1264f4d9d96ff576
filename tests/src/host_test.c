/*
 * host_test: a host with an event loop of its own drives a jzx loop, by epoll, level- and edge-triggered.
 *
 * Loop 0 is the host's, on the test's thread; loop 1 has a thread. The host does what a careful host does and no more: it
 * sleeps in epoll_wait() without a deadline of its own, and runs one turn for each event.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/support.h"

static const uint64_t MILLISECOND = 1000000ull;
enum { TAG_HELLO = 1, TAG_RELAY = 2, TAG_TIMER = 3 };

typedef struct host {
    test_world w; /* for its memory and loops; driven here */
    int epoll;
    int fd;
    bool edge;
    bool left;        /* run_once said LOOP_CLOSED */
    uint64_t wakeups; /* events of the descriptor */
} host;

static void host_open(host *h, bool oldest)
{
    jzx_config config;
    memset(h, 0, sizeof *h);
    test_config(&config);
    config.oldest_kernel = oldest;
    test_world_open(&h->w, 2, &config);
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    cr_assert_geq(h->epoll, 0);
}

static void host_begin(host *h, bool edge)
{
    h->edge = edge;
    cr_assert_eq(jzx_loop_start(h->w.loops[1]), JZX_OK);
    cr_assert_eq(jzx_loop_poll_fd(h->w.loops[0], &h->fd), JZX_OK);
    struct epoll_event event = {.events = EPOLLIN | (edge ? EPOLLET : 0)};
    cr_assert_eq(epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->fd, &event), 0);
}

/* One event, if one comes in time, and one turn for it. */
static bool host_step(host *h, int timeout_ms)
{
    struct epoll_event event;
    int events;
    do {
        events = epoll_wait(h->epoll, &event, 1, timeout_ms); /* the end of an older ring may interrupt it */
    } while (events < 0 && errno == EINTR);
    if (events != 1) {
        return false;
    }
    h->wakeups++;
    jzx_err err = jzx_loop_run_once(h->w.loops[0], 0);
    cr_assert(err == JZX_OK || err == JZX_ERR_LOOP_CLOSED, "%s", jzx_strerror(err));
    h->left = err == JZX_ERR_LOOP_CLOSED;
    return true;
}

/* The host sleeps until it is woken, again and again, until `fact`. */
#define HOST_UNTIL(h, fact)                                                          \
    do {                                                                             \
        while (!(fact)) {                                                            \
            cr_assert(host_step((h), 10000), "the host sleeps, and yet: %s", #fact); \
        }                                                                            \
    } while (0)

/* Nothing is left to do: the descriptor falls silent soon, and stays so. */
static void host_rest(host *h)
{
    int turns = 0;
    while (host_step(h, 0)) {
        cr_assert_lt(++turns, 1000, "the descriptor never falls silent");
    }
    cr_assert_not(host_step(h, 20), "an event without work");
}

static void host_close(host *h)
{
    cr_assert_eq(jzx_runtime_request_stop(h->w.runtime), JZX_OK);
    HOST_UNTIL(h, h->left);
    jzx_err result = JZX_ERR_UNKNOWN;
    cr_assert_eq(jzx_loop_join(h->w.loops[1], &result), JZX_OK);
    cr_assert_eq(result, JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(h->w.runtime), JZX_OK);
    close(h->epoll);
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        test_memory_assert_empty(&h->w.memory[i]);
    }
    cr_assert_eq(test_fd_count(), h->w.fds_before);
}

/* ---- actors ---- */

typedef struct guest {
    test_actor actor; /* first: they are one */
    jzx_actor_id to;  /* RELAY sends HELLO there, `times` times */
    uint32_t times;
    uint32_t refused; /* sends that had to be tried again */
    uint64_t fired_ns;
    uint64_t after_ns;
    jzx_socket_id socket;
    uint16_t port;
    uint32_t data;
    int fd;
    int fds[2];
    jzx_drop_fn drop;
    void *drop_context;
    void *kept;
    size_t kept_size;
    bool keeps;
} guest;

static void relay(jzx_context *context, guest *g)
{
    jzx_message hello = jzx_message_empty(TAG_HELLO);
    while (g->times > 0) {
        jzx_err err = jzx_send(context, g->to, &hello);
        if (err != JZX_OK) {
            g->refused++;
            (void)jzx_resume(context, g->to);
            return;
        }
        __atomic_store_n(&g->times, g->times - 1, __ATOMIC_RELEASE); /* the test looks at it */
    }
}

static jzx_behavior_result on_message(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    guest *g = (guest *)actor;
    if (message->tag == TAG_RELAY || message->tag == JZX_TAG_SYS_RESUME) {
        relay(context, g);
    } else if (message->tag == TAG_TIMER) {
        g->fired_ns = jzx_clock_ns(context);
    } else if (message->tag == JZX_TAG_SYS_TCP) {
        const jzx_tcp_event *event = jzx_message_data(message);
        if (event->kind == JZX_TCP_DATA) {
            g->data += (uint32_t)event->size;
            if (g->keeps && g->kept == NULL) {
                (void)jzx_tcp_keep(context, &g->drop, &g->drop_context);
                g->kept = (void *)(uintptr_t)event->data;
                g->kept_size = event->size;
            }
        } else if (event->kind == JZX_TCP_ACCEPTED) {
            (void)jzx_tcp_read(context, event->peer);
        }
    }
    return JZX_BEHAVIOR_OK;
}

static guest *guest_make(void)
{
    guest *g = calloc(1, sizeof *g);
    cr_assert_not_null(g);
    g->actor.on = on_message;
    return g;
}

static jzx_err init_timer(jzx_context *context, test_actor *actor)
{
    jzx_message message = jzx_message_empty(TAG_TIMER);
    return jzx_timer_after(context, ((guest *)actor)->after_ns, &message, NULL);
}

static jzx_err init_listen(jzx_context *context, test_actor *actor)
{
    guest *g = (guest *)actor;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    jzx_err err = jzx_tcp_listen(context, &options, &g->socket);
    return err == JZX_OK ? jzx_tcp_port(context, g->socket, &g->port) : err;
}

static jzx_err init_adopt(jzx_context *context, test_actor *actor)
{
    guest *g = (guest *)actor;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    return jzx_tcp_adopt(context, g->fds[0], &options, &g->socket);
}

static jzx_err init_watch(jzx_context *context, test_actor *actor)
{
    jzx_watch_id id;
    return jzx_watch(context, ((guest *)actor)->fd, JZX_IO_READ, &id);
}

typedef struct post {
    host *h;
    jzx_actor_id to;
    uint32_t tag;
    jzx_err err;
} post;

static void post_it(void *argument)
{
    post *p = argument;
    jzx_message message = jzx_message_empty(p->tag);
    p->err = jzx_post(p->h->w.runtime, p->to, &message);
}

static void post_from_a_thread(host *h, jzx_actor_id to, uint32_t tag)
{
    post p = {h, to, tag, JZX_ERR_UNKNOWN};
    test_on_thread(post_it, &p);
    cr_assert_eq(p.err, JZX_OK);
}

static void tell(host *h, jzx_actor_id to, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    cr_assert_eq(jzx_send(jzx_loop_context(h->w.loops[0]), to, &message), JZX_OK);
}

/* ---- what wakes a host ---- */

static void each_way(void (*test)(bool edge, bool oldest))
{
    test(false, false);
    test(true, false);
    test(false, true);
    test(true, true);
}

static void mail(bool edge, bool oldest)
{
    host h;
    guest *here = guest_make();
    guest *there = guest_make();
    host_open(&h, oldest);
    test_spawn(&h.w, 0, &here->actor);
    test_spawn(&h.w, 1, &there->actor);
    there->to = here->actor.id;
    host_begin(&h, edge);
    for (uint32_t round = 1; round <= 30; round++) {
        host_rest(&h);
        there->times = 1;
        post_from_a_thread(&h, there->actor.id, TAG_RELAY);
        HOST_UNTIL(&h, here->actor.received == round);
    }
    host_rest(&h);
    cr_assert_leq(h.wakeups, 3 * 30 + 10, "%lu wake-ups for 30 messages", (unsigned long)h.wakeups);
    host_close(&h);
    free(here);
    free(there);
}

Test(host, mail_from_another_loop_wakes, .timeout = 60)
{
    each_way(mail);
}

static void posts(bool edge, bool oldest)
{
    host h;
    guest *here = guest_make();
    host_open(&h, oldest);
    test_spawn(&h.w, 0, &here->actor);
    host_begin(&h, edge);
    for (uint32_t round = 1; round <= 30; round++) {
        host_rest(&h);
        post_from_a_thread(&h, here->actor.id, TAG_HELLO);
        HOST_UNTIL(&h, here->actor.received == round);
    }
    host_rest(&h);
    cr_assert_leq(h.wakeups, 3 * 30 + 10, "%lu wake-ups for 30 posts", (unsigned long)h.wakeups);
    host_close(&h);
    free(here);
}

Test(host, a_post_from_a_foreign_thread_wakes, .timeout = 60)
{
    each_way(posts);
}

static void local(bool edge, bool oldest)
{
    host h;
    guest *here = guest_make();
    host_open(&h, oldest);
    test_spawn(&h.w, 0, &here->actor);
    host_begin(&h, edge);
    for (uint32_t round = 1; round <= 30; round++) {
        host_rest(&h);
        tell(&h, here->actor.id, TAG_HELLO);
        HOST_UNTIL(&h, here->actor.received == round);
    }
    host_rest(&h);
    cr_assert_leq(h.wakeups, 3 * 30 + 10, "%lu wake-ups for 30 sends", (unsigned long)h.wakeups);
    cr_assert_eq(jzx_stop(jzx_loop_context(h.w.loops[0]), here->actor.id), JZX_OK);
    HOST_UNTIL(&h, here->actor.finis == 1);
    host_close(&h);
    free(here);
}

Test(host, a_send_from_outside_of_a_turn_wakes, .timeout = 60)
{
    each_way(local);
}

static void timers(bool edge, bool oldest)
{
    host h;
    guest *late = guest_make();
    guest *soon = guest_make();
    host_open(&h, oldest);
    host_begin(&h, edge);
    host_rest(&h);
    late->after_ns = 100000 * MILLISECOND;
    late->actor.on_init = init_timer;
    test_spawn(&h.w, 0, &late->actor);
    host_rest(&h);
    soon->actor.on_init = init_timer;
    for (int round = 0; round < 5; round++) {
        soon->after_ns = 10 * MILLISECOND; /* nearer than what the sleep was armed for */
        soon->fired_ns = 0;
        uint64_t began = test_now_ns();
        uint64_t before = h.wakeups;
        test_spawn(&h.w, 0, &soon->actor);
        HOST_UNTIL(&h, soon->fired_ns != 0);
        cr_assert_geq(soon->fired_ns - began, 10 * MILLISECOND, "never early");
        cr_assert_leq(h.wakeups - before, 6, "%lu wake-ups for one timer", (unsigned long)(h.wakeups - before));
        cr_assert_eq(jzx_kill(jzx_loop_context(h.w.loops[0]), soon->actor.id), JZX_OK);
        HOST_UNTIL(&h, soon->actor.finis == (uint32_t)round + 1);
    }
    cr_assert_eq(late->fired_ns, 0);
    cr_assert_eq(jzx_kill(jzx_loop_context(h.w.loops[0]), late->actor.id), JZX_OK);
    HOST_UNTIL(&h, late->actor.finis == 1);
    host_rest(&h); /* the timeout that was taken back wakes nobody */
    host_close(&h);
    free(late);
    free(soon);
}

Test(host, a_timer_wakes_in_time_also_one_nearer_than_the_last, .timeout = 60)
{
    each_way(timers);
}

static void sockets(bool edge, bool oldest)
{
    host h;
    guest *g = guest_make();
    g->actor.on_init = init_listen;
    host_open(&h, oldest);
    host_begin(&h, edge);
    host_rest(&h);
    test_spawn(&h.w, 0, &g->actor); /* what init begins is submitted though no turn was on */
    host_rest(&h);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(g->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    for (uint32_t round = 1; round <= 30; round++) {
        cr_assert_eq(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        HOST_UNTIL(&h, g->data == round);
        host_rest(&h);
    }
    cr_assert_leq(h.wakeups, 3 * 30 + 20, "%lu wake-ups for 30 bytes", (unsigned long)h.wakeups);
    close(fd);
    host_close(&h);
    free(g);
}

Test(host, a_socket_wakes, .timeout = 60)
{
    each_way(sockets);
}

static void watches(bool edge, bool oldest)
{
    host h;
    guest *g = guest_make();
    g->actor.on_init = init_watch;
    host_open(&h, oldest);
    g->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    host_begin(&h, edge);
    host_rest(&h);
    test_spawn(&h.w, 0, &g->actor);
    for (uint32_t round = 1; round <= 30; round++) {
        host_rest(&h);
        eventfd_write(g->fd, 1);
        HOST_UNTIL(&h, g->actor.received == round);
    }
    close(g->fd);
    host_close(&h);
    free(g);
}

Test(host, a_watched_descriptor_wakes, .timeout = 60)
{
    each_way(watches);
}

static void buffers(bool edge, bool oldest)
{
    host h;
    guest *g = guest_make();
    char data[1024];
    jzx_config config;
    memset(&h, 0, sizeof h);
    memset(data, 7, sizeof data);
    test_config(&config);
    config.oldest_kernel = oldest;
    config.recv_buffers = 2;
    config.recv_buffer_size = 512;
    test_world_open(&h.w, 2, &config);
    h.epoll = epoll_create1(EPOLL_CLOEXEC);
    host_begin(&h, edge);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, g->fds), 0);
    g->actor.on_init = init_adopt;
    g->keeps = true;
    test_spawn(&h.w, 0, &g->actor);
    guest *other = guest_make();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other->fds), 0);
    other->actor.on_init = init_adopt;
    other->keeps = true;
    test_spawn(&h.w, 0, &other->actor);
    cr_assert_eq(write(g->fds[1], data, 512), 512);
    cr_assert_eq(write(other->fds[1], data, 512), 512);
    HOST_UNTIL(&h, g->kept != NULL && other->kept != NULL);
    cr_assert_eq(write(g->fds[1], data, 512), 512); /* there is no buffer for it */
    host_rest(&h);
    cr_assert_eq(g->data, 512);
    g->drop(g->drop_context, g->kept, g->kept_size); /* by the host, between two turns */
    HOST_UNTIL(&h, g->data == 1024);
    other->drop(other->drop_context, other->kept, other->kept_size);
    close(g->fds[1]);
    close(other->fds[1]);
    host_close(&h);
    free(g);
    free(other);
}

Test(host, a_buffer_given_back_by_the_host_wakes_who_starved, .timeout = 60)
{
    each_way(buffers);
}

/* ---- before the first run ---- */

static void early(bool edge, bool oldest)
{
    host h;
    guest *here = guest_make();
    guest *there = guest_make();
    guest *timer = guest_make();
    host_open(&h, oldest);
    test_spawn(&h.w, 0, &here->actor);
    test_spawn(&h.w, 1, &there->actor);
    timer->after_ns = 0;
    timer->actor.on_init = init_timer;
    test_spawn(&h.w, 0, &timer->actor);
    there->to = here->actor.id;
    there->times = 3;
    jzx_message relay_now = jzx_message_empty(TAG_RELAY);
    cr_assert_eq(jzx_send(jzx_loop_context(h.w.loops[1]), there->actor.id, &relay_now), JZX_OK);
    tell(&h, here->actor.id, TAG_HELLO);
    post_from_a_thread(&h, here->actor.id, TAG_HELLO);
    cr_assert_eq(jzx_loop_start(h.w.loops[1]), JZX_OK);
    while (__atomic_load_n(&there->times, __ATOMIC_ACQUIRE) != 0) {
        sched_yield(); /* loop 1 sends while loop 0 has not yet run */
    }
    cr_assert_eq(jzx_loop_poll_fd(h.w.loops[0], &h.fd), JZX_OK);
    struct epoll_event event = {.events = EPOLLIN | (edge ? EPOLLET : 0)};
    cr_assert_eq(epoll_ctl(h.epoll, EPOLL_CTL_ADD, h.fd, &event), 0);
    HOST_UNTIL(&h, here->actor.received == 5 && timer->fired_ns != 0);
    host_rest(&h);
    host_close(&h);
    free(here);
    free(there);
    free(timer);
}

Test(host, what_was_sent_before_the_first_run_wakes_it, .timeout = 60)
{
    each_way(early);
}

/* ---- much ---- */

static void flood(bool edge, bool oldest)
{
    host h;
    guest *here = guest_make();
    guest *there = guest_make();
    enum { MANY = 100000 };
    host_open(&h, oldest);
    test_spawn(&h.w, 0, &here->actor);
    test_spawn(&h.w, 1, &there->actor);
    there->to = here->actor.id;
    there->times = MANY;
    host_begin(&h, edge);
    post_from_a_thread(&h, there->actor.id, TAG_RELAY);
    HOST_UNTIL(&h, here->actor.received == MANY);
    host_rest(&h);
    cr_assert_gt(there->refused, 0, "the mailbox of 256 was never full");
    host_close(&h);
    free(here);
    free(there);
}

Test(host, one_turn_for_each_event_loses_nothing_of_a_flood, .timeout = 120)
{
    each_way(flood);
}

/* ---- the end ---- */

static void stop_it(void *argument)
{
    host *h = argument;
    (void)jzx_runtime_request_stop(h->w.runtime);
}

static void stops(bool edge, bool oldest)
{
    host h;
    guest *here = guest_make();
    guest *there = guest_make();
    host_open(&h, oldest);
    test_spawn(&h.w, 0, &here->actor);
    test_spawn(&h.w, 1, &there->actor);
    host_begin(&h, edge);
    host_rest(&h);
    test_on_thread(stop_it, &h);
    HOST_UNTIL(&h, h.left);
    cr_assert_eq(here->actor.finis, 1);
    int fd = -1;
    cr_assert_eq(jzx_loop_run_once(h.w.loops[0], 0), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(jzx_loop_poll_fd(h.w.loops[0], &fd), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(fd, -1);
    host_close(&h);
    cr_assert_eq(there->actor.finis, 1);
    free(here);
    free(there);
}

Test(host, a_stop_from_another_thread_wakes_and_needs_nothing_else, .timeout = 60)
{
    each_way(stops);
}

/* ---- run_once and its time ---- */

static void *post_soon(void *argument)
{
    post *p = argument;
    uint64_t until = test_now_ns() + 10 * MILLISECOND;
    while (test_now_ns() < until) {
        sched_yield();
    }
    post_it(p);
    return NULL;
}

static void run_once_times(bool hosted)
{
    host h;
    guest *here = guest_make();
    host_open(&h, false);
    jzx_loop *loop = h.w.loops[0];
    test_spawn(&h.w, 0, &here->actor);
    if (hosted) {
        host_begin(&h, false);
        host_rest(&h);
    } else {
        cr_assert_eq(jzx_loop_start(h.w.loops[1]), JZX_OK);
    }
    cr_assert_eq(jzx_loop_run_once(loop, 0), JZX_OK);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(jzx_loop_run_once(loop, 0), JZX_OK);
    }
    jzx_counters counters;
    cr_assert_eq(jzx_loop_stats(loop, &counters), JZX_OK);
    cr_assert_eq(counters.parks, 0, "a timeout of 0 does not sleep");
    uint64_t began = test_now_ns();
    cr_assert_eq(jzx_loop_run_once(loop, 20 * MILLISECOND), JZX_OK);
    cr_assert_geq(test_now_ns() - began, 20 * MILLISECOND);
    cr_assert_eq(jzx_loop_stats(loop, &counters), JZX_OK);
    cr_assert_leq(counters.parks, 2, "it sleeps once, not in a loop");
    for (int i = 0; i < 2; i++) { /* a long time and for ever end when mail comes */
        post p = {&h, here->actor.id, TAG_HELLO, JZX_ERR_UNKNOWN};
        pthread_t thread;
        uint32_t before = here->actor.received;
        cr_assert_eq(pthread_create(&thread, NULL, post_soon, &p), 0);
        while (here->actor.received == before) {
            cr_assert_eq(jzx_loop_run_once(loop, i == 0 ? 10000 * MILLISECOND : JZX_FOREVER), JZX_OK);
        }
        pthread_join(thread, NULL);
        cr_assert_eq(p.err, JZX_OK);
    }
    tell(&h, here->actor.id, TAG_HELLO);
    uint32_t before = here->actor.received;
    cr_assert_eq(jzx_loop_run_once(loop, JZX_FOREVER), JZX_OK, "work that waits is no time to sleep");
    cr_assert_eq(here->actor.received, before + 1);
    guest *timer = guest_make();
    timer->after_ns = 10 * MILLISECOND;
    timer->actor.on_init = init_timer;
    test_spawn(&h.w, 0, &timer->actor);
    while (timer->fired_ns == 0) {
        cr_assert_eq(jzx_loop_run_once(loop, JZX_FOREVER), JZX_OK); /* a deadline ends the sleep */
    }
    if (!hosted) {
        struct epoll_event event = {.events = EPOLLIN};
        cr_assert_eq(jzx_loop_poll_fd(loop, &h.fd), JZX_OK); /* a loop may become a host's late */
        cr_assert_eq(epoll_ctl(h.epoll, EPOLL_CTL_ADD, h.fd, &event), 0);
        host_rest(&h);
    }
    host_close(&h);
    free(here);
    free(timer);
}

Test(host, run_once_sleeps_as_long_as_it_may, .timeout = 60)
{
    run_once_times(false);
    run_once_times(true);
}

/* ---- the descriptor ---- */

typedef struct foreign {
    jzx_loop *loop;
    jzx_err polled;
    jzx_err ran;
} foreign;

static void drive_foreign(void *argument)
{
    foreign *f = argument;
    int fd = -1;
    f->polled = jzx_loop_poll_fd(f->loop, &fd);
    f->ran = jzx_loop_run_once(f->loop, 0);
}

Test(host, the_descriptor_belongs_to_one_thread_and_stays_the_same, .timeout = 60)
{
    host h;
    int again = -1;
    host_open(&h, false);
    cr_assert_eq(jzx_loop_poll_fd(NULL, &again), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_loop_poll_fd(h.w.loops[0], NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_loop_run_once(NULL, 0), JZX_ERR_INVALID_ARG);
    host_begin(&h, false);
    cr_assert_eq(jzx_loop_poll_fd(h.w.loops[0], &again), JZX_OK);
    cr_assert_eq(again, h.fd);
    cr_assert_neq(fcntl(h.fd, F_GETFD) & FD_CLOEXEC, 0);
    foreign f = {.loop = h.w.loops[0]};
    test_on_thread(drive_foreign, &f);
    cr_assert_eq(f.polled, JZX_ERR_WRONG_THREAD);
    cr_assert_eq(f.ran, JZX_ERR_WRONG_THREAD);
    host_rest(&h);
    host_close(&h);
}
