/*
 * io_test: watched descriptors through the public API, on a real ring. The loop runs on the test's thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/support.h"

enum { EVENTS = 256 };

/* An actor that watches and records. */
typedef struct watcher {
    test_actor actor; /* first: they are one */
    int fd;           /* arguments and results of errands */
    uint32_t interest;
    jzx_watch_id watch;
    jzx_err err;
    uint32_t count;
    jzx_io_event events[EVENTS];
    bool unwatches; /* ends the watch in the handler of its event */
    bool fails;
} watcher;

static jzx_behavior_result on_message(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    watcher *w = (watcher *)actor;
    if (message->tag != JZX_TAG_SYS_IO) {
        return JZX_BEHAVIOR_OK;
    }
    jzx_io_event event;
    memcpy(&event, jzx_message_data(message), sizeof event);
    if (w->count < EVENTS) {
        w->events[w->count++] = event;
    }
    if (w->unwatches) {
        w->err = jzx_unwatch(context, event.watch);
    }
    return w->fails ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_watch(jzx_context *context, test_actor *actor, void *argument)
{
    watcher *w = (watcher *)actor;
    (void)argument;
    w->err = jzx_watch(context, w->fd, w->interest, &w->watch);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_unwatch(jzx_context *context, test_actor *actor, void *argument)
{
    watcher *w = (watcher *)actor;
    (void)argument;
    w->err = jzx_unwatch(context, w->watch);
    w->count = w->err == JZX_OK ? 0 : w->count; /* what is recorded from now on came after it */
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_fail(jzx_context *context, test_actor *actor, void *argument)
{
    (void)context;
    (void)actor;
    (void)argument;
    return JZX_BEHAVIOR_FAIL;
}

static watcher *watcher_make(void)
{
    watcher *w = calloc(1, sizeof *w);
    cr_assert_not_null(w);
    w->actor.on = on_message;
    w->interest = JZX_IO_READ;
    return w;
}

static jzx_err watch(test_world *world, watcher *w, int fd, uint32_t interest)
{
    w->fd = fd;
    w->interest = interest;
    test_do(world, &w->actor, do_watch, NULL);
    return w->err;
}

static jzx_err unwatch(test_world *world, watcher *w, jzx_watch_id id)
{
    w->watch = id;
    test_do(world, &w->actor, do_unwatch, NULL);
    return w->err;
}

static watcher *open_world(test_world *world)
{
    watcher *w = watcher_make();
    test_world_open(world, 1, NULL);
    test_spawn(world, 0, &w->actor);
    return w;
}

static void close_world(test_world *world, watcher *w)
{
    test_world_close(world);
    free(w);
}

static int event_fd(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    cr_assert_geq(fd, 0);
    return fd;
}

static uint64_t watches(test_world *world)
{
    test_world_step(world);
    return test_count(world, offsetof(jzx_counters, watches));
}

/* ---- readiness ---- */

Test(io, D65_readiness_coalesces_and_allocates_nothing, .timeout = 20)
{
    test_world world;
    watcher *w = open_world(&world);
    int fd = event_fd();
    cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
    test_world_settle(&world);
    cr_assert_eq(w->count, 0);
    uint64_t calls = world.memory[0].calls + world.memory[1].calls + world.memory[2].calls;
    for (uint32_t round = 1; round <= 50; round++) {
        for (int i = 0; i < 10; i++) {
            eventfd_write(fd, 1);
        }
        test_until(&world, w->count == round);
        test_world_settle(&world);
        cr_assert_eq(w->count, round, "ten writes before one look are one event");
        cr_assert_eq(w->events[round - 1].watch, w->watch);
        cr_assert_eq(w->events[round - 1].fd, fd);
        cr_assert_eq(w->events[round - 1].readiness, JZX_IO_READ);
        cr_assert_not(w->events[round - 1].ended);
    }
    cr_assert_eq(world.memory[0].calls + world.memory[1].calls + world.memory[2].calls, calls);
    close(fd);
    close_world(&world, w);
}

Test(io, each_interest_reports_its_own, .timeout = 20)
{
    test_world world;
    watcher *w = open_world(&world);
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    cr_assert_eq(watch(&world, w, pair[0], JZX_IO_READ), JZX_OK);
    jzx_watch_id reads = w->watch;
    cr_assert_eq(watch(&world, w, pair[0], JZX_IO_WRITE), JZX_OK);
    test_until(&world, w->count == 1);
    cr_assert_eq(w->events[0].watch, w->watch);
    cr_assert_eq(w->events[0].readiness, JZX_IO_WRITE);
    cr_assert_eq(write(pair[1], "x", 1), 1);
    test_until(&world, w->count >= 2);
    test_world_settle(&world);
    bool read_seen = false;
    for (uint32_t i = 1; i < w->count; i++) {
        read_seen = read_seen || (w->events[i].watch == reads && (w->events[i].readiness & JZX_IO_READ) != 0);
        cr_assert(w->events[i].watch == reads || (w->events[i].readiness & JZX_IO_READ) == 0);
    }
    cr_assert(read_seen);
    close(pair[0]);
    close(pair[1]);
    close_world(&world, w);
}

static jzx_err init_watches(jzx_context *context, test_actor *actor)
{
    watcher *w = (watcher *)actor;
    return jzx_watch(context, w->fd, w->interest, &w->watch);
}

Test(io, D20_readiness_before_the_first_run_is_kept, .timeout = 20)
{
    test_world world;
    watcher *w = watcher_make();
    test_world_open(&world, 1, NULL);
    w->fd = event_fd();
    w->actor.on_init = init_watches;
    eventfd_write(w->fd, 1);
    test_spawn(&world, 0, &w->actor);
    test_until(&world, w->count == 1);
    cr_assert_eq(w->events[0].readiness, JZX_IO_READ);
    close(w->fd);
    close_world(&world, w);
}

static jzx_behavior_result do_fill_mailbox(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_message message = jzx_message_empty(9);
    jzx_err err;
    do {
        err = jzx_send(context, actor->id, &message);
    } while (err == JZX_OK);
    *(jzx_err *)argument = err;
    return JZX_BEHAVIOR_OK;
}

Test(io, D19_M36_readiness_passes_a_full_mailbox_and_needs_no_memory, .timeout = 20)
{
    test_world world;
    watcher *w = watcher_make();
    jzx_spawn_options options;
    test_world_open(&world, 1, NULL);
    test_actor_options(&w->actor, &options);
    options.mailbox_cap = 4;
    test_spawn_with(&world, 0, &w->actor, &options);
    int fd = event_fd();
    cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
    jzx_err full = JZX_OK;
    test_do(&world, &w->actor, do_fill_mailbox, &full);
    cr_assert_eq(full, JZX_ERR_MAILBOX_FULL);
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        world.memory[i].fail_after = true;
        world.memory[i].fail_at = 1;
    }
    eventfd_write(fd, 1);
    test_until(&world, w->count == 1);
    cr_assert_eq(world.memory[0].failed + world.memory[1].failed + world.memory[2].failed, 0);
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        world.memory[i].fail_at = 0;
    }
    close(fd);
    close_world(&world, w);
}

/* ---- the end of a descriptor ---- */

Test(io, M43_a_hang_up_and_an_error_are_told_though_only_reading_was_asked_for, .timeout = 20)
{
    test_world world;
    watcher *w = open_world(&world);
    int pair[2];
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    cr_assert_eq(watch(&world, w, pair[0], JZX_IO_READ), JZX_OK);
    close(pair[1]);
    test_until(&world, w->count >= 1);
    cr_assert_neq(w->events[0].readiness & JZX_IO_HANGUP, 0);
    cr_assert_not(w->events[0].ended, "it is up to the actor to end it");
    cr_assert_eq(unwatch(&world, w, w->watch), JZX_OK);
    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    w->count = 0;
    cr_assert_eq(watch(&world, w, ends[1], JZX_IO_WRITE), JZX_OK);
    test_until(&world, w->count >= 1);
    close(ends[0]); /* nobody reads any more */
    test_until(&world, (w->events[w->count - 1].readiness & JZX_IO_ERROR) != 0);
    test_world_settle(&world);
    cr_assert_lt(w->count, 4, "a hang-up does not repeat itself");
    close(pair[0]);
    close(ends[1]);
    close_world(&world, w);
}

Test(io, M37_what_cannot_be_watched_is_refused, .timeout = 20)
{
    test_world world;
    watcher *w = open_world(&world);
    int fd = event_fd();
    const uint32_t bad[] = {0, JZX_IO_ERROR, JZX_IO_HANGUP, JZX_IO_READ | JZX_IO_ERROR, 1u << 5, ~0u};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(watch(&world, w, fd, bad[i]), JZX_ERR_INVALID_ARG, "interest %x", bad[i]);
    }
    cr_assert_eq(watch(&world, w, -1, JZX_IO_READ), JZX_ERR_INVALID_ARG);
    close(fd);
    cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_ERR_IO_REG_FAILED);
    cr_assert_eq(jzx_runtime_os_error(world.runtime), EBADF);
    cr_assert_eq(watch(&world, w, 1 << 20, JZX_IO_READ), JZX_ERR_IO_REG_FAILED);
    cr_assert_eq(w->watch, 0, "the out parameter is left as it was");
    cr_assert_eq(watches(&world), 0);
    close_world(&world, w);
}

