/* submit_kernel.c - see submit_kernel.h. */
#include "cli/submit_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/kernel_arg.h"
#include "cli/kernels.h"
#include "core/base/util.h"

static int find(peri_submitkernel_t *k, const char *name, peri_err_t *err)
{
    if (!k->all) k->all = peri_kernels_load(err);
    if (k->all) k->kernel = peri_kernels_find(k->all, name, err);
    return k->kernel ? 0 : -1;
}

static const char *name_of(const json_t *kernel)
{
    return json_string_value(json_object_get(kernel, "name"));
}

/* A value with a parameter of the array in it is known when the task runs. */
static int check_value(const peri_submitkernel_t *k, const json_t *kernel,
                       const char *name, const char *value, peri_err_t *err)
{
    if (strchr(value, '{')) return 0;
    return peri_kernel_arg_check(peri_kernels_param(k->all, kernel, name), name, value,
                                 err);
}

/* ---- words ---- */

static int take_parameter(peri_submitkernel_t *k, char **argv, int left, bool only,
                          peri_err_t *err)
{
    peri_kernelarg_t a;
    int used = peri_kernel_arg(k->all, k->kernel, argv, left, &a, err);
    if (used == 0 && only)
        return peri_kernel_arg_unknown(k->all, k->kernel, argv[0] + strspn(argv[0], "-"),
                                       err);
    if (used <= 0) return used;
    if (check_value(k, k->kernel, a.name, a.value, err)) return -1;
    if (strchr(a.value, '{')) a.is_bool = false; /* not one of the two words yet */
    k->args = peri_xrealloc(k->args, k->nargs + 1, sizeof(*k->args));
    k->args[k->nargs++] = a;
    return used;
}

int peri_submit_kernel_take(peri_submitkernel_t *k, char **argv, int left, bool only,
                            peri_err_t *err)
{
    if (!k->kernel) return *argv[0] == '-' ? 0 : find(k, argv[0], err) ? -1 : 1;
    if (*argv[0] == '-' && !(only && !k->input))
        return take_parameter(k, argv, left, only, err);
    if (k->input)
        return peri_err_set(err, PERI_EINVAL,
                            "%s has one input before its parameters: \"%.200s\" and "
                            "\"%.200s\" were given",
                            name_of(k->kernel), k->input, argv[0]);
    k->input = argv[0];
    return 1;
}

int peri_submit_kernel_spec(const peri_submitkernel_t *k, const peri_specopts_t *o,
                            peri_buf_t *out, peri_err_t *err)
{
    if (!k->kernel)
        return peri_err_set(err, PERI_EINVAL,
                            "which kernel is to run? perigee submit run NAME INPUT "
                            "(perigee kernels lists them; a file of the name is ./run)");
    if (!k->input)
        return peri_err_set(err, PERI_EINVAL,
                            "%s needs an input: perigee submit run %s dataset.table (see "
                            "perigee kernels %s)",
                            name_of(k->kernel), name_of(k->kernel), name_of(k->kernel));
    return peri_spec_from_kernel(name_of(k->kernel), k->input, k->args, k->nargs, o, out,
                                 err);
}

/* ---- specs ---- */

/* The value as a word; NULL: none that we could look at. The caller frees. */
static char *word_of(const json_t *v)
{
    if (json_is_string(v)) return peri_xstrdup(json_string_value(v));
    return json_dumps(v, JSON_ENCODE_ANY);
}

static int check_parameters(peri_submitkernel_t *k, const json_t *step, peri_err_t *err)
{
    const char *name;
    json_t *v;
    json_object_foreach(json_object_get((json_t *)(uintptr_t)step, "parameters"), name, v)
    {
        if (peri_kernels_is_input(k->kernel, name)) continue;
        if (!peri_kernels_param(k->all, k->kernel, name))
            return peri_kernel_arg_unknown(k->all, k->kernel, name, err);
        char *word = word_of(v);
        int rc = word ? check_value(k, k->kernel, name, word, err) : 0;
        free(word);
        if (rc) return -1;
    }
    return 0;
}

static int check_step(peri_submitkernel_t *k, const json_t *step, peri_err_t *err)
{
    const char *kind = json_string_value(json_object_get(step, "kind"));
    const char *kernel = json_string_value(json_object_get(step, "kernel"));
    peri_err_t why = {0};
    if (!kind || strcmp(kind, "kernel") != 0 || !kernel) return 0;
    if (!k->all && !(k->all = peri_kernels_load(&why))) return 0;
    if (find(k, kernel, err)) return -1;
    return check_parameters(k, step, err);
}

int peri_submit_kernel_check(peri_submitkernel_t *k, const char *spec, size_t len,
                             peri_err_t *err)
{
    /* What is no JSON the daemon says better. */
    json_t *o = json_loadb(spec, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *steps = json_object_get(o, "steps"), *step;
    size_t i;
    int rc = check_step(k, o, err);
    json_array_foreach(steps, i, step)
    {
        if (rc || !check_step(k, step, err)) continue;
        rc = peri_err_prefix(err, "at /steps/%zu", i);
    }
    json_decref(o);
    return rc;
}

void peri_submit_kernel_clear(peri_submitkernel_t *k)
{
    json_decref(k->all);
    free(k->args);
    *k = (peri_submitkernel_t){0};
}
