/*
 * probe: what this kernel can do beyond Linux 6.1, and why it refuses a ring.
 *
 * Any thread. Holds no state: each runtime asks for itself.
 */
#ifndef JZX__PROBE_H
#define JZX__PROBE_H

#include "io/base.h"
#include <jzx/error.h>

/* What is newer than the oldest kernel that libjzx runs on. */
typedef struct jzx__features {
    bool sync_message; /* IORING_REGISTER_SEND_MSG_RING, 6.13: rings a ring from a thread that has none */
    bool no_iowait;    /* IORING_ENTER_NO_IOWAIT, 6.15: an idle loop does not count as waiting for a disk */
} jzx__features;

/* `ring_fd` is a ring that is still disabled, `ring_features` what its set-up reported. */
void jzx__probe_features(int ring_fd, uint32_t ring_features, bool oldest_kernel, jzx__features *features);

/* The cause behind the errno of a set-up that the kernel refused. */
jzx_err jzx__probe_refusal(int os_error);

/* Posts a completion with `user_data` to a ring. 0 or -errno; leaves errno alone; async-signal-safe. */
int jzx__probe_send_message(int ring_fd, uint64_t user_data);

#endif
