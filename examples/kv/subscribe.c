/* subscribe: what a client has subscribed to. */
#include "pubsub.h"

jzx_group kv_group(jzx_space *space, char kind, struct kv_bytes name)
{
    uint8_t bytes[JZX_GROUP_NAME_MAX + 1] = {(uint8_t)kind};
    size_t size = name.size <= KV_CHANNEL_MAX ? name.size : KV_CHANNEL_MAX + 1;
    if (size != 0) {
        memcpy(bytes + 1, name.data, size);
    }
    return jzx_group_keyed(space, bytes, size + 1);
}

/* A filter: runs when a message comes to the loop, for each client that has subscribed to a pattern. */
static bool is_wanted(void *context, const jzx_message *message)
{
    return kv_glob(kv_subscription_name(context), kv_push_channel(jzx_message_buffer_of(message)));
}

static bool is_name(const struct kv_subscription *subscription, bool pattern, struct kv_bytes name)
{
    return subscription->pattern == pattern && subscription->size == name.size &&
           (name.size == 0 || memcmp(subscription->name, name.data, name.size) == 0);
}

/* Where a name is; else the first free place, which may be the end of the list. */
static uint32_t find(const struct kv_subscriptions *subscriptions, bool pattern, struct kv_bytes name)
{
    uint32_t free_at = subscriptions->capacity;
    for (uint32_t at = subscriptions->capacity; at-- > 0;) {
        if (subscriptions->list[at] == NULL) {
            free_at = at;
        } else if (is_name(subscriptions->list[at], pattern, name)) {
            return at;
        }
    }
    return free_at;
}

static jzx_err grow(struct kv_subscriptions *subscriptions)
{
    uint32_t capacity = subscriptions->capacity != 0 ? subscriptions->capacity * 2 : 4;
    if (capacity > KV_SUBSCRIPTIONS_MAX) {
        return JZX_ERR_LIMIT;
    }
    struct kv_subscription **list = realloc(subscriptions->list, capacity * sizeof(struct kv_subscription *));
    if (list == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    for (uint32_t at = subscriptions->capacity; at < capacity; at++) {
        list[at] = NULL;
    }
    subscriptions->list = list;
    subscriptions->capacity = capacity;
    return JZX_OK;
}

static jzx_err join(struct kv_subscription *subscription, jzx_context *context, jzx_space *space)
{
    struct kv_bytes name = kv_subscription_name(subscription);
    if (!subscription->pattern) {
        jzx_group channel = kv_group(space, KV_GROUP_CHANNEL, name);
        return jzx_group_join(context, &channel, subscription->tag, &subscription->member, NULL, NULL);
    }
    jzx_group counted = kv_group(space, KV_GROUP_PATTERN, name);
    jzx_err err = jzx_group_join(context, &counted, subscription->tag, &subscription->counted, NULL, NULL);
    if (err != JZX_OK) {
        return err;
    }
    jzx_group all = kv_group(space, KV_GROUP_PATTERNS, (struct kv_bytes){NULL, 0});
    err = jzx_group_join(context, &all, subscription->tag, &subscription->member, is_wanted, subscription);
    if (err != JZX_OK) {
        jzx_group_leave(context, subscription->counted);
    }
    return err;
}

jzx_err kv_subscribe(struct kv_subscriptions *subscriptions, jzx_context *context, jzx_space *space, bool pattern,
                     struct kv_bytes name)
{
    if (name.size > KV_CHANNEL_MAX) {
        return JZX_ERR_TOO_BIG;
    }
    uint32_t at = find(subscriptions, pattern, name);
    if (at == subscriptions->capacity) {
        jzx_err err = grow(subscriptions);
        if (err != JZX_OK) {
            return err;
        }
    }
    if (subscriptions->list[at] != NULL) {
        return JZX_OK;
    }
    struct kv_subscription *subscription = malloc(sizeof *subscription + name.size);
    if (subscription == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    *subscription = (struct kv_subscription){
        .tag = (uint64_t)++subscriptions->serial << 32 | at, .pattern = pattern, .size = (uint32_t)name.size};
    if (name.size != 0) {
        memcpy(subscription->name, name.data, name.size);
    }
    jzx_err err = join(subscription, context, space);
    if (err != JZX_OK) {
        free(subscription);
        return err;
    }
    subscriptions->list[at] = subscription;
    *(pattern ? &subscriptions->patterns : &subscriptions->channels) += 1;
    return JZX_OK;
}

void kv_unsubscribe(struct kv_subscriptions *subscriptions, jzx_context *context, bool pattern, struct kv_bytes name)
{
    uint32_t at = find(subscriptions, pattern, name);
    if (at == subscriptions->capacity || subscriptions->list[at] == NULL) {
        return;
    }
    struct kv_subscription *subscription = subscriptions->list[at];
    jzx_group_leave(context, subscription->member);
    if (pattern) {
        jzx_group_leave(context, subscription->counted);
    }
    subscriptions->list[at] = NULL;
    *(pattern ? &subscriptions->patterns : &subscriptions->channels) -= 1;
    free(subscription);
}

const struct kv_subscription *kv_subscription_any(const struct kv_subscriptions *subscriptions, bool pattern)
{
    for (uint32_t at = 0; at < subscriptions->capacity; at++) {
        if (subscriptions->list[at] != NULL && subscriptions->list[at]->pattern == pattern) {
            return subscriptions->list[at];
        }
    }
    return NULL;
}

const struct kv_subscription *kv_subscription_of(const struct kv_subscriptions *subscriptions, uint64_t tag)
{
    uint32_t at = (uint32_t)tag;
    bool known = at < subscriptions->capacity && subscriptions->list[at] != NULL && subscriptions->list[at]->tag == tag;
    return known ? subscriptions->list[at] : NULL;
}

void kv_subscriptions_deinit(struct kv_subscriptions *subscriptions)
{
    for (uint32_t at = 0; at < subscriptions->capacity; at++) {
        free(subscriptions->list[at]);
    }
    free(subscriptions->list);
    memset(subscriptions, 0, sizeof *subscriptions);
}
