/* local.c - the embedded scheduler of one machine: the functions of the interface.
 *
 * It lives in the daemon's process, but its tasks do not: they survive it, and are found
 * again when it is opened. See scheduler/README.md for how the files play together.
 *
 * Threads: any may call; the lock is held for the whole of each call but for the caller's
 * own functions.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "scheduler/local/local.h"

#define KEEP_DAYS   7 /* what is over and was not forgotten */
#define CLEAN_EVERY 3600.0

static void forget_sub(peri_local_t *l, peri_sub_t *s)
{
    peri_local_store_remove(l, s);
    peri_local_drop(l, s);
}

static bool is_over(const peri_sub_t *s)
{
    return s->npending == 0 && s->nrunning == 0;
}

void peri_local_settle(peri_local_t *l, peri_sub_t *s)
{
    if (s->forgotten && is_over(s)) forget_sub(l, s);
}

static void clean(peri_local_t *l)
{
    const int64_t now = time(NULL);
    for (size_t b = 0; b < l->nbuckets; b++)
        for (peri_sub_t *s = l->seqs[b], *next; s; s = next) {
            int64_t last = s->submitted;
            next = s->by_seq;
            if (!is_over(s)) continue;
            for (size_t i = 0; i < s->ntasks; i++)
                if (s->tasks[i].ended > last) last = s->tasks[i].ended;
            if (s->forgotten || now - last > KEEP_DAYS * 86400) forget_sub(l, s);
        }
    l->cleaned = peri_now();
}

/* ---- open, close ---- */

