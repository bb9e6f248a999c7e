/* scanblock.c - the threads that read for a scan: taking blocks, values of columns. */
#include "core/engine/scanblock.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/table/sqltype.h"

bool peri_scan_is_array(const peri_column_t *c)
{
    return c->width > 1 ||
           peri_sqltype_form(c->sql_type, c->type, c->width) == PERI_SQLFORM_ONE;
}

void peri_scanner_leave(peri_scan_t *s, peri_scanner_t *me)
{
    if (!me->file) return;
    peri_scanner_count(s, me);
    me->counted = 0;
    for (size_t i = 0; me->cursors && i < me->file->nsets; i++)
        peri_h5cursor_free(me->cursors[i]);
    free(me->cursors);
    me->cursors = NULL;
    pthread_mutex_lock(&s->lock);
    bool last = --me->file->users == 0 && me->file != s->current;
    pthread_mutex_unlock(&s->lock);
    if (last) peri_scanfile_free(me->file);
    me->file = NULL;
}

void peri_scanner_clear(peri_scan_t *s, peri_scanner_t *me)
{
    peri_scanner_leave(s, me);
    free(me->scratch);
    memset(me, 0, sizeof(*me));
}

/* Move the scan's place behind the next block; under the lock. */
static int next_block(peri_scan_t *s, peri_scanner_t *me, peri_scanfile_t **dead,
                      peri_err_t *err)
{
    const peri_ranges_t *share = &s->rel->share;
    if (s->range >= share->n) return 0;
    const peri_range_t *r = &share->v[s->range];
    if (s->row < r->row0) s->row = r->row0;
    if (!s->current || s->current->file != r->file) {
        if (s->current && s->current->users == 0) *dead = s->current;
        s->current = peri_scanfile_new(s->rel, r->file, s->columns, s->ncolumns, err);
        if (!s->current) {
            s->range = share->n;
            return -1;
        }
    }
    uint64_t align = s->current->align;
    uint64_t step = align >= PERI_BLOCK_ROWS ? align : PERI_BLOCK_ROWS / align * align;
    peri_frow_t end = (s->row / step + 1) * step;
    if (end > r->row1) end = r->row1;
    me->row = s->row;
    me->end = end;
    me->file_no = r->file;
    if (me->file != s->current) s->current->users++;
    s->row = end;
    if (end == r->row1) {
        s->range++;
        s->row = 0;
    }
    return 1;
}

int peri_scanner_take(peri_scan_t *s, peri_scanner_t *me, peri_err_t *err)
{
    peri_scanfile_t *dead = NULL;
    pthread_mutex_lock(&s->lock);
    int rc = next_block(s, me, &dead, err);
    peri_scanfile_t *now = s->current;
    pthread_mutex_unlock(&s->lock);
    peri_scanfile_free(dead);
    if (rc != 1 || me->file == now) return rc;

    peri_scanner_leave(s, me);
    me->file = now;
    me->cursors = peri_xcalloc(now->nsets, sizeof(*me->cursors));
    me->counted = 0;
    for (size_t i = 0; i < now->nsets; i++) {
        me->cursors[i] = peri_h5cursor_new(now->sets[i], err);
        if (!me->cursors[i]) return -1;
    }
    return 1;
}

void peri_scanner_count(peri_scan_t *s, peri_scanner_t *me)
{
    uint64_t bytes = 0;
    if (!me->file || !me->cursors) return;
    for (size_t i = 0; i < me->file->nsets; i++)
        if (me->cursors[i]) bytes += peri_h5cursor_bytes(me->cursors[i]);
    peri_at_t at = s->rel->table->files[me->file->file].at;
    atomic_fetch_add_explicit(&s->session->bytes[at], bytes - me->counted,
                              memory_order_relaxed);
    me->counted = bytes;
}

void *peri_scanner_scratch(peri_scanner_t *me, size_t size)
{
    if (size > me->scratch_size) {
        free(me->scratch);
        me->scratch = peri_xmalloc(size);
        me->scratch_size = size;
    }
    return me->scratch;
}

static void take_component(const char *in, size_t size, uint32_t width, int component,
                           uint32_t n, char *out)
{
    in += (size_t)component * size;
    for (uint32_t i = 0; i < n; i++) memcpy(out + i * size, in + i * size * width, size);
}

int peri_scanner_read(const peri_scan_t *s, peri_scanner_t *me, size_t k, uint32_t n,
                      void *out, peri_err_t *err)
{
    const peri_scancol_t *sc = &me->file->cols[k];
    const peri_column_t *c = &s->rel->table->columns[sc->column];
    peri_h5cursor_t *cur = me->cursors[sc->set];
    bool part = c->component >= 0, wide = sc->type != c->type;
    if (!part && !wide) return peri_h5cursor_read(cur, sc->field, me->row, n, out, err);

    size_t size = peri_type_size(sc->type), all = (size_t)n * sc->width;
    char *tmp = peri_scanner_scratch(me, all * size + (size_t)n * size);
    if (peri_h5cursor_read(cur, sc->field, me->row, n, tmp, err)) return -1;
    if (part) {
        char *one = wide ? tmp + all * size : out;
        take_component(tmp, size, sc->width, c->component, n, one);
        tmp = one;
        all = n;
    }
    if (wide) peri_widen(sc->type, c->type, tmp, out, all);
    return 0;
}

int peri_scanner_read_mask(const peri_scan_t *s, peri_scanner_t *me, size_t k, uint32_t n,
                           uint8_t *out, peri_err_t *err)
{
    const peri_scancol_t *sc = &me->file->cols[k];
    const peri_column_t *c = &s->rel->table->columns[sc->column];
    peri_h5cursor_t *cur = me->cursors[sc->mask];
    if (c->component < 0)
        return peri_h5cursor_read(cur, sc->mask_field, me->row, n, out, err);
    char *tmp = peri_scanner_scratch(me, (size_t)n * sc->width);
    if (peri_h5cursor_read(cur, sc->mask_field, me->row, n, tmp, err)) return -1;
    take_component(tmp, 1, sc->width, c->component, n, (char *)out);
    return 0;
}
