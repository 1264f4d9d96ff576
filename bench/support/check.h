/*
 * check.h: what ends a run that cannot be trusted.
 *
 * For places that have no jzx_bench at hand; those that have one call jzx_bench_invalid(). The message goes to standard
 * error and the status says that it failed: the harness calls such a run invalid.
 */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#define BENCH_CHECK(condition, ...)                        \
    do {                                                   \
        if (!(condition)) {                                \
            check_failed(__FILE__, __LINE__, __VA_ARGS__); \
        }                                                  \
    } while (0)

void check_failed(const char *file, int line, const char *format, ...) __attribute__((noreturn, format(printf, 3, 4)));

#endif
