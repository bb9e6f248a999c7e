/* prune.c - old jobs go, with everything of theirs. The only place that removes a log. */
#include <stdlib.h>

#include "core/base/buf.h"
#include "jobs/store/store_priv.h"

#define NEEDED(job)                                                                      \
    "EXISTS (SELECT FROM dependency d JOIN job w ON w.number = d.job WHERE d.on_job "    \
    "= " job " AND d.job <> d.on_job AND w.state IN ('waiting', 'queued', 'running'))"

/* What another job waits for stays. That is looked up again when the locks are held,
 * which keep new ones from coming to depend on them. */
static const char lock[] =
    "SELECT j.number, j.uuid FROM job j WHERE j.ended < $1::float8 AND NOT " NEEDED(
        "j.number") " ORDER BY j.ended LIMIT $2::int FOR UPDATE OF j SKIP LOCKED";
static const char needed[] = "SELECT " NEEDED("$1::bigint");
static const char mark[] = "SELECT set_config('perigee.prune', 'on', true)";
static const char unmark[] = "SELECT set_config('perigee.prune', '', true)";
static const char drop[] = "DELETE FROM job WHERE number = ANY ($1::bigint[])";

static int is_needed(peri_db_t *db, const char *number, bool *out, peri_err_t *err)
{
    peri_args_t a = {0};
    peri_args_text(&a, number);
    PGresult *r = peri_args_query(&a, db, needed, err);
    if (!r) return -1;
    *out = peri_col_bool(r, 0, 0);
    PQclear(r);
    return 0;
}

static int prune(peri_db_t *db, double before, int limit,
                 int (*each)(const char *uuid, void *), void *arg, peri_err_t *err)
{
    peri_args_t a = {0}, d = {0};
    peri_buf_t numbers;
    peri_buf_init(&numbers, 64u << 20);
    peri_args_real(&a, before);
    peri_args_int(&a, limit);
    PGresult *r = peri_args_query(&a, db, lock, err);
    int rc = r ? 0 : -1;
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        bool keep;
        rc = is_needed(db, peri_col_text(r, i, 0), &keep, err);
        if (rc || keep) continue;
        if (each && each(peri_col_text(r, i, 1), arg)) break;
        peri_buf_printf(&numbers, "%s%s", numbers.len ? "," : "{",
                        peri_col_text(r, i, 0));
    }
    PQclear(r);
    if (rc == 0 && numbers.len) {
        peri_buf_putc(&numbers, '}');
        peri_args_text(&d, numbers.data);
        const peri_args_t none = {0};
        rc = peri_buf_check(&numbers, "the list of old jobs", err) ||
                     peri_args_exec(&none, db, mark, err) ||
                     peri_args_exec(&d, db, drop, err) ||
                     peri_args_exec(&none, db, unmark, err)
                 ? -1
                 : 0;
    }
    peri_buf_free(&numbers);
    return rc;
}

int peri_store_prune(peri_db_t *db, double before, int limit,
                     int (*each)(const char *uuid, void *), void *arg, peri_err_t *err)
{
    peri_dbtx_t tx;
    if (limit < 1) return 0;
    if (peri_dbtx_begin(&tx, db, err)) return -1;
    return peri_dbtx_end(&tx, prune(db, before, limit, each, arg, err), err);
}
