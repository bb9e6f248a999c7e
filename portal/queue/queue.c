/* queue.c - see queue.h. A connection waits as for news of a job, under the turn's id. */
#include "portal/queue/queue.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define LOOK_AGAIN 0.5 /* seconds: is she still there? News come earlier */

/* Under the lock. */
static void unref(peri_queue_t *q, peri_turn_t *t)
{
    if (--t->refs) return;
    peri_turn_t **p = &q->first;
    while (*p != t) p = &(*p)->next;
    *p = t->next;
    t->free(t);
    pthread_cond_broadcast(&q->ended);
}

typedef struct {
    unsigned running, old, waiting, alone, slow;
    uint64_t held;
} load_t;

/* Of an account; 0: of all. */
static load_t load_of(const peri_queue_t *q, int64_t account)
{
    load_t l = {0};
    for (const peri_turn_t *t = q->first; t; t = t->next) {
        if (account && t->account != account) continue;
        const bool runs = t->state == PERI_TURN_RUNS;
        l.running += runs && !t->old;
        l.old += runs && t->old;
        l.alone += runs && t->alone;
        l.slow += runs && t->slow;
        l.waiting += t->state == PERI_TURN_WAITS && !atomic_load(&t->stop);
        l.held += atomic_load(&t->held);
    }
    return l;
}

static bool may_start(const peri_queue_t *q, const peri_turn_t *t, const load_t *hers,
                      const load_t *all)
{
    return hers->running + hers->old < q->limits.running_of &&
           hers->held <= q->limits.held_of && !(t->alone && hers->alone) &&
           (all->held <= q->limits.held || !hers->held) &&
           !(t->slow && q->limits.slow && all->slow >= q->limits.slow);
}

/* Whose turn it is; NULL: nobody's. */
static peri_turn_t *next_one(const peri_queue_t *q)
{
    const load_t all = load_of(q, 0);
    peri_turn_t *best = NULL;
    unsigned fewest = 0;
    if (all.running >= q->limits.running || !all.waiting) return NULL;
    for (peri_turn_t *t = q->first; t; t = t->next) {
        if (t->state != PERI_TURN_WAITS || atomic_load(&t->stop)) continue;
        const load_t hers = load_of(q, t->account);
        const unsigned n = hers.running + hers.old;
        if (!may_start(q, t, &hers, &all) || (best && n >= fewest)) continue;
        best = t;
        fewest = n;
        if (!n) break;
    }
    return best;
}

typedef struct {
    peri_queue_t *q;
    peri_turn_t *t;
} start_t;

static void kick(peri_queue_t *q);

static void *run(void *arg)
{
    const start_t s = *(start_t *)arg;
    char id[sizeof(s.t->id)];
    free(arg);
    memcpy(id, s.t->id, sizeof(id));
    s.t->run(s.t);
    pthread_mutex_lock(&s.q->lock);
    s.t->state = PERI_TURN_OVER;
    unref(s.q, s.t);
    kick(s.q);
    pthread_mutex_unlock(&s.q->lock);
    peri_portal_news(id);
    return NULL;
}

static bool start_thread(peri_queue_t *q, peri_turn_t *t)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t block, old;
    start_t *s = peri_xmalloc(sizeof(*s));
    *s = (start_t){q, t};
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&block);
    pthread_sigmask(SIG_BLOCK, &block, &old);
    const int rc = pthread_create(&thread, &attr, run, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (rc) free(s);
    return rc == 0;
}

/* Under the lock: start what may start. */
static void kick(peri_queue_t *q)
{
    peri_turn_t *t;
    while (!q->closing && (t = next_one(q))) {
        t->state = PERI_TURN_RUNS;
        t->refs++;
        if (start_thread(q, t)) continue;
        t->refs--;
        t->state = PERI_TURN_WAITS; /* the next one that ends tries again */
        return;
    }
}

