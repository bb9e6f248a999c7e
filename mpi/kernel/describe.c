/* describe.c - kernels as JSON: what `perigee kernels`, forms and pages are made from. */
#include <string.h>

#include "mpi/kernel/args.h"
#include "mpi/kernel/registry.h"

static const char *param_type(peri_paramtype_t t)
{
    static const char *const names[] = {"",     "float",  "int",   "bool",
                                        "text", "floats", "output"};
    return names[t];
}

static const char *column_type(peri_coltype_t t)
{
    static const char *const names[] = {"", "INTEGER", "BIGINT", "FLOAT", "DOUBLE"};
    return names[t];
}

static json_t *text_or_empty(const char *s)
{
    return json_string(s ? s : "");
}

static json_t *describe_param(const peri_param_t *p)
{
    json_t *o =
        json_pack("{s:s, s:s, s:o, s:s}", "name", p->name, "type", param_type(p->type),
                  "unit", text_or_empty(p->unit), "help", p->help);
    if (!p->preset)
        json_object_set_new(o, "required", json_true());
    else if (*p->preset)
        json_object_set_new(o, "default", json_string(p->preset));
    if (p->min != 0 || p->max != 0 || p->above_min) {
        json_object_set_new(o, p->above_min ? "above" : "min", json_real(p->min));
        if (p->max > p->min) json_object_set_new(o, "max", json_real(p->max));
    }
    if (p->choices) json_object_set_new(o, "choices", json_string(p->choices));
    return o;
}

static json_t *describe_params(const peri_param_t *params, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, describe_param(&params[i]));
    return list;
}

static json_t *describe_columns(const peri_coldef_t *c, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:s}", "name",
                                              c[i].name, "type", column_type(c[i].type),
                                              "width", (int)c[i].width, "unit", c[i].unit,
                                              "help", c[i].help));
    return list;
}

static json_t *describe_has(unsigned has)
{
    static const char *const names[] = {"velocity", "mass", "id", "weight"};
    json_t *list = json_pack("[s]", "position");
    for (unsigned i = 0; i < 4; i++)
        if (has & (1u << i)) json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *describe_input(const peri_input_t *in)
{
    json_t *o = json_pack("{s:s, s:s, s:b, s:b}", "name", in->name, "help", in->help,
                          "optional", in->optional, "many_snapshots", in->many_snapshots);
    if (in->columns)
        json_object_set_new(o, "columns", describe_columns(in->columns, in->ncolumns));
    else if (in->path)
        json_object_set_new(o, "path", json_true());
    else
        json_object_set_new(o, "particles", describe_has(in->particles));
    return o;
}

static json_t *describe_kernel(const peri_kernel_t *k, const char *file)
{
    json_t *inputs = json_array();
    for (size_t i = 0; i < k->ninputs; i++)
        json_array_append_new(inputs, describe_input(&k->inputs[i]));
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "name", k->name, "summary",
                  k->summary, "help", k->help, "example", k->example, "inputs", inputs,
                  "params", describe_params(k->params, k->nparams), "columns",
                  describe_columns(k->columns, k->ncolumns));
    if (file) json_object_set_new(o, "file", json_string(file));
    return o;
}

json_t *peri_registry_describe(const peri_registry_t *r)
{
    json_t *kernels = json_array(), *notes = json_array();
    for (size_t i = 0; i < peri_registry_count(r); i++)
        json_array_append_new(kernels, describe_kernel(peri_registry_kernel(r, i),
                                                       peri_registry_file(r, i)));
    for (size_t i = 0; i < peri_registry_nnotes(r); i++)
        json_array_append_new(notes, json_string(peri_registry_note(r, i)));
    return json_pack("{s:o, s:o, s:o}", "kernels", kernels, "standard",
                     describe_params(peri_standard_params, peri_nstandard_params),
                     "notes", notes);
}
