/*
 * fanout: a broadcast, which takes one place in the lane of each loop that has members, and its way through the members
 * of one loop.
 *
 * Owner thread only.
 *
 * What comes through a lane is fanned out where it is taken, so it keeps its place among what its sender sent before and
 * after. When a turn's deliveries are used up it stays in hand with the rest of what was taken from that lane, and the
 * lane is not drained further until a later turn has finished it. It never waits for room: a member that cannot take the
 * message misses it.
 *
 * Invariants
 *   GB1 All loops that have members take a broadcast, or none: places are set aside in every lane before one is filled,
 *       and nothing else runs in between.
 *   GB2 A fan-out visits each member that was in the list when it began and is there when its turn comes, once: a member
 *       that leaves moves every cursor that stands at it, and who has joined since is behind the mark.
 *   GB3 Each member visited gets the message, or its filter refuses it, or it misses it; and what it missed it is told
 *       with the count, in the place of the first, unless it ends or leaves before.
 *   GB4 While a fan-out is in hand its loop neither sleeps nor reports that it has drained: jzx__loop_incoming_mail().
 *   GB5 A fan-out holds one reference of its own to a buffer until it is finished.
 */
#ifndef JZX__FANOUT_H
#define JZX__FANOUT_H

#include "io/list.h"
#include "sched/cell.h"
#include <jzx/group.h>

typedef struct jzx__member jzx__member;
typedef struct jzx__lane jzx__lane;

/* What became of a broadcast on one loop, in memberships. */
typedef struct jzx__tally {
    uint32_t reached;
    uint32_t missed;
    uint32_t filtered;
} jzx__tally;

typedef struct jzx__fanout {
    jzx__list node; /* in the loop's fanouts while it is under way */
    jzx__cell mail; /* what each member gets, with its own tag as target */
    jzx_space *space;
    jzx__cell *done;     /* tells the sender's loop, if it wants to know; NULL */
    jzx_actor_id spared; /* gets nothing; 0: nobody */
    uint64_t mark;       /* the last of those who had joined when it began */
    uint32_t cursor;     /* the next member: index + 1; 0: there is none */
    jzx__tally tally;
} jzx__fanout;

/*
 * To all members. JZX_OK with *loops, those that will tell what became of it if there is a token, and *own, what did
 * here; WOULD_BLOCK with *busy, the loop that has no room. The caller's reference of a buffer is gone with JZX_OK.
 */
jzx_err jzx__broadcast(jzx_context *context, const jzx_group *group, const jzx_message *message, bool others,
                       uint64_t token, uint32_t *loops, jzx__tally *own, uint32_t *busy);
/* One has come through a lane. Sets loop->run_end to 0 if it stays in hand. */
void jzx__broadcast_arrived(jzx_loop *loop, const jzx__cell *cell);
/* Goes on with what a lane has in hand; true when it is finished. */
bool jzx__fanout_go_on(jzx_loop *loop, jzx__lane *lane);
/* What was in hand when the loop ended: its payload is destroyed. */
void jzx__fanout_drop(jzx__fanout *fanout);
/* A member leaves: who stands at it goes on to the next (GB2). */
void jzx__fanouts_pass(jzx_loop *loop, const jzx_space *space, const jzx__member *member);

#endif
