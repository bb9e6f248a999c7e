/* reader.h - between import.c and the formats; private to core/import.
 *
 * import.c chooses the format, opens the file, owns names, forced types and the DuckDB
 * session, and turns what a reader delivers into the types that were asked for. A reader
 * says its columns (open) and fills chunk after chunk (start, next), or names a SQL
 * source that DuckDB itself can read. It runs in one thread at a time.
 *
 * A new format is one file with a peri_readops_t and its line in formats.c.
 */
#ifndef CORE_IMPORT_READER_H
#define CORE_IMPORT_READER_H

#include <duckdb.h>
#include <stdatomic.h>

#include "core/base/arena.h"
#include "core/engine/session.h"
#include "core/import/import.h"

#define PERI_IMPORT_COLUMNS_MAX 4096

typedef struct peri_reader peri_reader_t;

typedef struct {
    const char *name;    /* of the format: "csv" */
    const char *endings; /* of files, each between spaces: " .csv .txt " */
    /* Do the first n bytes look like it? For files whose name does not tell. NULL: never.
     */
    bool (*sniff)(const unsigned char *head, size_t n);
    bool sure;              /* sniff means a mark that nothing else has */
    bool text;              /* its files are text */
    bool names_as_they_are; /* else names are made legal: letters, digits, _ */
    bool lines;             /* r->lines are line numbers of the file, not rows */
    bool unpacks;           /* reads compressed files by itself (input.h) */
    /* Call peri_reader_column for each column; set r->description, r->state. */
    int (*open)(peri_reader_t *r, peri_err_t *err);
    /* Back to the first row. Called before the first `next` too. */
    int (*start)(peri_reader_t *r, peri_err_t *err);
    /* Fill `out` (whose columns have the types `given`) with up to peri_reader_room()
     * rows and set their number, 0 at the end. Sets r->lines[i] if ops->lines. Keeps
     * r->done up to date. */
    int (*next)(peri_reader_t *r, duckdb_data_chunk out, peri_err_t *err);
    void (*free)(peri_reader_t *r); /* r->state, which may be NULL; after failures too */
} peri_readops_t;

/* A column as the reader has it. */
typedef struct {
    const char *source; /* its name in the file */
    const char *name;   /* legal and unique */
    const char *unit, *ucd, *description;
    duckdb_logical_type given; /* what `next` delivers; owned */
    duckdb_logical_type type;  /* what comes out; owned */
} peri_readcol_t;

struct peri_reader {
    const peri_readops_t *ops;
    const peri_importopts_t *opts; /* format, path_in_file, header, nulls */
    const char *path;              /* "/proc/self/fd/N": no pattern, no other file */
    const char *name;              /* for sentences */
    int fd;                        /* at any offset: use pread, or a copy */
    uint64_t size;
    peri_arena_t *arena; /* lives as long as the reader */
    peri_session_t *session;
    const char *sql; /* a relation that DuckDB reads, instead of start and next */
    peri_readcol_t *cols;
    size_t ncols, cap;
    bool own_names; /* a file of ours: as if ops->names_as_they_are */
    const char *description;
    const char **notes;
    size_t nnotes;
    void *state;                /* the format's */
    uint64_t *lines;            /* of the rows in the chunk */
    uint64_t row, ticks;        /* import.c's: rows delivered so far; rows looked at */
    _Atomic uint64_t done, all; /* how far `next` is, in any unit; all 0: unknown */
};

static inline size_t peri_reader_room(void)
{
    return duckdb_vector_size();
}

/* Another column: `given` is taken. `type` NULL: comes out as it is given; else it is
 * taken too, and values are cast. A type that the user forces replaces it; a reader that
 * can deliver that type itself asks with peri_reader_forced before. Texts are copied;
 * NULL counts as "". */
int peri_reader_column(peri_reader_t *r, const char *source, const char *unit,
                       const char *ucd, const char *description,
                       duckdb_logical_type given, duckdb_logical_type type,
                       peri_err_t *err);
/* The type that the user forces on the column of this name in the file; NULL: none.
 * Borrowed. Ask in the order of the columns, right before peri_reader_column. */
duckdb_logical_type peri_reader_forced(const peri_reader_t *r, const char *source);
/* An error that speaks of r->path, or of DuckDB's functions, in words of the user: the
 * file's name, and what is wrong with it if that is said (`what`, as "is damaged"; NULL:
 * the text stays). Returns -1. */
int peri_reader_reword(const peri_reader_t *r, const char *what, peri_err_t *err);
/* Call for each row, or so, while types are looked for: PERI_ECANCEL if nobody wants them
 * any more. */
int peri_reader_tick(peri_reader_t *r, peri_err_t *err);
/* A sentence for who loads. */
void peri_reader_note(peri_reader_t *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

extern const peri_readops_t peri_read_csv, peri_read_tsv, peri_read_json,
    peri_read_ndjson, peri_read_parquet, peri_read_hdf5, peri_read_fits,
    peri_read_votable, peri_read_mrt;

/* ---- formats.c ---- */

/* By opts->format, r->name's ending, or content. */
/* *unpack: the file is compressed, and the format does not read it so. */
const peri_readops_t *peri_readops_choose(const peri_reader_t *r, bool *unpack,
                                          peri_err_t *err);

/* ---- names.c ---- */

/* The nearest name of letters, digits and _ that is not among those of `cols`. */
const char *peri_read_legal_name(peri_arena_t *a, const char *source, bool as_it_is,
                                 const peri_readcol_t *cols, size_t n);

#endif
