/* statement_rows.c - INSERT, UPDATE, DELETE. */
#include <string.h>

#include "core/mydb/statement_priv.h"

/* ---- what follows in other databases ---- */

static int refuse_returning(const peri_parser_t *p)
{
    const size_t at = peri_find_word(p, p->i, "RETURNING");
    if (at == p->end) return 0;
    return peri_fail_at(p, at, "there is no RETURNING: SELECT the rows after it");
}

static bool is_conflict(const peri_parser_t *p, size_t on)
{
    size_t i = on + 2;
    if (!peri_token_is(p->t, on + 1, "CONFLICT")) return false;
    if (i < p->end && peri_token_is_sign(p->t, i, '(')) i = peri_closing(p, i) + 1;
    return i < p->end &&
           (peri_token_is(p->t, i, "DO") || peri_token_is(p->t, i, "WHERE"));
}

static int refuse_conflict(const peri_parser_t *p)
{
    for (size_t i = peri_find_word(p, p->i, "ON"); i < p->end;
         i = peri_find_word(p, i + 1, "ON"))
        if (is_conflict(p, i))
            return peri_fail_at(p, i,
                                "there is no ON CONFLICT: tables have no keys. Leave out "
                                "what is there already with WHERE NOT EXISTS (...)");
    return 0;
}

/* ORDER BY and such behind a condition. */
static int refuse_words(const peri_parser_t *p, size_t from, const char *of)
{
    static const char *const words[] = {"ORDER", "LIMIT", "GROUP", "HAVING", "UNION"};
    for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++) {
        const size_t at = peri_find_word(p, from, words[k]);
        if (at < p->end)
            return peri_fail_at(p, at, "%s has no %s: say with WHERE which rows", of,
                                words[k]);
    }
    return 0;
}

static int parse_alias(peri_parser_t *p, const char *next, peri_statement_t *st)
{
    if (peri_take_word(p, "AS")) return peri_expect_name(p, "an alias", &st->alias);
    if (peri_at_end(p) || peri_at_word(p, next) || peri_at_word(p, "WHERE") ||
        peri_at_word(p, "RETURNING"))
        return 0;
    const peri_tokkind_t kind = p->t->v[p->i].kind;
    if (kind != PERI_TOK_WORD && kind != PERI_TOK_QUOTED) return 0;
    return peri_expect_name(p, "an alias", &st->alias);
}

/* ---- INSERT ---- */

/* DEFAULT as a value is NULL: tables have no defaults. */
static const char *without_defaults(const peri_parser_t *p)
{
    const peri_draft_t d = peri_draft_new(p);
    peri_draft_blank(&d, p, p->from, p->i);
    for (size_t i = p->i + 1; peri_at_word(p, "VALUES") && i + 1 < p->end; i++) {
        const bool begins =
            peri_token_is_sign(p->t, i - 1, '(') || peri_token_is_sign(p->t, i - 1, ',');
        const bool ends =
            peri_token_is_sign(p->t, i + 1, ')') || peri_token_is_sign(p->t, i + 1, ',');
        if (p->t->v[i].depth == 1 && begins && ends && peri_token_is(p->t, i, "DEFAULT"))
            peri_draft_put(&d, p, i, "NULL   ");
    }
    return d.text;
}

int peri_parse_insert(peri_parser_t *p, peri_statement_t *st)
{
    st->kind = PERI_ST_INSERT;
    if (peri_at_word(p, "OR"))
        return peri_fail_at(
            p, p->i, "there is no INSERT OR REPLACE or IGNORE: tables have no keys");
    if (peri_expect_word(p, "INTO") || peri_expect_table(p, st)) return -1;
    if (peri_take_word(p, "AS")) {
        const char *unused;
        if (peri_expect_name(p, "an alias", &unused)) return -1;
    }
    if (peri_at_sign(p, '(') && !peri_begins_select(p, p->i) &&
        peri_expect_columns(p, st))
        return -1;
    if (peri_take_words(p, "DEFAULT VALUES")) {
        st->flags |= PERI_ST_DEFAULT_VALUES;
        return peri_expect_end(p);
    }
    if (peri_take_words(p, "BY NAME"))
        st->flags |= PERI_ST_BY_NAME;
    else
        peri_take_words(p, "BY POSITION");
    if (st->flags & PERI_ST_BY_NAME && st->ncolumns)
        return peri_fail_at(p, p->i,
                            "BY NAME takes the names of the SELECT: give no list "
                            "of columns with it");
    if (!peri_begins_select(p, p->i)) return peri_fail_expected(p, "VALUES or a SELECT");
    if (refuse_returning(p) || refuse_conflict(p)) return -1;
    st->sql = st->check = without_defaults(p);
    p->i = p->end;
    return 0;
}

/* ---- UPDATE ---- */

/* Where the value at the next token ends: "," or FROM or WHERE. */
static size_t value_end(const peri_parser_t *p)
{
    for (size_t i = p->i; i < p->end; i++) {
        if (p->t->v[i].depth != 0) continue;
        if (peri_token_is_sign(p->t, i, ',') || peri_token_is(p->t, i, "WHERE")) return i;
        /* IS [NOT] DISTINCT FROM */
        if (peri_token_is(p->t, i, "FROM") && i > p->i &&
            !peri_token_is(p->t, i - 1, "DISTINCT"))
            return i;
    }
    return p->end;
}

static const char *value_text(peri_parser_t *p, size_t end)
{
    if (end == p->i + 1 && peri_at_word(p, "DEFAULT")) return "NULL";
    return peri_span(p, p->i, end);
}

