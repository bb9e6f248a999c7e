/* duck.c - talking to DuckDB for the planner. See duck.h. */
#include "core/sql/duck.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"

int peri_duck_text(duckdb_connection con, const char *sql, const char *param, char **out,
                   peri_err_t *err)
{
    int rc = -1;
    duckdb_prepared_statement st = NULL;
    duckdb_result res;
    memset(&res, 0, sizeof res);
    if (duckdb_prepare(con, sql, &st) == DuckDBError) {
        peri_err_set(err, PERI_EINVAL, "%s", duckdb_prepare_error(st));
        goto out;
    }
    if (param && duckdb_bind_varchar(st, 1, param) == DuckDBError) {
        peri_err_set(err, PERI_EINVAL, "the SQL text cannot be handed to DuckDB");
        goto out;
    }
    if (duckdb_execute_prepared(st, &res) == DuckDBError) {
        const char *why = duckdb_result_error(&res);
        peri_err_set(err, PERI_EINVAL, "%s", why ? why : "DuckDB gave no reason");
        goto out;
    }
    duckdb_data_chunk chunk = duckdb_fetch_chunk(res);
    if (chunk && duckdb_data_chunk_get_size(chunk) > 0) {
        duckdb_vector v = duckdb_data_chunk_get_vector(chunk, 0);
        uint64_t *valid = duckdb_vector_get_validity(v);
        if (!valid || duckdb_validity_row_is_valid(valid, 0)) {
            duckdb_string_t *s = duckdb_vector_get_data(v);
            size_t len = duckdb_string_t_length(*s);
            *out = duckdb_malloc(len + 1);
            memcpy(*out, duckdb_string_t_data(s), len);
            (*out)[len] = '\0';
            rc = 0;
        }
    }
    duckdb_destroy_data_chunk(&chunk);
    if (rc) peri_err_set(err, PERI_EINTERNAL, "DuckDB gave no value for %s", sql);
out:
    duckdb_destroy_result(&res);
    duckdb_destroy_prepare(&st);
    return rc;
}

int peri_duck_exec(duckdb_connection con, const char *sql, peri_err_t *err)
{
    duckdb_result res;
    memset(&res, 0, sizeof res);
    int rc = 0;
    if (duckdb_query(con, sql, &res) == DuckDBError) {
        const char *why = duckdb_result_error(&res);
        rc = peri_err_set(err, PERI_EINVAL, "%s", why ? why : "DuckDB gave no reason");
    }
    duckdb_destroy_result(&res);
    return rc;
}

int peri_duck_describe(duckdb_connection con, peri_arena_t *arena, const char *sql,
                       peri_desc_t *out, peri_err_t *err)
{
    duckdb_prepared_statement st = NULL;
    int rc = -1;
    memset(out, 0, sizeof *out);
    if (duckdb_prepare(con, sql, &st) == DuckDBError) {
        const char *why = duckdb_prepare_error(st);
        peri_err_set(err, PERI_EINVAL, "%s", why ? why : "DuckDB gave no reason");
        goto out;
    }
    out->n = duckdb_prepared_statement_column_count(st);
    out->names = peri_arena_calloc(arena, out->n + 1, sizeof *out->names);
    out->types = peri_xcalloc(out->n + 1, sizeof *out->types);
    for (size_t i = 0; i < out->n; i++) {
        const char *name = duckdb_prepared_statement_column_name(st, i);
        out->names[i] = peri_arena_strdup(arena, name ? name : "");
        duckdb_free((void *)name);
        out->types[i] = duckdb_prepared_statement_column_logical_type(st, i);
    }
    rc = 0;
out:
    duckdb_destroy_prepare(&st);
    return rc;
}

void peri_desc_clear(peri_desc_t *d)
{
    for (size_t i = 0; d->types && i < d->n; i++)
        duckdb_destroy_logical_type(&d->types[i]);
    free(d->types);
    d->types = NULL;
    d->n = 0;
}

static bool same_type(duckdb_logical_type a, duckdb_logical_type b);

/* Compares and destroys. */
static bool same_child(duckdb_logical_type a, duckdb_logical_type b)
{
    bool same = same_type(a, b);
    duckdb_destroy_logical_type(&a);
    duckdb_destroy_logical_type(&b);
    return same;
}

static bool same_text(char *a, char *b)
{
    bool same = (!a && !b) || (a && b && strcmp(a, b) == 0);
    duckdb_free(a);
    duckdb_free(b);
    return same;
}

static bool same_struct(duckdb_logical_type a, duckdb_logical_type b, bool is_union)
{
    idx_t n =
        is_union ? duckdb_union_type_member_count(a) : duckdb_struct_type_child_count(a);
    if (n != (is_union ? duckdb_union_type_member_count(b)
                       : duckdb_struct_type_child_count(b)))
        return false;
    for (idx_t i = 0; i < n; i++) {
        bool same = is_union ? same_text(duckdb_union_type_member_name(a, i),
                                         duckdb_union_type_member_name(b, i)) &&
                                   same_child(duckdb_union_type_member_type(a, i),
                                              duckdb_union_type_member_type(b, i))
                             : same_text(duckdb_struct_type_child_name(a, i),
                                         duckdb_struct_type_child_name(b, i)) &&
                                   same_child(duckdb_struct_type_child_type(a, i),
                                              duckdb_struct_type_child_type(b, i));
        if (!same) return false;
    }
    return true;
}

static bool same_enum(duckdb_logical_type a, duckdb_logical_type b)
{
    uint32_t n = duckdb_enum_dictionary_size(a);
    if (n != duckdb_enum_dictionary_size(b)) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!same_text(duckdb_enum_dictionary_value(a, i),
                       duckdb_enum_dictionary_value(b, i)))
            return false;
    return true;
}

static bool same_type(duckdb_logical_type a, duckdb_logical_type b)
{
    duckdb_type id = duckdb_get_type_id(a);
    if (id != duckdb_get_type_id(b)) return false;
    switch (id) {
    case DUCKDB_TYPE_DECIMAL:
        return duckdb_decimal_width(a) == duckdb_decimal_width(b) &&
               duckdb_decimal_scale(a) == duckdb_decimal_scale(b);
    case DUCKDB_TYPE_LIST:
        return same_child(duckdb_list_type_child_type(a), duckdb_list_type_child_type(b));
    case DUCKDB_TYPE_ARRAY:
        return duckdb_array_type_array_size(a) == duckdb_array_type_array_size(b) &&
               same_child(duckdb_array_type_child_type(a),
                          duckdb_array_type_child_type(b));
    case DUCKDB_TYPE_MAP:
        return same_child(duckdb_map_type_key_type(a), duckdb_map_type_key_type(b)) &&
               same_child(duckdb_map_type_value_type(a), duckdb_map_type_value_type(b));
    case DUCKDB_TYPE_STRUCT:
        return same_struct(a, b, false);
    case DUCKDB_TYPE_UNION:
        return same_struct(a, b, true);
    case DUCKDB_TYPE_ENUM:
        return same_enum(a, b);
    default:
        return true;
    }
}

bool peri_desc_same_types(const peri_desc_t *a, const peri_desc_t *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!same_type(a->types[i], b->types[i])) return false;
    return true;
}

bool peri_desc_same_names(const peri_desc_t *a, const peri_desc_t *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->names[i], b->names[i]) != 0) return false;
    return true;
}

bool peri_desc_unique_names(const peri_desc_t *d)
{
    for (size_t i = 0; i < d->n; i++) {
        if (!*d->names[i]) return false;
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(d->names[i], d->names[j]) == 0) return false;
    }
    return true;
}
