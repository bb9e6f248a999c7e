/* api_who.c - who a request is from: a token, the cookie of a session, a user of this
 * machine. The start of a session.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "portal/account/api.h"
#include "portal/account/routes.h"

/* ---- rules of the configuration ---- */

peri_sessionrules_t peri_api_session_rules(const peri_request_t *r)
{
    const peri_confaccounts_t *c = &r->portal->config->accounts;
    return (peri_sessionrules_t){.idle = c->session_hours * 3600,
                                 .admin_totp = c->admin_totp};
}

peri_signuprules_t peri_api_signup_rules(const peri_request_t *r)
{
    return peri_signup_rules(r->portal->config, peri_portal_url(r->portal));
}

/* ---- who ---- */

/* These do nothing with an account that is signed in, and show who asks themselves. */
static bool needs_nobody(const peri_request_t *r)
{
    static const char *const paths[] = {
        "/api/v1/sign-in", "/api/v1/account/sign-up", "/api/v1/account/verify",
        "/api/v1/account/reset-request", "/api/v1/account/reset"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (!strcmp(r->path, paths[i])) return true;
    return false;
}

static bool only_looks(const char *method)
{
    return !strcmp(method, "GET") || !strcmp(method, "HEAD") ||
           !strcmp(method, "OPTIONS");
}

/* Another site may not even sign a browser in (as somebody else than she thinks). */
static int check_site(peri_request_t *r, peri_err_t *err)
{
    const char *from = peri_request_header(r, "Sec-Fetch-Site");
    if (only_looks(r->method) || !from || !strcmp(from, "same-origin") ||
        !strcmp(from, "none"))
        return 0;
    return peri_request_fail(r, err, 403, "csrf",
                             "another site made the browser send this request");
}

/* A browser sends the cookie whoever makes it ask; only our own pages know the token. */
static int check_csrf(peri_request_t *r, peri_err_t *err)
{
    const char *said = peri_request_header(r, "X-CSRF-Token");
    if (only_looks(r->method) || (said && peri_secret_same(said, r->actor.csrf)))
        return 0;
    if (needs_nobody(r)) return 0;
    return peri_request_fail(r, err, 403, "csrf",
                             "a request with a cookie that changes something needs the "
                             "header X-CSRF-Token: its value is \"csrf\" of GET "
                             "/api/v1/account");
}

static int find(peri_request_t *r, peri_db_t *db, const char *bearer, const char *cookie,
                peri_err_t *err)
{
    const peri_sessionrules_t rules = peri_api_session_rules(r);
    const uid_t uid = r->actor.uid;
    const gid_t gid = r->actor.gid;
    const double now = peri_epoch();
    int rc =
        bearer
            ? peri_account_of_token(db, bearer, &rules, now, r->arena, &r->actor, err)
            : peri_account_of_cookie(db, cookie, &rules, now, r->arena, &r->actor, err);
    r->actor.uid = uid;
    r->actor.gid = gid;
    return rc;
}

/* Whether the daemon lives is told also when the database does not. */
static int local_who(peri_request_t *r, peri_err_t *err)
{
    const peri_actor_t peer = r->actor;
    peri_db_t *db = peri_request_system(r, err);
    int rc = -1;
    if (db) {
        rc = peri_account_of_uid(db, peer.uid, peer.gid, peer.name, peer.admin, r->arena,
                                 &r->actor, err);
        peri_dbpool_put(r->portal->db, db);
    }
    if (rc == 0) return 0;
    r->actor = peer;
    return strcmp(r->path, "/api/v1/status") ? rc : 0;
}

int peri_account_who(peri_request_t *r, peri_err_t *err)
{
    if (r->actor.local) return local_who(r, err);
    const char *bearer = peri_request_header(r, "Authorization");
    const char *cookie = peri_request_cookie(r, peri_session_cookie_name(r->https));
    if (check_site(r, err)) return -1;
    if (bearer && strncasecmp(bearer, "Bearer ", 7) != 0)
        return peri_err_set(err, PERI_EAUTH,
                            "the header Authorization is to be \"Bearer TOKEN\"");
    if (bearer)
        for (bearer += 7; *bearer == ' '; bearer++) continue;
    /* What has not the form of one costs no statement. */
    if (!bearer &&
        (!cookie || !peri_secret_valid(PERI_SECRET_SESSION, cookie, strlen(cookie))))
        return 0;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = find(r, db, bearer, cookie, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0 && r->actor.session) rc = check_csrf(r, err);
    return rc;
}

int peri_api_by_person(peri_request_t *r, peri_err_t *err)
{
    if (!r->actor.token) return 0;
    return peri_err_set(err, PERI_EDENIED,
                        "this is not for tokens: sign in with your password to do it");
}

json_t *peri_api_scopes(unsigned scopes)
{
    json_t *list = json_array();
    for (unsigned bit = 1; bit <= PERI_SCOPE_ALL; bit <<= 1)
        if (scopes & bit) json_array_append_new(list, json_string(peri_scope_name(bit)));
    return list;
}

/* ---- sessions ---- */

void peri_api_drop_cookie(peri_request_t *r)
{
    peri_request_set_header(r, "Set-Cookie", peri_session_cookie(r->https, "", r->arena));
}

int peri_api_start_session(peri_request_t *r, peri_db_t *db, int64_t account,
                           const char *name, const char *way, peri_err_t *err)
{
    peri_session_t s;
    const char *agent = peri_request_header(r, "User-Agent");
    const peri_actor_t before = r->actor;
    peri_err_t gone = {0};
    if (before.session &&
        peri_session_revoke(db, before.account, before.session, 0, &gone) &&
        gone.code != PERI_ENOTFOUND) {
        *err = gone;
        return -1;
    }
    if (peri_session_new(db, account, r->client, agent ? agent : "", peri_epoch(), &s,
                         err))
        return -1;
    r->actor.account = account;
    r->actor.name = name;
    r->actor.session = s.id;
    if (peri_audit(r, db, "sign-in", name, true, json_pack("{s:s}", "way", way), err)) {
        r->actor = before;
        return -1;
    }
    peri_request_set_header(r, "Set-Cookie",
                            peri_session_cookie(r->https, s.secret, r->arena));
    r->json = json_pack("{s:s, s:s, s:I, s:f}", "name", name, "csrf", s.csrf, "session",
                        (json_int_t)s.id, "expires", s.expires);
    return 0;
}
