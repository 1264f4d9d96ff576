/* memory: blocks from an allocator of the configuration; one that is all zero means malloc. */
#ifndef JZX__MEMORY_H
#define JZX__MEMORY_H

#include "io/sys.h"
#include <jzx/runtime.h>

#define JZX__PAGE 4096u

static inline size_t jzx__page_round(size_t size)
{
    return (size + JZX__PAGE - 1) & ~(size_t)(JZX__PAGE - 1);
}

static inline void *jzx__memory_take(const jzx_allocator *allocator, size_t size, size_t align)
{
    if (allocator->alloc != NULL) {
        return allocator->alloc(allocator->context, size, align);
    }
    return jzx__sys_alloc(size, align);
}

static inline void jzx__memory_give(const jzx_allocator *allocator, void *memory, size_t size, size_t align)
{
    if (memory == NULL) {
        return;
    }
    if (allocator->free != NULL) {
        allocator->free(allocator->context, memory, size, align);
    } else {
        jzx__sys_free(memory);
    }
}

#endif
