/* votablefield.h - columns of a VOTable: what a FIELD says, and values out of cells of
 * text (TABLEDATA) or bytes (BINARY, BINARY2). Pure but for DuckDB's vectors (fuzzed).
 * Private to core/import.
 */
#ifndef CORE_IMPORT_VOTABLEFIELD_H
#define CORE_IMPORT_VOTABLEFIELD_H

#include "core/base/buf.h"
#include "core/import/slots.h"

#define PERI_VO_VALUE_MAX ((uint64_t)256 << 20) /* bytes of one value */

typedef struct {
    const char *name, *unit, *ucd, *description; /* never NULL */
    const char *datatype, *arraysize, *xtype;    /* as they stand there; NULL: not */
    const char *null_text;                       /* VALUES null */
    const char *sql_type;                        /* of a file of ours, else NULL */

    char code;       /* b boolean, x bits, i integers, f floats, c, u texts */
    size_t size;     /* bytes of a number, of a character */
    uint64_t pairs;  /* numbers of an element: 2 if it is complex */
    uint64_t length; /* characters of a text; 0: as many as it has */
    uint64_t count;  /* elements; texts: how many */
    bool var;        /* as many elements (or characters) as the row says */
    bool has_null;
    int64_t null;
    bool moment;    /* its texts are dates or times */
    bool timestamp; /* xtype */
    peri_slot_t slot;
} peri_vofield_t;

/* Reads what stands there; *arrays as in peri_slot_choose. */
int peri_vofield_settle(peri_vofield_t *f, uint64_t *arrays, peri_err_t *err);

/* Values of the chunk's row. Sentences name neither column nor row. */
int peri_vofield_put_cell(peri_vofield_t *f, idx_t row, const char *p, size_t n,
                          peri_buf_t *room, peri_err_t *err);
/* The length of the binary value at p, of which n bytes are there, in *size: 1; 0 if n is
 * too little to tell, -1. */
int peri_vofield_measure(const peri_vofield_t *f, const char *p, size_t n, uint64_t *size,
                         peri_err_t *err);
/* All of it is there. */
int peri_vofield_put_bytes(peri_vofield_t *f, idx_t row, const char *p, bool null,
                           peri_buf_t *room, peri_err_t *err);

#endif
