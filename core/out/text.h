/* text.h - pieces of text that several formats need. */
#ifndef CORE_OUT_TEXT_H
#define CORE_OUT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

/* The character at *p (p < end), *p moved behind it; U+FFFD for a byte that is not UTF-8.
 */
uint32_t peri_text_next(const char **p, const char *end);
void peri_text_put(peri_buf_t *b, uint32_t c); /* as UTF-8 */
/* In double quotes, escaped; bytes that are not UTF-8 become U+FFFD. */
void peri_text_json(peri_buf_t *b, const char *s, size_t n);
/* Bytes as DuckDB shows a BLOB: printable ASCII as it is, the rest as \xHH. */
void peri_text_blob(peri_buf_t *b, const char *s, size_t n);
/* Only printable ASCII: everything else as \uXXXX or \UXXXXXXXX, and so is a backslash
 * before a u or U, so that _unascii gives every text back. */
void peri_text_ascii(peri_buf_t *b, const char *s, size_t n);
void peri_text_unascii(peri_buf_t *b, const char *s, size_t n);

#endif
