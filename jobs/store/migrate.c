/* migrate.c - the schema of the database, forward only, see db.h.
 *
 * Each step is one transaction under an advisory lock in which the version is read again:
 * of several programs that start at once, one does a step, the others find it done.
 */
#include "jobs/store/migrate.h"

#include <stdio.h>
#include <stdlib.h>

#include "jobs/store/db_priv.h"

/* A number of our own in the database's one space of advisory locks: "peri". */
#define LOCK "SELECT pg_advisory_xact_lock(x'70657269'::bigint)"

int peri_db_version(void)
{
    return peri_nmigrations;
}

static int number(peri_db_t *db, const char *sql, int *out, peri_err_t *err)
{
    PGresult *r = peri_db_query(db, err, sql, 0, NULL);
    if (!r) return -1;
    *out = PQntuples(r) ? atoi(PQgetvalue(r, 0, 0)) : 0;
    PQclear(r);
    return 0;
}

int peri_db_schema_version(peri_db_t *db, int *version, peri_err_t *err)
{
    int exists;
    *version = 0;
    if (number(db, "SELECT (to_regclass('schema_version') IS NOT NULL)::int", &exists,
               err))
        return -1;
    if (!exists) return 0;
    return number(db, "SELECT coalesce(max(version), 0) FROM schema_version", version,
                  err);
}

static int refuse_newer(int version, peri_err_t *err)
{
    if (version <= peri_nmigrations) return 0;
    return peri_err_set(err, PERI_EUNSUPP,
                        "the database was made by a newer Perigee: it has version %d of "
                        "the schema and this program knows %d; install the newer program",
                        version, peri_nmigrations);
}

/* Within a transaction. */
static int step(peri_db_t *db, int to, int *version, peri_err_t *err)
{
    char v[16];
    if (peri_db_exec(db, err, "SET LOCAL statement_timeout = 0", 0, NULL) < 0 ||
        peri_db_exec(db, err, LOCK, 0, NULL) < 0 ||
        peri_db_exec(db, err,
                     "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY "
                     "KEY, applied timestamptz NOT NULL DEFAULT now())",
                     0, NULL) < 0 ||
        peri_db_schema_version(db, version, err) || refuse_newer(*version, err))
        return -1;
    if (*version >= to) return 0;
    PGresult *r = PQexec(peri_db_conn(db), peri_migrations[*version]);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    PQclear(r);
    if (!ok) {
        peri_code_t code =
            PQstatus(peri_db_conn(db)) == CONNECTION_OK ? PERI_EINTERNAL : PERI_EIO;
        return peri_err_set(err, code, "%s", PQerrorMessage(peri_db_conn(db)));
    }
    snprintf(v, sizeof(v), "%d", ++*version);
    if (peri_db_exec(db, err, "INSERT INTO schema_version (version) VALUES ($1)", 1,
                     (const char *const[]){v}) < 0)
        return -1;
    return 0;
}

int peri_db_migrate(peri_db_t *db, int to, peri_err_t *err)
{
    int version = 0;
    if (to < 0 || to > peri_nmigrations)
        return peri_err_set(err, PERI_EINVAL, "there is no version %d of the schema", to);
    if (to == 0) to = peri_nmigrations;
    if (peri_db_schema_version(db, &version, err) || refuse_newer(version, err))
        return -1;
    while (version < to) {
        if (peri_db_begin(db, err)) return -1;
        int rc = step(db, to, &version, err);
        if (rc == 0) rc = peri_db_commit(db, err);
        if (rc) {
            peri_db_rollback(db);
            return peri_err_prefix(err, "cannot bring the database to version %d", to);
        }
    }
    return 0;
}
