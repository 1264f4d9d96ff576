#include "resp.h"

#include <stdio.h>

void resp_parser_init(struct resp_parser *parser)
{
    memset(parser, 0, sizeof *parser);
    resp_parser_next(parser);
}

void resp_parser_deinit(struct resp_parser *parser)
{
    free(parser->arguments);
    kv_buffer_deinit(&parser->text);
    memset(parser, 0, sizeof *parser);
}

static enum resp_result fail(struct resp_parser *parser, const char *text)
{
    snprintf(parser->error, sizeof parser->error, "%s", text);
    return RESP_ERROR;
}

static enum resp_result more(struct resp_parser *parser, size_t needed)
{
    parser->needed = needed;
    return RESP_MORE;
}

static bool add_argument(struct resp_parser *parser, size_t offset, size_t size)
{
    if (parser->count == parser->capacity) {
        uint32_t capacity = parser->capacity != 0 ? parser->capacity * 2 : 16;
        struct resp_argument *arguments = realloc(parser->arguments, capacity * sizeof *arguments);
        if (arguments == NULL) {
            return false;
        }
        parser->arguments = arguments;
        parser->capacity = capacity;
    }
    parser->arguments[parser->count++] = (struct resp_argument){(uint32_t)offset, (uint32_t)size};
    return true;
}

