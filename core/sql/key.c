/* key.c - GROUP BY columns whose bounds are known, with keys that DuckDB puts into an
 * array instead of a hash table.
 *
 *   SELECT k, sum(x) FROM t GROUP BY k
 *   SELECT CAST(enum_code(peri_key10(k)) AS INTEGER) AS k, sum(x) FROM t
 *   GROUP BY peri_key10(k)
 *
 * peri_key<bits> (core/engine/keys.c) gives an ENUM, whose type tells DuckDB the bounds;
 * it fails where a value is beyond them, so wrong bounds never give a wrong answer.
 * DuckDB takes an array if all keys of the GROUP BY have MAX_BITS together and no
 * aggregate is DISTINCT; else a statement stays as it is. So it does with snapnum alone:
 * a scan gives it as one value for many rows, which is faster still.
 *
 * The tree that is changed must be a copy: it may not bind (a name that means an alias
 * here and a column there), and then the caller keeps what it had.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/sql/names.h"
#include "core/sql/preds.h"
#include "core/sql/splits.h"

#define MIN_BITS 2
#define MAX_BITS 12 /* all keys together: DuckDB's perfect_ht_threshold */
#define MAX_KEYS (MAX_BITS / MIN_BITS)
/* For smaller tables the planning takes longer than what it saves. */
#define MIN_ROWS ((uint64_t)1 << 20)
#define FAR      ((int64_t)1 << 62)

typedef struct {
    json_t *column;         /* as the block spells it */
    json_t *shorter, *same; /* the key; the column's value out of it */
} shortkey_t;

typedef struct {
    const peri_from_t *from;
    json_t *query, *items;
    shortkey_t keys[MAX_KEYS];
    size_t nkeys, nstored; /* all; not snapnum */
    unsigned bits;         /* of all */
} block_t;

typedef struct {
    int64_t min, max;
    unsigned bits;
    bool moved;  /* the key is the value less min, not the value */
    bool stored; /* no virtual column */
    const char *type;
} range_t;

/* ---- bounds ---- */

static const char *type_name(duckdb_type t)
{
    switch (t) {
    case DUCKDB_TYPE_TINYINT:
        return "TINYINT";
    case DUCKDB_TYPE_SMALLINT:
        return "SMALLINT";
    case DUCKDB_TYPE_INTEGER:
        return "INTEGER";
    case DUCKDB_TYPE_BIGINT:
        return "BIGINT";
    case DUCKDB_TYPE_UTINYINT:
        return "UTINYINT";
    case DUCKDB_TYPE_USMALLINT:
        return "USMALLINT";
    case DUCKDB_TYPE_UINTEGER:
        return "UINTEGER";
    case DUCKDB_TYPE_UBIGINT:
        return "UBIGINT";
    default:
        return NULL;
    }
}

/* Bits of an array for n values; more than MAX_BITS if there is none. */
static unsigned bits_for(uint64_t n)
{
    unsigned bits = MIN_BITS;
    while (bits <= MAX_BITS && n > ((uint64_t)1 << bits) - 2) bits++;
    return bits;
}

static bool find_range(const peri_planner_t *p, const peri_target_t *t, range_t *out)
{
    const peri_rel_t *rel = &p->rels[t->rel];
    const size_t column = (size_t)t->column, n = rel->info.ncolumns;
    const char *name = column < n ? rel->info.columns[column]
                                  : peri_virtual_name((unsigned)(column - n));
    const bool snapnum = column >= n && 1u << (column - n) == PERI_VIRT_SNAPNUM;
    if (rel->info.rows < MIN_ROWS || (column >= n && !snapnum) ||
        peri_target_width(p, t) != 1)
        return false;
    out->stored = !snapnum;
    out->type = snapnum ? "INTEGER" : type_name(rel->types[column]);
    if (!out->type || !p->resolver->range(p->resolver->arg, rel->info.handle, name,
                                          &out->min, &out->max))
        return false;
    if (out->min < -FAR || out->max > FAR || out->max < out->min) return false;
    out->bits = bits_for((uint64_t)(out->max - out->min) + 1);
    out->moved = out->min < 0 || bits_for((uint64_t)out->max + 1) > out->bits;
    return out->bits <= MAX_BITS;
}

