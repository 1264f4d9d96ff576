/*
 * buffer: the record of a jzx_buffer, and its count.
 *
 *   any thread     that has a reference, or is lent the buffer
 *
 * A record is one block with the bytes behind it. It holds a copy of the allocator that it came from, so that the last
 * reference may be given up by any thread, and after the runtime has gone.
 */
#ifndef JZX__BUFFER_H
#define JZX__BUFFER_H

#include "io/base.h"
#include <jzx/buffer.h>

struct jzx_buffer {
    _Atomic(uint32_t) count; /* references; whoever takes the last one away frees it */
    jzx_allocator allocator;
    size_t size;
    struct jzx_buffer *inside; /* a reference that goes with this one; NULL: none */
    _Alignas(max_align_t) uint8_t bytes[];
};

static inline void jzx__buffer_ref(jzx_buffer *buffer)
{
    /* Relaxed: who takes one has one, or is lent it, so the count is not on its way to 0. */
    uint32_t before = atomic_fetch_add_explicit(&buffer->count, 1, memory_order_relaxed);
    JZX_ASSERT(before > 0 && before < UINT32_MAX / 2);
}

static inline void jzx__buffer_unref(jzx_buffer *buffer)
{
    while (buffer != NULL) {
        /* Acquire-release: what all others read of it comes before the one that frees it. */
        uint32_t before = atomic_fetch_sub_explicit(&buffer->count, 1, memory_order_acq_rel);
        JZX_ASSERT(before > 0);
        if (before > 1) {
            return;
        }
        const jzx_allocator allocator = buffer->allocator;
        jzx_buffer *inside = buffer->inside;
        allocator.free(allocator.context, buffer, sizeof *buffer + buffer->size, _Alignof(jzx_buffer));
        buffer = inside;
    }
}

#endif
