/* steps.c - small steps among the tokens of a statement; see statement_priv.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/textplace.h"
#include "core/mydb/statement_priv.h"

#define PLACED_MAX (64u << 10) /* bytes: each statement of a script gets a copy */

/* ---- looking ---- */

bool peri_at_end(const peri_parser_t *p)
{
    return p->i >= p->end;
}

bool peri_at_word(const peri_parser_t *p, const char *word)
{
    return p->i < p->end && peri_token_is(p->t, p->i, word);
}

bool peri_at_sign(const peri_parser_t *p, char sign)
{
    return p->i < p->end && peri_token_is_sign(p->t, p->i, sign);
}

bool peri_take_word(peri_parser_t *p, const char *word)
{
    const bool there = peri_at_word(p, word);
    p->i += there;
    return there;
}

bool peri_take_sign(peri_parser_t *p, char sign)
{
    const bool there = peri_at_sign(p, sign);
    p->i += there;
    return there;
}

bool peri_take_words(peri_parser_t *p, const char *words)
{
    const size_t before = p->i;
    char word[32];
    for (const char *s = words; *s; s += *s == ' ') {
        const size_t n = strcspn(s, " ");
        snprintf(word, sizeof(word), "%.*s", (int)n, s);
        if (!peri_take_word(p, word)) {
            p->i = before;
            return false;
        }
        s += n;
    }
    return true;
}

size_t peri_closing(const peri_parser_t *p, size_t i)
{
    const int depth = p->t->v[i].depth;
    for (size_t k = i + 1; k < p->end; k++)
        if (p->t->v[k].depth <= depth) return k;
    return p->end;
}

size_t peri_find_word(const peri_parser_t *p, size_t i, const char *word)
{
    for (size_t k = i; k < p->end; k++) {
        if (p->t->v[k].depth != 0 || !peri_token_is(p->t, k, word)) continue;
        if (k > p->from &&
            (peri_token_is_sign(p->t, k - 1, '.') || peri_token_is(p->t, k - 1, "AS")))
            continue;
        return k;
    }
    return p->end;
}

/* ---- failing ---- */

