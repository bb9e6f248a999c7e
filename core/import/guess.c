/* guess.c - what a column of text can be; see text.h. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/import/text.h"

#define MOMENTS (PERI_CAN_STAMP | PERI_CAN_STAMP9 | PERI_CAN_STAMPTZ)

void peri_guess_init(peri_guess_t *g)
{
    memset(g, 0, sizeof(*g));
    g->can = PERI_CAN_ALL;
}

/* ---- numbers ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(const char *p, const char *end)
{
    const char *q = p;
    while (q < end && is_digit(*q)) q++;
    return (size_t)(q - p);
}

static unsigned integer_can(const char *p, size_t n, bool negative, bool *fraction)
{
    if (n > 1 && *p == '0') return 0; /* a code, not a number: 007 */
    if (negative && n == 1 && *p == '0') {
        *fraction = true; /* only a float has the sign of -0 */
        return PERI_CAN_F64;
    }
    uint64_t v = 0;
    if (n > 20) return PERI_CAN_F64;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)(p[i] - '0');
        if (v > (UINT64_MAX - d) / 10) return PERI_CAN_F64;
        v = v * 10 + d;
    }
    unsigned can = 0;
    if (v <= (uint64_t)INT64_MAX + negative) can |= PERI_CAN_I64;
    if (!negative) can |= PERI_CAN_U64;
    double d = (double)v;
    if (d < 0x1p64 && (uint64_t)d == v) can |= PERI_CAN_F64;
    return can;
}

/* 1.5 .5 5. 1e5 1.5D+03 */
static bool is_fraction(const char *p, const char *end)
{
    size_t whole = digits(p, end), part = 0;
    p += whole;
    bool point = p < end && *p == '.';
    if (point) {
        p++;
        part = digits(p, end);
        p += part;
    }
    if (!whole && !part) return false;
    if (p == end) return point;
    bool exponent = *p == 'e' || *p == 'E' || (point && (*p == 'd' || *p == 'D'));
    if (!exponent || ++p == end) return false;
    if ((*p == '+' || *p == '-') && ++p == end) return false;
    size_t n = digits(p, end);
    return n > 0 && p + n == end;
}

static bool is_word(const char *p, const char *end, const char *word)
{
    size_t n = (size_t)(end - p);
    return n == strlen(word) && !strncasecmp(p, word, n);
}

static unsigned number_can(const char *p, const char *end, bool *fraction)
{
    bool negative = *p == '-';
    if ((*p == '-' || *p == '+') && ++p == end) return 0;
    size_t n = digits(p, end);
    if (n && p + n == end) return integer_can(p, n, negative, fraction);
    if (is_digit(*p) || *p == '.') {
        *fraction = is_fraction(p, end);
        return *fraction ? PERI_CAN_F64 : 0;
    }
    bool infinity = is_word(p, end, "infinity");
    *fraction = infinity || is_word(p, end, "nan") || is_word(p, end, "inf");
    return !*fraction ? 0
           : infinity ? PERI_CAN_F64 | PERI_CAN_DATE | MOMENTS
                      : PERI_CAN_F64;
}

/* ---- dates and times ---- */

static bool take_number(const char **p, const char *end, size_t width, int min, int max,
                        int *out)
{
    if ((size_t)(end - *p) < width || digits(*p, *p + width) != width) return false;
    int v = 0;
    for (size_t i = 0; i < width; i++) v = v * 10 + (*p)[i] - '0';
    *p += width;
    *out = v;
    return v >= min && v <= max;
}

static bool take_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c) return false;
    ++*p;
    return true;
}

static bool take_date(const char **p, const char *end, int *year)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int month, day;
    if (!take_number(p, end, 4, 1, 9999, year) || !take_char(p, end, '-') ||
        !take_number(p, end, 2, 1, 12, &month) || !take_char(p, end, '-') ||
        !take_number(p, end, 2, 1, 31, &day))
        return false;
    bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

/* Z, +02, +0200, -03:30 */
static bool take_zone(const char **p, const char *end)
{
    int v;
    if (take_char(p, end, 'Z')) return true;
    if (!take_char(p, end, '+') && !take_char(p, end, '-')) return false;
    if (!take_number(p, end, 2, 0, 15, &v)) return false;
    if (*p == end) return true;
    take_char(p, end, ':');
    return take_number(p, end, 2, 0, 59, &v);
}

static unsigned moment_can(const char *p, const char *end)
{
    int year, v;
    if (!take_date(&p, end, &year)) return 0;
    unsigned in_reach = year > 1677 && year < 2262 ? PERI_CAN_STAMP9 : 0;
    if (p == end) return PERI_CAN_DATE | PERI_CAN_STAMP | in_reach;
    if (!take_char(&p, end, ' ') && !take_char(&p, end, 'T')) return 0;
    if (!take_number(&p, end, 2, 0, 23, &v) || !take_char(&p, end, ':') ||
        !take_number(&p, end, 2, 0, 59, &v) || !take_char(&p, end, ':') ||
        !take_number(&p, end, 2, 0, 59, &v))
        return 0;
    size_t parts = 0;
    if (take_char(&p, end, '.')) {
        parts = digits(p, end);
        if (!parts || parts > 9) return 0;
        p += parts;
    }
    if (p == end) return (parts <= 6 ? PERI_CAN_STAMP : 0) | in_reach;
    return parts <= 6 && take_zone(&p, end) && p == end ? PERI_CAN_STAMPTZ : 0;
}

