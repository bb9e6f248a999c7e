/* list.c - rows of jobs for people: lists with filters, one job, a job by its number or a
 * part of its uuid. Only reads.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/store/store_priv.h"

#define COLUMNS                                                                          \
    "j.uuid, j.number, j.uid, j.username, j.name, j.kind, j.scheduler, j.state, j.why, " \
    "CASE WHEN j.why <> '' THEN j.sentence WHEN j.state IN ('waiting', 'queued') THEN "  \
    "j.waits ELSE '' END, j.cancel, j.priority, j.created, j.started, j.ended, "         \
    "j.expected, j.last_seq, j.resubmit_of, j.owner, j.sandbox, "                        \
    "j.delivered, " PERI_SQL_COUNTS
enum { NCOLUMNS = 21 + PERI_TASK_NSTATES };

static void read_row(const PGresult *r, int i, peri_jobrow_t *row)
{
    *row = (peri_jobrow_t){.uuid = peri_col_text(r, i, 0),
                           .number = peri_col_int(r, i, 1),
                           .uid = (uint32_t)peri_col_int(r, i, 2),
                           .user = peri_col_text(r, i, 3),
                           .name = peri_col_text(r, i, 4),
                           .kind = peri_col_text(r, i, 5),
                           .scheduler = peri_col_text(r, i, 6),
                           .state = peri_col_jobstate(r, i, 7),
                           .why = peri_col_why(r, i, 8),
                           .text = peri_col_text(r, i, 9),
                           .cancel_requested = peri_col_bool(r, i, 10),
                           .priority = (int32_t)peri_col_int(r, i, 11),
                           .created = peri_col_real(r, i, 12),
                           .started = peri_col_real(r, i, 13),
                           .ended = peri_col_real(r, i, 14),
                           .expected = peri_col_real(r, i, 15),
                           .last_seq = (int)peri_col_int(r, i, 16),
                           .resubmit_of = peri_col_text_or_null(r, i, 17),
                           .owner = peri_col_int(r, i, 18),
                           .sandbox = peri_col_bool(r, i, 19),
                           .delivered = peri_col_text(r, i, 20)};
    peri_col_counts(r, i, 21, row->count);
}

/* A glob as LIKE has it: only * and ? mean something. */
static char *like_of(const char *glob)
{
    char *like = peri_xmalloc(2 * strlen(glob) + 1), *p = like;
    for (; *glob; glob++) {
        if (*glob == '%' || *glob == '_' || *glob == '\\') *p++ = '\\';
        *p++ = *glob == '*' ? '%' : *glob == '?' ? '_' : *glob;
    }
    *p = '\0';
    return like;
}

static void names_of(unsigned states, peri_buf_t *out)
{
    peri_buf_init(out, 1024);
    for (int s = 0; s < PERI_JOB_NSTATES; s++)
        if (states & (1u << s))
            peri_buf_printf(out, "%s%s", out->len ? "," : "{",
                            peri_jobstate_name((peri_jobstate_t)s));
    peri_buf_putc(out, '}');
}

int peri_store_list(peri_db_t *db, const peri_jobfilter_t *f, peri_jobrow_f each,
                    void *arg, peri_err_t *err)
{
    /* Not prepared: with the filters at hand the right index is found. */
    static const char sql[] =
        "SELECT " COLUMNS
        " FROM job j WHERE ($1::bigint IS NULL OR j.owner = $1::bigint) AND "
        "($2::text IS NULL OR j.name LIKE $2) AND ($3::text IS NULL OR j.kind = $3) AND "
        "($4::text[] IS NULL OR j.state = ANY ($4::text[])) AND "
        "($5::float8 IS NULL OR j.created >= $5::float8) AND "
        "($6::float8 IS NULL OR j.created <= $6::float8) AND "
        "($7::bigint IS NULL OR j.number < $7::bigint) ORDER BY j.number DESC LIMIT "
        "$8::int";
    if (f->limit < 1 || f->limit > 1000)
        return peri_err_set(err, PERI_EINVAL, "a list has from 1 to 1000 jobs, not %d",
                            f->limit);
    char *like = f->name ? like_of(f->name) : NULL;
    peri_buf_t states = {0};
    if (f->states) names_of(f->states, &states);
    peri_args_t a = {0};
    if (f->owner)
        peri_args_int(&a, f->owner);
    else
        peri_args_text(&a, NULL);
    peri_args_text(&a, like);
    peri_args_text(&a, f->kind);
    peri_args_text(&a, f->states ? states.data : NULL);
    const double times[] = {f->since, f->until};
    for (int i = 0; i < 2; i++) {
        if (times[i] > 0)
            peri_args_real(&a, times[i]);
        else
            peri_args_text(&a, NULL);
    }
    if (f->before > 0)
        peri_args_int(&a, f->before);
    else
        peri_args_text(&a, NULL);
    peri_args_int(&a, f->limit);
    PGresult *r = peri_db_query(db, err, sql, a.n, a.v);
    free(like);
    peri_buf_free(&states);
    if (!r) return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        peri_jobrow_t row;
        read_row(r, i, &row);
        if (each(&row, arg)) break;
    }
    PQclear(r);
    return 0;
}

