/* fits.c - fits: the rows of one table extension, read in blocks.
 *
 * The first table, or the one that is named by its EXTNAME or by its number (0 is the
 * primary array, as everywhere). Headers are read whole, at most 32 MiB; rows in blocks
 * of a few MiB; lists from the heap as they come.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/import/cast.h"
#include "core/import/fitstable.h"
#include "core/import/reader.h"

#define BLOCK_BYTES ((uint64_t)8 << 20)
#define ROW_MAX     ((uint64_t)256 << 20)
#define HEAP_MAX    ((uint64_t)256 << 20) /* one list */
#define VALUES_OF_CHUNK                                                                  \
    ((uint64_t)64 << 20) /* lists and texts; at least a row of them                      \
                          */
#define HDUS_MAX 10000

typedef struct {
    peri_fitshdu_t hdu;
    unsigned number;
    uint64_t begin; /* of its data in the file */
    peri_fitscol_t *cols;
    uint64_t row;
    char *block;
    uint64_t room; /* rows of it */
    char *heap;
    uint64_t heap_room, heap_used;
    uint64_t heap_begin; /* in the file, of what `heap` holds */
    peri_buf_t text;
} fits_t;

static bool fits_sniff(const unsigned char *head, size_t n)
{
    return n >= 30 && !memcmp(head, "SIMPLE  =", 9);
}

/* ---- bytes ---- */

static int read_at(const peri_reader_t *r, uint64_t at, char *to, uint64_t n,
                   peri_err_t *err)
{
    while (n) {
        ssize_t k = pread(r->fd, to, n > 1u << 30 ? 1u << 30 : n, (off_t)at);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0)
            return peri_err_set(err, PERI_EIO, "cannot read %s: %s", r->name,
                                strerror(errno));
        if (!k)
            return peri_err_set(err, PERI_EFORMAT,
                                "%s has become shorter while it was "
                                "read",
                                r->name);
        to += k;
        at += (uint64_t)k;
        n -= (uint64_t)k;
    }
    return 0;
}

/* The header that begins at `at`: its bytes, the caller's, and where its data begin. */
static int read_header(const peri_reader_t *r, unsigned number, uint64_t at, char **out,
                       size_t *n, uint64_t *data, peri_err_t *err)
{
    char *p = NULL;
    size_t have = 0, end = 0;
    int rc = 0;
    while (!end && !rc) {
        size_t step = have ? have : PERI_FITS_BLOCK;
        if (step > r->size - at - have) step = (size_t)(r->size - at - have);
        if (have + step > PERI_FITS_HEADER_MAX || step < PERI_FITS_CARD) break;
        p = peri_xrealloc(p, have + step, 1);
        rc = read_at(r, at + have, p + have, step, err);
        size_t from = have / PERI_FITS_CARD * PERI_FITS_CARD;
        end = rc ? 0 : peri_fits_header_end(p + from, have + step - from);
        if (end) end += from;
        have += step;
    }
    if (!rc && !end && have > PERI_FITS_HEADER_MAX / 4)
        rc = peri_err_set(err, PERI_EFORMAT,
                          "the header of HDU %u of %s is too long, or has no END", number,
                          r->name);
    else if (!rc && !end)
        rc = peri_err_set(err, PERI_EFORMAT,
                          "%s ends within the header of HDU %u: it is truncated, or no "
                          "FITS file",
                          r->name, number);
    if (rc) {
        free(p);
        return -1;
    }
    *out = p;
    *n = end;
    *data = at + (end + PERI_FITS_BLOCK - 1) / PERI_FITS_BLOCK * PERI_FITS_BLOCK;
    return 0;
}

/* ---- which table ---- */

static const char *kind_name(const peri_fitshdu_t *h)
{
    return h->kind == PERI_FITS_OTHER ? "image" : "table";
}

static int fail_find(const peri_reader_t *r, peri_buf_t *list, peri_err_t *err)
{
    const char *path = r->opts->path_in_file;
    const char *has = list->len ? list->data : "nothing";
    if (path)
        return peri_err_set(err, PERI_ENOTFOUND, "%s has no table \"%.100s\": it has %s",
                            r->name, path, has);
    return peri_err_set(err, PERI_EFORMAT, "%s has no table: it has %s", r->name, has);
}

static bool is_wanted(const peri_reader_t *r, const peri_fitshdu_t *h, unsigned number)
{
    const char *path = r->opts->path_in_file;
    int64_t n;
    if (!path || !*path) return h->kind != PERI_FITS_OTHER;
    if (peri_fits_integer(path, &n)) return n >= 0 && (uint64_t)n == number;
    return h->kind != PERI_FITS_OTHER && !strcasecmp(path, h->name);
}

