#include "sched/name.h"
#include "sched/loop.h"
#include "sched/spin.h"

#include <string.h>

enum { NO_PLACE = UINT32_MAX };

/* ---- the table ---- */

static size_t entry_count(uint32_t names_max)
{
    size_t count = 2;
    while (count < 2 * (size_t)names_max) {
        count *= 2;
    }
    return count; /* N5 */
}

size_t jzx__names_size(uint32_t names_max)
{
    return entry_count(names_max) * sizeof(jzx__name_entry);
}

jzx_err jzx__names_init(jzx__names *names, uint32_t names_max, uint64_t seed, const jzx_allocator *allocator)
{
    size_t size = jzx__names_size(names_max);
    memset(names, 0, sizeof *names);
    names->mask = (uint32_t)(entry_count(names_max) - 1);
    names->names_max = names_max;
    names->seed = seed;
    names->allocator = allocator;
    names->entries = allocator->alloc(allocator->context, size, JZX__CACHE_LINE);
    if (names->entries == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(names->entries, 0, size);
    return JZX_OK;
}

void jzx__names_deinit(jzx__names *names)
{
    if (names->entries != NULL) {
        names->allocator->free(names->allocator->context, names->entries, jzx__names_size(names->names_max),
                               JZX__CACHE_LINE);
        names->entries = NULL;
    }
}

bool jzx__name_key_of(const char *name, jzx__name_key *key)
{
    size_t length = name == NULL ? 0 : strnlen(name, JZX_NAME_MAX);
    if (length == 0 || length == JZX_NAME_MAX) {
        return false;
    }
    memset(key, 0, sizeof *key);
    memcpy(key, name, length);
    return true;
}

uint32_t jzx__name_home(const jzx__names *names, const jzx__name_key *key)
{
    uint64_t z = names->seed;
    for (unsigned i = 0; i < JZX__NAME_WORDS; i++) {
        z = jzx__mix(z ^ key->words[i]);
    }
    return (uint32_t)z & names->mask;
}

static inline jzx__name_entry *entry_at(const jzx__names *names, uint32_t home, uint32_t distance)
{
    return &names->entries[(home + distance) & names->mask];
}

static inline bool same_name(const jzx__name_entry *entry, const jzx__name_key *key)
{
    for (unsigned i = 0; i < JZX__NAME_WORDS; i++) {
        /* Acquire: what is read after a word is no older than it; the partner is the release in write_entry(). */
        if (atomic_load_explicit(&entry->words[i], memory_order_acquire) != key->words[i]) {
            return false;
        }
        JZX__SIM_POINT("names: word read");
    }
    return true;
}

/*
 * The id that an entry has for this name, or 0. Whoever reads a word or an id that is being written sees by it that the
 * sequence has moved on: each load here acquires, each store in write_entry() releases, and no fence is needed (N4).
 */
static jzx_actor_id look(const jzx__name_entry *entry, const jzx__name_key *key)
{
    uint64_t sequence = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if (sequence % 2 != 0 || !same_name(entry, key)) {
        return 0;
    }
    jzx_actor_id id = atomic_load_explicit(&entry->id, memory_order_acquire);
    JZX__SIM_POINT("names: id read");
    return atomic_load_explicit(&entry->sequence, memory_order_relaxed) == sequence ? id : 0;
}

jzx_actor_id jzx__names_find(const jzx__names *names, const jzx__name_key *key, uint32_t *place)
{
    uint32_t home = jzx__name_home(names, key);
    /* Relaxed: who knows that the name is registered has its reach, or a later one, before this load (N3). */
    uint32_t reach = atomic_load_explicit(&names->entries[home].reach, memory_order_relaxed);
    for (uint32_t distance = 0; distance <= reach; distance++) {
        const jzx__name_entry *entry = entry_at(names, home, distance);
        jzx_actor_id id = look(entry, key);
        if (id != 0) {
            if (place != NULL) {
                *place = (uint32_t)(entry - names->entries);
            }
            return id;
        }
        JZX__SIM_POINT("names: looked at one");
    }
    return 0;
}

static inline bool is_free(const jzx__name_entry *entry)
{
    /* Acquire: pairs with the release in jzx__names_remove(): its loop has done with the entry. */
    return atomic_load_explicit(&entry->id, memory_order_acquire) == 0;
}

/* Under the lock: what the entries within the reach of a home hold. */
typedef struct survey {
    bool taken;        /* one of them has the name */
    uint32_t free;     /* the nearest free one, or NO_PLACE; a distance, as is the next */
    uint32_t furthest; /* of those that are not free and whose home it is */
} survey;

static survey look_around(const jzx__names *names, uint32_t home, const jzx__name_key *key)
{
    survey found = {.free = NO_PLACE};
    uint32_t reach = atomic_load_explicit(&names->entries[home].reach, memory_order_relaxed);
    for (uint32_t distance = 0; distance <= reach; distance++) {
        const jzx__name_entry *entry = entry_at(names, home, distance);
        if (is_free(entry)) {
            found.free = found.free == NO_PLACE ? distance : found.free;
        } else if (entry->home == home) {
            found.taken |= same_name(entry, key);
            found.furthest = distance;
        }
    }
    /* Beyond the reach is none with this home (N3), but there may be the first free one. */
    for (uint32_t distance = reach + 1; found.free == NO_PLACE && distance <= names->mask; distance++) {
        found.free = is_free(entry_at(names, home, distance)) ? distance : NO_PLACE;
    }
    return found;
}

/* N1. The stores after the first release, so that who reads one of them reads a sequence that is odd or later. */
static void write_entry(jzx__name_entry *entry, const jzx__name_key *key, jzx_actor_id id)
{
    uint64_t sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
    JZX_ASSERT(sequence % 2 == 0);
    atomic_store_explicit(&entry->sequence, sequence + 1, memory_order_relaxed);
    JZX__SIM_POINT("names: sequence odd");
    for (unsigned i = 0; i < JZX__NAME_WORDS; i++) {
        atomic_store_explicit(&entry->words[i], key->words[i], memory_order_release);
        JZX__SIM_POINT("names: word written");
    }
    atomic_store_explicit(&entry->id, id, memory_order_release);
    JZX__SIM_POINT("names: id written");
    atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
}

/* Under the lock. */
static jzx_err add(jzx__names *names, const jzx__name_key *key, jzx_actor_id id, uint32_t record, uint32_t *place)
{
    uint32_t home = jzx__name_home(names, key);
    survey found = look_around(names, home, key);
    if (found.taken) {
        return JZX_ERR_NAME_TAKEN;
    }
    /* Acquire: pairs with jzx__names_remove(), so that what is not counted any more is seen free (N5). */
    if (atomic_load_explicit(&names->used, memory_order_acquire) >= names->names_max) {
        return JZX_ERR_LIMIT;
    }
    JZX_ASSERT(found.free != NO_PLACE); /* N5 */
    atomic_fetch_add_explicit(&names->used, 1, memory_order_relaxed);
    uint32_t reach = found.free > found.furthest ? found.free : found.furthest;
    atomic_store_explicit(&names->entries[home].reach, reach, memory_order_relaxed); /* N3 */
    JZX__SIM_POINT("names: reach set");
    jzx__name_entry *entry = entry_at(names, home, found.free);
    entry->home = home;
    entry->record = record;
    write_entry(entry, key, id);
    *place = (uint32_t)(entry - names->entries);
    return JZX_OK;
}

jzx_err jzx__names_add(jzx__names *names, const jzx__name_key *key, jzx_actor_id id, uint32_t record, uint32_t *place)
{
    JZX_ASSERT(id != 0);
    jzx__spin_lock(&names->lock);
    jzx_err err = add(names, key, id, record, place);
    jzx__spin_unlock(&names->lock);
    return err;
}

void jzx__names_remove(jzx__names *names, uint32_t place)
{
    jzx__name_entry *entry = &names->entries[place];
    JZX_ASSERT(!is_free(entry)); /* N2 */
    atomic_store_explicit(&entry->id, 0, memory_order_release);
    JZX__SIM_POINT("names: id cleared");
    atomic_fetch_sub_explicit(&names->used, 1, memory_order_release); /* after the id: N5 */
}

/* ---- names as resources of actors ---- */

/* The record first: what is in the table must have one (N6). */
static jzx_err add_with_record(jzx_loop *loop, uint32_t index, const jzx__name_key *key)
{
    void *record;
    uint64_t number;
    jzx_err err = jzx__table_take(&loop->names, &record, &number);
    if (err != JZX_OK) {
        return err;
    }
    jzx__name *name = record;
    err = jzx__names_add(&loop->runtime->names, key, jzx__public(loop, index)->id, jzx__number_index(number),
                         &name->place);
    if (err != JZX_OK) {
        jzx__table_give(&loop->names, number);
        return err;
    }
    jzx__resource_begin(loop, &name->resource, JZX__RESOURCE_NAME, number, index);
    return JZX_OK;
}

jzx_err jzx__name_register(jzx_loop *loop, uint32_t index, const char *text)
{
    jzx__name_key key;
    if (!jzx__name_key_of(text, &key)) {
        return JZX_ERR_INVALID_ARG;
    }
    if (jzx__public(loop, index)->state > JZX__RUNNING) {
        return JZX_ERR_STOPPING;
    }
    if (jzx__names_find(&loop->runtime->names, &key, NULL) != 0) {
        return JZX_ERR_NAME_TAKEN; /* also when there is no room for one more */
    }
    return add_with_record(loop, index, &key);
}

jzx_err jzx__name_unregister(jzx_loop *loop, const char *text)
{
    const jzx__names *names = &loop->runtime->names;
    jzx__name_key key;
    if (!jzx__name_key_of(text, &key)) {
        return JZX_ERR_INVALID_ARG;
    }
    uint32_t place;
    jzx_actor_id id = jzx__names_find(names, &key, &place);
    if (id == 0) {
        return JZX_ERR_NOT_FOUND;
    }
    if (jzx__id_loop(id) != loop->index) {
        return JZX_ERR_ACTOR_NOT_LOCAL;
    }
    jzx__name *name = jzx__table_at(&loop->names, names->entries[place].record);
    JZX_ASSERT(name->place == place && jzx__public(loop, name->resource.owner)->id == id); /* N6 */
    jzx__name_let_go(loop, name);
    return JZX_OK;
}

void jzx__name_let_go(jzx_loop *loop, jzx__name *name)
{
    jzx__names_remove(&loop->runtime->names, name->place);
    jzx__resource_disown(&name->resource);
    jzx__resource_free(loop, &name->resource);
}

void jzx__name_let_go_all(jzx_loop *loop, uint32_t index)
{
    jzx__resource *resource = jzx__slot_cold(&loop->slots, index)->owned;
    while (resource != NULL) {
        jzx__resource *next = resource->next;
        if (resource->kind == JZX__RESOURCE_NAME) {
            jzx__name_let_go(loop, (jzx__name *)(void *)resource);
        }
        resource = next;
    }
}
