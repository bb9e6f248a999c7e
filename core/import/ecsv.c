/* ecsv.c - see ecsv.h. */
#include "core/import/ecsv.h"

#include <string.h>

/* A value of {key: value, key: value}: bare, or in quotes of either kind. Moves *p behind
 * it; NULL if its quote is not closed. */
static const char *take_value(peri_arena_t *a, const char **p)
{
    const char *first = *p, *end = first;
    char quote = *first;
    if (quote != '\'' && quote != '"') {
        while (*end && *end != '}' && !(*end == ',' && end[1] == ' ')) end++;
        *p = end;
        return peri_arena_strndup(a, first, (size_t)(end - first));
    }
    char *out = peri_arena_alloc(a, strlen(first) + 1), *to = out;
    for (end = first + 1; *end; end++) {
        if (*end == quote) {
            if (quote == '"' || end[1] != '\'') break;
            end++; /* '' */
        } else if (quote == '"' && *end == '\\' && end[1]) {
            end++;
        }
        *to++ = *end;
    }
    if (!*end) return NULL;
    *to = '\0';
    *p = end + 1;
    return out;
}

static const char *skip(const char *p, const char *what)
{
    size_t n = strlen(what);
    return strncmp(p, what, n) ? NULL : p + n;
}

const peri_ecsv_t *peri_ecsv_note(peri_arena_t *a, const peri_ecsv_t *list,
                                  const char *line)
{
    const char *p = skip(line + strspn(line, " "), "- {");
    if (!p) return list;
    peri_ecsv_t *note = peri_arena_calloc(a, 1, sizeof(*note));
    *note = (peri_ecsv_t){"", "", "", list};
    for (;;) {
        static const char *const keys[] = {"name", "unit", "description"};
        const char **values[] = {&note->name, &note->unit, &note->description};
        size_t n = strcspn(p, ":,}");
        if (p[n] != ':' || p[n + 1] != ' ') break;
        const char *key = p;
        p += n + 2;
        const char *value = take_value(a, &p);
        if (!value) break;
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            if (strlen(keys[i]) == n && !memcmp(keys[i], key, n)) *values[i] = value;
        p = skip(p, ", ");
        if (!p) break;
    }
    return *note->name ? note : list;
}

const peri_ecsv_t *peri_ecsv_find(const peri_ecsv_t *list, const char *name)
{
    while (list && strcmp(list->name, name) != 0) list = list->before;
    return list;
}
