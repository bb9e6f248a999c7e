/* binds.c - see binds.h: volumes. Datasets are in datasets.c, tables in schemas.c. */
#include "portal/jobs/binds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portal/access/access.h"
#include "portal/helper/client.h"
#include "portal/jobs/parts.h"
#include "portal/storage/ops.h"
#include "portal/storage/path.h"
#include "portal/storage/volume.h"

static int load_name(peri_db_t *db, int64_t account, peri_arena_t *a, const char **name,
                     peri_err_t *err)
{
    char who[24];
    snprintf(who, sizeof(who), "%lld", (long long)account);
    static const char sql[] =
        "SELECT name FROM account WHERE id = $1::bigint AND state = 'active'";
    PGresult *q = peri_db_prepared(db, err, sql, 1, (const char *const[]){who});
    if (!q) return -1;
    *name = PQntuples(q) ? peri_arena_strdup(a, PQgetvalue(q, 0, 0)) : NULL;
    PQclear(q);
    if (*name) return 0;
    return peri_err_set(err, PERI_EDENIED,
                        "the account that this job belongs to is not active any more");
}

/* ---- what the job names ---- */

static bool is_named(const peri_volumename_t *v, const peri_part_t *p, const char *self)
{
    return !strcmp(v->name, p->name) && !strcasecmp(v->owner ? v->owner : self, p->owner);
}

static const peri_volumename_t *named(const peri_spec_t *spec, const peri_part_t *p,
                                      const char *self)
{
    for (size_t i = 0; i < spec->nvolumes; i++)
        if (is_named(&spec->volumes[i], p, self)) return &spec->volumes[i];
    return NULL;
}

static int check_named(const peri_spec_t *spec, const peri_parts_t *parts,
                       const char *self, peri_err_t *err)
{
    for (size_t i = 0; i < spec->nvolumes; i++) {
        const peri_volumename_t *v = &spec->volumes[i];
        size_t k = 0;
        while (k < parts->n && !is_named(v, &parts->v[k], self)) k++;
        if (k == parts->n)
            return peri_err_set(err, PERI_EDENIED,
                                "the job names the volume %s/%s, which %s may not use: "
                                "there is none, or it is not shared (any more)",
                                v->owner ? v->owner : self, v->name, self);
    }
    return 0;
}

static int check_output(const peri_spec_t *spec, const peri_parts_t *parts,
                        const char *self, peri_err_t *err)
{
    const peri_volumename_t *o = &spec->output;
    if (!o->name) return 0;
    for (size_t i = 0; i < parts->n; i++) {
        const peri_part_t *p = &parts->v[i];
        if (is_named(o, p, self) && (p->rights & PERI_RIGHT_WRITE) && !p->folder &&
            peri_path_within(o->path, p->path))
            return 0;
    }
    return peri_err_set(err, PERI_EDENIED,
                        "the output %s/%s:%s is no folder that %s may write to",
                        o->owner ? o->owner : self, o->name, o->path, self);
}

int peri_binds_check(const peri_portal_t *p, peri_db_t *db, int64_t account,
                     const peri_spec_t *spec, peri_err_t *err)
{
    peri_arena_t *a = peri_arena_new();
    peri_parts_t parts;
    const char *self;
    int rc = load_name(db, account, a, &self, err);
    if (rc == 0) rc = peri_volume_ensure(db, &p->config->storage, account, err);
    if (rc == 0) rc = peri_parts_load(db, account, a, &parts, err);
    if (rc == 0) rc = check_named(spec, &parts, self, err);
    if (rc == 0) rc = check_output(spec, &parts, self, err);
    peri_arena_free(a);
    return rc;
}

/* ---- folders ---- */

static bool is_below(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    return !strncmp(path, folder, n) && (!path[n] || path[n] == '/');
}

bool peri_binds_is_around(const peri_config_t *c, const char *folder)
{
    return is_below(c->state, folder) || is_below(c->spool, folder) ||
           is_below(c->storage.folder, folder);
}

/* The folder of a volume is made when it is first used; its own folder too, so that it
 * can be covered. */
static int make_folder(const peri_confstorage_t *conf, int64_t id, peri_err_t *err)
{
    int root = peri_volume_open_id(conf, id, err);
    if (root < 0) return -1;
    int trash = peri_path_open_private(root, "trash", err);
    close(root);
    if (trash < 0) return -1;
    close(trash);
    return 0;
}

