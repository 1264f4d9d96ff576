/*
 * lane: two rings of ck_ring, blocks and single cells (sched/lane.c, L1 to L4).
 *
 * The writer sends TOTAL cells, one or two at a time, and publishes when it likes; the reader takes and gives back. SLOTS and
 * BACK_SLOTS are those that jzx__lane_init() makes for BLOCKS blocks. Positions count modulo 2 * SLOTS, so they wrap.
 *
 * Memory, weaker than x86-64: a store waits in a buffer. Stores of content leave it in their order, and so do stores of
 * positions, but only a fence keeps a position behind the content that was stored before it. A reader may load an entry
 * before it looks at the position, if no fence forbids that, and after it has moved its own position on.
 *
 * Holds: each cell is read once, in order, with the content that was written; an entry that is published fits, and so does a
 * block that is given back.
 *
 * To be taken out:
 *   NO_STORE_FENCE  the writer's fence between an entry and the position
 *   NO_LOAD_FENCE   the reader's fence between the position and the entry
 *   NO_GIVE_FENCE   the reader's fence between the block given back and the position on the way back
 *   NO_SPARE        the entry that ck_ring keeps free
 *   NO_SET_ASIDE    the entries set aside for blocks (L4)
 *   SMALL_BACK      a way back with room for all (L2); with BLOCKS=2
 *   KEEP_OPEN       a block that is published is not open any more (L1)
 *   LATE_READ       the reader reads a block's cells before it gives the block back. x86-64 moves no load behind a store. The
 *                   fence of ck_ring orders stores alone; elsewhere the order comes from what is done with each word read.
 */
#ifndef BLOCKS
#define BLOCKS 1
#endif
#define CELLS 2 /* of a block: JZX__BLOCK_CELLS */
#ifndef TOTAL
#define TOTAL 7
#endif

#if BLOCKS == 1
#define SLOTS 4
#define BACK_SLOTS 2
#else
#define SLOTS 8
#ifdef SMALL_BACK
#define BACK_SLOTS 2
#else
#define BACK_SLOTS 4
#endif
#endif
#define TURN (2 * SLOTS) /* positions count modulo this */
#define NEXT(position) (((position) + 1) % TURN)
#define COUNT(tail, head) (((tail) + TURN - (head)) % TURN)
#ifdef NO_SPARE
#define SPARE 0
#define FULL(tail, head, slots) (COUNT(tail, head) == (slots))
#else
#define SPARE 1
#define FULL(tail, head, slots) (COUNT(tail, head) % (slots) == (slots) - 1) /* ck_ring_enqueue_spsc(): delta & mask */
#endif
#define NONE 255

/* Memory. An entry is a cell's content, or 100 + 10 * block + count. */
byte entry[SLOTS];
byte cell[BLOCKS * CELLS];
byte back[BACK_SLOTS];
byte position[4];
#define P_TAIL 0 /* of the lane: the writer's */
#define B_HEAD 1 /* of the way back: the writer's */
#define C_HEAD 2 /* of the lane: the reader's */
#define B_TAIL 3 /* of the way back: the reader's */
byte got;

/* ---- store buffers ---- */

#define WRITER 0
#define READER 1
#define AT_CELL SLOTS
#define AT_BACK (SLOTS + BLOCKS * CELLS)
chan content[2] = [4] of { byte, byte };
chan positions[2] = [2] of { byte, byte, byte }; /* word, value, contents that must have left before */
#define MANY 64
byte stored[2]; /* contents, modulo MANY */
byte left[2];

inline store(who, at, value)
{
    atomic { content[who]!at, value; stored[who] = (stored[who] + 1) % MANY }
}

inline store_position(who, word, value, fence)
{
    if
    :: fence -> atomic { nfull(positions[who]) -> positions[who]!word, value, stored[who] }
    :: else -> atomic { nfull(positions[who]) -> positions[who]!word, value, left[who] }
    fi
}

proctype Buffer(byte who)
{
    byte at;
    byte value;
    byte need;
end:
    do
    :: atomic {
        content[who]?at, value;
        left[who] = (left[who] + 1) % MANY;
        if
        :: at < AT_CELL -> entry[at] = value
        :: at >= AT_CELL && at < AT_BACK -> cell[at - AT_CELL] = value
        :: at >= AT_BACK -> back[at - AT_BACK] = value
        fi;
        at = 0;
        value = 0 }
    :: atomic {
        nempty(positions[who]);
        positions[who]?<at, value, need>;
        if
        :: (left[who] + MANY - need) % MANY < MANY / 2 ->
            positions[who]?at, value, need;
            position[at] = value
        :: else /* the content first */
        fi;
        at = 0;
        value = 0;
        need = 0 }
    od
}

/* ---- the writer ---- */

#ifdef NO_STORE_FENCE
#define STORE_FENCE false
#else
#define STORE_FENCE true
#endif
#ifdef NO_GIVE_FENCE
#define GIVE_FENCE false
#else
#define GIVE_FENCE true
#endif

