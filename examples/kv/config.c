/*
 * config: CONFIG. It tells each option of the program (main.c) and each limit that a client may meet: by the name and in the
 * format of Redis where Redis has it, else by the name of the option. None of them changes while the server runs.
 */
#include "verb.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

enum { VALUE_MAX = 16 * JZX_LOOPS_MAX }; /* bytes of a value; the longest one lists CPUs */

/* What is asked, and what is said to that. */
struct telling {
    const struct command *command;
    bool exact;             /* a name is asked for, not patterns */
    struct kv_buffer lower; /* a pattern in lower case, as all names are */
    struct kv_buffer told;
    uint32_t count;
};

static bool matches(struct telling *telling, struct kv_bytes pattern, const char *name)
{
    struct kv_buffer *lower = &telling->lower;
    lower->size = 0;
    kv_buffer_append(lower, pattern.data, pattern.size);
    for (size_t at = 0; at < lower->size; at++) {
        lower->data[at] = (uint8_t)tolower(lower->data[at]);
    }
    telling->told.failed |= lower->failed;
    return kv_glob((struct kv_bytes){lower->data, lower->size}, (struct kv_bytes){(const uint8_t *)name, strlen(name)});
}

static bool wanted(struct telling *telling, const char *name)
{
    const struct command *command = telling->command;
    if (telling->exact) {
        return equals(argument(command, 2), name);
    }
    uint32_t at = 2;
    while (at < command->count && !matches(telling, argument(command, at), name)) {
        at++;
    }
    return at < command->count;
}

/* Tells one parameter, if it is asked for. */
__attribute__((format(printf, 3, 4))) static void tell(struct telling *telling, const char *name, const char *format,
                                                       ...)
{
    if (!wanted(telling, name)) {
        return;
    }
    char value[VALUE_MAX];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(value, sizeof value, format, values);
    va_end(values);
    resp_bulk(&telling->told, name, strlen(name));
    resp_bulk(&telling->told, value, (size_t)size);
    telling->count++;
}

static unsigned long long in(uint64_t ns, uint64_t unit_ns)
{
    return ns == JZX_FOREVER ? 0 : ns / unit_ns;
}

static unsigned long long bytes_or_0(size_t size)
{
    return size == SIZE_MAX ? 0 : size;
}

static void tell_cpus(struct telling *telling, const struct kv_options *options)
{
    char list[VALUE_MAX] = "";
    for (uint32_t i = 0, size = 0; i < options->loop_count && options->cpus[i] >= 0; i++) {
        size += (uint32_t)snprintf(list + size, sizeof list - size, i == 0 ? "%d" : ",%d", options->cpus[i]);
    }
    tell(telling, "server_cpulist", "%s", list);
}

/* What Redis has too. A client that does not read its replies is not closed for that: it is not read from either. */
static void tell_like_redis(struct telling *telling, const struct kv_server *server)
{
    const struct kv_options *options = &server->options;
    tell(telling, "save", "%s", "");
    tell(telling, "appendonly", "no");
    tell(telling, "maxmemory", "0");
    tell(telling, "databases", "1");
    tell(telling, "port", "%u", server->port);
    tell(telling, "bind", "%s", options->address);
    tell_cpus(telling, options);
    tell(telling, "timeout", "%llu", in(options->idle_ns, 1000000000));
    tell(telling, "maxclients", "%u", options->clients_max);
    tell(telling, "proto-max-bulk-len", "%zu", options->value_max);
    tell(telling, "client-query-buffer-limit", "%zu", kv_query_max(options));
    tell(telling, "client-output-buffer-limit", "normal 0 0 0 slave 0 0 0 pubsub %zu %llu %llu", options->push_max,
         bytes_or_0(options->push_soft), in(options->push_soft_ns, 1000000000));
}

/* What it has not: first the options, then what no option sets. */
static void tell_own(struct telling *telling, const struct kv_options *options)
{
    tell(telling, "linger-us", "%llu", in(options->linger_ns, 1000));
    tell(telling, "call-timeout", "%llu", in(options->call_ns, 1000000));
    tell(telling, "mailbox", "%u", options->mailbox_cap);
    tell(telling, "shards-per-loop", "%u", options->shards_per_loop);
    tell(telling, "subscriptions", "%u", options->subscriptions);
    tell(telling, "debug-listener", options->debug_listener ? "yes" : "no");
    tell(telling, "client-subscriptions", "%d", KV_SUBSCRIPTIONS_MAX);
    tell(telling, "client-mailbox", "%d", KV_CLIENT_MAILBOX);
    tell(telling, "client-mailbox-bytes", "%d", KV_CLIENT_MAILBOX_BYTES);
    tell(telling, "loop-query-buffer-limit", "%d", KV_QUERIES_MAX);
    tell(telling, "max-channel", "%d", KV_CHANNEL_MAX);
    tell(telling, "max-arguments", "%d", RESP_ARGUMENTS_MAX);
    tell(telling, "max-line", "%d", RESP_LINE_MAX);
}

static struct telling tell_all(const struct command *command, bool exact)
{
    struct telling telling = {.command = command, .exact = exact};
    const struct kv_server *server = command->session->loop->server;
    tell_like_redis(&telling, server);
    tell_own(&telling, &server->options);
    kv_buffer_deinit(&telling.lower);
    return telling;
}

void run_config_get(struct command *command)
{
    struct telling telling = tell_all(command, false);
    struct kv_buffer *out = kv_round_local(command->round);
    resp_map(out, telling.count, command->session->protocol);
    kv_buffer_append(out, telling.told.data, telling.told.size);
    out->failed |= telling.told.failed;
    kv_round_told(command->round);
    kv_buffer_deinit(&telling.told);
}

/* Nothing can be set, and why is said of the first name, as Redis does. */
void run_config_set(struct command *command)
{
    if (command->count % 2 != 0) {
        reply_error(command, "ERR syntax error");
        return;
    }
    struct telling telling = tell_all(command, true);
    kv_buffer_deinit(&telling.told);
    struct kv_bytes name = argument(command, 2);
    char text[TEXT_MAX];
    snprintf(text, sizeof text,
             telling.count != 0
                 ? "ERR CONFIG SET failed (possibly related to argument '%.*s') - can't set immutable config"
                 : "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
             printed_size(name, 128), name.data);
    reply_error(command, text);
}
