/* upload_db.c - see upload.h: the rows of `upload`, and what they reserve in `volume`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "portal/storage/upload_priv.h"

#define COLUMNS                                                                          \
    "u.id::text, u.account, u.volume, u.path, u.size, u.overwrite, "                     \
    "coalesce(u.checksum, ''), u.metadata, u.state = 'done', u.expires"

bool peri_upload_id_ok(const char *id)
{
    for (int i = 0; i < PERI_UPLOAD_ID; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const char c = id[i];
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return !id[PERI_UPLOAD_ID];
}

static char *number(char out[24], int64_t v)
{
    snprintf(out, 24, "%lld", (long long)v);
    return out;
}

static void read_row(const PGresult *q, int row, peri_arena_t *a, peri_upload_t *out)
{
    *out = (peri_upload_t){
        .account = strtoll(PQgetvalue(q, row, 1), NULL, 10),
        .volume = strtoll(PQgetvalue(q, row, 2), NULL, 10),
        .path = peri_arena_strdup(a, PQgetvalue(q, row, 3)),
        .size = strtoll(PQgetvalue(q, row, 4), NULL, 10),
        .overwrite = *PQgetvalue(q, row, 5) == 't',
        .metadata = peri_arena_strdup(a, PQgetvalue(q, row, 7)),
        .done = *PQgetvalue(q, row, 8) == 't',
        .expires = strtod(PQgetvalue(q, row, 9), NULL),
    };
    snprintf(out->id, sizeof(out->id), "%s", PQgetvalue(q, row, 0));
    const char *sum = PQgetvalue(q, row, 6);
    out->sum_known = *sum && peri_sum_parse(sum, strlen(sum), &out->sum, NULL) == 0;
    if (*sum && !out->sum_known) out->sum.kind = peri_sum_of(sum);
}

int peri_upload_find(peri_db_t *db, const char *id, peri_arena_t *a, peri_upload_t *out,
                     peri_err_t *err)
{
    PGresult *q =
        peri_upload_id_ok(id)
            ? peri_db_query(db, err,
                            "SELECT " COLUMNS " FROM upload u WHERE u.id = $1::uuid", 1,
                            (const char *const[]){id})
            : NULL;
    if (!q && peri_upload_id_ok(id)) return -1;
    int rc = q && PQntuples(q) == 1 ? 0 : -1;
    if (rc == 0)
        read_row(q, 0, a, out);
    else
        peri_err_set(err, PERI_ENOTFOUND,
                     "there is no such upload (any more): begin a new one");
    PQclear(q);
    return rc;
}

int peri_upload_list(peri_db_t *db, const char *after, int limit, peri_arena_t *a,
                     peri_uploadlisted_t **list, size_t *n, peri_err_t *err)
{
    char most[24];
    PGresult *q = peri_db_query(
        db, err,
        "SELECT " COLUMNS ", CASE WHEN v.id IS NULL THEN '' ELSE coalesce('team:' || "
        "t.name, a.name, '') || '/' || v.name END, u.created FROM upload u LEFT JOIN "
        "volume v ON v.id = u.volume LEFT JOIN team t ON t.id = v.team LEFT JOIN account "
        "a ON a.id = v.account WHERE u.state = 'open' AND u.id > coalesce(nullif($1, "
        "'')::uuid, '00000000-0000-0000-0000-000000000000') ORDER BY u.id LIMIT "
        "$2::bigint",
        2, (const char *const[]){after, number(most, limit)});
    if (!q) return -1;
    *n = (size_t)PQntuples(q);
    *list = peri_arena_calloc(a, *n ? *n : 1, sizeof(**list));
    for (size_t i = 0; i < *n; i++) {
        peri_uploadlisted_t *l = &(*list)[i];
        read_row(q, (int)i, a, &l->up);
        l->volume = peri_arena_strdup(a, PQgetvalue(q, (int)i, 10));
        l->created = strtod(PQgetvalue(q, (int)i, 11), NULL);
    }
    PQclear(q);
    return 0;
}

static void sum_text(const peri_upload_t *up, char out[PERI_SUM_TEXT])
{
    if (up->sum_known)
        peri_sum_format(&up->sum, out);
    else
        snprintf(out, PERI_SUM_TEXT, "%s", peri_sum_name(up->sum.kind));
}

int peri_upload_expect(peri_db_t *db, peri_upload_t *up, const peri_sum_t *sum,
                       peri_err_t *err)
{
    char text[PERI_SUM_TEXT];
    if (up->sum.kind != PERI_SUM_NONE && up->sum.kind != sum->kind)
        return peri_err_set(err, PERI_EINVAL, "this upload has a checksum by %s, not %s",
                            peri_sum_name(up->sum.kind), peri_sum_name(sum->kind));
    up->sum = *sum;
    up->sum_known = true;
    sum_text(up, text);
    return peri_db_exec(db, err, "UPDATE upload SET checksum = $2 WHERE id = $1::uuid", 2,
                        (const char *const[]){up->id, text}) < 0
               ? -1
               : 0;
}

int peri_upload_touch(peri_db_t *db, peri_upload_t *up, peri_err_t *err)
{
    char until[32];
    const double before = up->expires;
    up->expires = (double)time(NULL) + PERI_UPLOAD_DAYS * 86400.0;
    if (up->expires - before < 3600) {
        up->expires = before; /* not worth a write to the disk */
        return 0;
    }
    snprintf(until, sizeof(until), "%.0f", up->expires);
    return peri_db_exec(db, err,
                        "UPDATE upload SET expires = $2::float8 WHERE id = $1::uuid", 2,
                        (const char *const[]){up->id, until}) < 0
               ? -1
               : 0;
}

