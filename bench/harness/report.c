#include "report.h"

#include "commands.h"
#include "memory.h"

#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct report_request {
    const char *folder;
    const char *title;
    const char *markdown;
    const char *update;
    bool plots;
} report_request;

/* ---- what is there ---- */

static int is_json(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && ending != NULL && strcmp(ending, ".json") == 0;
}

/* Moves the workloads of a file into the report. False, after a message, if one of them is there already. */
static bool take_workloads(bench_report *report, bench_report_file *file)
{
    bench_result *from = &file->result;
    for (size_t i = 0; i < from->workload_count; i++) {
        if (bench_result_workload(&report->all, from->workloads[i].name) != NULL) {
            bench_say("%s: %s is in another file of this folder as well", file->path, from->workloads[i].name);
            return false;
        }
    }
    for (size_t i = 0; i < from->workload_count; i++) {
        bench_result *all = &report->all;
        all->workloads = bench_more(all->workloads, all->workload_count, sizeof(*all->workloads));
        all->workloads[all->workload_count++] = from->workloads[i];
    }
    free(from->workloads);
    from->workloads = NULL;
    from->workload_count = 0;
    return true;
}

static bool read_file(bench_report *report, const char *folder, const char *name)
{
    bench_report_file file = {.path = bench_format("%s/%s", folder, name)};
    if (!bench_result_read(file.path, &file.result)) {
        free(file.path);
        return false;
    }
    report->files = bench_more(report->files, report->file_count, sizeof(*report->files));
    report->files[report->file_count++] = file;
    return take_workloads(report, &report->files[report->file_count - 1]);
}

static bool read_folder(bench_report *report, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_json, alphasort);
    bool good = count > 0;
    if (count <= 0) {
        bench_say("%s: %s", folder, count < 0 ? strerror(errno) : "holds no result (*.json)");
    }
    for (int i = 0; i < count; i++) {
        good = good && read_file(report, folder, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
    if (good && report->all.workload_count == 0) {
        bench_say("%s: its results are empty", folder);
        good = false;
    }
    return good;
}

/* The commands of the files, and this one. */
static char *command_text(const bench_report *report, const report_request *asked)
{
    char *text = bench_copy("");
    for (size_t i = 0; i < report->file_count; i++) {
        const bench_result *result = &report->files[i].result;
        for (size_t k = 0; k < result->fact_count; k++) {
            if (strcmp(result->facts[k].name, "command") == 0) {
                bench_append(&text, "%s\n", result->facts[k].text);
            }
        }
    }
    bench_append(&text, "%s report %s", program_invocation_short_name, asked->folder);
    return text;
}

/* ---- what is made of it ---- */

static int write_report(bench_report *report, const report_request *asked)
{
    char *page = bench_format("%s/report.html", asked->folder);
    report->plot_folder = bench_format("%s/plots", asked->folder);
    report->command = command_text(report, asked);
    report->has_plots = !asked->plots || bench_plot_all(&report->all, report->plot_folder, &report->plots);
    bool good = bench_report_html(report, page);
    good = good && (asked->markdown == NULL || bench_report_markdown(report, asked->markdown));
    good = good && (asked->update == NULL || bench_report_update(report, asked->update));
    if (good) {
        printf("%s\n", page);
    }
    free(page);
    return good && report->has_plots ? 0 : 3;
}

static void report_free(bench_report *report)
{
    for (size_t i = 0; i < report->file_count; i++) {
        bench_result_free(&report->files[i].result);
        free(report->files[i].path);
    }
    free(report->files);
    bench_result_free(&report->all);
    bench_plots_free(&report->plots);
    free(report->plot_folder);
    free(report->command);
}

/* ---- arguments ---- */

enum { OPTION_TITLE = 256, OPTION_MARKDOWN, OPTION_UPDATE, OPTION_NO_PLOTS };

static const struct argp_option options[] = {
    {"title", OPTION_TITLE, "TEXT", 0, "of the page", 0},
    {"markdown", OPTION_MARKDOWN, "FILE", 0, "writes the tables there too, as Markdown", 0},
    {"update", OPTION_UPDATE, "FILE", 0,
     "puts them between <!-- figures --> and <!-- /figures --> of this file, which has both once", 0},
    {"no-plots", OPTION_NO_PLOTS, NULL, 0, "no pictures: needs no gnuplot", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    report_request *asked = state->input;
    switch (key) {
    case OPTION_TITLE:
        asked->title = text;
        return 0;
    case OPTION_MARKDOWN:
        asked->markdown = text;
        return 0;
    case OPTION_UPDATE:
        asked->update = text;
        return 0;
    case OPTION_NO_PLOTS:
        asked->plots = false;
        return 0;
    case ARGP_KEY_ARG:
        if (asked->folder != NULL) {
            argp_error(state, "one folder, not more: %s", text);
        }
        asked->folder = text;
        return 0;
    case ARGP_KEY_END:
        if (asked->folder == NULL) {
            argp_error(state, "of which folder?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp arguments = {
    .options = options,
    .parser = parse,
    .args_doc = "DIR",
    .doc = "Makes DIR/report.html of the results in DIR (*.json of run --json), with pictures that lie in DIR/plots "
           "too: one "
           "page that needs no other file.\v"
           "The status is 0, or 3 when something could not be read, drawn or written.",
};

int bench_report_main(int argc, char **argv)
{
    report_request asked = {.title = "What it costs", .plots = true};
    bench_report report = {0};
    argp_parse(&arguments, argc, argv, 0, NULL, &asked);
    report.title = asked.title;
    int status = read_folder(&report, asked.folder) ? write_report(&report, &asked) : 3;
    report_free(&report);
    return status;
}
