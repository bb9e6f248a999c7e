/* tablefit.h - which columns of a table for people are shown, and how wide. */
#ifndef CORE_OUT_TABLEFIT_H
#define CORE_OUT_TABLEFIT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    size_t natural; /* width of the widest cell */
    bool text;      /* may be cut */
    bool shown;     /* result */
    size_t width;   /* result */
} peri_fit_t;

/* Fit n columns, each with `frame` more characters, and `edge` for the whole line, into
 * `limit` (0 = no limit): first the long texts are cut, then columns in the middle are
 * left out, for which one column of width 1 takes their place. Returns the number of
 * columns shown, at least 1. */
size_t peri_table_fit(peri_fit_t *cols, size_t n, size_t frame, size_t edge,
                      size_t limit);

#endif
