/* statement_create.c - CREATE TABLE and VIEW. */
#include <string.h>

#include "core/base/buf.h"
#include "core/mydb/statement_priv.h"

#define NAMED_MAX ((size_t)16 << 20)

static int refuse(peri_parser_t *p)
{
    static const struct {
        const char *word, *advice;
    } known[] = {
        {"DATABASE", "the schemas are mydb, your teams' and those that others share"},
        {"FUNCTION", "there are none of your own: write the expression"},
        {"INDEX", "tables of your own are read whole"},
        {"MACRO", "there are none of your own: write the expression"},
        {"SCHEMA", "the schemas are mydb, your teams' and those that others share"},
        {"SEQUENCE", "number rows with row_number() OVER ()"},
        {"TEMP", "there are no temporary tables: write into mydb, or use WITH"},
        {"TEMPORARY", "there are no temporary tables: write into mydb, or use WITH"},
        {"TYPE", "there are none of your own: write the type out"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (peri_at_word(p, known[i].word))
            return peri_err_set(p->err, PERI_EDENIED, "CREATE %s is refused: %s",
                                known[i].word, known[i].advice);
    return peri_fail_expected(p, "TABLE or VIEW");
}

/* ---- AS SELECT ---- */

/* The SELECT with the names that were given. In one buffer: there may be as many as a
 * script has bytes. */
static int name_columns(const peri_parser_t *p, peri_statement_t *st)
{
    peri_buf_t b;
    peri_buf_init(&b, NAMED_MAX);
    peri_buf_printf(&b, "SELECT * FROM (%s\n) AS peri_new(", st->sql);
    for (size_t i = 0; i < st->ncolumns; i++) {
        if (i) peri_buf_puts(&b, ", ");
        peri_buf_put_quoted(&b, st->columns[i].name, '"');
    }
    peri_buf_putc(&b, ')');
    const int rc = peri_buf_check(&b, "the SELECT with its names of columns", p->err);
    if (rc == 0) st->sql = peri_arena_strndup(p->arena, b.data, b.len);
    peri_buf_free(&b);
    return rc;
}

/* Behind AS; names of columns may have been given. */
static int parse_as(peri_parser_t *p, peri_statement_t *st)
{
    size_t end = p->end;
    bool no_rows = false;
    if (!peri_begins_select(p, p->i)) return peri_fail_expected(p, "a SELECT");
    const size_t into = peri_find_word(p, p->i, "INTO");
    if (into < p->end)
        return peri_fail_at(p, into, "INTO and CREATE ... AS do not go together");
    if (end > p->i + 2 && peri_token_is(p->t, end - 1, "DATA")) {
        no_rows = peri_token_is(p->t, end - 2, "NO");
        const size_t with = no_rows ? end - 3 : end - 2;
        if (with > p->i && peri_token_is(p->t, with, "WITH"))
            end = with;
        else
            no_rows = false;
    }
    const peri_draft_t d = peri_draft_new(p);
    peri_draft_blank(&d, p, p->from, p->i);
    peri_draft_blank(&d, p, end, p->end);
    st->sql = st->check = d.text;
    if (st->ncolumns && name_columns(p, st)) return -1;
    if (no_rows)
        st->sql = peri_arena_printf(p->arena, "SELECT * FROM (%s\n) AS peri_new LIMIT 0",
                                    st->sql);
    p->i = p->end;
    return 0;
}

/* ---- columns ---- */

/* A type ends at "," or ")"; what may follow it in SQL is refused by name. */
static int parse_column(peri_parser_t *p, size_t close, peri_stcolumn_t *c)
{
    static const char *const constraints[] = {
        "AS",  "CHECK", "COLLATE", "CONSTRAINT", "DEFAULT", "FOREIGN", "GENERATED",
        "NOT", "NULL",  "PRIMARY", "REFERENCES", "UNIQUE",  "USING"};
    const size_t at = p->i;
    if (peri_expect_name(p, "the name of a column", &c->name)) return -1;
    const size_t from = p->i;
    while (p->i < close && !peri_at_sign(p, ',')) {
        for (size_t k = 0; k < sizeof(constraints) / sizeof(*constraints); k++)
            if (peri_at_word(p, constraints[k]))
                return peri_fail_at(
                    p, p->i,
                    "tables here have columns with a type and nothing more: no keys, "
                    "defaults or other conditions (%s)",
                    constraints[k]);
        p->i = p->t->v[p->i].depth < p->t->v[p->i + 1].depth ? peri_closing(p, p->i) + 1
                                                             : p->i + 1;
    }
    if (p->i == from)
        return peri_fail_at(p, at, "the column \"%s\" has no type, as in %s DOUBLE",
                            c->name, c->name);
    c->text = peri_span(p, from, p->i);
    return 0;
}

static int parse_columns(peri_parser_t *p, peri_statement_t *st)
{
    const size_t close = peri_closing(p, p->i);
    peri_stcolumn_t *v = peri_arena_calloc(p->arena, close - p->i + 1, sizeof(*v));
    size_t n = 0;
    p->i++;
    do {
        if (peri_at_word(p, "PRIMARY") || peri_at_word(p, "UNIQUE") ||
            peri_at_word(p, "CHECK") || peri_at_word(p, "FOREIGN") ||
            peri_at_word(p, "CONSTRAINT"))
            return peri_fail_at(p, p->i, "tables here have no keys or other conditions");
        if (parse_column(p, close, &v[n++])) return -1;
    } while (peri_take_sign(p, ','));
    if (!peri_take_sign(p, ')')) return peri_fail_expected(p, "\",\" or \")\"");
    st->kind = PERI_ST_CREATE_COLUMNS;
    st->columns = v;
    st->ncolumns = n;
    return peri_expect_end(p);
}

/* ---- all of it ---- */

int peri_parse_create(peri_parser_t *p, peri_statement_t *st)
{
    if (peri_take_words(p, "OR REPLACE")) st->flags |= PERI_ST_OR_REPLACE;
    const bool view = peri_take_word(p, "VIEW");
    if (!view && !peri_take_word(p, "TABLE")) return refuse(p);
    if (peri_take_words(p, "IF NOT EXISTS")) {
        if (st->flags & PERI_ST_OR_REPLACE)
            return peri_fail_at(p, p->i - 3,
                                "OR REPLACE and IF NOT EXISTS do not go together");
        st->flags |= PERI_ST_IF_NOT_EXISTS;
    }
    st->kind = view ? PERI_ST_CREATE_VIEW : PERI_ST_CREATE_AS;
    if (peri_expect_table(p, st)) return -1;
    if (peri_at_sign(p, '(')) {
        const size_t close = peri_closing(p, p->i);
        const bool as = close + 1 < p->end && peri_token_is(p->t, close + 1, "AS");
        if (!view && !as) return parse_columns(p, st);
        if (peri_expect_columns(p, st)) return -1;
    }
    return peri_expect_word(p, "AS") || parse_as(p, st) ? -1 : 0;
}
