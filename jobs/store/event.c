/* event.c - peri_store_append: what each kind of event brings about beside the change of
 * its tasks: submissions, the outbox, the end of what a cancelled job still has waiting.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/store/append.h"

static const char cancelled[] = "cancelled before it was submitted";

/* ---- submissions ---- */

/* What was lost more than once waits before it is submitted again: a scheduler that keeps
 * dying forgets the jobs of its last seconds each time. */
static int put_outbox(peri_joblock_t *j, const char *kind, const char *step, int attempt,
                      peri_err_t *err)
{
    static const char sql[] =
        "INSERT INTO outbox (kind, job, step, attempt, due) VALUES ($1, $2::bigint, $3, "
        "$4::int, " PERI_SQL_NOW " + CASE WHEN $1 = 'submit' AND $4::int > 2 THEN "
        "(SELECT CASE WHEN max(lost) > 2 THEN 30 WHEN max(lost) = 2 THEN 5 ELSE 0 END "
        "FROM task WHERE job = $2::bigint AND step = $3 AND attempt = $4::int) "
        "ELSE 0 END) ON CONFLICT DO NOTHING";
    peri_args_t a = {0};
    peri_args_text(&a, kind);
    peri_args_int(&a, j->number);
    peri_args_text(&a, step);
    peri_args_int(&a, attempt);
    return peri_args_exec(&a, j->db, sql, err);
}

/* 1 there is one, *id is the caller's; 0 none. */
static int find_submission(peri_joblock_t *j, const peri_event_t *e, char **id,
                           peri_err_t *err)
{
    static const char sql[] =
        "SELECT id FROM submission WHERE job = $1::bigint AND step = "
        "$2 AND attempt = $3::int";
    peri_args_t a = {0};
    peri_args_int(&a, j->number);
    peri_args_text(&a, e->step);
    peri_args_int(&a, e->attempt);
    PGresult *r = peri_args_query(&a, j->db, sql, err);
    if (!r) return -1;
    int found = PQntuples(r) > 0;
    if (found && id) *id = peri_xstrdup(peri_col_text(r, 0, 0));
    PQclear(r);
    return found;
}

static int intent(peri_joblock_t *j, const peri_event_t *e, size_t *hits, peri_err_t *err)
{
    static const char sql[] =
        "INSERT INTO submission (job, step, attempt, name, scheduler, after) VALUES "
        "($1::bigint, $2, $3::int, 'perigee-' || $4 || '-' || $2 || '-' || $3, $5, "
        "coalesce($6::jsonb, '[]'))";
    if (!e->step || e->attempt < 1 || !e->indexes)
        return peri_err_set(err, PERI_EINTERNAL,
                            "an intent needs a step, an attempt and its tasks");
    *hits = 0;
    if (j->cancel) return 0;
    int known = find_submission(j, e, NULL, err);
    if (known) return known < 0 ? -1 : 0;
    if (peri_joblock_tasks(j, e, hits, err)) return -1;
    if (*hits == 0) return 0;

    const char *scheduler = json_string_value(json_object_get(e->context, "scheduler"));
    const json_t *after = json_object_get(e->context, "after");
    char *ids = after ? json_dumps(after, JSON_COMPACT) : NULL;
    peri_args_t a = {0};
    peri_args_int(&a, j->number);
    peri_args_text(&a, e->step);
    peri_args_int(&a, e->attempt);
    peri_args_text(&a, j->uuid);
    peri_args_text(&a, scheduler ? scheduler : j->scheduler);
    peri_args_text(&a, ids);
    int rc = peri_args_exec(&a, j->db, sql, err);
    free(ids);
    if (rc) return -1;
    return put_outbox(j, "submit", e->step, e->attempt, err);
}

static int submitted(peri_joblock_t *j, const peri_event_t *e, size_t *hits,
                     peri_err_t *err)
{
    static const char sql[] =
        "UPDATE submission SET id = $4 WHERE job = $1::bigint AND step "
        "= $2 AND attempt = $3::int";
    if (!e->step || !e->id)
        return peri_err_set(err, PERI_EINTERNAL,
                            "what is submitted needs a step and the scheduler's id");
    char *old = NULL, *id = peri_sql_clean(e->id, 256);
    int rc = find_submission(j, e, &old, err);
    *hits = 0;
    if (rc > 0 && strcmp(old, id) != 0) {
        rc = peri_joblock_tasks(j, e, hits, err);
        peri_args_t a = {0};
        peri_args_int(&a, j->number);
        peri_args_text(&a, e->step);
        peri_args_int(&a, e->attempt);
        peri_args_text(&a, id);
        if (rc == 0 && *hits) rc = peri_args_exec(&a, j->db, sql, err);
    }
    free(old);
    free(id);
    return rc < 0 ? -1 : 0;
}

