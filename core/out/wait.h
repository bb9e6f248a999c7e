/* wait.h - rows that wait until all are known, because a number's type in the file
 * depends on the values: a HUGEINT, say, is an integer of 64 bits there if all fit, else
 * text. Private to core/out.
 *
 * They lie, encoded, in an unnamed file. The columns whose values do not fit have
 * `as_text` by the end; then the format is opened and gets the rows.
 */
#ifndef CORE_OUT_WAIT_H
#define CORE_OUT_WAIT_H

#include "core/out/format.h"

/* Has the result such columns, of which nothing is known yet? */
bool peri_wait_needed(const peri_writer_t *w);
/* It has. *rc is -1 if there is no file for the rows. */
peri_wait_t *peri_wait_new(peri_writer_t *w, int *rc, peri_err_t *err);
/* The chunk that the fields are bound to, to w->wait. */
int peri_wait_put(peri_writer_t *w, duckdb_data_chunk chunk, peri_err_t *err);
uint64_t peri_wait_bytes(const peri_wait_t *t);
/* No more: each chunk to `write`. */
int peri_wait_end(peri_wait_t *t, peri_writer_t *w,
                  int (*write)(peri_writer_t *w, duckdb_data_chunk chunk,
                               peri_err_t *err),
                  peri_err_t *err);
void peri_wait_free(peri_wait_t *t); /* accepts NULL */

/* An unnamed file beside the target, whose disk has room for the result as /tmp may not;
 * without a target in the folder for such files. NULL, and errno. */
FILE *peri_wait_file(const peri_writer_t *w, const char *ending);
int peri_wait_fail(const peri_writer_t *w, peri_err_t *err); /* errno: it has no room */

#endif
