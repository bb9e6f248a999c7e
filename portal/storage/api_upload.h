/* api_upload.h - the requests of docs/uploads.md: tus 1.0.0 on /api/v1/uploads. */
#ifndef PORTAL_STORAGE_API_UPLOAD_H
#define PORTAL_STORAGE_API_UPLOAD_H

#include "portal/storage/upload.h"
#include "portal/web/request.h"

extern const peri_route_t peri_upload_routes[];
extern const size_t peri_upload_nroutes;

/* ---- for api_upload*.c ---- */

/* What a request about an upload has between its pieces. */
typedef struct {
    peri_upload_t up;
    bool creates, deletes, with_body;
    peri_writer_t *writer;
    peri_finish_t *finish;
} peri_uploadcall_t;

/* The request's; made at the first call. */
peri_uploadcall_t *peri_uploadcall(peri_request_t *r);
/* Tus-Resumable in the answer, whatever it is; 412 if the client speaks another version.
 */
int peri_uploadcall_version(peri_request_t *r, peri_err_t *err);
/* Fills call->up from param[0]: it is there, hers, not expired, and she may (still) write
 * at its goal. */
int peri_uploadcall_find(peri_request_t *r, peri_uploadcall_t *call, peri_err_t *err);
int peri_uploadcall_may(peri_request_t *r, const peri_upload_t *up, peri_err_t *err);
void peri_uploadcall_offset(peri_request_t *r, int64_t offset);
void peri_uploadcall_expires(peri_request_t *r, const peri_upload_t *up);
/* Completes it: 1 when that is over and went well, 0 while the request waits, -1. */
int peri_uploadcall_finish(peri_request_t *r, peri_uploadcall_t *call, peri_err_t *err);

int peri_uploadcall_delete(peri_request_t *r, peri_err_t *err);

/* api_upload_body.c */
extern const peri_bodyreader_t peri_upload_create_body, peri_upload_append_body,
    peri_upload_override_body;
int peri_upload_bodies_end(peri_request_t *r, peri_err_t *err);

#endif