static int check_table(const peri_reader_t *r, const fits_t *t, peri_err_t *err)
{
    const peri_fitshdu_t *h = &t->hdu;
    if (h->kind == PERI_FITS_OTHER)
        return peri_err_set(err, PERI_EINVAL, "HDU %u of %s is no table", t->number,
                            r->name);
    if (h->kind == PERI_FITS_PACKED)
        return peri_err_set(err, PERI_EUNSUPP,
                            "the table in HDU %u of %s is compressed by tiles: write it "
                            "anew with funpack",
                            t->number, r->name);
    if (t->begin > r->size || h->size > r->size - t->begin)
        return peri_err_set(err, PERI_EFORMAT,
                            "%s is truncated: HDU %u needs %" PRIu64
                            " bytes of data, and %" PRIu64 " are there",
                            r->name, t->number, h->size,
                            t->begin > r->size ? 0 : r->size - t->begin);
    if (h->row_size > ROW_MAX || (h->rows && !h->row_size) ||
        h->heap < h->row_size * h->rows || h->heap > h->size)
        return peri_err_set(err, PERI_EFORMAT,
                            "HDU %u of %s has rows of %" PRIu64
                            " bytes, or a heap (THEAP) that is not in its data",
                            t->number, r->name, h->row_size);
    return 0;
}

/* What follows the last HDU may be anything. */
static bool is_extension(const peri_reader_t *r, uint64_t at)
{
    char key[8];
    return pread(r->fd, key, sizeof(key), (off_t)at) == sizeof(key) &&
           !memcmp(key, "XTENSION", sizeof(key));
}

/* The table's header, the caller's. */
static int find_table(peri_reader_t *r, fits_t *t, char **header, size_t *n,
                      peri_err_t *err)
{
    peri_buf_t list;
    peri_buf_init(&list, 1024);
    peri_err_t why = {0};
    uint64_t at = 0;
    int rc = -1;
    for (t->number = 0; t->number < HDUS_MAX && at < r->size; t->number++) {
        *header = NULL;
        if (read_header(r, t->number, at, header, n, &t->begin, &why)) {
            if (t->number && !is_extension(r, at)) memset(&why, 0, sizeof(why));
            break;
        }
        bool fits = t->number ? !memcmp(*header, "XTENSION", 8)
                              : fits_sniff((unsigned char *)*header, *n);
        if (!fits) break;
        if (peri_fits_hdu(*header, *n, !t->number, r->arena, &t->hdu, &why)) {
            peri_err_t what = why;
            peri_err_set(&why, what.code, "HDU %u of %s cannot be read: %s", t->number,
                         r->name, what.text);
            break;
        }
        if (is_wanted(r, &t->hdu, t->number)) {
            rc = check_table(r, t, &why);
            break;
        }
        if (list.len < 500)
            peri_buf_printf(&list, "%s%u (%s%s%.60s)", list.len ? ", " : "", t->number,
                            kind_name(&t->hdu), *t->hdu.name ? " " : "", t->hdu.name);
        at = t->begin +
             (t->hdu.size + PERI_FITS_BLOCK - 1) / PERI_FITS_BLOCK * PERI_FITS_BLOCK;
        free(*header);
        *header = NULL;
    }
    if (rc && why.code == PERI_OK) fail_find(r, &list, &why);
    peri_buf_free(&list);
    if (rc && err) *err = why;
    return rc;
}

/* ---- columns ---- */

static int add_columns(peri_reader_t *r, fits_t *t, peri_err_t *err)
{
    r->own_names = t->hdu.nfields > 0;
    for (size_t i = 0; i < t->hdu.nfields; i++)
        if (!t->cols[i].sql_type) r->own_names = false;
    r->description =
        r->own_names ? peri_fits_plain(r->arena, t->hdu.description) : t->hdu.description;
    for (size_t i = 0; i < t->hdu.nfields; i++) {
        peri_fitscol_t *c = &t->cols[i];
        duckdb_logical_type given = peri_slot_type(&c->slot), exact = NULL;
        if (c->sql_type) exact = peri_cast_exact_type(r->session, c->sql_type, given);
        if (c->slot.shape == PERI_SLOT_LIST && !c->var)
            peri_reader_note(r, "column %s is a list: its rows are too long for an array",
                             c->name);
        if (peri_reader_column(r, c->name, c->unit, c->ucd, c->comment, given, exact,
                               err))
            return -1;
    }
    return 0;
}

