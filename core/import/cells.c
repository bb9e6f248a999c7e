/* cells.c - cells of text as values of DuckDB vectors; see text.h.
 *
 * Integers, floats and booleans are read here: that is where the time goes, and where the
 * line is known if one does not fit. All other types go as text, which SQL casts.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/import/cast.h"
#include "core/import/jsontext.h"
#include "core/import/text.h"

typedef struct {
    duckdb_type type;
    bool keeps_empty; /* an empty text is a value of what it will be cast to */
    bool has_digits;  /* JSON of numbers that DuckDB's would round */
    duckdb_vector vector;
    void *data;
    uint64_t *valid; /* NULL as long as all are */
} column_t;

struct peri_cells {
    const peri_reader_t *r;
    peri_buf_t json; /* of the value in hand */
    size_t ncols;
    column_t cols[];
};

/* ---- columns ---- */

static bool is_native(duckdb_type t)
{
    return t >= DUCKDB_TYPE_BOOLEAN && t <= DUCKDB_TYPE_DOUBLE;
}

int peri_cells_column(peri_reader_t *r, const char *source, const char *unit,
                      const char *description, const peri_guess_t *g, peri_err_t *err)
{
    duckdb_logical_type forced = peri_reader_forced(r, source);
    duckdb_logical_type type = forced ? peri_cast_copy_type(forced) : peri_guess_type(g);
    duckdb_type id = duckdb_get_type_id(type);
    if (!forced && id == DUCKDB_TYPE_VARCHAR && g->any && !g->words)
        peri_reader_note(
            r,
            "%s has numbers that neither a 64-bit integer nor a double holds "
            "exactly, so it is text; the type DOUBLE rounds them",
            source);
    if (is_native(id))
        return peri_reader_column(r, source, unit, "", description, type, NULL, err);
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    return peri_reader_column(r, source, unit, "", description, text, type, err);
}

bool peri_cells_take_words(duckdb_logical_type type)
{
    const duckdb_type id = duckdb_get_type_id(type);
    return !(id >= DUCKDB_TYPE_BOOLEAN && id <= DUCKDB_TYPE_HUGEINT) &&
           id != DUCKDB_TYPE_UHUGEINT && id != DUCKDB_TYPE_DECIMAL &&
           !(id >= DUCKDB_TYPE_TIMESTAMP_S && id <= DUCKDB_TYPE_TIMESTAMP_NS) &&
           id != DUCKDB_TYPE_TIME_TZ && id != DUCKDB_TYPE_TIMESTAMP_TZ;
}

static bool keeps_empty(duckdb_logical_type t)
{
    duckdb_type id = duckdb_get_type_id(t);
    return id == DUCKDB_TYPE_VARCHAR || id == DUCKDB_TYPE_BLOB || id == DUCKDB_TYPE_BIT ||
           id == DUCKDB_TYPE_ENUM;
}

static bool has_digits(duckdb_logical_type t)
{
    peri_buf_t type;
    peri_buf_init(&type, 1u << 20);
    bool has = peri_cast_is_nested(t) && !peri_cast_put_type(t, &type) && type.len &&
               (strstr(type.data, "DECIMAL") || strstr(type.data, "BIGNUM"));
    peri_buf_free(&type);
    return has;
}

peri_cells_t *peri_cells_new(const peri_reader_t *r)
{
    peri_cells_t *c = peri_xcalloc(1, sizeof(*c) + r->ncols * sizeof(c->cols[0]));
    c->r = r;
    peri_buf_init(&c->json, (size_t)1 << 30);
    c->ncols = r->ncols;
    for (size_t i = 0; i < r->ncols; i++) {
        c->cols[i].type = duckdb_get_type_id(r->cols[i].given);
        c->cols[i].keeps_empty = keeps_empty(r->cols[i].type);
        c->cols[i].has_digits = has_digits(r->cols[i].type);
    }
    return c;
}

void peri_cells_free(peri_cells_t *c)
{
    if (c) peri_buf_free(&c->json);
    free(c);
}

void peri_cells_bind(peri_cells_t *c, duckdb_data_chunk out)
{
    for (size_t i = 0; i < c->ncols; i++) {
        column_t *col = &c->cols[i];
        col->vector = duckdb_data_chunk_get_vector(out, i);
        col->data = duckdb_vector_get_data(col->vector);
        col->valid = NULL;
    }
}

/* ---- values ---- */

