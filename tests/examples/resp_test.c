/* The Redis protocol of jzx-kv: what is parsed, what is refused, and that it does not matter where the bytes are split. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "resp.h"

enum { BULK_MAX = 1000 };

/* Parses all of `data` in pieces that end where `next_split` says, and writes the commands as text to `out`. */
static enum resp_result parse_pieces(const uint8_t *data, size_t size, uint32_t *random, struct kv_buffer *out,
                                     struct resp_parser *parser)
{
    size_t start = 0; /* of the command */
    size_t shown = 0;
    enum resp_result result = RESP_MORE;
    while (shown < size || result == RESP_COMMAND) {
        if (result == RESP_MORE) {
            size_t step = size;
            if (random != NULL) {
                *random = *random * 1664525u + 1013904223u;
                step = 1 + (*random >> 16) % 40;
            }
            shown = size - shown < step ? size : shown + step;
        }
        /* A copy of exactly what is there, somewhere else each time: reading past it, or keeping it, is caught. */
        uint8_t *copy = malloc(shown - start + 1);
        memcpy(copy, data + start, shown - start);
        result = start < shown ? resp_parse(parser, copy, shown - start, BULK_MAX) : RESP_MORE;
        if (result == RESP_COMMAND) {
            for (uint32_t i = 0; i < parser->count; i++) {
                struct kv_bytes argument = resp_argument(parser, i);
                resp_bulk(out, argument.data, argument.size);
            }
            RESP_LITERAL(out, ";");
            start += parser->position;
            resp_parser_next(parser);
        }
        free(copy);
        if (result == RESP_ERROR) {
            break;
        }
    }
    return result;
}

static void expect(const char *bytes, size_t size, enum resp_result wanted, const char *text)
{
    for (uint32_t seed = 0; seed < 200; seed++) {
        uint32_t random = seed;
        struct kv_buffer out = {0};
        struct resp_parser parser;
        resp_parser_init(&parser);
        enum resp_result result = parse_pieces((const uint8_t *)bytes, size, seed == 0 ? NULL : &random, &out, &parser);
        cr_assert_eq(result, wanted, "seed %u: result %d", seed, result);
        RESP_LITERAL(&out, "\0");
        cr_assert_str_eq((char *)out.data, text, "seed %u", seed);
        kv_buffer_deinit(&out);
        resp_parser_deinit(&parser);
    }
}

#define EXPECT(bytes, result, text) expect(bytes, sizeof(bytes) - 1, result, text)

static void expect_error(const char *bytes, size_t size, const char *error)
{
    for (uint32_t seed = 0; seed < 200; seed++) {
        uint32_t random = seed;
        struct kv_buffer out = {0};
        struct resp_parser parser;
        resp_parser_init(&parser);
        cr_assert_eq(parse_pieces((const uint8_t *)bytes, size, seed == 0 ? NULL : &random, &out, &parser), RESP_ERROR);
        cr_assert_str_eq(parser.error, error, "seed %u", seed);
        kv_buffer_deinit(&out);
        resp_parser_deinit(&parser);
    }
}

#define EXPECT_ERROR(bytes, error) expect_error(bytes, sizeof(bytes) - 1, error)

Test(resp, parses_multibulk_at_any_split)
{
    EXPECT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n", RESP_MORE, "$3\r\nGET\r\n$1\r\na\r\n;$4\r\nPING\r\n;");
    EXPECT("*2\r\n$0\r\n\r\n$2\r\n\r\n\r\n", RESP_MORE, "$0\r\n\r\n$2\r\n\r\n\r\n;");
}

Test(resp, parses_inline_at_any_split)
{
    EXPECT("PING\r\n  SET  a \"b c\"\n\r\nECHO 'it\\'s' \"\\x41\\n\\\"\"\r\n", RESP_MORE,
           "$4\r\nPING\r\n;$3\r\nSET\r\n$1\r\na\r\n$3\r\nb c\r\n;;$4\r\nECHO\r\n$4\r\nit's\r\n$3\r\nA\n\"\r\n;");
}

Test(resp, a_word_of_an_inline_command_ends_at_fewer_blanks_than_lie_between_words)
{
    EXPECT("\v\fa\vb\fc \v d\n", RESP_MORE, "$5\r\na\vb\fc\r\n$1\r\nd\r\n;");
    EXPECT("\"a\"\vb\n", RESP_MORE, "$1\r\na\r\n$1\r\nb\r\n;");
}

Test(resp, empty_commands_have_no_arguments)
{
    EXPECT("*0\r\n*-1\r\n\r\n*1\r\n$1\r\nx\r\n", RESP_MORE, ";;;$1\r\nx\r\n;");
}