/* What is in the way of it is not shown. */
static void make_tables(const peri_confstorage_t *conf, int64_t id)
{
    uint64_t made;
    int root = peri_volume_open_id(conf, id, NULL);
    if (root < 0) return;
    peri_ops_mkdir(root, PERI_SCHEMA_FOLDER, true, &made, NULL);
    close(root);
}

/* list NULL: not as a Unix user. */
static int put_part(const peri_confstorage_t *conf, peri_part_t *p, bool read_only,
                    peri_arena_t *a, peri_sandbox_t *s, peri_buf_t *list,
                    peri_bind_t *binds, peri_err_t *err)
{
    const bool part = *p->path, write = (p->rights & PERI_RIGHT_WRITE) && !read_only;
    if (!p->folder && make_folder(conf, p->id, err)) return -1;
    p->shown = true;
    p->write = write && !p->folder;
    const char *at = peri_arena_printf(a, PERI_VOLUMES_AT "/%s/%s", p->owner, p->name);
    binds[s->nbinds++] =
        (peri_bind_t){.from = p->folder ? p->folder
                                        : peri_arena_printf(a, "%s/%lld", conf->folder,
                                                            (long long)p->id),
                      .path = part ? p->path : NULL,
                      .to = part ? peri_arena_printf(a, "%s/%s", at, p->path) : at,
                      .hide = part ? NULL : PERI_PATH_PRIVATE,
                      .write = p->write,
                      .optional = part || p->folder};
    if (!list || p->folder) return 0;
    /* The folder is closed to her: what she may use of it is elsewhere for her. */
    peri_bind_t *b = &binds[s->nbinds - 1];
    char slot[PERI_HELPER_SLOT];
    peri_helper_slot((uint64_t)p->id, p->path, slot);
    b->from = peri_arena_printf(a, PERI_HELPER_AT "/%s", slot);
    b->path = NULL;
    peri_helper_list_put(list, p->id, write, p->path);
    return peri_buf_check(list, "the list of the job's folders", err);
}

/* A part of something that is seen with the same rights is seen anyhow. */
static bool is_covered(const peri_parts_t *parts, const peri_part_t *p)
{
    for (size_t i = 0; i < parts->n; i++) {
        const peri_part_t *o = &parts->v[i];
        if (o != p && o->id == p->id && strcmp(o->path, p->path) &&
            peri_path_within(p->path, o->path) &&
            !(p->rights & ~o->rights & PERI_RIGHT_WRITE))
            return true;
    }
    return false;
}

/* Her own files, if she has a place for them that is not the system's or ours. */
static bool is_home(const peri_config_t *c, const char *path)
{
    static const char *const not [] = {"/",    "/tmp", "/run", "/proc",
                                       "/dev", "/sys", "/usr", "/sbin",
                                       "/bin", "/lib", "/etc", "/volumes"};
    if (path[0] != '/' || strstr(path, "/.") || strstr(path, "//")) return false;
    for (size_t i = 0; i < sizeof(not ) / sizeof(*not ); i++)
        if (!strcmp(path, not [i]) || (i > 2 && is_below(path, not [i]))) return false;
    return path[strlen(path) - 1] != '/' && !peri_binds_is_around(c, path);
}

/* Of a job that names its volumes, and not its own: its tables are there all the same.
 */
static int put_mydb(const peri_confstorage_t *conf, const peri_spec_t *spec,
                    peri_parts_t *parts, const char *self, peri_arena_t *a,
                    peri_sandbox_t *s, peri_buf_t *list, peri_bind_t *binds,
                    peri_err_t *err)
{
    for (size_t i = 0; i < parts->n; i++) {
        peri_part_t *p = &parts->v[i];
        if (strcmp(p->owner, self) || strcmp(p->name, PERI_SCHEMA_VOLUME) || *p->path)
            continue;
        if (named(spec, p, self)) return 0;
        peri_part_t tables = *p;
        tables.path = PERI_SCHEMA_FOLDER;
        make_tables(conf, p->id);
        if (put_part(conf, &tables, false, a, s, list, binds, err)) return -1;
        p->shown = tables.shown;
        p->write = tables.write;
        return 0;
    }
    return 0;
}

