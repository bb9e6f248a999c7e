/* api_link.c - requests about links; what is behind one is sent by portal/storage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/access/link.h"
#include "portal/access/routes.h"

#define DAY 86400.0

#define LINK_JSON                                                                        \
    "SELECT json_build_object('id', l.id, 'kind', l.kind, 'thing', "                     \
    "perigee_label(l.kind, l.thing, l.path), 'path', l.path, 'by', a.name, 'created', "  \
    "l.created, 'expires', l.expires, 'uses', l.uses, 'used', l.used) FROM share_link "  \
    "l "                                                                                 \
    "LEFT JOIN account a ON a.id = l.by "

int peri_api_links(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *list = peri_rows_json(
        db, err,
        LINK_JSON "WHERE l.expires > extract(epoch FROM now()) ORDER BY l.id DESC LIMIT "
                  "1000",
        0, NULL);
    peri_dbpool_put(r->portal->db, db);
    r->json = list ? json_pack("{s:o}", "links", list) : NULL;
    return list ? 0 : -1;
}

static int make(peri_request_t *r, peri_db_t *db, const char *kind, const char *text,
                const char *path, double days, peri_err_t *err)
{
    peri_thing_t thing;
    char token[PERI_SECRET_LEN + 1];
    int64_t id;
    const double expires = peri_epoch() + days * DAY;
    if (peri_thing_find(r, db, kind, text, &thing, err)) return -1;
    if (path) thing.path = path;
    if (!thing.path[0])
        return peri_err_set(err, PERI_EINVAL, "a link shows one file: say which");
    if (peri_access_need(r, db, kind, thing.id, strcmp(kind, "job") ? thing.path : "",
                         PERI_RIGHT_READ | PERI_RIGHT_GRANT, text, err) ||
        peri_link_make(db, &thing, r->actor.account, expires, token, &id, err) ||
        peri_audit(r, db, "link.make", text, true,
                   json_pack("{s:s, s:f}", "path", thing.path, "expires", expires),
                   err) ||
        peri_db_commit(db, err))
        return -1;
    r->json = json_pack("{s:I, s:s, s:s, s:s, s:f, s:s+}", "id", (json_int_t)id, "kind",
                        kind, "thing", text, "path", thing.path, "expires", expires,
                        "url", "/l/", token);
    r->status = 201;
    return 0;
}

int peri_api_link_make(peri_request_t *r, peri_err_t *err)
{
    const peri_confstorage_t *s = &r->portal->config->storage;
    const char *kind = NULL, *text = NULL, *path = NULL;
    json_t *o = peri_request_json(r, "kind thing path days", err);
    if (!o || peri_json_text(o, "kind", true, 20, &kind, err) ||
        peri_json_text(o, "thing", true, 5000, &text, err) ||
        peri_json_text(o, "path", false, 4096, &path, err))
        return -1;
    const json_t *days = json_object_get(o, "days");
    const double n = days ? json_number_value(days) : 7 < s->link_days ? 7 : s->link_days;
    if (!s->links)
        return peri_err_set(err, PERI_EDENIED, "the administrator does not allow links");
    if (strcmp(kind, "volume") != 0 && strcmp(kind, "job") != 0)
        return peri_err_set(err, PERI_EINVAL, "a link is to a volume's file or a job's");
    if (!(n > 0 && n <= s->link_days))
        return peri_err_set(
            err, PERI_EINVAL,
            "\"days\" is how long the link lives: more than 0, at most %g", s->link_days);
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    const int rc = make(r, db, kind, text, path, n, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_link_remove(peri_request_t *r, peri_err_t *err)
{
    const char *id = r->param[0];
    if (strspn(id, "0123456789") != strlen(id) || strlen(id) > 18)
        return peri_err_set(err, PERI_ENOTFOUND, "there is no link %.40s", id);
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    const int64_t n =
        peri_db_exec(db, err, "DELETE FROM share_link WHERE id = $1::bigint", 1, &id);
    int rc = n < 0 ? -1 : 0;
    if (n == 0) rc = peri_err_set(err, PERI_ENOTFOUND, "there is no link %.40s", id);
    if (rc == 0) rc = peri_audit(r, db, "link.remove", id, true, NULL, err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0) r->status = 204;
    return rc;
}
