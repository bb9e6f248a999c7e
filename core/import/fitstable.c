/* fitstable.c - what a header says of its columns; see fitstable.h. */
#include "core/import/fitstable.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/out/text.h"

/* ---- cards ---- */

static const struct {
    const char *stem;
    size_t at;
} texts[] = {
    {"TTYPE", offsetof(peri_fitscol_t, name)},
    {"TUNIT", offsetof(peri_fitscol_t, unit)},
    {"TUCD", offsetof(peri_fitscol_t, ucd)},
    {"TCOMM", offsetof(peri_fitscol_t, comment)},
    {"TFORM", offsetof(peri_fitscol_t, form)},
    {"TDIM", offsetof(peri_fitscol_t, dim)},
    {"TSCAL", offsetof(peri_fitscol_t, scale_text)},
    {"TZERO", offsetof(peri_fitscol_t, zero_text)},
    {"TNULL", offsetof(peri_fitscol_t, null_text)},
    {"TBCOL", offsetof(peri_fitscol_t, begin_text)},
};

static void take_card(const peri_fitscard_t *c, const peri_fitshdu_t *hdu,
                      peri_fitscol_t *cols)
{
    for (size_t i = 0; c->value && i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t n = strlen(texts[i].stem);
        int64_t column;
        if (strncmp(c->key, texts[i].stem, n) || !isdigit((unsigned char)c->key[n]) ||
            !peri_fits_integer(c->key + n, &column) || column < 1 ||
            column > hdu->nfields)
            continue;
        const char **to = (const char **)((char *)&cols[column - 1] + texts[i].at);
        if (!*to) *to = c->value;
        return;
    }
}

/* ---- TFORM ---- */

static const struct {
    char code;
    size_t size;
    duckdb_type type;
    duckdb_type flipped; /* by `flip` */
    double flip;
} forms[] = {
    {'L', 1, DUCKDB_TYPE_BOOLEAN, 0, 0},
    {'X', 0, DUCKDB_TYPE_BOOLEAN, 0, 0},
    {'B', 1, DUCKDB_TYPE_UTINYINT, DUCKDB_TYPE_TINYINT, -128},
    {'I', 2, DUCKDB_TYPE_SMALLINT, DUCKDB_TYPE_USMALLINT, 32768},
    {'J', 4, DUCKDB_TYPE_INTEGER, DUCKDB_TYPE_UINTEGER, 2147483648.0},
    {'K', 8, DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_UBIGINT, 9223372036854775808.0},
    {'A', 0, DUCKDB_TYPE_VARCHAR, 0, 0},
    {'E', 4, DUCKDB_TYPE_FLOAT, 0, 0},
    {'D', 8, DUCKDB_TYPE_DOUBLE, 0, 0},
    {'C', 4, DUCKDB_TYPE_FLOAT, 0, 0}, /* two of them */
    {'M', 8, DUCKDB_TYPE_DOUBLE, 0, 0},
};
#define NFORMS (sizeof(forms) / sizeof(forms[0]))

static int fail(const peri_fitscol_t *c, const char *what, peri_err_t *err)
{
    return peri_err_set(err, PERI_EFORMAT, "column \"%.60s\" has %s", c->name, what);
}

static bool take_count(const char **p, uint64_t *out)
{
    const char *s = *p;
    for (*out = 0; isdigit((unsigned char)**p); ++*p) {
        if (*out > ((uint64_t)1 << 40)) return false;
        *out = 10 * *out + (uint64_t)(**p - '0');
    }
    return *p > s;
}

static bool is_integer(char code)
{
    return code && strchr("BIJK", code);
}

/* The first of TDIM "(8,5)": the bytes of each text. */
static uint64_t first_dimension(const peri_fitscol_t *c)
{
    uint64_t n = 0;
    if (!c->dim) return 0;
    const char *p = c->dim;
    while (*p == ' ') p++;
    if (*p++ != '(') return 0;
    while (*p == ' ') p++;
    return take_count(&p, &n) && *p == ',' ? n : 0;
}

/* "20A": one text; "60A12", or TDIM (12,5): five. */
static void cut_texts(peri_fitscol_t *c, const char *rest)
{
    uint64_t cell = 0;
    if (!take_count(&rest, &cell)) cell = first_dimension(c);
    if (!cell || cell > c->repeat || c->sql_type) cell = c->repeat;
    c->bytes = c->repeat;
    c->cell = cell;
    c->repeat = cell ? c->repeat / cell : 1;
    if (!cell) c->code = 0; /* no bytes: no values */
}

