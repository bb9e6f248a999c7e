/* wide.c - see wide.h. */
#include "core/engine/wide.h"

#include <stdio.h>
#include <string.h>

#include "core/table/sqltype.h"

#define U128_MAX     (~(unsigned __int128)0)
#define DIGITS_MAX   39                 /* of U128_MAX */
#define EXPONENT_MAX ((int64_t)1 << 58) /* of those above it: no text is so long */

typedef struct {
    const char *p, *end;
} text_t;

static unsigned __int128 power_of_10(unsigned n)
{
    unsigned __int128 v = 1;
    while (n--) v *= 10;
    return v;
}

bool peri_wide_type(const peri_column_t *c, peri_wide_t *out)
{
    unsigned width, scale;
    if (c->type != PERI_T_STR || !c->sql_type) return false;
    if (strcmp(c->sql_type, "HUGEINT") == 0)
        *out = (peri_wide_t){.size = 16, .max = U128_MAX / 2};
    else if (strcmp(c->sql_type, "UHUGEINT") == 0)
        *out = (peri_wide_t){.size = 16, .is_unsigned = true, .max = U128_MAX};
    else if (sscanf(c->sql_type, "DECIMAL(%2u,%2u)", &width, &scale) == 2)
        *out = (peri_wide_t){.size = width <= 4    ? 2
                                     : width <= 9  ? 4
                                     : width <= 18 ? 8
                                                   : 16,
                             .width = width,
                             .scale = scale,
                             .max = power_of_10(width) - 1};
    else
        return false;
    return peri_sqltype_form(c->sql_type, c->type, c->width) == PERI_SQLFORM_CAST;
}

/* ---- text ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool eat(text_t *t, char c)
{
    if (t->p == t->end || *t->p != c) return false;
    t->p++;
    return true;
}

static bool eat_sign(text_t *t)
{
    const bool negative = eat(t, '-');
    if (!negative) eat(t, '+');
    return negative;
}

static text_t eat_digits(text_t *t)
{
    text_t digits = {t->p, t->p};
    while (digits.end < t->end && is_digit(*digits.end)) digits.end++;
    t->p = digits.end;
    return digits;
}

/* Without zeros at the end of a fraction, which say nothing. */
static text_t eat_fraction(text_t *t, bool *some)
{
    if (!eat(t, '.')) return (text_t){t->p, t->p};
    text_t digits = eat_digits(t);
    *some |= digits.p < digits.end;
    while (digits.end > digits.p && digits.end[-1] == '0') digits.end--;
    return digits;
}

static bool eat_exponent(text_t *t, int64_t *exponent)
{
    *exponent = 0;
    if (!eat(t, 'e') && !eat(t, 'E')) return true;
    const bool negative = eat_sign(t);
    const text_t digits = eat_digits(t);
    for (const char *p = digits.p; p < digits.end; p++) {
        *exponent = 10 * *exponent + (*p - '0');
        if (*exponent > EXPONENT_MAX) *exponent = EXPONENT_MAX;
    }
    if (negative) *exponent = -*exponent;
    return digits.p < digits.end;
}

/* ---- values ---- */

/* Puts the digits behind those of *v. Only a 39th one can be too much. */
static bool add_digits(text_t digits, unsigned __int128 *v, unsigned *n)
{
    for (; digits.p < digits.end; digits.p++) {
        const unsigned d = (unsigned)(*digits.p - '0');
        if (*n == 0 && d == 0) continue;
        if (++*n >= DIGITS_MAX && (*n > DIGITS_MAX || *v > (U128_MAX - d) / 10))
            return false;
        *v = 10 * *v + d;
    }
    return true;
}

static bool move_point(unsigned __int128 *v, int64_t places)
{
    if (*v == 0 || places == 0) return true;
    if (places >= DIGITS_MAX || places <= -DIGITS_MAX) return false;
    const unsigned __int128 power =
        power_of_10((unsigned)(places < 0 ? -places : places));
    if (places < 0) {
        if (*v % power) return false;
        *v /= power;
        return true;
    }
    if (*v > U128_MAX / power) return false;
    *v *= power;
    return true;
}

static void put(unsigned __int128 v, unsigned size, void *out)
{
    const struct {
        uint64_t lower, upper;
    } both = {(uint64_t)v, (uint64_t)(v >> 64)};
    if (size == 2)
        memcpy(out, &(uint16_t){(uint16_t)v}, size);
    else if (size == 4)
        memcpy(out, &(uint32_t){(uint32_t)v}, size);
    else if (size == 8)
        memcpy(out, &both.lower, size);
    else
        memcpy(out, &both, size);
}

bool peri_wide_parse(const peri_wide_t *w, const char *text, size_t len, void *out)
{
    text_t t = {text, text + len};
    unsigned __int128 v = 0;
    unsigned n = 0;
    int64_t exponent;
    while (t.p < t.end && (is_blank(t.end[-1]) || !t.end[-1])) t.end--;
    while (t.p < t.end && is_blank(*t.p)) t.p++;
    const bool negative = eat_sign(&t);
    const text_t whole = eat_digits(&t);
    bool some = whole.p < whole.end;
    const text_t fraction = eat_fraction(&t, &some);
    if (!some || !eat_exponent(&t, &exponent) || t.p < t.end) return false;
    if (!add_digits(whole, &v, &n) || !add_digits(fraction, &v, &n) ||
        !move_point(&v, exponent + w->scale - (fraction.end - fraction.p)))
        return false;
    const bool lower = negative && w->width == 0 && !w->is_unsigned;
    if (negative && w->is_unsigned ? v > 0 : v > w->max + lower) return false;
    put(negative ? -v : v, w->size, out);
    return true;
}
