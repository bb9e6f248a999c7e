/* kernelcall.c - see kernelcall.h. */
#include "core/sql/kernelcall.h"

#include <ctype.h>
#include <string.h>

#include "core/base/util.h"
#include "core/sql/allow.h"
#include "core/sql/ast.h"
#include "core/sql/duck.h"
#include "core/sql/parse.h"

struct take {
    duckdb_connection con;
    const peri_kernelfinder_t *f;
    peri_arena_t *arena;
    peri_err_t *err;
    size_t found;
};

/* ---- arguments ---- */

static int not_constant(json_t *node, void *arg)
{
    (void)arg;
    return peri_ast_is_class(node, "COLUMN_REF") || peri_ast_is_class(node, "SUBQUERY") ||
                   peri_ast_is_class(node, "STAR")
               ? -1
               : 0;
}

/* The value of a constant expression, computed by DuckDB; new. */
static json_t *constant_value(struct take *t, const char *call, json_t *expr)
{
    json_t *list = json_array(), *query, *value = NULL;
    char *sql = NULL, *text = NULL;
    json_error_t je;
    json_t *copy = json_deep_copy(expr);
    json_object_set_new(copy, "alias", json_string(""));
    json_array_append_new(list, copy);
    query = peri_ast_select_new(list, peri_ast_empty_from_new(), NULL);
    if (peri_ast_walk(expr, not_constant, NULL)) {
        peri_err_set(t->err, PERI_EINVAL,
                     "an argument of %s depends on a row: the arguments of a kernel are "
                     "constants, its inputs tables or sub-queries",
                     call);
        goto out;
    }
    if (peri_sql_allowed(query, t->err)) goto out;
    peri_ast_fix_constants(query);
    sql = peri_sql_render(t->con, query, true, t->err);
    if (!sql) goto out;
    const char *ask = peri_arena_printf(
        t->arena, "SELECT coalesce(to_json(v)::VARCHAR, 'null') FROM (%s) AS t(v)", sql);
    if (peri_duck_text(t->con, ask, NULL, &text, t->err)) {
        peri_err_prefix(t->err, "an argument of %s", call);
        goto out;
    }
    value = text ? json_loads(text, JSON_DECODE_ANY, &je) : json_null();
    if (!value)
        peri_err_set(t->err, PERI_EINVAL, "an argument of %s has no value: %.100s", call,
                     text);
out:
    duckdb_free(sql);
    duckdb_free(text);
    json_decref(query);
    return value;
}

/* a.b.c, as a table is named. */
static json_t *name_value(struct take *t, const json_t *ref)
{
    const char *text = "";
    size_t i;
    json_t *part;
    json_array_foreach(peri_ast_list(ref, "column_names"), i, part)
    {
        text = peri_arena_printf(t->arena, "%s%s%s", text, i ? "." : "",
                                 json_string_value(part));
    }
    return json_string(text);
}

static json_t *argument(struct take *t, const char *call, json_t *expr)
{
    if (peri_ast_is_class(expr, "COLUMN_REF")) return name_value(t, expr);
    if (!peri_ast_is_class(expr, "SUBQUERY")) return constant_value(t, call, expr);
    peri_ast_fix_constants(expr);
    char *sql = peri_sql_render(t->con, peri_ast_subquery(expr), true, t->err);
    json_t *text = sql ? json_string(sql) : NULL;
    duckdb_free(sql);
    return text;
}

static int read_arguments(struct take *t, const char *call, json_t *children,
                          peri_kernelcall_t *out)
{
    size_t i;
    json_t *child;
    json_array_foreach(children, i, child)
    {
        const char *name = peri_ast_str(child, "alias");
        if (!*name && i)
            return peri_err_set(t->err, PERI_EINVAL,
                                "%s: write its arguments after the first as name => "
                                "value",
                                call);
        json_t *value = argument(t, call, child);
        if (!value) return -1;
        if (!*name) {
            out->first = peri_arena_strdup(t->arena, json_string_value(value));
            json_decref(value);
            if (!out->first)
                return peri_err_set(t->err, PERI_EINVAL,
                                    "the first argument of %s must name a table or be a "
                                    "sub-query",
                                    call);
            continue;
        }
        char *key = peri_arena_strdup(t->arena, name);
        for (char *p = key; *p; p++) *p = (char)tolower((unsigned char)*p);
        if (json_object_get(out->named, key)) {
            json_decref(value);
            return peri_err_set(t->err, PERI_EINVAL, "%s has %s twice", call, key);
        }
        json_object_set_new(out->named, key, value);
    }
    return 0;
}

/* ---- the statement ---- */

static int visit(json_t *node, void *arg)
{
    struct take *t = arg;
    if (!peri_ast_is_type(node, "TABLE_FUNCTION")) return 0;
    const json_t *function = peri_ast_get(node, "function");
    const char *name = peri_ast_str(function, "function_name");
    if (!peri_ast_is_class(function, "FUNCTION") || *peri_ast_str(function, "schema") ||
        !t->f->is_kernel(t->f->arg, name))
        return 0;
    name = peri_arena_strdup(t->arena, name);
    peri_kernelcall_t call = {.name = name, .named = json_object()};
    size_t number;
    if (read_arguments(t, name, peri_ast_list(function, "children"), &call)) {
        json_decref(call.named);
        return -1;
    }
    if (t->f->add(t->f->arg, &call, &number, t->err)) return -1;
    const char *alias = peri_ast_str(node, "alias");
    json_t *table =
        peri_ast_table_new(peri_arena_printf(t->arena, "%zu", number),
                           peri_arena_strdup(t->arena, *alias ? alias : name));
    json_object_set_new(table, "schema_name", json_string("results"));
    json_object_set_new(table, "catalog_name", json_string(PERI_KERNEL_CATALOG));
    json_t *aliases = json_object_get(node, "column_name_alias");
    if (aliases) json_object_set(table, "column_name_alias", aliases);
    json_t *sample = json_object_get(node, "sample");
    if (sample) json_object_set(table, "sample", sample);
    json_object_clear(node);
    json_object_update(node, table);
    json_decref(table);
    t->found++;
    return 1;
}

const char *peri_kernelcalls_take(duckdb_connection con, const char *sql,
                                  const peri_kernelfinder_t *f, peri_arena_t *arena,
                                  peri_err_t *err)
{
    struct take t = {con, f, arena, err, 0};
    const char *out = NULL;
    char *text = NULL;
    json_t *query = peri_sql_parse(con, sql, err);
    if (!query) return NULL;
    if (peri_ast_walk(query, visit, &t)) goto out;
    if (!t.found) {
        out = sql;
        goto out;
    }
    peri_ast_fix_constants(query);
    text = peri_sql_render(con, query, true, err);
    if (text) out = peri_arena_strdup(arena, text);
out:
    duckdb_free(text);
    json_decref(query);
    return out;
}
