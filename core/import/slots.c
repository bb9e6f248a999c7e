/* slots.c - see slots.h. */
#include "core/import/slots.h"

#include <string.h>

#define ARRAY_MAX       100000 /* DuckDB's */
#define ARRAYS_OF_A_ROW 65536  /* bytes: DuckDB makes room for 2048 such rows at once */

static size_t size_of(duckdb_type t)
{
    switch (t) {
    case DUCKDB_TYPE_VARCHAR:
        return sizeof(duckdb_string_t);
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_DOUBLE:
        return 8;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_FLOAT:
        return 4;
    default:
        return 2;
    }
}

void peri_slot_choose(peri_slot_t *s, uint64_t repeat, uint64_t *total)
{
    s->repeat = repeat;
    s->shape = PERI_SLOT_LIST;
    if (repeat > ARRAY_MAX || *total + repeat * size_of(s->type) > ARRAYS_OF_A_ROW)
        return;
    *total += repeat * size_of(s->type);
    s->shape = PERI_SLOT_ARRAY;
}

duckdb_logical_type peri_slot_type(const peri_slot_t *s)
{
    duckdb_logical_type element = duckdb_create_logical_type(s->type), whole;
    if (s->shape == PERI_SLOT_ONE) return element;
    whole = s->shape == PERI_SLOT_ARRAY ? duckdb_create_array_type(element, s->repeat)
                                        : duckdb_create_list_type(element);
    duckdb_destroy_logical_type(&element);
    return whole;
}

void peri_slot_bind(peri_slot_t *s, duckdb_data_chunk out, idx_t column)
{
    s->vector = duckdb_data_chunk_get_vector(out, column);
    s->elements = s->shape == PERI_SLOT_ONE     ? s->vector
                  : s->shape == PERI_SLOT_ARRAY ? duckdb_array_vector_get_child(s->vector)
                                                : duckdb_list_vector_get_child(s->vector);
    s->used = s->bytes = 0;
}

int peri_slot_open(peri_slot_t *s, idx_t row, uint64_t n, idx_t *first, peri_err_t *err)
{
    *first = s->shape == PERI_SLOT_ONE ? row : row * s->repeat;
    if (s->shape != PERI_SLOT_LIST) return 0;
    *first = s->used;
    ((duckdb_list_entry *)duckdb_vector_get_data(s->vector))[row] =
        (duckdb_list_entry){s->used, n};
    if (duckdb_list_vector_reserve(s->vector, s->used + n) ||
        duckdb_list_vector_set_size(s->vector, s->used + n))
        return peri_err_set(err, PERI_ELIMIT, "a list that memory has no room for");
    s->elements = duckdb_list_vector_get_child(s->vector);
    s->used += n;
    s->bytes += 8 * n;
    return 0;
}

static void set_null(duckdb_vector v, idx_t at)
{
    duckdb_vector_ensure_validity_writable(v);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(v), at);
}

void peri_slot_put_null(peri_slot_t *s, idx_t at)
{
    set_null(s->elements, at);
}

void peri_slot_put_bits(peri_slot_t *s, idx_t at, uint64_t bits, size_t size)
{
    memcpy((char *)duckdb_vector_get_data(s->elements) + at * size, &bits, size);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "peri_slot_put_bits");

void peri_slot_put_text(peri_slot_t *s, idx_t at, const char *p, size_t n)
{
    s->bytes += n;
    duckdb_vector_assign_string_element_len(s->elements, at, n ? p : "", n);
}

void peri_slot_put_null_row(peri_slot_t *s, idx_t row)
{
    set_null(s->vector, row);
    if (s->shape == PERI_SLOT_LIST)
        ((duckdb_list_entry *)duckdb_vector_get_data(s->vector))[row] =
            (duckdb_list_entry){s->used, 0};
    if (s->shape != PERI_SLOT_ARRAY) return;
    for (uint64_t i = 0; i < s->repeat; i++) set_null(s->elements, row * s->repeat + i);
}

void peri_slot_join_nulls(peri_slot_t *s, idx_t row, idx_t first, uint64_t n)
{
    const uint64_t *valid = duckdb_vector_get_validity(s->elements);
    if (!valid || !n) return;
    for (idx_t i = first; i < first + n; i++)
        if (valid[i >> 6] >> (i & 63) & 1) return;
    set_null(s->vector, row);
}
