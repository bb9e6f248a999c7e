/* fuzz_statement.c - libFuzzer target: any bytes as a script. Texts that come out of it
 * are tokens of it, with nothing open; values of parameters stay one token.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/mydb/statement.h"
#include "core/mydb/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
    if (!ok) abort();
}

/* What stands in brackets in the SELECT that a statement becomes must not get out. */
static void check_closed(const char *text, peri_arena_t *a)
{
    peri_tokens_t t;
    peri_err_t err = {0};
    if (!text) return;
    must(peri_tokens_read(text, strlen(text), a, &t, &err) == 0);
    for (size_t i = 0; i < t.n; i++)
        must(t.v[i].depth >= 0 && !peri_token_is_sign(&t, i, ';'));
    if (t.n) must(t.v[t.n].depth == 0);
}

static void check_tokens(const peri_tokens_t *t)
{
    size_t at = 0;
    for (size_t i = 0; i < t->n; i++) {
        must(t->v[i].at >= at && t->v[i].len > 0);
        at = t->v[i].at + t->v[i].len;
        must(at <= t->len);
    }
    must(t->v[t->n].kind == PERI_TOK_END);
}

static void check_statement(const peri_statement_t *st, peri_arena_t *a)
{
    must(st->text && *st->text);
    if (st->kind == PERI_ST_SELECT) return;
    must(st->schema && st->table);
    check_closed(st->sql, a);
    check_closed(st->from, a);
    check_closed(st->where, a);
    check_closed(st->with, a);
    for (size_t i = 0; i < st->ncolumns; i++) check_closed(st->columns[i].text, a);
    if (st->check) must(st->shown && strlen(st->shown) == strlen(st->check));
}

static void check_bind(const char *s, size_t n, peri_arena_t *a)
{
    peri_tokens_t before, after;
    peri_err_t err = {0};
    const char *out;
    json_t *params = json_object();
    if (peri_tokens_read(s, n, a, &before, &err)) {
        must(err.text[0] != '\0');
        json_decref(params);
        return;
    }
    check_tokens(&before);
    for (size_t i = 0; i < before.n; i++)
        if (before.v[i].kind == PERI_TOK_PARAM) {
            char *name =
                peri_xasprintf("%.*s", (int)before.v[i].len - 1, s + before.v[i].at + 1);
            json_object_set_new(params, name, json_string("' OR $$ -- /* \\"));
            free(name);
        }
    if (peri_script_bind(s, n, params, a, &out, &err) == 0) {
        must(peri_tokens_read(out, strlen(out), a, &after, &err) == 0);
        must(after.n == before.n);
    }
    json_decref(params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data;
    peri_arena_t *a = peri_arena_new();
    peri_script_t script;
    peri_err_t err = {0};
    if (peri_script_parse(s, size, a, &script, &err) == 0) {
        must(script.n > 0);
        for (size_t i = 0; i < script.n; i++) check_statement(&script.v[i], a);
    } else {
        must(err.code != PERI_OK && err.text[0] != '\0');
    }
    check_bind(s, size, a);
    peri_arena_free(a);
    return 0;
}
