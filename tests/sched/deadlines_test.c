/* deadlines: order, removal anywhere, ties in the order of adding. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "sched/deadlines.h"

enum { NODES = 5000 };

static jzx__deadline_entry entries[NODES];
static jzx__deadline nodes[NODES];
static uint64_t due[NODES];

static void fill(jzx__deadlines *heap, unsigned seed, uint64_t spread)
{
    *heap = (jzx__deadlines){.entries = entries, .max = NODES};
    srand(seed);
    for (int i = 0; i < NODES; i++) {
        nodes[i] = (jzx__deadline){0};
        due[i] = (uint64_t)rand() % spread;
        jzx__deadlines_add(heap, &nodes[i], due[i]);
    }
}

Test(deadlines, leave_in_due_order_and_ties_in_order_added, .timeout = 20)
{
    jzx__deadlines heap;
    for (unsigned seed = 1; seed <= 20; seed++) {
        fill(&heap, seed, 1000);
        uint64_t last_due = 0;
        ptrdiff_t last = -1;
        for (int i = 0; i < NODES; i++) {
            uint64_t at;
            jzx__deadline *node = jzx__deadlines_pop_due(&heap, 1000, &at);
            cr_assert_not_null(node);
            cr_assert_geq(at, last_due, "seed %u", seed);
            cr_assert(at > last_due || node - nodes > last, "seed %u: a tie left out of order", seed);
            cr_assert_eq(at, due[node - nodes]);
            last_due = at;
            last = node - nodes;
        }
        cr_assert_eq(heap.count, 0);
    }
}

Test(deadlines, any_node_can_be_removed, .timeout = 20)
{
    jzx__deadlines heap;
    fill(&heap, 7, 100000);
    bool gone[NODES] = {0};
    for (int i = 0; i < NODES / 2; i++) {
        int which = rand() % NODES;
        if (!gone[which]) {
            jzx__deadlines_remove(&heap, &nodes[which]);
            cr_assert_eq(nodes[which].place, 0);
            gone[which] = true;
        }
    }
    uint64_t at;
    uint64_t last_due = 0;
    jzx__deadline *node;
    while ((node = jzx__deadlines_pop_due(&heap, UINT64_MAX, &at)) != NULL) {
        cr_assert(!gone[node - nodes]);
        gone[node - nodes] = true;
        cr_assert_geq(at, last_due);
        last_due = at;
    }
    for (int i = 0; i < NODES; i++) {
        cr_assert(gone[i]);
    }
}

Test(deadlines, nothing_leaves_early, .timeout = 20)
{
    jzx__deadlines heap;
    fill(&heap, 3, 1000);
    uint64_t at;
    uint64_t next = jzx__deadlines_next_ns(&heap);
    cr_assert(next == 0 || jzx__deadlines_pop_due(&heap, next - 1, &at) == NULL);
    cr_assert_not_null(jzx__deadlines_pop_due(&heap, next, &at));
}
