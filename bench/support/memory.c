/* memory.c: see memory.h. */
#include "support/memory.h"

#include "support/check.h"

#include <stdlib.h>
#include <string.h>

enum { LINES = 128 };

void *bench_memory_take(size_t size)
{
    size_t whole = (size + LINES - 1) / LINES * LINES;
    void *memory = aligned_alloc(LINES, whole);
    BENCH_CHECK(memory != NULL, "out of memory");
    memset(memory, 0, whole);
    return memory;
}
