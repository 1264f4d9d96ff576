/* counting.c: see counting.h. */
#include "support/counting.h"

#include <stdlib.h>

static void *allocate(void *context, size_t size, size_t align)
{
    counting *memory = context;
    void *block = NULL;
    if (posix_memalign(&block, align < sizeof(void *) ? sizeof(void *) : align, size) != 0) {
        return NULL;
    }
    atomic_fetch_add_explicit(&memory->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&memory->bytes, size, memory_order_relaxed);
    return block;
}

static void release(void *context, void *block, size_t size, size_t align)
{
    counting *memory = context;
    (void)align;
    atomic_fetch_sub_explicit(&memory->bytes, size, memory_order_relaxed);
    free(block);
}

void counting_begin(counting *memory, jzx_config *config)
{
    atomic_init(&memory->calls, 0);
    atomic_init(&memory->bytes, 0);
    for (int i = 0; i < JZX_MEMORY_KINDS; i++) {
        config->allocators[i] = (jzx_allocator){allocate, release, memory};
    }
}

uint64_t counting_calls(const counting *memory)
{
    return atomic_load_explicit(&memory->calls, memory_order_relaxed);
}

uint64_t counting_bytes(const counting *memory)
{
    return atomic_load_explicit(&memory->bytes, memory_order_relaxed);
}
