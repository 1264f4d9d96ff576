/* Patterns of jzx-kv, as Redis reads them. */
#include <criterion/criterion.h>
#include <time.h>

#include "glob.h"

static bool matches(const char *pattern, const char *text)
{
    return kv_glob((struct kv_bytes){(const uint8_t *)pattern, strlen(pattern)},
                   (struct kv_bytes){(const uint8_t *)text, strlen(text)});
}

Test(glob, patterns_of_all_kinds)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } cases[] = {
        {"", "", true},
        {"*", "", false},
        {"**", "", false},
        {"", "a", false},
        {"a", "", false},
        {"a", "a", true},
        {"a", "A", false},
        {"abc", "abd", false},
        {"abc", "ab", false},
        {"ab", "abc", false},
        {"?", "a", true},
        {"?", "", false},
        {"?", "ab", false},
        {"a?c", "abc", true},
        {"*", "a.b*c", true},
        {"**", "a", true},
        {"a*", "a", true},
        {"a*", "ba", false},
        {"*a", "bca", true},
        {"*a", "bab", false},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"*?", "", false},
        {"*?", "ab", true},
        {"h[ae]llo", "hello", true},
        {"h[ae]llo", "hillo", false},
        {"h[^e]llo", "hallo", true},
        {"h[^e]llo", "hello", false},
        {"h[a-c]llo", "hbllo", true},
        {"h[a-c]llo", "hdllo", false},
        {"h[c-a]llo", "hbllo", true},
        {"[a-]", "-", false},
        {"[a\\-c]", "-", true},
        {"[a\\-c]", "b", false},
        {"[\\]]", "]", true},
        {"[]", "a", false},
        {"[^]", "a", true},
        {"[a", "a", true},
        {"[a", "b", false},
        {"[abc", "c", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"\\", "\\", true},
        {"a\\", "a\\", true},
        {"\\a", "a", true},
        {"*[0-9]x", "a1y2x", true},
        {"news.*", "news.art", true},
        {"news.*", "newsart", false},
        {"[*]", "*", true},
        {"[*]", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(matches(cases[i].pattern, cases[i].text), cases[i].matches, "'%s' and '%s'", cases[i].pattern,
                     cases[i].text);
    }
}

Test(glob, bytes_of_any_kind)
{
    static const uint8_t text[] = {0, 255, '\n', 0};
    static const uint8_t pattern[] = {0, '[', 254, '-', 255, ']', '*', 0};
    cr_assert(kv_glob((struct kv_bytes){pattern, sizeof pattern}, (struct kv_bytes){text, sizeof text}));
    cr_assert_not(kv_glob((struct kv_bytes){pattern, sizeof pattern}, (struct kv_bytes){text, sizeof text - 1}));
}

/* Steps for each way to place the stars would be more than a year of them. */
Test(glob, many_stars_take_no_long_time, .timeout = 20)
{
    char text[4001];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    cr_assert_not(matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
    cr_assert(matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*", text));
}
