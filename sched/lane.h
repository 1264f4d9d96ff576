/*
 * lane: what one loop says to one other.
 *
 * Each ordered pair of loops has its own lane, so a lane has one writer and one reader for life, and the SPSC operations
 * of ck_ring suffice: wait-free, no compare-and-swap. The ring's entries are cells by value; an entry is either one cell
 * or names a block of up to 63. Blocks are written in place, belong to the lane and go back over a second ring.
 *
 *   writer   the thread of loop `from`: everything but the reader's
 *   reader   the thread of loop `to`: jzx__lane_take(), jzx__lane_block_done(), jzx__lane_empty(), jzx__lane_held()
 *   neither  jzx__lane_init(), jzx__lane_deinit(): before the threads start, after they have left
 *
 * Invariants
 *   L1  A cell's content has one owner: the writer until publish, then the lane, then the reader.
 *   L2  Every block is at one place: the open one, the free ones, the ring, the reader's hand, or the way back.
 *   L3  Cells leave in the order they entered: the open block is published before the overflow grows past it, and
 *       nothing overtakes the overflow.
 *   L4  An entry is set aside for each block that is not in the ring, so publishing a block never fails.
 *   L5  No wake-up is lost: each publication is followed by an exchange of the reader's `parked` (park.c).
 *   L6  The overflow holds signals and answers only; mail is refused while it is not empty.
 */
#ifndef JZX__LANE_H
#define JZX__LANE_H

#include <ck_ring.h>

#include "sched/fanout.h"

enum { JZX__BLOCK_CELLS = 63, JZX__WRITE_AHEAD = 16 };

typedef struct jzx__block {
    _Alignas(JZX__CACHE_LINE) struct jzx__block *next_free;
    jzx__cell cells[JZX__BLOCK_CELLS];
} jzx__block;
_Static_assert(sizeof(jzx__block) == 4096, "a block is a page");

struct jzx__lane {
    /* Set once. */
    jzx__cell *entries;
    ck_ring_buffer_t *returns;
    jzx__block *blocks;
    uint32_t block_count;
    uint32_t ring_size;
    uint32_t from;
    uint32_t to;
    const jzx_allocator *allocator;

    /* Writer. */
    _Alignas(JZX__CACHE_LINE) jzx__block *open;
    uint32_t open_count;
    jzx__block *free;
    uint32_t free_count;
    jzx__queue overflow;
    jzx__list waiters;  /* resume records that wait for room here */
    uint64_t opened_ns; /* when the oldest cell of the open block was written */
    uint64_t cells_published;
    jzx__list dirty; /* in the loop's list while something waits to be published */
    jzx__list opens; /* flows opened there and not yet answered, in their order */
    jzx__cell lost;  /* refuses flows opened from there for which there is no record (flow.c, F4) */
    bool losing;     /* it is in the overflow */

    /* Shared, each word with one writer. */
    _Alignas(JZX__CACHE_LINE) ck_ring_t ring;
    _Alignas(JZX__CACHE_LINE) ck_ring_t back;

    /* Reader. */
    _Alignas(JZX__CACHE_LINE) uint64_t cells_taken;
    bool gave;           /* room has been given back that the writer may wait for */
    uint32_t deliveries; /* that broadcasts still may make in turn `fanned_in` */
    uint64_t fanned_in;
    jzx__fanout fanout;     /* in hand while its node is in a list; then nothing more is taken */
    jzx__cell *rest;        /* cells taken behind it, */
    uint32_t rest_count;    /* so many, */
    jzx__block *rest_block; /* of this block; NULL: there is none */
};

jzx_err jzx__lane_init(jzx__lane *lane, uint32_t from, uint32_t to, uint32_t block_count,
                       const jzx_allocator *allocator);
void jzx__lane_deinit(jzx__lane *lane);
size_t jzx__lane_size(uint32_t block_count);
/* Cells that a lane of so many blocks can hold at most. */
uint32_t jzx__lane_capacity(uint32_t block_count);

/*
 * Writer: room for `count` (1 or 2) cells in a row, or NULL: in the open block, and if that has none in the next. Looks past
 * the overflow: mail first asks jzx__lane_blocked(). The open block is published before the next is begun; *published then
 * says that the reader must be rung.
 */
jzx__cell *jzx__lane_write_next(jzx__lane *lane, uint32_t count, bool *published);
static inline jzx__cell *jzx__lane_write(jzx__lane *lane, uint32_t count)
{
    if (jzx__unlikely(lane->open == NULL || lane->open_count + count > JZX__BLOCK_CELLS)) {
        return NULL;
    }
    jzx__cell *cell = &lane->open->cells[lane->open_count];
    /* The line is still the reader's: ask for it while those before are written. */
    jzx__prefetch_write(cell + JZX__WRITE_AHEAD);
    lane->open_count += count;
    return cell;
}
bool jzx__lane_has_room(jzx__lane *lane);
/* Writer: publishes what is in the open block. True if there was anything. */
bool jzx__lane_publish(jzx__lane *lane);
static inline bool jzx__lane_blocked(const jzx__lane *lane)
{
    return lane->overflow.first != NULL;
}

/*
 * Reader: the next run of cells. `single` is filled if the entry is one cell; else *cells points into a block that is the
 * reader's until jzx__lane_block_done(). Returns how many, 0 if the lane is empty.
 */
uint32_t jzx__lane_take(jzx__lane *lane, jzx__cell *single, jzx__cell **cells, jzx__block **block);
void jzx__lane_block_done(jzx__lane *lane, jzx__block *block);
/* Reader: is a broadcast in hand, that must be finished before more is taken (fanout.h)? */
static inline bool jzx__lane_held(const jzx__lane *lane)
{
    return !jzx__list_empty(&lane->fanout.node);
}
static inline bool jzx__lane_empty(const jzx__lane *lane)
{
    return ck_ring_size(&lane->ring) == 0;
}
/* Writer: has the reader given something back that was not looked at yet? */
static inline bool jzx__lane_returned(const jzx__lane *lane)
{
    return ck_ring_size(&lane->back) != 0;
}

#endif
