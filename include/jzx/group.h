/*
 * jzx/group.h: many actors under one name: groups, and topics, which are groups whose members filter.
 *
 * A space holds groups and their members for all loops of a runtime, in memory that is taken when it is made. A group
 * is there while it has members: one that nobody has heard of and one that is empty are the same. So no group is ever
 * made or deleted.
 *
 * An actor is a member from the moment at which jzx_group_join() returns JZX_OK, to all threads, until it leaves,
 * begins to drain, or ends: then it is a member no more before anybody handles its DOWN. It may join a group several
 * times, also with different filters, and gets a message once for each time.
 *
 * A broadcast goes to the members that had joined before it was sent and have not left when it comes to their loop; who
 * joins meanwhile may get it too. It takes one place in the lane of each loop that has members, however many.
 * Broadcasts and other messages from one actor to another are handled in the order they were sent, before the DOWN of
 * the sender too.
 *
 * A broadcast waits for no member. One whose mailbox refuses it, or whose loop is short of cells, misses it, and is
 * told by JZX_TAG_SYS_MISSED, in the place of the first message that it missed. Who must have all asks for it again then,
 * of somebody who keeps it. A member that drops by its mailbox policy is told nothing. What is broadcast between the end of
 * an actor and the join of the one that takes its place nobody misses.
 *
 * A message comes with JZX_MESSAGE_GROUP, and the tag of the membership in `ref`. To see only a part of a topic, join with
 * a filter; to see it in another form, make that in the handler; to see several as one, join them all.
 */
#ifndef JZX_GROUP_H
#define JZX_GROUP_H

#include <jzx/message.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_GROUP_NAME_MAX 64 /* bytes of a group's name */
#define JZX_SPACE_NAME_MAX 32 /* bytes of a space's name with its final zero */

#define JZX_TAG_SYS_MEMBER 0xFFFF0013u    /* jzx_member_notice: who has joined or left a group that is watched */
#define JZX_TAG_SYS_MISSED 0xFFFF0014u    /* jzx_missed: this member was not reached */
#define JZX_TAG_SYS_BROADCAST 0xFFFF0015u /* jzx_broadcast_answer: how many a broadcast has reached */

typedef struct jzx_space jzx_space;

/** Names a membership, on the loop of its actor. Opaque; 0 is never issued. */
typedef uint64_t jzx_member_id;

/** How to make a space. Begin with jzx_space_options_init(). Copied. */
typedef struct jzx_space_options {
    size_t struct_size;
    const char *name;     /* for jzx_space_find(); NULL = none */
    uint32_t groups_max;  /* groups with members at one time, 1 to 8,388,608; default 4,096 */
    uint32_t members_max; /* memberships of all its groups, 1 to 8,388,608; default 65,536 */
} jzx_space_options;

/** Which group: a plain value of jzx_group_named() or jzx_group_keyed(), that holds nothing and never goes stale. */
typedef struct jzx_group {
    jzx_space *space;
    uint64_t hash;
    uint32_t size; /* 0: the name was NULL, empty or too long; every call refuses it */
    uint8_t name[JZX_GROUP_NAME_MAX];
} jzx_group;

typedef struct jzx_member {
    jzx_actor_id id;
    uint64_t tag;
} jzx_member;

/** JZX_TAG_SYS_MEMBER, with the watch in `ref` of the message. */
typedef struct jzx_member_notice {
    jzx_actor_id id;
    uint64_t tag;
    bool joined; /* else it has left, or has ended */
} jzx_member_notice;

/**
 * JZX_TAG_SYS_MISSED, with JZX_MESSAGE_GROUP and the tag in `ref`. Needs no mailbox room. Those missed until it is handled
 * are in it: there is one of a membership at a time.
 */
typedef struct jzx_missed {
    jzx_member_id member;
    uint64_t tag;
    uint64_t count;
} jzx_missed;

/** JZX_TAG_SYS_BROADCAST */
typedef struct jzx_broadcast_answer {
    uint64_t reached;  /* memberships whose mailbox took it; one that drops by its policy counts too */
    uint64_t missed;   /* those that did not get it: told so, or ending */
    uint64_t filtered; /* those that did not want it */
} jzx_broadcast_answer;

