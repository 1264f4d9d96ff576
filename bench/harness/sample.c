/* sample.c: see sample.h. process.c has the process. */
#include "sample.h"

#include "lines.h"
#include "memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "0,2" of the CPUs. */
static char *cpus_text(const int *cpus, int count)
{
    char *text = bench_copy("cpus=");
    for (int i = 0; i < count; i++) {
        char *longer = bench_format("%s%s%d", text, i > 0 ? "," : "", cpus[i]);
        free(text);
        text = longer;
    }
    return text;
}

void bench_sample_run(bench_side_result *sample, const bench_command *command)
{
    enum { OWN = 5, FIXED = 4 + OWN };
    char *own[OWN] = {
        bench_format("count=%" PRIu64, command->count), bench_format("warm=%" PRIu64, command->warm),
        cpus_text(command->cpus, command->cpu_count),   bench_format("seed=%" PRIu64, command->seed),
        bench_format("quick=%d", command->quick),
    };
    const char **arguments = bench_new((FIXED + command->option_count + 1) * sizeof *arguments);
    const char *const fixed[] = {command->program, "measure", command->workload, command->side};
    memcpy(arguments, fixed, sizeof fixed);
    memcpy(arguments + 4, own, sizeof own);
    for (size_t i = 0; i < command->option_count; i++) {
        arguments[FIXED + i] = command->options[i];
    }
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
