/*
 * router: which one of several actors a message goes to.
 *
 * A router is memory of the loop it was made on, and nobody but its thread comes here. Of the members' loops it reads what
 * everybody may: the id and the length of a mailbox. Over a group it has a copy of the list of members, and the version
 * that the space had before it was copied: while that is the space's still, the copy is right.
 *
 * Invariants
 *   W1  The members lie by rising tags, each tag once. So one is found by halving, and one that comes back stands where it
 *       stood.
 *   W2  `turn` is below `count`, or both are 0. It goes on meaning the same member when others come and go before it.
 */
#include "sched/space.h"
#include "src/internal.h"

enum { LOOKED_AT_MAX = 8 }; /* mailboxes of which JZX_ROUTE_SMALLEST looks at all */

struct member {
    uint64_t tag;
    uint64_t hash;       /* of the tag */
    jzx_actor_id id;     /* 0: it is `child` */
    jzx_child_ref child; /* 0: it is `id` */
};
_Static_assert(sizeof(struct member) == 32, "as jzx/router.h says");

struct jzx_router {
    jzx_loop *loop;
    uint32_t count;
    uint32_t turn; /* whose turn it is next */
    uint32_t members_max;
    jzx_route strategy;
    jzx_route_key_fn key;
    void *key_context;
    jzx_group group;    /* `space` NULL: members are added */
    uint32_t version;   /* of the space */
    bool copied;        /* there is a copy, of that version */
    jzx_member *copies; /* room for members_max behind `members`, with a group */
    struct member members[];
};

/* What is done with the one that is chosen. */
struct delivery {
    jzx_context *context;
    const jzx_message *message;
    bool request;
    uint64_t timeout_ns;
    uint64_t *ref;
};

void jzx_router_options_init(jzx_router_options *options)
{
    if (options != NULL) {
        *options = (jzx_router_options){.struct_size = sizeof *options, .members_max = 256};
    }
}

static bool is_grouped(const jzx_router *router)
{
    return router->group.space != NULL;
}

static size_t size_of(uint32_t members_max, bool grouped)
{
    return sizeof(jzx_router) + members_max * (sizeof(struct member) + (grouped ? sizeof(jzx_member) : 0));
}

static jzx_err check_options(const jzx_context *context, const jzx_router_options *options)
{
    bool valid = options != NULL && options->struct_size == sizeof *options && options->members_max != 0 &&
                 options->members_max <= JZX_ROUTER_MEMBERS_MAX && options->strategy <= JZX_ROUTE_BROADCAST &&
                 (options->strategy != JZX_ROUTE_HASH || options->key != NULL);
    if (valid && options->group != NULL) {
        valid = options->group->size != 0 && options->group->space->runtime == context->loop->runtime;
    }
    return valid ? JZX_OK : JZX_ERR_INVALID_ARG;
}

