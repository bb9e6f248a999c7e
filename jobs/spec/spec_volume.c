/* spec_volume.c - the volumes that a job sees, and the folder where its results go.
 *
 * Only how they are written; who may use what is the portal's to know, when the job
 * starts.
 */
#include <string.h>

#include "jobs/spec/spec_private.h"

/* Names of accounts, teams and volumes. */
static bool is_name(const char *s, size_t n)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    if (n == 0 || n > PERI_NAME_MAX || !memchr(letters, *s, sizeof(letters) - 1))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!memchr(letters, s[i], sizeof(letters) - 1) && !strchr(".-", s[i]))
            return false;
    return true;
}

/* "ana", "team:mhd", "data:" */
static bool is_owner(const char *s, size_t n)
{
    if (n == 5 && !strncmp(s, "data:", 5)) return true;
    if (n > 5 && !strncmp(s, "team:", 5)) return is_name(s + 5, n - 5);
    return is_name(s, n);
}

const char *peri_volume_name(const char *s, peri_arena_t *arena, peri_volumename_t *out)
{
    const char *slash = strchr(s, '/'), *colon = strchr(s, ':');
    const bool prefixed = !strncmp(s, "team:", 5) || !strncmp(s, "data:", 5);
    /* Of one's own: a slash only behind the colon. */
    if (!slash || (colon && colon < slash && !prefixed)) slash = NULL;
    const char *name = slash ? slash + 1 : s;
    const size_t n = strcspn(name, ":");
    *out = (peri_volumename_t){0};
    if (slash && !is_owner(s, (size_t)(slash - s))) return NULL;
    if (!is_name(name, n)) return NULL;
    if (slash) out->owner = peri_arena_strndup(arena, s, (size_t)(slash - s));
    out->name = peri_arena_strndup(arena, name, n);
    return name + n;
}

static int read_one(const json_t *v, const peri_at_t *at, peri_arena_t *arena,
                    peri_volumename_t *out, peri_err_t *err)
{
    char shown[64];
    const char *s = json_string_value(v);
    if (!s) return peri_type_check(v, PERI_J_TEXT, at, err);
    const char *rest = peri_volume_name(s, arena, out);
    if (!rest || (*rest && strcmp(rest, ":ro") && strcmp(rest, ":rw")))
        return peri_at_error(at, err,
                             "\"%s\" is not a volume: OWNER/NAME or NAME, and \":ro\" "
                             "behind it to only read it",
                             peri_shown(s, shown));
    out->read_only = !strcmp(rest, ":ro");
    return 0;
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static int read_volumes(const json_t *list, const peri_at_t *top, peri_arena_t *arena,
                        peri_spec_t *s, peri_err_t *err)
{
    const size_t n = json_array_size(list);
    const peri_at_t here = {.up = top, .key = "volumes"};
    if (!list) return 0;
    if (n > PERI_SPEC_VOLUMES)
        return peri_at_error(&here, err, "are %zu; at most %d are possible", n,
                             PERI_SPEC_VOLUMES);
    peri_volumename_t *v = peri_arena_calloc(arena, n + 1, sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        const peri_at_t at = {.up = &here, .index = i};
        if (read_one(json_array_get(list, i), &at, arena, &v[i], err)) return -1;
        for (size_t j = 0; j < i; j++)
            if (!strcmp(v[i].name, v[j].name) && is_same(v[i].owner, v[j].owner))
                return peri_at_error(&at, err, "is the same volume as /volumes/%zu", j);
    }
    s->has_volumes = true;
    s->volumes = v;
    s->nvolumes = n;
    return 0;
}

/* Relative, and no part is empty, "." or "..". "" is the volume itself. */
static bool is_path(const char *s)
{
    if (!*s) return true;
    for (;; s++) {
        const size_t n = strcspn(s, "/");
        if (n == 0 || n > 255 || (n <= 2 && strspn(s, ".") >= n)) return false;
        if (!(s += n)[0]) return true;
    }
}

static int read_output(const json_t *o, const peri_at_t *top, peri_arena_t *arena,
                       peri_spec_t *s, peri_err_t *err)
{
    const peri_at_t here = {.up = top, .key = "output"};
    const char *text = NULL, *path;
    char shown[64];
    if (peri_get_text(o, "output", top, 4000, &text, err)) return -1;
    if (json_object_get(o, "output_overwrite") && !text)
        return peri_key_error(top, "output_overwrite", err, "needs \"output\"");
    if (!text) return 0;
    const char *rest = peri_volume_name(text, arena, &s->output);
    if (!rest || *rest != ':')
        return peri_at_error(&here, err,
                             "\"%s\" is not a folder of a volume: VOLUME:FOLDER or "
                             "OWNER/VOLUME:FOLDER, such as persistent:results/run1",
                             peri_shown(text, shown));
    char *clean = peri_arena_strdup(arena, rest + 1);
    const size_t n = strlen(clean);
    if (n > 1 && clean[n - 1] == '/') clean[n - 1] = '\0';
    path = clean;
    if (!is_path(path))
        return peri_at_error(&here, err,
                             "\"%s\" is not a folder in a volume: it has no slash at its "
                             "start and no part . or ..",
                             peri_shown(rest + 1, shown));
    s->output.path = path;
    s->output_overwrite = json_is_true(json_object_get(o, "output_overwrite"));
    return 0;
}

int peri_volumes_read(const json_t *o, const peri_at_t *top, peri_arena_t *arena,
                      peri_spec_t *s, peri_err_t *err)
{
    return read_volumes(json_object_get(o, "volumes"), top, arena, s, err) ||
                   read_output(o, top, arena, s, err)
               ? -1
               : 0;
}
