/*
 * space: the groups of a space and their members: one table for all loops, and in it each loop's own list of the members
 * that live there.
 *
 *   any thread     jzx__space_look(): never waits, and writes nothing
 *   any thread     jzx__space_groups(), jzx__space_members(), jzx__space_create(): under a lock
 *   owner thread   jzx__group_join(), and the leaving of its actors: under the lock; its own lists without
 *   neither        jzx__spaces_free(): after the loops
 *
 * A group is an entry of an open-addressed table, found as a name is (sched/name.h): in the first free entry from its home
 * on, at most the home's `reach` away. It is there while it has members. Its number is the place of the entry with a
 * generation, so what was sent to a group that has gone meanwhile is not taken for the next one in that place.
 *
 * A member is a record of the space and a resource of its actor, which ends with it (R1). It is in three lists: that of its
 * group, that of its group on its loop, and that of the changes of the space.
 *
 * Invariants
 *   GS1 What is shared of a space is written under its lock. An entry's name is written only while its count is 0, and then
 *       its sequence is odd; half of the sequence is the generation.
 *   GS2 A search believes an entry only if the sequence was even before and the same after it read name, count and loops. An
 *       entry that it passes over because of that was free at some moment of the search; so a group that has members
 *       throughout a search is found, and none is found for another's name.
 *   GS3 The reach of a home is never less than the distance of any entry of its names that is not free.
 *   GS4 A loop's bit of a group is set before a join on that loop returns, and until the last member there has left.
 *   GS5 While a loop's own list of a group is not empty its members are all of one generation: the group cannot go. So
 *       whether a broadcast is for them is seen on their loop, by any of them.
 *   GS6 The own list is in the order of joining: `joined` grows along it.
 *   GS7 A member that has left, and what it missed not yet come out of its mailbox, has no id and is in no list of a group;
 *       its record is free when that is out (R2).
 */
#ifndef JZX__SPACE_H
#define JZX__SPACE_H

#include "sched/resource.h"
#include <jzx/group.h>

enum { JZX__GROUP_WORDS = JZX_GROUP_NAME_MAX / 8, JZX__LOOP_WORDS = (JZX_LOOPS_MAX + 63) / 64 };

/* One of a space's entries. */
typedef struct jzx__group {
    _Alignas(JZX__CACHE_LINE) _Atomic(uint64_t) words[JZX__GROUP_WORDS]; /* the name, zeroes after its end */
    _Atomic(uint64_t) sequence;                                          /* odd: being written */
    _Atomic(uint64_t) loops[JZX__LOOP_WORDS];                            /* a bit for each that has members */
    _Atomic(uint32_t) count;                                             /* of members; 0: free */
    _Atomic(uint32_t) size;                                              /* of the name */
    _Atomic(uint32_t) reach;                                             /* of the home that this entry is */
    uint32_t home;                                                       /* of the name; under the lock */
    uint32_t oldest;                                                     /* member: index + 1; under the lock */
    uint32_t youngest;
} jzx__group;
_Static_assert(sizeof(jzx__group) == 2 * JZX__CACHE_LINE, "a look at an entry is two cache lines");

typedef struct jzx__member {
    /* Its loop's. */
    _Alignas(JZX__CACHE_LINE) jzx__resource resource; /* its number has the space in the top byte, and is written under
                                                         the lock */
    jzx_filter_fn filter;
    uint64_t joined; /* GS6 */
    uint64_t tag;    /* written under the lock */
    uint32_t before; /* of its group on its loop: index + 1 */
    uint32_t after;  /* the end of the one line that a broadcast looks at */
    void *filter_context;
    uint64_t missed; /* not yet told */

    /* Under the lock; its loop reads what it wrote itself without. */
    jzx_actor_id id;     /* 0: it is none */
    uint32_t place;      /* of its group */
    uint32_t generation; /* and which in that place */
    uint32_t older;      /* of its group: index + 1 */
    uint32_t younger;
    jzx__list changed; /* in the space's changes; from its first use on */
} jzx__member;
_Static_assert(sizeof(jzx__member) == 3 * JZX__CACHE_LINE, "a member is three cache lines");
_Static_assert(offsetof(jzx__member, filter_context) == 2 * JZX__CACHE_LINE, "and a broadcast looks at one");

/* A group's members on one loop. */
typedef struct jzx__here {
    uint32_t first; /* index + 1 */
    uint32_t last;
} jzx__here;

struct jzx_space {
    /* Set once. */
    jzx_runtime *runtime;
    uint32_t index;
    uint32_t mask;
    uint32_t groups_max;
    uint32_t members_max;
    uint64_t seed; /* of the hash: who chooses names cannot make them collide */
    size_t size;
    jzx__group *groups;
    jzx__member *members;
    jzx__here *here; /* a row of as many as there are entries for each loop */
    char name[JZX_SPACE_NAME_MAX];

    /* Shared. */
    _Alignas(JZX__CACHE_LINE) _Atomic(uint32_t) lock;
    uint32_t groups_used;
    uint32_t fresh;            /* the next member that was never used */
    uint32_t free;             /* the last one freed: index + 1 */
    _Atomic(uint32_t) version; /* grows when somebody joins or leaves: for who keeps a list of a group */
    jzx__list changes;         /* members in the order of their last change, and marks of watches among them */
    jzx__list watches;
};

/* What a search has seen of a group at one moment. */
typedef struct jzx__group_view {
    uint32_t place;
    uint32_t generation;
    uint32_t count;
    uint64_t loops[JZX__LOOP_WORDS];
} jzx__group_view;

size_t jzx__space_size(const jzx_space_options *options, uint32_t loops);
jzx_err jzx__space_create(jzx_runtime *runtime, const jzx_space_options *options, jzx_space **space);
/* NULL: there is none of that name. */
jzx_space *jzx__space_named(const jzx_runtime *runtime, const char *name);
void jzx__spaces_free(jzx_runtime *runtime);

/* The group as a value; size 0 when the name is none. */
jzx_group jzx__group_value(jzx_space *space, const void *name, size_t size);
/* Under the lock: is this the entry of that group, or was it last? */
bool jzx__space_is(const jzx_space *space, uint32_t place, const jzx_group *group);
/* False: it has no members. */
bool jzx__space_look(const jzx_group *group, jzx__group_view *view);
void jzx__space_groups(jzx_space *space, jzx_group *groups, uint32_t max, uint32_t *count);
/* False: it has none. */
bool jzx__space_members(const jzx_group *group, jzx_member *members, uint32_t max, uint32_t *count);

static inline jzx_space *jzx__space_of(jzx_space *const *spaces, uint64_t member)
{
    return spaces[member >> 56];
}

static inline jzx__here *jzx__space_here(const jzx_space *space, uint32_t loop, uint32_t place)
{
    return &space->here[(size_t)loop * ((size_t)space->mask + 1) + place];
}

static inline bool jzx__view_has(const jzx__group_view *view, uint32_t loop)
{
    return (view->loops[loop / 64] >> loop % 64 & 1) != 0;
}

#endif