jzx_err jzx_router_create(jzx_context *context, const jzx_router_options *options, jzx_router **out)
{
    jzx_err err = jzx__check_context(context);
    if (err == JZX_OK) {
        err = out == NULL ? JZX_ERR_INVALID_ARG : check_options(context, options);
    }
    if (err != JZX_OK) {
        return err;
    }
    bool grouped = options->group != NULL;
    jzx_router *router = jzx__allocate(context->loop, JZX_MEMORY_STATE, size_of(options->members_max, grouped),
                                       _Alignof(jzx_router));
    if (router == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    *router = (jzx_router){.loop = context->loop,
                           .members_max = options->members_max,
                           .strategy = (jzx_route)options->strategy,
                           .key = options->key,
                           .key_context = options->key_context};
    if (grouped) {
        router->group = *options->group;
        router->copies = (jzx_member *)(void *)&router->members[options->members_max];
    }
    *out = router;
    return JZX_OK;
}

void jzx_router_destroy(jzx_router *router)
{
    if (router != NULL) {
        jzx__release(router->loop, JZX_MEMORY_STATE, router, size_of(router->members_max, is_grouped(router)),
                     _Alignof(jzx_router));
    }
}

/* ---- members ---- */

/* Where a tag is, or would be. */
static uint32_t position(const jzx_router *router, uint64_t tag)
{
    uint32_t low = 0;
    uint32_t high = router->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (router->members[middle].tag < tag) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool has(const jzx_router *router, uint32_t at, uint64_t tag)
{
    return at < router->count && router->members[at].tag == tag;
}

/* It may be changed by hand. */
static jzx_err check_router(const jzx_router *router)
{
    if (router == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (!jzx__loop_owned(router->loop)) {
        return JZX_ERR_WRONG_THREAD;
    }
    return is_grouped(router) ? JZX_ERR_UNSUPPORTED : JZX_OK;
}

static struct member make_member(uint64_t tag, jzx_actor_id id, jzx_child_ref child)
{
    /* The offset keeps a tag from having the hash of a key that is the same number: their weight would be the least. */
    return (struct member){.tag = tag, .hash = jzx__mix(tag + 0x9E3779B97F4A7C15ull), .id = id, .child = child};
}

static jzx_err add(jzx_router *router, uint64_t tag, jzx_actor_id id, jzx_child_ref child)
{
    uint32_t at = position(router, tag);
    if (has(router, at, tag)) {
        return JZX_ERR_DUPLICATE;
    }
    if (router->count == router->members_max) {
        return JZX_ERR_LIMIT;
    }
    struct member *added = &router->members[at];
    memmove(added + 1, added, (router->count - at) * sizeof *added);
    *added = make_member(tag, id, child);
    router->count++;
    router->turn += at < router->turn; /* W2 */
    return JZX_OK;
}

static bool possible(const jzx_router *router, uint64_t number)
{
    return (uint32_t)number != 0 && jzx__id_loop(number) < router->loop->runtime->loop_count;
}

jzx_err jzx_router_add(jzx_router *router, uint64_t tag, jzx_actor_id id)
{
    jzx_err err = check_router(router);
    if (err == JZX_OK && !possible(router, id)) {
        err = JZX_ERR_INVALID_ARG;
    }
    return err == JZX_OK ? add(router, tag, id, 0) : err;
}

jzx_err jzx_router_add_child(jzx_router *router, uint64_t tag, jzx_child_ref child)
{
    jzx_err err = check_router(router);
    if (err == JZX_OK && !possible(router, child)) {
        err = JZX_ERR_INVALID_ARG;
    }
    return err == JZX_OK ? add(router, tag, 0, child) : err;
}

jzx_err jzx_router_remove(jzx_router *router, uint64_t tag)
{
    jzx_err err = check_router(router);
    if (err != JZX_OK) {
        return err;
    }
    uint32_t at = position(router, tag);
    if (!has(router, at, tag)) {
        return JZX_ERR_NOT_FOUND;
    }
    router->count--;
    struct member *removed = &router->members[at];
    memmove(removed, removed + 1, (router->count - at) * sizeof *removed);
    router->turn -= at < router->turn;
    if (router->turn == router->count) {
        router->turn = 0; /* W2 */
    }
    return JZX_OK;
}

/* ---- members of a group ---- */

static bool is_before(const struct member *one, const struct member *other)
{
    return one->tag < other->tag || (one->tag == other->tag && one->child < other->child);
}

/* By tag, and by age where tags are equal: Shell's sort, which needs no memory. */
static void sort(struct member *members, uint32_t count)
{
    uint32_t gap = 1;
    while (gap < count / 3) {
        gap = gap * 3 + 1;
    }
    for (; gap > 0; gap /= 3) {
        for (uint32_t i = gap; i < count; i++) {
            struct member moved = members[i];
            uint32_t at = i;
            for (; at >= gap && is_before(&moved, &members[at - gap]); at -= gap) {
                members[at] = members[at - gap];
            }
            members[at] = moved;
        }
    }
}

/* The members as they were joined, oldest first, become those of the router (W1). */
static void take_copies(jzx_router *router, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        router->members[i] = make_member(router->copies[i].tag, router->copies[i].id,
                                         i); /* `child` is its age for now */
    }
    sort(router->members, count);
    router->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct member next = router->members[i];
        next.child = 0;
        if (router->count == 0 || router->members[router->count - 1].tag != next.tag) {
            router->members[router->count++] = next;
        }
    }
}

/* Copies the members if anybody has joined or left since they were. */
static void refresh(jzx_router *router)
{
    if (!is_grouped(router)) {
        return;
    }
    /* Acquire: pairs with the release in has_changed() of space.c. What is copied is no older. */
    uint32_t version = atomic_load_explicit(&router->group.space->version, memory_order_acquire);
    if (router->copied && version == router->version) {
        return;
    }
    uint64_t tag = router->count != 0 ? router->members[router->turn].tag : 0;
    uint32_t count = 0;
    if (!jzx__space_members(&router->group, router->copies, router->members_max, &count)) {
        count = 0;
    }
    JZX__SIM_POINT("router: members copied");
    take_copies(router, count < router->members_max ? count : router->members_max);
    router->turn = position(router, tag);
    if (router->turn == router->count) {
        router->turn = 0; /* W2 */
    }
    router->version = version;
    router->copied = true;
}

uint32_t jzx_router_count(jzx_router *router)
{
    if (router == NULL) {
        return 0;
    }
    refresh(router);
    return router->count;
}

/* The id that a member has now. */
static jzx_err resolve(const jzx_router *router, uint32_t at, jzx_actor_id *id)
{
    const struct member *member = &router->members[at];
    if (member->child == 0) {
        *id = member->id;
        return JZX_OK;
    }
    jzx_err err = jzx_child_id(router->loop->runtime, member->child, id);
    return err == JZX_ERR_NOT_FOUND ? JZX_ERR_NO_SUCH_ACTOR : err; /* deleted; NOT_FOUND is a router without members */
}

/* Messages in the mailbox of a member; UINT32_MAX when it is down or has ended. */
static uint32_t length_of(const jzx_router *router, uint32_t at)
{
    jzx_actor_id id;
    if (resolve(router, at, &id) != JZX_OK) {
        return UINT32_MAX;
    }
    return jzx__slot_length(&router->loop->runtime->loops[jzx__id_loop(id)]->slots, id);
}

/* ---- the choice ---- */

static uint32_t after(const jzx_router *router, uint32_t at)
{
    return at + 1 < router->count ? at + 1 : 0;
}

/* A number below `limit`, which is at most JZX_ROUTER_MEMBERS_MAX: some are more likely by 2^-16 of it. */
static uint32_t draw(const jzx_router *router, uint32_t limit)
{
    return (uint32_t)((jzx__loop_random(router->loop) >> 32) * limit >> 32);
}

static uint32_t shorter_of_two(const jzx_router *router)
{
    uint32_t one = draw(router, router->count);
    uint32_t other = draw(router, router->count - 1);
    other += other >= one;
    return length_of(router, other) < length_of(router, one) ? other : one;
}

static uint32_t shortest(const jzx_router *router)
{
    uint32_t best = router->turn;
    uint32_t fewest = UINT32_MAX;
    uint32_t at = router->turn;
    for (uint32_t i = 0; i < router->count; i++) {
        uint32_t length = length_of(router, at);
        if (length < fewest) {
            best = at;
            fewest = length;
        }
        at = after(router, at);
    }
    return best;
}

/* Who weighs most with this key. Nobody's weight depends on the others, so only the keys of who comes or goes move. */
static uint32_t heaviest(const jzx_router *router, uint64_t key)
{
    uint32_t best = 0;
    uint64_t most = 0;
    uint64_t mixed = jzx__mix(key);
    for (uint32_t at = 0; at < router->count; at++) {
        uint64_t weight = jzx__mix(mixed ^ router->members[at].hash);
        if (weight > most) {
            best = at;
            most = weight;
        }
    }
    return best;
}

static uint32_t choose(const jzx_router *router, const jzx_message *message)
{
    JZX_ASSERT(router->turn < router->count); /* W2 */
    switch (router->strategy) {
    case JZX_ROUTE_ROUND_ROBIN:
        return router->turn;
    case JZX_ROUTE_RANDOM:
        return draw(router, router->count);
    case JZX_ROUTE_SMALLEST:
        return router->count <= LOOKED_AT_MAX ? shortest(router) : shorter_of_two(router);
    default:
        JZX_ASSERT(router->strategy == JZX_ROUTE_HASH); /* BROADCAST chooses nobody */
        return heaviest(router, router->key(router->key_context, message));
    }
}

/* How many are tried, from the one that is chosen on. */
static uint32_t tries(const jzx_router *router)
{
    return router->strategy == JZX_ROUTE_HASH ? 1 : router->count;
}

/* And brings the members up to date. */
static jzx_err check(const jzx_context *context, jzx_router *router, const jzx_message *message)
{
    jzx_err err = jzx__check_context(context);
    if (err == JZX_OK) {
        err = router == NULL ? JZX_ERR_INVALID_ARG : jzx__check_message(message);
    }
    if (err == JZX_OK && context->loop != router->loop) {
        err = JZX_ERR_WRONG_THREAD;
    }
    if (err != JZX_OK) {
        return err;
    }
    refresh(router);
    return router->count == 0 ? JZX_ERR_NOT_FOUND : JZX_OK;
}

/* The id of a member that is there. */
static jzx_err find(const jzx_router *router, uint32_t at, jzx_actor_id *id)
{
    jzx_err err = resolve(router, at, id);
    return err == JZX_OK && length_of(router, at) == UINT32_MAX ? JZX_ERR_NO_SUCH_ACTOR : err;
}

jzx_err jzx_router_pick(jzx_context *context, jzx_router *router, const jzx_message *message, jzx_actor_id *id)
{
    if (router != NULL && router->strategy == JZX_ROUTE_BROADCAST) {
        return JZX_ERR_UNSUPPORTED;
    }
    jzx_err err = id == NULL ? JZX_ERR_INVALID_ARG : check(context, router, message);
    if (err != JZX_OK) {
        return err;
    }
    uint32_t at = choose(router, message);
    for (uint32_t left = tries(router); left > 0; left--) {
        jzx_actor_id found;
        jzx_err here = find(router, at, &found);
        if (here == JZX_OK) {
            router->turn = after(router, at);
            *id = found;
            return JZX_OK;
        }
        err = err == JZX_OK ? here : err;
        at = after(router, at);
    }
    return err;
}

/* ---- sending ---- */

static jzx_err deliver(const jzx_router *router, const struct delivery *delivery, uint32_t at)
{
    jzx_actor_id to;
    jzx_err err = resolve(router, at, &to);
    if (err != JZX_OK) {
        return err;
    }
    if (delivery->request) {
        return jzx_request(delivery->context, to, delivery->message, delivery->timeout_ns, delivery->ref);
    }
    return jzx_send(delivery->context, to, delivery->message);
}

/* Whether another member may take what one has refused. */
static bool is_its_own(jzx_err err)
{
    return err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_NO_SUCH_ACTOR ||
           err == JZX_ERR_STOPPING || err == JZX_ERR_NOT_RUNNING || err == JZX_ERR_LOOP_CLOSED ||
           err == JZX_ERR_TOO_BIG;
}

static jzx_err to_one(jzx_router *router, const struct delivery *delivery)
{
    jzx_err first = JZX_OK;
    uint32_t at = choose(router, delivery->message);
    for (uint32_t left = tries(router); left > 0; left--) {
        jzx_err err = deliver(router, delivery, at);
        uint32_t next = after(router, at);
        if (err == JZX_OK) {
            router->turn = next;
            return JZX_OK;
        }
        first = first == JZX_OK ? err : first;
        if (!is_its_own(err)) {
            break;
        }
        at = next;
    }
    return first;
}

/* To one of all, with a reference of its own to a buffer. */
static jzx_err deliver_shared(const jzx_router *router, const struct delivery *delivery, jzx_buffer *buffer,
                              uint32_t at)
{
    if (buffer != NULL) {
        jzx_buffer_ref(buffer);
    }
    jzx_err err = deliver(router, delivery, at);
    if (err != JZX_OK) {
        jzx_buffer_unref(buffer);
    }
    return err;
}

static jzx_err to_each(jzx_router *router, const struct delivery *delivery, uint32_t *accepted)
{
    jzx_buffer *buffer = jzx_message_buffer_of(delivery->message);
    if (buffer == NULL && (delivery->message->flags & JZX_MESSAGE_POINTER) != 0) {
        return JZX_ERR_INVALID_ARG; /* it has one owner */
    }
    jzx_err first = JZX_OK;
    *accepted = 0;
    for (uint32_t at = 0; at < router->count; at++) {
        jzx_err err = deliver_shared(router, delivery, buffer, at);
        *accepted += err == JZX_OK;
        first = first == JZX_OK ? err : first;
    }
    if (*accepted == 0) {
        return first;
    }
    jzx_buffer_unref(buffer); /* the caller's */
    return JZX_OK;
}

static jzx_err to_all(jzx_router *router, const struct delivery *delivery, uint32_t *accepted)
{
    if (!is_grouped(router)) {
        return to_each(router, delivery, accepted);
    }
    (void)jzx_group_count(&router->group, accepted); /* it is a group: check_options() */
    return jzx_broadcast(delivery->context, &router->group, delivery->message, 0, NULL);
}

jzx_err jzx_router_send(jzx_context *context, jzx_router *router, const jzx_message *message, uint32_t *accepted)
{
    const struct delivery delivery = {.context = context, .message = message};
    uint32_t count = 1;
    jzx_err err = check(context, router, message);
    if (err == JZX_OK) {
        err = router->strategy == JZX_ROUTE_BROADCAST ? to_all(router, &delivery, &count) : to_one(router, &delivery);
    }
    if (err == JZX_OK && accepted != NULL) {
        *accepted = count;
    }
    return err;
}

jzx_err jzx_router_request(jzx_context *context, jzx_router *router, const jzx_message *message, uint64_t timeout_ns,
                           uint64_t *ref)
{
    const struct delivery delivery = {context, message, true, timeout_ns, ref};
    if (router != NULL && router->strategy == JZX_ROUTE_BROADCAST) {
        return JZX_ERR_UNSUPPORTED;
    }
    jzx_err err = check(context, router, message);
    return err == JZX_OK ? to_one(router, &delivery) : err;
}
