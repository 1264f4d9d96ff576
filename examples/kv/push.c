/* push: what was published, on its way to a client. */
#include "pubsub.h"

#include <stdio.h>

#define MESSAGE_HEAD "*3\r\n$7\r\nmessage\r\n"

enum {
    BODY_AT = sizeof MESSAGE_HEAD - 1, /* where channel and payload begin, which are the same for all */
    PIECE_MAX = 64 * 1024,             /* bytes given to the socket in one call */
};

struct kv_push {
    struct kv_push *next;
    jzx_buffer *buffer;
    size_t at; /* of the buffer: the next byte to send */
    uint32_t head_size;
    uint8_t head[KV_PUSH_HEAD_MAX]; /* goes before it */
};

/* A part of a message: its size in a line, then its bytes. */
struct part {
    char line[RESP_INTEGER_MAX + 4];
    size_t line_size;
    struct kv_bytes bytes;
};

static struct part part_of(struct kv_bytes bytes)
{
    struct part part = {.bytes = bytes};
    part.line_size = (size_t)snprintf(part.line, sizeof part.line, "$%zu\r\n", bytes.size);
    return part;
}

static size_t part_size(const struct part *part)
{
    return part->line_size + part->bytes.size + 2;
}

static uint8_t *write_part(uint8_t *at, const struct part *part)
{
    memcpy(at, part->line, part->line_size);
    at += part->line_size;
    if (part->bytes.size != 0) {
        memcpy(at, part->bytes.data, part->bytes.size);
    }
    memcpy(at + part->bytes.size, "\r\n", 2);
    return at + part->bytes.size + 2;
}

jzx_buffer *kv_push_make(const jzx_runtime *runtime, struct kv_bytes channel, struct kv_bytes payload)
{
    struct part parts[2] = {part_of(channel), part_of(payload)};
    jzx_buffer *buffer;
    void *bytes;
    if (jzx_buffer_make(runtime, BODY_AT + part_size(&parts[0]) + part_size(&parts[1]), &buffer, &bytes) != JZX_OK) {
        return NULL;
    }
    memcpy(bytes, MESSAGE_HEAD, BODY_AT);
    write_part(write_part((uint8_t *)bytes + BODY_AT, &parts[0]), &parts[1]);
    return buffer;
}

struct kv_bytes kv_push_channel(const jzx_buffer *buffer)
{
    const uint8_t *at = (const uint8_t *)jzx_buffer_data(buffer) + BODY_AT + 1; /* behind "$" */
    size_t size = 0;
    for (; *at != '\r'; at++) {
        size = size * 10 + (size_t)(*at - '0');
    }
    return (struct kv_bytes){at + 2, size};
}

/* What goes before the buffer, and where that then begins. */
static void fill_head(struct kv_push *push, const struct kv_subscription *subscription, uint8_t protocol)
{
    if (subscription->pattern) {
        push->head_size = (uint32_t)snprintf((char *)push->head, sizeof push->head, "%c4\r\n$8\r\npmessage\r\n$%u\r\n",
                                             protocol >= 3 ? '>' : '*', subscription->size);
        memcpy(push->head + push->head_size, subscription->name, subscription->size);
        push->head_size += subscription->size;
        memcpy(push->head + push->head_size, "\r\n", 2);
        push->head_size += 2;
        push->at = BODY_AT;
    } else if (protocol >= 3) {
        push->head[0] = '>';
        push->head_size = 1;
        push->at = 1;
    }
}

bool kv_push_add(struct kv_pushes *pushes, const struct kv_subscription *subscription, jzx_buffer *buffer,
                 uint8_t protocol)
{
    struct kv_push *push = malloc(sizeof *push);
    if (push == NULL) {
        return false;
    }
    push->next = NULL;
    push->buffer = jzx_buffer_ref(buffer);
    push->at = 0;
    push->head_size = 0;
    fill_head(push, subscription, protocol);
    *(pushes->last != NULL ? &pushes->last->next : &pushes->first) = push;
    pushes->last = push;
    pushes->bytes += jzx_buffer_size(buffer) + sizeof *push;
    return true;
}

/* Sends a push, or as much of it as is taken. */
static jzx_err send_push(struct kv_push *push, jzx_context *context, jzx_socket_id socket)
{
    if (push->head_size != 0) {
        jzx_err err = jzx_tcp_send(context, socket, push->head, push->head_size);
        if (err != JZX_OK) {
            return err;
        }
        push->head_size = 0;
    }
    uint8_t *data = (uint8_t *)(uintptr_t)jzx_buffer_data(push->buffer);
    size_t size = jzx_buffer_size(push->buffer);
    while (push->at < size) {
        size_t piece = size - push->at < PIECE_MAX ? size - push->at : PIECE_MAX;
        jzx_err err = jzx_tcp_send_owned(context, socket, data + push->at, piece, jzx_buffer_drop,
                                         jzx_buffer_ref(push->buffer));
        if (err != JZX_OK) {
            jzx_buffer_unref(push->buffer);
            return err;
        }
        push->at += piece;
    }
    return JZX_OK;
}

static void pop(struct kv_pushes *pushes)
{
    struct kv_push *push = pushes->first;
    pushes->first = push->next;
    if (pushes->first == NULL) {
        pushes->last = NULL;
    }
    pushes->bytes -= jzx_buffer_size(push->buffer) + sizeof *push;
    jzx_buffer_unref(push->buffer);
    free(push);
}

jzx_err kv_pushes_send(struct kv_pushes *pushes, jzx_context *context, jzx_socket_id socket)
{
    while (pushes->first != NULL) {
        jzx_err err = send_push(pushes->first, context, socket);
        if (err != JZX_OK) {
            return err;
        }
        pop(pushes);
    }
    return JZX_OK;
}

void kv_pushes_deinit(struct kv_pushes *pushes)
{
    while (pushes->first != NULL) {
        pop(pushes);
    }
}
