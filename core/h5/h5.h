/* h5.h - reading rows out of HDF5 datasets, fast and from many threads.
 *
 * What it is: files, datasets as rows (first dimension), typed fields of a row, cursors
 * that copy rows out. What it isn't: it knows no tables over many files, no adapters, no
 * SQL.
 *
 * HDF5's library is entered under one process-wide lock (peri_h5_lock) for metadata and
 * for raw chunks only. Decoding (shuffle, deflate, fletcher32) and type conversion happen
 * outside of it in the calling thread. Layouts and filters that we do not decode
 * ourselves (szip, nbit, scale-offset, plugins, variable strings, odd types) go through
 * H5Dread under the lock: same result, one core.
 *
 * Threads: a file and a dataset may be shared by threads; a cursor belongs to one thread.
 * Index types say their reach: frow = row in this file, crow = row in this chunk.
 */
#ifndef CORE_H5_H5_H
#define CORE_H5_H5_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

typedef uint64_t peri_frow_t; /* row number in one file's dataset */

/* The type a value has in memory after conversion. Half floats become F32, 24- and 48-bit
 * integers the next wider one, enums STR (member names; except HDF5 booleans = enum
 * FALSE/TRUE, which are BOOL), long double and other floats F64. */
typedef enum {
    PERI_T_BOOL = 1, /* uint8_t 0/1 */
    PERI_T_I8,
    PERI_T_I16,
    PERI_T_I32,
    PERI_T_I64,
    PERI_T_U8,
    PERI_T_U16,
    PERI_T_U32,
    PERI_T_U64,
    PERI_T_F32,
    PERI_T_F64,
    PERI_T_STR, /* peri_str_t, valid UTF-8 */
    PERI_T_BLOB /* peri_str_t, any bytes */
} peri_type_t;

typedef struct {
    const char *ptr;
    uint32_t len;
} peri_str_t;

size_t peri_type_size(peri_type_t t);      /* bytes of one value in memory */
const char *peri_type_name(peri_type_t t); /* as SQL: "BIGINT", "FLOAT", "VARCHAR", ... */
bool peri_type_is_numeric(peri_type_t t);  /* I8..F64 (BOOL is not) */

/* ---- the library ---- */

/* Once per process, before any other call: silences HDF5's own error printing, disables
 * HDF5 file locking (read-only file systems), fixes the plugin path to `plugin_path`
 * (NULL: the distribution's folder) so that no user's HDF5_PLUGIN_PATH loads code.
 * Idempotent. */
void peri_h5_init(const char *plugin_path);
/* The one lock around every call into libhdf5 in this process. Recursive. */
void peri_h5_lock(void);
void peri_h5_unlock(void);
/* For programs, never for libraries: if HDF5 crashes or computes without end while it
 * reads a file, say which file on stderr and _exit(1). */
void peri_h5_guard_signals(void);

/* ---- files ---- */

typedef struct peri_h5file peri_h5file_t;

/* Open read-only. `root` (absolute real path, or NULL for no limit) is the tree that the
 * file and everything its external links, virtual datasets and external storage lead to
 * must lie in: PERI_EDENIED otherwise. Reference counted. Errors: PERI_ENOTFOUND,
 * PERI_EDENIED, PERI_EFORMAT (empty, truncated, not HDF5: says which, with the file's
 * size), PERI_EIO. */
peri_h5file_t *peri_h5file_open(const char *path, const char *root, peri_err_t *err);
peri_h5file_t *peri_h5file_ref(peri_h5file_t *f);
void peri_h5file_unref(peri_h5file_t *f); /* accepts NULL */
/* Until _release, peri_h5file_open of this path and root gives this very file in this
 * process, also when another has been renamed into its place meanwhile. Both take and
 * give a reference; holds of one file add up. */
void peri_h5file_hold(peri_h5file_t *f);
void peri_h5file_release(peri_h5file_t *f);
hid_t peri_h5file_hid(const peri_h5file_t *f); /* borrowed; use under peri_h5_lock */
const char *peri_h5file_path(const peri_h5file_t *f);
void peri_h5file_stat(const peri_h5file_t *f, uint64_t *size, int64_t *mtime_ns,
                      uint64_t *inode);

/* ---- datasets as rows ---- */

typedef enum {
    PERI_LAYOUT_CONTIGUOUS, /* pread */
    PERI_LAYOUT_CHUNKED,    /* chunks decoded by us */
    PERI_LAYOUT_COMPACT,    /* in the object header */
    PERI_LAYOUT_LIBRARY     /* anything else: through H5Dread */
} peri_layout_t;

/* One field of a row: the dataset's element itself, or a member of its compound type
 * (nested members are flattened with '.' in the name). */
typedef struct {
    const char *name;      /* "" for the element itself, else the member path */
    peri_type_t type;      /* PERI_T_* ; 0 = a type we cannot read */
    const char *why_not;   /* where type == 0: what it is ("object reference", ...) */
    uint32_t width;        /* values per row: product of dims after the first and of an
                              array member's dims; 1 = scalar */
    uint32_t ndims;        /* 0 for scalar */
    uint32_t dims[4];      /* the vector dims; product = width */
    const char *stored_as; /* the HDF5 type in words: "48-bit little-endian unsigned" */
    uint64_t member_id;    /* private */
} peri_h5field_t;

typedef struct {
    uint64_t offset; /* of the raw chunk in the file; UINT64_MAX = not allocated */
    uint64_t size;   /* stored bytes */
    uint32_t filter_mask;
} peri_chunkloc_t;

