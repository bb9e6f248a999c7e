/* statement.c - a script into statements, each by its first keyword; SELECT and DROP. The
 * others are in statement_*.c.
 */
#include "core/mydb/statement.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/mydb/statement_priv.h"

/* ---- SELECT ---- */

static bool is_name(const peri_parser_t *p, size_t i)
{
    return i < p->end &&
           (p->t->v[i].kind == PERI_TOK_WORD || p->t->v[i].kind == PERI_TOK_QUOTED ||
            peri_token_is_sign(p->t, i, '[') || peri_token_is_sign(p->t, i, '#'));
}

static int parse_select(peri_parser_t *p, peri_statement_t *st)
{
    const size_t into = peri_find_word(p, p->from, "INTO");
    st->sql = peri_span_placed(p, p->from, p->end);
    if (!peri_begins_select(p, p->from) || into == p->end || !is_name(p, into + 1))
        return 0;
    st->kind = PERI_ST_CREATE_AS;
    p->i = into + 1;
    if (peri_expect_table(p, st)) return -1;
    const size_t again = peri_find_word(p, p->i, "INTO");
    if (again < p->end) return peri_fail_at(p, again, "rows can go into one table only");
    const peri_draft_t d = peri_draft_new(p);
    peri_draft_blank(&d, p, into, p->i);
    st->sql = st->check = d.text;
    return 0;
}

/* Behind the CTEs; the parser stands at WITH. */
static int skip_ctes(peri_parser_t *p)
{
    p->i++;
    peri_take_word(p, "RECURSIVE");
    do {
        const char *name;
        if (peri_expect_name(p, "the name of a WITH", &name)) return -1;
        while (!peri_at_end(p) && !peri_at_word(p, "AS")) p->i++;
        p->i++;
        peri_take_word(p, "NOT");
        peri_take_word(p, "MATERIALIZED");
        if (!peri_at_sign(p, '(')) return peri_fail_expected(p, "(SELECT ...)");
        p->i = peri_closing(p, p->i) + 1;
    } while (peri_take_sign(p, ','));
    return 0;
}

static int parse_with(peri_parser_t *p, peri_statement_t *st)
{
    const peri_parser_t before = *p;
    /* What is no WITH at all the planner tells better. */
    peri_parser_t quiet = *p;
    quiet.err = NULL;
    if (skip_ctes(&quiet)) return parse_select(p, st);
    p->i = quiet.i;
    const char *with = peri_span(p, p->from, p->i);
    int rc;
    if (peri_take_word(p, "INSERT"))
        rc = peri_parse_insert(p, st);
    else if (peri_take_word(p, "UPDATE"))
        rc = peri_parse_update(p, st);
    else if (peri_take_word(p, "DELETE"))
        rc = peri_parse_delete(p, st);
    else {
        *p = before;
        return parse_select(p, st);
    }
    st->with = with;
    return rc;
}

/* ---- DROP, TRUNCATE ---- */

/* One statement a table: the others follow in `more`. */
static int parse_drop(peri_parser_t *p, peri_statement_t *st)
{
    if (peri_take_word(p, "VIEW"))
        st->flags |= PERI_ST_VIEW;
    else if (!peri_take_word(p, "TABLE"))
        return peri_fail_expected(p, "TABLE or VIEW");
    if (peri_take_words(p, "IF EXISTS")) st->flags |= PERI_ST_IF_EXISTS;
    st->kind = PERI_ST_DROP;
    return peri_expect_table(p, st);
}

static int parse_truncate(peri_parser_t *p, peri_statement_t *st)
{
    peri_take_word(p, "TABLE");
    st->kind = PERI_ST_TRUNCATE;
    return peri_expect_table(p, st) || peri_expect_end(p) ? -1 : 0;
}

/* ---- by the first keyword ---- */

static const struct {
    const char *word;
    int (*parse)(peri_parser_t *p, peri_statement_t *st);
} VERBS[] = {
    {"CREATE", peri_parse_create}, {"INSERT", peri_parse_insert},
    {"UPDATE", peri_parse_update}, {"DELETE", peri_parse_delete},
    {"TRUNCATE", parse_truncate},  {"DROP", parse_drop},
    {"ALTER", peri_parse_alter},   {"COMMENT", peri_parse_comment},
};

#define WHOLE                                                                            \
    "each statement is whole by itself: it changes its table or leaves it as it was"
