/* api_upload_body.c - see api_upload.h: POST and PATCH, whose bodies are the file's
 * bytes.
 *
 * All that can be refused is refused before the first byte is read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/access/access.h"
#include "portal/storage/api_upload.h"
#include "portal/storage/path.h"
#include "portal/storage/volume.h"

/* Seconds: rights that were asked for so long ago are those of now. */
#define AT_ONCE 1.0

static int number_header(peri_request_t *r, const char *name, int64_t *out,
                         peri_err_t *err)
{
    const char *s = peri_request_header(r, name);
    if (!s) return peri_err_set(err, PERI_EINVAL, "the header %s is missing", name);
    return peri_upload_number(name, s, strlen(s), out, err);
}

/* Bytes that the request has; -1: it does not say (in chunks). */
static int64_t body_length(peri_request_t *r)
{
    const char *s = peri_request_header(r, "Content-Length");
    int64_t n = 0;
    if (!s) return peri_request_header(r, "Transfer-Encoding") ? -1 : 0;
    return peri_upload_number("", s, strlen(s), &n, NULL) ? -1 : n;
}

static bool is_tus_type(peri_request_t *r)
{
    const char *type = peri_request_header(r, "Content-Type");
    const size_t n = strlen(PERI_TUS_TYPE);
    return type && !strncasecmp(type, PERI_TUS_TYPE, n) && strchr("; ", type[n]);
}

/* The upload's writer, if the body may come. */
static int open_writer(peri_request_t *r, peri_uploadcall_t *call, int64_t offset,
                       peri_err_t *err)
{
    peri_upload_t *up = &call->up;
    const char *text = peri_request_header(r, "Upload-Checksum");
    const int64_t length = body_length(r);
    int64_t actual = -1;
    peri_sum_t chunk;
    peri_err_t why = {0};
    if (text && peri_upload_checksum(text, strlen(text), &chunk, err)) return -1;
    if (length > up->size - offset && offset <= up->size)
        return peri_request_fail(
            r, err, 413, "too_large",
            "the upload has %lld bytes, and these %lld from byte %lld "
            "on are more",
            (long long)up->size, (long long)length, (long long)offset);
    if (length > 0 && peri_upload_room(r->portal->uploads, up, length, err)) return -1;
    if (up->done) {
        actual = up->size;
        if (offset == actual && length == 0) return 0;
        peri_err_set(&why, PERI_ECONFLICT, "the upload is complete");
    } else {
        call->writer = peri_upload_write(r->portal->uploads, up, offset,
                                         text ? &chunk : NULL, &actual, &why);
    }
    if (call->writer) return 0;
    if (actual >= 0) peri_uploadcall_offset(r, actual);
    if (why.code == PERI_EBUSY)
        return peri_request_fail(r, err, 503, "unavailable", "%s", why.text);
    if (err) *err = why;
    return -1;
}

/* ---- POST ---- */

