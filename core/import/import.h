/* import.h - a file of any known format as rows with names, types and units.
 *
 * Opening reads what is needed to settle columns: of text files everything, because a
 * guess from a part of the rows would be wrong some day. Rows then stream as DuckDB
 * chunks; memory does not grow with them. The file is opened once, so what is read later
 * is the file that was looked at, whatever happens to its name. An import belongs to one
 * thread; only _interrupt and _progress may be called from others. The texts of the
 * options stay the caller's and must live as long as the import.
 *
 * Values arrive exactly as the file has them or not at all: what does not fit a type that
 * was asked for is an error that names column, line (or row) and value.
 */
#ifndef CORE_IMPORT_IMPORT_H
#define CORE_IMPORT_IMPORT_H

#include <duckdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/out/writer.h"
#include "perigee/err.h"

typedef struct {
    const char *format;       /* NULL: told by the name's ending, then by the content */
    const char *path_in_file; /* HDF5 group, FITS HDU, VOTable table; NULL: the first */
    const char *const *types; /* "col=TYPE" */
    size_t ntypes;
    const char *const *units; /* "col=UNIT" */
    size_t nunits;
    const char *name; /* the file's, for endings and in sentences; NULL: its path */
    bool header_said, header;
    const char *const *nulls; /* texts that count as NULL, besides the empty one */
    size_t nnulls;
    /* Deliver these columns, found by name whatever the case, with these types; what the
     * file lacks is NULL, what it has besides is an error that lists both sides. */
    const peri_outcol_t *shape;
    size_t nshape;
    /* Called now and then while types are looked for, with how much of the file is done
     * (0 to 1); non-zero ends it with PERI_ECANCEL. NULL: not. */
    int (*tick)(double part, void *arg);
    void *tick_arg;
    int threads;     /* 0: all cores */
    uint64_t memory; /* for DuckDB; 0: 1 GB */
} peri_importopts_t;

typedef struct peri_import peri_import_t;

/* Formats by name, for help and sentences: "csv, tsv, ...". */
const char *peri_import_formats(void);

peri_import_t *peri_import_open(const char *path, const peri_importopts_t *o,
                                peri_err_t *err);
const char *peri_import_format(const peri_import_t *i); /* the one that was found */
/* Names (legal, unique), units, ucds, descriptions and types. */
const peri_outcol_t *peri_import_columns(const peri_import_t *i, size_t *n);
/* Of the table; "" if the file says none. */
const char *peri_import_description(const peri_import_t *i);
/* Sentences for who loads: what was guessed or left out. */
const char *const *peri_import_notes(const peri_import_t *i, size_t *n);
/* All rows in the file's order. The callback returns non-zero to stop, with its error.
 * May be called again: it begins anew. */
int peri_import_rows(peri_import_t *i,
                     int (*chunk)(duckdb_data_chunk chunk, void *arg, peri_err_t *err),
                     void *arg, peri_err_t *err);
/* How far the running _rows is: 0 to 1. */
double peri_import_progress(const peri_import_t *i);
/* A running _rows ends with PERI_ECANCEL soon. */
void peri_import_interrupt(peri_import_t *i);
void peri_import_free(peri_import_t *i); /* accepts NULL */

#endif
