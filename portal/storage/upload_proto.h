/* upload_proto.h - what the headers of tus 1.0.0 say: numbers, metadata, checksums,
 * dates.
 *
 * Pure: text in, values out. All parsers take a pointer and a length, which need no NUL.
 * Errors are PERI_EINVAL with a sentence. Threads: any.
 */
#ifndef PORTAL_STORAGE_UPLOAD_PROTO_H
#define PORTAL_STORAGE_UPLOAD_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "perigee/err.h"

#define PERI_TUS_VERSION "1.0.0"
#define PERI_TUS_EXTENSIONS                                                              \
    "creation,creation-with-upload,termination,expiration,checksum"
#define PERI_TUS_ALGORITHMS   "sha256,sha1,md5"
#define PERI_TUS_TYPE         "application/offset+octet-stream"
#define PERI_UPLOAD_MAX       ((int64_t)1 << 46) /* bytes of one file: 64 TiB */
#define PERI_UPLOAD_META_MAX  8192               /* bytes of Upload-Metadata */
#define PERI_UPLOAD_META_KEYS 32

typedef enum {
    PERI_SUM_NONE,
    PERI_SUM_SHA256,
    PERI_SUM_SHA1,
    PERI_SUM_MD5
} peri_sumkind_t;

typedef struct {
    peri_sumkind_t kind;
    uint8_t bytes[32]; /* peri_sum_size() of them */
} peri_sum_t;

const char *peri_sum_name(peri_sumkind_t kind); /* "sha256" */
peri_sumkind_t peri_sum_of(const char *name);   /* NONE: unknown */
size_t peri_sum_size(peri_sumkind_t kind);
bool peri_sum_same(const peri_sum_t *a, const peri_sum_t *b);
#define PERI_SUM_TEXT 80 /* bytes of "sha256:HEX" with its NUL */
void peri_sum_format(const peri_sum_t *sum, char out[PERI_SUM_TEXT]);
int peri_sum_parse(const char *s, size_t len, peri_sum_t *out, peri_err_t *err);

/* Upload-Checksum: "sha1 BASE64". */
int peri_upload_checksum(const char *s, size_t len, peri_sum_t *out, peri_err_t *err);

/* Upload-Length and Upload-Offset: a whole number from 0 to PERI_UPLOAD_MAX, digits only.
 * header: for the sentence. */
int peri_upload_number(const char *header, const char *s, size_t len, int64_t *out,
                       peri_err_t *err);

/* Upload-Metadata. Keys that are not ours are checked for their form and left alone.
 * Texts are valid UTF-8 without NUL, allocated from the arena; NULL if not given. */
typedef struct {
    const char *filename; /* the goal's path in the volume */
    const char *volume;   /* as in docs/uploads.md */
    bool overwrite;
    peri_sum_t sum; /* of the whole file; kind NONE: not given */
    bool sum_known; /* not only its kind, which says that it will come */
} peri_uploadmeta_t;
int peri_upload_metadata(peri_arena_t *a, const char *s, size_t len,
                         peri_uploadmeta_t *out, peri_err_t *err);

/* Standard base64, with or without its padding. out has room for len / 4 * 3 + 3 bytes.
 * Number of bytes, or -1. */
int64_t peri_base64_decode(const char *s, size_t len, uint8_t *out);
/* With padding; the arena's. */
char *peri_base64_encode(peri_arena_t *a, const void *data, size_t len);

/* "Thu, 01 Jan 1970 00:00:00 GMT" */
#define PERI_HTTP_DATE 40
void peri_http_date(double epoch, char out[PERI_HTTP_DATE]);

#endif
