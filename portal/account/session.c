/* session.c - see session.h: sessions and their cookie. */
#include "portal/account/session.h"

#include <stdlib.h>
#include <string.h>

#include "portal/account/account_priv.h"

#define AGENT_MAX 200

/* ---- cookie ---- */

const char *peri_session_cookie_name(bool https)
{
    return https ? "__Host-perigee" : "perigee_session";
}

char *peri_session_cookie(bool https, const char *value, peri_arena_t *a)
{
    return peri_arena_printf(a, "%s=%s; Path=/; HttpOnly; SameSite=Lax%s; Max-Age=%d",
                             peri_session_cookie_name(https), value,
                             https ? "; Secure" : "", *value ? (int)PERI_SESSION_MAX : 0);
}

/* ---- sessions ---- */

/* What a client says of itself may be anything: printable ASCII of it is kept. */
static void clean(const char *s, char *out, size_t max)
{
    size_t n = 0;
    for (; *s && n + 1 < max; s++)
        if (*s >= ' ' && *s < 0x7f) out[n++] = *s;
    out[n] = '\0';
}

int peri_session_new(peri_db_t *db, int64_t account, const char *client,
                     const char *agent, double now, peri_session_t *out, peri_err_t *err)
{
    static const char sql[] =
        "WITH old AS (DELETE FROM session WHERE id IN (SELECT id FROM session WHERE "
        "account = $1 ORDER BY seen DESC OFFSET $8)), seen AS (UPDATE account SET seen = "
        "$4 WHERE id = $1) INSERT INTO session (account, hash, csrf, created, seen, "
        "expires, client, agent) VALUES ($1, $2, $3, $4, $4, $5, $6, $7) RETURNING id";
    char short_agent[AGENT_MAX + 1], short_client[64];
    peri_secret_new(PERI_SECRET_SESSION, out->secret);
    peri_secret_derive(out->secret, PERI_SECRET_LEN, "csrf", out->csrf);
    out->expires = now + PERI_SESSION_MAX;
    clean(agent, short_agent, sizeof(short_agent));
    clean(client, short_client, sizeof(short_client));
    const peri_hashtext_t h = peri_hash_bytea(out->secret, PERI_SECRET_LEN);
    const peri_numtext_t id = peri_int_text(account), t = peri_time_text(now),
                         until = peri_time_text(out->expires),
                         most = peri_int_text(PERI_SESSION_MOST - 1);
    const char *const v[] = {id.text,    h.text,       out->csrf,   t.text,
                             until.text, short_client, short_agent, most.text};
    PGresult *r = peri_db_prepared(db, err, sql, 8, v);
    if (!r) return -1;
    out->id = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return 0;
}

int peri_session_list(peri_db_t *db, int64_t account, const peri_sessionrules_t *rules,
                      double now, peri_session_f f, void *arg, peri_err_t *err)
{
    static const char sql[] =
        "SELECT id, created, seen, expires, client, agent FROM session WHERE account = "
        "$1 "
        "AND expires > $2 AND seen > $3 ORDER BY seen DESC, id DESC";
    const peri_numtext_t id = peri_int_text(account), t = peri_time_text(now),
                         idle = peri_time_text(now - rules->idle);
    const char *const v[] = {id.text, t.text, idle.text};
    PGresult *r = peri_db_query(db, err, sql, 3, v);
    if (!r) return -1;
    int rc = 0;
    for (int i = 0; i < PQntuples(r) && rc == 0; i++) {
        const peri_sessionrow_t s = {.id = strtoll(PQgetvalue(r, i, 0), NULL, 10),
                                     .created = strtod(PQgetvalue(r, i, 1), NULL),
                                     .seen = strtod(PQgetvalue(r, i, 2), NULL),
                                     .expires = strtod(PQgetvalue(r, i, 3), NULL),
                                     .client = PQgetvalue(r, i, 4),
                                     .agent = PQgetvalue(r, i, 5)};
        rc = f(&s, arg);
    }
    PQclear(r);
    return rc;
}

int peri_session_revoke(peri_db_t *db, int64_t account, int64_t id, int64_t keep,
                        peri_err_t *err)
{
    const peri_numtext_t a = peri_int_text(account), i = peri_int_text(id ? id : keep);
    const char *const v[] = {a.text, i.text};
    int64_t n = peri_db_exec(db, err,
                             id ? "DELETE FROM session WHERE account = $1 AND id = $2"
                                : "DELETE FROM session WHERE account = $1 AND id <> $2",
                             2, v);
    if (n < 0) return -1;
    if (n || !id) return 0;
    return peri_err_set(err, PERI_ENOTFOUND, "there is no such session of yours");
}