/* ---- the keys of a block ---- */

static int is_unusual(json_t *node, void *arg)
{
    (void)arg;
    return peri_ast_is_type(node, "GROUPING_FUNCTION") ||
                   (peri_fn_is_aggregate(node) && peri_ast_true(node, "distinct"))
               ? -1
               : 0;
}

static int is_aggregate_or_window(json_t *node, void *arg)
{
    (void)arg;
    return peri_fn_is_aggregate(node) || peri_ast_is_class(node, "WINDOW") ? -1 : 0;
}

/* GROUP BY ALL: what the select list has beside aggregates. New. */
static json_t *keys_of_items(const block_t *k)
{
    size_t i;
    json_t *item, *groups = json_array();
    json_array_foreach(k->items, i, item)
    {
        if (peri_ast_walk_block(item, is_aggregate_or_window, NULL) == 0)
            json_array_append_new(groups, json_deep_copy(item));
    }
    return groups;
}

/* The keys one by one, none of them by its number. New; NULL: several sets of keys. */
static json_t *groups_new(const block_t *k)
{
    const json_t *sets = peri_ast_list(k->query, "group_sets");
    json_t *groups = peri_ast_list(k->query, "group_expressions"), *key;
    const bool all =
        strcmp(peri_ast_str(k->query, "aggregate_handling"), "FORCE_AGGREGATES") == 0;
    size_t i, n = json_array_size(groups);
    if (all) return n || json_array_size(sets) ? NULL : keys_of_items(k);
    if (json_array_size(sets) != 1 || json_array_size(json_array_get(sets, 0)) != n)
        return NULL;
    groups = json_deep_copy(groups);
    json_array_foreach(groups, i, key)
    {
        const json_t *value = json_object_get(peri_ast_get(key, "value"), "value");
        if (!peri_ast_is_class(key, "CONSTANT") || !json_is_integer(value)) continue;
        const json_t *item =
            json_array_get(k->items, (size_t)json_integer_value(value) - 1);
        if (item) peri_ast_become(key, json_deep_copy(item));
    }
    return groups;
}

/* Does a name of the result hide the column, so that HAVING or ORDER BY could mean it? */
static bool is_hidden(const block_t *k, const json_t *column)
{
    const json_t *parts = peri_ast_list(column, "column_names");
    const char *name =
        json_string_value(json_array_get(parts, json_array_size(parts) - 1));
    size_t i;
    json_t *item;
    json_array_foreach(k->items, i, item)
    {
        if (strcasecmp(peri_ast_str(item, "alias"), name) == 0 &&
            !peri_ast_same_expr(item, column))
            return true;
    }
    return false;
}

static bool add_key(block_t *k, const json_t *column)
{
    peri_planner_t *p = k->from->p;
    peri_target_t t;
    range_t r;
    char least[32] = "", key[64];
    if (k->nkeys == MAX_KEYS || !peri_from_column(k->from, column, &t) ||
        is_hidden(k, column) || !find_range(p, &t, &r) ||
        (k->bits += r.bits) > MAX_BITS || p->resolver->key(p->resolver->arg, r.bits))
        return false;
    if (r.moved) snprintf(least, sizeof(least), ", %lld", (long long)r.min);
    snprintf(key, sizeof(key), "peri_key%u(a%s)", r.bits, least);
    const char *same =
        r.moved ? peri_arena_printf(p->arena,
                                    "CAST(CAST(enum_code(%s) AS BIGINT) + %lld AS %s)",
                                    key, (long long)r.min, r.type)
                : peri_arena_printf(p->arena, "CAST(enum_code(%s) AS %s)", key, r.type);
    json_t *args = json_pack("[O]", column);
    const peri_binding_t b = {.args = args};
    k->nstored += r.stored;
    shortkey_t *added = &k->keys[k->nkeys++];
    *added = (shortkey_t){json_deep_copy(column), peri_template_new(p, key, b),
                          peri_template_new(p, same, b)};
    json_object_set_new(added->column, "alias", json_string(""));
    json_decref(args);
    return added->shorter && added->same;
}

/* ---- the block with these keys ---- */

