/* allow.c - the allow-lists. See allow.h; functions.inc holds the functions. */
#include "core/sql/allow.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/sql/ast.h"
#include "core/sql/meant.h"

static const struct fn {
    const char *name;
    peri_fnkind_t kind;
} FUNCTIONS[] = {
#include "core/sql/functions.inc"
};
#define NFUNCTIONS (sizeof FUNCTIONS / sizeof *FUNCTIONS)

/* Expression classes with the types they may have; NULL: any that starts with the class.
 */
static const struct {
    const char *class_name;
    const char *types[16];
} CLASSES[] = {
    {"BETWEEN", {"COMPARE_BETWEEN", "COMPARE_NOT_BETWEEN"}},
    {"CASE", {"CASE_EXPR"}},
    {"CAST", {"OPERATOR_CAST"}},
    {"COLLATE", {"COLLATE"}},
    {"COLUMN_REF", {"COLUMN_REF"}},
    {"COMPARISON",
     {"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN",
      "COMPARE_LESSTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO",
      "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"}},
    {"CONJUNCTION", {"CONJUNCTION_AND", "CONJUNCTION_OR"}},
    {"CONSTANT", {"VALUE_CONSTANT"}},
    {"FUNCTION", {"FUNCTION"}},
    {"LAMBDA", {"LAMBDA"}},
    {"OPERATOR",
     {"OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_COALESCE",
      "OPERATOR_NULLIF", "OPERATOR_TRY", "OPERATOR_UNPACK", "COMPARE_IN",
      "COMPARE_NOT_IN", "ARRAY_EXTRACT", "ARRAY_SLICE", "STRUCT_EXTRACT",
      "ARRAY_CONSTRUCTOR", "ARROW", "GROUPING_FUNCTION"}},
    {"STAR", {"STAR"}},
    {"SUBQUERY", {"SUBQUERY"}},
    {"WINDOW",
     {"WINDOW_AGGREGATE", "WINDOW_RANK", "WINDOW_RANK_DENSE", "WINDOW_NTILE",
      "WINDOW_PERCENT_RANK", "WINDOW_CUME_DIST", "WINDOW_ROW_NUMBER",
      "WINDOW_FIRST_VALUE", "WINDOW_LAST_VALUE", "WINDOW_NTH_VALUE", "WINDOW_LEAD",
      "WINDOW_LAG", "WINDOW_FILL"}},
};

/* Types of what is no expression: query nodes, table references, modifiers, orders, and
 * the descriptions of data types in casts. */
static const char *const TYPES[] = {
    "SELECT_NODE",
    "SET_OPERATION_NODE",
    "RECURSIVE_CTE_NODE",
    "BASE_TABLE",
    "EMPTY",
    "EXPRESSION_LIST",
    "JOIN",
    "PIVOT",
    "SUBQUERY",
    "TABLE_FUNCTION",
    "DISTINCT_MODIFIER",
    "LIMIT_MODIFIER",
    "LIMIT_PERCENT_MODIFIER",
    "ORDER_MODIFIER",
    "ORDER_DEFAULT",
    "ASCENDING",
    "DESCENDING",
    "ANY_TYPE_INFO",
    "ARRAY_TYPE_INFO",
    "DECIMAL_TYPE_INFO",
    "ENUM_TYPE_INFO",
    "GENERIC_TYPE_INFO",
    "INTEGER_LITERAL_TYPE_INFO",
    "LIST_TYPE_INFO",
    "STRING_TYPE_INFO",
    "STRUCT_TYPE_INFO",
    "USER_TYPE_INFO",
};

static const char *const TABLE_FUNCTIONS[] = {"generate_series", "range", "unnest"};

/* What to do instead; `name` may end in '*'. */
static const struct {
    const char *name, *advice;
} ADVICE[] = {
    {"arrow_*", "name HDF5 files in FROM"},
    {"currval", "number rows with row_number() OVER ()"},
    {"duckdb_*", "use 'perigee dataset ls' and 'perigee describe'"},
    {"getenv", "a query sees tables only, not its surroundings"},
    {"glob", "a pattern in FROM names many files: FROM 'snap_*.hdf5:/Group'"},
    {"json_execute_serialized_sql", "write the query itself"},
    {"nextval", "number rows with row_number() OVER ()"},
    {"parquet_*", "only HDF5 tables are read here"},
    {"pragma_*", "use 'perigee describe'"},
    {"query", "write the query itself as a subquery"},
    {"query_table", "name the table in FROM"},
    {"read_*", "only HDF5 tables are read here: FROM 'file.hdf5:/Group'"},
    {"sniff_csv", "only HDF5 tables are read here: FROM 'file.hdf5:/Group'"},
};

