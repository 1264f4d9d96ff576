/* lines.c: see lines.h. */
#include "lines.h"

#include "memory.h"
#include "number.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 6 };

struct reader {
    bench_side_result *sample;
    const char *item;
    size_t line; /* for messages, from 1 */
    char *words[WORDS_MAX];
    size_t word_count;
    char *skipped; /* what a skip or invalid line said; it decides when all is read */
    char *invalid;
};

void bench_sample_invalid(bench_side_result *sample, const char *format, ...)
{
    if (sample->invalid != NULL) {
        return;
    }
    char *reason = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&reason, format, arguments) < 0) {
        bench_fail("out of memory");
    }
    va_end(arguments);
    bench_side_result kept = {
        .name = sample->name, .role = sample->role, .count = sample->count, .version = sample->version};
    sample->name = NULL;
    sample->version = NULL;
    bench_side_free(sample);
    *sample = kept;
    sample->invalid = reason;
}

void bench_sample_figure(bench_side_result *sample, const char *name, const char *unit, jzx_bench_better better,
                         double value)
{
    sample->figures = bench_more(sample->figures, sample->figure_count, sizeof *sample->figures);
    bench_figure *figure = &sample->figures[sample->figure_count++];
    *figure = (bench_figure){.name = bench_copy(name), .unit = bench_copy(unit), .better = better, .count = 1};
    figure->values = bench_new(sizeof *figure->values);
    figure->values[0] = value;
}

static void bad_line(struct reader *reader, const char *why, const char *what)
{
    bench_sample_invalid(reader->sample, "line %zu of what it wrote: %s: '%s'", reader->line, why, what);
}

static bool take_number(struct reader *reader, size_t word, uint64_t *number)
{
    if (!bench_number_parse(reader->words[word], number)) {
        bad_line(reader, "not a whole number of 64 bits", reader->words[word]);
        return false;
    }
    return true;
}

static bool figure_is_new(struct reader *reader, const char *name)
{
    if (bench_side_figure(reader->sample, name) != NULL) {
        bad_line(reader, "a figure of that name was there before", name);
        return false;
    }
    return true;
}

static bool value_is_new(struct reader *reader, bench_value *values, size_t count, const char *name)
{
    if (bench_value_find(values, count, name) != NULL) {
        bad_line(reader, "that was there before", name);
        return false;
    }
    return true;
}

static void read_time(struct reader *reader)
{
    uint64_t elapsed_ns;
    uint64_t operations;
    if (!figure_is_new(reader, reader->words[1]) || !take_number(reader, 2, &elapsed_ns) ||
        !take_number(reader, 3, &operations)) {
        return;
    }
    if (elapsed_ns == 0 || operations == 0) {
        bad_line(reader, "a time needs nanoseconds and operations above 0", reader->words[1]);
        return;
    }
    char *unit = bench_format("ns/%s", reader->item);
    bench_sample_figure(reader->sample, reader->words[1], unit, JZX_BENCH_LOWER,
                        (double)elapsed_ns / (double)operations);
    free(unit);
}

static void read_figure(struct reader *reader)
{
    double value;
    bool lower = strcmp(reader->words[3], "lower") == 0;
    if (!figure_is_new(reader, reader->words[1])) {
        return;
    }
    if (!lower && strcmp(reader->words[3], "higher") != 0) {
        bad_line(reader, "neither lower nor higher", reader->words[3]);
    } else if (!bench_real_parse(reader->words[4], &value)) {
        bad_line(reader, "not a finite number", reader->words[4]);
    } else {
        bench_sample_figure(reader->sample, reader->words[1], reader->words[2],
                            lower ? JZX_BENCH_LOWER : JZX_BENCH_HIGHER, value);
    }
}

static void read_proof(struct reader *reader)
{
    bench_side_result *sample = reader->sample;
    uint64_t exact;
    if (take_number(reader, 2, &exact) && value_is_new(reader, sample->proofs, sample->proof_count, reader->words[1])) {
        sample->proofs = bench_more(sample->proofs, sample->proof_count, sizeof *sample->proofs);
        sample->proofs[sample->proof_count++] = (bench_value){.name = bench_copy(reader->words[1]), .exact = exact};
    }
}

static void read_counter(struct reader *reader)
{
    bench_side_result *sample = reader->sample;
    double number;
    if (!bench_real_parse(reader->words[2], &number) || number < 0) {
        bad_line(reader, "not a finite number of 0 or more", reader->words[2]);
    } else if (value_is_new(reader, sample->counters, sample->counter_count, reader->words[1])) {
        sample->counters = bench_more(sample->counters, sample->counter_count, sizeof *sample->counters);
        sample->counters[sample->counter_count++] = (bench_value){.name = bench_copy(reader->words[1]),
                                                                  .number = number};
    }
}

