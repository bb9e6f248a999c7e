/* votable.c - votable: the rows of one table of a VOTable document, as it streams by.
 *
 * The first table with FIELDs, or the one of that name, ID or number (from 0). TABLEDATA,
 * BINARY and BINARY2. In TABLEDATA an empty cell is NULL, also of texts.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/import/cast.h"
#include "core/import/input.h"
#include "core/import/reader.h"
#include "core/import/votabledoc.h"

/* Bytes of lists and texts in a chunk, which has at least one row of them. */
#define VALUES_OF_CHUNK ((uint64_t)64 << 20)

typedef struct {
    peri_input_t *in;
    peri_vodoc_t doc;
    bool ended;     /* the document, or what is wanted of it */
    bool suspended; /* `doc` has more rows in what it was fed */
    size_t taken;   /* of doc.bytes */
    uint64_t row;
    idx_t k; /* of the chunk in hand */
    peri_reader_t *r;
    peri_buf_t text;
} votable_t;

static bool votable_sniff(const unsigned char *head, size_t n)
{
    static const char mark[] = "VOTABLE";
    while (n && strchr("\xef\xbb\xbf \t\r\n", *head)) head++, n--;
    if (!n || *head != '<') return false;
    if (n > 2048) n = 2048;
    return memmem(head, n, mark, sizeof(mark) - 1) != NULL;
}

static int fail_document(const peri_reader_t *r, const peri_err_t *why, peri_err_t *err)
{
    return peri_err_set(err, why->code, "%s cannot be read: %s", r->name, why->text);
}

/* ---- pieces of the document ---- */

/* 1: `doc` has stopped with a row. */
static int feed(peri_reader_t *r, votable_t *t, peri_err_t *err)
{
    peri_err_t why = {0};
    int rc;
    if (t->suspended) {
        rc = peri_vodoc_resume(&t->doc, &why);
    } else {
        size_t n;
        int more = peri_input_more(t->in, err);
        if (more < 0) return -1;
        const char *p = peri_input_at(t->in, &n);
        rc = peri_vodoc_feed(&t->doc, p ? p : "", n, !more, &why);
        peri_input_skip(t->in, n);
        t->ended = !more;
    }
    t->suspended = rc > 0;
    if (t->doc.over) t->ended = true;
    return rc < 0 ? fail_document(r, &why, err) : rc;
}

static int settle_fields(peri_reader_t *r, votable_t *t, peri_err_t *err)
{
    peri_err_t why = {0};
    uint64_t arrays = 0;
    r->own_names = true;
    for (size_t i = 0; i < t->doc.nfields; i++) {
        if (peri_vofield_settle(&t->doc.fields[i], &arrays, &why))
            return fail_document(r, &why, err);
        if (!t->doc.fields[i].sql_type) r->own_names = false;
    }
    for (size_t i = 0; i < t->doc.nfields; i++) {
        const peri_vofield_t *f = &t->doc.fields[i];
        duckdb_logical_type given = peri_slot_type(&f->slot), exact = NULL;
        if (f->sql_type)
            exact = peri_cast_exact_type(r->session, f->sql_type, given);
        else if (f->timestamp)
            exact = duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP);
        if (f->slot.shape == PERI_SLOT_LIST && !f->var)
            peri_reader_note(r, "column %s is a list: its rows are too long for an array",
                             f->name);
        if (peri_reader_column(r, f->name, f->unit, f->ucd, f->description, given, exact,
                               err))
            return -1;
    }
    return 0;
}

static int votable_open(peri_reader_t *r, peri_err_t *err)
{
    votable_t *t = peri_xcalloc(1, sizeof(*t));
    r->state = t;
    t->r = r;
    peri_buf_init(&t->text, (size_t)1 << 30);
    t->doc.wanted = r->opts->path_in_file;
    t->doc.head_only = true;
    t->doc.arena = r->arena;
    t->in = peri_input_new(r->fd, r->name, err);
    if (!t->in) return -1;
    peri_vodoc_begin(&t->doc);
    int rc = 0;
    while (!rc && !t->ended) {
        rc = feed(r, t, err);
        if (!rc) rc = peri_reader_tick(r, err);
    }
    if (!rc && !t->doc.nfields) {
        peri_err_t why = {0};
        peri_vodoc_fail_none(&t->doc, &why);
        rc = fail_document(r, &why, err);
    }
    peri_vodoc_end(&t->doc);
    if (rc) return -1;
    r->description = t->doc.description;
    atomic_store(&r->all, r->size);
    return settle_fields(r, t, err);
}

static void votable_free(peri_reader_t *r)
{
    votable_t *t = r->state;
    if (!t) return;
    peri_vodoc_end(&t->doc);
    free(t->doc.fields);
    peri_input_free(t->in);
    peri_buf_free(&t->text);
    free(t);
}

/* ---- rows ---- */

static int fail_value(const votable_t *t, size_t i, const peri_err_t *why,
                      peri_err_t *err)
{
    return peri_err_set(err, why->code, "row %" PRIu64 " of %s: column %s has %s",
                        t->row + t->k + 1, t->r->name, t->r->cols[i].name, why->text);
}

