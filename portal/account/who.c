/* who.c - see session.h: the look-up at the start of every request. One prepared
 * statement by a unique index; a second one, once a minute, writes that it was seen.
 */
#include <stdlib.h>
#include <string.h>

#include "portal/account/account_priv.h"
#include "portal/account/session.h"

static int64_t number(const PGresult *r, int col)
{
    return strtoll(PQgetvalue(r, 0, col), NULL, 10);
}

static const char *flag(bool b)
{
    return b ? "t" : "f";
}

/* ---- sessions ---- */

static void note_seen(peri_db_t *db, const char *session, const char *now)
{
    static const char sql[] =
        "WITH s AS (UPDATE session SET seen = $2 WHERE id = $1 AND seen < $2 RETURNING "
        "account) UPDATE account SET seen = $2 FROM s WHERE id = s.account";
    const char *const v[] = {session, now};
    PQclear(peri_db_prepared(db, NULL, sql, 2, v)); /* the next request tries again */
}

int peri_account_of_cookie(peri_db_t *db, const char *value,
                           const peri_sessionrules_t *rules, double now, peri_arena_t *a,
                           peri_actor_t *out, peri_err_t *err)
{
    static const char sql[] =
        "SELECT s.id, s.account, a.name, a.admin AND (a.totp IS NOT NULL OR NOT $4), "
        "s.csrf, s.seen FROM session s JOIN "
        "account a ON a.id = s.account WHERE s.hash = $1 AND s.expires > $2 AND s.seen > "
        "$3 AND a.state = 'active'";
    size_t n = strlen(value);
    *out = (peri_actor_t){.name = "", .csrf = ""};
    if (!peri_secret_valid(PERI_SECRET_SESSION, value, n)) return 0;
    const peri_hashtext_t h = peri_hash_bytea(value, n);
    const peri_numtext_t t = peri_time_text(now),
                         idle = peri_time_text(now - rules->idle);
    const char *const v[] = {h.text, t.text, idle.text, flag(rules->admin_totp)};
    PGresult *r = peri_db_prepared(db, err, sql, 4, v);
    if (!r) return -1;
    if (PQntuples(r)) {
        *out = (peri_actor_t){.session = number(r, 0),
                              .account = number(r, 1),
                              .name = peri_arena_strdup(a, PQgetvalue(r, 0, 2)),
                              .admin = *PQgetvalue(r, 0, 3) == 't',
                              .csrf = peri_arena_strdup(a, PQgetvalue(r, 0, 4)),
                              .scopes = PERI_SCOPE_ALL};
        if (strtod(PQgetvalue(r, 0, 5), NULL) < now - PERI_SESSION_SEEN)
            note_seen(db, PQgetvalue(r, 0, 0), t.text);
    }
    PQclear(r);
    return 0;
}

/* ---- tokens ---- */

static void note_used(peri_db_t *db, const char *token, const char *now)
{
    static const char sql[] = "UPDATE token SET used = $2 WHERE id = $1";
    const char *const v[] = {token, now};
    PQclear(peri_db_prepared(db, NULL, sql, 2, v));
}

/* "{files:read,jobs:read}": names have no character that the server would quote. */
static unsigned scopes_of(const char *list)
{
    unsigned all = 0;
    char name[32];
    while (*list) {
        size_t n = strcspn(list, "{,}\"");
        if (n && n < sizeof(name)) {
            memcpy(name, list, n);
            name[n] = '\0';
            all |= peri_scope_of(name);
        }
        list += n + (list[n] != '\0');
    }
    return all;
}

