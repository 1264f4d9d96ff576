/* The keys of one shard of jzx-kv: against a plain array, with growth, deadlines and deletion at random. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "store.h"

static const uint64_t seed[2] = {1, 2};

static struct kv_bytes bytes_of(const char *text)
{
    return (struct kv_bytes){(const uint8_t *)text, strlen(text)};
}

static struct store_entry *find(struct store *store, const char *key, int64_t now_ms)
{
    struct kv_bytes bytes = bytes_of(key);
    return store_find(store, store_hash(seed, bytes.data, bytes.size), bytes, now_ms);
}

static struct store_entry *put(struct store *store, const char *key, const char *value, int64_t now_ms)
{
    struct kv_bytes bytes = bytes_of(key);
    return store_put(store, find(store, key, now_ms), store_hash(seed, bytes.data, bytes.size), bytes, bytes_of(value));
}

static bool holds(struct store *store, const char *key, const char *value, int64_t now_ms)
{
    struct store_entry *entry = find(store, key, now_ms);
    if (entry == NULL || value == NULL) {
        return entry == NULL && value == NULL;
    }
    struct kv_bytes found = store_value(entry);
    return found.size == strlen(value) && memcmp(found.data, value, found.size) == 0;
}

Test(store, finds_what_was_put)
{
    struct store store;
    cr_assert(store_init(&store));
    cr_assert_null(find(&store, "a", 0));
    put(&store, "a", "1", 0);
    put(&store, "", "empty key", 0);
    put(&store, "b", "", 0);
    put(&store, "a", "a longer value than before, so that it has to move", 0);
    cr_assert(holds(&store, "a", "a longer value than before, so that it has to move", 0));
    cr_assert(holds(&store, "", "empty key", 0));
    cr_assert(holds(&store, "b", "", 0));
    cr_assert_eq(store.count, 3);
    store_delete(&store, find(&store, "a", 0));
    cr_assert(holds(&store, "a", NULL, 0));
    store_deinit(&store);
}

Test(store, a_key_is_there_until_its_millisecond_has_passed)
{
    struct store store;
    cr_assert(store_init(&store));
    cr_assert_eq(store_next_deadline(&store), STORE_NEVER);
    store_set_deadline(&store, put(&store, "a", "1", 0), 100);
    cr_assert_eq(store_next_deadline(&store), 100);
    cr_assert(holds(&store, "a", "1", 100));
    cr_assert(holds(&store, "a", NULL, 101));
    cr_assert_eq(store.count, 0);
    cr_assert_eq(store_next_deadline(&store), STORE_NEVER);
    store_deinit(&store);
}

Test(store, a_deadline_survives_a_new_value_and_can_be_taken_away)
{
    struct store store;
    cr_assert(store_init(&store));
    store_set_deadline(&store, put(&store, "a", "1", 0), 100);
    struct store_entry *entry = put(&store, "a", "something so long that the entry moves somewhere else", 0);
    cr_assert_eq(store_deadline(&store, entry), 100);
    cr_assert_eq(store.heap[0].entry, entry);
    store_set_deadline(&store, entry, STORE_NEVER);
    cr_assert_eq(store_expire(&store, INT64_MAX, 10), 0);
    store_deinit(&store);
}

Test(store, expires_a_bounded_number_at_a_time)
{
    struct store store;
    cr_assert(store_init(&store));
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        store_set_deadline(&store, put(&store, key, "x", 0), 1000 - i);
    }
    cr_assert_eq(store_next_deadline(&store), 901);
    cr_assert_eq(store_expire(&store, 951, 30), 30);
    cr_assert_eq(store_expire(&store, 951, 30), 20);
    cr_assert_eq(store_expire(&store, 951, 30), 0);
    cr_assert_eq(store.count, 50);
    store_deinit(&store);
}

Test(store, clear_leaves_an_empty_store_that_works)
{
    struct store store;
    cr_assert(store_init(&store));
    for (int i = 0; i < 5000; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        store_set_deadline(&store, put(&store, key, "x", 0), i);
    }
    store_clear(&store);
    cr_assert_eq(store.count, 0);
    cr_assert_eq(store_next_deadline(&store), STORE_NEVER);
    put(&store, "1", "y", 0);
    cr_assert(holds(&store, "1", "y", 0));
    store_deinit(&store);
}

enum { MODEL_KEYS = 20000, MODEL_STEPS = 400000 };

struct model {
    int value; /* -1: none */
    int64_t at_ms;
};

