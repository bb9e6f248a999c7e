/* work.c - calls that take long, in threads of their own (api.h). The connection waits as
 * for news of a job, under a number of its own. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/api.h"

#define WORKERS    8
#define OF_ACCOUNT 3
#define LOOK_AGAIN 1.0 /* seconds: is she still there? News come earlier */

typedef struct work {
    struct work *next;
    const peri_worktype_t *type;
    void *job;
    int64_t account;
    char id[PERI_UUID_LEN + 1];
    int refs; /* request, thread; under the lock, as over */
    bool over;
    atomic_bool stop;
    int rc;
    peri_err_t err;
} work_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static work_t *running; /* threads under way */
static bool closing;

static void unref(work_t *w)
{
    pthread_mutex_lock(&lock);
    bool last = --w->refs == 0;
    pthread_mutex_unlock(&lock);
    if (!last) return;
    w->type->free(w->job);
    free(w);
}

/* The request ends, perhaps before the work. */
static void let_go(void *arg)
{
    work_t *w = arg;
    atomic_store(&w->stop, true);
    unref(w);
}

static bool wanted(void *arg)
{
    return atomic_load(&((work_t *)arg)->stop);
}

static void *run(void *arg)
{
    work_t *w = arg;
    peri_stop_t stop = {wanted, w};
    char id[PERI_UUID_LEN + 1];
    memcpy(id, w->id, sizeof(id));
    w->rc = w->type->run(w->job, &stop, &w->err);
    pthread_mutex_lock(&lock);
    w->over = true;
    work_t **p = &running;
    while (*p != w) p = &(*p)->next;
    *p = w->next;
    pthread_mutex_unlock(&lock);
    peri_portal_news(id);
    unref(w);
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&ended);
    pthread_mutex_unlock(&lock);
    return NULL;
}

bool peri_work_again(peri_request_t *r, int *rc, peri_err_t *err)
{
    if (r->ctx_free != let_go) return false;
    work_t *w = r->ctx;
    pthread_mutex_lock(&lock);
    bool over = w->over;
    pthread_mutex_unlock(&lock);
    if (!over) {
        if (peri_request_gone(r)) atomic_store(&w->stop, true);
        snprintf(r->wait_uuid, sizeof(r->wait_uuid), "%s", w->id);
        r->wait_until = peri_now() + LOOK_AGAIN;
        *rc = 0;
    } else if (w->rc) {
        if (err) *err = w->err;
        *rc = -1;
    } else {
        *rc = w->type->answer(r, w->job, err);
    }
    return true;
}

/* 0 if there is a place for one more. */
static int enlist(work_t *w, peri_err_t *err)
{
    int all = 0, hers = 0;
    pthread_mutex_lock(&lock);
    for (const work_t *o = running; o; o = o->next) {
        all++;
        hers += o->account == w->account;
    }
    bool ok = all < WORKERS && hers < OF_ACCOUNT && !closing;
    if (ok) {
        w->next = running;
        running = w;
        w->refs = 2;
    }
    pthread_mutex_unlock(&lock);
    if (ok) return 0;
    return peri_err_set(
        err, PERI_EBUSY,
        hers >= OF_ACCOUNT
            ? "%d of your requests that copy, delete or read much are under "
              "way: wait for one of them"
            : "%d requests that copy, delete or read much are under way: "
              "try again in a moment",
        hers >= OF_ACCOUNT ? hers : all);
}

static void delist(work_t *w)
{
    pthread_mutex_lock(&lock);
    work_t **p = &running;
    while (*p != w) p = &(*p)->next;
    *p = w->next;
    pthread_mutex_unlock(&lock);
}

int peri_work_start(peri_request_t *r, const peri_worktype_t *type, void *job,
                    peri_err_t *err)
{
    uint64_t random[2];
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t block, old;
    int rc;
    work_t *w = peri_xcalloc(1, sizeof(*w));
    w->type = type;
    w->job = job;
    w->account = r->actor.account;
    if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
        peri_err_set(err, PERI_EINTERNAL, "no random number");
        goto fail;
    }
    snprintf(w->id, sizeof(w->id), "work-%015llx%016llx",
             (unsigned long long)(random[0] >> 4), (unsigned long long)random[1]);
    if (enlist(w, err)) goto fail;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&block);
    pthread_sigmask(SIG_BLOCK, &block, &old);
    rc = pthread_create(&thread, &attr, run, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (rc) {
        delist(w);
        peri_err_set(err, PERI_EBUSY, "cannot start a thread: try again in a moment");
        goto fail;
    }
    if (r->ctx_free) r->ctx_free(r->ctx);
    r->ctx = w;
    r->ctx_free = let_go;
    peri_work_again(r, &rc, err);
    return rc;
fail:
    type->free(job);
    free(w);
    return -1;
}

void peri_work_stop_all(void)
{
    pthread_mutex_lock(&lock);
    closing = true;
    for (work_t *w = running; w; w = w->next) atomic_store(&w->stop, true);
    while (running) pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
}
