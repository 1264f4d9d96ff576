#include "sched/group_watch.h"
#include "sched/loop.h"
#include "sched/spin.h"

enum { NO_PLACE = UINT32_MAX };

/* ---- memory ---- */

static size_t entry_count(uint32_t groups_max)
{
    size_t count = 8; /* a row of jzx__here is then a cache line at least */
    while (count < 2 * (size_t)groups_max) {
        count *= 2;
    }
    return count;
}

/* Where the next part begins: on a cache line of its own. With the most that options may ask for it is far below 2^64. */
static size_t behind(size_t at, size_t count, size_t size)
{
    return (at + count * size + JZX__CACHE_LINE - 1) & ~((size_t)JZX__CACHE_LINE - 1);
}
_Static_assert(sizeof(size_t) == 8, "the sizes of the largest space fit");

/* Where the parts of a space lie in its one block. */
typedef struct layout {
    size_t groups;
    size_t here;
    size_t members;
    size_t size;
} layout;

static layout lay_out(const jzx_space_options *options, uint32_t loops)
{
    size_t entries = entry_count(options->groups_max);
    layout at;
    at.groups = behind(0, 1, sizeof(jzx_space));
    at.here = behind(at.groups, entries, sizeof(jzx__group));
    at.members = behind(at.here, entries * sizeof(jzx__here), loops);
    at.size = behind(at.members, options->members_max, sizeof(jzx__member));
    return at;
}

size_t jzx__space_size(const jzx_space_options *options, uint32_t loops)
{
    return lay_out(options, loops).size;
}

static uint64_t draw_seed(const jzx_runtime *runtime, uint32_t index)
{
    return jzx__mix(runtime->names.seed + index + 1);
}

