/* upload_finish.c - see upload.h: the threads that make complete uploads files, and sweep
 * now and then.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "portal/storage/ops.h"
#include "portal/storage/upload_priv.h"

#define SWEEP_SECONDS 600.0

/* References: one of the thread or the queue, one of each request. */
struct peri_finish {
    peri_finish_t *next;
    peri_uploads_t *u;
    peri_arena_t *arena;
    peri_upload_t up;
    int refs;
    enum { WAITS, RUNS, OVER } state;
    int rc;
    peri_err_t err;
};

/* ---- for requests ---- */

peri_finish_t *peri_upload_finish(peri_uploads_t *u, const peri_upload_t *up)
{
    pthread_mutex_lock(&u->lock);
    peri_finish_t *f = u->jobs;
    while (f && (f->state == OVER || strcmp(f->up.id, up->id) != 0)) f = f->next;
    if (!f) {
        f = peri_xcalloc(1, sizeof(*f));
        f->u = u;
        f->arena = peri_arena_new();
        f->up = *up;
        f->up.path = peri_arena_strdup(f->arena, up->path);
        f->up.metadata = "";
        f->refs = 1;
        f->next = u->jobs;
        u->jobs = f;
        pthread_cond_signal(&u->changed);
    }
    f->refs++;
    pthread_mutex_unlock(&u->lock);
    return f;
}

bool peri_finish_over(peri_finish_t *f)
{
    pthread_mutex_lock(&f->u->lock);
    bool over = f->state == OVER;
    pthread_mutex_unlock(&f->u->lock);
    return over;
}

int peri_finish_result(peri_finish_t *f, peri_err_t *err)
{
    if (f->rc && err) *err = f->err;
    return f->rc;
}

/* Under the lock. */
static void unref(peri_finish_t *f)
{
    if (--f->refs > 0) return;
    peri_finish_t **at = &f->u->jobs;
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    peri_arena_free(f->arena);
    free(f);
}

void peri_finish_unref(peri_finish_t *f)
{
    if (!f) return;
    peri_uploads_t *u = f->u;
    pthread_mutex_lock(&u->lock);
    unref(f);
    pthread_mutex_unlock(&u->lock);
}

/* At the end, when neither requests nor threads are left: what was not begun. */
static void drop_jobs(peri_uploads_t *u)
{
    while (u->jobs) unref(u->jobs);
}

/* ---- the work ---- */

/* The row says "done" before the file gets its name: a file that has vanished from its
 * folder then has got it. If it cannot get it the row says "open" again. */
