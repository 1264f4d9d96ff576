/* publish: what a client publishes, until it is known who has it. */
#include "pubsub.h"

enum { PARTS = 2 }; /* the channel and the patterns */

bool kv_publish_add(struct kv_publishing *publishing, const jzx_runtime *runtime, struct kv_bytes channel,
                    struct kv_bytes payload, uint32_t number)
{
    if (publishing->list == NULL) {
        publishing->list = calloc(KV_NUMBERS_MAX, sizeof *publishing->list);
        if (publishing->list == NULL) {
            return false;
        }
    }
    jzx_buffer *buffer = kv_push_make(runtime, channel, payload);
    if (buffer == NULL) {
        return false;
    }
    struct kv_publish *publish = &publishing->list[publishing->count++];
    *publish = (struct kv_publish){.buffer = buffer, .number = number, .size = (uint32_t)channel.size};
    if (channel.size <= KV_CHANNEL_MAX) {
        memcpy(publish->channel, channel.data, channel.size);
    } else {
        publish->sent = 1; /* nobody can have subscribed to it, but by a pattern */
    }
    return true;
}

static jzx_err send_part(struct kv_publish *publish, jzx_context *context, jzx_space *space, jzx_actor_id *busy)
{
    struct kv_bytes channel = {publish->channel, publish->size};
    jzx_group group = publish->sent == 0 ? kv_group(space, KV_GROUP_CHANNEL, channel)
                                         : kv_group(space, KV_GROUP_PATTERNS, (struct kv_bytes){NULL, 0});
    jzx_message message = jzx_message_buffer(KV_TAG_PUSH, jzx_buffer_ref(publish->buffer));
    jzx_err err = jzx_broadcast_request(context, &group, &message, 0, JZX_FOREVER, &publish->refs[publish->sent], busy);
    if (err != JZX_OK) {
        jzx_buffer_unref(publish->buffer);
    }
    return err;
}

jzx_err kv_publish_send(struct kv_publishing *publishing, jzx_context *context, jzx_space *space, uint32_t *waiting,
                        jzx_actor_id *busy)
{
    for (; publishing->sent < publishing->count; publishing->sent++) {
        struct kv_publish *publish = &publishing->list[publishing->sent];
        for (; publish->sent < PARTS; publish->sent++) {
            jzx_err err = send_part(publish, context, space, busy);
            if (err != JZX_OK && err != JZX_ERR_NOT_FOUND) {
                return err;
            }
            *waiting += err == JZX_OK;
        }
        jzx_buffer_unref(publish->buffer);
        publish->buffer = NULL;
    }
    return JZX_OK;
}

bool kv_publish_answered(struct kv_publishing *publishing, struct kv_round *round, uint64_t ref, uint64_t receivers)
{
    for (uint32_t at = 0; at < publishing->count; at++) {
        struct kv_publish *publish = &publishing->list[at];
        for (uint32_t part = 0; part < PARTS; part++) {
            if (publish->refs[part] == ref) {
                publish->refs[part] = 0;
                round->numbers[publish->number] += (int64_t)receivers;
                return true;
            }
        }
    }
    return false;
}

void kv_publishing_clear(struct kv_publishing *publishing)
{
    for (; publishing->sent < publishing->count; publishing->sent++) {
        jzx_buffer_unref(publishing->list[publishing->sent].buffer);
    }
    publishing->count = 0;
    publishing->sent = 0;
}

void kv_publishing_deinit(struct kv_publishing *publishing)
{
    kv_publishing_clear(publishing);
    free(publishing->list);
    publishing->list = NULL;
}
