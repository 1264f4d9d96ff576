/*
 * resp: the Redis protocol, versions 2 and 3. Pure: bytes in, arguments out; values in, bytes out.
 *
 * The parser reads where the bytes lie and copies nothing, except that an inline command with quotes is unescaped. It can
 * stop at any byte and go on when more has come: the caller keeps the unfinished command's bytes together, from its first
 * one, and shows them again with the new ones behind. What was parsed is not parsed twice.
 *
 * Invariants
 *   R1  Arguments are offsets from the start of the command, so its bytes may move between two calls.
 *   R2  Nothing is allocated by an announced count or size; the argument list grows with the arguments that came.
 *   R3  What Redis answers with "Protocol error" is an error here with the same text.
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include "buffer.h"

enum {
    RESP_LINE_MAX = 64 * 1024,    /* bytes of a header or an inline command */
    RESP_ARGUMENTS_MAX = 1 << 20, /* arguments of one command */
    RESP_ERROR_MAX = 64,
    RESP_INTEGER_MAX = 20, /* digits and sign of a 64-bit integer */
};

enum resp_result {
    RESP_COMMAND, /* complete: `position` bytes were used; no arguments means an empty line, to be skipped */
    RESP_MORE,    /* nothing to do before at least `needed` bytes are there */
    RESP_ERROR,   /* malformed: `error` says how, and the connection is lost */
};

struct resp_argument {
    uint32_t offset; /* from the parser's `base` */
    uint32_t size;
};

struct resp_parser {
    size_t position;   /* bytes of this command parsed so far */
    size_t needed;     /* with RESP_MORE: fewer bytes than this cannot complete anything */
    int64_t bulk_left; /* arguments still to come; 0 at the start of a command */
    int64_t bulk_size; /* of the argument being read; -1 when its header comes next */
    uint32_t count;
    uint32_t capacity;
    struct resp_argument *arguments;
    const uint8_t *base;   /* valid with RESP_COMMAND */
    struct kv_buffer text; /* the unescaped arguments of an inline command */
    char error[RESP_ERROR_MAX];
};

void resp_parser_init(struct resp_parser *parser);
void resp_parser_deinit(struct resp_parser *parser);

/* Makes ready for the next command. */
static inline void resp_parser_next(struct resp_parser *parser)
{
    parser->position = 0;
    parser->needed = 0;
    parser->bulk_left = 0;
    parser->bulk_size = -1;
    parser->count = 0;
}

/* Parses one command at `data`, which begins at its first byte. Arguments over `bulk_max` bytes are an error. */
enum resp_result resp_parse(struct resp_parser *parser, const uint8_t *data, size_t size, size_t bulk_max);

static inline struct kv_bytes resp_argument(const struct resp_parser *parser, uint32_t index)
{
    const struct resp_argument *argument = &parser->arguments[index];
    return (struct kv_bytes){parser->base + argument->offset, argument->size};
}

/* Reads a decimal integer as Redis does: no blank, no plus, no leading zero, nothing behind. */
bool resp_integer(const uint8_t *data, size_t size, int64_t *value);

/* Writes `value` in decimal to `text`, which holds RESP_INTEGER_MAX bytes. Returns how many were written. */
size_t resp_format_integer(uint8_t *text, int64_t value);

/* Replies. `resp_error` takes the text with its kind, as in "ERR syntax error". */
void resp_bulk(struct kv_buffer *out, const void *data, size_t size);
void resp_number(struct kv_buffer *out, int64_t value);
void resp_array(struct kv_buffer *out, int64_t count);
void resp_error(struct kv_buffer *out, const char *text);

/* Replies that differ by the version of the protocol: nothing; `count` keys with a value each; text for people; a list that
 * is no reply, or comes beside one. */
void resp_null(struct kv_buffer *out, uint8_t protocol);
void resp_map(struct kv_buffer *out, int64_t count, uint8_t protocol);
void resp_text(struct kv_buffer *out, const void *data, size_t size, uint8_t protocol);
void resp_push(struct kv_buffer *out, int64_t count, uint8_t protocol);

#define RESP_LITERAL(out, text) kv_buffer_append((out), (text), sizeof(text) - 1)

#endif
