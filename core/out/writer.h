/* writer.h - result rows into a file or onto the terminal, chunk by chunk.
 *
 * Streams: memory use does not grow with the number of rows (except PERI_FMT_TABLE, which
 * keeps at most its row limit). A file is written to a temporary name beside its place
 * and renamed by _finish: it appears whole or not at all; _free without _finish removes
 * it. One writer belongs to one thread.
 */
#ifndef CORE_OUT_WRITER_H
#define CORE_OUT_WRITER_H

#include <duckdb.h>
#include <stdbool.h>
#include <stdio.h>

#include "perigee/err.h"

typedef enum {
    PERI_FMT_TABLE, /* for people: aligned, types, units, cut to the width */
    PERI_FMT_CSV,
    PERI_FMT_TSV,
    PERI_FMT_JSON,   /* one array of objects */
    PERI_FMT_NDJSON, /* an object a line */
    PERI_FMT_PARQUET,
    PERI_FMT_HDF5,
    PERI_FMT_FITS,
    PERI_FMT_VOTABLE
} peri_format_t;

/* From a name ("csv") or from a file's ending (".h5"); -1 with a sentence that lists
 * them. */
int peri_format_parse(const char *name, peri_format_t *fmt, peri_err_t *err);
int peri_format_from_path(const char *path, peri_format_t *fmt, peri_err_t *err);
const char *peri_format_name(peri_format_t fmt);

typedef struct {
    const char *name;
    const char *unit, *description, *ucd; /* "" if unknown */
    duckdb_logical_type type;             /* borrowed while the writer lives */
} peri_outcol_t;

typedef struct {
    const char *path; /* of an input file */
    uint64_t size;
    int64_t mtime_ns;
} peri_outsource_t;

typedef struct {
    const char *query;   /* SQL text */
    const char *version; /* "perigee 0.1.0" */
    const peri_outsource_t *sources;
    size_t nsources;
    const char *description; /* of the table; NULL or "": none */
} peri_provenance_t;

typedef struct {
    size_t width;    /* TABLE: terminal columns; 0 = no limit */
    size_t max_rows; /* TABLE: rows shown (first and last halves); 0 = 40 */
    bool utf8;       /* TABLE: box characters */
    bool overwrite;  /* replace an existing file; else PERI_EINVAL if it exists */
    bool prompt;     /* a stream gets the first rows at once, later ones soon */
    bool draft; /* who takes the file brings it to the disk, or it needs to be nowhere */
    /* An existing folder of one's own: files that their libraries write are made there on
     * their way to the stream. NULL: FITS, HDF5 and PARQUET need a path. */
    const char *temp_dir;
    /* The file begins as a copy of this one, which _can_extend: rows go behind those that
     * it has. What it says of its columns stays. NULL: it begins empty. */
    const char *extends;
    /* While that is copied: so many of all bytes are; non-zero ends it. NULL: not. */
    int (*tick)(uint64_t done, uint64_t all, void *arg);
    void *tick_arg;
    /* A BOOLEAN follows the columns in each chunk, which is not written: _marked counts
     * the rows where it is true. Not PARQUET. */
    bool marks;
} peri_writeopts_t;

/* Would a file of the format with all of this one's rows, and others of these columns, be
 * no other than if the latter are added to it? */
bool peri_writer_can_extend(peri_format_t fmt, const char *path,
                            const peri_outcol_t *cols, size_t ncols);

typedef struct peri_writer peri_writer_t;

/* path NULL: to stdout_stream (not closed). Types a format cannot hold are PERI_EUNSUPP
 * at once, naming the column and a cast. */
peri_writer_t *peri_writer_new(peri_format_t fmt, const char *path, FILE *stdout_stream,
                               const peri_outcol_t *cols, size_t ncols,
                               const peri_provenance_t *prov,
                               const peri_writeopts_t *opts, peri_err_t *err);
/* Write all rows of the chunk (as many columns as given to _new, same types; one more if
 * it marks). */
int peri_writer_chunk(peri_writer_t *w, duckdb_data_chunk chunk, peri_err_t *err);
/* Before _finish: the document says that there are more rows. why: "rows", "time" or
 * "bytes"; constant. */
void peri_writer_cut(peri_writer_t *w, const char *why);
/* End the document, flush, fsync, rename. Disk full etc.: PERI_EIO, nothing left behind.
 */
int peri_writer_finish(peri_writer_t *w, peri_err_t *err);
void peri_writer_free(peri_writer_t *w);           /* accepts NULL */
uint64_t peri_writer_rows(const peri_writer_t *w); /* without those it has extended */
uint64_t peri_writer_marked(const peri_writer_t *w);
/* That the document has so far, more or less. */
uint64_t peri_writer_bytes(const peri_writer_t *w);

#endif
