/* store_priv.h - what the files of the store share: parameters and columns as text, the
 * locked job. Private.
 */
#ifndef JOBS_STORE_STORE_PRIV_H
#define JOBS_STORE_STORE_PRIV_H

#include "core/base/buf.h"
#include "jobs/store/db_priv.h"
#include "jobs/store/store.h"

/* Conditions of the partial indexes on task, as the migrations have them: PostgreSQL uses
 * such an index only for a condition that it can see to be the same. */
#define PERI_SQL_ACTIVE "state IN ('waiting', 'submitting', 'queued', 'running')"
#define PERI_SQL_BAD    "state IN ('failed', 'cancelled')"
#define PERI_SQL_NOW    "extract(epoch FROM clock_timestamp())::float8"

/* The longest sentence that is kept. */
#define PERI_SENTENCE_MAX 4000

/* ---- parameters: $1 is the first one added; at most PERI_ARGS_MAX ---- */

#define PERI_ARGS_MAX 24
typedef struct {
    int n;
    const char *v[PERI_ARGS_MAX];
    char space[PERI_ARGS_MAX][32];
} peri_args_t;
void peri_args_text(peri_args_t *a, const char *s); /* borrowed; NULL is NULL */
void peri_args_int(peri_args_t *a, int64_t i);
void peri_args_real(peri_args_t *a, double d);
void peri_args_bool(peri_args_t *a, bool b);
/* peri_db_prepared with them. */
PGresult *peri_args_query(const peri_args_t *a, peri_db_t *db, const char *sql,
                          peri_err_t *err);
int peri_args_exec(const peri_args_t *a, peri_db_t *db, const char *sql, peri_err_t *err);

/* "{1,2,3}"; the caller frees. */
char *peri_sql_ints(const int32_t *v, size_t n);
/* As text of the database: valid UTF-8 ('?' for what is not), at most `max` bytes. The
 * caller frees. NULL gives "". */
char *peri_sql_clean(const char *s, size_t max);

/* ---- columns of a result ---- */

static inline const char *peri_col_text(const PGresult *r, int row, int col)
{
    return PQgetvalue(r, row, col);
}
const char *peri_col_text_or_null(const PGresult *r, int row, int col);
int64_t peri_col_int(const PGresult *r, int row, int col); /* NULL: 0 */
double peri_col_real(const PGresult *r, int row, int col); /* NULL: 0 */
bool peri_col_bool(const PGresult *r, int row, int col);
/* Of an int[] as text; *n of them, the caller frees. */
int32_t *peri_col_ints(const PGresult *r, int row, int col, size_t *n);
peri_taskstate_t peri_col_taskstate(const PGresult *r, int row, int col);
peri_jobstate_t peri_col_jobstate(const PGresult *r, int row, int col);
peri_why_t peri_col_why(const PGresult *r, int row, int col);

/* n_waiting, ... in the order of peri_taskstate_t. */
#define PERI_SQL_COUNTS                                                                  \
    "n_waiting, n_submitting, n_queued, n_running, n_succeeded, n_failed, n_cancelled"
void peri_col_counts(const PGresult *r, int row, int col,
                     uint64_t count[PERI_TASK_NSTATES]);

/* ---- errors ---- */

bool peri_sql_uuid_valid(const char *s);
int peri_store_no_job(const char *what, peri_err_t *err); /* PERI_ENOTFOUND */

#endif
