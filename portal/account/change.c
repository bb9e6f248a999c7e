/* change.c - see account.h: what changes an account, and its end. */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/account.h"
#include "portal/account/account_priv.h"

static int run(peri_db_t *db, const char *sql, int n, const char *const *v,
               peri_err_t *err)
{
    return peri_db_exec(db, err, sql, n, v) < 0 ? -1 : 0;
}

/* Everything that lets somebody in as this account. */
static int shut_out(peri_db_t *db, const char *id, peri_err_t *err)
{
    const char *const v[] = {id};
    return run(db, "DELETE FROM session WHERE account = $1", 1, v, err) ||
                   run(db, "DELETE FROM token WHERE account = $1", 1, v, err) ||
                   run(db, "DELETE FROM one_time WHERE account = $1", 1, v, err)
               ? -1
               : 0;
}

static int prune_grants(peri_db_t *db, peri_err_t *err)
{
    return run(db, "SELECT perigee_prune_grants()", 0, NULL, err);
}

/* The state, with the row locked until the end of the transaction. */
static int lock_state(peri_db_t *db, const char *id, peri_accstate_t *state,
                      peri_err_t *err)
{
    const char *const v[] = {id};
    PGresult *r = peri_db_query(
        db, err,
        "SELECT state, settings ? 'deleted' FROM account WHERE id = $1 FOR UPDATE", 1, v);
    if (!r) return -1;
    bool found = PQntuples(r) > 0 && *PQgetvalue(r, 0, 1) == 'f';
    if (found) *state = peri_accstate_of(PQgetvalue(r, 0, 0));
    PQclear(r);
    if (found) return 0;
    return peri_err_set(err, PERI_ENOTFOUND, "there is no such account");
}

static int set_state(peri_db_t *db, const char *id, peri_accstate_t to, peri_err_t *err)
{
    peri_accstate_t from;
    const char *const v[] = {id, peri_accstate_name(to)};
    if (lock_state(db, id, &from, err)) return -1;
    if (!peri_accstate_may(from, to))
        return peri_err_set(err, PERI_ECONFLICT, "an account that is %s cannot become %s",
                            peri_accstate_name(from), peri_accstate_name(to));
    if (from == to) return 0;
    if (run(db, "UPDATE account SET state = $2 WHERE id = $1", 2, v, err)) return -1;
    if (to != PERI_ACC_DISABLED) return 0;
    return shut_out(db, id, err) || prune_grants(db, err) ? -1 : 0;
}

int peri_account_set_state(peri_db_t *db, int64_t id, peri_accstate_t to, peri_err_t *err)
{
    peri_dbtx_t tx;
    if (peri_dbtx_begin(&tx, db, err)) return -1;
    return peri_dbtx_end(&tx, set_state(db, peri_int_text(id).text, to, err), err);
}

int peri_account_edit(peri_db_t *db, int64_t id, const char *full_name,
                      const char *settings, peri_err_t *err)
{
    const peri_numtext_t t = peri_int_text(id);
    const char *const v[] = {t.text, full_name, settings};
    return run(db,
               "UPDATE account SET full_name = coalesce($2, full_name), settings = "
               "coalesce(jsonb_strip_nulls(settings || $3::jsonb), settings) WHERE id = "
               "$1",
               3, v, err);
}

int peri_account_set_email(peri_db_t *db, int64_t id, const char *email, peri_err_t *err)
{
    /* The index decides between two who verify the same address at once. */
    static const char sql[] =
        "UPDATE account SET email = $2::text, email_known = $2::text IS NOT NULL WHERE "
        "id = $1 AND "
        "NOT EXISTS (SELECT 1 FROM account o WHERE lower(o.email) = lower($2::text) AND "
        "o.email "
        "IS NOT NULL AND o.id <> $1)";
    const peri_numtext_t t = peri_int_text(id);
    const char *const v[] = {t.text, email};
    PGresult *r = PQexecParams(peri_db_conn(db), sql, 2, NULL, v, NULL, NULL, 0);
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    bool taken = state && !strcmp(state, "23505");
    bool good = PQresultStatus(r) == PGRES_COMMAND_OK;
    long touched = good ? atol(PQcmdTuples(r)) : 0;
    PQclear(r);
    if (touched) return 0;
    if (good || taken)
        return peri_err_set(err, PERI_ECONFLICT,
                            "this e-mail address belongs to another account");
    return peri_err_set(err, PERI_EIO, "the database cannot store the address now");
}

static int set_password(peri_db_t *db, int64_t id, const char *hash, int64_t keep,
                        peri_err_t *err)
{
    const peri_numtext_t t = peri_int_text(id), except = peri_int_text(keep);
    const char *const v[] = {t.text, hash}, *const k[] = {t.text, except.text};
    return run(db, "UPDATE account SET password = $2 WHERE id = $1", 2, v, err) ||
                   run(db, "DELETE FROM session WHERE account = $1 AND id <> $2", 2, k,
                       err) ||
                   run(db,
                       "DELETE FROM one_time WHERE account = $1 AND purpose IN ('reset', "
                       "'setup')",
                       1, v, err)
               ? -1
               : 0;
}

