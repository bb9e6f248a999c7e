/* scope.c - which names mean which tables: relations, CTEs, used and virtual columns.
 *
 * Names are resolved with SQL's scopes (a CTE hides tables, an inner FROM hides an outer
 * one), but used columns are noted by name over the whole statement: a superset is
 * enough, and no rule of DuckDB's binder has to be repeated for it.
 */
#include "core/sql/meant.h"
#include "core/sql/planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/util.h"

#define MAX_RELATIONS 500

/* CTE names of one query node and the sources of its FROM, innermost first. */
struct scope {
    struct scope *up;
    json_t *ctes; /* name in lower case -> peri_c<k> */
    int *rels;    /* relations of this FROM */
    size_t nrels;
};

struct star {
    json_t *node;
    int *rels;
    size_t nrels;
};

struct walk {
    peri_planner_t *p;
    json_t *names; /* column references in lower case: "column", or "table\1column" */
    struct star *stars;
    size_t nstars;
    peri_err_t *err;
};

static int visit_query(struct walk *w, json_t *query, struct scope *up);
static int visit_expr(struct walk *w, json_t *v, struct scope *s);

static void lower(const char *s, char *out, size_t cap)
{
    size_t i = 0;
    for (; s[i] && i + 1 < cap; i++)
        out[i] = s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i];
    out[i] = '\0';
}

static int name_index(const json_t *ref, const char *prefix)
{
    const char *name = peri_ast_str(ref, "table_name");
    size_t n = strlen(prefix);
    if (!peri_ast_is_type(ref, "BASE_TABLE") || strncmp(name, prefix, n) != 0) return -1;
    char *end;
    long i = strtol(name + n, &end, 10);
    return end != name + n && !*end ? (int)i : -1;
}

int peri_rel_index(const json_t *ref)
{
    return name_index(ref, "peri_r");
}

int peri_step_index(const json_t *ref)
{
    return name_index(ref, "peri_s");
}

int peri_rel_column(const peri_rel_t *rel, const char *name)
{
    for (size_t i = 0; i < rel->info.ncolumns; i++)
        if (strcasecmp(rel->info.columns[i], name) == 0) return (int)i;
    return -1;
}

static int is_relation(json_t *node, void *arg)
{
    (void)arg;
    return peri_rel_index(node) >= 0 ? -1 : 0;
}

bool peri_has_relations(json_t *tree)
{
    return peri_ast_walk(tree, is_relation, NULL) != 0;
}

/* ---- tables ---- */

static const char *find_cte(const struct scope *s, const char *name)
{
    char key[256];
    lower(name, key, sizeof key);
    for (; s; s = s->up) {
        const char *unique = json_string_value(json_object_get(s->ctes, key));
        if (unique) return unique;
    }
    return NULL;
}

static int add_relation(struct walk *w, json_t *ref, struct scope *s)
{
    peri_planner_t *p = w->p;
    const char *table = peri_ast_str(ref, "table_name");
    const char *schema = peri_ast_str(ref, "schema_name");
    const char *alias = peri_ast_str(ref, "alias");
    if (strncasecmp(table, "peri_", 5) == 0)
        return peri_err_set(
            w->err, PERI_ENOTFOUND,
            "there is no table '%s': names that begin with peri_ are reserved", table);
    if (p->nrels == MAX_RELATIONS)
        return peri_err_set(w->err, PERI_ELIMIT,
                            "the statement names more than %d tables; split it",
                            MAX_RELATIONS);
    if (p->nrels == p->cap_rels) {
        p->cap_rels = p->cap_rels ? 2 * p->cap_rels : 8;
        p->rels = peri_xrealloc(p->rels, p->cap_rels, sizeof *p->rels);
    }
    peri_rel_t *rel = &p->rels[p->nrels];
    memset(rel, 0, sizeof *rel);
    if (p->resolver->resolve(p->resolver->arg, peri_ast_str(ref, "catalog_name"), schema,
                             table, &rel->info, w->err))
        return -1;
    rel->schema = peri_arena_strdup(p->arena, schema);
    rel->table = peri_arena_strdup(p->arena, table);
    rel->named = *alias != '\0';
    rel->alias = peri_arena_strdup(p->arena, rel->named ? alias : table);
    for (size_t i = 0; !rel->named && i < s->nrels; i++) /* a.t, b.t: keep both apart */
        if (strcasecmp(p->rels[s->rels[i]].alias, rel->alias) == 0 && *schema)
            rel->alias = peri_arena_printf(p->arena, "%s.%s", schema, table);
    if (json_array_size(peri_ast_list(ref, "column_name_alias")))
        rel->positional = rel->whole = true, rel->shape = "a column alias list";
    rel->terms = json_array();
    s->rels = peri_xrealloc(s->rels, s->nrels + 1, sizeof *s->rels);
    s->rels[s->nrels++] = (int)p->nrels;
    char name[32];
    snprintf(name, sizeof name, "peri_r%zu", p->nrels++);
    json_object_set_new(ref, "table_name", json_string(name));
    json_object_set_new(ref, "schema_name", json_string(""));
    json_object_set_new(ref, "catalog_name", json_string(""));
    json_object_set_new(ref, "alias", json_string(rel->alias));
    return 0;
}

