/* plan.c - see plan.h: one submission of a step as perigee-launch and the scheduler get
 * it.
 *
 * Nothing here looks at files or asks a scheduler: the same input gives the same plan, so
 * that a submission that is planned again after a crash is the same submission.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"
#include "jobs/task/folder.h"

/* The scheduler's limit is later than perigee-launch's, whose record says more. */
#define TIME_SPARE 60

/* ---- the data ---- */

peri_stepdata_t peri_plan_data(const peri_step_t *step, peri_arena_t *arena)
{
    const json_t *list = json_object_get(step->json, "data");
    const char *own = step->kind->data ? step->kind->data(step) : NULL;
    size_t most = json_array_size(list) + 1, n = 0;
    const char **names = peri_arena_calloc(arena, most, sizeof(*names));
    if (own) names[n++] = own;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (own && !strcmp(s, own)) continue;
        names[n++] = s;
    }
    peri_words_t texts = {0};
    if (step->kind->texts) texts = step->kind->texts(step, arena);
    return (peri_stepdata_t){names, n, texts.v, texts.n};
}

/* More nodes where the data is on more nodes, and a rank on each. */
static int shape(const peri_planin_t *in, peri_resources_t *r, peri_err_t *err)
{
    const peri_places_t *p = in->places;
    *r = in->step->resources;
    if (p && p->hard && p->nnodes > r->nodes) {
        const peri_schedcaps_t *c = in->caps;
        if (c && (c->multi_node ? c->nodes && p->nnodes > c->nodes : p->nnodes > 1))
            return peri_err_set(err, PERI_EINVAL,
                                "the data of the step \"%s\" is on %zu nodes (%s, %s, "
                                "...), but %s can give a job %u",
                                in->step->name, p->nnodes, p->nodes[0], p->nodes[1],
                                c->name, c->multi_node ? c->nodes : 1);
        r->nodes = (uint32_t)p->nnodes;
    }
    if (r->ranks < r->nodes) r->ranks = r->nodes;
    if (r->nodes > 1 && in->step->kind->spread) in->step->kind->spread(r);
    return 0;
}

/* ---- what perigee-launch gets ---- */

static const peri_env_t *environment(const peri_planin_t *in, peri_arena_t *arena,
                                     size_t *n)
{
    const peri_step_t *step = in->step;
    /* In a sandbox perigee-launch knows who she is. */
    const char *home = in->sandbox ? NULL : in->home,
               *user = in->sandbox ? NULL : in->user;
    const peri_env_t ours[] = {{"HOME", home},
                               {"USER", user},
                               {"LOGNAME", user},
                               {"PERIGEE_STATE", in->state},
                               {"PERIGEE_DATASETS", in->datasets},
                               {"PERIGEE_KERNELS", in->kernels},
                               {PERI_SCHEMAS_ENV, in->schemas}};
    const size_t nours = sizeof(ours) / sizeof(*ours);
    peri_env_t *env = peri_arena_calloc(arena, nours + step->nenv, sizeof(*env));
    *n = 0;
    for (size_t i = 0; i < nours; i++) {
        bool replaced = !ours[i].value;
        for (size_t j = 0; j < step->nenv; j++)
            replaced |= !strcmp(step->env[j].name, ours[i].name);
        if (!replaced) env[(*n)++] = ours[i];
    }
    for (size_t i = 0; i < step->nenv; i++) env[(*n)++] = step->env[i];
    return env;
}

static int by_index(const void *key, const void *task)
{
    int32_t a = *(const int32_t *)key, b = ((const peri_launchtask_t *)task)->index;
    return a < b ? -1 : a > b;
}

/* The parameters of the tasks of this submission. */
static int pick_tasks(const peri_planin_t *in, peri_arena_t *arena, peri_launch_t *out,
                      peri_err_t *err)
{
    const peri_step_t *step = in->step;
    if (in->nindexes == 0)
        return peri_err_set(err, PERI_EINVAL,
                            "a submission of the step \"%s\" has no task", step->name);
    peri_launchtask_t *tasks = peri_arena_calloc(arena, in->nindexes, sizeof(*tasks));
    for (size_t i = 0; i < in->nindexes; i++) {
        const peri_launchtask_t *t =
            step->tasks ? bsearch(&in->indexes[i], step->tasks, step->ntasks,
                                  sizeof(*step->tasks), by_index)
                        : NULL;
        if (step->tasks ? !t : in->nindexes != 1 || in->indexes[i] != 0)
            return peri_err_set(err, PERI_EINVAL, "the step \"%s\" has no task %d",
                                step->name, in->indexes[i]);
        if (t) tasks[i] = *t;
    }
    if (!step->nparams) return 0;
    out->tasks = tasks;
    out->ntasks = in->nindexes;
    return 0;
}

