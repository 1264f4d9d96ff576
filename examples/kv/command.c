#include "command.h"

#include <fnmatch.h>
#include <stdio.h>
#include <strings.h>

/* One command in progress. */
struct call {
    struct kv_session *session;
    struct kv_round *round;
    const struct resp_parser *parser;
    uint32_t count; /* arguments with the command's name */
    bool later;     /* it is for the next round */
};

typedef void (*command_fn)(struct call *call);

enum { TEXT_MAX = 320, NAME_MAX = 16 };

struct command {
    char name[NAME_MAX]; /* in upper case, padded with zeroes */
    int arity;           /* arguments with the name; negative: at least as many */
    command_fn run;
    const char *full_name; /* as errors spell it */
};

static struct kv_bytes argument(const struct call *call, uint32_t index)
{
    return resp_argument(call->parser, index);
}

/* Replies of the connection's own. */

static void reply_error(struct call *call, const char *text)
{
    resp_error(kv_round_local(call->round), text);
    kv_round_told(call->round);
}

static void reply_text(struct call *call, const char *text)
{
    kv_buffer_append(kv_round_local(call->round), text, strlen(text));
    kv_round_told(call->round);
}

static void reply_bulk(struct call *call, struct kv_bytes bytes)
{
    resp_bulk(kv_round_local(call->round), bytes.data, bytes.size);
    kv_round_told(call->round);
}

static void reply_bulk_text(struct call *call, const char *text)
{
    reply_bulk(call, (struct kv_bytes){(const uint8_t *)text, strlen(text)});
}

static void reply_number(struct call *call, int64_t value)
{
    resp_number(kv_round_local(call->round), value);
    kv_round_told(call->round);
}

static void reply_array(struct call *call, int64_t count)
{
    resp_array(kv_round_local(call->round), count);
    kv_round_told(call->round);
}

/* `count` keys with a value each: by version 2 an array. */
static void reply_map(struct call *call, int64_t count)
{
    resp_map(kv_round_local(call->round), count, call->session->protocol);
    kv_round_told(call->round);
}

static void reply_null(struct call *call)
{
    resp_null(kv_round_local(call->round), call->session->protocol);
    kv_round_told(call->round);
}

static void reply_ok(struct call *call)
{
    reply_text(call, "+OK\r\n");
}

static void reply_arity(struct call *call, const char *full_name)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "ERR wrong number of arguments for '%s' command", full_name);
    reply_error(call, text);
}

/* A client of version 2 that has subscribed cannot tell a reply from what is pushed, so it may not do much else. */
static bool must_listen(const struct call *call)
{
    return call->session->protocol < 3 && kv_subscriptions_count(&call->session->subscriptions) != 0;
}

static void reply_not_now(struct call *call, const char *full_name)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text,
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
             "context",
             full_name);
    reply_error(call, text);
}

/* Arguments. */

static bool equals(struct kv_bytes bytes, const char *word)
{
    return strlen(word) == bytes.size && strncasecmp((const char *)bytes.data, word, bytes.size) == 0;
}

static bool integer_argument(struct call *call, uint32_t index, int64_t *value)
{
    struct kv_bytes text = argument(call, index);
    if (!resp_integer(text.data, text.size, value)) {
        reply_error(call, "ERR value is not an integer or out of range");
        return false;
    }
    return true;
}

/* A C string of an argument, cut at a zero byte as Redis prints it. */
static int printed_size(struct kv_bytes bytes, size_t size_max)
{
    size_t size = strnlen((const char *)bytes.data, bytes.size);
    return (int)(size < size_max ? size : size_max);
}

/* Operations. */

static void operate(struct call *call, struct kv_request *request, enum kv_slot_kind kind)
{
    struct kv_loop *loop = call->session->loop;
    request->flags |= call->session->protocol >= 3 ? KV_RESP3 : 0;
    request->hash = store_hash(loop->server->seed, request->key.data, request->key.size);
    kv_round_operate(call->round, &loop->batches, kv_shard_of(loop->server, request->hash), request, kind);
}

static void operate_simple(struct call *call, uint8_t code)
{
    struct kv_request request = {.code = code, .key = argument(call, 1)};
    operate(call, &request, KV_TELL);
}

static void operate_everywhere(struct call *call, uint8_t code, uint8_t flags, enum kv_slot_kind kind)
{
    struct kv_loop *loop = call->session->loop;
    struct kv_request request = {.code = code, .flags = flags};
    for (uint32_t shard = 0; shard < loop->server->shard_count; shard++) {
        kv_round_operate(call->round, &loop->batches, (uint16_t)shard, &request, kind);
    }
}

