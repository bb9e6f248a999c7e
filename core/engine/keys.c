/* keys.c - keys of groups that DuckDB puts into an array instead of a hash table.
 *
 * DuckDB does that for integers whose bounds it knows, but a table function of its C API
 * cannot tell it bounds. It knows those of an ENUM by its type. So peri_key<bits>(v) is v
 * as an ENUM of 2^bits - 2 values (with NULL and one that DuckDB keeps to itself that is
 * what fits into so many bits), and enum_code() of that is v again; peri_key<bits>(v,
 * least) is v - least. A value that does not fit is an error: whoever wrote the statement
 * had wrong bounds.
 *
 * Only core/sql writes these functions; no user's statement may have them.
 */
#include "core/engine/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

typedef bool (*fill_f)(const void *values, uint64_t least, unsigned bits,
                       const uint64_t *valid, idx_t n, void *out);
/* What belongs to one of the functions. */
typedef struct {
    fill_f fill;
    unsigned bits;
} key_fill_t;

static bool is_valid(const uint64_t *valid, idx_t i)
{
    return valid[i >> 6] >> (i & 63) & 1;
}

/* Arithmetic wraps around, in a type as wide as the values: what is less than `least` is
 * far too large then. The loop without NULLs is made for SIMD: k is too large if and only
 * if a bit of k or of k + 2 is above `bits`. */
#define FILL(NAME, T, U, OUT)                                                            \
    static bool fill_##NAME(const void *values, uint64_t least, unsigned bits,           \
                            const uint64_t *valid, idx_t n, void *out)                   \
    {                                                                                    \
        const T *v = values;                                                             \
        OUT *keys = out;                                                                 \
        const U from = (U)least;                                                         \
        U seen = 0;                                                                      \
        for (idx_t i = 0; !valid && i < n; i++) {                                        \
            const U k = (U)v[i] - from;                                                  \
            seen |= k | (U)(k + 2);                                                      \
            keys[i] = (OUT)k;                                                            \
        }                                                                                \
        for (idx_t i = 0; valid && i < n; i++) {                                         \
            const U k = is_valid(valid, i) ? (U)v[i] - from : 0;                         \
            seen |= k | (U)(k + 2);                                                      \
            keys[i] = (OUT)k;                                                            \
        }                                                                                \
        return !(seen >> bits);                                                          \
    }
#define FILLS(NAME, T, U)                                                                \
    FILL(NAME##_8, T, U, uint8_t)                                                        \
    FILL(NAME##_16, T, U, uint16_t)

FILLS(i8, int8_t, uint32_t)
FILLS(i16, int16_t, uint32_t)
FILLS(i32, int32_t, uint32_t)
FILLS(i64, int64_t, uint64_t)
FILLS(u8, uint8_t, uint32_t)
FILLS(u16, uint16_t, uint32_t)
FILLS(u32, uint32_t, uint32_t)
FILLS(u64, uint64_t, uint64_t)

static const struct {
    duckdb_type type;
    fill_f fill[2]; /* ENUMs of up to 255 values have one byte */
} types[] = {{DUCKDB_TYPE_TINYINT, {fill_i8_8, fill_i8_16}},
             {DUCKDB_TYPE_SMALLINT, {fill_i16_8, fill_i16_16}},
             {DUCKDB_TYPE_INTEGER, {fill_i32_8, fill_i32_16}},
             {DUCKDB_TYPE_BIGINT, {fill_i64_8, fill_i64_16}},
             {DUCKDB_TYPE_UTINYINT, {fill_u8_8, fill_u8_16}},
             {DUCKDB_TYPE_USMALLINT, {fill_u16_8, fill_u16_16}},
             {DUCKDB_TYPE_UINTEGER, {fill_u32_8, fill_u32_16}},
             {DUCKDB_TYPE_UBIGINT, {fill_u64_8, fill_u64_16}}};
#define NTYPES (sizeof(types) / sizeof(types[0]))

static void on_key(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)
{
    const key_fill_t *key = duckdb_scalar_function_get_extra_info(info);
    duckdb_vector v = duckdb_data_chunk_get_vector(in, 0);
    const idx_t n = duckdb_data_chunk_get_size(in);
    const uint64_t *valid = duckdb_vector_get_validity(v);
    const bool moved = duckdb_data_chunk_get_column_count(in) > 1;
    int64_t least = 0;
    if (moved && n > 0)
        least = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(in, 1));
    if (valid) {
        duckdb_vector_ensure_validity_writable(out);
        memcpy(duckdb_vector_get_validity(out), valid, (n + 63) / 64 * sizeof(*valid));
    }
    if (!key->fill(duckdb_vector_get_data(v), (uint64_t)least, key->bits, valid, n,
                   duckdb_vector_get_data(out)))
        duckdb_scalar_function_set_error(
            info, "a value lies outside of the bounds that the index has for its column: "
                  "make the index anew (perigee index), or query with --no-index");
}

static duckdb_logical_type enum_new(unsigned bits)
{
    static const size_t room = sizeof("4093");
    const size_t n = ((size_t)1 << bits) - 2;
    char *text = peri_xmalloc(n * room);
    const char **names = peri_xcalloc(n, sizeof(*names));
    for (size_t i = 0; i < n; i++) {
        names[i] = text + i * room;
        snprintf(text + i * room, room, "%zu", i);
    }
    duckdb_logical_type type = duckdb_create_enum_type(names, n);
    free(names);
    free(text);
    return type;
}

static void add_to_set(duckdb_scalar_function_set set, const char *name, size_t type,
                       bool moved, unsigned bits, duckdb_logical_type result)
{
    const key_fill_t key = {types[type].fill[bits > 8], bits};
    duckdb_scalar_function f = duckdb_create_scalar_function();
    duckdb_logical_type value = duckdb_create_logical_type(types[type].type);
    duckdb_logical_type least = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_scalar_function_set_name(f, name);
    duckdb_scalar_function_add_parameter(f, value);
    if (moved) duckdb_scalar_function_add_parameter(f, least);
    duckdb_scalar_function_set_return_type(f, result);
    duckdb_scalar_function_set_function(f, on_key);
    duckdb_scalar_function_set_extra_info(
        f, memcpy(peri_xmalloc(sizeof(key)), &key, sizeof(key)), free);
    duckdb_add_scalar_function_to_set(set, f);
    duckdb_destroy_logical_type(&least);
    duckdb_destroy_logical_type(&value);
    duckdb_destroy_scalar_function(&f);
}

int peri_keys_register(duckdb_connection con, unsigned bits, peri_err_t *err)
{
    char name[32];
    snprintf(name, sizeof(name), PERI_KEY_NAME "%u", bits);
    duckdb_scalar_function_set set = duckdb_create_scalar_function_set(name);
    duckdb_logical_type result = enum_new(bits);
    for (size_t i = 0; i < NTYPES; i++) {
        add_to_set(set, name, i, false, bits, result);
        add_to_set(set, name, i, true, bits, result);
    }
    const duckdb_state st = duckdb_register_scalar_function_set(con, set);
    duckdb_destroy_logical_type(&result);
    duckdb_destroy_scalar_function_set(&set);
    return st == DuckDBError ? peri_err_set(err, PERI_EINTERNAL,
                                            "DuckDB did not take the function %s", name)
                             : 0;
}