inline publish_entry(what) /* ck_ring_enqueue_spsc_cell() */
{
    assert(!FULL(tail, position[C_HEAD], SLOTS)); /* L4 */
    store(WRITER, tail % SLOTS, what);
    tail = NEXT(tail);
    store_position(WRITER, P_TAIL, tail, STORE_FENCE)
}

inline publish() /* jzx__lane_publish(), when there is something */
{
    if
#ifdef NO_SET_ASIDE
    :: open_count == 1 && COUNT(tail, position[C_HEAD]) < SLOTS - SPARE -> /* single_fits() */
#else
    :: open_count == 1 && COUNT(tail, position[C_HEAD]) + BLOCKS < SLOTS - SPARE -> /* single_fits(), L4 */
#endif
        publish_entry(first);
        open_count = 0 /* the block stays open */
    :: else ->
        publish_entry(100 + 10 * open + open_count);
#ifndef KEEP_OPEN
        open = NONE;
#endif
        open_count = 0
    fi
}

inline write_one() /* what the sender puts in its cell */
{
    sent++;
    store(WRITER, AT_CELL + open * CELLS + open_count, sent);
    if
    :: open_count == 0 -> first = sent
    :: else
    fi;
    open_count++
}

proctype Writer()
{
    byte tail;  /* p_tail, of which it is the only writer */
    byte bhead; /* c_head of the way back */
    byte open = NONE;
    byte open_count;
    byte first; /* what is in cells[0] */
    byte free[BLOCKS];
    byte free_count;
    byte sent;
    byte count;

    d_step {
        do
        :: free_count < BLOCKS -> free[free_count] = free_count; free_count++
        :: else -> break
        od;
        skip
    };
    do
    :: sent < TOTAL -> /* jzx__lane_write() */
        if
        :: count = 1
        :: sent + 1 < TOTAL -> count = 2
        fi;
        if
        :: open == NONE || open_count + count > CELLS -> /* jzx__lane_write_next() */
            if
            :: open != NONE -> publish()
            :: else
            fi;
            if
            :: open == NONE -> /* take_free() */
                if
                :: free_count == 0 ->
                    position[B_TAIL] != bhead; /* the caller is refused, and comes again */
                    do
                    :: position[B_TAIL] != bhead -> /* ck_ring_dequeue_spsc() */
                        atomic {
                            assert(back[bhead % BACK_SLOTS] != 0);
                            free[free_count] = back[bhead % BACK_SLOTS] - 1;
                            back[bhead % BACK_SLOTS] = 0; /* so that one read twice is found out */
                            free_count++
                        };
                        bhead = NEXT(bhead);
                        store_position(WRITER, B_HEAD, bhead, true)
                    :: else -> break
                    od
                :: else
                fi;
                atomic {
                    free_count--;
                    open = free[free_count];
                    free[free_count] = 0;
                    open_count = 0
                }
            :: else
            fi
        :: else
        fi;
        write_one();
        if
        :: count == 2 -> write_one()
        :: else
        fi;
        count = 0
    :: open_count > 0 -> publish() /* flush_lane(), at any time */
    :: sent == TOTAL && open_count == 0 -> break
    od
}

/* ---- the reader ---- */

inline block_done(block) /* jzx__lane_block_done() */
{
    assert(!FULL(btail, position[B_HEAD], BACK_SLOTS)); /* L2 */
    store(READER, AT_BACK + btail % BACK_SLOTS, block + 1);
    btail = NEXT(btail);
    store_position(READER, B_TAIL, btail, GIVE_FENCE)
}

inline check(content_read) /* L1, L3 */
{
    assert(content_read == got + 1);
    got++
}

proctype Reader()
{
    byte head;  /* c_head */
    byte btail; /* p_tail of the way back */
    byte what;
    byte k;
    bit early;

end:
    do
    :: got < TOTAL -> /* jzx__lane_take(): ck_ring_dequeue_spsc_cell() */
#ifdef NO_LOAD_FENCE
        what = entry[head % SLOTS];
        early = 1;
#endif
end_empty:
        position[P_TAIL] != head;
        head = NEXT(head);
        if
        :: early -> store_position(READER, C_HEAD, head, true)
        :: !early -> /* in order */
            what = entry[(head + TURN - 1) % SLOTS];
            store_position(READER, C_HEAD, head, true)
        :: !early -> /* late */
            store_position(READER, C_HEAD, head, true);
            what = entry[(head + TURN - 1) % SLOTS]
        fi;
        if
        :: what < 100 -> check(what)
        :: else ->
            assert((what - 100) % 10 >= 1 && (what - 100) % 10 <= CELLS);
#ifdef LATE_READ
            block_done((what - 100) / 10);
#endif
            do
            :: k < (what - 100) % 10 ->
                check(cell[((what - 100) / 10) * CELLS + k]);
                k++
            :: else -> k = 0; break
            od;
#ifndef LATE_READ
            block_done((what - 100) / 10)
#endif
        fi;
        what = 0
    :: got == TOTAL -> break
    od
}

init
{
    atomic {
        run Writer();
        run Reader();
        run Buffer(WRITER);
        run Buffer(READER)
    };
    timeout; /* nothing moves any more */
    assert(got == TOTAL);
#ifdef REACHED
    assert(false)
#endif
}
