/* due: see due.h. */
#include "sim/due.h"

#include <stdlib.h>

void jzx__sim_dues_deinit(jzx__sim_dues *dues)
{
    free(dues->items);
}

static bool before(const jzx__sim_due *a, const jzx__sim_due *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

static void put(jzx__sim_dues *dues, uint32_t place, jzx__sim_due *due)
{
    dues->items[place - 1] = due;
    due->place = place; /* U1 */
}

static void rise(jzx__sim_dues *dues, uint32_t place, jzx__sim_due *due)
{
    while (place > 1 && before(due, dues->items[place / 2 - 1])) {
        put(dues, place, dues->items[place / 2 - 1]);
        place /= 2;
    }
    put(dues, place, due);
}

static void sink(jzx__sim_dues *dues, uint32_t place, jzx__sim_due *due)
{
    while (2 * place <= dues->count) {
        uint32_t child = 2 * place;
        if (child < dues->count && before(dues->items[child], dues->items[child - 1])) {
            child++;
        }
        if (!before(dues->items[child - 1], due)) {
            break;
        }
        put(dues, place, dues->items[child - 1]);
        place = child;
    }
    put(dues, place, due);
}

void jzx__sim_due_add(jzx__sim_dues *dues, jzx__sim_due *due, uint64_t at_ns)
{
    JZX_ASSERT(due->place == 0 && due->happens != NULL);
    due->at_ns = at_ns;
    due->order = dues->added++;
    dues->items = jzx__sim_own_grow(dues->items, &dues->room, dues->count, sizeof *dues->items);
    rise(dues, ++dues->count, due);
}

void jzx__sim_due_remove(jzx__sim_dues *dues, jzx__sim_due *due)
{
    uint32_t place = due->place;
    if (place == 0) {
        return;
    }
    JZX_ASSERT(dues->items[place - 1] == due);
    jzx__sim_due *last = dues->items[--dues->count];
    due->place = 0;
    if (last != due) {
        sink(dues, place, last);
        rise(dues, last->place, last);
    }
}

jzx__sim_due *jzx__sim_due_first(const jzx__sim_dues *dues)
{
    return dues->count == 0 ? NULL : dues->items[0];
}
