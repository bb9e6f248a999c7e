/* scan.h - private to core/engine: relations, and the table function that delivers them.
 *
 * A relation is one occurrence of a table in a statement, with the rows that this process
 * has to deliver. The table function cuts them into blocks; each of DuckDB's threads
 * takes block after block and copies rows out of HDF5 into DuckDB's vectors.
 */
#ifndef CORE_ENGINE_SCAN_H
#define CORE_ENGINE_SCAN_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/engine/session.h"

#define PERI_MAX_RELATIONS 256

/* Result columns of peri_scan(id): number 0 is the row in the file (so that count(*), for
 * which DuckDB asks for column 0, costs nothing), then the table's, then these. */
typedef enum {
    PERI_VCOL_FILE,
    PERI_VCOL_SNAPNUM,
    PERI_VCOL_IDX,
    PERI_NVCOLS
} peri_vcol_t;

typedef struct {
    peri_table_t *table;
    peri_index_t *index; /* or NULL */
    peri_ranges_t share;
    uint64_t share_rows;
    const peri_pred_t *preds; /* rows that fail them may be left out */
    size_t npreds;
    peri_session_t *session;
} peri_scanrel_t;

struct peri_session {
    duckdb_database db;
    duckdb_connection con;
    int threads;
    peri_scanrel_t *relations[PERI_MAX_RELATIONS];
    unsigned keys;        /* bit b: peri_key<b> is known */
    const void *creating; /* columns of the table that _create_table is making */
    pthread_mutex_t lock; /* guards scan_err */
    peri_err_t scan_err;  /* the first error of a scan, with its code */
    _Atomic bool interrupted;
    _Atomic uint64_t rows;
    _Atomic uint64_t bytes[PERI_AT_AWAY + 1]; /* by where files lie */
};

/* Register peri_scan with the connection of the session. */
int peri_scan_register(peri_session_t *s, peri_err_t *err);

/* ---- one file of a relation, opened for the columns of a scan (scanfile.c) ---- */

typedef struct {
    size_t column;    /* index into table->columns */
    size_t set;       /* index into peri_scanfile_t.sets; SIZE_MAX = file lacks it */
    size_t field;     /* of the set */
    peri_type_t type; /* in this file; may be narrower than the column's */
    uint32_t width;   /* of the field in this file */
    size_t mask;      /* index into sets of the flags that say NULL; SIZE_MAX = none */
    size_t mask_field;
} peri_scancol_t;

typedef struct {
    uint32_t file; /* index into table->files */
    peri_h5set_t **sets;
    size_t nsets;
    peri_scancol_t *cols; /* one a projected table column, in the caller's order */
    size_t ncols;
    uint64_t align; /* rows of the largest chunk; at least 1 */
    int users;      /* guarded by the scan's lock */
} peri_scanfile_t;

/* Open the file for these columns; checks that it is the file that was planned with. */
peri_scanfile_t *peri_scanfile_new(const peri_scanrel_t *rel, uint32_t file,
                                   const size_t *columns, size_t ncols, peri_err_t *err);
void peri_scanfile_free(peri_scanfile_t *f);

/* The view's expression for a column that peri_scan delivers as `name`: what makes its
 * exact SQL type of what is stored. */
void peri_scan_put_value(const peri_column_t *c, const char *name, peri_buf_t *b);

/* Copy n values of `from` to wider `to` (same family); false if that is no widening. */
bool peri_widen(peri_type_t from, peri_type_t to, const void *in, void *out, size_t n);

#endif