static int compare_name(const void *key, const void *element)
{
    return strcmp(key, ((const struct fn *)element)->name);
}

peri_fnkind_t peri_fn_kind(const char *name)
{
    char lower[64];
    size_t n = strlen(name);
    if (n >= sizeof lower) return PERI_FN_UNKNOWN;
    for (size_t i = 0; i <= n; i++) lower[i] = (char)tolower((unsigned char)name[i]);
    const struct fn *f =
        bsearch(lower, FUNCTIONS, NFUNCTIONS, sizeof *FUNCTIONS, compare_name);
    return f ? f->kind : PERI_FN_UNKNOWN;
}

bool peri_fn_is_aggregate(const json_t *expr)
{
    return peri_ast_is_class(expr, "FUNCTION") &&
           peri_fn_kind(peri_ast_str(expr, "function_name")) == PERI_FN_AGGREGATE;
}

bool peri_fn_is_volatile(const json_t *expr)
{
    return peri_ast_is_class(expr, "FUNCTION") &&
           peri_fn_kind(peri_ast_str(expr, "function_name")) == PERI_FN_VOLATILE;
}

static int is_volatile(json_t *node, void *arg)
{
    (void)arg;
    return peri_fn_is_volatile(node) ? -1 : 0;
}

bool peri_expr_volatile(json_t *expr)
{
    return peri_ast_walk(expr, is_volatile, NULL) != 0;
}

static bool in_list(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n && list[i]; i++)
        if (strcmp(s, list[i]) == 0) return true;
    return false;
}

static const char *advice_on(const char *name)
{
    for (size_t i = 0; i < sizeof ADVICE / sizeof *ADVICE; i++) {
        size_t n = strlen(ADVICE[i].name);
        bool prefix = ADVICE[i].name[n - 1] == '*';
        if (prefix ? strncasecmp(name, ADVICE[i].name, n - 1) == 0
                   : strcasecmp(name, ADVICE[i].name) == 0)
            return ADVICE[i].advice;
    }
    return NULL;
}

static int refuse_function(const char *what, const char *name, peri_err_t *err)
{
    const char *advice = advice_on(name);
    if (advice)
        return peri_err_set(err, PERI_EDENIED, "the %s '%s' is refused: %s", what, name,
                            advice);
    const char *instead = peri_meant_function(name);
    if (instead)
        return peri_err_set(err, PERI_EDENIED,
                            "the %s '%s' is not among those that are allowed; write %s",
                            what, name, instead);
    const char *names[NFUNCTIONS];
    size_t n = 0;
    for (size_t i = 0; i < NFUNCTIONS; i++)
        if (isalpha((unsigned char)FUNCTIONS[i].name[0])) names[n++] = FUNCTIONS[i].name;
    const char *near = peri_did_you_mean(name, names, n);
    if (near)
        return peri_err_set(
            err, PERI_EDENIED,
            "the %s '%s' is not among those that are allowed; did you mean "
            "'%s'?",
            what, name, near);
    return peri_err_set(
        err, PERI_EDENIED,
        "the %s '%s' is not among those that are allowed; docs/sql.md lists "
        "them",
        what, name);
}

/* Kernels are table functions that this library knows nothing of: whoever can run them
 * has taken their calls out of the statement before. */
static int refuse_table_function(const char *name, peri_err_t *err)
{
    if (advice_on(name)) return refuse_function("table function", name, err);
    return peri_err_set(
        err, PERI_EKERNEL,
        "there is no kernel or table function '%s': perigee kernels lists "
        "the kernels, and of DuckDB's there are generate_series, range and "
        "unnest",
        name);
}

