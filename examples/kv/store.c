#include "store.h"

enum {
    BUCKETS_FIRST = 1024, /* a power of two */
    MOVE_BUCKETS = 2,     /* full buckets moved with each lookup while the table grows */
    MOVE_EMPTY = 32,      /* and empty ones passed over */
    HEAP_FIRST = 64,
};

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load64(const uint8_t *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

static inline uint64_t load32(const uint8_t *data)
{
    uint32_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

/* Multiplies folded to 64 bits, 16 bytes a step, in the manner of wyhash; the last step overlaps the one before. */
uint64_t store_hash(const uint64_t seed[2], const void *data, size_t size)
{
    static const uint64_t odd[2] = {0xa0761d6478bd642fULL, 0xe7037ed1a0b428dbULL};
    const uint8_t *at = data;
    uint64_t state = seed[0] ^ odd[0];
    uint64_t low = 0;
    uint64_t high = 0;
    if (size > 16) {
        size_t rest = size;
        for (; rest > 16; rest -= 16, at += 16) {
            state = mix(load64(at) ^ odd[1], load64(at + 8) ^ state);
        }
        low = load64(at + rest - 16);
        high = load64(at + rest - 8);
    } else if (size >= 8) {
        low = load64(at);
        high = load64(at + size - 8);
    } else if (size >= 4) {
        low = load32(at);
        high = load32(at + size - 4);
    } else if (size > 0) {
        low = (uint64_t)at[0] << 16 | (uint64_t)at[size >> 1] << 8 | at[size - 1];
    }
    return mix(odd[1] ^ size, mix(low ^ seed[1] ^ odd[1], high ^ state));
}

static bool table_init(struct store_table *table, size_t buckets)
{
    table->buckets = calloc(buckets, sizeof(struct store_entry *));
    table->mask = buckets - 1;
    return table->buckets != NULL;
}

bool store_init(struct store *store)
{
    memset(store, 0, sizeof *store);
    return table_init(&store->now, BUCKETS_FIRST);
}

static void free_chains(struct store_table *table)
{
    for (size_t at = 0; table->buckets != NULL && at <= table->mask; at++) {
        struct store_entry *next;
        for (struct store_entry *entry = table->buckets[at]; entry != NULL; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free(table->buckets);
    memset(table, 0, sizeof *table);
}

void store_deinit(struct store *store)
{
    free_chains(&store->now);
    free_chains(&store->old);
    free(store->heap);
    memset(store, 0, sizeof *store);
}

void store_clear(struct store *store)
{
    /* The table for the time after comes first, so that running out of memory leaves a whole store. */
    struct store_table fresh;
    if (!table_init(&fresh, BUCKETS_FIRST)) {
        return;
    }
    store_deinit(store);
    store->now = fresh;
}

/* Moves some buckets of a table that is being replaced. */
static void move_some(struct store *store)
{
    size_t full = MOVE_BUCKETS;
    for (size_t steps = MOVE_EMPTY; steps > 0 && full > 0 && store->moved <= store->old.mask; steps--) {
        struct store_entry *entry = store->old.buckets[store->moved];
        full -= entry != NULL;
        while (entry != NULL) {
            struct store_entry *next = entry->next;
            struct store_entry **bucket = &store->now.buckets[entry->hash & store->now.mask];
            entry->next = *bucket;
            *bucket = entry;
            entry = next;
        }
        store->old.buckets[store->moved++] = NULL;
    }
    if (store->moved > store->old.mask) {
        free(store->old.buckets);
        memset(&store->old, 0, sizeof store->old);
    }
}

/* Without memory for a bigger table the old one goes on with longer chains. */
static void grow(struct store *store)
{
    struct store_table bigger;
    if (store->old.buckets == NULL && table_init(&bigger, (store->now.mask + 1) * 2)) {
        store->old = store->now;
        store->now = bigger;
        store->moved = 0;
    }
}

/* The bucket that holds, or would hold, a hash (S1). */
static struct store_entry **bucket_of(struct store *store, uint64_t hash)
{
    if (__builtin_expect(store->old.buckets != NULL, 0)) {
        size_t index = hash & store->old.mask;
        if (index >= store->moved) {
            return &store->old.buckets[index];
        }
    }
    return &store->now.buckets[hash & store->now.mask];
}

struct store_entry *store_find(struct store *store, uint64_t hash, struct kv_bytes key, int64_t now_ms)
{
    if (__builtin_expect(store->old.buckets != NULL, 0)) {
        move_some(store);
    }
    struct store_entry *entry = *bucket_of(store, hash);
    while (entry != NULL &&
           (entry->hash != hash || entry->key_size != key.size || memcmp(entry->bytes, key.data, key.size) != 0)) {
        entry = entry->next;
    }
    if (entry != NULL && entry->heap_index != 0 && store->heap[entry->heap_index - 1].at_ms < now_ms) {
        store_delete(store, entry); /* S3 */
        return NULL;
    }
    return entry;
}

static struct store_entry **link_of(struct store *store, const struct store_entry *entry)
{
    struct store_entry **link = bucket_of(store, entry->hash);
    while (*link != entry) {
        link = &(*link)->next;
    }
    return link;
}

/* Room for a value that may change its size a little without another allocation. */
static uint32_t capacity_for(size_t size)
{
    return (uint32_t)((size + 15) / 16 * 16);
}

static struct store_entry *make(struct store *store, uint64_t hash, struct kv_bytes key, size_t needed)
{
    uint32_t capacity = capacity_for(needed);
    struct store_entry *entry = malloc(sizeof *entry + capacity);
    if (entry == NULL) {
        return NULL;
    }
    struct store_entry **bucket = bucket_of(store, hash);
    entry->next = *bucket;
    entry->hash = hash;
    entry->key_size = (uint32_t)key.size;
    entry->capacity = capacity;
    entry->heap_index = 0;
    memcpy(entry->bytes, key.data, key.size);
    *bucket = entry;
    if (++store->count > store->now.mask / 2) {
        grow(store);
    }
    return entry;
}

/* Gives an entry another allocation, and tells chain and heap. */
static struct store_entry *resize(struct store *store, struct store_entry *entry, size_t needed)
{
    struct store_entry **link = link_of(store, entry);
    uint32_t capacity = capacity_for(needed);
    struct store_entry *moved = realloc(entry, sizeof *entry + capacity);
    if (moved == NULL) {
        return NULL;
    }
    moved->capacity = capacity;
    *link = moved;
    if (moved->heap_index != 0) {
        store->heap[moved->heap_index - 1].entry = moved; /* S2 */
    }
    return moved;
}

struct store_entry *store_put(struct store *store, struct store_entry *entry, uint64_t hash, struct kv_bytes key,
                              struct kv_bytes value)
{
    size_t needed = key.size + value.size;
    if (needed > UINT32_MAX - 16) {
        return NULL;
    }
    if (entry == NULL) {
        entry = make(store, hash, key, needed);
    } else if (entry->capacity < needed || entry->capacity / 4 > needed) {
        entry = resize(store, entry, needed);
    }
    if (entry == NULL) {
        return NULL;
    }
    entry->value_size = (uint32_t)value.size;
    if (value.size != 0) {
        memcpy(entry->bytes + key.size, value.data, value.size);
    }
    return entry;
}

static void heap_place(struct store *store, size_t index, struct store_deadline deadline)
{
    store->heap[index] = deadline;
    deadline.entry->heap_index = (uint32_t)index + 1;
}

/* Moves the deadline at `index` up or down until it is in order. */
static void heap_settle(struct store *store, size_t index)
{
    struct store_deadline deadline = store->heap[index];
    while (index > 0 && store->heap[(index - 1) / 2].at_ms > deadline.at_ms) {
        heap_place(store, index, store->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (;;) {
        size_t child = index * 2 + 1;
        if (child + 1 < store->heap_count && store->heap[child + 1].at_ms < store->heap[child].at_ms) {
            child++;
        }
        if (child >= store->heap_count || store->heap[child].at_ms >= deadline.at_ms) {
            break;
        }
        heap_place(store, index, store->heap[child]);
        index = child;
    }
    heap_place(store, index, deadline);
}

static void heap_remove(struct store *store, struct store_entry *entry)
{
    size_t index = entry->heap_index - 1;
    entry->heap_index = 0;
    struct store_deadline last = store->heap[--store->heap_count];
    if (last.entry != entry) {
        heap_place(store, index, last);
        heap_settle(store, index);
    }
}

static bool heap_add(struct store *store, struct store_entry *entry, int64_t at_ms)
{
    if (store->heap_count == store->heap_capacity) {
        size_t capacity = store->heap_capacity != 0 ? store->heap_capacity * 2 : HEAP_FIRST;
        struct store_deadline *heap = realloc(store->heap, capacity * sizeof *heap);
        if (heap == NULL) {
            return false;
        }
        store->heap = heap;
        store->heap_capacity = capacity;
    }
    store->heap[store->heap_count] = (struct store_deadline){at_ms, entry};
    store->heap_count++;
    heap_settle(store, store->heap_count - 1);
    return true;
}

void store_delete(struct store *store, struct store_entry *entry)
{
    if (entry->heap_index != 0) {
        heap_remove(store, entry);
    }
    *link_of(store, entry) = entry->next;
    store->count--;
    free(entry);
}

int64_t store_deadline(const struct store *store, const struct store_entry *entry)
{
    return entry->heap_index != 0 ? store->heap[entry->heap_index - 1].at_ms : STORE_NEVER;
}

bool store_set_deadline(struct store *store, struct store_entry *entry, int64_t at_ms)
{
    if (entry->heap_index == 0) {
        return at_ms == STORE_NEVER || heap_add(store, entry, at_ms);
    }
    if (at_ms == STORE_NEVER) {
        heap_remove(store, entry);
        return true;
    }
    store->heap[entry->heap_index - 1].at_ms = at_ms;
    heap_settle(store, entry->heap_index - 1);
    return true;
}

int64_t store_next_deadline(const struct store *store)
{
    return store->heap_count != 0 ? store->heap[0].at_ms : STORE_NEVER;
}

size_t store_expire(struct store *store, int64_t now_ms, size_t count_max)
{
    size_t count = 0;
    while (count < count_max && store->heap_count != 0 && store->heap[0].at_ms < now_ms) {
        store_delete(store, store->heap[0].entry);
        count++;
    }
    return count;
}
