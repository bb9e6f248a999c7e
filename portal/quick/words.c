/* words.c - see words.h. */
#include "portal/quick/words.h"

#include <string.h>

#include "core/base/util.h"

#define WORD_MAX   (64u << 10) /* the kernel's limit of one is twice that */
#define SCHEMA_MAX 64
#define TABLE_MAX  64

void peri_words_init(peri_words_t *w, peri_arena_t *arena, size_t room)
{
    *w = (peri_words_t){
        .arena = arena, .v = peri_arena_calloc(arena, room, sizeof(*w->v)), .room = room};
}

void peri_words_put(peri_words_t *w, const char *word)
{
    const size_t len = strlen(word);
    if (w->n == w->room || len > WORD_MAX || !peri_utf8_valid(word, len))
        w->failed = true;
    else
        w->v[w->n++] = word;
}

void peri_words_option(peri_words_t *w, const char *key, const char *value)
{
    if (value) peri_words_put(w, peri_arena_printf(w->arena, "--%s=%s", key, value));
}

int peri_words_check(const peri_words_t *w, peri_err_t *err)
{
    if (!w->failed) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "a parameter is not UTF-8, or too long, or there are too many");
}

/* ---- names ---- */

static bool is_among(const char *s, const char *more)
{
    for (; *s; s++) {
        const bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                           (*s >= '0' && *s <= '9') || *s == '_';
        if (!plain && !strchr(more, *s)) return false;
    }
    return true;
}

int peri_schemaname_check(const char *name, peri_err_t *err)
{
    const char *bare = name;
    if (!strncmp(name, "team:", 5) || !strncmp(name, "user:", 5)) bare += 5;
    if (*bare && strlen(bare) <= SCHEMA_MAX && !strchr(".-", *bare) &&
        is_among(bare, ".-"))
        return 0;
    return peri_err_set(
        err, PERI_EINVAL,
        "\"%.100s\" is no schema: it is mydb, the name of a team, or that "
        "of a user",
        name);
}

int peri_tablename_check(const char *name, peri_err_t *err)
{
    if (*name && strlen(name) <= TABLE_MAX && !(*name >= '0' && *name <= '9') &&
        is_among(name, ""))
        return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "\"%.100s\" is no name of a table: it has letters, digits and _, "
                        "no digit in front, at most %d of them",
                        name, TABLE_MAX);
}

const char *peri_tableword(peri_request_t *r, peri_err_t *err)
{
    if (peri_schemaname_check(r->param[0], err) || peri_tablename_check(r->param[1], err))
        return NULL;
    return peri_arena_printf(r->arena, "%s.%s", r->param[0], r->param[1]);
}
