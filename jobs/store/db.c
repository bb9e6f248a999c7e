/* db.c - see db.h: one connection, one statement, what an error of the server means.
 *
 * The store's own statements are prepared once a connection (peri_db_prepared): they are
 * long and run for every event, and planning them costs more than running them.
 */
#include "jobs/store/db_priv.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"

/* Every statement of ours follows keys from a few rows to a few rows. Without this a
 * history that has grown since the last ANALYZE is now and then read as a whole. */
#define SETTINGS                                                                         \
    "SET statement_timeout = 60000; SET client_min_messages = warning; SET jit = off; "  \
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET random_page_cost = "     \
    "1.1; "                                                                              \
    "SET default_transaction_isolation = 'read committed'"

#define MAX_PREPARED 128

struct peri_db {
    PGconn *conn;
    char *conninfo;
    const char *prepared[MAX_PREPARED]; /* texts; the name is "s" and the position */
    int nprepared;
};

/* A server's words end in newlines and may have several lines. */
static void one_line(char *s)
{
    size_t n = strlen(s);
    while (n && (s[n - 1] == '\n' || s[n - 1] == ' ')) s[--n] = '\0';
    for (char *p = s; *p; p++)
        if (*p == '\n' || *p == '\t') *p = ' ';
}

#define DISK_FULL "53100"

static bool passes(const char *sqlstate)
{
    /* Connection, server going down or coming up, serialization and deadlock, resources
     * (a full disk too), files, a standby, too long, a lock. */
    static const char *const again[] = {"08",    "57P0",  "40",    "53",   "58",
                                        "25006", "57014", "55P03", "25P03"};
    for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++)
        if (strncmp(sqlstate, again[i], strlen(again[i])) == 0) return true;
    return false;
}

static int fail(peri_db_t *db, const PGresult *r, peri_err_t *err)
{
    char text[512];
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *said = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (!said || !*said) said = PQerrorMessage(db->conn);
    snprintf(text, sizeof(text), "%s", said);
    one_line(text);
    if (PQstatus(db->conn) != CONNECTION_OK)
        return peri_err_set(err, PERI_EIO, "the connection to the database was lost: %s",
                            text);
    if (state && !strcmp(state, DISK_FULL))
        return peri_err_set(err, PERI_EIO,
                            "the disk of the portal's database is full; its "
                            "administrator must make room (%s)",
                            text);
    if (!state || passes(state))
        return peri_err_set(err, PERI_EIO, "the database cannot do it now: %s", text);
    if (strcmp(state, "42501") ==
        0) /* row-level security: a check before it was missing */
        return peri_err_set(err, PERI_EDENIED, "the database does not allow it: %s",
                            text);
    /* Class 22: a value that it cannot store, such as bytes that are no text. */
    return peri_err_set(err, strncmp(state, "22", 2) == 0 ? PERI_EINVAL : PERI_EINTERNAL,
                        "the database refused a statement: %s (%s)", text, state);
}

/* ---- connection ---- */

/* What the server has to say beside errors is in its log. */
static void no_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

static int establish(peri_db_t *db, peri_err_t *err)
{
    const char *const keys[] = {"dbname", "application_name", "client_encoding", NULL};
    const char *const values[] = {db->conninfo, "perigee", "UTF8", NULL};
    PQfinish(db->conn);
    db->nprepared = 0;
    db->conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(db->conn) == CONNECTION_OK) {
        PQsetNoticeReceiver(db->conn, no_notice, NULL);
        PGresult *r = PQexec(db->conn, SETTINGS);
        bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
        PQclear(r);
        if (ok) return 0;
    }
    char text[512];
    snprintf(text, sizeof(text), "%s",
             db->conn ? PQerrorMessage(db->conn) : "out of memory");
    one_line(text);
    return peri_err_set(err, PERI_EIO, PERI_DB_AWAY "%s", text);
}

peri_db_t *peri_db_connect(const char *conninfo, peri_err_t *err)
{
    peri_db_t *db = peri_xcalloc(1, sizeof(*db));
    db->conninfo = peri_xstrdup(conninfo);
    if (establish(db, err) == 0) return db;
    peri_db_close(db);
    return NULL;
}

int peri_db_revive(peri_db_t *db, peri_err_t *err)
{
    /* Nobody talks to an idle connection, unless it is to say good-bye. */
    struct pollfd p = {PQsocket(db->conn), POLLIN, 0};
    if (PQstatus(db->conn) == CONNECTION_OK && poll(&p, 1, 0) == 0) return 0;
    return establish(db, err);
}

