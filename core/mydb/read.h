/* read.h - a table of a schema, opened so that it stays what it was. */
#ifndef CORE_MYDB_READ_H
#define CORE_MYDB_READ_H

#include "core/mydb/store.h"
#include "core/table/table.h"

/* Its file is held (core/h5/h5.h): all that this process opens of it is of one version,
 * whatever happens to its name meanwhile. The caller releases *held after the last use.
 * Errors: PERI_ENOTFOUND with the nearest name, PERI_EUNSUPP if it is a view,
 * PERI_EFORMAT. */
peri_table_t *peri_mydb_table(const peri_schema_t *s, const char *name,
                              peri_h5file_t **held, peri_err_t *err);

/* In another process than that which resolved it: hold its file, if it is still that
 * version, else PERI_ECONFLICT. */
peri_h5file_t *peri_mydb_hold(const peri_table_t *t, peri_err_t *err);

#endif