int peri_account_of_token(peri_db_t *db, const char *value,
                          const peri_sessionrules_t *rules, double now, peri_arena_t *a,
                          peri_actor_t *out, peri_err_t *err)
{
    static const char sql[] =
        "SELECT t.id, t.account, a.name, a.admin AND (a.totp IS NOT NULL OR NOT $2), "
        "t.scopes, t.expires, coalesce(t.used, "
        "0) FROM token t JOIN account a ON a.id = t.account WHERE t.hash = $1 AND "
        "a.state = 'active'";
    size_t n = strlen(value);
    *out = (peri_actor_t){.name = "", .csrf = ""};
    if (!peri_secret_valid(PERI_SECRET_TOKEN, value, n))
        return peri_err_set(err, PERI_EAUTH,
                            "this is no access token of this portal: one starts with "
                            "pgt_ and is copied whole");
    const peri_hashtext_t h = peri_hash_bytea(value, n);
    const char *const v[] = {h.text, flag(rules->admin_totp)};
    PGresult *r = peri_db_prepared(db, err, sql, 2, v);
    if (!r) return -1;
    int rc = 0;
    if (!PQntuples(r)) {
        rc = peri_err_set(err, PERI_EAUTH,
                          "this access token is not known: it was revoked, or is of "
                          "another portal");
    } else if (strtod(PQgetvalue(r, 0, 5), NULL) <= now) {
        rc = peri_err_set(err, PERI_EAUTH,
                          "this access token has expired: make a new one");
    } else {
        unsigned scopes = scopes_of(PQgetvalue(r, 0, 4));
        *out = (peri_actor_t){.token = number(r, 0),
                              .account = number(r, 1),
                              .name = peri_arena_strdup(a, PQgetvalue(r, 0, 2)),
                              .admin = *PQgetvalue(r, 0, 3) == 't' &&
                                       (scopes & PERI_SCOPE_ADMIN) != 0,
                              .csrf = "",
                              .expires = strtod(PQgetvalue(r, 0, 5), NULL),
                              .scopes = scopes};
        if (strtod(PQgetvalue(r, 0, 6), NULL) < now - PERI_SESSION_SEEN)
            note_used(db, PQgetvalue(r, 0, 0), peri_time_text(now).text);
    }
    PQclear(r);
    return rc;
}

/* ---- this machine's users ---- */

static int find_unix(peri_db_t *db, const char *uid, peri_arena_t *a, peri_actor_t *out,
                     bool *active, peri_err_t *err)
{
    static const char sql[] =
        "SELECT id, name, admin, state = 'active' FROM account WHERE unix_uid = $1";
    const char *const v[] = {uid};
    PGresult *r = peri_db_prepared(db, err, sql, 1, v);
    if (!r) return -1;
    if (PQntuples(r)) {
        out->account = number(r, 0);
        out->name = peri_arena_strdup(a, PQgetvalue(r, 0, 1));
        out->admin = *PQgetvalue(r, 0, 2) == 't';
        *active = *PQgetvalue(r, 0, 3) == 't';
    }
    PQclear(r);
    return 0;
}

int peri_account_of_uid(peri_db_t *db, uid_t uid, gid_t gid, const char *name,
                        bool is_admin, peri_arena_t *a, peri_actor_t *out,
                        peri_err_t *err)
{
    static const char make[] = "SELECT perigee_account_of_uid($1::bigint, $2)";
    static const char promote[] = "UPDATE account SET admin = true WHERE unix_uid = $1";
    const peri_numtext_t u = peri_int_text(uid);
    const char *const v[] = {u.text, name};
    peri_actor_t found = {
        .local = true, .uid = uid, .gid = gid, .csrf = "", .scopes = PERI_SCOPE_ALL};
    bool active = false;
    *out = (peri_actor_t){.name = "", .csrf = ""};
    if (find_unix(db, u.text, a, &found, &active, err)) return -1;
    if (!found.account && (peri_db_exec(db, err, make, 2, v) < 0 ||
                           find_unix(db, u.text, a, &found, &active, err)))
        return -1;
    if (is_admin && !found.admin && peri_db_exec(db, err, promote, 1, v) < 0) return -1;
    if (!active && !is_admin)
        return peri_err_set(err, PERI_EDENIED,
                            "the account \"%s\" is disabled: ask the administrator",
                            found.name);
    found.admin = found.admin || is_admin;
    *out = found;
    return 0;
}
