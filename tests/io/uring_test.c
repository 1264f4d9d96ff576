/*
 * uring_test: the backend on a real ring. White-box: it includes uring.c to reach the table of what is allowed.
 *
 * Rings are made inside the tests, each used by one thread only. Nothing here sleeps in order to wait: a wait has a
 * deadline that fails the test when it is reached.
 */
#include "io/uring.c"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const uint64_t SECOND = 1000000000ull;

static uint64_t enters;

static jzx__backend *make_of(uint32_t entries, bool restricted, bool oldest)
{
    jzx__backend_config config = {
        .entries = entries, .restricted = restricted, .oldest_kernel = oldest, .enters = &enters};
    jzx__backend *backend = NULL;
    int os_error = 0;
    jzx_err err = jzx__uring_make(&config, &backend, &os_error);
    cr_assert_eq(err, JZX_OK, "no ring: %d, errno %d", err, os_error);
    return backend;
}

static void enable(jzx__backend *backend)
{
    int os_error = 0;
    cr_assert_eq(backend->ops->enable(backend, &os_error), JZX_OK, "errno %d", os_error);
}

static jzx__backend *make(void)
{
    jzx__backend *backend = make_of(64, true, false);
    enable(backend);
    return backend;
}

static void ignore(void *context, const jzx__cqe *cqe)
{
    (void)context;
    (void)cqe;
}

static void finish(jzx__backend *backend)
{
    while (backend->ops->close_begin(backend)) {
        backend->ops->submit(backend);
        backend->ops->reap(backend, 1000, ignore, NULL);
    }
    backend->ops->destroy(backend);
}

typedef struct seen {
    uint32_t count;
    jzx__cqe last;
    jzx__cqe all[4096];
} seen;

static void see(void *context, const jzx__cqe *cqe)
{
    seen *s = context;
    if (s->count < JZX__COUNT(s->all)) {
        s->all[s->count] = *cqe;
    }
    s->last = *cqe;
    s->count++;
}

static uint64_t in(jzx__backend *backend, uint64_t ns)
{
    return backend->ops->now_ns(backend) + ns;
}

/* Drives the backend until `want` completions were seen; fails after ten seconds. */
static void drive(jzx__backend *backend, seen *s, uint32_t want)
{
    uint64_t deadline = in(backend, 10 * SECOND);
    while (s->count < want) {
        cr_assert_lt(backend->ops->now_ns(backend), deadline, "%u of %u completions", s->count, want);
        cr_assert_eq(backend->ops->wait(backend, deadline), JZX_OK);
        backend->ops->reap(backend, 64, see, s);
    }
}

/* ---- doorbells and wakes ---- */

typedef struct bell {
    jzx__backend *own;
    jzx__backend *peer;
    _Atomic bool *up; /* this side may be rung */
    _Atomic bool *peer_up;
    _Atomic uint32_t *ours; /* counts rings given: the data that a doorbell does not carry */
    _Atomic uint32_t *theirs;
    uint32_t rounds;
    uint32_t failures;
    uint32_t timeouts;
    bool first;
} bell;

static void bell_failed(void *context, const jzx__cqe *cqe)
{
    (void)cqe;
    ((bell *)context)->failures++;
}

static void bell_ring(bell *b, uint32_t number)
{
    atomic_store(b->ours, number);
    b->failures += !b->own->ops->doorbell(b->own, b->peer, 1);
}

static void *bell_thread(void *context)
{
    bell *b = context;
    int os_error;
    b->failures += b->own->ops->enable(b->own, &os_error) != JZX_OK;
    atomic_store(b->up, true);
    while (!atomic_load(b->peer_up)) {
    }
    for (uint32_t i = 1; i <= b->rounds; i++) {
        if (b->first) {
            bell_ring(b, i);
        }
        uint64_t deadline = in(b->own, 10 * SECOND);
        while (atomic_load(b->theirs) < i) {
            b->own->ops->wait(b->own, deadline);
            b->own->ops->reap(b->own, 64, bell_failed, b);
            if (b->own->ops->now_ns(b->own) >= deadline) {
                b->timeouts++;
                return NULL;
            }
        }
        if (!b->first) {
            bell_ring(b, i);
        }
    }
    b->own->ops->submit(b->own);
    while (b->own->ops->close_begin(b->own)) {
        b->own->ops->wait(b->own, in(b->own, SECOND / 100));
        b->own->ops->reap(b->own, 64, bell_failed, b);
    }
    return NULL;
}