bool resp_integer(const uint8_t *data, size_t size, int64_t *value)
{
    bool negative = size > 1 && data[0] == '-';
    size_t at = negative;
    if (size == 0 || size > RESP_INTEGER_MAX) {
        return false;
    }
    if (size == 1 && data[0] == '0') {
        *value = 0;
        return true;
    }
    if (data[at] < '1' || data[at] > '9') {
        return false;
    }
    uint64_t sum = 0;
    for (; at < size; at++) {
        unsigned digit = (unsigned)data[at] - '0';
        if (digit > 9 || __builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, digit, &sum)) {
            return false;
        }
    }
    if (sum > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

/*
 * Reads the number of a header line, "*3" or "$16", whose mark is at parser->position. A short one without sign, which
 * nearly all are, takes the loop; anything else the strict way. On success the position is behind the line.
 */
static enum resp_result header(struct resp_parser *parser, const uint8_t *data, size_t size, int64_t *value,
                               const char *too_big, const char *invalid)
{
    const uint8_t *number = data + parser->position + 1;
    const uint8_t *end = data + size;
    const uint8_t *at = number;
    int64_t sum = 0;
    while (at < end && at - number < 9 && (unsigned)*at - '0' <= 9) {
        sum = sum * 10 + (*at++ - '0');
    }
    if (end - at >= 2 && *at == '\r' && at > number && (*number != '0' || at == number + 1)) {
        *value = sum;
    } else {
        const uint8_t *stop = number < end ? memchr(number, '\r', (size_t)(end - number)) : NULL;
        if (stop == NULL || stop + 1 >= end) {
            bool long_line = stop == NULL && size - parser->position > RESP_LINE_MAX;
            return long_line ? fail(parser, too_big) : more(parser, size + 1);
        }
        if (!resp_integer(number, (size_t)(stop - number), value)) {
            return fail(parser, invalid);
        }
        at = stop;
    }
    parser->position = (size_t)(at - data) + 2; /* Redis, too, takes the byte behind '\r' unseen */
    return RESP_COMMAND;
}

static enum resp_result parse_bulks(struct resp_parser *parser, const uint8_t *data, size_t size, size_t bulk_max)
{
    while (parser->bulk_left > 0) {
        if (parser->bulk_size < 0) {
            if (parser->position >= size) {
                return more(parser, size + 1);
            }
            uint8_t mark = data[parser->position];
            int64_t bulk_size;
            /* Redis looks for the end of the line first, and at the mark only then. */
            if (mark != '$') {
                size_t rest = size - parser->position;
                const uint8_t *stop = memchr(data + parser->position, '\r', rest);
                if (stop == NULL || stop + 1 >= data + size) {
                    return stop == NULL && rest > RESP_LINE_MAX ? fail(parser, "too big bulk count string")
                                                                : more(parser, size + 1);
                }
                snprintf(parser->error, sizeof parser->error, "expected '$', got '%c'",
                         mark == '\r' || mark == '\n' ? ' ' : mark);
                return RESP_ERROR;
            }
            enum resp_result result = header(parser, data, size, &bulk_size, "too big bulk count string",
                                             "invalid bulk length");
            if (result != RESP_COMMAND) {
                return result;
            }
            if (bulk_size < 0 || (uint64_t)bulk_size > bulk_max) {
                return fail(parser, "invalid bulk length");
            }
            parser->bulk_size = bulk_size;
        }
        size_t end = parser->position + (size_t)parser->bulk_size + 2;
        if (end > size) {
            return more(parser, end);
        }
        if (!add_argument(parser, parser->position, (size_t)parser->bulk_size)) {
            return fail(parser, "out of memory");
        }
        parser->position = end;
        parser->bulk_size = -1;
        parser->bulk_left--;
    }
    parser->base = data;
    return RESP_COMMAND;
}

static int hex(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    uint8_t lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool blank(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Copies one character of a "quoted" word to `to`; returns how many bytes it took from `at`. */
static size_t unescape(const uint8_t *at, const uint8_t *end, uint8_t *to)
{
    if (*at != '\\' || end - at < 2) {
        *to = *at;
        return 1;
    }
    if (at[1] == 'x' && end - at >= 4 && hex(at[2]) >= 0 && hex(at[3]) >= 0) {
        *to = (uint8_t)(hex(at[2]) * 16 + hex(at[3]));
        return 4;
    }
    static const char from[] = "nrtba";
    static const char into[] = "\n\r\t\b\a";
    const char *found = at[1] != 0 ? strchr(from, at[1]) : NULL;
    *to = found != NULL ? (uint8_t)into[found - from] : at[1];
    return 2;
}

/* Reads a quoted part that begins behind its quote. Returns what follows the closing one, or NULL if that is wrong. */
static const uint8_t *quoted(const uint8_t *at, const uint8_t *end, uint8_t quote, uint8_t **to)
{
    while (at < end) {
        if (*at == quote) {
            at++;
            return at == end || blank(*at) ? at : NULL;
        }
        if (quote == '"') {
            at += unescape(at, end, (*to)++);
        } else {
            at += end - at >= 2 && at[0] == '\\' && at[1] == '\'';
            *(*to)++ = *at++;
        }
    }
    return NULL;
}

/* Reads one word at `at`; it ends at a blank outside of quotes. To Redis '\v' and '\f' are blanks only where none is read. */
static const uint8_t *word(const uint8_t *at, const uint8_t *end, uint8_t **to)
{
    while (at < end && (!blank(*at) || *at == '\v' || *at == '\f')) {
        if (*at == '"' || *at == '\'') {
            return quoted(at + 1, end, *at, to);
        }
        *(*to)++ = *at++;
    }
    return at;
}

static enum resp_result split_line(struct resp_parser *parser, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *zero = memchr(at, 0, (size_t)(end - at)); /* the line is a C string to Redis */
    end = zero != NULL ? zero : end;
    kv_buffer_reset(&parser->text, RESP_LINE_MAX);
    uint8_t *text = kv_buffer_reserve(&parser->text, (size_t)(end - at) + 1); /* words only get shorter */
    if (text == NULL) {
        return fail(parser, "out of memory");
    }
    uint8_t *to = text;
    for (;;) {
        while (at < end && blank(*at)) {
            at++;
        }
        if (at == end) {
            break;
        }
        uint8_t *start = to;
        at = word(at, end, &to);
        if (at == NULL) {
            return fail(parser, "unbalanced quotes in request");
        }
        if (!add_argument(parser, (size_t)(start - text), (size_t)(to - start))) {
            return fail(parser, "out of memory");
        }
    }
    parser->base = text;
    return RESP_COMMAND;
}

static enum resp_result parse_inline(struct resp_parser *parser, const uint8_t *data, size_t size)
{
    /* Bytes already searched are known not to hold the end of the line. */
    const uint8_t *stop = memchr(data + parser->position, '\n', size - parser->position);
    if (stop == NULL) {
        parser->position = size;
        return size > RESP_LINE_MAX ? fail(parser, "too big inline request") : more(parser, size + 1);
    }
    parser->position = (size_t)(stop - data) + 1;
    if (stop > data && stop[-1] == '\r') {
        stop--;
    }
    return split_line(parser, data, stop);
}

enum resp_result resp_parse(struct resp_parser *parser, const uint8_t *data, size_t size, size_t bulk_max)
{
    if (size == 0 || size < parser->needed) {
        return RESP_MORE;
    }
    if (parser->bulk_left == 0) {
        if (data[0] != '*') {
            return parse_inline(parser, data, size);
        }
        int64_t count;
        enum resp_result result = header(parser, data, size, &count, "too big mbulk count string",
                                         "invalid multibulk length");
        if (result != RESP_COMMAND) {
            return result;
        }
        if (count > RESP_ARGUMENTS_MAX) {
            return fail(parser, "invalid multibulk length");
        }
        parser->bulk_left = count > 0 ? count : 0;
    }
    return parse_bulks(parser, data, size, bulk_max);
}

size_t resp_format_integer(uint8_t *text, int64_t value)
{
    uint8_t digits[RESP_INTEGER_MAX];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    memcpy(text, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

/* Writes mark, number and line end to `at`. Returns the end of what was written. */
static uint8_t *write_header(uint8_t *at, char mark, int64_t value)
{
    *at++ = (uint8_t)mark;
    if (value >= 0 && value < 10) {
        *at++ = (uint8_t)('0' + value);
    } else {
        at += resp_format_integer(at, value);
    }
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

enum { HEADER_MAX = 1 + RESP_INTEGER_MAX + 2 };

void resp_bulk(struct kv_buffer *out, const void *data, size_t size)
{
    uint8_t *start = kv_buffer_reserve(out, HEADER_MAX + size + 2);
    if (start == NULL) {
        return;
    }
    uint8_t *at = write_header(start, '$', (int64_t)size);
    if (size != 0) {
        memcpy(at, data, size);
        at += size;
    }
    at[0] = '\r';
    at[1] = '\n';
    out->size += (size_t)(at + 2 - start);
}

static void write_line(struct kv_buffer *out, char mark, int64_t value)
{
    uint8_t *start = kv_buffer_reserve(out, HEADER_MAX);
    if (start != NULL) {
        out->size += (size_t)(write_header(start, mark, value) - start);
    }
}

void resp_number(struct kv_buffer *out, int64_t value)
{
    write_line(out, ':', value);
}

void resp_array(struct kv_buffer *out, int64_t count)
{
    write_line(out, '*', count);
}

void resp_null(struct kv_buffer *out, uint8_t protocol)
{
    if (protocol >= 3) {
        RESP_LITERAL(out, "_\r\n");
    } else {
        RESP_LITERAL(out, "$-1\r\n");
    }
}

void resp_map(struct kv_buffer *out, int64_t count, uint8_t protocol)
{
    write_line(out, protocol >= 3 ? '%' : '*', protocol >= 3 ? count : 2 * count);
}

void resp_push(struct kv_buffer *out, int64_t count, uint8_t protocol)
{
    write_line(out, protocol >= 3 ? '>' : '*', count);
}

void resp_text(struct kv_buffer *out, const void *data, size_t size, uint8_t protocol)
{
    if (protocol < 3) {
        resp_bulk(out, data, size);
        return;
    }
    write_line(out, '=', (int64_t)size + 4);
    RESP_LITERAL(out, "txt:");
    kv_buffer_append(out, data, size);
    RESP_LITERAL(out, "\r\n");
}

void resp_error(struct kv_buffer *out, const char *text)
{
    RESP_LITERAL(out, "-");
    size_t start = out->size;
    kv_buffer_append(out, text, strlen(text));
    if (out->failed) {
        return;
    }
    /* A line end inside would be read as the end of the reply. */
    for (size_t at = start; at < out->size; at++) {
        if (out->data[at] == '\r' || out->data[at] == '\n') {
            out->data[at] = ' ';
        }
    }
    RESP_LITERAL(out, "\r\n");
}
