/* choose.c: which workloads are meant, and which sides of them there are, here and in other programs. See plan.h. */
#include "plan.h"

#include "memory.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* A program says what it can do at once. */
static const double LIST_LIMIT_S = 60;

static bool text_is_among(const bench_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (strcmp(texts->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool side_is_wanted(const bench_settings *settings, const char *side)
{
    return settings->only.count == 0 || text_is_among(&settings->only, side);
}

static bool workload_is_wanted(const bench_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->names.count; i++) {
        if (fnmatch(settings->names.items[i], name, 0) == 0) {
            return true;
        }
    }
    return settings->names.count == 0;
}

/* Each name must mean something. */
static bool names_are_known(const bench_suite *suite, const bench_settings *settings)
{
    for (size_t i = 0; i < settings->names.count; i++) {
        size_t found = 0;
        for (size_t j = 0; j < suite->count; j++) {
            found += fnmatch(settings->names.items[i], suite->workloads[j].name, 0) == 0;
        }
        if (found == 0) {
            bench_say("there is no workload %s; list shows those that there are", settings->names.items[i]);
            return false;
        }
    }
    return true;
}

static bench_entry *add_entry(bench_row *row, const char *program, const char *name, bench_role role)
{
    row->entries = bench_more(row->entries, row->entry_count, sizeof *row->entries);
    bench_entry *entry = &row->entries[row->entry_count++];
    *entry = (bench_entry){.program = program, .result = {.name = bench_copy(name), .role = role}};
    return entry;
}

/* Own sides, the first of them twice. */
static void add_row(bench_plan *plan, const jzx_bench_workload *workload)
{
    const bench_settings *settings = plan->settings;
    bench_row row = {.workload = workload, .count = bench_suite_count(workload, settings->quick)};
    row.cpu_count = workload->cpus != 0 ? workload->cpus : settings->cpu_count;
    for (size_t i = 0; i < workload->side_count; i++) {
        const char *name = workload->sides[i].name;
        if (!side_is_wanted(settings, name)) {
            continue;
        }
        add_entry(&row, BENCH_SELF, name, BENCH_ROLE_OWN);
        if (row.entry_count == 1) {
            add_entry(&row, BENCH_SELF, name, BENCH_ROLE_TWIN);
        }
    }
    if (row.entry_count > 0) {
        plan->rows = bench_more(plan->rows, plan->row_count, sizeof *plan->rows);
        plan->rows[plan->row_count++] = row;
    }
}

static bench_row *find_row(bench_plan *plan, const char *workload)
{
    for (size_t i = 0; i < plan->row_count; i++) {
        if (strcmp(plan->rows[i].workload->name, workload) == 0) {
            return &plan->rows[i];
        }
    }
    return NULL;
}

static bool row_has(const bench_row *row, const char *name, bench_role role)
{
    for (size_t i = 0; i < row->entry_count; i++) {
        if (row->entries[i].result.role == role && strcmp(row->entries[i].result.name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* One line of what a program lists; false after a message. What it can do beside the workloads here is its own affair. */
static bool take_offer(bench_plan *plan, const char *program, bench_role role, char *line)
{
    char *workload = line;
    char *side = strchr(line, ' ');
    if (side == NULL || side == line || side[1] == '\0' || strchr(side + 1, ' ') != NULL) {
        bench_say("%s list: '%s' is not WORKLOAD SIDE", program, line);
        return false;
    }
    *side++ = '\0';
    bench_row *row = find_row(plan, workload);
    if (row == NULL) {
        return true;
    }
    if (role == BENCH_ROLE_OLD) {
        if (strcmp(side, row->entries[0].result.name) == 0 && !row_has(row, side, role)) {
            add_entry(row, program, side, role);
        }
        return true;
    }
    if (row_has(row, side, role)) {
        bench_say("%s list: there is a program already with the side %s of %s", program, side, workload);
        return false;
    }
    if (side_is_wanted(plan->settings, side)) {
        add_entry(row, program, side, role);
    }
    return true;
}

static bool take_offers(bench_plan *plan, const char *program, bench_role role, char *text, size_t size)
{
    char *end = text + size;
    for (char *line = text; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL) {
            bench_say("%s list: its last line does not end", program);
            return false;
        }
        *stop = '\0';
        if (!take_offer(plan, program, role, line)) {
            return false;
        }
        line = stop + 1;
    }
    return true;
}

static bool ask_program(bench_plan *plan, const char *program, bench_role role)
{
    const char *arguments[] = {program, "list", NULL};
    char *reason = NULL;
    size_t size = 0;
    char *text = bench_process_read(arguments, NULL, 0, LIST_LIMIT_S, &size, &reason);
    if (text == NULL) {
        bench_say("%s list: %s", program, reason);
        free(reason);
        return false;
    }
    bool good = take_offers(plan, program, role, text, size);
    free(text);
    return good;
}

static bool only_is_known(const bench_plan *plan)
{
    const bench_texts *only = &plan->settings->only;
    for (size_t i = 0; i < only->count; i++) {
        bool found = false;
        for (size_t j = 0; j < plan->row_count && !found; j++) {
            found = row_has(&plan->rows[j], only->items[i], BENCH_ROLE_OWN) ||
                    row_has(&plan->rows[j], only->items[i], BENCH_ROLE_PEER);
        }
        if (!found) {
            bench_say("none of these workloads has a side %s", only->items[i]);
            return false;
        }
    }
    return true;
}

/* Where there are not CPUs enough, nothing of the row is run. */
static void skip_rows(bench_plan *plan)
{
    for (size_t i = 0; i < plan->row_count; i++) {
        bench_row *row = &plan->rows[i];
        for (size_t j = 0; row->cpu_count > plan->settings->cpu_count && j < row->entry_count; j++) {
            row->entries[j].result.skipped = bench_format("it needs %d CPUs and has %d", row->cpu_count,
                                                          plan->settings->cpu_count);
        }
    }
}

bool bench_plan_choose(bench_plan *plan, const bench_suite *suite, const bench_settings *settings)
{
    *plan = (bench_plan){.settings = settings};
    if (!names_are_known(suite, settings)) {
        return false;
    }
    for (size_t i = 0; i < suite->count; i++) {
        if (workload_is_wanted(settings, suite->workloads[i].name)) {
            add_row(plan, &suite->workloads[i]);
        }
    }
    for (size_t i = 0; i < settings->peers.count; i++) {
        if (!ask_program(plan, settings->peers.items[i], BENCH_ROLE_PEER)) {
            return false;
        }
    }
    if (settings->against != NULL && !ask_program(plan, settings->against, BENCH_ROLE_OLD)) {
        return false;
    }
    skip_rows(plan);
    return only_is_known(plan);
}
