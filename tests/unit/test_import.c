/* Files of every format as rows: types, names, values, sentences for what is wrong. */
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

static char *path_of(const char *name)
{
    return peri_xasprintf("%s/%s", folder, name);
}

static char *put_file(const char *name, const void *data, size_t n)
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

static int show_chunk(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
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

static char *show(peri_import_t *i, peri_err_t *err)
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

static char *load(const char *path, const peri_importopts_t *o, peri_err_t *err)
{
    peri_import_t *i = peri_import_open(path, o, err);
    char *text = i ? show(i, err) : NULL;
    peri_import_free(i);
    return text;
}

static void expect_with(const peri_importopts_t *o, const char *name, const char *content,
                        const char *expected)
{
    peri_err_t err = {0};
    char *path = put_file(name, content, strlen(content));
    char *text = load(path, o, &err);
    if (!text) fail_msg("%s: %s", name, err.text);
    assert_string_equal(text, expected);
    free(text);
    free(path);
}

static void expect(const char *name, const char *content, const char *expected)
{
    expect_with(NULL, name, content, expected);
}

static void refuse_with(const peri_importopts_t *o, const char *name, const char *content,
                        size_t n, const char *words)
{
    peri_err_t err = {0};
    char *path = put_file(name, content, n);
    char *text = load(path, o, &err);
    if (text) fail_msg("%s was read as %s", name, text);
    if (!strstr(err.text, words)) fail_msg("\"%s\" lacks \"%s\"", err.text, words);
    free(path);
}

static void refuse(const char *name, const char *content, const char *words)
{
    refuse_with(NULL, name, content, strlen(content), words);
}

/* ---- csv ---- */

static void test_csv_types(void **state)
{
    (void)state;
    expect("a.csv", "id,x,ok,s\n1,1.5,true,a\n-2,nan,FALSE,\"\"\n,,,\n",
           "id BIGINT, x DOUBLE, ok BOOLEAN, s VARCHAR|1,1.5,true,a|-2,nan,false,|NULL,"
           "NULL,NULL,NULL");
    expect("a.csv",
           "a,b,c\n9223372036854775807,18446744073709551615,9007199254740993\n"
           "-9223372036854775808,0,1\n",
           "a BIGINT, b UBIGINT, c BIGINT|9223372036854775807,18446744073709551615,"
           "9007199254740993|-9223372036854775808,0,1");
    expect("a.csv", "a,b,c\n-1,1.5,007\n18446744073709551615,9007199254740993,8\n",
           "a VARCHAR, b VARCHAR, c VARCHAR|-1,1.5,007|18446744073709551615,"
           "9007199254740993,8");
    expect("a.csv",
           "d,t,z,n,r\n2024-02-29,2024-01-01T00:00:00.5,2024-01-01 00:00:00+02,"
           "2024-01-01 00:00:00.123456789,05:34:31\n",
           "d DATE, t TIMESTAMP, z TIMESTAMP WITH TIME ZONE, n TIMESTAMP_NS, r VARCHAR|"
           "2024-02-29,2024-01-01 00:00:00.5,2023-12-31 22:00:00+00,2024-01-01 "
           "00:00:00.123456789,05:34:31");
}

static void test_csv_shapes(void **state)
{
    (void)state;
    expect("a.csv", "a;b\n1,5;x\n", "a VARCHAR, b VARCHAR|1,5,x");
    expect("a.txt", "# a comment\n#  ra   dec\n 1.5   -2\n2.5 3 \n",
           "ra DOUBLE, dec BIGINT|1.5,-2|2.5,3");
    expect("a.csv",
           "\xef\xbb\xbf"
           "a,a,A b,\r\n1, 2 ,\"x\"\"\r\ny\", \"z\"\r\n\r\n",
           "a BIGINT, a_1 BIGINT, A_b VARCHAR, column4 VARCHAR|1,2,x\"\r\ny,z");
    expect("a.csv", "1,2\n3,4", "column1 BIGINT, column2 BIGINT|1,2|3,4");
    expect("a.csv", "v\n1\n\n", "v BIGINT|1|NULL");
    expect("a.csv", "mass [Msun],name\n1.0,x y\n",
           "mass DOUBLE [Msun], name VARCHAR|1.0,x y");
    expect("a.tsv", "a\tb\n1\tx\\ty\\n\\\\\n\t\\N\n",
           "a BIGINT, b VARCHAR|1,x\ty\n\\|NULL,NULL");
    expect("a.csv", "a,b\nx,y\n", "a VARCHAR, b VARCHAR|x,y");
    expect("noending", "a,b\n1,2\n", "a BIGINT, b BIGINT|1,2");
}

static void test_csv_wrong(void **state)
{
    (void)state;
    refuse("a.csv", "", "is empty");
    refuse("a.csv", "\n\n", "has no rows");
    refuse("a.csv", "a,b\n1,2\n\n1,2,3\n", "line 4 of");
    refuse("a.csv", "a,b\n1,\"2\n3,4\n", "line 2 of");
    refuse("a.csv", "a,b\n1,\"2\"x\n", "behind a closing quote");
    refuse("a.csv", "a,b\n1,\xff\n", "is not UTF-8");
    refuse_with(NULL, "a.csv", "a,b\n1,\0\n", 8, "NUL");
    refuse("a.csv",
           "\xff\xfe"
           "a",
           "UTF-16");
    const char *types[] = {"b=INTEGER"};
    peri_importopts_t o = {.types = types, .ntypes = 1};
    refuse_with(&o, "a.csv", "a,b\n1,2\n1,3.5\n", 14, "line 3 of");
    types[0] = "b=DECIMAL(4,1)";
    refuse_with(&o, "a.csv", "a,b\n1,2\n1,3.25\n", 15, "line 3 of");
    types[0] = "c=INTEGER";
    refuse_with(&o, "a.csv", "a,b\n1,2\n", 8, "no column \"c\"");
    types[0] = "b=INTEGR";
    refuse_with(&o, "a.csv", "a,b\n1,2\n", 8, "no type");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_types),
        cmocka_unit_test(test_csv_shapes),
        cmocka_unit_test(test_csv_wrong),
    };
    if (!mkdtemp(folder)) return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    peri_folder_sweep(folder);
    return rc;
}
