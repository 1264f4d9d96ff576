#include "sched/table.h"

#include <string.h>

enum { WEAR = 256 };

/* The word of a free record. Its index part is the next free one's, so never its own: no number matches it. */
static uint64_t free_word(uint32_t next, uint32_t generation)
{
    return 0xFFull << 56 | (uint64_t)next << 32 | generation;
}

static size_t chunk_size(size_t record_size)
{
    return JZX__TABLE_CHUNK * record_size;
}

static uint32_t chunks_max(uint32_t records_max)
{
    return (records_max + JZX__TABLE_CHUNK - 1) / JZX__TABLE_CHUNK;
}

size_t jzx__table_size(size_t record_size, uint32_t records_max)
{
    return chunks_max(records_max) * (sizeof(void *) + chunk_size(record_size));
}

jzx_err jzx__table_init(jzx__table *table, size_t record_size, size_t number_at, uint32_t records_max,
                        const jzx_allocator *allocator)
{
    JZX_ASSERT(record_size % JZX__CACHE_LINE == 0 && records_max < JZX__TABLE_NONE);
    memset(table, 0, sizeof *table);
    table->record_size = record_size;
    table->number_at = number_at;
    table->free_first = JZX__TABLE_NONE;
    table->records_max = records_max;
    table->allocator = allocator;
    table->chunks = allocator->alloc(allocator->context, chunks_max(records_max) * sizeof(void *), _Alignof(void *));
    if (table->chunks == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(table->chunks, 0, chunks_max(records_max) * sizeof(void *));
    return JZX_OK;
}

void jzx__table_deinit(jzx__table *table)
{
    const jzx_allocator *allocator = table->allocator;
    if (table->chunks == NULL) {
        return;
    }
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        allocator->free(allocator->context, table->chunks[i], chunk_size(table->record_size), JZX__CACHE_LINE);
    }
    allocator->free(allocator->context, table->chunks, chunks_max(table->records_max) * sizeof(void *),
                    _Alignof(void *));
    table->chunks = NULL;
}

static jzx_err grow(jzx__table *table)
{
    size_t size = chunk_size(table->record_size);
    char *chunk = table->allocator->alloc(table->allocator->context, size, JZX__CACHE_LINE);
    if (chunk == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; table->kept != 0 && i < JZX__TABLE_CHUNK; i++) {
        memset(chunk + (i + 1) * table->record_size - table->kept, 0, table->kept);
    }
    /* Release: pairs with the acquire in jzx__table_peek(). */
    __atomic_store_n(&table->chunks[table->chunk_count++], chunk, __ATOMIC_RELEASE);
    return JZX_OK;
}

/* An index, and the generation it had before. */
static jzx_err take_index(jzx__table *table, uint32_t *index, uint32_t *generation)
{
    if (table->free_first != JZX__TABLE_NONE) {
        *index = table->free_first;
        uint64_t word = *jzx__table_number(table, jzx__table_at(table, *index));
        *generation = (uint32_t)word;
        table->free_first = jzx__number_index(word);
        JZX_ASSERT(word == free_word(table->free_first, *generation));
        return JZX_OK;
    }
    if (table->fresh == table->records_max) {
        return JZX_ERR_LIMIT;
    }
    if (table->fresh == table->chunk_count * JZX__TABLE_CHUNK) {
        jzx_err err = grow(table);
        if (err != JZX_OK) {
            return err;
        }
    }
    *index = table->fresh++;
    *generation = 0;
    return JZX_OK;
}

jzx_err jzx__table_take(jzx__table *table, void **record, uint64_t *number)
{
    uint32_t index;
    uint32_t generation;
    jzx_err err = take_index(table, &index, &generation);
    if (err != JZX_OK) {
        return err;
    }
    table->used++;
    *record = jzx__table_at(table, index);
    *number = (uint64_t)index << 32 | (generation + 1);
    memset(*record, 0, table->record_size - table->kept);
    *jzx__table_number(table, *record) = *number;
    return JZX_OK;
}

static void push_first(jzx__table *table, uint32_t index, uint64_t *word)
{
    *word = free_word(table->free_first, (uint32_t)*word);
    if (table->free_first == JZX__TABLE_NONE) {
        table->free_last = index;
    }
    table->free_first = index;
}

static void push_last(jzx__table *table, uint32_t index, uint64_t *word)
{
    *word = free_word(JZX__TABLE_NONE, (uint32_t)*word);
    if (table->free_first == JZX__TABLE_NONE) {
        table->free_first = index;
    } else {
        uint64_t *last = jzx__table_number(table, jzx__table_at(table, table->free_last));
        *last = free_word(index, (uint32_t)*last);
    }
    table->free_last = index;
}

void jzx__table_give(jzx__table *table, uint64_t number)
{
    uint32_t index = jzx__number_index(number);
    uint32_t generation = (uint32_t)number;
    void *record = jzx__table_find(table, number);
    JZX_ASSERT(record != NULL); /* T2 */
    uint64_t *word = jzx__table_number(table, record);
    table->used--;
    if (generation == UINT32_MAX) {
        *word = free_word(JZX__TABLE_NONE, generation); /* T1: retired */
    } else if (generation % WEAR == 0) {
        push_last(table, index, word);
    } else {
        push_first(table, index, word);
    }
}
