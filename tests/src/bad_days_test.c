/*
 * bad_days_test: what the world may refuse, seen through the public API: io_uring, memory, descriptors, CPUs, room, and
 * the kernel's own word. Each has an error of its own, leaves nothing behind, loses nothing, and does not spin.
 *
 * Each test is a process of its own, so a seccomp filter or a limit set here ends with its test.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sched/loop.h"
#include "tests/support/support.h"

static const uint64_t MILLISECOND = 1000000ull;

/* ---- the system says no ---- */

/* From now on a system call of this process fails with `error`. */
static void forbid(unsigned call, uint32_t error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = JZX__COUNT(code), .filter = code};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* A runtime without loops, on counted memory. */
static void open_bare(test_world *w, const jzx_config *config)
{
    memset(w, 0, sizeof *w);
    w->fds_before = test_fd_count();
    test_config(&w->config);
    if (config != NULL) {
        w->config = *config;
    }
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        w->config.allocators[i] = test_memory_allocator(&w->memory[i]);
    }
    jzx_err err = jzx_runtime_create(&w->config, &w->runtime);
    cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
}

static void assert_balanced(const test_world *w)
{
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        test_memory_assert_empty(&w->memory[i]);
    }
    unsigned fds = test_fd_count();
    cr_assert_eq(fds, w->fds_before, "%u descriptors before, %u after", w->fds_before, fds);
}

static void close_bare(test_world *w)
{
    cr_assert_eq(jzx_runtime_destroy(w->runtime), JZX_OK);
    assert_balanced(w);
}

/* No loop can be created, for this reason; each try leaves nothing. */
static void refuses_loops(test_world *w, jzx_err expected, int os_error)
{
    unsigned fds = test_fd_count();
    uint64_t blocks = w->memory[JZX_MEMORY_METADATA].blocks;
    uint32_t loops = jzx_runtime_loop_count(w->runtime);
    for (int i = 0; i < 3; i++) {
        jzx_loop *loop = NULL;
        jzx_err err = jzx_loop_create(w->runtime, NULL, &loop);
        cr_assert_eq(err, expected, "%s; instead of: %s", jzx_strerror(err), jzx_strerror(expected));
        cr_assert_null(loop);
        cr_assert_eq(jzx_runtime_os_error(w->runtime), os_error);
        cr_assert_eq(test_fd_count(), fds);
        cr_assert_eq(w->memory[JZX_MEMORY_METADATA].blocks, blocks);
    }
    cr_assert_eq(jzx_runtime_loop_count(w->runtime), loops);
}

/* No runtime can be created either. */
static void without_segment(unsigned call, uint32_t error, jzx_err expected)
{
    test_world w;
    open_bare(&w, NULL);
    forbid(call, error);
    jzx_runtime *runtime = NULL;
    cr_assert_eq(jzx_runtime_create(&w.config, &runtime), expected);
    cr_assert_null(runtime);
    close_bare(&w);
}

static void without(unsigned call, uint32_t error, jzx_err expected)
{
    test_world w;
    open_bare(&w, NULL);
    forbid(call, error);
    refuses_loops(&w, expected, (int)error);
    close_bare(&w);
}

Test(bad_days, M52_io_uring_denied_by_sysctl_or_filter, .timeout = 20)
{
    without(__NR_io_uring_setup, EPERM, JZX_ERR_URING_DENIED);
}

Test(bad_days, M52_io_uring_hidden_by_a_filter, .timeout = 20)
{
    without(__NR_io_uring_setup, ENOSYS, JZX_ERR_URING_DENIED); /* container profiles answer so */
}

Test(bad_days, M52_a_kernel_that_does_not_know_the_flags_is_too_old, .timeout = 20)
{
    without(__NR_io_uring_setup, EINVAL, JZX_ERR_URING_MISSING);
}

Test(bad_days, M52_no_kernel_memory_for_a_ring, .timeout = 20)
{
    without(__NR_io_uring_setup, ENOMEM, JZX_ERR_NO_MEMORY); /* root: no limit on locked memory is to blame */
}

Test(bad_days, M52_a_ring_that_cannot_be_restricted_is_not_used, .timeout = 20)
{
    without(__NR_io_uring_register, EPERM, JZX_ERR_URING_DENIED);
}