/* Commands on keys. */

static void run_get(struct call *call)
{
    operate_simple(call, KV_GET);
}

enum { MS_PER_SECOND = 1000, NS_PER_MS = 1000000 };

/* What SET was told besides key and value. */
struct set_options {
    uint8_t flags;
    int64_t unit_ms;  /* 0: no time to live is given */
    uint32_t time_at; /* the argument with it */
};

/* Takes the option at `*at`. False when it is none, or not with those before. */
static bool set_option(struct call *call, uint32_t *at, struct set_options *options)
{
    struct kv_bytes word = argument(call, *at);
    if (equals(word, "NX") && (options->flags & KV_IF_OLD) == 0) {
        options->flags |= KV_IF_NEW;
    } else if (equals(word, "XX") && (options->flags & KV_IF_NEW) == 0) {
        options->flags |= KV_IF_OLD;
    } else if (equals(word, "GET")) {
        options->flags |= KV_RETURN_OLD;
    } else if (equals(word, "KEEPTTL") && options->unit_ms == 0) {
        options->flags |= KV_KEEP_TTL;
    } else if (equals(word, "EX") || equals(word, "PX")) {
        int64_t unit_ms = equals(word, "EX") ? MS_PER_SECOND : 1;
        bool other = options->unit_ms != 0 && options->unit_ms != unit_ms;
        if (other || (options->flags & KV_KEEP_TTL) != 0 || *at + 1 == call->count) {
            return false;
        }
        options->unit_ms = unit_ms;
        options->time_at = ++*at;
    } else {
        return false;
    }
    return true;
}

/* Turns a time to live into milliseconds that are more than 0 and have an end. */
static bool live_argument(struct call *call, const struct set_options *options, int64_t *live_ms)
{
    if (!integer_argument(call, options->time_at, live_ms)) {
        return false;
    }
    int64_t now_ms = (int64_t)(call->session->now_ns / NS_PER_MS);
    if (*live_ms <= 0 || __builtin_mul_overflow(*live_ms, options->unit_ms, live_ms) || *live_ms > INT64_MAX - now_ms) {
        reply_error(call, "ERR invalid expire time in 'set' command");
        return false;
    }
    return true;
}

static void run_set(struct call *call)
{
    struct kv_request request = {.code = KV_SET, .key = argument(call, 1), .value = argument(call, 2)};
    if (call->count > 3) {
        struct set_options options = {0};
        for (uint32_t at = 3; at < call->count; at++) {
            if (!set_option(call, &at, &options)) {
                reply_error(call, "ERR syntax error");
                return;
            }
        }
        if (options.unit_ms != 0 && !live_argument(call, &options, &request.argument)) {
            return;
        }
        request.flags = options.flags;
    }
    operate(call, &request, KV_TELL);
}

static void count_keys(struct call *call, uint8_t code)
{
    if (call->count == 2) {
        operate_simple(call, code);
        return;
    }
    for (uint32_t at = 1; at < call->count; at++) {
        struct kv_request request = {.code = code, .key = argument(call, at)};
        operate(call, &request, KV_SUM_FIRST);
    }
    kv_round_finish(call->round, KV_TELL_SUM);
}

static void run_del(struct call *call)
{
    count_keys(call, KV_DELETE);
}

static void run_exists(struct call *call)
{
    count_keys(call, KV_EXISTS);
}

static void run_mget(struct call *call)
{
    reply_array(call, call->count - 1);
    for (uint32_t at = 1; at < call->count; at++) {
        struct kv_request request = {.code = KV_GET, .key = argument(call, at)};
        operate(call, &request, KV_TELL);
    }
}

static void run_mset(struct call *call)
{
    if (call->count % 2 == 0) {
        reply_arity(call, "mset");
        return;
    }
    for (uint32_t at = 1; at < call->count; at += 2) {
        struct kv_request request = {
            .code = KV_SET, .flags = KV_QUIET, .key = argument(call, at), .value = argument(call, at + 1)};
        operate(call, &request, KV_NO_REPLY);
    }
    kv_round_finish(call->round, KV_TELL_OK);
}

static void add(struct call *call, int64_t amount)
{
    struct kv_request request = {.code = KV_ADD, .key = argument(call, 1), .argument = amount};
    operate(call, &request, KV_TELL);
}

static void run_incr(struct call *call)
{
    add(call, 1);
}

static void run_decr(struct call *call)
{
    add(call, -1);
}

static void run_incrby(struct call *call)
{
    int64_t amount;
    if (integer_argument(call, 2, &amount)) {
        add(call, amount);
    }
}

