/* volume.c - finding and listing volumes (volume.h). */
#include "portal/storage/volume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

/* With the team's or the account's name: an account that was given a folder of a team's
 * volume may not see the team. */
static const char details_sql[] =
    "SELECT v.id, v.account, v.team, v.dataset, CASE WHEN v.dataset IS NOT NULL THEN "
    "'data:' WHEN v.team IS NOT NULL THEN 'team:' || t.name ELSE a.name END, v.name, "
    "v.kind, v.description, v.quota, a.quota, v.used, v.files, coalesce(v.days, 0), "
    "v.created, v.version, perigee_rights($1::bigint, 'volume', v.id, ''), d.folder, "
    "CASE WHEN v.kind IN ('persistent', 'plain') THEN (SELECT sum(x.used) FROM volume x "
    "WHERE x.account = v.account AND x.team IS NULL AND x.kind IN ('persistent', "
    "'plain')) WHEN v.kind IN ('team', 'lecture') THEN (SELECT sum(x.used) FROM volume x "
    "WHERE x.team = v.team AND x.kind IN ('team', 'lecture')) ELSE v.used END "
    "FROM volume v LEFT JOIN account a ON a.id = v.account LEFT JOIN team t ON t.id = "
    "v.team LEFT JOIN dataset d ON d.id = v.dataset WHERE v.id = ANY($2::bigint[]) AND "
    "v.removed IS NULL ORDER BY v.id";

static int64_t number(const PGresult *q, int i, int col, int64_t fallback)
{
    return PQgetisnull(q, i, col) ? fallback : strtoll(PQgetvalue(q, i, col), NULL, 10);
}

static int64_t quota_of(const peri_confstorage_t *conf, const PGresult *q, int i)
{
    const char *kind = PQgetvalue(q, i, 6);
    int64_t own = number(q, i, 8, -1), account = number(q, i, 9, -1);
    if (!strcmp(kind, "data")) return -1;
    if (own >= 0) return own;
    if (!strcmp(kind, "scratch")) return conf->scratch_quota;
    if (!strcmp(kind, "team") || !strcmp(kind, "lecture")) return conf->team_quota;
    if (!strcmp(kind, "student") || account < 0) return conf->persistent_quota;
    return account;
}

static void fill(const peri_confstorage_t *conf, const PGresult *q, int i,
                 peri_arena_t *a, peri_volume_t *v)
{
    *v = (peri_volume_t){
        .id = number(q, i, 0, 0),
        .account = number(q, i, 1, 0),
        .team = number(q, i, 2, 0),
        .dataset = number(q, i, 3, 0),
        .owner = peri_arena_strdup(a, PQgetvalue(q, i, 4)),
        .name = peri_arena_strdup(a, PQgetvalue(q, i, 5)),
        .kind = peri_arena_strdup(a, PQgetvalue(q, i, 6)),
        .description = peri_arena_strdup(a, PQgetvalue(q, i, 7)),
        .quota = quota_of(conf, q, i),
        .used = number(q, i, 10, 0),
        .files = number(q, i, 11, 0),
        .days = strtod(PQgetvalue(q, i, 12), NULL),
        .created = strtod(PQgetvalue(q, i, 13), NULL),
        .version = (int)number(q, i, 14, 1),
        .rights = (unsigned)number(q, i, 15, 0),
        .folder =
            PQgetisnull(q, i, 16) ? NULL : peri_arena_strdup(a, PQgetvalue(q, i, 16)),
        .shared_used = number(q, i, 17, 0),
    };
    v->label = peri_arena_printf(a, "%s/%s", v->owner, v->name);
}

/* ids: as an array's text, "{1,2}". */
static int details(peri_db_t *db, const peri_confstorage_t *conf, const char *account,
                   const char *ids, peri_arena_t *a, peri_volume_t **list, size_t *n,
                   peri_err_t *err)
{
    PGresult *q =
        peri_db_prepared(db, err, details_sql, 2, (const char *const[]){account, ids});
    if (!q) return -1;
    *n = (size_t)PQntuples(q);
    *list = peri_arena_calloc(a, *n ? *n : 1, sizeof(**list));
    for (size_t i = 0; i < *n; i++) fill(conf, q, (int)i, a, &(*list)[i]);
    PQclear(q);
    return 0;
}

/* Which of some an account may know of: row-level security says. NULL: failed. sql: of
 * static storage. */
