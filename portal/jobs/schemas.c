/* schemas.c - the tables that a job or a quick query of an account finds by name: its own
 * as mydb, teams' as NAME, other users' as NAME, as far as they are shared.
 *
 * Only names and places: the walls are the sandbox's, from the same parts, so that a
 * program that makes up a PERIGEE_SCHEMAS of its own sees no more. What is left of a
 * quota is as at this moment.
 *
 * A name that two have is the team's; "team:NAME" and "user:NAME" always mean one.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "portal/jobs/parts.h"
#include "portal/storage/usage.h"

/* Below what the kernel takes as one variable of an environment. */
#define TEXT_MAX (96u << 10)

typedef struct {
    int64_t volume;
    const char *owner, *name; /* of the volume */
    bool team, write;
    int64_t left, quota; /* if it may be written */
} place_t;

/* A part that is, or has in it, all tables of a volume. */
static bool is_all(const peri_part_t *p)
{
    return !*p->path || !strcmp(p->path, PERI_SCHEMA_FOLDER);
}

static bool is_team(const peri_part_t *p)
{
    return !strncmp(p->owner, "team:", 5);
}

static bool has_tables(const peri_part_t *p)
{
    return !p->folder && peri_tables_are_in(is_team(p), p->name);
}

/* A table can only be changed with the folder that it is in. */
static size_t find_places(const peri_parts_t *parts, place_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < parts->n; i++) {
        const peri_part_t *p = &parts->v[i];
        if (!p->shown || !has_tables(p) || !(is_all(p) || peri_tables_file(p->path)))
            continue;
        size_t k = 0;
        while (k < n && out[k].volume != p->id) k++;
        if (k == n)
            out[n++] = (place_t){
                .volume = p->id, .owner = p->owner, .name = p->name, .team = is_team(p)};
        out[k].write |= p->write && is_all(p);
    }
    return n;
}

static bool is_there(const json_t *list, const char *name)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o)
    {
        if (!strcasecmp(json_string_value(json_object_get(o, "name")), name)) return true;
    }
    return false;
}

static int find_left(const peri_confstorage_t *conf, peri_db_t *db, place_t *v, size_t n,
                     peri_err_t *err)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].write &&
            peri_usage_left(db, conf, v[i].volume, &v[i].left, &v[i].quota, err))
            return -1;
    return 0;
}

static int put(json_t *list, const place_t *p, const char *name, peri_err_t *err)
{
    if (is_there(list, name)) return 0;
    json_t *one = json_pack(
        "{s:s, s:o, s:b, s:o}", "name", name, "folder",
        json_sprintf(PERI_VOLUMES_AT "/%s/%s/" PERI_SCHEMA_FOLDER, p->owner, p->name),
        "write", (int)p->write, "owner", json_sprintf("%s/%s", p->owner, p->name));
    if (one && p->write) {
        json_object_set_new(one, "left", json_integer(p->left));
        json_object_set_new(one, "quota", json_integer(p->quota));
    }
    if (json_array_append_new(list, one))
        return peri_err_set(err, PERI_EINTERNAL, "the schema %s is no JSON", name);
    return 0;
}

/* First what is nobody else's name, then by the bare name, then by the long one. */
static int put_all(json_t *list, const char *self, const place_t *v, size_t n,
                   peri_arena_t *a, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++)
        if (!v[i].team && !strcmp(v[i].owner, self) && put(list, &v[i], "mydb", err))
            return -1;
    for (int team = 1; team >= 0; team--)
        for (size_t i = 0; i < n; i++) {
            const char *name = v[i].owner + (v[i].team ? strlen("team:") : 0);
            if (v[i].team == (bool)team &&
                (put(list, &v[i], name, err) ||
                 put(list, &v[i],
                     peri_arena_printf(a, "%s:%s", team ? "team" : "user", name), err)))
                return -1;
        }
    return 0;
}

const char *peri_binds_schemas(const peri_confstorage_t *conf, peri_db_t *db,
                               const char *self, const peri_parts_t *parts,
                               peri_arena_t *a, peri_err_t *err)
{
    place_t *places = peri_arena_calloc(a, parts->n + 1, sizeof(*places));
    const size_t n = find_places(parts, places);
    json_t *list = json_array();
    const char *made = NULL;
    char *text = NULL;
    if (find_left(conf, db, places, n, err) || put_all(list, self, places, n, a, err))
        goto out;
    while ((text = json_dumps(list, JSON_COMPACT)) && strlen(text) > TEXT_MAX) {
        free(text);
        json_array_remove(list, json_array_size(list) - 1);
    }
    if (text)
        made = peri_arena_strdup(a, text);
    else
        peri_err_set(err, PERI_EINTERNAL, "no memory for the names of schemas");
out:
    free(text);
    json_decref(list);
    return made;
}