static void local_close(void *self)
{
    peri_local_t *l = self;
    peri_local_watch_stop(l);
    while (l->nruns) peri_local_run_free(l, l->runs[0]);
    for (size_t b = 0; b < l->nbuckets; b++)
        while (l->seqs[b]) peri_local_drop(l, l->seqs[b]);
    peri_local_free_users(l);
    const int fd[] = {l->event_fd, l->counter_fd, l->lock_fd};
    for (size_t i = 0; i < sizeof(fd) / sizeof(fd[0]); i++)
        if (fd[i] >= 0) close(fd[i]);
    free(l->names);
    free(l->seqs);
    free(l->lanes);
    free(l->runs);
    free(l->news);
    free(l->state);
    free(l->queue);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* Tasks that may have been started: also those that our file knows nothing of, should it
 * be older than the task's folder. */
static void resume(peri_local_t *l)
{
    peri_claimed_t c;
    for (size_t b = 0; b < l->nbuckets; b++)
        for (peri_sub_t *s = l->seqs[b], *next; s; s = next) {
            next = s->by_seq;
            /* The last task to end may take the submission with it. */
            size_t n = s->npending + s->nrunning ? s->ntasks : 0;
            bool kept = s->forgotten;
            s->forgotten = false;
            for (size_t i = 0; i < n; i++) {
                peri_task_t *t = &s->tasks[i];
                if (t->state != PERI_SCHED_PENDING) continue;
                if (t->begun || peri_local_proc_claim(t, l->boot, &c) != 0)
                    peri_local_run_resume(l, t);
            }
            s->forgotten = kept;
        }
}

static void *local_open(const json_t *conf, const char *state, void (*wake)(void *),
                        void *arg, peri_err_t *err)
{
    peri_local_t *l = peri_xcalloc(1, sizeof(*l));
    pthread_mutex_init(&l->lock, NULL);
    l->event_fd = l->counter_fd = l->lock_fd = -1;
    l->state = peri_xstrdup(state);
    l->queue = peri_xasprintf("%s/queue", state);
    l->euid = geteuid();
    l->wake = wake;
    l->wake_arg = arg;
    l->decayed = peri_now();
    if (peri_local_configure(l, conf, err) || peri_local_proc_boot(l->boot, err) ||
        peri_local_store_open(l, err) || peri_local_store_load(l, err))
        goto fail;
    resume(l);
    clean(l);
    if (peri_local_watch_start(l, err)) goto fail;
    return l;
fail:
    local_close(l);
    return NULL;
}

static int local_caps(void *self, peri_schedcaps_t *out, peri_err_t *err)
{
    const peri_local_t *l = self; /* what never changes */
    (void)err;
    *out = (peri_schedcaps_t){.name = "local",
                              .nodes = 1,
                              .cores_node = (uint32_t)l->cores,
                              .cores = (uint32_t)l->cores,
                              .memory_node = (uint64_t)l->memory,
                              .array_tasks = PERI_LOCAL_ARRAY_MAX};
    return 0;
}

/* ---- submit, find ---- */

static void put_id(const peri_sub_t *s, char id[PERI_SCHED_ID_MAX])
{
    snprintf(id, PERI_SCHED_ID_MAX, "%llu", (unsigned long long)s->seq);
}

static int local_submit(void *self, const peri_schedreq_t *req,
                        char id[PERI_SCHED_ID_MAX], peri_err_t *err)
{
    peri_local_t *l = self;
    int rc = -1;
    pthread_mutex_lock(&l->lock);
    peri_sub_t *s = peri_local_by_name(l, req->name);
    if (!s) {
        s = peri_local_check(l, req, err);
        if (!s) goto out;
        if (peri_local_store_next_seq(l, &s->seq, err) ||
            peri_local_store_write(l, s, err)) {
            peri_local_sub_free(s);
            goto out;
        }
        peri_failpoint("local.submitted");
        peri_local_add(l, s);
        peri_local_rest_news(l, s);
        peri_local_watch_kick(l);
    }
    put_id(s, id);
    rc = 0;
out:
    pthread_mutex_unlock(&l->lock);
    return rc;
}

static int local_find(void *self, const char *name, char id[PERI_SCHED_ID_MAX],
                      peri_err_t *err)
{
    peri_local_t *l = self;
    (void)err;
    pthread_mutex_lock(&l->lock);
    const peri_sub_t *s = peri_local_by_name(l, name);
    if (s) put_id(s, id);
    pthread_mutex_unlock(&l->lock);
    return s != NULL;
}

/* ---- poll ---- */

static int local_poll(void *self, bool all,
                      void (*each)(const peri_schedtask_t *, void *), void *arg,
                      bool *complete, peri_err_t *err)
{
    peri_local_t *l = self;
    peri_told_t told = {.arena = peri_arena_new()};
    (void)err;
    pthread_mutex_lock(&l->lock);
    all |= !l->told_once;
    l->told_once = true;
    if (all && peri_now() - l->cleaned > CLEAN_EVERY) clean(l);
    peri_local_tell(l, all, &told);
    l->woken = false;
    pthread_mutex_unlock(&l->lock);

    for (size_t i = 0; i < told.ntasks; i++) each(&told.tasks[i], arg);
    *complete = all;
    free(told.tasks);
    peri_arena_free(told.arena);
    return 0;
}

/* ---- cancel, forget ---- */

static void cancel_task(peri_local_t *l, peri_task_t *t)
{
    if (t->state == PERI_SCHED_ENDED) return;
    t->cancel = true;
    if (t->run) {
        peri_local_run_cancel(l, t->run);
        return;
    }
    t->end = PERI_END_CANCELLED;
    t->ended = time(NULL);
    peri_local_set_state(l, t, PERI_SCHED_ENDED);
}

/* Also if it cannot be noted: it may be what fills the disk. The error then makes the
 * caller ask again. */
static int local_cancel(void *self, const char *id, int32_t index, peri_err_t *err)
{
    peri_local_t *l = self;
    int rc = 0;
    size_t at = 0;
    pthread_mutex_lock(&l->lock);
    peri_sub_t *s = peri_local_by_id(l, id);
    if (!s || is_over(s)) goto out;
    const bool one = s->array && index != PERI_SCHED_NO_INDEX;
    if (one &&
        (peri_local_sub_index(s, index, &at) || s->tasks[at].state == PERI_SCHED_ENDED))
        goto out;
    rc = peri_local_store_note(l, s, "cancel", one ? &s->tasks[at] : NULL, err);
    peri_failpoint("local.cancelled");
    if (one)
        cancel_task(l, &s->tasks[at]);
    else
        for (size_t i = 0; i < s->ntasks; i++) cancel_task(l, &s->tasks[i]);
    peri_local_watch_kick(l);
out:
    pthread_mutex_unlock(&l->lock);
    return rc;
}

static void local_forget(void *self, const char *name, const char *id)
{
    peri_local_t *l = self;
    char its[PERI_SCHED_ID_MAX];
    pthread_mutex_lock(&l->lock);
    peri_sub_t *s = peri_local_by_name(l, name);
    if (!s) goto out;
    put_id(s, its);
    if (id && id[0] && strcmp(id, its) != 0) goto out;
    /* Its last launcher may not have gone yet: it keeps its slots until it has. */
    if (!is_over(s)) {
        s->forgotten = true;
        peri_local_store_note(l, s, "cancel", NULL, NULL);
        peri_local_store_note(l, s, "forget", NULL, NULL);
        for (size_t i = 0; i < s->ntasks; i++)
            if (s->tasks[i].state == PERI_SCHED_PENDING) cancel_task(l, &s->tasks[i]);
        peri_local_watch_kick(l);
    }
    s->forgotten = true;
    peri_local_settle(l, s);
out:
    pthread_mutex_unlock(&l->lock);
}

static int local_check(const json_t *conf, peri_err_t *err)
{
    peri_local_t l = {0};
    return peri_local_configure(&l, conf, err);
}

const peri_sched_ops_t peri_sched_local_ops = {
    .abi = PERI_SCHED_ABI,
    .name = "local",
    .open = local_open,
    .check = local_check,
    .close = local_close,
    .caps = local_caps,
    .submit = local_submit,
    .find = local_find,
    .poll = local_poll,
    .cancel = local_cancel,
    .forget = local_forget,
};
