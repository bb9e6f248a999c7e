/* parameters.c - what a saved query declares of its $parameters, and values for them.
 * Pure: JSON in, JSON out. They become SQL elsewhere, as literals.
 */
#include <ctype.h>
#include <string.h>

#include "portal/quick/saved.h"

#define HELP_MAX 1000
#define NAME_MAX 64

typedef enum { TEXT, INTEGER, NUMBER, BOOLEAN, NONE } kind_t;
static const char *const whats[] = {"a text", "a whole number", "a number",
                                    "true or false"};
/* In any case; the SQL types of such literals are names, too. */
static const struct {
    const char *name;
    kind_t kind;
} types[] = {{"text", TEXT},      {"varchar", TEXT},    {"date", TEXT},
             {"timestamp", TEXT}, {"integer", INTEGER}, {"bigint", INTEGER},
             {"number", NUMBER},  {"double", NUMBER},   {"boolean", BOOLEAN}};

static kind_t type_of(const json_t *p)
{
    const char *s = json_string_value(json_object_get(p, "type"));
    for (size_t i = 0; s && i < sizeof(types) / sizeof(types[0]); i++)
        if (!strcasecmp(types[i].name, s)) return types[i].kind;
    return NONE;
}

static bool is_of(kind_t kind, const json_t *v)
{
    switch (kind) {
    case TEXT:
        return json_is_string(v);
    case INTEGER:
        return json_is_integer(v);
    case NUMBER:
        return json_is_number(v);
    default:
        return json_is_boolean(v);
    }
}

static bool is_name(const char *s)
{
    if (!s || !(isalpha((unsigned char)*s) || *s == '_') || strlen(s) > NAME_MAX)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_') return false;
    return true;
}

static const char *name_of(const json_t *p)
{
    return json_string_value(json_object_get(p, "name"));
}

static const json_t *find(const json_t *declared, const char *name, size_t before)
{
    size_t i;
    const json_t *p;
    json_array_foreach(declared, i,
                       p) if (i < before && !strcmp(name_of(p), name)) return p;
    return NULL;
}

static int check_keys(const json_t *p, size_t i, peri_err_t *err)
{
    static const char *const keys[] = {"name", "type", "default", "help"};
    const char *key;
    const json_t *v;
    json_object_foreach((json_t *)p, key, v)
    {
        size_t k = 0;
        while (k < 4 && strcmp(keys[k], key) != 0) k++;
        if (k == 4)
            return peri_err_set(err, PERI_EINVAL,
                                "parameter %zu: \"%.60s\" is not a key here; there are: "
                                "name, type, default, help",
                                i + 1, key);
    }
    return 0;
}

static int check_one(const json_t *declared, const json_t *p, size_t i, peri_err_t *err)
{
    const char *help = NULL, *name = name_of(p);
    const json_t *value = json_object_get(p, "default");
    if (!json_is_object(p))
        return peri_err_set(err, PERI_EINVAL, "parameter %zu is to be an object", i + 1);
    if (check_keys(p, i, err)) return -1;
    if (!is_name(name))
        return peri_err_set(err, PERI_EINVAL,
                            "parameter %zu: \"name\" is what stands behind the $ in the "
                            "SQL: letters, digits and _, at most %d",
                            i + 1, NAME_MAX);
    if (find(declared, name, i))
        return peri_err_set(err, PERI_EINVAL, "there are two parameters \"%s\"", name);
    const kind_t kind = type_of(p);
    if (kind == NONE)
        return peri_err_set(err, PERI_EINVAL,
                            "parameter %s: \"type\" is text, integer, number, boolean, "
                            "date or timestamp",
                            name);
    if (value && !json_is_null(value) && !is_of(kind, value))
        return peri_err_set(err, PERI_EINVAL, "parameter %s: its default is to be %s",
                            name, whats[kind]);
    return peri_json_text(p, "help", false, HELP_MAX, &help, err);
}

int peri_parameters_check(const json_t *declared, peri_err_t *err)
{
    size_t i;
    const json_t *p;
    if (!declared || json_is_null(declared)) return 0;
    if (!json_is_array(declared))
        return peri_err_set(err, PERI_EINVAL,
                            "\"parameters\" is a list of {\"name\", \"type\", "
                            "\"default\", \"help\"}");
    if (json_array_size(declared) > PERI_PARAMETERS_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "a query can have %d parameters, and this one has %zu",
                            PERI_PARAMETERS_MAX, json_array_size(declared));
    json_array_foreach(declared, i, p) if (check_one(declared, p, i, err)) return -1;
    return 0;
}

static int refuse_others(const json_t *declared, const json_t *given, peri_err_t *err)
{
    const char *key;
    const json_t *v;
    json_object_foreach((json_t *)given, key, v) if (
        !find(declared, key,
              SIZE_MAX)) return peri_err_set(err, PERI_EINVAL,
                                             "the saved query has no parameter \"%.60s\"",
                                             key);
    return 0;
}

json_t *peri_parameters_bind(const json_t *declared, const json_t *given, peri_err_t *err)
{
    size_t i;
    const json_t *p;
    if (given && !json_is_null(given) && !json_is_object(given)) {
        peri_err_set(err, PERI_EINVAL, "\"parameters\" is an object of names and values");
        return NULL;
    }
    if (refuse_others(declared, given, err)) return NULL;
    json_t *out = json_object();
    json_array_foreach(declared, i, p)
    {
        const char *name = name_of(p);
        const kind_t kind = type_of(p);
        json_t *v = json_object_get(given, name);
        const bool is_given = v != NULL;
        if (!v) v = json_object_get(p, "default");
        if (!v || (json_is_null(v) && !is_given)) {
            const char *help = json_string_value(json_object_get(p, "help"));
            peri_err_set(err, PERI_EINVAL,
                         "the parameter \"%s\" needs a value: %s%s%.200s", name,
                         whats[kind], help && *help ? "; " : "", help ? help : "");
            json_decref(out);
            return NULL;
        }
        if (!json_is_null(v) && !is_of(kind, v)) {
            peri_err_set(err, PERI_EINVAL, "the parameter \"%s\" is to be %s", name,
                         whats[kind]);
            json_decref(out);
            return NULL;
        }
        json_object_set(out, name, v);
    }
    return out;
}
