/* crowd.c: see crowd.h. In a file of its own, as a library is: no call of it is inlined into a bench. */
#include "raw/crowd.h"

#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

void raw_crowd_open(raw_crowd *crowd, uint32_t count, uint32_t cell_count)
{
    memset(crowd, 0, sizeof *crowd);
    crowd->member_count = count;
    crowd->members = bench_memory_take(count * sizeof *crowd->members);
    crowd->cells = bench_memory_take(cell_count * sizeof *crowd->cells);
    raw_run_queue_open(&crowd->run_queue, count);
    for (uint32_t i = 0; i < count; i++) {
        crowd->members[i].generation = 1;
    }
    for (uint32_t i = 0; i < cell_count; i++) {
        crowd->cells[i].next = (uintptr_t)crowd->free_cells;
        crowd->free_cells = &crowd->cells[i];
    }
}

void raw_crowd_close(raw_crowd *crowd)
{
    free(crowd->members);
    free(crowd->cells);
    raw_run_queue_close(&crowd->run_queue);
}

uint64_t raw_member_set(raw_crowd *crowd, uint32_t index, raw_member_fn behavior, void *state)
{
    raw_member *member = &crowd->members[index];
    member->behavior = behavior;
    member->state = state;
    return (uint64_t)member->generation << 32 | index;
}

static void push(raw_member *member, raw_cell *cell)
{
    cell->next = 0;
    if (member->first == NULL) {
        member->first = cell;
    } else {
        member->last->next = (uintptr_t)cell;
    }
    member->last = cell;
}

bool raw_crowd_send(raw_crowd *crowd, uint64_t to, const raw_cell *cell)
{
    uint32_t index = (uint32_t)to;
    raw_cell *place = crowd->free_cells;
    if (index >= crowd->member_count || place == NULL) {
        return false;
    }
    raw_member *member = &crowd->members[index];
    if (member->generation != (uint32_t)(to >> 32)) {
        return false;
    }
    crowd->free_cells = (raw_cell *)(uintptr_t)place->next;
    raw_cell_copy(place, cell);
    place->target = to;
    push(member, place);
    if (!member->queued) {
        member->queued = true;
        raw_run_queue_add(&crowd->run_queue, index);
    }
    return true;
}

static void run_member(raw_crowd *crowd, uint32_t index)
{
    raw_member *member = &crowd->members[index];
    for (uint32_t i = 0; i < RAW_BATCH && member->first != NULL; i++) {
        raw_cell *cell = member->first;
        member->first = (raw_cell *)(uintptr_t)cell->next;
        member->behavior(crowd, member->state, cell);
        cell->next = (uintptr_t)crowd->free_cells;
        crowd->free_cells = cell;
    }
    if (member->first != NULL) {
        raw_run_queue_add(&crowd->run_queue, index);
    } else {
        member->queued = false;
    }
}

void raw_crowd_run(raw_crowd *crowd)
{
    while (!crowd->stopped && !raw_run_queue_empty(&crowd->run_queue)) {
        run_member(crowd, raw_run_queue_take(&crowd->run_queue));
    }
}
