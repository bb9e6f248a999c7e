/* rewrite.c - see rewrite.h. INSERT is in rewrite_insert.c. */
#include "core/mydb/rewrite.h"

#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/mydb/rewrite_priv.h"

/* ---- pieces ---- */

void peri_rw_name(peri_rewriter_t *r, const char *name)
{
    peri_buf_put_quoted(&r->sql, name, '"');
}

/* The comment that a text may end in must not reach what follows. */
void peri_rw_text(peri_rewriter_t *r, const char *text)
{
    peri_buf_printf(&r->sql, "(%s\n)", text);
}

void peri_rw_table(peri_rewriter_t *r)
{
    peri_rw_name(r, r->st->schema);
    peri_buf_putc(&r->sql, '.');
    peri_rw_name(r, r->st->table);
}

/* The table under the name that the author's expressions use. */
static void put_from(peri_rewriter_t *r)
{
    peri_buf_puts(&r->sql, " FROM ");
    peri_rw_table(r);
    if (!r->st->alias) return;
    peri_buf_puts(&r->sql, " AS ");
    peri_rw_name(r, r->st->alias);
}

static void put_with(peri_rewriter_t *r)
{
    if (r->st->with) peri_buf_printf(&r->sql, "%s\n", r->st->with);
}

static void put_cast(peri_rewriter_t *r, const char *text, const char *type)
{
    peri_buf_puts(&r->sql, "CAST(");
    peri_rw_text(r, text);
    peri_buf_printf(&r->sql, " AS %s)", type);
}

void peri_rw_columns(peri_rewriter_t *r)
{
    for (size_t i = 0; i < r->old->n; i++) {
        if (i) peri_buf_puts(&r->sql, ", ");
        peri_rw_name(r, r->old->columns[i].name);
    }
}

static void put_as(peri_rewriter_t *r, const char *name)
{
    peri_buf_puts(&r->sql, " AS ");
    peri_rw_name(r, name);
}

const char *peri_rw_take(peri_rewriter_t *r)
{
    if (peri_buf_check(&r->sql, "the statement", r->err)) return NULL;
    const char *sql = peri_arena_strndup(r->arena, r->sql.data, r->sql.len);
    peri_buf_clear(&r->sql);
    return sql;
}

/* ---- columns ---- */

static size_t find_column(const peri_oldtable_t *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcasecmp(t->columns[i].name, name) == 0) return i;
    return t->n;
}

int peri_rw_column(peri_rewriter_t *r, const char *name, size_t *out)
{
    *out = find_column(r->old, name);
    if (*out < r->old->n) return 0;
    const char **names = peri_arena_calloc(r->arena, r->old->n + 1, sizeof(*names));
    for (size_t i = 0; i < r->old->n; i++) names[i] = r->old->columns[i].name;
    const char *near = peri_did_you_mean(name, names, r->old->n);
    return peri_err_set(r->err, PERI_ENOTFOUND, "%s.%s has no column \"%s\"%s%s%s",
                        r->st->schema, r->st->table, name, near ? "; did you mean " : "",
                        near ? near : "", near ? "?" : "");
}

int peri_rw_twice(peri_rewriter_t *r, const char *name)
{
    return peri_err_set(r->err, PERI_EINVAL, "%s.%s: the column \"%s\" is named twice",
                        r->st->schema, r->st->table, name);
}

