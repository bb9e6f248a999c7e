/* sqltype.c - see sqltype.h. A recursive parser of what peri_field_sql_type writes:
 *
 *   type   = (NAME | DECIMAL(p,s) | ENUM('word', ...) | MAP(type, type)
 *            | STRUCT("name" type, ...)) { "[" [number] "]" }
 *
 * UNION is not there: its values cannot be told apart in JSON.
 */
#include "core/table/sqltype.h"

#include <string.h>

#define MAX_DEPTH 32

typedef struct {
    const char *name;
    peri_type_t stored; /* the HDF5 side of it */
    peri_sqlform_t form;
} base_t;

/* Longer names before those that they start with. */
static const base_t bases[] = {
    {"TIMESTAMP WITH TIME ZONE", PERI_T_I64, PERI_SQLFORM_BITS},
    {"TIMESTAMP_S", PERI_T_I64, PERI_SQLFORM_BITS},
    {"TIMESTAMP_MS", PERI_T_I64, PERI_SQLFORM_BITS},
    {"TIMESTAMP_NS", PERI_T_I64, PERI_SQLFORM_BITS},
    {"TIMESTAMP", PERI_T_I64, PERI_SQLFORM_BITS},
    {"TIME WITH TIME ZONE", PERI_T_STR, PERI_SQLFORM_CAST},
    {"TIME_NS", PERI_T_I64, PERI_SQLFORM_BITS},
    {"TIME", PERI_T_I64, PERI_SQLFORM_BITS},
    {"DATE", PERI_T_I32, PERI_SQLFORM_BITS},
    {"HUGEINT", PERI_T_I64, PERI_SQLFORM_CAST},
    {"UHUGEINT", PERI_T_U64, PERI_SQLFORM_CAST},
    {"DECIMAL", PERI_T_F64, PERI_SQLFORM_CAST},
    {"ENUM", PERI_T_STR, PERI_SQLFORM_CAST},
    {"UUID", PERI_T_STR, PERI_SQLFORM_CAST},
    {"INTERVAL", PERI_T_STR, PERI_SQLFORM_CAST},
    {"BLOB", PERI_T_STR, PERI_SQLFORM_CAST},
    {"BIT", PERI_T_STR, PERI_SQLFORM_CAST},
    {"BIGNUM", PERI_T_STR, PERI_SQLFORM_CAST},
    {"BOOLEAN", PERI_T_BOOL, PERI_SQLFORM_STORED},
    {"TINYINT", PERI_T_I8, PERI_SQLFORM_STORED},
    {"SMALLINT", PERI_T_I16, PERI_SQLFORM_STORED},
    {"INTEGER", PERI_T_I32, PERI_SQLFORM_STORED},
    {"BIGINT", PERI_T_I64, PERI_SQLFORM_STORED},
    {"UTINYINT", PERI_T_U8, PERI_SQLFORM_STORED},
    {"USMALLINT", PERI_T_U16, PERI_SQLFORM_STORED},
    {"UINTEGER", PERI_T_U32, PERI_SQLFORM_STORED},
    {"UBIGINT", PERI_T_U64, PERI_SQLFORM_STORED},
    {"FLOAT", PERI_T_F32, PERI_SQLFORM_STORED},
    {"DOUBLE", PERI_T_F64, PERI_SQLFORM_STORED},
    {"VARCHAR", PERI_T_STR, PERI_SQLFORM_STORED},
};

typedef struct {
    const base_t *base; /* NULL: STRUCT or MAP */
    unsigned nlists;    /* suffixes: [] or [n] */
    uint64_t array;     /* n of the last suffix, 0 for [] */
} shape_t;

static bool parse_type(const char **at, unsigned depth, shape_t *out);

static bool eat(const char **at, const char *token)
{
    size_t n = strlen(token);
    if (strncmp(*at, token, n) != 0) return false;
    *at += n;
    return true;
}

static bool eat_number(const char **at, uint64_t *out)
{
    const char *p = *at;
    for (*out = 0; *p >= '0' && *p <= '9' && p - *at < 9; p++)
        *out = 10 * *out + (uint64_t)(*p - '0');
    bool some = p > *at;
    *at = p;
    return some;
}

