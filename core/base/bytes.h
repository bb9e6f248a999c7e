/* bytes.h - numbers and strings into a byte buffer and out of it again, lengths checked.
 *
 * For messages between ranks of one job (same program, same byte order). A reader that
 * ran past its end gives zeros and empty strings and says so once, at _done.
 */
#ifndef CORE_BASE_BYTES_H
#define CORE_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/buf.h"

static inline void peri_put_u64(peri_buf_t *b, uint64_t v)
{
    peri_buf_append(b, &v, sizeof(v));
}

static inline void peri_put_bytes(peri_buf_t *b, const void *p, size_t n)
{
    peri_put_u64(b, n);
    peri_buf_append(b, p, n);
}

static inline void peri_put_str(peri_buf_t *b, const char *s)
{
    peri_put_bytes(b, s ? s : "", s ? strlen(s) : 0);
}

typedef struct {
    const char *p, *end;
    bool failed;
} peri_reader_t;

static inline const void *peri_get_raw(peri_reader_t *r, uint64_t n)
{
    if (r->failed || n > (uint64_t)(r->end - r->p)) {
        r->failed = true;
        return NULL;
    }
    const void *p = r->p;
    r->p += n;
    return p;
}

static inline uint64_t peri_get_u64(peri_reader_t *r)
{
    uint64_t v = 0;
    const void *p = peri_get_raw(r, sizeof(v));
    if (p) memcpy(&v, p, sizeof(v));
    return v;
}

/* A count of things of at least `size` bytes each: 0 and failed if they cannot be there.
 */
static inline uint64_t peri_get_count(peri_reader_t *r, size_t size)
{
    uint64_t n = peri_get_u64(r);
    if (n > (uint64_t)(r->end - r->p) / size) {
        r->failed = true;
        return 0;
    }
    return n;
}

static inline const void *peri_get_bytes(peri_reader_t *r, uint64_t *n)
{
    *n = peri_get_u64(r);
    const void *p = peri_get_raw(r, *n);
    if (!p) *n = 0;
    return p;
}

/* Bytes of which there must be just so many. */
static inline void peri_get_exactly(peri_reader_t *r, void *out, size_t size)
{
    uint64_t n;
    const void *p = peri_get_bytes(r, &n);
    if (n == size && p)
        memcpy(out, p, size);
    else
        r->failed = true;
}

static inline const char *peri_get_str(peri_reader_t *r, peri_arena_t *a)
{
    uint64_t n;
    const char *p = peri_get_bytes(r, &n);
    return peri_arena_strndup(a, p ? p : "", n);
}

#endif
