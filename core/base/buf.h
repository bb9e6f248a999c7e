/* buf.h - a growing byte buffer with a mandatory maximum.
 *
 * Not thread-safe. Once an append failed (maximum or memory) the buffer is marked failed,
 * keeps what it had, and every later append fails too, so that callers may check once at
 * the end. The content is always followed by a NUL that does not count.
 */
#ifndef CORE_BASE_BUF_H
#define CORE_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

typedef struct {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
} peri_buf_t;

void peri_buf_init(peri_buf_t *b, size_t max);
void peri_buf_free(peri_buf_t *b);  /* accepts a zeroed struct; leaves it empty */
void peri_buf_clear(peri_buf_t *b); /* len = 0, keeps the memory, clears failed */
int peri_buf_append(peri_buf_t *b, const void *data, size_t len);
int peri_buf_puts(peri_buf_t *b, const char *s);
int peri_buf_putc(peri_buf_t *b, char c);
/* s as SQL quotes it: between quotes, those inside doubled. */
int peri_buf_put_quoted(peri_buf_t *b, const char *s, char quote);
int peri_buf_printf(peri_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for len more bytes, not yet counted; NULL if it failed. Follow with _commit. */
char *peri_buf_reserve(peri_buf_t *b, size_t len);
void peri_buf_commit(peri_buf_t *b, size_t len);
/* The content becomes the caller's (free()); the buffer is empty again. NULL if failed.
 */
char *peri_buf_take(peri_buf_t *b, size_t *len);
/* 0, or -1 with *err filled if any append failed; `what` names the content. */
int peri_buf_check(const peri_buf_t *b, const char *what, peri_err_t *err);

#endif
