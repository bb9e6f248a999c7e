/* cast.c - see cast.h. */
#include "core/import/cast.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/out/value.h"
#include "core/table/sqltype.h"

int peri_cast_put_type(duckdb_logical_type t, peri_buf_t *b)
{
    peri_field_t f;
    int rc = peri_field_init(&f, "", t, NULL);
    if (rc == 0) peri_field_sql_type(&f, b);
    peri_field_clear(&f);
    return rc;
}

bool peri_cast_same_type(duckdb_logical_type a, duckdb_logical_type b)
{
    duckdb_type id = duckdb_get_type_id(a);
    if (id != duckdb_get_type_id(b)) return false;
    peri_buf_t x, y;
    peri_buf_init(&x, 16u << 20);
    peri_buf_init(&y, 16u << 20);
    bool same = !peri_cast_put_type(a, &x) && !peri_cast_put_type(b, &y) &&
                x.len == y.len && (!x.len || !memcmp(x.data, y.data, x.len));
    peri_buf_free(&x);
    peri_buf_free(&y);
    return same;
}

duckdb_logical_type peri_cast_copy_type(duckdb_logical_type t)
{
    duckdb_data_chunk one = duckdb_create_data_chunk(&t, 1);
    duckdb_logical_type copy =
        duckdb_vector_get_column_type(duckdb_data_chunk_get_vector(one, 0));
    duckdb_destroy_data_chunk(&one);
    return copy;
}

duckdb_logical_type peri_cast_parse_type(peri_session_t *s, const char *text,
                                         peri_err_t *err)
{
    duckdb_logical_type *types = NULL, result = NULL;
    char **names = NULL;
    size_t n = 0;
    peri_buf_t b;
    peri_buf_init(&b, 1u << 20);
    peri_buf_printf(&b, "SELECT CAST(NULL AS %s) AS t", text);
    int rc = b.failed ? -1 : peri_session_describe(s, b.data, &types, &names, &n, NULL);
    if (rc == 0 && n == 1) {
        result = types[0];
        types[0] = NULL;
        peri_buf_clear(&b);
        if (peri_cast_put_type(result, &b)) duckdb_destroy_logical_type(&result);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (types[i]) duckdb_destroy_logical_type(&types[i]);
        free(names[i]);
    }
    free(types);
    free(names);
    peri_buf_free(&b);
    if (!result)
        peri_err_set(err, PERI_EINVAL,
                     "\"%.200s\" is no type: use one of SQL's, such as BIGINT, DOUBLE, "
                     "VARCHAR, TIMESTAMP, DOUBLE[3]",
                     text);
    return result;
}

static bool is_integer(duckdb_type t)
{
    return (t >= DUCKDB_TYPE_TINYINT && t <= DUCKDB_TYPE_UBIGINT) ||
           t == DUCKDB_TYPE_HUGEINT || t == DUCKDB_TYPE_UHUGEINT;
}

static bool is_fraction(duckdb_type t)
{
    return t == DUCKDB_TYPE_FLOAT || t == DUCKDB_TYPE_DOUBLE || t == DUCKDB_TYPE_DECIMAL;
}

bool peri_cast_is_nested(duckdb_logical_type type)
{
    duckdb_type t = duckdb_get_type_id(type);
    return t == DUCKDB_TYPE_LIST || t == DUCKDB_TYPE_ARRAY || t == DUCKDB_TYPE_STRUCT ||
           t == DUCKDB_TYPE_MAP || t == DUCKDB_TYPE_UNION;
}

static duckdb_logical_type element_of(duckdb_logical_type t)
{
    return duckdb_get_type_id(t) == DUCKDB_TYPE_LIST ? duckdb_list_type_child_type(t)
                                                     : duckdb_array_type_child_type(t);
}

/* Can values of type `from` be what is left of values of type `to`? */
static bool may_be(duckdb_logical_type from, duckdb_logical_type to)
{
    duckdb_type f = duckdb_get_type_id(from), t = duckdb_get_type_id(to);
    bool lists = (f == DUCKDB_TYPE_LIST || f == DUCKDB_TYPE_ARRAY) &&
                 (t == DUCKDB_TYPE_LIST || t == DUCKDB_TYPE_ARRAY);
    if (!lists)
        return f == DUCKDB_TYPE_VARCHAR || f == t || (is_integer(f) && is_integer(t)) ||
               (f == DUCKDB_TYPE_DOUBLE && t == DUCKDB_TYPE_DECIMAL);
    if (f == DUCKDB_TYPE_ARRAY &&
        (t == DUCKDB_TYPE_LIST ||
         duckdb_array_type_array_size(from) != duckdb_array_type_array_size(to)))
        return false;
    duckdb_logical_type x = element_of(from), y = element_of(to);
    bool may = may_be(x, y);
    duckdb_destroy_logical_type(&x);
    duckdb_destroy_logical_type(&y);
    return may;
}

