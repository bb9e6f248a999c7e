/* type.c - logical types into the tree that encoding and decoding walk along. */
#include "core/rows/type.h"

#include <stdlib.h>

#include "core/base/util.h"

#define MAX_DEPTH 64

static const struct fixed {
    duckdb_type id;
    uint32_t width;
} fixed_types[] = {
    {DUCKDB_TYPE_BOOLEAN, 1},      {DUCKDB_TYPE_TINYINT, 1},
    {DUCKDB_TYPE_SMALLINT, 2},     {DUCKDB_TYPE_INTEGER, 4},
    {DUCKDB_TYPE_BIGINT, 8},       {DUCKDB_TYPE_UTINYINT, 1},
    {DUCKDB_TYPE_USMALLINT, 2},    {DUCKDB_TYPE_UINTEGER, 4},
    {DUCKDB_TYPE_UBIGINT, 8},      {DUCKDB_TYPE_FLOAT, 4},
    {DUCKDB_TYPE_DOUBLE, 8},       {DUCKDB_TYPE_TIMESTAMP, 8},
    {DUCKDB_TYPE_DATE, 4},         {DUCKDB_TYPE_TIME, 8},
    {DUCKDB_TYPE_INTERVAL, 16},    {DUCKDB_TYPE_HUGEINT, 16},
    {DUCKDB_TYPE_UHUGEINT, 16},    {DUCKDB_TYPE_TIMESTAMP_S, 8},
    {DUCKDB_TYPE_TIMESTAMP_MS, 8}, {DUCKDB_TYPE_TIMESTAMP_NS, 8},
    {DUCKDB_TYPE_UUID, 16},        {DUCKDB_TYPE_TIME_TZ, 8},
    {DUCKDB_TYPE_TIMESTAMP_TZ, 8}, {DUCKDB_TYPE_TIME_NS, 8},
};

static uint32_t fixed_width(duckdb_type id)
{
    for (size_t i = 0; i < sizeof(fixed_types) / sizeof(fixed_types[0]); i++)
        if (fixed_types[i].id == id) return fixed_types[i].width;
    return 0;
}

static int node_fill(rows_node_t *n, duckdb_logical_type type, int depth,
                     peri_err_t *err);

/* Takes ownership of the member's type. */
static int child_fill(rows_node_t *child, duckdb_logical_type type, int depth,
                      peri_err_t *err)
{
    int rc = node_fill(child, type, depth + 1, err);
    duckdb_destroy_logical_type(&type);
    return rc;
}

static void children_alloc(rows_node_t *n, rows_kind_t kind, size_t count)
{
    n->kind = kind;
    n->children = peri_xcalloc(count, sizeof(*n->children));
    n->nchildren = count;
}

/* A map is a list of structs of key and value. */
static int map_fill(rows_node_t *n, duckdb_logical_type type, int depth, peri_err_t *err)
{
    children_alloc(n, ROWS_LIST, 1);
    rows_node_t *entry = n->children;
    entry->id = DUCKDB_TYPE_STRUCT;
    children_alloc(entry, ROWS_STRUCT, 2);
    if (child_fill(&entry->children[0], duckdb_map_type_key_type(type), depth, err) ||
        child_fill(&entry->children[1], duckdb_map_type_value_type(type), depth, err))
        return -1;
    entry->min_bits = entry->children[0].min_bits + entry->children[1].min_bits;
    n->min_bits = 32;
    return 0;
}

/* A union is a struct whose first member says which of the others holds. */
static int struct_fill(rows_node_t *n, duckdb_logical_type type, int depth,
                       peri_err_t *err)
{
    n->is_union = n->id == DUCKDB_TYPE_UNION;
    size_t count = n->is_union ? duckdb_union_type_member_count(type) + 1
                               : duckdb_struct_type_child_count(type);
    children_alloc(n, ROWS_STRUCT, count);
    for (size_t i = 0; i < count; i++) {
        rows_node_t *child = &n->children[i];
        if (n->is_union && i == 0)
            *child = (rows_node_t){.id = DUCKDB_TYPE_UTINYINT,
                                   .kind = ROWS_FIXED,
                                   .width = 1,
                                   .limit = count - 1,
                                   .min_bits = 8};
        else if (child_fill(child,
                            n->is_union ? duckdb_union_type_member_type(type, i - 1)
                                        : duckdb_struct_type_child_type(type, i),
                            depth, err))
            return -1;
        n->min_bits += child->min_bits;
    }
    if (!n->min_bits) n->min_bits = 1;
    return 0;
}

