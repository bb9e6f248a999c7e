/* parts.c - see parts.h. */
#include "portal/jobs/parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { USE = PERI_RIGHT_READ | PERI_RIGHT_RUN };

static const char parts_sql[] =
    "WITH given AS ("
    "  SELECT v.id, '' AS path FROM volume v WHERE v.removed IS NULL AND "
    "  (v.account = $1::bigint OR v.dataset IS NOT NULL OR v.team IN (SELECT team FROM "
    "  team_member WHERE account = $1::bigint AND state = 'active')) "
    "  UNION SELECT thing, path FROM perigee_grants($1::bigint, 'volume')) "
    "SELECT v.id, g.path, CASE WHEN v.dataset IS NOT NULL THEN 'data:' WHEN v.team IS "
    "NOT "
    "NULL THEN 'team:' || t.name ELSE a.name END, v.name, d.folder, "
    "perigee_rights($1::bigint, 'volume', v.id, g.path) "
    "FROM given g JOIN volume v ON v.id = g.id LEFT JOIN account a ON a.id = v.account "
    "LEFT JOIN team t ON t.id = v.team LEFT JOIN dataset d ON d.id = v.dataset "
    "WHERE v.removed IS NULL AND (v.dataset IS NULL OR d.folder IS NOT NULL) "
    "ORDER BY v.account IS DISTINCT FROM $1::bigint, v.team IS NULL, v.id, g.path";

int peri_parts_load(peri_db_t *db, int64_t account, peri_arena_t *a, peri_parts_t *out,
                    peri_err_t *err)
{
    char who[24];
    snprintf(who, sizeof(who), "%lld", (long long)account);
    PGresult *q = peri_db_prepared(db, err, parts_sql, 1, (const char *const[]){who});
    if (!q) return -1;
    const int n = PQntuples(q);
    out->v = peri_arena_calloc(a, (size_t)n + 1, sizeof(*out->v));
    out->n = 0;
    for (int i = 0; i < n; i++) {
        peri_part_t p = {.id = strtoll(PQgetvalue(q, i, 0), NULL, 10),
                         .path = peri_arena_strdup(a, PQgetvalue(q, i, 1)),
                         .owner = peri_arena_strdup(a, PQgetvalue(q, i, 2)),
                         .name = peri_arena_strdup(a, PQgetvalue(q, i, 3)),
                         .folder = PQgetisnull(q, i, 4)
                                       ? NULL
                                       : peri_arena_strdup(a, PQgetvalue(q, i, 4)),
                         .rights = (unsigned)strtoul(PQgetvalue(q, i, 5), NULL, 10)};
        if (p.rights & USE) out->v[out->n++] = p;
    }
    PQclear(q);
    return 0;
}
