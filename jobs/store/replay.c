/* replay.c - see replay.h. */
#include "jobs/store/replay.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TASKS 10000000

void peri_replay_init(peri_replay_t *p, peri_arena_t *arena)
{
    *p = (peri_replay_t){.arena = arena, .why = "", .sentence = ""};
}

static const char *text_of(peri_replay_t *p, const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? peri_arena_strdup(p->arena, s) : "";
}

const char *peri_replay_usage(peri_arena_t *arena, const json_t *usage)
{
    char *s =
        usage ? json_dumps(usage, JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    const char *kept = s ? peri_arena_strdup(arena, s) : "";
    free(s);
    return kept;
}

/* ---- the tasks that there are ---- */

/* "0-99,200": fills v if it is not NULL. The number of indexes, 0 if it is not that. */
static size_t read_ranges(const char *s, peri_rtask_t *v)
{
    size_t n = 0;
    while (*s) {
        char *end;
        long from = strtol(s, &end, 10), to = from;
        if (end == s) return 0;
        if (*end == '-') to = strtol(s = end + 1, &end, 10);
        if (end == s || from < 0 || to < from || to > INT32_MAX) return 0;
        if (*end != '\0' && *end != ',') return 0;
        if ((uint64_t)(to - from) >= MAX_TASKS - n) return 0;
        for (long i = from; i <= to; i++, n++)
            if (v) v[n] = (peri_rtask_t){.index = (int32_t)i};
        s = end + (*end == ',');
    }
    return n;
}

static int create(peri_replay_t *p, const peri_revent_t *e, peri_err_t *err)
{
    const json_t *steps = json_object_get(e->context, "steps");
    if (e->seq != 1)
        return peri_err_set(err, PERI_EINTERNAL, "it is made a second time by event %d",
                            e->seq);
    p->nsteps = json_array_size(steps);
    p->steps = peri_arena_calloc(p->arena, p->nsteps + 1, sizeof(*p->steps));
    for (size_t i = 0; i < p->nsteps; i++) {
        peri_rstep_t *s = &p->steps[i];
        const json_t *j = json_array_get(steps, i);
        const char *tasks = text_of(p, j, "tasks");
        s->name = text_of(p, j, "name");
        s->ntasks = read_ranges(tasks, NULL);
        s->tasks = peri_arena_calloc(p->arena, s->ntasks + 1, sizeof(*s->tasks));
        read_ranges(tasks, s->tasks);
        for (size_t k = 0; k < s->ntasks; k++)
            s->tasks[k].why = s->tasks[k].sentence = s->tasks[k].host =
                s->tasks[k].usage = "";
        if (s->ntasks == 0)
            return peri_err_set(err, PERI_EINTERNAL, "step \"%s\" has no tasks", s->name);
    }
    return 0;
}

peri_rtask_t *peri_replay_task(peri_replay_t *p, const char *step, int32_t index)
{
    size_t i = 0;
    while (i < p->nsteps && strcmp(p->steps[i].name, step) != 0) i++;
    if (i == p->nsteps) return NULL;
    size_t low = 0, high = p->steps[i].ntasks;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->steps[i].tasks[mid].index < index)
            low = mid + 1;
        else
            high = mid;
    }
    bool found = low < p->steps[i].ntasks && p->steps[i].tasks[low].index == index;
    return found ? &p->steps[i].tasks[low] : NULL;
}

void peri_replay_counts(const peri_replay_t *p, uint64_t count[PERI_TASK_NSTATES])
{
    memset(count, 0, PERI_TASK_NSTATES * sizeof(*count));
    for (size_t i = 0; i < p->nsteps; i++)
        for (size_t k = 0; k < p->steps[i].ntasks; k++)
            count[p->steps[i].tasks[k].state]++;
}

/* ---- events ---- */

static void end_task(peri_replay_t *p, const peri_revent_t *e, peri_rtask_t *t)
{
    t->why = text_of(p, e->context, "reason");
    t->sentence = peri_arena_strdup(p->arena, e->sentence);
    t->exit_code = (int)json_integer_value(json_object_get(e->context, "exit_code"));
    t->exit_signal = (int)json_integer_value(json_object_get(e->context, "signal"));
    t->ended = e->time;
    t->usage = peri_replay_usage(p->arena, json_object_get(e->context, "usage"));
}

