/* buffer: payloads that many may read at once. */
#include "sched/buffer.h"
#include "src/internal.h"

jzx_err jzx_buffer_make(const jzx_runtime *runtime, size_t size, jzx_buffer **out, void **bytes)
{
    if (runtime == NULL || size == 0 || out == NULL || bytes == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (size > UINT32_MAX) {
        return JZX_ERR_TOO_BIG;
    }
    const jzx_allocator *allocator = &runtime->config.allocators[JZX_MEMORY_STATE];
    jzx_buffer *buffer = allocator->alloc(allocator->context, sizeof *buffer + size, _Alignof(jzx_buffer));
    if (buffer == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    atomic_init(&buffer->count, 1);
    buffer->allocator = *allocator;
    buffer->size = size;
    buffer->inside = NULL;
    *out = buffer;
    *bytes = buffer->bytes;
    return JZX_OK;
}

jzx_err jzx_buffer_copy(const jzx_runtime *runtime, const void *data, size_t size, jzx_buffer **out)
{
    void *bytes;
    jzx_err err = data == NULL ? JZX_ERR_INVALID_ARG : jzx_buffer_make(runtime, size, out, &bytes);
    if (err == JZX_OK) {
        memcpy(bytes, data, size);
    }
    return err;
}

jzx_buffer *jzx_buffer_ref(jzx_buffer *buffer)
{
    jzx__buffer_ref(buffer);
    return buffer;
}

void jzx_buffer_unref(jzx_buffer *buffer)
{
    if (buffer != NULL) {
        jzx__buffer_unref(buffer);
    }
}

const void *jzx_buffer_data(const jzx_buffer *buffer)
{
    return buffer->bytes;
}

size_t jzx_buffer_size(const jzx_buffer *buffer)
{
    return buffer->size;
}

void jzx_buffer_drop(void *context, void *data, size_t size)
{
    (void)data;
    (void)size;
    jzx_buffer_unref(context);
}