static int visit_table(struct walk *w, json_t *ref, struct scope *s)
{
    const char *table = peri_ast_str(ref, "table_name");
    const char *schema = peri_ast_str(ref, "schema_name");
    bool plain = !*peri_ast_str(ref, "catalog_name") &&
                 (!*schema || strcasecmp(schema, "recurring") == 0);
    const char *cte = plain ? find_cte(s, table) : NULL;
    if (!cte) return add_relation(w, ref, s);
    if (!*peri_ast_str(ref, "alias"))
        json_object_set_new(ref, "alias", json_string(table));
    json_object_set_new(ref, "table_name", json_string(cte));
    return 0;
}

/* Every relation at or below a table reference of this block shows all its columns. */
static int all_shown(json_t *node, void *arg)
{
    struct walk *w = arg;
    int i = peri_rel_index(node);
    if (i >= 0) {
        w->p->rels[i].whole = true;
        if (!w->p->rels[i].shape) w->p->rels[i].shape = "NATURAL JOIN or PIVOT";
    }
    return 0;
}

static void note_name(struct walk *w, const char *table, const char *column)
{
    char key[512];
    if (table)
        snprintf(key, sizeof key, "%s\1%s", table, column);
    else
        snprintf(key, sizeof key, "%s", column);
    lower(key, key, sizeof key);
    json_object_set_new(w->names, key, json_true());
}

static int visit_from(struct walk *w, json_t *ref, struct scope *s)
{
    if (peri_ast_is_type(ref, "BASE_TABLE")) return visit_table(w, ref, s);
    if (peri_ast_is_type(ref, "SUBQUERY"))
        return visit_query(w, peri_ast_subquery(ref), s);
    if (peri_ast_is_type(ref, "JOIN")) {
        if (visit_from(w, peri_ast_get(ref, "left"), s) ||
            visit_from(w, peri_ast_get(ref, "right"), s))
            return -1;
        size_t i;
        json_t *name;
        json_array_foreach(peri_ast_list(ref, "using_columns"), i, name)
            note_name(w, NULL, json_string_value(name));
        if (strcmp(peri_ast_str(ref, "ref_type"), "NATURAL") == 0)
            peri_ast_walk_block(ref, all_shown, w);
        return visit_expr(w, json_object_get(ref, "condition"), s);
    }
    if (peri_ast_is_type(ref, "PIVOT")) {
        if (visit_from(w, peri_ast_get(ref, "source"), s)) return -1;
        peri_ast_walk_block(ref, all_shown, w);
        return visit_expr(w, json_object_get(ref, "aggregates"), s) ||
               visit_expr(w, json_object_get(ref, "pivots"), s);
    }
    const char *key;
    json_t *child; /* table functions and VALUES */
    json_object_foreach(ref, key, child) if (visit_expr(w, child, s)) return -1;
    return 0;
}

/* ---- columns ---- */

/* dataset.table.column: drop the dataset where it names a table in scope. */
static void shorten(struct walk *w, json_t *parts, const struct scope *s)
{
    for (size_t skip = 0; skip < 2 && json_array_size(parts) >= 3 + skip; skip++) {
        const char *schema = json_string_value(json_array_get(parts, skip));
        const char *table = json_string_value(json_array_get(parts, skip + 1));
        for (const struct scope *at = s; at; at = at->up) {
            for (size_t i = 0; i < at->nrels; i++) {
                const peri_rel_t *rel = &w->p->rels[at->rels[i]];
                if (rel->named || !*rel->schema || strcasecmp(rel->schema, schema) != 0 ||
                    strcasecmp(rel->table, table) != 0)
                    continue;
                for (size_t k = 0; k <= skip; k++) json_array_remove(parts, 0);
                json_array_set_new(parts, 0, json_string(rel->alias));
                return;
            }
        }
    }
}

/* a.b is column b of table a, or field b of column a; longer ones may be anything. */
static void note_column(struct walk *w, const json_t *parts)
{
    size_t i, n = json_array_size(parts);
    json_t *part;
    json_array_foreach(parts, i, part)
    {
        if (n != 2 || i == 0)
            note_name(w, NULL, json_string_value(part));
        else
            note_name(w, json_string_value(json_array_get(parts, 0)),
                      json_string_value(part));
    }
}

