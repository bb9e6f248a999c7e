/* fuzz_job_spec.c - any bytes as a job's spec. What is taken can be planned, and what is
 * stored of it is the same job again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/spec/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plan(const peri_spec_t *spec, const peri_step_t *step)
{
    static const char *const nodes[] = {"n1", "n2", "n3"};
    static const peri_schedcaps_t caps = {
        .name = "slurm", .nodes = 4, .time_limit = 86400, .multi_node = true};
    const peri_places_t places = {nodes, 3, step->restartable};
    const int32_t index = step->tasks ? step->tasks[step->ntasks - 1].index : 0;
    const peri_planin_t in = {.uuid = "6f0c1122-3344-4566-8788-99aabbccddee",
                              .spec = spec,
                              .step = step,
                              .attempt = 2,
                              .spool = "/spool",
                              .bin = "/bin",
                              .user = "ana",
                              .indexes = &index,
                              .nindexes = 1,
                              .places = &places,
                              .caps = &caps};
    peri_arena_t *arena = peri_arena_new();
    peri_launch_t launch;
    peri_schedreq_t request;
    peri_err_t err = {0};
    if (peri_plan_make(&in, arena, &launch, &request, &err)) abort();
    if (!launch.argv && !launch.script) abort();
    if (request.ranks < request.nodes) abort();
    peri_arena_free(arena);
}

static void check_again(const peri_spec_t *s)
{
    peri_err_t err = {0};
    char *text = json_dumps(s->json, JSON_COMPACT);
    peri_spec_t *t = text ? peri_spec_parse(text, strlen(text), NULL, &err) : NULL;
    if (!t || t->ntasks != s->ntasks || t->nsteps != s->nsteps ||
        strcmp(t->name, s->name))
        abort();
    peri_spec_free(t);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const peri_schedcaps_t caps = {.name = "local", .nodes = 1, .cores_node = 4};
    peri_err_t err = {0};
    peri_spec_t *s = peri_spec_parse((const char *)data, size, "/home/ana", &err);
    if (!s) {
        if (err.code == PERI_OK || !*err.text) abort();
        return 0;
    }
    peri_spec_check(s, &caps, &err);
    for (size_t i = 0; i < s->nsteps; i++) check_plan(s, &s->steps[i]);
    json_decref(peri_plan_json(s));
    check_again(s);
    peri_spec_free(s);
    return 0;
}
