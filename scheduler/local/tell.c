/* tell.c - what _poll says: states of tasks, and in plain words why the others wait.
 *
 * The answer is copied, so that the caller's function is called without the scheduler's
 * lock. Where somebody is in the queue is only worked out when somebody asks, and a
 * change of place is no news: with 10,000 that wait, one more costs no more. Among users
 * of one priority the place is an estimate, as turns change with what they use. Under the
 * lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "scheduler/local/local.h"

/* ---- places ---- */

/* Tasks before a submission: in all, and of higher priority. */
typedef struct {
    uint64_t all, important;
} before_t;

/* Tasks of its own lane: from whichever end is nearer. */
static uint64_t ahead_in_lane(const peri_sub_t *s)
{
    uint64_t front = 0, back = s->npending;
    const peri_sub_t *p = s->prev, *n = s->next;
    while (p && n) {
        front += p->npending;
        back += n->npending;
        p = p->prev;
        n = n->next;
    }
    return p ? s->lane->npending - back : front;
}

static before_t before(const peri_local_t *l, const peri_sub_t *s, uint64_t ahead)
{
    before_t b = {ahead, 0};
    for (size_t i = 0; i < l->nlanes; i++) {
        const peri_lane_t *lane = l->lanes[i];
        if (lane->priority > s->priority)
            b.important += lane->npending;
        else if (lane != s->lane && peri_local_queue_before(lane->first, s))
            b.all += lane->npending;
    }
    b.all += b.important;
    return b;
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

static const char *why_pending(const peri_local_t *l, const peri_sub_t *s, before_t b,
                               peri_arena_t *a)
{
    if (peri_local_queue_throttled(s))
        return peri_arena_printf(
            a, "waits for its turn: %zu of its array run, as many as may (%%%d)",
            s->nrunning, s->throttle);
    if (s->first || b.all == 0) return why_not_now(l, s, a);
    char n[32], m[32];
    const char *plural = b.all == 1 ? "" : "s";
    peri_human_count(b.all, n);
    if (b.important == b.all)
        return peri_arena_printf(a, "behind %s task%s of higher priority", n, plural);
    if (b.important == 0) return peri_arena_printf(a, "behind %s task%s", n, plural);
    return peri_arena_printf(a, "behind %s task%s, %s of higher priority", n, plural,
                             peri_human_count(b.important, m));
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

static void tell_rest(const peri_local_t *l, const peri_sub_t *s, uint64_t ahead,
                      peri_told_t *told)
{
    int64_t cores, memory;
    const before_t b = before(l, s, ahead);
    peri_schedtask_t *o = add(told, s);
    o->array_rest = s->array;
    o->state = PERI_SCHED_PENDING;
    o->raw = "pending";
    o->why = why_pending(l, s, b, told->arena);
    if ((s->first || b.all == 0) && !peri_local_queue_throttled(s))
        o->expected = peri_local_queue_expect(l, s, &cores, &memory);
    if (!s->array) o->restarts = s->tasks[0].restarts;
}

static void tell_news(const peri_local_t *l, const char *node, peri_told_t *told)
{
    for (size_t i = 0; i < l->nnews; i++) {
        const peri_news_t *w = &l->news[i];
        /* A task that is pending again is told with the rest. */
        if (w->task && w->task->state != PERI_SCHED_PENDING)
            tell_task(w->task, node, told);
        else if (w->sub->lane)
            tell_rest(l, w->sub, ahead_in_lane(w->sub), told);
    }
}

static void tell_all(const peri_local_t *l, const char *node, peri_told_t *told)
{
    for (size_t b = 0; b < l->nbuckets; b++)
        for (const peri_sub_t *s = l->seqs[b]; s; s = s->by_seq)
            for (size_t i = 0; i < s->ntasks && !s->forgotten; i++)
                if (s->tasks[i].state != PERI_SCHED_PENDING)
                    tell_task(&s->tasks[i], node, told);
    for (size_t i = 0; i < l->nlanes; i++) {
        uint64_t ahead = 0;
        for (const peri_sub_t *s = l->lanes[i]->first; s; s = s->next) {
            if (!s->forgotten) tell_rest(l, s, ahead, told);
            ahead += s->npending;
        }
    }
}

void peri_local_tell(peri_local_t *l, bool all, peri_told_t *told)
{
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    const char *node = peri_arena_strdup(told->arena, host);
    peri_local_queue_keys(l, peri_now());
    if (all)
        tell_all(l, node, told);
    else
        tell_news(l, node, told);
    for (size_t i = 0; i < l->nnews; i++)
        *(l->news[i].task ? &l->news[i].task->dirty : &l->news[i].sub->dirty) = false;
    l->nnews = 0;
}
