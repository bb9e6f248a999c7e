/* value.c - the types that values have in memory: names and sizes. */
#include "core/h5/h5.h"

static const struct {
    const char *name;
    uint8_t size;
} types[] = {
    [PERI_T_BOOL] = {"BOOLEAN", 1},
    [PERI_T_I8] = {"TINYINT", 1},
    [PERI_T_I16] = {"SMALLINT", 2},
    [PERI_T_I32] = {"INTEGER", 4},
    [PERI_T_I64] = {"BIGINT", 8},
    [PERI_T_U8] = {"UTINYINT", 1},
    [PERI_T_U16] = {"USMALLINT", 2},
    [PERI_T_U32] = {"UINTEGER", 4},
    [PERI_T_U64] = {"UBIGINT", 8},
    [PERI_T_F32] = {"FLOAT", 4},
    [PERI_T_F64] = {"DOUBLE", 8},
    [PERI_T_STR] = {"VARCHAR", sizeof(peri_str_t)},
    [PERI_T_BLOB] = {"BLOB", sizeof(peri_str_t)},
};

static bool known(peri_type_t t)
{
    return t >= PERI_T_BOOL && t <= PERI_T_BLOB;
}

size_t peri_type_size(peri_type_t t)
{
    return known(t) ? types[t].size : 0;
}

const char *peri_type_name(peri_type_t t)
{
    return known(t) ? types[t].name : "unreadable";
}

bool peri_type_is_numeric(peri_type_t t)
{
    return t >= PERI_T_I8 && t <= PERI_T_F64;
}
