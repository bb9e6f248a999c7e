/* ast.c - reading, comparing and walking syntax trees. See ast.h. */
#include "core/sql/ast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *peri_ast_str(const json_t *node, const char *key)
{
    const char *s = json_string_value(json_object_get(node, key));
    return s ? s : "";
}

bool peri_ast_true(const json_t *node, const char *key)
{
    return json_is_true(json_object_get(node, key));
}

bool peri_ast_is_class(const json_t *node, const char *class_name)
{
    return strcmp(peri_ast_str(node, "class"), class_name) == 0;
}

bool peri_ast_is_type(const json_t *node, const char *type)
{
    return strcmp(peri_ast_str(node, "type"), type) == 0;
}

bool peri_ast_is_query(const json_t *node)
{
    size_t len = strlen(peri_ast_str(node, "type"));
    return len > 5 && strcmp(peri_ast_str(node, "type") + len - 5, "_NODE") == 0 &&
           !json_object_get(node, "class");
}

bool peri_ast_is_function(const json_t *node, const char *name)
{
    return peri_ast_is_class(node, "FUNCTION") &&
           strcasecmp(peri_ast_str(node, "function_name"), name) == 0;
}

json_t *peri_ast_list(const json_t *node, const char *key)
{
    json_t *list = json_object_get(node, key);
    return json_is_array(list) ? list : NULL; /* jansson reads NULL as an empty array */
}

json_t *peri_ast_get(const json_t *node, const char *key)
{
    json_t *value = json_object_get(node, key);
    return json_is_null(value) ? NULL : value;
}

json_t *peri_ast_subquery(const json_t *node)
{
    return peri_ast_get(peri_ast_get(node, "subquery"), "node");
}

json_t *peri_ast_cte_body(const json_t *entry)
{
    return peri_ast_get(peri_ast_get(peri_ast_get(entry, "value"), "query"), "node");
}

/* ---- canonical form ---- */

static void drop_positions(json_t *v)
{
    const char *key;
    size_t i;
    json_t *child;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child) drop_positions(child);
    } else if (json_is_object(v)) {
        json_object_del(v, "query_location");
        json_object_foreach(v, key, child) drop_positions(child);
    }
}

static int fold_cte(json_t *node, void *arg)
{
    (void)arg;
    while (peri_ast_is_type(node, "CTE_NODE")) {
        json_t *child = json_incref(json_object_get(node, "child"));
        json_object_clear(node);
        json_object_update(node, child);
        json_decref(child);
    }
    return 0;
}

/* VALUES prints as (VALUES ...) AS valueslist, which reads as a subquery around it. */
static int fold_values(json_t *node, void *arg)
{
    (void)arg;
    json_t *query = peri_ast_subquery(node);
    json_t *from = peri_ast_get(query, "from_table");
    if (!peri_ast_is_type(node, "SUBQUERY") ||
        !peri_ast_is_type(from, "EXPRESSION_LIST") ||
        strcmp(peri_ast_str(node, "alias"), "valueslist") != 0 ||
        json_array_size(peri_ast_list(node, "column_name_alias")))
        return 0;
    json_t *plain = peri_ast_select_new(json_pack("[o]", peri_ast_star_new()),
                                        json_incref(from), NULL);
    if (peri_ast_same(plain, query)) {
        json_object_clear(node);
        json_object_update(node, json_object_get(plain, "from_table"));
    }
    json_decref(plain);
    return 0;
}

void peri_ast_canonical(json_t *tree)
{
    drop_positions(tree);
    peri_ast_walk(tree, fold_cte, NULL);
    peri_ast_walk(tree, fold_values, NULL);
}

static void shortest_double(double v, char out[40])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 40, "%.*g", digits, v);
        if (strtod(out, NULL) == v) return;
    }
}

static int fix_constant(json_t *node, void *arg)
{
    if (!peri_ast_is_class(node, "CONSTANT")) return 0;
    json_t *value = peri_ast_get(node, "value");
    json_t *type = peri_ast_get(value, "type");
    json_t *number = peri_ast_get(value, "value");
    const char *id = peri_ast_str(type, "id");
    bool real = strcmp(id, "DOUBLE") == 0 || strcmp(id, "FLOAT") == 0;
    bool whole = strcmp(id, "DECIMAL") == 0 && json_is_integer(number) &&
                 json_integer_value(
                     json_object_get(json_object_get(type, "type_info"), "scale")) == 0;
    if (peri_ast_true(value, "is_null") || !(real || whole)) return 1;
    char text[40] = "";
    const char *marked = peri_json_marked(number);
    if (marked)
        snprintf(text, sizeof text, "%s", marked);
    else if (json_is_integer(number))
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(number));
    else if (json_is_real(number))
        shortest_double(json_real_value(number), text);
    else
        return 1;
    json_t *cast = json_pack(
        "{s:s, s:s, s:{s:s, s:s, s:s, s:{s:{s:s, s:n}, s:b, s:s}}, s:O, s:b}", "class",
        "CAST", "type", "OPERATOR_CAST", "child", "class", "CONSTANT", "type",
        "VALUE_CONSTANT", "alias", "", "value", "type", "id", "VARCHAR", "type_info",
        "is_null", 0, "value", text, "cast_type", type, "try_cast", 0);
    if (cast) peri_ast_become(node, cast);
    *(bool *)arg = true;
    return 1;
}