static void run_decrby(struct call *call)
{
    int64_t amount;
    if (!integer_argument(call, 2, &amount)) {
        return;
    }
    if (amount == INT64_MIN) {
        reply_error(call, "ERR decrement would overflow");
        return;
    }
    add(call, -amount);
}

/* Reads EXPIRE's options; replies when they are wrong. */
static bool expire_options(struct call *call, uint8_t *flags)
{
    for (uint32_t at = 3; at < call->count; at++) {
        struct kv_bytes word = argument(call, at);
        if (equals(word, "NX")) {
            *flags |= KV_IF_NEW;
        } else if (equals(word, "XX")) {
            *flags |= KV_IF_OLD;
        } else if (equals(word, "GT")) {
            *flags |= KV_IF_LATER;
        } else if (equals(word, "LT")) {
            *flags |= KV_IF_SOONER;
        } else {
            char text[TEXT_MAX];
            snprintf(text, sizeof text, "ERR Unsupported option %.*s", printed_size(word, 256), word.data);
            reply_error(call, text);
            return false;
        }
    }
    if ((*flags & KV_IF_NEW) != 0 && (*flags & ~KV_IF_NEW) != 0) {
        reply_error(call, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*flags & KV_IF_LATER) != 0 && (*flags & KV_IF_SOONER) != 0) {
        reply_error(call, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

static void expire(struct call *call, int64_t unit_ms, const char *name)
{
    struct kv_request request = {.code = KV_EXPIRE, .key = argument(call, 1)};
    if (!expire_options(call, &request.flags) || !integer_argument(call, 2, &request.argument)) {
        return;
    }
    int64_t now_ms = (int64_t)(call->session->now_ns / NS_PER_MS);
    if (__builtin_mul_overflow(request.argument, unit_ms, &request.argument) || request.argument > INT64_MAX - now_ms) {
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "ERR invalid expire time in '%s' command", name);
        reply_error(call, text);
        return;
    }
    operate(call, &request, KV_TELL);
}

static void run_expire(struct call *call)
{
    expire(call, MS_PER_SECOND, "expire");
}

static void run_pexpire(struct call *call)
{
    expire(call, 1, "pexpire");
}

static void run_ttl(struct call *call)
{
    operate_simple(call, KV_TTL);
}

static void run_pttl(struct call *call)
{
    operate_simple(call, KV_PTTL);
}

static void run_persist(struct call *call)
{
    operate_simple(call, KV_PERSIST);
}

static void run_strlen(struct call *call)
{
    operate_simple(call, KV_LENGTH);
}

static void run_dbsize(struct call *call)
{
    operate_everywhere(call, KV_COUNT, 0, KV_SUM_FIRST);
    kv_round_finish(call->round, KV_TELL_SUM);
}

static void run_flushall(struct call *call)
{
    if (call->count > 2 ||
        (call->count == 2 && !equals(argument(call, 1), "ASYNC") && !equals(argument(call, 1), "SYNC"))) {
        reply_error(call, "ERR syntax error");
        return;
    }
    operate_everywhere(call, KV_CLEAR, KV_QUIET, KV_NO_REPLY);
    kv_round_finish(call->round, KV_TELL_OK);
}

/* Channels. */

static jzx_space *channels_of(const struct call *call)
{
    return call->session->loop->server->channels;
}

/* What a client is told of each channel it has subscribed to, or no longer has. */
static void reply_subscription(struct call *call, const char *what, const struct kv_bytes *name)
{
    struct kv_buffer *out = kv_round_local(call->round);
    resp_push(out, 3, call->session->protocol);
    resp_bulk(out, what, strlen(what));
    if (name != NULL) {
        resp_bulk(out, name->data, name->size);
    } else {
        resp_null(out, call->session->protocol);
    }
    resp_number(out, kv_subscriptions_count(&call->session->subscriptions));
    kv_round_told(call->round);
}

static void subscribe(struct call *call, bool pattern, const char *what)
{
    struct kv_session *session = call->session;
    for (uint32_t at = 1; at < call->count; at++) {
        struct kv_bytes name = argument(call, at);
        jzx_err err = kv_subscribe(&session->subscriptions, session->context, channels_of(call), pattern, name);
        if (err == JZX_OK) {
            reply_subscription(call, what, &name);
        } else if (err == JZX_ERR_TOO_BIG) {
            reply_error(call, "ERR channels and patterns have at most 63 bytes here");
        } else {
            reply_error(call, "ERR no room for another subscription");
        }
    }
}

static void run_subscribe(struct call *call)
{
    subscribe(call, false, "subscribe");
}

static void run_psubscribe(struct call *call)
{
    subscribe(call, true, "psubscribe");
}

static void unsubscribe(struct call *call, struct kv_bytes name, bool pattern)
{
    kv_unsubscribe(&call->session->subscriptions, call->session->context, pattern, name);
}

static void unsubscribe_all(struct call *call, bool pattern, const char *what)
{
    const struct kv_subscription *any = kv_subscription_any(&call->session->subscriptions, pattern);
    if (any == NULL) {
        reply_subscription(call, what, NULL);
    }
    for (; any != NULL; any = kv_subscription_any(&call->session->subscriptions, pattern)) {
        uint8_t bytes[KV_CHANNEL_MAX];
        struct kv_bytes name = {bytes, any->size};
        memcpy(bytes, any->name, any->size);
        unsubscribe(call, name, pattern);
        reply_subscription(call, what, &name);
    }
}

static void unsubscribe_each(struct call *call, bool pattern, const char *what)
{
    if (call->count == 1) {
        unsubscribe_all(call, pattern, what);
        return;
    }
    for (uint32_t at = 1; at < call->count; at++) {
        struct kv_bytes name = argument(call, at);
        unsubscribe(call, name, pattern);
        reply_subscription(call, what, &name);
    }
}

static void run_unsubscribe(struct call *call)
{
    unsubscribe_each(call, false, "unsubscribe");
}

static void run_punsubscribe(struct call *call)
{
    unsubscribe_each(call, true, "punsubscribe");
}

/* Members of a group; 0 for a name that none can have. */
static uint32_t members_of(const struct call *call, char kind, struct kv_bytes name)
{
    uint32_t count = 0;
    jzx_group group = kv_group(channels_of(call), kind, name);
    return jzx_group_count(&group, &count) == JZX_OK ? count : 0;
}

static void run_publish(struct call *call)
{
    struct kv_session *session = call->session;
    struct kv_bytes channel = argument(call, 1);
    if (call->round->operations != 0) {
        call->later = true; /* U3 */
        return;
    }
    uint32_t number = kv_round_number(call->round);
    if (members_of(call, KV_GROUP_CHANNEL, channel) == 0 &&
        members_of(call, KV_GROUP_PATTERNS, (struct kv_bytes){NULL, 0}) == 0) {
        return; /* 0 */
    }
    call->round->failed |= !kv_publish_add(&session->publishing, session->loop->server->runtime, channel,
                                           argument(call, 2), number);
}

/* The groups there are now, to be freed. NULL: no memory. */
static jzx_group *all_groups(const struct call *call, uint32_t *count)
{
    jzx_group *groups = NULL;
    uint32_t room = 64;
    for (*count = 0; *count > room || groups == NULL;) {
        room = *count > room ? *count + *count / 8 : room; /* some may come meanwhile */
        free(groups);
        groups = malloc(room * sizeof *groups);
        if (groups == NULL || jzx_space_groups(channels_of(call), groups, room, count) != JZX_OK) {
            break;
        }
    }
    return groups;
}

/* How many of them are of a kind and match the pattern, if one is given; they are told too if that is wanted. */
static uint32_t tell_groups(struct call *call, const jzx_group *groups, uint32_t count, char kind, bool tell)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct kv_bytes name = {groups[i].name + 1, groups[i].size - 1};
        if (groups[i].name[0] == (uint8_t)kind && (call->count < 3 || kv_glob(argument(call, 2), name))) {
            wanted++;
            if (tell) {
                reply_bulk(call, name);
            }
        }
    }
    return wanted;
}

