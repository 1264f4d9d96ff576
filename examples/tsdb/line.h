/* line: what a client may say, one command on each line. See main.c for what they mean. */
#ifndef TSDB_LINE_H
#define TSDB_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "point.h"

enum {
    LINE_BYTES_MAX = 256,
    LINE_WORDS_MAX = 4,
};

struct line {
    char text[LINE_BYTES_MAX];
    int count;
    const char *words[LINE_WORDS_MAX + 1]; /* more than LINE_WORDS_MAX words are too many, so one more is counted */
};

/* Takes a line apart. */
void line_split(struct line *line, const char *text, size_t size);

/* "PUT series time value". False when it is not that. */
bool line_point(const struct line *line, struct point *point);

/* "RANGE series from to". */
bool line_range(const struct line *line, char series[SERIES_MAX], int64_t *from, int64_t *to);

/* A number at a word. */
bool line_number(const struct line *line, int word, int64_t *number);

#endif
