/* jsontext.c - see jsontext.h. */
#include "core/import/jsontext.h"

#include <string.h>

size_t peri_json_extent(const char *p, size_t n)
{
    size_t depth = 0;
    const char *end = p + n;
    for (const char *q = p; q < end; q++) {
        if (*q == '{' || *q == '[') depth++;
        if (*q == '}' || *q == ']') {
            if (depth <= 1) return (size_t)(q - p) + 1;
            depth--;
        }
        if (*q != '"') continue;
        for (q++; q < end && *q != '"'; q++)
            if (*q == '\\') q++;
        if (q >= end) return 0;
    }
    return 0;
}

/* ---- tokens ---- */

typedef struct {
    char *p, *end;
    const char *why;
} json_in_t;

static char *fail(json_in_t *in, const char *why)
{
    if (!in->why) in->why = why;
    return NULL;
}

static void skip_space(json_in_t *in)
{
    while (in->p < in->end &&
           (*in->p == ' ' || *in->p == '\n' || *in->p == '\t' || *in->p == '\r'))
        in->p++;
}

static bool take(json_in_t *in, char c)
{
    skip_space(in);
    if (in->p == in->end || *in->p != c) return false;
    in->p++;
    return true;
}

static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v;
}

static char *put_utf8(char *to, uint32_t c)
{
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(first[n] | c);
    return to + n;
}

/* \uXXXX at p (behind the u), also of two for one character: where it ends. */
static char *take_unicode(json_in_t *in, char *p, char **to)
{
    int c = hex4(p, in->end);
    if (c < 0) return fail(in, "it has a \\u without four digits behind it");
    p += 4;
    if (c >= 0xd800 && c < 0xe000) {
        int low =
            in->end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, in->end) : -1;
        if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
            return fail(in, "it has half of a character (\\ud800 to \\udfff)");
        p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (!c) return fail(in, "it has a NUL character (\\u0000)");
    *to = put_utf8(*to, (uint32_t)c);
    return p;
}

/* The string whose opening quote is at in->p; decoded to the same place, or only skipped
 * if `cell` is NULL. */
static bool take_string(json_in_t *in, peri_cell_t *cell)
{
    char *p = in->p + 1, *to = p, *first = p;
    char scratch[8];
    while (p < in->end && *p != '"') {
        char *at = cell ? to : scratch;
        if ((unsigned char)*p < ' ')
            return fail(in, "a text in it has a line break or control character");
        if (*p != '\\') {
            if (cell) *to++ = *p;
            p++;
            continue;
        }
        if (++p == in->end) break;
        static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
        const char *known = memchr(names, *p, sizeof(names) - 1);
        if (*p == 'u') {
            if (!(p = take_unicode(in, p + 1, &at))) return false;
        } else if (known) {
            *at++ = means[known - names];
            p++;
        } else {
            return fail(in, "a text in it has an unknown escape behind \\");
        }
        if (cell) to = at;
    }
    if (p >= in->end) return fail(in, "a text in it has no closing quote");
    in->p = p + 1;
    if (cell) *cell = (peri_cell_t){first, (size_t)(to - first), PERI_CELL_STRING};
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p)) p++;
    return p;
}

static bool is_number(const char *p, const char *end)
{
    if (p < end && *p == '-') p++;
    const char *q = digits(p, end);
    if (q == p || (q - p > 1 && *p == '0')) return false;
    if (q < end && *q == '.') {
        p = q + 1;
        q = digits(p, end);
        if (q == p) return false;
    }
    if (q < end && (*q == 'e' || *q == 'E')) {
        p = q + 1;
        if (p < end && (*p == '+' || *p == '-')) p++;
        q = digits(p, end);
        if (q == p) return false;
    }
    return q == end;
}

