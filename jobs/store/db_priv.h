/* db_priv.h - what the store's own files use of a connection beside db.h. Private. */
#ifndef JOBS_STORE_DB_PRIV_H
#define JOBS_STORE_DB_PRIV_H

#include "jobs/store/db.h"

/* Connect again if the connection is broken. */
int peri_db_revive(peri_db_t *db, peri_err_t *err);
bool peri_db_in_transaction(const peri_db_t *db);

/* The caller's transaction, or one of our own that _end commits (rc 0) or rolls back. */
typedef struct {
    peri_db_t *db;
    bool ours;
} peri_dbtx_t;
int peri_dbtx_begin(peri_dbtx_t *tx, peri_db_t *db, peri_err_t *err);
int peri_dbtx_end(peri_dbtx_t *tx, int rc, peri_err_t *err);

#endif
