/* value.c - see value.h. */
#include "core/out/value.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/out/number.h"
#include "core/out/text.h"

/* What a type is to the writers. */
enum { NUMBER = 1, PLAIN = 2, NESTED = 4 };

static const struct {
    duckdb_type type;
    const char *name;
    int traits;
} types[] = {
    {DUCKDB_TYPE_BOOLEAN, "BOOLEAN", PLAIN},
    {DUCKDB_TYPE_TINYINT, "TINYINT", NUMBER | PLAIN},
    {DUCKDB_TYPE_SMALLINT, "SMALLINT", NUMBER | PLAIN},
    {DUCKDB_TYPE_INTEGER, "INTEGER", NUMBER | PLAIN},
    {DUCKDB_TYPE_BIGINT, "BIGINT", NUMBER | PLAIN},
    {DUCKDB_TYPE_HUGEINT, "HUGEINT", NUMBER | PLAIN},
    {DUCKDB_TYPE_UTINYINT, "UTINYINT", NUMBER | PLAIN},
    {DUCKDB_TYPE_USMALLINT, "USMALLINT", NUMBER | PLAIN},
    {DUCKDB_TYPE_UINTEGER, "UINTEGER", NUMBER | PLAIN},
    {DUCKDB_TYPE_UBIGINT, "UBIGINT", NUMBER | PLAIN},
    {DUCKDB_TYPE_UHUGEINT, "UHUGEINT", NUMBER | PLAIN},
    {DUCKDB_TYPE_FLOAT, "FLOAT", NUMBER | PLAIN},
    {DUCKDB_TYPE_DOUBLE, "DOUBLE", NUMBER | PLAIN},
    {DUCKDB_TYPE_DECIMAL, "DECIMAL", NUMBER | PLAIN},
    {DUCKDB_TYPE_BIGNUM, "BIGNUM", NUMBER | PLAIN},
    {DUCKDB_TYPE_DATE, "DATE", PLAIN},
    {DUCKDB_TYPE_TIME, "TIME", PLAIN},
    {DUCKDB_TYPE_TIME_NS, "TIME_NS", PLAIN},
    {DUCKDB_TYPE_TIME_TZ, "TIME WITH TIME ZONE", PLAIN},
    {DUCKDB_TYPE_TIMESTAMP, "TIMESTAMP", PLAIN},
    {DUCKDB_TYPE_TIMESTAMP_S, "TIMESTAMP_S", PLAIN},
    {DUCKDB_TYPE_TIMESTAMP_MS, "TIMESTAMP_MS", PLAIN},
    {DUCKDB_TYPE_TIMESTAMP_NS, "TIMESTAMP_NS", PLAIN},
    {DUCKDB_TYPE_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE", PLAIN},
    {DUCKDB_TYPE_INTERVAL, "INTERVAL", PLAIN},
    {DUCKDB_TYPE_UUID, "UUID", PLAIN},
    {DUCKDB_TYPE_BIT, "BIT", PLAIN},
    {DUCKDB_TYPE_VARCHAR, "VARCHAR", 0},
    {DUCKDB_TYPE_BLOB, "BLOB", 0},
    {DUCKDB_TYPE_ENUM, "ENUM", 0},
    {DUCKDB_TYPE_LIST, "LIST", NESTED},
    {DUCKDB_TYPE_ARRAY, "ARRAY", NESTED},
    {DUCKDB_TYPE_STRUCT, "STRUCT", NESTED},
    {DUCKDB_TYPE_MAP, "MAP", NESTED},
    {DUCKDB_TYPE_UNION, "UNION", NESTED},
    {DUCKDB_TYPE_SQLNULL, "NULL", PLAIN},
};

static int type_index(duckdb_type t)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].type == t) return (int)i;
    return -1;
}

static int set_type(peri_field_t *f, const char *name, duckdb_type type)
{
    int i = type_index(type);
    f->type = type;
    f->traits = i < 0 ? 0 : types[i].traits;
    f->name = peri_xstrdup(name);
    return i < 0 ? -1 : 0;
}

/* ---- types ---- */

static int init_kid(peri_field_t *f, size_t i, const char *name, duckdb_logical_type type,
                    peri_err_t *err)
{
    int rc = peri_field_init(&f->kids[i], name, type, err);
    duckdb_destroy_logical_type(&type);
    return rc;
}

static void make_kids(peri_field_t *f, size_t n)
{
    f->kids = peri_xcalloc(n, sizeof(*f->kids));
    f->nkids = n;
}

