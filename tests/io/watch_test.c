/* watch_test: readiness of foreign descriptors, on a real ring. White-box. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/tcp.h"
#include "io/watch.h"

enum { WATCHES = 64 };

typedef struct world {
    jzx__backend *backend;
    jzx__net net;
    jzx_counters counters;
    uint64_t enters;
    jzx__watch watches[WATCHES];
    uint32_t reports[WATCHES];
} world;

static void world_begin(world *w, uint32_t entries)
{
    memset(w, 0, sizeof *w);
    jzx__backend_config config = {.entries = entries, .restricted = true, .enters = &w->enters};
    int os_error = 0;
    cr_assert_eq(jzx__uring_make(&config, &w->backend, &os_error), JZX_OK, "errno %d", os_error);
    cr_assert_eq(w->backend->ops->enable(w->backend, &os_error), JZX_OK);
    jzx_config sizes;
    memset(&sizes, 0, sizeof sizes);
    jzx__net_init(&w->net, w->backend, NULL, &w->counters, &sizes);
    for (uint32_t i = 0; i < WATCHES; i++) {
        w->watches[i].user_poll = 1000 + i;
        w->watches[i].user_cancel = 2000 + i;
    }
}

static void reaped(void *context, const jzx__cqe *cqe)
{
    world *w = context;
    uint32_t index = (uint32_t)cqe->user_data % 1000;
    w->reports[index] += jzx__watch_complete(&w->net, &w->watches[index], cqe);
}

/* One pass; waits for something if `ns` is not 0. */
static void step(world *w, uint64_t ns)
{
    const jzx__backend_ops *ops = w->backend->ops;
    jzx__net_flush(&w->net);
    if (ns != 0) {
        ops->wait(w->backend, ops->now_ns(w->backend) + ns);
    } else {
        ops->submit(w->backend);
    }
    ops->reap(w->backend, 256, reaped, w);
}

