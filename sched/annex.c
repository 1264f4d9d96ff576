#include "sched/annex.h"

jzx_err jzx__annex_make(jzx_loop *loop, uint32_t index, jzx__annex **annex)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    if (cold->annex == 0) {
        void *record;
        uint64_t number;
        jzx_err err = jzx__table_take(&loop->annexes, &record, &number);
        if (err != JZX_OK) {
            return err;
        }
        jzx__annex *made = record;
        made->owner = index;
        made->high_turn.cell.kind = JZX__CELL_HIGH_TURN;
        made->high_turn.cell.flags = JZX__FLAG_EMBEDDED;
        cold->annex = jzx__number_index(number) + 1; /* X1 */
    }
    *annex = jzx__annex_of(loop, index);
    return JZX_OK;
}

void jzx__annex_let_go(jzx_loop *loop, uint32_t index)
{
    jzx__annex *annex = jzx__annex_of(loop, index);
    JZX_ASSERT(annex->owner == index && annex->waiter == NULL);
    JZX_ASSERT(annex->high.first == NULL && annex->stash.first == NULL && !annex->high_turn.listed); /* X2 */
    JZX_ASSERT(annex->progress_of == NULL);
    jzx__shield_let_go(loop, annex);
    jzx__table_give(&loop->annexes, annex->number);
    jzx__slot_cold(&loop->slots, index)->annex = 0;
}
