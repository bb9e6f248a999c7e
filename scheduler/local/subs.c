/* subs.c - the submissions, users and lanes that the local scheduler has in memory.
 *
 * Only bookkeeping: nothing here reads files, starts processes or decides. A change of a
 * task's state goes through peri_local_set_state, so that the counts, the lanes and the
 * news always agree with the tasks. Under the scheduler's lock.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/util.h"
#include "scheduler/local/local.h"

/* ---- one submission ---- */

peri_sub_t *peri_local_sub_new(const char *name, size_t ntasks)
{
    peri_sub_t *s = peri_xcalloc(1, sizeof(*s));
    s->name = peri_xstrdup(name);
    s->tasks = peri_xcalloc(ntasks, sizeof(*s->tasks));
    s->ntasks = ntasks;
    for (size_t i = 0; i < ntasks; i++) s->tasks[i].sub = s;
    return s;
}

void peri_local_sub_free(peri_sub_t *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->ntasks; i++) free(s->tasks[i].why);
    for (char **a = s->argv; a && *a; a++) free(*a);
    free(s->argv);
    free(s->tasks);
    free(s->name);
    free(s->folder);
    free(s->comment);
    free(s);
}

int peri_local_sub_index(const peri_sub_t *s, int32_t index, size_t *at)
{
    size_t lo = 0, hi = s->ntasks;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->tasks[mid].index < index)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == s->ntasks || s->tasks[lo].index != index) return -1;
    *at = lo;
    return 0;
}

/* ---- finding them ---- */

static size_t hash_name(const char *s)
{
    const uint64_t h = peri_hash_text(PERI_HASH_START, s);
    return (size_t)(h ^ h >> 32);
}

static void link_in(peri_local_t *l, peri_sub_t *s)
{
    peri_sub_t **n = &l->names[hash_name(s->name) & (l->nbuckets - 1)];
    peri_sub_t **i = &l->seqs[s->seq & (l->nbuckets - 1)];
    s->by_name = *n;
    s->by_seq = *i;
    *n = *i = s;
}

static void grow_tables(peri_local_t *l)
{
    peri_sub_t **old = l->seqs;
    size_t n = l->nbuckets;
    free(l->names);
    l->nbuckets = n ? n * 2 : 1024;
    l->names = peri_xcalloc(l->nbuckets, sizeof(*l->names));
    l->seqs = peri_xcalloc(l->nbuckets, sizeof(*l->seqs));
    for (size_t i = 0; i < n; i++)
        for (peri_sub_t *s = old[i], *next; s; s = next) {
            next = s->by_seq;
            link_in(l, s);
        }
    free(old);
}

peri_sub_t *peri_local_by_name(const peri_local_t *l, const char *name)
{
    if (!l->nbuckets) return NULL;
    peri_sub_t *s = l->names[hash_name(name) & (l->nbuckets - 1)];
    while (s && strcmp(s->name, name) != 0) s = s->by_name;
    return s;
}

peri_sub_t *peri_local_by_id(const peri_local_t *l, const char *id)
{
    char *end;
    if (!l->nbuckets || id[0] < '0' || id[0] > '9') return NULL;
    uint64_t seq = strtoull(id, &end, 10);
    if (*end) return NULL;
    peri_sub_t *s = l->seqs[seq & (l->nbuckets - 1)];
    while (s && s->seq != seq) s = s->by_seq;
    return s;
}

/* ---- lanes ---- */

static peri_lane_t *lane_of(peri_local_t *l, peri_user_t *user, int32_t priority)
{
    for (size_t i = 0; i < l->nlanes; i++)
        if (l->lanes[i]->user == user && l->lanes[i]->priority == priority)
            return l->lanes[i];
    if (l->nlanes == l->lanes_cap) {
        l->lanes_cap = l->lanes_cap ? l->lanes_cap * 2 : 16;
        l->lanes = peri_xrealloc(l->lanes, l->lanes_cap, sizeof(*l->lanes));
    }
    peri_lane_t *lane = peri_xcalloc(1, sizeof(*lane));
    lane->user = user;
    lane->priority = priority;
    l->lanes[l->nlanes++] = lane;
    return lane;
}

/* By order of arrival; nearly always at the end. */
static void enter_lane(peri_local_t *l, peri_sub_t *s)
{
    peri_lane_t *lane = lane_of(l, s->user, s->priority);
    peri_sub_t *after = lane->last;
    while (after && after->seq > s->seq) after = after->prev;
    lane->npending += s->npending;
    s->lane = lane;
    s->prev = after;
    s->next = after ? after->next : lane->first;
    *(after ? &after->next : &lane->first) = s;
    *(s->next ? &s->next->prev : &lane->last) = s;
}

static void leave_lane(peri_local_t *l, peri_sub_t *s)
{
    peri_lane_t *lane = s->lane;
    lane->npending -= s->npending;
    if (lane->cursor == s) lane->cursor = s->next;
    *(s->prev ? &s->prev->next : &lane->first) = s->next;
    *(s->next ? &s->next->prev : &lane->last) = s->prev;
    s->prev = s->next = NULL;
    s->lane = NULL;
    s->blocked = 0;
    s->first = s->throttled = false;
    if (l->head == s) l->head = NULL;
    if (lane->first) return;
    for (size_t i = 0; i < l->nlanes; i++)
        if (l->lanes[i] == lane) l->lanes[i] = l->lanes[--l->nlanes];
    free(lane);
}