static int make_launch(const peri_planin_t *in, const peri_resources_t *r,
                       peri_arena_t *arena, peri_launch_t *out, peri_err_t *err)
{
    const peri_step_t *step = in->step;
    char *results = peri_folder_results(in->spool, in->uuid);
    *out = (peri_launch_t){.uuid = in->uuid,
                           .step = step->name,
                           .attempt = in->attempt,
                           .is_array = step->tasks != NULL,
                           .dir = step->dir ? step->dir : in->dir,
                           .sandbox = in->sandbox,
                           .results = peri_arena_strdup(arena, results),
                           .nodes = r->nodes,
                           .ranks = r->ranks,
                           .cpus = r->cpus,
                           .memory = r->memory,
                           .time_limit = r->time_limit,
                           .warn_signal = r->warn_signal,
                           .warn_seconds = r->warn_seconds};
    free(results);
    out->env = environment(in, arena, &out->nenv);
    const peri_kindplan_t how = {
        .bin = in->bin, .results = out->results, .attempt = in->attempt, .resources = r};
    step->kind->words(step, &how, arena, out);
    return pick_tasks(in, arena, out, err);
}

/* ---- what the scheduler gets ---- */

static void put_places(const peri_places_t *p, peri_schedreq_t *out)
{
    if (!p || p->nnodes == 0) return;
    if (p->hard) {
        out->nodes_hard = p->nodes;
        out->nnodes_hard = p->nnodes;
    } else {
        out->nodes_soft = p->nodes;
        out->nnodes_soft = p->nnodes;
    }
}

/* perigee-launch ends the program in time; the scheduler's limit is only behind it. */
static void put_times(const peri_resources_t *r, const peri_schedcaps_t *caps,
                      peri_schedreq_t *out)
{
    uint32_t spare = r->time_limit ? TIME_SPARE : 0;
    if (caps && caps->time_limit && r->time_limit + spare > caps->time_limit)
        spare = caps->time_limit > r->time_limit ? caps->time_limit - r->time_limit : 0;
    out->time_limit = r->time_limit + spare;
    out->warn_signal = r->warn_signal;
    out->warn_seconds = r->warn_signal ? r->warn_seconds + spare : 0;
}

static void make_request(const peri_planin_t *in, const peri_resources_t *r,
                         peri_arena_t *arena, peri_schedreq_t *out)
{
    const peri_step_t *step = in->step;
    char *folder = peri_folder_attempt(in->spool, in->uuid, step->name, in->attempt);
    const char **argv = peri_arena_calloc(arena, 2, sizeof(*argv));
    argv[0] = peri_arena_printf(arena, "%s/perigee-launch", in->bin);
    argv[1] = peri_arena_strdup(arena, folder);
    free(folder);
    *out = (peri_schedreq_t){
        .name = peri_arena_printf(arena, "perigee-%s-%s-%d", in->uuid, step->name,
                                  in->attempt),
        .comment = in->uuid,
        .folder = argv[1],
        .argv = argv,
        .argc = 2,
        .uid = in->uid,
        .gid = in->gid,
        .user = in->user,
        .nodes = r->nodes,
        .ranks = r->ranks,
        .cpus = r->cpus,
        .memory = r->memory,
        .requeue = step->restartable,
        .priority = in->spec->priority,
        .partition = r->partition,
        .account = r->account,
        .constraint = r->constraint,
        .after = in->after,
        .nafter = in->nafter,
    };
    if (step->tasks) {
        out->indexes = in->indexes;
        out->nindexes = in->nindexes;
        out->throttle = step->parallel;
    }
    put_places(in->places, out);
    put_times(r, in->caps, out);
}

int peri_plan_make(const peri_planin_t *in, peri_arena_t *arena, peri_launch_t *launch,
                   peri_schedreq_t *request, peri_err_t *err)
{
    peri_resources_t r;
    peri_launch_t l;
    if (shape(in, &r, err) || make_launch(in, &r, arena, &l, err)) return -1;
    *launch = l;
    make_request(in, &r, arena, request);
    return 0;
}
