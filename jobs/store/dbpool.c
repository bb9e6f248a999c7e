/* dbpool.c - connections for threads: at most `max` at a time, made when first needed.
 *
 * The one that was given back last is given out first, so that few stay warm. A
 * connection is checked when it is handed out, not while it lies idle.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "jobs/store/db_priv.h"

#define WAIT_SECONDS 60

struct peri_dbpool {
    pthread_mutex_t lock;
    pthread_cond_t given_back;
    char *conninfo;
    peri_db_t **idle;
    int nidle, nused, max;
};

peri_dbpool_t *peri_dbpool_new(const char *conninfo, int max)
{
    peri_dbpool_t *p = peri_xcalloc(1, sizeof(*p));
    p->max = max < 1 ? 1 : max;
    p->conninfo = peri_xstrdup(conninfo);
    p->idle = peri_xcalloc((size_t)p->max, sizeof(peri_db_t *));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->given_back, NULL);
    return p;
}

void peri_dbpool_free(peri_dbpool_t *p)
{
    if (!p) return;
    while (p->nidle) peri_db_close(p->idle[--p->nidle]);
    pthread_cond_destroy(&p->given_back);
    pthread_mutex_destroy(&p->lock);
    free(p->idle);
    free(p->conninfo);
    free(p);
}

/* The right to one connection, and an idle one if there is one. */
static int reserve(peri_dbpool_t *p, peri_db_t **db, peri_err_t *err)
{
    const double until = peri_now() + WAIT_SECONDS;
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    while (p->nused == p->max && rc != ETIMEDOUT)
        rc = peri_timed_wait(&p->given_back, &p->lock, until);
    bool got = p->nused < p->max;
    if (got) {
        p->nused++;
        *db = p->nidle ? p->idle[--p->nidle] : NULL;
    }
    pthread_mutex_unlock(&p->lock);
    if (got) return 0;
    return peri_err_set(
        err, PERI_EIO, "all %d connections to the database have been busy for %d seconds",
        p->max, WAIT_SECONDS);
}

static void give_back(peri_dbpool_t *p, peri_db_t *db)
{
    pthread_mutex_lock(&p->lock);
    p->nused--;
    if (db) p->idle[p->nidle++] = db;
    pthread_cond_signal(&p->given_back);
    pthread_mutex_unlock(&p->lock);
}

peri_db_t *peri_dbpool_get(peri_dbpool_t *p, peri_err_t *err)
{
    peri_db_t *db = NULL;
    if (reserve(p, &db, err)) return NULL;
    if (!db) {
        db = peri_db_connect(p->conninfo, err);
    } else if (peri_db_revive(db, err)) {
        peri_db_close(db);
        db = NULL;
    }
    if (!db) give_back(p, NULL);
    return db;
}

void peri_dbpool_put(peri_dbpool_t *p, peri_db_t *db)
{
    if (!db) return;
    peri_db_rollback(db);
    if (PQstatus(peri_db_conn(db)) != CONNECTION_OK || peri_db_in_transaction(db)) {
        peri_db_close(db);
        db = NULL;
    }
    give_back(p, db);
}
