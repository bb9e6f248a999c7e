/* index_private.h - the file format of an index, and what the .c files of this folder
 * share.
 *
 * The file: a header; blocks (zones of one field, chunk map of one dataset) in any order;
 * the directory. Numbers are in the byte order of the machine that wrote them. The
 * directory is read and checked as a whole when an index is opened, a block when it is
 * used: opening costs the same for a small and for a huge table. Header, directory and
 * every block have a CRC-32 of their own.
 */
#ifndef CORE_INDEX_INDEX_PRIVATE_H
#define CORE_INDEX_INDEX_PRIVATE_H

#include "core/index/index.h"

#define PERI_IDX_MAGIC      "PERIPIDX"
#define PERI_IDX_VERSION    1u
#define PERI_IDX_BYTE_ORDER 0x01020304u
/* Vector columns with more components have no zones. */
#define PERI_IDX_MAX_WIDTH 16u
/* Directories beyond this are refused: 30 million datasets. */
#define PERI_IDX_MAX_DIR ((uint64_t)4 << 30)

/* ---- the file ---- */

typedef struct {
    char magic[8];
    uint32_t version, byte_order;
    uint64_t file_size;
    uint64_t dir_offset, dir_size; /* the directory ends the file */
    uint32_t dir_crc;
    uint32_t header_crc; /* of the bytes before it */
} peri_idxhead_t;

/* The directory: this, then files sorted by path, sets, fields, strings. Names are
 * offsets into the strings, which end with a NUL. */
typedef struct {
    uint64_t nfiles, nsets, nfields, nstrings; /* the last one in bytes */
} peri_idxdir_t;

typedef struct {
    uint64_t size;
    int64_t mtime_ns;
    uint64_t inode;
    uint64_t first_set;
    uint32_t nsets; /* sorted by name */
    uint32_t path;
} peri_idxfile_t;

typedef struct {
    uint64_t rows, zone_rows;
    uint64_t nchunks, chunks; /* peri_chunkloc_t[nchunks] at this offset; 0 = no map */
    uint64_t first_field;
    uint32_t nfields;
    uint32_t chunks_crc;
    uint32_t name;
    uint32_t unused;
} peri_idxset_t;

typedef struct {
    uint64_t zones; /* offset of peri_zone_t[width][number of zones] */
    uint32_t zones_crc;
    uint32_t width; /* 0: looked at, but cannot be indexed */
    uint32_t type;
    uint32_t name;
} peri_idxfield_t;

/* Bounds of one zone: int64_t bits for signed types, uint64_t for BOOL and unsigned
 * types, double bits for F32 and F64. A zone of only NaN has min > max. */
typedef struct {
    uint64_t min, max;
    uint64_t nans;
} peri_zone_t;

_Static_assert(sizeof(peri_idxhead_t) == 48, "file format");
_Static_assert(sizeof(peri_idxfile_t) == 40, "file format");
_Static_assert(sizeof(peri_idxset_t) == 56, "file format");
_Static_assert(sizeof(peri_idxfield_t) == 24, "file format");
_Static_assert(sizeof(peri_zone_t) == 24, "file format");
_Static_assert(sizeof(peri_chunkloc_t) == 24, "file format");

static inline uint64_t peri_idxset_nzones(uint64_t rows, uint64_t zone_rows)
{
    return zone_rows == 0 ? 0 : rows / zone_rows + (rows % zone_rows != 0);
}

/* ---- zone.c ---- */

bool peri_zone_type_ok(peri_type_t type); /* numeric or BOOL */
/* No values yet. */
void peri_zone_clear(peri_zone_t *z, peri_type_t type);
/* Take in nrows rows of `width` values; component c goes to z[c * stride]. */
void peri_zone_add(peri_zone_t *z, size_t stride, peri_type_t type, uint32_t width,
                   const void *values, size_t nrows);
/* May values of this zone satisfy the condition? */
bool peri_zone_may_match(const peri_zone_t *z, peri_type_t type, const peri_pred_t *pred);

/* The same for a position and three joint conditions; component c is z[c * stride]. */
bool peri_zones_may_match_joint(const peri_zone_t *z, size_t stride, peri_type_t type,
                                const peri_pred_t preds[3]);

/* ---- wanted.c: which fields of which datasets a table's index holds ---- */

typedef struct {
    const char *field;
    const size_t *columns; /* the table's columns that read it */
    size_t ncolumns;
    bool zones; /* some column has a type and width that zones are made for */
} peri_wantfield_t;