Test(io, M37_what_is_always_ready_is_told_once_and_ended, .timeout = 20)
{
    static const char *const PATHS[] = {"/dev/null", "/", "/proc/self/status"};
    test_world world;
    watcher *w = open_world(&world);
    for (uint32_t i = 0; i < 3; i++) {
        int fd = open(PATHS[i], O_RDONLY | O_CLOEXEC);
        cr_assert_geq(fd, 0);
        w->count = 0;
        cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
        test_until(&world, w->count == 1);
        cr_assert(w->events[0].ended, "%s", PATHS[i]);
        cr_assert_eq(w->events[0].error, 0);
        cr_assert_eq(w->events[0].readiness, JZX_IO_READ);
        cr_assert_eq(watches(&world), 0, "the watch went with its last event");
        cr_assert_eq(unwatch(&world, w, w->watch), JZX_ERR_IO_NOT_WATCHED);
        uint64_t enters = test_count(&world, offsetof(jzx_counters, enters));
        for (int k = 0; k < 50; k++) {
            test_world_step(&world);
        }
        cr_assert_eq(test_count(&world, offsetof(jzx_counters, enters)), enters, "%s: no spin", PATHS[i]);
        cr_assert_eq(w->count, 1);
        close(fd);
    }
    close_world(&world, w);
}

