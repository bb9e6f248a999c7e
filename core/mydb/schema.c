/* schema.c - see schema.h. */
#include "core/mydb/schema.h"

#include <jansson.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/util.h"

#define ENV_SCHEMAS   "PERIGEE_SCHEMAS"
#define MAX_JSON      (4u << 20)
#define MAX_SCHEMAS   4096
#define MAX_WORD      255
#define DEFAULT_SPARE ((int64_t)10000000000)

struct peri_schemas {
    peri_arena_t *arena;
    peri_schema_t *v;
    size_t n;
};

/* ---- one entry ---- */

/* Names stand in sentences and tables for people. */
static bool is_word(const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) return false;
    return n <= MAX_WORD;
}

static int64_t get_bytes(const json_t *o, const char *key, int64_t otherwise, bool *bad)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) return otherwise;
    if (!json_is_integer(v)) {
        *bad = true;
        return otherwise;
    }
    /* Who has more than the quota has nothing left. */
    return json_integer_value(v) < 0 ? 0 : (int64_t)json_integer_value(v);
}

static int read_schema(peri_schemas_t *s, const json_t *o, size_t i, peri_err_t *err)
{
    const char *name = json_string_value(json_object_get(o, "name")),
               *folder = json_string_value(json_object_get(o, "folder"));
    const json_t *owner = json_object_get(o, "owner"),
                 *write = json_object_get(o, "write");
    bool bad = !name || !*name || !is_word(name) || strpbrk(name, "/\"");
    bad = bad || !folder || folder[0] != '/' || strlen(folder) >= PATH_MAX;
    bad =
        bad || (owner && (!json_is_string(owner) || !is_word(json_string_value(owner))));
    bad = bad || (write && !json_is_boolean(write));
    int64_t left = get_bytes(o, "left", -1, &bad),
            quota = get_bytes(o, "quota", -1, &bad),
            spare = get_bytes(o, "spare", DEFAULT_SPARE, &bad);
    if (bad)
        return peri_err_set(err, PERI_EINVAL,
                            ENV_SCHEMAS ": entry %zu is not {\"name\": text, \"folder\": "
                                        "absolute path, \"write\": true or false, "
                                        "\"owner\": text, \"left\" and \"quota\": bytes}",
                            i + 1);
    s->v[i] = (peri_schema_t){
        .name = peri_arena_strdup(s->arena, name),
        .folder = peri_arena_strdup(s->arena, folder),
        .owner = peri_arena_strdup(s->arena, owner ? json_string_value(owner) : ""),
        .write = json_is_true(write),
        .left = left,
        .quota = quota,
        .spare = spare,
        .spent = peri_arena_calloc(s->arena, 1, sizeof(int64_t))};
    s->n = i + 1;
    return 0;
}

/* Two schemas may lie in one folder: what one takes, the other has no more. */
static void join_spent(peri_schemas_t *s)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < i; k++)
            if (*s->v[i].owner && strcmp(s->v[i].owner, s->v[k].owner) == 0) {
                s->v[i].spent = s->v[k].spent;
                break;
            }
}

static peri_schemas_t *schemas_new(void)
{
    peri_schemas_t *s = peri_xcalloc(1, sizeof(*s));
    s->arena = peri_arena_new();
    return s;
}

peri_schemas_t *peri_schemas_parse(const char *json, size_t len, peri_err_t *err)
{
    json_error_t why;
    peri_schemas_t *s = NULL;
    json_t *a =
        len > MAX_JSON ? NULL : json_loadb(json, len, JSON_REJECT_DUPLICATES, &why);
    if (len > MAX_JSON) {
        peri_err_set(err, PERI_EINVAL, ENV_SCHEMAS " has more than %u bytes", MAX_JSON);
        goto out;
    }
    if (!a || !json_is_array(a)) {
        peri_err_set(err, PERI_EINVAL, ENV_SCHEMAS " is not a JSON array of schemas%s%s",
                     a ? "" : ": ", a ? "" : why.text);
        goto out;
    }
    size_t n = json_array_size(a);
    if (n > MAX_SCHEMAS) {
        peri_err_set(err, PERI_EINVAL, ENV_SCHEMAS " has more than %d schemas",
                     MAX_SCHEMAS);
        goto out;
    }
    s = schemas_new();
    s->v = peri_arena_calloc(s->arena, n + 1, sizeof(*s->v));
    for (size_t i = 0; i < n; i++) {
        if (read_schema(s, json_array_get(a, i), i, err) == 0) continue;
        peri_schemas_free(s);
        s = NULL;
        goto out;
    }
    join_spent(s);
out:
    json_decref(a);
    return s;
}

/* ---- the user's own machine ---- */

static const char *home(void)
{
    const char *h = getenv("HOME");
    if (h && *h) return h;
    const struct passwd *pw = getpwuid(getuid());
    return pw ? pw->pw_dir : "/tmp";
}

static char *own_folder(peri_err_t *err)
{
    const char *said = getenv("PERIGEE_MYDB"), *data = getenv("XDG_DATA_HOME");
    if (said && said[0] == '/') return peri_xstrdup(said);
    if (said && *said) {
        char *here = getcwd(NULL, 0),
             *path = here ? peri_xasprintf("%s/%s", here, said) : NULL;
        if (!here)
            peri_err_set(
                err, PERI_EIO,
                "the folder of PERIGEE_MYDB, %s, is relative to a working folder "
                "that is gone",
                said);
        free(here);
        return path;
    }
    /* A relative one is to be ignored, says its specification. */
    if (data && data[0] == '/') return peri_xasprintf("%s/perigee/" PERI_MYDB, data);
    return peri_xasprintf("%s/.local/share/perigee/" PERI_MYDB, home());
}

bool peri_schemas_given(void)
{
    const char *json = getenv(ENV_SCHEMAS);
    return json && *json;
}

peri_schemas_t *peri_schemas_new(peri_err_t *err)
{
    if (peri_schemas_given()) {
        const char *json = getenv(ENV_SCHEMAS);
        return peri_schemas_parse(json, strlen(json), err);
    }
    char *folder = own_folder(err);
    if (!folder) return NULL;
    peri_schemas_t *s = schemas_new();
    s->v = peri_arena_calloc(s->arena, 1, sizeof(*s->v));
    s->v[0] = (peri_schema_t){.name = PERI_MYDB,
                              .folder = peri_arena_strdup(s->arena, folder),
                              .owner = "",
                              .write = true,
                              .left = -1,
                              .quota = -1,
                              .spare = DEFAULT_SPARE};
    s->n = 1;
    free(folder);
    return s;
}

/* ---- look-up ---- */

void peri_schemas_free(peri_schemas_t *s)
{
    if (!s) return;
    peri_arena_free(s->arena);
    free(s);
}

size_t peri_schemas_count(const peri_schemas_t *s)
{
    return s->n;
}

const peri_schema_t *peri_schemas_at(const peri_schemas_t *s, size_t i)
{
    return i < s->n ? &s->v[i] : NULL;
}

const peri_schema_t *peri_schemas_find(const peri_schemas_t *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcasecmp(s->v[i].name, name) == 0) return &s->v[i];
    return NULL;
}
