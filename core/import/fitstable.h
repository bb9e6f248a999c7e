/* fitstable.h - columns of a FITS table: what its header says of them, and their values
 * out of rows of bytes. Pure but for DuckDB's vectors (fuzzed). Private to core/import.
 *
 * Files of ours (core/out/fits.c) have SQLTYPES, the exact SQL types by name. In such a
 * column texts are in ASCII with escapes, n + 1 blanks stand for n, and one NaN for NULL.
 */
#ifndef CORE_IMPORT_FITSTABLE_H
#define CORE_IMPORT_FITSTABLE_H

#include <duckdb.h>

#include "core/import/fitscards.h"
#include "core/import/slots.h"

typedef enum {
    PERI_FITS_AS_IT_IS,
    PERI_FITS_FLIP,  /* TZERO that amounts to the other sign */
    PERI_FITS_SHIFT, /* an integer TZERO: exact */
    PERI_FITS_SCALE
} peri_fitsscale_t;

typedef struct {
    const char *name, *unit, *ucd, *comment;
    const char *sql_type; /* NULL: not of ours */
    /* as in the header; NULL: not there */
    const char *form, *dim, *scale_text, *zero_text, *null_text, *begin_text;

    char code;              /* of TFORM; of ASCII tables too */
    char var;               /* 'P', 'Q' or 0 */
    uint64_t repeat;        /* elements in the row; texts: of `cell` bytes each */
    uint64_t cell;          /* bytes of a text */
    size_t size;            /* bytes of an element; 0: text, bits */
    uint64_t offset, bytes; /* in the row */
    int decimals;           /* of ASCII tables */
    peri_fitsscale_t scaling;
    double scale, zero;
    bool has_null, blank_null;
    int64_t null;

    bool moment; /* its texts are dates or times */
    peri_slot_t slot;
} peri_fitscol_t;

/* The columns that cards of n bytes describe, hdu->nfields of them. */
int peri_fits_columns(const char *p, size_t n, const peri_fitshdu_t *hdu, peri_arena_t *a,
                      peri_fitscol_t *cols, peri_err_t *err);

/* A text of our header without its escapes. */
const char *peri_fits_plain(peri_arena_t *a, const char *s);

/* n bytes of the heap from `at` on, which are there; they stay until the next call. */
typedef struct {
    int (*read)(void *arg, uint64_t at, uint64_t n, const char **out, peri_err_t *err);
    void *arg;
    uint64_t begin, end; /* counted from the first row on */
} peri_fitsheap_t;

/* The column's value of row `row` of the chunk. The sentence names neither column nor
 * row. */
int peri_fits_value(peri_fitscol_t *col, idx_t row, const char *bytes,
                    const peri_fitsheap_t *heap, peri_buf_t *room, peri_err_t *err);

#endif
