#include "sched/table.h"

#include <string.h>

static size_t chunk_size(size_t record_size)
{
    return JZX__TABLE_CHUNK * (record_size + sizeof(jzx__table_entry));
}

static uint32_t chunks_max(uint32_t records_max)
{
    return (records_max + JZX__TABLE_CHUNK - 1) / JZX__TABLE_CHUNK;
}

size_t jzx__table_size(size_t record_size, uint32_t records_max)
{
    return chunks_max(records_max) * (sizeof(void *) + chunk_size(record_size));
}

jzx_err jzx__table_init(jzx__table *table, size_t record_size, uint32_t records_max, const jzx_allocator *allocator)
{
    JZX_ASSERT(record_size % JZX__CACHE_LINE == 0);
    memset(table, 0, sizeof *table);
    table->record_size = record_size;
    table->records_max = records_max;
    table->allocator = allocator;
    table->chunks = allocator->alloc(allocator->context, chunks_max(records_max) * sizeof(void *), _Alignof(void *));
    return table->chunks == NULL ? JZX_ERR_NO_MEMORY : JZX_OK;
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
    memset(chunk + JZX__TABLE_CHUNK * table->record_size, 0, JZX__TABLE_CHUNK * sizeof(jzx__table_entry));
    table->chunks[table->chunk_count++] = chunk;
    return JZX_OK;
}

static jzx_err take_index(jzx__table *table, uint32_t *index)
{
    if (table->free_first != 0) {
        *index = table->free_first - 1;
        table->free_first = jzx__table_entry_at(table, *index)->next_free;
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
    return JZX_OK;
}

jzx_err jzx__table_take(jzx__table *table, void **record, uint64_t *number)
{
    uint32_t index;
    jzx_err err = take_index(table, &index);
    if (err != JZX_OK) {
        return err;
    }
    jzx__table_entry *entry = jzx__table_entry_at(table, index);
    JZX_ASSERT(!entry->used);
    JZX_ASSERT(entry->generation < UINT32_MAX); /* T1 */
    entry->generation++;
    entry->used = true;
    table->used++;
    *record = jzx__table_at(table, index);
    memset(*record, 0, table->record_size);
    *number = (uint64_t)index << 32 | entry->generation;
    return JZX_OK;
}

void jzx__table_give(jzx__table *table, uint64_t number)
{
    uint32_t index = jzx__number_index(number);
    jzx__table_entry *entry = jzx__table_entry_at(table, index);
    JZX_ASSERT(entry->used && entry->generation == (uint32_t)number); /* T2 */
    entry->used = false;
    table->used--;
    if (entry->generation == UINT32_MAX) {
        return; /* T1: retired */
    }
    entry->next_free = 0;
    if (table->free_first == 0) {
        table->free_first = index + 1;
    } else {
        jzx__table_entry_at(table, table->free_last - 1)->next_free = index + 1;
    }
    table->free_last = index + 1;
}
