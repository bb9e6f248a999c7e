/* when.c - see when.h. */
#include "cli/when.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/util.h"

static const char *format(double epoch, const char *how, char out[PERI_WHEN])
{
    time_t t = (time_t)epoch;
    struct tm tm;
    out[0] = '\0';
    if (!(epoch > 0 && epoch < 4e11) || !localtime_r(&t, &tm)) return out;
    strftime(out, PERI_WHEN, how, &tm);
    return out;
}

const char *peri_when_exact(double epoch, char out[PERI_WHEN])
{
    return format(epoch, "%Y-%m-%d %H:%M:%S", out);
}

const char *peri_when_time(double epoch, char out[PERI_WHEN])
{
    char day[PERI_WHEN], today[PERI_WHEN];
    format(epoch, "%F", day);
    format(peri_epoch(), "%F", today);
    return format(epoch, strcmp(day, today) == 0 ? "%H:%M:%S" : "%Y-%m-%d %H:%M", out);
}

const char *peri_when_span(double seconds, char out[PERI_WHEN])
{
    out[0] = '\0';
    if (!(seconds >= 0 && seconds < 1e12)) return out;
    unsigned long long s = (unsigned long long)(seconds + 0.5);
    if (seconds < 9.95)
        snprintf(out, PERI_WHEN, "%.1fs", seconds);
    else if (s < 60)
        snprintf(out, PERI_WHEN, "%llus", s);
    else if (s < 3600)
        snprintf(out, PERI_WHEN, "%llum%02llus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, PERI_WHEN, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        snprintf(out, PERI_WHEN, "%llud%02lluh", s / 86400, s / 3600 % 24);
    return out;
}

int peri_when_parse_span(const char *s, double *seconds, peri_err_t *err)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1},     {"s", 1},     {"m", 60},    {"min", 60},
                 {"h", 3600}, {"d", 86400}, {"w", 604800}};
    char *end;
    double n = strtod(s, &end);
    if (end != s && isfinite(n) && n >= 0 && n < 1e9)
        for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
            if (strcmp(end, units[i].unit) == 0) {
                *seconds = n * units[i].seconds;
                return 0;
            }
    return peri_err_set(err, PERI_EINVAL,
                        "\"%s\" is no length of time: write 90s, 15m, 2h, 3d or 1w", s);
}

int peri_when_parse(const char *s, double *epoch, peri_err_t *err)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(s, forms[i], &tm);
        if (!end || *end) continue;
        time_t t = mktime(&tm);
        if (t == (time_t)-1) break;
        *epoch = (double)t;
        return 0;
    }
    double back;
    if (peri_when_parse_span(s, &back, NULL) == 0) {
        *epoch = peri_epoch() - back;
        return 0;
    }
    return peri_err_set(err, PERI_EINVAL,
                        "\"%s\" is no time: write 90s, 15m, 2h, 3d or 1w for \"so long "
                        "ago\", or a date as 2026-11-20 or \"2026-11-20 14:00\"",
                        s);
}
