/* json.c - json (one array of objects, an object a line) and ndjson (an object a line).
 * Values: see peri_field_json. */
#include <string.h>

#include "core/out/format.h"
#include "core/out/text.h"

typedef struct {
    const char *text; /* "name": */
    size_t len;
} json_key_t;

static int make_keys(peri_writer_t *w)
{
    json_key_t *keys = peri_arena_calloc(w->arena, w->ncols, sizeof(*keys));
    peri_buf_t b;
    peri_buf_init(&b, w->text.max);
    for (size_t c = 0; c < w->ncols; c++) {
        peri_buf_clear(&b);
        peri_buf_putc(&b, c ? ',' : '{');
        peri_text_json(&b, w->cols[c].name, strlen(w->cols[c].name));
        peri_buf_putc(&b, ':');
        keys[c] = (json_key_t){peri_arena_strndup(w->arena, b.data, b.len), b.len};
    }
    peri_buf_free(&b);
    w->state = keys;
    return 0;
}

static void put_object(peri_writer_t *w, idx_t row)
{
    const json_key_t *keys = w->state;
    for (size_t c = 0; c < w->ncols; c++) {
        peri_buf_append(&w->text, keys[c].text, keys[c].len);
        peri_field_json(&w->fields[c], row, &w->text);
    }
    peri_buf_putc(&w->text, '}');
}

static int json_open(peri_writer_t *w, peri_err_t *err)
{
    (void)err;
    peri_buf_putc(&w->text, '[');
    return make_keys(w);
}

static int json_chunk(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n, peri_err_t *err)
{
    (void)chunk;
    for (idx_t row = 0; row < n; row++) {
        peri_buf_puts(&w->text, w->rows + row > 0 ? ",\n" : "\n");
        put_object(w, row);
        if (peri_writer_flush(w, err)) return -1;
    }
    return 0;
}

static int json_close(peri_writer_t *w, peri_err_t *err)
{
    (void)err;
    peri_buf_puts(&w->text, w->rows ? "\n]\n" : "]\n");
    return 0;
}

static int ndjson_open(peri_writer_t *w, peri_err_t *err)
{
    (void)err;
    return make_keys(w);
}

static int ndjson_chunk(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n,
                        peri_err_t *err)
{
    (void)chunk;
    for (idx_t row = 0; row < n; row++) {
        put_object(w, row);
        peri_buf_putc(&w->text, '\n');
        if (peri_writer_flush(w, err)) return -1;
    }
    return 0;
}

const peri_ops_t peri_ops_json = {.name = "json",
                                  .endings = " .json ",
                                  .open = json_open,
                                  .chunk = json_chunk,
                                  .close = json_close};
const peri_ops_t peri_ops_ndjson = {.name = "ndjson",
                                    .endings = " .ndjson .jsonl ",
                                    .open = ndjson_open,
                                    .chunk = ndjson_chunk};