static int count_open(peri_db_t *db, int64_t account, peri_err_t *err)
{
    char a[24];
    PGresult *q = peri_db_query(
        db, err,
        "SELECT count(*) FROM upload WHERE account = $1::bigint AND state = 'open'", 1,
        (const char *const[]){number(a, account)});
    if (!q) return -1;
    const long n = strtol(PQgetvalue(q, 0, 0), NULL, 10);
    PQclear(q);
    if (n < PERI_UPLOAD_OPEN) return 0;
    return peri_err_set(
        err, PERI_ECONFLICT,
        "you have %ld uploads that are not complete: finish or delete some", n);
}

/* 1: the row is new; 0: there was one with this id. */
static int insert(peri_db_t *db, const peri_upload_t *in, char id[PERI_UPLOAD_ID + 1],
                  peri_err_t *err)
{
    char a[24], v[24], s[24], until[32], sum[PERI_SUM_TEXT];
    sum_text(in, sum);
    snprintf(until, sizeof(until), "%.0f",
             (double)time(NULL) + PERI_UPLOAD_DAYS * 86400.0);
    const char *const values[] = {*in->id ? in->id : NULL,
                                  number(a, in->account),
                                  number(v, in->volume),
                                  in->path,
                                  number(s, in->size),
                                  in->overwrite ? "t" : "f",
                                  in->sum.kind ? sum : NULL,
                                  in->metadata,
                                  until};
    PGresult *q = peri_db_query(
        db, err,
        "INSERT INTO upload (id, account, volume, path, size, overwrite, checksum, "
        "metadata, expires) VALUES (coalesce($1::uuid, gen_random_uuid()), $2::bigint, "
        "$3::bigint, $4, $5::bigint, $6::boolean, $7, $8, $9::float8) "
        "ON CONFLICT (id) DO NOTHING RETURNING id::text",
        9, values);
    if (!q) return -1;
    int rc = PQntuples(q);
    if (rc) snprintf(id, PERI_UPLOAD_ID + 1, "%s", PQgetvalue(q, 0, 0));
    PQclear(q);
    return rc;
}

int peri_uploadrow_insert(peri_db_t *db, const peri_confstorage_t *conf,
                          const peri_upload_t *in, const char *label,
                          char id[PERI_UPLOAD_ID + 1], peri_err_t *err)
{
    const peri_amount_t none = {0}, need = {.bytes = (uint64_t)in->size, .files = 1};
    if (count_open(db, in->account, err) ||
        peri_usage_reserve(db, conf, in->volume, label, need, err))
        return -1;
    int rc = insert(db, in, id, err);
    peri_failpoint("upload_made");
    peri_usage_settle(db, in->volume, need, rc == 1 ? need : none, none);
    return rc;
}

int peri_uploadrow_state(peri_db_t *db, const char *id, bool done, peri_err_t *err)
{
    int64_t n = peri_db_exec(db, err, "UPDATE upload SET state = $2 WHERE id = $1::uuid",
                             2, (const char *const[]){id, done ? "done" : "open"});
    if (n == 0)
        return peri_err_set(err, PERI_ENOTFOUND, "the upload was deleted meanwhile");
    return n < 0 ? -1 : 0;
}

int peri_uploadrow_delete(peri_db_t *db, const peri_upload_t *up, bool reserved,
                          peri_err_t *err)
{
    const peri_amount_t none = {0}, size = {.bytes = (uint64_t)up->size, .files = 1};
    int64_t n = peri_db_exec(db, err, "DELETE FROM upload WHERE id = $1::uuid", 1,
                             (const char *const[]){up->id});
    /* Of two that delete it only one finds the row. */
    if (n > 0 && reserved) peri_usage_change(db, up->volume, none, size);
    return n < 0 ? -1 : 0;
}

int peri_uploadrow_expired(peri_db_t *db, peri_arena_t *a, peri_upload_t *out, int max,
                           peri_err_t *err)
{
    char limit[24];
    PGresult *q = peri_db_query(db, err,
                                "SELECT " COLUMNS " FROM upload u WHERE expires < "
                                "extract(epoch FROM now()) ORDER BY expires "
                                "LIMIT $1::bigint",
                                1, (const char *const[]){number(limit, max)});
    if (!q) return -1;
    int n = PQntuples(q);
    for (int i = 0; i < n; i++) read_row(q, i, a, &out[i]);
    PQclear(q);
    return n;
}
