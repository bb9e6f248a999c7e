/* oidc_identity.c - see oidc_identity.h. */
#include "portal/account/oidc_identity.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "portal/account/account_priv.h"
#include "portal/account/name.h"

#define NAME_TRIES 30

int peri_identity_find(peri_db_t *db, const char *issuer, const char *subject,
                       int64_t *account, peri_err_t *err)
{
    const char *const v[] = {issuer, subject};
    PGresult *r = peri_db_query(
        db, err,
        "SELECT account FROM account_identity WHERE issuer = $1 AND subject = $2", 2, v);
    if (!r) return -1;
    *account = PQntuples(r) ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    return 0;
}

int peri_identity_add(peri_db_t *db, int64_t account, const char *issuer,
                      const char *subject, const char *label, peri_err_t *err)
{
    const peri_numtext_t id = peri_int_text(account);
    const char *const v[] = {id.text, issuer, subject, label ? label : ""};
    int64_t owner = 0;
    int64_t n = peri_db_exec(db, err,
                             "INSERT INTO account_identity (account, issuer, subject, "
                             "label) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                             4, v);
    if (n < 0) return -1;
    if (n > 0) return 0;
    if (peri_identity_find(db, issuer, subject, &owner, err)) return -1;
    if (owner == account) return 0;
    return peri_err_set(err, PERI_ECONFLICT,
                        "this sign-in belongs to another account here; unlink it there "
                        "first");
}

/* ---- a new account ---- */

/* 1: another account has it. */
static int is_taken(peri_db_t *db, const char *email, peri_err_t *err)
{
    PGresult *r = peri_db_query(
        db, err, "SELECT 1 FROM account WHERE lower(email) = lower($1)", 1, &email);
    int n = r ? PQntuples(r) : -1;
    PQclear(r);
    return n;
}

/* ana, ana-2, ... ana-9, then ana with a large number: a name that many have is not worth
 * a hundred statements. */
static int make_named(peri_db_t *db, const peri_newaccount_t *like, const char *text,
                      int64_t *account, peri_err_t *err)
{
    char name[PERI_NAME_MAX + 1];
    peri_newaccount_t a = *like;
    peri_err_t why = {0};
    a.name = name;
    for (unsigned n = 1; n < NAME_TRIES; n++) {
        peri_name_from(text,
                       n == 1   ? 0
                       : n < 10 ? n
                                : 10 + randombytes_uniform(99990),
                       name);
        if (!*name) peri_name_from("user", 10 + randombytes_uniform(99990), name);
        if (peri_account_make(db, &a, account, &why) == 0) return 0;
        if (why.code != PERI_ECONFLICT) break;
    }
    if (err) *err = why;
    return -1;
}

int peri_identity_sign_up(peri_db_t *db, const char *issuer, const peri_idclaims_t *c,
                          int64_t *account, peri_err_t *err)
{
    const char *call = c->preferred_username ? c->preferred_username
                       : c->email            ? c->email
                       : c->full_name        ? c->full_name
                                             : "user";
    peri_newaccount_t a = {.state = PERI_ACC_ACTIVE};
    int64_t owner = 0;
    if (c->full_name && strlen(c->full_name) <= PERI_FULL_MAX &&
        peri_full_check(c->full_name, NULL) == 0)
        a.full_name = c->full_name;
    if (c->email && peri_email_check(c->email, NULL) == 0) {
        int taken = is_taken(db, c->email, err);
        if (taken < 0) return -1;
        if (!taken) a.email = c->email;
    }
    if (make_named(db, &a, call, account, err) ||
        peri_identity_add(db, *account, issuer, c->subject, call, err) ||
        peri_identity_find(db, issuer, c->subject, &owner, err))
        return -1;
    return owner == *account ? 0
                             : peri_err_set(err, PERI_ECONFLICT,
                                            "this identity has an account already");
}

/* ---- unlinking ---- */

/* Whether an account has another way than `id` to sign in. -1: not found out. */
static int has_other(peri_db_t *db, const char *account, const char *id, bool password,
                     const peri_oidc_t *o, peri_err_t *err)
{
    const char *const v[] = {account, id};
    if (password) return 1;
    PGresult *r = peri_db_query(
        db, err, "SELECT issuer FROM account_identity WHERE account = $1 AND id <> $2", 2,
        v);
    int found = r ? 0 : -1;
    for (int i = 0; r && i < PQntuples(r); i++)
        if (o && peri_oidc_knows(o, PQgetvalue(r, i, 0))) found = 1;
    PQclear(r);
    return found;
}

static int remove_it(peri_db_t *db, int64_t account, int64_t id, const peri_oidc_t *o,
                     peri_err_t *err)
{
    const peri_numtext_t a = peri_int_text(account), i = peri_int_text(id);
    const char *const v[] = {a.text, i.text};
    /* Locked: of two that are removed at once the second sees that it is the last. */
    PGresult *r = peri_db_query(
        db, err,
        "SELECT a.password IS NOT NULL, EXISTS (SELECT 1 FROM account_identity i WHERE "
        "i.account = a.id AND i.id = $2) FROM account a WHERE a.id = $1 FOR UPDATE OF a",
        2, v);
    if (!r) return -1;
    const bool there = PQntuples(r) && *PQgetvalue(r, 0, 1) == 't';
    const bool password = there && *PQgetvalue(r, 0, 0) == 't';
    PQclear(r);
    if (!there)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "your account is not linked to this sign-in");
    int other = has_other(db, a.text, i.text, password, o, err);
    if (other < 0) return -1;
    if (other == 0)
        return peri_err_set(err, PERI_ECONFLICT,
                            "this is your last way to sign in: set a password, or link "
                            "another sign-in, before you unlink it");
    return peri_db_exec(db, err,
                        "DELETE FROM account_identity WHERE account = $1 AND id = $2", 2,
                        v) < 0
               ? -1
               : 0;
}

int peri_identity_remove(peri_db_t *db, int64_t account, int64_t id, const peri_oidc_t *o,
                         peri_err_t *err)
{
    if (peri_db_begin(db, err)) return -1;
    if (remove_it(db, account, id, o, err) == 0) return peri_db_commit(db, err);
    peri_db_rollback(db);
    return -1;
}
