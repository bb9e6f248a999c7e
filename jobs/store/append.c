/* append.c - events into the log and, in the same transaction, into the rows that follow
 * from it.
 *
 * The job's row is locked first, everything else after it: appends to one job come one
 * after the other, and no two of them wait for each other. Tasks are changed by sets: one
 * statement for an event, however many tasks it concerns. Which tasks it fits and what
 * becomes of them is read from peri_task_step and handed to the statement as two arrays.
 */
#include "jobs/store/append.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

int peri_joblock_take(peri_joblock_t *j, peri_db_t *db, const char *uuid, peri_err_t *err)
{
    /* NO KEY: rows that refer to this one may be inserted meanwhile. */
    static const char sql[] =
        "SELECT number, last_seq, state, cancel, scheduler, ended IS NOT "
        "NULL, " PERI_SQL_COUNTS " FROM job WHERE uuid = $1::uuid FOR NO KEY UPDATE";
    *j = (peri_joblock_t){.db = db};
    if (!peri_sql_uuid_valid(uuid)) return peri_store_no_job(uuid, err);
    peri_args_t a = {0};
    peri_args_text(&a, uuid);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    int rc = 0;
    if (PQntuples(r) == 0) {
        rc = peri_store_no_job(uuid, err);
    } else {
        memcpy(j->uuid, uuid, sizeof(j->uuid));
        j->number = peri_col_int(r, 0, 0);
        j->seq = (int)peri_col_int(r, 0, 1);
        j->state = peri_col_jobstate(r, 0, 2);
        j->cancel = peri_col_bool(r, 0, 3);
        j->scheduler = peri_xstrdup(peri_col_text(r, 0, 4));
        j->was_final = peri_col_bool(r, 0, 5);
        peri_col_counts(r, 0, 6, j->count);
    }
    PQclear(r);
    return rc;
}

void peri_joblock_clear(peri_joblock_t *j)
{
    free(j->scheduler);
    free(j->sentence);
    *j = (peri_joblock_t){0};
}

/* ---- the rows of tasks ---- */

/* from[i] becomes to[i]; what is in fault must not be hit. As arrays of the database. */
typedef struct {
    peri_buf_t from, to, fault;
} rules_t;

static void add(peri_buf_t *b, peri_taskstate_t s)
{
    peri_buf_printf(b, "%s%s", b->len ? "," : "{", peri_taskstate_name(s));
}

static void rules_make(rules_t *u, const peri_event_t *e)
{
    peri_buf_t *all[] = {&u->from, &u->to, &u->fault};
    for (int i = 0; i < 3; i++) peri_buf_init(all[i], 1024);
    for (int s = 0; s < PERI_TASK_NSTATES; s++) {
        peri_taskstate_t next;
        int fits = peri_task_step((peri_taskstate_t)s, e->kind, e->final, &next);
        if (fits > 0) {
            add(&u->from, (peri_taskstate_t)s);
            add(&u->to, next);
        } else if (fits < 0) {
            add(&u->fault, (peri_taskstate_t)s);
        }
    }
    for (int i = 0; i < 3; i++) peri_buf_puts(all[i], all[i]->len ? "}" : "{}");
}

static void rules_free(rules_t *u)
{
    peri_buf_free(&u->from);
    peri_buf_free(&u->to);
    peri_buf_free(&u->fault);
}

/* What the event is about, then what becomes of its tasks, then the event itself.
 * $1-$3 rules, $4 job, $5 step, $6 the attempt that tasks must have, $7 indexes, $8
 * event, $9 its attempt, $10 why, $11 sentence, $12 host, $13 exit code, $14 signal, $15
 * time (NULL: now), $16 context, $17 seq. */
