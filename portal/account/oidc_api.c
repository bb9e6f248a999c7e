/* oidc_api.c - requests: GET /sign-in/oidc/NAME and its callback, POST and DELETE
 * /account/identities.
 *
 * Both GETs may wait for the provider: the handler is called again at news and begins
 * from the start. What it finds then is in the threads of oidc.c, under a key that only
 * this browser can make.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/api.h"
#include "portal/account/oidc_api.h"
#include "portal/account/oidc_flow.h"
#include "portal/account/oidc_identity.h"
#include "portal/log.h"

#define PATIENCE 20.0 /* seconds: key set, token, key set anew, userinfo */

static const char *cookie_name(const peri_request_t *r)
{
    return r->https ? "__Host-perigee-oidc" : "perigee_oidc";
}

/* The secret that this browser has, or NULL. */
static const char *browser_of(const peri_request_t *r)
{
    const char *c = peri_request_cookie(r, cookie_name(r));
    return c && peri_secret_valid(PERI_SECRET_ONCE, c, strlen(c)) ? c : NULL;
}

static int need_oidc(const peri_request_t *r, peri_err_t *err)
{
    if (r->portal->oidc) return 0;
    return peri_err_set(err, PERI_ENOTFOUND,
                        "no OpenID provider is configured here; sign in with your name "
                        "and password");
}

static int wait_for(peri_request_t *r, const char *uuid, peri_err_t *err)
{
    if (peri_now() >= r->first + PATIENCE)
        return peri_err_set(err, PERI_EIO,
                            "the provider does not answer; try again in a minute");
    snprintf(r->wait_uuid, sizeof(r->wait_uuid), "%s", uuid);
    r->wait_until = r->first + PATIENCE;
    return 0;
}

/* ---- start ---- */

