/* slots.c: see slots.h. */
#include "raw/slots.h"

#include "support/check.h"
#include "support/memory.h"
#include "support/pair.h"

#include <ck_pr.h>
#include <ck_ring.h>
#include <stdlib.h>

CK_RING_PROTOTYPE(slot, raw_cell)

enum { SLOTS = 64, TAG_END = 0 };

struct slots {
    ck_ring_t there __attribute__((aligned(128)));
    ck_ring_t back __attribute__((aligned(128)));
    raw_cell there_slots[SLOTS] __attribute__((aligned(128)));
    raw_cell back_slots[SLOTS] __attribute__((aligned(128)));
    raw_slot_fn handle __attribute__((aligned(128)));
    void *state;
    const raw_cell *start;
};

static void take_slot(ck_ring_t *ring, raw_cell *slots, raw_cell *cell)
{
    while (!ck_ring_dequeue_spsc_slot(ring, slots, cell)) {
        ck_pr_stall();
    }
}

static void put_slot(ck_ring_t *ring, raw_cell *slots, raw_cell *cell)
{
    BENCH_CHECK(ck_ring_enqueue_spsc_slot(ring, slots, cell), "the ring is full");
}

/* The thread that handles the last cell tells the other by an empty one, which ends it too. */
static raw_cell end = {.tag = TAG_END};

static void run_first(void *context)
{
    struct slots *slots = context;
    raw_cell cell = *slots->start;
    raw_cell next;
    while (cell.tag != TAG_END && slots->handle(slots->state, &cell, &next)) {
        put_slot(&slots->there, slots->there_slots, &next);
        take_slot(&slots->back, slots->back_slots, &cell);
    }
    put_slot(&slots->there, slots->there_slots, &end);
}

static void run_second(void *context)
{
    struct slots *slots = context;
    raw_cell cell;
    raw_cell next;
    take_slot(&slots->there, slots->there_slots, &cell);
    while (cell.tag != TAG_END && slots->handle(slots->state, &cell, &next)) {
        put_slot(&slots->back, slots->back_slots, &next);
        take_slot(&slots->there, slots->there_slots, &cell);
    }
    put_slot(&slots->back, slots->back_slots, &end);
}

void raw_slots_run(jzx_bench *bench, raw_slot_fn handle, void *state, const raw_cell *start)
{
    struct slots *slots = bench_memory_take(sizeof *slots);
    slots->handle = handle;
    slots->state = state;
    slots->start = start;
    ck_ring_init(&slots->there, SLOTS);
    ck_ring_init(&slots->back, SLOTS);
    pair_run(bench, run_first, run_second, slots);
    free(slots);
}
