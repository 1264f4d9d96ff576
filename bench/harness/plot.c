#include "plot.h"

#include "gnuplot.h"
#include "judge.h"
#include "memory.h"
#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOGARITHMIC_SPAN 10 /* greatest by least, from which on the axis is logarithmic */

/* Colours that are told apart with any eyes (Okabe and Ito), by role; lines of one plot by order. */
static const unsigned line_colours[] = {0x0072b2, 0x777777, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9};

static unsigned colour_of(const bench_workload_result *workload, size_t side)
{
    if (side == 0) {
        return line_colours[0];
    }
    return workload->sides[side].role == BENCH_ROLE_PEER ? line_colours[2] : line_colours[1];
}

static bool is_drawn(const bench_side_result *side)
{
    return side->role != BENCH_ROLE_TWIN;
}

bool bench_is_percentile(const char *figure)
{
    return strcmp(figure, "max") == 0 || (figure[0] == 'p' && figure[1] >= '0' && figure[1] <= '9');
}

/* Takes `name`, and draws what was written. */
static bool done(bench_plots *plots, bench_gnuplot *plot, const char *workload, char *title)
{
    if (!bench_gnuplot_close(plot)) {
        free(plot->name);
        free(title);
        return false;
    }
    plots->plots = bench_more(plots->plots, plots->count, sizeof(*plots->plots));
    plots->plots[plots->count++] = (bench_picture){plot->name, bench_copy(workload), title};
    return true;
}

/* ---- runs ---- */

typedef struct extent {
    double least, greatest;
    size_t lines;
} extent;

static extent extent_of(const bench_workload_result *workload, const char *name)
{
    extent span = {INFINITY, 0, 0};
    for (size_t i = 0; i < workload->side_count; i++) {
        const bench_figure *figure = bench_judged_figure(&workload->sides[i], name);
        if (figure == NULL || !is_drawn(&workload->sides[i])) {
            continue;
        }
        bench_spread spread = bench_spread_of(figure->values, figure->count);
        span.least = fmin(span.least, spread.min);
        span.greatest = fmax(span.greatest, spread.max);
        span.lines++;
    }
    return span;
}

/* So that there are no more than five tics and their numbers have room: 1, 2 or 5 and noughts. */
static double step_of(double greatest)
{
    double least = greatest / 5, decade = pow(10, floor(log10(least)));
    return least <= decade ? decade : least <= 2 * decade ? 2 * decade : least <= 5 * decade ? 5 * decade : 10 * decade;
}

static void write_axis(FILE *script, const char *axis, extent span)
{
    if (span.least > 0 && span.greatest > span.least * LOGARITHMIC_SPAN) {
        fprintf(script, "set logscale %s\nset %srange [%g:%g]\n", axis, axis, span.least / 1.6, span.greatest * 1.6);
    } else {
        double end = span.greatest > 0 ? span.greatest * 1.15 : 1;
        fprintf(script, "set %srange [0:%g]\nset %stics %g\n", axis, end, axis, step_of(end));
    }
}

/* The middle of a side's line stands at a whole number; its runs lie around it, in their order from below. */
static void write_runs(FILE *data, const bench_figure *figure, size_t line, unsigned colour)
{
    for (size_t i = 0; i < figure->count; i++) {
        double share = figure->count > 1 ? (double)i / (double)(figure->count - 1) - 0.5 : 0;
        fprintf(data, "%g\t%.17g\t%u\n", (double)line + 0.5 * share, figure->values[i], 0xa0000000 | colour);
    }
}

static void write_summary(FILE *data, const bench_figure *figure, size_t line, unsigned colour)
{
    bench_spread spread = bench_spread_of(figure->values, figure->count);
    char *text = bench_number_text(spread.median);
    fprintf(data, "%zu\t%.17g\t%.17g\t%.17g\t%u\t", line, spread.median, spread.lower, spread.upper, colour);
    bench_gnuplot_cell(data, text);
    fputc('\n', data);
    free(text);
}

