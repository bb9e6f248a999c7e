/* api_h5.c - what is in an HDF5 file of a volume: rights, the file, the question. All
 * that looks into the file happens in perigee-h5 (run.h).
 *
 * "file" is OWNER/VOLUME/PATH, as in /files/OWNER/VOLUME/PATH, or job:NUMBER/PATH of a
 * job's results: what H5Web is given.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portal/jobs/api.h"
#include "portal/h5/h5.h"
#include "portal/h5/run.h"
#include "portal/storage/api.h"

/* ---- the file ---- */

static int not_a_file(peri_err_t *err)
{
    return peri_err_set(err, PERI_EINVAL,
                        "\"file\" is the file that is looked into: OWNER/VOLUME/PATH, or "
                        "job:NUMBER/PATH");
}

static int open_result(peri_request_t *r, const char *job, const char *path,
                       const char **name, peri_err_t *err)
{
    char uuid[PERI_UUID_LEN + 1];
    if (!(r->actor.scopes & PERI_SCOPE_JOBS_READ))
        return peri_err_set(
            err, PERI_EDENIED,
            "this token may not do that: it lacks the scope \"jobs:read\"");
    path = peri_path_clean(r->arena, path, strlen(path), err);
    if (!path) return -1;
    if (!*path) return not_a_file(err);
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    r->param[0] = job;
    const int rc = peri_api_find(r, db, PERI_RIGHT_READ, uuid, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    char *folder = peri_folder_results(r->portal->config->spool, uuid);
    const int root = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    free(folder);
    if (root < 0)
        return peri_err_set(err, PERI_ENOTFOUND, "job %.40s has no result \"%s\"", job,
                            path);
    const int fd = peri_path_open_file(root, path, O_RDONLY, err);
    close(root);
    *name = peri_arena_printf(r->arena, "job:%s/%s", job, path);
    return fd;
}

static int open_stored(peri_request_t *r, const char *owner, const char *rest,
                       const char **name, peri_err_t *err)
{
    const char *path = strchr(rest, '/');
    peri_spot_t s;
    if (!path || path == rest) return not_a_file(err);
    const char *volume = peri_arena_strndup(r->arena, rest, (size_t)(path - rest));
    if (peri_spot_open(r, owner, volume, path,
                       &(peri_spotneed_t){.rights = PERI_RIGHT_READ}, &s, err))
        return -1;
    const int fd =
        *s.path ? peri_path_open_file(s.root, s.path, O_RDONLY, err) : not_a_file(err);
    *name = s.label;
    peri_spot_close(&s);
    return fd;
}

static int open_file(peri_request_t *r, const char **name, peri_err_t *err)
{
    const char *file = peri_request_arg(r, "file");
    const char *slash = file ? strchr(file, '/') : NULL;
    if (!slash || slash == file) return not_a_file(err);
    const char *first = peri_arena_strndup(r->arena, file, (size_t)(slash - file));
    if (!strncmp(first, "job:", 4))
        return open_result(r, first + 4, slash + 1, name, err);
    return open_stored(r, first, slash + 1, name, err);
}

/* ---- the question ---- */

static bool is_true(const char *s)
{
    return s && strcmp(s, "false") != 0 && strcmp(s, "False") != 0 && strcmp(s, "0") != 0;
}

static int numbers(peri_request_t *r, json_t *q, peri_err_t *err)
{
    static const char *const keys[] = {"depth", "from", "limit"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        int64_t v = -1;
        if (!peri_request_arg(r, keys[i])) continue;
        if (peri_request_number(r, keys[i], 0, INT64_MAX, 0, &v, err)) return -1;
        json_object_set_new(q, keys[i], json_integer((json_int_t)v));
    }
    return 0;
}

/* h5grove takes attr_keys more than once; here they are one, with commas. */
static json_t *names(const char *list)
{
    json_t *a = json_array();
    while (*list) {
        const size_t n = strcspn(list, ",");
        if (n) json_array_append_new(a, json_stringn(list, n));
        list += n + (list[n] == ',');
    }
    return a;
}

static json_t *question(peri_request_t *r, const char *ask, const char *name,
                        peri_err_t *err)
{
    static const char *const texts[] = {"path", "selection", "format", "dtype",
                                        "resolve_links"};
    json_t *q = json_pack("{s:s, s:s}", "ask", ask, "file", name);
    if (!q) {
        peri_err_set(err, PERI_EINVAL, "\"file\" is not UTF-8");
        return NULL;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const char *s = peri_request_arg(r, texts[i]);
        if (s && json_object_set_new(q, texts[i], json_string(s))) {
            peri_err_set(err, PERI_EINVAL, "\"%s\" is not UTF-8", texts[i]);
            goto fail;
        }
    }
    const char *keys = peri_request_arg(r, "attr_keys");
    if (keys) json_object_set_new(q, "attr_keys", names(keys));
    json_object_set_new(q, "flatten",
                        json_boolean(is_true(peri_request_arg(r, "flatten"))));
    if (numbers(r, q, err)) goto fail;
    return q;
fail:
    json_decref(q);
    return NULL;
}

/* ---- the answer ---- */

static void describe_answer(peri_request_t *r)
{
    static const char *const kinds[][3] = {
        {"bin", "application/octet-stream", NULL},
        {"npy", "application/octet-stream", "attachment; filename=\"data.npy\""},
        {"csv", "text/csv", "attachment; filename=\"data.csv\""},
        {"tiff", "image/tiff", "attachment; filename=\"data.tiff\""}};
    const char *format = peri_request_arg(r, "format");
    r->type = "application/json";
    /* What a user has written is never a page of ours. */
    peri_request_set_header(r, "X-Content-Type-Options", "nosniff");
    peri_request_set_header(r, "Content-Security-Policy", "default-src 'none'; sandbox");
    for (size_t i = 0; format && i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strcmp(format, kinds[i][0]) != 0) continue;
        r->type = kinds[i][1];
        if (kinds[i][2]) peri_request_set_header(r, "Content-Disposition", kinds[i][2]);
    }
}

