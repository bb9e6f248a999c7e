/* create.c - a new job: its row, steps, tasks, what they wait for, and its first event,
 * in one transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/store/store_priv.h"

/* The row; 1 made, 0 there by its idempotency key (of a transaction that may have been
 * under way until now). */
static int put_job(peri_db_t *db, const peri_newjob_t *j, uint64_t ntasks,
                   char uuid[PERI_UUID_LEN + 1], int64_t *number, peri_err_t *err)
{
    static const char put[] =
        "INSERT INTO job (uid, username, name, kind, scheduler, priority, idem_key, "
        "resubmit_of, spec, plan, state, created, last_seq, n_waiting, owner, sandbox) "
        "VALUES ($1::bigint, $2, $3, $4, $5, $6::int, $7, $8::uuid, $9, $10, "
        "$11, " PERI_SQL_NOW ", 1, $12::bigint, $13::bigint, $14::boolean) ON CONFLICT "
        "(owner, idem_key) WHERE "
        "idem_key IS NOT NULL DO NOTHING "
        "RETURNING uuid, number, pg_notify('perigee_jobs', uuid::text)";
    static const char get[] =
        "SELECT uuid, number FROM job WHERE owner = $1::bigint AND idem_key = $2";
    peri_args_t a = {0};
    peri_args_int(&a, j->uid);
    peri_args_text(&a, j->user);
    peri_args_text(&a, j->name);
    peri_args_text(&a, j->kind);
    peri_args_text(&a, j->scheduler);
    peri_args_int(&a, j->priority);
    peri_args_text(&a, j->idem_key);
    peri_args_text(&a, j->resubmit_of);
    peri_args_text(&a, j->spec);
    peri_args_text(&a, j->plan);
    peri_args_text(&a, peri_jobstate_name(PERI_JOB_WAITING));
    peri_args_int(&a, (int64_t)ntasks);
    peri_args_int(&a, j->owner);
    peri_args_bool(&a, j->sandbox);
    PGresult *r = peri_args_query(&a, db, put, err);
    bool made = r && PQntuples(r) > 0;
    if (r && !made) {
        PQclear(r);
        a.n = 0;
        peri_args_int(&a, j->owner);
        peri_args_text(&a, j->idem_key);
        r = peri_args_query(&a, db, get, err);
        if (r && PQntuples(r) == 0) {
            PQclear(r);
            return peri_err_set(err, PERI_EIO,
                                "the job with this key is being removed now: try again");
        }
    }
    if (!r) return -1;
    memcpy(uuid, peri_col_text(r, 0, 0), PERI_UUID_LEN + 1);
    *number = peri_col_int(r, 0, 1);
    PQclear(r);
    return made;
}

static int put_step(peri_db_t *db, int64_t job, const struct peri_newstep *s, size_t pos,
                    peri_err_t *err)
{
    static const char step[] = "INSERT INTO step (job, name, pos, is_array, restartable) "
                               "VALUES ($1::bigint, $2, $3::int, $4::bool, $5::bool)";
    static const char tasks[] =
        "INSERT INTO task (job, step, index, changed) SELECT $1::bigint, $2, i, "
        "(SELECT created FROM job WHERE number = $1::bigint) FROM unnest($3::int[]) AS i";
    peri_args_t a = {0};
    peri_args_int(&a, job);
    peri_args_text(&a, s->name);
    peri_args_int(&a, (int64_t)pos);
    peri_args_bool(&a, s->is_array);
    peri_args_bool(&a, s->restartable);
    if (peri_args_exec(&a, db, step, err)) return -1;
    char *indexes = peri_sql_ints(s->indexes, s->nindexes);
    a.n = 2;
    peri_args_text(&a, indexes);
    int rc = peri_args_exec(&a, db, tasks, err);
    free(indexes);
    return rc;
}

/* ---- what a step waits for ---- */

static int other_job(peri_db_t *db, const peri_newjob_t *j, const struct peri_newdep *d,
                     int64_t *number, peri_err_t *err)
{
    /* The lock: not removed before this one is stored. */
    static const char sql[] =
        "SELECT number, $3::text IS NULL OR EXISTS (SELECT FROM step s WHERE s.job = "
        "number "
        "AND s.name = $3) FROM job WHERE uuid = $1::uuid AND "
        "perigee_rights($2::bigint, 'job', number, '') & 1 <> 0 FOR KEY SHARE";
    if (!peri_sql_uuid_valid(d->job)) goto none;
    peri_args_t a = {0};
    peri_args_text(&a, d->job);
    peri_args_int(&a, j->owner);
    peri_args_text(&a, d->step);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    bool found = PQntuples(r) > 0, has_step = found && peri_col_bool(r, 0, 1);
    if (found) *number = peri_col_int(r, 0, 0);
    PQclear(r);
    if (has_step) return 0;
    if (found)
        return peri_err_set(
            err, PERI_ENOTFOUND,
            "the job %s, which this one is to wait for, has no step \"%s\"", d->job,
            d->step);
none:
    return peri_err_set(err, PERI_ENOTFOUND,
                        "there is no job %.64s for this one to wait for", d->job);
}

