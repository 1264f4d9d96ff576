/*
 * doorbell.h: the cheapest way measured to wake a thread that sleeps in the kernel: two rings with DEFER_TASKRUN and nothing
 * else, and IORING_OP_MSG_RING from one to the other.
 */
#ifndef RAW_DOORBELL_H
#define RAW_DOORBELL_H

#include <liburing.h>
#include <stdint.h>

/* Opens the ring of the calling thread and tells its descriptor to those that wait for it. */
void raw_doorbell_open(struct io_uring *ring, int *fd);

/* Waits until another thread has opened its ring: *fd was -1 before. */
int raw_doorbell_wait_fd(const int *fd);

/* Prepares to ring; it is submitted with the next sleep, or by raw_doorbell_submit(). */
void raw_doorbell_prepare(struct io_uring *ring, int fd, uint64_t data);
void raw_doorbell_submit(struct io_uring *ring);

/* Sleeps in the kernel until one doorbell rings, and gives its data. */
uint64_t raw_doorbell_sleep(struct io_uring *ring);

#endif