static void visit_column(struct walk *w, json_t *node, const struct scope *s)
{
    json_t *parts = peri_ast_list(node, "column_names");
    size_t i;
    shorten(w, parts, s);
    note_column(w, parts);
    const char *last =
        json_string_value(json_array_get(parts, json_array_size(parts) - 1));
    for (const struct scope *at = s; last && at; at = at->up) {
        for (i = 0; i < at->nrels;
             i++) { /* the table's name alone: a struct of its row */
            peri_rel_t *rel = &w->p->rels[at->rels[i]];
            if (strcasecmp(rel->alias, last) != 0 || peri_rel_column(rel, last) >= 0)
                continue;
            rel->whole = true;
            rel->shape = "the table's name as a value";
        }
    }
}

static void visit_star(struct walk *w, json_t *node, const struct scope *s)
{
    const char *of = peri_ast_str(node, "relation_name");
    w->stars = peri_xrealloc(w->stars, w->nstars + 1, sizeof *w->stars);
    struct star *star = &w->stars[w->nstars++];
    *star = (struct star){.node = node};
    star->rels = peri_xcalloc(s->nrels + 1, sizeof *star->rels);
    for (size_t i = 0; i < s->nrels; i++) {
        peri_rel_t *rel = &w->p->rels[s->rels[i]];
        if (*of && strcasecmp(of, rel->alias) != 0) continue;
        rel->whole = true;
        star->rels[star->nrels++] = s->rels[i];
        if (peri_ast_get(node, "expr")) rel->shape = "COLUMNS(...)";
    }
}

static int visit_expr(struct walk *w, json_t *v, struct scope *s)
{
    size_t i;
    json_t *child;
    const char *key;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child) if (visit_expr(w, child, s)) return -1;
        return 0;
    }
    if (!json_is_object(v)) return 0;
    if (peri_ast_is_class(v, "COLUMN_REF"))
        visit_column(w, v, s);
    else if (peri_ast_is_class(v, "STAR"))
        visit_star(w, v, s);
    json_object_foreach(v, key, child)
    {
        if (strcmp(key, "subquery") == 0) {
            if (visit_query(w, peri_ast_subquery(v), s)) return -1;
        } else if (visit_expr(w, child, s)) {
            return -1;
        }
    }
    return 0;
}

/* ---- query nodes ---- */

static const char *cte_name_new(peri_planner_t *p, const char *name)
{
    p->cte_names = peri_xrealloc(p->cte_names, p->nctes + 1, sizeof *p->cte_names);
    p->cte_names[p->nctes] = peri_arena_strdup(p->arena, name);
    return peri_arena_printf(p->arena, "peri_c%zu", p->nctes++);
}

static int visit_ctes(struct walk *w, json_t *query, struct scope *s)
{
    size_t i;
    json_t *entry;
    json_array_foreach(peri_ast_list(peri_ast_get(query, "cte_map"), "map"), i, entry)
    {
        const char *name = peri_ast_str(entry, "key");
        json_t *body = peri_ast_cte_body(entry);
        const char *unique = cte_name_new(w->p, name);
        char key[256];
        lower(name, key, sizeof key);
        if (peri_ast_is_type(body, "RECURSIVE_CTE_NODE")) {
            json_object_set_new(s->ctes, key, json_string(unique));
            json_object_set_new(body, "cte_name", json_string(unique));
        }
        if (visit_query(w, body, s)) return -1;
        json_object_set_new(s->ctes, key, json_string(unique));
        json_object_set_new(entry, "key", json_string(unique));
    }
    return 0;
}

/* ORDER BY ALL is a star over the output, not over the tables. */
static bool is_order_all(const json_t *order)
{
    const json_t *e = peri_ast_get(order, "expression");
    return peri_ast_is_class(e, "STAR") && peri_ast_true(e, "columns") &&
           !peri_ast_get(e, "expr");
}

static int visit_modifiers(struct walk *w, json_t *query, struct scope *s)
{
    size_t i, j;
    json_t *mod, *order;
    json_array_foreach(peri_ast_list(query, "modifiers"), i, mod)
    {
        json_array_foreach(peri_ast_list(mod, "orders"), j, order)
        {
            if (!is_order_all(order) && visit_expr(w, order, s)) return -1;
        }
        if (visit_expr(w, json_object_get(mod, "distinct_on_targets"), s) ||
            visit_expr(w, json_object_get(mod, "limit"), s) ||
            visit_expr(w, json_object_get(mod, "offset"), s))
            return -1;
    }
    return 0;
}

