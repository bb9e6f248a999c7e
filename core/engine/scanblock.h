/* scanblock.h - private to core/engine: a scan in progress, the threads that read for it,
 * and the blocks of rows they take.
 */
#ifndef CORE_ENGINE_SCANBLOCK_H
#define CORE_ENGINE_SCANBLOCK_H

#include "core/engine/filter.h"
#include "core/engine/scan.h"

/* Rows of a block where chunks are small or there are none: large enough that taking one
 * costs nothing, small enough that the last ones are spread over all threads. */
#define PERI_BLOCK_ROWS 131072u

typedef struct peri_readahead peri_readahead_t;

/* What one result column of the scan is. */
typedef struct {
    enum {
        PERI_OUT_ROW,
        PERI_OUT_FILE,
        PERI_OUT_SNAPNUM,
        PERI_OUT_IDX,
        PERI_OUT_COLUMN
    } kind;
    size_t k; /* PERI_OUT_COLUMN: index into peri_scan_t.columns */
} peri_scanout_t;

typedef struct {
    _Atomic int refs; /* DuckDB's global state and each thread's local one */
    peri_session_t *session;
    peri_scanrel_t *rel;
    size_t *columns; /* projected table columns */
    size_t ncolumns;
    peri_scanout_t *outs;
    size_t nouts;
    peri_rowtests_t tests; /* of projected columns */
    _Atomic int readers;   /* DuckDB threads that read this scan */
    _Atomic bool ahead_tried;
    peri_readahead_t *_Atomic ahead;
    pthread_mutex_t lock; /* guards what follows */
    size_t range;         /* position in the share: next range, next row in it */
    peri_frow_t row;
    peri_scanfile_t *current; /* kept open for the next taker */
} peri_scan_t;

/* A thread that reads: its place, its cursors. Zeroed at first. */
typedef struct {
    peri_scanfile_t *file;
    uint32_t file_no;
    peri_h5cursor_t **cursors; /* one a set of the file */
    uint64_t counted;          /* bytes of the cursors that progress knows of */
    peri_frow_t row, end;      /* of the current block */
    void *scratch;
    size_t scratch_size;
} peri_scanner_t;

/* The next block for this thread: 1 = got one, 0 = none left, -1 = error. */
int peri_scanner_take(peri_scan_t *s, peri_scanner_t *me, peri_err_t *err);
/* Give up the file; free what the scanner holds (not the scanner). */
void peri_scanner_leave(peri_scan_t *s, peri_scanner_t *me);
void peri_scanner_clear(peri_scan_t *s, peri_scanner_t *me);
/* Tell progress what was read since the last time. */
void peri_scanner_count(peri_scan_t *s, peri_scanner_t *me);
/* Scratch memory of at least `size` bytes, valid until the next call. */
void *peri_scanner_scratch(peri_scanner_t *me, size_t size);
/* n rows from me->row of projected column k, of a fixed-size type that the file has, as
 * values of the table's type. Does not move me->row. */
int peri_scanner_read(const peri_scan_t *s, peri_scanner_t *me, size_t k, uint32_t n,
                      void *out, peri_err_t *err);

/* The same rows' flags of the column's mask: one byte a value of the table's column, not
 * 0 = NULL. Only of columns whose file has a mask. */
int peri_scanner_read_mask(const peri_scan_t *s, peri_scanner_t *me, size_t k, uint32_t n,
                           uint8_t *out, peri_err_t *err);

/* What one DuckDB thread keeps between calls. */
typedef struct {
    peri_scan_t *scan; /* NULL until the first call */
    peri_scanner_t me;
    struct peri_aheadblock *block; /* decoded ahead; NULL = this thread decodes itself */
    uint64_t blocks;               /* taken so far */
    uint8_t *flags;                /* of masks */
    uint64_t flags_size;
    char *values; /* of a column of which some rows are taken */
    uint64_t values_size;
    /* Values of the vector's rows that were read for tests; a second read of small chunks
     * would decode them again. NULL before the first. */
    uint64_t (*tested)[PERI_VECTOR_ROWS];
    bool has_tested;
    peri_rowpay_t pay;
    uint8_t keep[PERI_VECTOR_ROWS];
    uint16_t kept[PERI_VECTOR_ROWS];
} peri_scanlocal_t;

/* Rows of a vector: n from the thread's place on, or some of these. */
typedef struct {
    uint32_t n, count;
    const uint16_t *some; /* count of them; NULL: all */
} peri_rows_t;

/* ---- what DuckDB gets (fill.c) ---- */

/* Of r->n rows from the thread's place on those that may match: r->some and r->count. */
int peri_scan_choose(peri_scanlocal_t *l, peri_rows_t *r, peri_err_t *err);
/* Is it an ARRAY in DuckDB, perhaps of one value? */
bool peri_scan_is_array(const peri_column_t *c);
/* The values of these rows. */
int peri_scan_fill(peri_scanlocal_t *l, const peri_rows_t *r, duckdb_data_chunk out,
                   peri_err_t *err);

/* ---- decoding ahead, for plans that DuckDB runs on one thread (readahead.c) ---- */

/* Start threads that decode blocks ahead, in order; NULL if that is not worth it here. */
peri_readahead_t *peri_readahead_new(peri_scan_t *s);
void peri_readahead_free(peri_readahead_t *r); /* stops and joins; accepts NULL */

typedef struct peri_aheadblock peri_aheadblock_t;
/* The next decoded block (waits), NULL with rc 0 at the end or rc -1 on error. */
peri_aheadblock_t *peri_readahead_next(peri_readahead_t *r, int *rc, peri_err_t *err);
void peri_readahead_done(peri_readahead_t *r, peri_aheadblock_t *b);
uint32_t peri_aheadblock_file(const peri_aheadblock_t *b);
peri_frow_t peri_aheadblock_row(const peri_aheadblock_t *b);
peri_frow_t peri_aheadblock_end(const peri_aheadblock_t *b);
/* None of its rows can match, and only columns that were tested have values. */
bool peri_aheadblock_none(const peri_aheadblock_t *b);
/* Values of projected column k from the block's first row; NULL = the file lacks it. */
const void *peri_aheadblock_values(const peri_aheadblock_t *b, size_t k);
/* Its flags as of peri_scanner_read_mask; NULL = the file has no mask of it. */
const uint8_t *peri_aheadblock_mask(const peri_aheadblock_t *b, size_t k);

#endif