/* A number, true, false or null. */
static bool take_word(json_in_t *in, peri_cell_t *cell)
{
    static const char *const words[] = {"null", "true",     "false",
                                        "NaN",  "Infinity", "-Infinity"};
    char *first = in->p;
    while (in->p < in->end && !strchr(" \t\r\n,:]}[{\"", *in->p)) in->p++;
    size_t n = (size_t)(in->p - first);
    int word = -1;
    for (int i = 0; i < 6; i++)
        if (strlen(words[i]) == n && !memcmp(words[i], first, n)) word = i;
    if (word < 0 && !is_number(first, in->p))
        return fail(in,
                    n ? "it has a word that is no value of JSON" : "a value is missing");
    if (cell)
        *cell = (peri_cell_t){first, n, word == 0 ? PERI_CELL_NULL : PERI_CELL_BARE};
    return true;
}

static bool skip_value(json_in_t *in, int depth);

static bool skip_nested(json_in_t *in, int depth)
{
    bool object = *in->p++ == '{';
    char close = object ? '}' : ']';
    if (depth > PERI_JSON_DEPTH) return fail(in, "its values are nested too deep");
    if (take(in, close)) return true;
    do {
        skip_space(in);
        if (object) {
            if (in->p == in->end || *in->p != '"') return fail(in, "a name is missing");
            if (!take_string(in, NULL)) return false;
            if (!take(in, ':')) return fail(in, "a : is missing");
        }
        if (!skip_value(in, depth)) return false;
    } while (take(in, ','));
    return take(in, close) || fail(in, "a , or closing bracket is missing");
}

static bool skip_value(json_in_t *in, int depth)
{
    skip_space(in);
    if (in->p == in->end) return fail(in, "a value is missing");
    if (*in->p == '"') return take_string(in, NULL);
    if (*in->p == '{' || *in->p == '[') return skip_nested(in, depth + 1);
    return take_word(in, NULL);
}

static bool take_value(json_in_t *in, peri_cell_t *cell)
{
    skip_space(in);
    if (in->p == in->end) return fail(in, "a value is missing");
    if (*in->p == '"') return take_string(in, cell);
    if (*in->p != '{' && *in->p != '[') return take_word(in, cell);
    char *first = in->p;
    if (!skip_nested(in, 1)) return false;
    *cell = (peri_cell_t){first, (size_t)(in->p - first), PERI_CELL_NESTED};
    return true;
}

int peri_json_members(char *p, size_t n,
                      int (*member)(void *arg, const char *key, size_t nkey,
                                    const peri_cell_t *value),
                      void *arg, const char **why)
{
    json_in_t in = {p, p + n, NULL};
    *why = NULL;
    if (!take(&in, '{')) {
        *why = "it is no object: rows are to be {\"name\": value, ...}";
        return -1;
    }
    bool ended = take(&in, '}');
    while (!ended) {
        peri_cell_t key, value;
        skip_space(&in);
        if (in.p == in.end || *in.p != '"')
            fail(&in, "a name in quotes is missing");
        else if (take_string(&in, &key) && !take(&in, ':'))
            fail(&in, "a : is missing");
        if (in.why || !take_value(&in, &value)) break;
        int rc = member(arg, key.p, key.n, &value);
        if (rc) return rc;
        ended = take(&in, '}');
        if (!ended && !take(&in, ',')) fail(&in, "a , or } is missing");
        if (in.why) break;
    }
    skip_space(&in);
    if (!in.why && in.p != in.end) fail(&in, "there is something behind its }");
    *why = in.why;
    return in.why ? -1 : 0;
}

void peri_json_quote_long(const char *p, size_t n, peri_buf_t *out)
{
    const char *end = p + n;
    while (p < end) {
        const char *first = p++;
        bool number = *first == '-' || is_digit(*first), quote = false;
        if (*first == '"') {
            while (p < end && *p != '"') p += *p == '\\' && p + 1 < end ? 2 : 1;
            if (p < end) p++;
        } else if (number) {
            size_t count = is_digit(*first);
            for (; p < end && (is_digit(*p) || strchr("+-.eE", *p)); p++)
                count += is_digit(*p);
            quote = count > 15;
        }
        if (quote) peri_buf_putc(out, '"');
        peri_buf_append(out, first, (size_t)(p - first));
        if (quote) peri_buf_putc(out, '"');
    }
}