bool peri_ast_fix_constants(json_t *tree)
{
    bool changed = false;
    peri_ast_walk(tree, fix_constant, &changed);
    return changed;
}

/* ---- comparing ---- */

static bool is_nothing(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static bool is_set(const char *key)
{
    static const char *const sets[] = {"exclude_list", "qualified_exclude_list",
                                       "replace_list", "rename_list"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (strcmp(key, sets[i]) == 0) return true;
    return false;
}

static bool same_set(const json_t *a, const json_t *b)
{
    size_t i, j;
    json_t *x, *y;
    if (json_array_size(a) != json_array_size(b)) return false;
    json_array_foreach(a, i, x)
    {
        bool found = false;
        json_array_foreach(b, j, y) found = found || peri_ast_same(x, y);
        if (!found) return false;
    }
    return true;
}

/* Where two trees part: the innermost object that has a class or type. */
static bool compare(const json_t *a, const json_t *b, const json_t **where)
{
    if (is_nothing(a) && is_nothing(b)) return true;
    if (!a || !b || json_typeof(a) != json_typeof(b)) {
        if (json_is_object(a) && is_nothing(b)) { /* {"map": []} is nothing too */
            const char *key;
            json_t *v;
            json_object_foreach((json_t *)a, key, v) if (!is_nothing(v)) return false;
            return true;
        }
        return json_is_object(b) && is_nothing(a) ? compare(b, a, where) : false;
    }
    if (json_is_array(a)) {
        size_t n = json_array_size(a);
        if (n != json_array_size(b)) return false;
        for (size_t i = 0; i < n; i++)
            if (!compare(json_array_get(a, i), json_array_get(b, i), where)) return false;
        return true;
    }
    if (!json_is_object(a)) return json_equal(a, b);
    const char *key;
    json_t *v;
    if (where && (json_object_get(a, "class") || json_object_get(a, "type"))) *where = a;
    json_object_foreach((json_t *)a, key, v)
    {
        const json_t *other = json_object_get(b, key);
        if (!(is_set(key) ? same_set(v, other) : compare(v, other, where))) return false;
    }
    json_object_foreach((json_t *)b, key, v)
    {
        if (!json_object_get(a, key) && !compare(NULL, v, where)) return false;
    }
    return true;
}

bool peri_ast_same(const json_t *a, const json_t *b)
{
    return compare(a, b, NULL);
}

bool peri_ast_same_expr(const json_t *a, const json_t *b)
{
    json_t *x = json_copy((json_t *)a), *y = json_copy((json_t *)b);
    json_object_del(x, "alias");
    json_object_del(y, "alias");
    bool same = compare(x, y, NULL);
    json_decref(x);
    json_decref(y);
    return same;
}

const char *peri_ast_difference(const json_t *a, const json_t *b)
{
    const json_t *where = NULL;
    if (compare(a, b, &where) || !where) return "statement";
    const char *name = peri_ast_str(where, "function_name");
    if (!*name) name = peri_ast_str(where, "class");
    if (!*name) name = peri_ast_str(where, "type");
    return *name ? name : "statement";
}

/* ---- walking ---- */

static int walk(json_t *v, peri_ast_visit_f visit, void *arg, bool into_subqueries)
{
    size_t i;
    json_t *child;
    const char *key;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child)
        {
            if (walk(child, visit, arg, into_subqueries)) return -1;
        }
    } else if (json_is_object(v)) {
        int rc = visit(v, arg);
        if (rc) return rc < 0 ? -1 : 0;
        json_object_foreach(v, key, child)
        {
            if (!into_subqueries &&
                (strcmp(key, "subquery") == 0 || strcmp(key, "cte_map") == 0))
                continue;
            if (walk(child, visit, arg, into_subqueries)) return -1;
        }
    }
    return 0;
}

int peri_ast_walk(json_t *node, peri_ast_visit_f visit, void *arg)
{
    return walk(node, visit, arg, true);
}

int peri_ast_walk_block(json_t *node, peri_ast_visit_f visit, void *arg)
{
    return walk(node, visit, arg, false);
}
