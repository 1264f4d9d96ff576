/* slot: ids that are issued once, a table that grows by chunks, and what is left of an actor that has gone. */
#include "sched/slot.h"
#include "tests/support/support.h"

#include <stdlib.h>

typedef struct rig {
    test_memory memory;
    jzx_allocator allocator;
    jzx_segment_slot *public;
    jzx__slots slots;
} rig;

static void rig_open(rig *r, uint32_t actors_max)
{
    memset(r, 0, sizeof *r);
    r->allocator = test_memory_allocator(&r->memory);
    r->public = calloc((size_t)actors_max + JZX__SLOT_SPARE, sizeof *r->public);
    cr_assert_not_null(r->public);
    cr_assert_eq(jzx__slots_init(&r->slots, r->public, 5, actors_max, &r->allocator), JZX_OK);
}

static void rig_close(rig *r)
{
    jzx__slots_deinit(&r->slots);
    jzx__slots_deinit(&r->slots); /* twice is nothing */
    test_memory_assert_empty(&r->memory);
    free(r->public);
}

static jzx_actor_id take(rig *r)
{
    uint32_t index = JZX__SLOT_NONE;
    cr_assert_eq(jzx__slot_take(&r->slots, &index), JZX_OK);
    jzx_actor_id id = r->public[index].id;
    cr_assert_eq(jzx__id_index(id), index);
    cr_assert_eq(jzx__id_loop(id), 5);
    cr_assert_eq(r->public[index].state, JZX__STARTING);
    cr_assert_eq(jzx__slot_find(&r->slots, id), index);
    return id;
}

static void give(rig *r, jzx_actor_id id)
{
    jzx__slot_give(&r->slots, jzx__id_index(id));
    cr_assert_eq(jzx__slot_find(&r->slots, id), JZX__SLOT_NONE);
}

Test(slot, no_id_is_issued_twice_and_a_stale_one_finds_nothing, .timeout = 30)
{
    enum { LIVE = 200, ROUNDS = 20000 };
    rig r;
    rig_open(&r, LIVE);
    static jzx_actor_id live[LIVE];
    static jzx_actor_id gone[ROUNDS];
    uint32_t live_count = 0;
    uint32_t gone_count = 0;
    srand(3);
    for (int i = 0; i < ROUNDS; i++) {
        if (live_count < LIVE && (live_count == 0 || rand() % 2 == 0)) {
            live[live_count++] = take(&r);
        } else {
            uint32_t which = (uint32_t)rand() % live_count;
            gone[gone_count++] = live[which];
            give(&r, live[which]);
            live[which] = live[--live_count];
        }
        cr_assert_eq(r.slots.live, live_count);
    }
    for (uint32_t i = 0; i < gone_count; i++) {
        cr_assert_eq(jzx__slot_find(&r.slots, gone[i]), JZX__SLOT_NONE);
    }
    for (uint32_t i = 0; i < live_count; i++) {
        cr_assert_eq(jzx__slot_find(&r.slots, live[i]), jzx__id_index(live[i]));
    }
    rig_close(&r);
}

Test(slot, a_freed_index_waits_behind_all_others, .timeout = 10)
{
    rig r;
    rig_open(&r, 4);
    jzx_actor_id ids[4];
    for (int i = 0; i < 4; i++) {
        ids[i] = take(&r);
    }
    for (int i = 0; i < 4; i++) {
        give(&r, ids[3 - i]);
    }
    for (int i = 0; i < 4; i++) { /* first in, first out: a stale id stays stale as long as can be */
        cr_assert_eq(jzx__id_index(take(&r)), jzx__id_index(ids[3 - i]));
    }
    rig_close(&r);
}

Test(slot, actors_max_is_exact_and_an_error_leaves_the_index, .timeout = 10)
{
    rig r;
    rig_open(&r, 3);
    jzx_actor_id first = take(&r);
    (void)take(&r);
    (void)take(&r);
    uint32_t index = 123;
    cr_assert_eq(jzx__slot_take(&r.slots, &index), JZX_ERR_MAX_ACTORS);
    cr_assert_eq(index, 123);
    give(&r, first);
    cr_assert_neq(take(&r), first);
    rig_close(&r);
}

