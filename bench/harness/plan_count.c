/* plan_count.c: after the timed blocks, what is counted in runs of its own: see counting.h. */
#include "plan.h"

#include "counting.h"
#include "machine.h"
#include "memory.h"
#include "progress.h"

#include <stdlib.h>

static void add(bench_entry *entry, const char *name, double value)
{
    entry->counters = bench_more(entry->counters, entry->counter_count, sizeof *entry->counters);
    bench_figure *counter = &entry->counters[entry->counter_count++];
    *counter = (bench_figure){.name = bench_copy(name)};
    counter->values = bench_more(NULL, 0, sizeof *counter->values);
    counter->values[counter->count++] = value;
}

/* Why a side has no count is a fact of the result, so that a gap in a table can be explained. */
static void add_reason(bench_result *result, const bench_row *row, const bench_entry *entry, const char *what,
                       const char *reason)
{
    char *text = bench_format("no %s of %s by %s: %s", what, row->workload->name, entry->result.name, reason);
    bench_fact_add(result, "counting", text);
    free(text);
}

static void count_entry(const bench_plan *plan, const bench_row *row, bench_entry *entry, bool with_strace,
                        bench_result *result)
{
    bench_counting counting;
    bench_command command = bench_plan_command(plan, row, entry);
    command.count = bench_suite_count(row->workload, true);
    command.warm = bench_suite_warm(row->workload, command.count);
    bench_counting_run(&counting, &command, with_strace);
    if (counting.no_system_calls == NULL) {
        add(entry, "system-calls", counting.system_calls);
    } else {
        add_reason(result, row, entry, "system calls", counting.no_system_calls);
    }
    if (counting.no_allocations == NULL) {
        add(entry, "allocations", counting.allocations);
    } else {
        add_reason(result, row, entry, "allocations", counting.no_allocations);
    }
    bench_counting_free(&counting);
}

/* The twin is the first side once more. */
static bool is_counted(const bench_entry *entry)
{
    return bench_entry_open(entry) && entry->result.role != BENCH_ROLE_TWIN;
}

static size_t count_entries(const bench_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->row_count; i++) {
        for (size_t j = 0; j < plan->rows[i].entry_count; j++) {
            count += is_counted(&plan->rows[i].entries[j]);
        }
    }
    return count;
}

void bench_plan_count(bench_plan *plan, bench_result *result)
{
    bench_progress progress;
    bool with_strace = bench_counting_has_strace();
    bench_progress_init(&progress, count_entries(plan));
    for (size_t i = 0; i < plan->row_count; i++) {
        bench_row *row = &plan->rows[i];
        for (size_t j = 0; j < row->entry_count; j++) {
            if (is_counted(&row->entries[j])) {
                bench_progress_step(&progress, row->workload->name, row->entries[j].result.name);
                count_entry(plan, row, &row->entries[j], with_strace, result);
            }
        }
    }
    bench_progress_end(&progress);
}