int peri_store_get(peri_db_t *db, const char *uuid, peri_jobrow_f each, void *arg,
                   peri_err_t *err)
{
    /* Usage: sums; of a peak the highest one. */
    static const char sql[] =
        "SELECT " COLUMNS
        ", j.spec, j.plan, (SELECT json_object_agg(key, CASE WHEN key LIKE "
        "'%\\_peak' THEN peak ELSE total END) FROM (SELECT u.key, sum((u.value #>> "
        "'{}')::numeric) AS total, max((u.value #>> '{}')::numeric) AS peak FROM task t, "
        "jsonb_each(t.usage) AS u (key, value) WHERE t.job = j.number AND "
        "jsonb_typeof(t.usage) "
        "= 'object' AND jsonb_typeof(u.value) = 'number' GROUP BY u.key ORDER BY u.key) "
        "AS s) "
        "FROM job j WHERE j.uuid = $1::uuid";
    if (!peri_sql_uuid_valid(uuid)) return peri_store_no_job(uuid, err);
    peri_args_t a = {0};
    peri_args_text(&a, uuid);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    bool found = PQntuples(r) > 0;
    if (found) {
        peri_jobrow_t row;
        read_row(r, 0, &row);
        row.spec = peri_col_text(r, 0, NCOLUMNS);
        row.plan = peri_col_text(r, 0, NCOLUMNS + 1);
        row.usage = peri_col_text_or_null(r, 0, NCOLUMNS + 2);
        each(&row, arg);
    }
    PQclear(r);
    return found ? 0 : peri_store_no_job(uuid, err);
}

/* ---- one job by what people call it ---- */

/* The smallest and the greatest uuid that start so; false if none can. */
static bool uuid_range(const char *what, char low[PERI_UUID_LEN + 1],
                       char high[PERI_UUID_LEN + 1])
{
    size_t n = strlen(what);
    if (n < 8 || n > PERI_UUID_LEN) return false;
    for (size_t i = 0; i < PERI_UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (i < n && (dash ? what[i] != '-' : !isxdigit((unsigned char)what[i])))
            return false;
        low[i] = i < n ? what[i] : dash ? '-' : '0';
        high[i] = i < n ? what[i] : dash ? '-' : 'f';
    }
    low[PERI_UUID_LEN] = high[PERI_UUID_LEN] = '\0';
    return true;
}

static bool is_number(const char *s)
{
    size_t n = strspn(s, "0123456789");
    return n > 0 && n <= 18 && s[n] == '\0';
}

int peri_store_lookup(peri_db_t *db, const char *what, char uuid[PERI_UUID_LEN + 1],
                      int64_t *number_out, peri_err_t *err)
{
    /* A number goes before a uuid that happens to start with the same digits. */
    static const char sql[] =
        "SELECT uuid, number FROM job WHERE number = $1::bigint OR uuid BETWEEN $2::uuid "
        "AND $3::uuid ORDER BY number = $1::bigint DESC NULLS LAST, number LIMIT 2";
    char low[PERI_UUID_LEN + 1], high[PERI_UUID_LEN + 1];
    bool number = is_number(what), start = uuid_range(what, low, high);
    if (!number && !start) return peri_store_no_job(what, err);
    peri_args_t a = {0};
    peri_args_text(&a, number ? what : NULL);
    peri_args_text(&a, start ? low : NULL);
    peri_args_text(&a, start ? high : NULL);
    PGresult *r = peri_args_query(&a, db, sql, err);
    if (!r) return -1;
    int n = PQntuples(r);
    if (n) memcpy(uuid, peri_col_text(r, 0, 0), PERI_UUID_LEN + 1);
    if (n && number_out) *number_out = peri_col_int(r, 0, 1);
    PQclear(r);
    if (n == 0) return peri_store_no_job(what, err);
    if (n > 1 && !number)
        return peri_err_set(err, PERI_EINVAL,
                            "several jobs start with %.64s: give more of its characters",
                            what);
    return 0;
}
