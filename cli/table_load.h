/* table_load.h - between the files of `perigee table load`. */
#ifndef CLI_TABLE_LOAD_H
#define CLI_TABLE_LOAD_H

#include "cli/options.h"
#include "core/import/import.h"

enum { PERI_LOAD_TYPES, PERI_LOAD_UNITS, PERI_LOAD_NULLS, PERI_LOAD_LISTS };

typedef struct {
    const char *format, *path, *description, *name;
    bool append, overwrite, preview, header, no_header, quiet, json;
    peri_optionlist_t lists[PERI_LOAD_LISTS];
    const char *file, *table;
} peri_load_t;

/* What the file is called in sentences, and in what the table tells of its rows. */
const char *peri_load_name(const peri_load_t *o);

/* A column's type as SQL. The caller frees. */
char *peri_load_type(const peri_outcol_t *c);
/* Columns as the API shows them: [{"name", "type", "unit", "ucd", "description"}]. */
json_t *peri_load_columns(const peri_outcol_t *cols, size_t n);
/* Columns and first rows to stdout; keeps nothing. Exit status, or -1. */
int peri_load_preview(peri_import_t *i, bool json, peri_err_t *err);

#endif
