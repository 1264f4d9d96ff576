/* concurrent_dictionary.c: workers read and write a hash map that one actor owns. */
#include "savina/concurrent.h"
#include "savina/members.h"

#include <ck_ht.h>
#include <stdlib.h>

enum { PAIRS = 524287 };
enum { TAG_READ = CONCURRENT_OWN, TAG_WRITE };

struct dictionary {
    ck_ht_t map;
    uint64_t reads;
    uint64_t writes;
    uint64_t keys; /* of both, added up */
};

/* ---- the dictionary ---- */

static void *map_alloc(size_t size)
{
    return malloc(size);
}

static void map_free(void *memory, size_t size, bool defer)
{
    (void)size;
    (void)defer;
    free(memory);
}

static struct ck_malloc map_memory = {.malloc = map_alloc, .free = map_free};

/* The table has no key 0. */
static ck_ht_hash_t prepare(ck_ht_t *map, ck_ht_entry_t *entry, uint64_t key, uint64_t value)
{
    ck_ht_hash_t hash;
    ck_ht_hash_direct(&hash, map, key + 1);
    ck_ht_entry_set_direct(entry, hash, key + 1, value);
    return hash;
}

static void dictionary_put(struct dictionary *self, uint64_t key, uint64_t value)
{
    ck_ht_entry_t entry;
    ck_ht_hash_t hash = prepare(&self->map, &entry, key, value);
    BENCH_CHECK(ck_ht_set_spmc(&self->map, hash, &entry), "out of memory");
}

static uint64_t dictionary_get(struct dictionary *self, uint64_t key)
{
    ck_ht_entry_t entry;
    ck_ht_hash_t hash = prepare(&self->map, &entry, key, 0);
    BENCH_CHECK(ck_ht_get_spmc(&self->map, hash, &entry), "a key is missing");
    return ck_ht_entry_value_direct(&entry);
}

static void dictionary_open(struct dictionary *self)
{
    BENCH_CHECK(ck_ht_init(&self->map, CK_HT_MODE_DIRECT, NULL, &map_memory, 2 * PAIRS, 1), "out of memory");
    for (uint64_t i = 0; i < PAIRS; i++) {
        dictionary_put(self, i, i);
    }
}

static jzx_behavior_result dictionary_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct dictionary *self = state;
    uint64_t key = message->words[0];
    switch (message->tag) {
    case TAG_READ:
        self->reads++;
        self->keys += key;
        SAVINA_SEND(context, message->sender, CONCURRENT_RESULT, dictionary_get(self, key));
        return JZX_BEHAVIOR_OK;
    case TAG_WRITE:
        self->writes++;
        self->keys += key;
        dictionary_put(self, key, message->words[1]);
        SAVINA_SEND(context, message->sender, CONCURRENT_RESULT, message->words[1]);
        return JZX_BEHAVIOR_OK;
    case SAVINA_END:
        SAVINA_SEND(context, message->sender, SAVINA_REPORT, self->reads, self->writes, self->keys, 0);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the play ---- */

static concurrent_request draw(uint64_t *random)
{
    concurrent_request request = {.tag = TAG_READ};
    request.write = savina_below(random, 100) < CONCURRENT_WRITE_PERCENT;
    request.words[0] = savina_next(random);
    if (request.write) {
        request.tag = TAG_WRITE;
        request.words[1] = savina_next(random);
    }
    return request;
}

struct expected {
    uint64_t reads;
    uint64_t writes;
    uint64_t keys;
    uint64_t written;
};

static void expect(void *context, const concurrent_request *request)
{
    struct expected *expected = context;
    expected->reads += !request->write;
    expected->writes += request->write;
    expected->keys += request->words[0];
    expected->written += request->words[1];
}

void savina_concurrent_dictionary(jzx_bench *bench, void *stage)
{
    struct concurrent play = {.written = 0};
    struct dictionary dictionary = {.reads = 0};
    struct expected expected = {.reads = 0};
    dictionary_open(&dictionary);
    concurrent_open(&play, bench, stage, CONCURRENT_WRITE_PERCENT);
    play.server = world_spawn(&play.play.world, 0, dictionary_behave, &dictionary);
    concurrent_run(&play, draw);
    ck_ht_destroy(&dictionary.map);
    concurrent_replay(&play, expect, &expected);
    jzx_bench_prove(bench, "reads", play.counts[0], expected.reads);
    jzx_bench_prove(bench, "writes", play.counts[1], expected.writes);
    jzx_bench_prove(bench, "keys", play.counts[2], expected.keys);
    jzx_bench_prove(bench, "written", play.written, expected.written);
}