static bool is_full(const votable_t *t)
{
    uint64_t n = 0;
    for (size_t i = 0; i < t->doc.nfields; i++) n += t->doc.fields[i].slot.bytes;
    return t->k == peri_reader_room() || n >= VALUES_OF_CHUNK;
}

/* A row of TABLEDATA. */
static int take_cells(void *arg, peri_vodoc_t *doc, peri_err_t *err)
{
    votable_t *t = arg;
    for (size_t i = 0; i < doc->nfields; i++) {
        peri_err_t why = {0};
        const peri_vocell_t *c = &doc->cells[i];
        const char *p = c->n ? doc->text.data + c->at : "";
        if (peri_vofield_put_cell(&doc->fields[i], t->k, p, c->n, &t->text, &why))
            return fail_value(t, i, &why, err);
    }
    t->k++;
    return is_full(t);
}

/* The length of the binary row at p. 1: all of it is there; 0, -1. */
static int measure_row(const votable_t *t, const char *p, size_t n, uint64_t *length,
                       peri_err_t *err)
{
    *length = t->doc.data == PERI_VO_BINARY2 ? (t->doc.nfields + 7) / 8 : 0;
    if (n < *length) return 0;
    for (size_t i = 0; i < t->doc.nfields; i++) {
        peri_err_t why = {0};
        uint64_t size;
        int rc = peri_vofield_measure(&t->doc.fields[i], p + *length, n - *length, &size,
                                      &why);
        if (rc < 0) return fail_value(t, i, &why, err);
        if (!rc) return 0;
        *length += size;
    }
    return 1;
}

static int put_row(votable_t *t, const char *p, peri_err_t *err)
{
    const char *mask = t->doc.data == PERI_VO_BINARY2 ? p : NULL;
    if (mask) p += (t->doc.nfields + 7) / 8;
    for (size_t i = 0; i < t->doc.nfields; i++) {
        peri_err_t why = {0};
        peri_vofield_t *f = &t->doc.fields[i];
        bool null = mask && (unsigned char)mask[i / 8] >> (7 - i % 8) & 1;
        uint64_t size = 0;
        peri_vofield_measure(f, p, SIZE_MAX, &size, NULL);
        if (peri_vofield_put_bytes(f, t->k, p, null, &t->text, &why))
            return fail_value(t, i, &why, err);
        p += size;
    }
    t->k++;
    return 0;
}

/* Rows of what is decoded. 1: the chunk is full. */
static int take_bytes(votable_t *t, peri_err_t *err)
{
    peri_buf_t *b = &t->doc.bytes;
    int rc = 0;
    while (!rc && t->taken < b->len) {
        uint64_t length;
        const char *p = b->data + t->taken;
        rc = measure_row(t, p, b->len - t->taken, &length, err);
        if (rc < 0) return -1;
        if (!rc || !length) break;
        if (put_row(t, p, err)) return -1;
        t->taken += length;
        rc = is_full(t);
    }
    if (rc) return 1;
    if (t->taken) memmove(b->data, b->data + t->taken, b->len - t->taken);
    b->len -= t->taken;
    t->taken = 0;
    if (!t->ended || !b->len) return 0;
    return peri_err_set(err, PERI_EFORMAT,
                        "%s is damaged: its STREAM ends within row %" PRIu64, t->r->name,
                        t->row + t->k + 1);
}

static int votable_start(peri_reader_t *r, peri_err_t *err)
{
    votable_t *t = r->state;
    peri_vodoc_end(&t->doc);
    t->doc.head_only = false;
    t->doc.again = true;
    t->doc.row = take_cells;
    t->doc.arg = t;
    t->ended = t->suspended = false;
    t->taken = 0;
    t->row = 0;
    peri_vodoc_begin(&t->doc);
    return peri_input_rewind(t->in, err);
}

static int votable_next(peri_reader_t *r, duckdb_data_chunk out, peri_err_t *err)
{
    votable_t *t = r->state;
    for (size_t i = 0; i < t->doc.nfields; i++)
        peri_slot_bind(&t->doc.fields[i].slot, out, i);
    peri_buf_clear(&t->text);
    t->k = 0;
    for (;;) {
        int rc = take_bytes(t, err);
        if (!rc && t->ended && !t->suspended) break;
        if (!rc) rc = feed(r, t, err);
        if (rc < 0) return -1;
        if (rc) break;
    }
    t->row += t->k;
    atomic_store(&r->done, peri_input_taken(t->in));
    duckdb_data_chunk_set_size(out, t->k);
    return 0;
}

const peri_readops_t peri_read_votable = {.name = "votable",
                                          .endings = " .vot .votable .xml ",
                                          .sniff = votable_sniff,
                                          .sure = true,
                                          .text = true,
                                          .unpacks = true,
                                          .open = votable_open,
                                          .start = votable_start,
                                          .next = votable_next,
                                          .free = votable_free};
