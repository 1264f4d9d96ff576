/*
 * table: records of one size that grow by chunks up to a maximum, named by index and generation.
 *
 * A record never moves, and carries its own number at a place that the table is told, so a number is checked by one
 * look at the record it may name. While a record is free the same word says so, keeps the generation and links the
 * free ones. The last one freed is used first, since it is in the cache; one time in 256 it goes to the other end, so
 * that the generations are spent over all records.
 *
 * Owner thread only.
 *
 * Invariants
 *   T1  No number (index, generation) is given out twice: a record at its last generation is retired.
 *   T2  A record that was given out has its number at `number_at`; the top byte of that word is the user's.
 */
#ifndef JZX__TABLE_H
#define JZX__TABLE_H

#include "io/base.h"
#include <jzx/runtime.h>

enum { JZX__TABLE_CHUNK = 256, JZX__TABLE_NONE = 0xFFFFFF };

typedef struct jzx__table {
    void **chunks;
    size_t record_size;
    size_t number_at; /* offset of a uint64_t in a record */
    size_t kept;      /* bytes at the end of a record that taking it does not clear; they begin as zeroes */
    uint32_t records_max;
    uint32_t chunk_count; /* allocated so far */
    uint32_t fresh;       /* the next index that was never used */
    uint32_t used;
    uint32_t free_first; /* an index, JZX__TABLE_NONE: none */
    uint32_t free_last;
    const jzx_allocator *allocator;
} jzx__table;

jzx_err jzx__table_init(jzx__table *table, size_t record_size, size_t number_at, uint32_t records_max,
                        const jzx_allocator *allocator);
void jzx__table_deinit(jzx__table *table);
size_t jzx__table_size(size_t record_size, uint32_t records_max); /* bytes it can take */

/* A record, zeroed but for its number (index << 32 | generation). LIMIT or NO_MEMORY. */
jzx_err jzx__table_take(jzx__table *table, void **record, uint64_t *number);
void jzx__table_give(jzx__table *table, uint64_t number);

/* The loop of a number of which the user's byte is the loop's index. */
static inline uint32_t jzx__number_loop(uint64_t number)
{
    return (uint32_t)(number >> 56);
}

static inline uint32_t jzx__number_index(uint64_t number)
{
    return (uint32_t)(number >> 32) & 0xFFFFFFu;
}

static inline void *jzx__table_at(const jzx__table *table, uint32_t index)
{
    return (char *)table->chunks[index / JZX__TABLE_CHUNK] + (index % JZX__TABLE_CHUNK) * table->record_size;
}

static inline uint64_t *jzx__table_number(const jzx__table *table, void *record)
{
    return (uint64_t *)(void *)((char *)record + table->number_at);
}

/*
 * The record that a number had, for any thread: to be checked by what is kept in it. NULL if there never was one. The
 * number must have come from the owner, and with it the chunk.
 */
static inline const void *jzx__table_peek(const jzx__table *table, uint64_t number)
{
    uint32_t index = jzx__number_index(number);
    if (index >= table->records_max) {
        return NULL;
    }
    /* Acquire: pairs with the release in grow(). */
    const char *chunk = __atomic_load_n(&table->chunks[index / JZX__TABLE_CHUNK], __ATOMIC_ACQUIRE);
    return chunk == NULL ? NULL : chunk + (index % JZX__TABLE_CHUNK) * table->record_size;
}

/* The record a number names, or NULL when it is gone or never was. The number's top byte does not count. */
static inline void *jzx__table_find(const jzx__table *table, uint64_t number)
{
    uint32_t index = jzx__number_index(number);
    if (index >= table->fresh) {
        return NULL;
    }
    void *record = jzx__table_at(table, index);
    return (*jzx__table_number(table, record) ^ number) << 8 == 0 ? record : NULL; /* T2 */
}

#endif