typedef struct peri_h5set peri_h5set_t;

/* Open the dataset at `path` in the file (through soft and external links, below the
 * file's root). Rows = first dimension; a scalar dataset has one row. Reference counted;
 * holds a reference to the file.
 * Errors: PERI_ENOTFOUND, PERI_EDENIED, PERI_EUNSUPP (a filter that is not installed:
 * named, with the Debian package where known), PERI_EFORMAT. */
peri_h5set_t *peri_h5set_open(peri_h5file_t *f, const char *path, peri_err_t *err);
peri_h5set_t *peri_h5set_ref(peri_h5set_t *s);
void peri_h5set_unref(peri_h5set_t *s); /* accepts NULL */

uint64_t peri_h5set_rows(const peri_h5set_t *s);
peri_layout_t peri_h5set_layout(const peri_h5set_t *s);
/* Rows of one chunk (along the first dimension); for contiguous and compact: 0. */
uint64_t peri_h5set_chunk_rows(const peri_h5set_t *s);
/* Number of chunks along the first dimension (1 for contiguous with rows, 0 without). */
uint64_t peri_h5set_nchunks(const peri_h5set_t *s);
uint64_t peri_h5set_stored_bytes(const peri_h5set_t *s); /* on disk */
uint64_t peri_h5set_raw_bytes(const peri_h5set_t *s);    /* after decoding */
/* "deflate 4 + shuffle", "" if none; valid as long as the dataset. */
const char *peri_h5set_filters(const peri_h5set_t *s);
/* Fields of a row; the array lives as long as the dataset. */
const peri_h5field_t *peri_h5set_fields(const peri_h5set_t *s, size_t *n);
/* Where the data of a contiguous set starts in the file, or UINT64_MAX. */
uint64_t peri_h5set_offset(const peri_h5set_t *s);
/* Location of the chunk with this number along the first dimension (only for sets whose
 * other dimensions are not split over chunks). Linear in the chunk number on HDF5 1.10:
 * meant for building an index, not for reading. */
int peri_h5set_chunk_location(peri_h5set_t *s, uint64_t chunk, peri_chunkloc_t *loc,
                              peri_err_t *err);
/* All of them in one pass, as fast as this HDF5 allows; locs has room for _nchunks. */
int peri_h5set_chunk_map(peri_h5set_t *s, peri_chunkloc_t *locs, peri_err_t *err);
/* Give the set a chunk map from an index (copied): cursors then pread chunks without
 * entering HDF5. The caller has checked that the file is the one that was indexed. */
int peri_h5set_use_chunk_map(peri_h5set_t *s, const peri_chunkloc_t *locs, uint64_t n,
                             peri_err_t *err);

/* ---- cursors ---- */

typedef struct peri_h5cursor peri_h5cursor_t;

/* One thread's reading head over one dataset. It caches one decoded chunk (or a
 * read-ahead window of a contiguous set), so rows should be asked for in rising order.
 * Buffers are allocated at the first read; a chunk of more than 1 GiB is refused
 * (PERI_ELIMIT). */
peri_h5cursor_t *peri_h5cursor_new(peri_h5set_t *s, peri_err_t *err);
void peri_h5cursor_free(peri_h5cursor_t *c); /* accepts NULL */

/* Copy rows [row0, row0+nrows) of field number `field` to out: nrows * width values of
 * peri_type_size(type) bytes, native byte order. For STR and BLOB out is an array of
 * peri_str_t whose bytes stay valid until the next read on this cursor.
 * Missing chunks give the dataset's fill value. Out of range: PERI_EINVAL.
 * Errors: PERI_EFORMAT (truncated file, bad deflate stream, checksum), PERI_EIO. */
int peri_h5cursor_read(peri_h5cursor_t *c, size_t field, peri_frow_t row0, uint32_t nrows,
                       void *out, peri_err_t *err);
/* Bytes fetched from the file so far (compressed size). */
uint64_t peri_h5cursor_bytes(const peri_h5cursor_t *c);

/* ---- attributes ---- */

/* Attribute `name` of the object at `path` as text / number. Arrays: element `i`.
 * 0 = found; 1 = not there (err untouched); -1 = error. */
int peri_h5attr_double(peri_h5file_t *f, const char *path, const char *name, size_t i,
                       double *out, peri_err_t *err);
int peri_h5attr_int64(peri_h5file_t *f, const char *path, const char *name, size_t i,
                      int64_t *out, peri_err_t *err);
/* *out is the caller's (free). */
int peri_h5attr_string(peri_h5file_t *f, const char *path, const char *name, char **out,
                       peri_err_t *err);
/* All values of a text attribute: *out is the caller's (free each, then the array). */
int peri_h5attr_strings(peri_h5file_t *f, const char *path, const char *name, char ***out,
                        size_t *n, peri_err_t *err);
/* Is there an object at this path? false also for broken links. */
bool peri_h5_exists(peri_h5file_t *f, const char *path);
/* Kind of the object: 'g' group, 'd' dataset, 't' named type, 0 none. */
char peri_h5_kind(peri_h5file_t *f, const char *path);
/* Names of the links in a group, sorted by name; the callback returns 0 to go on. */
int peri_h5group_each(peri_h5file_t *f, const char *path,
                      int (*fn)(const char *name, char kind, void *arg), void *arg,
                      peri_err_t *err);

#endif
