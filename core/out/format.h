/* format.h - between writer.c and the formats; private to core/out.
 *
 * writer.c owns names, provenance, the file and the order of calls; a format turns bound
 * fields into bytes. Text formats append to w->text, which writer.c sends to the file or
 * the stream; the others write the file peri_target_temp() by their library.
 */
#ifndef CORE_OUT_FORMAT_H
#define CORE_OUT_FORMAT_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/out/binary.h"
#include "core/out/target.h"
#include "core/out/value.h"
#include "core/out/writer.h"

typedef struct {
    const char *name;
    const char *endings; /* of files, each between spaces */
    const char *advice;  /* for a format that needs a file; NULL: text, streams */
    peri_numbers_t numbers;
    /* Any of these may be NULL. Can rows of these columns go behind those of the file? w
     * has no output. */
    bool (*extends)(peri_writer_t *w, const char *path);
    /* Of the columns whose values decide what they are: set `as_text` where the file,
     * whose rows others go behind, has decided for text. */
    void (*settle)(peri_writer_t *w, const char *path);
    /* After an error only `free` is called. */
    int (*open)(peri_writer_t *w, peri_err_t *err); /* check types, begin the document */
    int (*chunk)(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n, peri_err_t *err);
    int (*close)(peri_writer_t *w, peri_err_t *err); /* end it */
    void (*free)(peri_writer_t *w);                  /* w->state, which may be NULL */
} peri_ops_t;

typedef struct peri_wait peri_wait_t;

struct peri_writer {
    const peri_ops_t *ops;
    void *state; /* the format's */
    peri_arena_t *arena;
    const peri_outcol_t *cols; /* names unique, ignoring case; no NULL strings */
    peri_field_t *fields;      /* bound while ops->chunk runs */
    size_t ncols;
    peri_provenance_t prov; /* no NULL strings */
    char created[32];       /* ISO 8601, UTC */
    peri_writeopts_t opts;
    uint64_t rows;   /* before the chunk in hand */
    uint64_t marked; /* see peri_writeopts_t */
    uint64_t sent;   /* bytes */
    double flushed;  /* peri_now() when the stream was, the last time; 0: never */
    const char *cut; /* why there are no more rows; NULL: there are none */
    peri_buf_t text;
    FILE *stream;          /* or */
    peri_target_t *target; /* with, for text, */
    int fd;
    peri_wait_t *wait;  /* of rows; NULL: they go to the format at once */
    peri_err_t failure; /* sticks */
    bool finished;
};

/* Send w->text on if there is enough of it. */
int peri_writer_flush(peri_writer_t *w, peri_err_t *err);

/* {"a":"INTEGER","b":"DATE"}: the exact types, by name, because other programs move
 * columns and keep what the file says besides. */
void peri_writer_put_types(const peri_writer_t *w, peri_buf_t *b);

extern const peri_ops_t peri_ops_table, peri_ops_csv, peri_ops_tsv, peri_ops_json,
    peri_ops_ndjson, peri_ops_parquet, peri_ops_hdf5, peri_ops_fits, peri_ops_votable;

#endif
