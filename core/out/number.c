/* number.c - see number.h. Shortest digits of floating point are Schubfach (R. Giulietti,
 * "The Schubfach way to render doubles", 2020): one multiplication by a 128-bit power of
 * ten for each end of the interval of decimals that round to v, then the choice between
 * at most four candidates. The powers are computed once, exactly, instead of a 10 kB
 * table that nobody can check. */
#include "core/out/number.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

typedef unsigned __int128 u128_t;

/* ---- integers ---- */

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

static const uint64_t pow10_u64[20] = {1ull,
                                       10ull,
                                       100ull,
                                       1000ull,
                                       10000ull,
                                       100000ull,
                                       1000000ull,
                                       10000000ull,
                                       100000000ull,
                                       1000000000ull,
                                       10000000000ull,
                                       100000000000ull,
                                       1000000000000ull,
                                       10000000000000ull,
                                       100000000000000ull,
                                       1000000000000000ull,
                                       10000000000000000ull,
                                       100000000000000000ull,
                                       1000000000000000000ull,
                                       10000000000000000000ull};

static int count_digits(uint64_t v)
{
    int bits = 64 - __builtin_clzll(v | 1);
    int t = bits * 1233 >> 12; /* floor(bits * log10(2)) */
    return t + (t < 20 && v >= pow10_u64[t]);
}