static int put_after(peri_db_t *db, int64_t job, const peri_newjob_t *j, size_t at,
                     size_t pos, peri_err_t *err)
{
    static const char sql[] =
        "INSERT INTO dependency (job, step, pos, on_job, on_step, even_failed) VALUES "
        "($1::bigint, $2, $3::int, $4::bigint, $5, $6::bool)";
    const struct peri_newstep *s = &j->steps[at];
    const struct peri_newdep *d = &s->after[pos];
    int64_t on = job;
    if (d->job) {
        if (other_job(db, j, d, &on, err)) return -1;
    } else {
        /* Only on an earlier one: no circles. */
        size_t i = 0;
        while (i < at && (!d->step || strcmp(j->steps[i].name, d->step) != 0)) i++;
        if (i == at)
            return peri_err_set(err, PERI_EINVAL,
                                "step \"%s\" is to wait for \"%s\", which is not a step "
                                "before it",
                                s->name, d->step ? d->step : "");
    }
    peri_args_t a = {0};
    peri_args_int(&a, job);
    peri_args_text(&a, s->name);
    peri_args_int(&a, (int64_t)pos);
    peri_args_int(&a, on);
    peri_args_text(&a, d->step);
    peri_args_bool(&a, d->even_failed);
    return peri_args_exec(&a, db, sql, err);
}

/* ---- the first event ---- */

/* "0-99,200": the log has to say which tasks there are, in few bytes. */
static char *ranges(const int32_t *v, size_t n)
{
    peri_buf_t b;
    peri_buf_init(&b, 16u << 20);
    for (size_t i = 0; i < n;) {
        size_t k = i;
        while (k + 1 < n && v[k + 1] == v[k] + 1) k++;
        peri_buf_printf(&b, "%s%d", i ? "," : "", (int)v[i]);
        if (k > i) peri_buf_printf(&b, "-%d", (int)v[k]);
        i = k + 1;
    }
    return peri_buf_take(&b, NULL);
}

static int put_event(peri_db_t *db, int64_t job, const peri_newjob_t *j, peri_err_t *err)
{
    static const char sql[] =
        "INSERT INTO job_event (job, seq, \"time\", stored, event, context) SELECT "
        "number, "
        "1, created, created, $2, $3::jsonb FROM job WHERE number = $1::bigint";
    json_t *steps = json_array();
    for (size_t i = 0; i < j->nsteps; i++) {
        char *tasks = ranges(j->steps[i].indexes, j->steps[i].nindexes);
        json_array_append_new(steps, json_pack("{s:s,s:s}", "name", j->steps[i].name,
                                               "tasks", tasks ? tasks : ""));
        free(tasks);
    }
    json_t *context = json_pack("{s:o}", "steps", steps);
    char *text = json_dumps(context, JSON_COMPACT);
    peri_args_t a = {0};
    peri_args_int(&a, job);
    peri_args_text(&a, peri_evkind_name(PERI_EV_CREATED));
    peri_args_text(&a, text);
    int rc = peri_args_exec(&a, db, sql, err);
    free(text);
    json_decref(context);
    return rc;
}

static int put_all(peri_db_t *db, int64_t job, const peri_newjob_t *j, peri_err_t *err)
{
    for (size_t i = 0; i < j->nsteps; i++) {
        if (put_step(db, job, &j->steps[i], i, err)) return -1;
        for (size_t k = 0; k < j->steps[i].nafter; k++)
            if (put_after(db, job, j, i, k, err)) return -1;
    }
    return put_event(db, job, j, err);
}

static int find_owner(peri_db_t *db, peri_newjob_t *j, peri_err_t *err)
{
    peri_args_t a = {0};
    if (j->owner) return 0;
    peri_args_int(&a, j->uid);
    peri_args_text(&a, j->user);
    PGresult *r =
        peri_args_query(&a, db, "SELECT perigee_account_of_uid($1::bigint, $2)", err);
    if (!r) return -1;
    j->owner = peri_col_int(r, 0, 0);
    PQclear(r);
    return 0;
}

int peri_store_create(peri_db_t *db, const peri_newjob_t *asked,
                      char uuid[PERI_UUID_LEN + 1], int64_t *number, bool *existed,
                      peri_err_t *err)
{
    char id[PERI_UUID_LEN + 1];
    int64_t n = 0;
    uint64_t ntasks = 0;
    peri_dbtx_t tx;
    peri_newjob_t own = *asked, *j = &own;
    for (size_t i = 0; i < j->nsteps; i++) {
        if (j->steps[i].nindexes == 0)
            return peri_err_set(err, PERI_EINVAL, "step \"%s\" has no tasks",
                                j->steps[i].name);
        ntasks += j->steps[i].nindexes;
    }
    if (ntasks == 0) return peri_err_set(err, PERI_EINVAL, "the job has no steps");
    if (j->resubmit_of && !peri_sql_uuid_valid(j->resubmit_of))
        return peri_store_no_job(j->resubmit_of, err);
    if (peri_dbtx_begin(&tx, db, err)) return -1;
    int made = find_owner(db, j, err) ? -1 : put_job(db, j, ntasks, id, &n, err);
    int rc = made < 0 ? -1 : 0;
    if (made > 0) rc = put_all(db, n, j, err);
    if (peri_dbtx_end(&tx, rc, err)) return -1;
    memcpy(uuid, id, sizeof(id));
    if (number) *number = n;
    if (existed) *existed = made == 0;
    return 0;
}
