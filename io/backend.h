/*
 * backend: what a loop asks of the kernel.
 *
 * Everything goes through one jzx__backend: time, randomness, operations and their completions, sleeping, and waking other
 * loops. Behind it stands io_uring (uring.c), in simulations too: there the system calls are others (sys.h). That it is a
 * table of functions lets a test of a module put a backend of its own in the place, or step between.
 *
 *   owner thread      everything but `wake`
 *   any thread        wake()
 *   creating thread   create; then everything until the loop is bound to a thread by enable()
 *
 * Invariants
 *   K1  An operation that queue() took has exactly one terminal completion (without JZX__CQE_MORE); memory it names
 *       stays put until then.
 *   K2  queue() never blocks and never fails but for room: then it returns false and the caller asks again later.
 *   K3  wake() and a peer's doorbell make a wait that is going on, or the next one, return. They carry no data.
 *   K4  wait() never sleeps past the deadline by choice, and never enters the kernel with a deadline that has passed.
 */
#ifndef JZX__BACKEND_H
#define JZX__BACKEND_H

#include "io/base.h"
#include <jzx/runtime.h>

typedef enum jzx__op {
    JZX__OP_POLL,       /* multishot poll of fd for `arg` (POLL* bits) */
    JZX__OP_ACCEPT,     /* multishot accept on fd; res = the new fd, CLOEXEC and NONBLOCK */
    JZX__OP_CONNECT,    /* fd, addr = struct sockaddr that stays valid, len */
    JZX__OP_RECV,       /* multishot receive on fd into the backend's receive buffers */
    JZX__OP_SEND,       /* fd, addr, len; MSG_NOSIGNAL | MSG_WAITALL */
    JZX__OP_SEND_PARTS, /* fd, addr = struct msghdr: it and its vector are read before the next submission ends */
    JZX__OP_CANCEL,     /* cancels the operations whose user_data is `target`; completes itself with no meaning */
    JZX__OP_CLOSE,      /* closes fd */
    JZX__OP_COUNT
} jzx__op;

typedef struct jzx__sqe {
    jzx__op op;
    int fd;
    const void *addr;
    uint32_t len;
    uint32_t arg;
    uint64_t target;
    uint64_t user_data;
} jzx__sqe;

enum {
    JZX__CQE_MORE = 1u << 0,   /* more completions of this operation follow */
    JZX__CQE_BUFFER = 1u << 1, /* `buffer` holds the data */
};

typedef struct jzx__cqe {
    uint64_t user_data;
    int32_t res;     /* >= 0, or -errno */
    uint32_t flags;  /* JZX__CQE_* */
    uint32_t buffer; /* index of a receive buffer */
} jzx__cqe;

/* user_data of the doorbells that fail: the index of the peer is in the low bits. Others choose their own values. */
#define JZX__USER_DOORBELL (0xFFull << 56)
#define JZX__USER_INTERNAL (0xFEull << 56) /* of the backend itself; never seen by reap's caller */

typedef void (*jzx__reap_fn)(void *context, const jzx__cqe *cqe);

typedef struct jzx__backend jzx__backend;

typedef struct jzx__backend_ops {
    /* Binds the backend to this thread for good and lets it work. */
    jzx_err (*enable)(jzx__backend *backend, int *os_error);

    /* Time of CLOCK_MONOTONIC, and random bits for seeds. */
    uint64_t (*now_ns)(jzx__backend *backend);
    uint64_t (*random)(jzx__backend *backend);

    /* Queues one operation for the next submission. */
    bool (*queue)(jzx__backend *backend, const jzx__sqe *sqe);

    /* Rings the loop behind `peer`: queued like an operation. False when there is no room: the caller owes it. */
    bool (*doorbell)(jzx__backend *backend, jzx__backend *peer, uint32_t peer_index);

    /*
     * Is there anything to submit, or any completion to reap or to be brought in by an enter? Cheap: reads shared
     * memory only. A loop that is not idle calls submit() now and then whatever this says: see U6 of uring.c.
     */
    bool (*busy)(jzx__backend *backend);

    /* Submits what is queued and brings in completions, without sleeping. Without a system call if there is neither. */
    jzx_err (*submit)(jzx__backend *backend);

    /* Submits what is queued and leaves the rest for submit(). No system call if nothing is queued. */
    jzx_err (*send_off)(jzx__backend *backend);

    /* Submits, then sleeps until a completion, a doorbell, a wake, or the deadline (JZX_FOREVER: none). */
    jzx_err (*wait)(jzx__backend *backend, uint64_t deadline_ns);

    /* Hands out at most `max` completions; returns how many. Callbacks may queue, not reap. */
    uint32_t (*reap)(jzx__backend *backend, uint32_t max, jzx__reap_fn fn, void *context);

    /* Wakes the loop from any thread. Async-signal-safe. */
    void (*wake)(jzx__backend *backend);

    /* Hands `count` buffers of `size` bytes at `base` to the kernel for JZX__OP_RECV; then gives one back after use. */
    jzx_err (*buffers_register)(jzx__backend *backend, void *base, uint32_t count, uint32_t size, int *os_error);
    void (*buffer_give)(jzx__backend *backend, uint32_t buffer);

    /*
     * Host-driven loops. host_fd() makes the descriptor on first use, or returns -errno. host_sleep() submits and arms
     * it: from then on a completion makes it readable, and so does the one timeout kept for `deadline_ns`. host_awake()
     * disarms it and reads it empty. host_ring() makes it readable at once.
     */
    int (*host_fd)(jzx__backend *backend);
    void (*host_sleep)(jzx__backend *backend, uint64_t deadline_ns);
    void (*host_awake)(jzx__backend *backend);
    void (*host_ring)(jzx__backend *backend);

    /* Has no submission taken this operation yet? For what is given up when enters fail. */
    bool (*unsent)(jzx__backend *backend, uint64_t user_data);

    /* True while operations of the backend itself (not the caller's) are in flight; cancels those. No wake() is heard after. */
    bool (*close_begin)(jzx__backend *backend);

    /* Frees everything. Every operation has had its terminal completion. Any thread, after the loop has left. */
    void (*destroy)(jzx__backend *backend);
} jzx__backend_ops;

struct jzx__backend {
    const jzx__backend_ops *ops;
    uint64_t *enters; /* counter of system calls, in the segment */
};

typedef struct jzx__backend_config {
    uint32_t entries;   /* submission entries, at least 1; completions: 4 times as many */
    bool restricted;    /* allow only what libjzx uses */
    bool oldest_kernel; /* pretend nothing newer than 6.1 is there */
    uint64_t *enters;
    const jzx_allocator *allocator; /* metadata */
} jzx__backend_config;

/* Makes the backend of one loop, on io_uring. */
jzx_err jzx__uring_make(const jzx__backend_config *config, jzx__backend **backend, int *os_error);

/* Bytes of metadata and of kernel ring memory that a backend of this config takes. */
size_t jzx__uring_metadata_size(const jzx__backend_config *config);
size_t jzx__uring_ring_size(const jzx__backend_config *config);

#endif