/* Exactly n digits, ending at p + n. */
static char *put_digits(char *p, uint64_t v, int n)
{
    char *end = p + n, *q = end;
    while (q - p >= 2) {
        q -= 2;
        memcpy(q, digit_pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (q > p) *p = (char)('0' + v % 10);
    return end;
}

char *peri_num_u64(char *p, uint64_t v)
{
    return put_digits(p, v, v ? count_digits(v) : 1);
}

char *peri_num_i64(char *p, int64_t v)
{
    uint64_t u = (uint64_t)v;
    if (v < 0) {
        *p++ = '-';
        u = 0 - u;
    }
    return peri_num_u64(p, u);
}

char *peri_num_padded(char *p, uint64_t v, int width)
{
    int n = v ? count_digits(v) : 1;
    return put_digits(p, v, n > width ? n : width);
}

char *peri_num_u128(char *p, u128_t v)
{
    const uint64_t e19 = pow10_u64[19];
    if (v <= UINT64_MAX) return peri_num_u64(p, (uint64_t)v);
    uint64_t low = (uint64_t)(v % e19);
    return put_digits(peri_num_u128(p, v / e19), low, 19);
}

char *peri_num_i128(char *p, __int128 v)
{
    u128_t u = (u128_t)v;
    if (v < 0) {
        *p++ = '-';
        u = 0 - u;
    }
    return peri_num_u128(p, u);
}

char *peri_num_decimal(char *p, __int128 v, unsigned scale)
{
    char digits[PERI_NUM_MAX];
    u128_t u = (u128_t)v;
    if (v < 0) {
        *p++ = '-';
        u = 0 - u;
    }
    size_t n = (size_t)(peri_num_u128(digits, u) - digits);
    size_t whole = n > scale ? n - scale : 0;
    if (whole) memcpy(p, digits, whole);
    p += whole;
    if (!whole) *p++ = '0';
    if (!scale) return p;
    *p++ = '.';
    for (size_t i = n - whole; i < scale; i++) *p++ = '0';
    memcpy(p, digits + whole, n - whole);
    return p + (n - whole);
}

/* ---- powers of ten ---- */

enum { POW_MIN = -292, POW_MAX = 324, LIMBS = 20 };

typedef struct {
    uint64_t hi, lo;
} pow10_t;

static pow10_t pow10_table[POW_MAX - POW_MIN + 1];
static pthread_once_t pow10_once = PTHREAD_ONCE_INIT;

/* The leading 128 bits of a big number (little-endian limbs), rounded up if any bit that
 * follows is set or `more` says that the number itself was cut. */
static pow10_t leading_bits(const uint64_t *limb, bool more)
{
    int top = LIMBS - 1;
    while (top > 0 && !limb[top]) top--;
    uint64_t w[3] = {limb[top], top > 0 ? limb[top - 1] : 0, top > 1 ? limb[top - 2] : 0};
    int s = __builtin_clzll(w[0]);
    pow10_t g = {s ? w[0] << s | w[1] >> (64 - s) : w[0],
                 s ? w[1] << s | w[2] >> (64 - s) : w[1]};
    more = more || (w[2] << s) != 0;
    for (int i = top - 3; i >= 0 && !more; i--) more = limb[i] != 0;
    if (more && ++g.lo == 0) g.hi++;
    return g;
}

static void compute_powers(void)
{
    uint64_t x[LIMBS] = {1};
    for (int k = 0; k <= POW_MAX; k++) {
        pow10_table[k - POW_MIN] = leading_bits(x, false);
        uint64_t carry = 0;
        for (int i = 0; i < LIMBS; i++) {
            u128_t t = (u128_t)x[i] * 10 + carry;
            x[i] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
    }
    /* floor(floor(2^n / 10) / 10) = floor(2^n / 100): no error builds up on the way down.
     * 2^1279 / 10^292 keeps more than 300 bits. */
    memset(x, 0, sizeof(x));
    x[LIMBS - 1] = 1ull << 63;
    for (int k = -1; k >= POW_MIN; k--) {
        uint64_t rest = 0;
        for (int i = LIMBS - 1; i >= 0; i--) {
            u128_t t = (u128_t)rest << 64 | x[i];
            x[i] = (uint64_t)(t / 10);
            rest = (uint64_t)(t % 10);
        }
        pow10_table[k - POW_MIN] = leading_bits(x, true);
    }
}

/* ---- shortest digits ---- */

/* floor(g * cp / 2^128), the last bit set if anything was cut off. */
static uint64_t round_to_odd(pow10_t g, uint64_t cp)
{
    u128_t low = (u128_t)g.lo * cp;
    u128_t high = (u128_t)g.hi * cp + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The shortest decimal digits * 10^exponent that lies between the neighbours' midpoints
 * of c * 2^q, and of those the closest. `narrow`: the lower neighbour is only half as
 * far. */
static uint64_t shortest(uint64_t c, int q, bool narrow, int *exponent)
{
    int k = (q * 1262611 - (narrow ? 524031 : 0)) >> 22; /* floor(log10(2^q [* 3/4])) */
    int h = q + (-k * 1741647 >> 19) + 1;                /* floor(log2(10^-k)) */
    pow10_t g = pow10_table[-k - POW_MIN];
    uint64_t odd = c & 1;
    uint64_t lower = round_to_odd(g, (4 * c - 2 + narrow) << h) + odd;
    uint64_t v = round_to_odd(g, (4 * c) << h);
    uint64_t upper = round_to_odd(g, (4 * c + 2) << h) - odd;

    uint64_t s = v / 4;
    if (s >= 10) {
        uint64_t t = s / 10;
        bool down = lower <= 40 * t, up = 40 * t + 40 <= upper;
        if (down != up) {
            *exponent = k + 1;
            return t + up;
        }
    }
    *exponent = k;
    bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
    if (down != up) return s + up;
    uint64_t middle = 4 * s + 2;
    return s + (v > middle || (v == middle && (s & 1)));
}

/* digits * 10^exponent in positional or scientific notation. */
static char *put_floating(char *p, uint64_t digits, int exponent)
{
    while (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    int n = count_digits(digits);
    int point = n + exponent; /* digits before the decimal point */
    if (point > 16 || point < -3) {
        char text[20] = {0};
        put_digits(text, digits, n);
        *p++ = text[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, text + 1, (size_t)n - 1);
            p += n - 1;
        }
        *p++ = 'e';
        int e = point - 1;
        *p++ = e < 0 ? '-' : '+';
        return peri_num_padded(p, (uint64_t)(e < 0 ? -e : e), 2);
    }
    if (point <= 0) {
        memcpy(p, "0.0000", 6);
        return put_digits(p + 2 - point, digits, n);
    }
    if (exponent >= 0) {
        p = put_digits(p, digits, n);
        memset(p, '0', (size_t)exponent);
        memcpy(p + exponent, ".0", 2);
        return p + exponent + 2;
    }
    uint64_t unit = pow10_u64[-exponent];
    p = put_digits(p, digits / unit, point);
    *p++ = '.';
    return put_digits(p, digits % unit, -exponent);
}

static char *put_special(char *p, bool is_nan, bool negative)
{
    if (is_nan) {
        memcpy(p, "nan", 3);
        return p + 3;
    }
    if (negative) *p++ = '-';
    memcpy(p, "inf", 3);
    return p + 3;
}

/* fraction and biased: the fields of an IEEE number with `bits` fraction bits. */
static char *put_ieee(char *p, uint64_t fraction, int biased, int bits, int bias)
{
    uint64_t c = biased ? fraction | 1ull << bits : fraction;
    int q = (biased ? biased : 1) - bias - bits;
    if (q <= 0 && q > -bits && (c & ((1ull << -q) - 1)) == 0 && c >> -q < 10000000)
        return put_floating(p, c >> -q, 0); /* a small whole number: most common */
    pthread_once(&pow10_once, compute_powers);
    int exponent;
    uint64_t digits = shortest(c, q, fraction == 0 && biased > 1, &exponent);
    return put_floating(p, digits, exponent);
}

char *peri_num_double(char *p, double v)
{
    if (!isfinite(v)) return put_special(p, isnan(v), v < 0);
    uint64_t u;
    memcpy(&u, &v, sizeof(u));
    if (u >> 63) *p++ = '-';
    uint64_t fraction = u & ((1ull << 52) - 1);
    int biased = (int)(u >> 52 & 0x7ff);
    if (!fraction && !biased) {
        memcpy(p, "0.0", 3);
        return p + 3;
    }
    return put_ieee(p, fraction, biased, 52, 1023);
}

char *peri_num_float(char *p, float v)
{
    if (!isfinite(v)) return put_special(p, isnan(v), v < 0);
    uint32_t u;
    memcpy(&u, &v, sizeof(u));
    if (u >> 31) *p++ = '-';
    uint64_t fraction = u & ((1u << 23) - 1);
    int biased = (int)(u >> 23 & 0xff);
    if (!fraction && !biased) {
        memcpy(p, "0.0", 3);
        return p + 3;
    }
    return put_ieee(p, fraction, biased, 23, 127);
}
