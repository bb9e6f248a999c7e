/* run.c - see run.h. The connection waits as for news of a job, under a name of its own.
 */
#include "portal/h5/run.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/h5/process.h"
#include "portal/h5/view/status.h"

enum {
    RUNNING = 4,     /* at once */
    RUNNING_OF = 2,  /* of an account */
    WAITING_OF = 32, /* a page of a viewer asks for a dozen things at once */
    WAITING = 256
};
#define HELD       (1024ull << 20) /* bytes of answers that are not sent yet */
#define HELD_OF    (512ull << 20)
#define LOOK_AGAIN 0.5  /* seconds: is she still there? News come earlier */
#define PATIENCE   30.0 /* seconds in the queue */

typedef enum { QUEUED, UNDER_WAY, OVER } state_t;

typedef struct item {
    struct item *next;
    state_t state; /* as all but the thread's own, under the lock */
    int refs;      /* request, thread */
    int64_t account;
    double since;
    char id[PERI_UUID_LEN + 1];
    char *program, *question;
    atomic_bool stop;
    int file, answer; /* -1: none (any more) */
    uint64_t size;    /* of the answer, until the request has ended */
    int rc;
    peri_err_t err;
} item_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static item_t *first; /* all whose request is alive or whose thread runs, oldest first */
static unsigned long long count;
static bool closing;

/* Under the lock. */
static void unref(item_t *i)
{
    if (--i->refs) return;
    item_t **p = &first;
    while (*p != i) p = &(*p)->next;
    *p = i->next;
    if (i->file >= 0) close(i->file);
    if (i->answer >= 0) close(i->answer);
    free(i->program);
    free(i->question);
    free(i);
    pthread_cond_broadcast(&ended);
}

typedef struct {
    unsigned running, waiting;
    uint64_t held;
} load_t;

/* Of an account; 0: of all. */
static load_t load_of(int64_t account)
{
    load_t l = {0};
    for (const item_t *i = first; i; i = i->next) {
        if (account && i->account != account) continue;
        l.running += i->state == UNDER_WAY;
        l.waiting += i->state == QUEUED;
        l.held += i->size;
    }
    return l;
}

static void *run(void *arg);

static bool start_thread(item_t *i)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t block, old;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&block);
    pthread_sigmask(SIG_BLOCK, &block, &old);
    const int rc = pthread_create(&thread, &attr, run, i);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0;
}

/* Under the lock: start what may start. */
static void kick(void)
{
    for (item_t *i = first; i && !closing; i = i->next) {
        if (i->state != QUEUED || atomic_load(&i->stop)) continue;
        const load_t all = load_of(0), hers = load_of(i->account);
        if (all.running >= RUNNING || all.held > HELD) return;
        if (hers.running >= RUNNING_OF || hers.held > HELD_OF) continue;
        i->state = UNDER_WAY;
        i->refs++;
        if (!start_thread(i)) {
            i->refs--;
            i->state = QUEUED; /* the next one that ends tries again */
            return;
        }
    }
}

static void *run(void *arg)
{
    item_t *i = arg;
    char id[PERI_UUID_LEN + 1];
    const peri_h5process_t p = {i->program, i->file, i->question, PERI_H5VIEW_SECONDS,
                                &i->stop};
    int answer;
    uint64_t size = 0;
    memcpy(id, i->id, sizeof(id));
    const int rc = peri_h5process_run(&p, &answer, &size, &i->err);
    pthread_mutex_lock(&lock);
    i->rc = rc;
    i->answer = answer;
    i->size = size;
    i->state = OVER;
    close(i->file);
    i->file = -1;
    unref(i);
    kick();
    pthread_mutex_unlock(&lock);
    peri_portal_news(id);
    return NULL;
}

/* The request has ended, perhaps before the process. */
static void let_go(void *arg)
{
    item_t *i = arg;
    pthread_mutex_lock(&lock);
    atomic_store(&i->stop, true);
    i->size = 0;
    unref(i);
    kick();
    pthread_mutex_unlock(&lock);
}

static int answer(peri_request_t *r, item_t *i, peri_err_t *err)
{
    if (i->rc) {
        if (err) *err = i->err;
        return -1;
    }
    r->fd = i->answer;
    i->answer = -1;
    r->fd_from = 0;
    r->fd_len = (int64_t)i->size;
    return 0;
}

bool peri_h5run_again(peri_request_t *r, int *rc, peri_err_t *err)
{
    if (r->ctx_free != let_go) return false;
    item_t *i = r->ctx;
    pthread_mutex_lock(&lock);
    const state_t state = i->state;
    if (peri_request_gone(r)) atomic_store(&i->stop, true);
    if (state == QUEUED) kick();
    const bool ends = closing;
    pthread_mutex_unlock(&lock);
    if (state == OVER) {
        *rc = answer(r, i, err);
    } else if (ends || (state == QUEUED && peri_now() > i->since + PATIENCE)) {
        atomic_store(&i->stop, true);
        *rc = peri_err_set(err, PERI_EBUSY,
                           "too many look into HDF5 files now: try again in a moment");
    } else {
        snprintf(r->wait_uuid, sizeof(r->wait_uuid), "%s", i->id);
        r->wait_until = peri_now() + LOOK_AGAIN;
        *rc = 0;
    }
    return true;
}

/* Under the lock: at the end of the list. */
static bool enlist(item_t *i)
{
    item_t **p = &first;
    if (closing || load_of(0).waiting >= WAITING ||
        load_of(i->account).waiting >= WAITING_OF)
        return false;
    while (*p) p = &(*p)->next;
    *p = i;
    snprintf(i->id, sizeof(i->id), "h5-%llu", ++count);
    return true;
}

int peri_h5run_start(peri_request_t *r, int file, json_t *question, peri_err_t *err)
{
    int rc;
    item_t *i = peri_xcalloc(1, sizeof(*i));
    *i = (item_t){.refs = 1,
                  .account = r->actor.account,
                  .since = peri_now(),
                  .program = peri_xasprintf("%s/perigee-h5", r->portal->config->bin),
                  .question = json_dumps(question, JSON_COMPACT),
                  .file = file,
                  .answer = -1};
    json_decref(question);
    pthread_mutex_lock(&lock);
    const bool taken = i->question && enlist(i);
    if (taken) kick();
    pthread_mutex_unlock(&lock);
    if (!taken) {
        close(i->file);
        free(i->question);
        free(i->program);
        free(i);
        return peri_err_set(err, PERI_EBUSY,
                            "too many questions about HDF5 files wait for an answer: try "
                            "again in a moment");
    }
    if (r->ctx_free) r->ctx_free(r->ctx);
    r->ctx = i;
    r->ctx_free = let_go;
    peri_h5run_again(r, &rc, err);
    return rc;
}

static bool any_runs(void)
{
    return load_of(0).running > 0;
}

void peri_h5run_stop_all(void)
{
    pthread_mutex_lock(&lock);
    closing = true;
    for (item_t *i = first; i; i = i->next) atomic_store(&i->stop, true);
    while (any_runs()) pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
}
