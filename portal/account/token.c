/* token.c - see session.h: personal access tokens. */
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "portal/account/account_priv.h"
#include "portal/account/session.h"

static int put_scopes(peri_buf_t *b, unsigned scopes)
{
    char sep = '{';
    for (unsigned bit = 1; bit <= PERI_SCOPE_ALL; bit <<= 1) {
        if (!(scopes & bit)) continue;
        peri_buf_putc(b, sep);
        peri_buf_puts(b, peri_scope_name(bit));
        sep = ',';
    }
    return peri_buf_putc(b, '}');
}

static int check(const peri_newtoken_t *n, double now, peri_err_t *err)
{
    size_t len = strlen(n->name);
    if (len == 0 || len > PERI_TOKEN_NAME)
        return peri_err_set(err, PERI_EINVAL,
                            "a token needs a name of 1 to %d bytes, to know it by",
                            PERI_TOKEN_NAME);
    if (n->scopes == 0 || (n->scopes & ~(unsigned)PERI_SCOPE_ALL))
        return peri_err_set(err, PERI_EINVAL,
                            "a token needs scopes: what it may do, such as files:read");
    if (!(n->expires > now && n->expires <= now + PERI_TOKEN_DAYS * 86400.0))
        return peri_err_set(err, PERI_EINVAL,
                            "a token needs an end that lies at most %d days ahead",
                            PERI_TOKEN_DAYS);
    return 0;
}

int peri_token_new(peri_db_t *db, int64_t account, const peri_newtoken_t *n, double now,
                   int64_t *id, char secret[PERI_SECRET_LEN + 1], peri_err_t *err)
{
    static const char sql[] =
        "INSERT INTO token (account, name, hash, scopes, created, expires) SELECT "
        "$1::bigint, $2::text, $3::bytea, $4::text[], $5::double precision, $6::double "
        "precision WHERE (SELECT count(*) FROM token WHERE account = $1::bigint) < "
        "$7::int RETURNING id";
    if (check(n, now, err)) return -1;
    peri_buf_t b;
    peri_buf_init(&b, 1024);
    peri_secret_new(PERI_SECRET_TOKEN, secret);
    const peri_hashtext_t h = peri_hash_bytea(secret, PERI_SECRET_LEN);
    const peri_numtext_t a = peri_int_text(account), t = peri_time_text(now),
                         until = peri_time_text(n->expires),
                         most = peri_int_text(PERI_TOKEN_MOST);
    PGresult *r = NULL;
    if (put_scopes(&b, n->scopes) == 0) {
        const char *const v[] = {a.text, n->name,    h.text,   b.data,
                                 t.text, until.text, most.text};
        r = peri_db_query(db, err, sql, 7, v);
    }
    peri_buf_free(&b);
    if (!r) return -1;
    bool made = PQntuples(r) > 0;
    if (made) *id = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    if (made) return 0;
    return peri_err_set(err, PERI_ECONFLICT,
                        "an account has at most %d tokens: revoke some first",
                        PERI_TOKEN_MOST);
}

static unsigned scopes_at(const PGresult *r, int row, int col)
{
    unsigned all = 0;
    char *list = PQgetvalue(r, row, col), *save = NULL;
    for (char *s = strtok_r(list, " ", &save); s; s = strtok_r(NULL, " ", &save))
        all |= peri_scope_of(s);
    return all;
}

int peri_token_list(peri_db_t *db, int64_t account, peri_token_f f, void *arg,
                    peri_err_t *err)
{
    static const char sql[] =
        "SELECT id, name, array_to_string(scopes, ' '), created, coalesce(used, 0), "
        "expires FROM token WHERE account = $1 ORDER BY id";
    const peri_numtext_t a = peri_int_text(account);
    const char *const v[] = {a.text};
    PGresult *r = peri_db_query(db, err, sql, 1, v);
    if (!r) return -1;
    int rc = 0;
    for (int i = 0; i < PQntuples(r) && rc == 0; i++) {
        const peri_tokenrow_t t = {.id = strtoll(PQgetvalue(r, i, 0), NULL, 10),
                                   .name = PQgetvalue(r, i, 1),
                                   .scopes = scopes_at(r, i, 2),
                                   .created = strtod(PQgetvalue(r, i, 3), NULL),
                                   .used = strtod(PQgetvalue(r, i, 4), NULL),
                                   .expires = strtod(PQgetvalue(r, i, 5), NULL)};
        rc = f(&t, arg);
    }
    PQclear(r);
    return rc;
}

int peri_token_revoke(peri_db_t *db, int64_t account, int64_t id, peri_err_t *err)
{
    const peri_numtext_t a = peri_int_text(account), i = peri_int_text(id);
    const char *const v[] = {a.text, i.text};
    int64_t n =
        peri_db_exec(db, err, "DELETE FROM token WHERE account = $1 AND id = $2", 2, v);
    if (n < 0) return -1;
    if (n) return 0;
    return peri_err_set(err, PERI_ENOTFOUND, "there is no such token of yours");
}
