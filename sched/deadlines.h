/*
 * deadlines: what a loop must do at which time. A 4-ary heap; each node knows its place, so any can be taken out.
 *
 * Owner thread only.
 *
 * Invariants
 *   H1  No entry is due before its parent; equal times leave in the order they were added (`seq`).
 *   H2  entries[node->place - 1].node == node for every node in the heap; a node outside has place 0.
 *   H3  The heap never holds more than `max` entries: who adds has counted its own against a limit.
 */
#ifndef JZX__DEADLINES_H
#define JZX__DEADLINES_H

#include "io/base.h"
#include <jzx/runtime.h>

typedef enum jzx__deadline_kind {
    JZX__DEADLINE_TIMER,
    JZX__DEADLINE_REQUEST,
    JZX__DEADLINE_SOCKET,
    JZX__DEADLINE_CHILD,
    JZX__DEADLINE_SHIELD,
} jzx__deadline_kind;

typedef struct jzx__deadline {
    uint32_t place; /* index + 1 in the heap, 0 outside */
    uint32_t seq;
    uint8_t kind;
    uint8_t missed; /* a timer's jzx_missed_ticks: it fits nowhere else */
} jzx__deadline;

typedef struct jzx__deadline_entry {
    uint64_t due_ns;
    jzx__deadline *node;
} jzx__deadline_entry;

typedef struct jzx__deadlines {
    jzx__deadline_entry *entries;
    uint32_t count;
    uint32_t max;
    uint32_t seq;
} jzx__deadlines;

void jzx__deadlines_add(jzx__deadlines *deadlines, jzx__deadline *node, uint64_t due_ns);
void jzx__deadlines_remove(jzx__deadlines *deadlines, jzx__deadline *node);
/* The first node if it is due at `now_ns`, taken out, with its time; else NULL. */
jzx__deadline *jzx__deadlines_pop_due(jzx__deadlines *deadlines, uint64_t now_ns, uint64_t *due_ns);

static inline bool jzx__deadline_set(const jzx__deadline *node)
{
    return node->place != 0;
}

static inline uint64_t jzx__deadlines_next_ns(const jzx__deadlines *deadlines)
{
    return deadlines->count == 0 ? JZX_FOREVER : deadlines->entries[0].due_ns;
}

#endif