static void write_lines(bench_gnuplot *plot, const bench_workload_result *workload, const char *name, size_t lines)
{
    size_t line = lines;
    fputs("set ytics (", plot->script);
    for (size_t pass = 0; pass < 2; pass++) {
        line = lines;
        for (size_t i = 0; i < workload->side_count; i++) {
            const bench_side_result *side = &workload->sides[i];
            const bench_figure *figure = is_drawn(side) ? bench_judged_figure(side, name) : NULL;
            if (figure == NULL) {
                continue;
            }
            if (pass == 0) {
                write_runs(plot->data, figure, line, colour_of(workload, i));
                bench_gnuplot_tic(plot->script, side->name);
                fprintf(plot->script, " %zu%s", line, line > 1 ? ", " : "");
            } else {
                write_summary(plot->data, figure, line, colour_of(workload, i));
            }
            line--;
        }
        fputs(pass == 0 ? "\n\n" : "", plot->data);
    }
    fprintf(plot->script, ")\nset yrange [0.4:%zu.7]\n", lines);
}

static bool plot_runs(const bench_workload_result *workload, const bench_figure *of, const char *folder,
                      bench_plots *plots)
{
    extent span = extent_of(workload, of->name);
    bench_gnuplot plot;
    if (span.lines == 1 && span.least == span.greatest) {
        return true; /* one number */
    }
    char *name = bench_gnuplot_name((const char *const[]){workload->name, of->name, "runs", NULL});
    if (!bench_gnuplot_open(&plot, folder, name, 90 + 46 * (int)span.lines)) {
        free(name);
        return false;
    }
    write_lines(&plot, workload, of->name, span.lines);
    write_axis(plot.script, "x", span);
    fputs("set xlabel ", plot.script);
    char *label = bench_format("%s: %s (%s is better)", of->name, of->unit,
                               of->better == JZX_BENCH_LOWER ? "less" : "more");
    bench_gnuplot_quote(plot.script, label);
    fprintf(plot.script,
            "\nplot '%s.tsv' index 0 using 2:1:3 with points pt 7 ps 0.35 lc rgb variable, \\\n"
            "     '' index 1 using 2:1:3:4:5 with xerrorbars pt 7 ps 0.8 lw 1.5 lc rgb variable, \\\n"
            "     '' index 1 using 2:1:6 with labels offset 0,1.1\n",
            plot.name);
    free(label);
    return done(plots, &plot, workload->name, bench_format("%s, %s of each run", workload->name, of->name));
}

/* ---- percentiles ---- */

/* At most one point by hundredth of a decade: more is not seen. */
static void write_curve(FILE *data, const bench_histogram *histogram, extent *span)
{
    uint64_t all = bench_histogram_count(histogram), below = 0, value = 0, count;
    size_t at = 0;
    double last = 0;
    while ((count = bench_histogram_next(histogram, &at, &value)) != 0) {
        /* Of the last value there is nothing above: it stands where half a value would be. */
        double beyond = (double)all - (double)below - (double)count;
        double x = (double)all / (beyond > 0 ? beyond : 0.5);
        below += count;
        if (x >= last * 1.023 || below == all) {
            fprintf(data, "%.9g\t%.9g\n", x, (double)value / 1000);
            last = x;
        }
        span->least = fmin(span->least, (double)value / 1000);
        span->greatest = fmax(span->greatest, (double)value / 1000);
    }
    fputs("\n\n", data);
    span->lines++;
}

static void write_key(FILE *script)
{
    fputs("set key outside top center horizontal maxcols 4 samplen 1\nset border 3\nset grid x y\n", script);
}

