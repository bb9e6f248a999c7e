/* spot.c - from the address of a request to an open volume, and back to JSON (api.h). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "portal/storage/api.h"
#include "portal/storage/expire.h"

static const char *parent_of(peri_arena_t *a, const char *path)
{
    const char *name = peri_path_name(path);
    return name == path ? "" : peri_arena_strndup(a, path, (size_t)(name - path) - 1);
}

int peri_spot_open(peri_request_t *r, const char *owner, const char *volume,
                   const char *path, const peri_spotneed_t *need, peri_spot_t *out,
                   peri_err_t *err)
{
    const peri_confstorage_t *conf = &r->portal->config->storage;
    int rc = -1;
    *out = (peri_spot_t){.root = -1};
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    if (peri_volume_find(db, conf, r->actor.account, owner, volume, r->arena, &out->v,
                         err))
        goto out;
    out->path = peri_path_clean(r->arena, path, strlen(path), err);
    if (!out->path) goto out;
    out->label = peri_arena_printf(r->arena, "%s:%s", out->v.label, out->path);
    const char *on = need->parent ? parent_of(r->arena, out->path) : out->path;
    if (peri_access_need(r, db, "volume", out->v.id, on, need->rights, out->label, err))
        goto out;
    if (need->write && out->v.dataset) {
        peri_err_set(err, PERI_EDENIED, "%s is a data volume: it can only be read",
                     out->v.label);
        goto out;
    }
    rc = 0;
out:
    /* Not held while files are looked at. */
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    out->root = peri_volume_open(conf, &out->v, err);
    return out->root < 0 ? -1 : 0;
}

void peri_spot_close(peri_spot_t *s)
{
    if (s->root >= 0) close(s->root);
    s->root = -1;
}

json_t *peri_entry_json(const peri_spot_t *s, const peri_entry_t *e, const char *path)
{
    char tag[PERI_ETAG_LEN];
    const peri_expiry_t rule = {.file_days = s->v.days};
    const double modified = (double)e->mtime + 1e-9 * (double)e->ns;
    const double expires =
        e->kind == PERI_ENTRY_FOLDER ? 0 : peri_expires(&rule, modified);
    json_t *j = json_pack("{s:s, s:s, s:s, s:f, s:s, s:o}", "name", e->name, "path", path,
                          "kind", peri_entrykind_name(e->kind), "modified", modified,
                          "etag", peri_etag(e, tag), "expires",
                          expires > 0 ? json_real(expires) : json_null());
    if (e->kind == PERI_ENTRY_FILE)
        json_object_set_new(j, "size", json_integer((json_int_t)e->size));
    return j;
}

json_t *peri_amount_json(const peri_amount_t *a)
{
    return json_pack("{s:I, s:I}", "bytes", (json_int_t)a->bytes, "files",
                     (json_int_t)a->files);
}

void peri_spot_change(peri_portal_t *p, int64_t volume, peri_amount_t made,
                      peri_amount_t freed)
{
    peri_db_t *db = peri_dbpool_get(p->db, NULL);
    peri_usage_change(db, volume, made, freed);
    if (db) peri_dbpool_put(p->db, db);
}
