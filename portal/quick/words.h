/* words.h - the words of a `perigee table` command, from what a request says. What users
 * wrote never becomes an option: it stands behind its own ("--format=X") or behind "--".
 */
#ifndef PORTAL_QUICK_WORDS_H
#define PORTAL_QUICK_WORDS_H

#include "portal/web/request.h"

typedef struct {
    peri_arena_t *arena;
    const char **v;
    size_t n, room;
    bool failed; /* a word was not UTF-8, or there were too many */
} peri_words_t;

void peri_words_init(peri_words_t *w, peri_arena_t *arena, size_t room);
void peri_words_put(peri_words_t *w, const char *word);
/* "--key=value"; nothing if value is NULL. */
void peri_words_option(peri_words_t *w, const char *key, const char *value);
int peri_words_check(const peri_words_t *w, peri_err_t *err);

/* Names as PERIGEE_SCHEMAS and core/mydb have them: only the form is looked at. */
int peri_schemaname_check(const char *name, peri_err_t *err);
int peri_tablename_check(const char *name, peri_err_t *err);
/* "S.T" of the route's first two parameters; NULL: not names. */
const char *peri_tableword(peri_request_t *r, peri_err_t *err);

#endif
