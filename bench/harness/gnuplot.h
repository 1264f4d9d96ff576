/*
 * gnuplot.h: one picture: its script, its data, and the program that makes it of them.
 *
 * Names and titles come from files that anybody may have written, so they are quoted here, and no shell sees them.
 */
#ifndef BENCH_GNUPLOT_H
#define BENCH_GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>

typedef struct bench_gnuplot {
    const char *folder;
    char *name; /* of its files */
    FILE *script, *data;
} bench_gnuplot;

/* `parts`, joined by '-', with what is no letter, digit or '.' made '-'; to be freed. NULL ends them. */
char *bench_gnuplot_name(const char *const *parts);

/* Takes `name`. Writes how all pictures look, `height` in pixels. False after a message. */
bool bench_gnuplot_open(bench_gnuplot *plot, const char *folder, char *name, int height);

/* 'text' as a string of gnuplot. */
void bench_gnuplot_quote(FILE *script, const char *text);
/* The same as the name of a tic, in which gnuplot looks for a number's format. */
void bench_gnuplot_tic(FILE *script, const char *text);
/* "text" in the data. */
void bench_gnuplot_cell(FILE *data, const char *text);

/* Writes what is open, runs gnuplot. False after a message. Frees all but the name. */
bool bench_gnuplot_close(bench_gnuplot *plot);

#endif
