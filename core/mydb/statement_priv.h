/* statement_priv.h - what the files of the parser of statements share: a place among the
 * tokens of one statement, and small steps from there.
 */
#ifndef CORE_MYDB_STATEMENT_PRIV_H
#define CORE_MYDB_STATEMENT_PRIV_H

#include "core/mydb/statement.h"
#include "core/mydb/token.h"

typedef struct {
    const peri_tokens_t *t;
    size_t i, from, end; /* the next token; the statement's first; behind its last */
    peri_arena_t *arena;
    peri_err_t *err;
} peri_parser_t;

/* ---- steps.c ---- */

/* Is the next token this keyword, sign? _take steps over it. */
bool peri_at_word(const peri_parser_t *p, const char *word);
bool peri_at_sign(const peri_parser_t *p, char sign);
bool peri_take_word(peri_parser_t *p, const char *word);
bool peri_take_sign(peri_parser_t *p, char sign);
/* All of "IF NOT EXISTS", or none of it. */
bool peri_take_words(peri_parser_t *p, const char *words);
bool peri_at_end(const peri_parser_t *p);

/* The error at token i. */
int peri_fail_at(const peri_parser_t *p, size_t i, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* At the next token: "syntax error at or near "x": WHAT was expected". */
int peri_fail_expected(const peri_parser_t *p, const char *what);
int peri_expect_word(peri_parser_t *p, const char *word);
int peri_expect_end(peri_parser_t *p);

/* name, "name" or [name]; `what` it is of. */
int peri_expect_name(peri_parser_t *p, const char *what, const char **out);
/* table or schema.table, into the statement. */
int peri_expect_table(peri_parser_t *p, peri_statement_t *st);
/* (a, b, c) */
int peri_expect_columns(peri_parser_t *p, peri_statement_t *st);

/* Index of the bracket that closes the one at i; p->end if there is none. */
size_t peri_closing(const peri_parser_t *p, size_t i);
/* First token in [i, end) outside of brackets that is this keyword (not a name behind a
 * dot or AS); p->end: none. */
size_t peri_find_word(const peri_parser_t *p, size_t i, const char *word);
/* Does a SELECT begin at token i? */
bool peri_begins_select(const peri_parser_t *p, size_t i);
/* Text of the tokens [i, j), from the first one's first byte to the last one's last. */
const char *peri_span(const peri_parser_t *p, size_t i, size_t j);
/* The script up to token j with all before token i blank, so that line and column of what
 * is there stay; not of long scripts. */
const char *peri_span_placed(const peri_parser_t *p, size_t i, size_t j);
/* A copy of the statement, in its place like that, to be changed. */
typedef struct {
    char *text;
    size_t shift; /* of the script's bytes: text + (token.at - shift) */
} peri_draft_t;
peri_draft_t peri_draft_new(const peri_parser_t *p);
void peri_draft_blank(const peri_draft_t *d, const peri_parser_t *p, size_t i, size_t j);
/* Over the beginning of token i, or over what follows it, which must not matter. */
void peri_draft_put(const peri_draft_t *d, const peri_parser_t *p, size_t i,
                    const char *word);

/* ---- statement_*.c: behind the first keyword ---- */

int peri_parse_create(peri_parser_t *p, peri_statement_t *st);
int peri_parse_insert(peri_parser_t *p, peri_statement_t *st);
int peri_parse_update(peri_parser_t *p, peri_statement_t *st);
int peri_parse_delete(peri_parser_t *p, peri_statement_t *st);
int peri_parse_alter(peri_parser_t *p, peri_statement_t *st);
int peri_parse_comment(peri_parser_t *p, peri_statement_t *st);

#endif
