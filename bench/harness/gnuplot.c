#include "gnuplot.h"

#include "memory.h"

#include <ctype.h>
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char *bench_gnuplot_name(const char *const *parts)
{
    char *name = bench_copy("");
    for (; *parts != NULL; parts++) {
        bench_append(&name, "%s%s", *name == '\0' ? "" : "-", *parts);
    }
    for (char *at = name; *at != '\0'; at++) {
        bool plain = isalnum((unsigned char)*at) || (*at == '.' && at != name);
        if (!plain) {
            *at = '-';
        }
    }
    return name;
}

static FILE *open_file(const bench_gnuplot *plot, const char *ending)
{
    char *path = bench_format("%s/%s.%s", plot->folder, plot->name, ending);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        bench_say("%s: %s", path, strerror(errno));
    }
    free(path);
    return file;
}

/* Narrow, with large letters: it is to be read on a phone as well. No background: the page has one, light or dark. */
static void write_look(const bench_gnuplot *plot, int height)
{
    fprintf(plot->script,
            "# gnuplot %s.gp\n"
            "set terminal svg size 480,%d dynamic noenhanced font 'sans-serif,15' linewidth 1.5\n"
            "set output '%s.svg'\n"
            "set datafile separator tab\n"
            "set border 1 lc rgb '#555555'\n"
            "set tics nomirror scale 0.5\n"
            "set grid x lc rgb '#bbbbbb' lw 0.5\n"
            "set key off\n",
            plot->name, height, plot->name);
}

bool bench_gnuplot_open(bench_gnuplot *plot, const char *folder, char *name, int height)
{
    *plot = (bench_gnuplot){.folder = folder, .name = name};
    plot->script = open_file(plot, "gp");
    plot->data = plot->script == NULL ? NULL : open_file(plot, "tsv");
    if (plot->data == NULL) {
        if (plot->script != NULL) {
            fclose(plot->script);
        }
        return false;
    }
    write_look(plot, height);
    return true;
}

static void quote(FILE *script, const char *text, const char *doubled)
{
    fputc('\'', script);
    for (; *text != '\0'; text++) {
        if (strchr(doubled, *text) != NULL) {
            fputc(*text, script);
        }
        fputc(iscntrl((unsigned char)*text) ? ' ' : *text, script);
    }
    fputc('\'', script);
}

void bench_gnuplot_quote(FILE *script, const char *text)
{
    quote(script, text, "'");
}

void bench_gnuplot_tic(FILE *script, const char *text)
{
    quote(script, text, "'%");
}

void bench_gnuplot_cell(FILE *data, const char *text)
{
    fputc('"', data);
    for (; *text != '\0'; text++) {
        fputc(iscntrl((unsigned char)*text) ? ' ' : *text == '"' || *text == '\\' ? '\'' : *text, data);
    }
    fputc('"', data);
}

static bool run_gnuplot(const bench_gnuplot *plot)
{
    char *script = bench_format("%s.gp", plot->name);
    char *const arguments[] = {"gnuplot", script, NULL};
    posix_spawn_file_actions_t actions;
    pid_t process;
    int status = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, plot->folder);
    int error = posix_spawnp(&process, "gnuplot", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error == ENOENT) {
        bench_say("gnuplot is missing: install gnuplot-nox (Debian) or gnuplot (Fedora, Arch); the script is %s/%s",
                  plot->folder, script);
    } else if (error != 0) {
        bench_say("gnuplot: %s", strerror(error));
    } else if (waitpid(process, &status, 0) != process || status != 0) {
        bench_say("gnuplot failed on %s/%s", plot->folder, script);
        error = EIO;
    }
    free(script);
    return error == 0;
}

bool bench_gnuplot_close(bench_gnuplot *plot)
{
    bool written = fclose(plot->script) == 0;
    written = fclose(plot->data) == 0 && written;
    if (!written) {
        bench_say("%s/%s: cannot be written", plot->folder, plot->name);
        return false;
    }
    return run_gnuplot(plot);
}
