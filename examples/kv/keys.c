/* keys: commands on keys, one by one, several together, or all. */
#include "verb.h"

#include <stdio.h>

static void operate(struct command *command, struct kv_request *request, enum kv_slot_kind kind)
{
    struct kv_loop *loop = command->session->loop;
    request->flags |= command->session->protocol >= 3 ? KV_RESP3 : 0;
    request->hash = store_hash(loop->server->seed, request->key.data, request->key.size);
    kv_round_operate(command->round, &loop->batches, kv_shard_of(loop->server, request->hash), request, kind);
}

static void operate_simple(struct command *command, uint8_t code)
{
    struct kv_request request = {.code = code, .key = argument(command, 1)};
    operate(command, &request, KV_TELL);
}

void run_get(struct command *command)
{
    operate_simple(command, KV_GET);
}

enum { MS_PER_SECOND = 1000, NS_PER_MS = 1000000 };

/* What SET was told besides key and value. */
struct set_options {
    uint8_t flags;
    int64_t unit_ms;  /* 0: no time to live is given */
    uint32_t time_at; /* the argument with it */
};

/* Takes the option at `*at`. False when it is none, or not with those before. */
static bool set_option(struct command *command, uint32_t *at, struct set_options *options)
{
    struct kv_bytes word = argument(command, *at);
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
        if (other || (options->flags & KV_KEEP_TTL) != 0 || *at + 1 == command->count) {
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
static bool live_argument(struct command *command, const struct set_options *options, int64_t *live_ms)
{
    if (!integer_argument(command, options->time_at, live_ms)) {
        return false;
    }
    int64_t now_ms = (int64_t)(command->session->now_ns / NS_PER_MS);
    if (*live_ms <= 0 || __builtin_mul_overflow(*live_ms, options->unit_ms, live_ms) || *live_ms > INT64_MAX - now_ms) {
        reply_error(command, "ERR invalid expire time in 'set' command");
        return false;
    }
    return true;
}

void run_set(struct command *command)
{
    struct kv_request request = {.code = KV_SET, .key = argument(command, 1), .value = argument(command, 2)};
    if (command->count > 3) {
        struct set_options options = {0};
        for (uint32_t at = 3; at < command->count; at++) {
            if (!set_option(command, &at, &options)) {
                reply_error(command, "ERR syntax error");
                return;
            }
        }
        if (options.unit_ms != 0 && !live_argument(command, &options, &request.argument)) {
            return;
        }
        request.flags = options.flags;
    }
    operate(command, &request, KV_TELL);
}

static void count_keys(struct command *command, uint8_t code)
{
    if (command->count == 2) {
        operate_simple(command, code);
        return;
    }
    for (uint32_t at = 1; at < command->count; at++) {
        struct kv_request request = {.code = code, .key = argument(command, at)};
        operate(command, &request, KV_SUM_FIRST);
    }
    kv_round_finish(command->round, KV_TELL_SUM, code == KV_DELETE ? KV_TORN_DELETED : KV_TORN_READ);
}

void run_del(struct command *command)
{
    count_keys(command, KV_DELETE);
}

void run_exists(struct command *command)
{
    count_keys(command, KV_EXISTS);
}

void run_mget(struct command *command)
{
    reply_array(command, command->count - 1);
    command->round->gathered |= command->count > 2;
    for (uint32_t at = 1; at < command->count; at++) {
        struct kv_request request = {.code = KV_GET, .key = argument(command, at)};
        operate(command, &request, KV_TELL);
    }
}

void run_mset(struct command *command)
{
    if (command->count % 2 == 0) {
        reply_arity(command, "mset");
        return;
    }
    for (uint32_t at = 1; at < command->count; at += 2) {
        struct kv_request request = {
            .code = KV_SET, .flags = KV_QUIET, .key = argument(command, at), .value = argument(command, at + 1)};
        operate(command, &request, KV_NO_REPLY);
    }
    kv_round_finish(command->round, KV_TELL_OK, KV_TORN_SET);
}

static void add(struct command *command, int64_t amount)
{
    struct kv_request request = {.code = KV_ADD, .key = argument(command, 1), .argument = amount};
    operate(command, &request, KV_TELL);
}

void run_incr(struct command *command)
{
    add(command, 1);
}

void run_decr(struct command *command)
{
    add(command, -1);
}

void run_incrby(struct command *command)
{
    int64_t amount;
    if (integer_argument(command, 2, &amount)) {
        add(command, amount);
    }
}

void run_decrby(struct command *command)
{
    int64_t amount;
    if (!integer_argument(command, 2, &amount)) {
        return;
    }
    if (amount == INT64_MIN) {
        reply_error(command, "ERR decrement would overflow");
        return;
    }
    add(command, -amount);
}

/* Reads EXPIRE's options; replies when they are wrong. */
static bool expire_options(struct command *command, uint8_t *flags)
{
    for (uint32_t at = 3; at < command->count; at++) {
        struct kv_bytes word = argument(command, at);
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
            reply_error(command, text);
            return false;
        }
    }
    if ((*flags & KV_IF_NEW) != 0 && (*flags & ~KV_IF_NEW) != 0) {
        reply_error(command, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*flags & KV_IF_LATER) != 0 && (*flags & KV_IF_SOONER) != 0) {
        reply_error(command, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

static void expire(struct command *command, int64_t unit_ms, const char *name)
{
    struct kv_request request = {.code = KV_EXPIRE, .key = argument(command, 1)};
    if (!expire_options(command, &request.flags) || !integer_argument(command, 2, &request.argument)) {
        return;
    }
    int64_t now_ms = (int64_t)(command->session->now_ns / NS_PER_MS);
    if (__builtin_mul_overflow(request.argument, unit_ms, &request.argument) || request.argument > INT64_MAX - now_ms) {
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "ERR invalid expire time in '%s' command", name);
        reply_error(command, text);
        return;
    }
    operate(command, &request, KV_TELL);
}

void run_expire(struct command *command)
{
    expire(command, MS_PER_SECOND, "expire");
}

void run_pexpire(struct command *command)
{
    expire(command, 1, "pexpire");
}

void run_ttl(struct command *command)
{
    operate_simple(command, KV_TTL);
}

void run_pttl(struct command *command)
{
    operate_simple(command, KV_PTTL);
}

void run_persist(struct command *command)
{
    operate_simple(command, KV_PERSIST);
}

void run_strlen(struct command *command)
{
    operate_simple(command, KV_LENGTH);
}

void run_dbsize(struct command *command)
{
    operate_everywhere(command, KV_COUNT, 0, KV_SUM_FIRST);
    kv_round_finish(command->round, KV_TELL_SUM, KV_TORN_READ);
}

void run_flushall(struct command *command)
{
    if (command->count > 2 ||
        (command->count == 2 && !equals(argument(command, 1), "ASYNC") && !equals(argument(command, 1), "SYNC"))) {
        reply_error(command, "ERR syntax error");
        return;
    }
    operate_everywhere(command, KV_CLEAR, KV_QUIET, KV_NO_REPLY);
    kv_round_finish(command->round, KV_TELL_OK, KV_TORN_DELETED);
}
