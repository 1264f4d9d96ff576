/*
 * batch: operations on the keys of one shard, and their replies.
 *
 * A connection writes the operations it parsed for one shard into a batch, sends it as one request, and gets the same
 * batch back with the replies in it, ready in RESP. So one message carries what one received buffer held for a shard. A
 * single operation of a few bytes needs no batch: it fits into the message itself, and so do most answers.
 *
 * Batches are recycled on the loop that asks. Their memory is malloc's, so that a batch which meets its destructor on
 * another loop can be freed there.
 *
 * Invariants
 *   B1  A batch has one owner: the connection until it is sent, then the message, then the shard's handler, then the answer.
 *   B2  Replies lie in `out` in the order of the operations; operation i's ends before ends[i]. The asker makes room for
 *       the ends and reads them, so it need not read the operations again, which the shard's CPU has by then.
 *   B3  A shard stops a batch that has KV_REPLY_SOFT_MAX bytes of replies; the asker sends it again for the rest. So a
 *       client that asks for much and reads slowly holds a bounded amount of memory.
 */
#ifndef KV_BATCH_H
#define KV_BATCH_H

#include "buffer.h"
#include "store.h"

enum {
    KV_REPLY_SOFT_MAX = 64 * 1024, /* bytes */
    KV_BATCH_KEEP_MAX = 16 * 1024, /* bytes of a buffer that stays with a recycled batch */
    KV_POOL_MAX = 512,             /* batches that wait for their next use on one loop */
};

enum kv_operation {
    KV_GET = 1,
    KV_SET,
    KV_DELETE,
    KV_EXISTS,
    KV_ADD,    /* `argument` to the integer */
    KV_EXPIRE, /* `argument` ms from now */
    KV_TTL,
    KV_PTTL,
    KV_PERSIST,
    KV_LENGTH,
    KV_COUNT,         /* of all keys of the shard */
    KV_COUNT_EXPIRES, /* of those with a deadline */
    KV_CLEAR,         /* deletes all */
};

enum {
    KV_IF_NEW = 1 << 0,      /* SET NX, EXPIRE NX */
    KV_IF_OLD = 1 << 1,      /* SET XX, EXPIRE XX */
    KV_IF_LATER = 1 << 2,    /* EXPIRE GT */
    KV_IF_SOONER = 1 << 3,   /* EXPIRE LT */
    KV_KEEP_TTL = 1 << 2,    /* SET */
    KV_RETURN_OLD = 1 << 3,  /* SET GET */
    KV_QUIET = 1 << 4,       /* no reply: it is one of many and the last one speaks */
    KV_RESP3 = 1 << 5,       /* the client speaks version 3 */
    KV_HAS_ARGUMENT = 1 << 7 /* in the message only */
};

/* One operation as its parts. */
struct kv_request {
    uint8_t code;
    uint8_t flags;
    uint64_t hash;
    int64_t argument; /* SET: ms to live, or 0 */
    struct kv_bytes key;
    struct kv_bytes value;
};

/* One operation as it lies in a batch, followed by key and value. */
struct kv_item {
    uint32_t size; /* to the next one, a multiple of 8 */
    uint32_t key_size;
    uint64_t hash;
    int64_t argument;
    uint32_t value_size;
    uint8_t code;
    uint8_t flags;
    uint8_t bytes[];
};

struct kv_batch {
    struct kv_batch *next; /* in the pool */
    struct kv_buffer in;   /* the operations */
    struct kv_buffer out;  /* the replies */
    struct kv_buffer ends; /* a uint32_t for each operation: where in `out` its reply ends */
    uint32_t count;        /* operations */
    uint32_t done;         /* operations with a reply */
    size_t done_at;        /* where in `in` the first one without is */
    uint32_t told;         /* replies handed on to the client */
    size_t out_at;         /* where in `out` the next one is */
    uint16_t shard;
    bool sent; /* the batch is on its way to the shard, with it, or back; kept by the connection */
};

/* One loop's batches. */
struct kv_pool {
    struct kv_batch *first;
    uint32_t count;
};

struct kv_batch *kv_batch_take(struct kv_pool *pool, uint16_t shard);
void kv_batch_give(struct kv_pool *pool, struct kv_batch *batch);
void kv_pool_deinit(struct kv_pool *pool);

/* The destructor of a batch in a message (jzx_drop_fn). */
void kv_batch_drop(void *context, void *data, size_t size);

/* Adds an operation at the end. Without memory the batch is marked by in.failed. */
void kv_batch_add(struct kv_batch *batch, const struct kv_request *request);

/* The operation at an offset. */
static inline struct kv_item *kv_batch_item(const struct kv_batch *batch, size_t at)
{
    return (struct kv_item *)(void *)(batch->in.data + at);
}

/* The ends of the replies (B2). */
static inline uint32_t *kv_batch_ends(const struct kv_batch *batch)
{
    return (uint32_t *)(void *)batch->ends.data;
}

static inline struct kv_request kv_item_request(const struct kv_item *item)
{
    return (struct kv_request){
        .code = item->code,
        .flags = item->flags,
        .hash = item->hash,
        .argument = item->argument,
        .key = {item->bytes, item->key_size},
        .value = {item->bytes + item->key_size, item->value_size},
    };
}

/* Writes an operation into `size_max` bytes. Returns the bytes used, or 0 when it does not fit. */
size_t kv_request_pack(const struct kv_request *request, uint8_t *bytes, size_t size_max);

/* Reads it back; the hash is computed. The parts lie in `bytes`. */
struct kv_request kv_request_unpack(const uint8_t *bytes, const uint64_t seed[2]);

/* Does one operation and writes its reply to `out`. */
void kv_execute(struct store *store, const struct kv_request *request, int64_t now_ms, struct kv_buffer *out);

/* Does operations of a batch until all are done or the replies are many (B3). Returns how many. */
uint32_t kv_batch_execute(struct kv_batch *batch, struct store *store, int64_t now_ms);

/* Forgets the replies told, so that the batch can be sent again. */
void kv_batch_rewind(struct kv_batch *batch);

#endif
