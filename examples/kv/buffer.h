/*
 * buffer: bytes that grow.
 *
 * A failed allocation is remembered in `failed` and later writes do nothing, so writers need not check each step: who
 * hands the bytes on looks once.
 */
#ifndef KV_BUFFER_H
#define KV_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of somebody else. */
struct kv_bytes {
    const uint8_t *data;
    size_t size;
};

struct kv_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool failed;
};

enum { KV_BUFFER_FIRST = 512 };

/* The slow half of kv_buffer_reserve(). */
static inline uint8_t *kv_buffer_grow(struct kv_buffer *buffer, size_t extra)
{
    size_t capacity = buffer->capacity != 0 ? buffer->capacity : KV_BUFFER_FIRST;
    while (capacity - buffer->size < extra) {
        if (capacity > SIZE_MAX / 2) {
            buffer->failed = true;
            return NULL;
        }
        capacity *= 2;
    }
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->failed = true;
        return NULL;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return data + buffer->size;
}

/* Where the next `extra` bytes can be written, or NULL. The writer adds to `size` what it wrote. */
static inline uint8_t *kv_buffer_reserve(struct kv_buffer *buffer, size_t extra)
{
    if (buffer->failed) {
        return NULL;
    }
    if (__builtin_expect(buffer->data != NULL && buffer->capacity - buffer->size >= extra, 1)) {
        return buffer->data + buffer->size;
    }
    return kv_buffer_grow(buffer, extra);
}

static inline void kv_buffer_append(struct kv_buffer *buffer, const void *data, size_t size)
{
    uint8_t *at = kv_buffer_reserve(buffer, size);
    if (at != NULL && size != 0) {
        memcpy(at, data, size);
        buffer->size += size;
    }
}

/* Empties the buffer and keeps its memory if that is at most `keep_max` bytes. */
static inline void kv_buffer_reset(struct kv_buffer *buffer, size_t keep_max)
{
    if (buffer->capacity > keep_max) {
        free(buffer->data);
        buffer->data = NULL;
        buffer->capacity = 0;
    }
    buffer->size = 0;
    buffer->failed = false;
}

static inline void kv_buffer_deinit(struct kv_buffer *buffer)
{
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

#endif
