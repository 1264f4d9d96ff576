/* report_markdown.c: the tables of a report, for texts that live in the repository. */
#include "report.h"

#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char opening[] = "<!-- figures -->", closing[] = "<!-- /figures -->";

static void standing(const bench_report *report, FILE *out)
{
    bench_table behind;
    char *text = bench_report_standing(report, &behind);
    fprintf(out, "%s\n\n", text);
    if (behind.rows > 0) {
        fputs("Where a peer is ahead or a goal is missed:\n\n", out);
        bench_table_markdown(&behind, out);
        fputc('\n', out);
    }
    free(text);
    bench_table_deinit(&behind);
}

static void group(const bench_report *report, size_t first, FILE *out)
{
    bench_table rows, notes;
    const char *name = report->all.workloads[first].name;
    bench_report_group(report, first, &rows);
    bench_report_notes(report, first, &notes);
    fprintf(out, "**%.*s**\n\n", (int)bench_group_length(name), name);
    bench_table_markdown(&rows, out);
    fputc('\n', out);
    for (size_t row = 0; row < notes.rows; row++) {
        fprintf(out, "%s%s: %s", row == 0 ? "" : "; ", bench_table_cell(&notes, row, 0)->text,
                bench_table_cell(&notes, row, 1)->text);
    }
    fputs(notes.rows > 0 ? ".\n\n" : "", out);
    bench_table_deinit(&rows);
    bench_table_deinit(&notes);
}

static void write_all(const bench_report *report, FILE *out)
{
    bench_table facts;
    standing(report, out);
    for (size_t i = 0; i < report->all.workload_count; i++) {
        if (bench_group_begins(report, i)) {
            group(report, i, out);
        }
    }
    for (const char *const *line = bench_report_reading; *line != NULL; line++) {
        fprintf(out, "- %s\n", *line);
    }
    fputs("\nMachine and build:\n\n", out);
    bench_report_facts(report, &facts);
    bench_table_markdown(&facts, out);
    bench_table_deinit(&facts);
    fprintf(out, "\nMade again by:\n\n```\n%s\n```\n", report->command);
}

/* ---- files: whole, or as they were ---- */

static char *whole(const bench_report *report)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        bench_fail("out of memory");
    }
    write_all(report, out);
    fclose(out);
    return text;
}

static bool replace(const char *path, const char *const parts[3], const size_t sizes[3])
{
    char *beside = bench_format("%s.XXXXXX", path);
    struct stat before;
    mode_t mode = stat(path, &before) == 0 ? before.st_mode & 0777 : 0644;
    int fd = mkstemp(beside);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool good = file != NULL && fchmod(fd, mode) == 0;
    for (int i = 0; good && i < 3; i++) {
        good = fwrite(parts[i], 1, sizes[i], file) == sizes[i];
    }
    good = (file == NULL || fclose(file) == 0) && good && rename(beside, path) == 0;
    if (!good) {
        bench_say("%s: %s", path, strerror(errno));
        if (fd >= 0) {
            unlink(beside);
        }
    }
    free(beside);
    return good;
}

bool bench_report_markdown(const bench_report *report, const char *path)
{
    char *text = whole(report);
    bool good = replace(path, (const char *const[]){text, "", ""}, (const size_t[]){strlen(text), 0, 0});
    free(text);
    return good;
}

/* To be freed in either case. */
static bool read_file(const char *path, char **text)
{
    size_t room = 0;
    FILE *file = fopen(path, "r");
    bool good = file != NULL && getdelim(text, &room, '\0', file) > 0;
    if (!good) {
        bench_say("%s: %s", path, file == NULL ? strerror(errno) : "is empty");
    }
    if (file != NULL) {
        fclose(file);
    }
    return good;
}

bool bench_report_update(const bench_report *report, const char *path)
{
    char *old = NULL;
    if (!read_file(path, &old)) {
        free(old);
        return false;
    }
    char *from = strstr(old, opening), *to = from == NULL ? NULL : strstr(from, closing);
    bool good = to != NULL && strstr(from + 1, opening) == NULL && strstr(to + 1, closing) == NULL;
    if (good) {
        char *text = whole(report), *new = bench_format("%s\n\n%s\n", opening, text);
        good = replace(path, (const char *const[]){old, new, to},
                       (const size_t[]){(size_t)(from - old), strlen(new), strlen(to)});
        free(text);
        free(new);
    } else {
        bench_say("%s: must have one %s and after it one %s", path, opening, closing);
    }
    free(old);
    return good;
}
