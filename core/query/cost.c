/* cost.c - what reading the kept rows costs: chunks and bytes, from the files' metadata.
 *
 * Of files on nodes each rank counts its own and tells rank 0.
 */
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/util.h"
#include "core/query/private.h"

#define TOLD_MAGIC 0x3154534f43495250ull

/* Files opened to count chunks; more of them would make an explanation slow. */
#define MAX_FILES_OPENED 500

/* Chunks (or, for contiguous sets, zones) that the ranges touch, counted from 0. */
static uint64_t touched(const peri_range_t *v, size_t n, uint64_t step)
{
    uint64_t count = 0, next = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t first = v[i].row0 / step, last = (v[i].row1 - 1) / step;
        if (first < next) first = next;
        if (last >= first) count += last - first + 1;
        if (last + 1 > next) next = last + 1;
    }
    return count;
}

/* The ranges of one file. */
typedef struct {
    const peri_range_t *v;
    size_t n;
} part_t;

/* whole: what all is; NULL: the whole file. */
static void add_set(const peri_h5set_t *s, const part_t *kept, const part_t *whole,
                    cost_t *c)
{
    uint64_t rows = peri_h5set_rows(s), step = peri_h5set_chunk_rows(s);
    if (!rows) return;
    if (!step) step = PERI_ZONE_ROWS;
    uint64_t in_file = (rows + step - 1) / step;
    uint64_t all = whole ? touched(whole->v, whole->n, step) : in_file;
    uint64_t some = touched(kept->v, kept->n, step);
    uint64_t stored = peri_h5set_stored_bytes(s);
    c->chunks += some;
    c->chunks_all += all;
    c->bytes += (uint64_t)((double)stored * (double)some / (double)in_file);
    c->bytes_all += (uint64_t)((double)stored * (double)all / (double)in_file);
}

static void add_file(const rel_t *r, uint32_t file, const part_t *kept,
                     const part_t *whole, cost_t *c)
{
    const peri_table_t *t = r->table;
    const peri_file_t *pf = &t->files[file];
    peri_h5file_t *f = peri_h5file_open(pf->path, peri_file_root(t, pf), NULL);
    uint64_t before = c->bytes;
    for (size_t i = 0; f && i < r->nused; i++) {
        const peri_column_t *col = &t->columns[r->used[i]];
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = strcmp(t->columns[r->used[k]].dataset, col->dataset) == 0;
        peri_h5set_t *s = seen ? NULL : peri_h5set_open(f, col->dataset, NULL);
        if (s) add_set(s, kept, whole, c);
        peri_h5set_unref(s);
    }
    peri_h5file_unref(f);
    if (pf->at == PERI_AT_NODE) c->local += c->bytes - before;
    if (pf->at == PERI_AT_SHARED) c->shared += c->bytes - before;
}

static part_t take_part(const peri_ranges_t *r, uint32_t file, size_t *at)
{
    size_t first = *at;
    while (*at < r->n && r->v[*at].file == file) ++*at;
    return (part_t){r->v + first, *at - first};
}

cost_t peri_relation_cost(const rel_t *r)
{
    cost_t c = {.rows = peri_ranges_rows(&r->kept)};
    size_t at = 0, at_whole = 0;
    for (uint32_t file = 0; file < r->table->nfiles; file++) {
        part_t kept = take_part(&r->kept, file, &at);
        part_t whole = take_part(&r->whole, file, &at_whole);
        if (r->placed ? whole.n == 0 : r->table->files[file].rows == 0) continue;
        if (c.files + c.files_left_out >= MAX_FILES_OPENED) {
            c.files_left_out++;
            continue;
        }
        c.files++;
        add_file(r, file, &kept, r->placed ? &whole : NULL, &c);
    }
    if (r->index) c.fresh = peri_index_fresh_files(r->index, r->table);
    for (size_t i = 0; i < r->table->nfiles; i++)
        c.seen += r->table->files[i].at != PERI_AT_AWAY;
    return c;
}

int peri_query_cost(const peri_query_t *q, peri_buf_t *out, peri_err_t *err)
{
    peri_put_u64(out, TOLD_MAGIC);
    for (size_t i = 0; i < q->nrels; i++) {
        cost_t c = {0};
        if (q->rels[i].placed) c = peri_relation_cost(&q->rels[i]);
        peri_put_bytes(out, &c, sizeof(c));
    }
    return peri_buf_check(out, "the cost of a share", err);
}

int peri_cost_read(const peri_query_t *q, const peri_buf_t *told, size_t relation,
                   cost_t *out, peri_err_t *err)
{
    peri_reader_t r = {told->data, told->data + told->len, false};
    bool ours = peri_get_u64(&r) == TOLD_MAGIC;
    for (size_t i = 0; i < q->nrels; i++) {
        uint64_t n;
        const void *p = peri_get_bytes(&r, &n);
        if (!p || n != sizeof(*out)) r.failed = true;
        if (!r.failed && i == relation) memcpy(out, p, sizeof(*out));
    }
    if (ours && !r.failed) return 0;
    return peri_err_set(err, PERI_EINTERNAL, "a message between ranks was damaged");
}
