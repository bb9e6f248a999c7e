/* config_value.c - single values of the configuration; see config_priv.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/config/config_priv.h"

int peri_conf_text(peri_confload_t *l, peri_node_t *at, const char *what,
                   const char **out, peri_err_t *err)
{
    return at ? peri_yaml_text(&l->yaml, at, what, l->c->arena, out, err) : 0;
}

int peri_conf_number(peri_confload_t *l, peri_node_t *at, const char *what, double min,
                     double max, double *out, peri_err_t *err)
{
    const char *s = NULL;
    if (!at) return 0;
    if (peri_conf_text(l, at, what, &s, err)) return -1;
    char *end;
    errno = 0;
    double v = strtod(s, &end);
    if (end == s || *end || errno || !(v >= min && v <= max))
        return peri_yaml_error(&l->yaml, at, err,
                               "%s needs a number from %g to %g, not \"%.100s\"", what,
                               min, max, s);
    *out = v;
    return 0;
}

int peri_conf_folder(peri_confload_t *l, peri_node_t *at, const char *what,
                     const char **out, peri_err_t *err)
{
    if (!at) return 0;
    if (peri_conf_text(l, at, what, out, err)) return -1;
    if (**out == '/') return 0;
    return peri_yaml_error(&l->yaml, at, err, "%s needs an absolute path, not \"%.200s\"",
                           what, *out);
}

int peri_conf_word(peri_confload_t *l, peri_node_t *at, const char *what,
                   const char *const *words, int *out, peri_err_t *err)
{
    const char *s = NULL;
    char all[160] = "";
    if (!at) return 0;
    if (peri_conf_text(l, at, what, &s, err)) return -1;
    for (int i = 0; words[i]; i++) {
        if (!strcmp(words[i], s)) {
            *out = i;
            return 0;
        }
        const size_t n = strlen(all);
        snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", words[i]);
    }
    return peri_yaml_error(&l->yaml, at, err, "%s is one of %s, not \"%.60s\"", what, all,
                           s);
}

int peri_conf_size(peri_confload_t *l, peri_node_t *at, const char *what, int64_t *out,
                   peri_err_t *err)
{
    const char *s = NULL;
    uint64_t v;
    if (!at) return 0;
    if (peri_conf_text(l, at, what, &s, err)) return -1;
    if (peri_parse_size(s, &v, NULL) || v > INT64_MAX)
        return peri_yaml_error(&l->yaml, at, err,
                               "%s needs a size such as 10GB, not \"%.60s\"", what, s);
    *out = (int64_t)v;
    return 0;
}

int peri_conf_fields(peri_confload_t *l, peri_node_t *at, const char *what,
                     const char *const *keys, size_t n, peri_node_t **v, peri_err_t *err)
{
    memset(v, 0, n * sizeof(*v));
    return at ? peri_yaml_fields(&l->yaml, at, what, keys, n, v, err) : 0;
}

int peri_conf_bool(peri_confload_t *l, peri_node_t *at, const char *what, bool *out,
                   peri_err_t *err)
{
    return at ? peri_yaml_bool(&l->yaml, at, what, out, err) : 0;
}
