/* sleep.h: the least that waiting for a deadline can cost: a bare ring that waits with it and nothing else. */
#ifndef RAW_SLEEP_H
#define RAW_SLEEP_H

#include <liburing.h>
#include <stdint.h>

void raw_sleep_open(struct io_uring *ring);

/* By CLOCK_MONOTONIC. Returns at once if that has passed. */
void raw_sleep_until(struct io_uring *ring, uint64_t due_ns);

#endif