Test(io, a_descriptor_that_is_closed_before_the_kernel_sees_the_watch_ends_it, .timeout = 20)
{
    test_world world;
    watcher *w = watcher_make();
    test_world_open(&world, 1, NULL);
    w->fd = event_fd();
    w->actor.on_init = init_watches;
    test_spawn(&world, 0, &w->actor);
    close(w->fd);
    test_until(&world, w->count == 1);
    cr_assert(w->events[0].ended);
    cr_assert_eq(w->events[0].error, EBADF);
    cr_assert_eq(watches(&world), 0);
    close_world(&world, w);
}

/* ---- descriptor numbers that are used again ---- */

Test(io, D80_M38_a_new_watch_of_a_reused_number_never_gets_the_old_files_events, .timeout = 20)
{
    test_world world;
    watcher *old = open_world(&world);
    watcher *new = watcher_make();
    int first[2];
    int second[2];
    test_spawn(&world, 0, &new->actor);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, first), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second), 0);
    cr_assert_eq(watch(&world, old, first[0], JZX_IO_READ), JZX_OK);
    test_world_settle(&world);
    cr_assert_eq(dup2(second[0], first[0]), first[0]); /* closed without unwatch: the caller's mistake */
    cr_assert_eq(watch(&world, new, first[0], JZX_IO_READ), JZX_OK);
    test_world_settle(&world);
    cr_assert_neq(old->watch, new->watch);
    uint32_t old_count = old->count;
    cr_assert_eq(write(second[1], "x", 1), 1);
    test_until(&world, new->count == 1);
    test_world_settle(&world);
    cr_assert_eq(old->count, old_count, "an event of the new file reached the old watch");
    cr_assert_eq(write(first[1], "x", 1) == 1 || errno == EPIPE, true);
    test_world_settle(&world);
    cr_assert_eq(new->count, 1, "an event of the old file reached the new watch");
    cr_assert_eq(unwatch(&world, old, old->watch), JZX_OK);
    test_until(&world, watches(&world) == 1);
    cr_assert_eq(write(second[1], "y", 1), 1);
    test_until(&world, new->count == 2);
    for (int i = 0; i < 2; i++) {
        close(first[i]);
        close(second[i]);
    }
    test_world_close(&world);
    free(old);
    free(new);
}

