/* template.c - expressions from text with columns put in; see splits.h. */
#include "core/sql/splits.h"

#include <stdio.h>

static int bind_template(json_t *node, void *arg)
{
    const peri_binding_t *b = arg;
    const json_t *parts = peri_ast_list(node, "column_names");
    if (!peri_ast_is_class(node, "COLUMN_REF") || json_array_size(parts) != 1) return 0;
    const char *name = json_string_value(json_array_get(parts, 0));
    if (!b->letter && !name[1] && (name[0] == 'a' || name[0] == 'b')) {
        json_t *with = json_deep_copy(json_array_get(b->args, (size_t)(name[0] - 'a')));
        json_object_set_new(with, "alias", json_string(""));
        peri_ast_become(node, with);
        return 1;
    }
    if (b->letter && name[0] == b->letter && name[1] >= '0' && name[1] <= '9' &&
        !name[2]) {
        char full[32];
        snprintf(full, sizeof full, "peri_%c%zu", b->letter,
                 b->base + (size_t)(name[1] - '0'));
        peri_ast_become(node, peri_ast_column_new(NULL, full));
        return 1;
    }
    return 0;
}

static int add_filter(json_t *node, void *arg)
{
    if (!peri_fn_is_aggregate(node)) return 0;
    json_object_set_new(node, "filter", json_deep_copy(arg));
    return 1;
}

json_t *peri_template_new(peri_planner_t *p, const char *text, peri_binding_t b)
{
    const char *sql = peri_arena_printf(p->arena, "SELECT %s", text);
    json_t *q = peri_sql_parse(p->con, sql, NULL);
    json_t *expr = json_incref(json_array_get(peri_ast_list(q, "select_list"), 0));
    json_decref(q);
    if (expr) {
        peri_ast_fix_constants(expr);
        peri_ast_walk(expr, bind_template, &b);
        if (b.filter) peri_ast_walk_block(expr, add_filter, b.filter);
    }
    return expr;
}