static char *visible(peri_db_t *db, int64_t account, const char *sql, int n,
                     const char *const *values, peri_err_t *err)
{
    char *ids = NULL;
    if (peri_db_begin_as(db, account, err)) return NULL;
    PGresult *q = peri_db_prepared(db, err, sql, n, values);
    if (q) ids = peri_xstrdup(PQntuples(q) ? PQgetvalue(q, 0, 0) : "{}");
    PQclear(q);
    peri_db_rollback(db);
    return ids;
}

static int one(peri_db_t *db, const peri_confstorage_t *conf, int64_t account, int64_t id,
               peri_arena_t *a, peri_volume_t *out, bool *found, peri_err_t *err)
{
    char who[24], which[24];
    peri_volume_t *list;
    size_t n = 0;
    snprintf(who, sizeof(who), "%lld", (long long)account);
    snprintf(which, sizeof(which), "%lld", (long long)id);
    static const char sql[] = "SELECT array_agg(id) FROM volume WHERE id = $1::bigint "
                              "AND removed IS NULL HAVING count(*) > 0";
    char *ids = visible(db, account, sql, 1, (const char *const[]){which}, err);
    int rc = ids ? details(db, conf, who, ids, a, &list, &n, err) : -1;
    free(ids);
    if (rc) return -1;
    *found = n == 1;
    if (*found) *out = list[0];
    return 0;
}

int peri_volume_get(peri_db_t *db, const peri_confstorage_t *conf, int64_t account,
                    int64_t id, peri_arena_t *a, peri_volume_t *out, peri_err_t *err)
{
    bool found;
    if (one(db, conf, account, id, a, out, &found, err)) return -1;
    return found ? 0
                 : peri_err_set(err, PERI_ENOTFOUND, "there is no volume %lld",
                                (long long)id);
}

/* Its id with our own rights; 0: none. */
static int id_of(peri_db_t *db, const char *owner, const char *name, int64_t *id,
                 peri_err_t *err)
{
    static const char sql[] = "SELECT perigee_volume($1, $2)";
    PGresult *q = peri_db_prepared(db, err, sql, 2, (const char *const[]){owner, name});
    if (!q) return -1;
    *id = number(q, 0, 0, 0);
    PQclear(q);
    return 0;
}

int peri_volume_find(peri_db_t *db, const peri_confstorage_t *conf, int64_t account,
                     const char *owner, const char *name, peri_arena_t *a,
                     peri_volume_t *out, peri_err_t *err)
{
    int64_t id;
    bool found = false;
    /* Both come from outside: what the database would not take is not there. */
    if (peri_utf8_valid(owner, strlen(owner)) && peri_utf8_valid(name, strlen(name))) {
        if (id_of(db, owner, name, &id, err)) return -1;
        if (!id && (peri_volume_ensure(db, conf, account, err) ||
                    id_of(db, owner, name, &id, err)))
            return -1;
        if (id && one(db, conf, account, id, a, out, &found, err)) return -1;
        if (found) return 0;
    }
    return peri_err_set(err, PERI_ENOTFOUND, "there is no volume %.80s/%.80s",
                        peri_utf8_valid(owner, strlen(owner)) ? owner : "?",
                        peri_utf8_valid(name, strlen(name)) ? name : "?");
}

int peri_volume_list(peri_db_t *db, const peri_confstorage_t *conf, int64_t account,
                     const char *owner, int64_t after, size_t limit, peri_arena_t *a,
                     peri_volume_t **list, size_t *n, peri_err_t *err)
{
    char who[24], from[24], most[24];
    snprintf(who, sizeof(who), "%lld", (long long)account);
    snprintf(from, sizeof(from), "%lld", (long long)after);
    snprintf(most, sizeof(most), "%zu", limit);
    const char *const v[] = {from, most, owner};
    static const char sql[] =
        "SELECT coalesce(array_agg(id), '{}') FROM (SELECT v.id FROM volume v WHERE v.id "
        "> "
        "$1::bigint AND v.removed IS NULL AND ($3::text IS NULL OR CASE WHEN v.dataset "
        "IS "
        "NOT NULL THEN 'data:' = $3 WHEN v.team IS NOT NULL THEN EXISTS (SELECT 1 FROM "
        "team "
        "t WHERE t.id = v.team AND 'team:' || t.name = $3) ELSE EXISTS (SELECT 1 FROM "
        "account o WHERE o.id = v.account AND lower(o.name) = lower($3)) END) ORDER BY "
        "v.id "
        "LIMIT $2::bigint) AS x";
    char *ids = visible(db, account, sql, 3, v, err);
    int rc = ids ? details(db, conf, who, ids, a, list, n, err) : -1;
    free(ids);
    return rc;
}