static void plot_line(bench_gnuplot *plot, size_t index, const char *using, const char *with, const char *title)
{
    size_t colours = sizeof(line_colours) / sizeof(line_colours[0]);
    if (index == 0) {
        fprintf(plot->script, "plot '%s.tsv'", plot->name);
    } else {
        fputs(", \\\n     ''", plot->script);
    }
    fprintf(plot->script, " index %zu using %s with %s lw 1.5 dt %zu lc rgb '#%06x' title ", index, using, with,
            index / colours + 1, line_colours[index % colours]);
    bench_gnuplot_quote(plot->script, title);
}

static bool plot_percentiles(const bench_workload_result *workload, const char *folder, bench_plots *plots)
{
    extent span = {INFINITY, 0, 0};
    bench_gnuplot plot;
    char *name = bench_gnuplot_name((const char *const[]){workload->name, "percentiles", NULL});
    if (!bench_gnuplot_open(&plot, folder, name, 380)) {
        free(name);
        return false;
    }
    write_key(plot.script);
    for (size_t i = 0; i < workload->side_count; i++) {
        if (is_drawn(&workload->sides[i]) && workload->sides[i].histogram != NULL) {
            write_curve(plot.data, workload->sides[i].histogram, &span);
        }
    }
    write_axis(plot.script, "y", span);
    fputs("set logscale x\nset xrange [1:*]\nset xlabel 'share of all'\nset ylabel 'latency, us'\n"
          "set xtics ('50 %%' 2, '90 %%' 10, '99 %%' 100, '99.9 %%' 1e3, '99.99 %%' 1e4, '99.999 %%' 1e5, "
          "'6 nines' 1e6, '7 nines' 1e7)\n",
          plot.script);
    size_t index = 0;
    for (size_t i = 0; i < workload->side_count; i++) {
        if (is_drawn(&workload->sides[i]) && workload->sides[i].histogram != NULL) {
            plot_line(&plot, index++, "1:2", "lines", workload->sides[i].name);
        }
    }
    fputc('\n', plot.script);
    return done(plots, &plot, workload->name, bench_format("%s, latencies", workload->name));
}

/* ---- a workload ---- */

/* scale/STEM-N: how long scale/STEM is, or 0. */
static size_t stem_of(const char *name, double *loops)
{
    const char *last = strrchr(name, '-');
    char *end;
    if (strncmp(name, "scale/", 6) != 0 || last == NULL) {
        return 0;
    }
    *loops = strtod(last + 1, &end);
    return end != last + 1 && *end == '\0' && *loops >= 1 ? (size_t)(last - name) : 0;
}

static bool has_latencies(const bench_workload_result *workload)
{
    for (size_t i = 0; i < workload->side_count; i++) {
        const bench_histogram *histogram = workload->sides[i].histogram;
        if (is_drawn(&workload->sides[i]) && histogram != NULL && bench_histogram_count(histogram) > 0) {
            return true;
        }
    }
    return false;
}

static bool plot_workload(const bench_workload_result *workload, const char *folder, bench_plots *plots)
{
    bool latencies = has_latencies(workload), good = true;
    double loops;
    const bench_side_result *first = bench_workload_first(workload);
    /* Of scaling there is one picture for all. */
    size_t count = first == NULL || stem_of(workload->name, &loops) > 0 ? 0 : first->figure_count;
    for (size_t i = 0; good && i < count; i++) {
        const bench_figure *figure = bench_judged_figure(first, first->figures[i].name);
        if (figure != NULL && !(latencies && bench_is_percentile(figure->name))) {
            good = plot_runs(workload, figure, folder, plots);
        }
    }
    return good && latencies ? plot_percentiles(workload, folder, plots) : good;
}

/* ---- scaling ---- */

static bool is_of_stem(const bench_workload_result *workload, const char *stem, size_t length, double *loops)
{
    return stem_of(workload->name, loops) == length && strncmp(workload->name, stem, length) == 0;
}

