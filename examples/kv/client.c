/* client: commands about the client itself and its connection. */
#include "verb.h"

#include <stdio.h>

void run_ping(struct command *command)
{
    if (command->count > 2) {
        reply_arity(command, "ping");
    } else if (must_listen(command)) {
        reply_array(command, 2);
        reply_bulk_text(command, "pong");
        reply_bulk(command, command->count == 2 ? argument(command, 1) : (struct kv_bytes){NULL, 0});
    } else if (command->count == 2) {
        reply_bulk(command, argument(command, 1));
    } else {
        reply_text(command, "+PONG\r\n");
    }
}

void run_echo(struct command *command)
{
    reply_bulk(command, argument(command, 1));
}

/* As after connecting, but for what is under way. */
void run_reset(struct command *command)
{
    struct kv_session *session = command->session;
    if (command->round->operations != 0) {
        command->later = true; /* as HELLO */
        return;
    }
    for (int pattern = 0; pattern < 2; pattern++) {
        const struct kv_subscription *any;
        while ((any = kv_subscription_any(&session->subscriptions, pattern)) != NULL) {
            kv_unsubscribe(&session->subscriptions, session->context, pattern, kv_subscription_name(any));
        }
    }
    session->protocol = 2;
    free(session->name);
    session->name = NULL;
    reply_text(command, "+RESET\r\n");
}

void run_quit(struct command *command)
{
    reply_ok(command);
    command->session->quit = true;
}

void run_select(struct command *command)
{
    int64_t index;
    if (!integer_argument(command, 1, &index)) {
        return;
    }
    if (index != 0) {
        reply_error(command, "ERR DB index is out of range");
        return;
    }
    reply_ok(command);
}

static bool set_name(struct command *command, struct kv_bytes name)
{
    for (size_t at = 0; at < name.size; at++) {
        if (name.data[at] < '!' || name.data[at] > '~') {
            reply_error(command, "ERR Client names cannot contain spaces, newlines or special characters.");
            return false;
        }
    }
    free(command->session->name);
    command->session->name = name.size != 0 ? strndup((const char *)name.data, name.size) : NULL;
    return true;
}

static bool hello_version(struct command *command, int64_t *version)
{
    struct kv_bytes text = argument(command, 1);
    if (!resp_integer(text.data, text.size, version)) {
        reply_error(command, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (*version != 2 && *version != 3) {
        reply_error(command, "NOPROTO unsupported protocol version");
        return false;
    }
    return true;
}

static bool hello_options(struct command *command)
{
    for (uint32_t at = 2; at < command->count; at += 2) {
        struct kv_bytes word = argument(command, at);
        if (!equals(word, "SETNAME") || at + 1 == command->count) {
            char text[TEXT_MAX];
            snprintf(text, sizeof text, "ERR Syntax error in HELLO option '%.*s'", printed_size(word, 256), word.data);
            reply_error(command, text);
            return false;
        }
        if (!set_name(command, argument(command, at + 1))) {
            return false;
        }
    }
    return true;
}

void run_hello(struct command *command)
{
    int64_t version = command->session->protocol;
    if (command->round->operations != 0) {
        command->later = true; /* INFO is written when its shards have answered, in the version it was asked in */
        return;
    }
    if (command->count > 1 && (!hello_version(command, &version) || !hello_options(command))) {
        return;
    }
    command->session->protocol = (uint8_t)version;
    reply_map(command, 7);
    reply_bulk_text(command, "server");
    reply_bulk_text(command, "redis");
    reply_bulk_text(command, "version");
    reply_bulk_text(command, KV_REDIS_VERSION);
    reply_bulk_text(command, "proto");
    reply_number(command, version);
    reply_bulk_text(command, "id");
    reply_number(command, (int64_t)command->session->id);
    reply_bulk_text(command, "mode");
    reply_bulk_text(command, "standalone");
    reply_bulk_text(command, "role");
    reply_bulk_text(command, "master");
    reply_bulk_text(command, "modules");
    reply_array(command, 0);
}

void run_client_id(struct command *command)
{
    reply_number(command, (int64_t)command->session->id);
}

void run_client_getname(struct command *command)
{
    if (command->session->name == NULL) {
        reply_null(command);
    } else {
        reply_bulk_text(command, command->session->name);
    }
}

void run_client_setname(struct command *command)
{
    if (set_name(command, argument(command, 2))) {
        reply_ok(command);
    }
}
