/* buf.c - see buf.h. */
#include "core/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void peri_buf_init(peri_buf_t *b, size_t max)
{
    memset(b, 0, sizeof(*b));
    b->max = max;
}

void peri_buf_free(peri_buf_t *b)
{
    free(b->data);
    peri_buf_init(b, b->max);
}

void peri_buf_clear(peri_buf_t *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data) b->data[0] = '\0';
}

char *peri_buf_reserve(peri_buf_t *b, size_t len)
{
    if (b->failed) return NULL;
    if (len > b->max || b->len > b->max - len) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < need) cap *= 2;
        if (cap > b->max + 1) cap = b->max + 1;
        char *p = realloc(b->data, cap);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->data = p;
        b->cap = cap;
    }
    return b->data + b->len;
}

void peri_buf_commit(peri_buf_t *b, size_t len)
{
    b->len += len;
    b->data[b->len] = '\0';
}

int peri_buf_append(peri_buf_t *b, const void *data, size_t len)
{
    char *p = peri_buf_reserve(b, len);
    if (!p) return -1;
    if (len) memcpy(p, data, len);
    peri_buf_commit(b, len);
    return 0;
}

int peri_buf_puts(peri_buf_t *b, const char *s)
{
    return peri_buf_append(b, s, strlen(s));
}

int peri_buf_putc(peri_buf_t *b, char c)
{
    return peri_buf_append(b, &c, 1);
}

int peri_buf_put_quoted(peri_buf_t *b, const char *s, char quote)
{
    peri_buf_putc(b, quote);
    for (; *s; s++) {
        if (*s == quote) peri_buf_putc(b, quote);
        peri_buf_putc(b, *s);
    }
    return peri_buf_putc(b, quote);
}

int peri_buf_printf(peri_buf_t *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : peri_buf_reserve(b, (size_t)n);
    if (!p) return -1;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    peri_buf_commit(b, (size_t)n);
    return 0;
}

char *peri_buf_take(peri_buf_t *b, size_t *len)
{
    if (b->failed || !peri_buf_reserve(b, 0)) {
        peri_buf_free(b);
        return NULL;
    }
    char *p = b->data;
    p[b->len] = '\0';
    if (len) *len = b->len;
    b->data = NULL;
    peri_buf_free(b);
    return p;
}

int peri_buf_check(const peri_buf_t *b, const char *what, peri_err_t *err)
{
    if (!b->failed) return 0;
    return peri_err_set(err, PERI_ELIMIT,
                        "%s is larger than %zu bytes, or memory ran out", what, b->max);
}
