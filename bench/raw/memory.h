/* memory.h: what the raw sides take memory with, and copy a cell with. */
#ifndef RAW_MEMORY_H
#define RAW_MEMORY_H

#include "raw/actors.h"
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

/* Lines of the cache, all zero. */
static inline void *raw_memory_take(size_t size)
{
    size_t whole = (size + 63) / 64 * 64;
    void *memory = aligned_alloc(64, whole);
    BENCH_CHECK(memory != NULL, "out of memory");
    /* Touched here, so that no page fault falls into the measured part. */
    memset(memory, 0, whole);
    return memory;
}

/*
 * Word by word, as the sender has just written it: a load wider than the store it depends on waits until the store has
 * left the core, which costs more than all the rest here. The barrier keeps the compiler from joining the words.
 */
static inline void raw_cell_copy(raw_cell *to, const raw_cell *from)
{
    to->sender = from->sender;
    to->tag = from->tag;
    to->size = from->size;
    for (int i = 0; i < 4; i++) {
        uint64_t word = from->words[i];
        __asm__("" : "+r"(word));
        to->words[i] = word;
    }
}

#endif
