/* adapter.h - known kinds of files: what their groups are called as tables, and what
 * their columns mean. A kind is named by the key `format` of a dataset's descriptor, or
 * recognised by `describe`. To add one, add rows to the table in adapter.c. Private to
 * core/table and to the commands that describe files.
 */
#ifndef CORE_TABLE_ADAPTER_H
#define CORE_TABLE_ADAPTER_H

#include "core/base/arena.h"
#include "core/table/table.h"

typedef struct {
    const char *format; /* "gadget-snapshot", ... */
    const char *table;  /* "gas" */
    const char *path;   /* "/PartType0" */
    const char *description;
    int parttype;         /* of a snapshot's particles, else -1 */
    bool first_file_only; /* every file repeats the same rows */
} peri_adapter_t;

/* All tables of a format, in order; *n is 0 for an unknown format. */
const peri_adapter_t *peri_adapter_tables(const char *format, size_t *n);
const peri_adapter_t *peri_adapter_by_path(const char *format, const char *path);
const char *const *peri_adapter_formats(size_t *n);
/* The format of a file, or NULL if it is none of them. */
const char *peri_adapter_detect(peri_h5file_t *f);
/* Does this file, or the set it belongs to, have rows for the table? */
bool peri_adapter_is_in(peri_h5file_t *f, const peri_adapter_t *a);
/* Are there rows for this table? Looks at the last and the first of its files. Tables of
 * a format that a simulation did not write (stars in a dark matter run) are then left out
 * of lists. True where no file can be read: its own error is better than silence. */
bool peri_adapter_is_present(const peri_tablespec_t *spec);

#endif
