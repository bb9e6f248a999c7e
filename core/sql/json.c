/* json.c - DuckDB's JSON to jansson and back, without losing numbers.
 *
 * DuckDB writes unsigned 64-bit integers (halves of hugeints, positions) and Infinity;
 * jansson knows int64 and finite doubles only. Such tokens become strings that start with
 * MARK and
 * '#'; a real string that starts with MARK gets one more MARK, so that the way back is
 * exact.
 */
#include "core/sql/ast.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"

#define MARK_TEXT "\\u0001" /* as both DuckDB and jansson spell the character 0x01 */
#define MARK_CHAR '\x01'
#define MAX_JSON  ((size_t)256 << 20)

static size_t string_end(const char *s)
{
    size_t i = 1;
    while (s[i] && s[i] != '"') i += s[i] == '\\' && s[i + 1] ? 2 : 1;
    return s[i] ? i + 1 : i;
}

static bool fits(const char *token, size_t len)
{
    char digits[32];
    if (len >= sizeof digits) return false;
    memcpy(digits, token, len);
    digits[len] = '\0';
    errno = 0;
    strtoll(digits, NULL, 10);
    return errno == 0;
}

/* A number or a bare word up to the next delimiter. */
static void copy_token(peri_buf_t *out, const char *s, size_t len)
{
    bool integer = strspn(s, "-0123456789") >= len;
    bool word = memchr("INin", s[s[0] == '-'], 4) != NULL;
    bool null = len == 4 && memcmp(s, "null", 4) == 0;
    if ((integer && !fits(s, len)) || (word && !null)) {
        peri_buf_puts(out, "\"" MARK_TEXT "#");
        peri_buf_append(out, s, len);
        peri_buf_putc(out, '"');
    } else {
        peri_buf_append(out, s, len);
    }
}

json_t *peri_json_read(const char *text, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, MAX_JSON);
    for (const char *s = text; *s;) {
        size_t len = 1;
        if (*s == '"') {
            len = string_end(s);
            peri_buf_putc(&b, '"');
            if (strncmp(s + 1, MARK_TEXT, strlen(MARK_TEXT)) == 0)
                peri_buf_puts(&b, MARK_TEXT);
            peri_buf_append(&b, s + 1, len - 1);
        } else if (strchr("{}[]:, \t\r\n", *s)) {
            peri_buf_putc(&b, *s);
        } else {
            len = strcspn(s, "{}[]:, \t\r\n\"");
            copy_token(&b, s, len);
        }
        s += len;
    }
    json_t *value = NULL;
    if (peri_buf_check(&b, "the syntax tree", err) == 0) {
        json_error_t why;
        value = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        if (!value)
            peri_err_set(err, PERI_ELIMIT,
                         "the SQL statement is nested too deeply to be understood (%s); "
                         "write it with fewer levels of brackets",
                         why.text);
    }
    peri_buf_free(&b);
    return value;
}

char *peri_json_write(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) return NULL;
    const size_t mark = strlen(MARK_TEXT);
    char *to = text;
    for (const char *s = text; *s;) {
        if (*s != '"') {
            *to++ = *s++;
            continue;
        }
        size_t len = string_end(s);
        const char *body = s + 1;
        bool marked = len > 1 + mark && strncmp(body, MARK_TEXT, mark) == 0;
        if (marked && body[mark] == '#') { /* without the quotes */
            size_t n = len - 1 - mark - 2;
            memmove(to, body + mark + 1, n);
            to += n;
        } else {
            *to++ = '"';
            size_t skip = marked ? mark : 0;
            memmove(to, body + skip, len - 1 - skip);
            to += len - 1 - skip;
        }
        s += len;
    }
    *to = '\0';
    return text;
}

const char *peri_json_marked(const json_t *value)
{
    const char *s = json_string_value(value);
    return s && s[0] == MARK_CHAR && s[1] == '#' ? s + 2 : NULL;
}
