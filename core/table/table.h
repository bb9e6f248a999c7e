/* table.h - many HDF5 files as one table: columns, files, rows. Metadata only.
 *
 * A table is resolved once, is immutable after, and may be shared by threads. Rows are
 * numbered through the files in order (drow = row in the dataset). It can be packed into
 * bytes and unpacked on another rank, so that files are opened for metadata only once.
 */
#ifndef CORE_TABLE_TABLE_H
#define CORE_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/h5/h5.h"
#include "perigee/err.h"

typedef uint64_t peri_drow_t; /* row number in the whole table, all files in order */

#define PERI_SNAPNUM_NONE (-1)
#define PERI_HOST_ANY     (-1)
#define PERI_ROW_UNKNOWN  UINT64_MAX

typedef struct {
    const char *name;    /* SQL name; unique in the table, ignoring case */
    const char *dataset; /* path of the HDF5 dataset in each file */
    const char *field;   /* compound member path, or "" */
    int component;       /* >= 0: this column is one component of a vector field */
    peri_type_t type;
    uint32_t width;          /* 1 = scalar, else SQL type TYPE[width] */
    const char *unit;        /* "" if unknown; as in the file or descriptor */
    const char *description; /* "" if unknown */
    const char *ucd;         /* "" if unknown */
    uint32_t missing_files;  /* files with rows that lack this column: NULL there */
    uint64_t chunk_rows;     /* of its dataset in the first file that has it; 0 = none */
    const char *stored_as;   /* the HDF5 type in words */
    const char *sql_type;    /* the exact SQL type where it is not `type`, see sqltype.h;
                                NULL or "" if it is */
    bool nullable;           /* some files have a mask of its NULLs, which the dataset's
                                attribute `null_mask` names */
} peri_column_t;

/* ---- where files lie ---- */

/* A folder that holds files of a dataset. The same name below several storages is the
 * same file: copies, of which one is read. */
typedef struct {
    const char *folder; /* absolute */
    bool on_nodes;      /* each node has files of its own there; else all see the same */
} peri_storage_t;

typedef enum {
    PERI_AT_SHARED, /* every node sees it (also: no storages are named) */
    PERI_AT_NODE,   /* on the disk of this node */
    PERI_AT_AWAY    /* this node does not see it */
} peri_at_t;

/* One copy of a file. */
typedef struct {
    const char *path;
    const char *root; /* the storage's folder as it is there, links resolved */
    uint32_t storage; /* index into the table's storages */
    int32_t host;     /* who has it: index into the table's hosts, or PERI_HOST_ANY */
    int64_t mtime_ns;
    uint64_t inode;
} peri_copy_t;

typedef struct {
    const char *path; /* as opened: absolute */
    const char
        *name; /* shown in the virtual column `file`: relative to the table's root */
    uint64_t rows;
    peri_drow_t row0;  /* of this file's first row in the table */
    uint64_t set_row0; /* rows in the files before it of its numbered set (one snapshot);
                          PERI_ROW_UNKNOWN if one of them is missing */
    int32_t snapnum;   /* from the name, or PERI_SNAPNUM_NONE */
    uint64_t size;     /* bytes, when resolved */
    int64_t mtime_ns;
    uint64_t inode;
    const uint8_t *has; /* ncolumns flags: the file has this column; NULL = has all */
    peri_at_t at;       /* of path, as seen from the node that this table is for */
    const char *root;   /* allowed tree of this file; NULL = the table's */
    const peri_copy_t *places; /* all copies, of a table with storages; not packed */
    size_t nplaces;
} peri_file_t;

typedef struct peri_table {
    const char *name; /* "dataset.table", or the path spec it was made from */
    const char *description;
    const char *root; /* absolute real path of the allowed tree; NULL = no limit */
    const peri_column_t *columns;
    size_t ncolumns;
    const peri_file_t *files; /* sorted: snapnum, then number in the set, then name */
    size_t nfiles;
    peri_drow_t rows; /* all files */
    bool
        replaced; /* its files are replaced while queries run: whoever reads holds them */
    bool has_snapnum; /* every file has one: virtual column `snapnum` exists */
    double box_size;  /* of a simulation, in the position's unit; 0 = unknown */
    const peri_storage_t *storages; /* where its files lie; not packed */
    size_t nstorages;
    const char *const *hosts; /* that were asked for files; not packed */
    size_t nhosts;
    const char *const
        *notes; /* sentences: columns skipped and why, missing files allowed */
    size_t nnotes;
    struct peri_arena *arena; /* private */
    struct peri_table *base;  /* private: what this one borrows from, or NULL */
    int refs;                 /* private */
} peri_table_t;

peri_table_t *peri_table_ref(peri_table_t *t);
void peri_table_unref(peri_table_t *t); /* accepts NULL */

/* Column by name, ignoring case; NULL if there is none. Virtual columns are not among
 * them. */
const peri_column_t *peri_table_column(const peri_table_t *t, const char *name);

/* The tree that a file's links must not leave, or NULL. */
static inline const char *peri_file_root(const peri_table_t *t, const peri_file_t *f)
{
    return f->root ? f->root : t->root;
}

