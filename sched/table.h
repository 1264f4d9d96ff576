/*
 * table: records of one size that grow by chunks up to a maximum, named by index and generation.
 *
 * A record never moves. Its first word while it is free is the table's; `generation` lives beside the records, so a
 * stale number is found out without touching the record. Records are used again first in, first out.
 *
 * Owner thread only.
 *
 * Invariants
 *   T1  No number (index, generation) is given out twice: a record at its last generation is retired.
 *   T2  A record that was given out is not free and its generation is that of its number.
 */
#ifndef JZX__TABLE_H
#define JZX__TABLE_H

#include "io/base.h"
#include <jzx/runtime.h>

enum { JZX__TABLE_CHUNK = 256 };

typedef struct jzx__table_entry {
    uint32_t generation; /* 0: never used */
    uint32_t next_free;  /* index + 1 of the next free record, while free */
    bool used;
} jzx__table_entry;

typedef struct jzx__table {
    void **chunks;        /* of JZX__TABLE_CHUNK records, then as many entries */
    size_t record_size;
    uint32_t records_max;
    uint32_t chunk_count; /* allocated so far */
    uint32_t fresh;       /* the next index that was never used */
    uint32_t used;
    uint32_t free_first;  /* index + 1, 0: none */
    uint32_t free_last;
    const jzx_allocator *allocator;
} jzx__table;

jzx_err jzx__table_init(jzx__table *table, size_t record_size, uint32_t records_max, const jzx_allocator *allocator);
void jzx__table_deinit(jzx__table *table);
size_t jzx__table_size(size_t record_size, uint32_t records_max); /* bytes it can take */

/* A zeroed record and its number (index << 32 | generation). LIMIT or NO_MEMORY. */
jzx_err jzx__table_take(jzx__table *table, void **record, uint64_t *number);
void jzx__table_give(jzx__table *table, uint64_t number);

static inline uint32_t jzx__number_index(uint64_t number)
{
    return (uint32_t)(number >> 32) & 0xFFFFFFu;
}

static inline jzx__table_entry *jzx__table_entry_at(const jzx__table *table, uint32_t index)
{
    char *chunk = table->chunks[index / JZX__TABLE_CHUNK];
    jzx__table_entry *entries = (jzx__table_entry *)(void *)(chunk + JZX__TABLE_CHUNK * table->record_size);
    return &entries[index % JZX__TABLE_CHUNK];
}

static inline void *jzx__table_at(const jzx__table *table, uint32_t index)
{
    return (char *)table->chunks[index / JZX__TABLE_CHUNK] + (index % JZX__TABLE_CHUNK) * table->record_size;
}

/* The record a number names, or NULL when it is gone or never was. */
static inline void *jzx__table_find(const jzx__table *table, uint64_t number)
{
    uint32_t index = jzx__number_index(number);
    if (index >= table->fresh) {
        return NULL;
    }
    const jzx__table_entry *entry = jzx__table_entry_at(table, index);
    return entry->used && entry->generation == (uint32_t)number ? jzx__table_at(table, index) : NULL;
}

#endif
