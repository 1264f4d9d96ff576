/*
 * exits: how the end of an actor is told to another loop (sched/child.c B1 to B3 and B6, sched/life.c E3, sched/route.c,
 * sched/lane.h L3).
 *
 * A supervisor on loop A has a child on loop B and starts it again when it has ended, LIVES times. The child may say that it
 * is ready, sends MAILS messages and ends when it likes or is told to. Of each end the supervisor is told, and a watcher: two
 * notices, and both take the exit record from the slot of the dead. Between the loops lie lanes of ROOM entries; what finds
 * none is queued by its own node in the overflow. OTHERS actors of loop B take slots that are free.
 *
 * A step of one loop is one step here: what it does is its own, until it is in the lane.
 *
 * Holds: a child has one incarnation at a time; each end is told once, after the start, with the record of that end, and
 * after all mail of the dead; no node is in two lists.
 *
 * To be taken out:
 *   NO_NODE        the node: a notice that finds no room is gone, as from any bounded queue
 *   NO_HOLD        the slot of the dead stays until its notices have left
 *   OVERTAKE       what comes waits behind the overflow (L3)
 *   NO_TELLING     a bond whose cell is under way keeps the next news until it has left
 *   NO_SPAWN_NEXT  a spawn waits until the request to end has left (B6)
 */
#ifndef LIVES
#define LIVES 3
#endif
#ifndef ROOM
#define ROOM 1
#endif
#ifndef MAILS
#define MAILS 1
#endif
#ifndef OTHERS
#define OTHERS 1
#endif
#ifndef ENDS
#define ENDS 2
#endif
#ifndef NOISE
#define NOISE 1
#endif

mtype = { SPAWN, END, PLAIN, STARTED, READY, EXITED, DOWN };
mtype = { BOND, HALF };

/* The lanes: a cell says what it is, of which life, and what the record was. */
chan to_b = [ROOM] of { mtype, byte };
chan to_a = [ROOM] of { mtype, byte, byte };

/* What the rules are checked by. */
byte mailed[LIVES + 1];
byte got[LIVES + 1];
byte ends_told[LIVES + 1];
byte downs_told[LIVES + 1];

/* ---- loop B: the child's ---- */

#define SLOTS 4
#define FREE 0
#define RUNNING 1
#define DYING 2
#define OTHER 99
#define NEWS_STARTED 1
#define NEWS_READY 2
#define NEWS_EXITED 4

byte state[SLOTS];
byte hot[SLOTS];  /* dying: the exit record, here the life that ended */
byte held[SLOTS]; /* cold->held_count */
chan overflow_b = [4] of { mtype, byte }; /* nodes: a bond, or a half and which */

/* The bond: one, for the next is made when the exit of the one before has left (B1). */
byte bond_life;
byte bond_slot;
byte tell;
bit telling;
mtype bond_kind;
bit bond_listed;

byte half_life[2];
byte half_slot[2];
bit half_listed[2];

#ifdef OVERTAKE
#define BLOCKED_B false
#else
#define BLOCKED_B (len(overflow_b) > 0)
#endif

inline notice_left(at) /* jzx__life_notice_left() */
{
    held[at]--;
    if
    :: held[at] == 0 -> state[at] = FREE; hot[at] = 0 /* jzx__slot_give() */
    :: else
    fi
}

inline half_left(n) /* jzx__down_node_left() */
{
    at = half_slot[n];
    half_life[n] = 0;
#ifndef NO_HOLD
    notice_left(at);
#endif
    at = 0
}

inline bond_left() /* jzx__bond_left(), the part that sends nothing */
{
    telling = 0;
    if
    :: tell == 0 && bond_kind == EXITED ->
        bond_life = 0;
#ifndef NO_HOLD
        notice_left(bond_slot);
#endif
        bond_slot = 0;
        bond_kind = 0
    :: else
    fi
}

/* send_bond(), again as long as one leaves at once and there is more to tell */
inline send_bond()
{
    do
#ifdef NO_TELLING
    :: tell != 0 ->
#else
    :: tell != 0 && !telling ->
#endif
        if
        :: tell & NEWS_STARTED -> tell = tell & ~NEWS_STARTED; bond_kind = STARTED
        :: else ->
            if
            :: tell & NEWS_READY -> tell = tell & ~NEWS_READY; bond_kind = READY
            :: else -> tell = 0; bond_kind = EXITED
            fi
        fi;
        telling = 1;
        /* jzx__route_signal() */
        if
        :: BLOCKED_B || len(to_a) == ROOM ->
#ifndef NO_NODE
            assert(!bond_listed);
            bond_listed = 1;
            overflow_b!BOND, 0
#else
            bond_left()
#endif
        :: else ->
            to_a!bond_kind, bond_life, hot[bond_slot]; /* emit() */
            bond_left()
        fi
    :: else -> break
    od
}

inline send_half(n)
{
    if
    :: BLOCKED_B || len(to_a) == ROOM ->
#ifndef NO_NODE
        assert(!half_listed[n]);
        half_listed[n] = 1;
        overflow_b!HALF, n
#else
        half_left(n)
#endif
    :: else -> to_a!DOWN, half_life[n], hot[half_slot[n]]; half_left(n)
    fi
}

inline flush_b() /* flush_overflow(): its first */
{
    overflow_b?node, n;
    if
    :: node == BOND ->
        bond_listed = 0;
        to_a!bond_kind, bond_life, hot[bond_slot];
        bond_left();
        send_bond()
    :: node == HALF ->
        half_listed[n] = 0;
        to_a!DOWN, half_life[n], hot[half_slot[n]];
        half_left(n)
    fi;
    node = 0;
    n = 0
}