/* rTa or rPTa(max) */
static int take_form(peri_fitscol_t *c, size_t *form, peri_err_t *err)
{
    const char *p = c->form;
    if (!p) return fail(c, "no TFORM", err);
    while (*p == ' ') p++;
    uint64_t repeat = 1;
    if (isdigit((unsigned char)*p) && !take_count(&p, &repeat))
        return fail(c, "a TFORM of too many elements", err);
    if (*p == 'P' || *p == 'Q') {
        c->var = *p++;
        if (repeat > 1) return fail(c, "a TFORM of more than one list a row", err);
    }
    char code = (char)toupper((unsigned char)*p);
    for (*form = 0; *form < NFORMS && forms[*form].code != code; ++*form)
        ;
    if (!code || *form == NFORMS)
        return peri_err_set(err, PERI_EFORMAT, "column \"%.60s\" has TFORM \"%.20s\"",
                            c->name, c->form);
    bool pairs = code == 'C' || code == 'M';
    c->code = code;
    c->size = forms[*form].size;
    c->slot.type = forms[*form].type;
    c->repeat = pairs ? 2 * repeat : repeat;
    if (c->var)
        c->bytes = repeat * (c->var == 'P' ? 8 : 16);
    else if (code == 'A')
        cut_texts(c, p + 1);
    else
        c->bytes = code == 'X' ? (repeat + 7) / 8 : c->repeat * c->size;
    if (!repeat) c->code = 0;
    return 0;
}

/* ---- scaling, NULL ---- */

static int take_scaling(peri_fitscol_t *c, size_t form, peri_err_t *err)
{
    c->scale = 1;
    if (c->code && strchr("LXA", c->code)) return 0;
    if ((c->scale_text && !peri_fits_real(c->scale_text, &c->scale)) ||
        (c->zero_text && !peri_fits_real(c->zero_text, &c->zero)))
        return fail(c, "a TSCAL or TZERO that is no number", err);
    if (c->scale == 1 && c->zero == 0) return 0;
    bool plain = c->scale == 1 && form < NFORMS;
    if (plain && forms[form].flip != 0 && c->zero == forms[form].flip) {
        c->scaling = PERI_FITS_FLIP;
        c->slot.type = forms[form].flipped;
    } else if (plain && c->code && strchr("BIJ", c->code) && c->zero == trunc(c->zero) &&
               fabs(c->zero) < 0x1p53) {
        c->scaling = PERI_FITS_SHIFT;
        c->slot.type = DUCKDB_TYPE_BIGINT;
    } else {
        c->scaling = PERI_FITS_SCALE;
        c->slot.type = DUCKDB_TYPE_DOUBLE;
    }
    return 0;
}

static void choose_shape(peri_fitscol_t *c, uint64_t *arrays)
{
    bool said_array = c->sql_type && strlen(c->sql_type) > 3 && c->code != 'A' &&
                      !strcmp(c->sql_type + strlen(c->sql_type) - 3, "[1]");
    if (!c->code || (c->var && c->code == 'A')) return;
    if (c->var)
        c->slot.shape = PERI_SLOT_LIST;
    else if (c->repeat > 1 || said_array)
        peri_slot_choose(&c->slot, c->repeat, arrays);
}

static int settle_binary(peri_fitscol_t *c, uint64_t *offset, uint64_t *arrays,
                         const peri_fitshdu_t *hdu, peri_err_t *err)
{
    size_t form;
    if (take_form(c, &form, err) || take_scaling(c, form, err)) return -1;
    if (c->null_text && is_integer(c->code)) {
        if (!peri_fits_integer(c->null_text, &c->null))
            return fail(c, "a TNULL that is no integer", err);
        c->has_null = true;
    }
    c->offset = *offset;
    if (c->bytes > hdu->row_size - *offset)
        return peri_err_set(err, PERI_EFORMAT,
                            "the columns need more bytes than the %llu that a row has "
                            "(NAXIS1)",
                            (unsigned long long)hdu->row_size);
    *offset += c->bytes;
    choose_shape(c, arrays);
    return 0;
}

