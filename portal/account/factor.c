/* factor.c - see factor.h. */
#include "portal/account/factor.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "portal/account/account_priv.h"

/* A key of an account: its bytes, and how many; 0: it has none. */
static int read_key(peri_db_t *db, int64_t account, const char *sql,
                    unsigned char key[PERI_TOTP_KEY], size_t *n, int64_t *last,
                    peri_err_t *err)
{
    const peri_numtext_t id = peri_int_text(account);
    const char *const v[] = {id.text};
    *n = 0;
    PGresult *r = peri_db_query(db, err, sql, 1, v);
    if (!r) return -1;
    if (PQntuples(r) && sodium_hex2bin(key, PERI_TOTP_KEY, PQgetvalue(r, 0, 0),
                                       strlen(PQgetvalue(r, 0, 0)), NULL, n, NULL) != 0)
        *n = 0;
    if (*n) *last = strtoll(PQgetvalue(r, 0, 1), NULL, 10);
    PQclear(r);
    return 0;
}

int peri_factor_start(peri_db_t *db, int64_t account, char secret[PERI_TOTP_TEXT + 1],
                      peri_err_t *err)
{
    unsigned char key[PERI_TOTP_KEY];
    char hex[2 * PERI_TOTP_KEY + 1];
    peri_totp_new(key);
    sodium_bin2hex(hex, sizeof(hex), key, sizeof(key));
    const peri_numtext_t id = peri_int_text(account);
    const char *const v[] = {id.text, hex};
    if (peri_db_exec(db, err,
                     "UPDATE account SET totp_new = decode($2, 'hex') WHERE id = $1", 2,
                     v) < 0)
        return -1;
    peri_base32_encode(key, sizeof(key), secret);
    return 0;
}

/* ---- recovery codes ---- */

/* "{HASH,HASH,...}" for the database. */
static void make_codes(char codes[PERI_RECOVERY_CODES][PERI_RECOVERY_LEN + 1],
                       char list[PERI_RECOVERY_CODES * (PERI_SECRET_HASH + 1) + 2])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* no l, o, 0, 1 */
    char *out = list;
    for (int i = 0; i < PERI_RECOVERY_CODES; i++) {
        for (int k = 0; k < PERI_RECOVERY_LEN; k++)
            codes[i][k] = k % 5 == 4 ? '-' : letters[randombytes_uniform(32)];
        codes[i][PERI_RECOVERY_LEN] = '\0';
        *out++ = i ? ',' : '{';
        peri_secret_hash(codes[i], PERI_RECOVERY_LEN, out);
        out += PERI_SECRET_HASH;
    }
    memcpy(out, "}", 2);
}

/* As it was printed, however it was typed. */
static bool normalise(const char *code, char out[PERI_RECOVERY_LEN + 1])
{
    size_t n = 0;
    for (; *code; code++) {
        char c = *code >= 'A' && *code <= 'Z' ? (char)(*code + 32) : *code;
        if (c == ' ' || c == '-') continue;
        if (n % 5 == 4 && n < PERI_RECOVERY_LEN) out[n++] = '-';
        if (n == PERI_RECOVERY_LEN) return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return n == PERI_RECOVERY_LEN;
}

static int use_recovery(peri_db_t *db, const char *id, const char *code, bool *right,
                        peri_err_t *err)
{
    char plain[PERI_RECOVERY_LEN + 1], hash[PERI_SECRET_HASH + 1];
    if (!normalise(code, plain)) return 0;
    peri_secret_hash(plain, PERI_RECOVERY_LEN, hash);
    const char *const v[] = {id, hash};
    int64_t n = peri_db_exec(db, err,
                             "UPDATE account SET recovery = array_remove(recovery, $2) "
                             "WHERE id = $1 AND $2 = ANY (recovery)",
                             2, v);
    *right = n > 0;
    return n < 0 ? -1 : 0;
}

/* ---- codes of the app ---- */

int peri_factor_confirm(peri_db_t *db, int64_t account, const char *code, double now,
                        char recovery[PERI_RECOVERY_CODES][PERI_RECOVERY_LEN + 1],
                        peri_err_t *err)
{
    unsigned char key[PERI_TOTP_KEY];
    char list[PERI_RECOVERY_CODES * (PERI_SECRET_HASH + 1) + 2];
    size_t n;
    int64_t last = 0;
    if (read_key(db, account,
                 "SELECT encode(totp_new, 'hex'), 0 FROM account WHERE id = $1 AND "
                 "totp_new IS NOT NULL",
                 key, &n, &last, err))
        return -1;
    if (n == 0)
        return peri_err_set(err, PERI_ECONFLICT,
                            "ask for a secret first, put it into your app, and then send "
                            "the code that the app shows");
    int64_t step = peri_totp_match(key, n, code, now, -1);
    if (step < 0)
        return peri_err_set(err, PERI_EINVAL,
                            "this is not the code of the new secret now: is the clock of "
                            "the phone right?");
    make_codes(recovery, list);
    const peri_numtext_t id = peri_int_text(account), s = peri_int_text(step);
    const char *const v[] = {id.text, s.text, list};
    return peri_db_exec(db, err,
                        "UPDATE account SET totp = totp_new, totp_new = NULL, totp_last "
                        "= $2, recovery = $3 WHERE id = $1 AND totp_new IS NOT NULL",
                        3, v) < 0
               ? -1
               : 0;
}

int peri_factor_check(peri_db_t *db, int64_t account, const char *code, double now,
                      bool *right, peri_err_t *err)
{
    unsigned char key[PERI_TOTP_KEY];
    size_t n;
    int64_t last = 0;
    const peri_numtext_t id = peri_int_text(account);
    *right = false;
    if (read_key(db, account,
                 "SELECT encode(totp, 'hex'), totp_last FROM account WHERE id = $1 AND "
                 "totp IS NOT NULL",
                 key, &n, &last, err))
        return -1;
    if (n == 0) return 0;
    int64_t step = peri_totp_match(key, n, code, now, last);
    if (step < 0) return use_recovery(db, id.text, code, right, err);
    /* Two requests with the same code at once: one of them has it. */
    const peri_numtext_t s = peri_int_text(step);
    const char *const v[] = {id.text, s.text};
    int64_t touched = peri_db_exec(
        db, err, "UPDATE account SET totp_last = $2 WHERE id = $1 AND totp_last < $2", 2,
        v);
    *right = touched > 0;
    return touched < 0 ? -1 : 0;
}

int peri_factor_remove(peri_db_t *db, int64_t account, peri_err_t *err)
{
    const peri_numtext_t id = peri_int_text(account);
    const char *const v[] = {id.text};
    return peri_db_exec(db, err,
                        "UPDATE account SET totp = NULL, totp_new = NULL, recovery = "
                        "'{}' WHERE id = $1",
                        1, v) < 0
               ? -1
               : 0;
}
