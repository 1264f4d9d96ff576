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
};

typedef void (*command_fn)(struct call *call);

struct command {
    char name[8]; /* in upper case, padded with zeroes */
    int arity;    /* arguments with the name; negative: at least as many */
    command_fn run;
    const char *full_name; /* as errors spell it */
};

enum { TEXT_MAX = 320 };

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

/* Commands about the connection. */

static void run_ping(struct call *call)
{
    if (call->count > 2) {
        reply_arity(call, "ping");
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

/* Only version 2 is spoken; Redis has the same words for a version it does not know. */
static bool hello_version(struct call *call)
{
    int64_t version;
    struct kv_bytes text = argument(call, 1);
    if (!resp_integer(text.data, text.size, &version)) {
        reply_error(call, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (version != 2) {
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
    if (call->count > 1 && (!hello_version(call) || !hello_options(call))) {
        return;
    }
    reply_array(call, 14);
    reply_bulk_text(call, "server");
    reply_bulk_text(call, "redis");
    reply_bulk_text(call, "version");
    reply_bulk_text(call, KV_REDIS_VERSION);
    reply_bulk_text(call, "proto");
    reply_number(call, 2);
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
    resp_bulk(out, text, (size_t)size);
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
    reply_array(call, wanted_count * 2);
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
        reply_text(call, "$-1\r\n");
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
static void run_command_none(struct call *call)
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
static const struct command command_commands[] = {{"DOCS", -2, run_command_none, "command|docs"},
                                                  {"INFO", -2, run_command_none, "command|info"},
                                                  {"", 0, NULL, NULL}};

static void run(struct call *call, const struct command *command)
{
    if (command->arity > 0 ? call->count != (uint32_t)command->arity : call->count < (uint32_t)-command->arity) {
        reply_arity(call, command->full_name);
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

static void run_debug(struct call *call)
{
    run_second(call, debug_commands, "DEBUG");
}

static void run_command(struct call *call)
{
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
    {"COMMAND", -1, run_command, "command"},
    {"CONFIG", -2, run_config, "config"},
    {"CLIENT", -2, run_client, "client"},
    {"HELLO", -1, run_hello, "hello"},
    {"DEBUG", -2, run_debug, "debug"},
    {"SELECT", 2, run_select, "select"},
    {"QUIT", -1, run_quit, "quit"},
};

/* Names have at most eight letters, so one word compares a whole one. */
static const struct command *find(struct kv_bytes name)
{
    uint8_t upper[8] = {0};
    if (name.size > sizeof upper) {
        return NULL;
    }
    for (size_t at = 0; at < name.size; at++) {
        uint8_t letter = name.data[at];
        upper[at] = letter >= 'a' && letter <= 'z' ? (uint8_t)(letter - ('a' - 'A')) : letter;
    }
    uint64_t wanted;
    memcpy(&wanted, upper, sizeof wanted);
    for (size_t at = 0; at < sizeof commands / sizeof commands[0]; at++) {
        uint64_t word;
        memcpy(&word, commands[at].name, sizeof word);
        if (word == wanted) {
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

void kv_command(struct kv_session *session, struct kv_round *round, const struct resp_parser *parser)
{
    struct call call = {session, round, parser, parser->count};
    const struct command *command = find(argument(&call, 0));
    if (command == NULL) {
        reply_unknown(&call);
        return;
    }
    run(&call, command);
}
