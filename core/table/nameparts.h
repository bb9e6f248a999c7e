/* nameparts.h - what the name of an HDF5 file tells: its place in a numbered set and the
 * number of its snapshot. Pure text; no file is touched. Private to core/table.
 */
#ifndef CORE_TABLE_NAMEPARTS_H
#define CORE_TABLE_NAMEPARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t number;  /* 7 in "snap_099.7.hdf5", else -1 */
    size_t stem;     /* bytes of the path before ".7.hdf5" or ".hdf5" */
    size_t suffix;   /* where ".hdf5" starts: path[0..stem] + "." + N + path[suffix..] */
    int32_t snapnum; /* PERI_SNAPNUM_NONE if the name has none */
} peri_nameparts_t;

peri_nameparts_t peri_nameparts(const char *path);

/* Order with runs of digits compared as numbers: "a.9" before "a.10". */
int peri_natural_compare(const char *a, const char *b);

#endif
