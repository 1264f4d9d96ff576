/* table: records by number; a number is never given twice, a stale one finds nothing, chunks come as they are needed. */
#include "sched/table.h"
#include "tests/support/support.h"

#include <stdlib.h>

typedef struct record {
    uint64_t number;
    uint64_t fill[7]; /* one cache line, as the table asks */
} record;

enum { RECORDS = 1000, CHUNKS = (RECORDS + JZX__TABLE_CHUNK - 1) / JZX__TABLE_CHUNK };

static void make(jzx__table *table, test_memory *memory, jzx_allocator *allocator)
{
    *allocator = test_memory_allocator(memory);
    cr_assert_eq(jzx__table_init(table, sizeof(record), offsetof(record, number), RECORDS, allocator), JZX_OK);
}

static record *take(jzx__table *table)
{
    void *taken;
    uint64_t number;
    cr_assert_eq(jzx__table_take(table, &taken, &number), JZX_OK);
    record *r = taken;
    cr_assert_eq(r->fill[0] | r->fill[6], 0, "a record starts as zeroes");
    cr_assert_eq(r->number, number);
    r->fill[0] = r->fill[6] = ~number;
    return r;
}

Test(table, a_stale_number_finds_nothing_and_a_live_one_its_record, .timeout = 30)
{
    test_memory memory = {0};
    jzx_allocator allocator;
    jzx__table table;
    make(&table, &memory, &allocator);
    static uint64_t live[RECORDS];
    static uint64_t gone[20000];
    uint32_t live_count = 0;
    uint32_t gone_count = 0;
    srand(4711);
    for (int i = 0; i < 20000; i++) {
        if (live_count < RECORDS && (live_count == 0 || rand() % 100 < 52)) {
            live[live_count++] = take(&table)->number;
        } else {
            uint32_t which = (uint32_t)rand() % live_count;
            jzx__table_give(&table, live[which]);
            gone[gone_count++] = live[which];
            live[which] = live[--live_count];
        }
        cr_assert_eq(table.used, live_count);
    }
    for (uint32_t i = 0; i < live_count; i++) {
        const record *r = jzx__table_find(&table, live[i]);
        cr_assert(r != NULL && r->number == live[i] && r->fill[6] == ~live[i]);
    }
    for (uint32_t i = 0; i < gone_count; i++) {
        cr_assert_null(jzx__table_find(&table, gone[i]));
    }
    jzx__table_deinit(&table);
    test_memory_assert_empty(&memory);
}

Test(table, the_maximum_is_exact, .timeout = 10)
{
    test_memory memory = {0};
    jzx_allocator allocator;
    jzx__table table;
    make(&table, &memory, &allocator);
    uint64_t last = 0;
    for (int i = 0; i < RECORDS; i++) {
        last = take(&table)->number;
    }
    void *taken = &table;
    uint64_t number = 77;
    cr_assert_eq(jzx__table_take(&table, &taken, &number), JZX_ERR_LIMIT);
    cr_assert(taken == &table && number == 77, "an error leaves what was there");
    cr_assert_leq(atomic_load(&memory.live), jzx__table_size(sizeof(record), RECORDS));
    jzx__table_give(&table, last);
    cr_assert_neq(take(&table)->number, last);
    jzx__table_deinit(&table);
    test_memory_assert_empty(&memory);
}

/* M20: driven to its last generation by hand, the record is used once more and never again. */
Test(table, M20_a_record_at_its_last_generation_is_retired, .timeout = 10)
{
    test_memory memory = {0};
    jzx_allocator allocator = test_memory_allocator(&memory);
    jzx__table table;
    cr_assert_eq(jzx__table_init(&table, sizeof(record), offsetof(record, number), 2, &allocator), JZX_OK);
    uint64_t a = take(&table)->number;
    uint64_t b = take(&table)->number;
    jzx__table_give(&table, b);
    jzx__table_give(&table, a);
    uint64_t *word = jzx__table_number(&table, jzx__table_at(&table, jzx__number_index(a)));
    *word = (*word & ~(uint64_t)UINT32_MAX) | (UINT32_MAX - 1);
    uint64_t last = take(&table)->number;
    cr_assert_eq(jzx__number_index(last), jzx__number_index(a));
    cr_assert_eq((uint32_t)last, UINT32_MAX);
    jzx__table_give(&table, last);
    cr_assert_null(jzx__table_find(&table, last));
    for (int i = 0; i < 10; i++) {
        uint64_t other = take(&table)->number;
        cr_assert_eq(jzx__number_index(other), jzx__number_index(b), "the retired one does not come back");
        jzx__table_give(&table, other);
    }
    void *taken;
    uint64_t number;
    (void)take(&table);
    cr_assert_eq(jzx__table_take(&table, &taken, &number), JZX_ERR_LIMIT);
    jzx__table_deinit(&table);
    test_memory_assert_empty(&memory);
}