static int check_call(const json_t *node, peri_err_t *err)
{
    const char *name = peri_ast_str(node, "function_name");
    const char *schema = peri_ast_str(node, "schema");
    if ((*schema && strcmp(schema, "main") != 0) || *peri_ast_str(node, "catalog"))
        return peri_err_set(
            err, PERI_EDENIED,
            "the function '%s' is called through the schema '%s', which is "
            "refused; call functions by their plain name",
            name, schema);
    if (peri_ast_true(node, "export_state"))
        return peri_err_set(
            err, PERI_EDENIED,
            "EXPORT_STATE of the aggregate '%s' is refused; select its value", name);
    peri_fnkind_t kind = peri_fn_kind(name);
    if (kind == PERI_FN_UNKNOWN) return refuse_function("function", name, err);
    if (kind == PERI_FN_WINDOW && !peri_ast_is_class(node, "WINDOW"))
        return peri_err_set(err, PERI_EINVAL, "the function '%s' needs an OVER clause",
                            name);
    return 0;
}

static int check_expression(const json_t *node, peri_err_t *err)
{
    const char *class_name = peri_ast_str(node, "class");
    const char *type = peri_ast_str(node, "type");
    if (strcmp(class_name, "PARAMETER") == 0)
        return peri_err_set(err, PERI_EDENIED,
                            "parameters ('?', '$%s') are refused: write the value itself",
                            peri_ast_str(node, "identifier"));
    if (strcmp(class_name, "POSITIONAL_REFERENCE") == 0)
        return peri_err_set(
            err, PERI_EDENIED,
            "columns by position ('#1') are refused: write the column's name");
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++) {
        if (strcmp(class_name, CLASSES[i].class_name) != 0) continue;
        if (!in_list(type, CLASSES[i].types, 16)) break;
        if (strcmp(class_name, "FUNCTION") == 0 || strcmp(class_name, "WINDOW") == 0)
            return check_call(node, err);
        return 0;
    }
    return peri_err_set(
        err, PERI_EDENIED,
        "expressions of the kind %s (%s) are not among those that are allowed",
        class_name, type);
}

static int check_other(const json_t *node, const char *type, peri_err_t *err)
{
    if (strcmp(type, "SHOW_REF") == 0)
        return peri_err_set(
            err, PERI_EDENIED,
            "DESCRIBE, SUMMARIZE and SHOW are refused: use 'perigee describe' "
            "for a table's columns, or SELECT min(x), max(x), count(*) ....");
    if (!in_list(type, TYPES, sizeof TYPES / sizeof *TYPES))
        return peri_err_set(
            err, PERI_EDENIED,
            "the statement contains %s, which is not among the parts of SQL "
            "that are allowed",
            type);
    if (strcmp(type, "BASE_TABLE") == 0 && peri_ast_get(node, "at_clause"))
        return peri_err_set(
            err, PERI_EDENIED,
            "FROM %s AT (...) is refused: tables have no older versions here",
            peri_ast_str(node, "table_name"));
    if (strcmp(type, "TABLE_FUNCTION") == 0) {
        const json_t *call = peri_ast_get(node, "function");
        const char *name = peri_ast_str(call, "function_name");
        if (!peri_ast_is_class(call, "FUNCTION") ||
            !in_list(name, TABLE_FUNCTIONS,
                     sizeof TABLE_FUNCTIONS / sizeof *TABLE_FUNCTIONS))
            return refuse_table_function(name, err);
    }
    return 0;
}

static int check(json_t *v, int depth, size_t *nodes, peri_err_t *err)
{
    size_t i;
    json_t *child;
    const char *key;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child)
        {
            if (check(child, depth, nodes, err)) return -1;
        }
        return 0;
    }
    if (!json_is_object(v)) return 0;
    if (++*nodes > PERI_SQL_MAX_NODES)
        return peri_err_set(err, PERI_ELIMIT,
                            "the statement has more than %d parts; make it smaller, for "
                            "example with a join instead of a long IN list",
                            PERI_SQL_MAX_NODES);
    const char *type = peri_ast_str(v, "type");
    if (json_object_get(v, "class")) {
        depth++;
        if (check_expression(v, err)) return -1;
    } else if (*type) {
        depth++;
        if (check_other(v, type, err)) return -1;
    }
    if (depth > PERI_SQL_MAX_DEPTH)
        return peri_err_set(
            err, PERI_ELIMIT,
            "the statement is nested more than %d levels deep; write it with "
            "fewer levels",
            PERI_SQL_MAX_DEPTH);
    json_object_foreach(v, key, child)
    {
        if (check(child, depth, nodes, err)) return -1;
    }
    return 0;
}

int peri_sql_allowed(json_t *query, peri_err_t *err)
{
    size_t nodes = 0;
    return check(query, 0, &nodes, err);
}
