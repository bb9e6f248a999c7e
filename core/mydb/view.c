/* view.c - see view.h. */
#include "core/mydb/view.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/mydb/token.h"
#include "core/sql/ast.h"
#include "core/sql/parse.h"
#include "core/table/dataset.h"
#include "core/table/table.h"

#define MAX_DEPTH    8
#define MAX_EXPANDED 500 /* as many tables as a statement may have */

typedef struct {
    duckdb_connection con;
    const peri_schemas_t *all;
    const char *context;
    peri_arena_t *arena;
    peri_err_t *err;
    const peri_schema_t *here;       /* what mydb means; NULL: mydb */
    const char *path[MAX_DEPTH + 1]; /* views that we are in */
    size_t depth, expanded;
    bool changed;
    json_t *query; /* the whole statement */
} expand_t;

const peri_schema_t *peri_schema_meant(const peri_schemas_t *all, const char *name)
{
    if (strcasecmp(name, PERI_MYDB) == 0) return peri_schemas_find(all, name);
    const peri_schema_t *s = peri_schemas_find(all, name);
    peri_dataset_t *d = s ? peri_catalog_find(name, NULL) : NULL;
    peri_dataset_free(d);
    return d ? NULL : s;
}

static const peri_schema_t *schema_of(const expand_t *x, const char *name)
{
    if (x->here && strcasecmp(name, PERI_MYDB) == 0) return x->here;
    return peri_schema_meant(x->all, name);
}

static bool is_view(const peri_schema_t *s, const char *given, char name[PERI_MYDB_NAME])
{
    return s && peri_mydb_name(given, name, NULL) == 0 &&
           peri_mydb_kind(s, name) == PERI_MYDB_VIEW;
}

/* ---- is there one? ---- */

static bool names_one(const peri_tokens_t *t, size_t i, const peri_schemas_t *all,
                      const peri_schema_t *context, peri_arena_t *a)
{
    char name[PERI_MYDB_NAME];
    const peri_tokkind_t kind = t->v[i].kind;
    const char *first = peri_token_value(t, i, a);
    if (kind == PERI_TOK_STRING)
        return first && *first && peri_views_named(all, first, NULL);
    if (kind != PERI_TOK_WORD && kind != PERI_TOK_QUOTED) return false;
    if (is_view(context, first, name)) return true;
    if (!peri_token_is_sign(t, i + 1, '.')) return false;
    const char *second = peri_token_value(t, i + 2, a);
    return second && is_view(peri_schemas_find(all, first), second, name);
}

bool peri_views_named(const peri_schemas_t *all, const char *sql, const char *context)
{
    peri_tokens_t t;
    peri_arena_t *a = peri_arena_new();
    const peri_schema_t *s = context ? peri_schemas_find(all, context) : NULL;
    bool found = false;
    if (peri_tokens_read(sql, strlen(sql), a, &t, NULL) == 0)
        for (size_t i = 0; i < t.n && !found; i++) found = names_one(&t, i, all, s, a);
    peri_arena_free(a);
    return found;
}

/* ---- one view ---- */

static int check_depth(const expand_t *x, const char *view)
{
    for (size_t i = 0; i < x->depth; i++)
        if (strcmp(x->path[i], view) == 0)
            return peri_err_set(
                x->err, PERI_EINVAL,
                "the view %s reads itself%s%s: views cannot go in a circle", view,
                x->depth - i > 1 ? " through " : "",
                x->depth - i > 1 ? x->path[x->depth - 1] : "");
    if (x->depth == MAX_DEPTH)
        return peri_err_set(
            x->err, PERI_ELIMIT,
            "views name views more than %d deep, at %s: make a table of one "
            "of them",
            MAX_DEPTH, view);
    if (x->expanded == MAX_EXPANDED)
        return peri_err_set(x->err, PERI_ELIMIT,
                            "views name views too often: more than %d in one statement",
                            MAX_EXPANDED);
    return 0;
}

static int expand_query(expand_t *x, json_t *query);

/* The syntax tree of a view, its own views expanded; new. */
static json_t *view_query(expand_t *x, const peri_schema_t *s, const char *name)
{
    char *sql = NULL;
    const peri_schema_t *before = x->here;
    const char *view = peri_arena_printf(x->arena, "%s.%s", s->name, name);
    if (check_depth(x, view) || peri_mydb_view_text(s, name, &sql, x->err)) return NULL;
    json_t *query = peri_sql_parse(x->con, sql, x->err);
    free(sql);
    if (!query) {
        (void)peri_err_prefix(x->err, "in the view %s", view);
        return NULL;
    }
    x->path[x->depth++] = view;
    x->expanded++;
    x->here = s;
    if (expand_query(x, query)) {
        json_decref(query);
        query = NULL;
    }
    x->here = before;
    x->depth--;
    return query;
}

