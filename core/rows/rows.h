/* rows.h - DuckDB chunks into bytes and back: messages between ranks of one job, rows
 * that wait in a file of the process.
 *
 * Only values travel: both sides know the types (they describe the same statement), and a
 * tag of one byte a vector finds out if they do not. Fixed-size columns are copied as
 * they lie in memory; a column without nulls carries no validity bits. The bytes are for
 * one version of the program on machines of one byte order: nothing is to keep them.
 *
 * Invariant: decoding never reads past the given bytes nor writes past a vector, whatever
 * the bytes are, and allocates no more than a small multiple of their number.
 *
 * Threads: _encode may be called from several threads at once, _decode from one (it fills
 * a chunk that belongs to the object).
 */
#ifndef CORE_ROWS_ROWS_H
#define CORE_ROWS_ROWS_H

#include <duckdb.h>

#include "core/base/bytes.h"

typedef struct peri_rows peri_rows_t;

/* For rows of these types. A type that cannot travel is PERI_EUNSUPP. */
peri_rows_t *peri_rows_new(const duckdb_logical_type *types, size_t n, peri_err_t *err);
void peri_rows_free(peri_rows_t *r); /* accepts NULL */

/* Append one chunk's bytes to out. The chunk's vectors must be flat, as all that DuckDB
 * hands over through its C API are. On failure out may hold half a chunk. */
int peri_rows_encode(const peri_rows_t *r, duckdb_data_chunk chunk, peri_buf_t *out,
                     peri_err_t *err);
/* Read one chunk; *chunk is borrowed, valid until the next call. */
int peri_rows_decode(peri_rows_t *r, peri_reader_t *in, duckdb_data_chunk *chunk,
                     peri_err_t *err);

#endif
