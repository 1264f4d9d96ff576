/*
 * ring: one simulated io_uring, as uring.c (submission, completion) and ops.c (operations in flight) share it.
 *
 * Invariants
 *   R1  An operation that was taken from the queue has one terminal completion, unless its ring lost one.
 *   R2  Completions of one operation come in their order; those of different ones in any.
 *   R3  Memory that an operation in flight names is not freed: memory.c asks.
 *   R4  No descriptor is closed under an operation in flight.
 */
#ifndef JZX__SIM_RING_H
#define JZX__SIM_RING_H

#include <liburing.h>

#include "sim/machine.h"

enum { JZX__SIM_PARTS_MAX = 64 };

/* An operation in flight. */
typedef struct jzx__sim_op {
    struct io_uring_sqe sqe;
    uint32_t done;       /* bytes sent */
    uint32_t size;       /* of a send: all of them */
    uint64_t due_ns;     /* of a timeout */
    uint32_t part_count; /* of a send: what the header named when it was submitted */
    struct iovec parts[JZX__SIM_PARTS_MAX];
} jzx__sim_op;

/* A list that grows; order matters. */
typedef struct jzx__sim_cqes {
    struct io_uring_cqe *items; /* without their big_cqe part */
    uint32_t count;
    uint32_t room;
} jzx__sim_cqes;

struct jzx__sim_ring {
    jzx_sim *sim;
    int fd;
    uint32_t index; /* among the rings that ever were */
    bool enabled;
    bool lost;   /* it has told of a completion that is lost */
    bool stale;  /* it says that there is work, and there is none */
    bool broken; /* no enter works any more */
    uintptr_t owner;
    bool registered; /* in the owner's table of descriptors */

    /* the memory it shares with its owner */
    uint32_t sq_head, sq_tail, sq_flags, sq_mask, sq_entries, sq_dropped;
    uint32_t cq_head, cq_tail, cq_flags, cq_mask, cq_entries, cq_overflow;
    uint32_t *array;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    struct io_uring_buf_ring *buffers;
    uint32_t buffer_count;
    uint16_t buffer_head;

    bool restricted;
    uint64_t allowed[4]; /* opcodes, as bits */
    uint8_t allowed_flags;

    jzx__sim_cqes work;     /* task work: seen by an enter */
    jzx__sim_cqes overflow; /* completions that found no room */
    jzx__sim_op *ops;
    uint32_t op_count;
    uint32_t op_room;
    int event_fd; /* told of completions; -1: none */
    bool asleep;
    uint64_t wakes;
};

/* Of a time that user space names by its address. */
static inline uint64_t jzx__sim_timespec_ns(uint64_t address)
{
    const struct __kernel_timespec *time = (const void *)(uintptr_t)address;
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

/* A completion comes, before or after those of other operations that wait. */
void jzx__sim_complete(jzx__sim_ring *ring, uint64_t user_data, int32_t res, uint32_t flags);

/* ops.c */
void jzx__sim_op_begin(jzx__sim_ring *ring, const struct io_uring_sqe *sqe);
bool jzx__sim_ops_go_on(jzx__sim_ring *ring); /* true when something completed */
uint64_t jzx__sim_ops_next_ns(const jzx__sim_ring *ring);
void jzx__sim_ops_touch(jzx__sim_ring *ring, int fd);                             /* polls of it look again */
void jzx__sim_ops_take_back(jzx__sim_ring *ring, const struct io_uring_cqe *cqe); /* it is not delivered any more */

#endif
