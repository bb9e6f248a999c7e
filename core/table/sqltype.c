/* sqltype.c - see sqltype.h. A recursive parser of what peri_field_sql_type writes:
 *
 *   type   = (NAME | DECIMAL(p,s) | ENUM('word', ...) | MAP(type, type)
 *            | STRUCT("name" type, ...) | UNION("name" type, ...)) { "[" [number] "]" }
 *
 * A MAP within the key of another is not there: its values do not come back from JSON.
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
    {"JSON", PERI_T_STR, PERI_SQLFORM_CAST},
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
    const base_t *base; /* NULL: STRUCT, UNION or MAP */
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
    const char *begin = *at;
    return parse_type(at, depth + 1, &key) &&
           !memmem(begin, (size_t)(*at - begin), "MAP(", 4) && eat(at, ", ") &&
           parse_type(at, depth + 1, &value) && eat(at, ")");
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
    if (eat(at, "STRUCT(") || eat(at, "UNION(")) return parse_members(at, depth);
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
    if (s.base && s.nlists == 0) {
        /* Wide numbers are text where a narrower type does not hold all of them. */
        bool as_text = stored == PERI_T_STR && s.base->form == PERI_SQLFORM_CAST;
        return s.base->stored == stored || as_text ? s.base->form : PERI_SQLFORM_STORED;
    }
    return stored == PERI_T_STR ? PERI_SQLFORM_JSON : PERI_SQLFORM_STORED;
}

/* ---- JSON ---- */

/* JSON becomes a nested type in steps, because DuckDB's casts keep the escapes of a BLOB,
 * round a DECIMAL, know no BIT or BIGNUM, take a JSON in JSON apart, and take no keys of
 * a MAP that are themselves nested: those are text that is JSON again.
 *
 *   STEP_TEXT  what DuckDB takes out of JSON exactly; the rest, and nested keys, as text
 *   STEP_KEYS  nested keys are JSON
 *   STEP_OPEN  nested keys are what STEP_TEXT makes of their type
 */
typedef enum { STEP_TEXT, STEP_KEYS, STEP_OPEN } step_t;

/* The end of the type that begins at p: a comma or bracket that is not its own. */
static const char *type_end(const char *p)
{
    int depth = 0;
    for (char quote = 0; *p; p++) {
        if (quote) {
            if (*p == quote) quote = 0;
        } else if (*p == '"' || *p == '\'') {
            quote = *p;
        } else if (*p == '(') {
            depth++;
        } else if (depth == 0 && (*p == ',' || *p == ')')) {
            break;
        } else if (*p == ')') {
            depth--;
        }
    }
    return p;
}

static bool is_nested(const char *p, const char *end)
{
    static const char *const names[] = {"STRUCT(", "UNION(", "MAP("};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(p, names[i], strlen(names[i])) == 0) return true;
    return end[-1] == ']';
}

static bool has_nested_keys(const char *type)
{
    for (char quote = 0; *type; type++) {
        if (quote ? *type == quote : *type == '"' || *type == '\'')
            quote = quote ? 0 : *type;
        else if (!quote && strncmp(type, "MAP(", 4) == 0 &&
                 is_nested(type + 4, type_end(type + 4)))
            return true;
    }
    return false;
}

/* A type that is text in JSON, at *at, which moves to its last character. */
static bool skip_text(const char **at)
{
    static const char *const names[] = {"BLOB", "DECIMAL", "BIT", "BIGNUM", "JSON"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = strlen(names[i]);
        if (strncmp(*at, names[i], n) != 0) continue;
        *at += n - 1;
        if ((*at)[1] == '(') *at = strchr(*at, ')');
        return true;
    }
    return false;
}

static void put_step(const char *p, const char *end, step_t step, peri_buf_t *b)
{
    for (char quote = 0; p < end; p++) {
        if (!quote && skip_text(&p)) {
            peri_buf_puts(b, "VARCHAR");
            continue;
        }
        if (!quote && strncmp(p, "MAP(", 4) == 0 && is_nested(p + 4, type_end(p + 4))) {
            const char *key = p + 4;
            peri_buf_puts(b, "MAP(");
            p = type_end(key) - 1;
            if (step == STEP_OPEN)
                put_step(key, p + 1, STEP_TEXT, b);
            else
                peri_buf_puts(b, step == STEP_TEXT ? "VARCHAR" : "JSON");
            continue;
        }
        if (quote ? *p == quote : *p == '"' || *p == '\'') quote = quote ? 0 : *p;
        peri_buf_putc(b, *p);
    }
}

void peri_sqltype_put_json(const char *source, const char *type, peri_buf_t *b)
{
    const char *end = type + strlen(type);
    step_t last = has_nested_keys(type) ? STEP_OPEN : STEP_TEXT;
    for (step_t i = STEP_TEXT; i <= last; i++) peri_buf_puts(b, "CAST(");
    peri_buf_printf(b, "CAST(CAST(%s AS JSON)", source);
    for (step_t i = STEP_TEXT; i <= last; i++) {
        peri_buf_puts(b, " AS ");
        put_step(type, end, i, b);
        peri_buf_putc(b, ')');
    }
    peri_buf_printf(b, " AS %s)", type);
}
