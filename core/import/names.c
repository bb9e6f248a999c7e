/* names.c - names of columns that SQL takes without quotes, each once. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/import/reader.h"

static bool taken(const peri_readcol_t *cols, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(cols[i].name, name)) return true;
    return false;
}

/* Letters (of all languages: bytes above 127), digits and _; the others become one _
 * between two parts, none at the ends. */
static char *legal(peri_arena_t *a, const char *source)
{
    size_t n = strlen(source), to = 0;
    char *out = peri_arena_alloc(a, n + 2);
    bool gap = false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)source[i];
        if (!(c >= 128 || isalnum(c) || c == '_')) {
            gap = true;
            continue;
        }
        if ((gap || !to) && (to ? true : isdigit(c))) out[to++] = '_';
        gap = false;
        out[to++] = (char)c;
    }
    out[to] = '\0';
    return out;
}

const char *peri_read_legal_name(peri_arena_t *a, const char *source, bool as_it_is,
                                 const peri_readcol_t *cols, size_t n)
{
    const char *name = as_it_is ? peri_arena_strdup(a, source) : legal(a, source);
    if (!*name) name = peri_arena_printf(a, "column%zu", n + 1);
    if (!taken(cols, n, name)) return name;
    /* As many as there are already of this name: nearly always the first try. */
    size_t number = 0;
    for (size_t i = 0; i < n; i++) number += !strcasecmp(cols[i].source, source);
    const char *result;
    do result = peri_arena_printf(a, "%s_%zu", name, number ? number : 1);
    while (number++, taken(cols, n, result));
    return result;
}