Test(io, D80_M39_closing_and_reopening_a_number_keeps_watches_apart, .timeout = 30)
{
    test_world world;
    watcher *w = open_world(&world);
    int last = -1;
    for (int round = 0; round < 200; round++) {
        int fd = event_fd();
        cr_assert(last < 0 || fd == last, "the number is used again");
        last = fd;
        cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
        if (round % 3 == 0) {
            test_world_settle(&world);
        }
        eventfd_write(fd, 1);
        if (round % 2 == 0) {
            test_until(&world, w->count > 0);
        }
        cr_assert_eq(unwatch(&world, w, w->watch), JZX_OK);
        close(fd);
        test_world_step(&world);
        cr_assert_eq(w->count, 0, "an event of a watch that was ended");
    }
    test_until(&world, watches(&world) == 0);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, stale_completions)), 0);
    close_world(&world, w);
}

Test(io, D80_two_actors_may_watch_one_descriptor, .timeout = 20)
{
    test_world world;
    watcher *one = open_world(&world);
    watcher *two = watcher_make();
    test_spawn(&world, 0, &two->actor);
    int fd = event_fd();
    cr_assert_eq(watch(&world, one, fd, JZX_IO_READ), JZX_OK);
    cr_assert_eq(watch(&world, two, fd, JZX_IO_READ), JZX_OK);
    test_world_settle(&world);
    eventfd_write(fd, 1);
    test_until(&world, one->count == 1 && two->count == 1); /* nobody's watch was stolen */
    jzx_watch_id not_mine = two->watch;
    cr_assert_eq(unwatch(&world, one, not_mine), JZX_ERR_IO_NOT_WATCHED);
    eventfd_write(fd, 1);
    test_until(&world, two->count == 2);
    close(fd);
    test_world_close(&world);
    free(one);
    free(two);
}

/* ---- the end of a watch ---- */

Test(io, F18_no_event_is_handled_after_unwatch_also_one_that_is_queued, .timeout = 20)
{
    test_world world;
    watcher *w = open_world(&world);
    int fd = event_fd();
    for (int round = 0; round < 100; round++) {
        cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
        test_world_step(&world);
        eventfd_write(fd, 1); /* ready now: its event is queued in the same turn as the errand */
        cr_assert_eq(unwatch(&world, w, w->watch), JZX_OK);
        test_world_settle(&world);
        cr_assert_eq(w->count, 0);
        cr_assert_eq(unwatch(&world, w, w->watch), JZX_ERR_IO_NOT_WATCHED);
        eventfd_t value;
        eventfd_read(fd, &value);
    }
    test_until(&world, watches(&world) == 0);
    close(fd);
    close_world(&world, w);
}

Test(io, M42_a_watch_may_end_and_its_actor_may_end_in_the_handler, .timeout = 20)
{
    test_world world;
    watcher *w = open_world(&world);
    int fd = event_fd();
    w->unwatches = true;
    eventfd_write(fd, 1);
    cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
    test_until(&world, w->count == 1);
    cr_assert_eq(w->err, JZX_OK);
    test_until(&world, watches(&world) == 0);
    eventfd_write(fd, 1);
    test_world_settle(&world);
    cr_assert_eq(w->count, 1);
    w->unwatches = false;
    w->fails = true;
    cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
    test_until(&world, w->actor.finis == 1);
    cr_assert_eq(w->actor.exit.tag, JZX_TAG_SYS_IO);
    test_until(&world, watches(&world) == 0);
    cr_assert_geq(fcntl(fd, F_GETFD), 0, "F19: the descriptor is the caller's");
    close(fd);
    close_world(&world, w);
}

