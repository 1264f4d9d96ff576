/*
 * result_read.c: a result from its JSON, strictly: what the format does not have is an error that says where.
 *
 * A reader goes through the file once. The first thing wrong is told; from then on the reader does nothing.
 */
#include "result.h"
#include "result_format.h"

#include "memory.h"
#include "number.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reader {
    const char *path;
    const char *where; /* the workload, for messages; NULL: none yet */
    bool failed;
};

static void wrong(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct reader *reader, const char *format, ...)
{
    if (reader->failed) {
        return;
    }
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bench_say("%s: %s%s%s", reader->path, reader->where != NULL ? reader->where : "", reader->where != NULL ? ": " : "",
              text);
    reader->failed = true;
}

/* The field `key`, which must be there and of this type. NULL after a message. */
static json_t *field(struct reader *reader, const json_t *object, const char *key, json_type type, const char *called)
{
    json_t *value = json_object_get(object, key);
    if (value == NULL) {
        wrong(reader, "the field '%s' is missing", key);
        return NULL;
    }
    if (json_typeof(value) != type) {
        wrong(reader, "the field '%s' is not %s", key, called);
        return NULL;
    }
    return value;
}

static char *text_at(struct reader *reader, const json_t *object, const char *key)
{
    json_t *value = field(reader, object, key, JSON_STRING, "a text");
    return value != NULL ? bench_copy(json_string_value(value)) : NULL;
}

static char *optional_text_at(struct reader *reader, const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL ? text_at(reader, object, key) : NULL;
}

static double number_at(struct reader *reader, const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (value == NULL) {
        wrong(reader, "the field '%s' is missing", key);
    } else if (!json_is_number(value)) {
        wrong(reader, "the field '%s' is not a number", key);
    }
    return json_number_value(value);
}

/* One of the names; its index. */
static size_t choice_at(struct reader *reader, const json_t *object, const char *key, const char *const *names,
                        size_t count)
{
    json_t *value = field(reader, object, key, JSON_STRING, "a text");
    for (size_t i = 0; value != NULL && i < count; i++) {
        if (strcmp(json_string_value(value), names[i]) == 0) {
            return i;
        }
    }
    if (value != NULL) {
        wrong(reader, "the field '%s' is '%s', which is none of those it can be", key, json_string_value(value));
    }
    return 0;
}

static uint64_t count_at(struct reader *reader, const json_t *object)
{
    json_t *count = field(reader, object, "count", JSON_INTEGER, "a whole number");
    if (count != NULL && json_integer_value(count) < 1) {
        wrong(reader, "the field 'count' is not above 0");
    }
    return (uint64_t)json_integer_value(count);
}

typedef void (*read_fn)(struct reader *reader, const json_t *object, void *element);

/* An array of objects: each is read into an element of its own. */
static void *array_at(struct reader *reader, const json_t *object, const char *key, size_t size, size_t *count,
                      read_fn read)
{
    json_t *array = field(reader, object, key, JSON_ARRAY, "an array");
    if (array == NULL || json_array_size(array) == 0) {
        return NULL;
    }
    char *elements = bench_new(json_array_size(array) * size);
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_t *element = json_array_get(array, i);
        if (!json_is_object(element)) {
            wrong(reader, "the field '%s' holds something that is not an object", key);
            break;
        }
        read(reader, element, elements + i * size);
        *count = i + 1;
    }
    return elements;
}

static void read_fact(struct reader *reader, const json_t *object, void *element)
{
    bench_fact *fact = element;
    fact->name = text_at(reader, object, "name");
    fact->text = text_at(reader, object, "text");
}

static void read_figure(struct reader *reader, const json_t *object, void *element)
{
    bench_figure *figure = element;
    figure->name = text_at(reader, object, "name");
    figure->unit = text_at(reader, object, "unit");
    figure->better = (jzx_bench_better)choice_at(reader, object, "better", bench_better_names, 2);
    json_t *values = field(reader, object, "values", JSON_ARRAY, "an array");
    figure->count = json_array_size(values);
    if (values != NULL && figure->count == 0) {
        wrong(reader, "the field 'values' is empty");
        return;
    }
    figure->values = bench_new((figure->count + 1) * sizeof *figure->values);
    for (size_t i = 0; i < figure->count; i++) {
        json_t *value = json_array_get(values, i);
        if (!json_is_number(value)) {
            wrong(reader, "the field 'values' holds something that is not a number");
        }
        figure->values[i] = json_number_value(value);
    }
}

static void read_proof(struct reader *reader, const json_t *object, void *element)
{
    bench_value *proof = element;
    proof->name = text_at(reader, object, "name");
    json_t *value = field(reader, object, "value", JSON_STRING, "a text");
    if (value != NULL && !bench_number_parse(json_string_value(value), &proof->exact)) {
        wrong(reader, "the proof '%s' is not a whole number", json_string_value(value));
    }
}

