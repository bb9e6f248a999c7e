/* link.c - see link.h. */
#include "portal/access/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int peri_link_make(peri_db_t *db, const peri_thing_t *thing, int64_t by, double expires,
                   char token[PERI_SECRET_LEN + 1], int64_t *id, peri_err_t *err)
{
    char number[24], who[24], until[32];
    char hash[PERI_SECRET_HASH + 1];
    peri_secret_new(PERI_SECRET_LINK, token);
    peri_secret_hash(token, PERI_SECRET_LEN, hash);
    snprintf(number, sizeof(number), "%lld", (long long)thing->id);
    snprintf(who, sizeof(who), "%lld", (long long)by);
    snprintf(until, sizeof(until), "%.3f", expires);
    const char *const v[] = {hash, thing->kind, number, thing->path, who, until};
    PGresult *q = peri_db_query(
        db, err,
        "INSERT INTO share_link (hash, kind, thing, path, by, expires) VALUES "
        "(decode($1, 'hex'), $2, $3::bigint, $4, $5::bigint, $6::float8) "
        "RETURNING id",
        6, v);
    if (!q) return -1;
    *id = strtoll(PQgetvalue(q, 0, 0), NULL, 10);
    PQclear(q);
    return 0;
}

int peri_link_open(peri_request_t *r, peri_db_t *db, const char *token,
                   peri_thing_t *thing, peri_err_t *err)
{
    const bool valid = peri_secret_valid(PERI_SECRET_LINK, token, strlen(token));
    char hash[PERI_SECRET_HASH + 1] = "";
    if (valid) peri_secret_hash(token, PERI_SECRET_LEN, hash);
    const char *const v[] = {hash};
    PGresult *q =
        valid
            ? peri_db_query(
                  db, err,
                  "UPDATE share_link SET uses = uses + 1, used = extract(epoch FROM "
                  "now()) WHERE hash = decode($1, 'hex') AND expires > extract(epoch "
                  "FROM "
                  "now()) AND perigee_rights(by, kind, thing, path) & 18 = 18 RETURNING "
                  "kind, thing, path, perigee_label(kind, thing, path)",
                  1, v)
            : NULL;
    if (!q && valid) return -1;
    const bool found = q && PQntuples(q) > 0;
    if (found)
        *thing =
            (peri_thing_t){.kind = peri_arena_strdup(r->arena, PQgetvalue(q, 0, 0)),
                           .id = strtoll(PQgetvalue(q, 0, 1), NULL, 10),
                           .path = peri_arena_strdup(r->arena, PQgetvalue(q, 0, 2)),
                           .label = peri_arena_strdup(r->arena, PQgetvalue(q, 0, 3))};
    PQclear(q);
    if (found) return 0;
    return peri_err_set(
        err, PERI_ENOTFOUND,
        "this link shows nothing (any more): its time may be over, or what "
        "it showed was taken back. Ask who gave it to you");
}
