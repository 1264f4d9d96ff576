/* channels: commands on channels. See pubsub.h. */
#include "verb.h"

static jzx_space *channels_of(const struct command *command)
{
    return command->session->loop->server->channels;
}

/* What a client is told of each channel it has subscribed to, or no longer has. */
static void reply_subscription(struct command *command, const char *what, const struct kv_bytes *name)
{
    struct kv_buffer *out = kv_round_local(command->round);
    resp_push(out, 3, command->session->protocol);
    resp_bulk(out, what, strlen(what));
    if (name != NULL) {
        resp_bulk(out, name->data, name->size);
    } else {
        resp_null(out, command->session->protocol);
    }
    resp_number(out, kv_subscriptions_count(&command->session->subscriptions));
    kv_round_told(command->round);
}

static void subscribe(struct command *command, bool pattern, const char *what)
{
    struct kv_session *session = command->session;
    for (uint32_t at = 1; at < command->count; at++) {
        struct kv_bytes name = argument(command, at);
        jzx_err err = kv_subscribe(&session->subscriptions, session->context, channels_of(command), pattern, name);
        if (err == JZX_OK) {
            reply_subscription(command, what, &name);
        } else if (err == JZX_ERR_TOO_BIG) {
            reply_error(command, "ERR channels and patterns have at most 63 bytes here");
        } else {
            reply_error(command, "ERR no room for another subscription");
        }
    }
}

void run_subscribe(struct command *command)
{
    subscribe(command, false, "subscribe");
}

void run_psubscribe(struct command *command)
{
    subscribe(command, true, "psubscribe");
}

static void unsubscribe(struct command *command, struct kv_bytes name, bool pattern)
{
    kv_unsubscribe(&command->session->subscriptions, command->session->context, pattern, name);
}

static void unsubscribe_all(struct command *command, bool pattern, const char *what)
{
    const struct kv_subscription *any = kv_subscription_any(&command->session->subscriptions, pattern);
    if (any == NULL) {
        reply_subscription(command, what, NULL);
    }
    for (; any != NULL; any = kv_subscription_any(&command->session->subscriptions, pattern)) {
        uint8_t bytes[KV_CHANNEL_MAX];
        struct kv_bytes name = {bytes, any->size};
        memcpy(bytes, any->name, any->size);
        unsubscribe(command, name, pattern);
        reply_subscription(command, what, &name);
    }
}

static void unsubscribe_each(struct command *command, bool pattern, const char *what)
{
    if (command->count == 1) {
        unsubscribe_all(command, pattern, what);
        return;
    }
    for (uint32_t at = 1; at < command->count; at++) {
        struct kv_bytes name = argument(command, at);
        unsubscribe(command, name, pattern);
        reply_subscription(command, what, &name);
    }
}

void run_unsubscribe(struct command *command)
{
    unsubscribe_each(command, false, "unsubscribe");
}

void run_punsubscribe(struct command *command)
{
    unsubscribe_each(command, true, "punsubscribe");
}

/* Members of a group; 0 for a name that none can have. */
static uint32_t members_of(const struct command *command, char kind, struct kv_bytes name)
{
    uint32_t count = 0;
    jzx_group group = kv_group(channels_of(command), kind, name);
    return jzx_group_count(&group, &count) == JZX_OK ? count : 0;
}

void run_publish(struct command *command)
{
    struct kv_session *session = command->session;
    struct kv_bytes channel = argument(command, 1);
    if (command->round->operations != 0) {
        command->later = true; /* U3 */
        return;
    }
    uint32_t number = kv_round_number(command->round);
    if (members_of(command, KV_GROUP_CHANNEL, channel) == 0 &&
        members_of(command, KV_GROUP_PATTERNS, (struct kv_bytes){NULL, 0}) == 0) {
        return; /* 0 */
    }
    command->round->failed |= !kv_publish_add(&session->publishing, session->loop->server->runtime, channel,
                                              argument(command, 2), number);
}

/* The groups there are now, to be freed. NULL: no memory. */
static jzx_group *all_groups(const struct command *command, uint32_t *count)
{
    jzx_group *groups = NULL;
    uint32_t room = 64;
    for (*count = 0; *count > room || groups == NULL;) {
        room = *count > room ? *count + *count / 8 : room; /* some may come meanwhile */
        free(groups);
        groups = malloc(room * sizeof *groups);
        if (groups == NULL || jzx_space_groups(channels_of(command), groups, room, count) != JZX_OK) {
            break;
        }
    }
    return groups;
}

/* How many of them are of a kind and match the pattern, if one is given; they are told too if that is wanted. */
static uint32_t tell_groups(struct command *command, const jzx_group *groups, uint32_t count, char kind, bool tell)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct kv_bytes name = {groups[i].name + 1, groups[i].size - 1};
        if (groups[i].name[0] == (uint8_t)kind && (command->count < 3 || kv_glob(argument(command, 2), name))) {
            wanted++;
            if (tell) {
                reply_bulk(command, name);
            }
        }
    }
    return wanted;
}

void run_pubsub_channels(struct command *command)
{
    uint32_t count;
    jzx_group *groups = all_groups(command, &count);
    command->round->failed |= groups == NULL;
    if (groups != NULL) {
        reply_array(command, tell_groups(command, groups, count, KV_GROUP_CHANNEL, false));
        tell_groups(command, groups, count, KV_GROUP_CHANNEL, true);
    }
    free(groups);
}

void run_pubsub_numpat(struct command *command)
{
    uint32_t count;
    jzx_group *groups = all_groups(command, &count);
    command->round->failed |= groups == NULL;
    if (groups != NULL) {
        reply_number(command, tell_groups(command, groups, count, KV_GROUP_PATTERN, false));
    }
    free(groups);
}

void run_pubsub_numsub(struct command *command)
{
    reply_array(command, (command->count - 2) * 2);
    for (uint32_t at = 2; at < command->count; at++) {
        reply_bulk(command, argument(command, at));
        reply_number(command, members_of(command, KV_GROUP_CHANNEL, argument(command, at)));
    }
}
