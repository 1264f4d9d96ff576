/* collect.c: see collect.h. */
#include "collect.h"

#include "lines.h"
#include "memory.h"
#include "stats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void append(bench_figure *figure, double value)
{
    figure->values = bench_more(figure->values, figure->count, sizeof *figure->values);
    figure->values[figure->count++] = value;
}

static void take_counters(bench_entry *entry)
{
    for (size_t i = 0; i < entry->sample.counter_count; i++) {
        const bench_value *counter = &entry->sample.counters[i];
        bench_figure *kept = bench_figure_find(entry->counters, entry->counter_count, counter->name);
        if (kept == NULL) {
            entry->counters = bench_more(entry->counters, entry->counter_count, sizeof *entry->counters);
            kept = &entry->counters[entry->counter_count++];
            *kept = (bench_figure){.name = bench_copy(counter->name)};
        }
        append(kept, counter->number);
    }
}

static void take_first(bench_entry *entry)
{
    bench_side_result *to = &entry->result;
    bench_side_result *from = &entry->sample;
    to->version = from->version;
    to->figures = from->figures;
    to->figure_count = from->figure_count;
    to->proofs = from->proofs;
    to->proof_count = from->proof_count;
    to->histogram = from->histogram;
    from->version = NULL;
    from->figures = NULL;
    from->figure_count = 0;
    from->proofs = NULL;
    from->proof_count = 0;
    from->histogram = NULL;
}

static void take_next(bench_entry *entry)
{
    bench_side_result *to = &entry->result;
    bench_side_result *from = &entry->sample;
    for (size_t i = 0; i < from->figure_count; i++) {
        const bench_figure *figure = &from->figures[i];
        bench_figure *kept = bench_figure_find(to->figures, to->figure_count, figure->name);
        if (kept == NULL || from->figure_count != to->figure_count) {
            bench_sample_invalid(to, "not every run of it has the figure %s", figure->name);
            return;
        }
        if (strcmp(kept->unit, figure->unit) != 0 || kept->better != figure->better) {
            bench_sample_invalid(to, "its runs do not agree on what the figure %s is", figure->name);
            return;
        }
        append(kept, figure->values[0]);
    }
    if (to->histogram != NULL && from->histogram != NULL) {
        bench_histogram_merge(to->histogram, from->histogram);
    }
}

void bench_collect(bench_entry *entry)
{
    bench_side_result *sample = &entry->sample;
    if (sample->invalid != NULL) {
        bench_sample_invalid(&entry->result, "%s", sample->invalid);
    } else if (sample->skipped != NULL && entry->result.figure_count > 0) {
        bench_sample_invalid(&entry->result, "it was run, and then skipped: %s", sample->skipped);
    } else if (sample->skipped != NULL) {
        entry->result.skipped = bench_copy(sample->skipped);
    } else {
        take_counters(entry);
        if (entry->result.figure_count == 0) {
            take_first(entry);
        } else {
            take_next(entry);
        }
    }
    bench_side_free(sample);
    entry->sampled = false;
}

static void compare_proofs(bench_side_result *sample, const bench_side_result *first, const char *name)
{
    for (size_t i = 0; i < first->proof_count; i++) {
        const bench_value *wanted = &first->proofs[i];
        const bench_value *got = bench_value_find(sample->proofs, sample->proof_count, wanted->name);
        if (got == NULL) {
            bench_sample_invalid(sample, "it does not prove '%s', as %s does", wanted->name, name);
            return;
        }
        if (got->exact != wanted->exact) {
            bench_sample_invalid(sample, "its proof '%s' is %" PRIu64 ", that of %s %" PRIu64, wanted->name, got->exact,
                                 name, wanted->exact);
            return;
        }
    }
    for (size_t i = 0; i < sample->proof_count; i++) {
        if (bench_value_find(first->proofs, first->proof_count, sample->proofs[i].name) == NULL) {
            bench_sample_invalid(sample, "it proves '%s', as %s does not", sample->proofs[i].name, name);
            return;
        }
    }
}

void bench_collect_compare(bench_entry *entry, const bench_entry *first)
{
    bench_side_result *sample = &entry->sample;
    const char *name = first->result.name;
    if (sample->invalid != NULL || sample->skipped != NULL) {
        return;
    }
    if (!first->sampled || first->sample.invalid != NULL) {
        bench_sample_invalid(sample, "there is nothing to prove it by: %s is invalid", name);
    } else if (first->sample.skipped != NULL) {
        bench_side_free(sample);
        sample->skipped = bench_format("there is nothing to prove it by: %s was skipped", name);
    } else {
        compare_proofs(sample, &first->sample, name);
    }
}

void bench_collect_end(bench_entry *entry)
{
    bench_side_result *result = &entry->result;
    bool kept = result->invalid == NULL && result->skipped == NULL;
    for (size_t i = 0; i < entry->counter_count; i++) {
        bench_figure *counter = &entry->counters[i];
        if (kept) {
            result->counters = bench_more(result->counters, result->counter_count, sizeof *result->counters);
            result->counters[result->counter_count++] = (bench_value){
                .name = bench_copy(counter->name), .number = bench_median(counter->values, counter->count)};
        }
        free(counter->name);
        free(counter->values);
    }
    free(entry->counters);
    entry->counters = NULL;
    entry->counter_count = 0;
}