Test(bad_days, no_room_for_the_segment_is_no_memory, .timeout = 20)
{
    without_segment(__NR_ftruncate, ENOSPC, JZX_ERR_NO_MEMORY);
}

Test(bad_days, no_kernel_memory_for_the_segment, .timeout = 20)
{
    without_segment(__NR_memfd_create, ENOMEM, JZX_ERR_NO_MEMORY);
}

Test(bad_days, too_many_files_in_the_system, .timeout = 20)
{
    without_segment(__NR_memfd_create, ENFILE, JZX_ERR_FD_LIMIT);
}

Test(bad_days, a_segment_that_is_forbidden, .timeout = 20)
{
    without_segment(__NR_memfd_create, EACCES, JZX_ERR_OS);
}

Test(bad_days, a_segment_that_children_would_share_is_not_used, .timeout = 20)
{
    without_segment(__NR_madvise, EINVAL, JZX_ERR_OS);
}

Test(bad_days, a_segment_larger_than_the_address_space, .timeout = 20)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip_test("a sanitizer has more address space than the limit");
#endif
    test_world w;
    open_bare(&w, NULL);
    jzx_config config = w.config;
    config.loops_max = 8;
    config.actors_max = 1 << 20;
    struct rlimit limit = {256u << 20, 256u << 20};
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    jzx_runtime *runtime = NULL;
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_ERR_NO_MEMORY);
    cr_assert_null(runtime);
    close_bare(&w);
}

Test(bad_days, a_kernel_without_random_numbers_serves_as_well, .timeout = 20)
{
    test_world w;
    jzx_config config;
    test_config(&config);
    config.seed = 0;
    forbid(__NR_getrandom, ENOSYS);
    test_world_open(&w, 1, &config);
    test_actor actor = {.id = 0};
    test_spawn(&w, 0, &actor);
    cr_assert_eq(jzx_register(jzx_loop_context(w.loops[0]), "a", actor.id), JZX_OK);
    jzx_actor_id found = 0;
    cr_assert_eq(jzx_whereis(w.runtime, "a", &found), JZX_OK);
    cr_assert_eq(found, actor.id);
    test_world_close(&w);
}

Test(bad_days, a_thread_that_cannot_be_made_leaves_the_loop_to_be_run, .timeout = 20)
{
    test_world w;
    test_world_open(&w, 1, NULL);
    test_actor actor = {.id = 0};
    test_spawn(&w, 0, &actor);
    forbid(__NR_clone3, EAGAIN);
    cr_assert_eq(jzx_loop_start(w.loops[0]), JZX_ERR_OS);
    cr_assert_eq(jzx_runtime_os_error(w.runtime), EAGAIN);
    test_send(&w, &actor, 1);
    test_until(&w, actor.received == 1); /* on this thread, as before */
    test_world_close(&w);
}

Test(bad_days, M52_locked_memory_is_told_apart, .timeout = 20)
{
    test_world w;
    struct rlimit none = {0, 0};
    open_bare(&w, NULL);
    cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (setuid(65534) != 0) {
        close_bare(&w);
        cr_skip_test("needs root, in order to stop being root");
    }
    refuses_loops(&w, JZX_ERR_MEMLOCK, ENOMEM);
    close_bare(&w);
}

Test(bad_days, a_second_loop_that_is_refused_leaves_the_first_at_work, .timeout = 20)
{
    test_world w;
    test_actor actor = {.id = 0};
    open_bare(&w, NULL);
    cr_assert_eq(jzx_loop_create(w.runtime, NULL, &w.loops[0]), JZX_OK);
    w.loop_count = 1;
    forbid(__NR_io_uring_setup, EPERM);
    refuses_loops(&w, JZX_ERR_URING_DENIED, EPERM);
    test_spawn(&w, 0, &actor);
    test_send(&w, &actor, 1);
    test_until(&w, actor.received == 1);
    test_world_close(&w);
}

