/* Files as rows, and rows as text, for the tests of core/import. */
#ifndef TESTS_UNIT_TEST_IMPORT_FIXTURE_H
#define TESTS_UNIT_TEST_IMPORT_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* order: cmocka needs the above */
#include <cmocka.h>

#include "core/base/util.h"
#include "core/import/cast.h"
#include "core/import/import.h"
#include "core/out/value.h"

static char folder[] = "/tmp/perigee-import-XXXXXX";

static inline char *path_of(const char *name)
{
    return peri_xasprintf("%s/%s", folder, name);
}

static inline char *put_file(const char *name, const void *data, size_t n)
{
    char *path = path_of(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
    return path;
}

/* ---- a file as text: "name TYPE [unit], ...|v,v|v,v" ---- */

typedef struct {
    peri_buf_t text;
    peri_field_t fields[64];
    size_t n;
} shown_t;

static inline int show_chunk(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    shown_t *s = arg;
    (void)err;
    for (size_t c = 0; c < s->n; c++)
        peri_field_bind(&s->fields[c], duckdb_data_chunk_get_vector(chunk, c));
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
        peri_buf_putc(&s->text, '|');
        for (size_t c = 0; c < s->n; c++) {
            if (c) peri_buf_putc(&s->text, ',');
            if (peri_field_is_null(&s->fields[c], row))
                peri_buf_puts(&s->text, "NULL");
            else
                peri_field_text(&s->fields[c], row, PERI_STYLE_SQL, &s->text);
        }
    }
    return 0;
}

static inline char *show(peri_import_t *i, peri_err_t *err)
{
    shown_t s = {0};
    const peri_outcol_t *cols = peri_import_columns(i, &s.n);
    peri_buf_init(&s.text, 1u << 24);
    for (size_t c = 0; c < s.n; c++) {
        if (c) peri_buf_puts(&s.text, ", ");
        peri_buf_printf(&s.text, "%s ", cols[c].name);
        peri_cast_put_type(cols[c].type, &s.text);
        if (*cols[c].unit) peri_buf_printf(&s.text, " [%s]", cols[c].unit);
        assert_int_equal(peri_field_init(&s.fields[c], "", cols[c].type, err), 0);
    }
    int rc = peri_import_rows(i, show_chunk, &s, err);
    for (size_t c = 0; c < s.n; c++) peri_field_clear(&s.fields[c]);
    char *text = peri_buf_take(&s.text, NULL);
    if (rc) {
        free(text);
        text = NULL;
    }
    return text;
}

static inline char *load(const char *path, const peri_importopts_t *o, peri_err_t *err)
{
    peri_import_t *i = peri_import_open(path, o, err);
    char *text = i ? show(i, err) : NULL;
    peri_import_free(i);
    return text;
}

static inline void expect_with(const peri_importopts_t *o, const char *name,
                               const char *content, const char *expected)
{
    peri_err_t err = {0};
    char *path = put_file(name, content, strlen(content));
    char *text = load(path, o, &err);
    if (!text) fail_msg("%s: %s", name, err.text);
    assert_string_equal(text, expected);
    free(text);
    free(path);
}

static inline void expect(const char *name, const char *content, const char *expected)
{
    expect_with(NULL, name, content, expected);
}

static inline void refuse_with(const peri_importopts_t *o, const char *name,
                               const char *content, size_t n, const char *words)
{
    peri_err_t err = {0};
    char *path = put_file(name, content, n);
    char *text = load(path, o, &err);
    if (text) fail_msg("%s was read as %s", name, text);
    if (!strstr(err.text, words)) fail_msg("\"%s\" lacks \"%s\"", err.text, words);
    free(path);
}

static inline void refuse(const char *name, const char *content, const char *words)
{
    refuse_with(NULL, name, content, strlen(content), words);
}

#endif
