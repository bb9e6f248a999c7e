/* written.c - how full the volumes are that a process of an account may have written in.
 *
 * Such a process changes files without a word to us, so afterwards its volumes are in
 * doubt, and the keeper (portal/storage/keep.c) counts them within seconds. Who needs the
 * number at once counts here, for a moment at most.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "portal/jobs/binds.h"
#include "portal/storage/usage.h"

#define MOMENT 0.1 /* seconds, for all */

/* Those that it may write to, its own first: 4 is PERI_RIGHT_WRITE. A volume of which it
 * may write a part counts as a whole. */
static const char written_sql[] =
    "SELECT v.id FROM volume v WHERE v.removed IS NULL AND v.dataset IS NULL AND "
    "(v.account = $1::bigint OR v.team IN (SELECT team FROM team_member WHERE account = "
    "$1::bigint AND state = 'active') OR v.id IN (SELECT thing FROM "
    "perigee_grants($1::bigint, 'volume') WHERE rights & 4 <> 0)) AND "
    "(perigee_base_rights($1::bigint, 'volume', v.id) & 4 <> 0 OR v.id IN (SELECT thing "
    "FROM perigee_grants($1::bigint, 'volume') WHERE rights & 4 <> 0)) "
    "ORDER BY v.account IS DISTINCT FROM $1::bigint, v.id";

static PGresult *written(peri_db_t *db, int64_t account, peri_err_t *err)
{
    char who[24];
    snprintf(who, sizeof(who), "%lld", (long long)account);
    return peri_db_prepared(db, err, written_sql, 1, (const char *const[]){who});
}

static int64_t volume_of(const PGresult *q, int i)
{
    return strtoll(PQgetvalue(q, i, 0), NULL, 10);
}

int peri_binds_doubt(peri_db_t *db, int64_t account, peri_err_t *err)
{
    PGresult *q = written(db, account, err);
    if (!q) return -1;
    for (int i = 0; i < PQntuples(q); i++) peri_usage_doubt(volume_of(q, i));
    PQclear(q);
    return 0;
}

int peri_binds_count(const peri_portal_t *p, peri_db_t *db, int64_t account,
                     peri_err_t *err)
{
    const double until = peri_now() + MOMENT;
    PGresult *q = written(db, account, err);
    int rc = q ? 0 : -1;
    for (int i = 0; q && i < PQntuples(q) && !rc && peri_now() < until; i++)
        rc = peri_usage_count(db, &p->config->storage, volume_of(q, i), until, err);
    PQclear(q);
    return rc;
}
