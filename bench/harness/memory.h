/*
 * memory.h: what the harness takes from the heap and how it gives up.
 *
 * It is a program that is started and ends: where there is no memory it ends, with a message and 3. None of these returns NULL.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stddef.h>

/* Zeroed. */
void *bench_new(size_t size);

/* `array` with room for at least one more than its `count` elements; the room doubles. What is new is not zeroed. */
void *bench_more(void *array, size_t count, size_t size);

char *bench_copy(const char *text);
/* Puts more behind *text, which moves. */
void bench_append(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *bench_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "PROGRAM: what went wrong" to standard error. */
void bench_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says it and ends the program with 3. */
void bench_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
