/*
 * space: the table of a space, which loops write under its lock and who sends searches without (sched/space.h GS1 to GS5),
 * and broadcasts that are in a lane while the group goes and another comes in its place.
 *
 * Two loops join two groups and leave them again, OPS and OTHER times, with up to two memberships at a time; both names have
 * the same home. A third thread looks for the first group and broadcasts to it, SENDS times: an item in the lane of each loop that
 * it has seen, with the place and the generation of the group.
 *
 * Memory: one order for all; why that may be is said in names.pml, whose search is alike, and whose names have two words.
 *
 * Holds: what a search comes back with was the group's; it has seen the loop of each member that was there throughout, and
 * finds the group if there is one; no member of the other group gets what was sent; under the lock no two entries have one
 * name, and an entry is written while it has no members; the members of one place on one loop are of one group.
 *
 * To be taken out:
 *   NO_LOOK        the second look at the sequence (GS2)
 *   NO_REACH       the reach is raised to where the group lies (GS3)
 *   REACH_LOW      the reach is not lowered below what is not free (GS3)
 *   NO_LOCK        those that join and leave take turns (GS1)
 *   BIT_LATE       the bit of a loop is set before the join has returned (GS4)
 *   BIT_EARLY      it is taken away with the last member there, not with the first that leaves (GS4)
 *   NO_GENERATION  a broadcast is for the members of its generation (GS5)
 */
#ifndef OPS
#define OPS 2
#endif
#ifndef OTHER
#define OTHER OPS
#endif
#ifndef SENDS
#define SENDS 1
#endif
#define ENTRIES 4 /* for two names at most */
#define NO_PLACE 99
#define HERE(loop, place) ((loop) * ENTRIES + (place))

bit lock;
byte sequence[ENTRIES];
byte name[ENTRIES]; /* 1 or 2 */
byte count[ENTRIES];
byte loops[ENTRIES]; /* a bit each */
byte reach;          /* of the one home, which is entry 0 */

/* A loop's own list of the members in each place: how many, of which generation, and, for the check, of which group. */
byte here[2 * ENTRIES];
byte generation[2 * ENTRIES];
byte group[2 * ENTRIES];

chan lane0 = [2] of { byte, byte }; /* place, generation */
chan lane1 = [2] of { byte, byte };
byte sent; /* by how much the sender is done */

/* What the rules are checked by: members of the first group on each loop, and how often there were none any more. */
byte members[2];
byte emptied[2];

inline deliver(place, number)
{
    if
#ifdef NO_GENERATION
    :: here[HERE(me, place)] > 0 -> assert(group[HERE(me, place)] == 1)
#else
    :: here[HERE(me, place)] > 0 && generation[HERE(me, place)] == number -> assert(group[HERE(me, place)] == 1) /* GS5 */
#endif
    :: else
    fi
}