static const struct {
    uint64_t low, high; /* magnitude of a negative, of a positive number */
} ranges[] = {
    [DUCKDB_TYPE_TINYINT] = {1u << 7, INT8_MAX},
    [DUCKDB_TYPE_SMALLINT] = {1u << 15, INT16_MAX},
    [DUCKDB_TYPE_INTEGER] = {1u << 31, INT32_MAX},
    [DUCKDB_TYPE_BIGINT] = {(uint64_t)1 << 63, INT64_MAX},
    [DUCKDB_TYPE_UTINYINT] = {0, UINT8_MAX},
    [DUCKDB_TYPE_USMALLINT] = {0, UINT16_MAX},
    [DUCKDB_TYPE_UINTEGER] = {0, UINT32_MAX},
    [DUCKDB_TYPE_UBIGINT] = {0, UINT64_MAX},
};

static int put_integer(column_t *col, idx_t row, const char *p, const char *end)
{
    bool negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    uint64_t v = 0;
    if (p == end) return -1;
    for (; p < end; p++) {
        unsigned d = (unsigned)(*p - '0');
        if (d > 9 || v > (UINT64_MAX - d) / 10) return -1;
        v = v * 10 + d;
    }
    if (v > (negative ? ranges[col->type].low : ranges[col->type].high)) return -1;
    if (negative) v = 0 - v;
    switch (col->type) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_UTINYINT:
        ((uint8_t *)col->data)[row] = (uint8_t)v;
        break;
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_USMALLINT:
        ((uint16_t *)col->data)[row] = (uint16_t)v;
        break;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_UINTEGER:
        ((uint32_t *)col->data)[row] = (uint32_t)v;
        break;
    default:
        ((uint64_t *)col->data)[row] = v;
    }
    return 0;
}

/* Exact where both the digits and the power of ten are exact doubles: one rounding, in
 * the division or product. Everything else is the C library's. */
static bool quick_double(const char *p, const char *end, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    uint64_t v = 0;
    int scale = 0, seen = 0;
    bool point = false;
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        unsigned d = (unsigned)(*p - '0');
        if (d > 9) break;
        if (v >= ((uint64_t)1 << 53) / 10) return false;
        v = v * 10 + d;
        scale += point;
        seen++;
    }
    if (!seen) return false;
    if (p < end) {
        if (*p != 'e' && *p != 'E') return false;
        if (++p == end) return false;
        bool down = *p == '-';
        if ((*p == '-' || *p == '+') && ++p == end) return false;
        int e = 0;
        for (; p < end; p++) {
            unsigned d = (unsigned)(*p - '0');
            if (d > 9 || e > 999) return false;
            e = e * 10 + (int)d;
        }
        scale += down ? e : -e;
    }
    if (scale > 22 || scale < -22) return false;
    double x = scale >= 0 ? (double)v / tens[scale] : (double)v * tens[-scale];
    *out = negative ? -x : x;
    return true;
}

static bool is_special(const char *p, const char *end)
{
    size_t n = (size_t)(end - p);
    return (n == 3 && (!strncasecmp(p, "nan", 3) || !strncasecmp(p, "inf", 3))) ||
           (n == 8 && !strncasecmp(p, "infinity", 8));
}

/* Only decimal numbers, nan and inf: what else strtod takes is no number to us. */
static bool is_decimal(const char *p, const char *end)
{
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (is_special(p, end)) return true;
    for (; p < end; p++)
        if (!strchr("0123456789.eEdD+-", *p)) return false;
    return true;
}

/* A copy that ends in NUL, with Fortran's D as e. */
static int slow_float(const char *p, const char *end, double *d, float *f)
{
    size_t n = (size_t)(end - p);
    char room[128], *s = n < sizeof(room) ? room : peri_xmalloc(n + 1), *stop;
    if (!is_decimal(p, end)) {
        if (s != room) free(s);
        return -1;
    }
    memcpy(s, p, n);
    s[n] = '\0';
    for (char *q = s; *q; q++)
        if (*q == 'D' || *q == 'd') *q = 'e';
    if (d)
        *d = strtod(s, &stop);
    else
        *f = strtof(s, &stop);
    int rc = stop == s + n && n ? 0 : -1;
    /* Too large for the type, and not said to be infinite. */
    bool infinite = d ? isinf(*d) : isinf(*f);
    if (infinite && strpbrk(s, "0123456789")) rc = -1;
    if (s != room) free(s);
    return rc;
}

static int put_double(column_t *col, idx_t row, const char *p, const char *end)
{
    double *to = (double *)col->data + row;
    return quick_double(p, end, to) ? 0 : slow_float(p, end, to, NULL);
}

