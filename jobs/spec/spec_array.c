/* spec_array.c - the tasks of an array: a range, a list of indexes, the combinations of
 * parameters, or the short text "0-99%10".
 *
 * Tasks come in ascending order of their indexes, each once. Nothing is allocated before
 * its number is known to be within the job's budget.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

#define MAX_BYTES (32u << 20) /* of all tasks' values, which travel in launch.json */

static int too_many(const peri_at_t *at, peri_err_t *err)
{
    return peri_at_error(at, err, "are too many tasks: a job can have at most 100000");
}

/* ---- ranges and lists ---- */

static int by_index(const void *a, const void *b)
{
    const peri_launchtask_t *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int finish(peri_launchtask_t *tasks, size_t n, const peri_at_t *at,
                  peri_step_t *step, peri_err_t *err)
{
    qsort(tasks, n, sizeof(*tasks), by_index);
    for (size_t i = 1; i < n; i++)
        if (tasks[i].index == tasks[i - 1].index)
            return peri_at_error(at, err, "has the index %d twice", tasks[i].index);
    step->tasks = tasks;
    step->ntasks = n;
    return 0;
}

static int read_range(const json_t *a, const peri_at_t *at, peri_arena_t *arena,
                      size_t budget, peri_step_t *step, peri_err_t *err)
{
    int64_t from = 0, to = 0, by = 1;
    if (!json_object_get(a, "to"))
        return peri_key_error(at, "to", err,
                              "is missing: an array has \"from\" and \"to\", "
                              "\"indexes\", or \"parameters\"");
    if (peri_get_int(a, "from", at, 0, PERI_INDEX_MAX, &from, err) ||
        peri_get_int(a, "to", at, 0, PERI_INDEX_MAX, &to, err) ||
        peri_get_int(a, "by", at, 1, PERI_INDEX_MAX, &by, err))
        return -1;
    if (to < from)
        return peri_key_error(at, "to", err, "%lld is less than \"from\", %lld",
                              (long long)to, (long long)from);
    size_t n = (size_t)((to - from) / by) + 1;
    if (n > budget) return too_many(at, err);
    peri_launchtask_t *tasks = peri_arena_calloc(arena, n, sizeof(*tasks));
    for (size_t i = 0; i < n; i++) tasks[i].index = (int32_t)(from + (int64_t)i * by);
    return finish(tasks, n, at, step, err);
}

static int read_indexes(const json_t *list, const peri_at_t *at, peri_arena_t *arena,
                        size_t budget, peri_step_t *step, peri_err_t *err)
{
    size_t n = json_array_size(list), i;
    const json_t *v;
    if (n == 0) return peri_at_error(at, err, "is empty: an array has at least one task");
    if (n > budget) return too_many(at, err);
    peri_launchtask_t *tasks = peri_arena_calloc(arena, n, sizeof(*tasks));
    json_array_foreach(list, i, v)
    {
        const peri_at_t here = {.up = at, .index = i};
        if (peri_type_check(v, PERI_J_INT, &here, err)) return -1;
        json_int_t x = json_integer_value(v);
        if (x < 0 || x > PERI_INDEX_MAX)
            return peri_at_error(&here, err,
                                 "%lld is not possible: an index is from 0 to %d",
                                 (long long)x, PERI_INDEX_MAX);
        tasks[i].index = (int32_t)x;
    }
    return finish(tasks, n, at, step, err);
}

/* ---- the short text ---- */

static int take(const char **s, int64_t *out)
{
    size_t n = 0;
    *out = 0;
    while (isdigit((unsigned char)**s) && n < 9) {
        *out = *out * 10 + (*(*s)++ - '0');
        n++;
    }
    return n == 0 || isdigit((unsigned char)**s) ? -1 : 0;
}

typedef struct {
    int64_t from, to, by;
} range_t;

static int take_range(const char **s, range_t *r)
{
    r->by = 1;
    if (take(s, &r->from)) return -1;
    r->to = r->from;
    if (**s != '-') return 0;
    ++*s;
    if (take(s, &r->to)) return -1;
    if (**s == ':') {
        ++*s;
        if (take(s, &r->by)) return -1;
    }
    return r->to < r->from || r->by < 1 ? -1 : 0;
}

static int read_text(const char *text, const peri_at_t *at, peri_arena_t *arena,
                     size_t budget, peri_step_t *step, peri_err_t *err)
{
    char shown[64];
    range_t r;
    int64_t parallel = 0;
    size_t n = 0;
    const char *s = text;
    /* Once to count, once to fill in. */
    do {
        if (take_range(&s, &r)) goto wrong;
        if (r.to > PERI_INDEX_MAX)
            return peri_at_error(at, err,
                                 "%lld is not possible: an index is from 0 to %d",
                                 (long long)r.to, PERI_INDEX_MAX);
        n += (size_t)((r.to - r.from) / r.by) + 1;
        if (n > budget) return too_many(at, err);
    } while (*s == ',' && s++);
    if (*s == '%' && (s++, take(&s, &parallel) || parallel < 1)) goto wrong;
    if (*s) goto wrong;
    if (parallel > PERI_TASKS_MAX) return too_many(at, err);
    peri_launchtask_t *tasks = peri_arena_calloc(arena, n, sizeof(*tasks));
    size_t at_task = 0;
    for (s = text;; s++) {
        take_range(&s, &r);
        for (int64_t i = r.from; i <= r.to; i += r.by)
            tasks[at_task++].index = (int32_t)i;
        if (*s != ',') break;
    }
    step->parallel = (int32_t)parallel;
    return finish(tasks, n, at, step, err);
wrong:
    return peri_at_error(at, err,
                         "\"%s\" is not an array: write indexes and ranges from 0 on, as "
                         "0-99, 0-99:5 or 1,5,9-20:2, and %%N for at most N at a time",
                         peri_shown(text, shown));
}

/* ---- parameters ---- */

bool peri_value_is_simple(const char *v)
{
    const char *p = v;
    for (; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_.+-", *p)) return false;
    return p > v && p[-1] != '-' && !strstr(v, "--");
}

static void note_value(peri_param_t *p, const char *v)
{
    size_t len = strlen(v);
    if (len > p->longest) p->longest = len;
    if (!peri_value_is_simple(v)) p->unsimple = v;
    if (*v == '-') p->negative = v;
}

const char *peri_number_text(const json_t *v, peri_arena_t *arena)
{
    if (json_is_integer(v))
        return peri_arena_printf(arena, "%lld", (long long)json_integer_value(v));
    char *text = NULL;
    for (size_t digits = 15; digits <= 17; digits++) {
        free(text);
        text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        json_t *back = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        bool same = back && json_number_value(back) == json_real_value(v);
        json_decref(back);
        if (same) break;
    }
    const char *kept = peri_arena_strdup(arena, text ? text : "");
    free(text);
    return kept;
}

static int read_value(const json_t *v, const peri_at_t *at, peri_arena_t *arena,
                      const char **out, peri_err_t *err)
{
    if (json_is_number(v)) {
        *out = peri_number_text(v, arena);
    } else if (json_is_string(v)) {
        *out = json_string_value(v);
        if (strlen(*out) > PERI_VALUE_MAX)
            return peri_at_error(at, err,
                                 "is too long: %zu bytes, at most %d are possible",
                                 strlen(*out), PERI_VALUE_MAX);
    } else {
        return peri_at_error(at, err, "a parameter's value is a number or a text");
    }
    return 0;
}

static int read_param(const char *name, const json_t *list, const peri_at_t *at,
                      peri_arena_t *arena, size_t *product, size_t budget,
                      peri_param_t *p, peri_err_t *err)
{
    size_t i;
    const json_t *v;
    if (!peri_is_ident(name, PERI_NAME_MAX))
        return peri_at_error(at, err,
                             "a parameter's name has letters, digits and _, begins with "
                             "no digit, and has at most %d of them",
                             PERI_NAME_MAX);
    if (!strcmp(name, "index"))
        return peri_at_error(at, err, "{index} is the task's index: choose another name");
    if (peri_type_check(list, PERI_J_ARRAY, at, err)) return -1;
    if (json_array_size(list) == 0) return peri_at_error(at, err, "has no values");
    if (json_array_size(list) > budget / *product) return too_many(at->up, err);
    p->name = name;
    p->n = json_array_size(list);
    p->values = peri_arena_calloc(arena, p->n, sizeof(*p->values));
    json_array_foreach(list, i, v)
    {
        const peri_at_t here = {.up = at, .index = i};
        if (read_value(v, &here, arena, &p->values[i], err)) return -1;
        note_value(p, p->values[i]);
    }
    *product *= p->n;
    return 0;
}

/* All combinations; the last parameter changes fastest. */
static void combine(const peri_param_t *params, size_t nparams, size_t ntasks,
                    peri_arena_t *arena, peri_launchtask_t *tasks)
{
    for (size_t t = 0; t < ntasks; t++) {
        peri_env_t *mine = peri_arena_calloc(arena, nparams, sizeof(*mine));
        size_t rest = t;
        for (size_t i = nparams; i-- > 0; rest /= params[i].n)
            mine[i] = (peri_env_t){params[i].name, params[i].values[rest % params[i].n]};
        tasks[t] = (peri_launchtask_t){(int32_t)t, mine, nparams};
    }
}

static int read_params(const json_t *object, const peri_at_t *at, peri_arena_t *arena,
                       size_t budget, peri_step_t *step, peri_err_t *err)
{
    json_t *o = (json_t *)(uintptr_t)object; /* jansson iterates without changing it */
    size_t nparams = json_object_size(object), n = 0, product = 1;
    const char *key;
    json_t *list;
    if (nparams == 0) return peri_at_error(at, err, "is empty: name a parameter");
    if (nparams > PERI_PARAMS_MAX)
        return peri_at_error(at, err, "are %zu parameters; at most %d are possible",
                             nparams, PERI_PARAMS_MAX);
    if (budget == 0) return too_many(at, err);
    peri_param_t *params = peri_arena_calloc(arena, nparams, sizeof(*params));
    json_object_foreach(o, key, list)
    {
        const peri_at_t here = {.up = at, .key = key};
        if (read_param(key, list, &here, arena, &product, budget, &params[n++], err))
            return -1;
    }
    size_t each = 32;
    for (n = 0; n < nparams; n++) each += strlen(params[n].name) + params[n].longest + 8;
    if (product * each > MAX_BYTES)
        return peri_at_error(
            at, err,
            "%zu tasks with values of up to %zu bytes each are too much: "
            "put long values into a file and choose by {index}",
            product, each);
    peri_launchtask_t *tasks = peri_arena_calloc(arena, product, sizeof(*tasks));
    combine(params, nparams, product, arena, tasks);
    step->tasks = tasks;
    step->ntasks = product;
    step->params = params;
    step->nparams = nparams;
    return 0;
}

/* ---- any of them ---- */

static int read_object(const json_t *a, const peri_at_t *at, peri_arena_t *arena,
                       size_t budget, peri_step_t *step, peri_err_t *err)
{
    static const char *const range[] = {"from", "to", "by"};
    const peri_keys_t *const keys[] = {&peri_keys_array};
    const json_t *indexes = json_object_get(a, "indexes");
    const json_t *params = json_object_get(a, "parameters");
    if (peri_keys_check(a, at, keys, 1, err)) return -1;
    for (size_t i = 0; (indexes || params) && i < 3; i++)
        if (json_object_get(a, range[i]))
            return peri_key_error(at, range[i], err, "does not go together with \"%s\"",
                                  indexes ? "indexes" : "parameters");
    if (indexes && params)
        return peri_key_error(at, "indexes", err,
                              "does not go together with \"parameters\"");
    int64_t parallel = 0;
    if (peri_get_int(a, "parallel", at, 1, PERI_TASKS_MAX, &parallel, err)) return -1;
    step->parallel = (int32_t)parallel;
    const peri_at_t here = {.up = at, .key = indexes ? "indexes" : "parameters"};
    if (indexes) return read_indexes(indexes, &here, arena, budget, step, err);
    if (params) return read_params(params, &here, arena, budget, step, err);
    return read_range(a, at, arena, budget, step, err);
}

int peri_array_read(const json_t *array, const peri_at_t *at, peri_arena_t *arena,
                    size_t *budget, peri_step_t *step, peri_err_t *err)
{
    step->ntasks = 1;
    if (array) {
        int rc = json_is_string(array)
                     ? read_text(json_string_value(array), at, arena, *budget, step, err)
                     : read_object(array, at, arena, *budget, step, err);
        if (rc) return rc;
    }
    if (step->ntasks > *budget) return too_many(at, err);
    *budget -= step->ntasks;
    return 0;
}
