/*
 * names: a table that loops write and any thread searches (sched/name.c N1 to N4).
 *
 * Two loops register a name and give it up again, ROUNDS times each; both names have the same home, and the same first word.
 * A third thread looks for the first name, SEARCHES times.
 *
 * Memory: one order for all. What of it C11 promises here is that loads stay in order, for each acquires, and that stores do
 * not overtake one before, for each but the first of write_entry() releases: what happens without is ODD_LATE.
 *
 * Holds: a search finds no id of another's name, and finds the name if it is registered all the time; under the lock no
 * two entries have one name, and an entry is written while its id is 0.
 *
 * To be taken out:
 *   NO_LOOK      the second look at the sequence (N4)
 *   ODD_LATE     the sequence is odd before the id can be seen (N1)
 *   NO_REACH     the reach is raised to where the name lies (N3)
 *   REACH_LOW    the reach is not lowered below what is not free (N3)
 *   NO_LOCK      those that register take turns (N1)
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef SEARCHES
#define SEARCHES 1
#endif
#define ENTRIES 4 /* for two names at most (N5) */
#define NO_PLACE 99

bit lock;
byte sequence[ENTRIES];
byte id[ENTRIES]; /* 10 * name + round; 0: free */
byte word1[ENTRIES];
byte word2[ENTRIES];
byte reach; /* of the one home, which is entry 0 */

/* What the rules are checked by: of the first name. */
bit registered;
byte given_up;

#define FIRST_WORD 1
#define SECOND_WORD(name) (name)

proctype Loop(byte name)
{
    byte turn;
    byte distance;
    byte furthest;
    byte place;
    bit taken;

    do
    :: turn < ROUNDS ->
        turn++;
#ifndef NO_LOCK
        atomic { lock == 0 -> lock = 1 };
#endif
        /* look_around(): all entries have this home */
        atomic { place = NO_PLACE; furthest = 0; distance = 0 };
        do
        :: atomic { distance < ENTRIES && id[distance] == 0 ->
            if
            :: place == NO_PLACE -> place = distance
            :: else
            fi;
            distance++ }
        :: atomic { distance < ENTRIES && id[distance] != 0 ->
            if
            :: distance <= reach -> furthest = distance; taken = taken || word2[distance] == SECOND_WORD(name)
            :: else
            fi;
            distance++ }
        :: distance == ENTRIES -> break
        od;
        /* add() */
        assert(!taken);
        assert(place != NO_PLACE); /* N5 */
#ifndef NO_REACH
#ifdef REACH_LOW
        reach = place; /* N3 */
#else
        reach = (place > furthest -> place : furthest); /* N3 */
#endif
#endif
        /* write_entry() */
        assert(sequence[place] % 2 == 0);
#ifndef ODD_LATE
        sequence[place]++;
#endif
        word1[place] = FIRST_WORD;
        word2[place] = SECOND_WORD(name);
        assert(id[place] == 0); /* N1 */
        id[place] = 10 * name + turn;
#ifdef ODD_LATE
        sequence[place]++;
#endif
        sequence[place]++;
#ifndef NO_LOCK
        lock = 0;
#endif
        registered = registered || name == 1; /* jzx__names_add() returns */
        /* jzx__names_remove() */
        atomic {
            assert(id[place] == 10 * name + turn); /* N2 */
            id[place] = 0;
            if
            :: name == 1 -> registered = 0; given_up++
            :: else
            fi
        };
        distance = 0
    :: else -> break
    od
}

/* jzx__names_find() and look(), of name 1 */
proctype Searcher()
{
    byte searches;
    byte distance;
    byte to;
    byte before;
    byte found;
    bit was;
    byte given;

    do
    :: searches < SEARCHES ->
        searches++;
        atomic { was = registered; given = given_up };
        to = reach;
        do
        :: distance <= to && found == 0 ->
            before = sequence[distance];
            if
            :: before % 2 != 0
            :: else ->
                if
                :: word1[distance] == FIRST_WORD ->
                    if
                    :: word2[distance] == SECOND_WORD(1) ->
                        found = id[distance];
#ifndef NO_LOOK
                        if
                        :: sequence[distance] != before -> found = 0 /* N4 */
                        :: else
                        fi
#endif
                    :: else
                    fi
                :: else
                fi
            fi;
            distance++
        :: else -> break
        od;
        atomic {
            assert(found == 0 || found / 10 == 1);
            assert(found != 0 || !was || given != given_up);
            found = 0;
            distance = 0;
            before = 0;
            to = 0
        }
    :: else -> break
    od
}

init
{
    atomic { run Loop(1); run Loop(2); run Searcher() };
    timeout; /* nothing moves any more */
    assert(_nr_pr == 1);
#ifdef REACHED
    assert(false)
#endif
}
