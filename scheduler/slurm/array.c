/* array.c - array strings and ids. Pure. Parsers take what Slurm sends, with its length,
 * and trust nothing of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/slurm/plugin.h"

int peri_slurm_array_format(const int32_t *indexes, size_t n, int32_t first,
                            int32_t throttle, peri_buf_t *out)
{
    for (size_t i = 0; i < n;) {
        size_t j = i;
        while (j + 1 < n && indexes[j + 1] == indexes[j] + 1) j++;
        peri_buf_printf(out, "%s%" PRId32, i ? "," : "", indexes[i] - first);
        if (j > i) peri_buf_printf(out, "-%" PRId32, indexes[j] - first);
        i = j + 1;
    }
    if (throttle > 0) peri_buf_printf(out, "%%%" PRId32, throttle);
    return out->failed ? -1 : 0;
}

/* A number at *p, before end; -1 if there is none or it does not fit. */
static int64_t number(const char **p, const char *end)
{
    int64_t v = -1;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p) {
        v = (v < 0 ? 0 : v) * 10 + (**p - '0');
        if (v > INT32_MAX) return -1;
    }
    return v;
}

static bool take(const char **p, const char *end, char c)
{
    if (*p >= end || **p != c) return false;
    ++*p;
    return true;
}

int peri_slurm_array_parse(const char *s, size_t len, int32_t *out, size_t max, size_t *n)
{
    const char *p = s, *end = s + len;
    *n = 0;
    do {
        int64_t first = number(&p, end), last = first, step = 1;
        if (first < 0) return -1;
        if (take(&p, end, '-') && (last = number(&p, end)) < first) return -1;
        if (take(&p, end, ':') && (step = number(&p, end)) < 1) return -1;
        for (int64_t i = first; i <= last; i += step) {
            if (*n == max) return -1;
            out[(*n)++] = (int32_t)i;
        }
    } while (take(&p, end, ','));
    if (take(&p, end, '%') && number(&p, end) < 0) return -1;
    return p == end ? 0 : -1;
}

int32_t peri_slurm_first(const char *comment)
{
    const char *s = comment ? strstr(comment, PERI_SLURM_FIRST) : NULL;
    if (!s) return 0;
    s += sizeof(PERI_SLURM_FIRST) - 1;
    int64_t first = number(&s, s + strlen(s));
    return first > 0 ? (int32_t)first : 0;
}

/* 24 bits of FNV-1a: enough to tell a job from the one that got its number. */
uint32_t peri_slurm_tag(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
    return (h ^ h >> 24) & 0xffffff;
}

void peri_slurm_id_format(char out[PERI_SCHED_ID_MAX], uint32_t job, const char *name)
{
    snprintf(out, PERI_SCHED_ID_MAX, "%" PRIu32 ":%06" PRIx32, job, peri_slurm_tag(name));
}

int peri_slurm_id_parse(const char *id, uint32_t *job, uint32_t *tag)
{
    size_t digits = strspn(id, "0123456789");
    int used = 0;
    if (!digits || digits > 10 || id[digits] != ':') return -1;
    const char *hex = id + digits + 1;
    if (strlen(hex) != 6 || strspn(hex, "0123456789abcdef") != 6) return -1;
    uint64_t j = 0;
    for (size_t i = 0; i < digits; i++) j = j * 10 + (uint64_t)(id[i] - '0');
    if (j == 0 || j > UINT32_MAX) return -1;
    if (sscanf(hex, "%6" SCNx32 "%n", tag, &used) != 1 || used != 6) return -1;
    *job = (uint32_t)j;
    return 0;
}
