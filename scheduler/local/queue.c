/* queue.c - whose turn it is: priority, fair turns between users, first come; backfill.
 *
 * Between users of one priority the one with the fewest core-seconds of late goes first.
 * What has begun counts for at least MIN_CHARGE seconds at once, so that a user with an
 * empty past does not get the whole machine in one go.
 *
 * When the first in turn does not fit, smaller ones may go ahead as long as they do not
 * delay it (EASY): if the time limits of what runs say when it will start, those that end
 * before, or that take only what it will leave free then. If they do not say, it loses
 * its patience after `patience` seconds: from then on what overtakes may, all together,
 * only take what it leaves of the whole machine.
 *
 * The cost of a pass depends on what it starts and on MAX_BACKFILL, not on how many wait.
 * Under the scheduler's lock, no I/O of its own.
 */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/util.h"
#include "scheduler/local/local.h"

#define MIN_CHARGE   30.0
#define MAX_BACKFILL 500

/* ---- fair turns ---- */

static void decay(peri_local_t *l, double now)
{
    double factor = exp2(-(now - l->decayed) / l->half_life);
    if (factor > 0.9999) return;
    for (peri_user_t *u = l->users; u; u = u->next) u->usage *= factor;
    l->decayed = now;
}

static double charge(const peri_run_t *r, double now)
{
    double seconds = now - r->since;
    return (seconds > MIN_CHARGE ? seconds : MIN_CHARGE) * r->task->sub->cores;
}

void peri_local_queue_keys(peri_local_t *l, double now)
{
    decay(l, now);
    for (peri_user_t *u = l->users; u; u = u->next) u->key = u->usage;
    for (size_t i = 0; i < l->nruns; i++)
        l->runs[i]->task->sub->user->key += charge(l->runs[i], now);
}

void peri_local_queue_charge(peri_local_t *l, const peri_run_t *r)
{
    const double now = peri_now();
    decay(l, now);
    r->task->sub->user->usage += (now - r->since) * r->task->sub->cores;
}

bool peri_local_queue_before(const peri_sub_t *a, const peri_sub_t *b)
{
    if (a->priority != b->priority) return a->priority > b->priority;
    if (a->user != b->user && a->user->key != b->user->key)
        return a->user->key < b->user->key;
    return a->seq < b->seq;
}

static peri_lane_t *best_lane(const peri_local_t *l)
{
    peri_lane_t *best = NULL;
    for (size_t i = 0; i < l->nlanes; i++) {
        peri_lane_t *lane = l->lanes[i];
        if (lane->cursor &&
            (!best || peri_local_queue_before(lane->cursor, best->cursor)))
            best = lane;
    }
    return best;
}

/* ---- who fits ---- */

bool peri_local_queue_throttled(const peri_sub_t *s)
{
    return s->throttle > 0 && s->nrunning >= (size_t)s->throttle;
}

static bool fits(const peri_local_t *l, const peri_sub_t *s)
{
    return s->cores <= l->free_cores && (int64_t)s->memory <= l->free_memory &&
           l->nruns < l->max_tasks;
}

typedef struct {
    int64_t at, cores, memory;
} release_t;

