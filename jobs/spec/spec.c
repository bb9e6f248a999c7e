/* spec.c - see spec.h: from JSON text to a checked graph of steps.
 *
 * spec_step.c reads one step; here is what concerns the job and all steps together.
 * Threads: no state; a spec is immutable once parsed.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_step.h"

#define PRIORITY_MAX  1000
#define SCHEDULER_MAX 32

/* ---- the text ---- */

static int bad_json(const json_error_t *at, peri_err_t *err)
{
    char text[JSON_ERROR_TEXT_LENGTH];
    size_t n = 0;
    /* It may quote the input. */
    for (; at->text[n] && n + 1 < sizeof(text); n++)
        text[n] = isprint((unsigned char)at->text[n]) ? at->text[n] : '?';
    text[n] = '\0';
    return peri_err_set(err, PERI_EINVAL,
                        "the job spec is not valid JSON: line %d, column %d: %s",
                        at->line, at->column, text);
}

static json_t *load(const char *json, size_t len, size_t max, peri_err_t *err)
{
    json_error_t at;
    if (len > max) {
        peri_err_set(err, PERI_ELIMIT,
                     "the job spec is larger than 1 MiB: put long scripts or lists into "
                     "files");
        return NULL;
    }
    if (!peri_utf8_valid(json, len)) {
        peri_err_set(err, PERI_EINVAL, "the job spec is not valid UTF-8");
        return NULL;
    }
    json_t *o = json_loadb(json, len, JSON_REJECT_DUPLICATES, &at);
    if (!o) {
        bad_json(&at, err);
    } else if (!json_is_object(o)) {
        peri_err_set(err, PERI_EINVAL, "a job spec is a JSON object: {\"kind\": ...}");
        json_decref(o);
        o = NULL;
    }
    return o;
}

/* ---- the job ---- */

static int read_scheduler(const json_t *o, const peri_at_t *top, peri_spec_t *s,
                          peri_err_t *err)
{
    if (peri_get_text(o, "scheduler", top, SCHEDULER_MAX, &s->scheduler, err)) return -1;
    for (const char *p = s->scheduler; p && *p; p++)
        if (!isalnum((unsigned char)*p) && (p == s->scheduler || !strchr("_-", *p)))
            return peri_key_error(top, "scheduler", err,
                                  "is not the name of a scheduler, such as local or "
                                  "slurm");
    return 0;
}

static int read_job(const json_t *o, const peri_at_t *top, peri_spec_t *s,
                    peri_err_t *err)
{
    int64_t priority = 0;
    if (peri_get_text(o, "name", top, PERI_JOB_NAME_MAX, &s->name, err) ||
        read_scheduler(o, top, s, err) ||
        peri_get_int(o, "priority", top, -PRIORITY_MAX, PRIORITY_MAX, &priority, err))
        return -1;
    s->priority = (int32_t)priority;
    return peri_volumes_read(o, top, s->arena, s, err);
}

/* What belongs into a step, at the top of a graph. */
static int refuse_step_keys(const json_t *o, const peri_at_t *top, peri_err_t *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)o, key, value)
    {
        bool known = peri_keys_has(&peri_keys_step, key);
        for (size_t i = 0; i < peri_nkinds; i++)
            known |= peri_keys_has(&peri_kinds[i]->keys, key);
        if (known)
            return peri_key_error(top, key, err,
                                  "belongs into a step, not beside \"steps\"");
    }
    return 0;
}

static int read_graph(peri_stepread_t *in, json_t *o, const peri_at_t *top,
                      peri_step_t *steps, peri_at_t *places, size_t *nsteps,
                      peri_err_t *err)
{
    const peri_keys_t *const keys[] = {&peri_keys_job, &peri_keys_graph};
    if (refuse_step_keys(o, top, err) || peri_keys_check(o, top, keys, 2, err)) return -1;
    const json_t *list = json_object_get(o, "steps");
    const size_t n = json_array_size(list);
    if (n == 0) return peri_key_error(top, "steps", err, "is empty: a job has a step");
    if (n > PERI_STEPS_MAX)
        return peri_key_error(top, "steps", err, "are %zu; at most %d are possible", n,
                              PERI_STEPS_MAX);
    in->list = (peri_at_t){.up = top, .key = "steps"};
    for (size_t i = 0; i < n; i++) {
        places[i] = (peri_at_t){.up = &in->list, .index = i};
        if (peri_step_read(in, json_array_get(list, i), &places[i], &steps[i], err))
            return -1;
        for (size_t j = 0; j < i; j++)
            if (!strcmp(steps[i].name, steps[j].name))
                return peri_key_error(&places[i], "name", err,
                                      "\"%s\" is also the name of /steps/%zu",
                                      steps[i].name, j);
    }
    *nsteps = n;
    return peri_graph_sort(steps, n, places, in->arena, err);
}

/* Two steps must not write the same file of the results. */
static int check_results(const peri_step_t *steps, size_t n, peri_arena_t *arena,
                         peri_err_t *err)
{
    const char *names[PERI_STEPS_MAX] = {NULL};
    for (size_t i = 0; i < n; i++) {
        const peri_kind_t *k = steps[i].kind;
        names[i] = k->result ? k->result(&steps[i], arena) : NULL;
        for (size_t j = 0; names[i] && j < i; j++)
            if (names[j] && !strcmp(names[i], names[j]))
                return peri_err_set(err, PERI_EINVAL,
                                    "at %s/into: the steps \"%s\" and \"%s\" would both "
                                    "write %.200s",
                                    steps[i].at, steps[j].name, steps[i].name, names[i]);
    }
    return 0;
}

static int read_spec(peri_spec_t *s, json_t *o, const char *dir, peri_err_t *err)
{
    const peri_at_t top = {0};
    peri_at_t places[PERI_STEPS_MAX];
    const bool graph = json_object_get(o, "steps") != NULL;
    peri_stepread_t in = {
        .arena = s->arena, .dir = dir, .budget = PERI_TASKS_MAX, .short_form = !graph};
    peri_step_t *steps = peri_arena_calloc(s->arena, PERI_STEPS_MAX, sizeof(*steps));
    s->nsteps = 1;
    if (dir && *dir != '/')
        return peri_err_set(err, PERI_EINVAL,
                            "the folder for relative paths, %.200s, is not absolute",
                            dir);
    if (graph ? read_graph(&in, o, &top, steps, places, &s->nsteps, err)
              : peri_step_read(&in, o, &top, steps, err))
        return -1;
    s->steps = steps;
    s->ntasks = PERI_TASKS_MAX - in.budget;
    if (read_job(o, &top, s, err) || check_results(steps, s->nsteps, s->arena, err))
        return -1;
    if (!s->name) s->name = graph ? "job" : steps->kind->title(steps, s->arena);
    return 0;
}

peri_spec_t *peri_spec_parse(const char *json, size_t len, const char *dir,
                             peri_err_t *err)
{
    json_t *o = load(json, len, dir ? PERI_SPEC_MAX : PERI_STORED_MAX, err);
    if (!o) return NULL;
    peri_arena_t *arena = peri_arena_new();
    peri_spec_t *s = peri_arena_calloc(arena, 1, sizeof(*s));
    s->arena = arena;
    s->json = o;
    if (read_spec(s, o, dir, err)) {
        peri_spec_free(s);
        return NULL;
    }
    return s;
}

void peri_spec_free(peri_spec_t *s)
{
    if (!s) return;
    json_decref((json_t *)(uintptr_t)s->json);
    peri_arena_free(s->arena);
}
