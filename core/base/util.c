/* util.c - memory, numbers and words. File helpers are in path.c. */
#include "core/base/util.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static void *or_abort(void *p)
{
    if (p) return p;
    static const char text[] = "perigee: out of memory\n";
    fwrite(text, 1, sizeof(text) - 1, stderr);
    abort();
}

void *peri_xmalloc(size_t size)
{
    return or_abort(malloc(size ? size : 1));
}

void *peri_xcalloc(size_t n, size_t size)
{
    return or_abort(calloc(n ? n : 1, size ? size : 1));
}

void *peri_xrealloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) return or_abort(NULL);
    return or_abort(realloc(p, bytes ? bytes : 1));
}

char *peri_xstrdup(const char *s)
{
    return or_abort(strdup(s));
}

char *peri_xasprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return or_abort(n < 0 ? NULL : s);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double peri_now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

double peri_epoch(void)
{
    return seconds_of(CLOCK_REALTIME);
}

const char *peri_human_bytes(uint64_t n, char out[16])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)n;
    size_t u = 0;
    while (v >= 999.5 && u + 1 < sizeof(units) / sizeof(units[0])) {
        v /= 1000;
        u++;
    }
    snprintf(out, 16, u == 0 || v >= 99.95 ? "%.0f %s" : "%.1f %s", v, units[u]);
    return out;
}

const char *peri_human_count(uint64_t n, char out[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
    char *p = out;
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}

/* A number followed by one of the suffixes (ignoring case); -1 if there is neither. */
static int parse_with_suffix(const char *s, const char *const *suffixes,
                             const double *factors, size_t n, double *out)
{
    char *end;
    errno = 0;
    double v = strtod(s, &end);
    if (end == s || errno || !(v >= 0) || v > 1e18) return -1;
    while (*end == ' ') end++;
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(end, suffixes[i]) == 0) {
            *out = v * factors[i];
            return 0;
        }
    }
    return -1;
}

int peri_parse_size(const char *s, uint64_t *bytes, peri_err_t *err)
{
    static const char *const suffixes[] = {"",   "B", "k",  "kB",  "M",   "MB",  "G",
                                           "GB", "T", "TB", "KiB", "MiB", "GiB", "TiB"};
    static const double factors[] = {1,     1,        1e3,         1e3,           1e6,
                                     1e6,   1e9,      1e9,         1e12,          1e12,
                                     1024., 1048576., 1073741824., 1099511627776.};
    double v;
    if (parse_with_suffix(s, suffixes, factors, sizeof(factors) / sizeof(factors[0]),
                          &v) ||
        v > 9e18)
        return peri_err_set(err, PERI_EINVAL,
                            "\"%s\" is not a size: write a number with a unit, such as "
                            "512MB or 4GiB",
                            s);
    *bytes = (uint64_t)v;
    return 0;
}

int peri_parse_seconds(const char *s, double *seconds, peri_err_t *err)
{
    static const char *const suffixes[] = {"", "s", "m", "min", "h", "d"};
    static const double factors[] = {1, 1, 60, 60, 3600, 86400};
    if (parse_with_suffix(s, suffixes, factors, sizeof(factors) / sizeof(factors[0]),
                          seconds))
        return peri_err_set(
            err, PERI_EINVAL,
            "\"%s\" is not a time: write seconds, or a number with s, m, h "
            "or d, such as 90s or 2h",
            s);
    return 0;
}

int peri_edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t na = strlen(a), nb = strlen(b);
    if (na > LONGEST || nb > LONGEST) return LONGEST;
    int row[LONGEST + 1];
    for (size_t j = 0; j <= nb; j++) row[j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int same =
                tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            int best = diagonal + !same;
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

const char *peri_did_you_mean(const char *what, const char *const *names, size_t n)
{
    const char *best = NULL;
    int limit = (int)strlen(what) / 3 + 1, best_distance = limit + 1;
    for (size_t i = 0; i < n; i++) {
        int d = peri_edit_distance(what, names[i]);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

bool peri_utf8_valid(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    while (p < end) {
        unsigned char c = *p++;
        if (c < 0x80) continue;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || end - p < more) return false;
        /* Overlong forms, surrogates and codes over 10FFFF show in the second byte. */
        unsigned char lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        unsigned char hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        if (*p < lo || *p > hi) return false;
        for (int i = 1; i < more; i++)
            if ((p[i] & 0xc0) != 0x80) return false;
        p += more;
    }
    return true;
}
