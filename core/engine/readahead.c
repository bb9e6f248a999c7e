/* readahead.c - decode blocks ahead of a scan that DuckDB drains with a single thread.
 *
 * DuckDB runs a plan that must keep the order of rows (a plain SELECT with a filter) on
 * one thread. Decoding is most of its work where data is compressed, so threads of our
 * own decode the next blocks into a ring; the scan then only copies. Blocks are handed
 * out in the order in which they were taken, so the order of rows stays that of the file.
 *
 * Threads: one mutex guards the ring; a block belongs to its filler until it is ready,
 * then to whoever got it from _next, until _done.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/engine/scanblock.h"

#define MAX_BYTES ((uint64_t)256 << 20) /* of all blocks of the ring */
#define MAX_SLOTS 128

struct peri_aheadblock {
    enum { EMPTY, FILLING, READY, HELD, LAST, FAILED } state;
    uint32_t file_no;
    peri_frow_t row, end;
    void **values;      /* one a projected column; NULL where the file lacks it */
    uint64_t *capacity; /* bytes allocated for each */
    void **memory;
    bool none;       /* no row can match */
    uint8_t **masks; /* NULL where the file has none; else its last bytes of `memory` */
    peri_err_t err;
};

struct peri_readahead {
    peri_scan_t *scan;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t head, tail; /* next to fill, next to hand out */
    bool stop, ended;
    peri_aheadblock_t *slots;
    size_t nslots;
    pthread_t *threads;
    size_t nthreads;
};

static size_t row_bytes(const peri_scan_t *s)
{
    size_t bytes = 0;
    for (size_t k = 0; k < s->ncolumns; k++) {
        const peri_column_t *c = &s->rel->table->columns[s->columns[k]];
        bytes += (peri_type_size(c->type) + c->nullable) * c->width;
    }
    return bytes;
}

/* Strings live in their cursor, and without columns there is nothing to decode. */
static bool is_worth_it(const peri_scan_t *s)
{
    if (s->session->threads < 2 || s->ncolumns == 0) return false;
    if (s->rel->share_rows < 4 * PERI_BLOCK_ROWS) return false;
    for (size_t k = 0; k < s->ncolumns; k++) {
        peri_type_t t = s->rel->table->columns[s->columns[k]].type;
        if (t == PERI_T_STR || t == PERI_T_BLOB) return false;
    }
    return true;
}

static int decode_column(peri_scan_t *s, peri_scanner_t *me, peri_aheadblock_t *b,
                         size_t k, peri_err_t *err)
{
    uint64_t n = me->end - me->row;
    const peri_scancol_t *sc = &me->file->cols[k];
    const peri_column_t *c = &s->rel->table->columns[sc->column];
    if (sc->set == SIZE_MAX) return 0;
    uint64_t size = n * c->width * peri_type_size(c->type);
    uint64_t bytes = size + (sc->mask != SIZE_MAX ? n * c->width : 0);
    if (bytes > b->capacity[k]) {
        free(b->memory[k]);
        b->memory[k] = malloc(bytes);
        b->capacity[k] = b->memory[k] ? bytes : 0;
        if (!b->memory[k])
            return peri_err_set(err, PERI_ELIMIT,
                                "not enough memory to decode %llu bytes ahead",
                                (unsigned long long)bytes);
    }
    b->values[k] = b->memory[k];
    if (n > UINT32_MAX || peri_scanner_read(s, me, k, (uint32_t)n, b->values[k], err))
        return -1;
    if (sc->mask != SIZE_MAX) {
        b->masks[k] = (uint8_t *)b->memory[k] + size;
        if (peri_scanner_read_mask(s, me, k, (uint32_t)n, b->masks[k], err)) return -1;
    }
    if (atomic_load_explicit(&s->session->interrupted, memory_order_relaxed))
        return peri_err_set(err, PERI_ECANCEL, "cancelled");
    return 0;
}

/* Do the tests, whose columns are decoded, leave no row of the block? */
static bool none_matches(const peri_scan_t *s, const peri_aheadblock_t *b)
{
    uint8_t keep[PERI_VECTOR_ROWS];
    const uint64_t rows = b->end - b->row;
    for (uint64_t at = 0; at < rows; at += PERI_VECTOR_ROWS) {
        const uint32_t n =
            rows - at < PERI_VECTOR_ROWS ? (uint32_t)(rows - at) : PERI_VECTOR_ROWS;
        memset(keep, 1, n);
        for (size_t i = 0; i < s->tests.n; i++) {
            const peri_rowtest_t *t = &s->tests.v[i];
            const char *values = b->values[t->k];
            if (values)
                peri_rowtest_keep(t, values + at * peri_type_size(t->type), n, keep);
        }
        if (memchr(keep, 1, n)) return false;
    }
    return s->tests.n > 0;
}

static int decode(peri_scan_t *s, peri_scanner_t *me, peri_aheadblock_t *b,
                  peri_err_t *err)
{
    memset(b->values, 0, s->ncolumns * sizeof(*b->values));
    memset(b->masks, 0, s->ncolumns * sizeof(*b->masks));
    for (size_t i = 0; i < s->tests.n; i++)
        if (decode_column(s, me, b, s->tests.v[i].k, err)) return -1;
    b->none = none_matches(s, b);
    for (size_t k = 0; k < s->ncolumns && !b->none; k++)
        if (!b->values[k] && decode_column(s, me, b, k, err)) return -1;
    return 0;
}