Test(io, D64_watches_end_with_their_actor, .timeout = 20)
{
    test_world world;
    watcher *w = open_world(&world);
    int fds[32];
    for (int i = 0; i < 32; i++) {
        fds[i] = event_fd();
        cr_assert_eq(watch(&world, w, fds[i], JZX_IO_READ), JZX_OK);
    }
    test_world_settle(&world);
    for (int i = 0; i < 32; i += 2) {
        eventfd_write(fds[i], 1); /* half have an event on its way */
    }
    test_do(&world, &w->actor, do_fail, NULL);
    test_until(&world, w->actor.finis == 1 && watches(&world) == 0);
    for (int i = 0; i < 32; i++) {
        cr_assert_eq(close(fds[i]), 0);
    }
    close_world(&world, w);
}

/* ---- many ---- */

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

typedef struct many {
    uint32_t count;
    int *fds;
    jzx_watch_id *ids;
    uint32_t wrong;
} many;

static jzx_behavior_result do_watch_many(jzx_context *context, test_actor *actor, void *argument)
{
    many *m = argument;
    (void)actor;
    for (uint32_t i = 0; i < m->count; i++) {
        m->wrong += jzx_watch(context, m->fds[i], JZX_IO_READ, &m->ids[i]) != JZX_OK;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_unwatch_many(jzx_context *context, test_actor *actor, void *argument)
{
    many *m = argument;
    (void)actor;
    for (uint32_t i = 0; i < m->count; i++) {
        m->wrong += jzx_unwatch(context, m->ids[i]) != JZX_OK;
    }
    return JZX_BEHAVIOR_OK;
}

static void shuffle(jzx_watch_id *ids, uint32_t count)
{
    unsigned seed = 3;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t k = (uint32_t)rand_r(&seed) % i;
        jzx_watch_id was = ids[i - 1];
        ids[i - 1] = ids[k];
        ids[k] = was;
    }
}

/* CPU time of watching `count` descriptors (one file under many numbers) and of ending that in another order. */
static uint64_t watch_many(test_world *world, watcher *w, uint32_t count)
{
    many m = {.count = count, .fds = malloc(count * sizeof(int)), .ids = malloc(count * sizeof(jzx_watch_id))};
    int file = event_fd();
    for (uint32_t i = 0; i < count; i++) {
        m.fds[i] = file;
    }
    uint64_t began = cpu_ns();
    test_do(world, &w->actor, do_watch_many, &m);
    test_world_settle(world);
    cr_assert_eq(watches(world), count);
    shuffle(m.ids, count);
    test_do(world, &w->actor, do_unwatch_many, &m);
    test_until(world, watches(world) == 0);
    uint64_t took = cpu_ns() - began;
    cr_assert_eq(m.wrong, 0);
    free(m.fds);
    free(m.ids);
    close(file);
    return took;
}

Test(io, D63_M41_ten_thousand_watches_come_and_go_in_any_order, .timeout = 60)
{
    test_world world;
    jzx_config config;
    watcher *w = watcher_make();
    test_config(&config);
    config.watches_max = 10000;
    test_world_open(&world, 1, &config);
    test_spawn(&world, 0, &w->actor);
    watch_many(&world, w, 1000); /* warm */
    uint64_t small = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        uint64_t took = watch_many(&world, w, 1000);
        small = took < small ? took : small;
    }
    uint64_t large = watch_many(&world, w, 10000);
    cr_assert_lt(large, 60 * small, "%lu ns for ten times the watches that took %lu ns: quadratic would be 100 times",
                 (unsigned long)large, (unsigned long)small);
    close_world(&world, w);
}

Test(io, M40_watches_max_is_a_limit, .timeout = 20)
{
    test_world world;
    watcher *w = open_world(&world); /* watches_max is 64 */
    int fd = event_fd();
    jzx_watch_id first = 0;
    for (int i = 0; i < 64; i++) {
        cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
        first = first == 0 ? w->watch : first;
    }
    cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_ERR_LIMIT);
    cr_assert_eq(unwatch(&world, w, first), JZX_OK);
    test_until(&world, watches(&world) == 63);
    cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
    cr_assert_neq(w->watch, first);
    cr_assert_eq(unwatch(&world, w, first), JZX_ERR_IO_NOT_WATCHED, "P14: the number is never issued twice");
    close(fd);
    close_world(&world, w);
}

/* ---- every argument that is wrong ---- */

typedef struct calls {
    jzx_context *context;
    jzx_watch_id watch;
    int fd;
    jzx_err watched;
    jzx_err unwatched;
} calls;