/* ---- where views are named ---- */

static int note_cte(json_t *node, void *arg)
{
    const char *name = *(const char **)arg;
    size_t i;
    json_t *entry;
    json_array_foreach(peri_ast_list(peri_ast_get(node, "cte_map"), "map"), i, entry)
    {
        if (strcasecmp(peri_ast_str(entry, "key"), name) == 0) return -1;
    }
    return 0;
}

/* Somewhere in the statement; there it is no table. */
static bool names_cte(json_t *query, const char *name)
{
    return peri_ast_walk(query, note_cte, &name) != 0;
}

static void replace(json_t *node, json_t *with)
{
    json_object_clear(node);
    json_object_update(node, with);
    json_decref(with);
}

static int expand_table(expand_t *x, json_t *node)
{
    char name[PERI_MYDB_NAME];
    const char *schema = peri_ast_str(node, "schema_name");
    const char *table = peri_ast_str(node, "table_name");
    if (*peri_ast_str(node, "catalog_name")) return 0;
    /* In a view names without a schema are of the view's own text: it says which. */
    const char *meant = *schema ? schema : x->depth ? NULL : x->context;
    if (!*schema && meant && names_cte(x->query, table)) return 0;
    if (!meant || (!*schema && peri_names_a_file(table))) return 0;
    const peri_schema_t *s = schema_of(x, meant);
    if (!is_view(s, table, name)) {
        if (x->here && *schema && s == x->here)
            json_object_set_new(node, "schema_name", json_string(s->name));
        return 0;
    }
    json_t *query = view_query(x, s, name);
    if (!query) return -1;
    const char *alias = peri_ast_str(node, "alias");
    json_t *columns = json_incref(json_object_get(node, "column_name_alias"));
    json_t *sample = json_incref(json_object_get(node, "sample"));
    json_t *ref = peri_ast_subquery_ref_new(
        query, peri_arena_strdup(x->arena, *alias ? alias : table), columns);
    if (sample) json_object_set_new(ref, "sample", sample);
    replace(node, ref);
    x->changed = true;
    return 0;
}

/* mydb.v.a, of a view, becomes v.a. */
static void shorten_column(expand_t *x, json_t *node)
{
    char name[PERI_MYDB_NAME];
    json_t *names = peri_ast_list(node, "column_names");
    if (json_array_size(names) < 3) return;
    const char *schema = json_string_value(json_array_get(names, 0));
    const char *table = json_string_value(json_array_get(names, 1));
    if (is_view(schema_of(x, schema), table, name)) {
        json_array_remove(names, 0);
        x->changed = true;
    }
}

/* Inputs of kernels are texts: the name of a table, or a SELECT. */
static const char *expand_input(expand_t *x, const char *text)
{
    char name[PERI_MYDB_NAME];
    peri_tokens_t t;
    if (peri_tokens_read(text, strlen(text), x->arena, &t, NULL)) return NULL;
    const bool named = t.n == 3 && peri_token_is_sign(&t, 1, '.');
    const char *first = named ? peri_token_value(&t, 0, x->arena) : NULL;
    const char *second = named ? peri_token_value(&t, 2, x->arena) : NULL;
    if (first && second && !is_view(schema_of(x, first), second, name)) return NULL;
    const char *sql =
        first && second ? peri_arena_printf(x->arena, "SELECT * FROM %s", text) : text;
    json_t *query = peri_sql_parse(x->con, sql, NULL);
    if (!query) return NULL;
    const bool before = x->changed;
    x->changed = false;
    char *out = NULL;
    const char *kept = NULL;
    if (expand_query(x, query) == 0 && x->changed) {
        peri_ast_fix_constants(query);
        out = peri_sql_render(x->con, query, true, x->err);
        kept = out ? peri_arena_strdup(x->arena, out) : NULL;
    }
    duckdb_free(out);
    json_decref(query);
    x->changed = before || kept;
    return kept;
}

static json_t *text_new(const char *text, const char *alias)
{
    return json_pack("{s:s, s:s, s:s, s:{s:{s:s, s:n}, s:b, s:s}}", "class", "CONSTANT",
                     "type", "VALUE_CONSTANT", "alias", alias, "value", "type", "id",
                     "VARCHAR", "type_info", "is_null", 0, "value", text);
}