/**
 * Whether a member wants a message. Runs on the loop of the member, at arrival: between handlers, or in the
 * jzx_broadcast() of an actor of that loop. It must be quick, and must not call the runtime. It is not called any more when
 * the leave has returned, nor once its actor is ending.
 */
typedef bool (*jzx_filter_fn)(void *context, const jzx_message *message);

enum {
    JZX_BROADCAST_OTHERS = 1u << 0, /* not to the sender's own memberships, which are counted nowhere then */
};

/* ---- spaces ---- */

/** Fills `options` with the defaults above. NULL is ignored. Thread: any. */
JZX_API void jzx_space_options_init(jzx_space_options *options);

/**
 * Makes a space, before the loops run or while they do. It is usable on all loops at once.
 *
 * Owns:    the space is the runtime's and ends with it. Its memory, of the metadata allocator, is taken here:
 *          jzx_space_footprint(). `options` and the name are copied; NULL means the defaults.
 * Thread:  any. Waits while another makes one.
 * Returns: JZX_OK with *space
 *          JZX_ERR_NAME_TAKEN   there is one of that name
 *          JZX_ERR_LIMIT        spaces_max of the config are made
 *          JZX_ERR_NO_MEMORY    the allocator
 *          JZX_ERR_LOOP_CLOSED  the runtime stops
 *          JZX_ERR_INVALID_ARG  NULL, a number out of its range, or a name that is empty or too long
 */
JZX_API jzx_err jzx_space_create(jzx_runtime *runtime, const jzx_space_options *options, jzx_space **space);

/** The space of that name. Thread: any. Returns: JZX_OK with *space; JZX_ERR_NOT_FOUND; JZX_ERR_INVALID_ARG */
JZX_API jzx_err jzx_space_find(const jzx_runtime *runtime, const char *name, jzx_space **space);

/** Bytes that a space takes in a runtime with that loops_max. NULL: with the defaults. Thread: any.
 *  Returns: 0 when a number is out of its range */
JZX_API size_t jzx_space_footprint(const jzx_space_options *options, uint32_t loops_max);

/**
 * The groups of a space that have members now, in no order.
 *
 * Units:   at most `max` are written to `groups`; *count is how many there are.
 * Thread:  any. Joins and leaves in the space, lists of it, and what watches tell wait for one another: for a list that
 *          takes a few ns for each group of groups_max.
 * Returns: JZX_OK; JZX_ERR_INVALID_ARG
 */
JZX_API jzx_err jzx_space_groups(jzx_space *space, jzx_group *groups, uint32_t max, uint32_t *count);

/* ---- groups ---- */

/** The group of that name, which is text, or bytes of any kind: 1 to JZX_GROUP_NAME_MAX of them. Copied. Thread: any. */
JZX_API jzx_group jzx_group_named(jzx_space *space, const char *name);
JZX_API jzx_group jzx_group_keyed(jzx_space *space, const void *name, size_t size);

/**
 * Makes this actor a member, with a tag of its choice that others see and that its messages bring.
 *
 * Owns:    `filter_context` is the actor's, which keeps it until it has left or its fini is over.
 * Thread:  the loop's, in a handler or in init: a failed init leaves nothing.
 * Returns: JZX_OK with *member (which may be NULL)
 *          JZX_ERR_LIMIT         groups_max or members_max of the space; who has left, and has not come to what it
 *                                missed, counts still
 *          JZX_ERR_INVALID_ARG   NULL, a name that is empty or too long, a space of another runtime, the host's context
 *          JZX_ERR_STOPPING      it drains or is told to stop; or in fini
 *          JZX_ERR_WRONG_THREAD  not the thread of `context`
 */
JZX_API jzx_err jzx_group_join(jzx_context *context, const jzx_group *group, uint64_t tag, jzx_member_id *member,
                               jzx_filter_fn filter, void *filter_context);

