/* parquet.c - Parquet, read by DuckDB itself; units and descriptions from the metadata
 * that core/out/parquet.c writes. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "core/import/cast.h"
#include "core/import/reader.h"

#define METADATA_MAX ((size_t)16 << 20)

/* ---- our own metadata ---- */

typedef struct {
    peri_reader_t *r;
    json_t *columns;
} metadata_t;

static json_t *parse(const char *p, size_t n)
{
    json_t *j = n < METADATA_MAX ? json_loadb(p, n, 0, NULL) : NULL;
    if (json_is_array(j)) return j;
    json_decref(j);
    return NULL;
}

static int take_metadata(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    metadata_t *m = arg;
    (void)err;
    duckdb_string_t *keys =
        duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    duckdb_string_t *values =
        duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
    for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
        const char *key = duckdb_string_t_data(&keys[i]),
                   *value = duckdb_string_t_data(&values[i]);
        size_t nkey = duckdb_string_t_length(keys[i]),
               n = duckdb_string_t_length(values[i]);
        if (nkey == 7 && !memcmp(key, "columns", 7) && !m->columns)
            m->columns = parse(value, n);
        if (nkey == 11 && !memcmp(key, "description", 11) && peri_utf8_valid(value, n))
            m->r->description = peri_arena_strndup(m->r->arena, value, n);
    }
    return 0;
}

static const char *text_of(const json_t *column, const char *key)
{
    const char *s = json_string_value(json_object_get(column, key));
    return s ? s : "";
}

static const json_t *find(const json_t *columns, const char *name)
{
    size_t i;
    const json_t *c;
    json_array_foreach(columns, i, c) if (!strcmp(text_of(c, "name"), name)) return c;
    return NULL;
}

/* ---- the reader ---- */

static int take_rows(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    peri_reader_t *r = arg;
    (void)err;
    int64_t *n = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    atomic_store(&r->all, n[0] > 0 ? (uint64_t)n[0] : 0);
    return 0;
}

static int ask(peri_reader_t *r, const char *sql,
               int (*chunk)(duckdb_data_chunk, void *, peri_err_t *), void *arg,
               peri_err_t *err)
{
    char *text = peri_xasprintf("SELECT %s('%s')", sql, r->path);
    int rc = peri_session_run(r->session, text, chunk, arg, err);
    free(text);
    return rc;
}

/* The type that the column had, where Parquet has not that; NULL: as it is. Files are not
 * trusted, but a wrong type fails with its first value. */
static duckdb_logical_type type_of(const peri_reader_t *r, const json_t *column,
                                   duckdb_logical_type given)
{
    const char *text = text_of(column, "type");
    duckdb_logical_type t = *text && strcmp(text, "NULL")
                                ? peri_cast_parse_type(r->session, text, NULL)
                                : NULL;
    if (t && peri_cast_same_type(t, given)) duckdb_destroy_logical_type(&t);
    return t;
}

static int parquet_open(peri_reader_t *r, peri_err_t *err)
{
    metadata_t m = {r, NULL};
    duckdb_logical_type *types = NULL;
    char **names = NULL;
    size_t n = 0;
    r->sql = peri_arena_printf(r->arena, "read_parquet('%s', hive_partitioning=false)",
                               r->path);
    char *sql = peri_xasprintf("SELECT * FROM %s", r->sql);
    int rc = peri_session_describe(r->session, sql, &types, &names, &n, err);
    free(sql);
    if (rc) return peri_reader_reword(r, "is damaged, or no Parquet file", err);
    rc = ask(r, "CAST(num_rows AS BIGINT) FROM parquet_file_metadata", take_rows, r,
             err) ||
                 ask(r, "key, value FROM parquet_kv_metadata", take_metadata, &m, err)
             ? peri_reader_reword(r, "is damaged", err)
             : 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *c = find(m.columns, names[i]);
        if (rc == 0)
            rc = peri_reader_column(r, names[i], text_of(c, "unit"), text_of(c, "ucd"),
                                    text_of(c, "description"), types[i],
                                    type_of(r, c, types[i]), err);
        else
            duckdb_destroy_logical_type(&types[i]);
        free(names[i]);
    }
    free(names);
    free(types);
    json_decref(m.columns);
    return rc;
}

static bool parquet_sniff(const unsigned char *head, size_t n)
{
    return n >= 4 && !memcmp(head, "PAR1", 4);
}

const peri_readops_t peri_read_parquet = {.name = "parquet",
                                          .endings = " .parquet .pq ",
                                          .sniff = parquet_sniff,
                                          .sure = true,
                                          .names_as_they_are = true,
                                          .open = parquet_open};
