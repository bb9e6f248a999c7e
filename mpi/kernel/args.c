/* args.c - see args.h. */
#include "mpi/kernel/args.h"

#include <math.h>
#include <string.h>

#include "core/base/util.h"

#define MAX_LIST 4096

const peri_param_t peri_standard_params[] = {
    {.name = "snapnum",
     .type = PERI_PARAM_INT,
     .preset = "",
     .help = "Snapshot to take of a table that has several."},
    {.name = "filter",
     .type = PERI_PARAM_TEXT,
     .preset = "",
     .help = "SQL condition on the rows of the first input."},
    {.name = "box",
     .type = PERI_PARAM_FLOATS,
     .unit = "{length}",
     .preset = "",
     .help = "Side of the periodic box, or its three sides; 0 for open space. "
             "Default: as the files say."},
    {.name = "redshift",
     .type = PERI_PARAM_FLOAT,
     .preset = "",
     .min = -0.99,
     .max = 1e6,
     .help = "Of the snapshot. Default: as the files say."},
    {.name = "omega_m",
     .type = PERI_PARAM_FLOAT,
     .preset = "",
     .min = 0,
     .max = 10,
     .help = "Matter density at z = 0. Default: as the files say."},
    {.name = "omega_lambda",
     .type = PERI_PARAM_FLOAT,
     .preset = "",
     .min = -10,
     .max = 10,
     .help = "Dark energy density at z = 0. Default: as the files say."},
    {.name = "hubble",
     .type = PERI_PARAM_FLOAT,
     .preset = "",
     .min = 0,
     .max = 10,
     .above_min = true,
     .help = "Hubble constant in 100 km/s/Mpc. Default: as the files say."},
    {.name = "pos",
     .type = PERI_PARAM_TEXT,
     .preset = "",
     .help = "SQL for the position, a vector of three. Default: the column that looks "
             "like it."},
    {.name = "vel",
     .type = PERI_PARAM_TEXT,
     .preset = "",
     .help = "SQL for the peculiar velocity, a vector of three."},
    {.name = "mass",
     .type = PERI_PARAM_TEXT,
     .preset = "",
     .help =
         "SQL for the mass, or a number. Default: a column, or what the header says."},
    {.name = "id", .type = PERI_PARAM_TEXT, .preset = "", .help = "SQL for the id."},
    {.name = "weight",
     .type = PERI_PARAM_TEXT,
     .preset = "",
     .help = "SQL for the weight. Default: 1."},
};
const size_t peri_nstandard_params =
    sizeof(peri_standard_params) / sizeof(peri_standard_params[0]);

static const char *type_words(peri_paramtype_t t)
{
    switch (t) {
    case PERI_PARAM_FLOAT:
        return "a number";
    case PERI_PARAM_INT:
        return "a whole number";
    case PERI_PARAM_BOOL:
        return "true or false";
    case PERI_PARAM_TEXT:
        return "a text";
    case PERI_PARAM_FLOATS:
        return "a number or a list of numbers, as [1, 2.5]";
    case PERI_PARAM_OUTPUT:
        return "the name of a file";
    }
    return "";
}

static bool in_range(const peri_param_t *p, double v)
{
    if (!isfinite(v)) return false;
    if (p->min == 0 && p->max == 0 && !p->above_min) return true;
    if (p->above_min ? v <= p->min : v < p->min) return false;
    return p->max <= p->min || v <= p->max;
}

static int out_of_range(const peri_param_t *p, double v, peri_err_t *err)
{
    char upper[40] = "";
    const bool named = p->unit && *p->unit && *p->unit != '{';
    if (p->max > p->min) snprintf(upper, sizeof(upper), " and at most %g", p->max);
    return peri_err_set(err, PERI_EINVAL,
                        "%s = %g is not possible: it must be %s %g%s%s%s", p->name, v,
                        p->above_min ? "above" : "at least", p->min, upper,
                        named ? ", in the unit " : "", named ? p->unit : "");
}

static bool is_choice(const char *choices, const char *text)
{
    const size_t n = strlen(text);
    for (const char *c = choices; n;) {
        size_t len = strcspn(c, "|");
        if (len == n && strncmp(c, text, n) == 0) return true;
        if (!c[len]) break;
        c += len + 1;
    }
    return false;
}