/* A quote inside is doubled. */
static bool eat_quoted(const char **at, char quote)
{
    if (**at != quote) return false;
    for (const char *p = *at + 1; *p; p++) {
        if (*p != quote) continue;
        if (p[1] != quote) {
            *at = p + 1;
            return true;
        }
        p++;
    }
    return false;
}

static bool parse_members(const char **at, unsigned depth)
{
    shape_t member;
    do {
        if (!eat_quoted(at, '"') || !eat(at, " ") || !parse_type(at, depth + 1, &member))
            return false;
    } while (eat(at, ", "));
    return eat(at, ")");
}

static bool parse_map(const char **at, unsigned depth)
{
    shape_t key, value;
    /* Keys of an object are text: a nested one would not come back. */
    return parse_type(at, depth + 1, &key) && key.base && key.nlists == 0 &&
           eat(at, ", ") && parse_type(at, depth + 1, &value) && eat(at, ")");
}

static bool parse_words(const char **at)
{
    if (!eat(at, "(")) return false;
    do {
        if (!eat_quoted(at, '\'')) return false;
    } while (eat(at, ", "));
    return eat(at, ")");
}

static bool parse_digits(const char **at)
{
    uint64_t width, scale;
    return eat(at, "(") && eat_number(at, &width) && eat(at, ",") &&
           eat_number(at, &scale) && eat(at, ")") && width >= 1 && width <= 38 &&
           scale <= width;
}

static bool parse_base(const char **at, unsigned depth, const base_t **base)
{
    *base = NULL;
    if (eat(at, "STRUCT(")) return parse_members(at, depth);
    if (eat(at, "MAP(")) return parse_map(at, depth);
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        if (!eat(at, bases[i].name)) continue;
        *base = &bases[i];
        if (strcmp(bases[i].name, "ENUM") == 0) return parse_words(at);
        if (strcmp(bases[i].name, "DECIMAL") == 0) return parse_digits(at);
        return true;
    }
    return false;
}

static bool parse_type(const char **at, unsigned depth, shape_t *out)
{
    *out = (shape_t){0};
    if (depth > MAX_DEPTH || !parse_base(at, depth, &out->base)) return false;
    while (eat(at, "[")) {
        out->array = 0;
        if (**at != ']' && (!eat_number(at, &out->array) || out->array == 0))
            return false;
        if (!eat(at, "]") || ++out->nlists > MAX_DEPTH) return false;
    }
    return true;
}

static bool parse_all(const char *text, shape_t *s)
{
    const char *at = text;
    return text && *text && strnlen(text, PERI_SQLTYPE_MAX + 1) <= PERI_SQLTYPE_MAX &&
           parse_type(&at, 0, s) && !*at;
}

bool peri_sqltype_valid(const char *text)
{
    shape_t s;
    return parse_all(text, &s);
}

peri_sqlform_t peri_sqltype_form(const char *text, peri_type_t stored, uint32_t width)
{
    shape_t s;
    if (!parse_all(text, &s)) return PERI_SQLFORM_STORED;
    bool vector = s.base && s.nlists == 1 && s.array > 0 && s.base->stored != PERI_T_STR;
    if (vector && s.base->stored == stored && s.array == width)
        return width == 1 ? PERI_SQLFORM_ONE : s.base->form;
    if (width != 1) return PERI_SQLFORM_STORED;
    if (s.base && s.nlists == 0)
        return s.base->stored == stored ? s.base->form : PERI_SQLFORM_STORED;
    return stored == PERI_T_STR && !vector ? PERI_SQLFORM_JSON : PERI_SQLFORM_STORED;
}

void peri_sqltype_put_json(const char *type, peri_buf_t *b)
{
    for (char quote = 0; *type; type++) {
        bool blob = !quote && strncmp(type, "BLOB", 4) == 0;
        if (blob || (!quote && strncmp(type, "DECIMAL", 7) == 0)) {
            peri_buf_puts(b, "VARCHAR");
            type = blob ? type + 3 : strchr(type, ')');
            continue;
        }
        if (quote ? *type == quote : *type == '"' || *type == '\'')
            quote = quote ? 0 : *type;
        peri_buf_putc(b, *type);
    }
}
