/* param.c - see param.h. */
#include "cli/param.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define NAME_MAX_BYTES 64

static bool is_name(const char *s, size_t n)
{
    if (n == 0 || n > NAME_MAX_BYTES || isdigit((unsigned char)*s)) return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '_') return false;
    return true;
}

int peri_param_add(json_t **params, const char *word, peri_err_t *err)
{
    const char *eq = strchr(word, '=');
    if (!eq || !is_name(word, (size_t)(eq - word)))
        return peri_err_set(
            err, PERI_EINVAL,
            "--param \"%.60s\" is not possible: write NAME=VALUE, where the "
            "SQL has $NAME",
            word);
    json_t *v = json_loads(eq + 1, JSON_DECODE_ANY, NULL);
    if (json_is_object(v) || json_is_array(v)) {
        json_decref(v);
        v = NULL;
    }
    if (!v) v = json_string(eq + 1);
    if (!v)
        return peri_err_set(err, PERI_EINVAL, "the value of --param %.60s is not UTF-8",
                            word);
    char *name = peri_xasprintf("%.*s", (int)(eq - word), word);
    int rc = 0;
    if (json_object_get(*params, name)) {
        rc = peri_err_set(err, PERI_EINVAL, "--param %s= is given twice", name);
        json_decref(v);
    } else {
        if (!*params) *params = json_object();
        json_object_set_new(*params, name, v);
    }
    free(name);
    return rc;
}