/* Each cause has words of its own, for whoever reads them in a log. */
Test(bad_days, every_cause_has_its_own_words, .timeout = 20)
{
    for (int i = JZX_ERR_UNDELIVERED; i <= JZX_OK; i++) { /* the last one */
        const char *text = jzx_strerror((jzx_err)i);
        cr_assert(strlen(text) >= 5 || i == JZX_OK, "%d: %s", i, text);
        cr_assert_str_neq(text, jzx_strerror((jzx_err)-9999), "%d", i);
        for (int k = i + 1; k <= JZX_OK; k++) {
            cr_assert_str_neq(text, jzx_strerror((jzx_err)k), "%d and %d", i, k);
        }
    }
    cr_assert_str_eq(jzx_strerror((jzx_err)(JZX_ERR_UNDELIVERED - 1)), jzx_strerror((jzx_err)-9999));
    cr_assert_not_null(strstr(jzx_strerror(JZX_ERR_URING_DENIED), "io_uring_disabled"));
    cr_assert_not_null(strstr(jzx_strerror(JZX_ERR_URING_MISSING), "6.1"));
    cr_assert_not_null(strstr(jzx_strerror(JZX_ERR_MEMLOCK), "RLIMIT_MEMLOCK"));
}

/* ---- CPUs ---- */

Test(bad_days, a_cpu_that_cannot_be_had_is_an_error, .timeout = 20)
{
    test_world w;
    open_bare(&w, NULL);
    unsigned fds = test_fd_count();
    uint64_t blocks = w.memory[JZX_MEMORY_METADATA].blocks;
    cpu_set_t one;
    cpu_set_t all;
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    const int wrong[] = {-2, 1, CPU_SETSIZE - 1, CPU_SETSIZE, 1 << 20, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < JZX__COUNT(wrong); i++) {
        jzx_loop_config config;
        jzx_loop *loop = NULL;
        jzx_loop_config_init(&w.config, &config);
        config.cpu = wrong[i];
        cr_assert_eq(jzx_loop_create(w.runtime, &config, &loop), JZX_ERR_NO_SUCH_CPU, "CPU %d", wrong[i]);
        cr_assert_null(loop);
    }
    cr_assert_eq(test_fd_count(), fds);
    cr_assert_eq(w.memory[JZX_MEMORY_METADATA].blocks, blocks);
    cr_assert_eq(sched_setaffinity(0, sizeof all, &all), 0);
    close_bare(&w);
}

static void create_pinned(test_world *w)
{
    jzx_loop_config config;
    jzx_loop_config_init(&w->config, &config);
    config.cpu = 0;
    cr_assert_eq(jzx_loop_create(w->runtime, &config, &w->loops[w->loop_count]), JZX_OK);
    w->loop_count++;
}

Test(bad_days, a_cpu_that_goes_before_the_first_run_leaks_nothing, .timeout = 20)
{
    test_world w;
    test_actor actor = {.id = 0};
    test_actor other = {.id = 0};
    test_ledger ledger = {.made = 0};
    jzx_err result = JZX_OK;
    int fd = -1;
    open_bare(&w, NULL);
    create_pinned(&w);
    create_pinned(&w);
    test_spawn(&w, 0, &actor);
    test_spawn(&w, 1, &other);
    jzx_message message = test_payload(&ledger, 1, 100);
    cr_assert_eq(jzx_send(jzx_loop_context(w.loops[0]), actor.id, &message), JZX_OK);
    forbid(__NR_sched_setaffinity, EINVAL); /* as when the CPU was taken from this process meanwhile */
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(jzx_loop_run(w.loops[0]), JZX_ERR_NO_SUCH_CPU, "never a loop that is silently not pinned");
        cr_assert_eq(jzx_loop_run_once(w.loops[0], 0), JZX_ERR_NO_SUCH_CPU);
        cr_assert_eq(jzx_loop_poll_fd(w.loops[0], &fd), JZX_ERR_NO_SUCH_CPU);
    }
    if (jzx_loop_start(w.loops[1]) == JZX_OK) {
        cr_assert_eq(jzx_loop_join(w.loops[1], &result), JZX_OK);
        cr_assert_eq(result, JZX_ERR_NO_SUCH_CPU);
    }
    cr_assert_eq(jzx_runtime_destroy(w.runtime), JZX_OK);
    cr_assert_eq(actor.finis, 1, "what was spawned has its fini");
    cr_assert_eq(other.finis, 1);
    cr_assert_eq(ledger.dropped, 1);
    assert_balanced(&w);
}

/* ---- descriptors ---- */