static void ping_pong(bool restricted, bool oldest)
{
    jzx__backend *one = make_of(8, restricted, oldest);
    jzx__backend *two = make_of(8, restricted, oldest);
    _Atomic bool up[2] = {false, false};
    _Atomic uint32_t given[2] = {0, 0};
    bell a = {one, two, &up[0], &up[1], &given[0], &given[1], 5000, 0, 0, true};
    bell b = {two, one, &up[1], &up[0], &given[1], &given[0], 5000, 0, 0, false};
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, bell_thread, &a);
    pthread_create(&threads[1], NULL, bell_thread, &b);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    one->ops->destroy(one);
    two->ops->destroy(two);
    cr_assert_eq(a.timeouts + b.timeouts, 0, "a doorbell was lost");
    cr_assert_eq(a.failures + b.failures, 0);
}

Test(uring, doorbells_wake_the_peer, .timeout = 60)
{
    ping_pong(true, false);
}

Test(uring, doorbells_wake_the_peer_on_the_oldest_kernel, .timeout = 60)
{
    ping_pong(false, true);
}

Test(uring, doorbell_says_no_room_and_the_failed_one_comes_back, .timeout = 10)
{
    jzx__backend *own = make_of(8, true, false);
    enable(own);
    jzx__backend *asleep = make_of(8, true, false);
    seen s = {0};
    uint32_t rung = 0;
    while (own->ops->doorbell(own, asleep, 7)) {
        rung++;
    }
    cr_assert_eq(rung, 8);
    drive(own, &s, 8);
    cr_assert_eq(s.last.user_data, JZX__USER_DOORBELL | 7);
    cr_assert_eq(s.last.res, -EBADFD, "a ring that is not enabled yet: %d", s.last.res);
    asleep->ops->destroy(asleep);
    finish(own);
}

typedef struct waker {
    jzx__backend *target;
    _Atomic uint32_t turn;   /* wakes asked for */
    _Atomic uint32_t posted; /* what a wake is about */
    _Atomic bool stop;
} waker;

static void *wake_thread(void *context)
{
    waker *w = context;
    uint32_t done = 0;
    while (!atomic_load(&w->stop)) {
        if (atomic_load(&w->turn) > done) {
            done++;
            atomic_store(&w->posted, done);
            w->target->ops->wake(w->target);
        }
    }
    return NULL;
}

