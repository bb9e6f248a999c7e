/* text.c - see text.h. */
#include "core/out/text.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/util.h"

uint32_t peri_text_next(const char **p, const char *end)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)*p;
    *p += 1;
    if (s[0] < 0x80) return s[0];
    int n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || end - (const char *)s < n) return 0xfffd;
    uint32_t c = s[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0xfffd;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0xfffd;
    *p += n - 1;
    return c;
}

void peri_text_put(peri_buf_t *b, uint32_t c)
{
    char s[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        s[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    s[0] = (char)(n == 1 ? c : c | (0xf00u >> n & 0xff));
    peri_buf_append(b, s, n);
}

static void json_escape(peri_buf_t *b, unsigned char c)
{
    static const char named[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    for (const char *p = named; *p; p += 2) {
        if ((unsigned char)*p != c) continue;
        peri_buf_putc(b, '\\');
        peri_buf_putc(b, p[1]);
        return;
    }
    peri_buf_printf(b, "\\u%04x", c);
}

void peri_text_json(peri_buf_t *b, const char *s, size_t n)
{
    const char *end = s + n;
    bool valid = peri_utf8_valid(s, n);
    peri_buf_putc(b, '"');
    while (s < end) {
        const char *run = s;
        while (s < end && (unsigned char)*s >= 0x20 && *s != '"' && *s != '\\' &&
               (valid || (unsigned char)*s < 0x80))
            s++;
        peri_buf_append(b, run, (size_t)(s - run));
        if (s == end) break;
        if ((unsigned char)*s >= 0x80)
            peri_text_put(b, peri_text_next(&s, end));
        else
            json_escape(b, (unsigned char)*s++);
    }
    peri_buf_putc(b, '"');
}

void peri_text_blob(peri_buf_t *b, const char *s, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 32 && c <= 126 && !strchr("\\'\"", c)) {
            peri_buf_putc(b, (char)c);
        } else {
            char e[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
            peri_buf_append(b, e, sizeof(e));
        }
    }
}

void peri_text_ascii(peri_buf_t *b, const char *s, size_t n)
{
    const char *end = s + n;
    while (s < end) {
        uint32_t c = peri_text_next(&s, end);
        bool looks_escaped = c == '\\' && s < end && (*s == 'u' || *s == 'U');
        if (c >= 32 && c <= 126 && !looks_escaped)
            peri_buf_putc(b, (char)c);
        else
            peri_buf_printf(b, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
    }
}

/* Bytes of the \uXXXX or \UXXXXXXXX at s, and its character; 0 if there is none. */
static size_t read_escape(const char *s, size_t n, uint32_t *c)
{
    if (n < 2 || s[0] != '\\' || (s[1] != 'u' && s[1] != 'U')) return 0;
    size_t len = s[1] == 'u' ? 6 : 10;
    if (n < len) return 0;
    *c = 0;
    for (size_t i = 2; i < len; i++) {
        unsigned digit = (unsigned)s[i] - '0', letter = ((unsigned)s[i] | 32) - 'a';
        if (digit > 9 && letter > 5) return 0;
        *c = *c << 4 | (digit <= 9 ? digit : letter + 10);
    }
    return *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : len;
}

void peri_text_unascii(peri_buf_t *b, const char *s, size_t n)
{
    while (n > 0) {
        uint32_t c;
        size_t len = read_escape(s, n, &c);
        if (len) {
            peri_text_put(b, c);
        } else {
            const char *next = memchr(s + 1, '\\', n - 1);
            len = next ? (size_t)(next - s) : n;
            peri_buf_append(b, s, len);
        }
        s += len;
        n -= len;
    }
}