/* Random commands against an array. Grows through several sizes, so lookups meet half-moved tables. */
Test(store, agrees_with_an_array)
{
    static struct model model[MODEL_KEYS];
    memset(model, 0xff, sizeof model);
    struct store store;
    cr_assert(store_init(&store));
    uint64_t random = 99;
    int64_t now_ms = 0;
    for (int step = 0; step < MODEL_STEPS; step++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        uint32_t index = (uint32_t)(random >> 33) % (1 + (uint32_t)step * 10 % MODEL_KEYS);
        uint32_t action = (uint32_t)(random >> 20) % 10;
        now_ms += (random >> 60) == 0;
        char key[16];
        char value[64];
        snprintf(key, sizeof key, "key:%u", index);
        if (model[index].value >= 0 && model[index].at_ms < now_ms) {
            model[index].value = -1;
        }
        snprintf(value, sizeof value, "%0*d", (step / 7) % 50 + 1, step);
        struct store_entry *entry = find(&store, key, now_ms);
        cr_assert_eq(entry != NULL, model[index].value >= 0, "step %d", step);
        if (action < 6) {
            entry = put(&store, key, value, now_ms);
            int64_t at_ms = action == 0 ? now_ms + step % 5000 : STORE_NEVER;
            cr_assert(store_set_deadline(&store, entry, at_ms));
            model[index] = (struct model){step, at_ms};
        } else if (action < 8 && entry != NULL) {
            struct kv_bytes found = store_value(entry);
            snprintf(value, sizeof value, "%0*d", (model[index].value / 7) % 50 + 1, model[index].value);
            cr_assert_eq(found.size, strlen(value));
            cr_assert_eq(memcmp(found.data, value, found.size), 0);
        } else if (entry != NULL) {
            store_delete(&store, entry);
            model[index].value = -1;
        }
        if (step % 1000 == 0) {
            store_expire(&store, now_ms, 10);
        }
    }
    store_expire(&store, now_ms, SIZE_MAX);
    size_t count = 0;
    for (uint32_t i = 0; i < MODEL_KEYS; i++) {
        count += model[i].value >= 0 && model[i].at_ms >= now_ms;
    }
    cr_assert_eq(store.count, count);
    store_deinit(&store);
}

Test(store, hash_spreads_keys_that_differ_little)
{
    uint32_t low[256] = {0};
    uint32_t high[2] = {0};
    for (int i = 0; i < 256000; i++) {
        char key[32];
        int size = snprintf(key, sizeof key, "key:%012d", i);
        uint64_t hash = store_hash(seed, key, (size_t)size);
        low[hash & 255]++;
        high[hash >> 48 & 1]++;
    }
    for (int i = 0; i < 256; i++) {
        cr_assert(low[i] > 800 && low[i] < 1200, "bucket %d has %u", i, low[i]);
    }
    cr_assert(high[0] > 126000 && high[0] < 130000);
}

Test(store, hash_reads_every_byte)
{
    uint8_t key[40] = {0};
    for (size_t size = 1; size <= sizeof key; size++) {
        uint64_t before = store_hash(seed, key, size);
        for (size_t at = 0; at < size; at++) {
            key[at] = 1;
            cr_assert_neq(store_hash(seed, key, size), before, "size %zu, byte %zu", size, at);
            key[at] = 0;
        }
    }
}
