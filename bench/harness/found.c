/* found.c: what a run is asked and what it tells, the part of jzx/bench.h that is called by a side. See measure.h. */
#include "measure.h"

#include "counters.h"
#include "load.h"
#include "memory.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- asked ---- */

uint64_t jzx_bench_count(const jzx_bench *bench)
{
    return bench->count;
}

uint64_t jzx_bench_seed(const jzx_bench *bench)
{
    return bench->seed;
}

int jzx_bench_cpu(const jzx_bench *bench, int index)
{
    if (index < 0) {
        bench_fail("jzx_bench_cpu: index %d", index);
    }
    return bench->cpus[index % bench->cpu_count];
}

int jzx_bench_cpus(const jzx_bench *bench)
{
    return bench->cpu_count;
}

bool jzx_bench_quick(const jzx_bench *bench)
{
    return bench->quick;
}

bool bench_load_warming(const jzx_bench *bench)
{
    return bench->warming;
}

const char *jzx_bench_option(const jzx_bench *bench, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; i < bench->option_count; i++) {
        if (strncmp(bench->options[i], name, length) == 0 && bench->options[i][length] == '=') {
            return bench->options[i] + length + 1;
        }
    }
    return NULL;
}

uint64_t jzx_bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- told ---- */

void bench_found_init(jzx_bench *bench)
{
    bench->began_ns = 0;
    bench->proof_count = 0;
    bench->names = NULL;
    bench->name_count = 0;
    bench->histogram = NULL;
    bench->lines = open_memstream(&bench->text, &bench->text_size);
    if (bench->lines == NULL) {
        bench_fail("out of memory");
    }
}

void bench_found_deinit(jzx_bench *bench)
{
    fclose(bench->lines);
    free(bench->text);
    for (size_t i = 0; i < bench->name_count; i++) {
        free(bench->names[i]);
    }
    free(bench->names);
    if (bench->histogram != NULL) {
        bench_histogram_destroy(bench->histogram);
    }
}

/* A word of a line. Each name is told once, so a figure cannot hide another. */
static void take_name(jzx_bench *bench, const char *function, const char *kind, const char *name)
{
    if (name == NULL || name[0] == '\0') {
        bench_fail("%s: no name", function);
    }
    for (const char *at = name; *at != '\0'; at++) {
        if (!isgraph((unsigned char)*at)) {
            bench_fail("%s: '%s' has a blank", function, name);
        }
    }
    char *key = bench_format("%s %s", kind, name);
    for (size_t i = 0; i < bench->name_count; i++) {
        if (strcmp(bench->names[i], key) == 0) {
            bench_fail("%s: '%s' a second time in one run", function, name);
        }
    }
    bench->names = bench_more(bench->names, bench->name_count, sizeof *bench->names);
    bench->names[bench->name_count++] = key;
}

void jzx_bench_begin(jzx_bench *bench)
{
    if (bench->began_ns != 0) {
        bench_fail("jzx_bench_begin: it has begun already");
    }
    bench_counters_begin();
    bench->began_ns = jzx_bench_now_ns();
}

void jzx_bench_end(jzx_bench *bench, uint64_t operations)
{
    uint64_t now_ns = jzx_bench_now_ns();
    bench_counters_end();
    if (bench->began_ns == 0) {
        bench_fail("jzx_bench_end: without jzx_bench_begin()");
    }
    jzx_bench_time(bench, "time", now_ns - bench->began_ns, operations);
    bench->began_ns = 0;
    uint64_t total = 0;
    const char *name;
    for (size_t i = 0; (name = bench_counters_get(i, &total)) != NULL; i++) {
        fprintf(bench->lines, "counter %s %.17g\n", name, (double)total / (double)operations);
    }
}

void jzx_bench_time(jzx_bench *bench, const char *name, uint64_t elapsed_ns, uint64_t operations)
{
    take_name(bench, "jzx_bench_time", "figure", name);
    if (operations == 0) {
        jzx_bench_invalid(bench, "%s: no operations", name);
    }
    if (elapsed_ns == 0 && !bench->warming) { /* a warm-up may be too short for a coarse clock */
        jzx_bench_invalid(bench, "%s: no time has passed by the clock", name);
    }
    fprintf(bench->lines, "time %s %" PRIu64 " %" PRIu64 "\n", name, elapsed_ns, operations);
}

void jzx_bench_figure(jzx_bench *bench, const char *name, const char *unit, jzx_bench_better better, double value)
{
    take_name(bench, "jzx_bench_figure", "figure", name);
    if (unit == NULL || unit[0] == '\0' || strpbrk(unit, " \t\n") != NULL) {
        bench_fail("jzx_bench_figure: '%s' needs a unit without blanks", name);
    }
    if (better != JZX_BENCH_LOWER && better != JZX_BENCH_HIGHER) {
        bench_fail("jzx_bench_figure: '%s' is better neither lower nor higher", name);
    }
    if (!isfinite(value) && !bench->warming) {
        jzx_bench_invalid(bench, "%s: not a finite number", name);
    }
    fprintf(bench->lines, "figure %s %s %s %.17g\n", name, unit, better == JZX_BENCH_LOWER ? "lower" : "higher", value);
}

void jzx_bench_prove(jzx_bench *bench, const char *name, uint64_t got, uint64_t wanted)
{
    take_name(bench, "jzx_bench_prove", "proof", name);
    if (got != wanted) {
        jzx_bench_invalid(bench, "%s: %" PRIu64 " where it must be %" PRIu64, name, got, wanted);
    }
    bench->proof_count++;
    fprintf(bench->lines, "proof %s %" PRIu64 "\n", name, got);
}

void jzx_bench_latency(jzx_bench *bench, uint64_t latency_ns)
{
    if (bench->histogram == NULL) {
        bench->histogram = bench_histogram_create();
    }
    bench_histogram_add(bench->histogram, latency_ns, 1);
}

/*
 * The only line of the run, and its end: nothing else was written before. Other threads may be running, so nothing is
 * cleaned up.
 */
static void end_with(const char *kind, const char *format, va_list arguments) __attribute__((noreturn));
static void end_with(const char *kind, const char *format, va_list arguments)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    for (char *at = text; *at != '\0'; at++) {
        *at = iscntrl((unsigned char)*at) ? ' ' : *at;
    }
    printf("%s %s\n", kind, text[0] != '\0' ? text : "for no reason given");
    fflush(stdout);
    _exit(0);
}

void jzx_bench_invalid(jzx_bench *bench, const char *format, ...)
{
    (void)bench;
    va_list arguments;
    va_start(arguments, format);
    end_with("invalid", format, arguments);
}

void jzx_bench_skip(jzx_bench *bench, const char *format, ...)
{
    (void)bench;
    va_list arguments;
    va_start(arguments, format);
    end_with("skip", format, arguments);
}

void bench_found_write(jzx_bench *bench)
{
    if (bench->began_ns != 0) {
        jzx_bench_invalid(bench, "jzx_bench_begin() without jzx_bench_end()");
    }
    if (bench->proof_count == 0) {
        jzx_bench_invalid(bench, "it proves nothing");
    }
    size_t at = 0;
    uint64_t value = 0;
    uint64_t count;
    while (bench->histogram != NULL && (count = bench_histogram_next(bench->histogram, &at, &value)) != 0) {
        fprintf(bench->lines, "latency %" PRIu64 " %" PRIu64 "\n", value, count);
    }
    if (fflush(bench->lines) != 0) {
        bench_fail("out of memory");
    }
    fwrite(bench->text, 1, bench->text_size, stdout);
    if (fflush(stdout) != 0) {
        bench_fail("standard output: %m");
    }
}
