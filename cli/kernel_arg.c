/* kernel_arg.c - see kernel_arg.h. */
#include "cli/kernel_arg.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/kernels.h"
#include "core/base/util.h"

#define MOST_NAMES 256

const char *peri_kernel_arg_type(const json_t *param)
{
    const char *type = json_string_value(json_object_get(param, "type"));
    return type ? type : "text";
}

static bool is_bool(const json_t *param)
{
    return strcmp(peri_kernel_arg_type(param), "bool") == 0;
}

static bool is_truth(const char *s)
{
    return s && (!strcmp(s, "true") || !strcmp(s, "false"));
}

int peri_kernel_arg(const json_t *all, const json_t *kernel, char **argv, int left,
                    peri_kernelarg_t *out, peri_err_t *err)
{
    if (strncmp(argv[0], "--", 2) != 0) return 0;
    const size_t len = strcspn(argv[0] + 2, "=");
    const bool equals = argv[0][2 + len] == '=';
    *out = (peri_kernelarg_t){0};
    if (len == 0 || len >= sizeof(out->name)) return 0;
    memcpy(out->name, argv[0] + 2, len);
    for (char *p = out->name; *p; p++)
        *p = *p == '-' ? '_' : (char)tolower((unsigned char)*p);
    const json_t *param = peri_kernels_param(all, kernel, out->name);
    if (!param && !peri_kernels_is_input(kernel, out->name)) return 0;
    out->is_bool = is_bool(param);
    out->value = equals ? argv[0] + 3 + len : left > 1 ? argv[1] : NULL;
    int used = equals ? 1 : 2;
    if (!equals && out->is_bool && !is_truth(out->value)) {
        out->value = "true";
        used = 1;
    }
    if (!out->value)
        return peri_err_set(err, PERI_EINVAL, "--%s needs a value", out->name);
    return used;
}

int peri_kernel_arg_unknown(const json_t *all, const json_t *kernel, const char *word,
                            peri_err_t *err)
{
    char name[65];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    const json_t *const lists[] = {json_object_get(kernel, "params"),
                                   json_object_get(kernel, "inputs"),
                                   json_object_get(all, "standard")};
    const char *names[MOST_NAMES];
    const char *kernel_name = json_string_value(json_object_get(kernel, "name"));
    size_t n = 0, i;
    const json_t *o;
    for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++)
        json_array_foreach(lists[k], i, o)
        {
            const char *s = json_string_value(json_object_get(o, "name"));
            if (s && n < MOST_NAMES) names[n++] = s;
        }
    const char *near = peri_did_you_mean(name, names, n);
    return peri_err_set(err, PERI_EINVAL,
                        "%s has no parameter \"%s\"%s%s%s (perigee kernels %s lists "
                        "them)",
                        kernel_name, name, near ? ": did you mean \"" : "",
                        near ? near : "", near ? "\"?" : "", kernel_name);
}

/* ---- values ---- */

/* "nan" and "inf" are no numbers in SQL. */
static bool is_number(const char *s)
{
    char *end;
    strtod(s, &end);
    return end > s && !*end && strspn(s, "0123456789+-.eE") == strlen(s);
}

/* 1,2.5 or [1, 2.5] */
static bool are_numbers(const char *s)
{
    char *copy = peri_xstrdup(s), *rest = copy, *word;
    bool ok = true;
    while (ok && (word = strtok_r(rest, " ,[]", &rest))) ok = is_number(word);
    free(copy);
    return ok;
}

int peri_kernel_arg_check(const json_t *param, const char *name, const char *value,
                          peri_err_t *err)
{
    const char *type = peri_kernel_arg_type(param), *want = NULL;
    if (!strcmp(type, "float") || !strcmp(type, "int"))
        want = is_number(value) ? NULL : "a number";
    else if (!strcmp(type, "floats"))
        want = are_numbers(value) ? NULL : "numbers, as 1,2.5";
    else if (!strcmp(type, "bool"))
        want = is_truth(value) ? NULL : "true or false";
    if (!want) return 0;
    return peri_err_set(err, PERI_EINVAL, "--%s needs %s, not \"%s\"", name, want, value);
}
