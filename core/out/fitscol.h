/* fitscol.h - columns of the fits table in hand; private to the fits writer's files. */
#ifndef CORE_OUT_FITSCOL_H
#define CORE_OUT_FITSCOL_H

#include <fitsio.h>

#include "core/out/binary.h"
#include "core/out/format.h"

#define PERI_FITS_DESCRIPTION "TABDESC" /* of the table: a keyword of our own */
#define PERI_FITS_TYPES       "SQLTYPES"
#define PERI_FITS_PIECE       ((size_t)4 << 20) /* bytes of rows that are handled at a time */

typedef struct {
    peri_binary_t kind;
    size_t width;   /* numbers a row */
    size_t item;    /* bytes in a spooled row; 0 for text */
    size_t offset;  /* there */
    size_t place;   /* in the file's row, once it is created */
    size_t longest; /* text so far */
    bool has_null;  /* of integers */
    unsigned taken; /* 32 and 64 bits: which of the marks for NULL are values, too */
    uint8_t *used;  /* 8 and 16 bits: a bit for each value that there is */
} peri_fitscol_t;

typedef struct {
    fitsfile *file;
    peri_fitscol_t *cols;
    size_t ntexts;
    size_t fixed;    /* bytes of a row without texts */
    size_t row_size; /* of the file, once it is created */
    size_t piece;    /* rows handled at a time */
    FILE *spool;
    FILE *nulls; /* see fitsnull.c; NULL: there is none so far */
    uint64_t written;
    char *rows;   /* piece * fixed */
    char *values; /* of one column, native */
    peri_buf_t text;
} peri_fits_t;

int peri_fits_fail(const peri_writer_t *w, int status, peri_err_t *err);

/* fitshead.c: the file with its header; texts as wide as they are by now. */
int peri_fits_create(peri_writer_t *w, peri_fits_t *t, peri_err_t *err);

/* fitsnull.c: rows [first, first + n) of t->values: NULLs of integers marked, values
 * noted. */
int peri_fits_mark(peri_writer_t *w, peri_fits_t *t, size_t c, idx_t first, idx_t n,
                   peri_err_t *err);
/* All rows are written: choose what stands for NULL, and say so in the header. */
int peri_fits_choose_marks(peri_writer_t *w, peri_fits_t *t, peri_err_t *err);

/* n numbers, native, to where they belong, big-endian, as they are stored. */
void peri_fits_encode(peri_binary_t k, const char *in, char *out, size_t n);
char peri_fits_code(peri_binary_t k);        /* of TFORM */
const char *peri_fits_zero(peri_binary_t k); /* TZERO, or NULL */

static inline bool peri_fits_is_integer(peri_binary_t k)
{
    return k >= PERI_BIN_I8 && k <= PERI_BIN_U64;
}

#endif
