/*
 * result_write.c: a result as JSON. The file is whole or not there: it is written beside its place and then moved to it.
 *
 * Proofs are strings of digits, since they have 64 bits without a sign, which the numbers of JSON readers have not.
 */
#include "result.h"
#include "result_format.h"

#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const bench_role_names[BENCH_ROLE_COUNT] = {"own", "twin", "peer", "old"};
const char *const bench_better_names[2] = {"lower", "higher"};

static json_t *kept(json_t *value)
{
    if (value == NULL) {
        bench_fail("out of memory");
    }
    return value;
}

static void put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, kept(value)) != 0) {
        bench_fail("out of memory");
    }
}

static void add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, kept(value)) != 0) {
        bench_fail("out of memory");
    }
}

/* Names and reasons may come from other programs: what is not UTF-8 is shown as '?'. */
static json_t *text_of(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL) {
        return value;
    }
    char *copy = bench_copy(text);
    for (char *at = copy; *at != '\0'; at++) {
        *at = (unsigned char)*at < 0x80 ? *at : '?';
    }
    value = json_string(copy);
    free(copy);
    return kept(value);
}

static void put_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL) {
        put(object, key, text_of(text));
    }
}

static json_t *facts_of(const bench_result *result)
{
    json_t *array = kept(json_array());
    for (size_t i = 0; i < result->fact_count; i++) {
        json_t *fact = kept(json_object());
        put_text(fact, "name", result->facts[i].name);
        put_text(fact, "text", result->facts[i].text);
        add(array, fact);
    }
    return array;
}

static json_t *figure_of(const bench_figure *figure)
{
    json_t *object = kept(json_object());
    json_t *values = kept(json_array());
    put_text(object, "name", figure->name);
    put_text(object, "unit", figure->unit);
    put_text(object, "better", bench_better_names[figure->better]);
    for (size_t i = 0; i < figure->count; i++) {
        add(values, json_real(figure->values[i]));
    }
    put(object, "values", values);
    return object;
}

static json_t *proof_of(const bench_value *proof)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, proof->exact);
    json_t *object = kept(json_object());
    put_text(object, "name", proof->name);
    put_text(object, "value", digits);
    return object;
}

static json_t *counter_of(const bench_value *counter)
{
    json_t *object = kept(json_object());
    put_text(object, "name", counter->name);
    put(object, "value", json_real(counter->number));
    return object;
}

static json_t *buckets_of(const bench_histogram *histogram)
{
    json_t *array = kept(json_array());
    size_t at = 0;
    uint64_t value = 0;
    uint64_t count;
    while ((count = bench_histogram_next(histogram, &at, &value)) != 0) {
        add(array, json_pack("[I, I]", (json_int_t)value, (json_int_t)count));
    }
    return array;
}

static json_t *side_of(const bench_side_result *side)
{
    json_t *object = kept(json_object());
    json_t *figures = kept(json_array());
    json_t *proofs = kept(json_array());
    json_t *counters = kept(json_array());
    put_text(object, "name", side->name);
    put_text(object, "role", bench_role_names[side->role]);
    put_text(object, "version", side->version);
    if (side->count != 0) {
        put(object, "count", json_integer((json_int_t)side->count));
    }
    put_text(object, "skipped", side->skipped);
    put_text(object, "invalid", side->invalid);
    for (size_t i = 0; i < side->figure_count; i++) {
        add(figures, figure_of(&side->figures[i]));
    }
    for (size_t i = 0; i < side->proof_count; i++) {
        add(proofs, proof_of(&side->proofs[i]));
    }
    for (size_t i = 0; i < side->counter_count; i++) {
        add(counters, counter_of(&side->counters[i]));
    }
    put(object, "figures", figures);
    put(object, "proofs", proofs);
    put(object, "counters", counters);
    if (side->histogram != NULL) {
        put(object, "latencies", buckets_of(side->histogram));
    }
    return object;
}

static json_t *workload_of(const bench_workload_result *workload)
{
    json_t *object = kept(json_object());
    json_t *sides = kept(json_array());
    json_t *goals = kept(json_array());
    put_text(object, "name", workload->name);
    put_text(object, "about", workload->about);
    put(object, "count", json_integer((json_int_t)workload->count));
    for (size_t i = 0; i < workload->side_count; i++) {
        add(sides, side_of(&workload->sides[i]));
    }
    for (size_t i = 0; i < workload->goal_count; i++) {
        json_t *goal = kept(json_object());
        put_text(goal, "figure", workload->goals[i].figure);
        put_text(goal, "against", workload->goals[i].against);
        put(goal, "limit", json_real(workload->goals[i].limit));
        add(goals, goal);
    }
    put(object, "sides", sides);
    put(object, "goals", goals);
    return object;
}

static json_t *result_of(const bench_result *result)
{
    json_t *root = kept(json_object());
    json_t *workloads = kept(json_array());
    put_text(root, "format", BENCH_RESULT_FORMAT);
    put(root, "facts", facts_of(result));
    for (size_t i = 0; i < result->workload_count; i++) {
        add(workloads, workload_of(&result->workloads[i]));
    }
    put(root, "workloads", workloads);
    return root;
}

/* ---- what JSON has no number for ---- */

static bool figures_are_finite(const bench_side_result *side, const char **name)
{
    for (size_t i = 0; i < side->figure_count; i++) {
        const bench_figure *figure = &side->figures[i];
        *name = figure->name;
        for (size_t k = 0; k < figure->count; k++) {
            if (!isfinite(figure->values[k])) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < side->counter_count; i++) {
        *name = side->counters[i].name;
        if (!isfinite(side->counters[i].number)) {
            return false;
        }
    }
    return true;
}

/* False after a message. */
static bool is_finite(const bench_result *result, const char *path)
{
    const char *name = NULL;
    for (size_t i = 0; i < result->workload_count; i++) {
        const bench_workload_result *workload = &result->workloads[i];
        for (size_t k = 0; k < workload->side_count; k++) {
            if (!figures_are_finite(&workload->sides[k], &name)) {
                bench_say("%s: %s, %s: '%s' is not a finite number, which JSON cannot hold", path, workload->name,
                          workload->sides[k].name, name);
                return false;
            }
        }
        for (size_t k = 0; k < workload->goal_count; k++) {
            if (!isfinite(workload->goals[k].limit)) {
                bench_say("%s: %s: the goal of '%s' is not a finite number, which JSON cannot hold", path,
                          workload->name, workload->goals[k].figure);
                return false;
            }
        }
    }
    return true;
}

/* ---- the file ---- */

/* False and errno. What a file created here would have as its mode, mkstemp() does not give. */
static bool dump(const json_t *root, int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        close(fd);
        return false;
    }
    bool good = fchmod(fd, 0666 & ~mask) == 0 && json_dumpf(root, file, JSON_INDENT(1)) == 0 &&
                fputc('\n', file) != EOF && fflush(file) == 0 && fsync(fd) == 0;
    int error = errno;
    good = fclose(file) == 0 && good;
    errno = error;
    return good;
}

bool bench_result_write(const bench_result *result, const char *path)
{
    if (!is_finite(result, path)) {
        return false;
    }
    json_t *root = result_of(result);
    char *beside = bench_format("%s.XXXXXX", path);
    int fd = mkstemp(beside);
    bool good = fd >= 0 && dump(root, fd) && rename(beside, path) == 0;
    if (!good) {
        bench_say("%s: %s", path, strerror(errno));
        if (fd >= 0) {
            unlink(beside);
        }
    }
    free(beside);
    json_decref(root);
    return good;
}