proctype Loop(byte me)
{
    byte most = (me == 0 -> OPS : OTHER);
    byte ops;
    byte wanted;
    byte distance;
    byte furthest;
    byte free;
    byte place;
    byte number;
    byte at[2]; /* the place of each membership, + 1; 0: none */

    do
    :: ops < most && (at[0] == 0 || at[1] == 0) ->
        ops++;
        if
        :: wanted = 1
        :: wanted = 2
        fi;
#ifndef NO_LOCK
        atomic { lock == 0 -> lock = 1 };
#endif
        /* look_around() */
        atomic { free = NO_PLACE; place = NO_PLACE; furthest = 0; distance = 0 };
        do
        :: atomic { distance < ENTRIES && count[distance] == 0 ->
            if
            :: free == NO_PLACE -> free = distance
            :: else
            fi;
            distance++ }
        :: atomic { distance < ENTRIES && count[distance] != 0 ->
            if
            :: distance <= reach ->
                furthest = distance;
                if
                :: name[distance] == wanted -> assert(place == NO_PLACE); place = distance
                :: else
                fi
            :: else
            fi;
            distance++ }
        :: distance == ENTRIES -> break
        od;
        if
        :: place != NO_PLACE
        :: else ->
            /* add_group() and write_name() */
            place = free;
            assert(place != NO_PLACE);
#ifndef NO_REACH
#ifdef REACH_LOW
            reach = place; /* GS3 */
#else
            reach = (place > furthest -> place : furthest); /* GS3 */
#endif
#endif
            assert(sequence[place] % 2 == 0 && count[place] == 0); /* GS1 */
            sequence[place]++;
            name[place] = wanted;
            sequence[place]++
        fi;
        /* join() */
        number = sequence[place] / 2;
        atomic {
            assert(here[HERE(me, place)] == 0 ||
                   (generation[HERE(me, place)] == number && group[HERE(me, place)] == wanted)); /* GS5 */
            here[HERE(me, place)]++;
            generation[HERE(me, place)] = number;
            group[HERE(me, place)] = wanted
        };
#ifndef BIT_LATE
        loops[place] = loops[place] | (1 << me); /* GS4 */
#endif
        count[place] = count[place] + 1;
#ifndef NO_LOCK
        lock = 0;
#endif
        atomic { /* it has returned */
            members[me] = members[me] + (wanted == 1 -> 1 : 0);
            if
            :: at[0] == 0 -> at[0] = place + 1
            :: else -> at[1] = place + 1
            fi
        };
#ifdef BIT_LATE
        loops[place] = loops[place] | (1 << me);
#endif
        atomic { wanted = 0; distance = 0; furthest = 0; free = 0; place = 0; number = 0 }
    :: ops < most && (at[0] != 0 || at[1] != 0) ->
        ops++;
        atomic { /* it begins */
            if
            :: at[0] != 0 -> place = at[0] - 1; at[0] = 0
            :: at[1] != 0 -> place = at[1] - 1; at[1] = 0
            fi;
            if
            :: group[HERE(me, place)] == 1 ->
                members[me]--;
                emptied[me] = emptied[me] + (members[me] == 0 -> 1 : 0)
            :: else
            fi
        };
#ifndef NO_LOCK
        atomic { lock == 0 -> lock = 1 };
#endif
        /* leave() */
        count[place] = count[place] - 1;
        here[HERE(me, place)]--;
        if
#ifdef BIT_EARLY
        :: true -> loops[place] = loops[place] & (3 - (1 << me))
#else
        :: here[HERE(me, place)] == 0 -> loops[place] = loops[place] & (3 - (1 << me)) /* GS4 */
        :: else
#endif
        fi;
#ifndef NO_LOCK
        lock = 0;
#endif
        place = 0
    :: atomic { me == 0 && nempty(lane0) -> lane0?place,number; deliver(place, number); place = 0; number = 0 }
    :: atomic { me == 1 && nempty(lane1) -> lane1?place,number; deliver(place, number); place = 0; number = 0 }
    :: ops == most && sent == SENDS && ((me == 0 && empty(lane0)) || (me == 1 && empty(lane1))) -> break
    od
}

/* jzx__space_look(), of group 1, and jzx__broadcast() */
proctype Sender()
{
    byte distance;
    byte to;
    byte before;
    byte seen;
    bit found;
    bit own; /* what was seen was that of group 1 */
    bit was0;
    bit was1;
    byte gone0;
    byte gone1;

    do
    :: sent < SENDS ->
        atomic { was0 = members[0] > 0; was1 = members[1] > 0; gone0 = emptied[0]; gone1 = emptied[1] };
        to = reach;
        do
        :: distance <= to && !found ->
            before = sequence[distance];
            if
            :: before % 2 == 0 ->
                if
                :: name[distance] == 1 ->
                    atomic { found = count[distance] != 0; own = name[distance] == 1 };
                    atomic { seen = loops[distance]; own = own && name[distance] == 1 };
#ifndef NO_LOOK
                    found = found && sequence[distance] == before; /* GS2 */
#endif
                :: else
                fi
            :: else
            fi;
            distance = (found -> distance : distance + 1)
        :: else -> break
        od;
        atomic {
            assert(!found || own); /* GS2 */
            assert(found || !was0 || gone0 != emptied[0]);
            assert(found || !was1 || gone1 != emptied[1]);
            assert(!found || !was0 || gone0 != emptied[0] || (seen & 1) != 0);
            assert(!found || !was1 || gone1 != emptied[1] || (seen & 2) != 0)
        };
        if
        :: found && (seen & 1) != 0 -> lane0!distance,before / 2
        :: else
        fi;
        if
        :: found && (seen & 2) != 0 -> lane1!distance,before / 2
        :: else
        fi;
        atomic { found = 0; own = 0; distance = 0; before = 0; seen = 0; to = 0; sent++ }
    :: else -> break
    od
}

init
{
    atomic { run Loop(0); run Loop(1); run Sender() };
    timeout; /* nothing moves any more */
    assert(_nr_pr == 1);
    assert((count[0] + count[1] + count[2] + count[3] != 0) || (loops[0] + loops[1] + loops[2] + loops[3] == 0));
#ifdef REACHED
    assert(false)
#endif
}
