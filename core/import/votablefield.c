/* votablefield.c - what a FIELD says of its values; see votablefield.h. */
#include "core/import/votablefield.h"

#include <ctype.h>
#include <string.h>

#include "core/import/fitscards.h"

static const struct {
    const char *name;
    char code;
    size_t size;
    uint64_t pairs;
    duckdb_type type;
} datatypes[] = {
    {"boolean", 'b', 1, 1, DUCKDB_TYPE_BOOLEAN},
    {"bit", 'x', 0, 1, DUCKDB_TYPE_BOOLEAN},
    {"unsignedByte", 'i', 1, 1, DUCKDB_TYPE_UTINYINT},
    {"short", 'i', 2, 1, DUCKDB_TYPE_SMALLINT},
    {"int", 'i', 4, 1, DUCKDB_TYPE_INTEGER},
    {"long", 'i', 8, 1, DUCKDB_TYPE_BIGINT},
    {"char", 'c', 1, 1, DUCKDB_TYPE_VARCHAR},
    {"unicodeChar", 'u', 2, 1, DUCKDB_TYPE_VARCHAR},
    {"float", 'f', 4, 1, DUCKDB_TYPE_FLOAT},
    {"double", 'f', 8, 1, DUCKDB_TYPE_DOUBLE},
    {"floatComplex", 'f', 4, 2, DUCKDB_TYPE_FLOAT},
    {"doubleComplex", 'f', 8, 2, DUCKDB_TYPE_DOUBLE},
};
#define NDATATYPES (sizeof(datatypes) / sizeof(datatypes[0]))

static bool is_text(const peri_vofield_t *f)
{
    return f->code == 'c' || f->code == 'u';
}

static bool take_number(const char **p, uint64_t *n)
{
    const char *s = *p;
    for (*n = 0; isdigit((unsigned char)**p) && *n < (uint64_t)1 << 32; ++*p)
        *n = 10 * *n + (uint64_t)(**p - '0');
    return *p > s && *n > 0 && *n < (uint64_t)1 << 32;
}

/* "3", "*", "10*", "2x3", "8x*": the first dimension of texts is their length. */
static int take_arraysize(peri_vofield_t *f, peri_err_t *err)
{
    const char *p = f->arraysize;
    uint64_t first = 0, n = 1, rest = 1;
    f->count = 1;
    f->length = 1;
    if (!p) return 0;
    while (*p == ' ') p++;
    for (size_t i = 0; *p && *p != ' '; i++) {
        if (*p == '*') {
            f->var = true;
            p++;
            break;
        }
        if (!take_number(&p, &n) || (i && (rest *= n) > (uint64_t)1 << 32)) goto wrong;
        if (!i) first = n;
        if (*p == '*') {
            if (!i) first = 0;
            f->var = true;
            p++;
            break;
        }
        if (*p == 'x' && p[1]) p++;
    }
    while (*p == ' ') p++;
    if (*p || first > (uint64_t)1 << 31) goto wrong;
    f->length = first;
    f->count = is_text(f) ? rest : first * rest;
    return 0;
wrong:
    return peri_err_set(err, PERI_EFORMAT, "column \"%.60s\" has the arraysize \"%.40s\"",
                        f->name, f->arraysize);
}

static void choose_shape(peri_vofield_t *f, uint64_t *arrays)
{
    const char *sql = f->sql_type;
    bool said_array = sql && strlen(sql) > 3 && !strcmp(sql + strlen(sql) - 3, "[1]");
    bool many = f->arraysize && strchr(f->arraysize, 'x');
    if (is_text(f)) {
        if (f->var && !many) return; /* one text of any length */
        if (f->var)
            f->slot.shape = PERI_SLOT_LIST;
        else if (many)
            peri_slot_choose(&f->slot, f->count, arrays);
        return;
    }
    f->count *= f->pairs;
    if (f->var)
        f->slot.shape = PERI_SLOT_LIST;
    else if (f->count > 1 || said_array)
        peri_slot_choose(&f->slot, f->count, arrays);
}

int peri_vofield_settle(peri_vofield_t *f, uint64_t *arrays, peri_err_t *err)
{
    size_t i = 0;
    const char *datatype = f->datatype ? f->datatype : "";
    while (i < NDATATYPES && strcmp(datatypes[i].name, datatype)) i++;
    if (i == NDATATYPES)
        return peri_err_set(err, PERI_EFORMAT,
                            "column \"%.60s\" has the datatype \"%.40s\"", f->name,
                            datatype);
    f->code = datatypes[i].code;
    f->size = datatypes[i].size;
    f->pairs = datatypes[i].pairs;
    f->slot.type = datatypes[i].type;
    if (take_arraysize(f, err)) return -1;
    const char *x = f->xtype ? f->xtype : "";
    f->timestamp =
        is_text(f) && (!strcmp(x, "timestamp") || !strcmp(x, "adql:TIMESTAMP"));
    f->moment = f->sql_type && (!strncmp(f->sql_type, "DATE", 4) ||
                                !strncmp(f->sql_type, "TIMESTAMP", 9));
    f->has_null =
        f->null_text && f->code == 'i' && peri_fits_integer(f->null_text, &f->null);
    choose_shape(f, arrays);
    if (f->timestamp && f->slot.shape != PERI_SLOT_ONE) f->timestamp = false;
    return 0;
}
