/* ready.c - which steps may be submitted now, and which never.
 *
 * A dependency is open while a task that it is about is not over, and bad when one has
 * failed or was cancelled: one that needs success is impossible then, at once. Looks only
 * at steps with waiting tasks, of jobs that nobody has cancelled.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/store/store_priv.h"

#define TARGET "t.job = d.on_job AND (d.on_step IS NULL OR t.step = d.on_step)"

/* Columns: job, step, next attempt, indexes; of the first bad dependency: its step, the
 * number of its job, whether that is another job, failed; [[id, even_failed]...]; one
 * submission at a time.
 *
 * A chain needs submissions that the scheduler still has whole: a task of theirs that was
 * revoked has failed there, and will run in another one.
 *
 * An array that only so many tasks of may run at a time (`parallel` of its step in the
 * plan) has one submission at a time: each would let so many run. */
static const char sql[] =
    "WITH w AS MATERIALIZED (SELECT t.job, t.step, array_agg(t.index ORDER BY t.index) "
    "AS "
    "indexes FROM task t WHERE t.state = 'waiting' GROUP BY t.job, t.step), "
    "ours AS MATERIALIZED (SELECT w.*, j.uuid, j.priority, s.pos AS at, s.is_array AND "
    "EXISTS (SELECT FROM jsonb_array_elements(j.plan::jsonb->'steps') p WHERE "
    "p->>'name' = w.step AND p ? 'parallel') AS one FROM w JOIN job j ON "
    "j.number = w.job JOIN step s ON s.job = w.job AND s.name = w.step WHERE NOT "
    "j.cancel AND "
    "($1::text IS NULL OR j.scheduler = $1)), "
    "dep AS MATERIALIZED (SELECT d.*, "
    "EXISTS (SELECT FROM task t WHERE " TARGET " AND t." PERI_SQL_ACTIVE ") AS open, "
    "EXISTS (SELECT FROM task t WHERE " TARGET " AND t." PERI_SQL_BAD ") AS bad "
    "FROM ours o JOIN dependency d ON d.job = o.job AND d.step = o.step), "
    "chain AS MATERIALIZED (SELECT d.job, d.step, d.pos, d.even_failed, b.id, "
    "bool_and(t.state IN ('queued', 'running') AND coalesce(b.id, '') <> '' AND "
    "b.scheduler "
    "= $1 AND NOT EXISTS (SELECT FROM task l WHERE l.job = t.job AND l.step = t.step AND "
    "l.lost > 0)) AS whole FROM dep d JOIN task t ON " TARGET " AND t." PERI_SQL_ACTIVE
    " LEFT JOIN submission b ON b.job = t.job AND b.step = t.step AND b.attempt = "
    "t.attempt "
    "WHERE $2::boolean AND d.open GROUP BY 1, 2, 3, 4, 5) "
    "SELECT o.uuid, o.step, coalesce((SELECT max(b.attempt) FROM submission b WHERE "
    "b.job = "
    "o.job AND b.step = o.step), 0) + 1, o.indexes, f.on_step, f.on_job, f.on_job <> "
    "o.job, "
    "f.failed, (SELECT json_agg(json_build_array(c.id, c.even_failed) ORDER BY c.pos, "
    "c.id) "
    "FROM chain c WHERE c.job = o.job AND c.step = o.step), o.one FROM ours o LEFT JOIN "
    "LATERAL "
    "(SELECT d.on_step, d.on_job, EXISTS (SELECT FROM task t WHERE " TARGET
    " AND t." PERI_SQL_BAD
    " AND t.state = 'failed') AS failed FROM dep d WHERE d.job = o.job "
    "AND d.step = o.step AND d.bad AND NOT d.even_failed ORDER BY d.pos LIMIT 1) AS f ON "
    "true "
    "WHERE f.on_job IS NOT NULL OR (NOT (o.one AND EXISTS (SELECT FROM task t WHERE "
    "t.job "
    "= o.job AND t.step = o.step AND t." PERI_SQL_ACTIVE
    " AND t.state <> 'waiting')) AND NOT EXISTS (SELECT FROM dep d WHERE d.job = o.job "
    "AND "
    "d.step = o.step AND d.open AND NOT ($2::boolean AND coalesce((SELECT "
    "bool_and(c.whole) "
    "FROM chain c WHERE c.job = d.job AND c.step = d.step AND c.pos = d.pos), false)))) "
    "ORDER BY o.priority DESC, o.job, o.at";

static char *impossible(const PGresult *r, int i)
{
    const char *step = peri_col_text(r, i, 4);
    long long job = (long long)peri_col_int(r, i, 5);
    const char *how = peri_col_bool(r, i, 7) ? "failed" : "was cancelled";
    if (!peri_col_bool(r, i, 6))
        return peri_xasprintf("not run: it needs the success of step \"%s\", which %s",
                              step, how);
    if (*step)
        return peri_xasprintf(
            "not run: it needs the success of step \"%s\" of job %lld, which %s", step,
            job, how);
    return peri_xasprintf("not run: it needs the success of job %lld, which %s", job,
                          how);
}

static int tell(const PGresult *r, int i, int (*each)(const peri_readyrow_t *, void *),
                void *arg)
{
    size_t nindexes, n = 0;
    int32_t *indexes = peri_col_ints(r, i, 3, &nindexes);
    bool never = !PQgetisnull(r, i, 5);
    json_t *pairs = json_loads(peri_col_text(r, i, 8), 0, NULL), *pair;
    const char **ids = peri_xcalloc(json_array_size(pairs) + 1, sizeof(*ids));
    bool *even = peri_xcalloc(json_array_size(pairs) + 1, sizeof(*even));
    char *text = never ? impossible(r, i) : NULL;
    size_t k;
    json_array_foreach(pairs, k, pair)
    {
        ids[n] = json_string_value(json_array_get(pair, 0));
        even[n++] = json_is_true(json_array_get(pair, 1));
    }
    peri_readyrow_t row = {.uuid = peri_col_text(r, i, 0),
                           .step = peri_col_text(r, i, 1),
                           .next_attempt = (int)peri_col_int(r, i, 2),
                           .indexes = indexes,
                           .nindexes = nindexes,
                           .impossible = never,
                           .text = text ? text : "",
                           .ids = ids,
                           .even_failed = even,
                           .nids = never ? 0 : n,
                           .one = peri_col_bool(r, i, 9)};
    int stop = each(&row, arg);
    free(text);
    free(even);
    free(ids);
    free(indexes);
    json_decref(pairs);
    return stop;
}

int peri_store_ready(peri_db_t *db, const char *scheduler, bool chained,
                     int (*each)(const peri_readyrow_t *, void *), void *arg,
                     peri_err_t *err)
{
    peri_args_t a = {0};
    peri_args_text(&a, scheduler);
    peri_args_bool(&a, chained);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    for (int i = 0; i < PQntuples(r); i++)
        if (tell(r, i, each, arg)) break;
    PQclear(r);
    return 0;
}