/* a = x, or its table before the name. */
static int parse_one(peri_parser_t *p, peri_statement_t *st, peri_stcolumn_t *c)
{
    const size_t at = p->i;
    if (peri_expect_name(p, "the name of a column", &c->name)) return -1;
    if (peri_take_sign(p, '.')) {
        const char *table = st->alias ? st->alias : st->table;
        if (strcasecmp(c->name, table) != 0)
            return peri_fail_at(p, at, "UPDATE sets columns of %s, not of \"%s\"", table,
                                c->name);
        if (peri_expect_name(p, "the name of a column", &c->name)) return -1;
    }
    return 0;
}

/* (a, b) = (x, y) */
static int parse_row(peri_parser_t *p, peri_statement_t *st, peri_stcolumn_t *v,
                     size_t *n)
{
    peri_statement_t names = {0};
    const size_t at = p->i;
    if (peri_expect_columns(p, &names)) return -1;
    if (!peri_take_sign(p, '=')) return peri_fail_expected(p, "\"=\"");
    peri_take_word(p, "ROW");
    const size_t close = peri_at_sign(p, '(') ? peri_closing(p, p->i) : p->end;
    if (close >= p->end || peri_begins_select(p, p->i))
        return peri_fail_expected(p,
                                  "as many values, as in (a, b) = (1, 2); for those of "
                                  "a SELECT write UPDATE ... FROM");
    (void)st;
    size_t k = 0;
    p->i++;
    while (p->i < close) {
        size_t end = p->i;
        while (end < close &&
               !(p->t->v[end].depth == 1 && peri_token_is_sign(p->t, end, ',')))
            end++;
        if (k < names.ncolumns)
            v[*n + k] = (peri_stcolumn_t){names.columns[k].name, value_text(p, end)};
        k++;
        p->i = end + 1;
    }
    if (k != names.ncolumns)
        return peri_fail_at(p, at, "%zu columns are set to %zu values", names.ncolumns,
                            k);
    *n += k;
    p->i = close + 1;
    return 0;
}

/* The draft becomes SELECT x, y FROM ... WHERE ...: names and "=" are blank. */
static int parse_set(peri_parser_t *p, peri_statement_t *st, const peri_draft_t *d)
{
    peri_stcolumn_t *v = peri_arena_calloc(p->arena, p->end - p->i + 1, sizeof(*v));
    size_t n = 0;
    do {
        const size_t from = p->i;
        if (peri_at_sign(p, '(')) {
            if (parse_row(p, st, v, &n)) return -1;
            size_t equals = from;
            while (!peri_token_is_sign(p->t, equals, '=')) equals++;
            peri_draft_blank(d, p, from, equals + 1);
            continue;
        }
        if (parse_one(p, st, &v[n])) return -1;
        if (!peri_take_sign(p, '=')) return peri_fail_expected(p, "\"=\"");
        const size_t end = value_end(p);
        if (end == p->i) return peri_fail_expected(p, "a value");
        peri_draft_blank(d, p, from, p->i);
        v[n].text = value_text(p, end);
        if (end == p->i + 1 && peri_at_word(p, "DEFAULT"))
            peri_draft_put(d, p, p->i, "NULL   ");
        p->i = end;
        n++;
    } while (peri_take_sign(p, ','));
    st->columns = v;
    st->ncolumns = n;
    return 0;
}

int peri_parse_update(peri_parser_t *p, peri_statement_t *st)
{
    const size_t verb = p->i - 1;
    const peri_draft_t d = peri_draft_new(p);
    st->kind = PERI_ST_UPDATE;
    if (refuse_returning(p) || peri_expect_table(p, st) || parse_alias(p, "SET", st) ||
        peri_expect_word(p, "SET"))
        return -1;
    peri_draft_blank(&d, p, verb, p->i);
    peri_draft_put(&d, p, verb, "SELECT");
    if (parse_set(p, st, &d)) return -1;
    if (peri_take_word(p, "FROM")) {
        const size_t where = peri_find_word(p, p->i, "WHERE");
        if (where == p->i) return peri_fail_expected(p, "a table");
        st->from = peri_span(p, p->i, where);
        p->i = where;
    }
    if (peri_take_word(p, "WHERE")) {
        if (peri_at_end(p)) return peri_fail_expected(p, "a condition");
        if (refuse_words(p, p->i, "UPDATE")) return -1;
        st->where = peri_span(p, p->i, p->end);
        p->i = p->end;
    }
    st->check = d.text;
    return refuse_words(p, verb, "UPDATE") || peri_expect_end(p) ? -1 : 0;
}

/* ---- DELETE ---- */

int peri_parse_delete(peri_parser_t *p, peri_statement_t *st)
{
    const size_t verb = p->i - 1;
    const peri_draft_t d = peri_draft_new(p);
    st->kind = PERI_ST_DELETE;
    if (refuse_returning(p) || peri_expect_word(p, "FROM")) return -1;
    const bool bracket = peri_at_sign(p, '[');
    if (peri_expect_table(p, st) || parse_alias(p, "USING", st)) return -1;
    peri_draft_blank(&d, p, verb, verb + 1);
    if (peri_at_word(p, "USING")) {
        peri_draft_put(&d, p, p->i, ",    ");
        p->i++;
        const size_t where = peri_find_word(p, p->i, "WHERE");
        if (where == p->i) return peri_fail_expected(p, "a table");
        st->from = peri_span(p, p->i, where);
        p->i = where;
    }
    if (peri_take_word(p, "WHERE")) {
        if (peri_at_end(p)) return peri_fail_expected(p, "a condition");
        st->where = peri_span(p, p->i, p->end);
        p->i = p->end;
    }
    st->check = bracket ? NULL : d.text;
    return refuse_words(p, verb, "DELETE") || peri_expect_end(p) ? -1 : 0;
}
