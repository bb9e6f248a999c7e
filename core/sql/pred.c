/* pred.c - conditions "column op constant" that may be applied before everything else.
 *
 * They come from the AND-ed terms of WHERE, and of ON of inner joins. Such a term is
 * strict: it is not true for NULL. So it may drop rows of its table early even on the
 * nullable side of an outer join, where the unmatched row would fail it anyway. Not so
 * below ASOF and POSITIONAL joins and samples, where dropping a row changes what its
 * neighbours do.
 *
 * A term is kept as syntax (for stages that filter early) and, where column and constant
 * are of comparable kinds, as hints for skipping chunks (column.c).
 */
#include <stdlib.h>

#include "core/base/util.h"
#include "core/sql/preds.h"

static bool read_comparison(const peri_from_t *b, const json_t *e, peri_target_t *t)
{
    const json_t *left = peri_ast_get(e, "left"), *right = peri_ast_get(e, "right");
    peri_constant_t c;
    peri_op_t op;
    if (!peri_comparison_read(e, &op)) return false;
    if (peri_from_scalar(b, left, t) && peri_constant_read(right, &c))
        peri_pred_compare(b->p, t, op, c);
    else if (peri_from_scalar(b, right, t) && peri_constant_read(left, &c))
        peri_pred_compare(b->p, t, peri_op_mirrored(op), c);
    else
        return false;
    return true;
}

static bool read_in(const peri_from_t *b, const json_t *e, peri_target_t *t)
{
    const json_t *args = peri_ast_list(e, "children");
    size_t n = json_array_size(args), kept = 0;
    if (!peri_ast_is_type(e, "COMPARE_IN") || n < 2 ||
        !peri_from_scalar(b, json_array_get(args, 0), t))
        return false;
    peri_const_t *values = peri_xcalloc(n, sizeof *values);
    bool constants = true, hint = true;
    for (size_t i = 1; i < n && constants; i++) {
        peri_constant_t c;
        constants = peri_constant_read(json_array_get(args, i), &c);
        if (!constants || c.null) continue; /* x = NULL is never true */
        /* a list has one type: only plain integers and strings are compared as they stand
         */
        hint = hint && peri_target_is_comparable(b->p, t, c.c.kind) &&
               c.c.kind != PERI_CONST_REAL &&
               !(peri_target_is_real(b->p, t) && peri_constant_is_large(&c));
        values[kept++] = c.c;
    }
    if (constants && hint)
        peri_pred_add(b->p, t, kept ? PERI_OP_IN : PERI_OP_NEVER, values, kept);
    free(values);
    return constants;
}

static bool read_between(const peri_from_t *b, const json_t *e, peri_target_t *t)
{
    peri_constant_t low, high;
    if (!peri_ast_is_type(e, "COMPARE_BETWEEN") ||
        !peri_from_scalar(b, peri_ast_get(e, "input"), t) ||
        !peri_constant_read(peri_ast_get(e, "lower"), &low) ||
        !peri_constant_read(peri_ast_get(e, "upper"), &high))
        return false;
    if (low.c.kind != high.c.kind &&
        (peri_constant_is_large(&low) || peri_constant_is_large(&high)))
        return true; /* all three are compared as doubles */
    if (peri_target_is_integer(b->p, t) && (low.long_tail || high.long_tail))
        return true; /* and here as DECIMALs, into which not all integers fit */
    peri_pred_compare(b->p, t, PERI_OP_GE, low);
    peri_pred_compare(b->p, t, PERI_OP_LE, high);
    return true;
}

/* A boolean column by itself, or NOT of it. */
static bool read_bool(const peri_from_t *b, const json_t *e, peri_target_t *t)
{
    bool value = !peri_ast_is_type(e, "OPERATOR_NOT");
    if (!value) e = json_array_get(peri_ast_list(e, "children"), 0);
    if (!peri_from_scalar(b, e, t) ||
        b->p->rels[t->rel].types[t->column] != DUCKDB_TYPE_BOOLEAN)
        return false;
    peri_const_t c = {.kind = PERI_CONST_BOOL, .i = value};
    peri_pred_add(b->p, t, PERI_OP_EQ, &c, 1);
    return true;
}

static void read_term(const peri_from_t *b, json_t *e)
{
    peri_target_t t;
    if (read_comparison(b, e, &t) || read_between(b, e, &t) || read_in(b, e, &t) ||
        read_bool(b, e, &t) || peri_space_read(b, e, &t))
        json_array_append_new(b->p->rels[t.rel].terms, json_deep_copy(e));
}

static void forget(peri_planner_t *p)
{
    for (size_t i = 0; i < p->nrels; i++) {
        p->rels[i].npreds = 0;
        p->rels[i].near = false;
        json_array_clear(p->rels[i].terms);
    }
    p->nnear = p->nnearest = p->nconstants = p->nfirst = 0;
}

void peri_preds_collect(peri_planner_t *p, json_t *query)
{
    forget(p);
    peri_terms_walk(p, query, read_term);
}

/* An AND within an AND, as DuckDB would read it back: one. */
static int flatten(json_t *node, void *arg)
{
    (void)arg;
    json_t *list = peri_ast_list(node, "children"), *child;
    for (size_t i = 0; peri_ast_is_type(node, "CONJUNCTION_AND") &&
                       (child = json_array_get(list, i)) != NULL;) {
        if (!peri_ast_is_type(child, "CONJUNCTION_AND")) {
            i++;
            continue;
        }
        json_t *inner = json_incref(peri_ast_list(child, "children"));
        json_array_remove(list, i);
        for (size_t k = 0; k < json_array_size(inner); k++)
            json_array_insert(list, i + k, json_array_get(inner, k));
        json_decref(inner);
    }
    return 0;
}

bool peri_preds_prepare(peri_planner_t *p, json_t *query)
{
    if (!p->resolver->ready) return false;
    if (peri_first_constants(p, query)) {
        size_t first = p->nfirst, constants = p->nconstants;
        peri_preds_collect(p, query);
        p->nfirst = first;
        p->nconstants = constants;
    }
    peri_terms_walk(p, query, peri_first_joins);
    peri_terms_walk(p, query, peri_near_join);
    peri_selects_walk(p, query, peri_nearest_bound);
    if (p->nnear + p->nnearest) peri_ast_walk(query, flatten, NULL);
    return p->nconstants + p->nnear + p->nnearest > 0;
}