static void call_both(void *argument)
{
    calls *c = argument;
    jzx_watch_id id = 77;
    c->watched = jzx_watch(c->context, c->fd, JZX_IO_READ, &id);
    c->unwatched = jzx_unwatch(c->context, c->watch);
    c->watched = id != 77 ? JZX_ERR_UNKNOWN : c->watched;
}

static jzx_behavior_result do_lend_context(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    calls *c = argument;
    c->context = context;
    test_on_thread(call_both, c);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_null_out(jzx_context *context, test_actor *actor, void *argument)
{
    *(jzx_err *)argument = jzx_watch(context, ((watcher *)actor)->fd, JZX_IO_READ, NULL);
    return JZX_BEHAVIOR_OK;
}

static void watch_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    watcher *w = (watcher *)actor;
    jzx_watch_id id;
    w->err = jzx_watch(context, w->fd, JZX_IO_READ, &id);
}

Test(io, M01_M17_bad_arguments_are_refused, .timeout = 20)
{
    test_world world;
    watcher *w = open_world(&world);
    int fd = event_fd();
    cr_assert_eq(watch(&world, w, fd, JZX_IO_READ), JZX_OK);
    calls c = {.watch = w->watch, .fd = fd};
    test_do(&world, &w->actor, do_lend_context, &c);
    cr_assert_eq(c.watched, JZX_ERR_WRONG_THREAD);
    cr_assert_eq(c.unwatched, JZX_ERR_WRONG_THREAD);
    c.context = jzx_loop_context(world.loops[0]);
    call_both(&c);
    cr_assert_eq(c.watched, JZX_ERR_INVALID_ARG, "the host cannot receive");
    cr_assert_eq(c.unwatched, JZX_ERR_INVALID_ARG);
    c.context = NULL;
    call_both(&c);
    cr_assert_eq(c.watched, JZX_ERR_INVALID_ARG);
    cr_assert_eq(c.unwatched, JZX_ERR_INVALID_ARG);
    jzx_err err = JZX_OK;
    test_do(&world, &w->actor, do_null_out, &err);
    cr_assert_eq(err, JZX_ERR_INVALID_ARG);
    cr_assert_eq(watches(&world), 1);
    const jzx_watch_id mine = w->watch;
    const jzx_watch_id wrong[] = {0, ~0ull, mine ^ 1, mine ^ 1ull << 40, mine ^ 1ull << 56};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(unwatch(&world, w, wrong[i]), JZX_ERR_IO_NOT_WATCHED);
    }
    eventfd_write(fd, 1);
    test_until(&world, w->count == 1);
    w->actor.on_fini = watch_in_fini;
    test_do(&world, &w->actor, do_fail, NULL);
    test_until(&world, w->actor.finis == 1);
    cr_assert_eq(w->err, JZX_ERR_STOPPING);
    close(fd);
    close_world(&world, w);
}

/* ---- little room ---- */

Test(io, M49_many_watches_through_the_smallest_ring, .timeout = 30)
{
    test_world world;
    jzx_config config;
    watcher *w = watcher_make();
    int fds[64];
    test_config(&config);
    config.ring_entries = 8;
    test_world_open(&world, 1, &config);
    test_spawn(&world, 0, &w->actor);
    many m = {.count = 64, .fds = fds, .ids = malloc(64 * sizeof(jzx_watch_id))};
    for (int i = 0; i < 64; i++) {
        fds[i] = event_fd();
    }
    test_do(&world, &w->actor, do_watch_many, &m);
    cr_assert_eq(m.wrong, 0, "no call fails for want of an entry");
    test_world_settle(&world);
    for (int i = 0; i < 64; i++) {
        eventfd_write(fds[i], 1);
    }
    test_until(&world, w->count == 64);
    bool seen[64] = {false};
    for (uint32_t i = 0; i < w->count; i++) {
        for (int k = 0; k < 64; k++) {
            seen[k] = seen[k] || w->events[i].fd == fds[k];
        }
    }
    for (int k = 0; k < 64; k++) {
        cr_assert(seen[k], "descriptor %d was not told of", k);
        close(fds[k]);
    }
    free(m.ids);
    close_world(&world, w);
}