static int apply_task(peri_replay_t *p, const peri_revent_t *e, int32_t index,
                      peri_taskstate_t final, peri_err_t *err)
{
    peri_rtask_t *t = e->step ? peri_replay_task(p, e->step, index) : NULL;
    peri_taskstate_t next;
    if (!t)
        return peri_err_set(
            err, PERI_EINTERNAL,
            "event %d is about task %d of step \"%s\", which does not exist", e->seq,
            (int)index, e->step ? e->step : "");
    int of = e->kind == PERI_EV_INTENT ? 0 : e->attempt;
    if (t->attempt != of || peri_task_step(t->state, e->kind, final, &next) != 1)
        return peri_err_set(err, PERI_EINTERNAL,
                            "event %d (%s of attempt %d) does not fit task %d of step "
                            "\"%s\", which is %s in attempt %d",
                            e->seq, peri_evkind_name(e->kind), e->attempt, (int)index,
                            e->step, peri_taskstate_name(t->state), t->attempt);
    t->state = next;
    if (e->kind == PERI_EV_INTENT) t->attempt = e->attempt;
    if (e->kind == PERI_EV_ENDED) end_task(p, e, t);
    if (e->kind == PERI_EV_STARTED) {
        t->started = e->time;
        t->host = text_of(p, e->context, "host");
    }
    if (e->kind == PERI_EV_REVOKED) {
        t->attempt = 0;
        const bool in_time =
            !strcmp(text_of(p, e->context, "reason"), peri_why_name(PERI_WHY_TIME));
        t->lost = in_time ? 1 : t->lost + 1;
        t->started = 0;
        t->host = "";
    }
    return 0;
}

static int apply_submission(peri_replay_t *p, const peri_revent_t *e, peri_err_t *err)
{
    size_t i = 0;
    while (i < p->nsubmissions && (p->submissions[i].attempt != e->attempt ||
                                   strcmp(p->submissions[i].step, e->step) != 0))
        i++;
    if ((i < p->nsubmissions) != (e->kind == PERI_EV_SUBMITTED))
        return peri_err_set(err, PERI_EINTERNAL,
                            "event %d (%s) is not the first or has none", e->seq,
                            peri_evkind_name(e->kind));
    if (i == p->capsubmissions) {
        size_t cap = p->capsubmissions ? 2 * p->capsubmissions : 8;
        peri_rsubmission_t *v = peri_arena_calloc(p->arena, cap, sizeof(*v));
        if (i) memcpy(v, p->submissions, i * sizeof(*v));
        p->submissions = v;
        p->capsubmissions = cap;
    }
    if (e->kind == PERI_EV_INTENT)
        p->submissions[p->nsubmissions++] =
            (peri_rsubmission_t){.step = peri_arena_strdup(p->arena, e->step),
                                 .attempt = e->attempt,
                                 .id = ""};
    else
        p->submissions[i].id = text_of(p, e->context, "id");
    return 0;
}

int peri_replay_apply(peri_replay_t *p, const peri_revent_t *e, peri_err_t *err)
{
    uint64_t before[PERI_TASK_NSTATES];
    peri_taskstate_t final = PERI_TASK_WAITING;
    if (e->seq != p->seq + 1)
        return peri_err_set(err, PERI_EINTERNAL, "event %d follows event %d", e->seq,
                            p->seq);
    p->seq = e->seq;
    if (e->kind == PERI_EV_CREATED) return create(p, e, err);
    if (e->seq == 1)
        return peri_err_set(err, PERI_EINTERNAL, "its first event is \"%s\"",
                            peri_evkind_name(e->kind));
    if (e->kind == PERI_EV_CANCEL) p->cancel = true;
    if (e->kind == PERI_EV_CANCEL || e->kind == PERI_EV_NOTE) return 0;
    if (e->kind == PERI_EV_ENDED) {
        peri_replay_counts(p, before);
        peri_taskstate_parse(json_string_value(json_object_get(e->context, "state")),
                             &final);
    }
    for (size_t i = 0; i < e->nindexes; i++)
        if (apply_task(p, e, e->indexes[i], final, err)) return -1;
    if ((e->kind == PERI_EV_INTENT || e->kind == PERI_EV_SUBMITTED) &&
        apply_submission(p, e, err))
        return -1;
    if (e->kind == PERI_EV_STARTED && p->started == 0) p->started = e->time;
    if (e->kind == PERI_EV_ENDED && !before[PERI_TASK_FAILED] &&
        (final == PERI_TASK_FAILED ||
         (final == PERI_TASK_CANCELLED && !before[PERI_TASK_CANCELLED]))) {
        p->why = text_of(p, e->context, "reason");
        p->sentence = peri_arena_strdup(p->arena, e->sentence);
    }
    return 0;
}
