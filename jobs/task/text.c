/* text.c - see text.h. */
#include "jobs/task/text.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/util.h"

/* Bytes of the character at s, 0 if it is not UTF-8. */
static size_t char_len(const char *s, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++)
        if (peri_utf8_valid(s, n)) return n;
    return 0;
}

/* C0, DEL, C1, and the characters that turn the direction of what follows. */
static bool is_control(const char *s, size_t n)
{
    const unsigned char *c = (const unsigned char *)s;
    if (n == 1) return c[0] < 0x20 || c[0] == 0x7f;
    if (n == 2) return c[0] == 0xc2 && c[1] < 0xa0;
    if (n != 3 || c[0] != 0xe2) return false;
    return (c[1] == 0x80 && (c[2] >= 0xa8 && c[2] <= 0xae)) ||
           (c[1] == 0x81 && (c[2] >= 0xa6 && c[2] <= 0xa9));
}

void peri_text_clean(const char *s, size_t len, char *out, size_t max)
{
    size_t to = 0, fits = 0; /* fits: where "..." would still go behind */
    for (size_t at = 0; at < len;) {
        size_t n = char_len(s + at, len - at), take = n ? n : 1;
        if (to + take > max) {
            to = fits;
            if (max >= 3) {
                memcpy(out + to, "...", 3);
                to += 3;
            }
            break;
        }
        if (n == 0)
            out[to] = '?';
        else if (is_control(s + at, n)) {
            out[to] = ' ';
            n = 1;
        } else
            memcpy(out + to, s + at, n);
        to += n ? n : 1;
        at += take;
        if (to + 3 <= max) fits = to;
    }
    out[to] = '\0';
}