static int visit_query(struct walk *w, json_t *query, struct scope *up)
{
    static const char *const exprs[] = {
        "select_list", "where_clause", "group_expressions", "having",
        "qualify",     "aliases",      "key_targets"};
    struct scope s = {.up = up, .ctes = json_object()};
    int rc = -1;
    json_t *from = peri_ast_get(query, "from_table");
    if (visit_ctes(w, query, &s)) goto out;
    if (from && visit_from(w, from, &s)) goto out;
    for (size_t i = 0; i < sizeof exprs / sizeof *exprs; i++)
        if (visit_expr(w, json_object_get(query, exprs[i]), &s)) goto out;
    if (visit_modifiers(w, query, &s)) goto out;
    if (!peri_ast_is_type(query, "SELECT_NODE")) {
        if (peri_ast_get(query, "left") &&
            visit_query(w, peri_ast_get(query, "left"), &s))
            goto out;
        if (peri_ast_get(query, "right") &&
            visit_query(w, peri_ast_get(query, "right"), &s))
            goto out;
        size_t i;
        json_t *child;
        json_array_foreach(peri_ast_list(query, "children"), i, child)
        {
            if (visit_query(w, child, &s)) goto out;
        }
    }
    rc = 0;
out:
    json_decref(s.ctes);
    free(s.rels);
    return rc;
}

/* ---- the end ---- */

static bool named(const struct walk *w, const peri_rel_t *rel, const char *column)
{
    char key[512];
    snprintf(key, sizeof key, "%s\1%s", rel->alias, column);
    lower(key, key, sizeof key);
    if (json_object_get(w->names, key)) return true;
    snprintf(key, sizeof key, "%s", column);
    lower(key, key, sizeof key);
    return json_object_get(w->names, key) != NULL;
}

static int finish_relation(struct walk *w, peri_rel_t *rel)
{
    size_t n = rel->info.ncolumns;
    rel->used = peri_arena_calloc(w->p->arena, n + 1, sizeof *rel->used);
    for (size_t i = 0; i < n; i++)
        if (rel->whole || named(w, rel, rel->info.columns[i]))
            rel->used[rel->nused++] = (uint32_t)i;
    for (unsigned i = 0; i < PERI_NVIRTUALS; i++) {
        const char *name = peri_virtual_name(i);
        if (!named(w, rel, name) || peri_rel_column(rel, name) >= 0 ||
            (1u << i == PERI_VIRT_SNAPNUM && !rel->info.has_snapnum))
            continue;
        rel->virtuals |= 1u << i;
        if (rel->shape)
            return peri_err_set(
                w->err, PERI_EUNSUPP,
                "the virtual column '%s' of %s cannot be used together with %s; "
                "name the columns you want",
                name, rel->info.display, rel->shape);
    }
    return 0;
}

static void exclude_virtuals(struct walk *w, const struct star *star)
{
    json_t *list = json_object_get(star->node, "qualified_exclude_list");
    if (!json_is_array(list))
        list = json_array();
    else
        json_incref(list);
    for (size_t i = 0; i < star->nrels; i++) {
        const peri_rel_t *rel = &w->p->rels[star->rels[i]];
        for (unsigned bit = 0; bit < PERI_NVIRTUALS; bit++)
            if (rel->virtuals & (1u << bit))
                json_array_append_new(list,
                                      json_pack("{s:s, s:s, s:s, s:s}", "catalog", "",
                                                "schema", "", "table", rel->alias,
                                                "column", peri_virtual_name(bit)));
    }
    if (json_array_size(list))
        json_object_set(star->node, "qualified_exclude_list", list);
    json_decref(list);
}

int peri_scope_resolve(peri_planner_t *p, json_t *query, peri_err_t *err)
{
    struct walk w = {.p = p, .names = json_object(), .err = err};
    int rc = visit_query(&w, query, NULL);
    for (size_t i = 0; rc == 0 && i < p->nrels; i++)
        rc = finish_relation(&w, &p->rels[i]);
    for (size_t i = 0; i < w.nstars; i++) {
        if (rc == 0) exclude_virtuals(&w, &w.stars[i]);
        free(w.stars[i].rels);
    }
    free(w.stars);
    json_decref(w.names);
    return rc;
}

void peri_message_clean(const peri_planner_t *p, peri_err_t *err)
{
    if (!err) return;
    char *line = strstr(err->text, "\n\nLINE ");
    if (line) *line = '\0';
    peri_buf_t b;
    peri_buf_init(&b, 4096);
    for (const char *s = err->text; *s;) {
        char *end = NULL;
        bool rel = strncmp(s, "peri_r", 6) == 0, cte = strncmp(s, "peri_c", 6) == 0;
        size_t i = rel || cte ? strtoul(s + 6, &end, 10) : 0;
        if (end && end > s + 6 && (rel ? i < p->nrels : i < p->nctes)) {
            peri_buf_puts(&b, rel ? p->rels[i].info.display : p->cte_names[i]);
            s = end;
        } else {
            peri_buf_putc(&b, *s++);
        }
    }
    if (b.data) snprintf(err->text, sizeof err->text, "%s", b.data);
    peri_buf_free(&b);
    peri_meant_column(err);
}
