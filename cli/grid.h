/* grid.h - rows of text for a terminal or a pipe: columns aligned; on a terminal cut to
 * its width, elsewhere whole. Control characters become "?". Used from one thread.
 */
#ifndef CLI_GRID_H
#define CLI_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct peri_grid peri_grid_t;

/* The columns' titles; one that starts with '>' is flushed right. */
peri_grid_t *peri_grid_new(const char *const *titles, size_t n);
void peri_grid_free(peri_grid_t *g); /* accepts NULL */
/* The next cell, row by row; NULL is empty. */
void peri_grid_add(peri_grid_t *g, const char *text);
void peri_grid_addf(peri_grid_t *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* What does not fit the terminal is cut, the last columns first, never the first one. */
void peri_grid_print(const peri_grid_t *g, FILE *out);
size_t peri_grid_rows(const peri_grid_t *g);

/* "label   text" lines below each other. */
void peri_grid_label(FILE *out, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Columns of the terminal at `out`; 0 if it is none. */
int peri_terminal_width(FILE *out);

#endif
