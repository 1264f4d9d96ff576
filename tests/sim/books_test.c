/*
 * books_test: what the simulator looks at by itself, given what must not be: a check that never fails would be none. Each
 * test begins with something that is as it should be, so that the failure is that of the last step.
 */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "io/sys.h"
#include "sched/loop.h"
#include "sim/ring.h"
#include "tests/sim/lot.h"

typedef struct world {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loop;
} world;

static const jzx_actor_id SOMEBODY = 1ull << 32 | 5;
static const jzx_actor_id ANOTHER = 1ull << 32 | 6;

/* A runtime that does nothing: what happens in it is made up here. */
static world open_world(void)
{
    world w = {.sim = sim_open_calm(1)};
    cr_assert_eq(jzx_runtime_create(NULL, &w.runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(w.runtime, NULL, &w.loop), JZX_OK);
    return w;
}

static void says(const world *w, const char *what)
{
    cr_assert_not_null(jzx_sim_failure(w->sim), "it did not notice: %s", what);
    cr_assert_not_null(strstr(jzx_sim_failure(w->sim), what), "%s", jzx_sim_failure(w->sim));
    cr_assert_eq(jzx_sim_destroy(w->sim), JZX_OK);
}

static void holds(const world *w)
{
    cr_assert_null(jzx_sim_failure(w->sim), "%s", jzx_sim_failure(w->sim));
}

/* ---- actors ---- */

Test(books, id_is_issued_twice, .timeout = 10)
{
    world w = open_world();
    JZX__SIM_EVENT(w.loop, SPAWN, SOMEBODY, 0, 0);
    JZX__SIM_EVENT(w.loop, SPAWN, ANOTHER, 0, 0);
    JZX__SIM_EVENT(w.loop, END, SOMEBODY, JZX_EXIT_NORMAL, 0);
    holds(&w);
    JZX__SIM_EVENT(w.loop, SPAWN, SOMEBODY, 0, 0); /* not even after its end */
    says(&w, "was issued twice");
}

Test(books, nobody_handles_before_it_is_there, .timeout = 10)
{
    world w = open_world();
    JZX__SIM_EVENT(w.loop, HANDLE, SOMEBODY, 0, 7);
    says(&w, "handles a message of tag 7 and is not alive");
}

Test(books, nobody_handles_after_its_end, .timeout = 10)
{
    world w = open_world();
    JZX__SIM_EVENT(w.loop, SPAWN, SOMEBODY, 0, 0);
    JZX__SIM_EVENT(w.loop, HANDLE, SOMEBODY, 0, 7);
    JZX__SIM_EVENT(w.loop, END, SOMEBODY, JZX_EXIT_NORMAL, 0);
    holds(&w);
    JZX__SIM_EVENT(w.loop, HANDLE, SOMEBODY, 0, 7);
    says(&w, "is not alive");
}

Test(books, nobody_ends_twice, .timeout = 10)
{
    world w = open_world();
    JZX__SIM_EVENT(w.loop, SPAWN, SOMEBODY, 0, 0);
    JZX__SIM_EVENT(w.loop, END, SOMEBODY, JZX_EXIT_NORMAL, 0);
    holds(&w);
    JZX__SIM_EVENT(w.loop, END, SOMEBODY, JZX_EXIT_KILLED, 0);
    says(&w, "ends and was not alive");
}

Test(books, runtime_goes_with_an_actor_that_has_not_ended, .timeout = 10)
{
    world w = open_world();
    JZX__SIM_EVENT(w.loop, SPAWN, SOMEBODY, 0, 0);
    cr_assert_eq(jzx_runtime_destroy(w.runtime), JZX_OK);
    says(&w, "1 of its actors have not ended");
}

Test(books, actor_is_passed_over, .timeout = 10)
{
    world w = open_world();
    JZX__SIM_EVENT(w.loop, QUEUE, SOMEBODY, 0, 0);
    JZX__SIM_EVENT(w.loop, QUEUE, ANOTHER, 0, 0);
    JZX__SIM_EVENT(w.loop, RUN, ANOTHER, 0, 0);
    JZX__SIM_EVENT(w.loop, QUEUE, ANOTHER, 0, 0);
    JZX__SIM_EVENT(w.loop, RUN, ANOTHER, 0, 0);
    holds(&w);
    JZX__SIM_EVENT(w.loop, RUN, SOMEBODY, 0, 0);
    says(&w, "turns too many");
}

Test(books, actor_is_passed_over_until_it_ends, .timeout = 10)
{
    world w = open_world();
    JZX__SIM_EVENT(w.loop, SPAWN, SOMEBODY, 0, 0);
    JZX__SIM_EVENT(w.loop, QUEUE, SOMEBODY, 0, 0);
    for (int i = 0; i < 3; i++) {
        JZX__SIM_EVENT(w.loop, QUEUE, ANOTHER, 0, 0);
        JZX__SIM_EVENT(w.loop, RUN, ANOTHER, 0, 0);
    }
    holds(&w);
    JZX__SIM_EVENT(w.loop, END, SOMEBODY, JZX_EXIT_SHUTDOWN, 0);
    says(&w, "turns too many");
}

/* ---- timers ---- */

static uint64_t now_of(const world *w)
{
    return jzx_sim_now_ns(w->sim);
}

Test(books, timers_of_one_time_fire_as_they_were_armed, .timeout = 10)
{
    world w = open_world();
    uint64_t now_ns = now_of(&w);
    JZX__SIM_EVENT(w.loop, ARM, 1, now_ns, SOMEBODY);
    JZX__SIM_EVENT(w.loop, ARM, 2, now_ns, SOMEBODY);
    JZX__SIM_EVENT(w.loop, ARM, 3, now_ns - 1, SOMEBODY);
    JZX__SIM_EVENT(w.loop, FIRE, 3, now_ns - 1, now_ns);
    holds(&w);
    JZX__SIM_EVENT(w.loop, FIRE, 2, now_ns, now_ns);
    says(&w, "timer 2 fires and is not the next");
}

Test(books, timer_fires_early, .timeout = 10)
{
    world w = open_world();
    uint64_t now_ns = now_of(&w);
    JZX__SIM_EVENT(w.loop, ARM, 1, now_ns + 5, SOMEBODY);
    JZX__SIM_EVENT(w.loop, FIRE, 1, now_ns + 5, now_ns);
    says(&w, "timer 1 fires 5 ns early");
}

Test(books, timer_fires_by_a_clock_that_is_ahead, .timeout = 10)
{
    world w = open_world();
    uint64_t now_ns = now_of(&w);
    JZX__SIM_EVENT(w.loop, ARM, 1, now_ns + 5, SOMEBODY);
    JZX__SIM_EVENT(w.loop, FIRE, 1, now_ns + 5, now_ns + 9); /* what the loop believes */
    says(&w, "timer 1 fires 5 ns early");
}

Test(books, timer_fires_after_it_was_disarmed, .timeout = 10)
{
    world w = open_world();
    uint64_t now_ns = now_of(&w);
    JZX__SIM_EVENT(w.loop, ARM, 1, now_ns, SOMEBODY);
    JZX__SIM_EVENT(w.loop, DISARM, 1, 0, 0);
    holds(&w);
    JZX__SIM_EVENT(w.loop, FIRE, 1, now_ns, now_ns);
    says(&w, "timer 1 fires and is not the next");
}

Test(books, timer_is_disarmed_twice, .timeout = 10)
{
    world w = open_world();
    JZX__SIM_EVENT(w.loop, ARM, 1, now_of(&w), SOMEBODY);
    JZX__SIM_EVENT(w.loop, DISARM, 1, 0, 0);
    holds(&w);
    JZX__SIM_EVENT(w.loop, DISARM, 1, 0, 0);
    says(&w, "timer 1 is disarmed and was not armed");
}

Test(books, runtime_goes_with_a_timer_that_is_armed, .timeout = 10)
{
    world w = open_world();
    JZX__SIM_EVENT(w.loop, ARM, 1, now_of(&w), SOMEBODY);
    cr_assert_eq(jzx_runtime_destroy(w.runtime), JZX_OK);
    says(&w, "1 of its timers are armed");
}

/* ---- memory, and what the kernel has of it ---- */

Test(books, block_is_freed_with_another_size, .timeout = 10)
{
    world w = {.sim = sim_open_calm(1)};
    jzx_allocator allocator = jzx_sim_allocator(w.sim);
    void *block = allocator.alloc(allocator.context, 100, 8);
    cr_assert_not_null(block);
    allocator.free(allocator.context, block, 99, 8);
    says(&w, "memory of 100 bytes is freed as 99");
}

Test(books, block_that_nobody_wrote_is_the_same_in_every_run, .timeout = 10)
{
    world w = {.sim = sim_open_calm(1)};
    jzx_allocator allocator = jzx_sim_allocator(w.sim);
    for (int i = 0; i < 2; i++) {
        unsigned char *block = allocator.alloc(allocator.context, 100, 8);
        cr_assert_not_null(block);
        cr_assert(block[0] == 0xA5 && block[99] == 0xA5);
        memset(block, i, 100);
        allocator.free(allocator.context, block, 100, 8);
    }
    cr_assert_eq(jzx_sim_check_end(w.sim), JZX_OK);
    cr_assert_eq(jzx_sim_destroy(w.sim), JZX_OK);
}

typedef struct connecting {
    world w;
    struct io_uring ring;
    int fd;
    struct sockaddr_in *address; /* in memory of the machine */
} connecting;

/* A connect in flight: nobody listens yet, and nobody lets time pass. */
static connecting begin_connect(void)
{
    connecting c = {.w = {.sim = sim_open_calm(1)}};
    struct io_uring_params params = {.cq_entries = 0};
    jzx_allocator allocator = jzx_sim_allocator(c.w.sim);
    c.address = allocator.alloc(allocator.context, sizeof *c.address, 8);
    cr_assert_not_null(c.address);
    *c.address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(7), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    cr_assert_eq(jzx__sim_queue_init_params(8, &c.ring, &params), 0);
    cr_assert_eq(jzx__sys_uring_register(c.ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0), 0);
    c.fd = jzx__sim_socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(c.fd >= 0);
    struct io_uring_sqe *entry = &c.ring.sq.sqes[0];
    io_uring_prep_connect(entry, c.fd, (struct sockaddr *)c.address, sizeof *c.address);
    entry->user_data = 1;
    c.ring.sq.array[0] = 0;
    *c.ring.sq.ktail = 1;
    cr_assert_eq(jzx__sim_enter2((unsigned)c.ring.ring_fd, 1, 0, 0, NULL, 0), 1);
    cr_assert_eq(jzx__sim_rings_busy(c.w.sim), 1);
    holds(&c.w);
    return c;
}

Test(books, memory_is_freed_that_the_kernel_has, .timeout = 10)
{
    connecting c = begin_connect();
    jzx_allocator allocator = jzx_sim_allocator(c.w.sim);
    allocator.free(allocator.context, c.address, sizeof *c.address, 8);
    says(&c.w, "is freed while an operation is in flight that names it: the address of a connect");
}

Test(books, descriptor_is_closed_that_the_kernel_uses, .timeout = 10)
{
    connecting c = begin_connect();
    (void)jzx__sim_close(c.fd);
    says(&c.w, "is closed under an operation in flight");
}

Test(books, descriptor_is_closed_twice, .timeout = 10)
{
    world w = {.sim = sim_open_calm(1)};
    int fd = jzx__sim_socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(jzx__sim_close(fd), 0);
    holds(&w);
    cr_assert_eq(jzx__sim_close(fd), -1);
    says(&w, "is closed and is not open");
}

Test(books, ring_is_closed_with_an_operation_in_flight, .timeout = 10)
{
    connecting c = begin_connect();
    jzx__sim_queue_exit(&c.ring);
    says(&c.w, "with 1 operations in flight");
}

Test(books, machine_ends_with_an_operation_in_flight, .timeout = 10)
{
    connecting c = begin_connect();
    jzx_allocator allocator = jzx_sim_allocator(c.w.sim);
    c.w.sim->rings[0]->ops[0].sqe.addr = 0; /* the address and the descriptors are not what this one is about */
    allocator.free(allocator.context, c.address, sizeof *c.address, 8);
    jzx__sim_fd_drop(c.w.sim, c.ring.ring_fd);
    jzx__sim_fd_drop(c.w.sim, c.fd);
    cr_assert_eq(jzx_sim_check_end(c.w.sim), JZX_ERR_SIM_FAILED);
    says(&c.w, "1 operations are in flight");
}

/* ---- what was asked for actors of a runtime that is gone ---- */

Test(books, ends_that_wait_go_with_their_runtime, .timeout = 10)
{
    world w = open_world();
    cr_assert_eq(jzx_sim_kill(w.sim, w.runtime, 0), JZX_ERR_NO_SUCH_ACTOR);
    cr_assert_eq(jzx_sim_kill(w.sim, w.runtime, 1), JZX_OK);
    cr_assert_eq(w.sim->ending_count, 1);
    cr_assert_eq(jzx_runtime_destroy(w.runtime), JZX_OK);
    cr_assert_eq(w.sim->ending_count, 0, "another runtime may have its address");
    cr_assert_eq(jzx_sim_check_end(w.sim), JZX_OK);
    cr_assert_eq(jzx_sim_destroy(w.sim), JZX_OK);
}