void peri_db_close(peri_db_t *db)
{
    if (!db) return;
    PQfinish(db->conn);
    free(db->conninfo);
    free(db);
}

PGconn *peri_db_conn(peri_db_t *db)
{
    return db->conn;
}

/* ---- transactions ---- */

static int command(peri_db_t *db, const char *sql, peri_err_t *err)
{
    PGresult *r = PQexec(db->conn, sql);
    int rc = PQresultStatus(r) == PGRES_COMMAND_OK ? 0 : fail(db, r, err);
    /* COMMIT of a transaction with an error in it succeeds by rolling back. */
    if (rc == 0 && sql[0] == 'C' && strcmp(PQcmdStatus(r), "ROLLBACK") == 0)
        rc = peri_err_set(err, PERI_EINTERNAL,
                          "the transaction had failed before it was to be committed");
    PQclear(r);
    return rc;
}

int peri_db_begin(peri_db_t *db, peri_err_t *err)
{
    return command(db, "BEGIN", err);
}

int peri_db_begin_as(peri_db_t *db, int64_t account, peri_err_t *err)
{
    char sql[160];
    snprintf(sql, sizeof(sql),
             "BEGIN; SET LOCAL ROLE perigee_user; SET LOCAL perigee.account = '%lld'",
             (long long)account);
    int rc = command(db, sql, err);
    if (rc) peri_db_rollback(db);
    return rc;
}

int peri_db_commit(peri_db_t *db, peri_err_t *err)
{
    peri_failpoint("commit.before");
    int rc = command(db, "COMMIT", err);
    peri_failpoint("commit.after");
    return rc;
}

void peri_db_rollback(peri_db_t *db)
{
    PGTransactionStatusType t = PQtransactionStatus(db->conn);
    if (t == PQTRANS_INTRANS || t == PQTRANS_INERROR) command(db, "ROLLBACK", NULL);
}

bool peri_db_in_transaction(const peri_db_t *db)
{
    return PQtransactionStatus(db->conn) != PQTRANS_IDLE;
}

int peri_dbtx_begin(peri_dbtx_t *tx, peri_db_t *db, peri_err_t *err)
{
    *tx = (peri_dbtx_t){.db = db};
    if (peri_db_in_transaction(db)) return 0;
    if (peri_db_begin(db, err)) return -1;
    tx->ours = true;
    return 0;
}

int peri_dbtx_end(peri_dbtx_t *tx, int rc, peri_err_t *err)
{
    if (!tx->ours) return rc;
    if (rc == 0) rc = peri_db_commit(tx->db, err);
    if (rc) peri_db_rollback(tx->db);
    return rc;
}

/* ---- statements ---- */

static PGresult *checked(peri_db_t *db, PGresult *r, peri_err_t *err)
{
    ExecStatusType s = PQresultStatus(r);
    if (s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK) return r;
    fail(db, r, err);
    PQclear(r);
    return NULL;
}

PGresult *peri_db_query(peri_db_t *db, peri_err_t *err, const char *sql, int n,
                        const char *const *values)
{
    return checked(db, PQexecParams(db->conn, sql, n, NULL, values, NULL, NULL, 0), err);
}

PGresult *peri_db_prepared(peri_db_t *db, peri_err_t *err, const char *sql, int n,
                           const char *const *values)
{
    char name[16];
    int i = 0;
    while (i < db->nprepared && db->prepared[i] != sql) i++;
    if (i == MAX_PREPARED) return peri_db_query(db, err, sql, n, values);
    snprintf(name, sizeof(name), "s%d", i);
    if (i == db->nprepared) {
        PGresult *r = checked(db, PQprepare(db->conn, name, sql, n, NULL), err);
        if (!r) return NULL;
        PQclear(r);
        db->prepared[db->nprepared++] = sql;
    }
    return checked(db, PQexecPrepared(db->conn, name, n, values, NULL, NULL, 0), err);
}

int64_t peri_db_exec(peri_db_t *db, peri_err_t *err, const char *sql, int n,
                     const char *const *values)
{
    PGresult *r = peri_db_query(db, err, sql, n, values);
    if (!r) return -1;
    int64_t touched = strtoll(PQcmdTuples(r), NULL, 10);
    PQclear(r);
    return touched;
}