static int by_time(const void *a, const void *b)
{
    const release_t *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

int64_t peri_local_queue_expect(const peri_local_t *l, const peri_sub_t *s,
                                int64_t *spare_cores, int64_t *spare_memory)
{
    const int64_t now = time(NULL);
    int64_t cores = l->free_cores, memory = l->free_memory, at = 0;
    release_t *r = peri_xcalloc(l->nruns + 1, sizeof(*r));
    size_t n = 0;
    for (size_t i = 0; i < l->nruns; i++) {
        const peri_task_t *t = l->runs[i]->task;
        if (t->sub->time_limit == 0) continue;
        int64_t end = t->started + t->sub->time_limit;
        r[n++] = (release_t){end > now ? end : now + 1, t->sub->cores,
                             (int64_t)t->sub->memory};
    }
    qsort(r, n, sizeof(*r), by_time);
    for (size_t i = 0; i < n; i++) {
        cores += r[i].cores;
        memory += r[i].memory;
        if (s->cores > cores || (int64_t)s->memory > memory) continue;
        at = r[i].at;
        break;
    }
    free(r);
    *spare_cores = cores - s->cores;
    *spare_memory = memory - (int64_t)s->memory;
    return at;
}

/* What those that overtake the first in turn may take. */
typedef struct {
    const peri_sub_t *head;
    int64_t start; /* of the head; 0: not known */
    int64_t cores, memory;
    bool free_for_all;
} window_t;

static void reserve(peri_local_t *l, peri_sub_t *head, double now, window_t *w)
{
    w->head = head;
    if (head->blocked == 0) head->blocked = now;
    w->start = peri_local_queue_expect(l, head, &w->cores, &w->memory);
    if (w->start) return;
    w->free_for_all = now - head->blocked < l->patience;
    w->cores = l->cores - head->cores;
    w->memory = l->memory - (int64_t)head->memory;
    for (size_t i = 0; i < l->nruns; i++) {
        if (l->runs[i]->overtook != head->seq) continue;
        w->cores -= l->runs[i]->task->sub->cores;
        w->memory -= (int64_t)l->runs[i]->task->sub->memory;
    }
}

static bool may_overtake(window_t *w, const peri_sub_t *s)
{
    if (!w->head || w->free_for_all) return true;
    if (w->start && s->time_limit && time(NULL) + s->time_limit <= w->start) return true;
    if (s->cores > w->cores || (int64_t)s->memory > w->memory) return false;
    w->cores -= s->cores;
    w->memory -= (int64_t)s->memory;
    return true;
}

/* ---- a pass ---- */

static peri_task_t *next_task(peri_sub_t *s)
{
    while (s->tasks[s->first_pending].state != PERI_SCHED_PENDING) s->first_pending++;
    return &s->tasks[s->first_pending];
}

/* Say so when the reason why it waits has become another one. */
static void note_reason(peri_local_t *l, peri_sub_t *s, bool first, bool throttled)
{
    if (first != s->first || throttled != s->throttled) peri_local_rest_news(l, s);
    s->first = first;
    s->throttled = throttled;
}

/* 1: it has begun a task; 0: it waits; -1: nothing can be started now. */
static int consider(peri_local_t *l, peri_sub_t *s, double now, window_t *w)
{
    bool throttled = peri_local_queue_throttled(s);
    if (!throttled && fits(l, s) && may_overtake(w, s)) {
        peri_user_t *user = s->user;
        double cost = MIN_CHARGE * s->cores;
        bool bound = w->head && !w->free_for_all;
        if (peri_local_run_begin(l, next_task(s), bound ? w->head->seq : 0)) return -1;
        user->key += cost;
        return 1;
    }
    bool first = !throttled && !w->head;
    if (first) {
        if (l->head && l->head != s) note_reason(l, l->head, false, l->head->throttled);
        l->head = s;
        reserve(l, s, now, w);
    }
    note_reason(l, s, first, throttled);
    return 0;
}

void peri_local_queue_pass(peri_local_t *l)
{
    const double now = peri_now();
    window_t w = {0};
    peri_lane_t *lane;
    if (l->nlanes == 0 || now < l->pause_until) return;
    peri_local_queue_keys(l, now);
    for (size_t i = 0; i < l->nlanes; i++) l->lanes[i]->cursor = l->lanes[i]->first;
    for (int passed = 0; passed < MAX_BACKFILL && (lane = best_lane(l));) {
        peri_sub_t *s = lane->cursor;
        bool full = l->free_cores <= 0 || l->nruns >= l->max_tasks;
        if (full && w.head) break;
        /* What has begun may have been its last one: it is in no lane then, and the
         * cursor has moved on. */
        int begun = consider(l, s, now, &w);
        if (begun < 0) break;
        if (begun) continue;
        lane->cursor = s->next;
        /* At most as many are throttled as tasks run. */
        passed += !s->throttled;
    }
}
