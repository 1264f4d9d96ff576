/*
 * resp_fuzz: bytes and where they are split -> the parser of jzx-kv.
 *
 * Whatever the parser is shown, it says what a naive one says that begins anew at the first byte of the command each time
 * and is written after what Redis 7.0 does (networking.c, sdssplitargs): the same arguments, the same error, the same need
 * for more. So where the bytes were split cannot matter. A command that was parsed, written and parsed again is the same.
 *
 *   input   largest argument, u8: one of six | splits, u16: 0 is none, else their seed | the stream
 *   stream  as it is, but for the byte 0xFE: the second byte behind it stands there 512 times the first one's number
 */
#include "fuzz.h"
#include "resp.h"

#include <errno.h>

enum {
    STREAM_MAX = 72 * 1024,
    SHOWN_MAX = 400 << 10, /* bytes shown to the parser, again and again: enough of many short commands */
    REPEAT = 0xFE,
    REPEAT_UNIT = 512,
};

static const size_t bulk_maxima[] = {0, 1, 10, 300, 100000, 512u << 20};

/* ---- the naive parser ---- */

struct naive {
    enum resp_result result;
    size_t used;
    struct kv_buffer arguments; /* of each its size, 8 bytes, and its bytes */
    const char *error;
    char error_text[RESP_ERROR_MAX];
};

static void add(struct kv_buffer *arguments, const void *data, uint64_t size)
{
    kv_buffer_append(arguments, &size, sizeof size);
    kv_buffer_append(arguments, data, size);
}

static void naive_error(struct naive *naive, const char *error)
{
    naive->result = RESP_ERROR;
    naive->error = error;
}

/* A number is what printf() writes for it. */
static bool naive_number(const uint8_t *data, size_t size, int64_t *value)
{
    char text[RESP_INTEGER_MAX + 2];
    char again[RESP_INTEGER_MAX + 2];
    if (size == 0 || size > RESP_INTEGER_MAX) {
        return false;
    }
    memcpy(text, data, size);
    text[size] = 0;
    long long number = strtoll(text, NULL, 10);
    snprintf(again, sizeof again, "%lld", number);
    if (strlen(again) != size || memcmp(again, text, size) != 0) {
        return false;
    }
    *value = number;
    return true;
}

/* The end of the line at `at`: its '\r', with a byte behind it. False: there is none yet, or the line is too long. */
static bool naive_line(struct naive *naive, const uint8_t *data, size_t size, size_t at, const char *too_big,
                       size_t *stop)
{
    for (*stop = at; *stop < size && data[*stop] != '\r'; ++*stop) {
    }
    if (*stop == size && size - at > RESP_LINE_MAX) {
        naive_error(naive, too_big);
    }
    return *stop + 1 < size;
}

static void naive_multibulk(struct naive *naive, const uint8_t *data, size_t size, size_t bulk_max)
{
    size_t stop;
    int64_t count;
    if (!naive_line(naive, data, size, 0, "too big mbulk count string", &stop)) {
        return;
    }
    if (!naive_number(data + 1, stop - 1, &count) || count > RESP_ARGUMENTS_MAX) {
        naive_error(naive, "invalid multibulk length");
        return;
    }
    size_t at = stop + 2;
    for (int64_t i = 0; i < count; i++) {
        int64_t bulk;
        if (!naive_line(naive, data, size, at, "too big bulk count string", &stop)) {
            return;
        }
        if (data[at] != '$') {
            /* The line end would be read as the end of the reply. */
            snprintf(naive->error_text, sizeof naive->error_text, "expected '$', got '%c'",
                     data[at] == '\r' || data[at] == '\n' ? ' ' : data[at]);
            naive_error(naive, naive->error_text);
            return;
        }
        if (!naive_number(data + at + 1, stop - at - 1, &bulk) || bulk < 0 || (uint64_t)bulk > bulk_max) {
            naive_error(naive, "invalid bulk length");
            return;
        }
        at = stop + 2;
        if (size < at || size - at < (uint64_t)bulk + 2) {
            return;
        }
        add(&naive->arguments, data + at, (uint64_t)bulk);
        at += (size_t)bulk + 2;
    }
    naive->used = at;
    naive->result = RESP_COMMAND;
}