/* A name for a row of the table that is no column of its own. */
static const char *row_number(peri_rewriter_t *r)
{
    static const char *const names[] = {"row", "idx"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (find_column(r->old, names[i]) == r->old->n) return names[i];
    (void)peri_err_set(
        r->err, PERI_EUNSUPP,
        "%s.%s has columns called row and idx: rename one of them, to have "
        "rows that meet those of other tables changed",
        r->st->schema, r->st->table);
    return NULL;
}

/* alias."row" */
static void put_row(peri_rewriter_t *r, const char *row)
{
    peri_rw_name(r, r->st->alias ? r->st->alias : r->st->table);
    peri_buf_putc(&r->sql, '.');
    peri_rw_name(r, row);
}

/* ---- DELETE ---- */

/* SELECT DISTINCT of the rows that meet the other tables. */
static void put_met(peri_rewriter_t *r, const char *row)
{
    peri_buf_puts(&r->sql, "SELECT DISTINCT ");
    put_row(r, row);
    peri_buf_puts(&r->sql, " AS k");
    put_from(r);
    peri_buf_printf(&r->sql, ", %s\n", r->st->from);
    if (!r->st->where) return;
    peri_buf_puts(&r->sql, " WHERE ");
    peri_rw_text(r, r->st->where);
}

static int rewrite_delete(peri_rewriter_t *r)
{
    const char *row = NULL;
    if (r->st->from && !(row = row_number(r))) return -1;
    put_with(r);
    peri_buf_puts(&r->sql, "SELECT ");
    peri_rw_columns(r);
    if (row) {
        peri_buf_puts(&r->sql, " FROM ");
        peri_rw_table(r);
        peri_buf_puts(&r->sql, " WHERE ");
        peri_rw_name(r, row);
        peri_buf_puts(&r->sql, " NOT IN (");
        put_met(r, row);
        peri_buf_putc(&r->sql, ')');
        return 0;
    }
    put_from(r);
    if (!r->st->where) {
        peri_buf_puts(&r->sql, " WHERE false");
        return 0;
    }
    peri_buf_puts(&r->sql, " WHERE NOT coalesce(");
    peri_rw_text(r, r->st->where);
    peri_buf_puts(&r->sql, ", false)");
    return 0;
}

/* ---- UPDATE ---- */

/* DuckDB's CASE knows no arrays, but lists: the type of a list of the same elements, or
 * NULL if it is no array. */
static const char *list_type(peri_rewriter_t *r, const char *type)
{
    const size_t n = strlen(type);
    const char *open = n && type[n - 1] == ']' ? strrchr(type, '[') : NULL;
    return open && open[1] != ']'
               ? peri_arena_printf(r->arena, "%.*s[]", (int)(open - type), type)
               : NULL;
}

/* CASE WHEN hit THEN new ELSE old END, of the column's type. */
static void put_case(peri_rewriter_t *r, const char *hit, const char *value,
                     const peri_oldcolumn_t *c, const char *of)
{
    const char *list = list_type(r, c->type);
    peri_buf_printf(&r->sql, "%sCASE WHEN %s THEN %s", list ? "CAST(" : "", hit,
                    list ? "CAST(" : "");
    put_cast(r, value, c->type);
    if (list) peri_buf_printf(&r->sql, " AS %s)", list);
    peri_buf_printf(&r->sql, " ELSE %s", list ? "CAST(" : "");
    if (of) peri_buf_printf(&r->sql, "%s.", of);
    peri_rw_name(r, c->name);
    if (list) peri_buf_printf(&r->sql, " AS %s)", list);
    peri_buf_puts(&r->sql, " END");
    if (list) peri_buf_printf(&r->sql, " AS %s)", c->type);
}

/* Each column's place among those that are set, or SIZE_MAX. */
static const size_t *places(peri_rewriter_t *r)
{
    size_t *v = peri_arena_calloc(r->arena, r->old->n + 1, sizeof(*v));
    for (size_t i = 0; i < r->old->n; i++) v[i] = SIZE_MAX;
    for (size_t i = 0; i < r->st->ncolumns; i++) {
        size_t c;
        if (peri_rw_column(r, r->st->columns[i].name, &c)) return NULL;
        if (v[c] != SIZE_MAX) {
            (void)peri_rw_twice(r, r->st->columns[i].name);
            return NULL;
        }
        v[c] = i;
    }
    return v;
}

/* The column that says whether a row changes, behind the table's. */
static void put_mark(peri_rewriter_t *r, const char *hit)
{
    const char *name = "peri_changed";
    while (find_column(r->old, name) < r->old->n)
        name = peri_arena_printf(r->arena, "%s_", name);
    peri_buf_printf(&r->sql, ", coalesce(%s, false)", hit);
    put_as(r, name);
}

static void update_alone(peri_rewriter_t *r, const size_t *set)
{
    const char *hit =
        r->st->where ? peri_arena_printf(r->arena, "(%s\n)", r->st->where) : NULL;
    for (size_t i = 0; i < r->old->n; i++) {
        const peri_oldcolumn_t *c = &r->old->columns[i];
        if (i) peri_buf_puts(&r->sql, ", ");
        if (set[i] == SIZE_MAX)
            peri_rw_name(r, c->name);
        else if (hit)
            put_case(r, hit, r->st->columns[set[i]].text, c, NULL);
        else
            put_cast(r, r->st->columns[set[i]].text, c->type);
        if (set[i] != SIZE_MAX) put_as(r, c->name);
    }
    put_mark(r, hit ? hit : "true");
    put_from(r);
}

/* The new values of each row that meets the other tables, of one meeting if it has
 * several, as one struct. */
static void put_values(peri_rewriter_t *r, const char *row)
{
    peri_buf_puts(&r->sql, "SELECT ");
    put_row(r, row);
    peri_buf_puts(&r->sql, " AS k, first({");
    for (size_t i = 0; i < r->st->ncolumns; i++) {
        peri_buf_printf(&r->sql, "%s'v%zu': ", i ? ", " : "", i);
        peri_rw_text(r, r->st->columns[i].text);
    }
    peri_buf_puts(&r->sql, "}) AS v");
    put_from(r);
    if (r->st->from) peri_buf_printf(&r->sql, ", %s\n", r->st->from);
    if (r->st->where) {
        peri_buf_puts(&r->sql, " WHERE ");
        peri_rw_text(r, r->st->where);
    }
    peri_buf_puts(&r->sql, " GROUP BY ");
    put_row(r, row);
}

static void update_joined(peri_rewriter_t *r, const size_t *set, const char *row)
{
    for (size_t i = 0; i < r->old->n; i++) {
        const peri_oldcolumn_t *c = &r->old->columns[i];
        if (i) peri_buf_puts(&r->sql, ", ");
        if (set[i] == SIZE_MAX) {
            peri_buf_puts(&r->sql, "peri_t.");
            peri_rw_name(r, c->name);
            continue;
        }
        put_case(r, "peri_m.k IS NOT NULL",
                 peri_arena_printf(r->arena, "peri_m.v.v%zu", set[i]), c, "peri_t");
        put_as(r, c->name);
    }
    put_mark(r, "peri_m.k IS NOT NULL");
    peri_buf_puts(&r->sql, " FROM ");
    peri_rw_table(r);
    peri_buf_puts(&r->sql, " AS peri_t LEFT JOIN (");
    put_values(r, row);
    peri_buf_puts(&r->sql, ") AS peri_m ON peri_t.");
    peri_rw_name(r, row);
    peri_buf_puts(&r->sql, " = peri_m.k");
}

static int rewrite_update(peri_rewriter_t *r, peri_rewritten_t *out)
{
    const size_t *set = places(r);
    const char *row = NULL;
    if (!set || (r->st->from && !(row = row_number(r)))) return -1;
    out->marks = true;
    put_with(r);
    peri_buf_puts(&r->sql, "SELECT ");
    if (row)
        update_joined(r, set, row);
    else
        update_alone(r, set);
    return 0;
}

/* ---- ALTER, CREATE ---- */

static int alter_add(peri_rewriter_t *r, const peri_stcolumn_t *c)
{
    if (find_column(r->old, c->name) < r->old->n) {
        if (r->st->flags & PERI_ST_IF_NOT_EXISTS) return 1;
        return peri_err_set(r->err, PERI_ECONFLICT, "%s.%s has a column \"%s\" already",
                            r->st->schema, r->st->table, c->name);
    }
    peri_rw_columns(r);
    peri_buf_puts(&r->sql, ", ");
    put_cast(r, r->st->where ? r->st->where : "NULL", c->text);
    put_as(r, c->name);
    return 0;
}

static int alter_drop(peri_rewriter_t *r, const peri_stcolumn_t *c)
{
    size_t at, n = 0;
    if (r->st->flags & PERI_ST_IF_EXISTS && find_column(r->old, c->name) == r->old->n)
        return 1;
    if (peri_rw_column(r, c->name, &at)) return -1;
    if (r->old->n == 1)
        return peri_err_set(r->err, PERI_EINVAL,
                            "\"%s\" is the last column of %s.%s: DROP TABLE removes both",
                            c->name, r->st->schema, r->st->table);
    for (size_t i = 0; i < r->old->n; i++) {
        if (i == at) continue;
        if (n++) peri_buf_puts(&r->sql, ", ");
        peri_rw_name(r, r->old->columns[i].name);
    }
    return 0;
}

/* Another name, or another type. */
static int alter_one(peri_rewriter_t *r, const peri_stcolumn_t *c)
{
    size_t at;
    if (peri_rw_column(r, c->name, &at)) return -1;
    const size_t other = r->st->to ? find_column(r->old, r->st->to) : r->old->n;
    if (other < r->old->n && other != at)
        return peri_err_set(r->err, PERI_ECONFLICT, "%s.%s has a column \"%s\" already",
                            r->st->schema, r->st->table, r->st->to);
    for (size_t i = 0; i < r->old->n; i++) {
        const char *name = r->old->columns[i].name;
        if (i) peri_buf_puts(&r->sql, ", ");
        if (i == at && c->text && r->st->where) {
            put_cast(r, r->st->where, c->text);
        } else if (i == at && c->text) {
            peri_buf_puts(&r->sql, "CAST(");
            peri_rw_name(r, name);
            peri_buf_printf(&r->sql, " AS %s)", c->text);
        } else {
            peri_rw_name(r, name);
        }
        if (i == at) put_as(r, r->st->to ? r->st->to : name);
    }
    return 0;
}

static int rewrite_alter(peri_rewriter_t *r)
{
    const peri_stcolumn_t *c = r->st->columns;
    peri_buf_puts(&r->sql, "SELECT ");
    const int rc = r->st->alter == PERI_ALTER_ADD    ? alter_add(r, c)
                   : r->st->alter == PERI_ALTER_DROP ? alter_drop(r, c)
                                                     : alter_one(r, c);
    if (rc == 0) put_from(r);
    return rc;
}

static int rewrite_create(peri_rewriter_t *r)
{
    const peri_statement_t *st = r->st;
    peri_buf_puts(&r->sql, "SELECT ");
    for (size_t i = 0; i < st->ncolumns; i++) {
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(st->columns[k].name, st->columns[i].name) == 0)
                return peri_rw_twice(r, st->columns[i].name);
        peri_buf_printf(&r->sql, "%sCAST(NULL AS %s)", i ? ", " : "",
                        st->columns[i].text);
        put_as(r, st->columns[i].name);
    }
    peri_buf_puts(&r->sql, " WHERE false");
    return 0;
}

