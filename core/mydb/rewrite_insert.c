/* rewrite_insert.c - INSERT: the table's rows, then the new ones in the table's types; or
 * only these. */
#include <string.h>
#include <strings.h>

#include "core/mydb/rewrite_priv.h"
#include "core/mydb/token.h"

/* For each column of the table its place among the new rows' columns, or SIZE_MAX. */
typedef struct {
    size_t *of;
    size_t n; /* columns that the new rows must have */
} map_t;

static int place(peri_rewriter_t *r, map_t *m, const char *name, size_t i)
{
    size_t c;
    if (peri_rw_column(r, name, &c)) return -1;
    if (m->of[c] != SIZE_MAX) return peri_rw_twice(r, name);
    m->of[c] = i;
    return 0;
}

static int make_map(peri_rewriter_t *r, const char *const *names, size_t n, map_t *m)
{
    const peri_statement_t *st = r->st;
    const bool by_name = st->flags & PERI_ST_BY_NAME;
    m->of = peri_arena_calloc(r->arena, r->old->n + 1, sizeof(*m->of));
    for (size_t i = 0; i < r->old->n; i++)
        m->of[i] = by_name || st->ncolumns ? SIZE_MAX : i;
    m->n = by_name ? n : st->ncolumns ? st->ncolumns : r->old->n;
    for (size_t i = 0; by_name && i < n; i++)
        if (place(r, m, names[i], i)) return -1;
    for (size_t i = 0; !by_name && i < st->ncolumns; i++)
        if (place(r, m, st->columns[i].name, i)) return -1;
    return 0;
}

static int wrong_count(peri_rewriter_t *r, size_t want, size_t got, const char *what)
{
    return peri_err_set(r->err, PERI_EINVAL, "%s.%s %s %zu column%s, and %s %zu value%s",
                        r->st->schema, r->st->table, r->st->ncolumns ? "is given" : "has",
                        want, want == 1 ? "" : "s", what, got, got == 1 ? "" : "s");
}

/* The column of the table that the i-th value goes to. */
static const peri_oldcolumn_t *target(const peri_rewriter_t *r, const map_t *m, size_t i)
{
    for (size_t c = 0; c < r->old->n; c++)
        if (m->of[c] == i) return &r->old->columns[c];
    return NULL;
}

/* ---- VALUES ---- */

/* Where the value at token i ends. */
static size_t value_end(const peri_tokens_t *t, size_t i)
{
    while (i < t->n && (t->v[i].depth > 1 || !(peri_token_is_sign(t, i, ',') ||
                                               peri_token_is_sign(t, i, ')'))))
        i++;
    return i;
}

/* Only "VALUES (...), (...)"; what else there is in such a statement goes the other way.
 */
static bool is_rows(const peri_tokens_t *t)
{
    size_t i = 1;
    if (!peri_token_is(t, 0, "VALUES")) return false;
    for (;;) {
        if (!peri_token_is_sign(t, i, '(')) return false;
        while (i + 1 < t->n && t->v[++i].depth > 0) continue;
        if (!peri_token_is_sign(t, i, ')')) return false;
        if (++i == t->n) return true;
        if (!peri_token_is_sign(t, i++, ',')) return false;
    }
}

/* Each value takes its column's type by itself, as it does in INSERT: those of a VALUES
 * would first have to agree on one. */
static int put_rows(peri_rewriter_t *r, const map_t *m, const peri_tokens_t *t)
{
    peri_buf_puts(&r->sql, "VALUES ");
    for (size_t i = 1, row = 0; i < t->n; i++, row++) {
        size_t k = 0;
        peri_buf_puts(&r->sql, row ? ", (" : "(");
        do {
            const size_t from = ++i;
            i = value_end(t, i);
            const peri_oldcolumn_t *c = target(r, m, k);
            if (!c || i == from) {
                while (i < t->n && !peri_token_is_sign(t, i, ')')) {
                    i = value_end(t, i + 1);
                    k++;
                }
                return wrong_count(r, m->n, i == from ? 0 : k + 1,
                                   row ? "a row has" : "the row has");
            }
            const size_t at = t->v[from].at;
            peri_buf_printf(&r->sql, "%sCAST((%.*s\n) AS %s)", k ? ", " : "",
                            (int)(t->v[i - 1].at + t->v[i - 1].len - at), t->sql + at,
                            c->type);
            k++;
        } while (peri_token_is_sign(t, i, ','));
        if (k != m->n) return wrong_count(r, m->n, k, row ? "a row has" : "the row has");
        peri_buf_putc(&r->sql, ')');
        i++;
    }
    return 0;
}

/* ---- all of it ---- */

