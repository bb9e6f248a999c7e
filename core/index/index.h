/* index.h - chunk locations and zone maps (min, max, NaN count) of a table, in one file.
 *
 * Keyed by each file's size, mtime and inode: an entry that does not fit the file is
 * stale and ignored. Skipping by an index never changes an answer. The file is written to
 * a temporary name and renamed, carries a version and a checksum, and is read with every
 * length checked (fuzz target). An opened index is immutable and may be shared by
 * threads.
 */
#ifndef CORE_INDEX_INDEX_H
#define CORE_INDEX_INDEX_H

#include "core/table/pred.h"
#include "core/table/table.h"

/* Rows of a zone for contiguous columns (chunked ones have a zone a chunk, small chunks
 * are joined to at least PERI_ZONE_MIN_ROWS). */
#define PERI_ZONE_ROWS     65536
#define PERI_ZONE_MIN_ROWS 8192

typedef struct peri_index peri_index_t;

typedef struct {
    int threads; /* 0 = all cores */
    /* Called from one thread at a time, about 10 times a second; non-zero return cancels.
     */
    int (*progress)(uint64_t rows_done, uint64_t rows_all, uint64_t bytes, void *arg);
    void *arg;
} peri_index_opts_t;

typedef struct {
    uint64_t files, files_kept; /* kept: entry still fresh, not read again */
    uint64_t columns, zones, bytes_read, index_bytes;
} peri_index_stats_t;

/* Where the index of a table is: beside the data (ROOT/.perigee/NAME.pidx) if that folder
 * can be written or has one, else in the state folder under a hash of the table's files'
 * root and name. For reading: the newer of both. Caller frees. */
char *peri_index_path(const peri_table_t *t, bool for_writing);

/* All indexes that a table has (one for each folder that its files lie in, see
 * peri_table_in_storage), as one; NULL if there is none that can be read. */
peri_index_t *peri_index_open_table(const peri_table_t *t);
/* Both as one; takes over both; either may be NULL. Before they are shared. */
peri_index_t *peri_index_join(peri_index_t *x, peri_index_t *more);

/* Read all numeric columns of all files (several threads) and write the index. Entries of
 * an existing index that still fit are kept. Cancelling leaves the old index. Files that
 * cannot be read or change meanwhile are left out: then the index of the others is
 * written all the same, and -1 returned with a sentence that names the first of them. */
int peri_index_build(const peri_table_t *t, const char *path,
                     const peri_index_opts_t *opts, peri_index_stats_t *stats,
                     peri_err_t *err);

/* NULL with PERI_ENOTFOUND if there is none; PERI_EFORMAT if damaged (callers go on
 * without). Only the directory is read here; a damaged block counts as "may match" when
 * it is used. */
peri_index_t *peri_index_open(const char *path, peri_err_t *err);
peri_index_t *peri_index_ref(peri_index_t *x);
void peri_index_unref(peri_index_t *x);

/* Read everything once more against its checksums: PERI_EFORMAT, PERI_EIO. */
int peri_index_verify(peri_index_t *x, peri_err_t *err);

/* Number of this table's files whose entries are fresh, for messages ("3 of 8 stale"). */
size_t peri_index_fresh_files(const peri_index_t *x, const peri_table_t *t);

/* Rows that may satisfy all predicates: *out (empty on entry) gets the ranges. Files
 * without a fresh entry, unknown columns and string columns count as "may match" .
 * Predicates on the virtual columns file, row and snapnum need no index (x may be NULL).
 */
void peri_index_prune(const peri_index_t *x, const peri_table_t *t,
                      const peri_pred_t *preds, size_t npreds, peri_ranges_t *out);

/* The chunk map of one dataset of one file, or NULL (stale, contiguous, not indexed). The
 * current file on disk must have the given identity. */
const peri_chunkloc_t *peri_index_chunks(const peri_index_t *x, const char *file_path,
                                         uint64_t size, int64_t mtime_ns, uint64_t inode,
                                         const char *dataset, uint64_t *n);

#endif