static bool is_blank(char letter)
{
    return letter != 0 && strchr(" \t\n\v\f\r", letter) != NULL;
}

static int hex_of(char letter)
{
    static const char digits[] = "00112233445566778899aAbBcCdDeEfF";
    const char *found = letter != 0 ? strchr(digits, letter) : NULL;
    return found != NULL ? (int)(found - digits) / 2 : -1;
}

/* A letter of a "quoted" word. Returns what follows it. */
static const char *naive_escape(const char *at, struct kv_buffer *word)
{
    static const char escapes[] = "n\nr\rt\tb\ba\a";
    char letter = *at;
    if (letter != '\\' || at[1] == 0) {
        at++;
    } else if (at[1] == 'x' && hex_of(at[2]) >= 0 && hex_of(at[3]) >= 0) {
        letter = (char)(hex_of(at[2]) * 16 + hex_of(at[3]));
        at += 4;
    } else {
        letter = at[1];
        for (const char *escape = escapes; *escape != 0; escape += 2) {
            letter = *escape == at[1] ? escape[1] : letter;
        }
        at += 2;
    }
    kv_buffer_append(word, &letter, 1);
    return at;
}

/* Takes the word at `at`. Returns what follows it, or NULL. */
static const char *naive_word(const char *at, struct kv_buffer *word)
{
    while (*at != 0 && strchr(" \n\r\t", *at) == NULL) { /* fewer than the blanks between words */
        char quote = *at;
        if (quote != '"' && quote != '\'') {
            kv_buffer_append(word, at++, 1);
            continue;
        }
        at++;
        while (*at != quote) {
            if (*at == 0) {
                return NULL;
            }
            if (quote == '"') {
                at = naive_escape(at, word);
            } else {
                at += at[0] == '\\' && at[1] == '\'';
                kv_buffer_append(word, at++, 1);
            }
        }
        at++;
        return *at == 0 || is_blank(*at) ? at : NULL;
    }
    return at;
}

static void naive_words(struct naive *naive, const char *at)
{
    struct kv_buffer word = {0};
    for (;;) {
        while (is_blank(*at)) {
            at++;
        }
        if (*at == 0) {
            break;
        }
        word.size = 0;
        at = naive_word(at, &word);
        if (at == NULL) {
            naive_error(naive, "unbalanced quotes in request");
            break;
        }
        add(&naive->arguments, word.data, word.size);
    }
    kv_buffer_deinit(&word);
}

static void naive_inline(struct naive *naive, const uint8_t *data, size_t size)
{
    size_t stop = 0;
    while (stop < size && data[stop] != '\n') {
        stop++;
    }
    if (stop == size) {
        if (size > RESP_LINE_MAX) {
            naive_error(naive, "too big inline request");
        }
        return;
    }
    naive->used = stop + 1;
    naive->result = RESP_COMMAND;
    stop -= stop > 0 && data[stop - 1] == '\r';
    char *line = malloc(stop + 1);
    FUZZ_REQUIRE(line != NULL);
    memcpy(line, data, stop);
    line[stop] = 0;
    naive_words(naive, line);
    free(line);
}

static void naive_parse(struct naive *naive, const uint8_t *data, size_t size, size_t bulk_max)
{
    naive->result = RESP_MORE;
    naive->error = "";
    naive->arguments.size = 0;
    if (size != 0 && data[0] == '*') {
        naive_multibulk(naive, data, size, bulk_max);
    } else if (size != 0) {
        naive_inline(naive, data, size);
    }
}

/* ---- the two together ---- */

static void check_integers(const struct resp_parser *parser)
{
    for (uint32_t i = 0; i < parser->count; i++) {
        struct kv_bytes bytes = resp_argument(parser, i);
        int64_t value = 7;
        int64_t naive = 7;
        bool valid = resp_integer(bytes.data, bytes.size, &value);
        FUZZ_REQUIRE(valid == naive_number(bytes.data, bytes.size, &naive));
        FUZZ_REQUIRE(value == naive);
        uint8_t text[RESP_INTEGER_MAX];
        FUZZ_REQUIRE(!valid ||
                     (resp_format_integer(text, value) == bytes.size && memcmp(text, bytes.data, bytes.size) == 0));
    }
}

