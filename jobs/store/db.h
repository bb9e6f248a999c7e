/* db.h - a connection to PostgreSQL, its schema, and the private server of `perigee up`.
 *
 * Errors: a lost connection, a server that starts or stops, a serialization failure are
 * PERI_EIO ("try again"); everything else is a fault (PERI_EINTERNAL) or what the
 * caller's text says. A connection belongs to one thread at a time; a pool hands them
 * out.
 */
#ifndef JOBS_STORE_DB_H
#define JOBS_STORE_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

typedef struct peri_dbpool peri_dbpool_t;
typedef struct peri_db peri_db_t;

/* conninfo: libpq's. Connects lazily. max: connections at a time; more wait. */
peri_dbpool_t *peri_dbpool_new(const char *conninfo, int max);
void peri_dbpool_free(peri_dbpool_t *p);
/* A live connection (reconnects a broken one), or NULL. */
peri_db_t *peri_dbpool_get(peri_dbpool_t *p, peri_err_t *err);
void peri_dbpool_put(peri_dbpool_t *p, peri_db_t *db); /* rolls back what is open */
/* One outside the pool, for LISTEN. */
#define PERI_DB_AWAY "cannot connect to the database: " /* how its error begins */
peri_db_t *peri_db_connect(const char *conninfo, peri_err_t *err);
void peri_db_close(peri_db_t *db);
PGconn *peri_db_conn(peri_db_t *db);

int peri_db_begin(peri_db_t *db, peri_err_t *err);
/* The same with the rights of an account (0: nobody): row-level security applies until
 * the end of the transaction. */
int peri_db_begin_as(peri_db_t *db, int64_t account, peri_err_t *err);
int peri_db_commit(peri_db_t *db, peri_err_t *err);
void peri_db_rollback(peri_db_t *db);

/* One statement with text parameters ($1...; NULL is NULL). The result is the caller's
 * (PQclear). */
PGresult *peri_db_query(peri_db_t *db, peri_err_t *err, const char *sql, int n,
                        const char *const *values);
/* As peri_db_query, planned once a connection. The statement is known by the address of
 * its text, which must be constant and stay. */
PGresult *peri_db_prepared(peri_db_t *db, peri_err_t *err, const char *sql, int n,
                           const char *const *values);
/* The same without rows: number of rows touched, or -1. */
int64_t peri_db_exec(peri_db_t *db, peri_err_t *err, const char *sql, int n,
                     const char *const *values);

/* ---- schema ---- */

/* Version that this program has; migrations are numbered files compiled in, forward only,
 * each in its own transaction under an advisory lock. A newer schema than ours is
 * refused. to: stop at that version (tests); 0: the newest. */
int peri_db_version(void);
int peri_db_migrate(peri_db_t *db, int to, peri_err_t *err);
int peri_db_schema_version(peri_db_t *db, int *version, peri_err_t *err);

/* ---- the private server of `perigee up` ---- */

/* In `dir` (made if need be, 0700; as user postgres when we are root): initdb, unix
 * socket only, no TCP. All are idempotent. _start waits until it answers; a server that
 * was killed is started again. conninfo: freed by the caller. */
typedef struct {
    bool initialised, running;
    long pid;
} peri_pgstatus_t;
char *peri_pg_conninfo(const char *dir);
int peri_pg_start(const char *dir, peri_err_t *err);
int peri_pg_stop(const char *dir, peri_err_t *err);
int peri_pg_status(const char *dir, peri_pgstatus_t *s, peri_err_t *err);

#endif