static const struct {
    const char *word, *advice;
} REFUSED[] = {
    {"ABORT", WHOLE},
    {"BEGIN", WHOLE},
    {"COMMIT", WHOLE},
    {"END", WHOLE},
    {"MERGE", "use UPDATE ... FROM, then INSERT what is not there yet"},
    {"RELEASE", WHOLE},
    {"ROLLBACK", WHOLE},
    {"SAVEPOINT", WHOLE},
    {"START", WHOLE},
};
#undef WHOLE

static int parse_statement(peri_parser_t *p, peri_statement_t *st)
{
    for (size_t k = 0; k < sizeof(REFUSED) / sizeof(*REFUSED); k++)
        if (peri_at_word(p, REFUSED[k].word))
            return peri_err_set(p->err, PERI_EDENIED, "%s is refused: %s",
                                REFUSED[k].word, REFUSED[k].advice);
    if (peri_at_word(p, "WITH")) return parse_with(p, st);
    for (size_t k = 0; k < sizeof(VERBS) / sizeof(*VERBS); k++)
        if (peri_take_word(p, VERBS[k].word)) return VERBS[k].parse(p, st);
    return parse_select(p, st);
}

/* ---- the script ---- */

static peri_statement_t *add_statement(peri_script_t *out, const peri_parser_t *p)
{
    if (out->n == PERI_SCRIPT_MAX) {
        peri_err_set(p->err, PERI_ELIMIT,
                     "the script has more than %d statements: give it in parts",
                     PERI_SCRIPT_MAX);
        return NULL;
    }
    return &out->v[out->n++];
}

/* A bracket that is closed before it was opened: clauses cannot be told. Of a SELECT
 * DuckDB says it. */
static int check_brackets(const peri_parser_t *p, const peri_statement_t *st)
{
    for (size_t i = p->from; i < p->end && st->kind != PERI_ST_SELECT; i++)
        if (p->t->v[i].depth < 0)
            return peri_fail_at(p, i,
                                "syntax error at or near \"%c\": nothing is open "
                                "that it could close",
                                p->t->sql[p->t->v[i].at]);
    const size_t last = p->end - 1;
    const bool opens = peri_token_is_sign(p->t, last, '(') ||
                       peri_token_is_sign(p->t, last, '[') ||
                       peri_token_is_sign(p->t, last, '{');
    if (st->kind != PERI_ST_SELECT && (p->t->v[last].depth > 0 || opens))
        return peri_fail_at(p, p->end, "a bracket is open that nothing closes");
    return 0;
}

static int take_statement(peri_parser_t *p, size_t line, peri_script_t *out)
{
    peri_statement_t *st = add_statement(out, p);
    if (!st) return -1;
    st->line = line;
    st->text = peri_span(p, p->from, p->end);
    if (parse_statement(p, st) || check_brackets(p, st)) return -1;
    if (st->check) st->shown = peri_draft_new(p).text;
    out->writes |= st->kind != PERI_ST_SELECT;
    if (st->kind != PERI_ST_DROP) return 0;
    while (peri_take_sign(p, ',')) {
        peri_statement_t *next = add_statement(out, p);
        if (!next) return -1;
        *next = *st;
        if (peri_expect_table(p, next)) return -1;
    }
    if (!peri_take_word(p, "CASCADE")) peri_take_word(p, "RESTRICT");
    return peri_expect_end(p);
}

int peri_script_parse(const char *sql, size_t len, peri_arena_t *a, peri_script_t *out,
                      peri_err_t *err)
{
    peri_tokens_t t;
    *out = (peri_script_t){0};
    if (peri_tokens_read(sql, len, a, &t, err)) return -1;
    out->v = peri_arena_calloc(a, PERI_SCRIPT_MAX, sizeof(*out->v));
    size_t line = 1, seen = 0;
    for (size_t i = 0; i < t.n;) {
        size_t end = i;
        while (end < t.n && !peri_token_is_sign(&t, end, ';')) end++;
        for (; seen < t.v[i].at; seen++) line += sql[seen] == '\n';
        peri_parser_t p = {
            .t = &t, .i = i, .from = i, .end = end, .arena = a, .err = err};
        if (end > i && take_statement(&p, line, out)) return -1;
        i = end + 1;
    }
    if (out->n == 0)
        return peri_err_set(err, PERI_EINVAL, "there is no SQL statement in the text");
    /* A lone SELECT, the usual case, is what was given, to the last byte. */
    if (out->n == 1 && !out->writes) out->v[0].sql = peri_arena_strndup(a, sql, len);
    return 0;
}
