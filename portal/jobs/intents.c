/* intents.c - tasks whose turn has come: their intent, in submissions no larger than
 * their scheduler takes.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "portal/jobs/manager.h"

#define READY_EVERY   30.0 /* seconds; news come by being woken */
#define DEFAULT_ARRAY 1000

typedef struct ready {
    peri_readyrow_t row;
    struct ready *next;
} ready_t;

typedef struct {
    peri_arena_t *arena;
    ready_t *first, **last;
} readylist_t;

static int on_ready(const peri_readyrow_t *row, void *arg)
{
    readylist_t *l = arg;
    ready_t *r = peri_arena_alloc(l->arena, sizeof(*r));
    r->row = *row;
    r->row.uuid = peri_arena_strdup(l->arena, row->uuid);
    r->row.step = peri_arena_strdup(l->arena, row->step);
    r->row.text = peri_arena_strdup(l->arena, row->text);
    int32_t *indexes = peri_arena_calloc(l->arena, row->nindexes + 1, sizeof(*indexes));
    memcpy(indexes, row->indexes, row->nindexes * sizeof(*indexes));
    r->row.indexes = indexes;
    const char **ids = peri_arena_calloc(l->arena, row->nids + 1, sizeof(*ids));
    bool *even = peri_arena_calloc(l->arena, row->nids + 1, sizeof(*even));
    for (size_t i = 0; i < row->nids; i++) {
        ids[i] = peri_arena_strdup(l->arena, row->ids[i]);
        even[i] = row->even_failed[i];
    }
    r->row.ids = ids;
    r->row.even_failed = even;
    *l->last = r;
    l->last = &r->next;
    return 0;
}

/* One submission takes no more tasks than the scheduler does: so many from `at` on. */
static size_t fitting(const peri_readyrow_t *r, size_t at, const peri_schedcaps_t *caps)
{
    const size_t most = caps && caps->array_tasks ? caps->array_tasks : DEFAULT_ARRAY;
    const uint32_t span = caps && caps->array_span ? caps->array_span : UINT32_MAX;
    size_t n = 1;
    while (at + n < r->nindexes && n < most &&
           (uint32_t)(r->indexes[at + n] - r->indexes[at]) <= span)
        n++;
    return n;
}

static int store_intent(peri_manager_t *m, const peri_readyrow_t *r,
                        const char *scheduler, const peri_schedcaps_t *caps,
                        peri_err_t *err)
{
    json_t *context = json_pack("{s:s, s:[]}", "scheduler", scheduler, "after");
    for (size_t i = 0; i < r->nids; i++)
        json_array_append_new(json_object_get(context, "after"),
                              json_pack("[s,b]", r->ids[i], r->even_failed[i]));
    int rc = 0, attempt = r->next_attempt;
    size_t end = r->one ? fitting(r, 0, caps) : r->nindexes;
    for (size_t at = 0, n; at < end && rc == 0; at += n, attempt++) {
        n = fitting(r, at, caps);
        const peri_event_t ev = {.job = r->uuid,
                                 .kind = PERI_EV_INTENT,
                                 .step = r->step,
                                 .attempt = attempt,
                                 .indexes = r->indexes + at,
                                 .nindexes = n,
                                 .context = context};
        peri_failpoint("intent-before");
        rc = peri_manager_append(m, &ev, NULL, err);
        peri_failpoint("intent-after");
    }
    json_decref(context);
    m->outbox_at = 0;
    return rc;
}

static int store_impossible(peri_manager_t *m, const peri_readyrow_t *r, peri_err_t *err)
{
    const peri_event_t ev = {.job = r->uuid,
                             .kind = PERI_EV_ENDED,
                             .step = r->step,
                             .indexes = r->indexes,
                             .nindexes = r->nindexes,
                             .final = PERI_TASK_FAILED,
                             .why = PERI_WHY_DEPENDENCY,
                             .text = r->text};
    m->ready_at = 0; /* others may wait for this one */
    return peri_manager_append(m, &ev, NULL, err);
}

int peri_manager_intents(peri_manager_t *m, peri_err_t *err)
{
    peri_portal_t *p = m->portal;
    int rc = 0;
    m->ready_at = peri_now() + READY_EVERY;
    for (size_t i = 0; i < p->nbackends && rc == 0; i++) {
        const char *name = p->backends[i].conf->name;
        const peri_schedcaps_t *caps =
            p->backends[i].sched ? peri_manager_caps(m, i) : NULL;
        readylist_t list = {.arena = peri_arena_new()};
        list.last = &list.first;
        const bool chained =
            caps && caps->dependencies && peri_now() >= m->back[i].chain_at;
        rc = peri_store_ready(m->db, name, chained, on_ready, &list, err);
        for (ready_t *r = list.first; r && rc == 0; r = r->next)
            rc = r->row.impossible ? store_impossible(m, &r->row, err)
                                   : store_intent(m, &r->row, name, caps, err);
        peri_arena_free(list.arena);
    }
    return rc;
}
