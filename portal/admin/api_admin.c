/* api_admin.c - the overview, the audit log, the banner. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "core/base/util.h"
#include "portal/access/thing.h"
#include "portal/admin/admin.h"

int peri_api_overview(peri_request_t *r, peri_err_t *err)
{
    static const char sql[] =
        "SELECT json_build_object('users', (SELECT coalesce(json_object_agg(state, n), "
        "'{}') FROM (SELECT state, count(*) AS n FROM account GROUP BY state) s), "
        "'jobs', "
        "(SELECT coalesce(json_object_agg(state, n), '{}') FROM (SELECT state, count(*) "
        "AS "
        "n FROM job GROUP BY state) s), 'teams', (SELECT count(*) FROM team), 'volumes', "
        "(SELECT json_build_object('count', count(*), 'used', coalesce(sum(used), 0), "
        "'files', coalesce(sum(files), 0)) FROM volume WHERE removed IS NULL), "
        "'sessions', "
        "(SELECT count(*) FROM session WHERE expires > extract(epoch FROM now())), "
        "'database', pg_database_size(current_database()), 'outbox', (SELECT count(*) "
        "FROM "
        "outbox), 'mail', (SELECT count(*) FROM mail))";
    struct statvfs fs = {0};
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    json_t *list = peri_rows_json(db, err, sql, 0, NULL);
    peri_dbpool_put(r->portal->db, db);
    if (!list) return -1;
    r->json = json_incref(json_array_get(list, 0));
    json_decref(list);
    statvfs(r->portal->config->storage.folder, &fs);
    json_object_set_new(r->json, "disk",
                        json_pack("{s:I, s:I}", "free",
                                  (json_int_t)(fs.f_bavail * fs.f_frsize), "size",
                                  (json_int_t)(fs.f_blocks * fs.f_frsize)));
    return 0;
}

int peri_api_audit(peri_request_t *r, peri_err_t *err)
{
    static const char sql[] = "SELECT json_build_object('id', id, 'time', \"time\", "
                              "'account', actor, 'client', "
                              "client, 'action', action, 'thing', thing, 'ok', ok, "
                              "'context', context) FROM audit "
                              "WHERE ($1::bigint = 0 OR id < $1::bigint) AND ($2::text "
                              "IS NULL OR actor = $2) AND "
                              "($3::text IS NULL OR starts_with(action, $3)) AND "
                              "\"time\" >= $4::float8 ORDER BY "
                              "id DESC LIMIT $5::int";
    char before[24], since[24], limit[24];
    int64_t number, from, n;
    if (peri_request_number(r, "before", 1, INT64_MAX, 0, &number, err) ||
        peri_request_number(r, "since", 0, INT64_MAX / 2, 0, &from, err) ||
        peri_request_number(r, "limit", 1, 1000, 100, &n, err))
        return -1;
    snprintf(before, sizeof(before), "%lld", (long long)number);
    snprintf(since, sizeof(since), "%lld", (long long)from);
    snprintf(limit, sizeof(limit), "%lld", (long long)n);
    const char *const v[] = {before, peri_request_arg(r, "account"),
                             peri_request_arg(r, "action"), since, limit};
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *list = peri_rows_json(db, err, sql, 5, v);
    peri_dbpool_put(r->portal->db, db);
    if (!list) return -1;
    const size_t got = json_array_size(list);
    json_t *last = json_object_get(json_array_get(list, got ? got - 1 : 0), "id");
    r->json = json_pack("{s:O, s:O}", "audit", list, "next",
                        got == (size_t)n && last ? last : json_null());
    json_decref(list);
    return 0;
}

/* ---- the banner ---- */

int peri_api_banner(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *list = peri_rows_json(
        db, err, "SELECT value FROM setting WHERE key = 'banner'", 0, NULL);
    peri_dbpool_put(r->portal->db, db);
    if (!list) return -1;
    json_t *now = json_array_get(list, 0);
    r->json =
        now ? json_incref(now) : json_pack("{s:s, s:s}", "text", "", "level", "info");
    json_decref(list);
    return 0;
}

int peri_api_banner_put(peri_request_t *r, peri_err_t *err)
{
    const char *text = NULL, *level = NULL;
    json_t *o = peri_request_json(r, "text level", err);
    if (!o || peri_json_text(o, "text", true, 1000, &text, err) ||
        peri_json_text(o, "level", false, 20, &level, err))
        return -1;
    if (!level) level = "info";
    if (strcmp(level, "info") != 0 && strcmp(level, "warning") != 0)
        return peri_err_set(err, PERI_EINVAL, "\"level\" is info or warning, not \"%s\"",
                            level);
    json_t *value =
        json_pack("{s:s, s:s, s:f}", "text", text, "level", level, "since", peri_epoch());
    char *dump = json_dumps(value, JSON_COMPACT);
    const char *const v[] = {dump};
    peri_db_t *db = peri_request_system(r, err);
    int rc = db ? peri_db_begin(db, err) : -1;
    if (rc == 0 &&
        peri_db_exec(db, err,
                     "INSERT INTO setting (key, value) VALUES ('banner', $1::jsonb) ON "
                     "CONFLICT (key) DO UPDATE SET value = excluded.value",
                     1, v) < 0)
        rc = -1;
    if (rc == 0) rc = peri_audit(r, db, "banner", "", true, json_incref(value), err);
    if (rc == 0) rc = peri_db_commit(db, err);
    if (db) peri_dbpool_put(r->portal->db, db);
    free(dump);
    if (rc)
        json_decref(value);
    else
        r->json = value;
    return rc;
}