#define PROJECT(which)                                                                   \
    "WITH rule AS (SELECT * FROM unnest($1::text[], $2::text[]) AS u (state, next)), "   \
    "bad AS (SELECT t.index, t.state FROM task t WHERE t.job = $4::bigint AND t.step = " \
    "$5 AND t.attempt = $6::int AND " which " AND t.state = ANY ($3::text[]) LIMIT 1), " \
    "now AS MATERIALIZED (SELECT " PERI_SQL_NOW " AS n), "                               \
    "hit AS (UPDATE task t SET state = r.next, "                                         \
    "attempt = CASE $8 WHEN 'intent' THEN $9::int WHEN 'revoked' THEN 0 "                \
    "ELSE t.attempt END, "                                                               \
    "lost = CASE WHEN $8 <> 'revoked' THEN t.lost WHEN $10 = 'time_limit' THEN 1 ELSE "  \
    "t.lost + 1 END, "                                                                   \
    "why = CASE $8 WHEN 'ended' THEN $10 ELSE t.why END, "                               \
    "sentence = CASE $8 WHEN 'ended' THEN $11 ELSE t.sentence END, "                     \
    "host = CASE $8 WHEN 'started' THEN $12 WHEN 'revoked' THEN '' ELSE t.host END, "    \
    "exit_code = CASE $8 WHEN 'ended' THEN $13::int ELSE t.exit_code END, "              \
    "exit_signal = CASE $8 WHEN 'ended' THEN $14::int ELSE t.exit_signal END, "          \
    "started = CASE $8 WHEN 'started' THEN coalesce($15::float8, now.n) "                \
    "WHEN 'revoked' THEN NULL ELSE t.started END, "                                      \
    "ended = CASE $8 WHEN 'ended' THEN coalesce($15::float8, now.n) "                    \
    "ELSE t.ended END, "                                                                 \
    "usage = CASE $8 WHEN 'ended' THEN $16::jsonb -> 'usage' ELSE t.usage END, "         \
    "changed = now.n, "                                                                  \
    "waits = CASE WHEN r.next = r.state THEN t.waits ELSE '' END, "                      \
    "expected = CASE WHEN r.next = r.state THEN t.expected END "                         \
    "FROM rule r, now WHERE t.job = $4::bigint AND t.step = $5 AND t.state = r.state "   \
    "AND t.attempt = $6::int AND " which " AND NOT EXISTS (SELECT FROM bad) "            \
    "RETURNING t.index, r.state AS old, r.next AS new), "                                \
    "ev AS (INSERT INTO job_event (job, seq, \"time\", stored, event, step, attempt, "   \
    "indexes, sentence, context) SELECT $4::bigint, $17::int, "                          \
    "coalesce($15::float8, min(now.n)), min(now.n), $8, $5, $9::int, "                   \
    "array_agg(hit.index ORDER BY hit.index), $11, $16::jsonb FROM hit, now "            \
    "HAVING count(*) > 0) "                                                              \
    "SELECT old, new, count(*) FROM hit GROUP BY 1, 2 "                                  \
    "UNION ALL SELECT state, NULL, index FROM bad"

static const char project_some[] = PROJECT("t.index = ANY ($7::int[])");
static const char project_all[] = PROJECT("$7::int[] IS NULL");

/* How many tasks; the counts of the job follow. */
static int take_counts(peri_joblock_t *j, const peri_event_t *e, const PGresult *r,
                       size_t *hits, peri_err_t *err)
{
    for (int i = 0; i < PQntuples(r); i++) {
        peri_taskstate_t old = peri_col_taskstate(r, i, 0);
        int64_t n = peri_col_int(r, i, 2);
        if (PQgetisnull(r, i, 1))
            return peri_err_set(
                err, PERI_EINTERNAL,
                "the event \"%s\" does not fit task %lld of step \"%s\" of "
                "job %s, which is %s",
                peri_evkind_name(e->kind), (long long)n, e->step, j->uuid,
                peri_taskstate_name(old));
        j->count[old] -= (uint64_t)n;
        j->count[peri_col_taskstate(r, i, 1)] += (uint64_t)n;
        *hits += (size_t)n;
    }
    return 0;
}

