/* signin.c - see signin.h. */
#include "portal/account/signin.h"

#include <string.h>

#include "portal/account/account_priv.h"
#include "portal/account/factor.h"
#include "portal/account/name.h"
#include "portal/account/password.h"
#include "portal/account/throttle.h"

/* Where she has signed in before: there others' wrong guesses from elsewhere do not
 * count.
 */
#define KNOWN_SECONDS (30 * 86400.0)

typedef struct {
    const peri_signin_t *in;
    double now;
    char client[64], key[PERI_EMAIL_MAX + 80];
    const peri_throttle_t *throttle;
    peri_account_t account;
    bool found;
} try_t;

static int is_known(peri_db_t *db, const try_t *t, bool *known, peri_err_t *err)
{
    static const char sql[] = "SELECT EXISTS (SELECT 1 FROM audit WHERE account = $1 AND "
                              "client = $2 AND action "
                              "= 'sign-in' AND ok AND \"time\" > $3)";
    *known = t->found && t->in->known == t->account.id;
    if (*known || !t->found || !*t->in->client) return 0;
    const peri_numtext_t id = peri_int_text(t->account.id),
                         since = peri_time_text(t->now - KNOWN_SECONDS);
    const char *const v[] = {id.text, t->in->client, since.text};
    PGresult *r = peri_db_prepared(db, err, sql, 3, v);
    if (!r) return -1;
    *known = *PQgetvalue(r, 0, 0) == 't';
    PQclear(r);
    return 0;
}

/* The account, and whether a try may be made. */
static int before(peri_db_t *db, try_t *t, peri_arena_t *a, double *wait, peri_err_t *err)
{
    peri_err_t why = {0};
    bool known;
    t->found = peri_account_by_login(db, t->in->login, a, &t->account, &why) == 0;
    if (!t->found && why.code != PERI_ENOTFOUND) {
        if (err) *err = why;
        return -1;
    }
    if (is_known(db, t, &known, err)) return -1;
    peri_throttle_client_key(t->in->client, t->client);
    t->throttle = known ? &peri_throttle_known : &peri_throttle_account;
    /* An account has one key, by whatever name it was called. */
    if (t->found)
        snprintf(t->key, sizeof(t->key), "#%lld %s", (long long)t->account.id,
                 known ? t->client : "");
    else
        snprintf(t->key, sizeof(t->key), "%s", t->in->login);
    *wait = 0;
    if (*t->in->client &&
        peri_throttle_try(db, &peri_throttle_client, t->client, t->now, wait, err))
        return -1;
    if (*wait > 0) return 0;
    return peri_throttle_try(db, t->throttle, t->key, t->now, wait, err);
}

static int forget_tries(peri_db_t *db, const try_t *t, peri_err_t *err)
{
    if (*t->in->client && peri_throttle_undo(db, &peri_throttle_client, t->client, err))
        return -1;
    return peri_throttle_clear(db, t->throttle, t->key, err);
}

/* The password was right. */
static int after(peri_db_t *db, const try_t *t, const char *new_hash,
                 peri_signinend_t *end, peri_err_t *err)
{
    const peri_account_t *acc = &t->account;
    bool right = true;
    if (acc->state != PERI_ACC_ACTIVE) {
        *end = PERI_SIGNIN_INACTIVE;
        return forget_tries(db, t, err);
    }
    if (acc->totp && (!t->in->code || !*t->in->code)) {
        /* Not a wrong guess, but not the end of guessing either. */
        *end = PERI_SIGNIN_CODE;
        if (*t->in->client &&
            peri_throttle_undo(db, &peri_throttle_client, t->client, err))
            return -1;
        return peri_throttle_undo(db, t->throttle, t->key, err);
    }
    if (acc->totp && peri_factor_check(db, acc->id, t->in->code, t->now, &right, err))
        return -1;
    *end = right ? PERI_SIGNIN_OK : PERI_SIGNIN_WRONG;
    if (!right) return 0;
    if (new_hash) {
        const peri_numtext_t id = peri_int_text(acc->id);
        const char *const v[] = {id.text, new_hash, acc->password};
        if (peri_db_exec(db, err,
                         "UPDATE account SET password = $2 WHERE id = $1 AND password = "
                         "$3",
                         3, v) < 0)
            return -1;
    }
    return forget_tries(db, t, err);
}

int peri_signin(peri_dbpool_t *pool, const peri_signin_t *in, double now, peri_arena_t *a,
                peri_signinout_t *out, peri_err_t *err)
{
    try_t t = {.in = in, .now = now};
    char hash[PERI_PASSWORD_TEXT];
    bool right, again;
    *out = (peri_signinout_t){.end = PERI_SIGNIN_WRONG, .name = ""};
    /* No account is called so; the throttle's keys stay short. */
    if (strlen(in->login) > PERI_EMAIL_MAX) return 0;
    peri_db_t *db = peri_dbpool_get(pool, err);
    if (!db) return -1;
    int rc = before(db, &t, a, &out->wait, err);
    peri_dbpool_put(pool, db);
    if (rc) return -1;
    if (t.found) {
        out->account = t.account.id;
        out->name = t.account.name;
        out->admin = t.account.admin;
        out->state = t.account.state;
    }
    if (out->wait > 0) {
        out->end = PERI_SIGNIN_WAIT;
        return 0;
    }
    if (peri_password_check(t.found ? t.account.password : NULL, in->password,
                            strlen(in->password), &right, &again, err))
        return -1;
    if (!right) return 0;
    if (again && peri_password_hash(in->password, strlen(in->password), hash, err))
        return -1;
    if (!(db = peri_dbpool_get(pool, err))) return -1;
    rc = after(db, &t, again ? hash : NULL, &out->end, err);
    peri_dbpool_put(pool, db);
    return rc;
}

int peri_signin_confirm(peri_dbpool_t *pool, int64_t account, const char *password,
                        double now, double *wait, peri_err_t *err)
{
    peri_account_t acc;
    char key[32];
    bool right, again;
    peri_arena_t *a = peri_arena_new();
    peri_db_t *db = peri_dbpool_get(pool, err);
    int rc = -1;
    *wait = 0;
    snprintf(key, sizeof(key), "#%lld confirm", (long long)account);
    if (!db || peri_account_by_id(db, account, a, &acc, err)) goto out;
    if (!acc.password) {
        rc = 0;
        goto out;
    }
    if (peri_throttle_try(db, &peri_throttle_known, key, now, wait, err)) goto out;
    if (*wait > 0) {
        peri_err_set(err, PERI_EBUSY,
                     "too many wrong passwords: try again in %.0f seconds", *wait);
        goto out;
    }
    peri_dbpool_put(pool, db);
    db = NULL;
    if (peri_password_check(acc.password, password, strlen(password), &right, &again,
                            err))
        goto out;
    if (!right) {
        peri_err_set(err, PERI_EDENIED, "this is not your password");
        goto out;
    }
    if (!(db = peri_dbpool_get(pool, err))) goto out;
    rc = peri_throttle_clear(db, &peri_throttle_known, key, err);
out:
    if (db) peri_dbpool_put(pool, db);
    peri_arena_free(a);
    return rc;
}
