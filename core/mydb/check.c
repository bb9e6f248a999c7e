/* check.c - see check.h. */
#include "core/mydb/check.h"

#include <string.h>

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

void peri_statement_blame(const peri_statement_t *st, peri_err_t *err)
{
    char *line = strstr(err->text, "\n\nLINE ");
    if (line) *line = '\0';
    static const char *const kinds[] = {
        "Conversion Error: ", "Binder Error: ", "Catalog Error: ",
        "Invalid Input Error: ", "Out of Range Error: "};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        const size_t n = strlen(kinds[i]);
        if (strncmp(err->text, kinds[i], n) != 0) continue;
        memmove(err->text, err->text + n, strlen(err->text + n) + 1);
        (void)peri_err_prefix(err, "%s.%s stays as it was", st->schema, st->table);
        return;
    }
}