/* An accept has the limit of the time when it was asked for, so a test sets it first. */
static void limit_fds(void)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 128;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Fills the table of descriptors but for `left`, and returns how many it took: give_fds() gives them back. */
static int *take_fds(unsigned left, unsigned *count)
{
    limit_fds();
    int *fds = malloc(128 * sizeof *fds);
    cr_assert_not_null(fds);
    *count = 0;
    for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) {
        fds[(*count)++] = fd;
    }
    cr_assert_eq(errno, EMFILE);
    for (; left > 0 && *count > 0; left--) {
        close(fds[--*count]);
    }
    return fds;
}

static void give_fds(int *fds, unsigned count)
{
    while (count > 0) {
        close(fds[--count]);
    }
    free(fds);
}

typedef struct keeper {
    test_actor actor; /* first: they are one */
    jzx_err err;
    jzx_socket_id socket;
    uint16_t port;
    uint32_t accepted;
    uint32_t closed;
    uint64_t received;
    bool echoes;
    test_ledger ledger;
} keeper;

static jzx_behavior_result on_message(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    keeper *k = (keeper *)actor;
    const jzx_tcp_event *event = jzx_message_data(message);
    if (message->tag != JZX_TAG_SYS_TCP) {
        return JZX_BEHAVIOR_OK;
    }
    if (event->kind == JZX_TCP_ACCEPTED) {
        k->accepted++;
        (void)jzx_tcp_read(context, event->peer);
    } else if (event->kind == JZX_TCP_DATA) {
        k->received += event->size;
        if (k->echoes) {
            (void)jzx_tcp_send(context, event->socket, event->data, event->size); /* its client sees that it came */
        }
    } else if (event->kind == JZX_TCP_EOF) {
        (void)jzx_tcp_close(context, event->socket);
    } else if (event->kind == JZX_TCP_CLOSED) {
        k->closed++;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_listen(jzx_context *context, test_actor *actor, void *argument)
{
    keeper *k = (keeper *)actor;
    (void)argument;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    k->err = jzx_tcp_listen(context, &options, &k->socket);
    if (k->err == JZX_OK) {
        k->err = jzx_tcp_port(context, k->socket, &k->port);
    }
    return JZX_BEHAVIOR_OK;
}

static keeper *keeper_make(void)
{
    keeper *k = calloc(1, sizeof *k);
    cr_assert_not_null(k);
    k->actor.on = on_message;
    return k;
}

static int client_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    return fd;
}

static void dial(int fd, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0, "errno %d", errno);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

/* How far a program comes with so many descriptors; each step either works or says that there is none left. */
static int come_far(unsigned left, bool oldest)
{
    test_world w;
    jzx_config config;
    keeper *k = keeper_make();
    unsigned count;
    int steps = 0;
    int fd = -1;
    test_config(&config);
    config.oldest_kernel = oldest;
    memset(&w, 0, sizeof w);
    w.fds_before = test_fd_count();
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        config.allocators[i] = test_memory_allocator(&w.memory[i]);
    }
    int *fds = take_fds(left, &count);
    jzx_err err = jzx_runtime_create(&config, &w.runtime);
    if (err == JZX_OK) {
        steps++;
        err = jzx_loop_create(w.runtime, NULL, &w.loops[0]);
    }
    if (err == JZX_OK) {
        steps++;
        w.loop_count = 1;
        err = jzx_loop_poll_fd(w.loops[0], &fd);
    }
    if (err == JZX_OK) {
        steps++;
        w.ran = true;
        test_spawn(&w, 0, &k->actor);
        test_do(&w, &k->actor, do_listen, NULL);
        err = k->err;
        steps += err == JZX_OK;
    }
    cr_assert(err == JZX_OK || err == JZX_ERR_FD_LIMIT, "%s after %d steps", jzx_strerror(err), steps);
    cr_assert(err == JZX_OK || w.runtime == NULL || jzx_runtime_os_error(w.runtime) == EMFILE);
    give_fds(fds, count);
    if (w.runtime != NULL && w.ran) {
        test_world_close(&w);
    } else {
        if (w.loop_count > 0) { /* the loop has begun to run, by its poll fd */
            (void)jzx_runtime_request_stop(w.runtime);
            while (jzx_loop_run_once(w.loops[0], 0) == JZX_OK) {
            }
        }
        cr_assert_eq(jzx_runtime_destroy(w.runtime), JZX_OK);
        assert_balanced(&w);
    }
    free(k);
    return steps;
}

