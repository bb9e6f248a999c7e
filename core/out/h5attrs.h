/* h5attrs.h - what the hdf5 files that we write say beside the values: provenance, the
 * order of columns, their exact SQL types. All calls are under HDF5's lock; -1 leaves the
 * reason on HDF5's error stack.
 */
#ifndef CORE_OUT_H5ATTRS_H
#define CORE_OUT_H5ATTRS_H

#include <hdf5.h>

#include "core/out/format.h"

/* Variable-length UTF-8; the caller closes it. */
hid_t peri_h5_string_type(void);
/* A text attribute, instead of one that is there; an empty text is left out. */
int peri_h5_put_text(hid_t object, const char *name, const char *value);
/* Of the root group: query, version, created, columns (the links in their order);
 * /provenance/sources. */
int peri_h5_put_head(hid_t file, const peri_writer_t *w, const char *const *links);
/* The same of a file that gets more rows: its columns stay, and so does its description
 * if there is no other. */
int peri_h5_renew_head(hid_t file, const peri_writer_t *w);
/* Of the column's dataset. `text` is scratch. */
int peri_h5_put_column(hid_t set, const peri_writer_t *w, size_t c, const char *link,
                       peri_buf_t *text);

#endif
