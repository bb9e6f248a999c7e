/* bind.c - $name parameters of SQL as literals. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/textplace.h"
#include "core/mydb/statement.h"
#include "core/mydb/token.h"

#define MAX_BOUND ((size_t)2 << 20)

static void put_real(peri_buf_t *b, double v)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    peri_buf_puts(b, text);
    if (!strpbrk(text, ".en")) peri_buf_puts(b, ".0");
}

/* In brackets where a sign would meet one before it. */
static int put_value(peri_buf_t *b, const char *name, const json_t *v, peri_err_t *err)
{
    switch (json_typeof(v)) {
    case JSON_STRING:
        if (strlen(json_string_value(v)) != json_string_length(v))
            return peri_err_set(err, PERI_EINVAL,
                                "the parameter %s has a NUL character in its text", name);
        peri_buf_put_quoted(b, json_string_value(v), '\'');
        return 0;
    case JSON_INTEGER: {
        const json_int_t n = json_integer_value(v);
        peri_buf_printf(b, n < 0 ? "(%lld)" : "%lld", (long long)n);
        return 0;
    }
    case JSON_REAL: {
        const double n = json_real_value(v);
        if (n < 0) peri_buf_putc(b, '(');
        put_real(b, n);
        if (n < 0) peri_buf_putc(b, ')');
        return 0;
    }
    case JSON_TRUE:
        peri_buf_puts(b, "true");
        return 0;
    case JSON_FALSE:
        peri_buf_puts(b, "false");
        return 0;
    case JSON_NULL:
        peri_buf_puts(b, "NULL");
        return 0;
    default:
        return peri_err_set(err, PERI_EINVAL,
                            "the parameter %s must be a text, a number, true, false or "
                            "null",
                            name);
    }
}

/* Numbers and texts must not grow together with what stands beside them. */
static bool would_join(const peri_tokens_t *t, size_t at)
{
    return at < t->len && (isalnum((unsigned char)t->sql[at]) || t->sql[at] == '_' ||
                           t->sql[at] == '\'' || t->sql[at] == '.');
}

static const char *lower(const char *s, size_t n, peri_arena_t *a)
{
    char *out = peri_arena_strndup(a, s, n);
    for (char *p = out; *p; p++) *p = (char)tolower((unsigned char)*p);
    return out;
}

/* Names in lower case with the keys of their values: a text may have as many of both as
 * it has bytes. */
static json_t *names_of(const json_t *params, peri_arena_t *a)
{
    const char *key;
    json_t *v, *names = json_object();
    json_object_foreach((json_t *)(uintptr_t)params, key, v)
    {
        (void)v;
        const char *name = lower(key, strlen(key), a);
        if (!json_object_get(names, name))
            json_object_set_new(names, name, json_string(key));
    }
    return names;
}

static int not_given(const peri_tokens_t *t, size_t i, peri_err_t *err)
{
    const int n = t->v[i].len < 61 ? (int)t->v[i].len - 1 : 60;
    const char *name = t->sql + t->v[i].at + 1;
    char message[200];
    snprintf(message, sizeof(message),
             "the parameter $%.*s has no value: give it one, as %.*s=VALUE", n, name, n,
             name);
    return peri_err_set_place(err, PERI_EINVAL, "a value is missing", t->sql, t->len,
                              t->v[i].at, message);
}

static int check_used(const json_t *params, const json_t *used, const peri_tokens_t *t,
                      peri_err_t *err)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)params, key, v)
    {
        (void)v;
        if (json_object_get(used, key)) continue;
        peri_buf_t names;
        peri_buf_init(&names, 300);
        for (size_t i = 0; i < t->n; i++)
            if (t->v[i].kind == PERI_TOK_PARAM)
                peri_buf_printf(&names, "%s%.*s", names.len ? ", " : "", (int)t->v[i].len,
                                t->sql + t->v[i].at);
        const int rc =
            peri_err_set(err, PERI_EINVAL,
                         "the SQL has no parameter $%s%s%s (inside of a text in quotes "
                         "there are none)",
                         key, names.len ? ", only " : "", names.len ? names.data : "");
        peri_buf_free(&names);
        return rc;
    }
    return 0;
}

int peri_script_bind(const char *sql, size_t len, const json_t *params, peri_arena_t *a,
                     const char **out, peri_err_t *err)
{
    peri_tokens_t t;
    peri_buf_t b;
    size_t done = 0;
    int rc = -1;
    if (peri_tokens_read(sql, len, a, &t, err)) return -1;
    json_t *used = json_object(), *names = names_of(params, a);
    peri_buf_init(&b, MAX_BOUND);
    peri_buf_puts(&b, "");
    for (size_t i = 0; i < t.n; i++) {
        if (t.v[i].kind != PERI_TOK_PARAM) continue;
        const char *name = lower(sql + t.v[i].at + 1, t.v[i].len - 1, a);
        const char *key = json_string_value(json_object_get(names, name));
        const json_t *v = json_object_get(params, key);
        peri_buf_append(&b, sql + done, t.v[i].at - done);
        done = t.v[i].at + t.v[i].len;
        if (!v) {
            not_given(&t, i, err);
            goto out;
        }
        if (t.v[i].at && would_join(&t, t.v[i].at - 1)) peri_buf_putc(&b, ' ');
        if (put_value(&b, key, v, err)) goto out;
        if (would_join(&t, done)) peri_buf_putc(&b, ' ');
        json_object_set_new(used, key, json_true());
    }
    peri_buf_append(&b, sql + done, len - done);
    if (peri_buf_check(&b, "the SQL with its parameters", err) ||
        check_used(params, used, &t, err))
        goto out;
    *out = peri_arena_strndup(a, b.data, b.len);
    rc = 0;
out:
    peri_buf_free(&b);
    json_decref(used);
    json_decref(names);
    return rc;
}
