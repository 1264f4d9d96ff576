#include "line.h"

#include <errno.h>
#include <stdlib.h>

void line_split(struct line *line, const char *text, size_t size)
{
    size = size < LINE_BYTES_MAX ? size : LINE_BYTES_MAX - 1;
    memcpy(line->text, text, size);
    line->text[size] = 0;
    line->count = 0;
    char *rest;
    for (char *word = strtok_r(line->text, " \t\r", &rest); word != NULL && line->count <= LINE_WORDS_MAX;
         word = strtok_r(NULL, " \t\r", &rest)) {
        line->words[line->count++] = word;
    }
}

bool line_number(const struct line *line, int word, int64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(line->words[word], &end, 10);
    return errno == 0 && *end == 0 && end != line->words[word];
}

static bool series_word(const struct line *line, char series[SERIES_MAX])
{
    size_t size = strlen(line->words[1]);
    if (size >= SERIES_MAX) {
        return false;
    }
    memset(series, 0, SERIES_MAX);
    memcpy(series, line->words[1], size);
    return true;
}

bool line_point(const struct line *line, struct point *point)
{
    char *end;
    if (line->count != 4 || !series_word(line, point->series) || !line_number(line, 2, &point->time)) {
        return false;
    }
    errno = 0;
    point->value = strtod(line->words[3], &end);
    return *end == 0 && end != line->words[3];
}

bool line_range(const struct line *line, char series[SERIES_MAX], int64_t *from, int64_t *to)
{
    return line->count == 4 && series_word(line, series) && line_number(line, 2, from) && line_number(line, 3, to);
}