static void check_arguments(const struct resp_parser *parser, const struct kv_buffer *wanted)
{
    size_t at = 0;
    for (uint32_t i = 0; i < parser->count; i++) {
        uint64_t size;
        struct kv_bytes bytes = resp_argument(parser, i);
        FUZZ_REQUIRE(wanted->size - at >= sizeof size);
        memcpy(&size, wanted->data + at, sizeof size);
        at += sizeof size;
        FUZZ_REQUIRE(bytes.size == size && (size == 0 || memcmp(bytes.data, wanted->data + at, size) == 0));
        at += size;
    }
    FUZZ_REQUIRE(at == wanted->size);
}

/* What was parsed, written as the protocol says, is what is parsed again. */
static void check_written(const struct resp_parser *parser, const struct kv_buffer *wanted)
{
    struct kv_buffer out = {0};
    struct resp_parser again;
    resp_parser_init(&again);
    resp_array(&out, parser->count);
    for (uint32_t i = 0; i < parser->count; i++) {
        struct kv_bytes bytes = resp_argument(parser, i);
        resp_bulk(&out, bytes.data, bytes.size);
    }
    FUZZ_REQUIRE(!out.failed);
    FUZZ_REQUIRE(resp_parse(&again, out.data, out.size, STREAM_MAX) == RESP_COMMAND);
    FUZZ_REQUIRE(again.position == out.size);
    check_arguments(&again, wanted);
    resp_parser_deinit(&again);
    kv_buffer_deinit(&out);
}

/* Parses what is there of one command. */
static enum resp_result step(struct resp_parser *parser, struct naive *naive, const uint8_t *data, size_t size,
                             size_t bulk_max)
{
    uint8_t *copy = fuzz_copy(data, size);
    enum resp_result result = resp_parse(parser, copy, size, bulk_max);
    naive_parse(naive, copy, size, bulk_max);
    FUZZ_REQUIRE(result == naive->result);
    if (result == RESP_ERROR) {
        FUZZ_REQUIRE(strcmp(parser->error, naive->error) == 0);
    } else if (result == RESP_COMMAND) {
        FUZZ_REQUIRE(parser->position == naive->used && naive->used <= size);
        check_arguments(parser, &naive->arguments);
        check_integers(parser);
        check_written(parser, &naive->arguments);
    }
    free(copy);
    return result;
}

static void parse_stream(const uint8_t *data, size_t size, uint16_t splits, size_t bulk_max)
{
    struct resp_parser parser;
    struct naive naive = {0};
    uint32_t random = splits;
    size_t start = 0;
    size_t shown = 0;
    size_t all_shown = 0;
    enum resp_result result = RESP_MORE;
    resp_parser_init(&parser);
    while (result != RESP_ERROR && (shown < size || result == RESP_COMMAND) && all_shown < SHOWN_MAX) {
        if (result == RESP_MORE) {
            random = random * 1664525u + 1013904223u;
            size_t piece = splits == 0 ? size : 1 + (random >> 16) % (8 + size / 16);
            shown = size - shown < piece ? size : shown + piece;
        }
        all_shown += shown - start;
        result = step(&parser, &naive, data + start, shown - start, bulk_max);
        if (result == RESP_COMMAND) {
            start += parser.position;
            resp_parser_next(&parser);
        }
        FUZZ_REQUIRE(parser.capacity <= 16 || parser.capacity <= shown); /* R2 */
    }
    resp_parser_deinit(&parser);
    kv_buffer_deinit(&naive.arguments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct kv_buffer stream = {0};
    size_t bulk_max = bulk_maxima[fuzz_below(&input, sizeof bulk_maxima / sizeof bulk_maxima[0])];
    uint16_t splits = fuzz_u16(&input);
    while (input.left > 0 && stream.size < STREAM_MAX) {
        uint8_t byte = fuzz_u8(&input);
        size_t times = 1;
        if (byte == REPEAT) {
            times = (size_t)REPEAT_UNIT * fuzz_u8(&input);
            byte = fuzz_u8(&input);
        }
        while (times-- > 0) {
            kv_buffer_append(&stream, &byte, 1);
        }
    }
    FUZZ_REQUIRE(!stream.failed);
    parse_stream(stream.data, stream.size, splits, bulk_max);
    kv_buffer_deinit(&stream);
    return 0;
}