/* Aw, Iw, Fw.d, Ew.d, Dw.d at TBCOL */
static int settle_text(peri_fitscol_t *c, const peri_fitshdu_t *hdu, peri_err_t *err)
{
    const char *p = c->form;
    int64_t begin = 0;
    uint64_t decimals = 0;
    if (!p) return fail(c, "no TFORM", err);
    while (*p == ' ') p++;
    c->code = (char)toupper((unsigned char)*p);
    if (!c->code || !strchr("AIFED", c->code) || (p++, !take_count(&p, &c->bytes)) ||
        !c->bytes || (*p == '.' && (p++, !take_count(&p, &decimals))) || decimals > 300)
        return peri_err_set(err, PERI_EFORMAT, "column \"%.60s\" has TFORM \"%.20s\"",
                            c->name, c->form);
    if (!c->begin_text || !peri_fits_integer(c->begin_text, &begin) || begin < 1 ||
        (uint64_t)begin > hdu->row_size || c->bytes > hdu->row_size - (uint64_t)begin + 1)
        return fail(c, "a TBCOL and TFORM that do not lie within the row", err);
    c->offset = (uint64_t)begin - 1;
    c->decimals = (int)decimals;
    c->cell = c->bytes;
    c->repeat = 1;
    c->slot.type = c->code == 'A'                    ? DUCKDB_TYPE_VARCHAR
                   : c->code != 'I'                  ? DUCKDB_TYPE_DOUBLE
                   : c->bytes < 10 /* with a sign */ ? DUCKDB_TYPE_INTEGER
                                                     : DUCKDB_TYPE_BIGINT;
    return take_scaling(c, NFORMS, err);
}

static bool is_moment(const char *type)
{
    return type && (!strncmp(type, "DATE", 4) || !strncmp(type, "TIMESTAMP", 9));
}

const char *peri_fits_plain(peri_arena_t *a, const char *s)
{
    peri_buf_t b;
    peri_buf_init(&b, PERI_FITS_HEADER_MAX);
    peri_text_unascii(&b, s, strlen(s));
    s = peri_arena_strndup(a, b.len ? b.data : "", b.len);
    peri_buf_free(&b);
    return s;
}

/* By name: other programs move columns, and keep the keyword as it was. What else a
 * column of ours says is ASCII with escapes. */
static void take_types(const peri_fitshdu_t *hdu, peri_fitscol_t *cols, peri_arena_t *a)
{
    json_t *types =
        hdu->types ? json_loads(peri_fits_plain(a, hdu->types), 0, NULL) : NULL;
    for (size_t c = 0; json_is_object(types) && c < hdu->nfields; c++) {
        const char *name = peri_fits_plain(a, cols[c].name);
        const char *type = json_string_value(json_object_get(types, name));
        if (!type) continue;
        cols[c].name = name;
        cols[c].sql_type = peri_arena_strdup(a, type);
        cols[c].unit = peri_fits_plain(a, cols[c].unit);
        cols[c].ucd = peri_fits_plain(a, cols[c].ucd);
        cols[c].comment = peri_fits_plain(a, cols[c].comment);
    }
    json_decref(types);
}

int peri_fits_columns(const char *p, size_t n, const peri_fitshdu_t *hdu, peri_arena_t *a,
                      peri_fitscol_t *cols, peri_err_t *err)
{
    peri_buf_t room;
    peri_buf_init(&room, PERI_FITS_HEADER_MAX);
    peri_fitscard_t card;
    uint64_t offset = 0, arrays = 0;
    int rc = 0;
    memset(cols, 0, hdu->nfields * sizeof(*cols));
    for (size_t at = 0; peri_fits_next_card(p, n, &at, &room, a, &card);)
        take_card(&card, hdu, cols);
    peri_buf_free(&room);
    for (size_t c = 0; c < hdu->nfields; c++) {
        peri_fitscol_t *col = &cols[c];
        if (!col->name || !*col->name) col->name = peri_arena_printf(a, "col%zu", c + 1);
        if (!col->unit) col->unit = "";
        if (!col->ucd) col->ucd = "";
        if (!col->comment) col->comment = "";
    }
    take_types(hdu, cols, a);
    for (size_t c = 0; c < hdu->nfields && !rc; c++) {
        peri_fitscol_t *col = &cols[c];
        col->moment = is_moment(col->sql_type);
        rc = hdu->kind == PERI_FITS_TEXT ? settle_text(col, hdu, err)
                                         : settle_binary(col, &offset, &arrays, hdu, err);
    }
    return rc;
}
