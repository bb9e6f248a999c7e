/* once.c - see once.h. */
#include "portal/account/once.h"

#include <stdlib.h>
#include <string.h>

#include "portal/account/account_priv.h"

int peri_once_new(peri_db_t *db, const peri_once_t *o, char secret[PERI_SECRET_LEN + 1],
                  peri_err_t *err)
{
    peri_secret_new(PERI_SECRET_ONCE, secret);
    const peri_hashtext_t h = peri_hash_bytea(secret, PERI_SECRET_LEN);
    const peri_numtext_t id = peri_int_text(o->account), t = peri_time_text(o->expires);
    const char *const v[] = {h.text, o->purpose, o->account ? id.text : NULL,
                             o->data ? o->data : "{}", t.text};
    return peri_db_exec(db, err,
                        "INSERT INTO one_time (hash, purpose, account, data, expires) "
                        "VALUES ($1, $2, $3, $4, $5)",
                        5, v) < 0
               ? -1
               : 0;
}

static int find(peri_db_t *db, const char *sql, const char *purposes, const char *secret,
                double now, peri_arena_t *a, peri_once_t *out, peri_err_t *err)
{
    size_t n = strlen(secret);
    bool found = false;
    if (peri_secret_valid(PERI_SECRET_ONCE, secret, n)) {
        const peri_hashtext_t h = peri_hash_bytea(secret, n);
        const peri_numtext_t t = peri_time_text(now);
        const char *const v[] = {h.text, purposes, t.text};
        PGresult *r = peri_db_query(db, err, sql, 3, v);
        if (!r) return -1;
        found = PQntuples(r) > 0;
        if (found)
            *out = (peri_once_t){.purpose = peri_arena_strdup(a, PQgetvalue(r, 0, 0)),
                                 .account = strtoll(PQgetvalue(r, 0, 1), NULL, 10),
                                 .data = peri_arena_strdup(a, PQgetvalue(r, 0, 2)),
                                 .expires = strtod(PQgetvalue(r, 0, 3), NULL)};
        PQclear(r);
    }
    if (found) return 0;
    return peri_err_set(err, PERI_ENOTFOUND,
                        "this link has been used already, has expired, or was not copied "
                        "whole: ask for a new one");
}

#define WHICH "hash = $1 AND purpose = ANY (string_to_array($2, ' ')) AND expires > $3"
#define WHAT  "purpose, coalesce(account, 0), data, expires"

int peri_once_look(peri_db_t *db, const char *purposes, const char *secret, double now,
                   peri_arena_t *a, peri_once_t *out, peri_err_t *err)
{
    return find(db, "SELECT " WHAT " FROM one_time WHERE " WHICH, purposes, secret, now,
                a, out, err);
}

int peri_once_use(peri_db_t *db, const char *purposes, const char *secret, double now,
                  peri_arena_t *a, peri_once_t *out, peri_err_t *err)
{
    return find(db, "DELETE FROM one_time WHERE " WHICH " RETURNING " WHAT, purposes,
                secret, now, a, out, err);
}
