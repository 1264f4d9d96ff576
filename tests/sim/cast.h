/*
 * cast: a runtime in a simulated world with actors (players) that do by lot all that actors may do to one another, and
 * the books that say what must have come of it. The tests of this folder differ in their knobs.
 *
 * What the books hold, each independent of the library's code:
 *   mail      every accepted message is handled once or reported dead once (and dropped once, if by pointer), and what
 *             one sender sent to one receiver is handled in the order it was sent, within its priority; what was stashed
 *             comes back in its order; of the two priorities neither goes twice while the other waits
 *   monitors  one DOWN each, behind all mail of the one that ended, unless removed or the watcher ended first
 *   links     one exit each, behind all mail of the one that ended, unless undone; both sides alike when all is quiet
 *   requests  one answer each, also for spawns, unless the asker ended first
 *   resumes   one notice for each that was asked for
 *   lives     one fini for each init, with a reason that somebody gave
 *   watches   what was written to a descriptor is read
 *   names     one holder at a time, which has not ended when anybody hears of its end
 *   flows     no more messages than credits, none lost, one end told to each side, behind what was sent
 */
#ifndef TESTS_CAST_H
#define TESTS_CAST_H

#include "sched/annex.h"
#include "src/internal.h"
#include "tests/sim/lot.h"

enum {
    LOOPS = 4,
    PLAYERS = 40,
    STRANGERS = 3,
    SENDERS = PLAYERS + STRANGERS + LOOPS,
    WATCHES = 3,
    KEPT = 2,
    NAMES = 4,
    FLOWS = 400
};

/* What a seed may draw from. All chances are of 1,024. */
typedef struct cast_knobs {
    uint32_t loops_least, loops_most;
    uint32_t players_least, players_most; /* to begin with, on all loops together */
    uint32_t ticks_most;                  /* moments at which a player acts */
    uint32_t actions_most;                /* what it does in one */
    uint64_t pause_max_ns;                /* between two */
    uint32_t strangers_most;              /* threads that post */
    uint32_t posts_most;
    uint32_t cap_least, cap_most; /* of a mailbox; 0: 1 */
    uint32_t monitors_max;        /* of the config; 0: plenty */
    uint32_t resumes_max;
    uint32_t links_max;
    uint32_t flows_max;
    uint32_t annexes_max;
    uint32_t high;        /* that a message is of high priority */
    uint32_t stash;       /* that one is stashed */
    uint32_t limits;      /* that the handlers of a player have a limit */
    uint32_t hosts;       /* that a loop is driven by a host */
    uint32_t lingers;     /* that it lingers */
    uint32_t watches;     /* that descriptors are watched */
    uint32_t stop_alone;  /* that single loops are stopped */
    uint32_t loses;       /* that the kernel loses a completion of some loop */
    uint32_t spare_cells; /* beyond what the config must have, for requests that stay open */
    bool stop_anytime;    /* the stop comes at any moment, not at the end */
    /* Weights of what a player does. */
    uint32_t say, ask, spawn, monitor, demonitor, end_other, end_self, timer, name, link, flow;
} cast_knobs;

/* Draws a whole run from the seed, runs it and looks at the books. What is wrong is a failure of the machine. */
void cast_play(jzx_sim *sim, const cast_knobs *knobs);

#endif
