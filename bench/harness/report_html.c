/* report_html.c: the page. One file that needs no other, for a phone, a wide screen and paper, light or dark. */
#include "report.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

/* Below 700 px each row of a table becomes a card, whose lines say what they are. Pictures have no background of their own. */
static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1a1a1a;--soft:#595959;--line:#d8d8d8;--page:#fff;--card:#f6f7f8;--good:#0b6b3a;"
    "--bad:#b3261e;--link:#0b57a4}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--soft:#a6a6a6;--line:#3b3f44;--page:#15181b;--card:#1e2226;"
    "--good:#6fd29b;--bad:#ff8a80;--link:#8ab8ff}figure svg{filter:invert(1) hue-rotate(180deg)}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:76rem;padding:1rem;background:var(--page);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.25rem;margin:2.5rem 0 .5rem;"
    "border-bottom:1px solid var(--line)}h3{font-size:1rem;margin:1.5rem 0 .5rem}\n"
    "p,ul{max-width:48rem}a{color:var(--link)}nav a{display:inline-block;margin:0 1rem .3rem 0}\n"
    ".about{color:var(--soft)}.note{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}\n"
    "table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}\n"
    "th,td{text-align:right;padding:.35rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}\n"
    "th{color:var(--soft);font-weight:600;vertical-align:bottom}th:first-child,td:first-child,.text th,.text td"
    "{text-align:left}\n"
    ".cards td{white-space:nowrap}.cards "
    "td.long{white-space:normal;min-width:9rem}td:first-child{font-weight:600}.text td{overflow-wrap:anywhere}.text "
    "td:first-child{white-space:nowrap}\n"
    "pre{background:var(--card);padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:.4rem}\n"
    ".wide{overflow-x:auto}.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));"
    "gap:1rem;margin:1rem 0}\n"
    "figure{margin:0;padding:.6rem;background:var(--card);border-radius:.4rem;break-inside:avoid}"
    "figure svg{display:block;width:100%;height:auto}figcaption{font-size:.85rem;color:var(--soft)}\n"
    "details{margin:1rem 0}summary{cursor:pointer;color:var(--link)}\n"
    "@media(max-width:700px){table.cards,.cards tbody,.cards tr,.cards td{display:block}.cards thead{display:none}"
    ".cards tr{background:var(--card);border-radius:.4rem;padding:.5rem .7rem;margin:0 0 .7rem}"
    ".cards td{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.12rem 0;text-align:right}"
    ".cards td,.cards td.long{white-space:normal;min-width:0}.cards td:first-child{font-size:1rem}.cards "
    "td:empty{display:none}.cards td::before{content:attr(data-is);"
    "color:var(--soft);font-weight:400;text-align:left;flex:none}.cards td:first-child::before{content:none}"
    ".text td:first-child{white-space:normal}}\n"
    "@media "
    "print{body{max-width:none;font-size:10pt;padding:0}nav{display:none}table{font-size:7.5pt}tr{break-inside:avoid}"
    "h2,h3{break-after:avoid}.plots{grid-template-columns:1fr 1fr}}\n";

/* ---- elements ---- */

static void begin(xmlTextWriterPtr w, const char *name, const char *mark)
{
    xmlTextWriterStartElement(w, (const xmlChar *)name);
    if (mark != NULL) {
        xmlTextWriterWriteAttribute(w, (const xmlChar *)"class", (const xmlChar *)mark);
    }
}

static void attribute(xmlTextWriterPtr w, const char *name, const char *value)
{
    xmlTextWriterWriteAttribute(w, (const xmlChar *)name, (const xmlChar *)value);
}

/* Never <td/>: a reader of HTML takes that for an opening. */
static void end(xmlTextWriterPtr w)
{
    xmlTextWriterFullEndElement(w);
}

static void element(xmlTextWriterPtr w, const char *name, const char *mark, const char *text)
{
    begin(w, name, mark);
    xmlTextWriterWriteString(w, (const xmlChar *)text);
    end(w);
}

static void table(xmlTextWriterPtr w, const bench_table *table, const char *mark)
{
    begin(w, "div", "wide");
    begin(w, "table", mark);
    begin(w, "thead", NULL);
    begin(w, "tr", NULL);
    for (size_t i = 0; i < table->columns; i++) {
        element(w, "th", NULL, table->heads[i]);
    }
    end(w);
    end(w);
    begin(w, "tbody", NULL);
    for (size_t row = 0; row < table->rows; row++) {
        begin(w, "tr", NULL);
        for (size_t i = 0; i < table->columns; i++) {
            const bench_cell *cell = bench_table_cell(table, row, i);
            bool is_long = strcmp(table->heads[i], "goal") == 0 || strcmp(table->heads[i], "best peer") == 0;
            char *marks = bench_format("%s%s", is_long ? "long " : "", cell->mark == NULL ? "" : cell->mark);
            begin(w, "td", *marks == '\0' ? NULL : marks);
            free(marks);
            attribute(w, "data-is", table->heads[i]);
            if (cell->text[0] != '\0') {
                element(w, "span", NULL, cell->text);
            }
            end(w);
        }
        end(w);
    }
    end(w);
    end(w);
    end(w);
}

/* ---- parts ---- */

static void head(xmlTextWriterPtr w, const bench_report *report)
{
    begin(w, "head", NULL);
    begin(w, "meta", NULL);
    attribute(w, "charset", "utf-8");
    xmlTextWriterEndElement(w);
    begin(w, "meta", NULL);
    attribute(w, "name", "viewport");
    attribute(w, "content", "width=device-width, initial-scale=1");
    xmlTextWriterEndElement(w);
    element(w, "title", NULL, report->title);
    begin(w, "style", NULL);
    xmlTextWriterWriteRaw(w, (const xmlChar *)style);
    end(w);
    end(w);
}

