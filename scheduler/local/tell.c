/* tell.c - what _poll says: states of tasks, and in plain words why the others wait.
 *
 * The answer is copied, so that the caller's function is called without the scheduler's
 * lock. Where somebody is in the queue is only worked out when somebody asks; a change of
 * place is no news. Under the lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "scheduler/local/local.h"

/* Tasks of others before one's own, by submission. */
typedef struct {
    peri_sub_t *sub;
    uint64_t before, more_important;
} place_t;

static int by_turn(const void *a, const void *b)
{
    const place_t *x = a, *y = b;
    if (x->sub == y->sub) return 0;
    return peri_local_queue_before(x->sub, y->sub) ? -1 : 1;
}

static int by_address(const void *a, const void *b)
{
    const place_t *x = a, *y = b;
    return (x->sub > y->sub) - (x->sub < y->sub);
}

/* All that wait, sorted by address for find_place; NULL if none does. */
static place_t *places(peri_local_t *l, size_t *n)
{
    size_t count = 0;
    for (size_t i = 0; i < l->nlanes; i++)
        for (peri_sub_t *s = l->lanes[i]->first; s; s = s->next) count++;
    *n = count;
    if (!count) return NULL;
    place_t *p = peri_xcalloc(count, sizeof(*p));
    count = 0;
    for (size_t i = 0; i < l->nlanes; i++)
        for (peri_sub_t *s = l->lanes[i]->first; s; s = s->next) p[count++].sub = s;
    peri_local_queue_keys(l, peri_now());
    qsort(p, count, sizeof(*p), by_turn);
    uint64_t before = 0, important = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && p[i].sub->priority != p[i - 1].sub->priority) important = before;
        p[i].before = before;
        p[i].more_important = important;
        /* Those that are held back by their own throttle are in nobody's way. */
        if (!peri_local_queue_throttled(p[i].sub)) before += p[i].sub->npending;
    }
    qsort(p, count, sizeof(*p), by_address);
    return p;
}

static const place_t *find_place(const place_t *p, size_t n, peri_sub_t *s)
{
    place_t key = {.sub = s};
    return p ? bsearch(&key, p, n, sizeof(*p), by_address) : NULL;
}

/* ---- in words ---- */

static const char *why_not_now(const peri_local_t *l, const peri_sub_t *s,
                               peri_arena_t *a)
{
    char want[16], have[16], all[16];
    int64_t cores = l->free_cores > 0 ? l->free_cores : 0;
    int64_t memory = l->free_memory > 0 ? l->free_memory : 0;
    if (l->pause_why[0]) return peri_arena_strdup(a, l->pause_why);
    if (s->cores > cores)
        return peri_arena_printf(a, "waits for %u core%s; %lld of %lld %s free", s->cores,
                                 s->cores == 1 ? "" : "s", (long long)cores,
                                 (long long)l->cores, cores == 1 ? "is" : "are");
    if ((int64_t)s->memory > memory)
        return peri_arena_printf(a, "waits for %s of memory; %s of %s are free",
                                 peri_human_bytes(s->memory, want),
                                 peri_human_bytes((uint64_t)memory, have),
                                 peri_human_bytes((uint64_t)l->memory, all));
    if (l->nruns >= l->max_tasks)
        return peri_arena_printf(
            a, "waits for another task to end: %zu run, as many as may", l->nruns);
    return "is about to start";
}

static const char *why_pending(const peri_local_t *l, const peri_sub_t *s,
                               const place_t *p, peri_arena_t *a)
{
    if (peri_local_queue_throttled(s))
        return peri_arena_printf(
            a, "waits for its turn: %zu of its array run, as many as may (%%%d)",
            s->nrunning, s->throttle);
    if (!p || p->before == 0) return why_not_now(l, s, a);
    char n[32], m[32];
    const char *plural = p->before == 1 ? "" : "s";
    peri_human_count(p->before, n);
    if (p->more_important == p->before)
        return peri_arena_printf(a, "behind %s task%s of higher priority", n, plural);
    if (p->more_important == 0)
        return peri_arena_printf(a, "behind %s task%s", n, plural);
    return peri_arena_printf(a, "behind %s task%s, %s of higher priority", n, plural,
                             peri_human_count(p->more_important, m));
}