/**
 * Ends a membership of this actor. Messages that are in its mailbox by then are still handled (a program that has promised
 * somebody that none comes any more looks at the tag), and a notice of what was missed is not.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_NOT_FOUND (left before, or not this actor's); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_group_leave(jzx_context *context, jzx_member_id member);

/** How many memberships a group has. Thread: any. Wait-free. Returns: JZX_OK with *count, 0 too; JZX_ERR_INVALID_ARG */
JZX_API jzx_err jzx_group_count(const jzx_group *group, uint32_t *count);

/** Its members, oldest first. Units: as jzx_space_groups(). Thread: as that, for each member that is written.
 *  Returns: JZX_OK; JZX_ERR_NOT_FOUND (it has none); JZX_ERR_INVALID_ARG */
JZX_API jzx_err jzx_group_members(const jzx_group *group, jzx_member *members, uint32_t max, uint32_t *count);

/**
 * Tells this actor who is in a group: one JZX_TAG_SYS_MEMBER for each member there is, and one for each that joins or
 * leaves from then on. Notices need no mailbox room. Who has come and gone between two of them is not told of: what was
 * told is always what was so at some moment, each membership in its order, and in the end what is so.
 *
 * A watch takes 16 bytes for each of the space's members_max.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK with *watch; JZX_ERR_LIMIT (group_watches_max); JZX_ERR_NO_MEMORY; JZX_ERR_INVALID_ARG (as of
 *          jzx_group_join(), and `watch` NULL); JZX_ERR_STOPPING (in fini); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_group_watch(jzx_context *context, const jzx_group *group, uint64_t *watch);

/** Ends that. No notice of it is handled after this call. Thread: the loop's, in a handler.
 *  Returns: JZX_OK; JZX_ERR_NOT_FOUND; JZX_ERR_WRONG_THREAD */
JZX_API jzx_err jzx_group_unwatch(jzx_context *context, uint64_t watch);

/**
 * Sends a message to all members of a group. Either every loop that has members takes it, or none. Members of this loop
 * have it when the call returns; that takes time for each of them. On other loops a turn reaches deliveries_per_turn of
 * them; what the sender's loop has sent behind waits for the rest.
 *
 * Units:   `flags` are JZX_BROADCAST_*. With WOULD_BLOCK *busy (which may be NULL) is an id to ask jzx_resume() for.
 * Owns:    the payload is by value, or a buffer (jzx/buffer.h), of which the one reference goes as by jzx_send().
 * Thread:  the loop's, in a handler or through jzx_loop_context().
 * Returns: JZX_OK
 *          JZX_ERR_NOT_FOUND     the group has no members, or only such as end with their loop
 *          JZX_ERR_WOULD_BLOCK   no room in the lane to one of the loops, or it is short of cells; none has it
 *          JZX_ERR_LOOP_CLOSED   the host's context, when the runtime has stopped its actors
 *          JZX_ERR_INVALID_ARG   NULL, a name or message as jzx_group_join() and jzx_send() refuse, unknown flags, another
 *                                payload by pointer
 *          JZX_ERR_WRONG_THREAD  not the thread of `context`
 */
JZX_API jzx_err jzx_broadcast(jzx_context *context, const jzx_group *group, const jzx_message *message, uint32_t flags,
                              jzx_actor_id *busy);

/**
 * jzx_broadcast() with one answer, when all loops are done with it: JZX_TAG_SYS_BROADCAST, with JZX_MESSAGE_ANSWER and
 * `ref`; or JZX_TAG_SYS_NO_ANSWER after `timeout_ns`. Members see a message like any other. Who keeps a few of these
 * under way at most sends no faster than the members' loops work.
 *
 * Owns:    as jzx_broadcast().
 * Thread:  the loop's, in a handler.
 * Returns: as jzx_broadcast(); JZX_ERR_LIMIT as jzx_request(); JZX_ERR_STOPPING (in fini)
 */
JZX_API jzx_err jzx_broadcast_request(jzx_context *context, const jzx_group *group, const jzx_message *message,
                                      uint32_t flags, uint64_t timeout_ns, uint64_t *ref, jzx_actor_id *busy);

#ifdef __cplusplus
}
#endif
#endif
