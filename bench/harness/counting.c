/* counting.c: see counting.h. */
#include "counting.h"

#include "allocations.h"
#include "memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where the library lies: in the build folder, or installed. */
static const char *const libraries[] = {BENCH_ALLOCATIONS_BUILT, BENCH_ALLOCATIONS_INSTALLED};

enum { PREFIX_MAX = 16 };

/* One counted run. */
struct counts {
    uint64_t system_calls;
    uint64_t allocations;
    char *no_system_calls;
    char *no_allocations;
};

/* The two files that a run writes, in memory: nothing is left behind. */
struct files {
    int calls_fd;
    int allocations_fd;
    char *calls_path;
    char *allocations_path;
    bench_allocations *allocations;
};

static int make_file(const char *name, char **path)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0) {
        bench_fail("memfd_create: %m");
    }
    *path = bench_format("/proc/%d/fd/%d", getpid(), fd);
    return fd;
}

static void open_files(struct files *files)
{
    files->calls_fd = make_file("calls", &files->calls_path);
    files->allocations_fd = make_file("allocations", &files->allocations_path);
    if (ftruncate(files->allocations_fd, sizeof *files->allocations) != 0) {
        bench_fail("ftruncate: %m");
    }
    void *memory = mmap(NULL, sizeof *files->allocations, PROT_READ, MAP_SHARED, files->allocations_fd, 0);
    if (memory == MAP_FAILED) {
        bench_fail("mmap: %m");
    }
    files->allocations = memory;
}

static void close_files(struct files *files)
{
    munmap(files->allocations, sizeof *files->allocations);
    close(files->calls_fd);
    close(files->allocations_fd);
    free(files->calls_path);
    free(files->allocations_path);
}

static const char *find_library(void)
{
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        if (access(libraries[i], R_OK) == 0) {
            return libraries[i];
        }
    }
    return NULL;
}

/* The sum of all calls: the last line of strace's summary, "N total". */
static char *read_calls(const struct files *files, uint64_t *calls)
{
    FILE *file = fopen(files->calls_path, "re");
    char line[256];
    bool found = false;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char word[16];
        found = found || (sscanf(line, "%" SCNu64 " %15s", calls, word) == 2 && strcmp(word, "total") == 0);
    }
    if (file != NULL) {
        fclose(file);
    }
    return found ? NULL : bench_copy("strace gave no sum");
}

static char *read_allocations(const struct files *files, uint64_t *calls)
{
    *calls = files->allocations->calls;
    return files->allocations->ended > 0 ? NULL : bench_copy("it does not use the C library's allocator");
}

/* What stands before the program: strace, then the environment for what it starts. */
static size_t make_prefix(const char **prefix, const struct files *files, bool with_strace, char *texts[2])
{
    size_t count = 0;
    const char *library = find_library();
    if (with_strace) {
        static const char *const strace[] = {"strace", "-f", "-qq", "-c", "-U", "calls,name", "-o"};
        for (size_t i = 0; i < sizeof strace / sizeof *strace; i++) {
            prefix[count++] = strace[i];
        }
        prefix[count++] = files->calls_path;
    }
    if (library != NULL) {
        texts[0] = bench_format("LD_PRELOAD=%s", library);
        texts[1] = bench_format("%s=%s", BENCH_ALLOCATIONS_FILE, files->allocations_path);
        prefix[count++] = "env";
        prefix[count++] = texts[0];
        prefix[count++] = texts[1];
    }
    return count;
}

/* Runs it once. Returns NULL, or why what was counted means nothing. */
static char *run_counted(const bench_command *command, uint64_t count, bool with_strace, struct counts *counts)
{
    struct files files;
    const char *prefix[PREFIX_MAX];
    char *texts[2] = {NULL, NULL};
    bench_side_result sample;
    open_files(&files);
    bench_command counted = *command;
    counted.count = count;
    counted.quick = true;
    counted.prefix = prefix;
    counted.prefix_count = make_prefix(prefix, &files, with_strace, texts);
    bench_sample_run(&sample, &counted);
    const char *wrong = sample.invalid != NULL ? sample.invalid : sample.skipped;
    char *reason = wrong != NULL ? bench_copy(wrong) : NULL;
    bool polls = bench_side_figure(&sample, "late-sends") != NULL;
    bench_side_free(&sample);
    if (reason == NULL) {
        counts->no_system_calls = polls         ? bench_copy("its generator polls, by time and not by operation")
                                  : with_strace ? read_calls(&files, &counts->system_calls)
                                                : bench_copy("strace is not installed");
        counts->no_allocations = texts[0] != NULL ? read_allocations(&files, &counts->allocations)
                                                  : bench_copy("libjzx-bench-allocations.so is missing");
    }
    free(texts[0]);
    free(texts[1]);
    close_files(&files);
    return reason;
}

bool bench_counting_has_strace(void)
{
    const char *arguments[] = {"strace", "-V", NULL};
    char *reason = NULL;
    size_t size = 0;
    char *text = bench_process_read(arguments, NULL, 0, 10, &size, &reason);
    bool there = text != NULL;
    free(text);
    free(reason);
    return there;
}

/* What differs from run to run shows as less than nothing now and then. */
static double slope(uint64_t once, uint64_t twice, uint64_t count)
{
    return fmax(0, ((double)twice - (double)once) / (double)count);
}

static char *first_reason(char *left, char *right)
{
    if (left != NULL) {
        free(right);
        return left;
    }
    return right;
}

void bench_counting_run(bench_counting *counting, const bench_command *command, bool with_strace)
{
    struct counts once = {0};
    struct counts twice = {0};
    uint64_t count = command->count;
    char *reason = run_counted(command, count, with_strace, &once);
    if (reason == NULL) {
        reason = run_counted(command, 2 * count, with_strace, &twice);
    }
    *counting = (bench_counting){
        .system_calls = slope(once.system_calls, twice.system_calls, count),
        .allocations = slope(once.allocations, twice.allocations, count),
        .no_system_calls = first_reason(once.no_system_calls, twice.no_system_calls),
        .no_allocations = first_reason(once.no_allocations, twice.no_allocations),
    };
    if (reason != NULL) {
        counting->no_system_calls = first_reason(bench_copy(reason), counting->no_system_calls);
        counting->no_allocations = first_reason(reason, counting->no_allocations);
    }
}

void bench_counting_free(bench_counting *counting)
{
    free(counting->no_system_calls);
    free(counting->no_allocations);
    *counting = (bench_counting){0};
}