static void wake_from_outside(bool oldest)
{
    jzx__backend *own = make_of(8, true, oldest);
    own->ops->wake(own); /* before it is enabled: harmless */
    enable(own);
    waker w = {.target = own};
    pthread_t thread;
    pthread_create(&thread, NULL, wake_thread, &w);
    for (uint32_t i = 1; i <= 3000; i++) {
        uint64_t deadline = in(own, 10 * SECOND);
        atomic_store(&w.turn, i);
        while (atomic_load(&w.posted) < i) {
            own->ops->wait(own, deadline);
            cr_assert_eq(own->ops->reap(own, 64, see, NULL), 0, "a wake is nobody's completion");
            cr_assert_lt(own->ops->now_ns(own), deadline, "wake %u was lost", i);
        }
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    finish(own);
}

Test(uring, wake_from_a_foreign_thread, .timeout = 60)
{
    wake_from_outside(false);
}

Test(uring, wake_from_a_foreign_thread_on_the_oldest_kernel, .timeout = 60)
{
    wake_from_outside(true);
}

static void *enable_and_leave(void *context)
{
    jzx__backend *backend = context;
    int os_error;
    bool good = backend->ops->enable(backend, &os_error) == JZX_OK;
    while (backend->ops->close_begin(backend)) {
        backend->ops->submit(backend);
        backend->ops->reap(backend, 64, see, NULL);
    }
    return good ? context : NULL;
}

static void wake_after_leave(bool oldest)
{
    jzx__backend *backend = make_of(8, true, oldest);
    pthread_t thread;
    void *good;
    pthread_create(&thread, NULL, enable_and_leave, backend);
    pthread_join(thread, &good);
    cr_assert_not_null(good);
    for (int i = 0; i < 100; i++) {
        backend->ops->wake(backend);
    }
    backend->ops->destroy(backend);
}

Test(uring, wake_after_the_owner_has_left_is_harmless, .timeout = 10)
{
    wake_after_leave(false);
    wake_after_leave(true);
}

/* ---- time ---- */

Test(uring, wait_is_never_early_and_never_enters_for_the_past, .timeout = 20)
{
    jzx__backend *own = make();
    static const uint64_t SLEEPS[] = {1, 900, 1000, 50000, 1000000, 3000001};
    for (size_t i = 0; i < JZX__COUNT(SLEEPS) * 20; i++) {
        uint64_t deadline = in(own, SLEEPS[i % JZX__COUNT(SLEEPS)]);
        while (own->ops->now_ns(own) < deadline) {
            uint64_t before = enters;
            cr_assert_eq(own->ops->wait(own, deadline), JZX_OK);
            cr_assert(enters == before || own->ops->now_ns(own) >= deadline, "came back early");
        }
        uint64_t before = enters;
        own->ops->wait(own, deadline);
        own->ops->wait(own, 0);
        cr_assert_eq(enters, before, "entered the kernel for a deadline that has passed");
    }
    finish(own);
}

Test(uring, idle_submit_makes_no_system_call, .timeout = 10)
{
    jzx__backend *own = make();
    uint64_t before = enters;
    cr_assert_not(own->ops->busy(own));
    cr_assert_eq(own->ops->submit(own), JZX_OK);
    cr_assert_eq(enters, before);
    finish(own);
}

static uint32_t flag_of_work(jzx__backend *own)
{
    return *uring_of(own)->ring.sq.kflags & IORING_SQ_TASKRUN;
}

Test(uring, a_flag_of_work_that_the_kernel_forgot_does_not_keep_it_busy, .timeout = 10)
{
    jzx__backend *own = make();
    seen s = {0};
    *uring_of(own)->ring.sq.kflags |= IORING_SQ_TASKRUN; /* as it does, now and then */
    for (int i = 0; i < 100 && own->ops->busy(own); i++) {
        cr_assert_eq(own->ops->submit(own), JZX_OK);
        cr_assert_eq(own->ops->reap(own, 10, see, &s), 0);
    }
    cr_assert_neq(flag_of_work(own), 0);
    cr_assert_not(own->ops->busy(own), "it would be asked for ever");
    uint64_t before = enters;
    cr_assert_eq(own->ops->submit(own), JZX_OK);
    cr_assert_eq(enters, before + 1, "but who asks all the same is told what has come");
    uint64_t deadline = in(own, 5 * SECOND);
    own->ops->wake(own);
    cr_assert_eq(own->ops->wait(own, deadline), JZX_OK);
    cr_assert_lt(own->ops->now_ns(own), deadline, "the wake was lost");
    cr_assert(own->ops->busy(own));
    own->ops->reap(own, 10, see, &s);
    cr_assert_eq(flag_of_work(own), 0);
    cr_assert_not(own->ops->busy(own));
    finish(own);
}

/* ---- the restriction table ---- */

static bool listed(uint8_t opcode)
{
    for (size_t i = 0; i < JZX__COUNT(OPCODES); i++) {
        if (OPCODES[i] == opcode) {
            return true;
        }
    }
    return false;
}

static int run_raw(jzx__backend *backend, uint8_t opcode, uint8_t flags)
{
    seen s = {0};
    struct io_uring_sqe *sqe = sqe_take(uring_of(backend));
    sqe->opcode = opcode;
    sqe->flags = flags;
    sqe->fd = -1;
    sqe->user_data = 5;
    drive(backend, &s, 1);
    cr_assert_eq(s.last.user_data, 5);
    return s.last.res;
}

Test(uring, a_restricted_ring_refuses_what_is_not_listed, .timeout = 20)
{
    jzx__backend *own = make();
    for (uint32_t opcode = 0; opcode < IORING_OP_LAST; opcode++) {
        if (listed((uint8_t)opcode)) {
            continue;
        }
        cr_assert_eq(run_raw(own, (uint8_t)opcode, 0), -EACCES, "opcode %u", opcode);
    }
    cr_assert_eq(run_raw(own, IORING_OP_CLOSE, IOSQE_ASYNC), -EACCES);
    cr_assert_eq(run_raw(own, IORING_OP_CLOSE, IOSQE_FIXED_FILE), -EACCES);
    cr_assert_eq(run_raw(own, IORING_OP_CLOSE, IOSQE_IO_DRAIN), -EACCES);
    struct io_uring *ring = &uring_of(own)->ring;
    cr_assert_eq(io_uring_register_personality(ring), -EACCES);
    cr_assert_eq(io_uring_register_files_sparse(ring, 4), -EACCES);
    finish(own);
}

Test(uring, an_unrestricted_ring_refuses_nothing, .timeout = 10)
{
    jzx__backend *own = make_of(8, false, false);
    enable(own);
    cr_assert_eq(run_raw(own, IORING_OP_NOP, 0), 0);
    finish(own);
}

static uint64_t next_user = 100;

static jzx__cqe run_op(jzx__backend *backend, jzx__sqe sqe)
{
    seen s = {0};
    sqe.user_data = next_user++;
    cr_assert(backend->ops->queue(backend, &sqe));
    drive(backend, &s, 1);
    cr_assert_eq(s.all[0].user_data, sqe.user_data);
    return s.all[0];
}

static int listener_make(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert_eq(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    cr_assert_eq(listen(fd, 16), 0);
    socklen_t size = sizeof *address;
    getsockname(fd, (struct sockaddr *)address, &size);
    return fd;
}

Test(uring, every_listed_operation_runs_on_a_restricted_ring, .timeout = 20)
{
    static uint8_t memory[4][1024];
    jzx__backend *own = make();
    int os_error = 0;
    cr_assert_eq(own->ops->buffers_register(own, memory, 4, 1024, &os_error), JZX_OK, "errno %d", os_error);
    struct sockaddr_in address;
    int listener = listener_make(&address);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    jzx__sqe accept = {.op = JZX__OP_ACCEPT, .fd = listener, .user_data = 1};
    jzx__sqe connect = {.op = JZX__OP_CONNECT, .fd = client, .addr = &address, .len = sizeof address, .user_data = 2};
    seen s = {0};
    cr_assert(own->ops->queue(own, &accept));
    cr_assert(own->ops->queue(own, &connect));
    drive(own, &s, 2);
    int at_accept = s.all[0].user_data == 1 ? 0 : 1;
    int server = s.all[at_accept].res;
    cr_assert_geq(server, 0, "accept: %d", server);
    cr_assert_eq(s.all[at_accept].flags, JZX__CQE_MORE);
    cr_assert_eq(s.all[1 - at_accept].res, 0, "connect");
    cr_assert((fcntl(server, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(server, F_GETFD) & FD_CLOEXEC) != 0);

    cr_assert_eq(run_op(own, (jzx__sqe){.op = JZX__OP_SEND, .fd = client, .addr = "hello", .len = 5}).res, 5);
    jzx__cqe got = run_op(own, (jzx__sqe){.op = JZX__OP_RECV, .fd = server});
    cr_assert_eq(got.res, 5);
    cr_assert_eq(got.flags, JZX__CQE_MORE | JZX__CQE_BUFFER);
    cr_assert_arr_eq(memory[got.buffer], "hello", 5);
    own->ops->buffer_give(own, got.buffer);
    cr_assert((run_op(own, (jzx__sqe){.op = JZX__OP_POLL, .fd = client, .arg = POLLOUT}).res & POLLOUT) != 0);

    struct iovec parts[2] = {{.iov_base = (char[]){"two"}, .iov_len = 3},
                             {.iov_base = (char[]){" parts"}, .iov_len = 6}};
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
    jzx__sqe gathered = {.op = JZX__OP_SEND_PARTS, .fd = client, .addr = &header, .len = 9, .user_data = 4};
    memset(&s, 0, sizeof s);
    cr_assert(own->ops->queue(own, &gathered));
    cr_assert_eq(own->ops->submit(own), JZX_OK);
    memset(&header, 0x5A, sizeof header); /* read by now, and so is the vector */
    memset(parts, 0x5A, sizeof parts);
    drive(own, &s, 2); /* the send's, and one more of the receive */
    int at_send = s.all[0].user_data == 4 ? 0 : 1;
    cr_assert_eq(s.all[at_send].res, 9, "%d", s.all[at_send].res);
    cr_assert_arr_eq(memory[s.all[1 - at_send].buffer], "two parts", 9);
    own->ops->buffer_give(own, s.all[1 - at_send].buffer);

    memset(&s, 0, sizeof s);
    jzx__sqe cancel = {.op = JZX__OP_CANCEL, .target = 1, .user_data = 3};
    cr_assert(own->ops->queue(own, &cancel));
    drive(own, &s, 2); /* the accept's last and the cancel's own */
    cr_assert_eq(s.all[0].user_data + s.all[1].user_data, 4);
    cr_assert_eq(s.all[0].user_data == 1 ? s.all[0].res : s.all[1].res, -ECANCELED);

    close(listener);
    cr_assert_eq(run_op(own, (jzx__sqe){.op = JZX__OP_SEND, .fd = -1}).res, -EBADF);
    memset(&s, 0, sizeof s);
    jzx__sqe shut = {.op = JZX__OP_CLOSE, .fd = client, .user_data = 9};
    cr_assert(own->ops->queue(own, &shut));
    drive(own, &s, 1); /* the poll keeps the file alive, so the server sees nothing of it */
    cr_assert_eq(s.last.user_data, 9);
    cr_assert_eq(s.last.res, 0);
    cr_assert_lt(fcntl(client, F_GETFD), 0);
    close(server);
    finish(own);
}

/* ---- limits ---- */

Test(uring, a_full_submission_queue_refuses_and_recovers, .timeout = 10)
{
    jzx__backend *own = make_of(8, true, false);
    enable(own);
    seen s = {0};
    jzx__sqe sqe = {.op = JZX__OP_CLOSE, .fd = -1};
    for (uint32_t round = 1; round <= 3; round++) {
        for (uint32_t i = 0; i < 8; i++) {
            sqe.user_data = i;
            cr_assert(own->ops->queue(own, &sqe));
        }
        cr_assert_not(own->ops->queue(own, &sqe));
        cr_assert(own->ops->busy(own));
        drive(own, &s, 8 * round);
    }
    cr_assert_not(own->ops->busy(own));
    finish(own);
}

Test(uring, completions_that_overflow_are_not_lost, .timeout = 10)
{
    static seen s;
    jzx__backend *own = make_of(8, true, false); /* 32 completions */
    enable(own);
    jzx__sqe sqe = {.op = JZX__OP_CLOSE, .fd = -1};
    for (uint32_t i = 0; i < 320; i++) {
        sqe.user_data = i;
        while (!own->ops->queue(own, &sqe)) {
            cr_assert_eq(own->ops->submit(own), JZX_OK);
        }
    }
    cr_assert_eq(own->ops->submit(own), JZX_OK);
    drive(own, &s, 320);
    for (uint32_t i = 0; i < 320; i++) {
        cr_assert_eq(s.all[i].user_data, i);
    }
    cr_assert_not(own->ops->busy(own));
    finish(own);
}

Test(uring, the_wake_poll_survives_an_overflow, .timeout = 10)
{
    static seen s;
    jzx__backend *own = make_of(8, true, true); /* wakes come by eventfd */
    enable(own);
    own->ops->submit(own);
    jzx__sqe sqe = {.op = JZX__OP_CLOSE, .fd = -1};
    for (uint32_t i = 0; i < 64; i++) {
        while (!own->ops->queue(own, &sqe)) {
            own->ops->wake(own);
            own->ops->submit(own);
        }
    }
    drive(own, &s, 64);
    for (uint32_t i = 0; i < 10; i++) {
        uint64_t deadline = in(own, 5 * SECOND);
        own->ops->reap(own, 64, see, &s);
        while (own->ops->busy(own)) {
            own->ops->submit(own);
            own->ops->reap(own, 64, see, &s);
        }
        own->ops->wake(own);
        own->ops->wait(own, deadline);
        cr_assert_lt(own->ops->now_ns(own), deadline, "the wake was lost");
    }
    finish(own);
}

Test(uring, reap_hands_out_at_most_what_was_asked, .timeout = 10)
{
    jzx__backend *own = make();
    seen s = {0};
    jzx__sqe sqe = {.op = JZX__OP_CLOSE, .fd = -1};
    for (uint32_t i = 0; i < 10; i++) {
        own->ops->queue(own, &sqe);
    }
    own->ops->submit(own);
    cr_assert_eq(own->ops->reap(own, 4, see, &s), 4);
    cr_assert(own->ops->busy(own));
    cr_assert_eq(own->ops->reap(own, 100, see, &s), 6);
    cr_assert_eq(own->ops->reap(own, 100, see, &s), 0);
    finish(own);
}

Test(uring, a_receive_without_buffers_ends_with_enobufs, .timeout = 10)
{
    static uint8_t memory[2][512];
    jzx__backend *own = make();
    int os_error;
    int pair[2];
    cr_assert_eq(own->ops->buffers_register(own, memory, 2, 512, &os_error), JZX_OK);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    static uint8_t bytes[2048];
    cr_assert_eq(write(pair[1], bytes, sizeof bytes), 2048);
    seen s = {0};
    jzx__sqe recv = {.op = JZX__OP_RECV, .fd = pair[0], .user_data = 1};
    cr_assert(own->ops->queue(own, &recv));
    drive(own, &s, 3);
    cr_assert_eq(s.all[0].res, 512);
    cr_assert_eq(s.all[1].res, 512);
    cr_assert_neq(s.all[0].buffer, s.all[1].buffer);
    cr_assert_eq(s.all[2].res, -ENOBUFS);
    cr_assert_eq(s.all[2].flags, 0);
    own->ops->buffer_give(own, 1);
    own->ops->buffer_give(own, 0);
    cr_assert(own->ops->queue(own, &recv));
    drive(own, &s, 5);
    cr_assert_eq(s.all[3].buffer, 1, "buffers come in the order they were given");
    cr_assert_eq(s.all[4].buffer, 0);
    close(pair[0]);
    close(pair[1]);
    finish(own);
}

/* ---- hosts ---- */

static bool readable(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void host_turn(jzx__backend *own, seen *s)
{
    own->ops->host_awake(own);
    own->ops->submit(own);
    own->ops->reap(own, 64, see, s);
}

static void host_driven(bool oldest)
{
    jzx__backend *own = make_of(64, true, oldest);
    enable(own);
    seen s = {0};
    int fd = own->ops->host_fd(own);
    cr_assert_geq(fd, 0, "host_fd: %d", fd);
    cr_assert_eq(own->ops->host_fd(own), fd);
    for (int i = 0; i < 3; i++) { /* what set-up left behind */
        host_turn(own, &s);
    }

    own->ops->host_sleep(own, JZX_FOREVER);
    cr_assert_not(own->ops->busy(own));
    cr_assert_not(readable(fd, 0));
    own->ops->wake(own);
    cr_assert(readable(fd, 5000), "a wake");
    host_turn(own, &s);
    cr_assert_not(readable(fd, 0));

    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    jzx__sqe poll_in = {.op = JZX__OP_POLL, .fd = pair[0], .arg = POLLIN, .user_data = 1};
    cr_assert(own->ops->queue(own, &poll_in));
    own->ops->submit(own);
    own->ops->host_sleep(own, in(own, 3600 * SECOND));
    cr_assert_not(own->ops->busy(own));
    cr_assert_not(readable(fd, 0));
    cr_assert_eq(write(pair[1], "x", 1), 1);
    cr_assert(readable(fd, 5000), "a completion");
    host_turn(own, &s);
    cr_assert_eq(s.count, 1);
    cr_assert_eq(s.last.user_data, 1);

    uint64_t deadline = in(own, 20000000); /* earlier than the one that is armed */
    own->ops->host_sleep(own, deadline);
    cr_assert(readable(fd, 5000), "the deadline");
    cr_assert_geq(own->ops->now_ns(own), deadline);
    host_turn(own, &s);

    own->ops->host_sleep(own, in(own, 10000000));
    own->ops->host_awake(own);
    own->ops->host_sleep(own, JZX_FOREVER); /* takes the deadline back */
    cr_assert_not(readable(fd, 30), "a deadline that was taken back");
    own->ops->host_awake(own);

    own->ops->host_sleep(own, in(own, 0));
    cr_assert(readable(fd, 0), "a deadline that has passed");
    own->ops->host_awake(own);
    own->ops->wake(own);
    cr_assert_not(readable(fd, 30), "silent while the host is awake");
    own->ops->host_ring(own);
    cr_assert(readable(fd, 0));
    host_turn(own, &s);
    own->ops->host_sleep(own, in(own, 3600 * SECOND));
    own->ops->host_awake(own);
    close(pair[0]);
    close(pair[1]);
    finish(own);
}

Test(uring, the_host_descriptor_tells_of_all_that_comes, .timeout = 20)
{
    host_driven(false);
}

Test(uring, the_host_descriptor_works_on_the_oldest_kernel, .timeout = 20)
{
    host_driven(true);
}

/* ---- refusals: each in a child, for what it does to its process cannot be undone ---- */

static int in_child(int (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* 0 when make() is refused with `err` and `os_error` and leaves no descriptor behind. */
static int refused(jzx_err err, int os_error)
{
    jzx__backend_config config = {.entries = 8, .restricted = true, .enters = &enters};
    jzx__backend *backend = NULL;
    int got_error = 0;
    jzx_err got = jzx__uring_make(&config, &backend, &got_error);
    if (got != err || got_error != os_error || backend != NULL) {
        dprintf(2, "make() gave %d with errno %d\n", got, got_error);
        return 1;
    }
    return 0;
}

static int filter_setup(uint32_t error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = JZX__COUNT(code), .filter = code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int denied_with_eperm(void)
{
    return filter_setup(EPERM) != 0 ? 2 : refused(JZX_ERR_URING_DENIED, EPERM);
}

static int denied_with_enosys(void)
{
    return filter_setup(ENOSYS) != 0 ? 2 : refused(JZX_ERR_URING_DENIED, ENOSYS);
}

static int denied_by_flags(void)
{
    return filter_setup(EINVAL) != 0 ? 2 : refused(JZX_ERR_URING_MISSING, EINVAL);
}

static int out_of_descriptors(void)
{
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(lowest);
    struct rlimit limit = {.rlim_cur = (rlim_t)lowest, .rlim_max = (rlim_t)lowest};
    setrlimit(RLIMIT_NOFILE, &limit);
    return refused(JZX_ERR_FD_LIMIT, EMFILE);
}

static int out_of_descriptors_at_the_second(void)
{
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(lowest);
    struct rlimit limit = {.rlim_cur = (rlim_t)lowest + 1, .rlim_max = (rlim_t)lowest + 1};
    setrlimit(RLIMIT_NOFILE, &limit);
    jzx__backend_config config = {.entries = 8, .restricted = true, .oldest_kernel = true, .enters = &enters};
    jzx__backend *backend = NULL;
    int os_error = 0;
    if (jzx__uring_make(&config, &backend, &os_error) != JZX_ERR_FD_LIMIT || os_error != EMFILE) {
        return 1;
    }
    return open("/dev/null", O_RDONLY | O_CLOEXEC) == lowest ? 0 : 3; /* all that was opened is closed again */
}

static int out_of_locked_memory(void)
{
    struct rlimit limit = {.rlim_cur = 0, .rlim_max = 0};
    setrlimit(RLIMIT_MEMLOCK, &limit);
    if (setuid(65534) != 0) {
        return 77;
    }
    return refused(JZX_ERR_MEMLOCK, ENOMEM);
}

/* Without /proc nothing is known of filters: the kernel's word counts. */
static int denied_with_no_descriptor_to_look(void)
{
    if (filter_setup(ENOSYS) != 0) {
        return 2;
    }
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(lowest);
    struct rlimit limit = {.rlim_cur = (rlim_t)lowest, .rlim_max = (rlim_t)lowest};
    setrlimit(RLIMIT_NOFILE, &limit);
    return refused(JZX_ERR_URING_MISSING, ENOSYS);
}

static int out_of_memory_without_a_limit(void)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
        return 77;
    }
    return filter_setup(ENOMEM) != 0 ? 2 : refused(JZX_ERR_NO_MEMORY, ENOMEM);
}

Test(uring, refusals_name_their_cause, .timeout = 20)
{
    int unlimited = in_child(out_of_memory_without_a_limit);
    cr_assert(unlimited == 0 || unlimited == 77, "%d", unlimited);
    cr_assert_eq(in_child(denied_with_no_descriptor_to_look), 0);
    cr_assert_eq(in_child(denied_with_eperm), 0);
    cr_assert_eq(in_child(denied_with_enosys), 0);
    cr_assert_eq(in_child(denied_by_flags), 0);
    cr_assert_eq(in_child(out_of_descriptors), 0);
    cr_assert_eq(in_child(out_of_descriptors_at_the_second), 0);
}

Test(uring, a_refusal_for_locked_memory_is_told_apart, .timeout = 20)
{
    int result = in_child(out_of_locked_memory);
    if (result == 77) {
        cr_skip_test("needs root, in order to stop being root");
    }
    cr_assert_eq(result, 0);
}

Test(uring, an_allocator_that_has_nothing_is_no_memory, .timeout = 10)
{
    jzx__backend *backend = NULL;
    int os_error = 0;
    jzx_allocator none = {.alloc = NULL};
    jzx__backend_config config = {.entries = 8, .enters = &enters, .allocator = &none};
    cr_assert_eq(jzx__uring_make(&config, &backend, &os_error), JZX_OK, "all zero means malloc");
    backend->ops->destroy(backend);
    cr_assert_geq(jzx__uring_metadata_size(&config), sizeof(uring));
    cr_assert_geq(jzx__uring_ring_size(&config), 4096u * 2);
}

/* A thread that ran many loops in its life has not used up what it may register. */
Test(uring, a_thread_can_own_many_rings_one_after_another, .timeout = 20)
{
    for (int i = 0; i < 100; i++) {
        jzx__backend *own = make_of(8, true, (i & 1) != 0);
        enable(own);
        cr_assert((uring_of(own)->enter_flags & IORING_ENTER_REGISTERED_RING) != 0, "ring %d", i);
        finish(own);
    }
}