static int take_list(const peri_param_t *p, const json_t *v, peri_arena_t *arena,
                     peri_arg_t *out, peri_err_t *err)
{
    const bool single = json_is_number(v);
    const size_t n = single ? 1 : json_array_size(v);
    if (n > MAX_LIST)
        return peri_err_set(err, PERI_ELIMIT,
                            "%s has %zu numbers, at most %d are allowed", p->name, n,
                            MAX_LIST);
    double *list = peri_arena_calloc(arena, n + 1, sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        const json_t *e = single ? v : json_array_get(v, i);
        if (!json_is_number(e))
            return peri_err_set(err, PERI_EINVAL, "%s must be %s", p->name,
                                type_words(p->type));
        list[i] = json_number_value(e);
        if (!in_range(p, list[i])) return out_of_range(p, list[i], err);
    }
    out->list = list;
    out->n = n;
    return 0;
}

static int take_text(const peri_param_t *p, const json_t *v, peri_arena_t *arena,
                     peri_arg_t *out, peri_err_t *err)
{
    /* A mass may be given as a number where SQL is expected. */
    if (json_is_number(v))
        out->text = peri_arena_printf(arena, "%.17g", json_number_value(v));
    else
        out->text = peri_arena_strdup(arena, json_string_value(v));
    if (p->choices && !is_choice(p->choices, out->text))
        return peri_err_set(err, PERI_EINVAL, "%s = '%s' is not known: choose one of %s",
                            p->name, out->text, p->choices);
    if (!*out->text)
        return peri_err_set(err, PERI_EINVAL, "%s is empty: give %s, or leave it out",
                            p->name, type_words(p->type));
    return 0;
}

static int take_value(const peri_param_t *p, const json_t *v, peri_arena_t *arena,
                      peri_arg_t *out, peri_err_t *err)
{
    static const double exact = 9007199254740992.0; /* 2^53 */
    double d = json_number_value(v);
    bool ok = true;
    switch (p->type) {
    case PERI_PARAM_FLOAT:
        ok = json_is_number(v);
        out->number = d;
        if (ok && !in_range(p, d)) return out_of_range(p, d, err);
        break;
    case PERI_PARAM_INT:
        ok = json_is_integer(v) || (json_is_real(v) && d == floor(d) && fabs(d) < exact);
        out->integer = json_is_integer(v) ? json_integer_value(v) : ok ? (int64_t)d : 0;
        out->number = (double)out->integer;
        if (ok && !in_range(p, out->number)) return out_of_range(p, out->number, err);
        break;
    case PERI_PARAM_BOOL:
        ok = json_is_boolean(v);
        out->integer = json_is_true(v);
        break;
    case PERI_PARAM_FLOATS:
        ok = json_is_number(v) || json_is_array(v);
        if (ok && take_list(p, v, arena, out, err)) return -1;
        break;
    case PERI_PARAM_TEXT:
    case PERI_PARAM_OUTPUT:
        ok = json_is_string(v) || (p->type == PERI_PARAM_TEXT && json_is_number(v));
        if (ok && take_text(p, v, arena, out, err)) return -1;
        break;
    }
    if (!ok)
        return peri_err_set(err, PERI_EINVAL, "%s must be %s", p->name,
                            type_words(p->type));
    out->there = true;
    return 0;
}

/* The preset's text as the JSON that a caller would have given. */
static json_t *preset_value(const peri_param_t *p)
{
    json_error_t ignored;
    if (p->type == PERI_PARAM_TEXT || p->type == PERI_PARAM_OUTPUT)
        return json_string(p->preset);
    return json_loads(p->preset, JSON_DECODE_ANY, &ignored);
}

static int take_preset(const peri_param_t *p, peri_arena_t *arena, peri_arg_t *out,
                       peri_err_t *err)
{
    if (!p->preset)
        return peri_err_set(err, PERI_EINVAL, "%s must be given: %s", p->name, p->help);
    if (!*p->preset) return 0;
    json_t *v = preset_value(p);
    int rc =
        v ? take_value(p, v, arena, out, err)
          : peri_err_set(err, PERI_EINTERNAL, "the preset of %s is no value", p->name);
    json_decref(v);
    return rc;
}