/* What the event says beside its own columns. Keys of ours win. */
static char *context_of(const peri_event_t *e)
{
    json_t *c =
        json_is_object(e->context) ? json_copy((json_t *)e->context) : json_object();
    if (e->kind == PERI_EV_SUBMITTED && e->id) {
        char *id = peri_sql_clean(e->id, 256);
        json_object_set_new(c, "id", json_string(id));
        free(id);
    }
    if (e->kind == PERI_EV_STARTED && e->host) {
        char *host = peri_sql_clean(e->host, 1024);
        json_object_set_new(c, "host", json_string(host));
        free(host);
    }
    if (e->kind == PERI_EV_ENDED || e->kind == PERI_EV_REVOKED)
        json_object_set_new(c, "reason", json_string(peri_why_name(e->why)));
    if (e->kind == PERI_EV_ENDED) {
        json_object_set_new(c, "state", json_string(peri_taskstate_name(e->final)));
        json_object_set_new(c, "exit_code", json_integer(e->exit_code));
        json_object_set_new(c, "signal", json_integer(e->exit_signal));
    }
    char *text = json_dumps(c, JSON_COMPACT);
    json_decref(c);
    return text ? text : peri_xstrdup("{}");
}

static void note_end(peri_joblock_t *j, const peri_event_t *e,
                     const uint64_t before[PERI_TASK_NSTATES])
{
    /* The first failure explains the job; a cancellation does while nothing has failed.
     */
    bool failed = j->count[PERI_TASK_FAILED] && !before[PERI_TASK_FAILED];
    bool cancelled = j->count[PERI_TASK_CANCELLED] && !before[PERI_TASK_CANCELLED] &&
                     !before[PERI_TASK_FAILED];
    if (!failed && !cancelled) return;
    free(j->sentence);
    j->why = e->why;
    j->sentence = peri_sql_clean(e->text, PERI_SENTENCE_MAX);
}

int peri_joblock_tasks(peri_joblock_t *j, const peri_event_t *e, size_t *hits,
                       peri_err_t *err)
{
    rules_t u;
    rules_make(&u, e);
    char *indexes = e->indexes ? peri_sql_ints(e->indexes, e->nindexes) : NULL;
    char *sentence = peri_sql_clean(e->text, PERI_SENTENCE_MAX);
    char *host = peri_sql_clean(e->host, 1024);
    char *context = context_of(e);
    uint64_t before[PERI_TASK_NSTATES];
    memcpy(before, j->count, sizeof(before));
    int rc = -1;
    *hits = 0;

    peri_args_t a = {0};
    peri_args_text(&a, u.from.data);
    peri_args_text(&a, u.to.data);
    peri_args_text(&a, u.fault.data);
    peri_args_int(&a, j->number);
    peri_args_text(&a, e->step);
    peri_args_int(&a, e->kind == PERI_EV_INTENT ? 0 : e->attempt);
    peri_args_text(&a, indexes);
    peri_args_text(&a, peri_evkind_name(e->kind));
    peri_args_int(&a, e->attempt);
    peri_args_text(&a, peri_why_name(e->why));
    peri_args_text(&a, sentence);
    peri_args_text(&a, host);
    peri_args_int(&a, e->exit_code);
    peri_args_int(&a, e->exit_signal);
    if (e->time > 0)
        peri_args_real(&a, e->time);
    else
        peri_args_text(&a, NULL);
    peri_args_text(&a, context);
    peri_args_int(&a, j->seq + 1);
    PGresult *r = peri_args_query(&a, j->db, indexes ? project_some : project_all, err);
    if (!r || take_counts(j, e, r, hits, err)) goto out;
    rc = 0;
    if (*hits == 0) goto out;
    j->seq++;
    j->changed = true;
    if (e->kind == PERI_EV_STARTED) j->started = true;
    if (e->kind == PERI_EV_ENDED) note_end(j, e, before);
out:
    PQclear(r);
    free(context);
    free(host);
    free(sentence);
    free(indexes);
    rules_free(&u);
    return rc;
}

