/* Bytes that pretend to be a VOTable, in pieces of any size: cells lie in what was given,
 * rows of BINARY2 within what was decoded, and both passes find the same fields. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/import/votabledoc.h"

#define COLUMNS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    peri_vodoc_t doc;
    duckdb_data_chunk out;
    duckdb_logical_type types[COLUMNS];
    idx_t row;
    peri_buf_t room;
} table_t;

static int take_row(void *arg, peri_vodoc_t *doc, peri_err_t *err)
{
    table_t *t = arg;
    if (!t->out || t->row == 100) return 0;
    for (size_t i = 0; i < doc->nfields; i++) {
        const peri_vocell_t *c = &doc->cells[i];
        if (c->at > doc->text.len || c->n > doc->text.len - c->at) abort();
        if (peri_vofield_put_cell(&doc->fields[i], t->row,
                                  c->n ? doc->text.data + c->at : "", c->n, &t->room,
                                  err))
            return -1;
    }
    return t->row++ % 3 == 0; /* now and then: stop, and go on */
}

static void take_bytes(table_t *t)
{
    peri_vodoc_t *doc = &t->doc;
    size_t at = 0, mask = doc->data == PERI_VO_BINARY2 ? (doc->nfields + 7) / 8 : 0;
    if (!doc->bytes.len) return;
    for (; t->out && doc->data > PERI_VO_CELLS && t->row < 100; t->row++) {
        uint64_t length = mask, size = 0;
        if (mask > doc->bytes.len - at) return;
        for (size_t i = 0; i < doc->nfields; i++, length += size)
            if (peri_vofield_measure(&doc->fields[i], doc->bytes.data + at + length,
                                     doc->bytes.len - at - length, &size, NULL) != 1)
                return;
        if (!length || length > doc->bytes.len - at) return;
        const char *p = doc->bytes.data + at + mask;
        for (size_t i = 0; i < doc->nfields; i++, p += size) {
            peri_vofield_measure(&doc->fields[i], p, SIZE_MAX, &size, NULL);
            if (peri_vofield_put_bytes(&doc->fields[i], t->row, p, i == t->row, &t->room,
                                       NULL))
                return;
        }
        at += length;
    }
}

static void feed(table_t *t, const char *p, size_t n, size_t step)
{
    for (size_t at = 0; at <= n; at += step) {
        size_t k = n - at < step ? n - at : step;
        int rc = peri_vodoc_feed(&t->doc, p + at, k, at + step > n, NULL);
        while (rc > 0) rc = peri_vodoc_resume(&t->doc, NULL);
        if (rc < 0) return;
    }
}

/* The chunk that the fields found ask for. */
static void prepare(table_t *t)
{
    uint64_t arrays = 0;
    size_t n = t->doc.nfields;
    if (!n || n > COLUMNS) return;
    for (size_t i = 0; i < n; i++)
        if (peri_vofield_settle(&t->doc.fields[i], &arrays, NULL)) return;
    for (size_t i = 0; i < n; i++) t->types[i] = peri_slot_type(&t->doc.fields[i].slot);
    t->out = duckdb_create_data_chunk(t->types, n);
    for (size_t i = 0; i < n; i++) {
        peri_slot_bind(&t->doc.fields[i].slot, t->out, i);
        duckdb_destroy_logical_type(&t->types[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    table_t t = {0};
    size_t step = data[0] % 64 + 1;
    const char *p = (const char *)data + 1;
    t.doc.arena = peri_arena_new();
    t.doc.arg = &t;
    t.doc.row = take_row;
    t.doc.head_only = true;
    peri_buf_init(&t.room, 1u << 20);
    peri_vodoc_begin(&t.doc);
    feed(&t, p, size - 1, step);
    bool found = t.doc.over;
    peri_vodoc_end(&t.doc);
    if (found) prepare(&t);
    if (t.out) {
        t.doc.head_only = false;
        t.doc.again = true;
        peri_vodoc_begin(&t.doc);
        feed(&t, p, size - 1, 65 - step);
        take_bytes(&t);
        peri_vodoc_end(&t.doc);
        duckdb_destroy_data_chunk(&t.out);
    }
    free(t.doc.fields);
    peri_buf_free(&t.room);
    peri_arena_free(t.doc.arena);
    return 0;
}
