/* moment.c - see moment.h. */
#include "core/out/moment.h"

#include <string.h>

#include "core/out/number.h"

static char *put_text(char *p, const char *s)
{
    size_t n = strlen(s);
    memcpy(p, s, n);
    return p + n;
}

/* Year, month and day of the proleptic Gregorian calendar. The year is made to start in
 * March, so that the leap day is its last and months follow one formula. */
static void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    const int64_t era_days = 146097; /* 400 years */
    days += 719468;                  /* from 0000-03-01 */
    int64_t era = (days >= 0 ? days : days - (era_days - 1)) / era_days;
    int64_t in_era = days - era * era_days;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * in_year + 2) / 153;
    *day = (unsigned)(in_year - (153 * m + 2) / 5 + 1);
    *month = (unsigned)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

static char *put_civil(char *p, int64_t days, peri_style_t style)
{
    int64_t year;
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    if (year < 0 && style == PERI_STYLE_ISO) *p++ = '-';
    if (year > 9999 && style == PERI_STYLE_ISO) *p++ = '+';
    int64_t shown = year > 0 ? year : style == PERI_STYLE_ISO ? -year : 1 - year;
    p = peri_num_padded(p, (uint64_t)shown, 4);
    *p++ = '-';
    p = peri_num_padded(p, month, 2);
    *p++ = '-';
    return peri_num_padded(p, day, 2);
}

/* Is it 1 BC or earlier? SQL style says so at the end. */
static char *put_era(char *p, int64_t days, peri_style_t style)
{
    const int64_t first_of_year_1 = -719162;
    if (days >= first_of_year_1 || style == PERI_STYLE_ISO) return p;
    return put_text(p, " (BC)");
}

char *peri_moment_date(char *p, int32_t days, peri_style_t style)
{
    if (days == INT32_MAX) return put_text(p, "infinity");
    if (days == -INT32_MAX) return put_text(p, "-infinity");
    return put_era(put_civil(p, days, style), days, style);
}

/* ".5": fraction / per_second without trailing zeros; nothing if 0. */
static char *put_fraction(char *p, int64_t fraction, int64_t per_second)
{
    if (!fraction) return p;
    int digits = 0;
    for (int64_t s = per_second; s > 1; s /= 10) digits++;
    *p++ = '.';
    p = peri_num_padded(p, (uint64_t)fraction, digits);
    while (p[-1] == '0') p--;
    return p;
}

char *peri_moment_time(char *p, int64_t v, int64_t per_second)
{
    int64_t seconds = v / per_second;
    p = peri_num_padded(p, (uint64_t)(seconds / 3600), 2);
    *p++ = ':';
    p = peri_num_padded(p, (uint64_t)(seconds / 60 % 60), 2);
    *p++ = ':';
    p = peri_num_padded(p, (uint64_t)(seconds % 60), 2);
    return put_fraction(p, v % per_second, per_second);
}

char *peri_moment_timestamp(char *p, int64_t v, int64_t per_second, int zone,
                            peri_style_t style)
{
    if (v == INT64_MAX) return put_text(p, "infinity");
    if (v == -INT64_MAX) return put_text(p, "-infinity");
    int64_t per_day = 86400 * per_second;
    int64_t days = v / per_day, rest = v % per_day;
    if (rest < 0) {
        days--;
        rest += per_day;
    }
    p = put_civil(p, days, style);
    if (style == PERI_STYLE_SQL) p = put_era(p, days, style);
    *p++ = style == PERI_STYLE_ISO ? 'T' : ' ';
    p = peri_moment_time(p, rest, per_second);
    if (zone) p = put_text(p, style == PERI_STYLE_ISO ? "Z" : "+00");
    return p;
}

char *peri_moment_time_tz(char *p, uint64_t bits)
{
    const int32_t max_offset = 16 * 3600 - 1; /* stored as max - offset: sorts by UTC */
    int32_t offset = max_offset - (int32_t)(bits & 0xffffff);
    p = peri_moment_time(p, (int64_t)(bits >> 24), 1000000);
    *p++ = offset < 0 ? '-' : '+';
    uint64_t s = (uint64_t)(offset < 0 ? -offset : offset);
    p = peri_num_padded(p, s / 3600, 2);
    if (s / 60 % 60) {
        *p++ = ':';
        p = peri_num_padded(p, s / 60 % 60, 2);
    }
    if (s % 60) {
        *p++ = ':';
        p = peri_num_padded(p, s % 60, 2);
    }
    return p;
}

static char *put_count(char *p, const char *start, int64_t n, const char *unit)
{
    if (!n) return p;
    if (p > start) *p++ = ' ';
    p = peri_num_i64(p, n);
    p = put_text(p, unit);
    if (n != 1 && n != -1) *p++ = 's';
    return p;
}

char *peri_moment_interval(char *p, duckdb_interval v)
{
    const char *start = p;
    p = put_count(p, start, v.months / 12, " year");
    p = put_count(p, start, v.months % 12, " month");
    p = put_count(p, start, v.days, " day");
    if (!v.micros && p > start) return p;
    if (p > start) *p++ = ' ';
    if (v.micros < 0) *p++ = '-';
    uint64_t micros = v.micros < 0 ? 0 - (uint64_t)v.micros : (uint64_t)v.micros;
    /* The most negative value has no positive twin that fits int64_t. */
    uint64_t seconds = micros / 1000000;
    p = peri_num_padded(p, seconds / 3600, 2);
    *p++ = ':';
    p = peri_num_padded(p, seconds / 60 % 60, 2);
    *p++ = ':';
    p = peri_num_padded(p, seconds % 60, 2);
    return put_fraction(p, (int64_t)(micros % 1000000), 1000000);
}