/* ---- the end that its user wants ---- */

/* Ends the tasks that wait. */
static int end_waiting(peri_joblock_t *j, size_t *hits, peri_err_t *err)
{
    static const char sql[] =
        "SELECT step, array_agg(index ORDER BY index) FROM task WHERE "
        "job = $1::bigint AND state = 'waiting' GROUP BY step ORDER BY "
        "step";
    peri_args_t a = {0};
    peri_args_int(&a, j->number);
    PGresult *r = peri_args_query(&a, j->db, sql, err);
    int rc = r ? 0 : -1;
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        size_t n, ended = 0;
        int32_t *indexes = peri_col_ints(r, i, 1, &n);
        const peri_event_t e = {.kind = PERI_EV_ENDED,
                                .step = peri_col_text(r, i, 0),
                                .indexes = indexes,
                                .nindexes = n,
                                .final = PERI_TASK_CANCELLED,
                                .why = PERI_WHY_CANCELLED,
                                .text = cancelled};
        rc = peri_joblock_tasks(j, &e, &ended, err);
        *hits += ended;
        free(indexes);
    }
    PQclear(r);
    return rc;
}

static int cancel(peri_joblock_t *j, const peri_event_t *e, size_t *hits, peri_err_t *err)
{
    static const char sql[] = "SELECT DISTINCT step, attempt FROM task WHERE job = "
                              "$1::bigint AND " PERI_SQL_ACTIVE " ORDER BY step, attempt";
    *hits = 0;
    if (j->cancel || j->was_final) return 0;
    j->cancel = true;
    if (peri_joblock_event(j, e, err) || end_waiting(j, hits, err)) return -1;
    peri_args_t a = {0};
    peri_args_int(&a, j->number);
    PGresult *r = peri_args_query(&a, j->db, sql, err);
    int rc = r ? 0 : -1;
    for (int i = 0; rc == 0 && i < PQntuples(r); i++)
        rc = put_outbox(j, "cancel", peri_col_text(r, i, 0), (int)peri_col_int(r, i, 1),
                        err);
    PQclear(r);
    return rc;
}

/* Back to waiting; but nothing of a cancelled job waits. */
static int revoked(peri_joblock_t *j, const peri_event_t *e, size_t *hits,
                   peri_err_t *err)
{
    size_t ended = 0;
    if (peri_joblock_tasks(j, e, hits, err)) return -1;
    return *hits && j->cancel ? end_waiting(j, &ended, err) : 0;
}

/* ---- all of them ---- */

static int dispatch(peri_joblock_t *j, const peri_event_t *e, size_t *hits,
                    peri_err_t *err)
{
    switch (e->kind) {
    case PERI_EV_INTENT:
        return intent(j, e, hits, err);
    case PERI_EV_SUBMITTED:
        return submitted(j, e, hits, err);
    case PERI_EV_REVOKED:
        return revoked(j, e, hits, err);
    case PERI_EV_CANCEL:
        return cancel(j, e, hits, err);
    case PERI_EV_NOTE:
        *hits = 0;
        return peri_joblock_event(j, e, err);
    case PERI_EV_STARTED:
    case PERI_EV_ENDED:
        return peri_joblock_tasks(j, e, hits, err);
    default:
        break;
    }
    return peri_err_set(err, PERI_EINTERNAL, "a job's first event is not appended");
}

int peri_store_append(peri_db_t *db, const peri_event_t *e, size_t *applied,
                      peri_err_t *err)
{
    peri_dbtx_t tx;
    peri_joblock_t j = {0};
    size_t hits = 0;
    bool of_tasks = e->kind >= PERI_EV_STARTED && e->kind <= PERI_EV_REVOKED;
    if (applied) *applied = 0;
    if (of_tasks && !e->step)
        return peri_err_set(err, PERI_EINTERNAL, "the event \"%s\" needs a step",
                            peri_evkind_name(e->kind));
    /* All tasks of "no attempt" would be those that wait for one. */
    if (of_tasks && !e->indexes && e->attempt < 1) return 0;
    if (peri_dbtx_begin(&tx, db, err)) return -1;
    int rc = peri_joblock_take(&j, db, e->job, err);
    if (rc == 0) rc = dispatch(&j, e, &hits, err);
    if (rc == 0) rc = peri_joblock_store(&j, err);
    /* Nothing to keep, nothing to wait for the disk for. */
    if (rc == 0 && !j.changed && tx.ours)
        peri_db_rollback(db);
    else
        rc = peri_dbtx_end(&tx, rc, err);
    peri_joblock_clear(&j);
    if (rc == 0 && applied) *applied = hits;
    return rc;
}