/* ---- values ---- */

unsigned peri_guess_text(const char *p, size_t n, bool *fraction)
{
    const char *end = p + n;
    *fraction = false;
    while (p < end && *p == ' ') p++;
    while (end > p && end[-1] == ' ') end--;
    if (p == end) return PERI_CAN_ALL; /* blanks are no number, and no text either */
    if (*p <= '9' || *p == 'n' || *p == 'N' || *p == 'i' || *p == 'I') {
        unsigned can = number_can(p, end, fraction);
        return can ? can : moment_can(p, end);
    }
    return is_word(p, end, "true") || is_word(p, end, "false") ? PERI_CAN_BOOL : 0;
}

/* An array of numbers, nothing nested in it: how many, or -1. */
static long count_numbers(const char *p, size_t n, bool *fractions)
{
    const char *end = p + n - 1;
    long count = 0;
    if (n < 2 || *p != '[') return -1;
    p++;
    while (p < end && strchr(" \t\r\n", *p)) p++;
    if (p == end) return 0;
    for (;; p++) {
        while (p < end && strchr(" \t\r\n", *p)) p++;
        const char *first = p;
        while (p < end && *p != ',') p++;
        const char *last = p;
        while (last > first && strchr(" \t\r\n", last[-1])) last--;
        bool fraction = false;
        unsigned can = 0;
        if (last > first && *first == '"')
            can = is_word(first, last, "\"NaN\"") ||
                          is_word(first, last, "\"Infinity\"") ||
                          is_word(first, last, "\"-Infinity\"")
                      ? PERI_CAN_F64
                      : 0;
        else if (is_word(first, last, "null"))
            can = PERI_CAN_F64 | PERI_CAN_I64;
        else if (last > first)
            can = peri_guess_text(first, (size_t)(last - first), &fraction);
        if (!(can & (PERI_CAN_F64 | PERI_CAN_I64)) || can == PERI_CAN_ALL) return -1;
        if (!(can & PERI_CAN_I64)) *fractions = true;
        count++;
        if (p == end) return count;
    }
}

static void look_nested(peri_guess_t *g, const peri_cell_t *cell)
{
    bool fractions = false;
    long n = count_numbers(cell->p, cell->n, &fractions);
    g->can &= n < 0 ? 0 : PERI_CAN_LIST;
    g->fractions |= fractions;
    g->words = true;
    g->ragged |= n <= 0 || (g->any && g->length != (size_t)n);
    g->length = n < 0 ? 0 : (size_t)n;
    g->any = true;
}

void peri_guess_look(peri_guess_t *g, const peri_cell_t *cell)
{
    if (cell->kind == PERI_CELL_NULL) return;
    if (cell->kind == PERI_CELL_NESTED) {
        look_nested(g, cell);
        return;
    }
    g->any = true;
    if (!g->can && g->words) return;
    bool fraction = false;
    unsigned can = cell->n ? peri_guess_text(cell->p, cell->n, &fraction) : 0;
    if (cell->kind == PERI_CELL_STRING) {
        /* A text on purpose: of numbers only those that JSON has no other way to write.
         */
        bool word =
            fraction && !is_digit(cell->p[cell->n - 1]) && cell->p[cell->n - 1] != '.';
        can = can == PERI_CAN_ALL
                  ? 0
                  : can & (MOMENTS | PERI_CAN_DATE | (word ? PERI_CAN_F64 : 0));
        fraction = word;
    }
    g->can &= can;
    g->fractions |= fraction;
    g->words |= !(can & (PERI_CAN_I64 | PERI_CAN_U64 | PERI_CAN_F64));
}

static duckdb_logical_type list_type(const peri_guess_t *g)
{
    duckdb_logical_type item = duckdb_create_logical_type(
        g->fractions ? DUCKDB_TYPE_DOUBLE : DUCKDB_TYPE_BIGINT);
    duckdb_logical_type t = g->ragged ? duckdb_create_list_type(item)
                                      : duckdb_create_array_type(item, g->length);
    duckdb_destroy_logical_type(&item);
    return t;
}

duckdb_logical_type peri_guess_type(const peri_guess_t *g)
{
    static const struct {
        unsigned can;
        duckdb_type type;
    } order[] = {{PERI_CAN_BOOL, DUCKDB_TYPE_BOOLEAN},
                 {PERI_CAN_I64, DUCKDB_TYPE_BIGINT},
                 {PERI_CAN_U64, DUCKDB_TYPE_UBIGINT},
                 {PERI_CAN_F64, DUCKDB_TYPE_DOUBLE},
                 {PERI_CAN_DATE, DUCKDB_TYPE_DATE},
                 {PERI_CAN_STAMP, DUCKDB_TYPE_TIMESTAMP},
                 {PERI_CAN_STAMP9, DUCKDB_TYPE_TIMESTAMP_NS},
                 {PERI_CAN_STAMPTZ, DUCKDB_TYPE_TIMESTAMP_TZ}};
    if (g->any && g->can == PERI_CAN_LIST) return list_type(g);
    for (size_t i = 0;
         g->any && g->can != PERI_CAN_ALL && i < sizeof(order) / sizeof(order[0]); i++) {
        if (!(g->can & order[i].can)) continue;
        /* Integers that only a double could hold lose digits there. */
        if (order[i].can == PERI_CAN_F64 && !g->fractions) break;
        return duckdb_create_logical_type(order[i].type);
    }
    return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
}
