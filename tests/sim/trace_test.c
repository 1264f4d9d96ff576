/* trace_test: the hash of what happened, and the text of its newest part. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sim/trace.h"

static jzx_sim *machine(uint64_t trace_max)
{
    jzx_sim *sim;
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    config.trace_max = trace_max;
    cr_assert_eq(jzx_sim_create(1, &config, &sim), JZX_OK);
    return sim;
}

static void done(jzx_sim *sim)
{
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
}

/* The hash of one event, `ns` after the begin. */
static uint64_t hash_of(const char *what, uint64_t a, uint64_t b, uint64_t c, uint64_t ns)
{
    jzx_sim *sim = machine(0);
    cr_assert_eq(jzx_sim_advance(sim, ns), JZX_OK);
    jzx__sim_event(sim, what, a, b, c);
    uint64_t hash = jzx_sim_trace_hash(sim);
    done(sim);
    return hash;
}

Test(trace, hash_is_of_all_that_an_event_says, .timeout = 10)
{
    uint64_t hash = hash_of("spawn", 1, 2, 3, 0);
    cr_expect_eq(hash_of("spawn", 1, 2, 3, 0), hash);
    cr_expect_neq(hash_of("spawned", 1, 2, 3, 0), hash);
    cr_expect_neq(hash_of("spawn", 0, 2, 3, 0), hash);
    cr_expect_neq(hash_of("spawn", 1, 0, 3, 0), hash);
    cr_expect_neq(hash_of("spawn", 1, 2, 0, 0), hash);
    cr_expect_neq(hash_of("spawn", 2, 1, 3, 0), hash);
    cr_expect_neq(hash_of("spawn", 1, 2, 3, 1), hash, "when it was");
}

Test(trace, hash_is_of_the_order, .timeout = 10)
{
    uint64_t hashes[2];
    for (uint64_t i = 0; i < 2; i++) {
        jzx_sim *sim = machine(0);
        jzx__sim_event(sim, "e", i, 0, 0);
        jzx__sim_event(sim, "e", 1 - i, 0, 0);
        hashes[i] = jzx_sim_trace_hash(sim);
        done(sim);
    }
    cr_expect_neq(hashes[0], hashes[1]);
}

/* T1 */
Test(trace, hash_does_not_depend_on_the_text, .timeout = 10)
{
    static const uint64_t sizes[] = {0, 1, 100, 100000};
    uint64_t hashes[4];
    for (uint32_t i = 0; i < 4; i++) {
        jzx_sim *sim = machine(sizes[i]);
        for (uint64_t k = 0; k < 1000; k++) {
            jzx__sim_event(sim, "event", k, k + 1, k + 2);
            jzx_sim_note(sim, "note %d", (int)k);
        }
        hashes[i] = jzx_sim_trace_hash(sim);
        cr_expect_eq(hashes[i], hashes[0]);
        done(sim);
    }
}

Test(trace, text_is_what_happened, .timeout = 10)
{
    jzx_sim *sim = machine(10000);
    cr_expect_str_eq(jzx_sim_trace_text(sim), "");
    jzx__sim_event(sim, "something", 1, 2, UINT64_MAX);
    jzx__sim_event(sim, "something else", 0, 0, 0);
    jzx__sim_event(sim, "spawn", UINT64_C(2) << 56 | UINT64_C(4) << 32 | 3, 0, 0);
    jzx__sim_event(sim, "handle", UINT64_C(2) << 56 | UINT64_C(4) << 32 | 3, 1, JZX_TAG_SYS_TCP);
    jzx__sim_event(sim, "end", 1, JZX_EXIT_KILLED, (uint32_t)-2);
    jzx_sim_note(sim, "order %s of %d", "first", 7);
    cr_expect_str_eq(jzx_sim_trace_text(sim), "    1000000000 something 1 2 18446744073709551615\n"
                                              "    1000000000 something else\n"
                                              "    1000000000 spawn <2.4.3> by outside\n"
                                              "    1000000000 handle <2.4.3> from <0.0.1> tag tcp\n"
                                              "    1000000000 end <0.0.1> killed code -2\n"
                                              "    1000000000 # order first of 7\n");
    done(sim);
}

Test(trace, long_name_is_cut, .timeout = 10)
{
    char name[1000];
    jzx_sim *sim = machine(10000);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    jzx__sim_event(sim, name, 1, 2, 3);
    cr_expect_eq(strlen(jzx_sim_trace_text(sim)), 14 + 1 + 200 + strlen(" 1 2 3\n"));
    done(sim);
}

/* T2 */
Test(trace, newest_whole_lines_are_kept, .timeout = 10)
{
    enum { LINE = 14 + 1 + 1 + 1 + 6 + 1 };
    for (uint64_t kept = 1; kept <= 40; kept++) {
        jzx_sim *sim = machine(kept * LINE + kept % LINE);
        for (uint64_t i = 100000; i < 101000; i++) {
            jzx__sim_event(sim, "e", i, 0, 0);
            if (i % 7 == 0) {
                const char *text = jzx_sim_trace_text(sim);
                uint64_t count = i - 100000 + 1;
                uint64_t expected = kept < count ? kept : count;
                cr_assert_eq(strlen(text), expected * LINE);
                cr_assert_eq(strncmp(text, "    1000000000 e ", 17), 0);
                cr_assert_eq(strtoull(text + 17, NULL, 10), i - expected + 1);
            }
        }
        done(sim);
    }
}

Test(trace, room_for_less_than_a_line_keeps_nothing, .timeout = 10)
{
    jzx_sim *sim = machine(5);
    for (uint32_t i = 0; i < 1000; i++) {
        jzx__sim_event(sim, "event", i, 0, 0);
        cr_assert_str_eq(jzx_sim_trace_text(sim), "");
    }
    done(sim);
}

Test(trace, memory_of_the_text_is_bounded, .timeout = 10)
{
    jzx_sim *sim = machine(10000);
    for (uint32_t i = 0; i < 100000; i++) {
        jzx__sim_event(sim, "event", i, 0, 0);
    }
    cr_expect_leq(jzx__sim_trace_of(sim)->room, 2 * 10000 + 2 * 1024);
    done(sim);
}

Test(trace, note_is_one_line, .timeout = 10)
{
    jzx_sim *sim = machine(100000);
    char large[2000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    jzx_sim_note(sim, "two\nlines");
    cr_expect_str_eq(jzx_sim_trace_text(sim), "    1000000000 # two lines\n");
    jzx_sim_note(sim, "%s", large);
    jzx_sim_note(sim, "%s", "");
    const char *text = jzx_sim_trace_text(sim);
    uint32_t lines = 0;
    for (const char *at = text; *at != '\0'; at++) {
        lines += *at == '\n';
    }
    cr_expect_eq(lines, 3);
    cr_expect_lt(strlen(text), 700, "a long one is cut");
    cr_expect_eq(text[strlen(text) - 1], '\n');
    done(sim);
}

Test(trace, no_text_without_room, .timeout = 10)
{
    jzx_sim *sim = machine(0);
    jzx__sim_event(sim, "event", 1, 2, 3);
    cr_expect_str_eq(jzx_sim_trace_text(sim), "");
    cr_expect_str_eq(jzx_sim_trace_text(NULL), "");
    cr_expect_eq(jzx_sim_trace_hash(NULL), 0);
    jzx_sim_note(NULL, "nothing");
    jzx_sim_note(sim, NULL);
    done(sim);
}