static void run_pubsub_channels(struct call *call)
{
    uint32_t count;
    jzx_group *groups = all_groups(call, &count);
    call->round->failed |= groups == NULL;
    if (groups != NULL) {
        reply_array(call, tell_groups(call, groups, count, KV_GROUP_CHANNEL, false));
        tell_groups(call, groups, count, KV_GROUP_CHANNEL, true);
    }
    free(groups);
}

static void run_pubsub_numpat(struct call *call)
{
    uint32_t count;
    jzx_group *groups = all_groups(call, &count);
    call->round->failed |= groups == NULL;
    if (groups != NULL) {
        reply_number(call, tell_groups(call, groups, count, KV_GROUP_PATTERN, false));
    }
    free(groups);
}

static void run_pubsub_numsub(struct call *call)
{
    reply_array(call, (call->count - 2) * 2);
    for (uint32_t at = 2; at < call->count; at++) {
        reply_bulk(call, argument(call, at));
        reply_number(call, members_of(call, KV_GROUP_CHANNEL, argument(call, at)));
    }
}

/* Commands about the connection. */

static void run_ping(struct call *call)
{
    if (call->count > 2) {
        reply_arity(call, "ping");
    } else if (must_listen(call)) {
        reply_array(call, 2);
        reply_bulk_text(call, "pong");
        reply_bulk(call, call->count == 2 ? argument(call, 1) : (struct kv_bytes){NULL, 0});
    } else if (call->count == 2) {
        reply_bulk(call, argument(call, 1));
    } else {
        reply_text(call, "+PONG\r\n");
    }
}

