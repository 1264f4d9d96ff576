/*
 * criterion: stands in for Criterion where ThreadSanitizer watches, since Criterion cannot run there: it often does not
 * start, and passes a test in which a race was reported. The tests of the suite are built with this header unchanged; it
 * has what they use and no more. runner.c has main().
 */
#ifndef TEST_TSAN_CRITERION_H
#define TEST_TSAN_CRITERION_H

#pragma GCC system_header /* as that of Criterion: of any two numbers it makes a comparison */

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct cr_options {
    double timeout; /* seconds */
} cr_options;

typedef struct cr_test {
    const char *suite;
    const char *name;
    void (*body)(void);
    cr_options options;
    struct cr_test *next;
} cr_test;

void cr_add(cr_test *test);

/* Says what was not true, and ends the process unless the test may `go_on`. */
__attribute__((format(printf, 5, 6))) void cr_failed(bool go_on, const char *file, int line, const char *what,
                                                     const char *format, ...);
__attribute__((format(printf, 1, 2))) void cr_log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) _Noreturn void cr_skip_test(const char *format, ...);

#define Test(suite_, name_, ...)                                                               \
    static void suite_##_##name_##_body(void);                                                 \
    __attribute__((constructor)) static void suite_##_##name_##_add(void)                      \
    {                                                                                          \
        static cr_test test = {#suite_, #name_, suite_##_##name_##_body, {__VA_ARGS__}, NULL}; \
        cr_add(&test);                                                                         \
    }                                                                                          \
    static void suite_##_##name_##_body(void)

#define CR_CHECK(go_on, fact, what, ...) \
    ((fact) ? (void)0 : cr_failed(go_on, __FILE__, __LINE__, what, " " __VA_ARGS__))

#define cr_assert(fact, ...) CR_CHECK(false, (fact), #fact, __VA_ARGS__)
#define cr_assert_not(fact, ...) CR_CHECK(false, !(fact), "not: " #fact, __VA_ARGS__)
#define cr_assert_null(a, ...) CR_CHECK(false, (a) == NULL, #a " == NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...) CR_CHECK(false, (a) != NULL, #a " != NULL", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) CR_CHECK(false, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) CR_CHECK(false, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) CR_CHECK(false, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) CR_CHECK(false, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) CR_CHECK(false, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) CR_CHECK(false, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) CR_CHECK(false, strcmp((a), (b)) == 0, #a " is " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) CR_CHECK(false, strcmp((a), (b)) != 0, #a " is not " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, size, ...) CR_CHECK(false, memcmp((a), (b), (size)) == 0, #a " as " #b, __VA_ARGS__)

#define cr_expect(fact, ...) CR_CHECK(true, (fact), #fact, __VA_ARGS__)
#define cr_expect_not(fact, ...) CR_CHECK(true, !(fact), "not: " #fact, __VA_ARGS__)
#define cr_expect_null(a, ...) CR_CHECK(true, (a) == NULL, #a " == NULL", __VA_ARGS__)
#define cr_expect_not_null(a, ...) CR_CHECK(true, (a) != NULL, #a " != NULL", __VA_ARGS__)
#define cr_expect_eq(a, b, ...) CR_CHECK(true, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...) CR_CHECK(true, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...) CR_CHECK(true, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) CR_CHECK(true, strcmp((a), (b)) == 0, #a " is " #b, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...) CR_CHECK(true, strcmp((a), (b)) != 0, #a " is not " #b, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, size, ...) CR_CHECK(true, memcmp((a), (b), (size)) == 0, #a " as " #b, __VA_ARGS__)

#endif