static int put_volumes(const peri_config_t *c, const peri_spec_t *spec,
                       peri_parts_t *parts, const char *self, const char *unix_home,
                       peri_arena_t *a, peri_buf_t *list, peri_sandbox_t *s,
                       peri_err_t *err)
{
    peri_bind_t *binds = peri_arena_calloc(a, PERI_SANDBOX_BINDS, sizeof(*binds));
    size_t volumes = 0;
    int64_t last = 0;
    s->binds = binds;
    if (spec->has_volumes && put_mydb(&c->storage, spec, parts, self, a, s,
                                      unix_home ? list : NULL, binds, err))
        return -1;
    for (size_t i = 0; i < parts->n && s->nbinds < PERI_SANDBOX_BINDS; i++) {
        peri_part_t *p = &parts->v[i];
        const peri_volumename_t *v = named(spec, p, self);
        if ((spec->has_volumes && !v) || is_covered(parts, p) ||
            (p->folder && peri_binds_is_around(c, p->folder)))
            continue;
        if (p->id != last && ++volumes > PERI_SPEC_VOLUMES) break;
        last = p->id;
        if (put_part(&c->storage, p, v && v->read_only, a, s, unix_home ? list : NULL,
                     binds, err))
            return -1;
    }
    if (unix_home && is_home(c, unix_home) && s->nbinds < PERI_SANDBOX_BINDS)
        binds[s->nbinds++] = (peri_bind_t){
            .from = unix_home, .to = unix_home, .write = true, .optional = true};
    return 0;
}

static const char *home_of(const peri_sandbox_t *s, const char *self, peri_arena_t *a)
{
    const char *at = peri_arena_printf(a, PERI_VOLUMES_AT "/%s/persistent", self);
    for (size_t i = 0; i < s->nbinds; i++)
        if (!strcmp(s->binds[i].to, at) && s->binds[i].write) return at;
    return "/tmp";
}

/* Ours, where the data of a dataset lies around it. */
static void put_hidden(const peri_config_t *c, peri_arena_t *a, peri_sandbox_t *s)
{
    const char *const ours[] = {c->state, c->storage.folder, c->spool};
    const char **hide = peri_arena_calloc(a, 3, sizeof(*hide));
    for (size_t i = 0; i < 3; i++) {
        bool seen = false, covered = false;
        for (size_t k = 0; k < s->nread; k++) seen |= is_below(ours[i], s->read[k]);
        for (size_t k = 0; k < s->nhide; k++) covered |= is_below(ours[i], hide[k]);
        if (seen && !covered) hide[s->nhide++] = ours[i];
    }
    s->hide = hide;
}

int peri_binds_make(const peri_portal_t *p, peri_db_t *db, int64_t account,
                    const peri_spec_t *spec, const char *unix_home, peri_arena_t *a,
                    peri_binds_t *out, peri_err_t *err)
{
    const peri_confstorage_t *conf = &p->config->storage;
    peri_parts_t parts;
    const char *self;
    peri_buf_t list;
    *out = (peri_binds_t){0};
    peri_buf_init(&list, PERI_HELPER_MAX);
    int rc = -1;
    if (load_name(db, account, a, &self, err) ||
        peri_volume_ensure(db, conf, account, err) ||
        peri_parts_load(db, account, a, &parts, err) ||
        check_named(spec, &parts, self, err) ||
        put_volumes(p->config, spec, &parts, self, unix_home, a, &list, &out->sandbox,
                    err) ||
        peri_binds_datasets(p, db, account, a, unix_home ? &list : NULL, out, err))
        goto out;
    put_hidden(p->config, a, &out->sandbox);
    out->schemas = peri_binds_schemas(conf, db, self, &parts, a, err);
    if (!out->schemas) goto out;
    out->sandbox.user = self;
    out->sandbox.home = unix_home && is_home(p->config, unix_home)
                            ? unix_home
                            : home_of(&out->sandbox, self, a);
    out->dir = peri_arena_printf(a, PERI_VOLUMES_AT "/%s", self);
    if (unix_home)
        out->folders = peri_arena_strndup(a, list.len ? list.data : "", list.len);
    rc = 0;
out:
    peri_buf_free(&list);
    return rc;
}