/* Members are cleared when they are taken, so memory for many that never come is not touched. */
static jzx_err make(jzx_runtime *runtime, const jzx_space_options *options, uint32_t index, jzx_space **out)
{
    const jzx_allocator *allocator = &runtime->config.allocators[JZX_MEMORY_METADATA];
    layout at = lay_out(options, runtime->config.loops_max);
    char *memory = allocator->alloc(allocator->context, at.size, JZX__CACHE_LINE);
    if (memory == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(memory, 0, at.members);
    jzx_space *space = (jzx_space *)(void *)memory;
    space->runtime = runtime;
    space->index = index;
    space->mask = (uint32_t)(entry_count(options->groups_max) - 1);
    space->groups_max = options->groups_max;
    space->members_max = options->members_max;
    space->seed = draw_seed(runtime, index);
    space->size = at.size;
    space->groups = (jzx__group *)(void *)(memory + at.groups);
    space->here = (jzx__here *)(void *)(memory + at.here);
    space->members = (jzx__member *)(void *)(memory + at.members);
    jzx__text_copy(space->name, sizeof space->name, options->name);
    jzx__list_init(&space->changes);
    jzx__list_init(&space->watches);
    *out = space;
    return JZX_OK;
}

static uint32_t spaces_made(const jzx_runtime *runtime)
{
    /* Acquire: pairs with the release that published the space. */
    return atomic_load_explicit(&runtime->space_count, memory_order_acquire);
}

jzx_space *jzx__space_named(const jzx_runtime *runtime, const char *name)
{
    for (uint32_t i = 0; i < spaces_made(runtime); i++) {
        if (strcmp(runtime->spaces[i]->name, name) == 0) {
            return runtime->spaces[i];
        }
    }
    return NULL;
}

/* One maker at a time. */
static jzx_err create(jzx_runtime *runtime, const jzx_space_options *options, jzx_space **space)
{
    uint32_t count = spaces_made(runtime);
    if (options->name != NULL && jzx__space_named(runtime, options->name) != NULL) {
        return JZX_ERR_NAME_TAKEN;
    }
    if (count == runtime->config.spaces_max) {
        return JZX_ERR_LIMIT;
    }
    jzx_err err = make(runtime, options, count, space);
    if (err == JZX_OK) {
        runtime->spaces[count] = *space;
        atomic_store_explicit(&runtime->space_count, count + 1, memory_order_release);
    }
    return err;
}

jzx_err jzx__space_create(jzx_runtime *runtime, const jzx_space_options *options, jzx_space **space)
{
    jzx__spin_lock(&runtime->space_lock);
    jzx_err err = create(runtime, options, space);
    jzx__spin_unlock(&runtime->space_lock);
    return err;
}

void jzx__spaces_free(jzx_runtime *runtime)
{
    const jzx_allocator *allocator = &runtime->config.allocators[JZX_MEMORY_METADATA];
    for (uint32_t i = spaces_made(runtime); i > 0; i--) {
        jzx_space *space = runtime->spaces[i - 1];
        JZX_ASSERT(jzx__list_empty(&space->watches));
        allocator->free(allocator->context, space, space->size, JZX__CACHE_LINE);
    }
}

/* ---- finding a group ---- */

static void name_words(const jzx_group *group, uint64_t words[JZX__GROUP_WORDS])
{
    memcpy(words, group->name, JZX_GROUP_NAME_MAX); /* zeroes after its end */
}

jzx_group jzx__group_value(jzx_space *space, const void *name, size_t size)
{
    jzx_group group;
    memset(&group, 0, sizeof group);
    if (space == NULL || name == NULL || size == 0 || size > JZX_GROUP_NAME_MAX) {
        return group;
    }
    group.space = space;
    group.size = (uint32_t)size;
    memcpy(group.name, name, size);
    uint64_t words[JZX__GROUP_WORDS];
    name_words(&group, words);
    group.hash = jzx__mix(space->seed ^ size);
    for (size_t i = 0; i < (size + 7) / 8; i++) {
        group.hash = jzx__mix(group.hash ^ words[i]);
    }
    return group;
}

static inline uint32_t home_of(const jzx_group *group)
{
    return (uint32_t)group->hash & group->space->mask;
}

static inline jzx__group *entry_at(const jzx_space *space, uint32_t home, uint32_t distance)
{
    return &space->groups[(home + distance) & space->mask];
}

static bool same_name(const jzx__group *entry, const jzx_group *group)
{
    uint64_t words[JZX__GROUP_WORDS];
    name_words(group, words);
    /* Acquire: what is read after a word is no older than it; the partner is the release in write_name(). */
    if (atomic_load_explicit(&entry->size, memory_order_acquire) != group->size) {
        return false;
    }
    for (uint32_t i = 0; i < (group->size + 7) / 8; i++) {
        if (atomic_load_explicit(&entry->words[i], memory_order_acquire) != words[i]) {
            return false;
        }
    }
    return true;
}

bool jzx__space_is(const jzx_space *space, uint32_t place, const jzx_group *group)
{
    return same_name(&space->groups[place], group);
}

/* GS2: each load acquires, each store of a writer releases, and no fence is needed. */
static bool look(const jzx__group *entry, const jzx_group *group, jzx__group_view *view)
{
    uint64_t sequence = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if (sequence % 2 != 0 || !same_name(entry, group)) {
        return false;
    }
    JZX__SIM_POINT("space: name read");
    view->count = atomic_load_explicit(&entry->count, memory_order_acquire);
    for (uint32_t i = 0; i < JZX__LOOP_WORDS; i++) {
        view->loops[i] = atomic_load_explicit(&entry->loops[i], memory_order_acquire);
    }
    JZX__SIM_POINT("space: loops read");
    view->generation = (uint32_t)(sequence / 2);
    return view->count != 0 && atomic_load_explicit(&entry->sequence, memory_order_relaxed) == sequence;
}

bool jzx__space_look(const jzx_group *group, jzx__group_view *view)
{
    const jzx_space *space = group->space;
    uint32_t home = home_of(group);
    /* Relaxed: who knows that the group has members has its reach, or a later one, before this load (GS3). */
    uint32_t reach = atomic_load_explicit(&space->groups[home].reach, memory_order_relaxed);
    for (uint32_t distance = 0; distance <= reach; distance++) {
        const jzx__group *entry = entry_at(space, home, distance);
        if (look(entry, group, view)) {
            view->place = (uint32_t)(entry - space->groups);
            return true;
        }
        JZX__SIM_POINT("space: looked at one");
    }
    return false;
}

/* ---- under the lock ---- */

static inline uint32_t count_of(const jzx__group *entry)
{
    return atomic_load_explicit(&entry->count, memory_order_relaxed);
}

/* What the entries within the reach of a home hold. */
typedef struct survey {
    uint32_t group;    /* where the group is; a distance, as are the next, or NO_PLACE */
    uint32_t free;     /* the nearest free one */
    uint32_t furthest; /* of those that are not free and whose home it is */
} survey;

static survey look_around(const jzx_group *group)
{
    const jzx_space *space = group->space;
    survey found = {.group = NO_PLACE, .free = NO_PLACE};
    uint32_t home = home_of(group);
    uint32_t reach = atomic_load_explicit(&space->groups[home].reach, memory_order_relaxed);
    for (uint32_t distance = 0; distance <= reach; distance++) {
        const jzx__group *entry = entry_at(space, home, distance);
        if (count_of(entry) == 0) {
            found.free = found.free == NO_PLACE ? distance : found.free;
        } else if (entry->home == home) {
            found.group = same_name(entry, group) ? distance : found.group;
            found.furthest = distance;
        }
    }
    /* Beyond the reach is none with this home (GS3), but there may be the first free one. */
    for (uint32_t distance = reach + 1; found.free == NO_PLACE; distance++) {
        JZX_ASSERT(distance <= space->mask); /* half of them are free: entry_count() */
        found.free = count_of(entry_at(space, home, distance)) == 0 ? distance : NO_PLACE;
    }
    return found;
}

/* GS1. The stores after the first release, so that who reads one of them reads a sequence that is odd or later. */
static void write_name(jzx__group *entry, const jzx_group *group)
{
    uint64_t words[JZX__GROUP_WORDS];
    name_words(group, words);
    uint64_t sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
    JZX_ASSERT(sequence % 2 == 0 && count_of(entry) == 0);
    atomic_store_explicit(&entry->sequence, sequence + 1, memory_order_relaxed);
    JZX__SIM_POINT("space: sequence odd");
    atomic_store_explicit(&entry->size, group->size, memory_order_release);
    for (uint32_t i = 0; i < JZX__GROUP_WORDS; i++) {
        atomic_store_explicit(&entry->words[i], words[i], memory_order_release);
    }
    JZX__SIM_POINT("space: name written");
    atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
}

static jzx__group *add_group(const jzx_group *group, const survey *found)
{
    jzx_space *space = group->space;
    uint32_t home = home_of(group);
    uint32_t reach = found->free > found->furthest ? found->free : found->furthest;
    JZX_ASSERT(found->free != NO_PLACE);
    atomic_store_explicit(&space->groups[home].reach, reach, memory_order_relaxed); /* GS3 */
    jzx__group *entry = entry_at(space, home, found->free);
    entry->home = home;
    entry->oldest = 0;
    entry->youngest = 0;
    write_name(entry, group);
    space->groups_used++;
    return entry;
}

static jzx__member *member_at(const jzx_space *space, uint32_t place)
{
    return place == 0 ? NULL : &space->members[place - 1];
}

static uint32_t place_of(const jzx_space *space, const jzx__member *member)
{
    return (uint32_t)(member - space->members) + 1;
}

/* A record that is in no list of a group, or NULL. */
static jzx__member *take_member(jzx_space *space)
{
    jzx__member *member;
    uint32_t generation = 0;
    if (space->free != 0) {
        member = member_at(space, space->free);
        space->free = member->after;
        generation = (uint32_t)member->resource.number;
    } else if (space->fresh < space->members_max) {
        member = &space->members[space->fresh++];
        jzx__list_init(&member->changed);
    } else {
        return NULL;
    }
    memset(member, 0, offsetof(jzx__member, changed));
    member->resource.number = (uint64_t)space->index << 56 | (uint64_t)(member - space->members) << 32 |
                              (generation + 1);
    return member;
}

/* One at its last generation is retired: no number is given out twice. */
static void give_member(jzx_space *space, jzx__member *member)
{
    if ((uint32_t)member->resource.number != UINT32_MAX) {
        member->after = space->free;
        space->free = place_of(space, member);
    }
}

static void chain(jzx_space *space, jzx__group *entry, jzx__member *member)
{
    uint32_t place = place_of(space, member);
    member->older = entry->youngest;
    if (member->older == 0) {
        entry->oldest = place;
    } else {
        member_at(space, member->older)->younger = place;
    }
    entry->youngest = place;
}

static void unchain(jzx_space *space, jzx__group *entry, const jzx__member *member)
{
    if (member->older == 0) {
        entry->oldest = member->younger;
    } else {
        member_at(space, member->older)->younger = member->younger;
    }
    if (member->younger == 0) {
        entry->youngest = member->older;
    } else {
        member_at(space, member->younger)->older = member->older;
    }
}

/* Of its loop alone, but for the bit (GS4). */
static void chain_here(const jzx_loop *loop, jzx_space *space, jzx__group *entry, jzx__member *member)
{
    jzx__here *here = jzx__space_here(space, loop->index, member->place);
    uint32_t place = place_of(space, member);
    member->before = here->last;
    if (here->last == 0) {
        here->first = place;
        _Atomic(uint64_t) *word = &entry->loops[loop->index / 64];
        uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
        atomic_store_explicit(word, bits | 1ull << loop->index % 64, memory_order_release);
    } else {
        JZX_ASSERT(member_at(space, here->last)->generation == member->generation); /* GS5 */
        member_at(space, here->last)->after = place;
    }
    here->last = place;
}

static void unchain_here(const jzx_loop *loop, jzx_space *space, jzx__group *entry, const jzx__member *member)
{
    jzx__here *here = jzx__space_here(space, loop->index, member->place);
    if (member->before == 0) {
        here->first = member->after;
    } else {
        member_at(space, member->before)->after = member->after;
    }
    if (member->after == 0) {
        here->last = member->before;
    } else {
        member_at(space, member->after)->before = member->before;
    }
    if (here->first == 0) {
        _Atomic(uint64_t) *word = &entry->loops[loop->index / 64];
        uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
        atomic_store_explicit(word, bits & ~(1ull << loop->index % 64), memory_order_release);
    }
}

/* It is now the last of the changes, so each watch will come to it. */
static void has_changed(jzx_space *space, jzx__member *member)
{
    jzx__list_remove(&member->changed);
    jzx__list_append(&space->changes, &member->changed);
    /* Release: pairs with the acquire of routers. The lock orders the writers. */
    atomic_store_explicit(&space->version, atomic_load_explicit(&space->version, memory_order_relaxed) + 1,
                          memory_order_release);
}

/* ---- members ---- */

static jzx_err join(jzx_loop *loop, const jzx_group *group, jzx_actor_id id, uint64_t tag, jzx__member **out)
{
    jzx_space *space = group->space;
    survey found = look_around(group);
    if (found.group == NO_PLACE && space->groups_used == space->groups_max) {
        return JZX_ERR_LIMIT;
    }
    jzx__member *member = take_member(space);
    if (member == NULL) {
        return JZX_ERR_LIMIT;
    }
    jzx__group *entry = found.group == NO_PLACE ? add_group(group, &found)
                                                : entry_at(space, home_of(group), found.group);
    member->id = id;
    member->tag = tag;
    member->place = (uint32_t)(entry - space->groups);
    member->generation = (uint32_t)(atomic_load_explicit(&entry->sequence, memory_order_relaxed) / 2);
    member->joined = ++loop->members_joined; /* GS6 */
    chain(space, entry, member);
    chain_here(loop, space, entry, member);
    JZX__SIM_POINT("space: bit set");
    atomic_store_explicit(&entry->count, count_of(entry) + 1, memory_order_release);
    has_changed(space, member);
    *out = member;
    return JZX_OK;
}

static void leave(jzx_loop *loop, jzx_space *space, jzx__member *member)
{
    jzx__group *entry = &space->groups[member->place];
    uint32_t count = count_of(entry);
    JZX_ASSERT(member->id != 0 && count > 0);
    unchain(space, entry, member);
    atomic_store_explicit(&entry->count, count - 1, memory_order_release);
    JZX__SIM_POINT("space: count less");
    unchain_here(loop, space, entry, member);
    space->groups_used -= count == 1;
    member->id = 0; /* GS7 */
    has_changed(space, member);
}

jzx_err jzx__group_join(jzx_context *context, const jzx_group *group, uint64_t tag, jzx_member_id *number,
                        jzx_filter_fn filter, void *filter_context)
{
    jzx_loop *loop = context->loop;
    jzx_space *space = group->space;
    jzx__member *member;
    if (jzx__public(loop, context->slot)->state > JZX__RUNNING) {
        return JZX_ERR_STOPPING;
    }
    jzx__wake_set wake = {.any = false};
    jzx__spin_lock(&space->lock);
    jzx_err err = join(loop, group, context->self, tag, &member);
    if (err == JZX_OK) {
        jzx__group_watches_touched(space, member->place, &wake);
    }
    jzx__spin_unlock(&space->lock);
    if (err != JZX_OK) {
        return err;
    }
    member->filter = filter;
    member->filter_context = filter_context;
    member->resource.kind = JZX__RESOURCE_MEMBER;
    member->resource.cell.flags = JZX__FLAG_EMBEDDED;
    jzx__resource_own(&member->resource, jzx__slot_cold(&loop->slots, context->slot), context->slot);
    jzx__group_watches_wake(loop, &wake);
    if (number != NULL) {
        *number = member->resource.number;
    }
    return JZX_OK;
}

void jzx__member_let_go(jzx_loop *loop, jzx__member *member)
{
    jzx_space *space = jzx__space_of(loop->runtime->spaces, member->resource.number);
    jzx__wake_set wake = {.any = false};
    jzx__fanouts_pass(loop, space, member);
    jzx__spin_lock(&space->lock);
    leave(loop, space, member);
    jzx__group_watches_touched(space, member->place, &wake);
    jzx__spin_unlock(&space->lock);
    jzx__resource_disown(&member->resource);
    jzx__resource_free(loop, &member->resource);
    jzx__group_watches_wake(loop, &wake);
}

void jzx__member_give(jzx_loop *loop, jzx__member *member)
{
    jzx_space *space = jzx__space_of(loop->runtime->spaces, member->resource.number);
    jzx__spin_lock(&space->lock);
    give_member(space, member);
    jzx__spin_unlock(&space->lock);
}

/* Under the lock: the record that a number names, if it is a member and this actor's. */
static jzx__member *find_member(const jzx_space *space, jzx_member_id number, jzx_actor_id id)
{
    uint32_t index = jzx__number_index(number);
    jzx__member *member = index < space->fresh ? &space->members[index] : NULL;
    return member != NULL && member->resource.number == number && member->id == id ? member : NULL;
}

jzx_err jzx__group_leave(jzx_context *context, jzx_member_id number)
{
    jzx_loop *loop = context->loop;
    if (number >> 56 >= spaces_made(loop->runtime)) {
        return JZX_ERR_NOT_FOUND;
    }
    jzx_space *space = jzx__space_of(loop->runtime->spaces, number);
    jzx__spin_lock(&space->lock);
    jzx__member *member = find_member(space, number, context->self);
    jzx__spin_unlock(&space->lock);
    if (member == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    jzx__member_let_go(loop, member); /* only this thread ends what is an actor's of its own */
    return JZX_OK;
}

void jzx__member_let_go_all(jzx_loop *loop, uint32_t index)
{
    jzx__resource *resource = jzx__slot_cold(&loop->slots, index)->owned;
    while (resource != NULL) {
        jzx__resource *next = resource->next;
        if (resource->kind == JZX__RESOURCE_MEMBER) {
            jzx__member_let_go(loop, (jzx__member *)(void *)resource);
        }
        resource = next;
    }
}

/* ---- lists ---- */

static void read_group(jzx_space *space, const jzx__group *entry, jzx_group *group)
{
    uint64_t words[JZX__GROUP_WORDS];
    for (uint32_t i = 0; i < JZX__GROUP_WORDS; i++) {
        words[i] = atomic_load_explicit(&entry->words[i], memory_order_relaxed);
    }
    *group = jzx__group_value(space, words, atomic_load_explicit(&entry->size, memory_order_relaxed));
}

void jzx__space_groups(jzx_space *space, jzx_group *groups, uint32_t max, uint32_t *count)
{
    uint32_t found = 0;
    jzx__spin_lock(&space->lock);
    for (uint32_t i = 0; found < space->groups_used; i++) {
        JZX_ASSERT(i <= space->mask);
        if (count_of(&space->groups[i]) != 0 && found++ < max) {
            read_group(space, &space->groups[i], &groups[found - 1]);
        }
    }
    jzx__spin_unlock(&space->lock);
    *count = found;
}

static void read_members(const jzx_space *space, const jzx__group *entry, jzx_member *members, uint32_t max)
{
    const jzx__member *member = member_at(space, entry->oldest);
    for (uint32_t i = 0; i < max && member != NULL; i++) {
        members[i] = (jzx_member){.id = member->id, .tag = member->tag};
        member = member_at(space, member->younger);
    }
}

bool jzx__space_members(const jzx_group *group, jzx_member *members, uint32_t max, uint32_t *count)
{
    jzx_space *space = group->space;
    jzx__spin_lock(&space->lock);
    survey found = look_around(group);
    if (found.group != NO_PLACE) {
        const jzx__group *entry = entry_at(space, home_of(group), found.group);
        *count = count_of(entry);
        read_members(space, entry, members, max);
    }
    jzx__spin_unlock(&space->lock);
    return found.group != NO_PLACE;
}