static const char *why_ended(const peri_task_t *t)
{
    if (t->why) return t->why;
    switch (t->end) {
    case PERI_END_CANCELLED:
        return "cancelled";
    case PERI_END_BOOT:
        return "the machine was started anew while it ran";
    case PERI_END_KILLED:
        return "perigee-launch was killed";
    case PERI_END_UNKNOWN:
        return "it ended while nobody watched";
    default:
        return "";
    }
}

/* ---- the list ---- */

static peri_schedtask_t *add(peri_told_t *told, const peri_sub_t *s)
{
    if (told->ntasks == told->cap) {
        told->cap = told->cap ? told->cap * 2 : 64;
        told->tasks = peri_xrealloc(told->tasks, told->cap, sizeof(*told->tasks));
    }
    peri_schedtask_t *o = &told->tasks[told->ntasks++];
    *o = (peri_schedtask_t){
        .index = PERI_SCHED_NO_INDEX, .raw = "", .why = "", .nodes = ""};
    o->name = peri_arena_strdup(told->arena, s->name);
    o->id = peri_arena_printf(told->arena, "%llu", (unsigned long long)s->seq);
    return o;
}

static void tell_task(const peri_task_t *t, const char *node, peri_told_t *told)
{
    static const char *const names[] = {"pending", "running", "ended"};
    peri_schedtask_t *o = add(told, t->sub);
    o->index = t->index;
    o->state = (peri_schedstate_t)t->state;
    o->raw = names[t->state];
    o->restarts = t->restarts;
    o->started = t->started;
    if (t->started) o->nodes = node;
    if (t->state != PERI_SCHED_ENDED) return;
    o->end = (peri_schedend_t)t->end;
    o->exit_code = t->exit_code;
    o->signal = t->sig;
    o->ended = t->ended;
    o->why = peri_arena_strdup(told->arena, why_ended(t));
}

static void tell_rest(const peri_local_t *l, const peri_sub_t *s, const place_t *p,
                      peri_told_t *told)
{
    int64_t cores, memory;
    peri_schedtask_t *o = add(told, s);
    o->array_rest = s->array;
    o->state = PERI_SCHED_PENDING;
    o->raw = "pending";
    o->why = why_pending(l, s, p, told->arena);
    if (p && p->before == 0 && !peri_local_queue_throttled(s))
        o->expected = peri_local_queue_expect(l, s, &cores, &memory);
    if (!s->array) o->restarts = s->tasks[0].restarts;
}

void peri_local_tell(peri_local_t *l, bool all, peri_told_t *told)
{
    char host[256] = "";
    place_t *p = NULL;
    size_t n = 0;
    bool waits = all;
    gethostname(host, sizeof(host) - 1);
    const char *node = peri_arena_strdup(told->arena, host);
    for (size_t i = 0; i < l->nnews; i++) {
        peri_news_t *w = &l->news[i];
        *(w->task ? &w->task->dirty : &w->sub->dirty) = false;
        /* A task that is pending again is told with the rest. */
        if (!w->task || w->task->state == PERI_SCHED_PENDING) waits = true;
    }
    if (waits) p = places(l, &n);
    for (size_t i = 0; i < l->nnews && !all; i++) {
        const peri_news_t *w = &l->news[i];
        if (w->task && w->task->state != PERI_SCHED_PENDING)
            tell_task(w->task, node, told);
        else if (w->sub->npending)
            tell_rest(l, w->sub, find_place(p, n, w->sub), told);
    }
    for (size_t b = 0; b < l->nbuckets && all; b++)
        for (peri_sub_t *s = l->seqs[b]; s; s = s->by_seq) {
            if (s->forgotten) continue;
            for (size_t i = 0; i < s->ntasks; i++)
                if (s->tasks[i].state != PERI_SCHED_PENDING)
                    tell_task(&s->tasks[i], node, told);
            if (s->npending) tell_rest(l, s, find_place(p, n, s), told);
        }
    l->nnews = 0;
    free(p);
}
