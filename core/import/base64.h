/* base64.h - base64 in pieces. Pure. Private to core/import. */
#ifndef CORE_IMPORT_BASE64_H
#define CORE_IMPORT_BASE64_H

#include <stdbool.h>

#include "core/base/buf.h"

typedef struct {
    unsigned quad, n; /* characters of a group so far */
    bool padded;      /* nothing may follow */
} peri_base64_t;

/* Decodes the next n characters to b; white space does not count. -1: it is no base64, or
 * b is full. */
int peri_base64_feed(peri_base64_t *s, const char *p, size_t n, peri_buf_t *b);

#endif
