/* keep.c - see keep.h. */
#include "portal/storage/keep.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "portal/log.h"
#include "portal/storage/expire.h"
#include "portal/storage/ops.h"
#include "portal/storage/trash.h"
#include "portal/storage/usage.h"
#include "portal/storage/volume.h"

#define ROUND_SECONDS   300.0   /* between looks at what must be counted */
#define DOUBT_SECONDS   5       /* between looks for a row that may be wrong */
#define SWEEP_SECONDS   21600.0 /* between looks at every file */
#define RECOUNT_SECONDS 86400.0
#define STEP_SECONDS    0.1
#define REST            50000u /* microseconds between steps */

struct peri_keeper {
    peri_dbpool_t *pool;
    const peri_confstorage_t *conf;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool stop;
    double started; /* peri_now() */
};

peri_keeper_t *peri_keeper_new(peri_dbpool_t *db, const peri_confstorage_t *conf)
{
    peri_keeper_t *k = peri_xcalloc(1, sizeof(*k));
    k->pool = db;
    k->conf = conf;
    k->started = peri_now();
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    return k;
}

void peri_keeper_free(peri_keeper_t *k)
{
    if (!k) return;
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->changed);
    free(k);
}

static bool stops(void *arg)
{
    return atomic_load(&((peri_keeper_t *)arg)->stop);
}

/* ---- one volume ---- */

static void complain(int64_t id, const char *what, const peri_err_t *err)
{
    if (err->code != PERI_ECANCEL)
        peri_log(PERI_LOG_WARN, "volume %lld: %s: %s", (long long)id, what, err->text);
}

/* No connection is held while files are looked at. */
static void sweep(peri_keeper_t *k, int64_t id, double days, double now)
{
    peri_err_t err = {0};
    peri_amount_t freed = {0};
    peri_expiry_t rule = {.file_days = days,
                          .trash_days = k->conf->trash_days,
                          .unfinished = peri_now() - k->started};
    int root = peri_volume_open_id(k->conf, id, &err), rc = -1;
    if (root < 0) {
        complain(id, "cannot be swept", &err);
        return;
    }
    peri_sweep_t *s = peri_sweep_new(root, &rule, now);
    while (!stops(k) && (rc = peri_sweep_step(s, STEP_SECONDS, &freed, &err)) == 1)
        usleep(REST);
    if (rc < 0 && err.code) complain(id, "cannot be swept", &err);
    peri_sweep_free(s);
    close(root);
    if (!freed.files) return;
    peri_db_t *db = peri_dbpool_get(k->pool, NULL);
    peri_usage_change(db, id, (peri_amount_t){0}, freed);
    if (db) peri_dbpool_put(k->pool, db);
    peri_log(PERI_LOG_INFO, "volume %lld: %llu expired", (long long)id,
             (unsigned long long)freed.files);
}

static void recount(peri_keeper_t *k, peri_db_t *db, int64_t id)
{
    peri_err_t err = {0};
    peri_stop_t stop = {stops, k};
    peri_amount_t ignored = {0};
    int root = peri_volume_open_id(k->conf, id, &err);
    /* What a process before this one was about. */
    const double before = peri_now() - k->started;
    if (root >= 0 && (peri_unfinished_sweep(root, before, &stop, &ignored, &err) ||
                      peri_trash_tidy(root, before, &err)))
        complain(id, "cannot be tidied", &err);
    if (root < 0 || peri_usage_recount(db, k->conf, id, root, &stop, &err))
        complain(id, "cannot be counted", &err);
    if (root >= 0) close(root);
}

/* ---- all of them ---- */

/* The next one after *id; false: none. */
static bool next_volume(peri_keeper_t *k, int64_t *id, double *days)
{
    char after[24];
    bool found = false;
    peri_db_t *db = peri_dbpool_get(k->pool, NULL);
    if (!db) return false;
    snprintf(after, sizeof(after), "%lld", (long long)*id);
    PGresult *q =
        peri_db_query(db, NULL,
                      "SELECT id, coalesce(days, 0) FROM volume WHERE id > "
                      "$1::bigint AND dataset IS NULL AND removed IS NULL ORDER BY "
                      "id LIMIT 1",
                      1, (const char *const[]){after});
    if (q && PQntuples(q)) {
        *id = strtoll(PQgetvalue(q, 0, 0), NULL, 10);
        *days = strtod(PQgetvalue(q, 0, 1), NULL);
        found = true;
    }
    PQclear(q);
    peri_dbpool_put(k->pool, db);
    return found;
}

