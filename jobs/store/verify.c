/* verify.c - does the log give the rows? Reads the log of a job, has it replayed, and
 * compares every row that follows from it. Appends to the job wait meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/store/replay.h"
#include "jobs/store/store_priv.h"

typedef struct {
    peri_db_t *db;
    const char *uuid;
    peri_args_t number; /* $1 */
    peri_replay_t replay;
} check_t;

static int replay_log(check_t *c, peri_err_t *err)
{
    static const char sql[] =
        "SELECT seq, \"time\", event, step, attempt, indexes, sentence, context FROM "
        "job_event WHERE job = $1::bigint ORDER BY seq";
    PGresult *r = peri_args_query(&c->number, c->db, sql, err);
    int rc = r ? 0 : -1;
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        peri_revent_t e = {.seq = (int)peri_col_int(r, i, 0),
                           .time = peri_col_real(r, i, 1),
                           .step = peri_col_text_or_null(r, i, 3),
                           .attempt = (int)peri_col_int(r, i, 4),
                           .sentence = peri_col_text(r, i, 6)};
        int32_t *indexes = peri_col_ints(r, i, 5, &e.nindexes);
        json_t *context = json_loads(peri_col_text(r, i, 7), 0, NULL);
        e.indexes = indexes;
        e.context = context;
        if (peri_evkind_parse(peri_col_text(r, i, 2), &e.kind))
            rc = peri_err_set(err, PERI_EINTERNAL, "event %d is \"%s\", which is none",
                              e.seq, peri_col_text(r, i, 2));
        else
            rc = peri_replay_apply(&c->replay, &e, err);
        json_decref(context);
        free(indexes);
    }
    PQclear(r);
    return rc;
}

/* ---- comparing ---- */

static int differs(peri_err_t *err, const char *what, const char *of, const char *row,
                   const char *log)
{
    return peri_err_set(err, PERI_EINTERNAL,
                        "%s of %s is \"%.200s\" in the row and \"%.200s\" by the log",
                        what, of, row, log);
}

static int same_text(peri_err_t *err, const char *what, const char *of, const char *row,
                     const char *log)
{
    return strcmp(row, log) == 0 ? 0 : differs(err, what, of, row, log);
}

static int same_number(peri_err_t *err, const char *what, const char *of, double row,
                       double log)
{
    char a[32], b[32];
    if (row == log) return 0;
    snprintf(a, sizeof(a), "%.17g", row);
    snprintf(b, sizeof(b), "%.17g", log);
    return differs(err, what, of, a, b);
}

static int compare_task(check_t *c, const PGresult *r, int i, peri_err_t *err)
{
    char of[128];
    int32_t index = (int32_t)peri_col_int(r, i, 1);
    snprintf(of, sizeof(of), "task %d of step \"%s\"", (int)index,
             peri_col_text(r, i, 0));
    const peri_rtask_t *t = peri_replay_task(&c->replay, peri_col_text(r, i, 0), index);
    if (!t) return peri_err_set(err, PERI_EINTERNAL, "%s is not in the log", of);
    json_t *usage = json_loads(peri_col_text(r, i, 12), JSON_DECODE_ANY, NULL);
    const char *used = peri_replay_usage(c->replay.arena, usage);
    json_decref(usage);
    return same_text(err, "the state", of, peri_col_text(r, i, 2),
                     peri_taskstate_name(t->state)) ||
                   same_number(err, "the attempt", of, peri_col_real(r, i, 3),
                               t->attempt) ||
                   same_number(err, "the lost attempts", of, peri_col_real(r, i, 4),
                               t->lost) ||
                   same_text(err, "the reason", of, peri_col_text(r, i, 5), t->why) ||
                   same_text(err, "the sentence", of, peri_col_text(r, i, 6),
                             t->sentence) ||
                   same_text(err, "the host", of, peri_col_text(r, i, 7), t->host) ||
                   same_number(err, "the exit status", of, peri_col_real(r, i, 8),
                               t->exit_code) ||
                   same_number(err, "the signal", of, peri_col_real(r, i, 9),
                               t->exit_signal) ||
                   same_number(err, "the start", of, peri_col_real(r, i, 10),
                               t->started) ||
                   same_number(err, "the end", of, peri_col_real(r, i, 11), t->ended) ||
                   same_text(err, "the usage", of, used, t->usage)
               ? -1
               : 0;
}

static int compare_tasks(check_t *c, peri_err_t *err)
{
    static const char sql[] =
        "SELECT step, index, state, attempt, lost, why, sentence, host, exit_code, "
        "exit_signal, started, ended, usage FROM task WHERE job = $1::bigint ORDER BY "
        "step, "
        "index";
    uint64_t count[PERI_TASK_NSTATES], ntasks = 0;
    peri_replay_counts(&c->replay, count);
    for (int s = 0; s < PERI_TASK_NSTATES; s++) ntasks += count[s];
    PGresult *r = peri_args_query(&c->number, c->db, sql, err);
    int rc = r ? 0 : -1;
    if (r)
        rc = same_number(err, "the number of tasks", "the job", PQntuples(r),
                         (double)ntasks);
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) rc = compare_task(c, r, i, err);
    PQclear(r);
    return rc;
}

