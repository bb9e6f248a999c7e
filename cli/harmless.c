/* harmless.c - see harmless.h. */
#include "cli/harmless.h"

#include <stdlib.h>

#include "core/base/util.h"

void peri_harmless(char *text, bool lines)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p == '\n' || *p == '\t') {
            if (!lines) *p = ' ';
        } else if (*p < ' ' || *p == 0x7f) {
            *p = '?';
        } else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
            *p++ = '?';
            *p = '?';
        }
    }
}

void peri_harmless_print(FILE *out, const char *text)
{
    char *copy = peri_xstrdup(text);
    peri_harmless(copy, true);
    fputs(copy, out);
    free(copy);
}
