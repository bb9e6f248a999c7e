/* textplace.c - see textplace.h. */
#include "core/base/textplace.h"

#include <stdbool.h>
#include <string.h>

#define SHOWN_BEFORE 50 /* bytes of a long line */
#define SHOWN        78

static bool inside_character(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static int characters(const char *text, size_t from, size_t to)
{
    int n = 0;
    for (size_t i = from; i < to; i++) n += !inside_character(text[i]);
    return n;
}

int peri_err_set_place(peri_err_t *err, peri_code_t code, const char *what,
                       const char *text, size_t len, size_t at, const char *message)
{
    int line = 1;
    size_t start = 0;
    if (at > len) at = len;
    for (size_t i = 0; i < at; i++)
        if (text[i] == '\n') line++, start = i + 1;
    const char *newline = len > start ? memchr(text + start, '\n', len - start) : NULL;
    const size_t end = newline ? (size_t)(newline - text) : len;
    size_t from = at - start > SHOWN_BEFORE ? at - SHOWN_BEFORE : start;
    while (from > start && from < end && inside_character(text[from])) from++;
    size_t to = end - from > SHOWN ? from + SHOWN : end;
    while (to < end && to > from && inside_character(text[to])) to--;
    return peri_err_set(err, code, "%s at line %d, column %d: %s\n  %.*s\n  %*s^", what,
                        line, characters(text, start, at) + 1, message, (int)(to - from),
                        text + from, characters(text, from, at), "");
}