bool peri_queue_put(peri_queue_t *q, peri_turn_t *t)
{
    peri_turn_t **p = &q->first;
    pthread_mutex_lock(&q->lock);
    const unsigned hers = load_of(q, t->account).waiting;
    const bool taken = !q->closing && hers < q->limits.waiting_of &&
                       (!hers || load_of(q, 0).waiting < q->limits.waiting);
    if (taken) {
        while (*p) p = &(*p)->next;
        *p = t;
        t->next = NULL;
        t->state = PERI_TURN_WAITS;
        t->refs = 1;
        t->since = peri_now();
        kick(q);
    }
    pthread_mutex_unlock(&q->lock);
    return taken;
}

bool peri_queue_age(peri_queue_t *q, peri_turn_t *t)
{
    pthread_mutex_lock(&q->lock);
    if (!t->old && load_of(q, 0).old < q->limits.old) {
        t->old = true;
        kick(q);
    }
    const bool is_old = t->old;
    pthread_mutex_unlock(&q->lock);
    return is_old;
}

bool peri_queue_drop(peri_queue_t *q, peri_turn_t *t)
{
    pthread_mutex_lock(&q->lock);
    atomic_store(&t->stop, true);
    const bool waited = t->state == PERI_TURN_WAITS;
    pthread_mutex_unlock(&q->lock);
    return waited;
}

void peri_queue_leave(peri_queue_t *q, peri_turn_t *t)
{
    pthread_mutex_lock(&q->lock);
    atomic_store(&t->stop, true);
    atomic_store(&t->held, 0);
    unref(q, t);
    kick(q);
    pthread_mutex_unlock(&q->lock);
}

void peri_turn_wait(const peri_turn_t *t, peri_request_t *r)
{
    snprintf(r->wait_uuid, sizeof(r->wait_uuid), "%s", t->id);
    r->wait_until = peri_now() + LOOK_AGAIN;
}

int peri_queue_look(peri_queue_t *q, peri_turn_t *t, peri_request_t *r, const char *said,
                    peri_turnstate_t *state, peri_err_t *err)
{
    const bool gone = peri_request_gone(r);
    pthread_mutex_lock(&q->lock);
    if (gone) atomic_store(&t->stop, true);
    if (t->state == PERI_TURN_WAITS) kick(q);
    *state = t->state;
    const bool late =
        *state == PERI_TURN_WAITS && peri_now() > t->since + q->limits.patience;
    const bool ends = *state != PERI_TURN_OVER && (q->closing || late);
    /* From here on it does not start. */
    if (ends) atomic_store(&t->stop, true);
    pthread_mutex_unlock(&q->lock);
    if (ends) return peri_err_set(err, PERI_EBUSY, "%s", said);
    if (*state != PERI_TURN_OVER) peri_turn_wait(t, r);
    return 0;
}

bool peri_queue_with(peri_queue_t *q, int64_t account, const char *id,
                     void (*each)(peri_turn_t *, void *), void *arg)
{
    bool found = false;
    pthread_mutex_lock(&q->lock);
    for (peri_turn_t *t = q->first; t && !found; t = t->next) {
        found = t->account == account && t->state != PERI_TURN_OVER && !strcmp(t->id, id);
        if (found) each(t, arg);
    }
    pthread_mutex_unlock(&q->lock);
    return found;
}

static bool any_runs(const peri_queue_t *q)
{
    const load_t all = load_of(q, 0);
    return all.running + all.old > 0;
}

void peri_queue_stop(peri_queue_t *q)
{
    pthread_mutex_lock(&q->lock);
    q->closing = true;
    for (peri_turn_t *t = q->first; t; t = t->next) atomic_store(&t->stop, true);
    while (any_runs(q)) pthread_cond_wait(&q->ended, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

bool peri_queue_ends(peri_queue_t *q)
{
    pthread_mutex_lock(&q->lock);
    const bool ends = q->closing;
    pthread_mutex_unlock(&q->lock);
    return ends;
}