typedef struct {
    const char *dataset;
    const peri_wantfield_t *fields; /* sorted by name */
    size_t nfields;
} peri_wantset_t;

typedef struct {
    peri_wantset_t *sets; /* sorted by name */
    size_t nsets;
    struct peri_arena *arena;
} peri_wanted_t;

void peri_wanted_init(peri_wanted_t *w,
                      const peri_table_t *t); /* strings stay the table's */
void peri_wanted_free(peri_wanted_t *w);
/* Has this file the dataset (the field)? */
bool peri_wanted_has_set(const peri_wantset_t *s, const peri_file_t *f);
bool peri_wanted_has_field(const peri_wantfield_t *wf, const peri_file_t *f);
/* Is there an entry for this file that fits it and holds everything wanted? */
bool peri_wanted_is_fresh(const peri_wanted_t *w, const peri_index_t *x,
                          const peri_file_t *f);

/* ---- open.c ---- */

/* An index from bytes (copied where kept). check_sums = false is for fuzzing: the
 * structure must hold up without them. The bytes must outlive the index. */
peri_index_t *peri_index_open_memory(const void *data, size_t len, bool check_sums,
                                     peri_err_t *err);

size_t peri_index_nfiles(const peri_index_t *x);
const peri_idxfile_t *peri_index_file(const peri_index_t *x, size_t i);
const peri_idxfile_t *peri_index_find_file(const peri_index_t *x, const char *path);
/* The index among those joined that has a fresh entry for a file, and the entry. */
const peri_index_t *peri_index_entry(const peri_index_t *x, const char *path,
                                     uint64_t size, int64_t mtime_ns, uint64_t inode,
                                     const peri_idxfile_t **e);
bool peri_idxfile_is(const peri_idxfile_t *e, uint64_t size, int64_t mtime_ns,
                     uint64_t inode);
/* *hint: where to look first, and where it was found; NULL if not there. */
const peri_idxset_t *peri_index_find_set(const peri_index_t *x, const peri_idxfile_t *e,
                                         const char *dataset, size_t *hint);
const peri_idxset_t *peri_index_set(const peri_index_t *x, uint64_t i);
const peri_idxfield_t *peri_index_find_field(const peri_index_t *x,
                                             const peri_idxset_t *s, const char *field);
const peri_idxfield_t *peri_index_field(const peri_index_t *x, uint64_t i);
const char *peri_index_string(const peri_index_t *x, uint32_t offset);
/* Read a block into out and check it. */
int peri_index_read_zones(const peri_index_t *x, const peri_idxset_t *s,
                          const peri_idxfield_t *f, peri_zone_t *out, peri_err_t *err);
int peri_index_read_chunks(const peri_index_t *x, const peri_idxset_t *s,
                           peri_chunkloc_t *out, peri_err_t *err);

/* ---- write.c: a new index, block by block; one thread at a time ---- */

typedef struct peri_idxwriter peri_idxwriter_t;

/* Opens a temporary file beside path, whose folder is made where it is missing. */
peri_idxwriter_t *peri_idxwriter_new(const char *path, peri_err_t *err);
void peri_idxwriter_abort(peri_idxwriter_t *w); /* accepts NULL; path stays as it was */
/* Directory, fsync, rename. Frees w in any case. */
int peri_idxwriter_finish(peri_idxwriter_t *w, uint64_t *file_size, peri_err_t *err);

/* A file's entry, then its sets sorted by name, each followed by its fields. */
int peri_idxwriter_file(peri_idxwriter_t *w, const char *path, uint64_t size,
                        int64_t mtime_ns, uint64_t inode, peri_err_t *err);
int peri_idxwriter_set(peri_idxwriter_t *w, const char *name, uint64_t rows,
                       uint64_t zone_rows, const peri_chunkloc_t *locs, uint64_t nlocs,
                       peri_err_t *err);
int peri_idxwriter_field(peri_idxwriter_t *w, const char *name, peri_type_t type,
                         uint32_t width, const peri_zone_t *zones, uint64_t nzones,
                         peri_err_t *err);
/* The entry of another index with all that belongs to it. 1 if its blocks are damaged
 * (then the writer holds nothing of it). */
int peri_idxwriter_copy(peri_idxwriter_t *w, const peri_index_t *x,
                        const peri_idxfile_t *e, peri_err_t *err);

#endif
