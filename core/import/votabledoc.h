/* votabledoc.h - a VOTable document as it streams by: the FIELDs of one table, then its
 * rows, as cells of text or as bytes. Pure: pieces of bytes in (fuzzed). Private to
 * core/import.
 *
 * Entities are refused, and nothing that the document refers to is ever fetched.
 */
#ifndef CORE_IMPORT_VOTABLEDOC_H
#define CORE_IMPORT_VOTABLEDOC_H

#include "core/base/arena.h"
#include "core/import/votablefield.h"

typedef enum {
    PERI_VO_NONE, /* no data so far */
    PERI_VO_CELLS,
    PERI_VO_BINARY,
    PERI_VO_BINARY2
} peri_vodata_t;

typedef struct {
    size_t at, n; /* in `text` */
} peri_vocell_t;

typedef struct peri_vodoc peri_vodoc_t;
struct peri_vodoc {
    /* said by its user */
    const char
        *wanted;    /* name, ID or number of a table; NULL: the first that has FIELDs */
    bool head_only; /* stop where the data begin */
    bool again;     /* the fields are known: rows only */
    peri_arena_t *arena;
    /* a row of cells is complete: 1 to stop for now, -1 for an error */
    int (*row)(void *arg, peri_vodoc_t *doc, peri_err_t *err);
    void *arg;

    peri_vofield_t *fields;
    size_t nfields, cap;
    const char *description;
    int table; /* number of the table found, from 0; -1 */
    peri_vodata_t data;
    bool over; /* nothing more is wanted of the document */

    peri_buf_t text; /* of the row in hand, or of what is being read */
    peri_vocell_t *cells;
    size_t ncells, cells_cap;
    peri_buf_t bytes; /* decoded, not yet taken */

    struct peri_voparse *parse; /* private */
};

/* Fields as set above; the rest is zero. */
void peri_vodoc_begin(peri_vodoc_t *doc);
void peri_vodoc_end(peri_vodoc_t *doc); /* keeps the fields */
/* The next n bytes. 0: they are read; 1: `row` has stopped, go on with _resume; -1. The
 * sentence does not name the file. */
int peri_vodoc_feed(peri_vodoc_t *doc, const char *p, size_t n, bool last,
                    peri_err_t *err);
int peri_vodoc_resume(peri_vodoc_t *doc, peri_err_t *err);
/* Why there is no table: PERI_ENOTFOUND or PERI_EFORMAT. */
int peri_vodoc_fail_none(const peri_vodoc_t *doc, peri_err_t *err);

#endif
