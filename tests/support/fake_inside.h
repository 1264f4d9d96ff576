/* fake_inside: what fake.c (rings, hosts) and fake_ops.c (what waits for descriptors) share. */
#ifndef TESTS_FAKE_INSIDE_H
#define TESTS_FAKE_INSIDE_H

#include <sys/uio.h>

#include "src/internal.h"
#include "tests/support/fake.h"

typedef struct fake_ring fake_ring;

enum { FAKE_PARTS_MAX = 16, RINGS_MAX = 8, ENTRIES_MAX = 64, HOST_FD = 1 << 20 };

/* user_data of what the ring itself does; none of it leaves reap(). */
#define USER_RUNG JZX__USER_INTERNAL
#define USER_TIMEOUT (JZX__USER_INTERNAL | 1)
#define USER_OWN (JZX__USER_INTERNAL | 2)

typedef struct sim_entry {
    jzx__sqe sqe;
    bool doorbell;
    fake_ring *peer;
} sim_entry;

/* A list that grows; order matters. */
typedef struct cqes {
    jzx__cqe *items;
    uint32_t count;
    uint32_t room;
} cqes;

/* An operation in flight. */
typedef struct fake_op {
    jzx__sqe sqe;
    uint32_t done; /* bytes sent */
    bool connecting;
    uint32_t part_count; /* of a send: what the header named when it was submitted */
    struct iovec parts[FAKE_PARTS_MAX];
} fake_op;

struct fake_ring {
    jzx__backend base;
    fake_kernel *kernel;
    uint32_t index;
    uint64_t enters_unseen;
    bool enabled;
    bool destroyed;
    bool asleep;
    uint64_t wakes;
    uint32_t lose; /* enters until one fails for good; 0: none will */
    bool has_lost;
    bool broken; /* it has, and no enter works any more */

    sim_entry queue[ENTRIES_MAX];
    uint32_t queued;
    uint32_t entries;
    cqes outside; /* task work: seen by an enter */
    cqes inside;  /* seen by reap */
    fake_op *ops;
    uint32_t op_count;
    uint32_t op_room;
    uint8_t *buffer_base;
    bool *buffer_free;
    uint32_t buffer_total;
    uint32_t buffer_size;

    uint64_t timeout_ns; /* of a sleeping host; JZX_FOREVER: none */
    bool notify;
    bool hosted;
    uint64_t host_count; /* the descriptor's */
    uint64_t host_writes;
    uint64_t host_seen; /* by an edge-triggered host */
    bool host_asleep;
    uint32_t own; /* operations of the ring itself that are to end */
    bool closing;
};

struct fake_kernel {
    sim_world *world;
    fake_faults faults;
    fake_ring *rings[RINGS_MAX];
    uint32_t ring_count;
    void (*idle)(void *context);
    void *idle_context;
};

void fake_grow(void **items, uint32_t *room, uint32_t count, size_t size);
/* A completion comes, before or after those of other operations that wait. */
void fake_complete(fake_ring *ring, uint64_t user_data, int32_t res, uint32_t flags, uint32_t buffer);

/* fake_ops.c */
void fake_op_begin(fake_ring *ring, const jzx__sqe *sqe);
bool fake_ops_go_on(fake_ring *ring); /* true when something completed */
void fake_ops_touch(fake_ring *ring, int fd);

#endif