static int take_params(const peri_param_t *params, size_t n, const json_t *object,
                       peri_arena_t *arena, peri_arg_t *out, size_t *used,
                       peri_err_t *err)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(object, params[i].name);
        out[i].param = &params[i];
        *used += v != NULL;
        if (json_is_null(v)) v = NULL;
        out[i].given = v != NULL;
        if (v ? take_value(&params[i], v, arena, &out[i], err)
              : take_preset(&params[i], arena, &out[i], err))
            return -1;
    }
    return 0;
}

static int take_inputs(const peri_kernel_t *k, const json_t *object, peri_arena_t *arena,
                       peri_args_t *out, size_t *used, peri_err_t *err)
{
    for (size_t i = 0; i < k->ninputs; i++) {
        const peri_input_t *in = &k->inputs[i];
        const json_t *v = json_object_get(object, in->name);
        *used += v != NULL;
        if (json_is_null(v)) v = NULL;
        const char *text = json_string_value(v);
        if (v && (!text || !*text))
            return peri_err_set(err, PERI_EINVAL,
                                "%s must name a table (dataset.table), a file "
                                "('snap.hdf5:/PartType1'), or be a SELECT",
                                in->name);
        if (!v && !in->optional)
            return peri_err_set(err, PERI_EINVAL, "%s needs %s: %s", k->name, in->name,
                                in->help);
        out->inputs[i] = peri_arena_strdup(arena, text);
    }
    return 0;
}

static int unknown_name(const peri_kernel_t *k, const json_t *object,
                        const peri_args_t *a, peri_err_t *err)
{
    const char *names[256];
    size_t n = 0;
    for (size_t i = 0; i < k->nparams && n < 200; i++) names[n++] = k->params[i].name;
    for (size_t i = 0; i < peri_nstandard_params; i++)
        names[n++] = peri_standard_params[i].name;
    for (size_t i = 0; i < k->ninputs; i++) names[n++] = k->inputs[i].name;
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)object, key, v)
    {
        bool known = peri_args_find(a, key) != NULL;
        for (size_t i = 0; i < k->ninputs; i++)
            known = known || strcmp(key, k->inputs[i].name) == 0;
        if (known) continue;
        const char *near = peri_did_you_mean(key, names, n);
        return peri_err_set(err, PERI_EINVAL, "%s has no parameter %s%s%s%s", k->name,
                            key, near ? "; did you mean " : "", near ? near : "",
                            near ? "?" : " (perigee kernels NAME lists them)");
    }
    return peri_err_set(err, PERI_EINTERNAL, "an argument of %s got lost", k->name);
}

int peri_args_read(const peri_kernel_t *k, const json_t *object, peri_arena_t *arena,
                   peri_args_t *out, peri_err_t *err)
{
    size_t used = 0;
    *out = (peri_args_t){.kernel = k};
    out->own = peri_arena_calloc(arena, k->nparams + 1, sizeof(*out->own));
    out->standard =
        peri_arena_calloc(arena, peri_nstandard_params, sizeof(*out->standard));
    if (!json_is_object(object))
        return peri_err_set(err, PERI_EINVAL, "the arguments of %s are no object",
                            k->name);
    if (take_params(k->params, k->nparams, object, arena, out->own, &used, err) ||
        take_params(peri_standard_params, peri_nstandard_params, object, arena,
                    out->standard, &used, err) ||
        take_inputs(k, object, arena, out, &used, err))
        return -1;
    return used == json_object_size(object) ? 0 : unknown_name(k, object, out, err);
}

const peri_arg_t *peri_args_find(const peri_args_t *a, const char *name)
{
    for (size_t i = 0; i < a->kernel->nparams; i++)
        if (strcmp(a->kernel->params[i].name, name) == 0) return &a->own[i];
    for (size_t i = 0; i < peri_nstandard_params; i++)
        if (strcmp(peri_standard_params[i].name, name) == 0) return &a->standard[i];
    return NULL;
}
