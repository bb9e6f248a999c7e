/* token.c - see token.h. The rules are those of DuckDB's scanner, which is PostgreSQL's.
 */
#include "core/mydb/token.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/textplace.h"
#include "core/base/util.h"

typedef struct {
    const char *sql;
    size_t len, at;
    peri_err_t *err;
} scan_t;

static char peek(const scan_t *s, size_t ahead)
{
    return s->at + ahead < s->len ? s->sql[s->at + ahead] : '\0';
}

static bool begins_name(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool goes_on_name(char c)
{
    return begins_name(c) || isdigit((unsigned char)c) || c == '$';
}

static int unfinished(scan_t *s, size_t from, const char *what)
{
    char message[80];
    size_t n = s->len - from < 20 ? s->len - from : 20;
    while (n && from + n < s->len && ((unsigned char)s->sql[from + n] & 0xC0) == 0x80)
        n--;
    snprintf(message, sizeof(message), "unterminated %s at or near \"%.*s\"", what,
             (int)n, s->sql + from);
    return peri_err_set_place(s->err, PERI_EINVAL, "the SQL is not valid", s->sql, s->len,
                              from, message);
}

/* ---- what is no token ---- */

/* Comments are nested. */
static int skip_comment(scan_t *s)
{
    const size_t from = s->at;
    int depth = 0;
    do {
        if (s->at + 1 >= s->len) return unfinished(s, from, "/* comment");
        if (peek(s, 0) == '/' && peek(s, 1) == '*') {
            depth++;
            s->at += 2;
        } else if (peek(s, 0) == '*' && peek(s, 1) == '/') {
            depth--;
            s->at += 2;
        } else {
            s->at++;
        }
    } while (depth > 0);
    return 0;
}

static int skip_blank(scan_t *s)
{
    while (s->at < s->len) {
        if (isspace((unsigned char)peek(s, 0))) {
            s->at++;
        } else if (peek(s, 0) == '-' && peek(s, 1) == '-') {
            while (s->at < s->len && peek(s, 0) != '\n' && peek(s, 0) != '\r') s->at++;
        } else if (peek(s, 0) == '/' && peek(s, 1) == '*') {
            if (skip_comment(s)) return -1;
        } else {
            return 0;
        }
    }
    return 0;
}

/* ---- tokens ---- */

/* From a quote to its end; inside it is doubled or, if that is so, behind a backslash. */
static int take_quoted(scan_t *s, bool backslash, const char *what)
{
    const size_t from = s->at;
    const char quote = s->sql[s->at++];
    for (; s->at < s->len; s->at++) {
        const char c = s->sql[s->at];
        if (backslash && c == '\\') {
            s->at++;
        } else if (c == quote && peek(s, 1) == quote) {
            s->at++;
        } else if (c == quote) {
            s->at++;
            return 0;
        }
    }
    s->at = s->len;
    return unfinished(s, from, what);
}

/* The length of "$tag$" here, or 0. */
static size_t dollar_tag(const scan_t *s)
{
    size_t n = 1;
    if (begins_name(peek(s, n)))
        while (goes_on_name(peek(s, n)) && peek(s, n) != '$') n++;
    return peek(s, n) == '$' ? n + 1 : 0;
}

static int take_dollars(scan_t *s, size_t tag)
{
    const size_t from = s->at;
    for (s->at += tag; s->at + tag <= s->len; s->at++) {
        if (memcmp(s->sql + s->at, s->sql + from, tag) != 0) continue;
        s->at += tag;
        return 0;
    }
    s->at = s->len;
    return unfinished(s, from, "dollar-quoted string");
}

static void take_number(scan_t *s)
{
    if (peek(s, 0) == '0' && (peek(s, 1) == 'x' || peek(s, 1) == 'X')) {
        s->at += 2;
        while (isxdigit((unsigned char)peek(s, 0)) || peek(s, 0) == '_') s->at++;
        return;
    }
    bool dot = false;
    for (;; s->at++) {
        const char c = peek(s, 0);
        if (c == '.' && !dot && peek(s, 1) != '.')
            dot = true;
        else if (!isdigit((unsigned char)c) && c != '_')
            break;
    }
    if (peek(s, 0) != 'e' && peek(s, 0) != 'E') return;
    const size_t sign = peek(s, 1) == '+' || peek(s, 1) == '-';
    if (!isdigit((unsigned char)peek(s, 1 + sign))) return;
    s->at += 1 + sign;
    while (isdigit((unsigned char)peek(s, 0)) || peek(s, 0) == '_') s->at++;
}

static void take_name(scan_t *s)
{
    while (goes_on_name(peek(s, 0))) s->at++;
}

static int take_token(scan_t *s, peri_token_t *t)
{
    const char c = peek(s, 0);
    int rc = 0;
    t->at = s->at;
    t->kind = PERI_TOK_SIGN;
    if (c == '\'' || ((c == 'e' || c == 'E') && peek(s, 1) == '\'')) {
        t->kind = PERI_TOK_STRING;
        s->at += c != '\'';
        rc = take_quoted(s, c != '\'', "quoted string");
    } else if (c == '"') {
        t->kind = PERI_TOK_QUOTED;
        rc = take_quoted(s, false, "quoted identifier");
    } else if (begins_name(c)) {
        t->kind = PERI_TOK_WORD;
        take_name(s);
    } else if (isdigit((unsigned char)c) ||
               (c == '.' && isdigit((unsigned char)peek(s, 1)))) {
        t->kind = PERI_TOK_NUMBER;
        take_number(s);
    } else if (c == '$' && dollar_tag(s)) {
        t->kind = PERI_TOK_STRING;
        rc = take_dollars(s, dollar_tag(s));
    } else if (c == '$' && begins_name(peek(s, 1))) {
        t->kind = PERI_TOK_PARAM;
        s->at++;
        take_name(s);
    } else {
        s->at++;
    }
    t->len = s->at - t->at;
    return rc;
}

static int bracket(const scan_t *s, const peri_token_t *t)
{
    if (t->kind != PERI_TOK_SIGN) return 0;
    const char c = s->sql[t->at];
    return c == '(' || c == '[' || c == '{'   ? 1
           : c == ')' || c == ']' || c == '}' ? -1
                                              : 0;
}

static int check_text(const char *sql, size_t len, peri_err_t *err)
{
    if (memchr(sql, '\0', len))
        return peri_err_set(err, PERI_EINVAL, "the SQL text has a NUL character in it");
    if (!peri_utf8_valid(sql, len))
        return peri_err_set(err, PERI_EINVAL, "the SQL text is not valid UTF-8");
    return 0;
}

int peri_tokens_read(const char *sql, size_t len, peri_arena_t *a, peri_tokens_t *out,
                     peri_err_t *err)
{
    scan_t s = {.sql = sql, .len = len, .err = err};
    peri_token_t *v = NULL;
    size_t n = 0, cap = 0;
    int depth = 0, rc = -1;
    if (check_text(sql, len, err)) return -1;
    for (;;) {
        if (skip_blank(&s)) goto out;
        if (n == PERI_TOKENS_MAX) {
            peri_err_set(err, PERI_ELIMIT,
                         "the SQL text has more than %d words and signs",
                         PERI_TOKENS_MAX);
            goto out;
        }
        if (n == cap) v = peri_xrealloc(v, cap = cap ? 2 * cap : 64, sizeof(*v));
        v[n] = (peri_token_t){.at = len, .depth = depth};
        if (s.at >= len) break;
        if (take_token(&s, &v[n])) goto out;
        const int step = bracket(&s, &v[n]);
        if (step < 0) depth--;
        v[n].depth = depth;
        if (step > 0) depth++;
        if (v[n].kind == PERI_TOK_SIGN && sql[v[n].at] == ';') v[n].depth = depth = 0;
        n++;
    }
    peri_token_t *kept = peri_arena_calloc(a, n + 1, sizeof(*kept));
    memcpy(kept, v, (n + 1) * sizeof(*kept));
    *out = (peri_tokens_t){sql, len, kept, n};
    rc = 0;
out:
    free(v);
    return rc;
}

/* ---- asking ---- */

bool peri_token_is(const peri_tokens_t *t, size_t i, const char *word)
{
    return i < t->n && t->v[i].kind == PERI_TOK_WORD && t->v[i].len == strlen(word) &&
           strncasecmp(t->sql + t->v[i].at, word, t->v[i].len) == 0;
}

bool peri_token_is_sign(const peri_tokens_t *t, size_t i, char sign)
{
    return i < t->n && t->v[i].kind == PERI_TOK_SIGN && t->sql[t->v[i].at] == sign;
}

static char *undouble(const char *s, size_t n, char quote, peri_arena_t *a)
{
    char *out = peri_arena_alloc(a, n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        out[k++] = s[i];
        if (s[i] == quote && i + 1 < n && s[i + 1] == quote) i++;
    }
    out[k] = '\0';
    return out;
}

/* E'...': the escapes that people write. A number of a character stays as it is. */
static char *unescape(const char *s, size_t n, peri_arena_t *a)
{
    char *out = peri_arena_alloc(a, n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        static const char from[] = "ntrbf", to[] = "\n\t\r\b\f";
        if (s[i] == '\'' && i + 1 < n) i++;
        if (s[i] == '\\' && i + 1 < n) {
            const char *p = strchr(from, s[++i]);
            out[k++] = p ? to[p - from] : s[i];
        } else {
            out[k++] = s[i];
        }
    }
    out[k] = '\0';
    return out;
}

const char *peri_token_value(const peri_tokens_t *t, size_t i, peri_arena_t *a)
{
    if (i >= t->n) return NULL;
    const char *s = t->sql + t->v[i].at;
    const size_t n = t->v[i].len;
    switch (t->v[i].kind) {
    case PERI_TOK_WORD:
        return peri_arena_strndup(a, s, n);
    case PERI_TOK_QUOTED:
        return undouble(s + 1, n - 2, '"', a);
    case PERI_TOK_STRING:
        break;
    default:
        return NULL;
    }
    if (*s == '\'') return undouble(s + 1, n - 2, '\'', a);
    if (*s != '$') return unescape(s + 2, n - 3, a);
    const size_t tag = (size_t)((const char *)memchr(s + 1, '$', n - 1) - s) + 1;
    return peri_arena_strndup(a, s + tag, n - 2 * tag);
}
