/* select.h - numpy-like selections of a dataset: "3,10:20,:,::2".
 *
 * One member a dimension, those left out are whole. A number takes its dimension away; a
 * slice is START:STOP or START:STOP:STEP, each of which may be empty; negative numbers
 * count from the end; a slice beyond the end is cut there, a number beyond it is an
 * error. Pure.
 */
#ifndef PORTAL_H5_VIEW_SELECT_H
#define PORTAL_H5_VIEW_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

#define PERI_H5SELECT_DIMS 32

typedef struct {
    bool index; /* a number: `start` */
    bool has_start, has_stop;
    int64_t start, stop, step; /* step >= 1 */
} peri_h5slice_t;

typedef struct {
    size_t n;
    peri_h5slice_t v[PERI_H5SELECT_DIMS];
} peri_h5select_t;

/* Spaces around members are skipped. An empty text is everything. */
int peri_h5select_parse(const char *s, size_t len, peri_h5select_t *out, peri_err_t *err);

/* What is read of each dimension. start + (count - 1) * step < dims unless count is 0. */
typedef struct {
    size_t ndims;
    bool dropped[PERI_H5SELECT_DIMS]; /* not a dimension of the result */
    uint64_t start[PERI_H5SELECT_DIMS], count[PERI_H5SELECT_DIMS],
        step[PERI_H5SELECT_DIMS];
} peri_h5part_t;

int peri_h5select_resolve(const peri_h5select_t *s, size_t ndims, const uint64_t *dims,
                          peri_h5part_t *out, peri_err_t *err);
/* Elements; UINT64_MAX if that is too many to count. */
uint64_t peri_h5part_size(const peri_h5part_t *p);

#endif