Test(bad_days, P19_every_step_may_run_out_of_descriptors, .timeout = 60)
{
    for (int oldest = 0; oldest < 2; oldest++) {
        unsigned left = 0;
        int before = -1;
        int steps = 0;
        for (; steps < 4; left++) {
            cr_assert_lt(left, 12);
            steps = come_far(left, oldest != 0);
            cr_assert_geq(steps, before);
            before = steps;
        }
        cr_assert_geq(left, 5, "segment, ring, host, reserve and listener take five at least");
    }
}

typedef struct failures {
    uint32_t count;
    int os_error;
    jzx_actor_id owner;
} failures;

static void accept_failed(void *user, jzx_context *context, jzx_actor_id owner, int os_error)
{
    (void)context;
    failures *f = user;
    f->count++;
    f->os_error = os_error;
    f->owner = owner;
}

Test(bad_days, M53_P19_accepting_without_descriptors_does_not_spin_and_goes_on_after, .timeout = 60)
{
    test_world w;
    keeper *k = keeper_make();
    failures f = {.count = 0};
    enum { CLIENTS = 8 };
    int clients[CLIENTS];
    unsigned count;
    const jzx_observer observer = {.struct_size = sizeof observer, .accept_failed = accept_failed};
    limit_fds();
    test_world_open(&w, 1, NULL);
    test_spawn(&w, 0, &k->actor);
    cr_assert_eq(jzx_observer_add(w.loops[0], &observer, &f), JZX_OK);
    test_do(&w, &k->actor, do_listen, NULL);
    cr_assert_eq(k->err, JZX_OK);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_socket();
    }
    int *fds = take_fds(2, &count);
    for (int i = 0; i < 5; i++) {
        dial(clients[i], k->port);
    }
    test_until(&w, f.count > 0 && k->accepted >= 2);
    cr_assert_eq(k->accepted, 2, "as many as there were descriptors for");
    cr_assert_eq(f.os_error, EMFILE);
    cr_assert_eq(f.owner, k->actor.id);
    uint64_t began = test_now_ns();
    uint64_t enters = test_count(&w, offsetof(jzx_counters, enters));
    uint32_t failed = f.count;
    while (test_now_ns() - began < 250 * MILLISECOND) { /* the loop sleeps in between: nothing is ready */
        cr_assert_eq(jzx_loop_run_once(w.loops[0], 50 * MILLISECOND), JZX_OK);
    }
    uint64_t tenths = (test_now_ns() - began) / (100 * MILLISECOND);
    cr_assert_leq(f.count - failed, tenths + 1, "%u failures in %lu pauses", f.count - failed, (unsigned long)tenths);
    cr_assert_leq(test_count(&w, offsetof(jzx_counters, enters)) - enters, 8 * (tenths + 1), "a spin");
    give_fds(fds, count);
    for (int i = 5; i < CLIENTS; i++) {
        dial(clients[i], k->port);
    }
    uint32_t turned_away = 0;
    for (int i = 0; i < 5; i++) {
        char byte;
        turned_away += recv(clients[i], &byte, 1, MSG_DONTWAIT) == 0;
    }
    cr_assert_gt(turned_away, 0, "who cannot be served is told");
    test_until(&w, k->accepted == CLIENTS - turned_away);
    cr_assert_eq(write(clients[CLIENTS - 1], "x", 1), 1);
    test_until(&w, k->received == 1);
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    test_until(&w, (test_world_step(&w), test_count(&w, offsetof(jzx_counters, sockets)) == 1));
    test_world_close(&w);
    free(k);
}

/* ---- memory ---- */