static void read_counter(struct reader *reader, const json_t *object, void *element)
{
    bench_value *counter = element;
    counter->name = text_at(reader, object, "name");
    counter->number = number_at(reader, object, "value");
}

static bench_histogram *histogram_at(struct reader *reader, const json_t *object, const char *key)
{
    if (json_object_get(object, key) == NULL) {
        return NULL;
    }
    json_t *array = field(reader, object, key, JSON_ARRAY, "an array");
    bench_histogram *histogram = bench_histogram_create();
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_int_t value = -1;
        json_int_t count = -1;
        json_t *bucket = json_array_get(array, i);
        if (json_unpack(bucket, "[I, I!]", &value, &count) != 0 || value < 0 || count < 1) {
            wrong(reader, "the field '%s' holds something that is not a value and a count", key);
            break;
        }
        bench_histogram_add(histogram, (uint64_t)value, (uint64_t)count);
    }
    return histogram;
}

static void read_side(struct reader *reader, const json_t *object, void *element)
{
    bench_side_result *side = element;
    side->name = text_at(reader, object, "name");
    side->role = (bench_role)choice_at(reader, object, "role", bench_role_names, BENCH_ROLE_COUNT);
    side->version = optional_text_at(reader, object, "version");
    side->count = json_object_get(object, "count") != NULL ? count_at(reader, object) : 0;
    side->skipped = optional_text_at(reader, object, "skipped");
    side->invalid = optional_text_at(reader, object, "invalid");
    side->figures = array_at(reader, object, "figures", sizeof *side->figures, &side->figure_count, read_figure);
    side->proofs = array_at(reader, object, "proofs", sizeof *side->proofs, &side->proof_count, read_proof);
    side->counters = array_at(reader, object, "counters", sizeof *side->counters, &side->counter_count, read_counter);
    side->histogram = histogram_at(reader, object, "latencies");
    if (side->invalid != NULL && side->figure_count > 0) {
        wrong(reader, "the side '%s' is invalid and has figures", side->name);
    }
}

static void read_goal(struct reader *reader, const json_t *object, void *element)
{
    bench_goal_result *goal = element;
    goal->figure = text_at(reader, object, "figure");
    goal->against = optional_text_at(reader, object, "against");
    goal->limit = number_at(reader, object, "limit");
}

static void read_workload(struct reader *reader, const json_t *object, void *element)
{
    bench_workload_result *workload = element;
    reader->where = NULL;
    workload->name = text_at(reader, object, "name");
    reader->where = workload->name;
    workload->about = text_at(reader, object, "about");
    workload->count = count_at(reader, object);
    workload->sides = array_at(reader, object, "sides", sizeof *workload->sides, &workload->side_count, read_side);
    workload->goals = array_at(reader, object, "goals", sizeof *workload->goals, &workload->goal_count, read_goal);
    reader->where = NULL;
}

static void read_result(struct reader *reader, const json_t *root, bench_result *result)
{
    if (!json_is_object(root)) {
        wrong(reader, "it is JSON, but not a result of jzx-bench: no object");
        return;
    }
    json_t *format = field(reader, root, "format", JSON_STRING, "a text");
    if (format != NULL && strcmp(json_string_value(format), BENCH_RESULT_FORMAT) != 0) {
        wrong(reader, "its format is '%s'; this program reads '%s'", json_string_value(format), BENCH_RESULT_FORMAT);
    }
    if (reader->failed) {
        return;
    }
    result->facts = array_at(reader, root, "facts", sizeof *result->facts, &result->fact_count, read_fact);
    result->workloads = array_at(reader, root, "workloads", sizeof *result->workloads, &result->workload_count,
                                 read_workload);
}

/* NULL after a message. */
static json_t *load(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        bench_say("%s: %s", path, strerror(errno));
        return NULL;
    }
    json_error_t error;
    errno = 0;
    json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    if (ferror(file)) {
        bench_say("%s: it cannot be read: %s", path, strerror(errno));
        json_decref(root);
        root = NULL;
    } else if (root == NULL) {
        bench_say("%s: not JSON: line %d: %s", path, error.line, error.text);
    }
    fclose(file);
    return root;
}

bool bench_result_read(const char *path, bench_result *result)
{
    struct reader reader = {.path = path};
    *result = (bench_result){0};
    json_t *root = load(path);
    if (root == NULL) {
        return false;
    }
    read_result(&reader, root, result);
    json_decref(root);
    if (reader.failed) {
        bench_result_free(result);
    }
    return !reader.failed;
}
