/* throttle.c - see throttle.h. */
#include "portal/account/throttle.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "portal/account/account_priv.h"

#define MINUTE 60.0
#define HOUR   3600.0
#define DAY    86400.0

const peri_throttle_t peri_throttle_account = {"account", 8, 2, 15 * MINUTE, 6 * HOUR};
const peri_throttle_t peri_throttle_known = {"known", 8, 2, 5 * MINUTE, HOUR};
const peri_throttle_t peri_throttle_client = {"client", 30, 1, 15 * MINUTE, HOUR};
const peri_throttle_t peri_throttle_signup = {"signup", 60, 5, HOUR, DAY};
const peri_throttle_t peri_throttle_mail = {"mail", 4, MINUTE, DAY, DAY};

typedef struct {
    char text[16 + PERI_SECRET_HASH];
} keytext_t;

static keytext_t key_text(const peri_throttle_t *t, const char *key)
{
    keytext_t k;
    char hash[PERI_SECRET_HASH + 1];
    peri_secret_hash(key, strlen(key), hash);
    snprintf(k.text, sizeof(k.text), "%s:%.32s", t->kind, hash);
    return k;
}

/* No row: somebody else's try, or this one's before, has to be waited for. */
int peri_throttle_try(peri_db_t *db, const peri_throttle_t *t, const char *key,
                      double now, double *wait, peri_err_t *err)
{
    static const char sql[] =
        "INSERT INTO throttle AS t (key, count, until, changed) VALUES ($1, 1, 0, $2) ON "
        "CONFLICT (key) DO UPDATE SET count = CASE WHEN t.changed < $2 - "
        "$6::double precision THEN 1 ELSE t.count + 1 END, until = CASE WHEN t.changed < "
        "$2 - $6::double precision OR t.count + 1 < $3::int THEN 0 ELSE $2 + least("
        "$5::double precision, $4::double precision * 2.0 ^ least(t.count + 1 - "
        "$3::int, 30)) END, changed = $2 WHERE t.until <= $2 RETURNING 1";
    static const char rest[] = "SELECT until FROM throttle WHERE key = $1";
    const keytext_t k = key_text(t, key);
    const peri_numtext_t at = peri_time_text(now), free_ = peri_int_text(t->free),
                         first = peri_time_text(t->first), most = peri_time_text(t->most),
                         forget = peri_time_text(t->forget);
    const char *const v[] = {k.text,     at.text,   free_.text,
                             first.text, most.text, forget.text};
    *wait = 0;
    PGresult *r = peri_db_prepared(db, err, sql, 6, v);
    if (!r) return -1;
    bool counted = PQntuples(r) > 0;
    PQclear(r);
    if (counted) return 0;
    if (!(r = peri_db_prepared(db, err, rest, 1, v))) return -1;
    *wait = PQntuples(r) ? strtod(PQgetvalue(r, 0, 0), NULL) - now : 0;
    if (*wait < 1) *wait = 1;
    PQclear(r);
    return 0;
}

static int change(peri_db_t *db, const char *sql, const peri_throttle_t *t,
                  const char *key, peri_err_t *err)
{
    const keytext_t k = key_text(t, key);
    const char *const v[] = {k.text};
    return peri_db_exec(db, err, sql, 1, v) < 0 ? -1 : 0;
}

int peri_throttle_clear(peri_db_t *db, const peri_throttle_t *t, const char *key,
                        peri_err_t *err)
{
    return change(db, "DELETE FROM throttle WHERE key = $1", t, key, err);
}

int peri_throttle_undo(peri_db_t *db, const peri_throttle_t *t, const char *key,
                       peri_err_t *err)
{
    return change(db,
                  "UPDATE throttle SET count = greatest(count - 1, 0), until = 0 WHERE "
                  "key = $1",
                  t, key, err);
}

void peri_throttle_client_key(const char *client, char out[64])
{
    struct in6_addr a;
    if (inet_pton(AF_INET6, client, &a) == 1 && !IN6_IS_ADDR_V4MAPPED(&a)) {
        memset(a.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &a, out, 64);
        return;
    }
    snprintf(out, 64, "%.63s", client);
}