static int give_name(peri_db_t *db, const peri_upload_t *up, int root, int dir,
                     peri_amount_t *freed, peri_err_t *err)
{
    const char *name;
    struct stat st;
    if (!up->done && peri_uploadrow_state(db, up->id, true, err)) return -1;
    peri_failpoint("upload_done");
    int folder = peri_path_open_parent(root, up->path, &name, err);
    int rc = folder < 0 ? -1
                        : peri_place(dir, up->id, folder, name, up->path, up->overwrite,
                                     NULL, freed, err);
    if (folder >= 0) close(folder);
    /* It may have got its name, only not safely on disk: that is "done". */
    if (rc && fstatat(dir, up->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
        peri_uploadrow_state(db, up->id, false, NULL);
    peri_failpoint("upload_placed");
    return rc;
}

/* What was reserved becomes what is used. */
static int place(peri_db_t *db, const peri_upload_t *up, int root, int dir,
                 peri_err_t *err)
{
    peri_amount_t made = {.bytes = (uint64_t)up->size, .files = 1}, freed = {0};
    const uint64_t reserved = made.bytes;
    struct stat st;
    if (fstatat(dir, up->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
        made.bytes = peri_amount_bytes(&st);
    if (give_name(db, up, root, dir, &freed, err)) return -1;
    if (up->done) {
        peri_usage_doubt(up->volume); /* what it counted is not known any more */
    } else if (up->overwrite || made.bytes != reserved) {
        freed.bytes += reserved;
        freed.files++;
        peri_usage_change(db, up->volume, made, freed);
    }
    return 0;
}

static int complete(peri_uploads_t *u, peri_db_t *db, const peri_upload_t *up, int root,
                    int dir, peri_err_t *err)
{
    struct stat st;
    peri_sum_t sum;
    const peri_uploadfile_t f = {.id = up->id,
                                 .dir = dir,
                                 .length = up->size,
                                 .whole = up->done ? PERI_SUM_NONE : up->sum.kind};
    if (up->done) {
        int rc = fstatat(dir, up->id, &st, AT_SYMLINK_NOFOLLOW);
        if (rc && errno == ENOENT) return 0; /* it has its name */
        /* It was whole when "done" was written: this is something else. */
        if (rc == 0 && st.st_size != up->size)
            return peri_uploadfile_remove(u->table, &f, err);
    }
    if (peri_uploadfile_finish(u->table, &f, &sum, &u->stop, err)) return -1;
    /* One that is done was compared before. */
    if (!up->done && up->sum_known && !peri_sum_same(&sum, &up->sum)) {
        peri_uploadfile_done(u->table, up->id, false);
        if (peri_uploadfile_remove(u->table, &f, err) ||
            peri_uploadrow_delete(db, up, true, err))
            return -1;
        return peri_err_set(err, PERI_EFORMAT,
                            "the file arrived damaged: its %s is not the one that was "
                            "announced. It was thrown away; send it again",
                            peri_sum_name(up->sum.kind));
    }
    int rc = place(db, up, root, dir, err);
    peri_uploadfile_done(u->table, up->id, rc == 0);
    return rc;
}

static void work(peri_uploads_t *u, peri_finish_t *f)
{
    peri_upload_t now;
    int root = -1, dir = -1;
    f->rc = -1;
    peri_db_t *db = peri_dbpool_get(u->db, &f->err);
    /* As it is now: another thread may have completed it meanwhile. */
    if (!db || peri_upload_find(db, f->up.id, f->arena, &now, &f->err)) goto out;
    root = peri_volume_open_id(u->conf, now.volume, &f->err);
    if (root < 0) goto out;
    dir = peri_path_open_private(root, PERI_PATH_UPLOADS, &f->err);
    if (dir < 0) goto out;
    f->rc = complete(u, db, &now, root, dir, &f->err);
out:
    if (root >= 0) close(root);
    if (dir >= 0) close(dir);
    if (db) peri_dbpool_put(u->db, db);
}

/* ---- a thread ---- */

/* Of one account some at a time: the others' turn does not depend on how long hers take.
 */
static bool has_turn(const peri_uploads_t *u, int64_t account)
{
    unsigned n = 0;
    for (const peri_finish_t *f = u->jobs; f; f = f->next)
        n += f->state == RUNS && f->up.account == account;
    return n < PERI_UPLOAD_TURNS;
}

static peri_finish_t *next_job(peri_uploads_t *u)
{
    peri_finish_t *oldest = NULL;
    for (peri_finish_t *f = u->jobs; f; f = f->next)
        if (f->state == WAITS && has_turn(u, f->up.account)) oldest = f;
    return oldest;
}

/* Waits for work; NULL: time to sweep, or to end. Under the lock. */
static peri_finish_t *wait_for_job(peri_uploads_t *u)
{
    peri_finish_t *f;
    while (!(f = next_job(u)) && !atomic_load(&u->stop) && peri_now() < u->sweep_at)
        peri_timed_wait(&u->changed, &u->lock, u->sweep_at);
    return f;
}

static void *run(void *uploads)
{
    peri_uploads_t *u = uploads;
    pthread_mutex_lock(&u->lock);
    while (!atomic_load(&u->stop)) {
        peri_finish_t *f = wait_for_job(u);
        if (f) {
            f->state = RUNS;
            pthread_mutex_unlock(&u->lock);
            work(u, f);
            pthread_mutex_lock(&u->lock);
            f->state = OVER;
            pthread_mutex_unlock(&u->lock);
            u->news(f->up.id);
            pthread_mutex_lock(&u->lock);
            unref(f);
        } else if (!atomic_load(&u->stop)) {
            u->sweep_at = peri_now() + SWEEP_SECONDS;
            pthread_mutex_unlock(&u->lock);
            peri_upload_sweep(u);
            pthread_mutex_lock(&u->lock);
        }
    }
    pthread_mutex_unlock(&u->lock);
    return NULL;
}

/* ---- start and stop ---- */

peri_uploads_t *peri_uploads_start(peri_dbpool_t *db, const peri_confstorage_t *conf,
                                   void (*news)(const char *id), peri_err_t *err)
{
    sigset_t block, old;
    peri_uploads_t *u = peri_xcalloc(1, sizeof(*u));
    u->db = db;
    u->conf = conf;
    u->news = news;
    u->table = peri_uploadtable_new();
    pthread_mutex_init(&u->lock, NULL);
    pthread_cond_init(&u->changed, NULL);
    /* Signals are for the main thread. */
    sigfillset(&block);
    pthread_sigmask(SIG_BLOCK, &block, &old);
    int rc = 0;
    while (rc == 0 && u->nthreads < PERI_UPLOAD_THREADS) {
        rc = pthread_create(&u->thread[u->nthreads], NULL, run, u);
        if (rc == 0) u->nthreads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) return u;
    peri_err_set(err, PERI_EINTERNAL, "cannot start a thread");
    peri_uploads_stop(u);
    return NULL;
}

void peri_uploads_stop(peri_uploads_t *u)
{
    if (!u) return;
    atomic_store(&u->stop, true);
    pthread_mutex_lock(&u->lock);
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    for (unsigned i = 0; i < u->nthreads; i++) pthread_join(u->thread[i], NULL);
    drop_jobs(u);
    peri_uploadtable_free(u->table);
    pthread_cond_destroy(&u->changed);
    pthread_mutex_destroy(&u->lock);
    free(u);
}
