/* doorbell.c: see doorbell.h. */
#include "raw/doorbell.h"

#include "support/check.h"

#include <ck_pr.h>
#include <errno.h>
#include <string.h>

enum { RING_ENTRIES = 8 };

void raw_doorbell_open(struct io_uring *ring, int *fd)
{
    unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    int result = io_uring_queue_init(RING_ENTRIES, ring, flags);
    BENCH_CHECK(result == 0, "io_uring: %s", strerror(-result));
    BENCH_CHECK(io_uring_register_ring_fd(ring) == 1, "the ring's descriptor cannot be registered");
    ck_pr_fence_store();
    ck_pr_store_int(fd, ring->ring_fd);
}

int raw_doorbell_wait_fd(const int *fd)
{
    int value;
    while ((value = ck_pr_load_int(fd)) < 0) {
        ck_pr_stall();
    }
    ck_pr_fence_load();
    return value;
}

void raw_doorbell_prepare(struct io_uring *ring, int fd, uint64_t data)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    BENCH_CHECK(entry != NULL, "the ring is full");
    io_uring_prep_msg_ring(entry, fd, 0, data, 0);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void raw_doorbell_submit(struct io_uring *ring)
{
    BENCH_CHECK(io_uring_submit(ring) == 1, "the doorbell was not submitted");
}

uint64_t raw_doorbell_sleep(struct io_uring *ring)
{
    struct io_uring_cqe *completion = NULL;
    int result;
    do {
        result = io_uring_submit_and_wait(ring, 1);
        BENCH_CHECK(result >= 0 || result == -EINTR, "wait: %s", strerror(-result));
    } while (io_uring_peek_cqe(ring, &completion) != 0);
    BENCH_CHECK(completion->res == 0, "doorbell: %s", strerror(-completion->res));
    uint64_t data = completion->user_data;
    io_uring_cqe_seen(ring, completion);
    return data;
}
