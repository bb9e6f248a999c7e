/* history.c - see history.h. */
#include "portal/quick/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define DAY 86400.0
/* Bytes of SQL and values: who sends such makes room for it at once. The rest is pruned
 * now and then: a hostile account sends a thousand a minute. */
#define LARGE 4096
/* Who waits for rows does not wait for the disk; the last rows may be lost in a crash. */
#define AT_EASE    "(SELECT set_config('synchronous_commit', 'off', true)) AS c"
#define OPEN_STATE "state IN ('waiting', 'running')"

/* NULL: `none`. The caller frees. */
static char *json_text(const json_t *j, const char *none)
{
    char *s = j ? json_dumps(j, JSON_COMPACT) : NULL;
    return s ? s : peri_xstrdup(none);
}

static const char *number(char out[32], int64_t n)
{
    if (n < 0) return NULL;
    snprintf(out, 32, "%lld", (long long)n);
    return out;
}

/* What is older than `age` seconds, and what accounts have too much of; of one account,
 * or NULL: of all. */
static int64_t forget(peri_db_t *db, const char *age, const char *account,
                      peri_err_t *err)
{
    char rows[32], bytes[32];
    const char *const v[] = {age, number(rows, PERI_HISTORY_ROWS),
                             number(bytes, PERI_HISTORY_BYTES), account};
    return peri_db_exec(
        db, err,
        "DELETE FROM query WHERE state NOT IN ('waiting', 'running') AND ($4::bigint IS "
        "NULL OR account = $4::bigint) AND (started < "
        "extract(epoch FROM now()) - $1::float8 OR id IN (SELECT id FROM "
        "(SELECT id, row_number() OVER w AS n, sum(octet_length(sql) + "
        "pg_column_size(parameters)) OVER w AS size "
        "FROM query WHERE $4::bigint IS NULL OR account = $4::bigint WINDOW w AS "
        "(PARTITION BY account ORDER BY started DESC, id DESC "
        "ROWS UNBOUNDED PRECEDING)) q WHERE n > $2::bigint OR size > $3::bigint))",
        4, v);
}

int peri_history_begin(peri_db_t *db, int64_t account, const peri_historyentry_t *e,
                       char id[PERI_UUID_LEN + 1], peri_err_t *err)
{
    char who[24];
    if (strlen(e->sql) > PERI_HISTORY_SQL_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "the query has %zu bytes, and a quick one can have %u: send "
                            "it as a job",
                            strlen(e->sql), PERI_HISTORY_SQL_MAX);
    char *parameters = json_text(e->parameters, "{}");
    if (strlen(parameters) > PERI_HISTORY_VALUES_MAX) {
        free(parameters);
        return peri_err_set(err, PERI_EINVAL,
                            "the values of the parameters have more than %u bytes: what "
                            "is large is better put into a table",
                            PERI_HISTORY_VALUES_MAX);
    }
    snprintf(who, sizeof(who), "%lld", (long long)account);
    if (strlen(e->sql) + strlen(parameters) > LARGE && forget(db, NULL, who, err) < 0) {
        free(parameters);
        return -1;
    }
    const char *const v[] = {who, e->sql, parameters, e->context ? e->context : "",
                             e->format ? e->format : ""};
    PGresult *q = peri_db_query(
        db, err,
        "INSERT INTO query (account, sql, parameters, context, format) SELECT "
        "$1::bigint, $2, $3::jsonb, $4, $5 FROM " AT_EASE " RETURNING id",
        5, v);
    free(parameters);
    if (!q) return -1;
    snprintf(id, PERI_UUID_LEN + 1, "%s", PQgetvalue(q, 0, 0));
    PQclear(q);
    return 0;
}

/* A sentence may have been cut in the middle of a character. */
static char *sentence(const char *s)
{
    char *out = peri_xstrdup(s ? s : "");
    size_t n = strlen(out);
    for (int i = 0; i < 3 && n && (out[n - 1] & 0x80) && !peri_utf8_valid(out, n); i++)
        out[--n] = '\0';
    if (!peri_utf8_valid(out, n))
        for (char *p = out; *p; p++)
            if ((unsigned char)*p >= 0x80) *p = '?';
    return out;
}

int peri_history_end(peri_db_t *db, const char *id, const peri_historyend_t *end,
                     peri_err_t *err)
{
    char rows[32], bytes[32], seconds[32];
    char *text = sentence(end->text), *changed = json_text(end->changed, "[]");
    snprintf(seconds, sizeof(seconds), "%.6f", end->seconds);
    const char *const v[] = {id,
                             end->state,
                             end->cut,
                             number(rows, end->rows),
                             number(bytes, end->bytes),
                             end->seconds >= 0 ? seconds : NULL,
                             text,
                             changed};
    const int64_t n = peri_db_exec(
        db, err,
        "UPDATE query SET state = $2, cut = $3, rows = $4::bigint, bytes = $5::bigint, "
        "seconds = $6::float8, text = $7, changed = $8::jsonb FROM " AT_EASE
        " WHERE id = $1::uuid "
        "AND " OPEN_STATE,
        8, v);
    free(text);
    free(changed);
    return n < 0 ? -1 : 0;
}

int peri_history_start(peri_db_t *db, peri_err_t *err)
{
    return peri_db_exec(db, err,
                        "UPDATE query SET state = 'failed', text = 'the portal was "
                        "started anew while it ran: ask again' WHERE " OPEN_STATE,
                        0, NULL) < 0
               ? -1
               : 0;
}

int64_t peri_history_prune(peri_db_t *db, double days, peri_err_t *err)
{
    char age[32];
    snprintf(age, sizeof(age), "%.3f", days * DAY);
    return forget(db, days > 0 ? age : NULL, NULL, err);
}
