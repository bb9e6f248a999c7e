/* spec_check.c - could this job ever run on that scheduler? What is impossible is said
 * beside what is possible. Limits that the scheduler does not know are not checked.
 */
#include <stdio.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

static int refuse(const peri_step_t *step, const char *key, peri_err_t *err,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static int refuse(const peri_step_t *step, const char *key, peri_err_t *err,
                  const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return peri_err_set(err, PERI_EINVAL, "at %s/resources/%s: %s", step->at, key, text);
}

static const char *span(uint32_t seconds, char out[32])
{
    uint32_t d = seconds / 86400, h = seconds / 3600 % 24, m = seconds / 60 % 60,
             s = seconds % 60;
    if (d)
        snprintf(out, 32, "%u-%02u:%02u:%02u", d, h, m, s);
    else
        snprintf(out, 32, "%02u:%02u:%02u", h, m, s);
    return out;
}

static int check_cores(const peri_step_t *step, const peri_schedcaps_t *c,
                       peri_err_t *err)
{
    const peri_resources_t *r = &step->resources;
    const uint64_t each = (r->ranks + r->nodes - 1) / r->nodes;
    const uint64_t cores = (uint64_t)r->ranks * r->cpus;
    if (c->cores_node && r->cpus > c->cores_node)
        return refuse(step, "threads", err,
                      "%u cores for each rank are asked for, but the largest node of %s "
                      "has %u",
                      r->cpus, c->name, c->cores_node);
    if (c->cores_node && each * r->cpus > c->cores_node)
        return refuse(step, "ranks", err,
                      "%u ranks of %u cores on %u %s need %llu cores on a node, but the "
                      "largest node of %s has %u",
                      r->ranks, r->cpus, r->nodes, r->nodes == 1 ? "node" : "nodes",
                      (unsigned long long)(each * r->cpus), c->name, c->cores_node);
    if (c->cores && cores > c->cores)
        return refuse(step, "ranks", err,
                      "%llu cores are asked for (%u ranks of %u), but %s has %u",
                      (unsigned long long)cores, r->ranks, r->cpus, c->name, c->cores);
    return 0;
}

static int check_step(const peri_step_t *step, const peri_schedcaps_t *c, peri_err_t *err)
{
    const peri_resources_t *r = &step->resources;
    char a[32], b[32];
    if (r->nodes > 1 && !c->multi_node)
        return refuse(step, "nodes", err,
                      "%u nodes are asked for, but %s runs a job on one machine",
                      r->nodes, c->name);
    if (c->nodes && r->nodes > c->nodes)
        return refuse(step, "nodes", err, "%u nodes are asked for, but %s has %u",
                      r->nodes, c->name, c->nodes);
    if (c->memory_node && r->memory > c->memory_node)
        return refuse(step, "memory", err,
                      "%s a node are asked for, but the largest node of %s has %s",
                      peri_human_bytes(r->memory, a), c->name,
                      peri_human_bytes(c->memory_node, b));
    if (c->time_limit && r->time_limit > c->time_limit)
        return refuse(step, "time", err, "%s is asked for, but %s allows %s at most",
                      span(r->time_limit, a), c->name, span(c->time_limit, b));
    return check_cores(step, c, err);
}

int peri_spec_check(const peri_spec_t *s, const peri_schedcaps_t *caps, peri_err_t *err)
{
    for (size_t i = 0; i < s->nsteps; i++)
        if (check_step(&s->steps[i], caps, err)) return -1;
    return 0;
}