int peri_joblock_event(peri_joblock_t *j, const peri_event_t *e, peri_err_t *err)
{
    static const char sql[] =
        "INSERT INTO job_event (job, seq, \"time\", stored, event, step, attempt, "
        "indexes, "
        "sentence, context) SELECT $1::bigint, $2::int, coalesce($3::float8, n), n, $4, "
        "$5, "
        "$6::int, $7::int[], $8, $9::jsonb FROM (SELECT " PERI_SQL_NOW " AS n) AS now";
    char *indexes = peri_sql_ints(e->indexes, e->indexes ? e->nindexes : 0);
    char *sentence = peri_sql_clean(e->text, PERI_SENTENCE_MAX);
    char *context = context_of(e);
    peri_args_t a = {0};
    peri_args_int(&a, j->number);
    peri_args_int(&a, j->seq + 1);
    if (e->time > 0)
        peri_args_real(&a, e->time);
    else
        peri_args_text(&a, NULL);
    peri_args_text(&a, peri_evkind_name(e->kind));
    peri_args_text(&a, e->step);
    peri_args_int(&a, e->attempt);
    peri_args_text(&a, indexes);
    peri_args_text(&a, sentence);
    peri_args_text(&a, context);
    int rc = peri_args_exec(&a, j->db, sql, err);
    if (rc == 0) {
        j->seq++;
        j->changed = true;
    }
    free(context);
    free(sentence);
    free(indexes);
    return rc;
}

/* ---- the row of the job ---- */

/* Its results are to go somewhere: owed from the moment on when it has succeeded. */
static int owe_delivery(const peri_joblock_t *j, peri_err_t *err)
{
    static const char sql[] = "INSERT INTO outbox (kind, job, step, attempt, due) SELECT "
                              "'deliver', number, '', "
                              "0, 0 FROM job WHERE number = $1::bigint AND (spec::json "
                              "-> 'output') IS NOT NULL "
                              "ON CONFLICT DO NOTHING";
    peri_args_t a = {0};
    peri_args_int(&a, j->number);
    return peri_args_exec(&a, j->db, sql, err);
}

int peri_joblock_store(peri_joblock_t *j, peri_err_t *err)
{
    static const char sql[] =
        "UPDATE job SET last_seq = $2::int, n_waiting = $3::bigint, n_submitting = "
        "$4::bigint, n_queued = $5::bigint, n_running = $6::bigint, n_succeeded = "
        "$7::bigint, n_failed = $8::bigint, n_cancelled = $9::bigint, "
        "started = CASE WHEN $10::boolean AND started IS NULL THEN (SELECT e.\"time\" "
        "FROM "
        "job_event e WHERE e.job = number AND e.event = 'started' ORDER BY e.seq LIMIT "
        "1) "
        "ELSE started END, "
        "state = $11, cancel = $12::boolean, why = coalesce($13, why), "
        "sentence = coalesce($14, sentence), "
        "ended = CASE WHEN $15::boolean THEN (SELECT max(t.ended) FROM task t WHERE "
        "t.job = "
        "number) ELSE ended END, "
        "waits = CASE WHEN state = $11 THEN waits ELSE '' END, "
        "expected = CASE WHEN state = $11 THEN expected END "
        "WHERE number = $1::bigint RETURNING pg_notify('perigee_jobs', uuid::text)";
    if (!j->changed) return 0;
    j->state = peri_job_fold(j->count);
    bool ends = peri_job_is_final(j->state) && !j->was_final;
    peri_args_t a = {0};
    peri_args_int(&a, j->number);
    peri_args_int(&a, j->seq);
    for (int s = 0; s < PERI_TASK_NSTATES; s++) peri_args_int(&a, (int64_t)j->count[s]);
    peri_args_bool(&a, j->started);
    peri_args_text(&a, peri_jobstate_name(j->state));
    peri_args_bool(&a, j->cancel);
    peri_args_text(&a, j->sentence ? peri_why_name(j->why) : NULL);
    peri_args_text(&a, j->sentence);
    peri_args_bool(&a, ends);
    if (peri_args_exec(&a, j->db, sql, err)) return -1;
    return ends && j->state == PERI_JOB_SUCCEEDED ? owe_delivery(j, err) : 0;
}