static void replace(const block_t *k, json_t *v);

/* What is aggregated stays as it is. */
static void replace_expr(const block_t *k, json_t *node)
{
    const char *name;
    json_t *child;
    for (size_t i = 0; i < k->nkeys; i++) {
        if (!peri_ast_same_expr(k->keys[i].column, node)) continue;
        peri_ast_become(node, json_deep_copy(k->keys[i].same));
        return;
    }
    if (peri_fn_is_aggregate(node) || peri_ast_is_class(node, "SUBQUERY")) return;
    json_object_foreach(node, name, child) replace(k, child);
}

static void replace(const block_t *k, json_t *v)
{
    size_t i;
    json_t *child;
    const char *name;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child) replace(k, child);
    } else if (json_object_get(v, "class")) {
        replace_expr(k, v);
    } else if (json_is_object(v)) {
        json_object_foreach(v, name, child) replace(k, child);
    }
}

static void name_items(const block_t *k)
{
    size_t i;
    json_t *item;
    json_array_foreach(k->items, i, item)
    {
        const json_t *parts = peri_ast_list(item, "column_names");
        const size_t n = json_array_size(parts);
        if (peri_ast_is_class(item, "COLUMN_REF") && !*peri_ast_str(item, "alias") && n)
            peri_ast_with_alias(item, json_string_value(json_array_get(parts, n - 1)));
    }
}

static void use_keys(const block_t *k)
{
    static const char *const above[] = {"select_list", "having", "qualify", "modifiers"};
    json_t *groups = json_array(), *set = json_array();
    name_items(k);
    for (size_t i = 0; i < sizeof(above) / sizeof(above[0]); i++)
        replace(k, json_object_get(k->query, above[i]));
    for (size_t i = 0; i < k->nkeys; i++) {
        json_array_append(groups, k->keys[i].shorter);
        json_array_append_new(set, json_integer((json_int_t)i));
    }
    json_object_set_new(k->query, "group_expressions", groups);
    json_object_set_new(k->query, "group_sets", json_pack("[o]", set));
    json_object_set_new(k->query, "aggregate_handling", json_string("STANDARD_HANDLING"));
}

static bool has_many_rows(const peri_from_t *b)
{
    for (size_t i = 0; i < b->nsources; i++)
        if (b->sources[i].rel >= 0 && b->p->rels[b->sources[i].rel].info.rows >= MIN_ROWS)
            return true;
    return false;
}

static bool has_distinct_on(const json_t *query)
{
    size_t i;
    json_t *mod;
    json_array_foreach(peri_ast_list(query, "modifiers"), i, mod)
    {
        if (json_array_size(peri_ast_list(mod, "distinct_on_targets"))) return true;
    }
    return false;
}

static void shorten(const peri_from_t *from, json_t *query)
{
    block_t k = {
        .from = from, .query = query, .items = peri_ast_list(query, "select_list")};
    size_t i;
    json_t *key;
    if (!has_many_rows(from) || has_distinct_on(query) ||
        peri_ast_walk_block(k.items, is_unusual, NULL) ||
        peri_ast_walk_block(json_object_get(query, "having"), is_unusual, NULL) ||
        peri_ast_walk_block(json_object_get(query, "qualify"), is_unusual, NULL) ||
        peri_ast_walk_block(json_object_get(query, "modifiers"), is_unusual, NULL))
        return;
    peri_names_unify(from->p, query);
    json_t *groups = groups_new(&k);
    bool all = json_array_size(groups) > 0;
    json_array_foreach(groups, i, key) all = all && add_key(&k, key);
    if (all && k.nstored) {
        use_keys(&k);
        from->p->nkeys += k.nkeys;
    }
    for (i = 0; i < k.nkeys; i++) {
        json_decref(k.keys[i].column);
        json_decref(k.keys[i].shorter);
        json_decref(k.keys[i].same);
    }
    json_decref(groups);
}

bool peri_keys_shorten(peri_planner_t *p, json_t *query)
{
    const size_t before = p->nkeys;
    if (!p->resolver->range || !p->resolver->key) return false;
    peri_selects_walk(p, query, shorten);
    return p->nkeys > before;
}
