/* account.c - see account.h: states, finding, making. */
#include "portal/account/account.h"

#include <stdlib.h>
#include <string.h>

#include "portal/account/account_priv.h"

/* ---- states ---- */

static const char *const names[] = {[PERI_ACC_INVITED] = "invited",
                                    [PERI_ACC_EMAIL] = "pending_email",
                                    [PERI_ACC_APPROVAL] = "pending_approval",
                                    [PERI_ACC_ACTIVE] = "active",
                                    [PERI_ACC_DISABLED] = "disabled"};

#define TO(s) (1u << PERI_ACC_##s)
static const unsigned next[] = {[PERI_ACC_INVITED] = TO(ACTIVE) | TO(DISABLED),
                                [PERI_ACC_EMAIL] =
                                    TO(APPROVAL) | TO(ACTIVE) | TO(DISABLED),
                                [PERI_ACC_APPROVAL] = TO(ACTIVE) | TO(DISABLED),
                                [PERI_ACC_ACTIVE] = TO(DISABLED),
                                [PERI_ACC_DISABLED] = TO(ACTIVE)};

const char *peri_accstate_name(peri_accstate_t s)
{
    return names[s];
}

peri_accstate_t peri_accstate_of(const char *name)
{
    int s = 0;
    while (s < PERI_ACC_NSTATES && strcmp(names[s], name) != 0) s++;
    return s;
}

bool peri_accstate_may(peri_accstate_t from, peri_accstate_t to)
{
    return from == to || (next[from] & 1u << to) != 0;
}

/* ---- finding ---- */

#define COLUMNS                                                                          \
    "SELECT id, name, full_name, email, email_known, state, admin, password, totp IS "   \
    "NOT NULL, cardinality(recovery), coalesce(unix_uid, -1), coalesce(quota, -1), "     \
    "created, coalesce(seen, 0), settings, left(md5(concat_ws('|', full_name, email, "   \
    "settings)), 16) FROM account "

static const char *text_at(const PGresult *r, int row, int col, peri_arena_t *a)
{
    return PQgetisnull(r, row, col) ? NULL
                                    : peri_arena_strdup(a, PQgetvalue(r, row, col));
}

static void read_row(const PGresult *r, int row, peri_arena_t *a, peri_account_t *out)
{
    *out = (peri_account_t){
        .id = strtoll(PQgetvalue(r, row, 0), NULL, 10),
        .name = text_at(r, row, 1, a),
        .full_name = text_at(r, row, 2, a),
        .email = text_at(r, row, 3, a),
        .email_known = *PQgetvalue(r, row, 4) == 't',
        .state = peri_accstate_of(PQgetvalue(r, row, 5)),
        .admin = *PQgetvalue(r, row, 6) == 't',
        .password = text_at(r, row, 7, a),
        .totp = *PQgetvalue(r, row, 8) == 't',
        .recovery = atoi(PQgetvalue(r, row, 9)),
        .unix_uid = strtoll(PQgetvalue(r, row, 10), NULL, 10),
        .quota = strtoll(PQgetvalue(r, row, 11), NULL, 10),
        .created = strtod(PQgetvalue(r, row, 12), NULL),
        .seen = strtod(PQgetvalue(r, row, 13), NULL),
        .settings = text_at(r, row, 14, a),
        .tag = text_at(r, row, 15, a),
    };
}

static int find(peri_db_t *db, const char *sql, const char *value, peri_arena_t *a,
                peri_account_t *out, peri_err_t *err)
{
    PGresult *r = peri_db_prepared(db, err, sql, 1, (const char *const[]){value});
    if (!r) return -1;
    int n = PQntuples(r);
    if (n) read_row(r, 0, a, out);
    PQclear(r);
    if (n) return 0;
    return peri_err_set(err, PERI_ENOTFOUND, "there is no such account");
}