static int init_members(peri_field_t *f, duckdb_logical_type type, peri_err_t *err)
{
    bool is_union = f->type == DUCKDB_TYPE_UNION;
    idx_t n = is_union ? duckdb_union_type_member_count(type)
                       : duckdb_struct_type_child_count(type);
    make_kids(f, n + is_union);
    if (is_union) set_type(&f->kids[0], "", DUCKDB_TYPE_UTINYINT);
    for (idx_t i = 0; i < n; i++) {
        char *name = is_union ? duckdb_union_type_member_name(type, i)
                              : duckdb_struct_type_child_name(type, i);
        duckdb_logical_type kid = is_union ? duckdb_union_type_member_type(type, i)
                                           : duckdb_struct_type_child_type(type, i);
        int rc = init_kid(f, i + is_union, name, kid, err);
        duckdb_free(name);
        if (rc) return -1;
    }
    return 0;
}

static int init_map(peri_field_t *f, duckdb_logical_type type, peri_err_t *err)
{
    make_kids(f, 1);
    peri_field_t *entry = &f->kids[0];
    set_type(entry, "entry", DUCKDB_TYPE_STRUCT);
    make_kids(entry, 2);
    if (init_kid(entry, 0, "key", duckdb_map_type_key_type(type), err)) return -1;
    return init_kid(entry, 1, "value", duckdb_map_type_value_type(type), err);
}

static void init_enum(peri_field_t *f, duckdb_logical_type type)
{
    f->inner = duckdb_enum_internal_type(type);
    f->nwords = duckdb_enum_dictionary_size(type);
    f->words = peri_xcalloc(f->nwords ? f->nwords : 1, sizeof(*f->words));
    for (size_t i = 0; i < f->nwords; i++) {
        char *word = duckdb_enum_dictionary_value(type, i);
        f->words[i] = peri_xstrdup(word);
        duckdb_free(word);
    }
}

static bool is_json(duckdb_logical_type type)
{
    char *alias = duckdb_logical_type_get_alias(type);
    bool json = alias && strcmp(alias, "JSON") == 0;
    duckdb_free(alias);
    return json;
}

int peri_field_init(peri_field_t *f, const char *name, duckdb_logical_type type,
                    peri_err_t *err)
{
    memset(f, 0, sizeof(*f));
    if (set_type(f, name, duckdb_get_type_id(type)))
        return peri_err_set(err, PERI_EUNSUPP,
                            "column \"%s\" has a type that cannot be written: cast it, "
                            "for example CAST(\"%s\" AS VARCHAR)",
                            name, name);
    switch (f->type) {
    case DUCKDB_TYPE_VARCHAR:
        f->json = is_json(type);
        return 0;
    case DUCKDB_TYPE_DECIMAL:
        f->inner = duckdb_decimal_internal_type(type);
        f->width = duckdb_decimal_width(type);
        f->scale = duckdb_decimal_scale(type);
        return 0;
    case DUCKDB_TYPE_ENUM:
        init_enum(f, type);
        return 0;
    case DUCKDB_TYPE_LIST:
        make_kids(f, 1);
        return init_kid(f, 0, name, duckdb_list_type_child_type(type), err);
    case DUCKDB_TYPE_ARRAY:
        make_kids(f, 1);
        f->array_size = duckdb_array_type_array_size(type);
        return init_kid(f, 0, name, duckdb_array_type_child_type(type), err);
    case DUCKDB_TYPE_MAP:
        return init_map(f, type, err);
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION:
        return init_members(f, type, err);
    default:
        return 0;
    }
}

void peri_field_clear(peri_field_t *f)
{
    for (size_t i = 0; i < f->nkids; i++) peri_field_clear(&f->kids[i]);
    for (size_t i = 0; i < f->nwords; i++) free(f->words[i]);
    free(f->kids);
    free(f->words);
    free(f->name);
    memset(f, 0, sizeof(*f));
}

void peri_field_bind(peri_field_t *f, duckdb_vector v)
{
    f->valid = duckdb_vector_get_validity(v);
    f->data = NULL;
    switch (f->type) {
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_LIST:
        f->data = duckdb_vector_get_data(v);
        peri_field_bind(&f->kids[0], duckdb_list_vector_get_child(v));
        break;
    case DUCKDB_TYPE_ARRAY:
        peri_field_bind(&f->kids[0], duckdb_array_vector_get_child(v));
        break;
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION:
        for (size_t i = 0; i < f->nkids; i++)
            peri_field_bind(&f->kids[i], duckdb_struct_vector_get_child(v, i));
        break;
    default:
        f->data = duckdb_vector_get_data(v);
    }
}

bool peri_field_is_number(const peri_field_t *f)
{
    return f->traits & NUMBER;
}

