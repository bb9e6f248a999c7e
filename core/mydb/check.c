/* check.c - see check.h. */
#include "core/mydb/check.h"

#include <string.h>
#include <strings.h>

#include "core/mydb/token.h"
#include "core/sql/allow.h"
#include "core/sql/ast.h"
#include "core/sql/parse.h"

typedef struct {
    const char *aggregate, *window, *changing; /* names, or NULL */
} seen_t;

static int look(json_t *node, void *arg)
{
    seen_t *seen = arg;
    if (peri_fn_is_volatile(node)) seen->changing = peri_ast_str(node, "function_name");
    if (peri_fn_is_aggregate(node) || peri_ast_is_function(node, "unnest"))
        seen->aggregate = peri_ast_str(node, "function_name");
    if (peri_ast_is_class(node, "WINDOW"))
        seen->window = peri_ast_str(node, "function_name");
    return 0;
}

/* New values come from one row each. Which rows change must be the same whenever it is
 * asked: once for each column, and to count them. */
static int check_update(const peri_statement_t *st, json_t *query, peri_err_t *err)
{
    seen_t set = {0}, which = {0};
    size_t i;
    json_t *value;
    json_array_foreach(peri_ast_list(query, "select_list"), i, value)(void)
        peri_ast_walk_block(value, look, &set);
    (void)peri_ast_walk(json_object_get(query, "from_table"), look, &which);
    if (peri_ast_get(query, "where_clause"))
        (void)peri_ast_walk(json_object_get(query, "where_clause"), look, &which);
    if (set.aggregate || set.window)
        return peri_err_set(
            err, PERI_EINVAL,
            "UPDATE %s.%s: %s() is of many rows, and SET takes values of one: "
            "write a sub-query, as (SELECT %s(...) FROM ...)",
            st->schema, st->table, set.aggregate ? set.aggregate : set.window,
            set.aggregate ? set.aggregate : set.window);
    if (which.changing)
        return peri_err_set(
            err, PERI_EINVAL,
            "UPDATE %s.%s: %s() says something else each time, and which rows "
            "change must be certain: put it into a column first (ALTER TABLE "
            "... ADD), then compare that",
            st->schema, st->table, which.changing);
    return 0;
}

int peri_statement_check(duckdb_connection con, const peri_statement_t *st,
                         peri_err_t *err)
{
    const char *sql = st->check ? st->check : st->kind == PERI_ST_SELECT ? st->sql : NULL;
    if (!sql) return 0;
    json_t *query = peri_sql_parse_shown(con, sql, st->check ? st->shown : sql, err);
    if (!query) return -1;
    const int rc = st->kind == PERI_ST_UPDATE ? check_update(st, query, err) : 0;
    json_decref(query);
    return rc;
}

/* ---- whose fault ---- */

/* The value that DuckDB could not convert, as its sentences have it. */
static const char *bad_value(const char *text, peri_arena_t *a)
{
    static const char *const around[][2] = {
        {"string '", "' to "}, {"format: \"", "\", "}, {"with value ", " "}};
    for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++) {
        const char *from = strstr(text, around[i][0]);
        if (!from) continue;
        from += strlen(around[i][0]);
        const char *end = strstr(from, around[i][1]);
        return end ? peri_arena_strndup(a, from, (size_t)(end - from)) : NULL;
    }
    return NULL;
}

static bool has_value(const char *text, const char *value, peri_arena_t *a)
{
    peri_tokens_t t;
    if (peri_tokens_read(text, strlen(text), a, &t, NULL)) return false;
    for (size_t i = 0; i < t.n; i++) {
        const char *is = t.v[i].kind == PERI_TOK_NUMBER
                             ? peri_arena_strndup(a, text + t.v[i].at, t.v[i].len)
                         : t.v[i].kind == PERI_TOK_STRING ? peri_token_value(&t, i, a)
                                                          : NULL;
        if (is && strcmp(is, value) == 0) return true;
    }
    return false;
}

/* Text takes any value. */
static bool is_text(const peri_oldtable_t *old, const char *column)
{
    for (size_t i = 0; i < old->n; i++)
        if (strcasecmp(old->columns[i].name, column) == 0)
            return strcmp(old->columns[i].type, "VARCHAR") == 0;
    return false;
}

/* The one column, among those that the statement gives values, that can be meant. */
static const char *bad_column(const peri_statement_t *st, const peri_oldtable_t *old,
                              const char *text, peri_arena_t *a)
{
    const char *found = NULL, *value = bad_value(text, a);
    const peri_stcolumn_t *v = st->columns;
    size_t n = st->ncolumns;
    if (st->kind == PERI_ST_INSERT) v = peri_insert_values(st, old, a, &n);
    for (size_t i = 0; i < n; i++) {
        if (!v[i].text || is_text(old, v[i].name)) continue;
        if (value && !has_value(v[i].text, value, a) && n > 1) continue;
        if (found && strcasecmp(found, v[i].name) != 0) return NULL;
        found = v[i].name;
    }
    return found;
}

static bool cut_kind(peri_err_t *err, const char *kind)
{
    const size_t n = strlen(kind);
    if (strncmp(err->text, kind, n) != 0) return false;
    memmove(err->text, err->text + n, strlen(err->text + n) + 1);
    return true;
}

void peri_statement_blame(const peri_statement_t *st, const peri_oldtable_t *old,
                          peri_arena_t *a, peri_err_t *err)
{
    static const char *const kinds[] = {"Binder Error: ", "Catalog Error: ",
                                        "Invalid Input Error: ", "Out of Range Error: "};
    bool ours = cut_kind(err, "Conversion Error: ");
    const char *column = ours && old ? bad_column(st, old, err->text, a) : NULL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !ours; i++)
        ours = cut_kind(err, kinds[i]);
    if (ours)
        (void)peri_err_prefix(err, "%s.%s %s%s%s", st->schema, st->table,
                              old ? "stays as it was" : "is not made",
                              column ? ": column " : "", column ? column : "");
}
