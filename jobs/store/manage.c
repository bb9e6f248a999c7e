/* manage.c - what the manager asks: which tasks are under way, what one submission is
 * about; and what it learns about why a task waits.
 */
#include <stdlib.h>

#include "jobs/store/store_priv.h"

int peri_store_active(peri_db_t *db, int (*each)(const peri_activerow_t *, void *),
                      void *arg, peri_err_t *err)
{
    static const char sql[] =
        "SELECT j.uuid, t.step, coalesce(b.name, ''), coalesce(b.id, ''), "
        "coalesce(b.scheduler, j.scheduler), j.uid, t.index, s.is_array, t.attempt, "
        "t.lost, "
        "t.state, j.cancel, s.restartable, t.changed FROM (SELECT * FROM task "
        "WHERE " PERI_SQL_ACTIVE
        ") AS t JOIN job j ON j.number = t.job JOIN step s ON s.job = t.job AND s.name = "
        "t.step LEFT JOIN submission b ON b.job = t.job AND b.step = t.step AND "
        "b.attempt = "
        "t.attempt ORDER BY t.job, s.pos, t.index";
    PGresult *r = peri_db_prepared(db, err, sql, 0, NULL);
    if (!r) return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        peri_activerow_t row = {.uuid = peri_col_text(r, i, 0),
                                .step = peri_col_text(r, i, 1),
                                .name = peri_col_text(r, i, 2),
                                .id = peri_col_text(r, i, 3),
                                .scheduler = peri_col_text(r, i, 4),
                                .uid = (uint32_t)peri_col_int(r, i, 5),
                                .index = (int32_t)peri_col_int(r, i, 6),
                                .is_array = peri_col_bool(r, i, 7),
                                .attempt = (int)peri_col_int(r, i, 8),
                                .attempts_lost = (int)peri_col_int(r, i, 9),
                                .state = peri_col_taskstate(r, i, 10),
                                .cancel_requested = peri_col_bool(r, i, 11),
                                .restartable = peri_col_bool(r, i, 12),
                                .changed = peri_col_real(r, i, 13)};
        if (each(&row, arg)) break;
    }
    PQclear(r);
    return 0;
}

int peri_store_submission(peri_db_t *db, const char *uuid, const char *step, int attempt,
                          int (*each)(const peri_submissionrow_t *, void *), void *arg,
                          peri_err_t *err)
{
    static const char sql[] =
        "SELECT j.uuid, b.step, b.name, b.id, b.scheduler, j.username, j.uid, b.attempt, "
        "coalesce(t.indexes, '{}'), s.is_array, s.restartable, j.cancel, "
        "coalesce(t.lost, 0), "
        "j.spec, b.after, j.owner, j.sandbox FROM job j JOIN submission b ON b.job = "
        "j.number JOIN step s ON "
        "s.job = b.job AND s.name = b.step LEFT JOIN LATERAL (SELECT array_agg(index "
        "ORDER BY "
        "index) AS indexes, max(lost) AS lost FROM task WHERE job = b.job AND step = "
        "b.step "
        "AND attempt = b.attempt AND " PERI_SQL_ACTIVE
        ") AS t ON true WHERE j.uuid = $1::uuid AND b.step = $2 AND b.attempt = $3::int";
    if (!peri_sql_uuid_valid(uuid)) return peri_store_no_job(uuid, err);
    peri_args_t a = {0};
    peri_args_text(&a, uuid);
    peri_args_text(&a, step);
    peri_args_int(&a, attempt);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    bool found = PQntuples(r) > 0;
    if (found) {
        size_t n;
        int32_t *indexes = peri_col_ints(r, 0, 8, &n);
        peri_submissionrow_t row = {.uuid = peri_col_text(r, 0, 0),
                                    .step = peri_col_text(r, 0, 1),
                                    .name = peri_col_text(r, 0, 2),
                                    .id = peri_col_text(r, 0, 3),
                                    .scheduler = peri_col_text(r, 0, 4),
                                    .user = peri_col_text(r, 0, 5),
                                    .uid = (uint32_t)peri_col_int(r, 0, 6),
                                    .attempt = (int)peri_col_int(r, 0, 7),
                                    .indexes = indexes,
                                    .nindexes = n,
                                    .is_array = peri_col_bool(r, 0, 9),
                                    .restartable = peri_col_bool(r, 0, 10),
                                    .cancel_requested = peri_col_bool(r, 0, 11),
                                    .attempts_lost = (int)peri_col_int(r, 0, 12),
                                    .spec = peri_col_text(r, 0, 13),
                                    .after = peri_col_text(r, 0, 14),
                                    .owner = peri_col_int(r, 0, 15),
                                    .sandbox = peri_col_bool(r, 0, 16)};
        each(&row, arg);
        free(indexes);
    }
    PQclear(r);
    if (found) return 0;
    return peri_err_set(err, PERI_ENOTFOUND,
                        "there is no attempt %d of step \"%s\" of job %s", attempt, step,
                        uuid);
}

/* ---- why it waits ---- */

#define WAITING                                                                          \
    "t.step = $2 AND ($3::int < 0 OR t.index = $3::int) AND t.state IN ('waiting', "     \
    "'submitting', 'queued') AND t." PERI_SQL_ACTIVE                                     \
    " AND (t.waits, coalesce(t.expected, 0)) IS DISTINCT FROM ($4, $5::float8)"

static int note_waiting(peri_db_t *db, const peri_args_t *a, peri_err_t *err)
{
    static const char lock[] = "SELECT FROM job WHERE uuid = $1::uuid FOR NO KEY UPDATE";
    static const char task[] =
        "UPDATE task t SET waits = $4, expected = nullif($5::float8, 0) FROM job j WHERE "
        "j.uuid = $1::uuid AND t.job = j.number AND " WAITING;
    static const char job[] =
        "UPDATE job j SET waits = $2, expected = (SELECT min(t.expected) FROM task t "
        "WHERE "
        "t.job = j.number AND t." PERI_SQL_ACTIVE ") WHERE uuid = $1::uuid AND state IN "
        "('waiting', 'queued')";
    peri_args_t first = {0}, last = {0};
    peri_args_text(&first, a->v[0]);
    peri_args_text(&last, a->v[0]);
    peri_args_text(&last, a->v[3]);
    if (peri_args_exec(&first, db, lock, err) || peri_args_exec(a, db, task, err))
        return -1;
    return peri_args_exec(&last, db, job, err);
}

int peri_store_waiting(peri_db_t *db, const char *uuid, const char *step, int32_t index,
                       const char *text, double expected, peri_err_t *err)
{
    /* It is told at every poll and seldom news: no lock, no write then. */
    static const char sql[] = "SELECT FROM job j JOIN task t ON t.job = j.number WHERE "
                              "j.uuid = $1::uuid AND " WAITING " LIMIT 1";
    if (!peri_sql_uuid_valid(uuid)) return peri_store_no_job(uuid, err);
    char *clean = peri_sql_clean(text, PERI_SENTENCE_MAX);
    peri_args_t a = {0};
    peri_args_text(&a, uuid);
    peri_args_text(&a, step);
    peri_args_int(&a, index);
    peri_args_text(&a, clean);
    peri_args_real(&a, expected > 0 ? expected : 0);
    PGresult *r = peri_args_query(&a, db, sql, err);
    int rc = r ? 0 : -1;
    peri_dbtx_t tx;
    if (r && PQntuples(r) && (rc = peri_dbtx_begin(&tx, db, err)) == 0)
        rc = peri_dbtx_end(&tx, note_waiting(db, &a, err), err);
    PQclear(r);
    free(clean);
    return rc;
}
