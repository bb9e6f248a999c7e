/* terms.c - the AND-ed terms of WHERE, and of ON of inner joins, each with the tables
 * that it sees.
 *
 * Below ASOF and POSITIONAL joins and samples dropping a row changes what its neighbours
 * do: such tables are "blocked", and their columns are not found.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/sql/preds.h"

typedef void (*term_f)(const peri_from_t *b, json_t *term);

static void walk_terms(const peri_from_t *b, json_t *e, term_f f)
{
    size_t i;
    json_t *child;
    if (peri_ast_is_type(e, "CONJUNCTION_AND")) {
        json_array_foreach(peri_ast_list(e, "children"), i, child)
            walk_terms(b, child, f);
    } else if (e) {
        f(b, e);
    }
}

static bool is_inner(const json_t *join)
{
    return strcmp(peri_ast_str(join, "join_type"), "INNER") == 0;
}

static void add_source(peri_from_t *b, int rel, bool blocked)
{
    b->sources = peri_xrealloc(b->sources, b->nsources + 1, sizeof *b->sources);
    b->sources[b->nsources++] = (struct peri_source){rel, blocked};
    if (rel < 0) b->unknown = true;
}

static void collect_sources(peri_from_t *b, const json_t *from, bool blocked)
{
    blocked = blocked || peri_ast_get(from, "sample");
    if (peri_ast_is_type(from, "JOIN")) {
        const char *kind = peri_ast_str(from, "ref_type");
        bool ordered = strcmp(kind, "ASOF") == 0 || strcmp(kind, "POSITIONAL") == 0;
        const char *type = peri_ast_str(from, "join_type");
        bool hidden = strcmp(type, "SEMI") == 0 || strcmp(type, "ANTI") == 0;
        if (!is_inner(from)) b->inner = false;
        collect_sources(b, peri_ast_get(from, "left"), blocked || ordered);
        collect_sources(b, peri_ast_get(from, "right"), blocked || ordered || hidden);
    } else if (from && !peri_ast_is_type(from, "EMPTY")) {
        add_source(b, peri_rel_index(from), blocked);
    }
}

static void inner_conditions(const peri_from_t *b, json_t *from, term_f f)
{
    if (!peri_ast_is_type(from, "JOIN")) return;
    if (is_inner(from) && strcmp(peri_ast_str(from, "ref_type"), "REGULAR") == 0) {
        /* only what this join sees, so that an outer table of the same name stays out */
        peri_from_t below = {.p = b->p, .from = from, .inner = true};
        collect_sources(&below, from, false);
        walk_terms(&below, peri_ast_get(from, "condition"), f);
        free(below.sources);
    }
    inner_conditions(b, peri_ast_get(from, "left"), f);
    inner_conditions(b, peri_ast_get(from, "right"), f);
}

struct terms {
    peri_planner_t *p;
    term_f f;
    bool selects; /* f takes whole SELECTs */
};

static int visit(json_t *node, void *arg)
{
    const struct terms *terms = arg;
    if (!peri_ast_is_type(node, "SELECT_NODE")) return 0;
    json_t *from = peri_ast_get(node, "from_table");
    peri_from_t b = {.p = terms->p, .from = from, .inner = true};
    bool sample = peri_ast_get(node, "sample") != NULL;
    collect_sources(&b, from, sample);
    if (terms->selects) {
        terms->f(&b, node);
    } else {
        walk_terms(&b, peri_ast_get(node, "where_clause"), terms->f);
        if (!sample) inner_conditions(&b, from, terms->f);
    }
    free(b.sources);
    return 0;
}

void peri_terms_walk(peri_planner_t *p, json_t *query, term_f f)
{
    struct terms terms = {p, f, false};
    peri_ast_walk(query, visit, &terms);
}

void peri_selects_walk(peri_planner_t *p, json_t *query, term_f f)
{
    struct terms terms = {p, f, true};
    peri_ast_walk(query, visit, &terms);
}
