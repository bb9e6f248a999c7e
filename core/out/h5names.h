/* h5names.h - names and units in the hdf5 files that we write. */
#ifndef CORE_OUT_H5NAMES_H
#define CORE_OUT_H5NAMES_H

#include "core/out/format.h"

#define PERI_H5_PROVENANCE "provenance" /* groups beside the columns */
#define PERI_H5_NULLS      "nulls"
#define PERI_H5_WIDTH_MAX  1024      /* of a vector that our reader takes (core/table) */
#define PERI_H5_COLUMNS    "columns" /* attributes of the root group */
#define PERI_H5_COMPACT    "compact_size"
#define PERI_H5_MASK       "null_mask" /* attributes of a column */
#define PERI_H5_SQL_TYPE   "sql_type"
#define PERI_H5_SQL_NAME   "sql_name"

/* For each column the name of its dataset: its own, or the nearest that HDF5 can hold and
 * nothing else in the root group has. The array and its texts live in w->arena. */
const char **peri_h5_link_names(peri_writer_t *w);
/* What a column of the name says besides, if its dataset is called `link`; "" if that
 * tells it. */
const char *peri_h5_sql_name(const char *name, const char *link);
/* Where the flags of its NULLs are. */
void peri_h5_mask_path(const char *link, char *out, size_t cap);
/* What the integers of a DATE, TIME or TIMESTAMP column count; "" for other types. */
const char *peri_h5_moment_unit(duckdb_type t);

#endif
