/* token.h - SQL text cut into tokens as DuckDB cuts it: names, strings, numbers, signs.
 * Comments and blanks are gone. Nothing is understood here but where a token ends, and
 * how deep in brackets it stands.
 */
#ifndef CORE_MYDB_TOKEN_H
#define CORE_MYDB_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "perigee/err.h"

typedef enum {
    PERI_TOK_END,    /* behind the last one; its length is 0 */
    PERI_TOK_WORD,   /* a name without quotes, or a keyword */
    PERI_TOK_QUOTED, /* "a name" */
    PERI_TOK_STRING, /* 'text', E'text', $$text$$ */
    PERI_TOK_NUMBER,
    PERI_TOK_PARAM, /* $name */
    PERI_TOK_SIGN   /* one byte of anything else */
} peri_tokkind_t;

typedef struct {
    peri_tokkind_t kind;
    size_t at, len; /* bytes of the text */
    int depth;      /* brackets of all kinds around it; those count as outside of
                       themselves. Below 0: more are closed than were opened */
} peri_token_t;

typedef struct {
    const char *sql;
    size_t len;
    const peri_token_t *v; /* n, then one PERI_TOK_END */
    size_t n;
} peri_tokens_t;

/* At most PERI_TOKENS_MAX. Depth begins anew behind each ';'. The text is valid UTF-8
 * without NUL and ends where it should, or PERI_EINVAL with line and column. */
#define PERI_TOKENS_MAX 1000000
int peri_tokens_read(const char *sql, size_t len, peri_arena_t *a, peri_tokens_t *out,
                     peri_err_t *err);

/* An unquoted word, whatever the case; `word` in capitals. */
bool peri_token_is(const peri_tokens_t *t, size_t i, const char *word);
bool peri_token_is_sign(const peri_tokens_t *t, size_t i, char sign);
/* A word or quoted name without its quotes, or the text of a string; in the arena. NULL:
 * it is none of these. */
const char *peri_token_value(const peri_tokens_t *t, size_t i, peri_arena_t *a);

#endif