/* ---- all of them ---- */

int peri_rewrite(const peri_statement_t *st, const peri_oldtable_t *old,
                 const char *const *names, size_t n, peri_arena_t *a,
                 peri_rewritten_t *out, peri_err_t *err)
{
    peri_rewriter_t r = {.st = st, .old = old, .arena = a, .err = err};
    int rc = -1;
    *out = (peri_rewritten_t){0};
    peri_buf_init(&r.sql, PERI_REWRITTEN_MAX);
    switch (st->kind) {
    case PERI_ST_INSERT:
        rc = peri_rw_insert(&r, names, n);
        break;
    case PERI_ST_UPDATE:
        rc = rewrite_update(&r, out);
        break;
    case PERI_ST_DELETE:
    case PERI_ST_TRUNCATE:
        rc = rewrite_delete(&r);
        break;
    case PERI_ST_ALTER:
        rc = rewrite_alter(&r);
        break;
    case PERI_ST_CREATE_COLUMNS:
        rc = rewrite_create(&r);
        break;
    default:
        peri_err_set(err, PERI_EINTERNAL, "this statement has no rows of its own");
    }
    if (rc == 0 && !(out->sql = peri_rw_take(&r))) rc = -1;
    peri_buf_free(&r.sql);
    return rc < 0 ? -1 : 0;
}