bool peri_field_is_nested(const peri_field_t *f)
{
    return f->traits & NESTED;
}

bool peri_field_is_plain(const peri_field_t *f)
{
    return f->traits & PLAIN;
}

void peri_field_type_name(const peri_field_t *f, peri_buf_t *b)
{
    switch (f->type) {
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
        peri_field_type_name(&f->kids[0], b);
        if (f->type == DUCKDB_TYPE_LIST)
            peri_buf_puts(b, "[]");
        else
            peri_buf_printf(b, "[%llu]", (unsigned long long)f->array_size);
        return;
    case DUCKDB_TYPE_MAP:
        peri_buf_puts(b, "MAP(");
        peri_field_type_name(&f->kids[0].kids[0], b);
        peri_buf_puts(b, ", ");
        peri_field_type_name(&f->kids[0].kids[1], b);
        peri_buf_putc(b, ')');
        return;
    case DUCKDB_TYPE_DECIMAL:
        peri_buf_printf(b, "DECIMAL(%u,%u)", f->width, f->scale);
        return;
    default:
        peri_buf_puts(b, f->json ? "JSON" : types[type_index(f->type)].name);
    }
    if (f->type != DUCKDB_TYPE_STRUCT && f->type != DUCKDB_TYPE_UNION) return;
    size_t first = f->type == DUCKDB_TYPE_UNION;
    for (size_t i = first; i < f->nkids; i++) {
        peri_buf_printf(b, "%s%s ", i == first ? "(" : ", ", f->kids[i].name);
        peri_field_type_name(&f->kids[i], b);
    }
    peri_buf_putc(b, ')');
}

/* ---- values ---- */

static __int128 stored_integer(duckdb_type type, const void *data, idx_t row)
{
    switch (type) {
    case DUCKDB_TYPE_TINYINT:
        return ((const int8_t *)data)[row];
    case DUCKDB_TYPE_SMALLINT:
        return ((const int16_t *)data)[row];
    case DUCKDB_TYPE_INTEGER:
        return ((const int32_t *)data)[row];
    case DUCKDB_TYPE_BIGINT:
        return ((const int64_t *)data)[row];
    case DUCKDB_TYPE_UTINYINT:
        return ((const uint8_t *)data)[row];
    case DUCKDB_TYPE_USMALLINT:
        return ((const uint16_t *)data)[row];
    case DUCKDB_TYPE_UINTEGER:
        return ((const uint32_t *)data)[row];
    case DUCKDB_TYPE_UBIGINT:
        return ((const uint64_t *)data)[row];
    default: { /* HUGEINT, UHUGEINT, UUID: two little-endian halves */
        const duckdb_uhugeint *h = (const duckdb_uhugeint *)data + row;
        return (__int128)((unsigned __int128)h->upper << 64 | h->lower);
    }
    }
}

__int128 peri_field_integer(const peri_field_t *f, idx_t row)
{
    bool indirect = f->type == DUCKDB_TYPE_DECIMAL || f->type == DUCKDB_TYPE_ENUM;
    return stored_integer(indirect ? f->inner : f->type, f->data, row);
}

const char *peri_field_word(const peri_field_t *f, idx_t row)
{
    uint64_t i = (uint64_t)peri_field_integer(f, row);
    return i < f->nwords ? f->words[i] : "";
}

static char *put_uuid(char *p, unsigned __int128 v)
{
    static const char hex[] = "0123456789abcdef";
    v ^= (unsigned __int128)1 << 127; /* stored with the top bit flipped, to sort */
    for (int i = 31; i >= 0; i--) {
        *p++ = hex[(unsigned)(v >> (4 * i)) & 15];
        if (i == 24 || i == 20 || i == 16 || i == 12) *p++ = '-';
    }
    return p;
}

static void put_bits(peri_buf_t *b, const char *s, size_t n)
{
    /* The first byte counts the unused bits at the start of the second. */
    for (size_t i = 8 + (n ? (unsigned char)s[0] : 0); i < 8 * n; i++)
        peri_buf_putc(b, (unsigned char)s[i / 8] >> (7 - i % 8) & 1 ? '1' : '0');
}

/* Three bytes of header, whose first bit is set for positive numbers, then the magnitude,
 * big-endian, inverted for negative numbers. */