duckdb_logical_type peri_cast_exact_type(peri_session_t *s, const char *text,
                                         duckdb_logical_type given)
{
    if (!peri_sqltype_valid(text)) return NULL;
    duckdb_logical_type type = peri_cast_parse_type(s, text, NULL);
    if (type && (peri_cast_same_type(given, type) || !may_be(given, type)))
        duckdb_destroy_logical_type(&type);
    return type;
}

/* ---- casts ---- */

/* Digits of a second that the type keeps; -1: no such type. */
static int second_digits(duckdb_type t)
{
    switch (t) {
    case DUCKDB_TYPE_TIMESTAMP_S:
        return 0;
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return 3;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIME_TZ:
        return 6;
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIME_NS:
        return 9;
    default:
        return -1;
    }
}

/* What must be true of the value, if the cast alone would change it quietly; "" if it
 * never does. */
static void put_condition(const char *source, duckdb_type from, duckdb_logical_type to,
                          peri_buf_t *b)
{
    duckdb_type t = duckdb_get_type_id(to);
    int digits = second_digits(t);
    if (from == DUCKDB_TYPE_VARCHAR && is_integer(t))
        peri_buf_printf(b, "regexp_full_match(trim(%s), '[+-]?[0-9]+')", source);
    else if (from == DUCKDB_TYPE_VARCHAR && t == DUCKDB_TYPE_DECIMAL)
        peri_buf_printf(b,
                        "regexp_full_match(trim(%s), "
                        "'[+-]?[0-9]*([.][0-9]{0,%d}0*)?')",
                        source, duckdb_decimal_scale(to));
    else if (from == DUCKDB_TYPE_VARCHAR && digits >= 0)
        peri_buf_printf(b, "NOT regexp_matches(%s, '[.][0-9]{%d}[0-9]*[1-9]')", source,
                        digits);
    else if (from == DUCKDB_TYPE_VARCHAR && t == DUCKDB_TYPE_DATE)
        peri_buf_printf(b, "NOT contains(%s, ':')", source);
    else if (is_fraction(from) && is_integer(t))
        peri_buf_printf(b, "%s = trunc(%s)", source, source);
}

static int put_cast(const char *source, duckdb_logical_type to, bool json, peri_buf_t *b)
{
    peri_buf_t type;
    peri_buf_init(&type, b->max);
    int rc = peri_cast_put_type(to, &type);
    if (type.failed) b->failed = true;
    if (!rc && !b->failed && json) {
        peri_sqltype_put_json(source, type.data, b);
    } else if (!rc && !b->failed) {
        peri_buf_printf(b, "CAST(%s AS %s)", source, type.data);
    }
    peri_buf_free(&type);
    return rc;
}

int peri_cast_put(const char *source, duckdb_logical_type from, duckdb_logical_type to,
                  bool wrong_is_null, peri_buf_t *b, peri_err_t *err)
{
    if (from && peri_cast_same_type(from, to)) {
        peri_buf_puts(b, source);
        return 0;
    }
    duckdb_type f = from ? duckdb_get_type_id(from) : DUCKDB_TYPE_SQLNULL;
    peri_buf_t condition;
    peri_buf_init(&condition, b->max);
    put_condition(source, f, to, &condition);
    if (condition.len)
        peri_buf_printf(b, "CASE WHEN %s IS NULL THEN NULL WHEN %s THEN ", source,
                        condition.data);
    bool json = f == DUCKDB_TYPE_VARCHAR && peri_cast_is_nested(to);
    peri_buf_puts(b, wrong_is_null ? "TRY(" : "(");
    int rc = put_cast(source, to, json, b);
    peri_buf_putc(b, ')');
    if (condition.len)
        peri_buf_puts(b,
                      wrong_is_null ? " END" : " ELSE error('a value does not fit') END");
    peri_buf_free(&condition);
    if (rc || b->failed)
        return peri_err_set(err, PERI_EUNSUPP, "a type has no text in SQL");
    return 0;
}