#define UNTIL(w, fact)                                                                        \
    do {                                                                                      \
        uint64_t until = (w)->backend->ops->now_ns((w)->backend) + 5000000000ull;             \
        while (!(fact)) {                                                                     \
            cr_assert_lt((w)->backend->ops->now_ns((w)->backend), until, "never: %s", #fact); \
            step((w), 5000000000ull);                                                         \
        }                                                                                     \
    } while (0)

/* Lets all come in that is under way. */
static void quiesce(world *w)
{
    do {
        step(w, 0);
    } while (w->backend->ops->busy(w->backend));
}

static void world_end(world *w)
{
    for (uint32_t i = 0; i < WATCHES; i++) {
        if (w->watches[i].want.next != NULL && !w->watches[i].ending) {
            jzx__watch_end(&w->net, &w->watches[i]);
        }
        UNTIL(w, w->watches[i].want.next == NULL || jzx__watch_idle(&w->watches[i]));
    }
    while (w->backend->ops->close_begin(w->backend)) {
        step(w, 0);
    }
    jzx__net_deinit(&w->net);
    w->backend->ops->destroy(w->backend);
}

Test(watch, reports_readiness_and_coalesces, .timeout = 10)
{
    static world w;
    world_begin(&w, 64);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    jzx__watch *watch = &w.watches[0];
    jzx__watch_begin(&w.net, watch, fd, POLLIN);
    quiesce(&w);
    cr_assert_eq(w.reports[0], 0);
    for (int i = 0; i < 3; i++) {
        eventfd_write(fd, 1);
    }
    UNTIL(&w, w.reports[0] != 0);
    quiesce(&w);
    cr_assert_eq(w.reports[0], 1, "three writes before one look are one report");
    cr_assert_eq(watch->seen, POLLIN);
    watch->seen = 0;
    eventfd_write(fd, 1);
    UNTIL(&w, w.reports[0] == 2);
    cr_assert_eq(watch->seen, POLLIN);
    close(fd);
    world_end(&w);
}

/* What has no wait queue is told by epoll; with no descriptor left for one, by its kind. */
Test(watch, a_file_is_always_ready_also_when_descriptors_are_short, .timeout = 10)
{
    static world w;
    world_begin(&w, 64);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    cr_assert(file >= 0 && folder >= 0 && event >= 0);
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(lowest);
    struct rlimit before;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit limit = {.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const int fds[] = {file, folder, event};
    for (uint32_t i = 0; i < 3; i++) {
        jzx__watch_begin(&w.net, &w.watches[i], fds[i], POLLIN);
    }
    UNTIL(&w, w.reports[0] != 0 && w.reports[1] != 0);
    quiesce(&w);
    cr_assert_eq(w.reports[0], 1, "once, not each time it is looked at");
    cr_assert_eq(w.reports[1], 1);
    cr_assert_eq(w.reports[2], 0);
    eventfd_write(event, 1);
    UNTIL(&w, w.reports[2] == 1);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (uint32_t i = 0; i < 3; i++) {
        close(fds[i]);
    }
    world_end(&w);
}

Test(watch, is_silent_and_idle_after_end, .timeout = 10)
{
    static world w;
    world_begin(&w, 64);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    jzx__watch *watch = &w.watches[0];
    jzx__watch_begin(&w.net, watch, fd, POLLIN);
    step(&w, 0);
    eventfd_write(fd, 1); /* its completion and the cancel cross */
    jzx__watch_end(&w.net, watch);
    jzx__watch_end(&w.net, watch);
    cr_assert_not(jzx__watch_idle(watch));
    UNTIL(&w, jzx__watch_idle(watch));
    cr_assert_eq(w.reports[0], 0);
    close(fd);
    world_end(&w);
}

Test(watch, ended_before_it_was_submitted, .timeout = 10)
{
    static world w;
    world_begin(&w, 64);
    int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    jzx__watch_begin(&w.net, &w.watches[0], fd, POLLIN);
    jzx__watch_end(&w.net, &w.watches[0]);
    UNTIL(&w, jzx__watch_idle(&w.watches[0]));
    cr_assert_eq(w.reports[0], 0);
    close(fd);
    world_end(&w);
}

Test(watch, more_watches_than_submission_entries, .timeout = 10)
{
    static world w;
    int pair[2];
    world_begin(&w, 8);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    for (uint32_t i = 0; i < WATCHES; i++) {
        jzx__watch_begin(&w.net, &w.watches[i], pair[0], POLLIN);
    }
    jzx__watch_end(&w.net, &w.watches[WATCHES - 1]); /* one that was never queued is idle at once */
    cr_assert(jzx__watch_idle(&w.watches[WATCHES - 1]));
    quiesce(&w);
    cr_assert_eq(write(pair[1], "x", 1), 1);
    for (uint32_t i = 0; i < WATCHES - 1; i++) {
        UNTIL(&w, w.reports[i] > 0);
    }
    for (int round = 0; round < 4; round++) { /* more completions than fit: polls die and are asked for again */
        char byte;
        quiesce(&w);
        cr_assert_eq(read(pair[0], &byte, 1), 1);
        memset(w.reports, 0, sizeof w.reports);
        cr_assert_eq(write(pair[1], "x", 1), 1);
        for (uint32_t i = 0; i < WATCHES - 1; i++) {
            UNTIL(&w, w.reports[i] > 0);
            cr_assert_not(w.watches[i].ended);
        }
    }
    close(pair[0]);
    close(pair[1]);
    world_end(&w);
}

Test(watch, tells_a_hang_up, .timeout = 10)
{
    static world w;
    int pair[2];
    world_begin(&w, 64);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    jzx__watch_begin(&w.net, &w.watches[0], pair[0], POLLIN);
    quiesce(&w);
    close(pair[1]);
    UNTIL(&w, (w.watches[0].seen & POLLHUP) != 0);
    cr_assert_not(w.watches[0].ended);
    close(pair[0]);
    world_end(&w);
}

Test(watch, a_bad_descriptor_ends_it_with_the_errno, .timeout = 10)
{
    static world w;
    world_begin(&w, 64);
    int fd = eventfd(0, EFD_CLOEXEC);
    close(fd);
    jzx__watch_begin(&w.net, &w.watches[0], fd, POLLIN);
    UNTIL(&w, w.reports[0] == 1);
    cr_assert(w.watches[0].ended);
    cr_assert_eq(w.watches[0].error, EBADF);
    cr_assert_not(w.watches[0].polling);
    world_end(&w);
}

Test(watch, a_regular_file_is_ready_once_and_does_not_spin, .timeout = 10)
{
    static world w;
    world_begin(&w, 64);
    char path[] = "/tmp/jzx-watch-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    unlink(path);
    jzx__watch_begin(&w.net, &w.watches[0], fd, POLLIN);
    UNTIL(&w, w.reports[0] == 1);
    cr_assert(w.watches[0].ended);
    cr_assert_eq(w.watches[0].error, 0);
    cr_assert_eq(w.watches[0].seen & POLLIN, POLLIN);
    quiesce(&w);
    cr_assert_eq(w.reports[0], 1);
    close(fd);
    world_end(&w);
}

/* These have no wait queue, whatever their type says: a poll of them completes at once, each time it is asked for. */
Test(watch, what_is_always_ready_is_told_once_and_does_not_spin, .timeout = 10)
{
    static const char *const PATHS[] = {"/dev/null", "/dev/zero", "/", "/proc/self/status"};
    static world w;
    world_begin(&w, 64);
    for (uint32_t i = 0; i < JZX__COUNT(PATHS); i++) {
        int fd = open(PATHS[i], O_RDONLY | O_CLOEXEC);
        cr_assert_geq(fd, 0);
        jzx__watch_begin(&w.net, &w.watches[i], fd, POLLIN);
        UNTIL(&w, w.reports[i] == 1);
        cr_assert(w.watches[i].ended, "%s", PATHS[i]);
        cr_assert_eq(w.watches[i].error, 0);
        cr_assert_eq(w.watches[i].seen & POLLIN, POLLIN);
        quiesce(&w);
        cr_assert_eq(w.reports[i], 1, "%s", PATHS[i]);
        close(fd);
    }
    world_end(&w);
}

Test(watch, a_regular_file_that_can_be_waited_for_goes_on, .timeout = 10)
{
    static world w;
    world_begin(&w, 64);
    int fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    jzx__watch_begin(&w.net, &w.watches[0], fd, POLLPRI);
    quiesce(&w);
    cr_assert_eq(w.reports[0], 0);
    cr_assert(w.watches[0].polling);
    jzx__cqe ended = {.user_data = w.watches[0].user_poll, .res = POLLPRI}; /* as when completions overflow */
    cr_assert(jzx__watch_complete(&w.net, &w.watches[0], &ended));
    cr_assert_not(w.watches[0].ended, "it has a wait queue");
    cr_assert(w.watches[0].polling, "it is asked for again");
    close(fd); /* two polls are in flight now, which no watch knows: the ring ends without asking */
    jzx__net_deinit(&w.net);
    w.backend->ops->destroy(w.backend);
}

Test(watch, survives_that_its_descriptor_is_closed_and_reused, .timeout = 10)
{
    static world w;
    int pair[2];
    int other[2];
    world_begin(&w, 64);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
    jzx__watch_begin(&w.net, &w.watches[0], pair[0], POLLIN);
    quiesce(&w);
    cr_assert_eq(dup2(other[0], pair[0]), pair[0]);
    jzx__watch_begin(&w.net, &w.watches[1], pair[0], POLLIN);
    quiesce(&w);
    cr_assert_eq(write(other[1], "x", 1), 1);
    UNTIL(&w, w.reports[1] > 0);
    cr_assert_eq(w.reports[0], 0, "an event of the new file reached the watch of the old one");
    jzx__watch_end(&w.net, &w.watches[0]);
    UNTIL(&w, jzx__watch_idle(&w.watches[0]));
    close(pair[0]);
    close(pair[1]);
    close(other[0]);
    close(other[1]);
    world_end(&w);
}
