#include "verb.h"

#include <stdio.h>
#include <strings.h>

void reply_error(struct command *command, const char *text)
{
    resp_error(kv_round_local(command->round), text);
    kv_round_told(command->round);
}

void reply_text(struct command *command, const char *text)
{
    kv_buffer_append(kv_round_local(command->round), text, strlen(text));
    kv_round_told(command->round);
}

void reply_bulk(struct command *command, struct kv_bytes bytes)
{
    resp_bulk(kv_round_local(command->round), bytes.data, bytes.size);
    kv_round_told(command->round);
}

void reply_bulk_text(struct command *command, const char *text)
{
    reply_bulk(command, (struct kv_bytes){(const uint8_t *)text, strlen(text)});
}

void reply_number(struct command *command, int64_t value)
{
    resp_number(kv_round_local(command->round), value);
    kv_round_told(command->round);
}

void reply_array(struct command *command, int64_t count)
{
    resp_array(kv_round_local(command->round), count);
    kv_round_told(command->round);
}

void reply_map(struct command *command, int64_t count)
{
    resp_map(kv_round_local(command->round), count, command->session->protocol);
    kv_round_told(command->round);
}

void reply_null(struct command *command)
{
    resp_null(kv_round_local(command->round), command->session->protocol);
    kv_round_told(command->round);
}

void reply_ok(struct command *command)
{
    reply_text(command, "+OK\r\n");
}

void reply_arity(struct command *command, const char *full_name)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "ERR wrong number of arguments for '%s' command", full_name);
    reply_error(command, text);
}

bool must_listen(const struct command *command)
{
    return command->session->protocol < 3 && kv_subscriptions_count(&command->session->subscriptions) != 0;
}

bool equals(struct kv_bytes bytes, const char *word)
{
    return strlen(word) == bytes.size && strncasecmp((const char *)bytes.data, word, bytes.size) == 0;
}

bool integer_argument(struct command *command, uint32_t index, int64_t *value)
{
    struct kv_bytes text = argument(command, index);
    if (!resp_integer(text.data, text.size, value)) {
        reply_error(command, "ERR value is not an integer or out of range");
        return false;
    }
    return true;
}

void operate_everywhere(struct command *command, uint8_t code, uint8_t flags, enum kv_slot_kind kind)
{
    struct kv_loop *loop = command->session->loop;
    struct kv_request request = {.code = code, .flags = flags};
    for (uint32_t shard = 0; shard < loop->server->shard_count; shard++) {
        kv_round_operate(command->round, &loop->batches, (uint16_t)shard, &request, kind);
    }
}
