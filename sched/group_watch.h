/*
 * group_watch: tells actors who is in a group.
 *
 *   owner thread                    all but the next
 *   any loop's, under the space's   jzx__group_watches_touched()
 *   lock
 *
 * A space has its members in the order of their last change, and each watch has a mark among them: what is behind it the
 * watch has not looked at. A change puts its member at the end, behind all marks. So nothing is missed, however much comes
 * at once, and nothing grows: a member that has come and gone meanwhile is one change, of which there is nothing to tell.
 *
 * Invariants
 *   GW1 What a watch has told of a member is in its `told`; it tells the difference to what is so, and passes the member
 *       when there is none.
 *   GW2 No change is slept through. Who makes one looks for watches of the group under the lock, then sets
 *       JZX__ASKED_GROUPS of their loops and rings them; a loop takes the word, then looks behind its marks under the lock.
 *       That it does not sleep between is P1: the word is among what is looked at last.
 *   GW3 One notice is handled at a time, and its watch goes to the end of the urgent list again: so mail goes between (U2).
 */
#ifndef JZX__GROUP_WATCH_H
#define JZX__GROUP_WATCH_H

#include "sched/space.h"

/* What was told of a member; id 0: nothing, or that it has left. */
typedef struct jzx__told {
    jzx_actor_id id;
    uint64_t tag;
} jzx__told;

typedef struct jzx__group_watch {
    /* Its loop's. */
    _Alignas(JZX__CACHE_LINE) jzx__resource resource;
    jzx__told *told; /* of each member record of the space */
    jzx__list mine;  /* in the loop's */

    /* Set once. */
    jzx_group group;
    uint32_t loop;

    /* Under the space's lock. */
    jzx__list listed; /* in the space's watches */
    jzx__list mark;   /* in its changes */
} jzx__group_watch;

/* Loops whose watches have something to look at. */
typedef struct jzx__wake_set {
    bool any;
    uint64_t loops[JZX__LOOP_WORDS];
} jzx__wake_set;

jzx_err jzx__group_watch_start(jzx_context *context, const jzx_group *group, uint64_t *watch);
jzx_err jzx__group_watch_stop(jzx_context *context, uint64_t watch);
/* The next thing to tell, if there is one; and the watch will come again while there may be more. */
bool jzx__group_watch_next(jzx_loop *loop, jzx__group_watch *watch, jzx_member_notice *notice);
/* A member of the group at this place has changed: adds to the set. */
void jzx__group_watches_touched(const jzx_space *space, uint32_t place, jzx__wake_set *wake);
/* After the lock was given back. */
void jzx__group_watches_wake(jzx_loop *loop, const jzx__wake_set *wake);

#endif
