/* fitscards.h - the header of a FITS extension: cards, and what they say about the bytes
 * that follow. Pure: bytes in, values out (fuzzed). Private to core/import.
 *
 * Not cfitsio's: its reader takes file names for commands and URLs, and unpacks what it
 * is given into memory without a limit.
 */
#ifndef CORE_IMPORT_FITSCARDS_H
#define CORE_IMPORT_FITSCARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "perigee/err.h"

#define PERI_FITS_BLOCK      ((size_t)2880)
#define PERI_FITS_CARD       ((size_t)80)
#define PERI_FITS_HEADER_MAX ((size_t)32 << 20)

/* Bytes of cards up to and with the one that says END; 0: none of them does. */
size_t peri_fits_header_end(const char *p, size_t n);

typedef struct {
    char key[9];
    const char *value; /* UTF-8, without quotes; in the arena; NULL: none */
    bool quoted;
} peri_fitscard_t;

/* The card at *at and those that continue it; *at moves behind them. False at the end. */
bool peri_fits_next_card(const char *p, size_t n, size_t *at, peri_buf_t *room,
                         peri_arena_t *a, peri_fitscard_t *out);

typedef enum {
    PERI_FITS_OTHER, /* images, and what is unknown */
    PERI_FITS_TEXT,  /* a table of ASCII */
    PERI_FITS_BINARY,
    PERI_FITS_PACKED /* a table compressed by tiles */
} peri_fitskind_t;

typedef struct {
    peri_fitskind_t kind;
    const char *description; /* TABDESC of files of ours; "" */
    const char *types;       /* SQLTYPES of such; NULL */
    const char *name;        /* EXTNAME; "" */
    uint64_t row_size;       /* tables: NAXIS1 */
    uint64_t rows;           /* NAXIS2 */
    uint64_t heap;           /* where it begins, from the first row on */
    uint64_t size;           /* of all data, without padding */
    unsigned nfields;
} peri_fitshdu_t;

/* What cards of n bytes say. The sentence does not name the file. */
int peri_fits_hdu(const char *p, size_t n, bool primary, peri_arena_t *a,
                  peri_fitshdu_t *out, peri_err_t *err);

/* A whole number or floating point number, blanks around it; false: it is none. */
bool peri_fits_integer(const char *text, int64_t *out);
bool peri_fits_real(const char *text, double *out);
/* Bytes of text as UTF-8: as they are if they are that, else as Latin-1. */
void peri_fits_put_text(peri_buf_t *b, const char *s, size_t n);

#endif
