/* thing.c - see thing.h. */
#include "portal/access/thing.h"

#include <stdlib.h>
#include <string.h>

#include "portal/storage/volume.h"

/* The first column of the first row; 0 if there is none or it is NULL. */
static int one_number(peri_db_t *db, peri_err_t *err, const char *sql, int n,
                      const char *const *values, int64_t *out)
{
    PGresult *q = peri_db_query(db, err, sql, n, values);
    if (!q) return -1;
    *out = PQntuples(q) && !PQgetisnull(q, 0, 0) ? strtoll(PQgetvalue(q, 0, 0), NULL, 10)
                                                 : 0;
    PQclear(q);
    return 0;
}

static int volume_id(peri_db_t *db, const char *const v[2], int64_t *id, peri_err_t *err)
{
    return one_number(db, err, "SELECT perigee_volume($1, $2)", 2, v, id);
}

/* Volumes are made when they are first used: this may be the first use. Our own rights do
 * it, in a transaction that is not the request's. */
static int make_volumes(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_system(r, err);
    const int rc =
        db ? peri_volume_ensure(db, &r->portal->config->storage, r->actor.account, err)
           : -1;
    if (db) peri_dbpool_put(r->portal->db, db);
    return rc;
}

static int find_volume(peri_request_t *r, peri_db_t *db, const char *text,
                       peri_thing_t *out, peri_err_t *err)
{
    /* The owner of a team's volume has a colon, too: the path's is behind the slash. */
    const char *slash = strchr(text, '/');
    const char *colon = strchr(text, ':');
    if (colon && slash && colon < slash &&
        (!strncmp(text, "team:", 5) || !strncmp(text, "data:", 5)))
        colon = strchr(slash, ':');
    else if (colon && slash && slash > colon)
        slash = NULL; /* "persistent:a/b" */
    const char *end = colon ? colon : text + strlen(text);
    const char *v[2];
    v[0] = slash ? peri_arena_strndup(r->arena, text, (size_t)(slash - text))
                 : r->actor.name;
    const char *name = slash ? slash + 1 : text;
    v[1] = peri_arena_strndup(r->arena, name, (size_t)(end - name));
    out->volume = v[1];
    if (colon) {
        const char *path = colon + 1 + strspn(colon + 1, "/");
        size_t len = strlen(path);
        while (len && path[len - 1] == '/') len--;
        out->path = peri_arena_strndup(r->arena, path, len);
    }
    if (volume_id(db, v, &out->id, err)) return -1;
    if (out->id) return 0;
    return make_volumes(r, err) || volume_id(db, v, &out->id, err) ? -1 : 0;
}

int peri_thing_find(peri_request_t *r, peri_db_t *db, const char *kind, const char *text,
                    peri_thing_t *out, peri_err_t *err)
{
    char uuid[PERI_UUID_LEN + 1];
    int rc = -1;
    *out = (peri_thing_t){.kind = peri_arena_strdup(r->arena, kind),
                          .volume = "",
                          .path = "",
                          .label = peri_arena_strdup(r->arena, text)};
    if (!strcmp(kind, "volume"))
        rc = find_volume(r, db, text, out, err);
    else if (!strcmp(kind, "dataset"))
        rc = one_number(db, err, "SELECT id FROM dataset WHERE name = $1", 1, &text,
                        &out->id);
    else if (!strcmp(kind, "team"))
        rc = one_number(db, err, "SELECT id FROM team WHERE name = $1", 1, &text,
                        &out->id);
    else if (!strcmp(kind, "job"))
        return peri_store_lookup(db, text, uuid, &out->id, err);
    else
        return peri_err_set(err, PERI_EINVAL,
                            "\"kind\" is volume, dataset, job or team, not \"%.40s\"",
                            kind);
    if (rc == 0 && !out->id)
        rc = peri_err_set(err, PERI_ENOTFOUND, "there is no %s %.200s", kind, text);
    return rc;
}

json_t *peri_rows_json(peri_db_t *db, peri_err_t *err, const char *sql, int n,
                       const char *const *values)
{
    PGresult *q = peri_db_query(db, err, sql, n, values);
    if (!q) return NULL;
    json_t *list = json_array();
    for (int i = 0; i < PQntuples(q); i++)
        json_array_append_new(list,
                              json_loads(PQgetvalue(q, i, 0), JSON_DECODE_ANY, NULL));
    PQclear(q);
    return list;
}
