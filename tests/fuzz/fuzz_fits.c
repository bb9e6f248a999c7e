/* Bytes that pretend to be a table of FITS: lines that become cards, a line "END", then
 * rows and heap. What the header promises beyond the bytes is refused, and values come
 * out of what is there only. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/import/fitstable.h"

#define COLUMNS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const char *p;
    uint64_t n;
} bytes_t;

static int read_heap(void *arg, uint64_t at, uint64_t n, const char **out,
                     peri_err_t *err)
{
    const bytes_t *b = arg;
    (void)err;
    if (at > b->n || n > b->n - at) abort(); /* peri_fits_value has checked it */
    *out = b->p + at;
    return 0;
}

/* Each line of the input as a card; the length of the input that this took. */
static size_t make_cards(const char *p, size_t n, peri_buf_t *cards)
{
    static const char *const start[] = {"XTENSION= 'BINTABLE'", "BITPIX  = 8",
                                        "NAXIS   = 2", "GCOUNT  = 1"};
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) peri_buf_printf(cards, "%-80s", start[i]);
    while (at < n) {
        const char *line = p + at, *end = memchr(line, '\n', n - at);
        size_t len = end ? (size_t)(end - line) : n - at;
        at += len + (end != NULL);
        if (len > PERI_FITS_CARD) len = PERI_FITS_CARD;
        peri_buf_append(cards, line, len);
        for (; len < PERI_FITS_CARD; len++) peri_buf_putc(cards, ' ');
        if (!memcmp(line, "END", end && end - line >= 3 ? 3 : 0) && end) break;
    }
    peri_buf_printf(cards, "%-80s", "END");
    return at;
}

static void read_rows(const peri_fitshdu_t *h, peri_fitscol_t *cols, const bytes_t *b)
{
    duckdb_logical_type types[COLUMNS];
    peri_buf_t room;
    peri_buf_init(&room, 1u << 20);
    for (size_t i = 0; i < h->nfields; i++) types[i] = peri_slot_type(&cols[i].slot);
    duckdb_data_chunk out = duckdb_create_data_chunk(types, h->nfields);
    for (size_t i = 0; i < h->nfields; i++) peri_slot_bind(&cols[i].slot, out, i);
    peri_fitsheap_t heap = {read_heap, (void *)b, h->heap, h->size};
    for (uint64_t row = 0; row < h->rows && row < 16; row++)
        for (size_t i = 0; i < h->nfields; i++)
            if (peri_fits_value(&cols[i], row, b->p + row * h->row_size,
                                h->kind == PERI_FITS_TEXT ? NULL : &heap, &room, NULL))
                row = h->rows;
    duckdb_destroy_data_chunk(&out);
    for (size_t i = 0; i < h->nfields; i++) duckdb_destroy_logical_type(&types[i]);
    peri_buf_free(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    peri_arena_t *a = peri_arena_new();
    peri_buf_t cards;
    peri_fitshdu_t h;
    peri_fitscol_t cols[COLUMNS];
    peri_buf_init(&cards, 1u << 22);
    size_t at = make_cards((const char *)data, size, &cards);
    size_t n = peri_fits_header_end(cards.data, cards.len);
    bytes_t b = {(const char *)data + at, size - at};
    if (n && !peri_fits_hdu(cards.data, n, false, a, &h, NULL) &&
        (h.kind == PERI_FITS_TEXT || h.kind == PERI_FITS_BINARY) && h.size <= b.n &&
        h.row_size && h.nfields && h.nfields <= COLUMNS && h.heap <= h.size &&
        h.heap >= h.row_size * h.rows &&
        !peri_fits_columns(cards.data, n, &h, a, cols, NULL))
        read_rows(&h, cols, &b);
    peri_buf_free(&cards);
    peri_arena_free(a);
    return 0;
}
