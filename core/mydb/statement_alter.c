/* statement_alter.c - ALTER TABLE and VIEW, COMMENT ON. */
#include "core/mydb/statement_priv.h"

static int parse_column_name(peri_parser_t *p, peri_statement_t *st)
{
    peri_stcolumn_t *c = peri_arena_calloc(p->arena, 1, sizeof(*c));
    if (peri_expect_name(p, "the name of a column", &c->name)) return -1;
    st->columns = c;
    st->ncolumns = 1;
    return 0;
}

/* The type, and what follows this keyword, as a condition. */
static int parse_type(peri_parser_t *p, const char *keyword, peri_statement_t *st)
{
    size_t more = p->i;
    while (more < p->end &&
           (p->t->v[more].depth > 0 || !peri_token_is_sign(p->t, more, ',')) &&
           !peri_token_is(p->t, more, keyword))
        more++;
    if (more == p->i) return peri_fail_expected(p, "a type, as DOUBLE");
    for (size_t i = p->i; i < more; i++) {
        static const char *const words[] = {"NOT",   "PRIMARY",    "UNIQUE",
                                            "CHECK", "REFERENCES", "COLLATE"};
        for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
            if (p->t->v[i].depth == 0 && peri_token_is(p->t, i, words[k]))
                return peri_fail_at(p, i, "tables here have no keys or other conditions");
    }
    const peri_stcolumn_t c = {st->columns->name, peri_span(p, p->i, more)};
    peri_stcolumn_t *kept = peri_arena_calloc(p->arena, 1, sizeof(*kept));
    *kept = c;
    st->columns = kept;
    p->i = more;
    if (!peri_take_word(p, keyword)) return 0;
    if (peri_at_end(p)) return peri_fail_expected(p, "an expression");
    st->where = peri_span(p, p->i, p->end);
    p->i = p->end;
    return 0;
}

static int parse_add(peri_parser_t *p, peri_statement_t *st)
{
    st->alter = PERI_ALTER_ADD;
    peri_take_word(p, "COLUMN");
    if (peri_take_words(p, "IF NOT EXISTS")) st->flags |= PERI_ST_IF_NOT_EXISTS;
    return parse_column_name(p, st) || parse_type(p, "DEFAULT", st) ? -1 : 0;
}

static int parse_drop(peri_parser_t *p, peri_statement_t *st)
{
    st->alter = PERI_ALTER_DROP;
    peri_take_word(p, "COLUMN");
    if (peri_take_words(p, "IF EXISTS")) st->flags |= PERI_ST_IF_EXISTS;
    if (parse_column_name(p, st)) return -1;
    if (!peri_take_word(p, "CASCADE")) peri_take_word(p, "RESTRICT");
    return 0;
}

static int parse_rename(peri_parser_t *p, peri_statement_t *st)
{
    if (peri_take_word(p, "TO")) {
        st->kind = PERI_ST_RENAME;
        return peri_expect_name(p, "the new name", &st->to);
    }
    st->alter = PERI_ALTER_RENAME;
    peri_take_word(p, "COLUMN");
    if (parse_column_name(p, st) || peri_expect_word(p, "TO")) return -1;
    return peri_expect_name(p, "the new name", &st->to);
}

static int parse_change(peri_parser_t *p, peri_statement_t *st)
{
    st->alter = PERI_ALTER_TYPE;
    peri_take_word(p, "COLUMN");
    if (parse_column_name(p, st)) return -1;
    if (!peri_take_words(p, "SET DATA TYPE") && !peri_take_word(p, "TYPE")) {
        if (peri_at_word(p, "SET") || peri_at_word(p, "DROP"))
            return peri_fail_at(
                p, p->i,
                "columns here have a type and nothing more: no defaults, no "
                "NOT NULL");
        return peri_fail_expected(p, "TYPE");
    }
    return parse_type(p, "USING", st);
}

int peri_parse_alter(peri_parser_t *p, peri_statement_t *st)
{
    st->kind = PERI_ST_ALTER;
    if (peri_take_word(p, "VIEW"))
        st->flags |= PERI_ST_VIEW;
    else if (!peri_take_word(p, "TABLE"))
        return peri_fail_expected(p, "TABLE or VIEW");
    if (peri_take_words(p, "IF EXISTS"))
        return peri_fail_at(p, p->i - 2, "ALTER has no IF EXISTS here");
    if (peri_expect_table(p, st)) return -1;
    int rc;
    if (peri_take_word(p, "RENAME"))
        rc = parse_rename(p, st);
    else if (st->flags & PERI_ST_VIEW)
        return peri_fail_expected(p,
                                  "RENAME TO: for anything else CREATE OR REPLACE VIEW");
    else if (peri_take_word(p, "ADD"))
        rc = parse_add(p, st);
    else if (peri_take_word(p, "DROP"))
        rc = parse_drop(p, st);
    else if (peri_take_word(p, "ALTER"))
        rc = parse_change(p, st);
    else
        return peri_fail_expected(p, "ADD, DROP, RENAME or ALTER");
    if (rc) return -1;
    if (peri_at_sign(p, ','))
        return peri_fail_at(p, p->i, "one change at a time: write a further ALTER TABLE");
    return peri_expect_end(p);
}

/* ---- COMMENT ON ---- */

/* [schema.]table.column */
static int parse_column_path(peri_parser_t *p, peri_statement_t *st)
{
    const char *part[3];
    size_t n = 0;
    do {
        if (n == 3) return peri_fail_at(p, p->i, "one name too many: write table.column");
        if (peri_expect_name(p, "table.column", &part[n++])) return -1;
    } while (peri_take_sign(p, '.'));
    if (n == 1) return peri_fail_at(p, p->i - 1, "name its table too: table.column");
    peri_stcolumn_t *c = peri_arena_calloc(p->arena, 1, sizeof(*c));
    c->name = part[n - 1];
    st->schema = n == 3 ? part[0] : "mydb";
    st->table = part[n - 2];
    st->columns = c;
    st->ncolumns = 1;
    return 0;
}

int peri_parse_comment(peri_parser_t *p, peri_statement_t *st)
{
    st->kind = PERI_ST_COMMENT;
    if (peri_expect_word(p, "ON")) return -1;
    if (peri_take_word(p, "COLUMN")) {
        if (parse_column_path(p, st)) return -1;
    } else if (peri_take_word(p, "TABLE")) {
        if (peri_expect_table(p, st)) return -1;
    } else if (peri_take_word(p, "VIEW")) {
        st->flags |= PERI_ST_VIEW;
        if (peri_expect_table(p, st)) return -1;
    } else {
        return peri_fail_expected(p, "TABLE, VIEW or COLUMN");
    }
    if (peri_expect_word(p, "IS")) return -1;
    if (peri_take_word(p, "NULL"))
        st->comment = "";
    else if (p->i < p->end && p->t->v[p->i].kind == PERI_TOK_STRING)
        st->comment = peri_token_value(p->t, p->i++, p->arena);
    else
        return peri_fail_expected(p, "a text in quotes, or NULL");
    return peri_expect_end(p);
}
