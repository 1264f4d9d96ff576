/* sleep.c: see sleep.h. */
#include "raw/sleep.h"

#include "support/check.h"

#include <errno.h>
#include <jzx/bench.h>
#include <string.h>

enum { RING_ENTRIES = 8, SECOND_NS = 1000000000 };

void raw_sleep_open(struct io_uring *ring)
{
    int result = io_uring_queue_init(RING_ENTRIES, ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    BENCH_CHECK(result == 0, "io_uring: %s", strerror(-result));
}

void raw_sleep_until(struct io_uring *ring, uint64_t due_ns)
{
    uint64_t now_ns;
    while ((now_ns = jzx_bench_now_ns()) < due_ns) {
        uint64_t left_ns = due_ns - now_ns;
        struct io_uring_cqe *completion = NULL;
        struct __kernel_timespec delay = {(long long)(left_ns / SECOND_NS), (long long)(left_ns % SECOND_NS)};
        int result = io_uring_submit_and_wait_timeout(ring, &completion, 1, &delay, NULL);
        BENCH_CHECK(result == -ETIME || result == -EINTR, "wait: %s", strerror(-result));
    }
}
