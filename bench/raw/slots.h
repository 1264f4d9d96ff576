/*
 * slots.h: the least one message at a time between two threads can cost in plain C: a slot of 64 bytes by value in a bare
 * ck_ring each way, polled.
 */
#ifndef RAW_SLOTS_H
#define RAW_SLOTS_H

#include "raw/cell.h"

#include <jzx/bench.h>

/* Handles one cell and fills the one that goes to the other thread. False when the cell was the last. */
typedef bool (*raw_slot_fn)(void *state, const raw_cell *cell, raw_cell *next);

/* Runs two threads that pass cells to and fro, on the first two CPUs of the run. The first begins with `start`. */
void raw_slots_run(jzx_bench *bench, raw_slot_fn handle, void *state, const raw_cell *start);

#endif
