/* waiting.c - see waiting.h. */
#include "portal/web/waiting.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "portal/portal.h"

#define RECENT 64   /* news that are remembered */
#define SOON   0.05 /* seconds: more news than that came while the handler looked */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    peri_waiter_t *first;
    uint64_t mark;                          /* number of the last news */
    char recent[RECENT][PERI_UUID_LEN + 1]; /* whose; "": of all */
    bool running;
} w_all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void unlist(peri_waiter_t *w)
{
    if (!w->listed) return;
    if (w->prev)
        w->prev->next = w->next;
    else
        w_all.first = w->next;
    if (w->next) w->next->prev = w->prev;
    w->listed = false;
}

static void resume(peri_waiter_t *w)
{
    unlist(w);
    MHD_resume_connection(w->conn);
}

static void *run(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&w_all.lock);
    while (w_all.running) {
        double now = peri_now(), next = now + 60;
        for (peri_waiter_t *w = w_all.first, *after; w; w = after) {
            after = w->next;
            if (w->until <= now)
                resume(w);
            else if (w->until < next)
                next = w->until;
        }
        peri_timed_wait(&w_all.changed, &w_all.lock, next);
    }
    pthread_mutex_unlock(&w_all.lock);
    return NULL;
}

void peri_waiting_start(void)
{
    pthread_cond_init(&w_all.changed, NULL);
    w_all.running = true;
    if (pthread_create(&w_all.thread, NULL, run, NULL)) w_all.running = false;
}

void peri_waiting_stop(void)
{
    pthread_mutex_lock(&w_all.lock);
    bool was = w_all.running;
    w_all.running = false;
    while (w_all.first) resume(w_all.first);
    pthread_cond_signal(&w_all.changed);
    pthread_mutex_unlock(&w_all.lock);
    if (was) pthread_join(w_all.thread, NULL);
}

uint64_t peri_waiting_mark(void)
{
    pthread_mutex_lock(&w_all.lock);
    uint64_t mark = w_all.mark;
    pthread_mutex_unlock(&w_all.lock);
    return mark;
}

static bool is_for(const peri_waiter_t *w, const char *uuid)
{
    return !*uuid || w->uuid[0] == '*' || !strcmp(w->uuid, uuid);
}

/* Until when w has to wait whose handler began to look at `mark`: news that came since
 * then may be what it waits for. */
static double wait_until(const peri_waiter_t *w, double until, uint64_t mark)
{
    if (w_all.mark - mark > RECENT) return peri_now() + SOON;
    for (uint64_t m = mark + 1; m <= w_all.mark; m++)
        if (is_for(w, w_all.recent[m % RECENT])) return 0;
    return until;
}

bool peri_waiting_add(peri_waiter_t *w, struct MHD_Connection *conn, const char *uuid,
                      double until, uint64_t mark)
{
    pthread_mutex_lock(&w_all.lock);
    bool running = w_all.running;
    if (running) {
        w->conn = conn;
        snprintf(w->uuid, sizeof(w->uuid), "%s", uuid);
        w->until = wait_until(w, until, mark);
        w->prev = NULL;
        w->next = w_all.first;
        if (w->next) w->next->prev = w;
        w_all.first = w;
        w->listed = true;
        MHD_suspend_connection(conn);
        pthread_cond_signal(&w_all.changed);
    }
    pthread_mutex_unlock(&w_all.lock);
    return running;
}

void peri_waiting_remove(peri_waiter_t *w)
{
    pthread_mutex_lock(&w_all.lock);
    unlist(w);
    pthread_mutex_unlock(&w_all.lock);
}

void peri_portal_news(const char *uuid)
{
    pthread_mutex_lock(&w_all.lock);
    char *recent = w_all.recent[++w_all.mark % RECENT];
    snprintf(recent, sizeof(w_all.recent[0]), "%s", uuid ? uuid : "");
    for (peri_waiter_t *w = w_all.first, *next; w; w = next) {
        next = w->next;
        if (is_for(w, recent)) resume(w);
    }
    pthread_mutex_unlock(&w_all.lock);
}