/* ---- what to resolve ---- */

/* A column said by a descriptor: override or rename. */
typedef struct {
    const char *source;       /* HDF5 name or member path below the table's path */
    const char *name;         /* SQL name; NULL = as the source */
    const char *const *parts; /* names for the components of a vector, or NULL */
    size_t nparts;
    const char *unit, *description, *ucd; /* NULL = from the file */
} peri_colspec_t;

typedef struct {
    const char *name; /* see peri_table_t.name */
    const char *description;
    const char *const *files; /* paths or glob patterns, absolute or relative to base */
    size_t nfiles;
    const char *base;              /* folder for relative paths; NULL = working folder */
    const char *root;              /* allowed tree, or NULL */
    const char *path;              /* HDF5 path: a group of columns or one compound or
                                      plain dataset; "/" allowed */
    const char *adapter;           /* NULL = generic; else see adapter.h */
    const peri_colspec_t *columns; /* overrides; other columns are kept as they are */
    size_t ncolumns;
    bool allow_missing;             /* gaps in a numbered set are fine (noted) */
    const peri_storage_t *storages; /* instead of base and root; files are relative */
    size_t nstorages;
    bool partial;    /* only what this node sees: gaps are noted, no file is no error */
    bool replaced;   /* see peri_table_t */
    bool nodes_only; /* leave out shared storages */
} peri_tablespec_t;

/* Find the files, open each for metadata, settle columns and rows.
 * - Columns: every dataset directly in the group whose first dimension is the group's row
 *   count; vector datasets become TYPE[n] columns unless the spec names the parts;
 *   unreadable or ragged ones are left out with a note. Union over files.
 * - A file whose group has no datasets has no rows (an empty chunk of a catalogue).
 * - Files of a numbered set (name.7.hdf5) must be complete from 0 to the highest, or to
 * the header's NumFiles/NumFilesPerSnapshot: PERI_ENOTFOUND naming the first missing one,
 * unless allow_missing. A type that differs between files is PERI_EFORMAT naming both.
 * Returned table has one reference. */
peri_table_t *peri_table_resolve(const peri_tablespec_t *spec, peri_err_t *err);

/* Does the text name files, and not a dataset or its table? Told by its looks alone (a
 * slash, a colon, a wildcard, or the ending of HDF5 files), so that what lies in the
 * working folder does not change the meaning of a name. */
bool peri_names_a_file(const char *text);

/* "PATTERN:/path" or "PATTERN" -> files and path. PATTERN may be relative to base.
 * Without a path: the single table-like object of the first file, or an error listing the
 * choices. */
peri_table_t *peri_table_resolve_text(const char *text, const char *base,
                                      const char *root, bool allow_missing,
                                      peri_err_t *err);

/* The same table as one of its hosts sees it: paths, and what is away. */
peri_table_t *peri_table_for_host(const peri_table_t *t, int host);
/* The files that lie in one storage as seen from here, as a table of their own whose root
 * is that folder; NULL if there are none. For an index of them. */
peri_table_t *peri_table_in_storage(const peri_table_t *t, size_t storage);
/* This node's name in a cluster: Slurm's for it, else the host name's first part. */
const char *peri_node_name(void);

/* Bytes for another rank, and back. unpack checks every length (fuzz target). */
int peri_table_pack(const peri_table_t *t, peri_buf_t *out, peri_err_t *err);
peri_table_t *peri_table_unpack(const void *data, size_t len, peri_err_t *err);

/* ---- parts of a table ---- */

/* Rows [row0, row1) of one file. */
typedef struct {
    uint32_t file; /* index into table->files */
    peri_frow_t row0, row1;
} peri_range_t;

typedef struct {
    peri_range_t *v; /* sorted by (file, row0), disjoint, none empty */
    size_t n, cap;
} peri_ranges_t;

void peri_ranges_free(peri_ranges_t *r);
void peri_ranges_push(peri_ranges_t *r, uint32_t file, peri_frow_t row0,
                      peri_frow_t row1);
void peri_ranges_all(peri_ranges_t *r, const peri_table_t *t); /* every row */
uint64_t peri_ranges_rows(const peri_ranges_t *r);
/* out = a AND b */
void peri_ranges_intersect(const peri_ranges_t *a, const peri_ranges_t *b,
                           peri_ranges_t *out);
/* The part of rank `rank` of `nranks`: consecutive rows, about equal in number, cut at
 * multiples of `align` rows within a file so that no chunk is decoded twice. */
void peri_ranges_share(const peri_ranges_t *all, uint64_t align, int rank, int nranks,
                       peri_ranges_t *out);
/* The same for the rows from the from-th to before the to-th; to = UINT64_MAX: the end.
 */
void peri_ranges_cut(const peri_ranges_t *all, uint64_t align, uint64_t from, uint64_t to,
                     peri_ranges_t *out);
/* out = a OR b; no row is in both. */
void peri_ranges_merge(const peri_ranges_t *a, const peri_ranges_t *b,
                       peri_ranges_t *out);

#endif
