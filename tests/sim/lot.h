/* lot: machines whose kernel and threads do what the seed says, and small draws, for tests that make a run up. */
#ifndef TESTS_LOT_H
#define TESTS_LOT_H

#include "sim/ring.h"

/* All faults of the kernel that no actor can tell, each more or less often. */
void sim_lot_config(jzx_sim_config *config);
/* Draws how its clock ticks and how many entries a ring has. Before anything else. */
void sim_lot(jzx_sim *sim);
/* Draws how often each kind of fault happens from now on: at most so many of 65,536 occasions, and half of them never. */
typedef struct sim_rate {
    jzx_sim_fault fault;
    uint32_t most;
} sim_rate;
void sim_lot_rates(jzx_sim *sim, const sim_rate *rates, size_t count);
/* A machine in which nothing goes wrong, all threads take turns at every point, and rings have few entries. */
jzx_sim *sim_open_calm(uint64_t seed);

/* A runtime with few cells, short lanes and short mailboxes, and its loops, each with `observer` for `user`. */
void sim_open_loops(jzx_sim *sim, uint32_t count, uint32_t actors_max, const jzx_observer *observer, void *user,
                    jzx_runtime **runtime, jzx_loop **loops);

bool sim_chance(jzx_sim *sim, uint32_t of_1024);
uint32_t sim_below(jzx_sim *sim, uint32_t limit); /* 0 to limit - 1; 0 for limit 0 */
uint32_t sim_between(jzx_sim *sim, uint32_t least, uint32_t most);

/* The ring of a loop, of the one runtime that there is. */
bool sim_ring_quiet(const jzx_sim *sim, uint32_t loop);     /* nothing that its loop must still see */
bool sim_ring_asleep(const jzx_sim *sim, uint32_t loop);    /* the loop sleeps in it */
bool sim_ring_lost(const jzx_sim *sim, uint32_t loop);      /* it has lost a completion, or is broken */
uint64_t sim_ring_wakes(const jzx_sim *sim, uint32_t loop); /* completions and deadlines that it had */

/* As jzx_sim_host_wait() without a deadline, for a host whose poll is edge-triggered: *seen is its own. */
void sim_host_wait_edge(jzx_sim *sim, int fd, uint64_t *seen);

#endif
