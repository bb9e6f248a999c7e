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

static void put(peri_ecsv_t *note, const char *key, size_t n, const char *value)
{
    static const char *const keys[] = {"name", "unit", "description", "datatype"};
    const char **values[] = {&note->name, &note->unit, &note->description,
                             &note->datatype};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strlen(keys[i]) == n && !memcmp(keys[i], key, n)) *values[i] = value;
}

/* "-" alone begins a column, "  key: value" says something of it. */
static const peri_ecsv_t *note_key(peri_arena_t *a, const peri_ecsv_t *list,
                                   const char *line)
{
    size_t n = strlen(line);
    const char *p = line + strspn(line, " ");
    while (n && strchr(" \r", line[n - 1])) n--;
    if (line + n == p + 1 && *p == '-') {
        peri_ecsv_t *note = peri_arena_calloc(a, 1, sizeof(*note));
        *note = (peri_ecsv_t){"", "", "", "", true, true, list};
        return note;
    }
    if (list && p - line < 2) ((peri_ecsv_t *)list)->open = false;
    if (!list || !list->open) return list;
    const size_t key = strcspn(p, ": ");
    if (p[key] != ':' || p[key + 1] != ' ') return list;
    const char *value = p + key + 2;
    value += strspn(value, " ");
    const char quote = *value, *end = line + n;
    if ((quote == '\'' || quote == '"') && end > value + 1 && end[-1] == quote)
        value++, end--;
    if (end > value)
        put((peri_ecsv_t *)list, p, key,
            peri_arena_strndup(a, value, (size_t)(end - value)));
    return list;
}

const peri_ecsv_t *peri_ecsv_note(peri_arena_t *a, const peri_ecsv_t *list,
                                  const char *line)
{
    const char *p = skip(line + strspn(line, " "), "- {");
    if (!p) return note_key(a, list, line);
    peri_ecsv_t *note = peri_arena_calloc(a, 1, sizeof(*note));
    *note = (peri_ecsv_t){"", "", "", "", false, false, list};
    for (;;) {
        size_t n = strcspn(p, ":,}");
        if (p[n] != ':' || p[n + 1] != ' ') break;
        const char *key = p;
        p += n + 2;
        const char *value = take_value(a, &p);
        if (!value) break;
        put(note, key, n, value);
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

static bool begins(const char *s, const char *word)
{
    return !strncmp(s, word, strlen(word));
}

void peri_ecsv_guess(const peri_ecsv_t *note, peri_guess_t *g)
{
    const char *type = note->datatype;
    if (begins(type, "string")) {
        if (g->can != PERI_CAN_LIST) g->can = 0;
        g->any = g->words = true;
    } else if (!g->any) {
        g->can = begins(type, "bool")                              ? PERI_CAN_BOOL
                 : begins(type, "int") || begins(type, "uint")     ? PERI_CAN_I64
                 : begins(type, "float") || begins(type, "double") ? PERI_CAN_F64
                                                                   : PERI_CAN_ALL;
        g->any = g->can != PERI_CAN_ALL;
        g->fractions = g->can == PERI_CAN_F64;
    }
}
