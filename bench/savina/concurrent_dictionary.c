/* concurrent_dictionary.c: workers read and write a hash map that one actor owns. */
#include "savina/members.h"
#include "savina/savina.h"

#include <ck_ht.h>
#include <stdlib.h>

enum { WORKERS = 20, WRITE_PERCENT = 10, PAIRS = 524287 };
enum { TAG_READ = SAVINA_OWN, TAG_WRITE, TAG_RESULT };

struct dictionary {
    ck_ht_t map;
    uint64_t reads;
    uint64_t writes;
    uint64_t keys;
};

struct master {
    savina play;
    uint64_t each;
    uint64_t working; /* workers that have not reported */
    uint64_t reads;
    uint64_t writes;
    uint64_t keys;
    uint64_t written;
    jzx_actor_id dictionary;
    jzx_actor_id workers[WORKERS];
};

struct worker {
    jzx_actor_id master;
    jzx_actor_id dictionary;
    uint64_t random;
    uint64_t left;
    bool writing; /* the request that is under way is a write */
    uint64_t written;
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
        SAVINA_SEND(context, message->sender, TAG_RESULT, dictionary_get(self, key));
        return JZX_BEHAVIOR_OK;
    case TAG_WRITE:
        self->writes++;
        self->keys += key;
        dictionary_put(self, key, message->words[1]);
        SAVINA_SEND(context, message->sender, TAG_RESULT, message->words[1]);
        return JZX_BEHAVIOR_OK;
    case SAVINA_END:
        SAVINA_SEND(context, message->sender, SAVINA_REPORT, self->reads, self->writes, self->keys);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- workers and master ---- */

static void ask_next(jzx_context *context, struct worker *self)
{
    self->left--;
    self->writing = savina_below(&self->random, 100) < WRITE_PERCENT;
    uint64_t key = savina_next(&self->random);
    if (self->writing) {
        SAVINA_SEND(context, self->dictionary, TAG_WRITE, key, savina_next(&self->random));
    } else {
        SAVINA_SEND(context, self->dictionary, TAG_READ, key);
    }
}

static jzx_behavior_result worker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct worker *self = state;
    if (message->tag == SAVINA_START) {
        self->master = message->sender;
    } else if (self->writing) {
        self->written += message->words[0];
    }
    if (self->left > 0) {
        ask_next(context, self);
        return JZX_BEHAVIOR_OK;
    }
    SAVINA_SEND(context, self->master, SAVINA_REPORT, self->written);
    return JZX_BEHAVIOR_STOP;
}

static void report(jzx_context *context, struct master *master, const jzx_message *message)
{
    if (message->sender == master->dictionary) {
        master->reads = message->words[0];
        master->writes = message->words[1];
        master->keys = message->words[2];
    } else {
        master->written += message->words[0];
        if (--master->working == 0) {
            SAVINA_SEND(context, master->dictionary, SAVINA_END);
        }
    }
    savina_reported(&master->play, master->each * WORKERS);
}

static jzx_behavior_result master_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct master *master = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&master->play);
        savina_tell_all(context, master->workers, WORKERS, SAVINA_START);
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        report(context, master, message);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the play ---- */

static uint64_t seed(uint64_t worker, uint64_t each)
{
    return worker + each + WRITE_PERCENT;
}

/* Draws what all workers draw, and proves that it was done. */
static void prove(jzx_bench *bench, const struct master *master)
{
    uint64_t reads = 0, writes = 0, keys = 0, written = 0;
    for (uint64_t i = 0; i < WORKERS; i++) {
        uint64_t random = seed(i, master->each);
        for (uint64_t j = 0; j < master->each; j++) {
            bool writing = savina_below(&random, 100) < WRITE_PERCENT;
            keys += savina_next(&random);
            written += writing ? savina_next(&random) : 0;
            *(writing ? &writes : &reads) += 1;
        }
    }
    jzx_bench_prove(bench, "reads", master->reads, reads);
    jzx_bench_prove(bench, "writes", master->writes, writes);
    jzx_bench_prove(bench, "keys", master->keys, keys);
    jzx_bench_prove(bench, "written", master->written, written);
}

void savina_concurrent_dictionary(jzx_bench *bench, void *loops)
{
    struct master master = {.each = savina_each(bench, WORKERS), .working = WORKERS};
    struct dictionary dictionary = {.reads = 0};
    dictionary_open(&dictionary);
    savina_open(&master.play, bench, loops, NULL);
    master.play.reports = WORKERS + 1;
    master.dictionary = world_spawn(&master.play.world, 0, dictionary_behave, &dictionary);
    for (int i = 0; i < WORKERS; i++) {
        struct worker worker = {.dictionary = master.dictionary, .left = master.each};
        worker.random = seed((uint64_t)i, master.each);
        jzx_spawn_options options = savina_options(worker_behave, &worker, sizeof worker);
        master.workers[i] = savina_spawn(&master.play, savina_loop(&master.play, i), &options);
    }
    savina_run(&master.play, world_spawn(&master.play.world, 0, master_behave, &master));
    ck_ht_destroy(&dictionary.map);
    prove(bench, &master);
}
