#include "batch.h"

#include "resp.h"

struct kv_batch *kv_batch_take(struct kv_pool *pool, uint16_t shard)
{
    struct kv_batch *batch = pool->first;
    if (batch != NULL) {
        pool->first = batch->next;
        pool->count--;
    } else {
        batch = calloc(1, sizeof *batch);
        if (batch == NULL) {
            return NULL;
        }
    }
    batch->shard = shard;
    return batch;
}

void kv_batch_drop(void *context, void *data, size_t size)
{
    (void)context;
    (void)size;
    struct kv_batch *batch = data;
    kv_buffer_deinit(&batch->in);
    kv_buffer_deinit(&batch->out);
    kv_buffer_deinit(&batch->ends);
    free(batch);
}

void kv_batch_give(struct kv_pool *pool, struct kv_batch *batch)
{
    if (pool->count == KV_POOL_MAX) {
        kv_batch_drop(NULL, batch, 0);
        return;
    }
    kv_buffer_reset(&batch->in, KV_BATCH_KEEP_MAX);
    kv_buffer_reset(&batch->out, KV_BATCH_KEEP_MAX);
    kv_buffer_reset(&batch->ends, KV_BATCH_KEEP_MAX);
    batch->count = 0;
    batch->done = 0;
    batch->done_at = 0;
    batch->told = 0;
    batch->out_at = 0;
    batch->sent = false;
    batch->next = pool->first;
    pool->first = batch;
    pool->count++;
}

void kv_pool_deinit(struct kv_pool *pool)
{
    while (pool->first != NULL) {
        struct kv_batch *batch = pool->first;
        pool->first = batch->next;
        kv_batch_drop(NULL, batch, 0);
    }
    pool->count = 0;
}

void kv_batch_add(struct kv_batch *batch, const struct kv_request *request)
{
    size_t size = sizeof(struct kv_item) + request->key.size + request->value.size;
    size = (size + 7) & ~(size_t)7;
    uint8_t *at = kv_buffer_reserve(&batch->in, size);
    if (at == NULL || kv_buffer_reserve(&batch->ends, sizeof(uint32_t)) == NULL) {
        batch->in.failed = true;
        return;
    }
    batch->ends.size += sizeof(uint32_t);
    struct kv_item *item = (struct kv_item *)(void *)at;
    item->size = (uint32_t)size;
    item->hash = request->hash;
    item->argument = request->argument;
    item->key_size = (uint32_t)request->key.size;
    item->value_size = (uint32_t)request->value.size;
    item->code = request->code;
    item->flags = request->flags;
    if (request->key.size != 0) {
        memcpy(item->bytes, request->key.data, request->key.size);
    }
    if (request->value.size != 0) {
        memcpy(item->bytes + request->key.size, request->value.data, request->value.size);
    }
    batch->in.size += size;
    batch->count++;
}

void kv_batch_rewind(struct kv_batch *batch)
{
    batch->out.size = 0;
    batch->out_at = 0;
    batch->sent = false;
}

size_t kv_request_pack(const struct kv_request *request, uint8_t *bytes, size_t size_max)
{
    size_t fixed = request->argument != 0 ? 12 : 4;
    size_t size = fixed + request->key.size + request->value.size;
    if (size > size_max || size > UINT8_MAX) {
        return 0;
    }
    bytes[0] = request->code;
    bytes[1] = request->flags;
    bytes[2] = (uint8_t)request->key.size;
    bytes[3] = (uint8_t)request->value.size;
    if (request->argument != 0) {
        bytes[1] |= KV_HAS_ARGUMENT;
        memcpy(bytes + 4, &request->argument, 8);
    }
    if (request->key.size != 0) {
        memcpy(bytes + fixed, request->key.data, request->key.size);
    }
    if (request->value.size != 0) {
        memcpy(bytes + fixed + request->key.size, request->value.data, request->value.size);
    }
    return size;
}

struct kv_request kv_request_unpack(const uint8_t *bytes, const uint64_t seed[2])
{
    struct kv_request request = {.code = bytes[0], .flags = bytes[1]};
    const uint8_t *at = bytes + 4;
    if ((request.flags & KV_HAS_ARGUMENT) != 0) {
        request.flags &= (uint8_t)~KV_HAS_ARGUMENT;
        memcpy(&request.argument, at, 8);
        at += 8;
    }
    request.key = (struct kv_bytes){at, bytes[2]};
    request.value = (struct kv_bytes){at + bytes[2], bytes[3]};
    request.hash = store_hash(seed, request.key.data, request.key.size);
    return request;
}