static int compare_submissions(check_t *c, peri_err_t *err)
{
    static const char sql[] =
        "SELECT id FROM submission WHERE job = $1::bigint AND step = $2 "
        "AND attempt = $3::int";
    static const char all[] = "SELECT count(*) FROM submission WHERE job = $1::bigint";
    PGresult *r = peri_args_query(&c->number, c->db, all, err);
    int rc = r ? 0 : -1;
    if (r)
        rc = same_number(err, "the number of submissions", "the job",
                         peri_col_real(r, 0, 0), (double)c->replay.nsubmissions);
    PQclear(r);
    for (size_t i = 0; rc == 0 && i < c->replay.nsubmissions; i++) {
        const peri_rsubmission_t *s = &c->replay.submissions[i];
        peri_args_t a = {0};
        peri_args_text(&a, c->number.v[0]);
        peri_args_text(&a, s->step);
        peri_args_int(&a, s->attempt);
        if (!(r = peri_args_query(&a, c->db, sql, err))) return -1;
        rc = same_text(err, "the id", s->step,
                       PQntuples(r) ? peri_col_text(r, 0, 0) : "none", s->id);
        PQclear(r);
    }
    return rc;
}

static int compare_job(check_t *c, const PGresult *r, peri_err_t *err)
{
    static const char of[] = "the job";
    const peri_replay_t *p = &c->replay;
    uint64_t count[PERI_TASK_NSTATES], stored[PERI_TASK_NSTATES];
    double ended = 0;
    peri_replay_counts(p, count);
    peri_col_counts(r, 0, 8, stored);
    peri_jobstate_t state = peri_job_fold(count);
    for (size_t i = 0; peri_job_is_final(state) && i < p->nsteps; i++)
        for (size_t k = 0; k < p->steps[i].ntasks; k++)
            if (p->steps[i].tasks[k].ended > ended) ended = p->steps[i].tasks[k].ended;
    for (int s = 0; s < PERI_TASK_NSTATES; s++)
        if (same_number(err, "a number of tasks",
                        peri_taskstate_name((peri_taskstate_t)s), (double)stored[s],
                        (double)count[s]))
            return -1;
    return same_text(err, "the state", of, peri_col_text(r, 0, 1),
                     peri_jobstate_name(state)) ||
                   same_text(err, "the reason", of, peri_col_text(r, 0, 2), p->why) ||
                   same_text(err, "the sentence", of, peri_col_text(r, 0, 3),
                             p->sentence) ||
                   same_number(err, "the wish to cancel", of, peri_col_bool(r, 0, 4),
                               p->cancel) ||
                   same_number(err, "the start", of, peri_col_real(r, 0, 5),
                               p->started) ||
                   same_number(err, "the end", of, peri_col_real(r, 0, 6), ended) ||
                   same_number(err, "the last event", of, peri_col_real(r, 0, 7), p->seq)
               ? -1
               : 0;
}

static int verify_one(peri_db_t *db, const char *uuid, peri_err_t *err)
{
    static const char sql[] =
        "SELECT number, state, why, sentence, cancel, started, ended, "
        "last_seq, " PERI_SQL_COUNTS " FROM job WHERE uuid = $1::uuid FOR SHARE";
    peri_args_t a = {0};
    peri_args_text(&a, uuid);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    int rc = -1;
    check_t c = {.db = db, .uuid = uuid};
    peri_arena_t *arena = peri_arena_new();
    peri_replay_init(&c.replay, arena);
    if (PQntuples(r) == 0) {
        peri_store_no_job(uuid, err);
        goto out;
    }
    peri_args_text(&c.number, peri_col_text(r, 0, 0));
    rc = replay_log(&c, err) || compare_tasks(&c, err) || compare_submissions(&c, err) ||
                 compare_job(&c, r, err)
             ? -1
             : 0;
    if (rc && (!err || err->code == PERI_EINTERNAL)) peri_err_prefix(err, "job %s", uuid);
out:
    peri_arena_free(arena);
    PQclear(r);
    return rc;
}

static int verify_tx(peri_db_t *db, const char *uuid, peri_err_t *err)
{
    peri_dbtx_t tx;
    if (peri_dbtx_begin(&tx, db, err)) return -1;
    return peri_dbtx_end(&tx, verify_one(db, uuid, err), err);
}

int peri_store_verify(peri_db_t *db, const char *uuid, peri_err_t *err)
{
    if (uuid)
        return peri_sql_uuid_valid(uuid) ? verify_tx(db, uuid, err)
                                         : peri_store_no_job(uuid, err);
    PGresult *r =
        peri_db_prepared(db, err, "SELECT uuid FROM job ORDER BY number", 0, NULL);
    int rc = r ? 0 : -1;
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        peri_err_t e = {0};
        rc = verify_tx(db, peri_col_text(r, i, 0), &e);
        if (rc && e.code == PERI_ENOTFOUND) rc = 0; /* removed meanwhile */
        if (rc && err) *err = e;
    }
    PQclear(r);
    return rc;
}