/* 1: *url; 0: waits. */
static int begin(peri_request_t *r, const char *provider, const char *next, int64_t link,
                 const char **url, peri_err_t *err)
{
    char wait[PERI_UUID_LEN + 1], fresh[PERI_SECRET_LEN + 1];
    peri_oidc_t *o = r->portal->oidc;
    if (need_oidc(r, err)) return -1;
    int known = peri_oidc_where(o, provider, NULL, NULL, NULL, r->arena, NULL, wait, err);
    if (known < 0) return -1;
    if (known == 0) return wait_for(r, wait, err);
    /* A second tab goes on with the secret of the first. */
    const char *browser = browser_of(r);
    if (!browser) {
        peri_secret_new(PERI_SECRET_ONCE, fresh);
        browser = fresh;
    }
    const peri_oidcbegin_t b = {provider, browser, next, link};
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_oidc_begin(o, db, &b, r->arena, url, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    /* Lax: it comes back with a link from the provider's page. */
    peri_request_set_header(
        r, "Set-Cookie",
        peri_arena_printf(
            r->arena, "%s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%.0f%s",
            cookie_name(r), browser, PERI_OIDC_SECONDS, r->https ? "; Secure" : ""));
    return 1;
}

static int sign_in(peri_request_t *r, peri_err_t *err)
{
    const char *next = peri_request_arg(r, "next"), *url = NULL;
    if (next && !peri_oidc_next_ok(next))
        return peri_err_set(err, PERI_EINVAL,
                            "the parameter next needs a path of this portal such as "
                            "/jobs");
    int rc = begin(r, r->param[0], next, 0, &url, err);
    if (rc <= 0) return rc;
    peri_request_set_header(r, "Location", url);
    r->status = 303;
    return 0;
}

static int link_start(peri_request_t *r, peri_err_t *err)
{
    const char *provider, *next, *url = NULL;
    json_t *o = peri_request_json(r, "provider next", err);
    if (!o || peri_json_text(o, "provider", true, 64, &provider, err) ||
        peri_json_text(o, "next", false, PERI_OIDC_NEXT_MAX, &next, err))
        return -1;
    if (next && !peri_oidc_next_ok(next))
        return peri_err_set(err, PERI_EINVAL,
                            "\"next\" needs a path of this portal such as /account");
    if (!r->actor.session)
        return peri_err_set(err, PERI_EDENIED,
                            "a sign-in is linked in the browser: sign in there first");
    int rc = begin(r, provider, next, r->actor.account, &url, err);
    if (rc <= 0) return rc;
    r->json = json_pack("{s:s}", "location", url);
    return 0;
}

/* ---- callback ---- */

static json_t *context_of(const char *provider, const char *why)
{
    json_t *o = json_pack("{s:s}", "way", provider);
    if (why) json_object_set_new(o, "why", json_string(why));
    return o;
}

static void go_to(peri_request_t *r, const char *next)
{
    peri_request_set_header(r, "Location", next);
    r->status = 303;
}

static int link_up(peri_request_t *r, peri_db_t *db, const peri_confoidc_t *p,
                   const peri_oidcnote_t *note, const peri_idclaims_t *c, peri_err_t *err)
{
    const char *label = c->preferred_username ? c->preferred_username
                        : c->email            ? c->email
                                              : c->full_name;
    if (!r->actor.session || r->actor.account != note->link)
        return peri_err_set(err, PERI_EDENIED,
                            "you are not signed in any more as the account that was to "
                            "be linked; sign in and link it again");
    if (peri_db_begin(db, err)) return -1;
    if (peri_identity_add(db, note->link, p->issuer, c->subject, label, err) ||
        peri_audit(r, db, "identity.link", p->name, true, NULL, err)) {
        peri_db_rollback(db);
        return -1;
    }
    if (peri_db_commit(db, err)) return -1;
    go_to(r, note->next);
    return 0;
}

static int check_state(const peri_account_t *a, peri_err_t *err)
{
    if (a->state == PERI_ACC_ACTIVE) return 0;
    return peri_err_set(err, PERI_EDENIED,
                        a->state == PERI_ACC_APPROVAL
                            ? "an administrator has to approve your account first"
                        : a->state == PERI_ACC_DISABLED
                            ? "your account is disabled; ask your administrator"
                            : "your account is not active yet: follow the link in the "
                              "mail that you got");
}

/* In the place of the second factor that it does not ask for. */
static int check_admin(const peri_request_t *r, const peri_account_t *a, peri_err_t *err)
{
    if (!a->admin || !peri_api_session_rules(r).admin_totp) return 0;
    return peri_err_set(err, PERI_EDENIED,
                        "administrators need a second factor here: sign in with your "
                        "name, password and code");
}

static int start_session(peri_request_t *r, peri_db_t *db, const peri_account_t *a,
                         bool made, const peri_confoidc_t *p, peri_err_t *err)
{
    if (peri_db_begin(db, err)) return -1;
    if ((made && peri_audit(r, db, "account.make", a->name, true,
                            context_of(p->name, NULL), err)) ||
        peri_api_start_session(r, db, a->id, a->name, p->name, err)) {
        peri_db_rollback(db);
        return -1;
    }
    json_decref(r->json); /* for pages of ours, not for a redirect */
    r->json = NULL;
    return peri_db_commit(db, err);
}

static int enter(peri_request_t *r, peri_db_t *db, const peri_confoidc_t *p,
                 const peri_oidcnote_t *note, const peri_idclaims_t *c, peri_err_t *err)
{
    peri_account_t a;
    int64_t id;
    bool made;
    if (peri_oidc_account(db, p, c, &id, &made, err) ||
        peri_account_by_id(db, id, r->arena, &a, err) || check_state(&a, err) ||
        check_admin(r, &a, err) || start_session(r, db, &a, made, p, err))
        return -1;
    go_to(r, note->next);
    return 0;
}

/* The provider has spoken. */
static int finish(peri_request_t *r, peri_db_t *db, const peri_idclaims_t *c,
                  const char *text, peri_err_t *err)
{
    peri_oidcnote_t note;
    if (peri_oidc_note(text, r->arena, &note, err)) return -1;
    const peri_confoidc_t *p = peri_oidc_provider(r->portal->oidc, note.provider, err);
    if (!p) return -1;
    return note.link ? link_up(r, db, p, &note, c, err) : enter(r, db, p, &note, c, err);
}

/* Like any sign-in that failed. */
static void note_failure(peri_request_t *r, peri_db_t *db, const peri_err_t *err)
{
    if (err->code == PERI_EIO || err->code == PERI_EINTERNAL) return;
    peri_audit(r, db, "sign-in", "", false, context_of(r->param[0], err->text), NULL);
}

static int called_back(peri_request_t *r, peri_db_t *db, const char *state,
                       const char *browser, peri_err_t *err)
{
    char key[PERI_UUID_LEN + 1];
    peri_oidc_t *o = r->portal->oidc;
    peri_idclaims_t claims;
    const char *note;
    peri_oidc_key(state, browser, key);
    peri_oidcresult_t result = peri_oidc_result(o, key, r->arena, &claims, &note, err);
    if (result == PERI_OIDC_NONE) {
        const peri_oidcback_t back = {.provider = r->param[0],
                                      .iss = peri_request_arg(r, "iss"),
                                      .error = peri_request_arg(r, "error"),
                                      .code = peri_request_arg(r, "code")};
        if (peri_oidc_back(o, db, state, browser, &back, r->arena, err)) return -1;
        result = PERI_OIDC_BUSY;
    }
    if (result == PERI_OIDC_BUSY) return wait_for(r, key, err);
    if (result == PERI_OIDC_FAILED) return -1;
    return finish(r, db, &claims, note, err);
}

static int callback(peri_request_t *r, peri_err_t *err)
{
    const char *state = peri_request_arg(r, "state"), *browser = browser_of(r);
    if (need_oidc(r, err) || !peri_oidc_provider(r->portal->oidc, r->param[0], err))
        return -1;
    if (!state || !peri_secret_valid(PERI_SECRET_ONCE, state, strlen(state)) || !browser)
        return peri_err_set(err, PERI_EDENIED,
                            "this sign-in did not begin in this browser, or began more "
                            "than ten minutes ago; sign in again");
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = called_back(r, db, state, browser, err);
    if (rc) note_failure(r, db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

/* ---- unlink ---- */

static int unlink_one(peri_request_t *r, peri_err_t *err)
{
    char *end;
    const int64_t id = strtoll(r->param[0], &end, 10);
    if (peri_api_by_person(r, err)) return -1;
    if (*end || id <= 0)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "your account is not linked to this sign-in");
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_identity_remove(db, r->actor.account, id, r->portal->oidc, err);
    if (rc == 0) rc = peri_audit(r, db, "identity.unlink", r->param[0], true, NULL, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0) r->status = 204;
    return rc;
}

/* ---- for who sees the answer in a browser ---- */

static int status_of(const peri_request_t *r, const peri_err_t *err)
{
    if (r->problem) return r->problem;
    switch (err->code) {
    case PERI_EDENIED:
        return 403;
    case PERI_ENOTFOUND:
        return 404;
    case PERI_ECONFLICT:
        return 409;
    case PERI_EINVAL:
        return 400;
    case PERI_EIO:
        return 503;
    default:
        return 500;
    }
}

/* The problem as a page, if a browser asks for pages. */
static int shown(peri_request_t *r, int rc, peri_err_t *err)
{
    const char *accept = peri_request_header(r, "Accept");
    if (rc == 0 || !accept || !strstr(accept, "text/html")) return rc;
    const int status = status_of(r, err);
    if (status >= 500)
        peri_log(PERI_LOG_WARN, "%s %s: %s request=%s where=%s", r->method, r->path,
                 err->text, r->id, err->where);
    peri_api_page(r, status, "You are not signed in", err->text, NULL, NULL, false);
    return 0;
}

static int sign_in_page(peri_request_t *r, peri_err_t *err)
{
    return shown(r, sign_in(r, err), err);
}

static int callback_page(peri_request_t *r, peri_err_t *err)
{
    return shown(r, callback(r, err), err);
}

const peri_route_t peri_oidc_routes[] = {
    {"GET", "/api/v1/sign-in/oidc/*", sign_in_page, PERI_ROUTE_OPEN, 0, NULL},
    {"GET", "/api/v1/sign-in/oidc/*/callback", callback_page, PERI_ROUTE_OPEN, 0, NULL},
    {"POST", "/api/v1/account/identities", link_start, 0, PERI_SCOPE_ACCOUNT_WRITE, NULL},
    {"DELETE", "/api/v1/account/identities/*", unlink_one, 0, PERI_SCOPE_ACCOUNT_WRITE,
     NULL},
};
const size_t peri_oidc_nroutes = sizeof(peri_oidc_routes) / sizeof(peri_oidc_routes[0]);