int peri_account_by_id(peri_db_t *db, int64_t id, peri_arena_t *a, peri_account_t *out,
                       peri_err_t *err)
{
    static const char sql[] = COLUMNS "WHERE id = $1";
    return find(db, sql, peri_int_text(id).text, a, out, err);
}

int peri_account_by_name(peri_db_t *db, const char *name, peri_arena_t *a,
                         peri_account_t *out, peri_err_t *err)
{
    static const char sql[] = COLUMNS "WHERE lower(name) = lower($1)";
    return find(db, sql, name, a, out, err);
}

int peri_account_by_login(peri_db_t *db, const char *login, peri_arena_t *a,
                          peri_account_t *out, peri_err_t *err)
{
    static const char by_email[] =
        COLUMNS "WHERE lower(email) = lower($1) AND email IS NOT NULL AND email_known";
    if (!strchr(login, '@')) return peri_account_by_name(db, login, a, out, err);
    return find(db, by_email, login, a, out, err);
}

int peri_account_search(peri_db_t *db, const char *q, int limit, peri_account_f f,
                        void *arg, peri_err_t *err)
{
    static const char sql[] = COLUMNS
        "WHERE state = 'active' AND (starts_with(lower(name), lower($1)) OR "
        "starts_with(lower(full_name), lower($1)) OR "
        "strpos(lower(full_name), ' ' || lower($1)) > 0) ORDER BY lower(name) LIMIT $2";
    const peri_numtext_t n = peri_int_text(limit);
    const char *const v[] = {q, n.text};
    PGresult *r = peri_db_prepared(db, err, sql, 2, v);
    if (!r) return -1;
    int rc = 0;
    peri_arena_t *a = peri_arena_new();
    for (int i = 0; i < PQntuples(r) && rc == 0; i++) {
        peri_account_t row;
        read_row(r, i, a, &row);
        rc = f(&row, arg);
    }
    peri_arena_free(a);
    PQclear(r);
    return rc;
}

/* ---- making ---- */

/* *id 0: a unique index stands against it. */
static int insert(peri_db_t *db, const peri_newaccount_t *n, int64_t *id, peri_err_t *err)
{
    static const char sql[] =
        "INSERT INTO account (name, full_name, email, email_known, password, state, "
        "admin, settings) VALUES ($1, coalesce($2, ''), $3::text, $3::text IS NOT NULL, "
        "$4, $5, $6, "
        "CASE WHEN $7::text IS NULL THEN '{}' ELSE jsonb_build_object('contact', "
        "$7::text) END) ON CONFLICT DO NOTHING RETURNING id";
    const char *const v[] = {n->name,     n->full_name,    n->email,
                             n->password, names[n->state], n->admin ? "t" : "f",
                             n->contact};
    PGresult *r = peri_db_query(db, err, sql, 7, v);
    if (!r) return -1;
    *id = PQntuples(r) ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    return 0;
}

static bool (*is_reserved)(const char *name);

void peri_account_reserve(bool (*reserved)(const char *name))
{
    is_reserved = reserved;
}

int peri_account_make(peri_db_t *db, const peri_newaccount_t *n, int64_t *id,
                      peri_err_t *err)
{
    peri_account_t other;
    peri_err_t why = {0};
    if (is_reserved && !n->vouched && is_reserved(n->name))
        return peri_err_set(
            err, PERI_ECONFLICT,
            "the name \"%s\" is that of a user of the portal's machine: "
            "choose another, or ask the administrator to make the account",
            n->name);
    if (insert(db, n, id, err)) return -1;
    if (*id) return 0;
    peri_arena_t *a = peri_arena_new();
    int rc = peri_account_by_name(db, n->name, a, &other, &why);
    peri_arena_free(a);
    if (rc && why.code != PERI_ENOTFOUND) {
        if (err) *err = why;
        return -1;
    }
    if (rc == 0)
        return peri_err_set(err, PERI_ECONFLICT,
                            "the name \"%s\" is taken: choose another", n->name);
    return peri_err_set(err, PERI_ECONFLICT,
                        "this e-mail address belongs to another account");
}
