/* upload_proto.c - see upload_proto.h. */
#include "portal/storage/upload_proto.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/util.h"

/* ---- checksums ---- */

static const struct {
    const char *name;
    size_t size;
} kinds[] = {
    [PERI_SUM_NONE] = {"none", 0},
    [PERI_SUM_SHA256] = {"sha256", 32},
    [PERI_SUM_SHA1] = {"sha1", 20},
    [PERI_SUM_MD5] = {"md5", 16},
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *peri_sum_name(peri_sumkind_t kind)
{
    return kinds[kind].name;
}

size_t peri_sum_size(peri_sumkind_t kind)
{
    return kinds[kind].size;
}

bool peri_sum_same(const peri_sum_t *a, const peri_sum_t *b)
{
    return a->kind == b->kind && memcmp(a->bytes, b->bytes, kinds[a->kind].size) == 0;
}

static peri_sumkind_t kind_of(const char *s, size_t len)
{
    for (size_t i = 1; i < NKINDS; i++)
        if (len == strlen(kinds[i].name) && memcmp(s, kinds[i].name, len) == 0)
            return (peri_sumkind_t)i;
    return PERI_SUM_NONE;
}

peri_sumkind_t peri_sum_of(const char *name)
{
    return kind_of(name, strlen(name));
}

void peri_sum_format(const peri_sum_t *sum, char out[PERI_SUM_TEXT])
{
    int n = snprintf(out, PERI_SUM_TEXT, "%s:", kinds[sum->kind].name);
    for (size_t i = 0; i < kinds[sum->kind].size; i++)
        n += snprintf(out + n, PERI_SUM_TEXT - (size_t)n, "%02x", sum->bytes[i]);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int peri_sum_parse(const char *s, size_t len, peri_sum_t *out, peri_err_t *err)
{
    const char *colon = len ? memchr(s, ':', len) : NULL;
    peri_sum_t sum = {.kind = colon ? kind_of(s, (size_t)(colon - s)) : PERI_SUM_NONE};
    size_t size = kinds[sum.kind].size;
    bool good = sum.kind && len - (size_t)(colon + 1 - s) == 2 * size;
    for (size_t i = 0; good && i < size; i++) {
        int hi = hex_digit(colon[1 + 2 * i]), lo = hex_digit(colon[2 + 2 * i]);
        good = hi >= 0 && lo >= 0;
        if (good) sum.bytes[i] = (uint8_t)(hi << 4 | lo);
    }
    if (!good)
        return peri_err_set(err, PERI_EINVAL,
                            "a checksum is sha256:, sha1: or md5: and its hexadecimal "
                            "digits, not \"%.*s\"",
                            len > 80 ? 80 : (int)len, s);
    *out = sum;
    return 0;
}

int peri_upload_checksum(const char *s, size_t len, peri_sum_t *out, peri_err_t *err)
{
    uint8_t bytes[64];
    const char *space = len ? memchr(s, ' ', len) : NULL;
    peri_sum_t sum = {.kind = kind_of(s, space ? (size_t)(space - s) : len)};
    if (!sum.kind)
        return peri_err_set(err, PERI_EINVAL,
                            "Upload-Checksum knows " PERI_TUS_ALGORITHMS ", not \"%.*s\"",
                            len > 40 ? 40 : (int)len, s);
    size_t rest = space ? len - (size_t)(space + 1 - s) : 0;
    int64_t n = rest > 0 && rest <= 48 ? peri_base64_decode(space + 1, rest, bytes) : -1;
    if (n != (int64_t)kinds[sum.kind].size)
        return peri_err_set(err, PERI_EINVAL,
                            "Upload-Checksum needs %s, a space and %zu bytes in base64",
                            kinds[sum.kind].name, kinds[sum.kind].size);
    memcpy(sum.bytes, bytes, (size_t)n);
    *out = sum;
    return 0;
}

/* ---- numbers, dates ---- */

int peri_upload_number(const char *header, const char *s, size_t len, int64_t *out,
                       peri_err_t *err)
{
    int64_t v = 0;
    bool good = len > 0 && len <= 18;
    for (size_t i = 0; good && i < len; i++) {
        good = s[i] >= '0' && s[i] <= '9';
        v = 10 * v + (s[i] - '0');
    }
    if (!good)
        return peri_err_set(err, PERI_EINVAL,
                            "%s needs a number of bytes from 0 on, not \"%.*s\"", header,
                            len > 40 ? 40 : (int)len, s);
    if (v > PERI_UPLOAD_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "%s is more than 64 TiB, the most that one file can have",
                            header);
    *out = v;
    return 0;
}

void peri_http_date(double epoch, char out[PERI_HTTP_DATE])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = epoch > 0 && epoch < 2e11 ? (time_t)epoch : 0;
    struct tm tm;
    gmtime_r(&t, &tm);
    snprintf(out, PERI_HTTP_DATE, "%s, %02d %s %04d %02d:%02d:%02d GMT",
             days[tm.tm_wday % 7], tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- base64 ---- */

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int64_t peri_base64_decode(const char *s, size_t len, uint8_t *out)
{
    size_t n = 0, pad = 0;
    uint32_t bits = 0;
    while (pad < 2 && len > pad && len % 4 == 0 && s[len - 1 - pad] == '=') pad++;
    len -= pad;
    if (len % 4 == 1) return -1;
    for (size_t i = 0; i < len; i++) {
        const char *d = s[i] ? strchr(digits, s[i]) : NULL;
        if (!d) return -1;
        bits = bits << 6 | (uint32_t)(d - digits);
        if (i % 4 == 0) continue;
        unsigned left = 6 - 2 * (unsigned)(i % 4); /* bits of the next byte: 4, 2, 0 */
        out[n++] = (uint8_t)(bits >> left);
    }
    /* Bits that no byte holds must be 0: one value has one text. */
    if (len % 4 == 2 && (bits & 15)) return -1;
    if (len % 4 == 3 && (bits & 3)) return -1;
    return (int64_t)n;
}

char *peri_base64_encode(peri_arena_t *a, const void *data, size_t len)
{
    const uint8_t *p = data;
    char *out = peri_arena_alloc(a, (len + 2) / 3 * 4 + 1), *o = out;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16;
        if (i + 1 < len) v |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < len) v |= p[i + 2];
        *o++ = digits[v >> 18];
        *o++ = digits[v >> 12 & 63];
        *o++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
        *o++ = i + 2 < len ? digits[v & 63] : '=';
    }
    *o = '\0';
    return out;
}

/* ---- metadata ---- */

typedef struct {
    const char *key, *value; /* in the header, the value in base64 */
    size_t nkey, nvalue;
} pair_t;

/* "key base64" or "key", between commas; 1, or 0 at the end, or -1. */
static int next_pair(const char **at, const char *end, pair_t *p)
{
    const char *s = *at;
    while (s < end && *s == ' ') s++;
    if (s == end) return 0;
    p->key = s;
    while (s<end && * s> ' ' && *s < 127 && *s != ',') s++;
    p->nkey = (size_t)(s - p->key);
    if (p->nkey == 0) return -1;
    if (s < end && *s == ' ') s++;
    p->value = s;
    while (s < end && *s != ',' && *s != ' ') s++;
    p->nvalue = (size_t)(s - p->value);
    while (s < end && *s == ' ') s++;
    if (s < end && *s++ != ',') return -1;
    *at = s;
    return 1;
}

static bool is(const pair_t *p, const char *name)
{
    return p->nkey == strlen(name) && memcmp(p->key, name, p->nkey) == 0;
}

static int take_pair(peri_arena_t *a, const pair_t *p, peri_uploadmeta_t *m,
                     peri_err_t *err)
{
    char *text = peri_arena_alloc(a, p->nvalue / 4 * 3 + 4);
    int64_t n = peri_base64_decode(p->value, p->nvalue, (uint8_t *)text);
    if (n < 0)
        return peri_err_set(err, PERI_EINVAL,
                            "the value of \"%.*s\" in Upload-Metadata is not base64",
                            p->nkey > 40 ? 40 : (int)p->nkey, p->key);
    text[n] = '\0';
    const bool ours =
        is(p, "filename") || is(p, "volume") || is(p, "overwrite") || is(p, "checksum");
    if (!ours) return 0;
    if (memchr(text, '\0', (size_t)n) || !peri_utf8_valid(text, (size_t)n))
        return peri_err_set(err, PERI_EINVAL,
                            "the value of \"%.*s\" in Upload-Metadata is not a text in "
                            "UTF-8",
                            (int)p->nkey, p->key);
    if (is(p, "filename")) m->filename = text;
    if (is(p, "volume")) m->volume = text;
    if (is(p, "checksum")) {
        m->sum.kind = peri_sum_of(text);
        m->sum_known = !m->sum.kind;
        return m->sum_known ? peri_sum_parse(text, (size_t)n, &m->sum, err) : 0;
    }
    if (!is(p, "overwrite")) return 0;
    m->overwrite = !*text || strcmp(text, "true") == 0;
    if (!m->overwrite && strcmp(text, "false") != 0)
        return peri_err_set(err, PERI_EINVAL,
                            "\"overwrite\" in Upload-Metadata is true or false, not "
                            "\"%.40s\"",
                            text);
    return 0;
}

int peri_upload_metadata(peri_arena_t *a, const char *s, size_t len,
                         peri_uploadmeta_t *out, peri_err_t *err)
{
    pair_t pairs[PERI_UPLOAD_META_KEYS];
    size_t n = 0;
    int rc = 0;
    peri_uploadmeta_t m = {0};
    const char *at = s, *end = s + len;
    if (len > PERI_UPLOAD_META_MAX)
        return peri_err_set(err, PERI_EINVAL, "Upload-Metadata has more than %d bytes",
                            PERI_UPLOAD_META_MAX);
    while (n < PERI_UPLOAD_META_KEYS && (rc = next_pair(&at, end, &pairs[n])) == 1) {
        const pair_t *p = &pairs[n++];
        for (size_t i = 0; i + 1 < n; i++)
            if (pairs[i].nkey == p->nkey && !memcmp(pairs[i].key, p->key, p->nkey))
                return peri_err_set(err, PERI_EINVAL,
                                    "\"%.*s\" is in Upload-Metadata twice",
                                    p->nkey > 40 ? 40 : (int)p->nkey, p->key);
        if (take_pair(a, p, &m, err)) return -1;
    }
    pair_t more;
    if (n == PERI_UPLOAD_META_KEYS && next_pair(&at, end, &more) != 0)
        return peri_err_set(err, PERI_EINVAL, "Upload-Metadata has more than %d keys",
                            PERI_UPLOAD_META_KEYS);
    if (rc < 0)
        return peri_err_set(err, PERI_EINVAL,
                            "Upload-Metadata is a list of \"key base64\" with commas "
                            "between them");
    *out = m;
    return 0;
}
