/* api_upload_call.c - see api_upload.h: what all requests about uploads share. */
#include "portal/storage/api_upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/util.h"
#include "portal/access/access.h"

#define PATIENCE 30.0 /* seconds until a waiting request looks by itself */

static void free_call(void *ctx)
{
    peri_uploadcall_t *call = ctx;
    peri_writer_close(call->writer);
    peri_finish_unref(call->finish);
    free(call);
}

peri_uploadcall_t *peri_uploadcall(peri_request_t *r)
{
    if (!r->ctx) {
        r->ctx = peri_xcalloc(1, sizeof(peri_uploadcall_t));
        r->ctx_free = free_call;
    }
    return r->ctx;
}

int peri_uploadcall_version(peri_request_t *r, peri_err_t *err)
{
    const char *v = peri_request_header(r, "Tus-Resumable");
    peri_request_set_header(r, "Tus-Resumable", PERI_TUS_VERSION);
    if (v && !strcmp(v, PERI_TUS_VERSION)) return 0;
    peri_request_set_header(r, "Tus-Version", PERI_TUS_VERSION);
    return peri_request_fail(r, err, 412, "precondition",
                             "uploads speak tus " PERI_TUS_VERSION
                             ": send \"Tus-Resumable: " PERI_TUS_VERSION "\"%s%.20s",
                             v ? ", not " : "", v ? v : "");
}

int peri_uploadcall_may(peri_request_t *r, const peri_upload_t *up, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_access_need(r, db, "volume", up->volume, up->path, PERI_RIGHT_WRITE,
                              up->path, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_uploadcall_find(peri_request_t *r, peri_uploadcall_t *call, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    peri_upload_t *up = &call->up;
    int rc = peri_upload_find(db, r->param[0], r->arena, up, err);
    if (rc == 0)
        rc = peri_access_need(r, db, "volume", up->volume, up->path, PERI_RIGHT_WRITE,
                              up->path, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0 && up->expires < (double)time(NULL))
        rc =
            peri_request_fail(r, err, 410, "not_found",
                              "this upload was left alone for too long: begin a new one");
    return rc;
}

void peri_uploadcall_offset(peri_request_t *r, int64_t offset)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)offset);
    peri_request_set_header(r, "Upload-Offset", text);
}

void peri_uploadcall_expires(peri_request_t *r, const peri_upload_t *up)
{
    char date[PERI_HTTP_DATE];
    peri_http_date(up->expires, date);
    peri_request_set_header(r, "Upload-Expires", date);
}

int peri_uploadcall_finish(peri_request_t *r, peri_uploadcall_t *call, peri_err_t *err)
{
    if (!call->finish) call->finish = peri_upload_finish(r->portal->uploads, &call->up);
    if (!peri_finish_over(call->finish)) {
        snprintf(r->wait_uuid, sizeof(r->wait_uuid), "%s", call->up.id);
        r->wait_until = peri_now() + PATIENCE;
        return 0;
    }
    peri_err_t why = {0};
    if (peri_finish_result(call->finish, &why) == 0) return 1;
    if (why.code == PERI_EFORMAT)
        return peri_request_fail(r, err, 460, "checksum", "%s", why.text);
    if (err) *err = why;
    return -1;
}

int peri_uploadcall_delete(peri_request_t *r, peri_err_t *err)
{
    peri_uploadcall_t *call = peri_uploadcall(r);
    peri_err_t why = {0};
    if (peri_uploadcall_version(r, err)) return -1;
    /* Also of one at whose goal she may not write any more. */
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_upload_find(db, r->param[0], r->arena, &call->up, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    r->status = 204;
    if (peri_upload_remove(r->portal->uploads, &call->up, &why) == 0) return 0;
    if (why.code == PERI_EBUSY)
        return peri_request_fail(r, err, 409, "conflict", "%s", why.text);
    if (err) *err = why;
    return -1;
}
