/* access.c - see access.h. */
#include "portal/access/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    unsigned bit;
    const char *name, *verb;
} rights_of[] = {
    {PERI_RIGHT_SEE, "see", "look at"},    {PERI_RIGHT_READ, "read", "read"},
    {PERI_RIGHT_WRITE, "write", "change"}, {PERI_RIGHT_RUN, "run", "use"},
    {PERI_RIGHT_GRANT, "grant", "share"},  {PERI_RIGHT_OWN, "own", "delete or hand over"},
};
#define NRIGHTS (sizeof(rights_of) / sizeof(rights_of[0]))

void peri_rights_text(unsigned rights, char *out)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < NRIGHTS; i++)
        if (rights & rights_of[i].bit)
            n += (size_t)snprintf(out + n, 64 - n, "%s%s", n ? "," : "",
                                  rights_of[i].name);
}

unsigned peri_right_of(const char *word)
{
    for (size_t i = 0; i < NRIGHTS; i++)
        if (!strcmp(rights_of[i].name, word)) return rights_of[i].bit;
    return 0;
}

int peri_access_rights(peri_db_t *db, int64_t account, const char *kind, int64_t id,
                       const char *path, unsigned *rights, peri_err_t *err)
{
    char who[24], thing[24];
    snprintf(who, sizeof(who), "%lld", (long long)account);
    snprintf(thing, sizeof(thing), "%lld", (long long)id);
    const char *const v[] = {who, kind, thing, path};
    static const char sql[] = "SELECT perigee_rights($1::bigint, $2, $3::bigint, $4)";
    PGresult *q = peri_db_prepared(db, err, sql, 4, v);
    if (!q) return -1;
    *rights = (unsigned)strtoul(PQgetvalue(q, 0, 0), NULL, 10);
    PQclear(q);
    return 0;
}

int peri_access_need(peri_request_t *r, peri_db_t *db, const char *kind, int64_t id,
                     const char *path, unsigned need, const char *what, peri_err_t *err)
{
    unsigned have = 0;
    /* root reads the files anyway */
    if (r->actor.local && r->actor.uid == 0 && !strcmp(kind, "job")) return 0;
    if (peri_access_rights(db, r->actor.account, kind, id, path, &have, err)) return -1;
    if ((have & need) == need) return 0;
    if (have == 0)
        return peri_err_set(err, PERI_ENOTFOUND, "there is no %s %.200s", kind, what);
    for (size_t i = 0; i < NRIGHTS; i++)
        if (need & ~have & rights_of[i].bit)
            return peri_err_set(
                err, PERI_EDENIED,
                "you may not %s %.200s: ask its owner for the right to %s",
                rights_of[i].verb, what, rights_of[i].name);
    return -1;
}