inline take_slot(at) /* jzx__slot_take() */
{
    at = 0;
    do
    :: at < SLOTS && state[at] != FREE -> at++
    :: else -> break
    od;
    assert(at < SLOTS);
    state[at] = RUNNING
}

inline birth(life) /* jzx__bond_spawn_arrived() */
{
    assert(alive == 0); /* B1 */
    assert(bond_life == 0);
    alive = life;
    take_slot(slot);
    bond_life = life;
    bond_slot = slot;
    assert(half_life[life % 2] == 0);
    half_life[life % 2] = life;
    half_slot[life % 2] = slot;
    readied = 0;
    mails = 0;
    tell = tell | NEWS_STARTED;
    send_bond()
}

inline die() /* jzx__life_exit(), send_notices(), jzx__down_send_all() */
{
    state[slot] = DYING;
    hot[slot] = alive;
    held[slot] = 3; /* its own, the bond's and the half's */
    n = alive % 2;
    alive = 0;
    tell = tell | NEWS_EXITED;
#ifdef NO_HOLD
    state[slot] = FREE;
#endif
    send_bond();
    send_half(n);
#ifndef NO_HOLD
    notice_left(slot);
#endif
    slot = 0;
    n = 0
}

proctype B()
{
    byte alive; /* the life that runs */
    byte slot;
    bit readied;
    byte mails;
    byte others;
    byte life;
    byte n;
    byte at;
    mtype node;

end:
    do
    :: atomic { to_b?SPAWN, life -> birth(life); life = 0; at = 0 }
    :: atomic { to_b?END, life ->
        if
        :: life == alive -> die()
        :: else /* its exit is under way */
        fi;
        life = 0 }
    :: atomic { to_b?PLAIN, life -> life = 0 }
    :: atomic { alive != 0 && !readied -> readied = 1; tell = tell | NEWS_READY; send_bond() } /* jzx__bond_ready() */
    :: atomic { alive != 0 && mails < MAILS && !BLOCKED_B && len(to_a) < ROOM -> /* jzx__send_remote(), L6 */
        to_a!PLAIN, alive, 0;
        mails++;
        mailed[alive]++ }
    :: atomic { alive != 0 -> die() }
    :: atomic { len(overflow_b) > 0 && len(to_a) < ROOM -> flush_b() }
    :: atomic { others < OTHERS ->
        others++;
        take_slot(at);
        hot[at] = OTHER;
        at = 0 }
    od
}

/* ---- loop A: the supervisor's and the watcher's ---- */

chan overflow_a = [2] of { byte }; /* one node: the child's `out` */
mtype out_kind;
byte out_life;
bit out_listed;
bit spawn_next;

#define BLOCKED_A (len(overflow_a) > 0)

inline send_out() /* send_out(), jzx__route_signal() */
{
    if
    :: BLOCKED_A || len(to_b) == ROOM ->
        assert(!out_listed);
        out_listed = 1;
        overflow_a!0
    :: else -> to_b!out_kind, out_life
    fi
}

inline spawn_remote()
{
#ifdef NO_SPAWN_NEXT
    if
    :: true ->
#else
    if
    :: out_listed -> spawn_next = 1
    :: else ->
#endif
        out_kind = SPAWN;
        out_life = lives;
        send_out()
    fi
}

inline child_spawn() /* jzx__child_spawn() */
{
    lives++;
    spawning = 1;
    spawn_remote()
}

proctype A()
{
    byte lives;
    byte id; /* child->id: the life that the supervisor knows of */
    bit spawning;
    byte ends;
    byte noise;
    byte life;
    byte record;

    atomic { child_spawn() };
end:
    do
    :: atomic { to_a?STARTED, life, record ->
        assert(spawning && id == 0 && life == lives);
        spawning = 0;
        id = life;
        life = 0; record = 0 }
    :: atomic { to_a?READY, life, record -> assert(id == life && life != 0); life = 0; record = 0 }
    :: atomic { to_a?EXITED, life, record ->
        assert(record == life);  /* the record of that end */
        assert(id == life && !spawning); /* after the start (B2) */
        ends_told[life]++;
        id = 0;
        if
        :: lives < LIVES -> child_spawn()
        :: else
        fi;
        life = 0; record = 0 }
    :: atomic { to_a?DOWN, life, record ->
        assert(record == life);
        assert(got[life] == mailed[life]); /* behind all mail of the dead */
        downs_told[life]++;
        life = 0; record = 0 }
    :: atomic { to_a?PLAIN, life, record -> assert(id == life); /* it was sent between start and end (L3) */ got[life]++; life = 0; record = 0 }
    :: atomic { id != 0 && ends < ENDS -> /* jzx__child_end() */
        ends++;
        out_kind = END;
        out_life = id;
        if
        :: !out_listed -> send_out()
        :: else /* one that has not left yet becomes this one */
        fi }
    :: atomic { noise < NOISE && !BLOCKED_A && len(to_b) < ROOM -> noise++; to_b!PLAIN, 0 }
    :: atomic { len(overflow_a) > 0 && len(to_b) < ROOM -> /* flush_overflow() */
        overflow_a?_;
        to_b!out_kind, out_life;
        out_listed = 0; /* jzx__child_out_left() */
        if
        :: spawn_next -> spawn_next = 0; spawn_remote()
        :: else
        fi }
    od
}

init
{
    byte n = 1;
    atomic { run A(); run B() };
    timeout; /* nothing moves any more */
    do
    :: n <= LIVES -> d_step {
        assert(ends_told[n] == 1); /* P5 */
        assert(downs_told[n] == 1);
        assert(got[n] == mailed[n]);
        n++ }
    :: else -> break
    od;
#ifdef REACHED
    assert(false)
#endif
}