/* peri_n(names): those of the columns that they go to, for DuckDB's messages. */
static void put_alias(peri_rewriter_t *r, const map_t *m)
{
    peri_buf_puts(&r->sql, ") AS peri_n(");
    for (size_t i = 0; i < m->n; i++) {
        const peri_oldcolumn_t *c = target(r, m, i);
        if (i) peri_buf_puts(&r->sql, ", ");
        peri_rw_name(r, c->name);
    }
    peri_buf_putc(&r->sql, ')');
}

/* The casts of what peri_n gives. */
static void put_new(peri_rewriter_t *r, const map_t *m)
{
    peri_buf_puts(&r->sql, "SELECT ");
    for (size_t c = 0; c < r->old->n; c++) {
        const peri_oldcolumn_t *to = &r->old->columns[c];
        peri_buf_puts(&r->sql, c ? ", CAST(" : "CAST(");
        if (m->of[c] == SIZE_MAX) {
            peri_buf_puts(&r->sql, "NULL");
        } else {
            peri_buf_puts(&r->sql, "peri_n.");
            peri_rw_name(r, to->name);
        }
        peri_buf_printf(&r->sql, " AS %s) AS ", to->type);
        peri_rw_name(r, to->name);
    }
}

static void put_old(peri_rewriter_t *r)
{
    peri_buf_puts(&r->sql, "SELECT ");
    peri_rw_columns(r);
    peri_buf_puts(&r->sql, " FROM ");
    peri_rw_table(r);
    peri_buf_puts(&r->sql, " UNION ALL ");
}

static void put_select(peri_rewriter_t *r, const map_t *m, bool counted)
{
    const peri_statement_t *st = r->st;
    /* Of too many columns nobody has told yet: UNION does. */
    if (!counted) peri_buf_puts(&r->sql, "SELECT * FROM (");
    if (st->with) {
        peri_buf_printf(&r->sql, "%s\n", st->with);
        peri_rw_text(r, st->sql);
    } else {
        peri_buf_printf(&r->sql, "%s\n", st->sql);
    }
    if (counted) return;
    put_alias(r, m);
    peri_buf_puts(&r->sql, " UNION ALL SELECT ");
    for (size_t i = 0; i < m->n; i++) peri_buf_puts(&r->sql, i ? ", NULL" : "NULL");
    peri_buf_puts(&r->sql, " WHERE false");
}

bool peri_rewrite_wants_names(const peri_statement_t *st, peri_arena_t *a)
{
    peri_tokens_t t;
    if (st->kind != PERI_ST_INSERT || !st->sql) return false;
    if (st->with || st->flags & PERI_ST_BY_NAME) return true;
    return peri_tokens_read(st->sql, strlen(st->sql), a, &t, NULL) != 0 || !is_rows(&t);
}

const peri_stcolumn_t *peri_insert_values(const peri_statement_t *st,
                                          const peri_oldtable_t *old, peri_arena_t *a,
                                          size_t *n)
{
    peri_rewriter_t r = {.st = st, .old = old, .arena = a};
    peri_tokens_t t;
    map_t m;
    *n = 0;
    if (!st->sql || peri_rewrite_wants_names(st, a) || make_map(&r, NULL, 0, &m) ||
        peri_tokens_read(st->sql, strlen(st->sql), a, &t, NULL))
        return NULL;
    peri_stcolumn_t *v = peri_arena_calloc(a, t.n + 1, sizeof(*v));
    for (size_t i = 1; i < t.n; i += 2) { /* "(", and behind ")" a "," */
        for (size_t k = 0; !k || peri_token_is_sign(&t, i, ','); k++) {
            const size_t from = ++i;
            i = value_end(&t, i);
            const peri_oldcolumn_t *c = target(&r, &m, k);
            if (!c || i == from) return v;
            const size_t at = t.v[from].at;
            v[(*n)++] = (peri_stcolumn_t){
                c->name,
                peri_arena_strndup(a, st->sql + at, t.v[i - 1].at + t.v[i - 1].len - at)};
        }
    }
    return v;
}

int peri_rw_insert(peri_rewriter_t *r, const char *const *names, size_t n)
{
    const peri_statement_t *st = r->st;
    map_t m;
    peri_tokens_t t;
    if (make_map(r, names, n, &m)) return -1;
    if (n && n != m.n) return wrong_count(r, m.n, n, "the SELECT gives");
    if (!r->old->extends) put_old(r);
    if (st->flags & PERI_ST_DEFAULT_VALUES) {
        for (size_t c = 0; c < r->old->n; c++) m.of[c] = SIZE_MAX;
        put_new(r, &m);
        return 0;
    }
    put_new(r, &m);
    peri_buf_puts(&r->sql, " FROM (");
    if (peri_tokens_read(st->sql, strlen(st->sql), r->arena, &t, r->err)) return -1;
    if (!peri_rewrite_wants_names(st, r->arena)) {
        if (put_rows(r, &m, &t)) return -1;
    } else {
        put_select(r, &m, n > 0);
    }
    put_alias(r, &m);
    return 0;
}
