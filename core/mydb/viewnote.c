/* viewnote.c - see viewnote.h. */
#include "core/mydb/viewnote.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define MARK "--"

char *peri_viewnote_read(const char *text, const char **select)
{
    char *note = peri_xmalloc(strlen(text) + 1), *to = note;
    const char *p = text;
    while (!strncmp(p, MARK, 2)) {
        p += 2;
        p += *p == ' ';
        const size_t n = strcspn(p, "\n");
        if (to > note) *to++ = '\n';
        memcpy(to, p, n);
        to += n;
        p += n + (p[n] == '\n');
    }
    while (to > note && strchr(" \t\r\n", to[-1])) to--;
    *to = '\0';
    *select = p;
    return note;
}

char *peri_viewnote_write(const char *note, const char *select)
{
    size_t lines = 1;
    for (const char *p = note; *p; p++) lines += *p == '\n' || *p == '\r';
    char *text = peri_xmalloc(strlen(note) + 4 * lines + strlen(select) + 1), *to = text;
    while (*note) {
        const size_t n = strcspn(note, "\r\n");
        memcpy(to, MARK " ", 3);
        memcpy(to + 3, note, n);
        to += 3 + n;
        *to++ = '\n';
        note += n;
        note += *note == '\r' && note[1] == '\n' ? 2 : *note != '\0';
    }
    memcpy(to, select, strlen(select) + 1);
    return text;
}