static void recount_all(peri_keeper_t *k, double before)
{
    int64_t id = 0;
    while (!stops(k)) {
        peri_db_t *db = peri_dbpool_get(k->pool, NULL);
        if (!db) return;
        bool found = peri_usage_due(db, before, id, &id, NULL) == 0 && id;
        if (found) recount(k, db, id);
        peri_dbpool_put(k->pool, db);
        if (!found) return;
    }
}

static void reap_all(peri_keeper_t *k, double now)
{
    int64_t id = 1;
    while (id && !stops(k)) {
        peri_err_t err = {0};
        peri_db_t *db = peri_dbpool_get(k->pool, NULL);
        if (!db) return;
        int rc = peri_volume_reap(db, k->conf, now, &id, &err);
        peri_dbpool_put(k->pool, db);
        if (rc) {
            complain(id, "cannot be removed", &err);
            return;
        }
        if (id) peri_log(PERI_LOG_INFO, "volume %lld is removed", (long long)id);
    }
}

static void sweep_folders(peri_keeper_t *k, double now)
{
    peri_err_t err = {0};
    peri_db_t *db = peri_dbpool_get(k->pool, NULL);
    if (db && peri_volume_sweep(db, k->conf, now, &err))
        peri_log(PERI_LOG_WARN, "folders of deleted volumes: %s", err.text);
    if (db) peri_dbpool_put(k->pool, db);
}

void peri_keeper_round(peri_keeper_t *k, double now, bool all)
{
    int64_t id = 0;
    double days;
    reap_all(k, now);
    sweep_folders(k, now);
    if (all)
        while (!stops(k) && next_volume(k, &id, &days)) sweep(k, id, days, now);
    recount_all(k, now - RECOUNT_SECONDS);
}

/* ---- the thread ---- */

static bool note_doubts(peri_keeper_t *k)
{
    peri_db_t *db = peri_usage_doubts() ? peri_dbpool_get(k->pool, NULL) : NULL;
    const bool some = db && peri_usage_note_doubts(db);
    if (db) peri_dbpool_put(k->pool, db);
    return some;
}

/* Until the next round, or something must be counted now. */
static void wait_for_round(peri_keeper_t *k)
{
    const double end = peri_now() + ROUND_SECONDS;
    while (!stops(k) && peri_now() < end && !note_doubts(k)) {
        pthread_mutex_lock(&k->lock);
        if (!stops(k)) peri_timed_wait(&k->changed, &k->lock, peri_now() + DOUBT_SECONDS);
        pthread_mutex_unlock(&k->lock);
    }
}

static void *run(void *arg)
{
    peri_keeper_t *k = arg;
    double swept = -SWEEP_SECONDS;
    while (!stops(k)) {
        bool all = peri_now() - swept >= SWEEP_SECONDS;
        if (all) swept = peri_now();
        peri_keeper_round(k, peri_epoch(), all);
        wait_for_round(k);
    }
    note_doubts(k); /* for the next start */
    return NULL;
}

peri_keeper_t *peri_keeper_start(peri_dbpool_t *db, const peri_confstorage_t *conf,
                                 bool crashed, peri_err_t *err)
{
    sigset_t block, old;
    peri_db_t *c = peri_dbpool_get(db, err);
    int rc = c ? peri_usage_start(c, crashed, err) : -1;
    if (c) peri_dbpool_put(db, c);
    if (rc) return NULL;
    peri_keeper_t *k = peri_keeper_new(db, conf);
    sigfillset(&block); /* signals are for the main thread */
    pthread_sigmask(SIG_BLOCK, &block, &old);
    rc = pthread_create(&k->thread, NULL, run, k);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!rc) return k;
    peri_err_set(err, PERI_EINTERNAL, "cannot start a thread");
    peri_keeper_free(k);
    return NULL;
}

void peri_keeper_stop(peri_keeper_t *k)
{
    if (!k) return;
    atomic_store(&k->stop, true);
    pthread_mutex_lock(&k->lock);
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    peri_keeper_free(k);
}