/* D09: what is found stays where it is while the table grows, also inside of a call made with it. */
Test(table, D09_a_record_never_moves, .timeout = 10)
{
    test_memory memory = {0};
    jzx_allocator allocator;
    jzx__table table;
    make(&table, &memory, &allocator);
    const record *first = take(&table);
    for (int i = 1; i < RECORDS; i++) {
        (void)take(&table);
        cr_assert_eq(jzx__table_find(&table, first->number), first);
    }
    cr_assert_gt(table.chunk_count, 1);
    jzx__table_deinit(&table);
    test_memory_assert_empty(&memory);
}

/* The last one given back is the first one used, but not for ever: the generations are spent over all records. */
Test(table, records_wear_evenly, .timeout = 10)
{
    test_memory memory = {0};
    jzx_allocator allocator;
    jzx__table table;
    make(&table, &memory, &allocator);
    uint64_t numbers[8];
    for (int i = 0; i < 8; i++) {
        numbers[i] = take(&table)->number;
    }
    for (int i = 0; i < 8; i++) {
        jzx__table_give(&table, numbers[i]);
    }
    uint32_t uses[8] = {0};
    for (int i = 0; i < 8 * 1024; i++) {
        uint64_t number = take(&table)->number;
        uses[jzx__number_index(number)]++;
        jzx__table_give(&table, number);
    }
    for (int i = 0; i < 8; i++) {
        cr_assert(uses[i] >= 1024 - 256 && uses[i] <= 1024 + 256, "record %d was used %u times", i, uses[i]);
    }
    jzx__table_deinit(&table);
    test_memory_assert_empty(&memory);
}

Test(table, a_chunk_that_cannot_be_had_is_no_memory_and_harms_nothing, .timeout = 10)
{
    for (uint64_t fail_at = 1; fail_at <= CHUNKS + 1; fail_at++) {
        test_memory memory = {0};
        jzx_allocator allocator = test_memory_allocator(&memory);
        atomic_store(&memory.fail_at, fail_at);
        jzx__table table;
        jzx_err err = jzx__table_init(&table, sizeof(record), offsetof(record, number), RECORDS, &allocator);
        if (fail_at == 1) {
            cr_assert_eq(err, JZX_ERR_NO_MEMORY);
            test_memory_assert_empty(&memory);
            continue;
        }
        cr_assert_eq(err, JZX_OK);
        uint32_t taken_count = 0;
        uint32_t failures = 0;
        while (taken_count < RECORDS) {
            void *taken;
            uint64_t number;
            err = jzx__table_take(&table, &taken, &number);
            if (err == JZX_OK) {
                taken_count++;
                continue;
            }
            cr_assert_eq(err, JZX_ERR_NO_MEMORY);
            failures++;
        }
        cr_assert_eq(failures, 1, "the next attempt has its chunk");
        cr_assert_eq(table.used, RECORDS);
        jzx__table_deinit(&table);
        test_memory_assert_empty(&memory);
    }
}

Test(table, numbers_that_were_never_given_find_nothing, .timeout = 10)
{
    test_memory memory = {0};
    jzx_allocator allocator;
    jzx__table table;
    make(&table, &memory, &allocator);
    cr_assert_null(jzx__table_find(&table, 0));
    cr_assert_null(jzx__table_find(&table, UINT64_MAX));
    uint64_t number = take(&table)->number;
    cr_assert_neq(number, 0);
    cr_assert_null(jzx__table_find(&table, number + 1));
    cr_assert_null(jzx__table_find(&table, number + (1ull << 32)));
    cr_assert_null(jzx__table_find(&table, number & ~0xFFFFFFFFull), "generation 0 is nobody's");
    jzx__table_deinit(&table);
    test_memory_assert_empty(&memory);
}
