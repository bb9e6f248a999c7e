/* api_results.c - the files of a job's results: listed, looked at, downloaded. The same
 * answers as for files of a volume (portal/storage).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portal/jobs/api.h"
#include "portal/storage/archive.h"
#include "portal/storage/ops.h"
#include "portal/storage/storage.h"

typedef struct {
    char uuid[PERI_UUID_LEN + 1];
    const char *path; /* clean */
    const char *delivered;
    int root;
} place_t;

static int on_job(const peri_jobrow_t *row, void *arg)
{
    *(char **)arg = strdup(*row->delivered == '!' ? "" : row->delivered);
    return 1;
}

static int find(peri_request_t *r, place_t *p, peri_err_t *err)
{
    char *delivered = NULL;
    const char *path = r->param[1] ? r->param[1] : "";
    p->path = peri_path_clean(r->arena, path, strlen(path), err);
    peri_db_t *db = p->path ? peri_request_db(r, err) : NULL;
    if (!db) return -1;
    int rc = peri_api_find(r, db, PERI_RIGHT_READ, p->uuid, err);
    if (rc == 0) rc = peri_store_get(db, p->uuid, on_job, &delivered, err);
    peri_dbpool_put(r->portal->db, db);
    p->delivered = peri_arena_strdup(r->arena, delivered ? delivered : "");
    free(delivered);
    if (rc) return -1;
    char *folder = peri_folder_results(r->portal->config->spool, p->uuid);
    p->root = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    free(folder);
    /* One that has not begun has no folder yet. */
    if (p->root < 0 && *p->path)
        return peri_err_set(err, PERI_ENOTFOUND, "job %s has no result \"%s\"",
                            r->param[0], p->path);
    return 0;
}

static json_t *entry_json(const peri_entry_t *e, const char *path)
{
    char tag[PERI_ETAG_LEN];
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:I, s:f}", "name", e->name, "path", path, "kind",
                  peri_entrykind_name(e->kind), "size", (json_int_t)e->size, "modified",
                  (double)e->mtime + 1e-9 * (double)e->ns);
    if (o && e->kind == PERI_ENTRY_FILE)
        json_object_set_new(o, "etag", json_string(peri_etag(e, tag)));
    return o;
}

static int list(peri_request_t *r, const place_t *p, peri_err_t *err)
{
    peri_listing_t how = {.sort = PERI_SORT_NAME, .after = peri_request_arg(r, "after")};
    peri_page_t page = {0};
    int64_t limit;
    if (how.after && !*how.after) how.after = NULL;
    if (peri_request_number(r, "limit", 1, PERI_LIST_MAX, 200, &limit, err)) return -1;
    how.limit = (size_t)limit;
    if (p->root >= 0 && peri_ops_list(p->root, p->path, &how, r->arena, &page, err))
        return -1;
    json_t *files = json_array();
    for (size_t i = 0; i < page.n; i++)
        json_array_append_new(
            files,
            entry_json(&page.entry[i],
                       peri_arena_printf(r->arena, "%s%s%s", p->path, *p->path ? "/" : "",
                                         page.entry[i].name)));
    r->json =
        json_pack("{s:s, s:s, s:o, s:s?, s:I, s:I, s:s}", "job", p->uuid, "path", p->path,
                  "files", files, "next", page.next, "total", (json_int_t)page.total,
                  "unnamed", (json_int_t)page.unnamed, "delivered", p->delivered);
    return 0;
}

static ssize_t archive_read(peri_request_t *r, void *ctx, char *buf, size_t max)
{
    (void)r;
    ssize_t n = peri_archive_read(ctx, buf, max, NULL);
    return n > 0 ? n : n == 0 ? PERI_STREAM_END : PERI_STREAM_FAILED;
}

static void archive_free(void *ctx)
{
    peri_archive_free(ctx);
}

static int archive(peri_request_t *r, const place_t *p, const char *kind, peri_err_t *err)
{
    const bool zip = !strcmp(kind, "zip");
    const peri_archiving_t how = {
        .kind = zip ? PERI_ARCHIVE_ZIP : PERI_ARCHIVE_TAR,
        .top = *p->path ? peri_path_name(p->path)
                        : peri_arena_printf(r->arena, "job-%.8s", p->uuid)};
    if (!zip && strcmp(kind, "tar") != 0)
        return peri_err_set(err, PERI_EINVAL,
                            "\"archive\" is \"zip\" or \"tar\", not \"%.40s\"", kind);
    if (p->root < 0)
        return peri_err_set(err, PERI_ENOTFOUND, "job %s has no results", r->param[0]);
    int fd = peri_path_open_folder(p->root, p->path, err);
    if (fd < 0) return -1;
    peri_archive_t *a = peri_archive_new(fd, &how, err);
    close(fd);
    if (!a) return -1;
    peri_request_set_header(r, "Content-Disposition",
                            zip ? "attachment; filename=\"results.zip\""
                                : "attachment; filename=\"results.tar\"");
    peri_request_set_header(r, "X-Accel-Buffering", "no");
    r->type = zip ? "application/zip" : "application/x-tar";
    r->stream = (peri_stream_t){archive_read, archive_free, a, -1};
    return 0;
}

/* nginx sends it: it opens the file again beneath the folder of jobs, following no link.
 */
static int download(peri_request_t *r, const place_t *p, peri_err_t *err)
{
    const char *accel = NULL;
    int fd = peri_path_open_file(p->root, p->path, O_RDONLY, err);
    if (fd < 0) return -1;
    if (!r->actor.local)
        accel = peri_send_accel(
            r->arena, peri_arena_printf(r->arena, "/_jobs/%s/results", p->uuid), p->path);
    return peri_send_file(r, fd, peri_path_name(p->path), accel, err);
}

static bool is_set(const peri_request_t *r, const char *name)
{
    const char *s = peri_request_arg(r, name);
    return s && !strcmp(s, "1");
}

static int look(peri_request_t *r, const place_t *p, peri_err_t *err)
{
    const char *kind = peri_request_arg(r, "archive");
    peri_entry_t e;
    char tag[PERI_ETAG_LEN];
    if (kind) return archive(r, p, kind, err);
    const bool stat = is_set(r, "stat");
    if (!*p->path && stat) {
        r->json = json_pack("{s:s, s:s, s:s}", "name", "", "path", "", "kind", "folder");
        return 0;
    }
    if (!*p->path) return list(r, p, err);
    if (is_set(r, "download")) return download(r, p, err);
    if (peri_ops_stat(p->root, p->path, &e, err)) return -1;
    if (e.kind == PERI_ENTRY_FOLDER && !stat) return list(r, p, err);
    if (e.kind == PERI_ENTRY_FILE) peri_request_etag(r, peri_etag(&e, tag));
    r->json = entry_json(&e, p->path);
    return 0;
}

int peri_api_job_files(peri_request_t *r, peri_err_t *err)
{
    place_t p = {.root = -1};
    int rc = find(r, &p, err);
    if (rc == 0) rc = look(r, &p, err);
    if (p.root >= 0) close(p.root);
    return rc;
}
