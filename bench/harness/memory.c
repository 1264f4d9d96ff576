/* memory.c: see memory.h. */
#include "memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (memory == NULL) {
        bench_fail("out of memory");
    }
    return memory;
}

void *bench_new(size_t size)
{
    return checked(calloc(1, size));
}

void *bench_more(void *array, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0) {
        return array; /* the room is the next power of two */
    }
    return checked(reallocarray(array, count == 0 ? 1 : count * 2, size));
}

char *bench_copy(const char *text)
{
    return checked(strdup(text));
}

char *bench_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        bench_fail("out of memory");
    }
    va_end(arguments);
    return text;
}

void bench_append(char **text, const char *format, ...)
{
    char *more = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&more, format, arguments) < 0) {
        bench_fail("out of memory");
    }
    va_end(arguments);
    size_t length = strlen(*text);
    *text = checked(realloc(*text, length + strlen(more) + 1));
    strcpy(*text + length, more);
    free(more);
}

static void say(const char *format, va_list arguments)
{
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void bench_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    exit(3);
}