static void read_latency(struct reader *reader)
{
    uint64_t value_ns;
    uint64_t count;
    if (!take_number(reader, 1, &value_ns) || !take_number(reader, 2, &count)) {
        return;
    }
    if (count == 0) {
        bad_line(reader, "a bucket that holds nothing", reader->words[2]);
        return;
    }
    if (reader->sample->histogram == NULL) {
        reader->sample->histogram = bench_histogram_create();
    }
    bench_histogram_add(reader->sample->histogram, value_ns, count);
}

static const struct kind {
    const char *name;
    size_t words; /* with its name; 0: a text, to the end of the line */
    void (*read)(struct reader *reader);
} kinds[] = {
    {"version", 0, NULL},       {"skip", 0, NULL},        {"invalid", 0, NULL},         {"time", 4, read_time},
    {"figure", 5, read_figure}, {"proof", 3, read_proof}, {"counter", 3, read_counter}, {"latency", 3, read_latency},
};

static void read_text(struct reader *reader, const char *kind, const char *text)
{
    char **place = &reader->sample->version;
    if (kind[0] == 's') {
        place = &reader->skipped;
    } else if (kind[0] == 'i') {
        place = &reader->invalid;
    }
    if (text == NULL || text[0] == '\0') {
        bad_line(reader, "it says nothing", kind);
    } else if (*place != NULL) {
        bad_line(reader, "that was there before", kind);
    } else {
        *place = bench_copy(text);
    }
}

/* Words are parted by one blank each; a word that is empty is an error, so that nobody relies on how blanks are counted. */
static void split(struct reader *reader, char *line)
{
    reader->word_count = 0;
    char *word;
    while (reader->word_count < WORDS_MAX && (word = strsep(&line, " ")) != NULL) {
        reader->words[reader->word_count++] = word;
    }
}

static bool words_are_good(struct reader *reader, const struct kind *kind)
{
    if (reader->word_count != kind->words) {
        bad_line(reader, "too many or too few words", kind->name);
        return false;
    }
    for (size_t i = 0; i < reader->word_count; i++) {
        if (reader->words[i][0] == '\0') {
            bad_line(reader, "two blanks, or one at the end", kind->name);
            return false;
        }
    }
    return true;
}

static void read_line(struct reader *reader, char *line)
{
    for (const char *at = line; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            bench_sample_invalid(reader->sample, "line %zu of what it wrote has a control character", reader->line);
            return;
        }
    }
    size_t length = strcspn(line, " ");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct kind *kind = &kinds[i];
        if (strlen(kind->name) != length || memcmp(kind->name, line, length) != 0) {
            continue;
        }
        if (kind->read == NULL) {
            read_text(reader, kind->name, line[length] == ' ' ? line + length + 1 : NULL);
            return;
        }
        split(reader, line);
        if (words_are_good(reader, kind)) {
            kind->read(reader);
        }
        return;
    }
    bad_line(reader, "not of the protocol", line);
}

static void add_percentiles(bench_side_result *sample)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
    for (size_t i = 0; sample->histogram != NULL && i < sizeof points / sizeof points[0]; i++) {
        if (bench_side_figure(sample, points[i].name) != NULL) {
            bench_sample_invalid(sample, "it has latencies and a figure of its own called %s", points[i].name);
            return;
        }
        double value_ns = points[i].share < 1 ? (double)bench_histogram_at(sample->histogram, points[i].share)
                                              : (double)bench_histogram_max(sample->histogram);
        bench_sample_figure(sample, points[i].name, "us", JZX_BENCH_LOWER, value_ns / 1000);
    }
}

/* After the last line: what it comes to. */
static void conclude(struct reader *reader)
{
    bench_side_result *sample = reader->sample;
    if (reader->invalid != NULL) {
        bench_sample_invalid(sample, "%s", reader->invalid);
    } else if (reader->skipped != NULL) {
        bench_sample_invalid(sample, "-"); /* empties it */
        free(sample->invalid);
        sample->invalid = NULL;
        sample->skipped = reader->skipped;
        reader->skipped = NULL;
    } else if (reader->line == 0) {
        bench_sample_invalid(sample, "it wrote nothing");
    } else if (sample->proof_count == 0) {
        bench_sample_invalid(sample, "it proves nothing");
    } else {
        add_percentiles(sample);
        if (sample->figure_count == 0) {
            bench_sample_invalid(sample, "it has no figure");
        }
    }
}

void bench_lines_read(bench_side_result *sample, const char *item, char *text, size_t size)
{
    struct reader reader = {.sample = sample, .item = item};
    char *end = text + size;
    for (char *line = text; line < end && sample->invalid == NULL;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        reader.line++;
        if (stop == NULL) {
            bench_sample_invalid(sample, "line %zu of what it wrote does not end", reader.line);
            break;
        }
        *stop = '\0';
        if (memchr(line, '\0', (size_t)(stop - line)) != NULL) {
            bench_sample_invalid(sample, "line %zu of what it wrote has a control character", reader.line);
            break;
        }
        read_line(&reader, line);
        line = stop + 1;
    }
    if (sample->invalid == NULL) {
        conclude(&reader);
    }
    free(reader.skipped);
    free(reader.invalid);
}