static int fits_open(peri_reader_t *r, peri_err_t *err)
{
    fits_t *t = peri_xcalloc(1, sizeof(*t));
    r->state = t;
    peri_buf_init(&t->text, (size_t)1 << 30);
    char *header = NULL;
    size_t n = 0;
    int rc = find_table(r, t, &header, &n, err);
    if (rc == 0) {
        peri_err_t why = {0};
        t->cols = peri_arena_calloc(r->arena, t->hdu.nfields + 1, sizeof(*t->cols));
        rc = peri_fits_columns(header, n, &t->hdu, r->arena, t->cols, &why);
        if (rc)
            peri_err_set(err, why.code, "HDU %u of %s cannot be read: %s", t->number,
                         r->name, why.text);
    }
    free(header);
    if (rc || add_columns(r, t, err)) return -1;
    t->room = peri_reader_room();
    if (t->hdu.row_size && t->room > BLOCK_BYTES / t->hdu.row_size)
        t->room = BLOCK_BYTES / t->hdu.row_size;
    if (!t->room) t->room = 1;
    t->block = peri_xmalloc(t->room * t->hdu.row_size + 1);
    atomic_store(&r->all, t->hdu.rows);
    return 0;
}

static void fits_free(peri_reader_t *r)
{
    fits_t *t = r->state;
    if (!t) return;
    free(t->block);
    free(t->heap);
    peri_buf_free(&t->text);
    free(t);
}

/* ---- rows ---- */

static int fits_start(peri_reader_t *r, peri_err_t *err)
{
    (void)err;
    ((fits_t *)r->state)->row = 0;
    return 0;
}

typedef struct {
    const peri_reader_t *r;
    fits_t *t;
} source_t;

static int read_heap(void *arg, uint64_t at, uint64_t n, const char **out,
                     peri_err_t *err)
{
    const source_t *s = arg;
    fits_t *t = s->t;
    if (n > HEAP_MAX)
        return peri_err_set(err, PERI_ELIMIT, "a list of more than 256 MiB");
    if (n > t->heap_room) {
        t->heap_room = n < 65536 ? 65536 : n;
        t->heap = peri_xrealloc(t->heap, t->heap_room, 1);
        t->heap_used = 0;
    }
    /* Lists mostly lie one behind the other. */
    if (at < t->heap_begin || at + n > t->heap_begin + t->heap_used) {
        uint64_t most = t->hdu.size - at;
        t->heap_begin = at;
        t->heap_used = most < t->heap_room ? most : t->heap_room;
        if (read_at(s->r, t->begin + at, t->heap, t->heap_used, err)) {
            t->heap_used = 0;
            return -1;
        }
    }
    *out = t->heap + (at - t->heap_begin);
    return 0;
}

static bool is_full(const fits_t *t)
{
    uint64_t n = 0;
    for (size_t i = 0; i < t->hdu.nfields; i++) n += t->cols[i].slot.bytes;
    return n >= VALUES_OF_CHUNK;
}

static int put_row(peri_reader_t *r, fits_t *t, idx_t k, const char *bytes,
                   const peri_fitsheap_t *heap, peri_err_t *err)
{
    for (size_t i = 0; i < t->hdu.nfields; i++) {
        peri_err_t why = {0};
        if (!peri_fits_value(&t->cols[i], k, bytes, heap, &t->text, &why)) continue;
        return peri_err_set(err, why.code, "row %" PRIu64 " of %s: column %s has %s",
                            t->row + k + 1, r->name, r->cols[i].name, why.text);
    }
    return 0;
}

static int fits_next(peri_reader_t *r, duckdb_data_chunk out, peri_err_t *err)
{
    fits_t *t = r->state;
    uint64_t n = t->hdu.rows - t->row, size = t->hdu.row_size;
    if (n > t->room) n = t->room;
    if (!n) return 0;
    if (read_at(r, t->begin + t->row * size, t->block, n * size, err)) return -1;
    for (size_t i = 0; i < t->hdu.nfields; i++) peri_slot_bind(&t->cols[i].slot, out, i);
    source_t source = {r, t};
    peri_fitsheap_t heap = {read_heap, &source, t->hdu.heap, t->hdu.size};
    idx_t k = 0;
    for (; k < n && !is_full(t); k++)
        if (put_row(r, t, k, t->block + k * size,
                    t->hdu.kind == PERI_FITS_TEXT ? NULL : &heap, err))
            return -1;
    t->row += k;
    atomic_store(&r->done, t->row);
    duckdb_data_chunk_set_size(out, k);
    return 0;
}

const peri_readops_t peri_read_fits = {.name = "fits",
                                       .endings = " .fits .fit .fts ",
                                       .sniff = fits_sniff,
                                       .sure = true,
                                       .open = fits_open,
                                       .start = fits_start,
                                       .next = fits_next,
                                       .free = fits_free};
