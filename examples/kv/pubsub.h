/*
 * pubsub: channels. Who subscribes joins a group (jzx/group.h), who publishes sends to all its members.
 *
 *   subscribe.c   what a client has subscribed to         push.c   what was published, on its way to a client
 *   publish.c     what a client publishes
 *
 * The groups of channels have names that begin with KV_GROUP_CHANNEL. A client that has subscribed to a pattern is a member
 * of KV_GROUP_PATTERNS with a filter, once for each of its patterns, and of one group for the pattern, which gets
 * nothing and is there to be counted.
 *
 * What is published is one buffer: the reply that a subscriber of version 2 gets, whole. Others get it from a place in it
 * on, behind bytes of their own. So a message is written once, whoever reads it, on whatever loop.
 *
 * Invariants
 *   U1  A client that was told that it has subscribed gets all that is published to the channel from then on, or is closed.
 *   U2  Nothing of a channel follows the reply that it was unsubscribed from it.
 *   U3  PUBLISH is done when all commands before it are, so who is told can see what they have done.
 *   U4  A push stands between replies. Those that come while a round is under way wait until it has ended.
 */
#ifndef KV_PUBSUB_H
#define KV_PUBSUB_H

#include "glob.h"
#include "server.h"

enum {
    KV_CHANNEL_MAX = JZX_GROUP_NAME_MAX - 1, /* bytes of a channel, or pattern, that can be subscribed to */
    KV_SUBSCRIPTIONS_MAX = 65536,            /* of one client */
};

#define KV_GROUP_CHANNEL 'c'
#define KV_GROUP_PATTERN 'p'
#define KV_GROUP_PATTERNS '*'

/* The group of a channel or pattern; not valid if its name is too long. */
jzx_group kv_group(jzx_space *space, char kind, struct kv_bytes name);

/* ---- subscriptions of one client ---- */

struct kv_subscription {
    uint64_t tag; /* of the membership */
    jzx_member_id member;
    jzx_member_id counted; /* of a pattern: the other membership */
    bool pattern;
    uint32_t size;
    uint8_t name[];
};

struct kv_subscriptions {
    struct kv_subscription **list; /* NULL is a free place */
    uint32_t capacity;
    uint32_t serial;
    uint32_t channels;
    uint32_t patterns;
};

static inline uint32_t kv_subscriptions_count(const struct kv_subscriptions *subscriptions)
{
    return subscriptions->channels + subscriptions->patterns;
}

static inline struct kv_bytes kv_subscription_name(const struct kv_subscription *subscription)
{
    return (struct kv_bytes){subscription->name, subscription->size};
}

/* Subscribes, if that is not done already. TOO_BIG: KV_CHANNEL_MAX. LIMIT: KV_SUBSCRIPTIONS_MAX, or those of the space. */
jzx_err kv_subscribe(struct kv_subscriptions *subscriptions, jzx_context *context, jzx_space *space, bool pattern,
                     struct kv_bytes name);

/* Ends a subscription, if there is one. */
void kv_unsubscribe(struct kv_subscriptions *subscriptions, jzx_context *context, bool pattern, struct kv_bytes name);

/* One of those to channels, or to patterns; NULL: there is none. */
const struct kv_subscription *kv_subscription_any(const struct kv_subscriptions *subscriptions, bool pattern);

/* The one that a message came for; NULL: it has ended meanwhile (U2). */
const struct kv_subscription *kv_subscription_of(const struct kv_subscriptions *subscriptions, uint64_t tag);

/* Frees them. Those that there are end with their actor. */
void kv_subscriptions_deinit(struct kv_subscriptions *subscriptions);

/* ---- what a client publishes ---- */

/* One PUBLISH whose answers are not all here. */
struct kv_publish {
    jzx_buffer *buffer; /* NULL once it is sent to all */
    uint64_t refs[2];   /* of the requests for the channel and for the patterns, until they are answered */
    uint32_t sent;      /* of those two */
    uint32_t number;    /* of the round, where receivers are counted */
    uint32_t size;
    uint8_t channel[KV_CHANNEL_MAX];
};

struct kv_publishing {
    struct kv_publish *list; /* KV_NUMBERS_MAX, made for the first one */
    uint32_t count;
    uint32_t sent; /* of `list`, in order */
};

/* Publishes with the next kv_publish_send(). False: no memory. */
bool kv_publish_add(struct kv_publishing *publishing, const jzx_runtime *runtime, struct kv_bytes channel,
                    struct kv_bytes payload, uint32_t number);

/*
 * Sends what was added. *waiting grows by the answers to come. Any error but OK: call again, with WOULD_BLOCK when a resume
 * notice for *busy has come.
 */
jzx_err kv_publish_send(struct kv_publishing *publishing, jzx_context *context, jzx_space *space, uint32_t *waiting,
                        jzx_actor_id *busy);

/* Takes the answer to the request `ref`: `receivers` more. False if it is to no request of these. */
bool kv_publish_answered(struct kv_publishing *publishing, struct kv_round *round, uint64_t ref, uint64_t receivers);

/* The round has ended: nothing is left. */
void kv_publishing_clear(struct kv_publishing *publishing);
void kv_publishing_deinit(struct kv_publishing *publishing);

/* ---- what is pushed to a client ---- */

enum { KV_PUSH_HEAD_MAX = 128 };

struct kv_push;

struct kv_pushes {
    struct kv_push *first;
    struct kv_push *last;
    size_t bytes; /* that wait */
};

static inline bool kv_pushes_wait(const struct kv_pushes *pushes)
{
    return pushes->first != NULL;
}

/* The buffer of a message: `payload`, published to `channel`. NULL: no memory. */
jzx_buffer *kv_push_make(const jzx_runtime *runtime, struct kv_bytes channel, struct kv_bytes payload);

/* The channel it was published to. */
struct kv_bytes kv_push_channel(const jzx_buffer *buffer);

/* Adds a push for a subscription; the caller keeps its reference. False: no memory. */
bool kv_push_add(struct kv_pushes *pushes, const struct kv_subscription *subscription, jzx_buffer *buffer,
                 uint8_t protocol);

/* Gives the socket what it takes. JZX_OK: all of it. */
jzx_err kv_pushes_send(struct kv_pushes *pushes, jzx_context *context, jzx_socket_id socket);
void kv_pushes_deinit(struct kv_pushes *pushes);

#endif
