#include "sched/deadlines.h"

enum { ARITY = 4 };

static bool before(const jzx__deadline_entry *a, const jzx__deadline_entry *b)
{
    if (a->due_ns != b->due_ns) {
        return a->due_ns < b->due_ns;
    }
    return (int32_t)(a->node->seq - b->node->seq) < 0; /* H1: the sequence may wrap */
}

static void put(jzx__deadlines *deadlines, uint32_t index, jzx__deadline_entry entry)
{
    deadlines->entries[index] = entry;
    entry.node->place = index + 1; /* H2 */
}

static void sift_up(jzx__deadlines *deadlines, uint32_t index, jzx__deadline_entry entry)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / ARITY;
        if (!before(&entry, &deadlines->entries[parent])) {
            break;
        }
        put(deadlines, index, deadlines->entries[parent]);
        index = parent;
    }
    put(deadlines, index, entry);
}

static void sift_down(jzx__deadlines *deadlines, uint32_t index, jzx__deadline_entry entry)
{
    for (;;) {
        uint32_t first = index * ARITY + 1;
        if (first >= deadlines->count) {
            break;
        }
        uint32_t children = deadlines->count - first < ARITY ? deadlines->count - first : ARITY;
        const jzx__deadline_entry *least = &deadlines->entries[first];
        const jzx__deadline_entry *end = least + children;
        for (const jzx__deadline_entry *child = least + 1; child < end; child++) {
            least = before(child, least) ? child : least;
        }
        if (!before(least, &entry)) {
            break;
        }
        put(deadlines, index, *least);
        index = (uint32_t)(least - deadlines->entries);
    }
    put(deadlines, index, entry);
}

void jzx__deadlines_add(jzx__deadlines *deadlines, jzx__deadline *node, uint64_t due_ns)
{
    JZX_ASSERT(node->place == 0);
    JZX_ASSERT(deadlines->count < deadlines->max); /* H3 */
    node->seq = deadlines->seq++;
    sift_up(deadlines, deadlines->count++, (jzx__deadline_entry){due_ns, node});
}

void jzx__deadlines_remove(jzx__deadlines *deadlines, jzx__deadline *node)
{
    JZX_ASSERT(node->place != 0);
    uint32_t index = node->place - 1;
    JZX_ASSERT(deadlines->entries[index].node == node); /* H2 */
    node->place = 0;
    jzx__deadline_entry last = deadlines->entries[--deadlines->count];
    if (last.node == node) {
        return;
    }
    if (index > 0 && before(&last, &deadlines->entries[(index - 1) / ARITY])) {
        sift_up(deadlines, index, last);
    } else {
        sift_down(deadlines, index, last);
    }
}

jzx__deadline *jzx__deadlines_pop_due(jzx__deadlines *deadlines, uint64_t now_ns, uint64_t *due_ns)
{
    if (deadlines->count == 0 || deadlines->entries[0].due_ns > now_ns) {
        return NULL;
    }
    jzx__deadline *node = deadlines->entries[0].node;
    *due_ns = deadlines->entries[0].due_ns;
    jzx__deadlines_remove(deadlines, node);
    return node;
}