static void run_echo(struct call *call)
{
    reply_bulk(call, argument(call, 1));
}

/* As after connecting, but for what is under way. */
static void run_reset(struct call *call)
{
    struct kv_session *session = call->session;
    if (call->round->operations != 0) {
        call->later = true; /* as HELLO */
        return;
    }
    for (int pattern = 0; pattern < 2; pattern++) {
        const struct kv_subscription *any;
        while ((any = kv_subscription_any(&session->subscriptions, pattern)) != NULL) {
            unsubscribe(call, kv_subscription_name(any), pattern);
        }
    }
    session->protocol = 2;
    free(session->name);
    session->name = NULL;
    reply_text(call, "+RESET\r\n");
}

static void run_quit(struct call *call)
{
    reply_ok(call);
    call->session->quit = true;
}

/* DEBUG: faults on command, and where a key lives. */

static uint16_t shard_argument(const struct call *call)
{
    const struct kv_server *server = call->session->loop->server;
    struct kv_bytes key = argument(call, 2);
    return kv_shard_of(server, store_hash(server->seed, key.data, key.size));
}

static void run_debug_shard(struct call *call)
{
    reply_number(call, shard_argument(call));
}

/* DEBUG CRASH connection, DEBUG CRASH listener (of this loop, and only where that is allowed), or the shard of a key. */
static void run_debug_crash(struct call *call)
{
    struct kv_session *session = call->session;
    jzx_actor_id id = session->loop->listener;
    if (equals(argument(call, 2), "connection")) {
        session->crash = true;
        session->quit = true;
        return;
    }
    jzx_err err = JZX_OK;
    if (!session->loop->server->options.debug_listener || !equals(argument(call, 2), "listener")) {
        err = kv_shard_id(session->loop->server, shard_argument(call), &id);
    }
    if (err == JZX_OK && jzx_fail(session->context, id, KV_CRASH_CODE, "DEBUG CRASH") == JZX_OK) {
        reply_ok(call);
    } else {
        reply_text(call, KV_SHARD_DOWN);
    }
}

static void run_select(struct call *call)
{
    int64_t index;
    if (!integer_argument(call, 1, &index)) {
        return;
    }
    if (index != 0) {
        reply_error(call, "ERR DB index is out of range");
        return;
    }
    reply_ok(call);
}

static bool set_name(struct call *call, struct kv_bytes name)
{
    for (size_t at = 0; at < name.size; at++) {
        if (name.data[at] < '!' || name.data[at] > '~') {
            reply_error(call, "ERR Client names cannot contain spaces, newlines or special characters.");
            return false;
        }
    }
    free(call->session->name);
    call->session->name = name.size != 0 ? strndup((const char *)name.data, name.size) : NULL;
    return true;
}

