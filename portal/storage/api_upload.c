/* api_upload.c - see api_upload.h: the table of requests, and those without a body. */
#include "portal/storage/api_upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/util.h"
#include "portal/access/access.h"

static int on_options(peri_request_t *r, peri_err_t *err)
{
    (void)err;
    char most[24];
    snprintf(most, sizeof(most), "%lld", (long long)PERI_UPLOAD_MAX);
    peri_request_set_header(r, "Tus-Resumable", PERI_TUS_VERSION);
    peri_request_set_header(r, "Tus-Version", PERI_TUS_VERSION);
    peri_request_set_header(r, "Tus-Extension", PERI_TUS_EXTENSIONS);
    peri_request_set_header(r, "Tus-Max-Size", most);
    peri_request_set_header(r, "Tus-Checksum-Algorithm", PERI_TUS_ALGORITHMS);
    r->status = 204;
    return 0;
}

static json_t *listed_json(const peri_uploads_t *u, const peri_uploadlisted_t *l)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:f, s:b}", "id", l->up.id, "volume",
                     l->volume, "path", l->up.path, "size", (json_int_t)l->up.size,
                     "received", (json_int_t)peri_upload_received(u, &l->up), "created",
                     l->created, "expires", l->up.expires, "overwrite",
                     (int)l->up.overwrite);
}

static int on_list(peri_request_t *r, peri_err_t *err)
{
    int64_t limit;
    size_t n;
    peri_uploadlisted_t *list;
    const char *after = peri_request_arg(r, "after");
    if (peri_request_number(r, "limit", 1, PERI_UPLOAD_OPEN, 100, &limit, err)) return -1;
    if (after && *after && !peri_upload_id_ok(after))
        return peri_err_set(err, PERI_EINVAL, "\"after\" is not what \"next\" was");
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc =
        peri_upload_list(db, after ? after : "", (int)limit, r->arena, &list, &n, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, listed_json(r->portal->uploads, &list[i]));
    r->json = json_pack("{s:o, s:s?}", "uploads", all, "next",
                        n == (size_t)limit ? list[n - 1].up.id : NULL);
    return 0;
}

/* Who asks goes on from what is told: a request that still writes is ended. */
static int on_head(peri_request_t *r, peri_err_t *err)
{
    peri_uploadcall_t *call = peri_uploadcall(r);
    peri_upload_t *up = &call->up;
    int64_t offset = 0;
    int rc = 1;
    if (!call->finish) {
        peri_err_t why = {0};
        if (peri_uploadcall_version(r, err) || peri_uploadcall_find(r, call, err))
            return -1;
        if (peri_upload_offset(r->portal->uploads, up, &offset, &why)) {
            if (why.code != PERI_EBUSY) {
                if (err) *err = why;
                return -1;
            }
            offset = up->size;
        }
    } else {
        peri_request_set_header(r, "Tus-Resumable", PERI_TUS_VERSION);
        offset = up->size;
    }
    /* Complete is only what has its name. */
    if (offset == up->size) rc = peri_uploadcall_finish(r, call, err);
    if (rc <= 0) return rc;
    char length[24];
    snprintf(length, sizeof(length), "%lld", (long long)up->size);
    peri_uploadcall_offset(r, offset);
    peri_request_set_header(r, "Upload-Length", length);
    if (*up->metadata) peri_request_set_header(r, "Upload-Metadata", up->metadata);
    peri_uploadcall_expires(r, up);
    r->status = 200;
    return 0;
}

#define BASE  "/api/v1/uploads"
#define WRITE .scope = PERI_SCOPE_FILES_WRITE

const peri_route_t peri_upload_routes[] = {
    {"OPTIONS", BASE, on_options, .flags = PERI_ROUTE_OPEN},
    {"OPTIONS", BASE "/*", on_options, .flags = PERI_ROUTE_OPEN},
    {"GET", BASE, on_list, .scope = PERI_SCOPE_FILES_READ},
    {"POST", BASE, peri_upload_bodies_end, WRITE, .body = &peri_upload_create_body},
    {"HEAD", BASE "/*", on_head, WRITE},
    {"PATCH", BASE "/*", peri_upload_bodies_end, WRITE, .body = &peri_upload_append_body},
    {"DELETE", BASE "/*", peri_uploadcall_delete, WRITE},
    /* For clients behind proxies that know neither PATCH nor DELETE. */
    {"POST", BASE "/*", peri_upload_bodies_end, WRITE,
     .body = &peri_upload_override_body},
};
const size_t peri_upload_nroutes =
    sizeof(peri_upload_routes) / sizeof(peri_upload_routes[0]);
