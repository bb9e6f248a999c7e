/* api_page.c - the few pages that a link in a mail leads to, so that it works without any
 * other front end: text and perhaps a form, no script. A link is only looked at by GET;
 * what scans mails for dangerous links uses none of them up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "portal/account/api.h"

#define PAGE_MAX 16384

bool peri_api_is_form(const peri_request_t *r)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = peri_request_header(r, "Content-Type");
    return type && !strncasecmp(type, form, sizeof(form) - 1);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "a%20b+c"; NULL if it has a NUL or a broken escape. */
static const char *decode(peri_arena_t *a, const char *s, size_t n)
{
    char *out = peri_arena_alloc(a, n + 1), *p = out;
    for (size_t i = 0; i < n; i++) {
        char c = s[i] == '+' ? ' ' : s[i];
        if (c == '%') {
            int hi = i + 2 < n ? hex(s[i + 1]) : -1, lo = hi < 0 ? -1 : hex(s[i + 2]);
            if (lo < 0 || (hi == 0 && lo == 0)) return NULL;
            c = (char)(hi << 4 | lo);
            i += 2;
        }
        if (!c) return NULL;
        *p++ = c;
    }
    *p = '\0';
    return out;
}

const char *peri_api_form_field(peri_request_t *r, const char *name)
{
    const size_t len = strlen(name);
    const char *s = r->body, *end = r->body + r->body_len;
    while (s < end) {
        const char *next = memchr(s, '&', (size_t)(end - s));
        const char *stop = next ? next : end;
        if ((size_t)(stop - s) > len && !memcmp(s, name, len) && s[len] == '=')
            return decode(r->arena, s + len + 1, (size_t)(stop - s) - len - 1);
        s = next ? next + 1 : end;
    }
    return NULL;
}

static void put_text(peri_buf_t *b, const char *s)
{
    for (; *s; s++) switch (*s) {
        case '&':
            peri_buf_puts(b, "&amp;");
            break;
        case '<':
            peri_buf_puts(b, "&lt;");
            break;
        case '>':
            peri_buf_puts(b, "&gt;");
            break;
        case '"':
            peri_buf_puts(b, "&quot;");
            break;
        default:
            peri_buf_putc(b, *s);
        }
}

void peri_api_page(peri_request_t *r, int status, const char *title, const char *text,
                   const char *action, const char *token, bool password)
{
    peri_buf_t b;
    peri_buf_init(&b, PAGE_MAX);
    peri_buf_puts(&b, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                      "<meta name=\"viewport\" content=\"width=device-width\"><title>");
    put_text(&b, title);
    peri_buf_puts(&b, "</title><style>body{font:1rem/1.5 sans-serif;max-width:32rem;"
                      "margin:4rem auto;padding:0 1rem}input,button{font:inherit;"
                      "padding:.4rem .6rem}</style><main><h1>");
    put_text(&b, title);
    peri_buf_puts(&b, "</h1><p>");
    put_text(&b, text);
    peri_buf_puts(&b, "</p>");
    if (action) {
        peri_buf_puts(&b, "<form method=\"post\"><input type=\"hidden\" name=\"token\" "
                          "value=\"");
        put_text(&b, token);
        peri_buf_puts(&b, "\">");
        if (password)
            peri_buf_puts(&b, "<p><label>New password<br><input type=\"password\" "
                              "name=\"password\" autocomplete=\"new-password\" "
                              "minlength=\"10\" required autofocus></label></p>");
        peri_buf_puts(&b, "<p><button>");
        put_text(&b, action);
        peri_buf_puts(&b, "</button></p></form>");
    }
    peri_buf_puts(&b, "</main></html>\n");
    r->status = status;
    r->type = "text/html; charset=utf-8";
    r->bytes = peri_buf_take(&b, &r->bytes_len);
    peri_request_set_header(r, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'; form-action "
                            "'self'; base-uri 'none'; frame-ancestors 'none'");
    peri_request_set_header(r, "Referrer-Policy", "no-referrer");
    peri_request_set_header(r, "X-Content-Type-Options", "nosniff");
}
