/* api_signin.c - signing in and out, and the ways to do it. */
#include <string.h>

#include "core/base/util.h"
#include "portal/access/thing.h"
#include "portal/account/api.h"
#include "portal/account/name.h"
#include "portal/account/password.h"
#include "portal/account/signin.h"

static const char *const waits_for[] = {
    [PERI_ACC_INVITED] = "use the link that you were given to set a password first",
    [PERI_ACC_EMAIL] = "open the link in the mail that was sent to you first",
    [PERI_ACC_APPROVAL] = "the administrator has not approved this account yet",
    [PERI_ACC_ACTIVE] = "",
    [PERI_ACC_DISABLED] = "this account is disabled: ask the administrator"};

/* What the audit log says of a failure; NULL: it is none, or was not looked at. */
static const char *const why[] = {[PERI_SIGNIN_OK] = NULL,
                                  [PERI_SIGNIN_WRONG] = "wrong",
                                  [PERI_SIGNIN_CODE] = NULL,
                                  [PERI_SIGNIN_INACTIVE] = "inactive",
                                  [PERI_SIGNIN_WAIT] = NULL};

static int refuse(peri_request_t *r, const peri_signinout_t *o, peri_err_t *err)
{
    switch (o->end) {
    case PERI_SIGNIN_WAIT:
        return peri_api_wait(r, o->wait, "too many tries to sign in", err);
    case PERI_SIGNIN_CODE:
        return peri_request_fail(r, err, 401, "code_needed",
                                 "this account has a second factor: send the code that "
                                 "your app shows, too");
    case PERI_SIGNIN_INACTIVE:
        return peri_request_fail(r, err, 403, "inactive", "%s", waits_for[o->state]);
    default:
        return peri_err_set(err, PERI_EAUTH,
                            "the name or the password is wrong, or the code of the "
                            "second factor");
    }
}

static int finish(peri_request_t *r, const peri_signinout_t *o, peri_err_t *err)
{
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_db_begin(db, err);
    if (rc == 0 && o->end == PERI_SIGNIN_OK)
        rc = peri_api_start_session(r, db, o->account, o->name, "password", err);
    else if (rc == 0 && why[o->end])
        rc = peri_audit(r, db, "sign-in", o->name, false,
                        json_pack("{s:s}", "why", why[o->end]), err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_sign_in(peri_request_t *r, peri_err_t *err)
{
    const char *name, *email;
    peri_signin_t in = {.client = r->client, .known = r->actor.account};
    peri_signinout_t out;
    json_t *o = peri_request_json(r, "name email password code", err);
    if (!o || peri_json_text(o, "name", false, PERI_EMAIL_MAX, &name, err) ||
        peri_json_text(o, "email", false, PERI_EMAIL_MAX, &email, err) ||
        peri_json_text(o, "password", true, PERI_PASSWORD_MAX, &in.password, err) ||
        peri_json_text(o, "code", false, 64, &in.code, err))
        return -1;
    in.login = name ? name : email;
    if (!in.login) return peri_err_set(err, PERI_EINVAL, "\"name\" is missing");
    int turn = peri_api_turn(r, err);
    if (turn <= 0) return turn;
    int rc = peri_signin(r->portal->db, &in, peri_epoch(), r->arena, &out, err);
    peri_password_turn_give();
    if (rc || finish(r, &out, err)) return -1;
    return out.end == PERI_SIGNIN_OK ? 0 : refuse(r, &out, err);
}

int peri_api_sign_out(peri_request_t *r, peri_err_t *err)
{
    peri_api_drop_cookie(r);
    r->status = 204;
    if (!r->actor.session) return 0; /* it is over already */
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_db_begin(db, err);
    if (rc == 0) rc = peri_session_revoke(db, r->actor.account, r->actor.session, 0, err);
    if (rc == 0) rc = peri_audit(r, db, "sign-out", r->actor.name, true, NULL, err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_ways(peri_request_t *r, peri_err_t *err)
{
    static const char *const modes[] = {[PERI_SIGNUP_OPEN] = "open",
                                        [PERI_SIGNUP_INVITATION] = "invitation",
                                        [PERI_SIGNUP_APPROVAL] = "approval",
                                        [PERI_SIGNUP_CLOSED] = "closed"};
    const peri_config_t *c = r->portal->config;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    json_t *banner = peri_rows_json(
        db, err, "SELECT value FROM setting WHERE key = 'banner'", 0, NULL);
    peri_dbpool_put(r->portal->db, db);
    if (!banner) return -1;
    json_t *providers = json_array();
    for (size_t i = 0; i < c->noidc; i++)
        json_array_append_new(providers, json_pack("{s:s, s:s}", "name", c->oidc[i].name,
                                                   "title", c->oidc[i].title));
    r->json = json_pack("{s:b, s:s, s:b, s:o, s:O?, s:s}", "password", 1, "sign_up",
                        modes[c->accounts.sign_up], "mail", c->mail.server != NULL,
                        "providers", providers, "banner", json_array_get(banner, 0),
                        "url", peri_portal_url(r->portal));
    json_decref(banner);
    return 0;
}