/* M20: driven to its last generation by hand, a slot is used once more and never again; a spare takes its place. */
Test(slot, M20_a_slot_at_its_last_generation_is_retired, .timeout = 30)
{
    rig r;
    rig_open(&r, 1);
    jzx_actor_id id = take(&r);
    give(&r, id);
    for (uint32_t used = 0; used < JZX__SLOT_SPARE; used++) {
        uint32_t index = jzx__id_index(id);
        jzx__slot_cold(&r.slots, index)->generation = UINT32_MAX - 1;
        jzx_actor_id last = take(&r);
        cr_assert_eq(jzx__id_index(last), index);
        cr_assert_eq((uint32_t)last, UINT32_MAX);
        give(&r, last);
        cr_assert_eq(r.public[index].state, JZX__RETIRED);
        id = take(&r);
        cr_assert_neq(jzx__id_index(id), index);
        cr_assert_eq((uint32_t)id, 1, "a generation of 0 would make an id that names nobody");
        give(&r, id);
    }
    uint32_t index = jzx__id_index(id);
    jzx__slot_cold(&r.slots, index)->generation = UINT32_MAX - 1;
    give(&r, take(&r));
    cr_assert_eq(jzx__slot_take(&r.slots, &index), JZX_ERR_MAX_ACTORS, "all are spent: refused, not reused");
    rig_close(&r);
}

Test(slot, M19_ids_nobody_has_find_nothing, .timeout = 10)
{
    rig r;
    rig_open(&r, 10);
    jzx_actor_id id = take(&r);
    const jzx_actor_id strangers[] = {0, UINT64_MAX, id + 1, id + (1ull << 32), id ^ (1ull << 56), id & ~0xFFFFFFFFull};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        cr_assert_eq(jzx__slot_find(&r.slots, strangers[i]), JZX__SLOT_NONE, "%llx", (unsigned long long)strangers[i]);
    }
    rig_close(&r);
}

Test(slot, a_chunk_that_cannot_be_had_is_no_memory_and_harms_nothing, .timeout = 30)
{
    rig r;
    rig_open(&r, 3 * JZX__SLOT_CHUNK);
    uint32_t failures = 0;
    for (uint32_t taken = 0; taken < 3 * JZX__SLOT_CHUNK;) {
        uint32_t index = 77;
        if (taken % JZX__SLOT_CHUNK == 0 && failures == taken / JZX__SLOT_CHUNK) {
            atomic_store(&r.memory.fail_at, atomic_load(&r.memory.calls) + 1);
            cr_assert_eq(jzx__slot_take(&r.slots, &index), JZX_ERR_NO_MEMORY);
            cr_assert_eq(index, 77);
            failures++;
            continue;
        }
        (void)take(&r);
        taken++;
    }
    cr_assert_eq(failures, 3);
    cr_assert_leq(atomic_load(&r.memory.live), jzx__slots_size(3 * JZX__SLOT_CHUNK));
    rig_close(&r);
}

Test(slot, set_up_is_all_or_nothing, .timeout = 10)
{
    for (uint64_t fail_at = 1; fail_at <= 2; fail_at++) {
        test_memory memory = {0};
        atomic_store(&memory.fail_at, fail_at);
        jzx_allocator allocator = test_memory_allocator(&memory);
        jzx__slots slots;
        jzx_segment_slot public;
        cr_assert_eq(jzx__slots_init(&slots, &public, 0, 8, &allocator), JZX_ERR_NO_MEMORY);
        test_memory_assert_empty(&memory);
    }
}

Test(slot, a_freed_slot_is_not_marked_full, .timeout = 10)
{
    rig r;
    rig_open(&r, 2);
    jzx_actor_id id = take(&r);
    atomic_store(&r.slots.full[jzx__id_index(id)], 1);
    give(&r, id);
    cr_assert_eq(atomic_load(&r.slots.full[jzx__id_index(id)]), 0);
    rig_close(&r);
}

Test(slot, marks_are_apart_for_every_cap, .timeout = 10)
{
    for (uint32_t cap = 1; cap <= 5000; cap++) {
        cr_assert_gt(jzx__slot_high_mark(cap), jzx__slot_low_mark(cap));
        cr_assert_leq(jzx__slot_high_mark(cap), cap);
        cr_assert_geq(jzx__slot_high_mark(cap), 1);
    }
    cr_assert_eq(jzx__slot_high_mark(1024), 768);
    cr_assert_eq(jzx__slot_low_mark(1024), 512);
}

Test(slot, urgent_cells_leave_in_the_order_they_came, .timeout = 10)
{
    jzx__hot hot;
    memset(&hot, 0, sizeof hot);
    jzx__cell cells[5];
    for (int round = 1; round <= 5; round++) {
        for (int i = 0; i < round; i++) {
            jzx__urgent_push(&hot, &cells[i]);
        }
        for (int i = 0; i < round; i++) {
            cr_assert_eq(jzx__urgent_pop(&hot), &cells[i]);
        }
        cr_assert_null(hot.urgent_last);
    }
}