static bool hello_version(struct call *call, int64_t *version)
{
    struct kv_bytes text = argument(call, 1);
    if (!resp_integer(text.data, text.size, version)) {
        reply_error(call, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (*version != 2 && *version != 3) {
        reply_error(call, "NOPROTO unsupported protocol version");
        return false;
    }
    return true;
}

static bool hello_options(struct call *call)
{
    for (uint32_t at = 2; at < call->count; at += 2) {
        struct kv_bytes word = argument(call, at);
        if (!equals(word, "SETNAME") || at + 1 == call->count) {
            char text[TEXT_MAX];
            snprintf(text, sizeof text, "ERR Syntax error in HELLO option '%.*s'", printed_size(word, 256), word.data);
            reply_error(call, text);
            return false;
        }
        if (!set_name(call, argument(call, at + 1))) {
            return false;
        }
    }
    return true;
}

static void run_hello(struct call *call)
{
    int64_t version = call->session->protocol;
    if (call->round->operations != 0) {
        call->later = true; /* INFO is written when its shards have answered, in the version it was asked in */
        return;
    }
    if (call->count > 1 && (!hello_version(call, &version) || !hello_options(call))) {
        return;
    }
    call->session->protocol = (uint8_t)version;
    reply_map(call, 7);
    reply_bulk_text(call, "server");
    reply_bulk_text(call, "redis");
    reply_bulk_text(call, "version");
    reply_bulk_text(call, KV_REDIS_VERSION);
    reply_bulk_text(call, "proto");
    reply_number(call, version);
    reply_bulk_text(call, "id");
    reply_number(call, (int64_t)call->session->id);
    reply_bulk_text(call, "mode");
    reply_bulk_text(call, "standalone");
    reply_bulk_text(call, "role");
    reply_bulk_text(call, "master");
    reply_bulk_text(call, "modules");
    reply_array(call, 0);
}

/* Commands about the server. */

struct totals {
    uint64_t connections;
    uint64_t open;
    uint64_t commands;
    uint64_t refused;
    uint64_t resumed;
};

static struct totals sum_loops(struct kv_server *server)
{
    struct totals totals = {0};
    for (uint32_t i = 0; i < server->options.loop_count; i++) {
        totals.connections += kv_counted(&server->loops[i].connections);
        totals.open += kv_counted(&server->loops[i].open);
        totals.commands += kv_counted(&server->loops[i].commands);
        totals.refused += kv_counted(&server->loops[i].refused);
        totals.resumed += kv_counted(&server->loops[i].resumed);
    }
    return totals;
}

/* Writes INFO once the shards have said how many keys there are, and how many of them expire. */
static void write_info(void *context, const int64_t sums[2], struct kv_buffer *out)
{
    struct kv_session *session = context;
    struct kv_server *server = session->loop->server;
    struct totals totals = sum_loops(server);
    uint64_t uptime_s = (session->now_ns - server->started_ns) / 1000000000u;
    char keyspace[96] = "";
    if (sums[0] != 0) {
        snprintf(keyspace, sizeof keyspace, "db0:keys=%lld,expires=%lld,avg_ttl=0\r\n", (long long)sums[0],
                 (long long)sums[1]);
    }
    char text[1024];
    int size = snprintf(
        text, sizeof text,
        "# Server\r\nredis_version:" KV_REDIS_VERSION "\r\nredis_mode:standalone\r\n"
        "multiplexing_api:io_uring\r\ntcp_port:%u\r\nuptime_in_seconds:%llu\r\nloops:%u\r\n"
        "shards:%u\r\n\r\n# Clients\r\nconnected_clients:%llu\r\nmaxclients:%u\r\n\r\n"
        "# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
        "refused_requests:%llu\r\nresume_notices:%llu\r\n"
        "shard_restarts:%llu\r\nlast_restart_us:%llu\r\n\r\n"
        "# Replication\r\nrole:master\r\n\r\n# Keyspace\r\n%s",
        server->port, (unsigned long long)uptime_s, server->options.loop_count, server->shard_count,
        (unsigned long long)totals.open, server->options.clients_max, (unsigned long long)totals.connections,
        (unsigned long long)totals.commands, (unsigned long long)totals.refused, (unsigned long long)totals.resumed,
        (unsigned long long)atomic_load_explicit(&server->shard_restarts, memory_order_relaxed),
        (unsigned long long)atomic_load_explicit(&server->last_restart_us, memory_order_relaxed), keyspace);
    resp_text(out, text, (size_t)size, session->protocol);
}

static void run_info(struct call *call)
{
    operate_everywhere(call, KV_COUNT, 0, KV_SUM_FIRST);
    operate_everywhere(call, KV_COUNT_EXPIRES, 0, KV_SUM_SECOND);
    call->round->late = write_info;
    call->round->late_context = call->session;
    kv_round_finish(call->round, KV_TELL_LATE);
}

struct parameter {
    const char *name;
    char value[24];
};

static uint32_t fill_parameters(const struct kv_server *server, struct parameter *parameters)
{
    static const struct parameter fixed[] = {
        {"save", ""},
        {"appendonly", "no"},
        {"maxmemory", "0"},
        {"databases", "1"},
    };
    memcpy(parameters, fixed, sizeof fixed);
    uint32_t count = sizeof fixed / sizeof fixed[0];
    parameters[count].name = "port";
    snprintf(parameters[count++].value, sizeof parameters->value, "%u", server->port);
    parameters[count].name = "maxclients";
    snprintf(parameters[count++].value, sizeof parameters->value, "%u", server->options.clients_max);
    parameters[count].name = "proto-max-bulk-len";
    snprintf(parameters[count++].value, sizeof parameters->value, "%zu", server->options.value_max);
    return count;
}

static bool parameter_wanted(const struct call *call, const char *name)
{
    for (uint32_t at = 2; at < call->count; at++) {
        struct kv_bytes bytes = argument(call, at);
        char pattern[64];
        snprintf(pattern, sizeof pattern, "%.*s", printed_size(bytes, sizeof pattern - 1), bytes.data);
        if (fnmatch(pattern, name, FNM_CASEFOLD) == 0) {
            return true;
        }
    }
    return false;
}

static void run_config_get(struct call *call)
{
    struct parameter parameters[8];
    struct parameter *wanted[8];
    uint32_t wanted_count = 0;
    uint32_t count = fill_parameters(call->session->loop->server, parameters);
    for (uint32_t i = 0; i < count; i++) {
        if (parameter_wanted(call, parameters[i].name)) {
            wanted[wanted_count++] = &parameters[i];
        }
    }
    reply_map(call, wanted_count);
    for (uint32_t i = 0; i < wanted_count; i++) {
        reply_bulk_text(call, wanted[i]->name);
        reply_bulk_text(call, wanted[i]->value);
    }
}

static void run_client_id(struct call *call)
{
    reply_number(call, (int64_t)call->session->id);
}

static void run_client_getname(struct call *call)
{
    if (call->session->name == NULL) {
        reply_null(call);
    } else {
        reply_bulk_text(call, call->session->name);
    }
}

static void run_client_setname(struct call *call)
{
    if (set_name(call, argument(call, 2))) {
        reply_ok(call);
    }
}

/* The list of commands is empty: clients that ask for it, redis-cli among them, then do without. */
static void run_command_docs(struct call *call)
{
    reply_map(call, 0);
}

static void run_command_info(struct call *call)
{
    reply_array(call, 0);
}

static const struct command config_commands[] = {{"GET", -3, run_config_get, "config|get"}, {"", 0, NULL, NULL}};
static const struct command client_commands[] = {{"ID", 2, run_client_id, "client|id"},
                                                 {"GETNAME", 2, run_client_getname, "client|getname"},
                                                 {"SETNAME", 3, run_client_setname, "client|setname"},
                                                 {"", 0, NULL, NULL}};
static const struct command debug_commands[] = {
    {"CRASH", 3, run_debug_crash, "debug|crash"}, {"SHARD", 3, run_debug_shard, "debug|shard"}, {"", 0, NULL, NULL}};
static const struct command pubsub_commands[] = {{"CHANNELS", -2, run_pubsub_channels, "pubsub|channels"},
                                                 {"NUMPAT", 2, run_pubsub_numpat, "pubsub|numpat"},
                                                 {"NUMSUB", -2, run_pubsub_numsub, "pubsub|numsub"},
                                                 {"", 0, NULL, NULL}};
static const struct command command_commands[] = {{"DOCS", -2, run_command_docs, "command|docs"},
                                                  {"INFO", -2, run_command_info, "command|info"},
                                                  {"", 0, NULL, NULL}};

static void run_pubsub(struct call *call);
static void run_config(struct call *call);
static void run_client(struct call *call);
static void run_command(struct call *call);

/* Whether a client that must listen may do it; of the last four the second word decides. */
static bool is_for_listeners(command_fn command)
{
    static const command_fn those[] = {run_subscribe, run_unsubscribe, run_psubscribe, run_punsubscribe,
                                       run_ping,      run_quit,        run_reset,      run_pubsub,
                                       run_config,    run_client,      run_command};
    size_t at = 0;
    while (at < sizeof those / sizeof those[0] && those[at] != command) {
        at++;
    }
    return at < sizeof those / sizeof those[0];
}

static void run(struct call *call, const struct command *command)
{
    if (command->arity > 0 ? call->count != (uint32_t)command->arity : call->count < (uint32_t)-command->arity) {
        reply_arity(call, command->full_name);
        return;
    }
    if (must_listen(call) && !is_for_listeners(command->run)) {
        reply_not_now(call, command->full_name);
        return;
    }
    command->run(call);
}

static void run_second(struct call *call, const struct command *commands, const char *name)
{
    struct kv_bytes word = argument(call, 1);
    for (; commands->run != NULL; commands++) {
        if (word.size <= sizeof commands->name && strnlen(commands->name, sizeof commands->name) == word.size &&
            strncasecmp(commands->name, (const char *)word.data, word.size) == 0) {
            run(call, commands);
            return;
        }
    }
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "ERR unknown subcommand '%.*s'. Try %s HELP.", printed_size(word, 128), word.data,
             name);
    reply_error(call, text);
}

static void run_config(struct call *call)
{
    run_second(call, config_commands, "CONFIG");
}

static void run_client(struct call *call)
{
    run_second(call, client_commands, "CLIENT");
}

static void run_pubsub(struct call *call)
{
    run_second(call, pubsub_commands, "PUBSUB");
}

static void run_debug(struct call *call)
{
    run_second(call, debug_commands, "DEBUG");
}

static void run_command(struct call *call)
{
    if (call->count == 1 && must_listen(call)) {
        reply_not_now(call, "command");
        return;
    }
    if (call->count == 1) {
        reply_array(call, 0);
        return;
    }
    run_second(call, command_commands, "COMMAND");
}

/* The ones used most come first: the table is searched from the start. */
static const struct command commands[] = {
    {"GET", 2, run_get, "get"},
    {"SET", -3, run_set, "set"},
    {"INCR", 2, run_incr, "incr"},
    {"MGET", -2, run_mget, "mget"},
    {"MSET", -3, run_mset, "mset"},
    {"DEL", -2, run_del, "del"},
    {"PING", -1, run_ping, "ping"},
    {"EXISTS", -2, run_exists, "exists"},
    {"EXPIRE", -3, run_expire, "expire"},
    {"TTL", 2, run_ttl, "ttl"},
    {"INCRBY", 3, run_incrby, "incrby"},
    {"DECR", 2, run_decr, "decr"},
    {"DECRBY", 3, run_decrby, "decrby"},
    {"PEXPIRE", -3, run_pexpire, "pexpire"},
    {"PTTL", 2, run_pttl, "pttl"},
    {"PERSIST", 2, run_persist, "persist"},
    {"STRLEN", 2, run_strlen, "strlen"},
    {"ECHO", 2, run_echo, "echo"},
    {"DBSIZE", 1, run_dbsize, "dbsize"},
    {"FLUSHALL", -1, run_flushall, "flushall"},
    {"FLUSHDB", -1, run_flushall, "flushdb"},
    {"INFO", -1, run_info, "info"},
    {"PUBLISH", 3, run_publish, "publish"},
    {"SUBSCRIBE", -2, run_subscribe, "subscribe"},
    {"UNSUBSCRIBE", -1, run_unsubscribe, "unsubscribe"},
    {"PSUBSCRIBE", -2, run_psubscribe, "psubscribe"},
    {"PUNSUBSCRIBE", -1, run_punsubscribe, "punsubscribe"},
    {"PUBSUB", -2, run_pubsub, "pubsub"},
    {"COMMAND", -1, run_command, "command"},
    {"CONFIG", -2, run_config, "config"},
    {"CLIENT", -2, run_client, "client"},
    {"DEBUG", -2, run_debug, "debug"},
    {"HELLO", -1, run_hello, "hello"},
    {"SELECT", 2, run_select, "select"},
    {"RESET", 1, run_reset, "reset"},
    {"QUIT", -1, run_quit, "quit"},
};

/* Two words compare a whole name. */
static const struct command *find(struct kv_bytes name)
{
    uint8_t upper[NAME_MAX] = {0};
    if (name.size > sizeof upper) {
        return NULL;
    }
    for (size_t at = 0; at < name.size; at++) {
        uint8_t letter = name.data[at];
        upper[at] = letter >= 'a' && letter <= 'z' ? (uint8_t)(letter - ('a' - 'A')) : letter;
    }
    uint64_t wanted[2];
    memcpy(wanted, upper, sizeof wanted);
    for (size_t at = 0; at < sizeof commands / sizeof commands[0]; at++) {
        uint64_t words[2];
        memcpy(words, commands[at].name, sizeof words);
        if (words[0] == wanted[0] && words[1] == wanted[1]) {
            /* The padding is no part of the name. */
            return strnlen(commands[at].name, sizeof upper) == name.size ? &commands[at] : NULL;
        }
    }
    return NULL;
}

/* Redis prints arguments until 128 bytes of them are printed, quotes and blanks included. */
static void reply_unknown(struct call *call)
{
    struct kv_bytes name = argument(call, 0);
    char text[TEXT_MAX * 2];
    size_t size = (size_t)snprintf(text, sizeof text,
                                   "ERR unknown command '%.*s', with args beginning with: ", printed_size(name, 128),
                                   name.data);
    size_t start = size;
    for (uint32_t at = 1; at < call->count && size - start < 128; at++) {
        struct kv_bytes word = argument(call, at);
        size += (size_t)snprintf(text + size, sizeof text - size, "'%.*s' ", printed_size(word, 128 - (size - start)),
                                 word.data);
    }
    reply_error(call, text);
}

bool kv_command(struct kv_session *session, struct kv_round *round, const struct resp_parser *parser)
{
    struct call call = {.session = session, .round = round, .parser = parser, .count = parser->count};
    const struct command *command = find(argument(&call, 0));
    if (command == NULL) {
        reply_unknown(&call);
    } else {
        run(&call, command);
    }
    return !call.later;
}