/* "NAME", "OWNER/NAME", "team:TEAM/NAME" */
static int find_volume(peri_request_t *r, const char *text, peri_volume_t *v,
                       peri_err_t *err)
{
    const char *slash = strrchr(text, '/');
    const char *owner = slash ? peri_arena_strndup(r->arena, text, (size_t)(slash - text))
                              : r->actor.name;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_volume_find(db, &r->portal->config->storage, r->actor.account, owner,
                              slash ? slash + 1 : text, r->arena, v, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

static int read_new(peri_request_t *r, peri_upload_t *in, const char **volume,
                    peri_err_t *err)
{
    peri_uploadmeta_t meta;
    const char *key = peri_request_header(r, "Idempotency-Key");
    const char *text = peri_request_header(r, "Upload-Metadata");
    if (peri_request_header(r, "Upload-Defer-Length"))
        return peri_err_set(err, PERI_EINVAL,
                            "the length must be known: send Upload-Length");
    if (number_header(r, "Upload-Length", &in->size, err) ||
        peri_upload_metadata(r->arena, text ? text : "", text ? strlen(text) : 0, &meta,
                             err))
        return -1;
    if (!meta.filename || !meta.volume)
        return peri_err_set(err, PERI_EINVAL,
                            "Upload-Metadata needs \"filename\" (the path in the volume) "
                            "and \"volume\" (NAME or OWNER/NAME)");
    if (key && *key && strlen(key) != PERI_UPLOAD_ID)
        return peri_err_set(err, PERI_EINVAL, "Idempotency-Key is to be a UUID");
    snprintf(in->id, sizeof(in->id), "%s", key ? key : "");
    in->account = r->actor.account;
    in->metadata = text;
    in->overwrite = meta.overwrite;
    in->sum = meta.sum;
    in->sum_known = meta.sum_known;
    *volume = meta.volume;
    in->path = peri_path_clean(r->arena, meta.filename, strlen(meta.filename), err);
    return in->path ? 0 : -1;
}

static int may_create(peri_request_t *r, const peri_upload_t *in, const char *label,
                      peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    const char *what = peri_arena_printf(r->arena, "%s:%s", label, in->path);
    int rc = peri_access_need(r, db, "volume", in->volume, in->path, PERI_RIGHT_WRITE,
                              what, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

static int begin_create(peri_request_t *r, peri_err_t *err)
{
    peri_uploadcall_t *call = peri_uploadcall(r);
    peri_upload_t in = {0};
    peri_volume_t v;
    const char *volume = "";
    bool old;
    call->creates = true;
    if (peri_uploadcall_version(r, err) || read_new(r, &in, &volume, err)) return -1;
    call->with_body = is_tus_type(r);
    if (!call->with_body && body_length(r) != 0)
        return peri_request_fail(r, err, 415, "invalid",
                                 "bytes of a file come as Content-Type: " PERI_TUS_TYPE);
    if (find_volume(r, volume, &v, err)) return -1;
    in.volume = v.id;
    if (may_create(r, &in, v.label, err) ||
        peri_upload_create(r->portal->uploads, &in, v.label, r->arena, &call->up, &old,
                           err))
        return -1;
    peri_request_set_header(
        r, "Location", peri_arena_printf(r->arena, "/api/v1/uploads/%s", call->up.id));
    return call->with_body ? open_writer(r, call, 0, err) : 0;
}

/* ---- PATCH ---- */

static int begin_append(peri_request_t *r, peri_err_t *err)
{
    peri_uploadcall_t *call = peri_uploadcall(r);
    const char *text = peri_request_header(r, "Perigee-Checksum");
    int64_t offset;
    peri_sum_t sum;
    if (peri_uploadcall_version(r, err)) return -1;
    if (!is_tus_type(r))
        return peri_request_fail(r, err, 415, "invalid",
                                 "send Content-Type: " PERI_TUS_TYPE);
    if (number_header(r, "Upload-Offset", &offset, err) ||
        (text && peri_sum_parse(text, strlen(text), &sum, err)) ||
        peri_uploadcall_find(r, call, err))
        return -1;
    if (text && !call->up.done) {
        peri_db_t *db = peri_request_db(r, err);
        if (!db) return -1;
        int rc = peri_upload_expect(db, &call->up, &sum, err);
        if (rc == 0) rc = peri_db_commit(db, err);
        peri_dbpool_put(r->portal->db, db);
        if (rc) return -1;
    }
    return open_writer(r, call, offset, err);
}

static int begin_override(peri_request_t *r, peri_err_t *err)
{
    const char *method = peri_request_header(r, "X-HTTP-Method-Override");
    if (method && !strcmp(method, "PATCH")) return begin_append(r, err);
    peri_uploadcall(r)->deletes = method && !strcmp(method, "DELETE");
    if (peri_uploadcall(r)->deletes) return 0;
    return peri_request_fail(r, err, 405, "invalid",
                             "POST here needs X-HTTP-Method-Override: PATCH or DELETE");
}

/* ---- both ---- */

static int on_data(peri_request_t *r, const char *data, size_t len, peri_err_t *err)
{
    peri_uploadcall_t *call = r->ctx;
    peri_err_t why = {0};
    if (!call->writer)
        return peri_request_fail(r, err, 413, "too_large", "no bytes are missing");
    if (peri_writer_write(call->writer, data, len, &why) == 0) return 0;
    peri_writer_close(call->writer);
    call->writer = NULL;
    if (why.code == PERI_EINVAL)
        return peri_request_fail(r, err, 413, "too_large", "%s", why.text);
    if (why.code == PERI_ECANCEL)
        return peri_request_fail(r, err, 409, "conflict", "%s", why.text);
    if (err) *err = why;
    return -1;
}

/* All of the body is there. */
static int end_body(peri_request_t *r, peri_uploadcall_t *call, int64_t *offset,
                    peri_err_t *err)
{
    peri_err_t why = {0};
    *offset = call->creates ? 0 : call->up.size;
    if (!call->writer) return 0;
    int rc = peri_writer_check(call->writer, &why);
    *offset = peri_writer_offset(call->writer);
    peri_writer_close(call->writer);
    call->writer = NULL;
    if (rc == 0) {
        peri_db_t *db = peri_request_db(r, err);
        if (!db) return -1;
        rc = peri_upload_touch(db, &call->up, err);
        if (rc == 0) rc = peri_db_commit(db, err);
        peri_dbpool_put(r->portal->db, db);
        return rc;
    }
    if (why.code == PERI_EFORMAT)
        return peri_request_fail(r, err, 460, "checksum", "%s", why.text);
    if (why.code == PERI_ECANCEL)
        return peri_request_fail(r, err, 409, "conflict", "%s", why.text);
    if (err) *err = why;
    return -1;
}

int peri_upload_bodies_end(peri_request_t *r, peri_err_t *err)
{
    peri_uploadcall_t *call = r->ctx;
    int64_t offset = call->up.size;
    if (call->deletes) return peri_uploadcall_delete(r, err);
    if (!call->finish) {
        if (end_body(r, call, &offset, err)) return -1;
        /* It may have taken hours: what was allowed then may not be now. */
        if (offset == call->up.size && peri_now() > r->first + AT_ONCE &&
            peri_uploadcall_may(r, &call->up, err))
            return -1;
    }
    if (offset == call->up.size) {
        int rc = peri_uploadcall_finish(r, call, err);
        if (rc <= 0) return rc;
    }
    if (!call->creates || call->with_body || offset == call->up.size)
        peri_uploadcall_offset(r, offset);
    peri_uploadcall_expires(r, &call->up);
    r->status = call->creates ? 201 : 204;
    return 0;
}

const peri_bodyreader_t peri_upload_create_body = {begin_create, on_data};
const peri_bodyreader_t peri_upload_append_body = {begin_append, on_data};
const peri_bodyreader_t peri_upload_override_body = {begin_override, on_data};