static int put_bool(column_t *col, idx_t row, const char *p, const char *end)
{
    static const char *const words[] = {"false", "true", "f", "t", "0", "1", "no", "yes"};
    size_t n = (size_t)(end - p);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i]) != n || strncasecmp(words[i], p, n)) continue;
        ((uint8_t *)col->data)[row] = i % 2;
        return 0;
    }
    return -1;
}

static void put_null(column_t *col, idx_t row)
{
    if (!col->valid) {
        duckdb_vector_ensure_validity_writable(col->vector);
        col->valid = duckdb_vector_get_validity(col->vector);
    }
    duckdb_validity_set_row_invalid(col->valid, row);
}

static int fail_value(const peri_cells_t *c, size_t i, const peri_cell_t *cell,
                      uint64_t line, peri_err_t *err)
{
    peri_buf_t type;
    peri_buf_init(&type, 4096);
    peri_cast_put_type(c->r->cols[i].given, &type);
    size_t n = cell->n < 100 ? cell->n : 100;
    peri_err_set(err, PERI_EFORMAT,
                 "line %llu of %s: column %s has \"%.*s\", which is no %s",
                 (unsigned long long)line, c->r->name, c->r->cols[i].name, (int)n,
                 cell->p, type.data ? type.data : "");
    peri_buf_free(&type);
    return -1;
}

int peri_cells_number(duckdb_type type, void *data, idx_t row, const char *p, size_t n)
{
    column_t col = {.type = type, .data = data};
    const char *end = p + n;
    if (!n) return -1;
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        return put_bool(&col, row, p, end);
    case DUCKDB_TYPE_DOUBLE:
        return put_double(&col, row, p, end);
    case DUCKDB_TYPE_FLOAT:
        return slow_float(p, end, NULL, (float *)data + row);
    default:
        return put_integer(&col, row, p, end);
    }
}

static int put_value(column_t *col, idx_t row, const peri_cell_t *cell)
{
    const char *p = cell->p, *end = p + cell->n;
    if (col->type == DUCKDB_TYPE_VARCHAR && col->keeps_empty) {
        duckdb_vector_assign_string_element_len(col->vector, row, p, cell->n);
        return 0;
    }
    while (p < end && *p == ' ') p++;
    while (end > p && end[-1] == ' ') end--;
    if (p == end) {
        put_null(col, row);
        return 0;
    }
    if (col->type != DUCKDB_TYPE_VARCHAR)
        return peri_cells_number(col->type, col->data, row, p, (size_t)(end - p));
    duckdb_vector_assign_string_element_len(col->vector, row, p, (idx_t)(end - p));
    return 0;
}

int peri_cells_put(peri_cells_t *c, idx_t row, const peri_cell_t *cells, uint64_t line,
                   peri_err_t *err)
{
    for (size_t i = 0; i < c->ncols; i++) {
        peri_cell_t cell = cells[i];
        if (cell.kind == PERI_CELL_NULL) {
            put_null(&c->cols[i], row);
            continue;
        }
        if (c->cols[i].has_digits) {
            peri_buf_clear(&c->json);
            peri_json_quote_long(cell.p, cell.n, &c->json);
            if (peri_buf_check(&c->json, "one value", err)) return -1;
            cell.p = c->json.len ? c->json.data : "";
            cell.n = c->json.len;
        }
        if (put_value(&c->cols[i], row, &cell))
            return fail_value(c, i, &cells[i], line, err);
    }
    return 0;
}

int peri_cells_check(const peri_reader_t *r, const char *p, size_t n, uint64_t line,
                     peri_err_t *err)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t v;
        memcpy(&v, p + i, 8);
        /* A byte above 127, or a zero. */
        if ((v | (v - 0x0101010101010101u)) & 0x8080808080808080u) break;
    }
    for (; i < n && (unsigned char)p[i] < 128 && p[i]; i++)
        ;
    if (i == n) return 0;
    if (memchr(p, 0, n))
        return peri_err_set(err, PERI_EFORMAT,
                            "line %llu of %s has a NUL character: it is no text file, or "
                            "not UTF-8",
                            (unsigned long long)line, r->name);
    if (!peri_utf8_valid(p, n))
        return peri_err_set(err, PERI_EFORMAT,
                            "line %llu of %s is not UTF-8: convert the file, for example "
                            "with iconv -f latin1 -t utf-8",
                            (unsigned long long)line, r->name);
    return 0;
}
