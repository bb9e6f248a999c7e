/* table_preview.c - what a file would become as a table: its columns and first rows. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table_load.h"
#include "cli/table_print.h"
#include "cli/talk.h"
#include "core/base/util.h"
#include "core/out/value.h"

#define ROWS      20
#define VALUE_MAX ((size_t)64 << 20)
#define SHOWN_MAX 4096 /* bytes of one value */

char *peri_load_type(const peri_outcol_t *c)
{
    peri_field_t f;
    peri_buf_t b;
    peri_buf_init(&b, VALUE_MAX);
    if (peri_field_init(&f, c->name, c->type, NULL) == 0) peri_field_sql_type(&f, &b);
    peri_field_clear(&f);
    char *text = b.len ? peri_buf_take(&b, NULL) : peri_xstrdup("?");
    peri_buf_free(&b);
    return text;
}

typedef struct {
    peri_field_t *fields;
    size_t n;
    bool texts; /* values as a person reads them */
    json_t *rows;
    peri_buf_t scratch;
} preview_t;

/* A number of JSON if it keeps all digits there, else a text. */
static json_t *value(preview_t *p, const peri_field_t *f, idx_t row)
{
    json_t *v = NULL;
    peri_buf_clear(&p->scratch);
    if (peri_field_is_null(f, row)) return json_null();
    if (!p->texts) {
        peri_field_json(f, row, &p->scratch);
        v = json_loadb(p->scratch.data, p->scratch.len, JSON_DECODE_ANY, NULL);
        if (v) return v;
        peri_buf_clear(&p->scratch);
    }
    peri_field_text(f, row, PERI_STYLE_SQL, &p->scratch);
    size_t n = p->scratch.len < SHOWN_MAX ? p->scratch.len : SHOWN_MAX;
    /* Not within a character. */
    while (n && n < p->scratch.len && (p->scratch.data[n] & 0xc0) == 0x80) n--;
    v = json_stringn(p->scratch.data ? p->scratch.data : "", n);
    return v ? v : json_string("?");
}

static int take_rows(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    preview_t *p = arg;
    for (size_t c = 0; c < p->n; c++)
        peri_field_bind(&p->fields[c], duckdb_data_chunk_get_vector(chunk, c));
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
        if (json_array_size(p->rows) == ROWS)
            return peri_err_set(err, PERI_ECLOSED, "enough");
        json_t *values = json_array();
        for (size_t c = 0; c < p->n; c++)
            json_array_append_new(values, value(p, &p->fields[c], row));
        json_array_append_new(p->rows, values);
    }
    return json_array_size(p->rows) == ROWS ? peri_err_set(err, PERI_ECLOSED, "enough")
                                            : 0;
}

json_t *peri_load_columns(const peri_outcol_t *cols, size_t n)
{
    json_t *list = json_array();
    for (size_t c = 0; c < n; c++) {
        char *type = peri_load_type(&cols[c]);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", cols[c].name,
                                        "type", type, "unit", cols[c].unit, "ucd",
                                        cols[c].ucd, "description", cols[c].description));
        free(type);
    }
    return list;
}

int peri_load_preview(peri_import_t *i, bool json, peri_err_t *err)
{
    preview_t p = {.texts = !json, .rows = json_array()};
    size_t nnotes;
    const peri_outcol_t *cols = peri_import_columns(i, &p.n);
    const char *const *notes = peri_import_notes(i, &nnotes);
    peri_buf_init(&p.scratch, VALUE_MAX);
    p.fields = peri_xcalloc(p.n, sizeof(*p.fields));
    int rc = 0;
    for (size_t c = 0; c < p.n && rc == 0; c++)
        rc = peri_field_init(&p.fields[c], cols[c].name, cols[c].type, err);
    if (rc == 0 && peri_import_rows(i, take_rows, &p, err) && err->code != PERI_ECLOSED)
        rc = -1;
    json_t *o =
        json_pack("{s:s, s:o, s:O, s:[]}", "format", peri_import_format(i), "columns",
                  peri_load_columns(cols, p.n), "rows", p.rows, "notes");
    for (size_t k = 0; k < nnotes; k++)
        json_array_append_new(json_object_get(o, "notes"), json_string(notes[k]));
    if (rc == 0 && json) peri_talk_print(o);
    if (rc == 0 && !json) peri_table_print_preview(o);
    for (size_t c = 0; c < p.n; c++) peri_field_clear(&p.fields[c]);
    for (size_t k = 0; k < nnotes && !json && rc == 0; k++)
        fprintf(stderr, "Note: %s\n", notes[k]);
    json_decref(p.rows);
    json_decref(o);
    free(p.fields);
    peri_buf_free(&p.scratch);
    if (rc) return -1;
    int status = peri_cli_done(0);
    if (status == 0)
        peri_cli_word(
            json_pack("{s:i, s:n, s:s, s:[]}", "code", 0, "cut", "text", "", "changed"));
    return status;
}