static int node_fill(rows_node_t *n, duckdb_logical_type type, int depth, peri_err_t *err)
{
    n->id = duckdb_get_type_id(type);
    if (depth > MAX_DEPTH)
        return peri_err_set(err, PERI_EUNSUPP,
                            "a column's type is nested deeper than %d levels", MAX_DEPTH);
    duckdb_type stored = n->id == DUCKDB_TYPE_DECIMAL ? duckdb_decimal_internal_type(type)
                         : n->id == DUCKDB_TYPE_ENUM  ? duckdb_enum_internal_type(type)
                                                      : n->id;
    n->width = fixed_width(stored);
    if (n->width) {
        n->kind = ROWS_FIXED;
        n->min_bits = 8 * n->width;
        if (n->id == DUCKDB_TYPE_ENUM) n->limit = duckdb_enum_dictionary_size(type);
        if (n->id == DUCKDB_TYPE_BOOLEAN) n->limit = 2;
        return 0;
    }
    switch (n->id) {
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
    case DUCKDB_TYPE_BIT:
    case DUCKDB_TYPE_BIGNUM:
        n->kind = ROWS_TEXT;
        n->min_len = n->id == DUCKDB_TYPE_BIT ? 2 : n->id == DUCKDB_TYPE_BIGNUM ? 4 : 0;
        n->min_bits = 32;
        return 0;
    case DUCKDB_TYPE_SQLNULL:
        n->kind = ROWS_NONE;
        n->min_bits = 1;
        return 0;
    case DUCKDB_TYPE_LIST:
        children_alloc(n, ROWS_LIST, 1);
        n->min_bits = 32;
        return child_fill(n->children, duckdb_list_type_child_type(type), depth, err);
    case DUCKDB_TYPE_MAP:
        return map_fill(n, type, depth, err);
    case DUCKDB_TYPE_ARRAY:
        children_alloc(n, ROWS_ARRAY, 1);
        n->array_size = duckdb_array_type_array_size(type);
        if (child_fill(n->children, duckdb_array_type_child_type(type), depth, err))
            return -1;
        n->min_bits = n->array_size * n->children->min_bits;
        return 0;
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION:
        return struct_fill(n, type, depth, err);
    default:
        return peri_err_set(
            err, PERI_EUNSUPP,
            "a column has a type (DuckDB's number %d) that cannot be sent "
            "between ranks; cast it, or run the query with -n 1",
            (int)n->id);
    }
}

static void node_clear(rows_node_t *n)
{
    for (size_t i = 0; i < n->nchildren; i++) node_clear(&n->children[i]);
    free(n->children);
}

peri_rows_t *peri_rows_new(const duckdb_logical_type *types, size_t n, peri_err_t *err)
{
    peri_rows_t *r = peri_xcalloc(1, sizeof(*r));
    r->columns = peri_xcalloc(n ? n : 1, sizeof(*r->columns));
    r->ncolumns = n;
    for (size_t i = 0; i < n; i++) {
        if (node_fill(&r->columns[i], types[i], 0, err)) {
            peri_rows_free(r);
            return NULL;
        }
    }
    r->chunk = duckdb_create_data_chunk((duckdb_logical_type *)types, n);
    if (!r->chunk) {
        peri_err_set(err, PERI_EINTERNAL, "DuckDB cannot make a chunk of these types");
        peri_rows_free(r);
        return NULL;
    }
    return r;
}

void peri_rows_free(peri_rows_t *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->ncolumns; i++) node_clear(&r->columns[i]);
    free(r->columns);
    if (r->chunk) duckdb_destroy_data_chunk(&r->chunk);
    free(r);
}