Test(resp, names_what_is_malformed)
{
    EXPECT_ERROR("*x\r\n", "invalid multibulk length");
    EXPECT_ERROR("*01\r\n", "invalid multibulk length");
    EXPECT_ERROR("*2147483648\r\n", "invalid multibulk length");
    EXPECT_ERROR("*1048577\r\n", "invalid multibulk length");
    EXPECT_ERROR("*99999999999999999999999\r\n", "invalid multibulk length");
    EXPECT_ERROR("*1\r\n+3\r\n", "expected '$', got '+'");
    EXPECT_ERROR("*1\r\n\r\n\r\n", "expected '$', got ' '");
    EXPECT_ERROR("*1\r\n$-1\r\n", "invalid bulk length");
    EXPECT_ERROR("*1\r\n$ 3\r\n", "invalid bulk length");
    EXPECT_ERROR("*1\r\n$1001\r\n", "invalid bulk length");
    EXPECT_ERROR("SET \"a\r\n", "unbalanced quotes in request");
    EXPECT_ERROR("SET 'a'b\r\n", "unbalanced quotes in request");
}

Test(resp, lines_have_a_limit)
{
    static char line[RESP_LINE_MAX + 100];
    memset(line, 'a', sizeof line);
    expect_error(line, sizeof line, "too big inline request");
    line[0] = '*';
    expect_error(line, sizeof line, "too big mbulk count string");
    memcpy(line, "*1\r\n$", 5);
    expect_error(line, sizeof line, "too big bulk count string");
}

Test(resp, a_huge_count_allocates_nothing)
{
    struct resp_parser parser;
    resp_parser_init(&parser);
    static const uint8_t bytes[] = "*1048576\r\n$1\r\na\r\n";
    cr_assert_eq(resp_parse(&parser, bytes, sizeof bytes - 1, BULK_MAX), RESP_MORE);
    cr_assert_leq(parser.capacity, 16);
    resp_parser_deinit(&parser);
}

Test(resp, a_value_that_is_not_there_yet_is_not_looked_at)
{
    struct resp_parser parser;
    resp_parser_init(&parser);
    static const uint8_t bytes[] = "*1\r\n$500\r\nabc";
    cr_assert_eq(resp_parse(&parser, bytes, sizeof bytes - 1, BULK_MAX), RESP_MORE);
    cr_assert_eq(parser.needed, 10 + 500 + 2);
    resp_parser_deinit(&parser);
}

/* Random commands, random bytes in them, random splits: always the arguments that went in. */
Test(resp, what_is_written_is_what_is_parsed)
{
    uint32_t random = 12345;
    struct kv_buffer wire = {0};
    struct kv_buffer wanted = {0};
    for (int command = 0; command < 2000; command++) {
        uint32_t count = 1 + (random >> 8) % 5;
        resp_array(&wire, count);
        for (uint32_t i = 0; i < count; i++) {
            uint8_t bytes[64];
            random = random * 1664525u + 1013904223u;
            size_t size = (random >> 16) % sizeof bytes;
            for (size_t at = 0; at < size; at++) {
                random = random * 1664525u + 1013904223u;
                bytes[at] = (uint8_t)(random >> 24);
            }
            resp_bulk(&wire, bytes, size);
            resp_bulk(&wanted, bytes, size);
        }
        RESP_LITERAL(&wanted, ";");
    }
    struct resp_parser parser;
    struct kv_buffer out = {0};
    resp_parser_init(&parser);
    cr_assert_eq(parse_pieces(wire.data, wire.size, &random, &out, &parser), RESP_MORE);
    cr_assert_eq(out.size, wanted.size);
    cr_assert_eq(memcmp(out.data, wanted.data, out.size), 0);
    resp_parser_deinit(&parser);
    kv_buffer_deinit(&out);
    kv_buffer_deinit(&wanted);
    kv_buffer_deinit(&wire);
}

Test(resp, integers_are_strict)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "01",
                                      "-0",
                                      "1a",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999",
                                      "18446744073709551617"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t value = 7;
        cr_assert_not(resp_integer((const uint8_t *)bad[i], strlen(bad[i]), &value), "%s", bad[i]);
        cr_assert_eq(value, 7);
    }
    static const int64_t good[] = {0, 1, -1, 42, INT64_MAX, INT64_MIN, 1000000007};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint8_t text[RESP_INTEGER_MAX];
        size_t size = resp_format_integer(text, good[i]);
        char with_libc[32];
        cr_assert_eq(size, (size_t)snprintf(with_libc, sizeof with_libc, "%lld", (long long)good[i]));
        cr_assert_eq(memcmp(text, with_libc, size), 0);
        int64_t value = 0;
        cr_assert(resp_integer(text, size, &value));
        cr_assert_eq(value, good[i]);
    }
}

Test(resp, errors_stay_on_one_line)
{
    struct kv_buffer out = {0};
    resp_error(&out, "ERR a\r\nb");
    RESP_LITERAL(&out, "\0");
    cr_assert_str_eq((char *)out.data, "-ERR a  b\r\n");
    kv_buffer_deinit(&out);
}
