/* origin.c - which column of which table an output column shows, for its unit.
 *
 * Followed through names, subqueries, components of vectors and functions whose result
 * has the unit of their first argument. When in doubt: computed.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/sql/planner.h"

static const peri_origin_t COMPUTED = {-1, -1};

/* Columns that a source or a query shows. Strings are borrowed from the tree. */
struct shown {
    const char *source; /* alias of the table they come from */
    const char *name;
    peri_origin_t origin;
};

struct columns {
    struct shown *c;
    size_t n;
    bool unclear; /* USING, renamed stars, ...: positions are not known */
};

static void query_columns(const peri_planner_t *p, const json_t *q, struct columns *out);

static void append(struct columns *to, const char *source, const char *name,
                   peri_origin_t origin)
{
    to->c = peri_xrealloc(to->c, to->n + 1, sizeof *to->c);
    to->c[to->n++] = (struct shown){source, name, origin};
}

/* A table reference with an alias list shows its columns under other names. */
static const char *renamed(const json_t *ref, size_t i, const char *name)
{
    const char *alias =
        json_string_value(json_array_get(peri_ast_list(ref, "column_name_alias"), i));
    return alias ? alias : name;
}

static void from_columns(const peri_planner_t *p, const json_t *from, struct columns *out)
{
    int rel = peri_rel_index(from);
    const char *alias = peri_ast_str(from, "alias");
    if (!from || peri_ast_is_type(from, "EMPTY")) return;
    if (peri_ast_is_type(from, "JOIN")) {
        if (json_array_size(peri_ast_list(from, "using_columns")) ||
            strcmp(peri_ast_str(from, "ref_type"), "NATURAL") == 0)
            out->unclear = true;
        const char *kind = peri_ast_str(from, "join_type");
        from_columns(p, peri_ast_get(from, "left"), out);
        if (strcmp(kind, "SEMI") != 0 && strcmp(kind, "ANTI") != 0)
            from_columns(p, peri_ast_get(from, "right"), out);
    } else if (rel >= 0) {
        const peri_rel_t *r = &p->rels[rel];
        for (size_t i = 0; i < r->info.ncolumns; i++)
            append(out, alias, renamed(from, i, r->info.columns[i]),
                   (peri_origin_t){rel, (int)i});
    } else if (peri_ast_is_type(from, "SUBQUERY")) {
        struct columns below = {0};
        query_columns(p, peri_ast_subquery(from), &below);
        out->unclear = out->unclear || below.unclear;
        for (size_t i = 0; i < below.n; i++)
            append(out, alias, renamed(from, i, below.c[i].name), below.c[i].origin);
        free(below.c);
    } else {
        out->unclear = true;
    }
}

static bool keeps_unit(const json_t *call)
{
    static const char *const names[] = {
        "-",
        "abs",
        "any_value",
        "approx_quantile",
        "arbitrary",
        "arg_max",
        "arg_min",
        "array_extract",
        "avg",
        "ceil",
        "ceiling",
        "favg",
        "first",
        "floor",
        "fsum",
        "kahan_sum",
        "last",
        "list_extract",
        "mad",
        "max",
        "max_by",
        "mean",
        "median",
        "min",
        "min_by",
        "mode",
        "quantile",
        "quantile_cont",
        "quantile_disc",
        "round",
        "sem",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "sum",
        "sumkahan",
        "trunc",
    };
    size_t nargs = json_array_size(peri_ast_list(call, "children"));
    const char *name = peri_ast_str(call, "function_name");
    if (strcmp(name, "-") == 0 && nargs != 1) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) return nargs > 0;
    return false;
}

static peri_origin_t expr_origin(const json_t *e, const struct columns *from)
{
    const json_t *parts = peri_ast_list(e, "column_names");
    size_t n = json_array_size(parts), found = 0;
    if (peri_ast_is_class(e, "CAST")) return expr_origin(peri_ast_get(e, "child"), from);
    if (peri_ast_is_type(e, "ARRAY_EXTRACT") ||
        (peri_ast_is_class(e, "FUNCTION") && keeps_unit(e)))
        return expr_origin(json_array_get(peri_ast_list(e, "children"), 0), from);
    if (!peri_ast_is_class(e, "COLUMN_REF") || n < 1 || n > 2) return COMPUTED;
    const char *table = n == 2 ? json_string_value(json_array_get(parts, 0)) : NULL;
    const char *name = json_string_value(json_array_get(parts, n - 1));
    peri_origin_t origin = COMPUTED;
    for (size_t i = 0; i < from->n; i++) {
        if (strcasecmp(from->c[i].name, name) != 0 ||
            (table && strcasecmp(from->c[i].source, table) != 0))
            continue;
        if (found++ == 0)
            origin = from->c[i].origin; /* USING: both sides, the left counts */
    }
    return found ? origin : COMPUTED;
}

static bool excluded(const json_t *star, const char *name)
{
    size_t i;
    json_t *e;
    json_array_foreach(peri_ast_list(star, "exclude_list"), i, e)
    {
        if (strcasecmp(json_string_value(e), name) == 0) return true;
    }
    return false;
}

static void star_columns(const json_t *star, const struct columns *from,
                         struct columns *out)
{
    const char *of = peri_ast_str(star, "relation_name");
    if (from->unclear || peri_ast_get(star, "expr") ||
        json_array_size(json_object_get(star, "replace_list")) ||
        json_array_size(json_object_get(star, "rename_list")))
        out->unclear = true;
    for (size_t i = 0; i < from->n; i++)
        if ((!*of || strcasecmp(of, from->c[i].source) == 0) &&
            !excluded(star, from->c[i].name))
            append(out, "", from->c[i].name, from->c[i].origin);
}

static void query_columns(const peri_planner_t *p, const json_t *q, struct columns *out)
{
    if (peri_ast_is_type(q, "SET_OPERATION_NODE")) {
        query_columns(p, peri_ast_get(q, "left"), out);
        return;
    }
    if (!peri_ast_is_type(q, "SELECT_NODE")) {
        out->unclear = true;
        return;
    }
    struct columns from = {0};
    size_t i;
    json_t *item;
    from_columns(p, peri_ast_get(q, "from_table"), &from);
    json_array_foreach(peri_ast_list(q, "select_list"), i, item)
    {
        const json_t *parts = peri_ast_list(item, "column_names");
        const char *name = peri_ast_str(item, "alias");
        if (!*name && parts)
            name = json_string_value(json_array_get(parts, json_array_size(parts) - 1));
        if (peri_ast_is_class(item, "STAR"))
            star_columns(item, &from, out);
        else
            append(out, "", name, expr_origin(item, &from));
    }
    free(from.c);
}

void peri_origins_find(const peri_planner_t *p, const json_t *query, size_t n,
                       peri_origin_t *out)
{
    struct columns c = {0};
    query_columns(p, query, &c);
    for (size_t i = 0; i < n; i++)
        out[i] = c.unclear || c.n != n ? COMPUTED : c.c[i].origin;
    free(c.c);
}