static int expand_call(expand_t *x, json_t *node)
{
    size_t i;
    json_t *child;
    x->err->code = PERI_OK;
    json_array_foreach(peri_ast_list(peri_ast_get(node, "function"), "children"), i,
                       child)
    {
        const char *text = NULL;
        const json_t *names = peri_ast_list(child, "column_names");
        if (peri_ast_is_class(child, "CONSTANT"))
            text =
                json_string_value(json_object_get(peri_ast_get(child, "value"), "value"));
        else if (peri_ast_is_class(child, "COLUMN_REF") && json_array_size(names) == 2)
            text = peri_arena_printf(x->arena, "%s.%s",
                                     json_string_value(json_array_get(names, 0)),
                                     json_string_value(json_array_get(names, 1)));
        const char *with = text ? expand_input(x, text) : NULL;
        if (x->err->code) return -1;
        if (with)
            replace(child, text_new(with, peri_arena_strdup(
                                              x->arena, peri_ast_str(child, "alias"))));
    }
    return 0;
}

static int visit(json_t *node, void *arg)
{
    expand_t *x = arg;
    if (peri_ast_is_class(node, "COLUMN_REF")) shorten_column(x, node);
    if (peri_ast_is_type(node, "TABLE_FUNCTION") && expand_call(x, node)) return -1;
    if (!peri_ast_is_type(node, "BASE_TABLE")) return 0;
    if (expand_table(x, node)) return -1;
    return 1; /* what it has become is done already */
}

static int expand_query(expand_t *x, json_t *query)
{
    return peri_ast_walk(query, visit, x);
}

/* ---- statements ---- */

const char *peri_views_expand(duckdb_connection con, const peri_schemas_t *all,
                              const char *sql, const char *context, peri_arena_t *arena,
                              peri_err_t *err)
{
    expand_t x = {.con = con, .all = all, .context = context, .arena = arena, .err = err};
    const char *out = NULL;
    char *text = NULL;
    json_t *query = x.query = peri_sql_parse(con, sql, err);
    if (!query || expand_query(&x, query)) goto out;
    out = sql;
    if (!x.changed) goto out;
    peri_ast_fix_constants(query);
    text = peri_sql_render(con, query, true, err);
    out = text ? peri_arena_strdup(arena, text) : NULL;
out:
    duckdb_free(text);
    json_decref(query);
    return out;
}

/* ---- new views ---- */

typedef struct {
    json_t *query;
    const char *context, *base;
    peri_arena_t *arena;
    bool changed;
} qualify_t;

static int qualify(json_t *node, void *arg)
{
    qualify_t *q = arg;
    const char *table = peri_ast_str(node, "table_name");
    if (!peri_ast_is_type(node, "BASE_TABLE") || *peri_ast_str(node, "schema_name"))
        return 0;
    if (peri_names_a_file(table)) {
        if (*table == '/' || !q->base) return 0;
        json_object_set_new(
            node, "table_name",
            json_string(peri_arena_printf(q->arena, "%s/%s", q->base, table)));
    } else if (q->context && !names_cte(q->query, table)) {
        json_object_set_new(node, "schema_name", json_string(q->context));
    } else {
        return 0;
    }
    q->changed = true;
    return 0;
}

const char *peri_view_text_new(duckdb_connection con, const peri_schemas_t *all,
                               const peri_schema_t *s, const char *name, const char *sql,
                               const char *context, const char *base, peri_arena_t *arena,
                               const char **expanded, peri_err_t *err)
{
    expand_t x = {.con = con, .all = all, .arena = arena, .err = err, .here = s};
    qualify_t q = {.context = context, .base = base, .arena = arena};
    const char *out = NULL;
    char *text = NULL, *whole = NULL;
    json_t *query = peri_sql_parse(con, sql, err);
    if (!query) return NULL;
    q.query = query;
    (void)peri_ast_walk(query, qualify, &q);
    peri_ast_fix_constants(query);
    if (q.changed && !(text = peri_sql_render(con, query, true, err))) goto out;
    x.path[x.depth++] = peri_arena_printf(arena, "%s.%s", s->name, name);
    if (expand_query(&x, query)) goto out;
    if (!(whole = peri_sql_render(con, query, true, err))) goto out;
    *expanded = peri_arena_strdup(arena, whole);
    out = text ? peri_arena_strdup(arena, text) : sql;
out:
    duckdb_free(text);
    duckdb_free(whole);
    json_decref(query);
    return out;
}