/* ---- users ---- */

peri_user_t *peri_local_user(peri_local_t *l, uid_t uid, const char *name)
{
    for (peri_user_t *u = l->users; u; u = u->next)
        if (u->uid == uid && !strcmp(u->name, name)) return u;
    peri_user_t *u = peri_xcalloc(1, sizeof(*u));
    u->uid = uid;
    u->name = peri_xstrdup(name);
    u->next = l->users;
    l->users = u;
    return u;
}

void peri_local_free_users(peri_local_t *l)
{
    for (peri_user_t *u = l->users, *next; u; u = next) {
        next = u->next;
        peri_local_account_free(u->account);
        free(u->name);
        free(u);
    }
    l->users = NULL;
}

/* ---- news ---- */

static void add_news(peri_local_t *l, peri_sub_t *s, peri_task_t *t)
{
    if (s->forgotten) return;
    if (l->nnews == l->news_cap) {
        l->news_cap = l->news_cap ? l->news_cap * 2 : 64;
        l->news = peri_xrealloc(l->news, l->news_cap, sizeof(*l->news));
    }
    l->news[l->nnews++] = (peri_news_t){s, t};
    *(t ? &t->dirty : &s->dirty) = true;
}

void peri_local_task_news(peri_local_t *l, peri_task_t *t)
{
    if (!t->dirty) add_news(l, t->sub, t);
}

void peri_local_rest_news(peri_local_t *l, peri_sub_t *s)
{
    if (!s->dirty) add_news(l, s, NULL);
}

static void drop_news(peri_local_t *l, const peri_sub_t *s)
{
    size_t n = 0;
    for (size_t i = 0; i < l->nnews; i++)
        if (l->news[i].sub != s) l->news[n++] = l->news[i];
    l->nnews = n;
}

/* ---- in and out ---- */

void peri_local_add(peri_local_t *l, peri_sub_t *s)
{
    if (l->nsubs >= l->nbuckets) grow_tables(l);
    link_in(l, s);
    l->nsubs++;
    s->npending = s->nrunning = 0;
    for (size_t i = 0; i < s->ntasks; i++) {
        s->npending += s->tasks[i].state == PERI_SCHED_PENDING;
        s->nrunning += s->tasks[i].state == PERI_SCHED_RUNNING;
    }
    if (s->npending) enter_lane(l, s);
}

void peri_local_drop(peri_local_t *l, peri_sub_t *s)
{
    if (s->lane) leave_lane(l, s);
    drop_news(l, s);
    peri_sub_t **p = &l->names[hash_name(s->name) & (l->nbuckets - 1)];
    while (*p != s) p = &(*p)->by_name;
    *p = s->by_name;
    p = &l->seqs[s->seq & (l->nbuckets - 1)];
    while (*p != s) p = &(*p)->by_seq;
    *p = s->by_seq;
    l->nsubs--;
    peri_local_sub_free(s);
}

void peri_local_set_state(peri_local_t *l, peri_task_t *t, peri_schedstate_t state)
{
    peri_sub_t *s = t->sub;
    const size_t left = t->state == PERI_SCHED_PENDING;
    const size_t came = state == PERI_SCHED_PENDING;
    s->npending += came - left;
    if (s->lane) s->lane->npending += came - left;
    s->nrunning -= t->state == PERI_SCHED_RUNNING;
    s->nrunning += state == PERI_SCHED_RUNNING;
    t->state = (uint8_t)state;
    size_t at = (size_t)(t - s->tasks);
    if (state == PERI_SCHED_PENDING && at < s->first_pending) s->first_pending = at;
    if (s->npending && !s->lane) enter_lane(l, s);
    if (!s->npending && s->lane) leave_lane(l, s);
    peri_local_task_news(l, t);
}

/* ---- runs ---- */

peri_run_t *peri_local_run_new(peri_local_t *l, peri_task_t *t)
{
    if (l->nruns == l->runs_cap) {
        l->runs_cap = l->runs_cap ? l->runs_cap * 2 : 32;
        l->runs = peri_xrealloc(l->runs, l->runs_cap, sizeof(*l->runs));
    }
    peri_run_t *r = peri_xcalloc(1, sizeof(*r));
    r->task = t;
    r->pidfd = r->err_fd = -1;
    r->since = peri_now();
    t->run = r;
    l->runs[l->nruns++] = r;
    l->free_cores -= t->sub->cores;
    l->free_memory -= (int64_t)t->sub->memory;
    return r;
}

void peri_local_run_free(peri_local_t *l, peri_run_t *r)
{
    const peri_sub_t *s = r->task->sub;
    l->free_cores += s->cores;
    l->free_memory += (int64_t)s->memory;
    r->task->run = NULL;
    if (r->pidfd >= 0) close(r->pidfd);
    if (r->err_fd >= 0) close(r->err_fd);
    for (size_t i = 0; i < l->nruns; i++)
        if (l->runs[i] == r) {
            l->runs[i] = l->runs[--l->nruns];
            break;
        }
    free(r);
}
