/* import_priv.h - between import.c and columns.c. */
#ifndef CORE_IMPORT_IMPORT_PRIV_H
#define CORE_IMPORT_IMPORT_PRIV_H

#include "core/import/reader.h"

#define PERI_IMPORT_SQL_MAX ((size_t)64 << 20)

/* A type that the user asks for. */
typedef struct {
    const char *name;
    duckdb_logical_type type; /* owned */
    bool used;
} peri_forced_t;

struct peri_import {
    peri_reader_t r;
    peri_importopts_t opts;
    peri_forced_t *forced;
    size_t nforced;
    peri_outcol_t *cols; /* what comes out */
    size_t ncols;
    char *relation;     /* SQL */
    peri_err_t failure; /* of the reader, while a statement runs */
    bool failed;
};

/* opts.types and opts.shape into i->forced; opts.units checked. */
int peri_import_take_forced(peri_import_t *i, peri_err_t *err);
/* Once the reader has said its columns: i->cols, i->relation; what was said of columns
 * that are not there is an error. */
int peri_import_settle(peri_import_t *i, peri_err_t *err);
/* The reader's column that i->cols[k] comes from; SIZE_MAX: none, it is NULL. */
size_t peri_import_source(const peri_import_t *i, size_t k);
/* SQL of that reader's column, and of its rows. */
void peri_import_put_source(const peri_import_t *i, size_t c, peri_buf_t *b);
/* SQL of that column as `type`; flags as in cast.h. */
int peri_import_put_value(const peri_import_t *i, size_t c, duckdb_logical_type type,
                          bool wrong_is_null, peri_buf_t *b, peri_err_t *err);
const char *peri_import_rows_sql(const peri_import_t *i);

#endif
