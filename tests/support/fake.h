/*
 * fake: the backend that stands behind the seam in simulations: rings, doorbells, polls, timeouts and descriptors of a
 * kernel that does all it may do to a loop, in an order drawn from the world's seed.
 *
 * A completion waits as task work until its ring is entered, as on a DEFER_TASKRUN ring. Completions of different
 * operations come in any order; some stay outside for another enter. The submission queue can be short, an enter can
 * take a part of it, sleep too little, or find a doorbell that fails.
 *
 * Descriptors are real ones (jzx looks at them). What happens to watched ones is told with fake_touch(). Sockets are of the
 * loopback: the kernel here tries each operation on them without waiting, again and again until it succeeds.
 */
#ifndef TESTS_FAKE_H
#define TESTS_FAKE_H

#include <jzx/jzx.h>

#include "tests/support/world.h"

typedef struct fake_kernel fake_kernel;

/* Chances of 1,024, and sizes; drawn from the seed by fake_create(). */
typedef struct fake_faults {
    uint32_t entries_max;     /* of a submission queue, whatever the config asks for */
    uint32_t part_submitted;  /* an enter leaves some of the queue for the next, and does not sleep */
    uint32_t woken_early;     /* a sleep ends for nothing */
    uint32_t left_outside;    /* an enter leaves completions for the next */
    uint32_t doorbell_fails;  /* with ENOMEM, when it is carried out */
    uint32_t slow_close;      /* the backend has something of its own to cancel at its end */
    uint32_t short_transfers; /* a receive or send moves only a part */
    uint32_t io_fails;        /* an accept, receive or send ends with an error */
} fake_faults;

/* Becomes the world's kernel. `idle` (may be NULL) is called when no thread can run. */
fake_kernel *fake_create(sim_world *world, void (*idle)(void *context), void *context);
void fake_destroy(fake_kernel *kernel); /* after the runtimes on it */
fake_faults *fake_faults_of(fake_kernel *kernel);

/* jzx_runtime_create() on this kernel. */
jzx_err fake_runtime_create(fake_kernel *kernel, const jzx_config *config, jzx_runtime **runtime);

/* Something has happened to a watched descriptor: pollers are told what poll(2) says about it. */
void fake_touch(fake_kernel *kernel, int fd);

/* Soon an enter of the ring of a loop finds that the kernel has lost a completion; perhaps none works after that. */
void fake_lose(fake_kernel *kernel, uint32_t loop);

/* A host's epoll: sleeps until the descriptor of jzx_loop_poll_fd() is readable, or has been written since the last
 * time with `edge`. False when the deadline came first. */
bool fake_host_wait(fake_kernel *kernel, int fd, bool edge, uint64_t deadline_ns);

/* Does the ring of this loop hold nothing that its loop must still see or submit? And does the loop sleep in it? */
bool fake_ring_quiet(const fake_kernel *kernel, uint32_t loop);
bool fake_ring_asleep(const fake_kernel *kernel, uint32_t loop);
bool fake_host_asleep(const fake_kernel *kernel, uint32_t loop);    /* in fake_host_wait() */
uint64_t fake_ring_wakes(const fake_kernel *kernel, uint32_t loop); /* completions, faults and deadlines that it had */

#endif
