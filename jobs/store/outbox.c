/* outbox.c - side effects that are owed. An entry is there until its effect is certain;
 * who takes one and dies has put it off, not lost it.
 */
#include <stdlib.h>

#include "jobs/store/store_priv.h"

static int take(peri_db_t *db, bool deliveries, int n,
                int (*each)(const peri_outboxrow_t *, void *), void *arg, peri_err_t *err)
{
    /* The exponent is bounded: 2^6 is more than a minute. */
    static const char sql[] =
        "WITH now AS MATERIALIZED (SELECT " PERI_SQL_NOW " AS n), "
        "due AS MATERIALIZED (SELECT entry FROM outbox WHERE due <= (SELECT n FROM now) "
        "AND (kind = 'deliver') = $2::boolean "
        "ORDER BY due, entry LIMIT $1::int FOR UPDATE SKIP LOCKED), "
        "taken AS (UPDATE outbox o SET tries = o.tries + 1, due = now.n + least(60, "
        "power(2, "
        "least(o.tries, 6))) FROM due, now WHERE o.entry = due.entry RETURNING o.*) "
        "SELECT t.entry, t.kind, j.uuid, t.step, t.attempt, t.index, t.tries FROM taken "
        "t "
        "JOIN job j ON j.number = t.job ORDER BY t.entry";
    if (peri_db_in_transaction(db))
        return peri_err_set(err, PERI_EINTERNAL,
                            "the outbox is not read within a transaction");
    peri_args_t a = {0};
    peri_args_int(&a, n);
    peri_args_bool(&a, deliveries);
    PGresult *r = peri_args_query(&a, db, sql, err); /* commits by itself */
    if (!r) return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        peri_outboxrow_t row = {.entry = peri_col_int(r, i, 0),
                                .kind = peri_col_text(r, i, 1),
                                .uuid = peri_col_text(r, i, 2),
                                .step = peri_col_text(r, i, 3),
                                .attempt = (int)peri_col_int(r, i, 4),
                                .index = (int32_t)peri_col_int(r, i, 5),
                                .tries = (int)peri_col_int(r, i, 6)};
        if (each(&row, arg)) break;
    }
    PQclear(r);
    return 0;
}

int peri_store_outbox_take(peri_db_t *db, int n,
                           int (*each)(const peri_outboxrow_t *, void *), void *arg,
                           peri_err_t *err)
{
    return take(db, false, n, each, arg, err);
}

int peri_store_deliveries_take(peri_db_t *db, int n,
                               int (*each)(const peri_outboxrow_t *, void *), void *arg,
                               peri_err_t *err)
{
    return take(db, true, n, each, arg, err);
}

int peri_store_delivered(peri_db_t *db, const char *uuid, const char *where,
                         peri_err_t *err)
{
    static const char sql[] = "UPDATE job SET delivered = $2 WHERE uuid = $1::uuid";
    char *clean = peri_sql_clean(where, 4 * PERI_SENTENCE_MAX);
    peri_args_t a = {0};
    peri_args_text(&a, uuid);
    peri_args_text(&a, clean);
    int rc = peri_args_exec(&a, db, sql, err);
    free(clean);
    return rc;
}

int peri_store_outbox_done(peri_db_t *db, int64_t entry, peri_err_t *err)
{
    static const char sql[] = "DELETE FROM outbox WHERE entry = $1::bigint";
    peri_args_t a = {0};
    peri_args_int(&a, entry);
    return peri_args_exec(&a, db, sql, err);
}

int peri_store_outbox_retry(peri_db_t *db, int64_t entry, double seconds, const char *why,
                            peri_err_t *err)
{
    static const char sql[] = "UPDATE outbox SET due = " PERI_SQL_NOW
                              " + $2::float8, why = $3 WHERE entry = $1::bigint";
    char *clean = peri_sql_clean(why, PERI_SENTENCE_MAX);
    peri_args_t a = {0};
    peri_args_int(&a, entry);
    peri_args_real(&a, seconds > 0 ? seconds : 0);
    peri_args_text(&a, clean);
    int rc = peri_args_exec(&a, db, sql, err);
    free(clean);
    return rc;
}
