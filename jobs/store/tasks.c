/* tasks.c - the tasks and the events of one job, for people. Only reads. */
#include "jobs/store/store_priv.h"

static int job_exists(peri_db_t *db, const char *uuid, peri_err_t *err)
{
    static const char sql[] = "SELECT FROM job WHERE uuid = $1::uuid";
    peri_args_t a = {0};
    peri_args_text(&a, uuid);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    bool found = PQntuples(r) > 0;
    PQclear(r);
    return found ? 0 : peri_store_no_job(uuid, err);
}

int peri_store_tasks(peri_db_t *db, const char *uuid, const char *step,
                     int32_t from_index, int limit, peri_taskrow_f each, void *arg,
                     peri_err_t *err)
{
    static const char sql[] =
        "SELECT t.step, t.index, t.state, t.attempt, t.lost, t.why, CASE WHEN t.why <> "
        "'' "
        "THEN t.sentence ELSE t.waits END, t.host, CASE WHEN coalesce(b.id, '') = '' "
        "THEN '' "
        "WHEN s.is_array THEN b.id || '_' || t.index ELSE b.id END, t.exit_code, "
        "t.exit_signal, t.started, t.ended, t.expected, t.usage FROM job j JOIN step s "
        "ON "
        "s.job = j.number JOIN task t ON t.job = s.job AND t.step = s.name LEFT JOIN "
        "submission b ON b.job = t.job AND b.step = t.step AND b.attempt = t.attempt "
        "WHERE "
        "j.uuid = $1::uuid AND ($2::text IS NULL OR t.step = $2) AND t.index >= $3::int "
        "ORDER "
        "BY s.pos, t.index LIMIT nullif($4::int, 0)";
    if (!peri_sql_uuid_valid(uuid)) return peri_store_no_job(uuid, err);
    peri_args_t a = {0};
    peri_args_text(&a, uuid);
    peri_args_text(&a, step);
    peri_args_int(&a, from_index);
    peri_args_int(&a, limit);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    int rc = PQntuples(r) ? 0 : job_exists(db, uuid, err);
    for (int i = 0; i < PQntuples(r); i++) {
        peri_taskrow_t row = {.step = peri_col_text(r, i, 0),
                              .index = (int32_t)peri_col_int(r, i, 1),
                              .state = peri_col_taskstate(r, i, 2),
                              .attempt = (int)peri_col_int(r, i, 3),
                              .attempts_lost = (int)peri_col_int(r, i, 4),
                              .why = peri_col_why(r, i, 5),
                              .text = peri_col_text(r, i, 6),
                              .host = peri_col_text(r, i, 7),
                              .id = peri_col_text(r, i, 8),
                              .exit_code = (int)peri_col_int(r, i, 9),
                              .exit_signal = (int)peri_col_int(r, i, 10),
                              .started = peri_col_real(r, i, 11),
                              .ended = peri_col_real(r, i, 12),
                              .expected = peri_col_real(r, i, 13),
                              .usage = peri_col_text_or_null(r, i, 14)};
        if (each(&row, arg)) break;
    }
    PQclear(r);
    return rc;
}

int peri_store_events(peri_db_t *db, const char *uuid, int after, int limit,
                      int (*each)(const char *json, int seq, void *arg), void *arg,
                      peri_err_t *err)
{
    static const char sql[] =
        "SELECT e.seq, json_build_object('seq', e.seq, 'time', e.\"time\", 'event', "
        "e.event, "
        "'step', e.step, 'attempt', e.attempt, 'indexes', to_json(e.indexes), 'text', "
        "e.sentence, 'context', e.context) FROM job j JOIN job_event e ON e.job = "
        "j.number "
        "WHERE j.uuid = $1::uuid AND e.seq > $2::int ORDER BY e.seq LIMIT "
        "nullif($3::int, 0)";
    if (!peri_sql_uuid_valid(uuid)) return peri_store_no_job(uuid, err);
    peri_args_t a = {0};
    peri_args_text(&a, uuid);
    peri_args_int(&a, after);
    peri_args_int(&a, limit);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    int rc = PQntuples(r) ? 0 : job_exists(db, uuid, err);
    for (int i = 0; i < PQntuples(r); i++)
        if (each(peri_col_text(r, i, 1), (int)peri_col_int(r, i, 0), arg)) break;
    PQclear(r);
    return rc;
}
