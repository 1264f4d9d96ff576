/*
 * name: the names of a runtime's actors: one table that its loops share and that any thread reads.
 *
 *   any thread     jzx__names_find(): never waits, and writes nothing
 *   owner thread   jzx__name_register() takes the table's lock; jzx__name_unregister(), and what a death lets go, do not
 *   neither        jzx__names_init(), jzx__names_deinit(): before the loops and after them
 *
 * Open addressing: a name's home is given by its hash, and it lies in the first free entry from there on. An entry whose
 * id is 0 is free, whatever name it still holds: there are no tombstones. What makes an end of a search that finds nothing
 * is the home's `reach`, the way to the furthest of its names, and not an entry that was never used; so it costs no more
 * after a million names than after one. (After Purcell and Harris, Non-blocking Hashtables with Open Addressing, 2005.)
 *
 * Invariants
 *   N1  An entry is written under the lock, and only while its id is 0; then its sequence is odd.
 *   N2  An entry whose id is not 0 is its name's until the loop of that actor sets the id to 0; it does not move. No two
 *       such entries have one name.
 *   N3  The reach of a home is never less than the distance of any entry of its names whose id is not 0. It is raised
 *       before the entry can be seen, and lowered only under the lock, to the furthest that is not free then.
 *   N4  A search believes an entry only if the sequence was even before and the same after it read name and id. An entry
 *       that it passes over because of that was free at some moment of the search (N1), so the name was not there all the
 *       time: a name that is registered throughout a search is found (N2, N3), and no id is found for another's name.
 *   N5  At most names_max entries are not free, which are half of all: there is always a free one.
 *   N6  A name that is registered has one record among the resources of its actor, which ends with it (R1).
 */
#ifndef JZX__NAME_H
#define JZX__NAME_H

#include "io/base.h"
#include <jzx/name.h>
#include <jzx/runtime.h>

enum { JZX__NAME_WORDS = JZX_NAME_MAX / 8 };

/* A name, zeroes after its end. */
typedef struct jzx__name_key {
    uint64_t words[JZX__NAME_WORDS];
} jzx__name_key;

typedef struct jzx__name_entry {
    _Alignas(JZX__CACHE_LINE) _Atomic(uint64_t) sequence; /* odd: being written */
    _Atomic(uint64_t) id;                                 /* 0: free */
    _Atomic(uint64_t) words[JZX__NAME_WORDS];
    _Atomic(uint32_t) reach; /* of the home that this entry is (N3) */
    uint32_t home;           /* of the name; under the lock */
    uint32_t record;         /* index of the resource; its loop's while the id is not 0 */
} jzx__name_entry;
_Static_assert(sizeof(jzx__name_entry) == JZX__CACHE_LINE, "a look at an entry is one cache line");

typedef struct jzx__names {
    /* Set once. */
    jzx__name_entry *entries;
    uint32_t mask;
    uint32_t names_max;
    uint64_t seed; /* of the hash: who chooses names cannot make them collide */
    const jzx_allocator *allocator;

    /* Shared. */
    _Alignas(JZX__CACHE_LINE) _Atomic(uint32_t) lock; /* of those who register */
    _Atomic(uint32_t) used;                           /* entries that are not free, or more for a moment (N5) */
} jzx__names;

jzx_err jzx__names_init(jzx__names *names, uint32_t names_max, uint64_t seed, const jzx_allocator *allocator);
void jzx__names_deinit(jzx__names *names);
size_t jzx__names_size(uint32_t names_max);

/* False when it is NULL, empty or too long. */
bool jzx__name_key_of(const char *name, jzx__name_key *key);
uint32_t jzx__name_home(const jzx__names *names, const jzx__name_key *key);

/* The id of the actor, and where its entry lies (`place` may be NULL), or 0. */
jzx_actor_id jzx__names_find(const jzx__names *names, const jzx__name_key *key, uint32_t *place);
/* JZX_OK with *place, NAME_TAKEN or LIMIT. */
jzx_err jzx__names_add(jzx__names *names, const jzx__name_key *key, jzx_actor_id id, uint32_t record, uint32_t *place);
/* By the loop of the actor. */
void jzx__names_remove(jzx__names *names, uint32_t place);

#endif
