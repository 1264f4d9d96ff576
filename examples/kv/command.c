/* command: the table of commands, and what is the same for all of them. */
#include "verb.h"

#include <stdio.h>
#include <strings.h>

static const struct verb config_verbs[] = {
    {"GET", -3, run_config_get, "config|get"}, {"SET", -4, run_config_set, "config|set"}, {"", 0, NULL, NULL}};
static const struct verb client_verbs[] = {{"ID", 2, run_client_id, "client|id"},
                                           {"GETNAME", 2, run_client_getname, "client|getname"},
                                           {"SETNAME", 3, run_client_setname, "client|setname"},
                                           {"", 0, NULL, NULL}};
static const struct verb debug_verbs[] = {
    {"CRASH", 3, run_debug_crash, "debug|crash"}, {"SHARD", 3, run_debug_shard, "debug|shard"}, {"", 0, NULL, NULL}};
static const struct verb pubsub_verbs[] = {{"CHANNELS", -2, run_pubsub_channels, "pubsub|channels"},
                                           {"NUMPAT", 2, run_pubsub_numpat, "pubsub|numpat"},
                                           {"NUMSUB", -2, run_pubsub_numsub, "pubsub|numsub"},
                                           {"", 0, NULL, NULL}};
static const struct verb command_verbs[] = {{"DOCS", -2, run_command_docs, "command|docs"},
                                            {"INFO", -2, run_command_info, "command|info"},
                                            {"", 0, NULL, NULL}};

static void run_pubsub(struct command *command);
static void run_config(struct command *command);
static void run_client(struct command *command);
static void run_command(struct command *command);

/* Whether a client that must listen may do it; of the last four the second word decides. */
static bool is_for_listeners(verb_fn verb)
{
    static const verb_fn those[] = {run_subscribe, run_unsubscribe, run_psubscribe, run_punsubscribe,
                                    run_ping,      run_quit,        run_reset,      run_pubsub,
                                    run_config,    run_client,      run_command};
    size_t at = 0;
    while (at < sizeof those / sizeof those[0] && those[at] != verb) {
        at++;
    }
    return at < sizeof those / sizeof those[0];
}

static void reply_not_now(struct command *command, const char *full_name)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text,
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
             "context",
             full_name);
    reply_error(command, text);
}

static void run(struct command *command, const struct verb *verb)
{
    if (verb->arity > 0 ? command->count != (uint32_t)verb->arity : command->count < (uint32_t)-verb->arity) {
        reply_arity(command, verb->full_name);
        return;
    }
    if (must_listen(command) && !is_for_listeners(verb->run)) {
        reply_not_now(command, verb->full_name);
        return;
    }
    verb->run(command);
}

static void run_second(struct command *command, const struct verb *verbs, const char *name)
{
    struct kv_bytes word = argument(command, 1);
    for (; verbs->run != NULL; verbs++) {
        if (word.size <= sizeof verbs->name && strnlen(verbs->name, sizeof verbs->name) == word.size &&
            strncasecmp(verbs->name, (const char *)word.data, word.size) == 0) {
            run(command, verbs);
            return;
        }
    }
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "ERR unknown subcommand '%.*s'. Try %s HELP.", printed_size(word, 128), word.data,
             name);
    reply_error(command, text);
}

static void run_config(struct command *command)
{
    run_second(command, config_verbs, "CONFIG");
}

static void run_client(struct command *command)
{
    run_second(command, client_verbs, "CLIENT");
}

static void run_pubsub(struct command *command)
{
    run_second(command, pubsub_verbs, "PUBSUB");
}

static void run_debug(struct command *command)
{
    run_second(command, debug_verbs, "DEBUG");
}

static void run_command(struct command *command)
{
    if (command->count == 1 && must_listen(command)) {
        reply_not_now(command, "command");
        return;
    }
    if (command->count == 1) {
        reply_array(command, 0);
        return;
    }
    run_second(command, command_verbs, "COMMAND");
}

/* The ones used most come first: the table is searched from the start. */
static const struct verb verbs[] = {
    {"GET", 2, run_get, "get"},
    {"SET", -3, run_set, "set"},
    {"INCR", 2, run_incr, "incr"},
    {"MGET", -2, run_mget, "mget"},
    {"MSET", -3, run_mset, "mset"},
    {"DEL", -2, run_del, "del"},
    {"PING", -1, run_ping, "ping"},
    {"EXISTS", -2, run_exists, "exists"},
    {"UNLINK", -2, run_del, "unlink"},
    {"TOUCH", -2, run_exists, "touch"},
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
static const struct verb *find(struct kv_bytes name)
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
    for (size_t at = 0; at < sizeof verbs / sizeof verbs[0]; at++) {
        uint64_t words[2];
        memcpy(words, verbs[at].name, sizeof words);
        if (words[0] == wanted[0] && words[1] == wanted[1]) {
            /* The padding is no part of the name. */
            return strnlen(verbs[at].name, sizeof upper) == name.size ? &verbs[at] : NULL;
        }
    }
    return NULL;
}

/* Redis prints arguments until 128 bytes of them are printed, quotes and blanks included. */
static void reply_unknown(struct command *command)
{
    struct kv_bytes name = argument(command, 0);
    char text[TEXT_MAX * 2];
    size_t size = (size_t)snprintf(text, sizeof text,
                                   "ERR unknown command '%.*s', with args beginning with: ", printed_size(name, 128),
                                   name.data);
    size_t start = size;
    for (uint32_t at = 1; at < command->count && size - start < 128; at++) {
        struct kv_bytes word = argument(command, at);
        size += (size_t)snprintf(text + size, sizeof text - size, "'%.*s' ", printed_size(word, 128 - (size - start)),
                                 word.data);
    }
    reply_error(command, text);
}

bool kv_command(struct kv_session *session, struct kv_round *round, const struct resp_parser *parser)
{
    struct command command = {.session = session, .round = round, .parser = parser, .count = parser->count};
    const struct verb *verb = find(argument(&command, 0));
    if (verb == NULL) {
        reply_unknown(&command);
    } else {
        run(&command, verb);
    }
    return !command.later;
}
