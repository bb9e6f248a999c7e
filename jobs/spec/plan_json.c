/* plan_json.c - the plan of a job for people and for the API: what each step runs and
 * what is asked for it. Where the data is, is only known when a step is submitted.
 */
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

#define SCRIPT_LINES 400 /* bytes of a script that are shown */

static void put_text(json_t *o, const char *key, const char *s)
{
    if (s) json_object_set_new(o, key, json_string(s));
}

static void put_count(json_t *o, const char *key, uint64_t n)
{
    if (n) json_object_set_new(o, key, json_integer((json_int_t)n));
}

static json_t *after_json(const peri_step_t *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->nafter; i++) {
        const peri_specdep_t *d = &s->after[i];
        json_array_append_new(list, json_pack("{s:s, s:s}", d->step ? "step" : "job",
                                              d->step ? d->step : d->job, "when",
                                              d->even_failed ? "end" : "success"));
    }
    return list;
}

/* In an array with {name} and with {{ for a brace, as perigee-launch gets it. */
static void put_command(json_t *o, const peri_step_t *s, peri_arena_t *arena)
{
    peri_launch_t l = {0};
    const peri_kindplan_t how = {.results = "results", .resources = &s->resources};
    s->kind->words(s, &how, arena, &l);
    if (l.script) {
        size_t n = strlen(l.script);
        if (n > SCRIPT_LINES) {
            n = SCRIPT_LINES;
            while (n && ((unsigned char)l.script[n] & 0xc0) == 0x80) n--;
        }
        put_text(o, "script",
                 peri_arena_printf(arena, "%.*s%s", (int)n, l.script,
                                   l.script[n] ? "..." : ""));
    }
    json_t *list = json_array();
    for (size_t i = 0; i < l.argc; i++)
        json_array_append_new(list, json_string(l.argv[i]));
    json_object_set_new(o, l.script ? "args" : "command", list);
    if (l.mpi) json_object_set_new(o, "mpi", json_true());
}

static void put_resources(json_t *o, const peri_resources_t *r)
{
    put_count(o, "nodes", r->nodes);
    put_count(o, "ranks", r->ranks);
    put_count(o, "threads", r->cpus);
    put_count(o, "memory", r->memory);
    put_count(o, "time_limit", r->time_limit);
    if (r->warn_signal)
        json_object_set_new(o, "warn",
                            json_pack("{s:s, s:i}", "signal",
                                      peri_signal_name((int)r->warn_signal), "before",
                                      (int)r->warn_seconds));
    put_text(o, "partition", r->partition);
    put_text(o, "account", r->account);
    put_text(o, "constraint", r->constraint);
}

static void put_array(json_t *o, const peri_step_t *s)
{
    put_count(o, "tasks", s->ntasks);
    if (!s->tasks) return;
    put_count(o, "parallel", (uint64_t)s->parallel);
    json_object_set_new(o, "first_index", json_integer(s->tasks[0].index));
    json_object_set_new(o, "last_index", json_integer(s->tasks[s->ntasks - 1].index));
    json_t *names = json_array();
    for (size_t i = 0; i < s->nparams; i++)
        json_array_append_new(names, json_string(s->params[i].name));
    json_object_set_new(o, "parameters", names);
}

static void put_data(json_t *o, const peri_step_t *s, peri_arena_t *arena)
{
    peri_stepdata_t data = peri_plan_data(s, arena);
    json_t *list = json_array();
    for (size_t i = 0; i < data.n; i++)
        json_array_append_new(list, json_string(data.names[i]));
    json_object_set_new(o, "data", list);
    if (data.n)
        put_text(
            o, "placement",
            "on the nodes that hold the data, and as many as that needs; anywhere if "
            "all of it is on shared storage too");
}

static json_t *step_json(const peri_step_t *s, peri_arena_t *arena)
{
    json_t *o = json_object();
    put_text(o, "name", s->name);
    put_text(o, "kind", s->kind_name);
    json_object_set_new(o, "after", after_json(s));
    put_array(o, s);
    put_command(o, s, arena);
    put_text(o, "dir", s->dir);
    put_resources(o, &s->resources);
    put_data(o, s, arena);
    if (s->kind->result) put_text(o, "result", s->kind->result(s, arena));
    if (s->restartable) json_object_set_new(o, "restartable", json_true());
    return o;
}

json_t *peri_plan_json(const peri_spec_t *spec)
{
    peri_arena_t *arena = peri_arena_new();
    json_t *o = json_object(), *steps = json_array();
    put_text(o, "name", spec->name);
    put_text(o, "scheduler", spec->scheduler);
    json_object_set_new(o, "priority", json_integer(spec->priority));
    put_count(o, "tasks", spec->ntasks);
    for (size_t i = 0; i < spec->nsteps; i++)
        json_array_append_new(steps, step_json(&spec->steps[i], arena));
    json_object_set_new(o, "steps", steps);
    peri_arena_free(arena);
    return o;
}