static void put_bignum(peri_buf_t *b, const char *s, size_t n)
{
    const uint32_t base = 1000000000;
    if (n < 4) return;
    bool negative = !((unsigned char)s[0] & 0x80);
    uint32_t *parts = peri_xcalloc(n / 3 + 1, sizeof(*parts)); /* 9 digits each */
    size_t nparts = 0;
    for (size_t i = 3; i < n; i++) {
        uint64_t carry = (unsigned char)(negative ? ~s[i] : s[i]);
        for (size_t k = 0; k < nparts; k++) {
            uint64_t t = ((uint64_t)parts[k] << 8) + carry;
            parts[k] = (uint32_t)(t % base);
            carry = t / base;
        }
        if (carry) parts[nparts++] = (uint32_t)carry;
    }
    if (negative && nparts) peri_buf_putc(b, '-');
    if (!nparts) peri_buf_putc(b, '0');
    for (size_t k = nparts; k-- > 0;)
        peri_buf_printf(b, k + 1 == nparts ? "%u" : "%09u", parts[k]);
    free(parts);
}

/* The fixed-size types. */
static char *put_scalar(char *p, const peri_field_t *f, idx_t row, peri_style_t style)
{
    const void *d = f->data;
    switch (f->type) {
    case DUCKDB_TYPE_BOOLEAN: {
        bool v = ((const uint8_t *)d)[row];
        memcpy(p, v ? "true" : "false", 5);
        return p + (v ? 4 : 5);
    }
    case DUCKDB_TYPE_BIGINT:
        return peri_num_i64(p, ((const int64_t *)d)[row]);
    case DUCKDB_TYPE_UBIGINT:
        return peri_num_u64(p, ((const uint64_t *)d)[row]);
    case DUCKDB_TYPE_INTEGER:
        return peri_num_i64(p, ((const int32_t *)d)[row]);
    case DUCKDB_TYPE_FLOAT:
        return peri_num_float(p, ((const float *)d)[row]);
    case DUCKDB_TYPE_DOUBLE:
        return peri_num_double(p, ((const double *)d)[row]);
    case DUCKDB_TYPE_UHUGEINT:
        return peri_num_u128(p, (unsigned __int128)peri_field_integer(f, row));
    case DUCKDB_TYPE_DECIMAL:
        return peri_num_decimal(p, peri_field_integer(f, row), f->scale);
    case DUCKDB_TYPE_UUID:
        return put_uuid(p, (unsigned __int128)peri_field_integer(f, row));
    case DUCKDB_TYPE_DATE:
        return peri_moment_date(p, ((const int32_t *)d)[row], style);
    case DUCKDB_TYPE_TIME:
        return peri_moment_time(p, ((const int64_t *)d)[row], 1000000);
    case DUCKDB_TYPE_TIME_NS:
        return peri_moment_time(p, ((const int64_t *)d)[row], 1000000000);
    case DUCKDB_TYPE_TIME_TZ:
        return peri_moment_time_tz(p, ((const uint64_t *)d)[row]);
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return peri_moment_timestamp(p, ((const int64_t *)d)[row], 1000000,
                                     f->type == DUCKDB_TYPE_TIMESTAMP_TZ, style);
    case DUCKDB_TYPE_TIMESTAMP_S:
        return peri_moment_timestamp(p, ((const int64_t *)d)[row], 1, 0, style);
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return peri_moment_timestamp(p, ((const int64_t *)d)[row], 1000, 0, style);
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return peri_moment_timestamp(p, ((const int64_t *)d)[row], 1000000000, 0, style);
    case DUCKDB_TYPE_INTERVAL:
        return peri_moment_interval(p, ((const duckdb_interval *)d)[row]);
    default:
        return peri_num_i128(p, peri_field_integer(f, row));
    }
}

void peri_field_text(const peri_field_t *f, idx_t row, peri_style_t style, peri_buf_t *b)
{
    if (peri_field_is_null(f, row)) return;
    const char *s;
    size_t n;
    switch (f->type) {
    case DUCKDB_TYPE_VARCHAR:
        s = peri_field_bytes(f, row, &n);
        peri_buf_append(b, s, n);
        return;
    case DUCKDB_TYPE_BLOB:
        s = peri_field_bytes(f, row, &n);
        peri_text_blob(b, s, n);
        return;
    case DUCKDB_TYPE_BIT:
        s = peri_field_bytes(f, row, &n);
        put_bits(b, s, n);
        return;
    case DUCKDB_TYPE_BIGNUM:
        s = peri_field_bytes(f, row, &n);
        put_bignum(b, s, n);
        return;
    case DUCKDB_TYPE_ENUM:
        peri_buf_puts(b, peri_field_word(f, row));
        return;
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_UNION:
        peri_field_json_text(f, row, b);
        return;
    default:
        break;
    }
    char *p = peri_buf_reserve(b, PERI_MOMENT_MAX);
    if (p) peri_buf_commit(b, (size_t)(put_scalar(p, f, row, style) - p));
}