int peri_fail_at(const peri_parser_t *p, size_t i, const char *fmt, ...)
{
    char message[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    const size_t last = p->end > p->from ? p->end - 1 : p->from;
    const size_t at = i < p->end ? p->t->v[i].at : p->t->v[last].at + p->t->v[last].len;
    return peri_err_set_place(p->err, PERI_EINVAL, "the SQL is not valid", p->t->sql,
                              p->t->len, at, message);
}

int peri_fail_expected(const peri_parser_t *p, const char *what)
{
    if (p->i >= p->end)
        return peri_fail_at(p, p->i, "the statement ends where %s should be", what);
    const peri_token_t *t = &p->t->v[p->i];
    return peri_fail_at(p, p->i, "syntax error at or near \"%.*s\": here should be %s",
                        (int)(t->len < 40 ? t->len : 40), p->t->sql + t->at, what);
}

int peri_expect_word(peri_parser_t *p, const char *word)
{
    return peri_take_word(p, word) ? 0 : peri_fail_expected(p, word);
}

int peri_expect_end(peri_parser_t *p)
{
    return peri_at_end(p) ? 0 : peri_fail_expected(p, "the end of the statement");
}

/* ---- names ---- */

int peri_expect_name(peri_parser_t *p, const char *what, const char **out)
{
    /* T-SQL's brackets: where a name must be there is no list. */
    if (peri_at_sign(p, '[')) {
        const size_t close = peri_closing(p, p->i);
        *out = close > p->i + 1 && close < p->end ? peri_span(p, p->i + 1, close) : NULL;
        if (!*out) return peri_fail_expected(p, what);
        p->i = close + 1;
        return 0;
    }
    const peri_tokkind_t kind = p->i < p->end ? p->t->v[p->i].kind : PERI_TOK_END;
    if (kind != PERI_TOK_WORD && kind != PERI_TOK_QUOTED)
        return peri_fail_expected(p, what);
    *out = peri_token_value(p->t, p->i++, p->arena);
    return 0;
}

int peri_expect_table(peri_parser_t *p, peri_statement_t *st)
{
    if (peri_at_sign(p, '#'))
        return peri_fail_at(p, p->i,
                            "there are no temporary tables: write into mydb, and DROP "
                            "TABLE when it is no longer needed");
    if (peri_expect_name(p, "the name of a table, as mydb.stars", &st->table)) return -1;
    st->schema = "mydb";
    if (!peri_take_sign(p, '.')) return 0;
    st->schema = st->table;
    if (peri_expect_name(p, "the name of a table", &st->table)) return -1;
    if (peri_at_sign(p, '.'))
        return peri_fail_at(p, p->i, "the table has one name too many: write mydb.table");
    return 0;
}

int peri_expect_columns(peri_parser_t *p, peri_statement_t *st)
{
    const size_t close = peri_closing(p, p->i);
    peri_stcolumn_t *v = peri_arena_calloc(p->arena, close - p->i + 1, sizeof(*v));
    size_t n = 0;
    p->i++;
    do {
        if (peri_expect_name(p, "the name of a column", &v[n++].name)) return -1;
    } while (peri_take_sign(p, ','));
    if (!peri_take_sign(p, ')')) return peri_fail_expected(p, "\",\" or \")\"");
    st->columns = v;
    st->ncolumns = n;
    return 0;
}

/* ---- text ---- */

const char *peri_span(const peri_parser_t *p, size_t i, size_t j)
{
    if (i >= j) return "";
    const size_t from = p->t->v[i].at, to = p->t->v[j - 1].at + p->t->v[j - 1].len;
    return peri_arena_strndup(p->arena, p->t->sql + from, to - from);
}

/* As many lines as the script has before the byte, and as many characters in the last. */
static size_t put_lead(const char *sql, size_t from, char *out)
{
    size_t n = 0;
    for (size_t k = 0; k < from; k++)
        if (sql[k] == '\n' || ((unsigned char)sql[k] & 0xC0) != 0x80)
            out[n++] = sql[k] == '\n' ? '\n' : ' ';
    return n;
}

const char *peri_span_placed(const peri_parser_t *p, size_t i, size_t j)
{
    if (i >= j || p->t->len > PLACED_MAX) return peri_span(p, i, j);
    const size_t from = p->t->v[i].at, to = p->t->v[j - 1].at + p->t->v[j - 1].len;
    char *out = peri_arena_alloc(p->arena, to + 1);
    const size_t lead = put_lead(p->t->sql, from, out);
    memcpy(out + lead, p->t->sql + from, to - from);
    out[lead + to - from] = '\0';
    return out;
}

peri_draft_t peri_draft_new(const peri_parser_t *p)
{
    const size_t from = p->t->v[p->from].at;
    const char *placed = peri_span_placed(p, p->from, p->end);
    const size_t n = p->t->v[p->end - 1].at + p->t->v[p->end - 1].len - from;
    return (peri_draft_t){peri_arena_strdup(p->arena, placed),
                          from - (strlen(placed) - n)};
}

void peri_draft_blank(const peri_draft_t *d, const peri_parser_t *p, size_t i, size_t j)
{
    if (i >= j) return;
    const size_t to = p->t->v[j - 1].at + p->t->v[j - 1].len;
    for (size_t k = p->t->v[i].at; k < to; k++)
        if (d->text[k - d->shift] != '\n') d->text[k - d->shift] = ' ';
}

void peri_draft_put(const peri_draft_t *d, const peri_parser_t *p, size_t i,
                    const char *word)
{
    memcpy(d->text + (p->t->v[i].at - d->shift), word, strlen(word));
}

bool peri_begins_select(const peri_parser_t *p, size_t i)
{
    static const char *const words[] = {"SELECT", "WITH", "FROM", "VALUES", "TABLE"};
    while (i < p->end && peri_token_is_sign(p->t, i, '(')) i++;
    for (size_t k = 0; i < p->end && k < sizeof(words) / sizeof(*words); k++)
        if (peri_token_is(p->t, i, words[k])) return true;
    return false;
}