static int ask(peri_request_t *r, const char *what, peri_err_t *err)
{
    const char *name = "";
    int rc;
    r->problem_message = true;
    if (peri_h5run_again(r, &rc, err)) {
        if (rc == 0 && r->fd >= 0 && !strcmp(what, "data"))
            describe_answer(r);
        else if (rc == 0 && r->fd >= 0)
            r->type = "application/json";
        return rc;
    }
    const int fd = open_file(r, &name, err);
    if (fd < 0) return -1;
    json_t *q = question(r, what, name, err);
    if (!q) {
        close(fd);
        return -1;
    }
    return peri_h5run_start(r, fd, q, err);
}

static int attr(peri_request_t *r, peri_err_t *err)
{
    return ask(r, "attr", err);
}

static int data(peri_request_t *r, peri_err_t *err)
{
    return ask(r, "data", err);
}

static int meta(peri_request_t *r, peri_err_t *err)
{
    return ask(r, "meta", err);
}

static int paths(peri_request_t *r, peri_err_t *err)
{
    return ask(r, "paths", err);
}

static int stats(peri_request_t *r, peri_err_t *err)
{
    return ask(r, "stats", err);
}

#define READ .scope = PERI_SCOPE_FILES_READ
const peri_route_t peri_h5_routes[] = {{"GET", "/api/v1/h5/attr", attr, READ},
                                       {"GET", "/api/v1/h5/data", data, READ},
                                       {"GET", "/api/v1/h5/meta", meta, READ},
                                       {"GET", "/api/v1/h5/paths", paths, READ},
                                       {"GET", "/api/v1/h5/stats", stats, READ}};
const size_t peri_h5_nroutes = sizeof(peri_h5_routes) / sizeof(peri_h5_routes[0]);

void peri_h5_stop(void)
{
    peri_h5run_stop_all();
}
