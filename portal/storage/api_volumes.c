/* api_volumes.c - requests about volumes themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal/access/thing.h"
#include "portal/storage/api.h"

static json_t *rights_json(unsigned rights, bool read_only)
{
    json_t *list = json_array();
    if (read_only) rights &= ~(unsigned)PERI_RIGHT_WRITE;
    for (unsigned bit = 1; bit <= PERI_RIGHT_OWN; bit <<= 1) {
        char name[64];
        if (!(rights & bit)) continue;
        peri_rights_text(bit, name);
        json_array_append_new(list, json_string(name));
    }
    return list;
}

static json_t *volume_json(const peri_volume_t *v)
{
    json_t *j = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:b, s:f, s:i}", "owner", v->owner,
        "name", v->name, "label", v->label, "kind", v->kind, "description",
        v->description, "used", (json_int_t)v->used, "files", (json_int_t)v->files,
        "rights", rights_json(v->rights, v->dataset != 0), "read_only",
        (int)(v->dataset != 0), "created", v->created, "version", v->version);
    json_object_set_new(j, "quota",
                        v->quota >= 0 ? json_integer((json_int_t)v->quota) : json_null());
    json_object_set_new(j, "quota_used", json_integer((json_int_t)v->shared_used));
    json_object_set_new(j, "days",
                        v->days > 0 ? json_integer((json_int_t)v->days) : json_null());
    return j;
}

int peri_api_volumes(peri_request_t *r, peri_err_t *err)
{
    const peri_confstorage_t *conf = &r->portal->config->storage;
    const char *owner = peri_request_arg(r, "owner");
    int64_t after, limit;
    peri_volume_t *list;
    size_t n;
    if (peri_request_number(r, "after", 0, INT64_MAX, 0, &after, err) ||
        peri_request_number(r, "limit", 1, 1000, 100, &limit, err))
        return -1;
    if (owner && !peri_filename_ok(owner, strlen(owner)))
        return peri_err_set(err, PERI_EINVAL,
                            "\"owner\" is an account, team:NAME or data:");
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = after ? 0 : peri_volume_ensure(db, conf, r->actor.account, err);
    if (!rc)
        rc = peri_volume_list(db, conf, r->actor.account, owner, after, (size_t)limit + 1,
                              r->arena, &list, &n, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    const bool more = n > (size_t)limit;
    if (more) n--;
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(out, volume_json(&list[i]));
    char next[24] = "";
    if (more) snprintf(next, sizeof(next), "%lld", (long long)list[n - 1].id);
    r->json = json_pack("{s:o, s:o}", "volumes", out, "next",
                        more ? json_string(next) : json_null());
    return 0;
}

/* The volume of the path with these rights; db is given back on failure. */
static peri_db_t *begin(peri_request_t *r, unsigned rights, peri_volume_t *v,
                        peri_err_t *err)
{
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return NULL;
    if (peri_volume_find(db, &r->portal->config->storage, r->actor.account, r->param[0],
                         r->param[1], r->arena, v, err) == 0 &&
        (!rights || (v->rights & rights) == rights ||
         peri_access_need(r, db, "volume", v->id, "", rights, v->label, err) == 0))
        return db;
    peri_dbpool_put(r->portal->db, db);
    return NULL;
}

static void answer(peri_request_t *r, const peri_volume_t *v)
{
    char tag[24];
    snprintf(tag, sizeof(tag), "%d", v->version);
    peri_request_etag(r, tag);
    r->json = volume_json(v);
}

int peri_api_volume(peri_request_t *r, peri_err_t *err)
{
    peri_volume_t v;
    /* Who was given a folder of it sees that it is there: no rights on all are needed. */
    peri_db_t *db = begin(r, 0, &v, err);
    if (!db) return -1;
    peri_dbpool_put(r->portal->db, db);
    answer(r, &v);
    return 0;
}

static int make(peri_request_t *r, peri_db_t *db, const char *owner, const char *name,
                const char *text, peri_err_t *err)
{
    const peri_confstorage_t *conf = &r->portal->config->storage;
    peri_thing_t team = {0};
    peri_volume_t v;
    int64_t id;
    if (owner && !strncmp(owner, "team:", 5)) {
        if (peri_thing_find(r, db, "team", owner + 5, &team, err) ||
            peri_access_need(r, db, "team", team.id, "", PERI_RIGHT_WRITE, owner + 5,
                             err))
            return -1;
    } else if (owner && strcasecmp(owner, r->actor.name) != 0) {
        return peri_err_set(
            err, PERI_EDENIED,
            "a new volume is yours or a team's (\"team:NAME\"): \"%.80s\" is "
            "neither",
            owner);
    }
    if (peri_volume_ensure(db, conf, r->actor.account, err) ||
        peri_volume_make(db, r->actor.account, team.id, name, text ? text : "", &id,
                         err) ||
        peri_volume_get(db, conf, r->actor.account, id, r->arena, &v, err) ||
        peri_audit(r, db, "volume.make", v.label, true, NULL, err))
        return -1;
    answer(r, &v);
    r->status = 201;
    return 0;
}

int peri_api_volume_make(peri_request_t *r, peri_err_t *err)
{
    const char *owner, *name, *text;
    json_t *o = peri_request_json(r, "owner name description", err);
    if (!o || peri_json_text(o, "owner", false, 80, &owner, err) ||
        peri_json_text(o, "name", true, 80, &name, err) ||
        peri_json_text(o, "description", false, 2000, &text, err))
        return -1;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = make(r, db, owner, name, text, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

static int edit(peri_request_t *r, peri_db_t *db, peri_volume_t *v, peri_volumeedit_t *e,
                peri_err_t *err)
{
    char tag[24];
    snprintf(tag, sizeof(tag), "%d", v->version);
    if (peri_request_match(r, tag, err)) return -1;
    if (peri_request_header(r, "If-Match")) e->version = v->version;
    if (peri_volume_edit(db, v, e, err) ||
        peri_volume_get(db, &r->portal->config->storage, r->actor.account, v->id,
                        r->arena, v, err))
        return -1;
    answer(r, v);
    return 0;
}

int peri_api_volume_edit(peri_request_t *r, peri_err_t *err)
{
    peri_volume_t v;
    peri_volumeedit_t e = {0};
    int64_t days = 0;
    json_t *o = peri_request_json(r, "name description days", err);
    if (!o || peri_json_text(o, "name", false, 80, &e.name, err) ||
        peri_json_text(o, "description", false, 2000, &e.description, err) ||
        peri_json_number(o, "days", false, 1,
                         (int64_t)r->portal->config->storage.scratch_days, &days, err))
        return -1;
    e.days = (double)days;
    peri_db_t *db = begin(r, PERI_RIGHT_OWN, &v, err);
    if (!db) return -1;
    int rc = edit(r, db, &v, &e, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_volume_delete(peri_request_t *r, peri_err_t *err)
{
    peri_volume_t v;
    const char *forever = peri_request_arg(r, "forever");
    const bool at_once = forever && !strcmp(forever, "1");
    peri_db_t *db = begin(r, PERI_RIGHT_OWN, &v, err);
    if (!db) return -1;
    int rc = peri_volume_delete(db, &v, at_once, err);
    if (!rc)
        rc = peri_audit(r, db, "volume.delete", v.label, true,
                        json_pack("{s:b}", "at_once", (int)at_once), err);
    peri_dbpool_put(r->portal->db, db);
    if (!rc) r->status = 204;
    return rc;
}
