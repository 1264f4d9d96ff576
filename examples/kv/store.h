/*
 * store: the keys of one shard. Pure: the time is an argument, and nobody else touches it.
 *
 * A chained hash table that grows a few buckets at a time, so that no single command pays for a big one, and stays half
 * empty: an entry that is met on the way to another is a miss of all caches. Besides it a binary heap of the entries that
 * expire. A key and its value lie in one allocation behind their entry.
 *
 * Invariants
 *   S1  An entry is in exactly one chain: of `old` in a bucket not yet moved, else of `now`.
 *   S2  An entry with `heap_index` i > 0 is the one at heap[i - 1]; 0 means it never expires.
 *   S3  Nothing that the store returns has expired: what has is deleted when it is met, or by store_expire().
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "buffer.h"

struct store_entry {
    struct store_entry *next;
    uint64_t hash;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t capacity; /* bytes at `bytes` */
    uint32_t heap_index;
    uint8_t bytes[]; /* the key, then the value */
};

struct store_table {
    struct store_entry **buckets;
    size_t mask;
};

struct store_deadline {
    int64_t at_ms;
    struct store_entry *entry;
};

struct store {
    struct store_table now;
    struct store_table old; /* while it is being emptied into `now`; else without buckets */
    size_t moved;           /* buckets of `old` already emptied */
    size_t count;
    struct store_deadline *heap;
    size_t heap_count;
    size_t heap_capacity;
};

#define STORE_NEVER INT64_MAX

/* A 64-bit hash that nobody can predict without both seeds. */
uint64_t store_hash(const uint64_t seed[2], const void *data, size_t size);

bool store_init(struct store *store);
void store_deinit(struct store *store);

/* The entry of a key, or NULL. */
struct store_entry *store_find(struct store *store, uint64_t hash, struct kv_bytes key, int64_t now_ms);

/*
 * Gives a key a value. `entry` is what store_find() returned for it just before. When it exists its deadline stays.
 * Returns the entry, which may have moved, or NULL when there is no memory; then nothing has changed.
 */
struct store_entry *store_put(struct store *store, struct store_entry *entry, uint64_t hash, struct kv_bytes key,
                              struct kv_bytes value);

void store_delete(struct store *store, struct store_entry *entry);

/* Deletes everything. */
void store_clear(struct store *store);

/* When an entry expires, or STORE_NEVER. It is gone once the clock is past that millisecond. */
int64_t store_deadline(const struct store *store, const struct store_entry *entry);

/* Sets that, also back to STORE_NEVER. False when there is no memory. */
bool store_set_deadline(struct store *store, struct store_entry *entry, int64_t at_ms);

/* The nearest deadline of all, or STORE_NEVER. */
int64_t store_next_deadline(const struct store *store);

/* Deletes at most `count_max` entries that have expired; returns how many. */
size_t store_expire(struct store *store, int64_t now_ms, size_t count_max);

/* Ask for the memory of a key that will be looked for soon: its bucket, then what lies first in it. */
static inline void store_prefetch_bucket(const struct store *store, uint64_t hash)
{
    __builtin_prefetch(&store->now.buckets[hash & store->now.mask]);
}

static inline void store_prefetch_entry(const struct store *store, uint64_t hash)
{
    uintptr_t entry = (uintptr_t)store->now.buckets[hash & store->now.mask];
    __builtin_prefetch((const void *)entry); /* NULL does no harm */
    __builtin_prefetch((const void *)(entry + 64));
    __builtin_prefetch((const void *)(entry + 127)); /* entries do not begin at the start of a line */
}

static inline struct kv_bytes store_value(const struct store_entry *entry)
{
    return (struct kv_bytes){entry->bytes + entry->key_size, entry->value_size};
}

#endif
