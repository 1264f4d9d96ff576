/* sample.c: see sample.h. process.c has the process. */
#include "sample.h"

#include "lines.h"
#include "memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "0,2" of the CPUs. */
static char *cpus_text(const int *cpus, int count)
{
    char *text = bench_copy("cpus=");
    for (int i = 0; i < count; i++) {
        bench_append(&text, "%s%d", i > 0 ? "," : "", cpus[i]);
    }
    return text;
}

/* As another program, which runs it, finds it: there this program is another. */
static char *path_of(const bench_command *command)
{
    bool own = command->prefix_count > 0 && strcmp(command->program, BENCH_SELF) == 0;
    return own ? bench_format("/proc/%d/exe", getpid()) : bench_copy(command->program);
}

enum { OWN = 6 };

/* The arguments of the protocol, made of `own`, which is to be freed after them. */
static const char **make_arguments(const bench_command *command, char *own[OWN])
{
    size_t count = command->prefix_count;
    const char **arguments = bench_new((count + OWN + 3 + command->option_count + 1) * sizeof *arguments);
    for (size_t i = 0; i < count; i++) {
        arguments[i] = command->prefix[i];
    }
    own[0] = path_of(command);
    own[1] = bench_format("count=%" PRIu64, command->count);
    own[2] = bench_format("warm=%" PRIu64, command->warm);
    own[3] = cpus_text(command->cpus, command->cpu_count);
    own[4] = bench_format("seed=%" PRIu64, command->seed);
    own[5] = bench_format("quick=%d", command->quick);
    const char *const all[] = {own[0], "measure", command->workload, command->side, own[1], own[2], own[3],
                               own[4], own[5]};
    memcpy(arguments + count, all, sizeof all);
    count += sizeof all / sizeof *all;
    for (size_t i = 0; i < command->option_count; i++) {
        arguments[count + i] = command->options[i];
    }
    return arguments;
}

void bench_sample_run(bench_side_result *sample, const bench_command *command)
{
    char *own[OWN];
    const char **arguments = make_arguments(command, own);
    char *reason = NULL;
    size_t size = 0;
    char *text = bench_process_read(arguments, command->cpus, command->cpu_count, command->limit_s, &size, &reason);
    *sample = (bench_side_result){0};
    if (text == NULL) {
        bench_sample_invalid(sample, "%s", reason);
    } else {
        bench_lines_read(sample, command->item, text, size);
    }
    for (int i = 0; i < OWN; i++) {
        free(own[i]);
    }
    free(text);
    free(reason);
    free(arguments);
}