static void *work(void *arg)
{
    peri_readahead_t *r = arg;
    peri_scanner_t me = {0};
    pthread_mutex_lock(&r->lock);
    while (!r->stop && !r->ended) {
        peri_aheadblock_t *b = &r->slots[r->head % r->nslots];
        if (b->state != EMPTY) {
            pthread_cond_wait(&r->changed, &r->lock);
            continue;
        }
        /* Blocks are taken under the ring's lock, so that slots are in the rows' order.
         */
        r->head++;
        int got = peri_scanner_take(r->scan, &me, &b->err);
        if (got <= 0) {
            b->state = got ? FAILED : LAST;
            r->ended = true;
            break;
        }
        b->state = FILLING;
        b->file_no = me.file_no;
        b->row = me.row;
        b->end = me.end;
        pthread_mutex_unlock(&r->lock);
        int rc = decode(r->scan, &me, b, &b->err);
        peri_scanner_count(r->scan, &me);
        pthread_mutex_lock(&r->lock);
        b->state = rc ? FAILED : READY;
        if (rc) r->ended = true;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    peri_scanner_clear(r->scan, &me);
    return NULL;
}

peri_readahead_t *peri_readahead_new(peri_scan_t *s)
{
    if (!is_worth_it(s)) return NULL;
    pthread_mutex_lock(&s->lock);
    uint64_t align = s->current ? s->current->align : 1;
    pthread_mutex_unlock(&s->lock);
    uint64_t rows = align > PERI_BLOCK_ROWS ? align : PERI_BLOCK_ROWS;
    uint64_t fit = MAX_BYTES / (rows * row_bytes(s) + 1);
    if (fit < 2) return NULL;

    peri_readahead_t *r = peri_xcalloc(1, sizeof(*r));
    size_t threads = (size_t)s->session->threads;
    r->scan = s;
    r->nslots = 2 * threads;
    if (r->nslots > fit) r->nslots = fit;
    if (r->nslots > MAX_SLOTS) r->nslots = MAX_SLOTS;
    if (threads > r->nslots) threads = r->nslots;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->slots = peri_xcalloc(r->nslots, sizeof(*r->slots));
    for (size_t i = 0; i < r->nslots; i++) {
        r->slots[i].values = peri_xcalloc(s->ncolumns, sizeof(void *));
        r->slots[i].masks = peri_xcalloc(s->ncolumns, sizeof(uint8_t *));
        r->slots[i].memory = peri_xcalloc(s->ncolumns, sizeof(void *));
        r->slots[i].capacity = peri_xcalloc(s->ncolumns, sizeof(uint64_t));
    }
    r->threads = peri_xcalloc(threads, sizeof(*r->threads));
    while (r->nthreads < threads &&
           pthread_create(&r->threads[r->nthreads], NULL, work, r) == 0)
        r->nthreads++;
    if (r->nthreads) return r;
    peri_readahead_free(r);
    return NULL;
}

void peri_readahead_free(peri_readahead_t *r)
{
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < r->nthreads; i++) pthread_join(r->threads[i], NULL);
    for (size_t i = 0; i < r->nslots; i++) {
        for (size_t k = 0; k < r->scan->ncolumns; k++) free(r->slots[i].memory[k]);
        free(r->slots[i].values);
        free(r->slots[i].masks);
        free(r->slots[i].memory);
        free(r->slots[i].capacity);
    }
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r->threads);
    free(r->slots);
    free(r);
}

peri_aheadblock_t *peri_readahead_next(peri_readahead_t *r, int *rc, peri_err_t *err)
{
    pthread_mutex_lock(&r->lock);
    peri_aheadblock_t *b = &r->slots[r->tail % r->nslots];
    while (b->state == EMPTY || b->state == FILLING || b->state == HELD) {
        pthread_cond_wait(&r->changed, &r->lock);
        b = &r->slots[r->tail % r->nslots];
    }
    *rc = 0;
    if (b->state == READY) {
        b->state = HELD;
        r->tail++;
    } else {
        /* The end and an error stay where they are, for whoever asks next. */
        if (b->state == FAILED) {
            if (err) *err = b->err;
            *rc = -1;
        }
        b = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    return b;
}

void peri_readahead_done(peri_readahead_t *r, peri_aheadblock_t *b)
{
    pthread_mutex_lock(&r->lock);
    b->state = EMPTY;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

bool peri_aheadblock_none(const peri_aheadblock_t *b)
{
    return b->none;
}

uint32_t peri_aheadblock_file(const peri_aheadblock_t *b)
{
    return b->file_no;
}

peri_frow_t peri_aheadblock_row(const peri_aheadblock_t *b)
{
    return b->row;
}

peri_frow_t peri_aheadblock_end(const peri_aheadblock_t *b)
{
    return b->end;
}

const void *peri_aheadblock_values(const peri_aheadblock_t *b, size_t k)
{
    return b->values[k];
}

const uint8_t *peri_aheadblock_mask(const peri_aheadblock_t *b, size_t k)
{
    return b->masks[k];
}