/* The first listener, a connection and its traffic, with the n-th allocation of one kind failing. */
static bool scrape_through(jzx_memory kind, uint64_t nth, bool from_then_on)
{
    test_world w;
    keeper *k = keeper_make();
    k->echoes = true;
    test_world_open(&w, 1, NULL);
    int fd = client_socket();
    w.fds_before++;
    w.memory[kind].fail_after = from_then_on;
    w.memory[kind].fail_at = w.memory[kind].calls + nth;
    jzx_spawn_options options;
    jzx_actor_id id = 0;
    test_actor_options(&k->actor, &options);
    jzx_err err = jzx_spawn(jzx_loop_context(w.loops[0]), &options, &id);
    if (err == JZX_OK) {
        test_do(&w, &k->actor, do_listen, NULL);
        err = k->err;
    }
    if (err == JZX_OK) {
        char byte = 0;
        ssize_t got = -1;
        dial(fd, k->port);
        cr_assert_eq(write(fd, "x", 1), 1);
        test_until(&w, (got = recv(fd, &byte, 1, MSG_DONTWAIT)) >= 0 || errno == ECONNRESET);
        cr_assert((got == 1 && byte == 'x') || w.memory[kind].failed > 0, "it ends only for want of memory");
    }
    cr_assert(err == JZX_OK || (err == JZX_ERR_NO_MEMORY && w.memory[kind].failed > 0), "%s", jzx_strerror(err));
    bool failed = w.memory[kind].failed > 0;
    w.memory[kind].fail_at = 0;
    if (err == JZX_ERR_NO_MEMORY && k->actor.inits == 1) {
        test_do(&w, &k->actor, do_listen, NULL); /* what failed for want of memory works when there is some */
        cr_assert_eq(k->err, JZX_OK);
    }
    test_world_close(&w);
    close(fd);
    free(k);
    return failed;
}

Test(bad_days, P16_any_allocation_of_a_listener_or_connection_may_fail, .timeout = 60)
{
    uint64_t tried = 0;
    for (unsigned kind = 0; kind < JZX_MEMORY_KINDS; kind++) {
        for (int after = 0; after < 2; after++) {
            for (uint64_t nth = 1; scrape_through((jzx_memory)kind, nth, after != 0); nth++) {
                tried++;
            }
        }
    }
    cr_assert_gt(tried, 8, "only %lu allocations were tried", (unsigned long)tried);
}

/* ---- little room ---- */

Test(bad_days, P18_a_full_ring_loses_nothing, .timeout = 60)
{
    test_world w;
    jzx_config config;
    keeper *k = keeper_make();
    enum { CLIENTS = 48, ROUNDS = 40 };
    int clients[CLIENTS];
    k->echoes = true;
    test_config(&config);
    config.ring_entries = 8; /* and 32 completions, for 49 sockets that all want something */
    test_world_open(&w, 1, &config);
    test_spawn(&w, 0, &k->actor);
    test_do(&w, &k->actor, do_listen, NULL);
    cr_assert_eq(k->err, JZX_OK);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_socket();
        dial(clients[i], k->port);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            uint32_t number = (uint32_t)(round * CLIENTS + i);
            cr_assert_eq(write(clients[i], &number, sizeof number), sizeof number);
        }
        for (int i = 0; i < CLIENTS; i++) {
            uint32_t number = 0;
            test_until(&w, recv(clients[i], &number, sizeof number, MSG_DONTWAIT) == sizeof number);
            cr_assert_eq(number, (uint32_t)(round * CLIENTS + i));
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    test_until(&w, (test_world_step(&w), test_count(&w, offsetof(jzx_counters, sockets)) == 1));
    cr_assert_eq(test_count(&w, offsetof(jzx_counters, stale_completions)), 0);
    test_world_close(&w);
    free(k);
}

Test(bad_days, the_oldest_kernel_serves_as_well, .timeout = 60)
{
    test_world w;
    jzx_config config;
    keeper *k = keeper_make();
    k->echoes = true;
    test_config(&config);
    config.oldest_kernel = true;
    test_world_open(&w, 2, &config);
    test_spawn(&w, 1, &k->actor);
    test_world_start(&w);
    test_do(&w, &k->actor, do_listen, NULL); /* by a post: through the eventfd that stands in for a message */
    cr_assert_eq(k->err, JZX_OK);
    int fd = client_socket();
    dial(fd, k->port);
    for (int i = 0; i < 100; i++) {
        char byte = 0;
        cr_assert_eq(write(fd, "x", 1), 1);
        test_until(&w, recv(fd, &byte, 1, MSG_DONTWAIT) == 1);
    }
    close(fd);
    test_world_close(&w);
    free(k);
}

/* ---- the kernel's word ---- */

/* White-box: stands before the backend of a loop and fails its enters from some point on. */
static jzx__backend_ops broken_ops;
static const jzx__backend_ops *whole_ops;
static jzx_err breaks_with;
static uint32_t breaks_in;  /* enters until then */
static uint32_t breaks_for; /* how many fail */