static void write_scaling(FILE *data, const bench_result *result, const char *stem, size_t length,
                          const bench_side_result *side, const char *name, extent *span)
{
    for (size_t i = 0; i < result->workload_count; i++) {
        double loops = 0;
        const bench_workload_result *workload = &result->workloads[i];
        if (!is_of_stem(workload, stem, length, &loops)) {
            continue;
        }
        const bench_figure *figure = bench_judged_figure(bench_workload_side(workload, side->name, side->role), name);
        if (figure != NULL) {
            bench_spread spread = bench_spread_of(figure->values, figure->count);
            fprintf(data, "%g\t%.17g\t%.17g\t%.17g\n", loops, spread.median, spread.lower, spread.upper);
            span->least = fmin(span->least, spread.lower);
            span->greatest = fmax(span->greatest, spread.upper);
        }
    }
    fputs("\n\n", data);
    span->lines++;
}

/* `first` is the first of them in the result: its sides are drawn. */
static bool plot_scaling(const bench_result *result, const bench_workload_result *first, size_t length,
                         const bench_figure *figure, const char *folder, bench_plots *plots)
{
    bench_gnuplot plot;
    extent span = {INFINITY, 0, 0};
    char *stem = bench_format("%.*s", (int)length, first->name);
    char *name = bench_gnuplot_name((const char *const[]){stem, figure->name, "scaling", NULL});
    bool good = bench_gnuplot_open(&plot, folder, name, 380);
    if (good) {
        write_key(plot.script);
        fputs("set xlabel 'loops'\nset logscale x 2\nset xrange [0.9:*]\nset ylabel ", plot.script);
        bench_gnuplot_quote(plot.script, figure->unit);
        fputc('\n', plot.script);
        for (size_t i = 0; i < first->side_count; i++) {
            if (is_drawn(&first->sides[i]) && first->sides[i].skipped == NULL) {
                write_scaling(plot.data, result, stem, length, &first->sides[i], figure->name, &span);
            }
        }
        write_axis(plot.script, "y", span);
        size_t index = 0;
        for (size_t i = 0; i < first->side_count; i++) {
            if (is_drawn(&first->sides[i]) && first->sides[i].skipped == NULL) {
                plot_line(&plot, index++, "1:2:3:4", "yerrorlines pt 7 ps 0.6", first->sides[i].name);
            }
        }
        fputc('\n', plot.script);
        good = done(plots, &plot, stem, bench_format("%s, %s over the number of loops", stem, figure->name));
    } else {
        free(name);
    }
    free(stem);
    return good;
}

static bool plot_scalings(const bench_result *result, const bench_workload_result *first, size_t length,
                          const char *folder, bench_plots *plots)
{
    const bench_side_result *own = bench_workload_first(first);
    for (size_t i = 0; own != NULL && i < own->figure_count; i++) {
        if (!plot_scaling(result, first, length, &own->figures[i], folder, plots)) {
            return false;
        }
    }
    return true;
}

static bool is_first_of_stem(const bench_result *result, size_t index, size_t *length)
{
    double loops, other;
    const char *name = result->workloads[index].name;
    *length = stem_of(name, &loops);
    for (size_t i = 0; *length > 0 && i < index; i++) {
        if (is_of_stem(&result->workloads[i], name, *length, &other)) {
            return false;
        }
    }
    return *length > 0;
}

/* ---- all ---- */

bool bench_plot_all(const bench_result *result, const char *folder, bench_plots *plots)
{
    *plots = (bench_plots){0};
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        bench_say("%s: %s", folder, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < result->workload_count; i++) {
        size_t length;
        if (!plot_workload(&result->workloads[i], folder, plots)) {
            return false;
        }
        if (is_first_of_stem(result, i, &length) &&
            !plot_scalings(result, &result->workloads[i], length, folder, plots)) {
            return false;
        }
    }
    return true;
}

void bench_plots_free(bench_plots *plots)
{
    for (size_t i = 0; i < plots->count; i++) {
        free(plots->plots[i].name);
        free(plots->plots[i].workload);
        free(plots->plots[i].title);
    }
    free(plots->plots);
    *plots = (bench_plots){0};
}
