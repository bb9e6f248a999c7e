/* deliver.c - see deliver.h: the thread, the entries of the outbox, and what a job gets
 * to say. What happens to the files is in deliver_move.c.
 */
#include "portal/jobs/deliver.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "portal/access/access.h"
#include "portal/jobs/deliver_move.h"
#include "portal/log.h"
#include "portal/storage/usage.h"
#include "portal/storage/volume.h"
#include "jobs/spec/spec.h"

#define LOOK_EVERY 20.0 /* seconds; it is woken before */
#define LOOK_AGAIN 0.5
#define TRIES_MAX  30 /* of what may get better by itself: half an hour */

struct peri_deliverer {
    peri_portal_t *portal;
    pthread_t thread;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t rung = PTHREAD_COND_INITIALIZER;
static bool asked, stopping;

void peri_deliverer_wake(void)
{
    pthread_mutex_lock(&lock);
    asked = true;
    pthread_cond_signal(&rung);
    pthread_mutex_unlock(&lock);
}

/* False when it is time to stop. */
static bool wait_for_work(double seconds, bool *woken)
{
    const double until = peri_now() + seconds;
    pthread_mutex_lock(&lock);
    while (!asked && !stopping && peri_timed_wait(&rung, &lock, until) == 0) {
    }
    *woken = asked;
    asked = false;
    const bool on = !stopping;
    pthread_mutex_unlock(&lock);
    return on;
}

/* ---- one job ---- */

typedef struct {
    peri_portal_t *portal;
    peri_db_t *db;
    peri_arena_t *arena;
    const char *uuid;
    int64_t owner;
    const char *spec_text;
    bool succeeded;
    peri_spec_t *spec;
    const char *where; /* "ana/persistent:results" */
    peri_moved_t moved;
} case_t;

static int on_job(const peri_jobrow_t *row, void *arg)
{
    case_t *k = arg;
    k->owner = row->owner;
    k->spec_text = peri_arena_strdup(k->arena, row->spec);
    k->succeeded = row->state == PERI_JOB_SUCCEEDED && !*row->delivered;
    return 1;
}

static int load_name(case_t *k, const char **name, peri_err_t *err)
{
    char who[24];
    snprintf(who, sizeof(who), "%lld", (long long)k->owner);
    PGresult *q =
        peri_db_query(k->db, err, "SELECT name FROM account WHERE id = $1::bigint", 1,
                      (const char *const[]){who});
    if (!q) return -1;
    *name = peri_arena_strdup(k->arena, PQntuples(q) ? PQgetvalue(q, 0, 0) : "");
    PQclear(q);
    return 0;
}

static int find_volume(case_t *k, peri_volume_t *v, peri_err_t *err)
{
    const peri_volumename_t *o = &k->spec->output;
    const peri_confstorage_t *conf = &k->portal->config->storage;
    const char *self;
    unsigned rights = 0;
    if (load_name(k, &self, err) || peri_volume_ensure(k->db, conf, k->owner, err))
        return -1;
    const char *owner = o->owner ? o->owner : self;
    k->where = peri_arena_printf(k->arena, "%s/%s:%s", owner, o->name, o->path);
    if (peri_volume_find(k->db, conf, k->owner, owner, o->name, k->arena, v, err) ||
        peri_access_rights(k->db, k->owner, "volume", v->id, o->path, &rights, err))
        return -1;
    if (!(rights & PERI_RIGHT_WRITE) || v->folder)
        return peri_err_set(err, PERI_EDENIED, "%s may not write to %s%s", self, k->where,
                            v->folder ? "" : " (any more)");
    return 0;
}

static int move_all(case_t *k, const peri_volume_t *v, peri_err_t *err)
{
    const peri_confstorage_t *conf = &k->portal->config->storage;
    char *job = peri_folder_job(k->portal->config->spool, k->uuid);
    const peri_moving_t how = {.job = job,
                               .to = k->spec->output.path,
                               .overwrite = k->spec->output_overwrite,
                               .stopping = &k->portal->stop};
    peri_amount_t need = {0};
    int root = peri_volume_open(conf, v, err), rc = -1;
    if (root < 0) goto out;
    rc = peri_results_amount(&how, &need, err);
    if (rc == 0) rc = peri_usage_reserve(k->db, conf, v->id, v->label, need, err);
    if (rc == 0) {
        peri_failpoint("deliver-reserved");
        rc = peri_results_move(&how, root, k->arena, &k->moved, err);
        peri_usage_settle(k->db, v->id, need, k->moved.made, k->moved.freed);
    }
out:
    if (root >= 0) close(root);
    free(job);
    return rc;
}

static int deliver(case_t *k, peri_err_t *err)
{
    peri_volume_t v;
    if (peri_store_get(k->db, k->uuid, on_job, k, err)) return -1;
    if (!k->succeeded) return 0;
    k->spec = peri_spec_parse(k->spec_text, strlen(k->spec_text), NULL, err);
    if (!k->spec || !k->spec->output.name) return k->spec ? 0 : -1;
    return find_volume(k, &v, err) || move_all(k, &v, err) ? -1 : 0;
}

/* ---- what is told ---- */

static bool is_certain(const peri_err_t *err, int tries)
{
    return err->code == PERI_EDENIED || err->code == PERI_ENOTFOUND ||
           err->code == PERI_EFULL || err->code == PERI_EINVAL ||
           err->code == PERI_ELIMIT || err->code == PERI_ECONFLICT || tries >= TRIES_MAX;
}

/* The last word about an entry: in the job, as an event, out of the outbox. */
static int settle(case_t *k, int64_t entry, const char *delivered, const char *note,
                  peri_err_t *err)
{
    const peri_event_t ev = {.job = k->uuid, .kind = PERI_EV_NOTE, .text = note};
    if (peri_db_begin(k->db, err)) return -1;
    if ((note && (peri_store_delivered(k->db, k->uuid, delivered, err) ||
                  peri_store_append(k->db, &ev, NULL, err))) ||
        peri_store_outbox_done(k->db, entry, err) || peri_db_commit(k->db, err)) {
        peri_db_rollback(k->db);
        return -1;
    }
    peri_failpoint("deliver-settled");
    peri_portal_news(k->uuid);
    return 0;
}

static int settle_moved(case_t *k, int64_t entry, peri_err_t *err)
{
    if (!k->where) return settle(k, entry, "", NULL, err); /* nothing was owed */
    const char *note = peri_arena_printf(k->arena, "the results are in %s", k->where);
    if (k->moved.left)
        note = peri_arena_printf(k->arena,
                                 "%s; %llu of them stayed with the job: no volume can "
                                 "have files of such names or kinds",
                                 note, (unsigned long long)k->moved.left);
    return settle(k, entry, k->where, note, err);
}

static int settle_failed(case_t *k, int64_t entry, const char *why, peri_err_t *err)
{
    const char *note = peri_arena_printf(
        k->arena,
        "the job succeeded, but its results did not go to %s: %s; they stay with the job "
        "(GET /api/v1/jobs/%s/files)",
        k->where ? k->where : "its output", why, k->uuid);
    return settle(k, entry, peri_arena_printf(k->arena, "! %s", note), note, err);
}

/* ---- the thread ---- */

typedef struct {
    peri_arena_t *arena;
    peri_outboxrow_t row;
    bool found;
} taken_t;

static int on_entry(const peri_outboxrow_t *row, void *arg)
{
    taken_t *t = arg;
    t->row = *row;
    t->row.uuid = peri_arena_strdup(t->arena, row->uuid);
    t->found = true;
    return 1;
}

/* 1: there may be more; 0: none is due; -1. */
static int take_one(peri_portal_t *p, peri_db_t *db, peri_err_t *err)
{
    taken_t t = {.arena = peri_arena_new()};
    case_t k = {.portal = p, .db = db, .arena = t.arena};
    int rc = peri_store_deliveries_take(db, 1, on_entry, &t, err);
    if (rc || !t.found) goto out;
    k.uuid = t.row.uuid;
    peri_failpoint("deliver-taken");
    peri_err_t why = {0};
    if (deliver(&k, &why) == 0)
        rc = settle_moved(&k, t.row.entry, err);
    else if (is_certain(&why, t.row.tries))
        rc = settle_failed(&k, t.row.entry, why.text, err);
    else
        peri_log_seldom(PERI_LOG_WARN, "deliver", 10,
                        "job %s: its results cannot be delivered now: %s", k.uuid,
                        why.text);
    if (rc == 0) rc = 1;
out:
    peri_spec_free(k.spec);
    peri_arena_free(t.arena);
    return rc;
}

static void *run(void *arg)
{
    peri_portal_t *p = arg;
    bool woken = true;
    do {
        peri_err_t err = {0};
        peri_db_t *db = peri_dbpool_get(p->db, &err);
        int rc = db ? 1 : -1;
        while (rc == 1 && !atomic_load(&p->stop)) rc = take_one(p, db, &err);
        if (db) peri_dbpool_put(p->db, db);
        if (rc < 0)
            peri_log_seldom(PERI_LOG_ERROR, "deliver", 10,
                            "results cannot be delivered now: %s", err.text);
        /* Who woke us may have done so just before its transaction was over. */
    } while (wait_for_work(woken ? LOOK_AGAIN : LOOK_EVERY, &woken));
    return NULL;
}

peri_deliverer_t *peri_deliverer_start(peri_portal_t *p, peri_err_t *err)
{
    sigset_t all, old;
    peri_deliverer_t *d = peri_xcalloc(1, sizeof(*d));
    d->portal = p;
    stopping = false;
    asked = true;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    const int rc = pthread_create(&d->thread, NULL, run, p);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) return d;
    free(d);
    peri_err_set(err, PERI_EINTERNAL, "cannot start a thread");
    return NULL;
}

void peri_deliverer_stop(peri_deliverer_t *d)
{
    if (!d) return;
    pthread_mutex_lock(&lock);
    stopping = true;
    pthread_cond_signal(&rung);
    pthread_mutex_unlock(&lock);
    pthread_join(d->thread, NULL);
    free(d);
}
