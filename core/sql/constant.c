/* constant.c - literals of the syntax tree as values. See constant.h. */
#include "core/sql/constant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/sql/ast.h"

/* Of the 38 digits of a DECIMAL the 20 of a UBIGINT are left. */
#define MAX_SCALE 18

static bool read_i128(const json_t *v, __int128 *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    const json_t *upper = json_object_get(v, "upper"),
                 *lower = json_object_get(v, "lower");
    if (!json_is_integer(upper)) return false;
    const char *big = peri_json_marked(lower);
    if (!big && !json_is_integer(lower)) return false;
    uint64_t low = big ? strtoull(big, NULL, 10) : (uint64_t)json_integer_value(lower);
    *out =
        (__int128)(((unsigned __int128)(__int128)json_integer_value(upper) << 64) | low);
    return true;
}

static bool read_value(const json_t *value, peri_constant_t *out)
{
    const json_t *type = peri_ast_get(value, "type"),
                 *v = json_object_get(value, "value");
    const char *id = peri_ast_str(type, "id");
    *out = (peri_constant_t){.exact = true};
    if (peri_ast_true(value, "is_null")) {
        out->null = true;
        return true;
    }
    if (strcmp(id, "VARCHAR") == 0 && json_is_string(v)) {
        if (json_string_value(v)[0] == '\x01')
            return false; /* it has a mark: see json.c */
        out->c = (peri_const_t){.kind = PERI_CONST_STR, .s = json_string_value(v)};
        return true;
    }
    if (strcmp(id, "BOOLEAN") == 0 && json_is_boolean(v)) {
        out->c = (peri_const_t){.kind = PERI_CONST_BOOL, .i = json_is_true(v)};
        return true;
    }
    __int128 i;
    if (!read_i128(v, &i)) return false;
    out->c = (peri_const_t){.kind = PERI_CONST_INT, .i = i};
    if (strcmp(id, "DECIMAL") != 0)
        return strcmp(id, "INTEGER") == 0 || strcmp(id, "BIGINT") == 0 ||
               strcmp(id, "HUGEINT") == 0;
    json_int_t scale =
        json_integer_value(json_object_get(json_object_get(type, "type_info"), "scale"));
    if (scale == 0) return true;
    out->c.kind = PERI_CONST_REAL;
    out->c.d = (double)((long double)i / powl(10.0L, (long double)scale));
    out->exact = false;
    out->long_tail = scale > MAX_SCALE;
    return true;
}

/* CAST('1e5' AS DOUBLE), CAST(3 AS BIGINT), CAST('t' AS BOOLEAN). */
static bool read_cast(const json_t *e, peri_constant_t *out)
{
    const json_t *child = peri_ast_get(e, "child");
    const char *to = peri_ast_str(peri_ast_get(e, "cast_type"), "id");
    if (peri_ast_true(e, "try_cast") || !peri_ast_is_class(child, "CONSTANT") ||
        !read_value(peri_ast_get(child, "value"), out) || out->null)
        return false;
    if (strcmp(to, "BOOLEAN") == 0 && out->c.kind == PERI_CONST_STR) {
        bool t = strcmp(out->c.s, "t") == 0;
        if (!t && strcmp(out->c.s, "f") != 0) return false;
        out->c = (peri_const_t){.kind = PERI_CONST_BOOL, .i = t};
        return true;
    }
    if (strcmp(to, "DOUBLE") == 0 && out->c.kind == PERI_CONST_STR) {
        char *end;
        double d = strtod(out->c.s, &end);
        if (end == out->c.s || *end) return false;
        out->c = (peri_const_t){.kind = PERI_CONST_REAL, .d = d};
        return true;
    }
    if (strcmp(to, "DOUBLE") == 0 && out->c.kind == PERI_CONST_INT) {
        out->c = (peri_const_t){.kind = PERI_CONST_REAL, .d = (double)out->c.i};
        out->exact = fabs(out->c.d) <= PERI_EXACT;
        return true;
    }
    return out->c.kind == PERI_CONST_INT &&
           (strcmp(to, "BIGINT") == 0 || strcmp(to, "INTEGER") == 0 ||
            strcmp(to, "HUGEINT") == 0);
}

bool peri_constant_read(const json_t *e, peri_constant_t *out)
{
    if (peri_ast_is_class(e, "CONSTANT"))
        return read_value(peri_ast_get(e, "value"), out);
    if (peri_ast_is_class(e, "CAST")) return read_cast(e, out);
    if (!peri_ast_is_function(e, "-") ||
        json_array_size(peri_ast_list(e, "children")) != 1 ||
        !peri_constant_read(json_array_get(peri_ast_list(e, "children"), 0), out) ||
        out->null)
        return false;
    if (out->c.kind == PERI_CONST_INT)
        out->c.i = -out->c.i;
    else if (out->c.kind == PERI_CONST_REAL)
        out->c.d = -out->c.d;
    else
        return false;
    return true;
}

bool peri_constant_is_large(const peri_constant_t *c)
{
    return c->c.kind == PERI_CONST_INT &&
           (c->c.i > (__int128)PERI_EXACT || c->c.i < -(__int128)PERI_EXACT);
}
