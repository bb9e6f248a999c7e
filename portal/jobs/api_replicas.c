/* api_replicas.c - which node holds which file of a dataset. */
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/jobs/api.h"

#define MAX_FILES 1000000

static int on_replica(const peri_replica_t *v, void *arg)
{
    json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:I, s:I, s:f}", "file",
                                         v->file, "node", v->node, "path", v->path,
                                         "size", (json_int_t)v->size, "mtime_ns",
                                         (json_int_t)v->mtime_ns, "seen", v->seen));
    return 0;
}

int peri_api_replicas(peri_request_t *r, peri_err_t *err)
{
    const char *dataset = peri_request_arg(r, "dataset");
    if (!dataset || !*dataset)
        return peri_err_set(err, PERI_EINVAL, "say which dataset: ?dataset=NAME");
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *list = json_array();
    int rc = peri_store_replicas(db, dataset, on_replica, list, err);
    peri_dbpool_put(r->portal->db, db);
    r->json = json_pack("{s:o}", "replicas", list);
    return rc;
}

static int read_files(peri_request_t *r, json_t *files, const char *dataset,
                      const char *node, peri_replica_t *out, peri_err_t *err)
{
    size_t i;
    json_t *f;
    json_array_foreach(files, i, f)
    {
        const char *file, *path;
        json_int_t size, mtime;
        if (json_unpack(f, "{s:s, s:s, s:I, s:I}", "file", &file, "path", &path, "size",
                        &size, "mtime_ns", &mtime) ||
            size < 0 || !*file || *path != '/')
            return peri_err_set(
                err, PERI_EINVAL,
                "at /files/%zu: a file has \"file\", an absolute \"path\", "
                "\"size\" and \"mtime_ns\"",
                i);
        out[i] = (peri_replica_t){.dataset = dataset,
                                  .file = file,
                                  .node = node,
                                  .path = path,
                                  .size = (uint64_t)size,
                                  .mtime_ns = mtime,
                                  .seen = peri_epoch()};
    }
    (void)r;
    return 0;
}

int peri_api_replicas_put(peri_request_t *r, peri_err_t *err)
{
    const char *dataset = r->param[0];
    const char *node = strcmp(r->param[1], "-") ? r->param[1] : "";
    json_error_t where;
    if (!r->actor.admin)
        return peri_err_set(err, PERI_EDENIED,
                            "only an administrator says where data lies");
    json_t *body = json_loadb(r->body, r->body_len, 0, &where);
    if (!body)
        return peri_err_set(err, PERI_EINVAL, "line %d, column %d: %s", where.line,
                            where.column, where.text);
    json_t *files = json_object_get(body, "files");
    int rc = -1;
    peri_db_t *db = NULL;
    if (!json_is_array(files) || json_array_size(files) > MAX_FILES) {
        peri_err_set(err, PERI_EINVAL, "at /files: a list of at most %d files is needed",
                     MAX_FILES);
        goto out;
    }
    size_t n = json_array_size(files);
    peri_replica_t *v = peri_arena_calloc(r->arena, n + 1, sizeof(*v));
    if (read_files(r, files, dataset, node, v, err)) goto out;
    if (!(db = peri_request_system(r, err))) goto out;
    rc = peri_store_replicas_put(db, dataset, node, v, n, err);
    peri_dbpool_put(r->portal->db, db);
    r->json = json_pack("{s:i}", "files", (int)n);
out:
    json_decref(body);
    return rc;
}
