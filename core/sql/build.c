/* build.c - making syntax trees. Builders steal what they are given; see ast.h. */
#include "core/sql/ast.h"

#include <string.h>

void peri_ast_become(json_t *node, json_t *with)
{
    json_t *alias = json_incref(json_object_get(node, "alias"));
    json_object_clear(node);
    json_object_update(node, with);
    if (json_string_length(alias) > 0) json_object_set(node, "alias", alias);
    json_decref(alias);
    json_decref(with);
}

json_t *peri_ast_column_new(const char *table, const char *column)
{
    json_t *names =
        table && *table ? json_pack("[s,s]", table, column) : json_pack("[s]", column);
    return json_pack("{s:s, s:s, s:s, s:o}", "class", "COLUMN_REF", "type", "COLUMN_REF",
                     "alias", "", "column_names", names);
}

json_t *peri_ast_int_new(int64_t value)
{
    return json_pack("{s:s, s:s, s:s, s:{s:{s:s, s:n}, s:b, s:I}}", "class", "CONSTANT",
                     "type", "VALUE_CONSTANT", "alias", "", "value", "type", "id",
                     value == (int32_t)value ? "INTEGER" : "BIGINT", "type_info",
                     "is_null", 0, "value", (json_int_t)value);
}

json_t *peri_ast_star_new(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:[], s:[], s:b, s:n}", "class", "STAR",
                     "type", "STAR", "alias", "", "relation_name", "", "exclude_list",
                     "replace_list", "columns", 0, "expr");
}

json_t *peri_ast_table_new(const char *name, const char *alias)
{
    return json_pack("{s:s, s:s, s:n, s:s, s:s, s:[], s:s, s:n}", "type", "BASE_TABLE",
                     "alias", alias ? alias : "", "sample", "schema_name", "",
                     "table_name", name, "column_name_alias", "catalog_name", "",
                     "at_clause");
}

json_t *peri_ast_empty_from_new(void)
{
    return json_pack("{s:s, s:s, s:n}", "type", "EMPTY", "alias", "", "sample");
}

json_t *peri_ast_select_new(json_t *list, json_t *from, json_t *where)
{
    return json_pack("{s:s, s:[], s:{s:[]}, s:o, s:o, s:o?, s:[], s:[], s:s}", "type",
                     "SELECT_NODE", "modifiers", "cte_map", "map", "select_list", list,
                     "from_table", from, "where_clause", where, "group_expressions",
                     "group_sets", "aggregate_handling", "STANDARD_HANDLING");
}

json_t *peri_ast_subquery_ref_new(json_t *query, const char *alias, json_t *columns)
{
    if (!columns) columns = json_array();
    return json_pack("{s:s, s:s, s:n, s:{s:o, s:[]}, s:o}", "type", "SUBQUERY", "alias",
                     alias, "sample", "subquery", "node", query, "named_param_map",
                     "column_name_alias", columns);
}

json_t *peri_ast_and_new(json_t *terms)
{
    if (json_array_size(terms) <= 1) {
        json_t *only = json_incref(json_array_get(terms, 0));
        json_decref(terms);
        return only;
    }
    return json_pack("{s:s, s:s, s:s, s:o}", "class", "CONJUNCTION", "type",
                     "CONJUNCTION_AND", "alias", "", "children", terms);
}

json_t *peri_ast_with_alias(json_t *expr, const char *alias)
{
    json_object_set_new(expr, "alias", json_string(alias));
    return expr;
}

json_t *peri_ast_limit_new(json_t *limit, json_t *offset)
{
    return json_pack("{s:s, s:o?, s:o?}", "type", "LIMIT_MODIFIER", "limit", limit,
                     "offset", offset);
}

json_t *peri_ast_distinct_new(void)
{
    return json_pack("{s:s, s:[]}", "type", "DISTINCT_MODIFIER", "distinct_on_targets");
}
