/* api_files.c - looking at files and folders, and writing a small one whole. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/api.h"

#define LONG_FOLDER (256 << 10) /* bytes of a folder itself: some ten thousand names */

/* ---- looking ---- */

static int listing_of(peri_request_t *r, peri_listing_t *how, peri_err_t *err)
{
    const char *sort = peri_request_arg(r, "sort"), *order = peri_request_arg(r, "order");
    int64_t limit;
    if (peri_request_number(r, "limit", 1, PERI_LIST_MAX, 200, &limit, err)) return -1;
    *how =
        (peri_listing_t){.limit = (size_t)limit, .after = peri_request_arg(r, "after")};
    if (how->after && !*how->after) how->after = NULL;
    if (!sort || !strcmp(sort, "name"))
        how->sort = PERI_SORT_NAME;
    else if (!strcmp(sort, "size"))
        how->sort = PERI_SORT_SIZE;
    else if (!strcmp(sort, "time"))
        how->sort = PERI_SORT_TIME;
    else
        return peri_err_set(err, PERI_EINVAL,
                            "\"sort\" is \"name\", \"size\" or \"time\", not \"%.40s\"",
                            sort);
    if (order && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
        return peri_err_set(err, PERI_EINVAL,
                            "\"order\" is \"asc\" or \"desc\", not \"%.40s\"", order);
    how->descending = order && !strcmp(order, "desc");
    return 0;
}

static json_t *page_json(const peri_spot_t *s, const peri_page_t *page, peri_arena_t *a)
{
    json_t *files = json_array();
    for (size_t i = 0; i < page->n; i++) {
        const peri_entry_t *e = &page->entry[i];
        json_array_append_new(
            files, peri_entry_json(s, e,
                                   peri_arena_printf(a, "%s%s%s", s->path,
                                                     *s->path ? "/" : "", e->name)));
    }
    return json_pack("{s:s, s:s, s:o, s:s?, s:I, s:I}", "volume", s->v.label, "path",
                     s->path, "files", files, "next", page->next, "total",
                     (json_int_t)page->total, "unnamed", (json_int_t)page->unnamed);
}

/* A folder of a great many names takes longer than a thread of the server has. */
typedef struct {
    peri_arena_t *arena;
    peri_spot_t spot; /* strings in the arena */
    peri_listing_t how;
    peri_page_t page;
} listjob_t;

static int list_run(void *job, const peri_stop_t *stop, peri_err_t *err)
{
    listjob_t *l = job;
    (void)stop;
    return peri_ops_list(l->spot.root, l->spot.path, &l->how, l->arena, &l->page, err);
}

static int list_answer(peri_request_t *r, void *job, peri_err_t *err)
{
    listjob_t *l = job;
    (void)err;
    r->json = page_json(&l->spot, &l->page, l->arena);
    return 0;
}

static void list_free(void *job)
{
    listjob_t *l = job;
    peri_spot_close(&l->spot);
    peri_arena_free(l->arena);
    free(l);
}

static int list_long(peri_request_t *r, peri_spot_t *s, const peri_listing_t *how,
                     peri_err_t *err)
{
    static const peri_worktype_t type = {list_run, list_answer, list_free};
    listjob_t *l = peri_xcalloc(1, sizeof(*l));
    l->arena = peri_arena_new();
    l->how = *how;
    l->how.after = peri_arena_strdup(l->arena, how->after);
    l->spot = (peri_spot_t){
        .v = {.days = s->v.days, .label = peri_arena_strdup(l->arena, s->v.label)},
        .path = peri_arena_strdup(l->arena, s->path),
        .root = s->root};
    s->root = -1;
    return peri_work_start(r, &type, l, err);
}

static int list(peri_request_t *r, peri_spot_t *s, peri_err_t *err)
{
    peri_listing_t how;
    peri_page_t page;
    struct stat st;
    if (listing_of(r, &how, err) || peri_path_stat(s->root, s->path, &st, err)) return -1;
    if (st.st_size > LONG_FOLDER) return list_long(r, s, &how, err);
    if (peri_ops_list(s->root, s->path, &how, r->arena, &page, err)) return -1;
    r->json = page_json(s, &page, r->arena);
    return 0;
}

static bool is_set(const peri_request_t *r, const char *name)
{
    const char *s = peri_request_arg(r, name);
    return s && !strcmp(s, "1");
}

static int look(peri_request_t *r, peri_spot_t *s, peri_err_t *err)
{
    const char *archive = peri_request_arg(r, "archive");
    const char *checksum = peri_request_arg(r, "checksum");
    peri_entry_t e;
    char tag[PERI_ETAG_LEN];
    if (archive) return peri_file_archive(r, s, archive, err);
    if (checksum) return peri_file_checksum(r, s, checksum, err);
    if (is_set(r, "download")) return peri_file_download(r, s, err);
    if (peri_ops_stat(s->root, s->path, &e, err)) return -1;
    if (e.kind == PERI_ENTRY_FOLDER && !is_set(r, "stat")) return list(r, s, err);
    if (!*s->path) e.name = s->v.name;
    if (e.kind == PERI_ENTRY_FILE) peri_request_etag(r, peri_etag(&e, tag));
    r->json = peri_entry_json(s, &e, s->path);
    json_object_set_new(r->json, "volume", json_string(s->v.label));
    return 0;
}

int peri_api_file_get(peri_request_t *r, peri_err_t *err)
{
    peri_spot_t s;
    int rc;
    if (peri_work_again(r, &rc, err)) return rc;
    /* To see that a file is there is less than to read it. */
    const unsigned right = is_set(r, "stat") ? PERI_RIGHT_SEE : PERI_RIGHT_READ;
    if (peri_spot_open(r, r->param[0], r->param[1], r->param[2],
                       &(peri_spotneed_t){.rights = right}, &s, err))
        return -1;
    rc = look(r, &s, err);
    peri_spot_close(&s);
    return rc;
}

/* ---- writing ---- */

/* The tag that the file must (still) have when it is replaced: what it has now, if the
 * request asks for a tag at all and this is one of those it asks for. */
static int precondition(peri_request_t *r, peri_spot_t *s, peri_putting_t *how, char *tag,
                        uint64_t *old, peri_err_t *err)
{
    peri_entry_t e;
    const char *none = peri_request_header(r, "If-None-Match");
    const bool there = peri_ops_stat(s->root, s->path, &e, NULL) == 0;
    if (there) peri_etag(&e, tag);
    if (peri_request_match(r, there ? tag : NULL, err)) return -1;
    if (peri_request_header(r, "If-Match")) how->if_match = tag;
    how->only_new = none && strchr(none, '*');
    *old = there ? e.size : 0;
    return 0;
}

static int put(peri_request_t *r, peri_spot_t *s, peri_err_t *err)
{
    const peri_confstorage_t *conf = &r->portal->config->storage;
    peri_putting_t how = {0};
    peri_amount_t before = {0}, need = {.files = 1}, made = {0};
    peri_entry_t now;
    char tag[PERI_ETAG_LEN];
    uint64_t old;
    if (precondition(r, s, &how, tag, &old, err)) return -1;
    /* What it replaces makes room. */
    need.bytes = r->body_len > old ? r->body_len - old : 0;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_usage_reserve(db, conf, s->v.id, s->v.label, need, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    rc = peri_ops_put(s->root, s->path, r->body, r->body_len, &how, &before, &now, err);
    if (!rc) made = (peri_amount_t){.bytes = r->body_len, .files = 1};
    db = peri_dbpool_get(r->portal->db, NULL);
    peri_usage_settle(db, s->v.id, need, made, before);
    if (db) peri_dbpool_put(r->portal->db, db);
    if (rc && how.if_match && err->code == PERI_ECONFLICT)
        return peri_request_fail(r, err, 412, "precondition", "%s", err->text);
    if (rc) return -1;
    peri_request_etag(r, peri_etag(&now, tag));
    r->json = peri_entry_json(s, &now, s->path);
    r->status = before.files ? 200 : 201;
    return 0;
}

int peri_api_file_put(peri_request_t *r, peri_err_t *err)
{
    peri_spot_t s;
    if (peri_spot_open(r, r->param[0], r->param[1], r->param[2],
                       &(peri_spotneed_t){.rights = PERI_RIGHT_WRITE, .write = true}, &s,
                       err))
        return -1;
    int rc = put(r, &s, err);
    peri_spot_close(&s);
    return rc;
}
