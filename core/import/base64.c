/* base64.c - see base64.h. */
#include "core/import/base64.h"

static unsigned digit_of(unsigned char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A' + 0u
           : c >= 'a' && c <= 'z' ? c - 'a' + 26u
           : c >= '0' && c <= '9' ? c - '0' + 52u
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : 64;
}

int peri_base64_feed(peri_base64_t *s, const char *p, size_t n, peri_buf_t *b)
{
    char *out = peri_buf_reserve(b, n / 4 * 3 + 6), *q = out;
    if (!out) return -1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        unsigned v = digit_of(c);
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
        if (c == '=') {
            s->padded = true;
            continue;
        }
        if (v == 64 || s->padded) return -1;
        s->quad = s->quad << 6 | v;
        if (s->n++ > 0) *q++ = (char)(s->quad >> (6 - 2 * (s->n - 1)) & 0xff);
        if (s->n == 4) s->quad = s->n = 0;
    }
    peri_buf_commit(b, (size_t)(q - out));
    return 0;
}
