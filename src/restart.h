/*
 * restart: whether a failed child may be started again, and after how long. Pure: no clock, no memory, no loop.
 *
 * Invariants
 *   V1  A restart at time t is allowed if with it at most `intensity` lie in the closed window [t - period, t] (OTP,
 *       supervisor.erl, add_restart/1).
 *   V2  The n-th delay in a row depends on the n - 1 before it alone, and never passes max_ns.
 */
#ifndef JZX__RESTART_H
#define JZX__RESTART_H

#include <jzx/supervisor.h>

/* The restarts of the last period: a ring of `intensity` times, oldest first. Memory is the caller's. */
typedef struct jzx__window {
    uint64_t *times; /* intensity of them; NULL for 0 and UNLIMITED */
    uint32_t intensity;
    uint32_t first;
    uint32_t count;
    uint64_t period_ns;
} jzx__window;

size_t jzx__window_size(uint32_t intensity); /* bytes of `times` */
void jzx__window_init(jzx__window *window, uint32_t intensity, uint64_t period_ns, uint64_t *times);
/* Decides and, if it is allowed, notes a restart at now_ns, which never goes back. */
bool jzx__window_allows(jzx__window *window, uint64_t now_ns);

/* How far a row of restarts has come: of a child, or of a group. Zeroes are its start. */
typedef struct jzx__row {
    uint64_t last_ns; /* the delay before jitter */
} jzx__row;

/* The next delay. `uptime_ns`: how long the incarnation lived that failed, 0 for a start that failed. */
uint64_t jzx__row_next(jzx__row *row, const jzx_backoff *backoff, uint64_t uptime_ns, uint64_t random);

/* True if this exit of such a child is answered with a restart. */
bool jzx__restarts(jzx_restart restart, jzx_exit_kind kind);

#endif