static bool is_of_group(const bench_report *report, size_t first, const bench_picture *plot)
{
    const char *name = report->all.workloads[first].name;
    size_t length = bench_group_length(name);
    return bench_group_length(plot->workload) == length && strncmp(plot->workload, name, length) == 0;
}

static bool plots(xmlTextWriterPtr w, const bench_report *report, size_t first)
{
    bool good = true;
    begin(w, "div", "plots");
    for (size_t i = 0; good && i < report->plots.count; i++) {
        const bench_picture *plot = &report->plots.plots[i];
        if (!is_of_group(report, first, plot)) {
            continue;
        }
        char *path = bench_format("%s/%s.svg", report->plot_folder, plot->name);
        begin(w, "figure", NULL);
        element(w, "figcaption", NULL, plot->title);
        good = bench_svg_inline(w, path, plot->title, i);
        end(w);
        free(path);
    }
    end(w);
    return good;
}

static void abouts(xmlTextWriterPtr w, const bench_report *report, size_t first)
{
    begin(w, "details", NULL);
    element(w, "summary", NULL, "What each workload does");
    begin(w, "ul", NULL);
    for (size_t i = first; i < report->all.workload_count; i++) {
        const bench_workload_result *workload = &report->all.workloads[i];
        if (bench_group_holds(report, first, i)) {
            char *text = bench_format("%s: %s; %llu operations a run", workload->name,
                                      workload->about == NULL ? "" : workload->about,
                                      (unsigned long long)workload->count);
            element(w, "li", NULL, text);
            free(text);
        }
    }
    end(w);
    end(w);
}

static void extra(xmlTextWriterPtr w, const bench_table *of, const char *summary, const char *mark)
{
    if (of->rows > 0) {
        begin(w, "details", NULL);
        element(w, "summary", NULL, summary);
        table(w, of, mark);
        end(w);
    }
}

static char *group_name(const bench_report *report, size_t first)
{
    const char *name = report->all.workloads[first].name;
    return bench_format("%.*s", (int)bench_group_length(name), name);
}

static bool group(xmlTextWriterPtr w, const bench_report *report, size_t first)
{
    bench_table rows, counters, notes;
    char *name = group_name(report, first);
    bench_report_group(report, first, &rows);
    bench_report_counters(report, first, &counters);
    bench_report_notes(report, first, &notes);
    begin(w, "section", NULL);
    attribute(w, "id", name);
    element(w, "h2", NULL, name);
    table(w, &rows, "cards");
    abouts(w, report, first);
    extra(w, &counters, "What was counted, by operation", "cards");
    extra(w, &notes, "Versions, and what was left out", "text");
    bool good = plots(w, report, first);
    end(w);
    bench_table_deinit(&rows);
    bench_table_deinit(&counters);
    bench_table_deinit(&notes);
    free(name);
    return good;
}

static void standing(xmlTextWriterPtr w, const bench_report *report)
{
    bench_table behind;
    char *text = bench_report_standing(report, &behind);
    element(w, "p", NULL, text);
    if (behind.rows > 0) {
        element(w, "h3", NULL, "Where a peer is ahead or a goal is missed");
        table(w, &behind, "cards");
    }
    free(text);
    bench_table_deinit(&behind);
}

static void links(xmlTextWriterPtr w, const bench_report *report)
{
    begin(w, "nav", NULL);
    for (size_t i = 0; i < report->all.workload_count; i++) {
        if (bench_group_begins(report, i)) {
            char *name = group_name(report, i), *target = bench_format("#%s", name);
            begin(w, "a", NULL);
            attribute(w, "href", target);
            xmlTextWriterWriteString(w, (const xmlChar *)name);
            end(w);
            free(name);
            free(target);
        }
    }
    end(w);
}

static void reading(xmlTextWriterPtr w)
{
    element(w, "h2", NULL, "How to read it");
    begin(w, "ul", NULL);
    for (const char *const *line = bench_report_reading; *line != NULL; line++) {
        element(w, "li", NULL, *line);
    }
    element(
        w, "li", NULL,
        "In the pictures each faint point is one run, in their order from below; the full point is the median, the bar "
        "goes from quartile to quartile. Curves of latencies give each further nine the same room.");
    end(w);
}

static bool body(xmlTextWriterPtr w, const bench_report *report)
{
    bench_table facts;
    bool good = true;
    bench_report_facts(report, &facts);
    begin(w, "body", NULL);
    element(w, "h1", NULL, report->title);
    standing(w, report);
    if (!report->has_plots) {
        element(w, "p", "bad", "Without pictures: gnuplot was missing or failed.");
    }
    links(w, report);
    for (size_t i = 0; good && i < report->all.workload_count; i++) {
        good = !bench_group_begins(report, i) || group(w, report, i);
    }
    reading(w);
    element(w, "h2", NULL, "Machine and build");
    table(w, &facts, "text");
    element(w, "h2", NULL, "Making it again");
    element(w, "pre", NULL, report->command);
    end(w);
    bench_table_deinit(&facts);
    return good;
}

bool bench_report_html(const bench_report *report, const char *path)
{
    xmlTextWriterPtr w = xmlNewTextWriterFilename(path, 0);
    if (w == NULL) {
        bench_say("%s: cannot be written", path);
        return false;
    }
    xmlTextWriterWriteRaw(w, (const xmlChar *)"<!doctype html>\n");
    begin(w, "html", NULL);
    attribute(w, "lang", "en");
    head(w, report);
    bool good = body(w, report);
    bool written = xmlTextWriterEndDocument(w) >= 0 && xmlTextWriterFlush(w) >= 0;
    if (good && !written) {
        bench_say("%s: cannot be written", path);
    }
    xmlFreeTextWriter(w);
    return good && written;
}