int peri_account_set_password(peri_db_t *db, int64_t id, const char *hash, int64_t keep,
                              peri_err_t *err)
{
    peri_dbtx_t tx;
    if (peri_dbtx_begin(&tx, db, err)) return -1;
    return peri_dbtx_end(&tx, set_password(db, id, hash, keep, err), err);
}

/* ---- the end ---- */

/* PERI_ECONFLICT with the sentence if the statement has a row; %s is its first value. */
static int refuse_if(peri_db_t *db, const char *sql, const char *id, const char *sentence,
                     peri_err_t *err)
{
    const char *const v[] = {id};
    PGresult *r = peri_db_query(db, err, sql, 1, v);
    if (!r) return -1;
    int rc = 0;
    if (PQntuples(r))
        rc = peri_err_set(err, PERI_ECONFLICT, "%s: %s", sentence, PQgetvalue(r, 0, 0));
    PQclear(r);
    return rc;
}

static int may_go(peri_db_t *db, const char *id, peri_err_t *err)
{
    return refuse_if(db,
                     "SELECT string_agg(t.name, ', ' ORDER BY t.name) FROM team t JOIN "
                     "team_member m ON m.team = t.id WHERE m.account = $1 AND m.role = "
                     "'owner' AND m.state = 'active' AND NOT EXISTS (SELECT 1 FROM "
                     "team_member o WHERE o.team = t.id AND o.role = 'owner' AND o.state "
                     "= 'active' AND o.account <> $1) HAVING count(*) > 0",
                     id,
                     "you are the only owner of teams: hand them over or delete them "
                     "first",
                     err) ||
                   refuse_if(db,
                             "SELECT string_agg(number::text, ', ' ORDER BY number) FROM "
                             "(SELECT number FROM job WHERE owner = $1 AND state IN "
                             "('waiting', 'queued', 'running') ORDER BY number LIMIT 10) "
                             "j HAVING count(*) > 0",
                             id, "cancel your jobs that are not over first", err) ||
                   refuse_if(db,
                             "SELECT name FROM account WHERE id = $1 AND admin AND "
                             "NOT EXISTS (SELECT 1 FROM account o "
                             "WHERE o.admin AND o.state = 'active' AND o.id <> $1)",
                             id, "you are the last administrator: make another one first",
                             err)
               ? -1
               : 0;
}

static int delete_account(peri_db_t *db, int64_t id, peri_err_t *err)
{
    static const char *const steps[] = {
        "UPDATE volume SET removed = extract(epoch FROM now()) WHERE account = $1 AND "
        "team IS NULL AND removed IS NULL",
        "DELETE FROM access_grant WHERE by = $1 OR to_account = $1",
        "DELETE FROM share_link WHERE by = $1",
        "DELETE FROM team_member WHERE account = $1",
        "DELETE FROM account_identity WHERE account = $1",
        "DELETE FROM upload WHERE account = $1",
        "DELETE FROM query WHERE account = $1",
        "DELETE FROM saved_query WHERE account = $1",
        "UPDATE account SET name = 'deleted.' || id, full_name = '', email = NULL, "
        "email_known = false, state = 'disabled', admin = false, password = NULL, totp = "
        "NULL, totp_new = NULL, recovery = '{}', unix_uid = NULL, settings = "
        "jsonb_build_object('deleted', extract(epoch FROM now()), 'name', name) WHERE id "
        "= $1"};
    const peri_numtext_t t = peri_int_text(id);
    const char *const v[] = {t.text};
    peri_accstate_t state;
    /* Two owners who leave at once must see each other. */
    if (run(db, "SELECT pg_advisory_xact_lock(x'70657264'::bigint)", 0, NULL, err) ||
        lock_state(db, t.text, &state, err) || may_go(db, t.text, err) ||
        shut_out(db, t.text, err))
        return -1;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (run(db, steps[i], 1, v, err)) return -1;
    return prune_grants(db, err);
}

int peri_account_delete(peri_db_t *db, int64_t id, peri_err_t *err)
{
    peri_dbtx_t tx;
    if (peri_dbtx_begin(&tx, db, err)) return -1;
    return peri_dbtx_end(&tx, delete_account(db, id, err), err);
}

/* ---- what has expired ---- */

#define MONTH      (30 * 86400.0)
#define UNVERIFIED (3 * 86400.0)

int peri_account_sweep(peri_db_t *db, double now, peri_err_t *err)
{
    const peri_numtext_t t = peri_time_text(now), month = peri_time_text(now - MONTH),
                         days = peri_time_text(now - UNVERIFIED);
    const struct {
        const char *sql, *value;
    } steps[] = {
        {"DELETE FROM one_time WHERE expires < $1", t.text},
        {"DELETE FROM session WHERE expires < $1", t.text},
        {"DELETE FROM throttle WHERE changed < $1::double precision - 86400 AND until < "
         "$1",
         t.text},
        {"DELETE FROM token WHERE expires < $1", month.text},
        {"DELETE FROM account WHERE state = 'pending_email' AND created < $1", days.text},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (run(db, steps[i].sql, 1, &steps[i].value, err)) return -1;
    return 0;
}
