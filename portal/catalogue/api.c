/* api.c - requests that look into the catalogue. Row-level security leaves out what who
 * asks may not see. */
#include "portal/catalogue/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_MAX 400

/* Of d; what somebody sees of it: $1 is she. */
#define HEAD_JSON                                                                        \
    "'name', d.name, 'title', d.title, 'tags', d.tags, 'owner', (SELECT coalesce("       \
    "(SELECT 'team:' || t.name FROM team t WHERE t.id = d.team), (SELECT a.name FROM "   \
    "account a WHERE a.id = d.account))), 'public', d.public, 'harvested', "             \
    "d.harvested, "                                                                      \
    "'version', d.version, 'volume', CASE WHEN d.folder IS NOT NULL THEN 'data:/' || "   \
    "d.name END, 'rights', (SELECT coalesce(json_agg(w.word ORDER BY w.bit), '[]') "     \
    "FROM "                                                                              \
    "(VALUES (1, 'see'), (2, 'read'), (4, 'write'), (8, 'run'), (16, 'grant'), (32, "    \
    "'own')) AS w (bit, word) WHERE perigee_rights($1::bigint, 'dataset', d.id, '') & "  \
    "w.bit <> 0)"

/* ---- the list ---- */

int peri_api_datasets(peri_request_t *r, peri_err_t *err)
{
    static const char sql[] =
        "SELECT json_build_object(" HEAD_JSON
        ", 'description', left(d.about->>'description', 300), 'tables', "
        "jsonb_array_length(coalesce(d.about->'tables', '[]'))) FROM dataset d WHERE "
        "d.gone IS NULL AND d.name > $2 AND NOT EXISTS (SELECT 1 FROM "
        "regexp_split_to_table(lower($3), '\\s+') AS w WHERE position(w IN d.words) = 0) "
        "AND ($4 = '' OR $4 = ANY (d.tags)) ORDER BY d.name LIMIT $5::int";
    const char *q = peri_request_arg(r, "q"), *tag = peri_request_arg(r, "tag");
    const char *after = peri_request_arg(r, "after");
    char me[24], limit[24];
    int64_t n;
    if (peri_request_number(r, "limit", 1, 1000, 100, &n, err)) return -1;
    if ((q && strlen(q) > QUERY_MAX) || (tag && strlen(tag) > QUERY_MAX))
        return peri_err_set(err, PERI_EINVAL, "\"q\" and \"tag\" have at most %d bytes",
                            QUERY_MAX);
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    snprintf(limit, sizeof(limit), "%lld", (long long)n + 1);
    const char *const v[] = {me, after ? after : "", q ? q : "", tag ? tag : "", limit};
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *list = peri_rows_json(db, err, sql, 5, v);
    peri_dbpool_put(r->portal->db, db);
    if (!list) return -1;
    json_t *next = json_null();
    if (json_array_size(list) > (size_t)n) {
        json_array_remove(list, (size_t)n);
        next = json_incref(json_object_get(json_array_get(list, (size_t)n - 1), "name"));
    }
    r->json = json_pack("{s:o, s:o}", "datasets", list, "next", next);
    return 0;
}

/* ---- one ---- */

int peri_dataset_answer(peri_request_t *r, peri_db_t *db, const char *name,
                        peri_err_t *err)
{
    /* Whom its owner has let use it, is told only to who may let others, too. */
    static const char sql[] =
        "SELECT (d.about - '{private,reads,folder,tags,title,teams}'::text[])::jsonb || "
        "json_build_object(" HEAD_JSON
        ", 'teams', (SELECT coalesce(json_agg(t.name ORDER BY t.name), '[]') FROM "
        "dataset_team dt JOIN team t ON t.id = dt.team WHERE dt.dataset = d.id AND "
        "perigee_rights($1::bigint, 'team', t.id, '') & 2 <> 0), "
        "'files', (SELECT perigee_label('volume', d.volume, d.path) WHERE d.volume IS "
        "NOT "
        "NULL AND perigee_rights($1::bigint, 'dataset', d.id, '') & 16 <> 0))::jsonb "
        "FROM dataset d WHERE d.name = $2 AND d.gone IS NULL AND "
        "perigee_rights($1::bigint, 'dataset', d.id, '') & 1 <> 0";
    char me[24], tag[24];
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    json_t *list = peri_rows_json(db, err, sql, 2, (const char *const[]){me, name});
    if (!list) return -1;
    r->json = json_incref(json_array_get(list, 0));
    json_decref(list);
    if (!r->json)
        return peri_err_set(err, PERI_ENOTFOUND, "there is no dataset %.100s", name);
    snprintf(tag, sizeof(tag), "%lld",
             (long long)json_integer_value(json_object_get(r->json, "version")));
    peri_request_etag(r, tag);
    return 0;
}

int peri_api_dataset(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    const int rc = peri_dataset_answer(r, db, r->param[0], err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

/* ---- for administrators ---- */

int peri_api_descriptors(peri_request_t *r, peri_err_t *err)
{
    const peri_config_t *c = r->portal->config;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    json_t *files = peri_rows_json(
        db, err,
        "SELECT json_build_object('file', f.file, 'name', f.name, 'error', f.error, "
        "'looked', f.looked) FROM descriptor f ORDER BY f.error IS NULL, f.file LIMIT "
        "10000",
        0, NULL);
    json_t *gone = files
                       ? peri_rows_json(db, err,
                                        "SELECT json_build_object('name', name, 'gone', "
                                        "gone) FROM dataset WHERE gone IS NOT NULL "
                                        "ORDER BY name LIMIT 10000",
                                        0, NULL)
                       : NULL;
    peri_dbpool_put(r->portal->db, db);
    if (!gone) {
        json_decref(files);
        return -1;
    }
    json_t *folders = json_array();
    for (size_t i = 0; i < c->ndatasets; i++)
        json_array_append_new(folders, json_string(c->datasets[i]));
    r->json = json_pack("{s:o, s:o, s:o}", "folders", folders, "descriptors", files,
                        "gone", gone);
    return 0;
}

int peri_api_harvest(peri_request_t *r, peri_err_t *err)
{
    if (!peri_request_json(r, "", err)) return -1;
    peri_harvest_now();
    r->status = 202;
    r->json = json_object();
    return 0;
}