static jzx_err maybe_broken(jzx_err err)
{
    if (breaks_in > 0) {
        breaks_in--;
        return err;
    }
    if (breaks_for == 0) {
        return err;
    }
    breaks_for--;
    return breaks_with;
}

static jzx_err broken_submit(jzx__backend *backend)
{
    return maybe_broken(whole_ops->submit(backend));
}

static jzx_err broken_wait(jzx__backend *backend, uint64_t deadline_ns)
{
    return maybe_broken(whole_ops->wait(backend, deadline_ns));
}

static jzx_behavior_result do_queue_payloads(jzx_context *context, test_actor *actor, void *argument)
{
    keeper *k = (keeper *)actor;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    k->err = jzx_tcp_adopt(context, *(int *)argument, &options, &k->socket);
    for (int i = 0; i < 8 && k->err == JZX_OK; i++) {
        jzx_message message = test_payload(&k->ledger, 0, 30000);
        k->err = jzx_tcp_send_owned(context, k->socket, message.pointer.data, 30000, message.pointer.drop,
                                    message.pointer.drop_context);
    }
    return JZX_BEHAVIOR_OK;
}

static void breaks(jzx_err with, uint32_t after, uint32_t times)
{
    test_world w;
    keeper *k = keeper_make();
    test_actor other = {.id = 0};
    int pair[2];
    test_world_open(&w, 2, NULL);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    test_spawn(&w, 0, &k->actor);
    test_spawn(&w, 1, &other);
    test_do(&w, &k->actor, do_listen, NULL);
    int fd = client_socket();
    dial(fd, k->port);
    test_until(&w, k->accepted == 1);
    test_do(&w, &k->actor, do_queue_payloads, &pair[0]); /* more than the peer's buffer takes */
    cr_assert_eq(k->err, JZX_OK);
    whole_ops = w.loops[0]->backend->ops;
    broken_ops = *whole_ops;
    broken_ops.submit = broken_submit;
    broken_ops.wait = broken_wait;
    breaks_with = with;
    breaks_in = after;
    breaks_for = times;
    w.loops[0]->backend->ops = &broken_ops;
    jzx_err results[2] = {JZX_OK, JZX_OK};
    uint64_t deadline = test_now_ns() + TEST_PATIENCE_S * 1000 * MILLISECOND;
    uint64_t turns = test_count(&w, offsetof(jzx_counters, turns));
    while (results[0] == JZX_OK || results[1] == JZX_OK) {
        cr_assert_lt(test_now_ns(), deadline, "the loops never leave: %d %d", results[0], results[1]);
        cr_assert_eq(write(fd, "x", 1) == 1 || errno == EAGAIN || errno == EPIPE || errno == ECONNRESET, true);
        for (int i = 0; i < 2; i++) {
            results[i] = results[i] == JZX_OK ? jzx_loop_run_once(w.loops[i], MILLISECOND) : results[i];
        }
    }
    cr_assert_eq(results[0], with, "%s", jzx_strerror(results[0]));
    cr_assert_eq(results[1], JZX_ERR_LOOP_CLOSED, "the others stop in order");
    cr_assert_eq(k->actor.finis, 1, "the actors of a loop that breaks have their fini");
    cr_assert_eq(other.finis, 1);
    cr_assert_lt(test_count(&w, offsetof(jzx_counters, turns)) - turns, 1000);
    cr_assert_eq(jzx_runtime_destroy(w.runtime), JZX_OK);
    cr_assert_eq(test_ledger_open(&k->ledger), 0, "%lu payloads", (unsigned long)test_ledger_open(&k->ledger));
    cr_assert_eq(k->ledger.twice, 0);
    close(pair[1]);
    close(fd);
    assert_balanced(&w);
    free(k);
}

Test(bad_days, P18_a_completion_that_the_kernel_lost_ends_the_loop_and_leaves_nothing, .timeout = 60)
{
    signal(SIGPIPE, SIG_IGN);
    breaks(JZX_ERR_KERNEL_LOST, 0, 1);
    breaks(JZX_ERR_KERNEL_LOST, 3, UINT32_MAX);
}

Test(bad_days, M51_an_enter_that_fails_for_good_ends_the_loop_and_leaves_nothing, .timeout = 60)
{
    signal(SIGPIPE, SIG_IGN);
    breaks(JZX_ERR_OS, 0, 1);
    breaks(JZX_ERR_OS, 3, UINT32_MAX);
}
